/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A module that goes away with the start, before its word on it: it may have begun (contract 2.4 and 5). */

#include "daemon-lab.h"

#include <unistd.h>

/* What it does with the start that it has heard: goes away without a word, and is through with it. */
#define GOES_ON "return\nawait open 10\nind START\nind UPDATING\nfirmware $next\nreboot 5\n"

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
      lab_upgrade (f, TARGET_VERSION);
      g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "starting");
      DAEMON_AWAIT (f, daemon_get_number (f, "m0", "RebootsSeen") == 1);
      g_free (daemon_call_error (f, "m0", "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1, "Busy"));
      lab_check_properties (f, "m0");
      lab_pass (sim, "away");
      daemon_await_finished (f, "m0", "success", NULL);
      lab_check_only_entry (f, "m0", "network", TARGET_VERSION);
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
  lab_check_only_entry (f, "m0", "network", "");
}

/* On a UART only the boot it announces tells. */
static void
test_restarts_with_start (void)
{
  g_autoptr (DaemonFixture) f
      = lab_new ("uart", "on AT+FOTACTR\nreboot 5\nhold back\nind START\nind UPDATING\nfirmware $next\nreboot 5\n", "");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set boot-noise=zready");
  lab_upgrade (f, TARGET_VERSION);
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "starting");
  lab_pass (sim, "back");
  daemon_await_finished (f, "m0", "success", NULL);
  lab_check_only_entry (f, "m0", "network", TARGET_VERSION);
}

/* It has asked before its word on the start: what it went away from is the question, and it went once. */
static void
test_asks_and_restarts (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("uart", "on AT+FOTACTR\nind NEED_CONFIRM\nreboot 5\nhold back\nok\n", "");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set boot-noise=zready");
  lab_upgrade (f, TARGET_VERSION);
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "confirming");
  sim_await (sim, "hold back");
  DAEMON_AWAIT (f, daemon_get_number (f, "m0", "RebootsSeen") > 0);
  lab_commands (f, sim);
  g_assert_cmpuint (daemon_get_number (f, "m0", "RebootsSeen"), ==, 1);
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
  lab_check_only_entry (f, "m0", "polled", "");
}

/* A package's start, of which the UART tells as little; also with the daemon killed at that very moment. */
static void
test_goes_with_package (gconstpointer killed)
{
  g_autoptr (DaemonFixture) f = lab_new ("uart", "on AT+ZCOMUPDATE\nfirmware " TARGET_VERSION "\nreboot 5\n", "");
  SimProcess *sim = lab_sim (f, 0);
  GVariant *arguments = g_variant_new_parsed ("(@h 0, {'expected-version': <'" TARGET_VERSION "'>})");
  int fd = lab_package (f);

  daemon_call_ok (f, "m0", "Install", arguments, fd);
  close (fd);
  sim_await (sim, "silent");
  if (killed != NULL)
    {
      daemon_kill (f);
      daemon_start (f, NULL);
    }
  daemon_await_finished (f, "m0", "success", NULL);
  lab_check_only_entry (f, "m0", "serial", TARGET_VERSION);
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
  GVariant *asked = g_variant_new ("(sa{sv})", TARGET_VERSION, NULL);

  sim_control (sim, "set fault=1x AT+FOTATV=* hangup");
  g_free (daemon_call_error (f, "m0", "Upgrade", asked, -1, "NotPresent"));
  daemon_await_state (f, "m0", "idle");
  g_assert_cmpuint (lab_count (f, "m0", "Finished"), ==, 0);
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
}

/* Its port hangs up at its turn, before its word on the start. */
static void
test_goes_at_its_turn (void)
{
  g_autoptr (DaemonFixture) f = lab_new_two ("on AT+FOTACTR\nvanish\n" GOES_ON, "");

  sim_control (lab_sim (f, 1), "set linger=0");
  lab_upgrade (f, "");
  daemon_call_ok (f, "m1", "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1);
  g_assert_cmpstr (daemon_get_string (f, "m1", "State"), ==, "queued");
  sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
  daemon_await_finished (f, "m0", "failure", "ConnectFailed");
  daemon_await_finished (f, "m1", "success", NULL);
  lab_check_only_entry (f, "m1", "network", "");
}

int
main (int argc, char **argv)
{
  lab_init (&argc, &argv);
  g_test_add_func ("/daemon/vanish/with-start", test_goes_with_start);
  g_test_add_func ("/daemon/vanish/with-start-and-daemon", test_goes_with_start_and_daemon);
  g_test_add_func ("/daemon/vanish/restarts-with-start", test_restarts_with_start);
  g_test_add_func ("/daemon/vanish/asks-and-restarts", test_asks_and_restarts);
  g_test_add_func ("/daemon/vanish/with-answer", test_goes_with_answer);
  g_test_add_data_func ("/daemon/vanish/with-package/alive", NULL, test_goes_with_package);
  g_test_add_data_func ("/daemon/vanish/with-package/killed", "killed", test_goes_with_package);
  g_test_add_func ("/daemon/vanish/for-nothing", test_goes_for_nothing);
  g_test_add_func ("/daemon/vanish/before-start", test_goes_before_start);
  g_test_add_func ("/daemon/vanish/at-its-turn", test_goes_at_its_turn);
  return g_test_run ();
}
