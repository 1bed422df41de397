/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What is on its way to a module, or has just come from it, when something else overtakes it: an upgrade, an end, a
 * restart (contract 5). */

#include "daemon-lab.h"
#include "package-fixture.h"

#include <gio/gunixfdlist.h>
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
begin_call (DaemonFixture *f, const char *method, GVariant *parameters, Call *call)
{
  g_dbus_connection_call (f->connection, "org.gosuncn.Fota", "/org/gosuncn/Fota/module/m0", "org.gosuncn.Fota", method,
                          parameters, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_called, call);
}

static void
begin_install (DaemonFixture *f, int fd, Call *call)
{
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new_from_array (&(int){ dup (fd) }, 1);

  g_dbus_connection_call_with_unix_fd_list (f->connection, "org.gosuncn.Fota", "/org/gosuncn/Fota/module/m0",
                                            "org.gosuncn.Fota", "Install",
                                            g_variant_new_parsed ("(@h 0, @a{sv} {})"), NULL,
                                            G_DBUS_CALL_FLAGS_NONE, -1, fds, NULL, on_called, call);
}

/* A command that the module takes its time for, and is working on now. */
static void
begin_slow_command (DaemonFixture *f, SimProcess *sim, Call *slow)
{
  sim_control (sim, "set fault=1x AT+CSQ late 100");
  begin_call (f, "SendCommand", g_variant_new ("(su)", "AT+CSQ", 20000), slow);
}

/* ---- settings ---- */

typedef struct
{
  const char *method;
  const char *arguments;
  const char *sent;
} Setting;

static const Setting settings[] = {
  { "SetServer", "('10.0.0.9', @q 99)", "rx AT+FOTAIP=" },
  { "SetPolling", "(true,)", "rx AT+FOTAPOLLEN=" },
  { "SetTargetVersion", "('V1',)", "rx AT+FOTATV=" },
};

/* It waits for the line, and is not for a module in an upgrade. */
static void
test_setting (gconstpointer data)
{
  const Setting *setting = data;
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);
  Call slow = { FALSE }, behind = { FALSE };

  begin_slow_command (f, sim, &slow);
  sim_await (sim, "rx AT+CSQ");
  begin_call (f, setting->method, g_variant_new_parsed (setting->arguments), &behind);
  g_variant_unref (daemon_call_property (f, "m0", "State")); /* it is there */
  sim_control (sim, "ind UPDATING");
  daemon_await_state (f, "m0", "updating");
  DAEMON_AWAIT (f, slow.done && behind.done);
  g_assert_null (slow.error);
  g_assert_cmpstr (behind.error, ==, "org.gosuncn.Fota.Error.Busy");
  g_free (behind.error);
  lab_commands (f, sim);
  g_assert_cmpuint (sim_count (sim, setting->sent), ==, 0);
}

/* What is put back waits for the line likewise: it is put back at the upgrade's end. */
static void
test_put_back (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);
  Call slow = { FALSE };

  daemon_call_ok (f, "m0", "SetServer", g_variant_new ("(sq)", "10.0.0.9", 99), -1);
  sim_control (sim, "set lose-settings=server");
  sim_control (sim, "set fault=1x AT+FOTATV? late 50");
  sim_control (sim, "reboot 5");
  sim_await (sim, "vanished");
  sim_await (sim, "rx AT+FOTATV?");
  begin_slow_command (f, sim, &slow);
  sim_await (sim, "rx AT+CSQ");
  daemon_await_state (f, "m0", "idle");
  sim_control (sim, "ind UPDATING");
  daemon_await_state (f, "m0", "updating");
  DAEMON_AWAIT (f, slow.done);
  lab_commands (f, sim);
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTAIP="), ==, 1); /* SetServer's */
  sim_control (sim, "ind FAIL_END");
  daemon_await_finished (f, "m0", "failure", "UpgradeFailed");
  sim_await (sim, "rx AT+FOTAIP=10.0.0.9,99");
}

