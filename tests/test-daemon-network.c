/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A network upgrade with the real daemon: states, indications, starts (contract 2.1–2.3 and 5). */

#include "daemon-lab.h"

static void
assert_details (DaemonFixture *f, GVariant *details)
{
  double seconds = -1;

  g_assert_cmpstr (lab_lookup (details, "id"), ==, daemon_get_string (f, "m0", "LastUpgrade"));
  g_assert_cmpstr (lab_lookup (details, "operation"), ==, "network");
  g_assert_cmpstr (lab_lookup (details, "from-version"), ==, OLD_VERSION);
  g_assert_cmpstr (lab_lookup (details, "to-version"), ==, NEW_VERSION);
  g_assert_cmpstr (lab_lookup (details, "error-name"), ==, "");
  g_assert_cmpstr (lab_lookup (details, "error-message"), ==, "");
  g_assert_true (g_variant_lookup (details, "seconds", "d", &seconds));
  g_assert_cmpfloat (seconds, >=, 0);
}

static void
assert_idle (DaemonFixture *f)
{
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "idle");
  g_assert_cmpstr (daemon_get_string (f, "m0", "Operation"), ==, "none");
  g_assert_cmpuint (daemon_get_number (f, "m0", "StartedAt"), ==, 0);
  g_assert_cmpuint (daemon_get_number (f, "m0", "PhaseSince"), ==, 0);
  g_assert_cmpuint (daemon_get_number (f, "m0", "Progress"), ==, 0);
  g_assert_false (daemon_get_number (f, "m0", "PowerCritical"));
  g_assert_false (daemon_get_number (f, "", "PowerCritical"));
  g_assert_false (daemon_get_number (f, "m0", "CanCancel"));
  g_assert_false (daemon_get_number (f, "m0", "Overdue"));
}

