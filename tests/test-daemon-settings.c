/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Settings that are set and read back, restart, single commands and readiness with the real daemon (contract 2.1, 2.5
 * and 5). */

#include "daemon-lab.h"

#include <string.h>

static void
ok (DaemonFixture *f, const char *method, GVariant *parameters)
{
  daemon_call_ok (f, "m0", method, parameters, -1);
}

static void
refuse (DaemonFixture *f, const char *method, GVariant *parameters, const char *error, const char *part)
{
  g_autofree char *message = daemon_call_error (f, "m0", method, parameters, -1, error);
  g_assert_nonnull (strstr (message, part));
  g_assert_true (g_str_has_suffix (message, "."));
}

static GVariant *
server (const char *address, guint port)
{
  return g_variant_new ("(sq)", address, port);
}

static GVariant *
command (const char *text)
{
  return g_variant_new ("(su)", text, 0);
}

/* Set, read back, told. */
static void
test_set (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);

  g_assert_cmpstr (daemon_get_string (f, "m0", "ServerAddress"), ==, "114.55.56.19");
  g_assert_cmpuint (daemon_get_number (f, "m0", "ServerPort"), ==, 45000);
  g_assert_false (daemon_get_number (f, "m0", "PollingEnabled"));
  g_assert_cmpstr (daemon_get_string (f, "m0", "TargetVersion"), ==, "");

  ok (f, "SetServer", server ("10.1.2.3", 65535));
  sim_await (sim, "rx AT+FOTAIP=10.1.2.3,65535");
  sim_await (sim, "rx AT+FOTAIP?");
  g_assert_cmpstr (daemon_get_string (f, "m0", "ServerAddress"), ==, "10.1.2.3");
  g_assert_cmpuint (daemon_get_number (f, "m0", "ServerPort"), ==, 65535);

  ok (f, "SetTargetVersion", g_variant_new ("(s)", "WIFI_ME3630V1.0B05"));
  sim_await (sim, "rx AT+FOTATV=\"WIFI_ME3630V1.0B05\"");
  g_assert_cmpstr (daemon_get_string (f, "m0", "TargetVersion"), ==, "WIFI_ME3630V1.0B05");
  lab_check_properties (f, "m0");

  ok (f, "DeletePackage", NULL);
  sim_await (sim, "rx AT+ZCOMDEL");
}

/* In force only after a restart; set back, nothing is left to wait for. */
static void
test_polling (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);

  ok (f, "SetPolling", g_variant_new ("(b)", TRUE));
  g_assert_true (daemon_get_number (f, "m0", "PollingEnabled"));
  g_assert_true (daemon_get_number (f, "m0", "PollingRestartNeeded"));
  ok (f, "SetPolling", g_variant_new ("(b)", FALSE));
  g_assert_false (daemon_get_number (f, "m0", "PollingEnabled"));
  g_assert_false (daemon_get_number (f, "m0", "PollingRestartNeeded"));
  ok (f, "SetPolling", g_variant_new ("(b)", TRUE));

  /* Known over a restart of the daemon, as the module has not restarted. */
  daemon_stop (f);
  daemon_start (f, NULL);
  daemon_await_state (f, "m0", "idle");
  g_assert_true (daemon_get_number (f, "m0", "PollingRestartNeeded"));

  ok (f, "SetTargetVersion", g_variant_new ("(s)", "V1"));
  ok (f, "Restart", NULL);
  sim_await (sim, "rx AT+CFUN=1,1");
  daemon_await_state (f, "m0", "absent");
  g_assert_cmpstr (daemon_get_string (f, "m0", "TargetVersion"), ==, "");
  daemon_await_state (f, "m0", "idle");
  g_assert_true (daemon_get_number (f, "m0", "PollingEnabled"));
  g_assert_false (daemon_get_number (f, "m0", "PollingRestartNeeded"));
  g_assert_cmpuint (lab_count (f, "m0", "Finished"), ==, 0);
  lab_check_properties (f, "m0");

  /* Gone before its OK was read: it restarts all the same. */
  for (int i = 0; i < 2; i++)
    {
      sim_control (sim, i == 0 ? "set fault=1x AT+CFUN* hangup" : "set ok-tail=none");
      ok (f, "Restart", NULL);
      daemon_await_state (f, "m0", "absent");
      sim_control (sim, "set ok-tail=eol");
      daemon_await_state (f, "m0", "idle");
    }
}