/* Taken on by the module, which does not tell it just then: it counts all the same, and a restart does not bring back
 * what was set before. */
static void
test_not_told (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);

  daemon_call_ok (f, "m0", "SetServer", g_variant_new ("(sq)", "10.0.0.1", 99), -1);
  sim_control (sim, "set fault=1x AT+FOTAIP? error");
  daemon_call_ok (f, "m0", "SetServer", g_variant_new ("(sq)", "10.0.0.2", 99), -1);
  g_assert_cmpstr (daemon_get_string (f, "m0", "ServerAddress"), ==, "10.0.0.2");
  sim_control (sim, "set fault=1x AT+FOTAPOLLEN? error");
  daemon_call_ok (f, "m0", "SetPolling", g_variant_new ("(b)", TRUE), -1);
  g_assert_cmpuint (daemon_get_number (f, "m0", "PollingEnabled"), ==, 1);
  sim_control (sim, "set fault=1x AT+FOTATV? error");
  daemon_call_ok (f, "m0", "SetTargetVersion", g_variant_new ("(s)", "V1"), -1);
  g_assert_cmpstr (daemon_get_string (f, "m0", "TargetVersion"), ==, "V1");
  sim_control (sim, "set lose-settings=server,polling");
  sim_control (sim, "reboot 5");
  sim_await (sim, "vanished");
  sim_await (sim, "rx AT+FOTAIP=10.0.0.2,99");
  sim_await (sim, "rx AT+FOTAPOLLEN=1");
}

/* It could not be put back, and is read again: it stays wanted. */
static void
test_not_put_back (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);

  daemon_call_ok (f, "m0", "SetServer", g_variant_new ("(sq)", "10.0.0.9", 99), -1);
  sim_await (sim, "rx AT+FOTAIP=10.0.0.9,99");
  sim_control (sim, "set lose-settings=server");
  sim_control (sim, "set fault=1x AT+FOTAIP=* error");
  sim_control (sim, "reboot 5");
  sim_await (sim, "rx AT+FOTAIP=10.0.0.9,99");
  lab_await_log (f, "could not be put back");
  daemon_call_ok (f, "m0", "Refresh", NULL, -1);
  g_assert_cmpstr (daemon_get_string (f, "m0", "ServerAddress"), ==, "114.55.56.19");
  sim_control (sim, "reboot 5");
  sim_await (sim, "vanished");
  sim_await (sim, "rx AT+FOTAIP=10.0.0.9,99");
}

/* Set by a single command, and gone before that is read: what was set before is not put back over it. */
static void
test_by_command (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);

  daemon_call_ok (f, "m0", "SetServer", g_variant_new ("(sq)", "10.0.0.1", 99), -1);
  daemon_call_ok (f, "m0", "SetPolling", g_variant_new ("(b)", TRUE), -1);
  sim_control (sim, "set fault=1x AT+FOTAIP? hangup");
  daemon_call_ok (f, "m0", "SendCommand", g_variant_new ("(su)", "AT+FOTAIP=10.0.0.2,99", 0), -1);
  daemon_await_state (f, "m0", "absent");
  DAEMON_AWAIT (f, g_str_equal (daemon_get_string (f, "m0", "ServerAddress"), "10.0.0.2"));
  lab_commands (f, sim);
  g_assert_false (lab_logged (f, "lost its setting"));
  /* It is what counts from now on, beside the other. */
  sim_control (sim, "set lose-settings=server,polling");
  sim_control (sim, "reboot 5");
  sim_await (sim, "vanished");
  sim_await (sim, "rx AT+FOTAIP=10.0.0.2,99");
  sim_await (sim, "rx AT+FOTAPOLLEN=1");
}

/* On a UART nobody may have seen that it restarted, but that it runs another version: what it lost is put back, and not
 * taken for what was wanted. */
