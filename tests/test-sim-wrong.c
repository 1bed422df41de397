/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What an integrator does wrong, or does twice: told at once, with what is allowed. */

#include "sim-client.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

/* Each is refused with a message that has this in it. */
static void
test_settings (void)
{
  static const struct { const char *key; const char *value; const char *says; } wrong[] = {
    { "no-such", "1", "no switch \"no-such\"" },
    { "case", "wild", "give one of guide|lower|upper" },
    { "quiet", "maybe", "give true or false" },
    { "boot-delay", "soon", "give a number of seconds, forever or never" },
    { "split", "-1", "give a whole number" },
    { "time-scale", "0", "give a number above 0" },
    { "time-scale", "forever", "give a number above 0" },
    { "time-scale", "inf", "give a number above 0" },
    { "mode", "999", "give an octal number" },
    { "adb-port", "abc", "give a number from 1 to 65535, or any" },
    { "adb-port", "65536", "give a number from 1 to 65535, or any" },
    { "ignore-set", "FOTAIP,FOO", "give some of FOTAIP|FOTAPOLLEN|FOTATV, separated by commas" },
    { "lose-settings", "servers", "give some of server|polling" },
    { "fault", "AT", "[Nx] PATTERN ACTION [ARGUMENT]" },
    { "fault", "2y AT+CGMR ok", "[Nx] PATTERN ACTION [ARGUMENT]" },
    { "fault", "0x AT+CGMR ok", "[Nx] PATTERN ACTION [ARGUMENT]" },
    { "fault", "AT+CGMR boom", "give one of ok|error|cme" },
    { "fault", "AT+CGMR late soon", "needs a number of seconds" },
    { "fault", "AT+CGMR cme", "needs a text" },
    { "fault", "AT+CGMR silent 5", "stands alone" },
  };
  g_autoptr (MefotaSim) sim = mefota_sim_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("%s=%s", wrong[i].key, wrong[i].value);
      g_assert_false (mefota_sim_set (sim, wrong[i].key, wrong[i].value, &error));
      g_assert_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
      g_assert_nonnull (strstr (error->message, wrong[i].says));
    }
  g_assert_true (mefota_sim_set (sim, "ignore-set", "FOTAIP, fotatv", NULL));
  g_assert_true (mefota_sim_set (sim, "lose-settings", "", NULL));
}

/* A slip in a script shows when it is read, with its line: not in the middle of an upgrade. */
static void
test_scripts (void)
{
  static const struct { const char *text; const char *says; } wrong[] = {
    { "# one\nset case=wild\n", "x.sim:2: \"wild\" is no value for the switch case: give one of" },
    { "set nonsense=1\n", "x.sim:1: there is no switch" },
    { "set case\n", "x.sim:1: \"case\" should be KEY=VALUE" },
    { "ok\n", "x.sim:1: \"ok\" is no line" },
    { "on\n", "x.sim:1: \"on\" is no line" },
    { "on AT+X\nok\nset nonsense=1\n", "x.sim:3: there is no switch" },
    { "on AT+X\nok\nwait\n", "x.sim:3: \"wait\" is no line" },
    { "on AT+X\nok\nok then\n", "x.sim:3: \"ok then\" is no line" },
    { "on AT+X\nok\nawait open soon\n", "x.sim:3: await: \"soon\"" },
    { "on AT+X\nok\ngarbage -1\n", "x.sim:3: \"garbage -1\" is no line" },
    { "on AT+X\nok\ngarbage 4294967295\n", "x.sim:3: garbage: give at most" },
  };
  g_autoptr (MefotaSim) sim = mefota_sim_new ();

  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", wrong[i].text);
      g_assert_false (mefota_sim_add_script (sim, wrong[i].text, "x.sim", &error));
      g_assert_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
      g_assert_true (g_str_has_prefix (error->message, wrong[i].says));
    }
}

static void
test_control (void)
{
  static const char *const wrong[] = {
    "urc", "ind", "raw 0", "garbage", "garbage x", "garbage -3", "garbage 4294967295", "reboot x", "firmware", "run x",
    "flood", "flood x 1", "flood 1 x", "push x y", "push 5 abc", "script", "script /nonexistent", "set", "set case",
    "quit x",
  };
  g_autoptr (SimClient) client = sim_client_new (NULL, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autoptr (GError) error = NULL;

      g_test_message ("%s", wrong[i]);
      g_assert_false (mefota_sim_control (client->sim, wrong[i], &error));
      g_assert_nonnull (error);
    }
  /* Blanks too many are none of it. */
  sim_client_open (client);
  sim_client_control (client, " set  mute = forever ");
  sim_client_send (client, "AT");
  sim_client_await (client, "deaf");
}

typedef struct
{
  char *folder;
  char *link;
  GSubprocess *process;
  GDataInputStream *output;
} Program;

static Program *
program_new (void)
{
  Program *program = g_new0 (Program, 1);

  program->folder = g_dir_make_tmp ("mefota-sim-XXXXXX", NULL);
  program->link = g_build_filename (program->folder, "port", NULL);
  return program;
}

static void
program_free (Program *program)
{
  g_clear_object (&program->output);
  g_clear_object (&program->process);
  g_assert_cmpint (g_rmdir (program->folder), ==, 0);
  g_free (program->folder);
  g_free (program->link);
  g_free (program);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Program, program_free)

