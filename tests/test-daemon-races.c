/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Starts that meet something else: the module going away before its word on them, and settings on their way to it
 * (contract 2.1, 2.4 and 5). */

#include "daemon-lab.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

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

/* It has asked before its word on the start: what it went away from is the question, and it went once. */
static void
test_asks_and_restarts (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("uart", "on AT+FOTACTR\nind NEED_CONFIRM\nreboot 5\nhold back\nok\n", "");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set boot-noise=zready");
  lab_upgrade (f, ASKED_FOR);
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
  assert_as_asked_for (f, "m0", "polled", "");
}

/* A package's start, of which the UART tells as little; also with the daemon killed at that very moment. */
static void
test_goes_with_package (gconstpointer killed)
{
  g_autoptr (DaemonFixture) f = lab_new ("uart", "on AT+ZCOMUPDATE\nfirmware " ASKED_FOR "\nreboot 5\n", "");
  SimProcess *sim = lab_sim (f, 0);
  g_autofree char *path = daemon_path (f, "package");
  int fd;

  g_assert_true (g_file_set_contents (path, "package", -1, NULL));
  fd = g_open (path, O_RDONLY | O_CLOEXEC, 0);
  daemon_call_ok (f, "m0", "Install", g_variant_new_parsed ("(@h 0, {'expected-version': <'" ASKED_FOR "'>})"), fd);
  close (fd);
  sim_await (sim, "silent");
  if (killed != NULL)
    {
      daemon_kill (f);
      daemon_start (f, NULL);
    }
  daemon_await_finished (f, "m0", "success", NULL);
  assert_as_asked_for (f, "m0", "serial", ASKED_FOR);
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

/* ---- calls that meet others ---- */

typedef struct
{
  gboolean done;
  char *error;
} Call;

static void
on_called (GObject *source, GAsyncResult *result, gpointer data)
{
  Call *call = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  call->error = error != NULL ? g_dbus_error_get_remote_error (error) : NULL;
  call->done = TRUE;
}

static void
begin_call_of (DaemonFixture *f, const char *module, const char *method, GVariant *parameters, Call *call)
{
  g_autofree char *path = g_strconcat ("/org/gosuncn/Fota/module/", module, NULL);

  g_dbus_connection_call (f->connection, "org.gosuncn.Fota", path, "org.gosuncn.Fota", method, parameters, NULL,
                          G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_called, call);
}

static void
begin_call (DaemonFixture *f, const char *method, GVariant *parameters, Call *call)
{
  begin_call_of (f, "m0", method, parameters, call);
}

/* Set and started without waiting between the two: the target is what the module goes for, so it is that of the
 * upgrade. */
static void
test_target_on_its_way (gconstpointer by_command)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  SimProcess *sim = lab_sim (f, 0);
  Call set = { FALSE }, start = { FALSE };

  daemon_call_ok (f, "m0", "SetTargetVersion", g_variant_new ("(s)", "V1"), -1);
  sim_control (sim, "set fault=1x AT+FOTATV=* late 20");
  if (by_command != NULL)
    begin_call (f, "SendCommand", g_variant_new ("(su)", "AT+FOTATV=\"" ASKED_FOR "\"", 0), &set);
  else
    begin_call (f, "SetTargetVersion", g_variant_new ("(s)", ASKED_FOR), &set);
  begin_call (f, "Upgrade", g_variant_new_parsed ("('', {'force': <true>})"), &start);
  DAEMON_AWAIT (f, set.done && start.done);
  g_assert_null (set.error);
  g_assert_null (start.error);
  daemon_await_finished (f, "m0", "success", NULL);
  assert_as_asked_for (f, "m0", "network", ASKED_FOR);
}