/* The whole of it, every phase looked at while it lasts. */
static void
test_phases (gconstpointer wiring)
{
  g_autoptr (DaemonFixture) f = lab_new (wiring, lab_steps, "");
  SimProcess *sim = lab_sim (f, 0);
  guint from = f->events->len;
  g_autofree char *run_file = daemon_path (f, "run/power-critical");
  g_autofree char *states = NULL;
  g_autofree char *indications = NULL;
  g_autoptr (GVariant) entry = NULL;
  const DaemonEvent *last;

  g_assert_cmpstr (daemon_get_string (f, "m0", "Transport"), ==, wiring);
  g_assert_cmpstr (daemon_get_string (f, "m0", "Imei"), ==, IMEI);
  g_assert_cmpstr (daemon_get_string (f, "m0", "Manufacturer"), ==, "GOSUNCN");
  g_assert_cmpstr (daemon_get_string (f, "m0", "Model"), ==, "ME3630");
  g_assert_cmpstr (daemon_get_string (f, "m0", "FirmwareVersion"), ==, OLD_VERSION);
  g_assert_cmpstr (daemon_get_string (f, "m0", "PhysicalPath"), ==, sim->link);
  g_assert_true (g_str_has_prefix (daemon_get_string (f, "m0", "Port"), "/dev/pts/"));
  g_assert_cmpstr (daemon_get_string (f, "m0", "LastResult"), ==, "none");
  {
    g_autofree const char **methods = g_variant_get_strv (daemon_get (f, "m0", "Methods"), NULL);
    g_assert_true (g_strv_contains (methods, "network"));
    g_assert_cmpint (g_strv_contains (methods, "serial"), ==, g_str_equal (wiring, "uart"));
    g_assert_false (g_str_equal (wiring, "uart") && g_strv_contains (methods, "adb"));
  }
  assert_idle (f);

  lab_upgrade (f, "");
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "starting");
  g_assert_cmpstr (daemon_get_string (f, "m0", "Operation"), ==, "network");
  g_assert_cmpuint (daemon_get_number (f, "m0", "StartedAt"), >, 0);
  g_assert_cmpuint (daemon_get_number (f, "m0", "PhaseSince"), >, 0);
  g_assert_cmpstr (daemon_get_string (f, "m0", "FromVersion"), ==, OLD_VERSION);
  g_assert_cmpstr (daemon_get_string (f, "m0", "Status"), ==, "");
  lab_check_properties (f, "m0");
  lab_pass (sim, "started");

  daemon_await_state (f, "m0", "downloading");
  DAEMON_AWAIT (f, daemon_get_number (f, "m0", "Progress") == 25);
  g_assert_cmpstr (daemon_get_string (f, "m0", "Status"), ==, "DOWNLOADING");
  g_assert_cmpstr (daemon_get_string (f, "m0", "StatusArgument"), ==, "25");
  lab_check_properties (f, "m0");
  lab_pass (sim, "downloading");

  daemon_await_state (f, "m0", "verifying");
  g_assert_cmpuint (daemon_get_number (f, "m0", "DownloadSeconds"), ==, 17);
  g_assert_cmpuint (daemon_get_number (f, "m0", "Progress"), ==, 0);
  g_assert_false (daemon_get_number (f, "m0", "PowerCritical"));
  g_assert_false (g_file_test (run_file, G_FILE_TEST_EXISTS));
  lab_pass (sim, "verifying");

  daemon_await_state (f, "m0", "updating");
  g_assert_true (daemon_get_number (f, "m0", "PowerCritical"));
  g_assert_true (g_file_test (run_file, G_FILE_TEST_EXISTS));
  lab_pass (sim, "passed");
  DAEMON_AWAIT (f, g_str_equal (daemon_get_string (f, "m0", "Status"), "UPDATING"));
  g_assert_true (daemon_get_number (f, "", "PowerCritical"));
  lab_check_properties (f, "m0");
  lab_pass (sim, "updating");

  assert_details (f, g_variant_ref (daemon_await_finished (f, "m0", "success", NULL)));
  last = g_ptr_array_index (f->events, f->events->len - 1);
  g_assert_cmpstr (last->name, ==, "Finished");
  assert_idle (f);
  g_assert_cmpstr (daemon_get_string (f, "m0", "LastResult"), ==, "success");
  g_assert_cmpstr (daemon_get_string (f, "m0", "FirmwareVersion"), ==, NEW_VERSION);
  g_assert_cmpstr (daemon_get_string (f, "m0", "FromVersion"), ==, OLD_VERSION);
  g_assert_cmpuint (daemon_get_number (f, "m0", "RebootsSeen"), ==, 1);
  g_assert_false (g_file_test (run_file, G_FILE_TEST_EXISTS));
  states = lab_told (f, "m0", "State", from);
  g_assert_cmpstr (states, ==, "starting downloading verifying updating rebooting checking idle");
  lab_check_properties (f, "m0");

  /* A word after the end is signalled, and nothing else. */
  lab_pass (sim, "back");
  daemon_await_signal (f, "m0", "FotaInd");
  indications = lab_indications (f, "m0", from);
  g_assert_cmpstr (indications, ==, "START;DOWNLOADING 25;DOWNLOADING 75;COSTTIME 17;NEED_VERIFY;PASS_VERIFY;UPDATING;"
                                    "SUCCESS_END;");
  g_assert_cmpuint (lab_count (f, "m0", "Finished"), ==, 1);
  entry = lab_only_entry (f, "m0");
  g_assert_cmpstr (lab_lookup (entry, "result"), ==, "success");
  g_assert_cmpstr (lab_lookup (entry, "module"), ==, "m0");
  g_assert_cmpstr (lab_lookup (entry, "imei"), ==, IMEI);
}

