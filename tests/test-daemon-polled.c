/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Polled upgrades (guide 2.1): the module asks, somebody or a policy answers (contract 2.1, 2.3, 3 and 5). */

#include "daemon-lab.h"

#include <string.h>

static GVariant *
answer (gboolean allow, gboolean report)
{
  GVariantDict options;

  g_variant_dict_init (&options, NULL);
  if (report)
    g_variant_dict_insert (&options, "report", "b", TRUE);
  return g_variant_new ("(b@a{sv})", allow, g_variant_dict_end (&options));
}

static void
assert_last_entry (DaemonFixture *f, const char *operation)
{
  g_autoptr (GVariant) history = lab_history (f, "m0");
  g_autoptr (GVariant) entry = g_variant_get_child_value (history, 0);

  g_assert_cmpstr (lab_lookup (entry, "operation"), ==, operation);
  g_assert_cmpstr (lab_lookup (entry, "requested-by"), ==, "module");
}

/* However the module asks: the question, its deadline, the answer with and without report, the upgrade. */
static void
test_questions (void)
{
  static const char *const words[] = { "NEED_CONFIRM", "NEED CONFIRM", "CONFIRM", "NEW_VERSION" };
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);

  lab_play (f, sim, "on question\nind $question\nconfirm 6000\nind SUCCESS CONFIRM\nind START\nind UPDATING\n"
                    "firmware $next\nreboot 5\n");
  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    {
      guint from = f->events->len;
      guint64 before = (guint64) g_get_real_time (), deadline = 0;
      g_autofree char *states = NULL;

      sim_control (sim, "firmware %s", OLD_VERSION);
      daemon_call_ok (f, "m0", "Refresh", NULL, -1);
      sim_control (sim, "set question-word=%s", words[i]);
      sim_control (sim, "question");
      g_variant_get (daemon_await_signal (f, "m0", "ConfirmRequested"), "(t)", &deadline);
      g_assert_cmpuint (deadline, >=, before + 60 * G_USEC_PER_SEC);
      g_assert_cmpuint (deadline, <=, (guint64) g_get_real_time () + 60 * G_USEC_PER_SEC);
      g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "confirming");
      g_assert_cmpstr (daemon_get_string (f, "m0", "Operation"), ==, "polled");
      g_assert_cmpuint (daemon_get_number (f, "m0", "ConfirmDeadline"), ==, deadline);
      g_assert_cmpstr (daemon_get_string (f, "m0", "FromVersion"), ==, OLD_VERSION);
      g_assert_false (daemon_get_number (f, "m0", "CanCancel"));
      g_free (daemon_call_error (f, "m0", "Cancel", NULL, -1, "NotCancellable"));
      g_free (daemon_call_error (f, "m0", "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1, "Busy"));

      /* Asked again: told again, and not a second longer. */
      sim_control (sim, "ind %s", words[i]);
      g_variant_get (daemon_await_signal (f, "m0", "ConfirmRequested"), "(t)", &before);
      g_assert_cmpuint (before, ==, deadline);

      daemon_call_ok (f, "m0", "Confirm", answer (TRUE, i % 2 == 1), -1);
      sim_await (sim, i % 2 == 1 ? "rx AT+FOTACTR=1,1" : "rx AT+FOTACTR=1");
      daemon_await_finished (f, "m0", "success", NULL);
      states = lab_told (f, "m0", "State", from);
      g_assert_nonnull (strstr (states, "confirming starting downloading updating rebooting checking idle"));
      g_assert_cmpuint (daemon_get_number (f, "m0", "ConfirmDeadline"), ==, 0);
      assert_last_entry (f, "polled");
      daemon_await_state (f, "m0", "idle");
    }
  lab_check_properties (f, "m0");
}

/* Without a question: NotAsked, and not one byte. */
static void
test_not_asked (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);
  guint sent = lab_commands (f, sim);

  for (int i = 0; i < 4; i++)
    g_free (daemon_call_error (f, "m0", "Confirm", answer (i & 1, i & 2), -1, "NotAsked"));
  g_assert_cmpuint (lab_commands (f, sim), ==, sent);
  sim_control (sim, "vanish");
  daemon_await_state (f, "m0", "absent");
  g_free (daemon_call_error (f, "m0", "Confirm", answer (TRUE, FALSE), -1, "NotAsked"));
}