/* It has been told to restart, and not gone yet: what it would be told now would go down with it. */
static void
test_start_while_restarting (gconstpointer at_once)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  SimProcess *sim = lab_sim (f, 0);
  Call restart = { FALSE }, start = { FALSE };

  sim_control (sim, "set linger=1");
  if (at_once != NULL)
    sim_control (sim, "set fault=1x AT+CFUN* late 20");
  begin_call (f, "Restart", NULL, &restart);
  if (at_once == NULL)
    DAEMON_AWAIT (f, restart.done);
  begin_call (f, "Upgrade", g_variant_new_parsed ("('', {'force': <true>})"), &start);
  DAEMON_AWAIT (f, restart.done && start.done);
  g_assert_null (restart.error);
  g_assert_cmpstr (start.error, ==, "org.gosuncn.Fota.Error.NotPresent");
  daemon_await_state (f, "m0", "absent");
  daemon_await_state (f, "m0", "idle");
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTACTR"), ==, 0);
  g_free (start.error);
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
}

/* What waits for the line when an upgrade begins is not for one that is in an upgrade: it would restart in the middle
 * of it, or lose its package. */
static void
test_behind_a_command (gconstpointer data)
{
  const char *const *method = data;
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  SimProcess *sim = lab_sim (f, 0);
  Call slow = { FALSE }, behind = { FALSE };

  sim_control (sim, "set fault=1x AT+CSQ late 100");
  begin_call (f, "SendCommand", g_variant_new ("(su)", "AT+CSQ", 20000), &slow);
  sim_await (sim, "rx AT+CSQ");
  begin_call (f, method[0], NULL, &behind);
  g_variant_unref (daemon_call_property (f, "m0", "State")); /* it is there */
  sim_control (sim, "ind UPDATING");
  daemon_await_state (f, "m0", "updating");
  DAEMON_AWAIT (f, slow.done && behind.done);
  g_assert_null (slow.error);
  g_assert_cmpstr (behind.error, ==, "org.gosuncn.Fota.Error.Busy");
  g_free (behind.error);
  lab_commands (f, sim);
  g_assert_cmpuint (sim_count (sim, method[1]), ==, 0);
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "updating");
}

static void
set_server (DaemonFixture *f, const char *module, const char *address)
{
  daemon_call_ok (f, module, "SetServer", g_variant_new ("(sq)", address, 99), -1);
}

/* The order in which two commands came to the module. */
static gboolean
came_before (SimProcess *sim, const char *first, const char *second)
{
  for (guint i = 0; i < sim->events->len; i++)
    {
      const char *event = g_ptr_array_index (sim->events, i);
      if (g_str_has_prefix (event, first))
        return TRUE;
      if (g_str_has_prefix (event, second))
        return FALSE;
    }
  g_assert_not_reached ();
}