/* Each word on its own, whatever comes how fast: none lost, merged or out of order. */
static void
test_flood (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);
  guint from = f->events->len, n = 0;
  guint64 sent;

  sim_control (sim, "set quiet=true");
  sim_control (sim, "flood 0 0.2 CHATTER: %%n");
  sent = g_ascii_strtoull (sim_await (sim, "flood ") + strlen ("flood "), NULL, 10);
  g_assert_cmpuint (sent, >, 100);
  DAEMON_AWAIT (f, lab_count (f, "m0", "FotaInd") >= sent);
  for (guint i = from; i < f->events->len; i++)
    {
      const DaemonEvent *event = g_ptr_array_index (f->events, i);
      g_autofree char *want = g_strdup_printf ("CHATTER: %u", n);
      const char *status, *argument, *raw;
      if (event->is_property)
        continue;
      g_variant_get (event->value, "(&s&s&s)", &status, &argument, &raw);
      g_assert_cmpstr (status, ==, "CHATTER");
      g_assert_cmpstr (argument, ==, want + strlen ("CHATTER: "));
      g_assert_cmpstr (raw, ==, want);
      n++;
    }
  g_assert_cmpuint (n, ==, sent);
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "idle");
  g_assert_cmpuint (lab_count (f, "m0", "Finished"), ==, 0);
}

/* START before, within and after the answer to AT+FOTACTR. */
static void
test_start_and_ok (void)
{
  static const char *const begins[] = { "ind START\nok\n", "ok\nind START\n", "ind START\nwait 2\nok\nwait 2\n",
                                        "ind START\nind DOWNLOADING:25%\nind NEED_VERIFY\nok\n" };
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);

  for (guint i = 0; i < G_N_ELEMENTS (begins); i++)
    {
      g_autofree char *script = g_strconcat ("on AT+FOTACTR\n", begins[i],
                                             "ind UPDATING\nfirmware $next\nreboot 5\n", NULL);
      guint from = f->events->len;
      g_autofree char *states = NULL;

      lab_play (f, sim, script);
      sim_control (sim, "firmware " OLD_VERSION);
      daemon_call_ok (f, "m0", "Refresh", NULL, -1);
      lab_upgrade (f, "");
      daemon_await_finished (f, "m0", "success", NULL);
      states = lab_told (f, "m0", "State", from);
      g_assert_true (g_str_has_prefix (states, "starting downloading "));
      g_assert_true (g_str_has_suffix (states, "updating rebooting checking idle"));
      daemon_await_state (f, "m0", "idle");
    }
}

/* The target goes first, quoted, and is what has to run afterwards. */
static void
test_target (void)
{
  static const char *const holds[] = { "started", "downloading", "verifying", "passed", "updating" };
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_steps, "");
  SimProcess *sim = lab_sim (f, 0);

  lab_upgrade (f, "WIFI_ME3630V1.0B05");
  sim_await (sim, "rx AT+FOTATV=\"WIFI_ME3630V1.0B05\"");
  sim_await (sim, "rx AT+FOTACTR");
  g_assert_cmpuint (sim_count (sim, "rx AT+CPIN?"), ==, 1);
  DAEMON_AWAIT (f, g_str_equal (daemon_get_string (f, "m0", "TargetVersion"), "WIFI_ME3630V1.0B05"));
  for (guint i = 0; i < G_N_ELEMENTS (holds); i++)
    lab_pass (sim, holds[i]);
  daemon_await_finished (f, "m0", "success", NULL);
  g_assert_cmpstr (daemon_get_string (f, "m0", "FirmwareVersion"), ==, "WIFI_ME3630V1.0B05");
  g_assert_cmpstr (daemon_get_string (f, "m0", "TargetVersion"), ==, ""); /* forgotten by its restart */
  {
    g_autoptr (GVariant) entry = lab_only_entry (f, NULL);
    g_assert_cmpstr (lab_lookup (entry, "target-version"), ==, "WIFI_ME3630V1.0B05");
    g_assert_true (g_str_has_prefix (lab_lookup (entry, "requested-by"), g_get_user_name ()));
  }
}