static void
test_unseen_restart (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("uart", NULL, "");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set return-late=0");
  sim_control (sim, "set linger=0");
  daemon_call_ok (f, "m0", "SetServer", g_variant_new ("(sq)", "10.0.0.9", 99), -1);
  sim_await (sim, "rx AT+FOTAIP=10.0.0.9,99");
  sim_control (sim, "set lose-settings=server");
  sim_control (sim, "ind UPDATING");
  daemon_await_state (f, "m0", "updating");
  sim_control (sim, "firmware " NEW_VERSION);
  sim_control (sim, "reboot 1");
  daemon_await_finished (f, "m0", "success", NULL);
  sim_await (sim, "rx AT+FOTAIP=10.0.0.9,99");
}

/* The same where the module has said nothing on its way: the look at the end of the silence finds it. */
static void
test_silent_restart (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("uart", NULL, "download=1\n");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set return-late=0");
  sim_control (sim, "set linger=0");
  daemon_call_ok (f, "m0", "SetServer", g_variant_new ("(sq)", "10.0.0.9", 99), -1);
  sim_await (sim, "rx AT+FOTAIP=10.0.0.9,99");
  sim_control (sim, "set lose-settings=server");
  sim_control (sim, "ind START");
  daemon_await_state (f, "m0", "downloading");
  sim_control (sim, "firmware " NEW_VERSION);
  sim_control (sim, "reboot 1");
  daemon_await_finished (f, "m0", "success", NULL);
  sim_await (sim, "rx AT+FOTAIP=10.0.0.9,99");
}

/* The same without an upgrade that the daemon knows of: Refresh finds it. */
static void
test_unseen_upgrade (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("uart", NULL, "");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set return-late=0");
  sim_control (sim, "set linger=0");
  daemon_call_ok (f, "m0", "SetServer", g_variant_new ("(sq)", "10.0.0.9", 99), -1);
  sim_await (sim, "rx AT+FOTAIP=10.0.0.9,99");
  sim_control (sim, "set lose-settings=server");
  sim_control (sim, "firmware " NEW_VERSION);
  sim_control (sim, "reboot 1");
  sim_await (sim, "ready");
  daemon_call_ok (f, "m0", "Refresh", NULL, -1);
  sim_await (sim, "rx AT+FOTAIP=10.0.0.9,99");
  DAEMON_AWAIT (f, g_str_equal (daemon_get_string (f, "m0", "ServerAddress"), "10.0.0.9"));
  daemon_await_state (f, "m0", "idle");
}

/* ---- starts ---- */

/* One that waits for the line when the module begins by itself: no second start into that. */
static void
test_start (gconstpointer data)
{
  const char *const *word = data;
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);
  Call slow = { FALSE }, start = { FALSE };

  begin_slow_command (f, sim, &slow);
  sim_await (sim, "rx AT+CSQ");
  begin_call (f, "Upgrade", g_variant_new_parsed ("('', {'force': <true>})"), &start);
  /* It is there once a second one, which takes the same way, is refused for it. */
  g_free (daemon_call_error (f, "m0", "Upgrade", g_variant_new_parsed ("('', {'force': <true>})"), -1, "Busy"));
  sim_control (sim, "ind %s", word[0]);
  daemon_await_state (f, "m0", word[1]);
  DAEMON_AWAIT (f, slow.done && start.done);
  g_assert_null (slow.error);
  g_assert_cmpstr (start.error, ==, word[2]);
  g_free (start.error);
  lab_commands (f, sim);
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTACTR"), ==, 0);
  sim_control (sim, "ind FAIL_CONNECT");
  daemon_await_finished (f, "m0", "failure", "ConnectFailed");
  lab_play (f, sim, lab_quick);
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
}

