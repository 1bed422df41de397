/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Every way to upgrade × every state × every fault, over the real daemon: which cell comes to its right end.
 *
 *   fault-matrix                                                  all of it
 *   fault-matrix --way serial --state updating --fault SIGKILL    one cell (each of the three may be left out)
 *   fault-matrix --part 3/10                                      every tenth cell from the third on; day/10: by date
 *
 * A cell is a process of its own: one that fails neither ends nor spoils the others. TAP, and the matrix behind it. */

#include "daemon-lab.h"
#include "fault-cell.h"
#include "test-folder.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#define CELL_DEADLINE 150 /* s; a wait in it ends earlier */
#define LOG_LINES 400

typedef enum
{
  LEFT_OUT,
  NO_SUCH_CELL,
  PENDING,
  RIGHT,
  WRONG,
} Outcome;

typedef struct
{
  Way way;
  State state;
  Fault fault;
  char *folder; /* where all of it takes place */
  GSubprocess *process;
  GTimer *timer;
  guint deadline_id;
} Job;

static struct
{
  char *way, *state, *fault, *part, *cell;
  gint jobs;
  gboolean verbose;
} options = { .jobs = 3 };

static Outcome outcomes[N_WAYS][N_STATES][N_FAULTS];
static GMainLoop *loop;
static char *folder;
static GPtrArray *waiting; /* of Job */
static guint running, started, ended, failures;

/* ---- one cell ---- */

static void
play (gconstpointer data)
{
  const Job *job = data;
  fault_cell_run (job->way, job->state, job->fault);
}

static int
find_word (const char *const *words, guint n, const char *word)
{
  for (guint i = 0; i < n; i++)
    if (g_str_equal (words[i], word))
      return (int) i;
  g_printerr ("fault-matrix: there is no \"%s\"\n", word);
  exit (2);
}

static int
run_cell (char *program)
{
  g_auto (GStrv) words = g_strsplit (options.cell, "/", 3);
  g_auto (GStrv) argv = g_new0 (char *, 2);
  char **arguments = argv;
  int argc = 1;
  Job job = { 0 };

  job.way = (Way) find_word (way_words, N_WAYS, words[0]);
  job.state = (State) find_word (state_words, N_STATES, words[1]);
  job.fault = (Fault) find_word (fault_words, N_FAULTS, words[2]);
  argv[0] = g_strdup (program);
  g_test_init (&argc, &arguments, NULL);
  g_test_add_data_func ("/cell", &job, play);
  return g_test_run ();
}

/* ---- the run ---- */

static void
print_tail (const char *path)
{
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  guint n;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return;
  g_print ("# %s:\n", path);
  lines = g_strsplit (g_strchomp (text), "\n", -1);
  n = g_strv_length (lines);
  for (guint i = n > LOG_LINES ? n - LOG_LINES : 0; i < n; i++)
    g_print ("#   %s\n", lines[i]);
}

/* What the cell and its daemon have written. */
static void
print_logs (const Job *job)
{
  g_autofree char *output = g_build_filename (job->folder, "output", NULL);
  g_autoptr (GDir) dir = g_dir_open (job->folder, 0, NULL);
  const char *name;

  print_tail (output);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *log = g_build_filename (job->folder, name, "log", NULL);
      print_tail (log);
    }
}

static void start_jobs (void);

static void
on_ended (GObject *source, GAsyncResult *result, gpointer data)
{
  Job *job = data;
  gboolean right;

  g_subprocess_wait_finish (G_SUBPROCESS (source), result, NULL);
  right = g_subprocess_get_successful (job->process);
  outcomes[job->way][job->state][job->fault] = right ? RIGHT : WRONG;
  g_print ("%sok %u - %s %s %s: %s%s # %.1f s\n", right ? "" : "not ", ++ended, way_words[job->way],
           state_words[job->state], fault_words[job->fault], fault_cell_end (job->way, job->state, job->fault),
           job->deadline_id == 0 ? " (not in time)" : "", g_timer_elapsed (job->timer, NULL));
  if (!right || options.verbose)
    print_logs (job);
  failures += right ? 0 : 1;
  g_clear_handle_id (&job->deadline_id, g_source_remove);
  test_folder_remove (job->folder);
  g_timer_destroy (job->timer);
  g_object_unref (job->process);
  g_free (job->folder);
  g_free (job);
  running--;
  start_jobs ();
}