/* What nobody here asked for is taken up, from whatever word it is noticed. */
static void
test_adopted (void)
{
  static const char *const words[] = { "START", "DOWNLOADING:50%", "NEED_VERIFY", "PASS_VERIFY", "UPDATING" };
  static const char *const states[] = { "downloading", "downloading", "verifying", "updating", "updating" };
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      g_autofree char *id = g_strdup (daemon_get_string (f, "m0", "LastUpgrade"));
      g_autoptr (GVariant) history = NULL;
      g_autoptr (GVariant) entry = NULL;

      sim_control (sim, "ind %s", words[i]);
      daemon_await_state (f, "m0", states[i]);
      g_assert_cmpstr (daemon_get_string (f, "m0", "Operation"), ==, "network");
      g_assert_cmpstr (daemon_get_string (f, "m0", "FromVersion"), ==, OLD_VERSION);
      g_assert_cmpstr (daemon_get_string (f, "m0", "LastUpgrade"), !=, id);
      lab_check_properties (f, "m0");
      sim_control (sim, "ind FAIL_END");
      daemon_await_finished (f, "m0", "failure", "UpgradeFailed");
      history = lab_history (f, "m0");
      g_assert_cmpuint (g_variant_n_children (history), ==, i + 1);
      entry = g_variant_get_child_value (history, 0);
      g_assert_cmpstr (lab_lookup (entry, "requested-by"), ==, "module");
    }
}

/* A word that nobody here knows is signalled and logged, by its word once and not for each of its numbers; nothing
 * follows from it. */
static void
test_unknown_word (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);
  guint from = f->events->len;
  g_autofree char *indications = NULL;
  g_autofree char *log = NULL;
  const char *first;

  sim_control (sim, "ind Some thing: 1");
  sim_control (sim, "ind Some thing: 2");
  sim_control (sim, "ind NEW_CHAPTER");
  DAEMON_AWAIT (f, lab_count (f, "m0", "FotaInd") == 3);
  indications = lab_indications (f, "m0", from);
  g_assert_cmpstr (indications, ==, "SOME_THING 1;SOME_THING 2;NEW_CHAPTER;");
  lab_await_log (f, "notice: m0: the module says \"NEW_CHAPTER\"");
  log = daemon_read_log (f);
  first = strstr (log, "notice: m0: the module says \"Some thing: 1\"");
  g_assert_nonnull (first);
  g_assert_null (strstr (first, "notice: m0: the module says \"Some thing: 2\""));
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "idle");
}

/* The end before the OK: taken on, and ended. */
static void
test_end_before_ok (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", "on AT+FOTACTR\nind FAIL_NO_NEW\nok\n", "");
  guint from = f->events->len;
  g_autofree char *states = NULL;

  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "failure", "NoNewVersion");
  states = lab_told (f, "m0", "State", from);
  g_assert_cmpstr (states, ==, "starting idle");
}

/* The question before the OK: what the module asks about is what was started, and comes to its one end. */
static void
test_question_before_ok (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", "on AT+FOTACTR\nind NEED_CONFIRM\nok\n", "");
  SimProcess *sim = lab_sim (f, 0);
  g_autofree char *id = NULL;

  lab_upgrade (f, "V2");
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "confirming");
  g_assert_cmpuint (daemon_get_number (f, "m0", "ConfirmDeadline"), >, 0);
  id = g_strdup (daemon_get_string (f, "m0", "LastUpgrade"));
  sim_control (sim, "set fault=1x AT+FOTACTR=* ok");
  daemon_call_ok (f, "m0", "Confirm", g_variant_new ("(b@a{sv})", FALSE, g_variant_new_parsed ("@a{sv} {}")), -1);
  sim_await (sim, "rx AT+FOTACTR=0");
  sim_control (sim, "ind FAIL_CONFIRM");
  daemon_await_finished (f, "m0", "failure", "Rejected");
  {
    g_autoptr (GVariant) entry = lab_only_entry (f, "m0");
    g_assert_cmpstr (lab_lookup (entry, "id"), ==, id);
    g_assert_cmpstr (lab_lookup (entry, "target-version"), ==, "V2");
  }
  lab_check_properties (f, "m0");
}

/* It asks and ends before the OK: that was the upgrade, there is no second one. */
static void
test_question_and_end_before_ok (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", "on AT+FOTACTR\nind NEED_CONFIRM\nind FAIL_CONNECT\nok\n", "");

  g_free (daemon_call_error (f, "m0", "Upgrade", g_variant_new ("(sa{sv})", "V2", NULL), -1, "ConnectFailed"));
  daemon_await_finished (f, "m0", "failure", "ConnectFailed");
  daemon_call_ok (f, "m0", "Refresh", NULL, -1);
  g_assert_cmpuint (lab_count (f, "m0", "Finished"), ==, 1);
  g_variant_unref (lab_only_entry (f, "m0"));
  lab_check_properties (f, "m0");
}