/* An answer that waits for the line when its question is over: the module's next question is not answered by it. */
static void
test_answer (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);
  Call slow = { FALSE }, answer = { FALSE };

  begin_slow_command (f, sim, &slow);
  sim_await (sim, "rx AT+CSQ");
  sim_control (sim, "ind NEED_CONFIRM");
  daemon_await_state (f, "m0", "confirming");
  begin_call (f, "Confirm", g_variant_new_parsed ("(true, @a{sv} {})"), &answer);
  g_free (daemon_call_error (f, "m0", "Confirm", g_variant_new_parsed ("(true, @a{sv} {})"), -1, "NotAsked"));
  sim_control (sim, "ind FAIL_WAIT_TIMEOUT");
  daemon_await_finished (f, "m0", "failure", "ConfirmTimeout");
  sim_control (sim, "ind NEED_CONFIRM");
  daemon_await_state (f, "m0", "confirming");
  DAEMON_AWAIT (f, slow.done && answer.done);
  g_assert_cmpstr (answer.error, ==, "org.gosuncn.Fota.Error.ConfirmTimeout");
  g_free (answer.error);
  lab_commands (f, sim);
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTACTR"), ==, 0);
  /* The new one is there to be answered. */
  sim_control (sim, "set fault=1x AT+FOTACTR=1 ok");
  daemon_call_ok (f, "m0", "Confirm", g_variant_new_parsed ("(true, @a{sv} {})"), -1);
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "starting");
}

/* ---- packages ---- */

/* A package that was given up before its first byte is still to be deleted when the module begins an upgrade of its
 * own: not a word of that into it. */
static void
test_clean_up (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("uart", NULL, "command=1\n");
  SimProcess *sim = lab_sim (f, 0);
  Call install = { FALSE };
  TestPackage *package;
  g_autofree char *path = daemon_path (f, "package");

  package = test_package_new (path, 100);
  sim_control (sim, "set fault=1x AT+ZCOMDEL silent");
  begin_install (f, package->fd, &install);
  sim_await (sim, "rx AT+ZCOMDEL");
  sim_control (sim, "set fault=AT silent");
  sim_await (sim, "rx AT");
  lab_await_log (f, "m0: --> AT<CR>");
  sim_control (sim, "ind UPDATING");
  daemon_await_state (f, "m0", "updating");
  sim_control (sim, "set fault=none");
  sim_await (sim, "rx AT+CGMR"); /* which waited behind it */
  g_assert_cmpuint (sim_count (sim, "rx AT+ZCOMDEL"), ==, 1);
  DAEMON_AWAIT (f, install.done);
  g_assert_cmpstr (install.error, ==, "org.gosuncn.Fota.Error.Busy");
  g_free (install.error);
  test_package_free (package);
}

int
main (int argc, char **argv)
{
  static const char *const asks[] = { "NEED_CONFIRM", "confirming", "org.gosuncn.Fota.Error.Busy" };
  static const char *const begins[] = { "DOWNLOADING:25%", "downloading", NULL }; /* counts as the OK */

  lab_init (&argc, &argv);
  for (guint i = 0; i < G_N_ELEMENTS (settings); i++)
    {
      g_autofree char *path = g_strdup_printf ("/daemon/overtaken/setting/%s", settings[i].method);
      g_test_add_data_func (path, &settings[i], test_setting);
    }
  g_test_add_func ("/daemon/overtaken/put-back", test_put_back);
  g_test_add_func ("/daemon/overtaken/not-told", test_not_told);
  g_test_add_func ("/daemon/overtaken/not-put-back", test_not_put_back);
  g_test_add_func ("/daemon/overtaken/by-command", test_by_command);
  g_test_add_func ("/daemon/overtaken/unseen-restart", test_unseen_restart);
  g_test_add_func ("/daemon/overtaken/silent-restart", test_silent_restart);
  g_test_add_func ("/daemon/overtaken/unseen-upgrade", test_unseen_upgrade);
  g_test_add_data_func ("/daemon/overtaken/start/question", asks, test_start);
  g_test_add_data_func ("/daemon/overtaken/start/download", begins, test_start);
  g_test_add_func ("/daemon/overtaken/answer", test_answer);
  g_test_add_func ("/daemon/overtaken/clean-up", test_clean_up);
  return g_test_run ();
}