static gboolean
on_deadline (gpointer data)
{
  Job *job = data;

  job->deadline_id = 0;
  g_subprocess_force_exit (job->process);
  return G_SOURCE_REMOVE;
}

static void
die_with_us (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static void
start_job (Job *job)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDERR_MERGE);
  g_autofree char *cell = g_strdup_printf ("--cell=%s/%s/%s", way_words[job->way], state_words[job->state],
                                           fault_words[job->fault]);
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *output = NULL;
  g_autoptr (GError) error = NULL;

  job->folder = g_strdup_printf ("%s/%u", folder, ++started);
  g_assert_cmpint (g_mkdir (job->folder, 0700), ==, 0);
  output = g_build_filename (job->folder, "output", NULL);
  g_subprocess_launcher_setenv (launcher, "TMPDIR", job->folder, TRUE);
  g_subprocess_launcher_set_stdout_file_path (launcher, output);
  g_subprocess_launcher_set_child_setup (launcher, die_with_us, NULL, NULL);
  job->timer = g_timer_new ();
  job->process = g_subprocess_launcher_spawn (launcher, &error, self, cell, NULL);
  g_assert_no_error (error);
  job->deadline_id = g_timeout_add_seconds (CELL_DEADLINE, on_deadline, job);
  g_subprocess_wait_async (job->process, NULL, on_ended, job);
  running++;
}

static void
start_jobs (void)
{
  while (running < (guint) MAX (options.jobs, 1) && waiting->len > 0)
    start_job (g_ptr_array_steal_index (waiting, 0));
  if (running == 0)
    g_main_loop_quit (loop);
}

/* ---- which cells ---- */

static void
parse_part (guint *first, guint *step)
{
  g_auto (GStrv) words = NULL;

  *first = 0;
  *step = 1;
  if (options.part == NULL)
    return;
  words = g_strsplit (options.part, "/", 2);
  *step = words[1] != NULL ? (guint) MAX (atoi (words[1]), 1) : 1;
  if (g_str_equal (words[0], "day"))
    *first = (guint) (g_get_real_time () / G_USEC_PER_SEC / 86400 % *step);
  else
    *first = (guint) (MAX (atoi (words[0]), 1) - 1) % *step;
  g_print ("# part %u of %u\n", *first + 1, *step);
}

static gboolean
is_chosen (const char *option, const char *word)
{
  return option == NULL || g_str_equal (option, word);
}

static gboolean
is_playable (Way way)
{
  g_autofree char *adb = NULL;

  if (way != WAY_ADB)
    return TRUE;
  adb = g_find_program_in_path ("adb");
  return g_getenv ("ADB_AS_USB") != NULL && adb != NULL;
}

static void
choose (Way way, State state, Fault fault, guint *count, guint first, guint step)
{
  Job *job;

  outcomes[way][state][fault] = NO_SUCH_CELL;
  if (!fault_cell_exists (way, state, fault))
    return;
  outcomes[way][state][fault] = LEFT_OUT;
  if (!is_playable (way) || !is_chosen (options.way, way_words[way]) || !is_chosen (options.state, state_words[state])
      || !is_chosen (options.fault, fault_words[fault]) || (*count)++ % step != first)
    return;
  outcomes[way][state][fault] = PENDING;
  job = g_new0 (Job, 1);
  job->way = way;
  job->state = state;
  job->fault = fault;
  g_ptr_array_add (waiting, job);
}

