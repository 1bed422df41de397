/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-run.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define START(flags, columns, ...) client_run_new (flags, columns, NULL, (const char *const[]) { __VA_ARGS__, NULL })

typedef struct
{
  MockDaemon *mock;
  const char *method; /* that is answered by a test itself */
  GDBusMethodInvocation *invocation;
} Fixture;

static GTestDBus *bus;

static gboolean
hold_method (MockDaemon *mock, const char *method, GVariant *parameters, GDBusMethodInvocation *invocation,
             gpointer user_data)
{
  Fixture *fixture = user_data;
  if (g_strcmp0 (method, fixture->method) != 0)
    return FALSE;
  fixture->invocation = invocation;
  return TRUE;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->mock = mock_daemon_new (g_test_dbus_get_bus_address (bus));
  mock_daemon_set_method (fixture->mock, hold_method, fixture);
  mock_daemon_add (fixture->mock, "usb_1");
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  mock_daemon_free (fixture->mock);
}

static gboolean
has_invocation (gpointer user_data)
{
  return ((Fixture *) user_data)->invocation != NULL;
}

/* Waits for the call of @method; answer_held() answers it. */
static void
await_method (Fixture *fixture)
{
  client_run_wait (has_invocation, fixture, fixture->method);
}

static void
answer_held (Fixture *fixture)
{
  g_dbus_method_invocation_return_value (g_steal_pointer (&fixture->invocation), NULL);
}

static gboolean
was_called (gpointer user_data)
{
  return mock_daemon_n_calls (user_data) > 0;
}

static void
await_call (Fixture *fixture)
{
  client_run_wait (was_called, fixture->mock, "a call");
}

static void
set_state (Fixture *fixture, const char *state, guint progress, gboolean power_critical)
{
  guint64 now = (guint64) g_get_real_time ();
  mock_daemon_set (fixture->mock, "usb_1", "State", g_variant_new_string (state), "Progress",
                   g_variant_new_uint32 (progress), "PowerCritical", g_variant_new_boolean (power_critical),
                   "Operation", g_variant_new_string (g_str_equal (state, "idle") ? "none" : "network"), "LastUpgrade",
                   g_variant_new_string ("new"), "FromVersion", g_variant_new_string ("ME3630U1AV1.0B04"), "StartedAt",
                   g_variant_new_uint64 (now), "PhaseSince", g_variant_new_uint64 (now), NULL);
}

static void
indicate (Fixture *fixture, const char *status, const char *argument)
{
  mock_daemon_emit (fixture->mock, "usb_1", "FotaInd", g_variant_new ("(sss)", status, argument, status));
}

static void
finish (Fixture *fixture, const char *error_word, const char *message)
{
  set_state (fixture, "idle", 0, FALSE);
  mock_daemon_emit_finished (fixture->mock, "usb_1", "new", error_word, message);
}

static void
test_lines (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ClientRun) run = START (CLIENT_RUN_PIPE, 0, "upgrade", "--target", "ME3630U1AV1.0B05", "--force");
  await_call (fixture);
  g_assert_cmpstr (mock_daemon_last_call (fixture->mock), ==, "Upgrade('ME3630U1AV1.0B05', {'force': <true>})");
  set_state (fixture, "starting", 0, FALSE);
  indicate (fixture, "START", "");
  set_state (fixture, "downloading", 0, FALSE);
  indicate (fixture, "DOWNLOADING", "25");
  set_state (fixture, "updating", 0, TRUE);
  set_state (fixture, "rebooting", 0, TRUE);
  finish (fixture, NULL, "");
  g_assert_cmpint (client_run_end (run), ==, 0);
  assert_has (run->out->str, "usb_1 State starting\n");
  assert_has (run->out->str, "usb_1 FotaInd DOWNLOADING 25\n");
  assert_has (run->out->str, "PowerCritical true (do not power off)\n");
  assert_has (run->out->str, "State rebooting (silence up to 10 minutes is normal)\n");
  assert_has (run->out->str, "usb_1 was upgraded from ME3630U1AV1.0B04 to ME3630U1AV1.0B05 in 5 min 12 s.\n");
  g_assert_cmpstr (run->err->str, ==, "");
}