/* Refused, with the module's word for it and without. */
static void
test_refused (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "command=0.4\n");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "question");
  daemon_await_state (f, "m0", "confirming");
  daemon_call_ok (f, "m0", "Confirm", answer (FALSE, TRUE), -1);
  sim_await (sim, "rx AT+FOTACTR=0,1");
  daemon_await_finished (f, "m0", "failure", "Rejected");

  sim_control (sim, "set quiet-refusal=true");
  sim_control (sim, "question");
  daemon_await_state (f, "m0", "confirming");
  daemon_call_ok (f, "m0", "Confirm", answer (FALSE, FALSE), -1);
  g_free (daemon_call_error (f, "m0", "Confirm", answer (TRUE, FALSE), -1, "NotAsked"));
  daemon_await_finished (f, "m0", "failure", "Rejected");
  assert_last_entry (f, "polled");
}

/* It asks again behind a no that it has taken: that no is still the end of this upgrade, and the next question a new
 * one. */
static void
test_asked_again_after_refusal (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", "on AT+FOTACTR=*\nok\n", "command=0.4\n");
  SimProcess *sim = lab_sim (f, 0);
  g_autofree char *id = NULL;

  sim_control (sim, "ind NEED_CONFIRM");
  daemon_await_state (f, "m0", "confirming");
  id = g_strdup (daemon_get_string (f, "m0", "LastUpgrade"));
  daemon_call_ok (f, "m0", "Confirm", answer (FALSE, FALSE), -1);
  sim_control (sim, "ind NEED_CONFIRM");
  g_free (daemon_call_error (f, "m0", "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1, "Busy"));
  daemon_await_finished (f, "m0", "failure", "Rejected");
  g_assert_cmpuint (lab_count (f, "m0", "FotaInd"), ==, 2);
  sim_control (sim, "ind NEED_CONFIRM");
  daemon_await_state (f, "m0", "confirming");
  g_assert_cmpstr (daemon_get_string (f, "m0", "LastUpgrade"), !=, id);
  daemon_call_ok (f, "m0", "Confirm", answer (TRUE, FALSE), -1);
  sim_control (sim, "ind FAIL_CONNECT");
  daemon_await_finished (f, "m0", "failure", "ConnectFailed");
  lab_check_properties (f, "m0");
}

/* The module's own end of its patience, and ours where it says nothing. */
static void
test_timeout (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "confirm=0.5\n");
  SimProcess *sim = lab_sim (f, 0);

  lab_play (f, sim, "on question\nind $question\nconfirm 5\n");
  sim_control (sim, "question");
  daemon_await_finished (f, "m0", "failure", "ConfirmTimeout");
  g_assert_cmpuint (sim_count (sim, "tx +FOTAIND: FAIL_WAIT_TIMEOUT"), ==, 1);
  sim_control (sim, "set quiet-refusal=true");
  sim_control (sim, "question");
  daemon_await_finished (f, "m0", "failure", "ConfirmTimeout");
  g_assert_cmpuint (sim_count (sim, "tx +FOTAIND: FAIL_WAIT_TIMEOUT"), ==, 1);
  g_assert_cmpuint (lab_count (f, "m0", "ConfirmRequested"), ==, 2);
}

/* An answer that the module does not take leaves the question as it was. */
static void
test_answer_refused (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "command=0.4\n");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "question");
  daemon_await_state (f, "m0", "confirming");
  sim_control (sim, "set fault=1x AT+FOTACTR=* cme operation not allowed");
  {
    g_autofree char *message = daemon_call_error (f, "m0", "Confirm", answer (TRUE, FALSE), -1, "ModuleError");
    g_assert_nonnull (strstr (message, "operation not allowed"));
    g_assert_nonnull (strstr (message, "only while it asks (guide 3.4)"));
  }
  sim_control (sim, "set fault=1x AT+FOTACTR=* silent");
  g_free (daemon_call_error (f, "m0", "Confirm", answer (TRUE, FALSE), -1, "Timeout"));
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "confirming");
  g_assert_cmpuint (daemon_get_number (f, "m0", "ConfirmDeadline"), >, 0);
  daemon_call_ok (f, "m0", "Confirm", answer (FALSE, FALSE), -1);
  daemon_await_finished (f, "m0", "failure", "Rejected");
}