/* A module is asked for its IMEI as its profile says: the sibling tells its serial number to what others are asked. */
static void
test_imei_command (void)
{
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  SimProcess *sim = lab_add_sim (f, "m0", "usb", IMEI);

  sim_control (sim, "set model=ME3616");
  sim_control (sim, "set cgsn=serial");
  sim_control (sim, "set serial=320317080001234");
  daemon_start (f, LAB_USB LAB_TIMEOUTS);
  daemon_await_state (f, "m0", "idle");
  g_assert_cmpstr (daemon_get_string (f, "m0", "Imei"), ==, IMEI);
  g_assert_cmpuint (sim_count (sim, "rx AT+CGSN=1"), ==, 1);
  g_assert_cmpuint (sim_count (sim, "rx AT+CGSN"), ==, 1);
}

/* What came into force with a restart of the module stays so over a restart of the daemon. */
static void
test_polling_in_force (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");

  ok (f, "SetPolling", g_variant_new ("(b)", TRUE));
  ok (f, "Restart", NULL);
  daemon_await_state (f, "m0", "absent");
  daemon_await_state (f, "m0", "idle");
  g_assert_false (daemon_get_number (f, "m0", "PollingRestartNeeded"));

  daemon_stop (f);
  daemon_start (f, NULL);
  daemon_await_state (f, "m0", "idle");
  g_assert_true (daemon_get_number (f, "m0", "PollingEnabled"));
  g_assert_false (daemon_get_number (f, "m0", "PollingRestartNeeded"));
  ok (f, "SetPolling", g_variant_new ("(b)", FALSE));
  g_assert_true (daemon_get_number (f, "m0", "PollingRestartNeeded"));
}

/* No port vanishes on a UART, and not every module says that it boots; it may even be back before anybody has
 * looked. */
static void
test_uart_restart (gconstpointer data)
{
  const char *late = data;
  g_autoptr (DaemonFixture) f = lab_new ("uart", NULL, "");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set return-late=%s", late);
  sim_control (sim, "set restart=0");
  ok (f, "SetPolling", g_variant_new ("(b)", TRUE));
  ok (f, "SetTargetVersion", g_variant_new ("(s)", "V1"));
  g_assert_true (daemon_get_number (f, "m0", "PollingRestartNeeded"));
  ok (f, "Restart", NULL);
  DAEMON_AWAIT (f, daemon_get_number (f, "m0", "PollingRestartNeeded") == 0);
  g_assert_cmpstr (daemon_get_string (f, "m0", "TargetVersion"), ==, "");
  daemon_await_state (f, "m0", "idle");
  g_assert_true (daemon_get_number (f, "m0", "PollingEnabled"));
  lab_check_properties (f, "m0");
}

/* What the module itself makes of it: its words, its silence, and another value behind its OK. */
static void
test_refusals (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "command=0.4\n");
  SimProcess *sim = lab_sim (f, 0);
  static const struct
  {
    const char *method;
    const char *text;
    const char *pattern;
  } settings[] = {
    { "SetServer", "('10.0.0.1', uint16 1)", "AT+FOTAIP=*" },
    { "SetPolling", "(true,)", "AT+FOTAPOLLEN=*" },
    { "SetTargetVersion", "('V1',)", "AT+FOTATV=*" },
    { "DeletePackage", NULL, "AT+ZCOMDEL" },
    { "Restart", NULL, "AT+CFUN*" },
  };
  static const struct
  {
    const char *action;
    const char *error;
    const char *part;
  } answers[] = {
    { "error", "ModuleError", "ERROR" },
    { "cme SIM busy", "ModuleError", "SIM busy" },
    { "cme 10", "ModuleError", "10" },
    { "silent", "Timeout", "" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (settings); i++)
    for (guint k = 0; k < G_N_ELEMENTS (answers) - (i > 0 ? 1 : 0); k++) /* one silence is enough: it takes a while */
      {
        GVariant *parameters = settings[i].text != NULL ? g_variant_new_parsed (settings[i].text) : NULL;
        sim_control (sim, "set fault=1x %s %s", settings[i].pattern, answers[k].action);
        refuse (f, settings[i].method, parameters, answers[k].error, answers[k].part);
      }
  sim_control (sim, "set ignore-set=FOTAIP,FOTAPOLLEN,FOTATV");
  refuse (f, "SetServer", server ("10.0.0.1", 1), "ModuleError", "114.55.56.19");
  refuse (f, "SetPolling", g_variant_new ("(b)", TRUE), "ModuleError", "0");
  g_assert_cmpstr (daemon_get_string (f, "m0", "ServerAddress"), ==, "114.55.56.19");
  g_assert_false (daemon_get_number (f, "m0", "PollingEnabled"));
  sim_control (sim, "set ignore-set=");
  ok (f, "SetTargetVersion", g_variant_new ("(s)", "V2"));
  sim_control (sim, "set ignore-set=FOTATV");
  refuse (f, "SetTargetVersion", g_variant_new ("(s)", "V3"), "ModuleError", "V2");
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "idle");
  lab_check_properties (f, "m0");
}