static void
choose_all (void)
{
  guint first, step, count = 0;

  if (options.way != NULL)
    find_word (way_words, N_WAYS, options.way);
  if (options.state != NULL)
    find_word (state_words, N_STATES, options.state);
  if (options.fault != NULL)
    find_word (fault_words, N_FAULTS, options.fault);
  parse_part (&first, &step);
  for (guint way = 0; way < N_WAYS; way++)
    for (guint state = 0; state < N_STATES; state++)
      for (guint fault = 0; fault < N_FAULTS; fault++)
        choose ((Way) way, (State) state, (Fault) fault, &count, first, step);
}

/* ---- the matrix ---- */

/* Whether anything of that row was played. */
static gboolean
has_row (guint way, guint state)
{
  for (guint fault = 0; fault < N_FAULTS; fault++)
    if (outcomes[way][state][fault] > NO_SUCH_CELL)
      return TRUE;
  return FALSE;
}

static void
print_matrix (void)
{
  static const char *const marks[] = { ".", "-", "?", "ok", "FAIL" };

  g_print ("# %-22s", "");
  for (guint fault = 0; fault < N_FAULTS; fault++)
    g_print (" %-8s", fault_words[fault]);
  g_print ("\n");
  for (guint way = 0; way < N_WAYS; way++)
    for (guint state = 0; state < N_STATES; state++)
      {
        if (!has_row (way, state))
          continue;
        g_print ("# %-8s %-13s", way_words[way], state_words[state]);
        for (guint fault = 0; fault < N_FAULTS; fault++)
          g_print (" %-8s", marks[outcomes[way][state][fault]]);
        g_print ("\n");
      }
  g_print ("# %u of %u right; \"-\": there is no such cell, \".\": left out this time\n", ended - failures, ended);
}

int
main (int argc, char **argv)
{
  const GOptionEntry entries[] = {
    { "way", 0, 0, G_OPTION_ARG_STRING, &options.way, "Only this way", "WAY" },
    { "state", 0, 0, G_OPTION_ARG_STRING, &options.state, "Only this state", "STATE" },
    { "fault", 0, 0, G_OPTION_ARG_STRING, &options.fault, "Only this fault", "FAULT" },
    { "part", 0, 0, G_OPTION_ARG_STRING, &options.part, "Every Nth cell from the Kth on; day/N: by the date", "K/N" },
    { "jobs", 0, 0, G_OPTION_ARG_INT, &options.jobs, "So many cells at a time (3)", "N" },
    { "verbose", 0, 0, G_OPTION_ARG_NONE, &options.verbose, "Print the logs of cells that are right, too", NULL },
    { "cell", 0, G_OPTION_FLAG_HIDDEN, G_OPTION_ARG_STRING, &options.cell, NULL, NULL },
    { NULL },
  };
  g_autoptr (GOptionContext) context = g_option_context_new ("- the daemon held against every fault");
  g_autoptr (GTimer) timer = g_timer_new ();
  g_autoptr (GError) error = NULL;

  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error))
    {
      g_printerr ("fault-matrix: %s\n", error->message);
      return 2;
    }
  if (options.cell != NULL)
    return run_cell (argv[0]);
  lab_use_memory ();
  /* Outside of meson's tests, too. */
  g_setenv ("MEFOTAD", BUILT_MEFOTAD, FALSE);
  g_setenv ("MEFOTA_SIM", BUILT_SIM, FALSE);
  if (BUILT_ADB[0] != '\0')
    g_setenv ("ADB_AS_USB", BUILT_ADB, FALSE);
  waiting = g_ptr_array_new ();
  choose_all ();
  g_print ("1..%u%s\n", waiting->len, waiting->len == 0 ? " # SKIP there is nothing to play" : "");
  folder = g_dir_make_tmp ("mefota-faults-XXXXXX", &error);
  g_assert_no_error (error);
  loop = g_main_loop_new (NULL, FALSE);
  if (waiting->len > 0)
    {
      start_jobs ();
      g_main_loop_run (loop);
    }
  print_matrix ();
  g_print ("# %.0f s\n", g_timer_elapsed (timer, NULL));
  test_folder_remove (folder);
  return failures > 0 ? 1 : 0;
}
