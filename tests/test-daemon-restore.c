/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Settings that a restart of the module loses: told, and put back (contract 2.1 and 5). */

#include "daemon-lab.h"

static void
set_server (DaemonFixture *f, const char *address)
{
  daemon_call_ok (f, "m0", "SetServer", g_variant_new ("(sq)", address, 99), -1);
}

static void
set_both (DaemonFixture *f)
{
  set_server (f, "10.0.0.9");
  daemon_call_ok (f, "m0", "SetPolling", g_variant_new ("(b)", TRUE), -1);
}

static void
restart (DaemonFixture *f)
{
  daemon_call_ok (f, "m0", "Restart", NULL, -1);
  daemon_await_state (f, "m0", "absent");
}

/* What a restart of the module lost is put back, or only told. */
static void
test_restore (gconstpointer restore)
{
  g_autofree char *config = g_strdup_printf ("[policy]\nrestore-settings=%s\n", (const char *) restore);
  gboolean back = g_str_equal (restore, "true");
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, config);
  SimProcess *sim = lab_sim (f, 0);

  set_both (f);
  sim_control (sim, "set lose-settings=server,polling");
  restart (f);
  daemon_await_state (f, "m0", "idle");
  lab_await_log (f, "lost its setting AT+FOTAIP=10.0.0.9,99");
  lab_await_log (f, "lost its setting AT+FOTAPOLLEN=1");
  if (back)
    {
      DAEMON_AWAIT (f, daemon_get_number (f, "m0", "ServerPort") == 99);
      DAEMON_AWAIT (f, daemon_get_number (f, "m0", "PollingEnabled"));
      g_assert_true (daemon_get_number (f, "m0", "PollingRestartNeeded"));
    }
  else
    {
      lab_commands (f, sim);
      g_assert_cmpstr (daemon_get_string (f, "m0", "ServerAddress"), ==, "114.55.56.19");
      g_assert_cmpuint (sim_count (sim, "rx AT+FOTAIP="), ==, 1);
      g_assert_false (daemon_get_number (f, "m0", "PollingEnabled"));
    }
  lab_check_properties (f, "m0");
}

/* One of the two is not taken back: it is still what the module should be set to, after its next restart too. */
static void
test_restore_one (gconstpointer set)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);

  set_both (f);
  sim_control (sim, "set lose-settings=server,polling");
  sim_control (sim, "set fault=1x AT+FOTAPOLLEN=1 error");
  restart (f);
  lab_await_log (f, "could not be put back");
  DAEMON_AWAIT (f, daemon_get_number (f, "m0", "ServerPort") == 99 && !daemon_get_number (f, "m0", "PollingEnabled"));
  if (set != NULL)
    set_server (f, "10.0.0.10");
  restart (f);
  DAEMON_AWAIT (f, daemon_get_number (f, "m0", "PollingEnabled"));
}

/* What it was set to before the daemon knew it is lost and put back like anything set through the daemon. */
static void
test_restore_found (gconstpointer upgrade)
{
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  SimProcess *sim = lab_add_sim (f, "m0", "usb", IMEI);

  sim_control (sim, "set lose-settings=server,polling");
  sim_control (sim, "set server=10.0.0.9,99");
  sim_control (sim, "set polling=true");
  if (upgrade != NULL)
    lab_play (f, sim, lab_quick);
  daemon_start (f, LAB_USB LAB_TIMEOUTS);
  daemon_await_state (f, "m0", "idle");
  g_assert_cmpuint (daemon_get_number (f, "m0", "ServerPort"), ==, 99);
  if (upgrade != NULL)
    {
      lab_upgrade (f, "");
      daemon_await_finished (f, "m0", "success", NULL);
    }
  else
    restart (f);
  sim_await (sim, "rx AT+FOTAIP=10.0.0.9,99");
  sim_await (sim, "rx AT+FOTAPOLLEN=1");
  DAEMON_AWAIT (f, daemon_get_number (f, "m0", "ServerPort") == 99);
  DAEMON_AWAIT (f, daemon_get_number (f, "m0", "PollingEnabled"));
  lab_check_properties (f, "m0");
}

/* The module is back, with its settings lost, before it is known that its upgrade has failed. */
static void
test_restore_after_failure (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  SimProcess *sim = lab_sim (f, 0);

  set_both (f);
  sim_control (sim, "set keep-firmware=true");
  sim_control (sim, "set lose-settings=server,polling");
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "failure", "NotVerified");
  DAEMON_AWAIT (f, daemon_get_number (f, "m0", "ServerPort") == 99);
  DAEMON_AWAIT (f, daemon_get_number (f, "m0", "PollingEnabled"));
  g_assert_true (daemon_get_number (f, "m0", "PollingRestartNeeded"));
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTAIP=10.0.0.9,99"), ==, 2);
  lab_check_properties (f, "m0");
}

int
main (int argc, char **argv)
{
  lab_init (&argc, &argv);
  g_test_add_data_func ("/daemon/restore/true", "true", test_restore);
  g_test_add_data_func ("/daemon/restore/false", "false", test_restore);
  g_test_add_data_func ("/daemon/restore/one", NULL, test_restore_one);
  g_test_add_data_func ("/daemon/restore/one-set", "set", test_restore_one);
  g_test_add_data_func ("/daemon/restore/found", NULL, test_restore_found);
  g_test_add_data_func ("/daemon/restore/found-upgrade", "upgrade", test_restore_found);
  g_test_add_func ("/daemon/restore/after-failure", test_restore_after_failure);
  return g_test_run ();
}