static void
test_json (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ClientRun) run = START (CLIENT_RUN_PIPE, 0, "--json", "upgrade");
  await_call (fixture);
  set_state (fixture, "starting", 0, FALSE);
  indicate (fixture, "START", "");
  finish (fixture, "VerifyFailed", "The package is \"bad\".");
  g_assert_cmpint (client_run_end (run), ==, 1);
  g_assert_cmpstr (run->err->str, ==,
                   "The upgrade of usb_1 was taken on; interrupting mefotactl does not interrupt it.\n"
                   "mefotactl: The package is \"bad\".\n");
  client_run_assert_json (
      run, TRUE,
      "[l['event'] for l in lines] == ['PropertiesChanged'] * 2 + ['FotaInd', 'PropertiesChanged', 'Finished'] and "
      "d['Id'] == 'usb_1' and d['State'] == 'idle' and lines[1]['State'] == 'starting' and "
      "lines[2]['status'] == 'START' and lines[4]['error-message'] == 'The package is \"bad\".' and "
      "all(l['module'] == 'usb_1' and type(l['time']) is int for l in lines)");
}

/* The whole upgrade is over before the method returns: nothing of it is lost. */
static void
test_finished_first (Fixture *fixture, gconstpointer data)
{
  fixture->method = "Upgrade";
  g_autoptr (ClientRun) run = START (CLIENT_RUN_PIPE, 0, "upgrade");
  await_method (fixture);
  set_state (fixture, "starting", 0, FALSE);
  finish (fixture, "NoNewVersion", "The server has nothing newer.");
  answer_held (fixture);
  g_assert_cmpint (client_run_end (run), ==, 0);
  assert_has (run->out->str, "State starting\n");
  assert_has (run->out->str, "The server has nothing newer.\n");
}

/* The end of the upgrade before ours, still on its way, is not ours. */
static void
test_finished_of_another (Fixture *fixture, gconstpointer data)
{
  fixture->method = "Upgrade";
  g_autoptr (ClientRun) run = START (CLIENT_RUN_PIPE, 0, "upgrade");
  await_method (fixture);
  mock_daemon_emit_finished (fixture->mock, "usb_1", "old", "UpgradeFailed", "Not ours.");
  answer_held (fixture);
  set_state (fixture, "starting", 0, FALSE);
  client_run_expect (run, "State starting");
  mock_daemon_emit_finished (fixture->mock, "usb_1", "old", "UpgradeFailed", "Not ours.");
  finish (fixture, NULL, "");
  g_assert_cmpint (client_run_end (run), ==, 0);
  g_assert_null (strstr (run->out->str, "Not ours."));
}

static void
test_results (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *word;
    int status;
  } results[] = {
    { "UpgradeFailed", 1 }, { "NotVerified", 1 }, { "ConnectFailed", 1 }, { "ModuleReplaced", 1 },
    { "Timeout", 8 },       { "ConfirmTimeout", 8 }, { "Cancelled", 9 },  { "Rejected", 9 },
    { "NoNewVersion", 0 },  { "Busy", 5 },        { "Unheard", 1 },       { NULL, 0 },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (results); i++)
    {
      set_state (fixture, "updating", 0, TRUE);
      g_autoptr (ClientRun) run = START (CLIENT_RUN_PIPE, 0, "attach");
      client_run_expect (run, "State updating");
      finish (fixture, results[i].word, results[i].word != NULL ? "So it ended." : "");
      g_assert_cmpint (client_run_end (run), ==, results[i].status);
      assert_has (results[i].status == 0 ? run->out->str : run->err->str,
                  results[i].word != NULL ? "So it ended.\n" : "was upgraded from");
    }
  mock_daemon_set (fixture->mock, "usb_1", "LastUpgrade", g_variant_new_string ("old"), NULL);
  fixture->method = "Upgrade";
  g_autoptr (ClientRun) run = START (CLIENT_RUN_PIPE, 0, "upgrade", "--require-new");
  await_method (fixture);
  answer_held (fixture);
  finish (fixture, "NoNewVersion", "");
  g_assert_cmpint (client_run_end (run), ==, 6);
}

static void
test_attach_idle (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ClientRun) run = START (CLIENT_RUN_PIPE, 0, "attach");
  g_assert_cmpint (client_run_end (run), ==, 1);
  assert_has (run->err->str, "No upgrade of usb_1 is under way");
}

