/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-run.h"

#include "mefota-build.h"
#include "mefota-error.h"

#include <signal.h>
#include <string.h>

#define RUN(...) run_and_end (0, (const char *const[]) { __VA_ARGS__, NULL })
#define RUN_STATUS(status, ...) run_and_end (status, (const char *const[]) { __VA_ARGS__, NULL })
#define STATUS(status, ...) assert_status (status, (const char *const[]) { __VA_ARGS__, NULL })

typedef struct
{
  MockDaemon *mock;
} Fixture;

static GTestDBus *bus;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->mock = mock_daemon_new (g_test_dbus_get_bus_address (bus));
  mock_daemon_add (fixture->mock, "usb_1");
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  mock_daemon_free (fixture->mock);
}

static ClientRun *
run_and_end (int status, const char *const *arguments)
{
  ClientRun *run = client_run_new (CLIENT_RUN_PIPE, 0, NULL, arguments);
  g_assert_cmpint (client_run_end (run), ==, status);
  return run;
}

static void
assert_status (int status, const char *const *arguments)
{
  g_autoptr (ClientRun) run = client_run_new (CLIENT_RUN_PIPE, 0, NULL, arguments);
  g_assert_cmpint (client_run_end (run), ==, status);
  /* A failure says a sentence on standard error, and one line of it. */
  if (status != 0)
    {
      g_assert_true (g_str_has_prefix (run->err->str, "mefotactl: "));
      g_assert_cmpuint (strcspn (run->err->str, "\n"), ==, run->err->len - 1);
      g_assert_null (strstr (run->err->str, "GDBus.Error"));
    }
}

static void
test_list (Fixture *fixture, gconstpointer data)
{
  mock_daemon_add (fixture->mock, "a_uart");
  mock_daemon_set (fixture->mock, "a_uart", "State", g_variant_new_string ("downloading"), "Progress",
                   g_variant_new_uint32 (40), "Model", g_variant_new_string ("evil\033[2J"), NULL);
  g_autoptr (ClientRun) table = RUN ("list");
  assert_has (table->out->str, "ID      MODEL");
  assert_has (table->out->str, "downloading 40 %");
  g_assert_null (strchr (table->out->str, '\033'));
  g_assert_true (strstr (table->out->str, "a_uart") < strstr (table->out->str, "usb_1"));
  g_autoptr (ClientRun) json = RUN ("--json", "list");
  client_run_assert_json (json, FALSE,
                          "[m['Id'] for m in d] == ['a_uart', 'usb_1'] and d[0]['Model'] == 'evil\\x1b[2J' and "
                          "d[1]['ServerPort'] == 5000 and d[1]['PollingEnabled'] is True and "
                          "d[1]['LastError'] == ['', ''] and d[1]['Methods'] == ['network', 'adb']");
  g_autoptr (ClientRun) one = RUN ("list", "--json", "--module", "usb_1");
  client_run_assert_json (one, FALSE, "[m['Id'] for m in d] == ['usb_1']");
}

static void
test_list_empty (Fixture *fixture, gconstpointer data)
{
  mock_daemon_free (fixture->mock);
  fixture->mock = mock_daemon_new (g_test_dbus_get_bus_address (bus));
  g_autoptr (ClientRun) table = RUN ("list");
  g_assert_cmpstr (table->out->str, ==, "");
  assert_has (table->err->str, "There is no module");
  g_autoptr (ClientRun) json = RUN ("list", "--json");
  client_run_assert_json (json, FALSE, "d == []");
  STATUS (3, "status");
  STATUS (3, "upgrade");
}

