/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon is killed at every change of state of a network and of a polled upgrade, and takes it up again (2.4). */

#include "daemon-lab.h"

/* What the module does before a state is reached, by the holds of lab_steps. */
static const struct
{
  const char *state;
  const char *hold; /* where it stands still then, or NULL */
} phases[] = {
  { "starting", "started" },   { "downloading", "downloading" }, { "verifying", "verifying" },
  { "updating", "passed" },    { "updating", "updating" },       { "rebooting", NULL },
  { "checking", NULL },        { "idle", NULL },
};
#define N_PHASES G_N_ELEMENTS (phases)
#define REBOOTING 5
#define CHECKING 6

typedef struct
{
  const char *wiring;
  gboolean polled;
  guint phase;       /* killed in it */
  gboolean finishes; /* the module is through with it before the daemon is back */
} Play;

static char *
describe (const Play *play)
{
  return g_strdup_printf ("%s %s, killed in phase %u (%s), %s", play->wiring, play->polled ? "polled" : "network",
                          play->phase, phases[play->phase].state,
                          play->finishes ? "the module finishes meanwhile" : "back at once");
}

static DaemonFixture *
begin (const Play *play)
{
  g_autoptr (GString) script = g_string_new (lab_steps);
  DaemonFixture *f;

  if (play->polled)
    g_string_replace (script, "on AT+FOTACTR\nok\n", "on question\nind $question\nconfirm 6000\n", 1);
  f = lab_new (play->wiring, script->str, "");
  sim_control (lab_sim (f, 0), "set return-late=never");
  if (!play->polled)
    {
      lab_upgrade (f, "");
      return f;
    }
  sim_control (lab_sim (f, 0), "question");
  daemon_await_state (f, "m0", "confirming");
  daemon_call_ok (f, "m0", "Confirm", g_variant_new ("(ba{sv})", TRUE, NULL), -1);
  return f;
}

/* Lets the module go on until @phase is reached. */
static void
reach (DaemonFixture *f, guint phase)
{
  SimProcess *sim = lab_sim (f, 0);

  for (guint i = 0; i < phase; i++)
    {
      if (phases[i].hold != NULL)
        lab_pass (sim, phases[i].hold);
      if (i == REBOOTING)
        {
          daemon_await_state (f, "m0", "rebooting");
          sim_control (sim, "set fault=1x AT+CGMM late 20"); /* so that `checking` lasts */
          sim_control (sim, "return");
        }
    }
  daemon_await_state (f, "m0", phases[phase].state);
  if (phase == N_PHASES - 1)
    DAEMON_AWAIT (f, lab_count (f, "m0", "Finished") > 0); /* comes with it */
}

/* The rest of the module's part. */
static void
go_on (SimProcess *sim, const Play *play)
{
  guint phase = play->phase;

  for (guint i = phase; i < N_PHASES; i++)
    if (phases[i].hold != NULL)
      lab_pass (sim, phases[i].hold);
  if (phase <= REBOOTING)
    {
      sim_await (sim, g_str_equal (play->wiring, "usb") ? "vanished" : "silent");
      sim_control (sim, "return");
    }
  lab_pass (sim, "back");
  lab_pass (sim, "said");
  sim_await (sim, "done");
}

static void
assert_one_end (DaemonFixture *f, const Play *play, const char *id)
{
  g_autoptr (GVariant) entry = lab_only_entry (f, NULL);

  g_assert_cmpstr (lab_lookup (entry, "id"), ==, id);
  g_assert_cmpstr (lab_lookup (entry, "result"), ==, "success");
  g_assert_cmpstr (lab_lookup (entry, "operation"), ==, play->polled ? "polled" : "network");
  g_assert_cmpstr (lab_lookup (entry, "from-version"), ==, OLD_VERSION);
  g_assert_cmpstr (lab_lookup (entry, "to-version"), ==, NEW_VERSION);
  g_assert_cmpuint (lab_count (f, "m0", "Finished"), ==, 1);
  g_assert_cmpstr (daemon_get_string (f, "m0", "LastUpgrade"), ==, id);
  g_assert_cmpstr (daemon_get_string (f, "m0", "LastResult"), ==, "success");
  g_assert_cmpstr (daemon_get_string (f, "m0", "FromVersion"), ==, OLD_VERSION);
  g_assert_cmpstr (daemon_get_string (f, "m0", "Operation"), ==, "none");
  g_assert_cmpuint (daemon_get_number (f, "m0", "StartedAt"), ==, 0);
  g_assert_false (daemon_get_number (f, "m0", "PowerCritical"));
}

static void
play_it (const Play *play)
{
  g_autofree char *what = describe (play);
  g_autoptr (DaemonFixture) f = begin (play);
  SimProcess *sim = lab_sim (f, 0);
  g_autofree char *run_file = daemon_path (f, "run/power-critical");
  g_autofree char *id = g_strdup (daemon_get_string (f, "m0", "LastUpgrade"));
  gboolean critical = play->phase >= 3 && play->phase <= CHECKING;
  guint64 started = daemon_get_number (f, "m0", "StartedAt");

  g_test_message ("%s", what);
  g_assert_cmpstr (id, !=, "");
  reach (f, play->phase);
  daemon_kill (f);
  if (critical && lab_count (f, "m0", "Finished") == 0)
    g_assert_true (g_file_test (run_file, G_FILE_TEST_EXISTS));
  if (play->finishes)
    go_on (sim, play);
  daemon_start (f, NULL);
  if (!play->finishes && play->phase < CHECKING)
    {
      g_assert_cmpstr (daemon_get_string (f, "m0", "LastUpgrade"), ==, id);
      g_assert_cmpstr (daemon_get_string (f, "m0", "Operation"), ==, play->polled ? "polled" : "network");
      g_assert_cmpuint (daemon_get_number (f, "m0", "StartedAt"), ==, started);
      g_assert_cmpuint (daemon_get_number (f, "m0", "PowerCritical"), ==, critical);
    }
  if (!play->finishes)
    go_on (sim, play);
  DAEMON_AWAIT (f, lab_count (f, "m0", "Finished") > 0);
  daemon_await_state (f, "m0", "idle");
  assert_one_end (f, play, id);
  g_assert_false (g_file_test (run_file, G_FILE_TEST_EXISTS));

  /* A third life has nothing more to tell. */
  if (!play->finishes)
    return;
  daemon_stop (f);
  daemon_start (f, NULL);
  daemon_await_state (f, "m0", "idle");
  assert_one_end (f, play, id);
  lab_check_properties (f, "m0");
}

