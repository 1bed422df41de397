/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What ends an upgrade, and what keeps it from starting (contract 2.3, 2.5, 2.6 and 5). */

#include "daemon-lab.h"

#include <fcntl.h>
#include <string.h>
#include <sys/file.h>
#include <unistd.h>

#define PREFIX "org.gosuncn.Fota.Error."

/* Every failing word of contract 2.3 is its error, in Finished, in the properties and in the history. */
static void
test_words (void)
{
  static const struct
  {
    const char *word;
    const char *error;
    const char *part;
  } words[] = {
    { "FAIL_END", "UpgradeFailed", "" },        { "FAIL_CONFIRM", "Rejected", "" },
    { "FAIL_NO_NEW", "NoNewVersion", "" },      { "FAIL_CONNECT", "ConnectFailed", "" },
    { "FAIL_WAIT_TIMEOUT", "ConfirmTimeout", "" }, { "FAIL_VERIFY", "VerifyFailed", "" },
    { "ERROR:50", "ModuleError", "50" },        { "ERROR0x140", "ModuleError", "140" },
    { "DATA_TIMEOUT", "ConnectFailed", "" },    { "toolarge", "PackageInvalid", "" },
    { "PARA_ERROR", "ModuleError", "" },        { "BUSY", "Busy", "" },
  };
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  SimProcess *sim = lab_sim (f, 0);

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      g_autofree char *full = g_strconcat (PREFIX, words[i].error, NULL);
      g_autoptr (GVariant) history = NULL;
      g_autoptr (GVariant) entry = NULL;
      const char *name, *message;

      sim_control (sim, "set fail=%s", words[i].word);
      sim_control (sim, "set fail-at=%s", "DOWNLOADING:25%");
      lab_upgrade (f, "");
      daemon_await_finished (f, "m0", "failure", words[i].error);
      g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "idle");
      g_assert_cmpstr (daemon_get_string (f, "m0", "LastResult"), ==, "failure");
      g_variant_get (daemon_get (f, "m0", "LastError"), "(&s&s)", &name, &message);
      g_assert_cmpstr (name, ==, full);
      g_assert_nonnull (strstr (message, words[i].part));
      g_assert_true (g_str_has_suffix (message, "."));
      history = lab_history (f, "m0");
      g_assert_cmpuint (g_variant_n_children (history), ==, i + 1);
      entry = g_variant_get_child_value (history, 0);
      g_assert_cmpstr (lab_lookup (entry, "error-name"), ==, full);
      g_assert_cmpstr (lab_lookup (entry, "error-message"), ==, message);
      g_assert_cmpstr (lab_lookup (entry, "id"), ==, daemon_get_string (f, "m0", "LastUpgrade"));
      lab_check_properties (f, "m0");
      sim_await (sim, "done");
    }
}

static void
refuse (DaemonFixture *f, const char *method, GVariant *parameters, const char *error, const char *part)
{
  g_autofree char *message = daemon_call_error (f, "m0", method, parameters, -1, error);
  g_assert_nonnull (strstr (message, part));
  g_assert_true (g_str_has_suffix (message, "."));
}

static GVariant *
with_option (const char *target, const char *name, GVariant *value)
{
  GVariantDict options;

  g_variant_dict_init (&options, NULL);
  if (name != NULL)
    g_variant_dict_insert_value (&options, name, value);
  return g_variant_new ("(s@a{sv})", target, g_variant_dict_end (&options));
}

