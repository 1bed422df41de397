/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Modules that say little, or nothing. */

#include "daemon-lab.h"

#include <string.h>

static void
refuse (DaemonFixture *f, const char *method, GVariant *parameters)
{
  g_autofree char *message = daemon_call_error (f, "m0", method, parameters, -1, "Timeout");
  g_assert_nonnull (strstr (message, "did not answer"));
}

static GVariant *
forced (void)
{
  return g_variant_new_parsed ("('', {'force': <true>})");
}

/* On USB it is not absent for that: whoever asks it for something is told so in time, again and again (contract 2.1,
 * "return as soon as …", and [timeouts] command). */
static void
test_methods (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "[timeouts]\ncommand=0.3\n");
  SimProcess *sim = lab_sim (f, 0);
  g_autoptr (GVariant) history = NULL;
  guint from;

  sim_control (sim, "set mute=forever");
  from = f->events->len;
  refuse (f, "SendCommand", g_variant_new ("(su)", "AT+CGMR", 100));
  refuse (f, "SendCommand", g_variant_new ("(su)", "AT+CGMR", 100));
  refuse (f, "SetPolling", g_variant_new ("(b)", TRUE));
  refuse (f, "Upgrade", forced ());
  refuse (f, "Upgrade", forced ());
  refuse (f, "Restart", NULL);
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "idle");
  g_assert_cmpuint (f->events->len, ==, from);
  history = lab_history (f, NULL);
  g_assert_cmpuint (g_variant_n_children (history), ==, 0);

  /* It wakes up: nothing of all that is done behind everybody's back. */
  sim_control (sim, "set mute=0");
  daemon_call_ok (f, "m0", "SendCommand", g_variant_new ("(su)", "AT+CGMR", 20000), -1);
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTACTR"), ==, 0);
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTAPOLLEN=1"), ==, 0);
  g_assert_cmpuint (sim_count (sim, "rx AT+CFUN=1,1"), ==, 0);
}

/* On a UART nothing else tells that it is not there any more: who asks for an upgrade hears of it before a D-Bus call
 * times out (25 s, with a command's 10), and everybody sees it (contract 2.2, probing). */
static void
test_upgrade_on_uart (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("uart", lab_quick, "[timeouts]\ncommand=0.3\n");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set mute=forever");
  g_free (daemon_call_error (f, "m0", "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1, "NotReady"));
  g_assert_cmpuint (sim_count (sim, "rx AT+CREG?") + sim_count (sim, "rx AT+ZPAS?"), ==, 0);
  daemon_await_state (f, "m0", "probing");
  g_free (daemon_call_error (f, "m0", "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1, "NotPresent"));
  sim_control (sim, "set mute=0");
  daemon_await_state (f, "m0", "idle");
}

/* It answers, so it is not "not yet answering" (contract 2.2), even if there are commands it takes no notice of. */
static void
test_few_commands (void)
{
  static const char *const faults[] = { "ATE0", "AT+CMEE=2", "AT+CGMI", "AT+CGMM", "AT+CGSN", "AT+FOTAIP?" };
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  SimProcess *sim = lab_add_sim (f, "m0", "usb", IMEI);

  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    sim_control (sim, "set fault=%s silent", faults[i]);
  daemon_start (f, LAB_USB LAB_TIMEOUTS "command=0.3\n");
  daemon_await_state (f, "m0", "idle");
  g_assert_cmpstr (daemon_get_string (f, "m0", "FirmwareVersion"), ==, OLD_VERSION);
  g_assert_cmpstr (daemon_get_string (f, "m0", "Imei"), ==, IMEI); /* by AT+GSN */
  g_assert_cmpstr (daemon_get_string (f, "m0", "Manufacturer"), ==, "");
}

static void
on_called (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);

  *(gboolean *) data = TRUE;
}

/* A command whose time is over interrupts the reading of the module behind it: that goes on, as it was only slow. */
static void
test_refresh_behind_silence (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("uart", NULL, "[timeouts]\ncommand=20\nprobe=2\n");
  SimProcess *sim = lab_sim (f, 0);
  gboolean called = FALSE;

  sim_control (sim, "set fault=1x AT+CSQ silent");
  g_dbus_connection_call (f->connection, "org.gosuncn.Fota", "/org/gosuncn/Fota/module/m0", "org.gosuncn.Fota",
                          "SendCommand", g_variant_new ("(su)", "AT+CSQ", 200), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                          on_called, &called);
  sim_await (sim, "rx AT+CSQ");
  sim_control (sim, "firmware " NEW_VERSION);
  daemon_call_ok (f, "m0", "Refresh", NULL, -1);
  g_assert_true (called);
  g_assert_cmpstr (daemon_get_string (f, "m0", "FirmwareVersion"), ==, NEW_VERSION);
  g_assert_cmpuint (lab_count (f, "m0", "Finished"), ==, 0);
}

int
main (int argc, char **argv)
{
  lab_init (&argc, &argv);
  g_test_add_func ("/daemon/silent/methods", test_methods);
  g_test_add_func ("/daemon/silent/upgrade-on-uart", test_upgrade_on_uart);
  g_test_add_func ("/daemon/silent/few-commands", test_few_commands);
  g_test_add_func ("/daemon/silent/refresh-behind-silence", test_refresh_behind_silence);
  return g_test_run ();
}