static void
program_start (Program *program)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *line = NULL;

  program->process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error, g_getenv ("MEFOTA_SIM"), "--link",
                                       program->link, NULL);
  g_assert_no_error (error);
  program->output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (program->process));
  line = g_data_input_stream_read_line (program->output, NULL, NULL, NULL);
  g_assert_nonnull (line);
  g_assert_true (g_file_test (program->link, G_FILE_TEST_IS_SYMLINK));
}

static void
program_end (Program *program, int signal_number)
{
  g_subprocess_send_signal (program->process, signal_number);
  g_subprocess_wait (program->process, NULL, NULL);
}

/* Runs it to its end, which is this status, with this in what it complains of. */
static void
run_to_end (const char *link, int status, const char *says)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *complaint = NULL;
  g_autoptr (GSubprocess) process = g_subprocess_new (
    G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &error, "timeout", "20",
    g_getenv ("MEFOTA_SIM"), "--link", link, NULL);

  g_assert_no_error (error);
  g_subprocess_communicate_utf8 (process, NULL, NULL, NULL, &complaint, &error);
  g_assert_no_error (error);
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, status);
  g_assert_nonnull (strstr (complaint, says));
}

/* Two that take the link from each other would be one module that is two. */
static void
test_same_link (void)
{
  g_autoptr (Program) program = program_new ();
  g_autofree char *detour = g_build_filename (program->folder, ".", "port", NULL);
  g_autofree char *before = NULL;
  g_autofree char *after = NULL;

  program_start (program);
  before = g_file_read_link (program->link, NULL);
  run_to_end (detour, 1, "another mefota-sim has");
  after = g_file_read_link (program->link, NULL);
  g_assert_cmpstr (after, ==, before);
  program_end (program, SIGTERM);
  g_assert_false (g_file_test (program->link, G_FILE_TEST_IS_SYMLINK));
}

/* What a killed one left behind is in nobody's way. */
static void
test_killed (void)
{
  g_autoptr (Program) program = program_new ();

  program_start (program);
  program_end (program, SIGKILL);
  g_assert_true (g_file_test (program->link, G_FILE_TEST_IS_SYMLINK));
  g_clear_object (&program->output);
  g_clear_object (&program->process);
  program_start (program);
  program_end (program, SIGINT);
  g_assert_false (g_file_test (program->link, G_FILE_TEST_IS_SYMLINK));
}

/* A terminal that is closed takes the program along, and the link with it. */
static void
test_terminal_closed (void)
{
  g_autoptr (Program) program = program_new ();

  program_start (program);
  program_end (program, SIGHUP);
  g_assert_true (g_subprocess_get_if_exited (program->process));
  g_assert_cmpint (g_subprocess_get_exit_status (program->process), ==, 0);
  g_assert_false (g_file_test (program->link, G_FILE_TEST_IS_SYMLINK));
}

/* No link where there is no folder, nor over udev's link to a real module. */
static void
test_no_place (void)
{
  g_autoptr (Program) program = program_new ();
  g_autofree char *far = g_build_filename (program->folder, "missing", "port", NULL);
  g_autofree char *target = NULL;

  run_to_end (far, 1, "missing is no folder");
  g_assert_cmpint (symlink ("ttyUSB1", program->link), ==, 0);
  run_to_end (program->link, 1, "leads to ttyUSB1");
  target = g_file_read_link (program->link, NULL);
  g_assert_cmpstr (target, ==, "ttyUSB1");
  g_assert_cmpint (g_unlink (program->link), ==, 0);
}

static void
run_shell (const char *link, const char *command)
{
  g_autofree char *text = g_strdup_printf ("link='%s'; %s", link, command);
  const char *argv[] = { "timeout", "20", "sh", "-c", text, NULL };
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = g_subprocess_newv (argv, G_SUBPROCESS_FLAGS_NONE, &error);

  g_assert_no_error (error);
  g_subprocess_wait_check (process, NULL, &error);
  g_assert_no_error (error);
  g_assert_false (g_file_test (link, G_FILE_TEST_IS_SYMLINK));
}

/* A full disk for its events ends it. With its output closed it plays on, and what it would print is no answer of the
 * module. */
static void
test_output (void)
{
  g_autoptr (Program) program = program_new ();

  run_shell (program->link, "exec \"$MEFOTA_SIM\" --events --link $link >/dev/full");
  run_shell (program->link, "\"$MEFOTA_SIM\" --events --link $link >&- & sim=$!\n"
                            "until test -L $link; do :; done\n"
                            "test \"$(readlink /proc/$sim/fd/1)\" = /dev/null; seen=$?\n"
                            "kill $sim; wait $sim; exit $seen");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sim-wrong/settings", test_settings);
  g_test_add_func ("/sim-wrong/scripts", test_scripts);
  g_test_add_func ("/sim-wrong/control", test_control);
  g_test_add_func ("/sim-wrong/link/same", test_same_link);
  g_test_add_func ("/sim-wrong/link/killed", test_killed);
  g_test_add_func ("/sim-wrong/link/terminal-closed", test_terminal_closed);
  g_test_add_func ("/sim-wrong/link/no-place", test_no_place);
  g_test_add_func ("/sim-wrong/output", test_output);
  return g_test_run ();
}