static void
test_no_wait (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ClientRun) run = START (CLIENT_RUN_PIPE, 0, "upgrade", "--no-wait");
  g_assert_cmpint (client_run_end (run), ==, 0);
  g_assert_cmpstr (run->out->str, ==, "The upgrade of usb_1 has begun; `mefotactl attach` follows it.\n");
  set_state (fixture, "queued", 0, FALSE);
  g_autoptr (ClientRun) queued = START (CLIENT_RUN_PIPE, 0, "upgrade", "--no-wait");
  g_assert_cmpint (client_run_end (queued), ==, 0);
  assert_has (queued->out->str, "waits for its turn");
  g_autoptr (ClientRun) json = START (CLIENT_RUN_PIPE, 0, "upgrade", "--no-wait", "--json");
  g_assert_cmpint (client_run_end (json), ==, 0);
  client_run_assert_json (json, FALSE, "d['State'] == 'queued' and d['LastUpgrade'] == 'new'");
}

static void
test_queued (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ClientRun) run = START (CLIENT_RUN_PIPE, 0, "upgrade");
  await_call (fixture);
  mock_daemon_set (fixture->mock, "usb_1", "State", g_variant_new_string ("queued"), NULL);
  client_run_expect (run, "State queued (waits for its turn)");
  set_state (fixture, "starting", 0, FALSE);
  finish (fixture, "Cancelled", "Somebody cancelled it.");
  g_assert_cmpint (client_run_end (run), ==, 9);
}

static void
test_interrupt (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ClientRun) run = START (CLIENT_RUN_PIPE, 0, "upgrade");
  await_call (fixture);
  set_state (fixture, "downloading", 0, FALSE);
  client_run_expect (run, "State downloading");
  g_subprocess_send_signal (run->process, SIGINT);
  g_assert_cmpint (client_run_end (run), ==, 130);
  g_assert_cmpstr (run->err->str, ==,
                   "mefotactl: Interrupted, but the upgrade goes on; `mefotactl attach` follows it.\n");
  g_assert_cmpuint (mock_daemon_n_calls (fixture->mock), ==, 1);
}

/* The daemon is restarted: the upgrade is followed on, or its end is found in the history or the properties. */
static void
test_restart (Fixture *fixture, gconstpointer data)
{
  enum
  {
    GOES_ON,
    IN_HISTORY,
    IN_PROPERTIES
  } ends[] = { GOES_ON, IN_HISTORY, IN_PROPERTIES };
  for (gsize i = 0; i < G_N_ELEMENTS (ends); i++)
    {
      set_state (fixture, "updating", 0, TRUE);
      g_autoptr (ClientRun) run = START (CLIENT_RUN_PIPE, 0, "attach", "--json");
      client_run_expect (run, "updating");
      mock_daemon_vanish (fixture->mock);
      client_run_expect_error (run, "mefotad went away");
      if (ends[i] != GOES_ON)
        set_state (fixture, "idle", 0, FALSE);
      if (ends[i] == IN_HISTORY)
        mock_daemon_set_history (
            fixture->mock, g_variant_new_parsed ("[{'id': <'new'>, 'result': <'failure'>, 'error-message': <'Late.'>, "
                                                 "'error-name': <'org.gosuncn.Fota.Error.Timeout'>}]"));
      if (ends[i] == IN_PROPERTIES)
        {
          mock_daemon_set_history (fixture->mock, g_variant_new ("aa{sv}", NULL));
          mock_daemon_set (fixture->mock, "usb_1", "LastResult", g_variant_new_string ("failure"), "LastError",
                           g_variant_new ("(ss)", "org.gosuncn.Fota.Error.Rejected", "No."), NULL);
        }
      mock_daemon_return (fixture->mock);
      client_run_expect (run, "DaemonBack");
      if (ends[i] == GOES_ON)
        {
          set_state (fixture, "checking", 0, TRUE);
          client_run_expect (run, "checking");
          finish (fixture, NULL, "");
        }
      g_assert_cmpint (client_run_end (run), ==, ends[i] == GOES_ON ? 0 : ends[i] == IN_HISTORY ? 8 : 9);
      client_run_assert_json (run, TRUE, "lines[-1]['event'] == 'Finished' and lines[-1]['id'] == 'new' and "
                                         "'DaemonGone' in [l['event'] for l in lines]");
    }
}

/* The daemon goes before it answered: whether it took the upgrade on is seen when it is back. */
static void
test_restart_while_asking (Fixture *fixture, gconstpointer data)
{
  fixture->method = "Upgrade";
  for (int taken_on = 0; taken_on < 2; taken_on++)
    {
      g_autoptr (ClientRun) run = START (CLIENT_RUN_PIPE, 0, "upgrade");
      await_method (fixture);
      g_clear_object (&fixture->invocation);
      mock_daemon_vanish (fixture->mock);
      client_run_expect_error (run, "mefotad went away");
      if (taken_on)
        set_state (fixture, "starting", 0, FALSE);
      mock_daemon_return (fixture->mock);
      if (taken_on)
        {
          client_run_expect (run, "State starting");
          finish (fixture, NULL, "");
        }
      g_assert_cmpint (client_run_end (run), ==, taken_on ? 0 : 3);
      if (!taken_on)
        assert_has (run->err->str, "nothing was started");
    }
}