static void
test_killed (gconstpointer data)
{
  Play play = *(const Play *) data;

  /* Of a polled upgrade each state once: from `updating` on it is the same. */
  for (play.phase = 0; play.phase < N_PHASES; play.phase += play.polled && play.phase == 3 ? 2 : 1)
    for (int i = 0; i < 2; i++)
      {
        play.finishes = i == 0;
        play_it (&play);
      }
}

/* On a UART nothing but the module's silence tells that it is away. */
static void
test_killed_uart (void)
{
  Play play = { .wiring = "uart" };

  for (play.phase = REBOOTING - 1; play.phase <= REBOOTING; play.phase++)
    for (int i = 0; i < 2; i++)
      {
        play.finishes = i == 0;
        play_it (&play);
      }
}

static void
on_cut_off (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);

  g_assert_null (reply);
  *(gboolean *) data = TRUE;
}

/* Killed between AT+FOTACTR and its OK: the module may have begun, and has. */
static void
test_killed_while_starting (void)
{
  static const char script[] = "on AT+FOTACTR\nhold sent\nok\nind START\nind UPDATING\nfirmware $next\nreboot 5\n";
  g_autoptr (DaemonFixture) f = lab_new ("usb", script, "");
  SimProcess *sim = lab_sim (f, 0);
  gboolean cut_off = FALSE;
  g_autoptr (GVariant) entry = NULL;

  lab_upgrade_async (f, on_cut_off, &cut_off);
  sim_await (sim, "hold sent");
  daemon_kill (f);
  DAEMON_AWAIT (f, cut_off);
  sim_control (sim, "go sent");
  sim_await (sim, "done");
  daemon_start (f, NULL);
  daemon_await_finished (f, "m0", "success", NULL);
  entry = lab_only_entry (f, "m0");
  g_assert_cmpstr (lab_lookup (entry, "from-version"), ==, OLD_VERSION);
}

/* The question stands over a restart of the daemon: same deadline, and it can be answered. */
static void
test_killed_while_asked (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", "on question\nind $question\nconfirm 100000\n", "");
  SimProcess *sim = lab_sim (f, 0);
  guint64 deadline;

  sim_control (sim, "question");
  daemon_await_state (f, "m0", "confirming");
  deadline = daemon_get_number (f, "m0", "ConfirmDeadline");
  g_assert_cmpuint (deadline, >, 0);
  daemon_kill (f);
  daemon_start (f, NULL);
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "confirming");
  g_assert_cmpuint (daemon_get_number (f, "m0", "ConfirmDeadline"), ==, deadline);
  DAEMON_AWAIT (f, daemon_get_string (f, "m0", "Imei")[0] != '\0');
  daemon_call_ok (f, "m0", "Confirm", g_variant_new ("(ba{sv})", FALSE, NULL), -1);
  sim_await (sim, "answer 0");
  daemon_await_finished (f, "m0", "failure", "Rejected");
}

/* Nobody was there to answer. */
static void
test_asked_in_vain (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "confirm=1\n");
  SimProcess *sim = lab_sim (f, 0);
  g_autoptr (GVariant) entry = NULL;

  sim_control (sim, "question");
  daemon_await_state (f, "m0", "confirming");
  daemon_kill (f);
  sim_await (sim, "answer timeout");
  daemon_start (f, NULL);
  daemon_await_finished (f, "m0", "failure", "ConfirmTimeout");
  entry = lab_only_entry (f, "m0");
  g_assert_cmpstr (lab_lookup (entry, "operation"), ==, "polled");
}

/* The module is gone for good: the object stays, and its end comes after give-up. */
static void
test_never_back (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "install=0.2\ngive-up=0.8\n");

  sim_control (lab_sim (f, 0), "set return-late=never");
  lab_upgrade (f, "");
  daemon_await_state (f, "m0", "rebooting");
  daemon_kill (f);
  daemon_start (f, NULL);
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "rebooting");
  g_assert_true (daemon_get_number (f, "m0", "PowerCritical"));
  daemon_await_finished (f, "m0", "failure", "Timeout");
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "absent");
}

int
main (int argc, char **argv)
{
  static const Play network = { .wiring = "usb" };
  static const Play polled = { .wiring = "usb", .polled = TRUE };

  lab_init (&argc, &argv);
  g_test_add_data_func ("/daemon/resume/network", &network, test_killed);
  g_test_add_data_func ("/daemon/resume/polled", &polled, test_killed);
  g_test_add_func ("/daemon/resume/uart", test_killed_uart);
  g_test_add_func ("/daemon/resume/while-starting", test_killed_while_starting);
  g_test_add_func ("/daemon/resume/while-asked", test_killed_while_asked);
  g_test_add_func ("/daemon/resume/asked-in-vain", test_asked_in_vain);
  g_test_add_func ("/daemon/resume/never-back", test_never_back);
  return g_test_run ();
}