static char *
window (int from_minutes, int to_minutes)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autoptr (GDateTime) from = g_date_time_add_minutes (now, from_minutes);
  g_autoptr (GDateTime) to = g_date_time_add_minutes (now, to_minutes);

  return g_strdup_printf ("confirm-window=%02d:%02d-%02d:%02d\n", g_date_time_get_hour (from),
                          g_date_time_get_minute (from), g_date_time_get_hour (to), g_date_time_get_minute (to));
}

typedef struct
{
  const char *confirm;
  int window; /* 0 none, 1 we are in it, 2 we are not */
  const char *sent; /* the answer, or NULL if it is left to somebody */
  const char *rule;
} Rule;

static const Rule rules[] = {
  { "ask", 0, NULL, "confirm=ask" },     { "allow", 0, "1", "confirm=allow" }, { "deny", 0, "0", "confirm=deny" },
  { "ask", 1, "1", "confirm-window=" },  { "ask", 2, NULL, "confirm-window=" },
  { "deny", 1, "0", "confirm=deny" },
};

/* The policy answers; the journal says by which rule. */
static void
test_policy (gconstpointer data)
{
  const Rule *rule = data;
  g_autofree char *when = rule->window == 1 ? window (-60, 60) : rule->window == 2 ? window (120, 180) : g_strdup ("");
  g_autofree char *config = g_strdup_printf ("[policy]\nconfirm=%s\n%s", rule->confirm, when);
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, config);
  SimProcess *sim = lab_sim (f, 0);

  lab_play (f, sim, "on question\nind $question\nconfirm 6000\nind START\nind UPDATING\nfirmware $next\nreboot 5\n");
  sim_control (sim, "question");
  if (rule->sent == NULL)
    {
      daemon_await_state (f, "m0", "confirming");
      lab_await_log (f, rule->rule);
      lab_commands (f, sim);
      g_assert_cmpuint (sim_count (sim, "rx AT+FOTACTR="), ==, 0);
      daemon_call_ok (f, "m0", "Confirm", answer (TRUE, FALSE), -1);
      daemon_await_finished (f, "m0", "success", NULL);
      return;
    }
  sim_await (sim, rule->sent[0] == '1' ? "answer 1" : "answer 0");
  if (rule->sent[0] == '1')
    daemon_await_finished (f, "m0", "success", NULL);
  else
    daemon_await_finished (f, "m0", "failure", "Rejected");
  g_assert_cmpuint (lab_count (f, "m0", "ConfirmRequested"), ==, 1);
  g_assert_true (lab_logged (f, rule->rule));
}

/* The question ends where the module begins without an answer. */
static void
test_begins_by_itself (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "ind NEED_CONFIRM");
  daemon_await_state (f, "m0", "confirming");
  sim_control (sim, "ind START");
  daemon_await_state (f, "m0", "downloading");
  g_assert_cmpuint (daemon_get_number (f, "m0", "ConfirmDeadline"), ==, 0);
  g_assert_cmpstr (daemon_get_string (f, "m0", "Operation"), ==, "polled");
  g_free (daemon_call_error (f, "m0", "Confirm", answer (TRUE, FALSE), -1, "NotAsked"));
  sim_control (sim, "ind FAIL_VERIFY");
  daemon_await_finished (f, "m0", "failure", "VerifyFailed");
}

/* What was started is asked about after its OK: policy answers, though the only slot is its own already. */
static void
test_own_slot (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", "on AT+FOTACTR\nok\nind NEED_CONFIRM\n", "[policy]\nconfirm=allow\n");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set fault=1x AT+FOTACTR=* ok");
  lab_upgrade (f, "");
  daemon_await_state (f, "m0", "confirming");
  sim_await (sim, "rx AT+FOTACTR=1");
  sim_control (sim, "ind START");
  daemon_await_state (f, "m0", "downloading");
  sim_control (sim, "ind FAIL_CONNECT");
  daemon_await_finished (f, "m0", "failure", "ConnectFailed");
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTACTR="), ==, 1);
  lab_check_properties (f, "m0");
}