static void
test_status (Fixture *fixture, gconstpointer data)
{
  gint64 now = g_get_real_time ();
  mock_daemon_set (fixture->mock, "usb_1", "State", g_variant_new_string ("confirming"), "Operation",
                   g_variant_new_string ("polled"), "StartedAt", g_variant_new_uint64 ((guint64) now - 5000000),
                   "PhaseSince", g_variant_new_uint64 ((guint64) now - 5000000), "ConfirmDeadline",
                   g_variant_new_uint64 (1714564800000000), "PowerCritical", g_variant_new_boolean (TRUE), "Overdue",
                   g_variant_new_boolean (TRUE), "PollingRestartNeeded", g_variant_new_boolean (TRUE), "RebootsSeen",
                   g_variant_new_uint32 (2), "DownloadSeconds", g_variant_new_uint32 (17), "Status",
                   g_variant_new_string ("NEED_CONFIRM"), NULL);
  g_autoptr (ClientRun) text = run_and_end (0, (const char *const[]) { NULL });
  assert_has (text->out->str, "IMEI  866000000000001\n");
  assert_has (text->out->str, "server  203.0.113.5 port 5000\n");
  assert_has (text->out->str, "polling  on (in force once the module restarts)\n");
  assert_has (text->out->str, "`mefotactl accept` or `mefotactl reject` until 2024-05-01 12:00:00");
  assert_has (text->out->str, "DO NOT POWER OFF");
  assert_has (text->out->str, "held  by backup: runs until six\n");
  assert_has (text->out->str, "upgrades by  network, adb\n");
  mock_daemon_set (fixture->mock, "usb_1", "State", g_variant_new_string ("idle"), "Operation",
                   g_variant_new_string ("none"), "LastResult", g_variant_new_string ("failure"), "LastError",
                   g_variant_new ("(ss)", "org.gosuncn.Fota.Error.VerifyFailed", "Bad package."), "ServerAddress",
                   g_variant_new_string (""), NULL);
  g_autoptr (ClientRun) idle = RUN ("status");
  assert_has (idle->out->str, "last upgrade  failure, from : Bad package.\n");
  g_autoptr (ClientRun) json = RUN ("--json");
  client_run_assert_json (json, FALSE, "type(d) is dict and d['Id'] == 'usb_1' and "
                                       "d['LastError'][0].endswith('VerifyFailed') and len(d) == 31");
}

static void
test_several_modules (Fixture *fixture, gconstpointer data)
{
  mock_daemon_add (fixture->mock, "usb_2");
  STATUS (2, "status");
  STATUS (2, "upgrade");
  STATUS (2, "at", "AT");
  STATUS (3, "--module", "nobody", "status");
  STATUS (3, "--module", "nobody", "upgrade");
  g_autoptr (ClientRun) run = RUN ("--module=usb_2", "server", "--json");
  client_run_assert_json (run, FALSE, "d == {'Id': 'usb_2', 'ServerAddress': '203.0.113.5', 'ServerPort': 5000}");
}

static void
test_usage (Fixture *fixture, gconstpointer data)
{
  STATUS (2, "frobnicate");
  STATUS (2, "--frobnicate");
  STATUS (2, "list", "--frobnicate");
  STATUS (2, "list", "too", "many");
  STATUS (2, "at");
  STATUS (2, "install");
  STATUS (2, "install", "/nonexistent/file");
  STATUS (2, "install", "/");
  STATUS (2, "server", "203.0.113.5");
  STATUS (2, "server", "203.0.113.5", "0");
  STATUS (2, "server", "203.0.113.5", "65536");
  STATUS (2, "server", "203.0.113.5", "5000x");
  STATUS (2, "polling", "maybe");
  STATUS (2, "target", "");
  STATUS (2, "upgrade", "--target", "");
  STATUS (2, "history", "--limit", "-1");
  STATUS (2, "history", "--limit", "many");
  STATUS (2, "--module", "", "status");
  g_assert_cmpuint (mock_daemon_n_calls (fixture->mock), ==, 0);
  g_autoptr (ClientRun) version = RUN ("--version");
  g_assert_cmpstr (version->out->str, ==, "mefotactl " MEFOTA_VERSION "\n");
  g_autoptr (ClientRun) json = RUN ("--version", "--json");
  client_run_assert_json (json, FALSE, "d == {'Version': '" MEFOTA_VERSION "'}");
  g_autoptr (ClientRun) help = RUN ("upgrade", "--help");
  assert_has (help->out->str, "--require-new");
}

typedef struct
{
  const char *method;
  GQuark domain;
  int code;
} Refusal;

static gboolean
refuse (MockDaemon *mock, const char *method, GVariant *parameters, GDBusMethodInvocation *invocation,
        gpointer user_data)
{
  const Refusal *refusal = user_data;
  if (!g_str_equal (method, refusal->method))
    return FALSE;
  if (refusal->domain == 0)
    g_dbus_method_invocation_return_dbus_error (invocation, "org.freedesktop.systemd1.UnitMasked", "Masked.");
  else
    g_dbus_method_invocation_return_error (invocation, refusal->domain, refusal->code, "Because of a test.");
  return TRUE;
}