/* A wrong argument is told before a byte goes to the module. */
static void
test_arguments (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  guint sent = lab_commands (f, lab_sim (f, 0));
  g_autofree char *long_version = g_strnfill (61, 'V');
  static const char *const forbidden[] = { "AT+FOTACTR",  "at+fotactr=1", "AT+ZCOMWRT=1",     "AT+ZCOMUPDATE",
                                           "AT+CFUN=1,1", "AT+ZRST",      "AT+CGMR;+FOTACTR", "AT +FOTACTR" };
  const char *const bad[] = { "V\"1", "V\r1", "V\n1", "V1\xc3\xa9", "V1;+CFUN=1,1", long_version };
  g_autoptr (GVariant) history = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (bad); i++)
    {
      refuse (f, "Upgrade", with_option (bad[i], NULL, NULL), "InvalidArgument", "");
      refuse (f, "SetTargetVersion", g_variant_new ("(s)", bad[i]), "InvalidArgument", "");
    }
  refuse (f, "SetTargetVersion", g_variant_new ("(s)", ""), "InvalidArgument", "");
  refuse (f, "Upgrade", with_option ("", "froce", g_variant_new_boolean (TRUE)), "InvalidArgument", "froce");
  refuse (f, "Upgrade", with_option ("", "force", g_variant_new_string ("yes")), "InvalidArgument", "force");
  refuse (f, "Confirm", g_variant_new_parsed ("(true, {'reprot': <true>})"), "InvalidArgument", "reprot");
  refuse (f, "CollectLogs", g_variant_new_parsed ("({'x': <true>},)"), "InvalidArgument", "x");
  refuse (f, "SendCommand", g_variant_new ("(su)", "AT\r\nAT", 0), "InvalidArgument", "");
  refuse (f, "SendCommand", g_variant_new ("(su)", "+CGMR", 0), "InvalidArgument", "AT");
  refuse (f, "SendCommand", g_variant_new ("(su)", "", 0), "InvalidArgument", "");
  {
    g_autofree char *tail = g_strnfill (2000, 'X');
    g_autofree char *long_command = g_strconcat ("AT+", tail, NULL);
    refuse (f, "SendCommand", g_variant_new ("(su)", long_command, 0), "InvalidArgument", "2003");
  }
  for (guint i = 0; i < G_N_ELEMENTS (forbidden); i++)
    refuse (f, "SendCommand", g_variant_new ("(su)", forbidden[i], 0), "NotSupported", "");
  history = lab_history (f, NULL);
  g_assert_cmpuint (g_variant_n_children (history), ==, 0);
  g_assert_cmpuint (lab_commands (f, lab_sim (f, 0)), ==, sent);
}

/* Everything that talks to the module is Busy from the first byte to the end, and not a byte goes out. */
static void
test_busy (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_steps, "");
  SimProcess *sim = lab_sim (f, 0);
  guint sent;

  lab_upgrade (f, "");
  sim_await (sim, "hold started");
  sent = lab_commands (f, sim);
  refuse (f, "Upgrade", with_option ("", NULL, NULL), "Busy", "upgrade");
  refuse (f, "Refresh", NULL, "Busy", "");
  refuse (f, "Restart", NULL, "Busy", "");
  refuse (f, "DeletePackage", NULL, "Busy", "");
  refuse (f, "SetServer", g_variant_new ("(sq)", "1.2.3.4", 5), "Busy", "");
  refuse (f, "SetPolling", g_variant_new ("(b)", TRUE), "Busy", "");
  refuse (f, "SetTargetVersion", g_variant_new ("(s)", "V1"), "Busy", "");
  refuse (f, "SendCommand", g_variant_new ("(su)", "AT+CGMR", 0), "Busy", "");
  refuse (f, "Cancel", NULL, "NotCancellable", "");
  refuse (f, "Confirm", g_variant_new ("(ba{sv})", TRUE, NULL), "NotAsked", "");
  refuse (f, "SetServer", g_variant_new ("(sq)", "not an address", 5), "InvalidArgument", "");
  g_assert_cmpuint (lab_commands (f, sim), ==, sent);
}

static void
on_started (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);

  *(gboolean *) data = reply != NULL;
}

/* While it is looked at before its upgrade its state is still idle: nobody is told to wait for the end of that. */
static void
test_busy_before (void)
{
  g_autoptr (DaemonFixture) f
      = lab_new ("usb", "on AT+CPIN?\nhold asked\nline +CPIN: READY\nok\non AT+FOTACTR\nok\n", "");
  SimProcess *sim = lab_sim (f, 0);
  gboolean started = FALSE;
  g_autofree char *message = NULL;

  lab_upgrade_async (f, on_started, &started);
  sim_await (sim, "hold asked");
  message = daemon_call_error (f, "m0", "Refresh", NULL, -1, "Busy");
  g_assert_cmpstr (message, ==, "Module m0 is about to start an upgrade; wait for its end (mefotactl attach).");
  sim_control (sim, "go asked");
  DAEMON_AWAIT (f, started);
}