/* The second one, m1, waits for the first. */
static DaemonFixture *
two (const char *script)
{
  DaemonFixture *f = daemon_fixture_new ();

  lab_play (f, lab_add_sim (f, "m0", "usb", IMEI), lab_steps);
  lab_play (f, lab_add_sim (f, "m1", "usb", "864863040000025"), script);
  daemon_start (f, LAB_USB LAB_SECOND LAB_TIMEOUTS);
  daemon_await_state (f, "m0", "idle");
  daemon_await_state (f, "m1", "idle");
  set_server (f, "m1", "10.0.0.9");
  lab_upgrade (f, "");
  daemon_call_ok (f, "m1", "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1);
  g_assert_cmpstr (daemon_get_string (f, "m1", "State"), ==, "queued");
  return f;
}

/* The first one ends, and the line moves on. */
static void
give_turn (DaemonFixture *f)
{
  sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
  daemon_await_finished (f, "m0", "failure", "ConnectFailed");
}

/* Restarted in line: what it lost is put back before its turn. */
static void
test_restored_in_line (void)
{
  g_autoptr (DaemonFixture) f = two (lab_quick);
  SimProcess *sim = lab_sim (f, 1);

  sim_control (sim, "set lose-settings=server");
  sim_control (sim, "reboot 5");
  sim_await (sim, "vanished");
  sim_await (sim, "rx AT+FOTAIP?");
  sim_await (sim, "rx AT+FOTAIP=10.0.0.9,99");
  give_turn (f);
  daemon_await_finished (f, "m1", "success", NULL);
}

/* Set in line: at its turn the module goes for it. */
static void
test_target_in_line (void)
{
  g_autoptr (DaemonFixture) f = two (lab_quick);

  daemon_call_ok (f, "m1", "SetTargetVersion", g_variant_new ("(s)", ASKED_FOR), -1);
  give_turn (f);
  daemon_await_finished (f, "m1", "success", NULL);
  assert_as_asked_for (f, "m1", "network", ASKED_FOR);
}

/* Told to restart in line, and its turn comes before it goes: it starts when it is back. */
static void
test_restarting_at_its_turn (void)
{
  g_autoptr (DaemonFixture) f = two (lab_quick);
  SimProcess *sim = lab_sim (f, 1);

  sim_control (sim, "set linger=1");
  daemon_call_ok (f, "m1", "Restart", NULL, -1);
  give_turn (f);
  sim_await (sim, "vanished");
  g_assert_cmpuint (sim_count (sim, "rx AT+CPIN?"), ==, 0);
  daemon_await_finished (f, "m1", "success", NULL);
}

/* The same with its turn before the OK to that. */
static void
test_told_to_restart_at_its_turn (void)
{
  g_autoptr (DaemonFixture) f = two (lab_quick);
  SimProcess *sim = lab_sim (f, 1);
  Call restart = { FALSE };

  sim_control (sim, "set linger=1");
  sim_control (sim, "set fault=1x AT+CFUN* late 50");
  begin_call_of (f, "m1", "Restart", NULL, &restart);
  sim_await (sim, "rx AT+CFUN=1,1");
  give_turn (f);
  DAEMON_AWAIT (f, restart.done);
  g_assert_null (restart.error);
  daemon_await_finished (f, "m1", "success", NULL);
}

/* Its port hangs up at its turn, before its word on the start. */
static void
test_goes_at_its_turn (void)
{
  g_autoptr (DaemonFixture) f = two ("on AT+FOTACTR\nvanish\n" GOES_ON);

  sim_control (lab_sim (f, 1), "set linger=0");
  give_turn (f);
  daemon_await_finished (f, "m1", "success", NULL);
  assert_as_asked_for (f, "m1", "network", "");
}

/* It is back, but what it lost is not put back yet: no start before that. */
static void
test_start_while_probing (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  SimProcess *sim = lab_sim (f, 0);

  set_server (f, "m0", "10.0.0.9");
  sim_control (sim, "set lose-settings=server");
  sim_control (sim, "set fault=AT+FOTAPOLLEN? silent");
  sim_control (sim, "reboot 5");
  daemon_await_state (f, "m0", "absent");
  daemon_await_state (f, "m0", "probing");
  sim_await (sim, "vanished");
  sim_await (sim, "rx AT+FOTAPOLLEN?");
  g_free (daemon_call_error (f, "m0", "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1, "NotPresent"));
  g_free (daemon_call_error (f, "m0", "Upgrade", g_variant_new_parsed ("('', {'force': <true>})"), -1, "NotPresent"));
  sim_control (sim, "vanish");
  sim_control (sim, "set fault=none");
  sim_control (sim, "return");
  daemon_await_state (f, "m0", "idle");
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
}

static void
test_install_while_probing (void)
{
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  SimProcess *sim = lab_add_sim (f, "m0", "uart", IMEI);
  g_autofree char *path = daemon_path (f, "package");
  int fd;

  sim_control (sim, "set fault=AT+FOTAPOLLEN? silent");
  daemon_start (f, LAB_UART LAB_UART_TIMEOUTS "command=20\n");
  sim_await (sim, "rx AT+FOTAPOLLEN?");
  g_assert_true (g_file_set_contents (path, "package", -1, NULL));
  fd = g_open (path, O_RDONLY | O_CLOEXEC, 0);
  g_free (daemon_call_error (f, "m0", "Install", g_variant_new_parsed ("(@h 0, @a{sv} {})"), fd, "NotPresent"));
  close (fd);
}

/* One upgrade right behind the other: what the first one lost is put back before the second begins. */
static void
test_start_at_end (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  SimProcess *sim = lab_sim (f, 0);
  guint before;

  set_server (f, "m0", "10.0.0.9");
  sim_control (sim, "set lose-settings=server");
  sim_control (sim, "set fault=1x AT+FOTAPOLLEN? late 10");
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
  before = sim_count (sim, "rx AT+FOTAIP=10.0.0.9,99");
  lab_play (f, sim, "on AT+FOTACTR\nok\n");
  daemon_call_ok (f, "m0", "Upgrade", g_variant_new_parsed ("('', {'force': <true>})"), -1);
  g_assert_cmpuint (before, ==, 1);
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTAIP=10.0.0.9,99"), ==, 2);
  sim_control (sim, "ind FAIL_NO_NEW");
  daemon_await_finished (f, "m0", "failure", "NoNewVersion");
}

/* Set while what a restart lost is being put back: the new one counts. */
static void
test_set_while_restored (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);

  set_server (f, "m0", "10.0.0.9");
  sim_control (sim, "set lose-settings=server");
  sim_control (sim, "set fault=1x AT+FOTAPOLLEN? late 20");
  sim_control (sim, "reboot 5");
  sim_await (sim, "vanished");
  sim_await (sim, "rx AT+FOTAPOLLEN?");
  set_server (f, "m0", "10.0.0.10");
  daemon_await_state (f, "m0", "idle");
  lab_commands (f, sim);
  g_assert_true (came_before (sim, "rx AT+FOTAIP=10.0.0.9,99", "rx AT+FOTAIP=10.0.0.10,99"));
  sim_control (sim, "status");
  g_assert_nonnull (strstr (g_ptr_array_index (sim->events, sim->events->len - 2), "server=10.0.0.10,99"));
  g_assert_cmpstr (daemon_get_string (f, "m0", "ServerAddress"), ==, "10.0.0.10");
}

static const char *const restart[] = { "Restart", "rx AT+CFUN=1,1" };
static const char *const delete_package[] = { "DeletePackage", "rx AT+ZCOMDEL" };

int
main (int argc, char **argv)
{
  lab_init (&argc, &argv);
  g_test_add_func ("/daemon/races/goes-with-start", test_goes_with_start);
  g_test_add_func ("/daemon/races/goes-with-start-and-daemon", test_goes_with_start_and_daemon);
  g_test_add_func ("/daemon/races/restarts-with-start", test_restarts_with_start);
  g_test_add_func ("/daemon/races/asks-and-restarts", test_asks_and_restarts);
  g_test_add_func ("/daemon/races/goes-with-answer", test_goes_with_answer);
  g_test_add_data_func ("/daemon/races/goes-with-package/alive", NULL, test_goes_with_package);
  g_test_add_data_func ("/daemon/races/goes-with-package/killed", "killed", test_goes_with_package);
  g_test_add_func ("/daemon/races/goes-for-nothing", test_goes_for_nothing);
  g_test_add_func ("/daemon/races/goes-before-start", test_goes_before_start);
  g_test_add_data_func ("/daemon/races/target-on-its-way/method", NULL, test_target_on_its_way);
  g_test_add_data_func ("/daemon/races/target-on-its-way/command", "", test_target_on_its_way);
  g_test_add_data_func ("/daemon/races/start-while-restarting/told", NULL, test_start_while_restarting);
  g_test_add_data_func ("/daemon/races/start-while-restarting/at-once", "", test_start_while_restarting);
  g_test_add_func ("/daemon/races/restarting-at-its-turn", test_restarting_at_its_turn);
  g_test_add_func ("/daemon/races/told-to-restart-at-its-turn", test_told_to_restart_at_its_turn);
  g_test_add_data_func ("/daemon/races/behind-a-command/restart", restart, test_behind_a_command);
  g_test_add_data_func ("/daemon/races/behind-a-command/delete", delete_package, test_behind_a_command);
  g_test_add_func ("/daemon/races/restored-in-line", test_restored_in_line);
  g_test_add_func ("/daemon/races/target-in-line", test_target_in_line);
  g_test_add_func ("/daemon/races/goes-at-its-turn", test_goes_at_its_turn);
  g_test_add_func ("/daemon/races/start-while-probing", test_start_while_probing);
  g_test_add_func ("/daemon/races/install-while-probing", test_install_while_probing);
  g_test_add_func ("/daemon/races/start-at-end", test_start_at_end);
  g_test_add_func ("/daemon/races/set-while-restored", test_set_while_restored);
  return g_test_run ();
}