/* Contract 4 and 5, error by error, whichever way the error comes. */
static const struct
{
  MefotaError code;
  int status;
} refusals[MEFOTA_N_ERRORS] = {
  { MEFOTA_ERROR_BUSY, 5 },            { MEFOTA_ERROR_NOT_PRESENT, 3 },       { MEFOTA_ERROR_NOT_SUPPORTED, 1 },
  { MEFOTA_ERROR_INVALID_ARGUMENT, 1 }, { MEFOTA_ERROR_NOT_READY, 7 },         { MEFOTA_ERROR_NOT_ASKED, 1 },
  { MEFOTA_ERROR_NOT_CANCELLABLE, 1 }, { MEFOTA_ERROR_NOT_AUTHORIZED, 4 },    { MEFOTA_ERROR_PACKAGE_INVALID, 1 },
  { MEFOTA_ERROR_INTEGRITY_MISMATCH, 1 }, { MEFOTA_ERROR_TRANSFER_FAILED, 1 }, { MEFOTA_ERROR_MODULE_ERROR, 1 },
  { MEFOTA_ERROR_TIMEOUT, 8 },         { MEFOTA_ERROR_CANCELLED, 9 },         { MEFOTA_ERROR_REJECTED, 9 },
  { MEFOTA_ERROR_NO_NEW_VERSION, 0 },  { MEFOTA_ERROR_CONNECT_FAILED, 1 },    { MEFOTA_ERROR_CONFIRM_TIMEOUT, 8 },
  { MEFOTA_ERROR_VERIFY_FAILED, 1 },   { MEFOTA_ERROR_UPGRADE_FAILED, 1 },    { MEFOTA_ERROR_NOT_VERIFIED, 1 },
  { MEFOTA_ERROR_VERSION_MISMATCH, 1 }, { MEFOTA_ERROR_MODULE_REPLACED, 1 },   { MEFOTA_ERROR_STORAGE_FAILED, 1 },
  { MEFOTA_ERROR_FAILED, 1 },
};

static void
test_refusals (Fixture *fixture, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (refusals); i++)
    {
      Refusal refusal = { "Restart", MEFOTA_ERROR, (int) refusals[i].code };
      mock_daemon_set_method (fixture->mock, refuse, &refusal);
      g_autoptr (ClientRun) run = RUN_STATUS (refusals[i].status, "restart");
      g_assert_cmpstr (run->err->str, ==, "mefotactl: Because of a test.\n");
      g_assert_cmpstr (run->out->str, ==, "");
      refusal.method = "Upgrade";
      g_autoptr (ClientRun) upgrade = RUN_STATUS (refusals[i].status, "upgrade", "--json");
      g_assert_cmpstr (upgrade->err->str, ==, "mefotactl: Because of a test.\n");
      g_assert_cmpstr (upgrade->out->str, ==, "");
    }
  Refusal denied = { "Upgrade", G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED };
  mock_daemon_set_method (fixture->mock, refuse, &denied);
  STATUS (4, "upgrade", "--no-wait");
  STATUS (4, "upgrade");
  Refusal masked = { "Restart", 0, 0 };
  mock_daemon_set_method (fixture->mock, refuse, &masked);
  g_autoptr (ClientRun) run = RUN_STATUS (3, "restart");
  assert_has (run->err->str, "systemctl start mefotad");
}

static void
test_no_daemon (Fixture *fixture, gconstpointer data)
{
  mock_daemon_vanish (fixture->mock);
  g_autoptr (ClientRun) run = RUN_STATUS (3, "list");
  assert_has (run->err->str, "systemctl start mefotad");
  STATUS (3, "status");
  STATUS (3, "upgrade");
  STATUS (3, "watch");
  STATUS (3, "history");
  STATUS (3, "at", "AT");
  client_run_set_bus ("unix:path=/nonexistent/bus");
  STATUS (3, "list");
  client_run_set_bus (g_test_dbus_get_bus_address (bus));
}

static void
assert_called (Fixture *fixture, const char *call)
{
  g_assert_cmpstr (mock_daemon_last_call (fixture->mock), ==, call);
}