/* Wrong addresses, and host names where the firmware takes none: not a byte is sent. */
static void
test_server_arguments (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);
  guint sent = lab_commands (f, sim);

  refuse (f, "SetServer", server ("", 1), "InvalidArgument", "");
  refuse (f, "SetServer", server ("1.2.3", 1), "InvalidArgument", "");
  refuse (f, "SetServer", server ("1.2.3.256", 1), "InvalidArgument", "");
  refuse (f, "SetServer", server ("::1", 1), "InvalidArgument", "");
  refuse (f, "SetServer", server ("a b", 1), "InvalidArgument", "");
  refuse (f, "SetServer", server ("a\r\nAT+CFUN=1,1", 1), "InvalidArgument", "");
  refuse (f, "SetServer", server ("1.2.3.4", 0), "InvalidArgument", "");
  refuse (f, "SetServer", server ("wecloud.iot.gosuncnwelink.com", 45000), "NotSupported", OLD_VERSION);
  g_assert_cmpuint (lab_commands (f, sim), ==, sent);

  sim_control (sim, "firmware ZZDME3630C2CV1.0B01");
  ok (f, "Refresh", NULL);
  ok (f, "SetServer", server ("wecloud.iot.gosuncnwelink.com", 45000));
  g_assert_cmpstr (daemon_get_string (f, "m0", "ServerAddress"), ==, "wecloud.iot.gosuncnwelink.com");
}

/* Refresh returns with what was read after it was called, also while an earlier reading is under way. */
static void
test_refresh (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  SimProcess *sim = lab_sim (f, 0);

  for (guint i = 0; i < 4; i++)
    {
      g_autofree char *version = g_strdup_printf ("ME3630C1CV2.0B1%u", i);
      sim_control (sim, "set next-firmware=ME3630C1CV2.0B2%u", i);
      lab_upgrade (f, "");
      daemon_await_finished (f, "m0", "success", NULL);
      sim_control (sim, "firmware %s", version);
      ok (f, "Refresh", NULL); /* while the settings are read that an upgrade may have lost */
      g_assert_cmpstr (daemon_get_string (f, "m0", "FirmwareVersion"), ==, version);
    }
  lab_check_properties (f, "m0");
}

/* A module that falls silent: Timeout, and it is found again when it speaks. */
static void
test_refresh_silent (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "command=0.3\n");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set mute=forever");
  refuse (f, "Refresh", NULL, "Timeout", "");
  daemon_await_state (f, "m0", "probing");
  refuse (f, "Refresh", NULL, "NotPresent", "");
  sim_control (sim, "set mute=0");
  daemon_await_state (f, "m0", "idle");
  ok (f, "Refresh", NULL);
  lab_check_properties (f, "m0");
}

static char *
send_command (DaemonFixture *f, const char *text, guint timeout_ms)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = daemon_call (f, "m0", "SendCommand", g_variant_new ("(su)", text, timeout_ms), -1, &error);
  g_autofree const char **lines = NULL;

  g_assert_no_error (error);
  g_variant_get (reply, "(^a&s)", &lines);
  return g_strjoinv ("|", (char **) lines);
}

static void
assert_answer (DaemonFixture *f, const char *text, const char *expected)
{
  g_autofree char *answer = send_command (f, text, 0);
  g_assert_cmpstr (answer, ==, expected);
}

static void
test_send_command (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "command=0.4\n");
  g_autofree char *answer = NULL;
  SimProcess *sim = lab_sim (f, 0);

  assert_answer (f, "AT+CGMR", OLD_VERSION);
  assert_answer (f, "at+csq", "+CSQ: 24,99");
  assert_answer (f, "AT", "");
  assert_answer (f, "AT+CGMI;+CGMM", "GOSUNCN|ME3630");
  sim_control (sim, "set result=SUCCESS_END");
  assert_answer (f, "AT+FOTACTR?", "+FOTACTR: SUCCESS_END");
  sim_control (sim, "set fault=1x AT+CSQ line first");
  assert_answer (f, "AT+CSQ", "first");
  sim_control (sim, "set fault=1x AT+CSQ cme SIM busy");
  refuse (f, "SendCommand", command ("AT+CSQ"), "ModuleError", "SIM busy");
  refuse (f, "SendCommand", command ("AT+NONSENSE"), "ModuleError", "ERROR");
  lab_play (f, sim, "on AT+LINES\nline first line\nline second line\nerror\n");
  refuse (f, "SendCommand", command ("AT+LINES"), "ModuleError", "first line");
  refuse (f, "SendCommand", command ("AT+LINES"), "ModuleError", "second line");
  sim_control (sim, "set fault=1x AT+CSQ silent");
  refuse (f, "SendCommand", command ("AT+CSQ"), "Timeout", "AT+CSQ");
  assert_answer (f, "AT+CSQ", "+CSQ: 24,99");
  sim_control (sim, "set fault=1x AT+CSQ late 100");
  refuse (f, "SendCommand", g_variant_new ("(su)", "AT+CSQ", 100), "Timeout", "0.1");
  answer = send_command (f, "AT+CGMM", 20000); /* longer than the module is late */
  g_assert_cmpstr (answer, ==, "ME3630");      /* the late answer is nobody's */
}

