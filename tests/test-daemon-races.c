/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calls that meet others on their way to the module, and starts that meet a restart (contract 2.1 and 5). */

#include "daemon-lab.h"

#include <string.h>
#include <unistd.h>

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
    begin_call (f, "SendCommand", g_variant_new ("(su)", "AT+FOTATV=\"" TARGET_VERSION "\"", 0), &set);
  else
    begin_call (f, "SetTargetVersion", g_variant_new ("(s)", TARGET_VERSION), &set);
  begin_call (f, "Upgrade", g_variant_new_parsed ("('', {'force': <true>})"), &start);
  DAEMON_AWAIT (f, set.done && start.done);
  g_assert_null (set.error);
  g_assert_null (start.error);
  daemon_await_finished (f, "m0", "success", NULL);
  lab_check_only_entry (f, "m0", "network", TARGET_VERSION);
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
  DaemonFixture *f = lab_new_two (script, "");

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

  daemon_call_ok (f, "m1", "SetTargetVersion", g_variant_new ("(s)", TARGET_VERSION), -1);
  give_turn (f);
  daemon_await_finished (f, "m1", "success", NULL);
  lab_check_only_entry (f, "m1", "network", TARGET_VERSION);
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
  int fd;

  sim_control (sim, "set fault=AT+FOTAPOLLEN? silent");
  daemon_start (f, LAB_UART LAB_UART_TIMEOUTS "command=20\n");
  sim_await (sim, "rx AT+FOTAPOLLEN?");
  fd = lab_package (f);
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
  g_test_add_func ("/daemon/races/start-while-probing", test_start_while_probing);
  g_test_add_func ("/daemon/races/install-while-probing", test_install_while_probing);
  g_test_add_func ("/daemon/races/start-at-end", test_start_at_end);
  g_test_add_func ("/daemon/races/set-while-restored", test_set_while_restored);
  return g_test_run ();
}
