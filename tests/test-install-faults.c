/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Package upgrades over the UART: modules that refuse, stall and go away, and callers that change their mind. */

#include "install-fixture.h"

#include <string.h>

#define PIECE (512 * 1024)
#define SIZE (2 * PIECE + 7)

/* ---- refused before the first byte ---- */

static void
assert_not_begun (Install *t)
{
  g_autofree char *message = daemon_call_error (t->f, "m0", "Install", install_arguments (t, ""), t->package->fd,
                                                "TransferFailed");

  g_assert_true (g_str_has_suffix (message, "."));
  install_assert_clean (t);
  install_assert_no_copy (t);
  g_assert_cmpstr (daemon_get_string (t->f, "m0", "State"), ==, "idle");
  g_assert_cmpstr (daemon_get_string (t->f, "m0", "LastUpgrade"), ==, "");
  g_assert_cmpstr (daemon_get_string (t->f, "m0", "LastResult"), ==, "none");
  /* and the next one is as if it had not been */
  sim_control (t->sim, "set prompt=guide");
  sim_control (t->sim, "set fault=none");
  install_begin (t);
  install_assert_success (t);
}

static void
test_first_refused (void)
{
  g_auto (Install) t = install_new (1000, "refuse-piece=1", "");
  assert_not_begun (&t);
}

static void
test_delete_refused (void)
{
  g_auto (Install) t = install_new (1000, "fault=2x AT+ZCOMDEL error", "");
  g_free (daemon_call_error (t.f, "m0", "Install", install_arguments (&t, ""), t.package->fd, "TransferFailed"));
  g_assert_cmpuint (sim_count (t.sim, "prompt "), ==, 0);
  install_begin (&t);
  install_assert_success (&t);
}

/* It waits for data, and nobody was told. */
static void
test_no_prompt (void)
{
  g_auto (Install) t = install_new (30000, "prompt=none", "");
  assert_not_begun (&t);
}

/* It does not even wait. */
static void
test_prompt_swallowed (void)
{
  g_auto (Install) t = install_new (30000, "fault=AT+ZCOMWRT* silent", "");
  assert_not_begun (&t);
}

/* It asks, or begins, by itself before it takes the first byte: that goes on, and no caller waits for ever. */
static void
test_overtaken (gconstpointer data)
{
  const char *word = data;
  g_auto (Install) t = install_new (1000, "", "");
  g_autofree char *script = daemon_path (t.f, "overtaken");
  g_autofree char *text = g_strdup_printf ("on AT+ZCOMDEL\nind %s\nok\n", word);
  guint deleted = sim_count (t.sim, "rx AT+ZCOMDEL");
  gboolean asks = g_str_equal (word, "NEED_CONFIRM");

  g_assert_true (g_file_set_contents (script, text, -1, NULL));
  sim_control (t.sim, "script %s", script);
  g_free (daemon_call_error (t.f, "m0", "Install", install_arguments (&t, ""), t.package->fd, "Busy"));
  install_assert_no_copy (&t);
  g_assert_cmpuint (sim_count (t.sim, "rx AT+ZCOMDEL"), ==, deleted + 1);
  g_assert_cmpstr (daemon_get_string (t.f, "m0", "State"), ==, asks ? "confirming" : "downloading");
  sim_control (t.sim, "set fault=1x AT+FOTACTR=* ok");
  if (asks)
    daemon_call_ok (t.f, "m0", "Confirm", g_variant_new_parsed ("(true, @a{sv} {})"), -1);
  sim_control (t.sim, "ind FAIL_CONNECT");
  daemon_await_finished (t.f, "m0", "failure", "ConnectFailed");
  daemon_await_state (t.f, "m0", "idle");

  g_assert_true (g_file_set_contents (script, "on AT+ZCOMDEL\nok\n", -1, NULL));
  sim_control (t.sim, "script %s", script);
  install_begin (&t);
  daemon_await_finished (t.f, "m0", "success", NULL);
}

/* ---- doubt in a piece ---- */

/* Another attempt, from the start, and then all is well. */
static void
try_fault (const char *setting)
{
  g_auto (Install) t = install_new (SIZE, setting, "");

  g_test_message ("---- %s", setting);
  install_begin (&t);
  install_assert_success (&t);
  g_assert_cmpuint (sim_count (t.sim, "prompt 1 "), ==, 2);
}

static void
test_second_attempt (void)
{
  try_fault ("refuse-piece=2");
  try_fault ("refuse-piece=2,refuse-how=end");
  try_fault ("refuse-piece=3");
  try_fault ("data-error-after=1");
  try_fault ("data-error-after=700000");
  try_fault ("fault=1x AT+ZCOMWRT=7 hangup");
  try_fault ("fault=1x AT+ZCOMWRT=7 silent");
  try_fault ("hangup-after-data=600000");
  try_fault ("hangup-after-data=600000,hangup-kind=link");
}

static void
test_late_connect (void)
{
  g_auto (Install) t = install_new (100000, "prompt=connect,connect-delay=10", "");

  install_begin (&t);
  install_assert_success (&t);
  g_assert_cmpuint (sim_count (t.sim, "prompt 1 "), ==, 2);
}