/* What a single command sets is a setting as any other: told, and not undone by a restart. */
static void
test_set_by_command (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);

  assert_answer (f, "at+fotaip=10.0.0.8,88", "");
  DAEMON_AWAIT (f, daemon_get_number (f, "m0", "ServerPort") == 88);
  assert_answer (f, "AT+FOTAPOLLEN=1", "");
  DAEMON_AWAIT (f, daemon_get_number (f, "m0", "PollingEnabled"));
  g_assert_true (daemon_get_number (f, "m0", "PollingRestartNeeded"));
  ok (f, "Restart", NULL);
  daemon_await_state (f, "m0", "absent");
  daemon_await_state (f, "m0", "idle");
  lab_commands (f, sim);
  g_assert_false (lab_logged (f, "lost its setting"));
  g_assert_cmpstr (daemon_get_string (f, "m0", "ServerAddress"), ==, "10.0.0.8");
  g_assert_true (daemon_get_number (f, "m0", "PollingEnabled"));
  g_assert_false (daemon_get_number (f, "m0", "PollingRestartNeeded"));
  lab_check_properties (f, "m0");
}

static char *
readiness (DaemonFixture *f)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = daemon_call (f, "m0", "CheckReadiness", NULL, -1, &error);
  g_autoptr (GVariantIter) iter = NULL;
  GString *all = g_string_new (NULL);
  const char *name, *detail;
  gboolean good;

  g_assert_no_error (error);
  g_variant_get (reply, "(a(sbs))", &iter);
  while (g_variant_iter_loop (iter, "(&sb&s)", &name, &good, &detail))
    {
      g_assert_true (g_str_has_suffix (detail, "."));
      g_string_append_printf (all, "%s%c", name, good ? '+' : '-');
    }
  return g_string_free (all, FALSE);
}

/* Also in an upgrade: what was last known, and not a byte. */
static void
test_readiness (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_steps, "");
  SimProcess *sim = lab_sim (f, 0);
  g_autofree char *good = readiness (f);
  g_autofree char *bad = NULL;
  g_autofree char *during = NULL;
  guint sent;

  g_assert_cmpstr (good, ==, "sim+registered+network+idle+");
  sim_control (sim, "set creg=0");
  sim_control (sim, "set cereg=0");
  bad = readiness (f);
  g_assert_cmpstr (bad, ==, "sim+registered-network+idle+");
  sim_control (sim, "set creg=5");
  lab_upgrade (f, "");
  sim_await (sim, "hold started");
  sent = lab_commands (f, sim);
  during = readiness (f);
  g_assert_cmpstr (during, ==, "sim+registered+network+idle-");
  g_assert_cmpuint (lab_commands (f, sim), ==, sent);
}

int
main (int argc, char **argv)
{
  lab_init (&argc, &argv);
  g_test_add_func ("/daemon/settings/set", test_set);
  g_test_add_func ("/daemon/settings/polling", test_polling);
  g_test_add_func ("/daemon/settings/imei-command", test_imei_command);
  g_test_add_func ("/daemon/settings/polling-in-force", test_polling_in_force);
  g_test_add_data_func ("/daemon/settings/uart-restart/seen", "90", test_uart_restart);
  g_test_add_data_func ("/daemon/settings/uart-restart/unseen", "0", test_uart_restart);
  g_test_add_func ("/daemon/settings/refusals", test_refusals);
  g_test_add_func ("/daemon/settings/server-arguments", test_server_arguments);
  g_test_add_func ("/daemon/settings/refresh", test_refresh);
  g_test_add_func ("/daemon/settings/refresh-silent", test_refresh_silent);
  g_test_add_func ("/daemon/settings/send-command", test_send_command);
  g_test_add_func ("/daemon/settings/set-by-command", test_set_by_command);
  g_test_add_func ("/daemon/settings/readiness", test_readiness);
  return g_test_run ();
}
