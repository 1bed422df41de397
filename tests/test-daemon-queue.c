/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Upgrades that wait their turn, and what meets them in line and at their turn (contract 2.7 and 3). */

#include "daemon-lab.h"

#include <unistd.h>

static GVariant *
upgrade (void)
{
  return g_variant_new ("(sa{sv})", "", NULL);
}

#define THREE LAB_USB LAB_SECOND "[module m2]\nport=@m2@\ntransport=usb\n" LAB_TIMEOUTS

static DaemonFixture *
three (const char *script)
{
  DaemonFixture *f = daemon_fixture_new ();

  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *name = g_strdup_printf ("m%u", i);
      g_autofree char *imei = g_strdup_printf ("86486304000001%u", i);
      lab_play (f, lab_add_sim (f, name, "usb", imei), script);
    }
  daemon_start (f, THREE);
  for (guint i = 0; i < 3; i++)
    daemon_await_state (f, i == 0 ? "m0" : i == 1 ? "m1" : "m2", "idle");
  return f;
}

/* One after the other, in the order they were asked for, also over a restart of the daemon; readiness is checked at a
 * module's turn. */
static void
test_line (gconstpointer killed)
{
  g_autoptr (DaemonFixture) f = three (lab_steps);
  g_autofree char *id = NULL;

  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m2", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m0", "Upgrade", upgrade (), -1);
  g_assert_cmpstr (daemon_get_string (f, "m1", "State"), ==, "starting");
  g_assert_cmpstr (daemon_get_string (f, "m2", "State"), ==, "queued");
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "queued");
  g_assert_cmpstr (daemon_get_string (f, "m0", "Operation"), ==, "network");
  g_assert_true (daemon_get_number (f, "m0", "CanCancel"));
  lab_commands (f, lab_sim (f, 2));
  g_assert_cmpuint (sim_count (lab_sim (f, 2), "rx AT+CPIN?"), ==, 0);
  g_free (daemon_call_error (f, "m2", "Upgrade", upgrade (), -1, "Busy"));
  daemon_call_ok (f, "m2", "SetPolling", g_variant_new ("(b)", TRUE), -1); /* other methods work */
  lab_check_properties (f, "m0");
  id = g_strdup (daemon_get_string (f, "m0", "LastUpgrade"));
  g_assert_cmpstr (id, !=, "");

  if (killed != NULL)
    {
      daemon_kill (f);
      daemon_start (f, NULL);
      g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "queued");
      g_assert_cmpstr (daemon_get_string (f, "m2", "State"), ==, "queued");
      /* Identified again, in whatever order. */
      DAEMON_AWAIT (f, daemon_get_string (f, "m0", "Imei")[0] != '\0');
      DAEMON_AWAIT (f, daemon_get_string (f, "m2", "Imei")[0] != '\0');
    }
  sim_control (lab_sim (f, 1), "ind FAIL_CONNECT");
  daemon_await_finished (f, "m1", "failure", "ConnectFailed");
  daemon_await_state (f, "m2", "starting");
  g_assert_cmpuint (sim_count (lab_sim (f, 2), "rx AT+CPIN?"), ==, 1);
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "queued");
  sim_control (lab_sim (f, 2), "ind FAIL_VERIFY");
  daemon_await_finished (f, "m2", "failure", "VerifyFailed");
  daemon_await_state (f, "m0", "starting");
  g_assert_cmpstr (daemon_get_string (f, "m0", "LastUpgrade"), ==, id);
  sim_control (lab_sim (f, 0), "ind FAIL_NO_NEW");
  daemon_await_finished (f, "m0", "failure", "NoNewVersion");
  {
    g_autoptr (GVariant) history = lab_history (f, NULL);
    g_assert_cmpuint (g_variant_n_children (history), ==, 3);
  }
}

/* After a restart of the daemon the place is kept for one that is slow to answer; for one that is not there it is
 * not. */
