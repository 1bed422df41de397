/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Starts that meet something else: the module going away before its word on them (contract 2.1, 2.4 and 5). */

#include "daemon-lab.h"

#include <string.h>

/* ---- a module that goes away with the start ---- */

/* What it does with the start that it has heard: goes away without a word, and is through with it. */
#define GOES_ON "return\nawait open 10\nind START\nind UPDATING\nfirmware $next\nreboot 5\n"
#define ASKED_FOR "WIFI_ME3630V1.0B05"

static void
assert_as_asked_for (DaemonFixture *f, const char *module, const char *operation, const char *target)
{
  g_autoptr (GVariant) entry = lab_only_entry (f, module);

  g_assert_cmpstr (lab_lookup (entry, "operation"), ==, operation);
  g_assert_cmpstr (lab_lookup (entry, "target-version"), ==, target);
  g_assert_cmpstr (lab_lookup (entry, "from-version"), ==, OLD_VERSION);
  if (g_str_equal (operation, "network"))
    g_assert_true (g_str_has_prefix (lab_lookup (entry, "requested-by"), g_get_user_name ()));
  g_assert_cmpuint (lab_count (f, module, "Finished"), ==, 1);
}

/* Its port hangs up before its word on AT+FOTACTR has been read: it may have begun, and has. */
static void
test_goes_with_start (void)
{
  static const char *const begins[] = { "", "ok\n" };

  for (guint i = 0; i < G_N_ELEMENTS (begins); i++)
    {
      g_autofree char *script = g_strconcat ("on AT+FOTACTR\n", begins[i], "vanish\nhold away\n" GOES_ON, NULL);
      g_autoptr (DaemonFixture) f = lab_new ("usb", script, "");
      SimProcess *sim = lab_sim (f, 0);

      sim_control (sim, "set linger=0");
      lab_upgrade (f, ASKED_FOR);
      g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "starting");
      DAEMON_AWAIT (f, daemon_get_number (f, "m0", "RebootsSeen") == 1);
      g_free (daemon_call_error (f, "m0", "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1, "Busy"));
      lab_check_properties (f, "m0");
      lab_pass (sim, "away");
      daemon_await_finished (f, "m0", "success", NULL);
      assert_as_asked_for (f, "m0", "network", ASKED_FOR);
      g_assert_cmpuint (sim_count (sim, "rx AT+FOTACTR"), ==, 1);
    }
}

static void
on_cut_off (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);

  *(gboolean *) data = TRUE;
}

/* The same with the daemon killed at that very moment. */
static void
test_goes_with_start_and_daemon (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", "on AT+FOTACTR\nvanish\nhold away\n" GOES_ON, "");
  SimProcess *sim = lab_sim (f, 0);
  gboolean cut_off = FALSE;

  sim_control (sim, "set linger=0");
  lab_upgrade_async (f, on_cut_off, &cut_off);
  sim_await (sim, "vanished");
  daemon_kill (f);
  DAEMON_AWAIT (f, cut_off);
  daemon_start (f, NULL);
  lab_pass (sim, "away");
  daemon_await_finished (f, "m0", "success", NULL);
  assert_as_asked_for (f, "m0", "network", "");
}

/* On a UART only the boot it announces tells. */
static void
test_restarts_with_start (void)
{
  g_autoptr (DaemonFixture) f
      = lab_new ("uart", "on AT+FOTACTR\nreboot 5\nhold back\nind START\nind UPDATING\nfirmware $next\nreboot 5\n", "");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set boot-noise=zready");
  lab_upgrade (f, ASKED_FOR);
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "starting");
  lab_pass (sim, "back");
  daemon_await_finished (f, "m0", "success", NULL);
  assert_as_asked_for (f, "m0", "network", ASKED_FOR);
}

/* The answer of a polled upgrade. */
static void
test_goes_with_answer (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", "on AT+FOTACTR=1\nvanish\nhold away\n" GOES_ON, "confirm=1\n");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set linger=0");
  sim_control (sim, "ind NEED_CONFIRM");
  daemon_await_state (f, "m0", "confirming");
  daemon_call_ok (f, "m0", "Confirm", g_variant_new ("(ba{sv})", TRUE, NULL), -1);
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "starting");
  lab_pass (sim, "away");
  daemon_await_finished (f, "m0", "success", NULL);
  assert_as_asked_for (f, "m0", "polled", "");
}

/* It had not heard it: it is silent for as long as one that downloads may be. */
static void
test_goes_for_nothing (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "download=1\n");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set fault=1x AT+FOTACTR hangup");
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "failure", "Timeout");
  daemon_await_state (f, "m0", "idle");
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
}

/* It goes before the start has gone to it. */
static void
test_goes_before_start (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  SimProcess *sim = lab_sim (f, 0);
  GVariant *asked = g_variant_new ("(sa{sv})", ASKED_FOR, NULL);

  sim_control (sim, "set fault=1x AT+FOTATV=* hangup");
  g_free (daemon_call_error (f, "m0", "Upgrade", asked, -1, "NotPresent"));
  daemon_await_state (f, "m0", "idle");
  g_assert_cmpuint (lab_count (f, "m0", "Finished"), ==, 0);
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
}

int
main (int argc, char **argv)
{
  lab_init (&argc, &argv);
  g_test_add_func ("/daemon/races/goes-with-start", test_goes_with_start);
  g_test_add_func ("/daemon/races/goes-with-start-and-daemon", test_goes_with_start_and_daemon);
  g_test_add_func ("/daemon/races/restarts-with-start", test_restarts_with_start);
  g_test_add_func ("/daemon/races/goes-with-answer", test_goes_with_answer);
  g_test_add_func ("/daemon/races/goes-for-nothing", test_goes_for_nothing);
  g_test_add_func ("/daemon/races/goes-before-start", test_goes_before_start);
  return g_test_run ();
}