static void
refuse_all (DaemonFixture *f)
{
  refuse (f, "Upgrade", with_option ("", NULL, NULL), "NotPresent", "m0");
  refuse (f, "Upgrade", with_option ("", "force", g_variant_new_boolean (TRUE)), "NotPresent", "m0");
  refuse (f, "Refresh", NULL, "NotPresent", "");
  refuse (f, "Restart", NULL, "NotPresent", "");
  refuse (f, "DeletePackage", NULL, "NotPresent", "");
  refuse (f, "SetServer", g_variant_new ("(sq)", "1.2.3.4", 5), "NotPresent", "");
  refuse (f, "SetPolling", g_variant_new ("(b)", TRUE), "NotPresent", "");
  refuse (f, "SetTargetVersion", g_variant_new ("(s)", "V1"), "NotPresent", "");
  refuse (f, "SendCommand", g_variant_new ("(su)", "AT+CGMR", 0), "NotPresent", "");
  refuse (f, "CheckReadiness", NULL, "NotPresent", "");
}

/* A module that is not there, and one that does not answer. */
static void
test_not_present (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set mute=forever");
  sim_control (sim, "vanish");
  daemon_await_state (f, "m0", "absent");
  g_assert_cmpstr (daemon_get_string (f, "m0", "Port"), ==, "");
  refuse_all (f);
  sim_control (sim, "return");
  daemon_await_state (f, "m0", "probing");
  g_assert_cmpstr (daemon_get_string (f, "m0", "Port"), !=, "");
  refuse_all (f);
  sim_control (sim, "set mute=0");
  daemon_await_state (f, "m0", "idle");
  lab_check_properties (f, "m0");
}

/* A module whose port somebody else holds is told from one that is not plugged in. */
static void
test_port_in_use (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  g_autofree char *port = g_strdup (daemon_get_string (f, "m0", "Port"));
  int fd;

  daemon_stop (f);
  fd = open (port, O_RDWR | O_NOCTTY | O_CLOEXEC);
  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (flock (fd, LOCK_EX | LOCK_NB), ==, 0);
  daemon_start (f, NULL);
  daemon_await_state (f, "m0", "absent");
  refuse (f, "Upgrade", with_option ("", NULL, NULL), "NotPresent", "is in use by ");
  refuse (f, "Refresh", NULL, "NotPresent", port);
  close (fd);
  daemon_await_state (f, "m0", "idle");
  lab_check_properties (f, "m0");
}

static void
assert_nothing_began (DaemonFixture *f, guint from)
{
  g_autoptr (GVariant) history = lab_history (f, NULL);
  g_autofree char *states = lab_told (f, "m0", "State", from);

  g_assert_cmpuint (g_variant_n_children (history), ==, 0);
  g_assert_cmpuint (lab_count (f, "m0", "Finished"), ==, 0);
  g_assert_cmpstr (states, ==, "");
  g_assert_cmpstr (daemon_get_string (f, "m0", "LastUpgrade"), ==, "");
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "idle");
  lab_check_properties (f, "m0");
}

/* A start that the module refuses is an error, and nothing else. */
static void
test_refused (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  SimProcess *sim = lab_sim (f, 0);
  guint from = f->events->len;

  sim_control (sim, "set fault=1x AT+FOTACTR error");
  refuse (f, "Upgrade", with_option ("", NULL, NULL), "ModuleError", "3.4");
  assert_nothing_began (f, from);
  sim_control (sim, "set fault=1x AT+FOTACTR cme operation not allowed");
  refuse (f, "Upgrade", with_option ("", NULL, NULL), "ModuleError", "operation not allowed");
  assert_nothing_began (f, from);
  lab_play (f, sim, "on AT+FOTACTR\nind BUSY\nerror\n");
  refuse (f, "Upgrade", with_option ("", NULL, NULL), "ModuleError", "BUSY");
  assert_nothing_began (f, from);
  lab_play (f, sim, lab_quick);
  sim_control (sim, "set fault=1x AT+FOTATV* cme 50");
  refuse (f, "Upgrade", with_option ("V1", NULL, NULL), "ModuleError", "50");
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTACTR"), ==, 3);
  assert_nothing_began (f, from);
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
}