/* The module asks, or begins, while it is still looked at: that goes on, and nothing is started into it. */
static void
test_overtaken (void)
{
  static const char *const words[] = { "NEED_CONFIRM", "START" };
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      g_autofree char *script = g_strdup_printf ("on AT+CPIN?\nind %s\nline +CPIN: READY\nok\n", words[i]);

      lab_play (f, sim, script);
      g_free (daemon_call_error (f, "m0", "Upgrade", g_variant_new ("(sa{sv})", "V2", NULL), -1, "Busy"));
      g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, i == 0 ? "confirming" : "downloading");
      sim_control (sim, "ind FAIL_CONNECT");
      daemon_await_finished (f, "m0", "failure", "ConnectFailed");
    }
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTATV="), ==, 0);
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTACTR"), ==, 0);
  g_assert_cmpuint (lab_count (f, "m0", "Finished"), ==, 2);
  lab_check_properties (f, "m0");
}

/* What is known of the last upgrade is kept over a restart of the daemon. */
static void
test_remembered (gconstpointer fail)
{
  static const char *const kept[] = { "Status",     "StatusArgument", "FromVersion",     "LastUpgrade", "LastResult",
                                      "LastError",  "RebootsSeen",    "DownloadSeconds", "Operation",   "StartedAt",
                                      "PhaseSince", "ConfirmDeadline" };
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  g_autoptr (GPtrArray) values = g_ptr_array_new_with_free_func (g_free);

  if (fail != NULL)
    sim_control (lab_sim (f, 0), "set fail=%s", (const char *) fail);
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", fail != NULL ? "failure" : "success", NULL);
  daemon_await_state (f, "m0", "idle");
  for (guint i = 0; i < G_N_ELEMENTS (kept); i++)
    g_ptr_array_add (values, g_variant_print (daemon_get (f, "m0", kept[i]), TRUE));
  if (fail == NULL)
    g_assert_cmpstr (g_ptr_array_index (values, 5), ==, "('', '')");
  for (int life = 0; life < 2; life++)
    {
      if (life == 0)
        daemon_stop (f);
      else
        daemon_kill (f);
      daemon_start (f, NULL);
      for (guint i = 0; i < G_N_ELEMENTS (kept); i++)
        {
          g_autofree char *value = g_variant_print (daemon_get (f, "m0", kept[i]), TRUE);
          g_assert_cmpstr (value, ==, g_ptr_array_index (values, i));
        }
    }
  g_assert_cmpuint (lab_count (f, "m0", "Finished"), ==, 1);
}

int
main (int argc, char **argv)
{
  lab_init (&argc, &argv);
  g_test_add_data_func ("/daemon/network/phases/usb", "usb", test_phases);
  g_test_add_data_func ("/daemon/network/phases/uart", "uart", test_phases);
  g_test_add_func ("/daemon/network/flood", test_flood);
  g_test_add_func ("/daemon/network/start-and-ok", test_start_and_ok);
  g_test_add_func ("/daemon/network/target", test_target);
  g_test_add_func ("/daemon/network/adopted", test_adopted);
  g_test_add_func ("/daemon/network/unknown-word", test_unknown_word);
  g_test_add_func ("/daemon/network/end-before-ok", test_end_before_ok);
  g_test_add_func ("/daemon/network/question-before-ok", test_question_before_ok);
  g_test_add_func ("/daemon/network/question-and-end-before-ok", test_question_and_end_before_ok);
  g_test_add_func ("/daemon/network/overtaken", test_overtaken);
  g_test_add_data_func ("/daemon/network/remembered/success", NULL, test_remembered);
  g_test_add_data_func ("/daemon/network/remembered/failure", "ERROR:50", test_remembered);
  return g_test_run ();
}