static void
test_settings (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ClientRun) server = RUN ("server");
  g_assert_cmpstr (server->out->str, ==, "203.0.113.5 5000\n");
  g_autoptr (ClientRun) target = RUN ("target");
  g_assert_cmpstr (target->out->str, ==, "none\n");
  g_autoptr (ClientRun) polling = RUN ("polling");
  g_assert_cmpstr (polling->out->str, ==, "on\n");
  g_assert_cmpuint (mock_daemon_n_calls (fixture->mock), ==, 0);
  STATUS (0, "server", "192.0.2.1", "65535");
  assert_called (fixture, "SetServer('192.0.2.1', 65535)");
  STATUS (0, "target", "ME3630U1AV1.0B05");
  assert_called (fixture, "SetTargetVersion('ME3630U1AV1.0B05',)");
  STATUS (0, "polling", "off");
  assert_called (fixture, "SetPolling(false,)");
  g_autoptr (ClientRun) on = RUN ("polling", "on", "--json");
  assert_called (fixture, "SetPolling(true,)");
  client_run_assert_json (on, FALSE, "d == {'Id': 'usb_1', 'PollingEnabled': True, 'PollingRestartNeeded': False}");
  g_autoptr (ClientRun) json = RUN ("target", "--json");
  client_run_assert_json (json, FALSE, "d == {'Id': 'usb_1', 'TargetVersion': ''}");
}

static void
test_answers (Fixture *fixture, gconstpointer data)
{
  STATUS (0, "accept");
  assert_called (fixture, "Confirm(true, {})");
  STATUS (0, "accept", "--report");
  assert_called (fixture, "Confirm(true, {'report': <true>})");
  STATUS (0, "reject", "--report");
  assert_called (fixture, "Confirm(false, {'report': <true>})");
  STATUS (0, "cancel");
  assert_called (fixture, "Cancel()");
  STATUS (0, "restart");
  assert_called (fixture, "Restart()");
  g_autoptr (ClientRun) json = RUN ("reject", "--json");
  client_run_assert_json (json, FALSE, "d['Id'] == 'usb_1' and d['State'] == 'idle'");
}

static gboolean
answer_not_ready (MockDaemon *mock, const char *method, GVariant *parameters, GDBusMethodInvocation *invocation,
                  gpointer user_data)
{
  if (!g_str_equal (method, "CheckReadiness"))
    return FALSE;
  g_dbus_method_invocation_return_value (
      invocation, g_variant_new_parsed ("([('sim', true, 'READY'), ('network', false, 'only \"2G\"')],)"));
  return TRUE;
}

static void
test_diagnosis (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ClientRun) check = RUN ("check");
  assert_has (check->out->str, "ok   registered  home\n");
  g_autoptr (ClientRun) check_json = RUN ("check", "--json");
  client_run_assert_json (check_json, FALSE, "d['ready'] is True and d['items'][0] == "
                                             "{'name': 'sim', 'ok': True, 'detail': 'READY'}");
  mock_daemon_set_method (fixture->mock, answer_not_ready, NULL);
  g_autoptr (ClientRun) not_ready = RUN_STATUS (7, "check");
  assert_has (not_ready->out->str, "NO   network     only \"2G\"\n");
  g_autoptr (ClientRun) not_ready_json = RUN_STATUS (7, "check", "--json");
  client_run_assert_json (not_ready_json, FALSE, "d['ready'] is False and d['items'][1]['detail'] == 'only \"2G\"'");

  g_autoptr (ClientRun) logs = RUN ("logs");
  g_assert_cmpstr (logs->out->str, ==, "/var/lib/mefota/logs/1\n");
  g_autoptr (ClientRun) logs_json = RUN ("logs", "--json");
  client_run_assert_json (logs_json, FALSE, "d == {'directory': '/var/lib/mefota/logs/1'}");

  g_autoptr (ClientRun) at = RUN ("at", "AT+FOTACTR?");
  assert_called (fixture, "SendCommand('AT+FOTACTR?', 0)");
  g_assert_true (g_str_has_prefix (at->out->str, "+FOTACTR: FAIL_END\n"));
  g_assert_null (strchr (at->out->str, '\033'));
  g_autoptr (ClientRun) at_json = RUN ("at", "--json", "AT");
  client_run_assert_json (at_json, FALSE, "d == {'lines': ['+FOTACTR: FAIL_END', '\\x1b[2J\"quoted\\\\\"']}");
}

/* Until watch has subscribed nothing tells it anything: keep telling until it hears. */
static gboolean
keep_telling (gpointer user_data)
{
  mock_daemon_emit (user_data, "usb_1", "FotaInd", g_variant_new ("(sss)", "HELLO", "", "HELLO"));
  return G_SOURCE_CONTINUE;
}

static ClientRun *
start_watch (Fixture *fixture, const char *const *arguments)
{
  guint telling = g_timeout_add (20, keep_telling, fixture->mock);
  ClientRun *run = client_run_new (CLIENT_RUN_PIPE, 0, NULL, arguments);
  client_run_expect (run, "HELLO");
  g_source_remove (telling);
  return run;
}