/* No answer at all: Timeout and nothing else; what the module says later is taken up. */
static void
test_unanswered (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_steps, "command=0.3\n");
  SimProcess *sim = lab_sim (f, 0);
  guint from = f->events->len;
  g_autoptr (GVariant) entry = NULL;

  sim_control (sim, "set fault=1x AT+FOTACTR silent");
  refuse (f, "Upgrade", with_option ("", NULL, NULL), "Timeout", "");
  assert_nothing_began (f, from);
  sim_control (sim, "ind START");
  daemon_await_state (f, "m0", "downloading");
  sim_control (sim, "ind FAIL_CONNECT");
  daemon_await_finished (f, "m0", "failure", "ConnectFailed");
  entry = lab_only_entry (f, NULL);
  g_assert_cmpstr (lab_lookup (entry, "requested-by"), ==, "module");
}

/* Not ready: the item and what it says; force goes past it. */
static void
test_not_ready (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  SimProcess *sim = lab_sim (f, 0);
  guint from = f->events->len;

  sim_control (sim, "set sim=SIM PIN");
  refuse (f, "Upgrade", with_option ("", NULL, NULL), "NotReady", "sim: ");
  sim_control (sim, "set sim=not inserted");
  refuse (f, "Upgrade", with_option ("", NULL, NULL), "NotReady", "sim: ");
  sim_control (sim, "set sim=READY");
  sim_control (sim, "set creg=3");
  sim_control (sim, "set cereg=2");
  refuse (f, "Upgrade", with_option ("", NULL, NULL), "NotReady", "registered: ");
  sim_control (sim, "set cereg=5");
  sim_control (sim, "set zpas=\"GPRS/EDGE\",\"CS_PS\"");
  sim_control (sim, "set cops=0,0,\"CHINA MOBILE\",0");
  refuse (f, "Upgrade", with_option ("", NULL, NULL), "NotReady", "network: ");
  assert_nothing_began (f, from);
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTACTR"), ==, 0);
  daemon_call_ok (f, "m0", "Upgrade", with_option ("", "force", g_variant_new_boolean (TRUE)), -1);
  daemon_await_finished (f, "m0", "success", NULL);
}

static void
on_first (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  *(char **) data = error != NULL ? g_dbus_error_get_remote_error (error) : g_strdup ("");
}

/* While one start is being looked into, everything else is Busy; the module goes away before it began: NotPresent. */
static void
test_while_asking (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  SimProcess *sim = lab_sim (f, 0);
  guint from = f->events->len;
  g_autofree char *first = NULL;
  g_autofree char *states = NULL;

  sim_control (sim, "set fault=AT+CPIN? silent");
  lab_upgrade_async (f, on_first, &first);
  sim_await (sim, "rx AT+CPIN?");
  refuse (f, "Upgrade", with_option ("", NULL, NULL), "Busy", "");
  refuse (f, "Refresh", NULL, "Busy", "");
  refuse (f, "SendCommand", g_variant_new ("(su)", "AT", 0), "Busy", "");
  refuse (f, "Cancel", NULL, "NotCancellable", "its start is still being looked into");
  g_assert_null (first);
  sim_control (sim, "vanish");
  DAEMON_AWAIT (f, first != NULL);
  g_assert_cmpstr (first, ==, PREFIX "NotPresent");
  sim_control (sim, "set fault=none");
  sim_control (sim, "return");
  daemon_await_state (f, "m0", "idle");
  states = lab_told (f, "m0", "State", from);
  g_assert_null (strstr (states, "starting"));
  lab_upgrade (f, ""); /* its place in line is free again */
  daemon_await_finished (f, "m0", "success", NULL);
}

int
main (int argc, char **argv)
{
  lab_init (&argc, &argv);
  g_test_add_func ("/daemon/errors/words", test_words);
  g_test_add_func ("/daemon/errors/arguments", test_arguments);
  g_test_add_func ("/daemon/errors/busy", test_busy);
  g_test_add_func ("/daemon/errors/busy-before", test_busy_before);
  g_test_add_func ("/daemon/errors/not-present", test_not_present);
  g_test_add_func ("/daemon/errors/port-in-use", test_port_in_use);
  g_test_add_func ("/daemon/errors/refused", test_refused);
  g_test_add_func ("/daemon/errors/unanswered", test_unanswered);
  g_test_add_func ("/daemon/errors/not-ready", test_not_ready);
  g_test_add_func ("/daemon/errors/while-asking", test_while_asking);
  return g_test_run ();
}