static void
test_attempts_exhausted (void)
{
  g_auto (Install) t = install_new (SIZE, "fault=AT+ZCOMWRT=7 cme 23", "[policy]\ntransfer-attempts=2\n");
  GVariant *details;
  const char *message;

  install_begin (&t);
  details = daemon_await_finished (t.f, "m0", "failure", "TransferFailed");
  g_assert_true (g_variant_lookup (details, "error-message", "&s", &message));
  g_assert_nonnull (strstr (message, "byte 1048576 of 1048583"));
  g_assert_nonnull (strstr (message, "memory failure"));
  g_assert_cmpuint (sim_count (t.sim, "prompt "), ==, 4);
  g_assert_cmpuint (sim_count (t.sim, "deleted"), ==, 3);
  g_assert_cmpuint (sim_count (t.sim, "package "), ==, 0);
  install_assert_clean (&t);
  install_assert_no_copy (&t);
}

/* Reads no further with bytes in every buffer there is, then does again. */
static void
test_stall (void)
{
  g_auto (Install) t = install_new (300000, "stall-after=100000", "[policy]\ntransfer-attempts=1\n");

  install_begin (&t);
  sim_await (t.sim, "stalled ");
  sim_control (t.sim, "set stall-after=0");
  install_assert_success (&t);
}

static void
test_update_refused (void)
{
  g_auto (Install) t = install_new (1000, "fault=AT+ZCOMUPDATE error", "");

  install_begin (&t);
  daemon_await_finished (t.f, "m0", "failure", "ModuleError");
  install_assert_clean (&t);
  g_assert_cmpuint (sim_count (t.sim, "rx AT+ZCOMUPDATE"), ==, 1);
}

/* Its OK is lost: it installs all the same. */
static void
test_update_unanswered (void)
{
  g_auto (Install) t = install_new (1000, "fault=1x AT+ZCOMUPDATE cut", "");

  install_begin (&t);
  sim_await (t.sim, "package ");
  install_assert_success (&t);
  g_assert_cmpuint (sim_count (t.sim, "rx AT+ZCOMUPDATE"), ==, 1);
}

static void
test_wrong_package (void)
{
  g_auto (Install) t = install_new (1000, "keep-firmware=true", "");

  install_begin (&t);
  daemon_await_finished (t.f, "m0", "failure", "UpgradeFailed");
  install_assert_no_copy (&t);
}

/* ---- Cancel ---- */

static void
cancel_at (const char *settings, const char *event)
{
  g_auto (Install) t = install_new (SIZE, settings, "");
  gint64 began;

  g_test_message ("---- cancel at %s", event);
  install_begin (&t);
  sim_await (t.sim, event);
  began = g_get_monotonic_time ();
  daemon_call_ok (t.f, "m0", "Cancel", NULL, -1);
  g_assert_cmpint (g_get_monotonic_time () - began, <, 2 * G_USEC_PER_SEC);
  daemon_await_finished (t.f, "m0", "failure", "Cancelled");
  g_assert_cmpuint (sim_count (t.sim, "package "), ==, 0);
  install_assert_clean (&t);
  install_assert_no_copy (&t);
  g_free (daemon_call_error (t.f, "m0", "Cancel", NULL, -1, "NotCancellable"));
  sim_control (t.sim, "set pace=0");
  install_begin (&t);
  install_assert_success (&t);
}

static void
test_cancel (void)
{
  cancel_at ("mark-data=1,pace=4000000", "data 1");
  cancel_at ("mark-data=100000,pace=4000000", "data 100000");
  cancel_at ("mark-data=524288,pace=4000000", "data 524288");
  cancel_at ("mark-data=600000,pace=4000000", "data 600000");
}

/* From AT+ZCOMUPDATE on it is too late. */
static void
test_cancel_too_late (void)
{
  g_auto (Install) t = install_new (1000, "fault=1x AT+ZCOMUPDATE late 20", "");

  install_begin (&t);
  sim_await (t.sim, "rx AT+ZCOMUPDATE");
  DAEMON_AWAIT (t.f, daemon_get_number (t.f, "m0", "CanCancel") == 0);
  g_free (daemon_call_error (t.f, "m0", "Cancel", NULL, -1, "NotCancellable"));
  install_assert_success (&t);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/install-faults/first-refused", test_first_refused);
  g_test_add_func ("/install-faults/delete-refused", test_delete_refused);
  g_test_add_data_func ("/install-faults/overtaken/question", "NEED_CONFIRM", test_overtaken);
  g_test_add_data_func ("/install-faults/overtaken/start", "START", test_overtaken);
  g_test_add_func ("/install-faults/no-prompt", test_no_prompt);
  g_test_add_func ("/install-faults/prompt-swallowed", test_prompt_swallowed);
  g_test_add_func ("/install-faults/second-attempt", test_second_attempt);
  g_test_add_func ("/install-faults/late-connect", test_late_connect);
  g_test_add_func ("/install-faults/attempts-exhausted", test_attempts_exhausted);
  g_test_add_func ("/install-faults/stall", test_stall);
  g_test_add_func ("/install-faults/update-refused", test_update_refused);
  g_test_add_func ("/install-faults/update-unanswered", test_update_unanswered);
  g_test_add_func ("/install-faults/wrong-package", test_wrong_package);
  g_test_add_func ("/install-faults/cancel", test_cancel);
  g_test_add_func ("/install-faults/cancel-too-late", test_cancel_too_late);
  return g_test_run ();
}