static void
test_live (Fixture *fixture, gconstpointer data)
{
  g_autofree char *bar = NULL, *narrow = NULL;
  g_autoptr (ClientRun) run = START (CLIENT_RUN_TERMINAL, 120, "upgrade", "--target", "ME3630U1AV1.0B05");
  await_call (fixture);
  set_state (fixture, "downloading", 50, FALSE);
  client_run_expect (run, " 50 %  downloading");
  bar = client_run_last_line (run);
  g_assert_cmpstr (bar, ==,
                   "ME3630U1AV1.0B04 → ME3630U1AV1.0B05  ███████████████░░░░░░░░░░░░░░░  50 %  downloading  0:00");
  set_state (fixture, "confirming", 0, FALSE);
  client_run_expect (run, "mefotactl accept or reject");
  set_state (fixture, "rebooting", 0, TRUE);
  client_run_expect (run, "silence up to 10 minutes is normal  0:00  do not power off");
  g_string_truncate (run->out, 0);
  client_run_resize (run, 30);
  client_run_expect (run, "off");
  narrow = client_run_last_line (run);
  g_assert_cmpint (g_utf8_strlen (narrow, -1), <=, 29);
  assert_has (narrow, "do not power off");
  finish (fixture, NULL, "");
  g_assert_cmpint (client_run_end (run), ==, 0);
  g_assert_true (g_str_has_suffix (run->out->str, "in 5 min 12 s.\r\n"));
  g_assert_null (strstr (run->out->str, "  idle")); /* the result takes the line's place */
  g_assert_null (strchr (run->out->str, '\033'));
}

/* The line is drawn anew each second, and only the terminal's colours make escape sequences. */
static void
test_live_clock (Fixture *fixture, gconstpointer data)
{
  const char *const environment[] = { "NO_COLOR=", "COLUMNS=70", "LC_ALL=C", NULL };
  const char *const arguments[] = { "upgrade", NULL };
  g_autoptr (ClientRun) run = client_run_new (CLIENT_RUN_TERMINAL, 120, environment, arguments);
  await_call (fixture);
  set_state (fixture, "updating", 0, TRUE);
  client_run_expect (run, "\033[1;31m  do not power off\033[0m");
  client_run_expect (run, "0:01");
  assert_has (run->out->str, "B04 -> ?  updating  0:01");
  g_assert_true (g_str_is_ascii (run->out->str));
  mock_daemon_vanish (fixture->mock);
  client_run_expect (run, "waiting for mefotad");
  g_subprocess_send_signal (run->process, SIGINT);
  g_assert_cmpint (client_run_end (run), ==, 130);
}

typedef struct
{
  char *directory;
  char *package;
  char *manifest;
} Package;

static Package
make_package (const char *manifest)
{
  Package package;
  package.directory = g_dir_make_tmp ("mefotactl-XXXXXX", NULL);
  package.package = g_build_filename (package.directory, "B04-B05.zip", NULL);
  package.manifest = g_strconcat (package.package, ".mefota", NULL);
  g_assert_true (g_file_set_contents (package.package, "delta", -1, NULL));
  if (manifest != NULL)
    g_assert_true (g_file_set_contents (package.manifest, manifest, -1, NULL));
  return package;
}

static void
package_clear (Package *package)
{
  g_unlink (package->manifest);
  g_unlink (package->package);
  g_rmdir (package->directory);
  g_free (package->manifest);
  g_free (package->package);
  g_free (package->directory);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Package, package_clear)

#define SHA256 "0123456789abcdef0123456789abcdef0123456789abcdef0123456789ABCDEF"