static void
test_place (gconstpointer gone)
{
  g_autoptr (DaemonFixture) f = three (lab_steps);

  daemon_call_ok (f, "m0", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m2", "Upgrade", upgrade (), -1);
  daemon_kill (f);
  sim_control (lab_sim (f, 1), gone != NULL ? "vanish" : "set mute=forever");
  daemon_start (f, NULL);
  DAEMON_AWAIT (f, daemon_get_string (f, "m0", "Imei")[0] != '\0');
  DAEMON_AWAIT (f, daemon_get_string (f, "m2", "Imei")[0] != '\0');
  sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
  daemon_await_finished (f, "m0", "failure", "ConnectFailed");
  if (gone != NULL)
    {
      daemon_await_state (f, "m2", "starting");
      g_assert_cmpstr (daemon_get_string (f, "m1", "State"), ==, "queued");
      return;
    }
  lab_commands (f, lab_sim (f, 2));
  g_assert_cmpstr (daemon_get_string (f, "m2", "State"), ==, "queued");
  sim_control (lab_sim (f, 1), "set mute=0");
  daemon_await_state (f, "m1", "starting");
  g_assert_cmpstr (daemon_get_string (f, "m2", "State"), ==, "queued");
}

/* Out of the line: cancelled, not ready at its turn, refused by the module at its turn. */
static void
test_out_of_line (void)
{
  g_autoptr (DaemonFixture) f = three (lab_steps);

  daemon_call_ok (f, "m0", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m1", "Cancel", NULL, -1);
  daemon_await_finished (f, "m1", "failure", "Cancelled");
  g_assert_cmpstr (daemon_get_string (f, "m1", "State"), ==, "idle");

  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m2", "Upgrade", upgrade (), -1);
  sim_control (lab_sim (f, 1), "set sim=not inserted");
  sim_control (lab_sim (f, 2), "set fault=AT+FOTACTR error");
  sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
  daemon_await_finished (f, "m1", "failure", "NotReady");
  daemon_await_finished (f, "m2", "failure", "ModuleError");
  {
    g_autoptr (GVariant) history = lab_history (f, "m1");
    g_assert_cmpuint (g_variant_n_children (history), ==, 2);
  }
  lab_check_properties (f, "m1");
  lab_check_properties (f, "m2");
  /* The line is free again. */
  sim_control (lab_sim (f, 0), "abort");
  daemon_call_ok (f, "m0", "Upgrade", upgrade (), -1);
  daemon_await_state (f, "m0", "starting");
}

/* Away at its turn: the others go on, and it comes later. A hold keeps the whole line. */
static void
test_away (void)
{
  g_autoptr (DaemonFixture) f = three (lab_steps);
  int fd;

  daemon_call_ok (f, "m0", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m2", "Upgrade", upgrade (), -1);
  sim_control (lab_sim (f, 1), "vanish");
  DAEMON_AWAIT (f, g_str_equal (daemon_get_string (f, "m1", "Port"), ""));
  g_assert_cmpstr (daemon_get_string (f, "m1", "State"), ==, "queued");
  fd = lab_hold (f, "backup", "copies");
  sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
  daemon_await_finished (f, "m0", "failure", "ConnectFailed");
  lab_commands (f, lab_sim (f, 2));
  g_assert_cmpstr (daemon_get_string (f, "m2", "State"), ==, "queued");
  close (fd);
  daemon_await_state (f, "m2", "starting");
  g_assert_cmpstr (daemon_get_string (f, "m1", "State"), ==, "queued");
  sim_control (lab_sim (f, 1), "return");
  DAEMON_AWAIT (f, !g_str_equal (daemon_get_string (f, "m1", "Port"), ""));
  sim_control (lab_sim (f, 2), "ind FAIL_CONNECT");
  daemon_await_finished (f, "m2", "failure", "ConnectFailed");
  daemon_await_state (f, "m1", "starting");
}

/* Held at its turn, while it is still looked into: back in line, with its place. */
static void
test_hold_at_its_turn (void)
{
  g_autoptr (DaemonFixture) f = three (lab_steps);
  g_autofree char *id = NULL;
  int fd;

  daemon_call_ok (f, "m0", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m2", "Upgrade", upgrade (), -1);
  id = g_strdup (daemon_get_string (f, "m1", "LastUpgrade"));
  sim_control (lab_sim (f, 1), "set fault=1x AT+CPIN? late 20");
  sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
  sim_await (lab_sim (f, 1), "rx AT+CPIN?");
  fd = lab_hold (f, "backup", "copies");
  DAEMON_AWAIT (f, daemon_get_number (f, "m1", "CanCancel"));
  g_assert_cmpstr (daemon_get_string (f, "m1", "State"), ==, "queued");
  g_assert_cmpuint (sim_count (lab_sim (f, 1), "rx AT+FOTACTR"), ==, 0);
  close (fd);
  daemon_await_state (f, "m1", "starting");
  g_assert_cmpstr (daemon_get_string (f, "m1", "LastUpgrade"), ==, id);
  g_assert_cmpstr (daemon_get_string (f, "m2", "State"), ==, "queued");
  g_assert_cmpuint (lab_count (f, "m1", "Finished"), ==, 0);
}

/* It begins on its own before its turn: the one in line ends, its own is taken up, and it runs beside the other. */
static void
test_begins_in_line (void)
{
  g_autoptr (DaemonFixture) f = three (lab_steps);
  g_autofree char *id = NULL;

  daemon_call_ok (f, "m0", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  id = g_strdup (daemon_get_string (f, "m1", "LastUpgrade"));
  sim_control (lab_sim (f, 1), "ind START");
  g_assert_cmpstr (lab_lookup (daemon_await_finished (f, "m1", "failure", "Busy"), "id"), ==, id);
  daemon_await_state (f, "m1", "downloading");
  g_assert_cmpstr (daemon_get_string (f, "m1", "LastUpgrade"), !=, id);
  sim_control (lab_sim (f, 1), "ind FAIL_END");
  daemon_await_finished (f, "m1", "failure", "UpgradeFailed");
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "starting");
  lab_check_properties (f, "m1");
}

/* At its turn it asks before it has taken the start: one upgrade, which is the one that waited. */
static void
test_asks_at_its_turn (void)
{
  g_autoptr (DaemonFixture) f = three (lab_steps);
  g_autofree char *id = NULL;

  daemon_call_ok (f, "m0", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  id = g_strdup (daemon_get_string (f, "m1", "LastUpgrade"));
  lab_play (f, lab_sim (f, 1), "on AT+FOTACTR\nind NEED_CONFIRM\nok\n");
  sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
  daemon_await_state (f, "m1", "confirming");
  g_assert_cmpstr (daemon_get_string (f, "m1", "LastUpgrade"), ==, id);
  sim_control (lab_sim (f, 1), "ind FAIL_WAIT_TIMEOUT");
  daemon_await_finished (f, "m1", "failure", "ConfirmTimeout");
  g_assert_cmpuint (lab_count (f, "m1", "Finished"), ==, 1);
  lab_check_properties (f, "m1");
}

/* At its turn it asks while it is still looked at: the one that waited is over, and policy answers the question. */
static void
test_asks_before_its_start (void)
{
  g_autoptr (DaemonFixture) f = lab_new_two (NULL, "[policy]\nconfirm=allow\n");

  lab_upgrade (f, "");
  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  lab_play (f, lab_sim (f, 1), "on AT+CPIN?\nind NEED_CONFIRM\nline +CPIN: READY\nok\non AT+FOTACTR=1\nok\n");
  sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
  daemon_await_finished (f, "m1", "failure", "Busy");
  sim_await (lab_sim (f, 1), "rx AT+FOTACTR=1");
  sim_control (lab_sim (f, 1), "ind FAIL_CONNECT");
  daemon_await_finished (f, "m1", "failure", "ConnectFailed");
}

/* A module that is allowed by policy waits for a free place too. */
static void
test_policy_waits (void)
{
  g_autoptr (DaemonFixture) f = lab_new_two (NULL, "[policy]\nconfirm=allow\n");

  lab_upgrade (f, "");
  sim_control (lab_sim (f, 1), "question");
  daemon_await_state (f, "m1", "confirming");
  lab_await_log (f, "delayed by [policy] max-parallel");
  g_free (daemon_call_error (f, "m1", "Confirm", g_variant_new ("(ba{sv})", TRUE, NULL), -1, "Busy"));
  sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
  sim_await (lab_sim (f, 1), "answer 1");
}

int
main (int argc, char **argv)
{
  lab_init (&argc, &argv);
  g_test_add_data_func ("/daemon/queue/line/alive", NULL, test_line);
  g_test_add_data_func ("/daemon/queue/line/killed", "killed", test_line);
  g_test_add_data_func ("/daemon/queue/place/slow", NULL, test_place);
  g_test_add_data_func ("/daemon/queue/place/gone", "gone", test_place);
  g_test_add_func ("/daemon/queue/out-of-line", test_out_of_line);
  g_test_add_func ("/daemon/queue/away", test_away);
  g_test_add_func ("/daemon/queue/hold-at-its-turn", test_hold_at_its_turn);
  g_test_add_func ("/daemon/queue/begins-in-line", test_begins_in_line);
  g_test_add_func ("/daemon/queue/asks-at-its-turn", test_asks_at_its_turn);
  g_test_add_func ("/daemon/queue/asks-before-its-start", test_asks_before_its_start);
  g_test_add_func ("/daemon/queue/policy-waits", test_policy_waits);
  return g_test_run ();
}