/* It asks while it boots, before it is known: policy answers as soon as it is. */
static void
test_asked_at_boot (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "[policy]\nconfirm=allow\n");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set fault=AT silent");
  sim_control (sim, "vanish");
  daemon_await_state (f, "m0", "absent");
  sim_control (sim, "return");
  daemon_await_state (f, "m0", "probing");
  sim_await (sim, "rx AT");
  sim_control (sim, "ind NEED_CONFIRM");
  daemon_await_state (f, "m0", "confirming");
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTACTR=1"), ==, 0);
  sim_control (sim, "set fault=none");
  sim_control (sim, "set fault=1x AT+FOTACTR=* ok");
  sim_await (sim, "rx AT+FOTACTR=1");
  sim_control (sim, "ind FAIL_CONNECT");
  daemon_await_finished (f, "m0", "failure", "ConnectFailed");
}

/* It restarts instead of taking policy's answer, and asks again: that is answered, too. */
static void
test_asked_again_after_restart (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", "on AT+FOTACTR=1\nvanish\n", "[policy]\nconfirm=allow\n");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "ind NEED_CONFIRM");
  sim_await (sim, "rx AT+FOTACTR=1");
  DAEMON_AWAIT (f, g_str_equal (daemon_get_string (f, "m0", "Port"), ""));
  lab_play (f, sim, "on AT+FOTACTR=1\nok\n");
  sim_control (sim, "return");
  DAEMON_AWAIT (f, !g_str_equal (daemon_get_string (f, "m0", "Port"), ""));
  lab_commands (f, sim);
  sim_control (sim, "ind NEED_CONFIRM");
  sim_await (sim, "rx AT+FOTACTR=1");
  sim_control (sim, "ind FAIL_CONNECT");
  daemon_await_finished (f, "m0", "failure", "ConnectFailed");
}

/* Its word on a refusal comes before its OK: the refusal has been done all the same. */
static void
test_refused_before_ok (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", "on AT+FOTACTR=0\nind FAIL_CONFIRM\nok\n", "");

  sim_control (lab_sim (f, 0), "ind NEED_CONFIRM");
  daemon_await_state (f, "m0", "confirming");
  daemon_call_ok (f, "m0", "Confirm", answer (FALSE, FALSE), -1);
  daemon_await_finished (f, "m0", "failure", "Rejected");
  g_assert_cmpuint (lab_count (f, "m0", "Finished"), ==, 1);
}

int
main (int argc, char **argv)
{
  lab_init (&argc, &argv);
  g_test_add_func ("/daemon/polled/questions", test_questions);
  g_test_add_func ("/daemon/polled/not-asked", test_not_asked);
  g_test_add_func ("/daemon/polled/refused", test_refused);
  g_test_add_func ("/daemon/polled/asked-again-after-refusal", test_asked_again_after_refusal);
  g_test_add_func ("/daemon/polled/timeout", test_timeout);
  g_test_add_func ("/daemon/polled/answer-refused", test_answer_refused);
  g_test_add_func ("/daemon/polled/begins-by-itself", test_begins_by_itself);
  g_test_add_func ("/daemon/polled/own-slot", test_own_slot);
  g_test_add_func ("/daemon/polled/asked-at-boot", test_asked_at_boot);
  g_test_add_func ("/daemon/polled/asked-again-after-restart", test_asked_again_after_restart);
  g_test_add_func ("/daemon/polled/refused-before-ok", test_refused_before_ok);
  for (guint i = 0; i < G_N_ELEMENTS (rules); i++)
    {
      g_autofree char *path = g_strdup_printf ("/daemon/polled/policy/%s-%d", rules[i].confirm, rules[i].window);
      g_test_add_data_func (path, &rules[i], test_policy);
    }
  return g_test_run ();
}