static void
test_watch (Fixture *fixture, gconstpointer data)
{
  const char *const text[] = { "watch", NULL };
  const char *const json[] = { "watch", "--json", "--module", "usb_1", NULL };
  for (int as_json = 0; as_json < 2; as_json++)
    {
      g_autoptr (ClientRun) run = start_watch (fixture, as_json ? json : text);
      mock_daemon_add (fixture->mock, as_json ? "usb_3" : "usb_2");
      mock_daemon_emit (fixture->mock, "usb_1", "FotaInd", g_variant_new ("(sss)", "DOWNLOADING", "25", "x\t25%"));
      mock_daemon_set (fixture->mock, "usb_1", "State", g_variant_new_string ("rebooting"), "Progress",
                       g_variant_new_uint32 (0), NULL);
      mock_daemon_emit (fixture->mock, "usb_1", "ConfirmRequested", g_variant_new ("(t)", G_GUINT64_CONSTANT (5)));
      mock_daemon_emit_finished (fixture->mock, "usb_1", "u1", "VerifyFailed", "Bad package.");
      client_run_expect (run, "Bad package.");
      mock_daemon_vanish (fixture->mock);
      client_run_expect (run, "DaemonGone");
      mock_daemon_return (fixture->mock);
      client_run_expect (run, "DaemonBack");
      g_subprocess_send_signal (run->process, SIGINT);
      g_assert_cmpint (client_run_end (run), ==, 130);
      if (as_json)
        {
          client_run_assert_json (
              run, TRUE,
              "(lambda e: e[0]['raw'] == 'x\\t25%' and e[0]['argument'] == '25' and e[0]['module'] == 'usb_1' and "
              "e[1]['event'] == 'PropertiesChanged' and e[1]['State'] == 'rebooting' and e[2]['deadline'] == 5 and "
              "e[3]['event'] == 'Finished' and e[3]['result'] == 'failure' and e[3]['seconds'] == 312.25 and "
              "[x['event'] for x in e[4:]] == ['DaemonGone', 'DaemonBack'])"
              "([l for l in lines if l.get('status') != 'HELLO'])");
          continue;
        }
      assert_has (run->out->str, " usb_2 InterfacesAdded\n");
      assert_has (run->out->str, " usb_1 FotaInd DOWNLOADING 25\n");
      assert_has (run->out->str, " usb_1 State rebooting (silence up to 10 minutes is normal)\n");
      assert_has (run->out->str, " usb_1 ConfirmRequested until ");
      assert_has (run->out->str, " usb_1 Finished failure: Bad package.\n");
    }
}

static gboolean
never_answer (MockDaemon *mock, const char *method, GVariant *parameters, GDBusMethodInvocation *invocation,
              gpointer user_data)
{
  if (!g_str_equal (method, "Restart"))
    return FALSE;
  *(gboolean *) user_data = TRUE;
  g_object_unref (invocation);
  return TRUE;
}

static gboolean
is_true (gpointer user_data)
{
  return *(gboolean *) user_data;
}

static void
test_interrupt (Fixture *fixture, gconstpointer data)
{
  gboolean asked = FALSE;
  const char *const arguments[] = { "restart", NULL };
  mock_daemon_set_method (fixture->mock, never_answer, &asked);
  g_autoptr (ClientRun) run = client_run_new (CLIENT_RUN_PIPE, 0, NULL, arguments);
  client_run_wait (is_true, &asked, "the call");
  g_subprocess_send_signal (run->process, SIGINT);
  g_assert_cmpint (client_run_end (run), ==, 130);
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
    { "/client/list", test_list },
    { "/client/list/empty", test_list_empty },
    { "/client/status", test_status },
    { "/client/several-modules", test_several_modules },
    { "/client/usage", test_usage },
    { "/client/refusals", test_refusals },
    { "/client/no-daemon", test_no_daemon },
    { "/client/settings", test_settings },
    { "/client/answers", test_answers },
    { "/client/diagnosis", test_diagnosis },
    { "/client/watch", test_watch },
    { "/client/interrupt", test_interrupt },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (tests); i++)
    g_test_add (tests[i].path, Fixture, NULL, set_up, tests[i].test, tear_down);
  int status = g_test_run ();
  g_test_dbus_down (bus);
  g_object_unref (bus);
  return status;
}