static void
test_install (Fixture *fixture, gconstpointer data)
{
  char bytes[16];
  g_auto (Package) package = make_package ("[package]\nfrom=B04\nto=B05\nsha256=" SHA256 "\n");
  g_autoptr (ClientRun) run = START (CLIENT_RUN_PIPE, 0, "install", "--method", "adb", "--from", "B03",
                                      package.package);
  await_call (fixture);
  g_assert_cmpstr (mock_daemon_last_call (fixture->mock), ==,
                   "Install(0, {'name': <'B04-B05.zip'>, 'method': <'adb'>, 'from-version': <'B03'>, "
                   "'expected-version': <'B05'>, 'sha256': <'" SHA256 "'>})");
  GUnixFDList *fds = mock_daemon_last_fds (fixture->mock);
  g_assert_cmpint (g_unix_fd_list_get_length (fds), ==, 1);
  int fd = g_unix_fd_list_get (fds, 0, NULL);
  g_assert_cmpint (read (fd, bytes, sizeof bytes), ==, 5);
  close (fd);
  set_state (fixture, "transferring", 40, FALSE);
  client_run_expect (run, "Progress 40");
  finish (fixture, "TransferFailed", "At byte 2.");
  g_assert_cmpint (client_run_end (run), ==, 1);
}

/* Written by hand, edited on another system, or pasted. */
static void
test_install_manifest (Fixture *fixture, gconstpointer data)
{
  g_auto (Package) package = make_package ("[package]\r\nfrom=B04 \t\r\nsha256= " SHA256 "  \n");
  g_autoptr (ClientRun) run = START (CLIENT_RUN_PIPE, 0, "install", "--no-wait", package.package);
  g_assert_cmpint (client_run_end (run), ==, 0);
  g_assert_cmpstr (mock_daemon_last_call (fixture->mock), ==,
                   "Install(0, {'name': <'B04-B05.zip'>, 'from-version': <'B04'>, 'sha256': <'" SHA256 "'>})");
}

static void
test_install_refused (Fixture *fixture, gconstpointer data)
{
  static const char *const manifests[]
      = { "[other]\n", "no key file", "[package]\nsha256=12\n", "[package]\nfrom=\\x\n" };
  for (gsize i = 0; i < G_N_ELEMENTS (manifests); i++)
    {
      g_auto (Package) package = make_package (manifests[i]);
      g_autoptr (ClientRun) run = START (CLIENT_RUN_PIPE, 0, "install", package.package);
      g_assert_cmpint (client_run_end (run), ==, 2);
      assert_has (run->err->str, "B04-B05.zip.mefota");
    }
  g_auto (Package) package = make_package (NULL);
  g_autoptr (ClientRun) method = START (CLIENT_RUN_PIPE, 0, "install", package.package, "--method", "pigeon");
  g_assert_cmpint (client_run_end (method), ==, 2);
  g_autoptr (ClientRun) sum = START (CLIENT_RUN_PIPE, 0, "install", package.package, "--sha256", "xyz");
  g_assert_cmpint (client_run_end (sum), ==, 2);
  g_autoptr (ClientRun) no_wait = START (CLIENT_RUN_PIPE, 0, "install", "--no-wait", "--json", package.package);
  g_assert_cmpint (client_run_end (no_wait), ==, 0);
  client_run_assert_json (no_wait, FALSE, "d['Id'] == 'usb_1'");
  g_assert_cmpint (truncate (package.package, 0), ==, 0);
  g_autoptr (ClientRun) empty = START (CLIENT_RUN_PIPE, 0, "install", package.package);
  g_assert_cmpint (client_run_end (empty), ==, 2);
  g_assert_cmpuint (mock_daemon_n_calls (fixture->mock), ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (bus);
  client_run_set_bus (g_test_dbus_get_bus_address (bus));
  static const struct
  {
    const char *path;
    void (*test) (Fixture *, gconstpointer);
  } tests[] = {
    { "/client/follow/lines", test_lines },
    { "/client/follow/json", test_json },
    { "/client/follow/finished-first", test_finished_first },
    { "/client/follow/finished-of-another", test_finished_of_another },
    { "/client/follow/results", test_results },
    { "/client/follow/attach-idle", test_attach_idle },
    { "/client/follow/no-wait", test_no_wait },
    { "/client/follow/queued", test_queued },
    { "/client/follow/interrupt", test_interrupt },
    { "/client/follow/restart", test_restart },
    { "/client/follow/restart-while-asking", test_restart_while_asking },
    { "/client/follow/live", test_live },
    { "/client/follow/live-clock", test_live_clock },
    { "/client/install", test_install },
    { "/client/install/manifest", test_install_manifest },
    { "/client/install/refused", test_install_refused },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].test, tear_down);
  int status = g_test_run ();
  g_test_dbus_down (bus);
  g_object_unref (bus);
  return status;
}
