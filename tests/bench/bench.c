/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bench.h"

#include <glib/gstdio.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "test-folder.h"

static Bench *current; /* the one there is */

static void G_GNUC_PRINTF (1, 2) G_GNUC_NORETURN
die (const char *format, ...)
{
  va_list args;
  va_start (args, format);
  vfprintf (stderr, format, args);
  va_end (args);
  fputc ('\n', stderr);
  if (current != NULL)
    g_test_dbus_stop (current->bus); /* else it lives on and keeps our output open */
  exit (1);
}

const char *
bench_program (const char *variable)
{
  const char *path = g_getenv (variable);
  if (path == NULL)
    die ("%s names no program; run the benchmarks with: meson test --benchmark -v", variable);
  return path;
}

/* ---- the bus ---- */

Bench *
bench_new (void)
{
  Bench *self = g_new0 (Bench, 1);
  g_autoptr (GError) error = NULL;

  /* In memory if possible: the disk is not what is measured, and the daemon watches the folders above its ports. */
  self->folder = g_build_filename (g_access ("/dev/shm", W_OK) == 0 ? "/dev/shm" : g_get_tmp_dir (),
                                   "mefota-bench-XXXXXX", NULL);
  if (g_mkdtemp_full (self->folder, 0700) == NULL)
    die ("no folder can be made in %s", self->folder);
  self->bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (self->bus);
  current = self;
  self->connection = g_dbus_connection_new_for_address_sync (
      g_test_dbus_get_bus_address (self->bus),
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL,
      &error);
  g_assert_no_error (error);
  return self;
}

void
bench_free (Bench *self)
{
  g_dbus_connection_close_sync (self->connection, NULL, NULL);
  g_object_unref (self->connection);
  current = NULL;
  g_test_dbus_down (self->bus);
  g_object_unref (self->bus);
  test_folder_remove (self->folder);
  g_free (self->folder);
  g_free (self);
}

char *
bench_path (Bench *self, const char *name)
{
  return g_build_filename (self->folder, name, NULL);
}

GVariant *
bench_call (Bench *self, const char *name, const char *path, const char *interface, const char *method,
            GVariant *parameters)
{
  g_autoptr (GError) error = NULL;
  GVariant *reply = g_dbus_connection_call_sync (self->connection, name, path, interface, method, parameters, NULL,
                                                 G_DBUS_CALL_FLAGS_NO_AUTO_START, 60000, NULL, &error);
  if (reply == NULL)
    die ("%s of %s: %s", method, path, error->message);
  return reply;
}

/* ---- processes ---- */

static void
die_with_us (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

BenchProcess *
bench_spawn (Bench *self, const char *const *argv, gboolean pipes)
{
  BenchProcess *process = g_new0 (BenchProcess, 1);
  g_autoptr (GError) error = NULL;
  GSubprocessFlags flags = pipes ? G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE
                                 : G_SUBPROCESS_FLAGS_STDERR_SILENCE;
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (flags);

  g_subprocess_launcher_set_child_setup (launcher, die_with_us, NULL, NULL);
  g_subprocess_launcher_setenv (launcher, "DBUS_SYSTEM_BUS_ADDRESS", g_test_dbus_get_bus_address (self->bus), TRUE);
  g_subprocess_launcher_setenv (launcher, "RUNTIME_DIRECTORY", self->folder, TRUE);
  g_subprocess_launcher_setenv (launcher, "LC_ALL", "C.UTF-8", TRUE); /* another one costs both a conversion table */
  g_subprocess_launcher_unsetenv (launcher, "NOTIFY_SOCKET");
  g_subprocess_launcher_unsetenv (launcher, "G_DEBUG");
  process->process = g_subprocess_launcher_spawnv (launcher, argv, &error);
  if (process->process == NULL)
    die ("%s", error->message);
  if (pipes)
    process->output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (process->process));
  return process;
}

void
bench_end (BenchProcess *process)
{
  g_subprocess_send_signal (process->process, SIGTERM);
  g_subprocess_wait (process->process, NULL, NULL);
  g_clear_object (&process->output);
  g_object_unref (process->process);
  g_free (process);
}

int
bench_get_pid (BenchProcess *process)
{
  return atoi (g_subprocess_get_identifier (process->process));
}

void
bench_tell (BenchProcess *process, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  if (!g_output_stream_write_all (g_subprocess_get_stdin_pipe (process->process), text, strlen (text), NULL, NULL,
                                  NULL))
    die ("a helper program has ended");
}

void
bench_expect (BenchProcess *process, const char *prefix)
{
  for (;;)
    {
      g_autofree char *line = g_data_input_stream_read_line (process->output, NULL, NULL, NULL);
      if (line == NULL)
        die ("a helper program has ended instead of saying \"%s\"", prefix);
      if (g_str_has_prefix (line, prefix))
        return;
    }
}

static void
on_name (GDBusConnection *connection, const char *name, const char *owner, gpointer data)
{
  *(gint64 *) data = g_get_monotonic_time ();
}

static gboolean
on_too_long (gpointer data)
{
  die ("%s took too long", (const char *) data);
}

gint64
bench_spawn_service (Bench *self, const char *const *argv, const char *name, BenchProcess **process)
{
  gint64 start, owned = -1;
  guint deadline = g_timeout_add_seconds (30, on_too_long, (gpointer) name);
  guint watch = g_bus_watch_name_on_connection (self->connection, name, G_BUS_NAME_WATCHER_FLAGS_NONE, on_name, NULL,
                                                &owned, NULL);

  /* The watch is there before the process is. */
  g_variant_unref (bench_call (self, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId",
                               NULL));
  start = g_get_monotonic_time ();
  *process = bench_spawn (self, argv, FALSE);
  while (owned < 0)
    g_main_context_iteration (NULL, TRUE);
  g_bus_unwatch_name (watch);
  g_source_remove (deadline);
  return owned - start;
}

BenchProcess *
bench_start_module (Bench *self, const char *link)
{
  g_autofree char *path = bench_path (self, link);
  BenchProcess *module = bench_spawn (self, (const char *[]){ bench_program ("BENCH_MODULE"), path, NULL }, TRUE);

  bench_expect (module, "port ");
  return module;
}

BenchProcess *
bench_start_daemon (Bench *self, guint n_modules, const char *const *modules)
{
  g_autofree char *config = bench_path (self, "mefotad.conf");
  g_autofree char *state = bench_path (self, "state");
  g_autoptr (GString) text = g_string_new ("[policy]\nmax-parallel=1000\n[timeouts]\nprobe=0.2\n");
  BenchProcess *daemon;

  for (guint i = 0; i < n_modules; i++)
    g_string_append_printf (text, "[module %s]\ntransport=uart\nport=%s/%s\n", modules[i], self->folder, modules[i]);
  g_file_set_contents (config, text->str, -1, NULL);
  bench_spawn_service (self, (const char *[]){ bench_program ("MEFOTAD"), "--config", config, "--state-dir", state,
                                              NULL },
                       BENCH_DAEMON_NAME, &daemon);
  bench_await_states (self, n_modules, "idle");
  return daemon;
}

BenchProcess *
bench_start_floor (Bench *self, const char *link)
{
  g_autofree char *path = link != NULL ? bench_path (self, link) : NULL;
  BenchProcess *floor;

  bench_spawn_service (self, (const char *[]){ bench_program ("BENCH_FLOOR"), path, NULL }, BENCH_FLOOR_NAME, &floor);
  return floor;
}

static guint
count_state (Bench *self, const char *state)
{
  g_autoptr (GVariant) reply = bench_call (self, BENCH_DAEMON_NAME, "/org/gosuncn/Fota",
                                           "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL);
  g_autoptr (GVariant) objects = g_variant_get_child_value (reply, 0);
  guint n = 0;

  for (gsize i = 0; i < g_variant_n_children (objects); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (objects, i);
      g_autoptr (GVariant) interfaces = g_variant_get_child_value (entry, 1);
      g_autoptr (GVariant) properties = g_variant_lookup_value (interfaces, BENCH_DAEMON_NAME, NULL);
      const char *now;
      if (properties != NULL && g_variant_lookup (properties, "State", "&s", &now) && g_str_equal (now, state))
        n++;
    }
  return n;
}

static gboolean
on_tick (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

void
bench_await_states (Bench *self, guint n, const char *state)
{
  guint tick = g_timeout_add (50, on_tick, NULL);
  guint deadline = g_timeout_add_seconds (120, on_too_long, (gpointer) state);

  while (n > 0 && count_state (self, state) < n)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (deadline);
  g_source_remove (tick);
}

/* ---- figures ---- */

double
bench_smaps (int pid, const char *key)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/smaps_rollup", pid);
  g_autofree char *text = NULL;
  g_autofree char *start = g_strdup_printf ("\n%s:", key);
  const char *found;

  if (!g_file_get_contents (path, &text, NULL, NULL) || (found = strstr (text, start)) == NULL)
    return NAN;
  return g_ascii_strtod (found + strlen (start), NULL);
}

/* What @read finds in /proc/@pid/task/…/@file: thread → double. */
static GHashTable *
over_threads (int pid, const char *file, double (*read) (const char *text))
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/task", pid);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  GHashTable *found = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, file, NULL);
      g_autofree char *text = NULL;
      double value;
      if (!g_file_get_contents (child, &text, NULL, NULL))
        continue;
      value = read (text);
      g_hash_table_insert (found, g_strdup (name), g_memdup2 (&value, sizeof value));
    }
  return found;
}

static double
sum_up (GHashTable *values, GHashTable *before)
{
  GHashTableIter iter;
  gpointer key, value;
  double sum = 0;

  g_hash_table_iter_init (&iter, values);
  while (g_hash_table_iter_next (&iter, &key, &value))
    {
      const double *old = before != NULL ? g_hash_table_lookup (before, key) : NULL;
      sum += *(double *) value - (old != NULL ? *old : 0);
    }
  return sum;
}

static double
read_first (const char *text)
{
  return g_ascii_strtod (text, NULL);
}

double
bench_cpu_ns (int pid)
{
  g_autoptr (GHashTable) now = over_threads (pid, "schedstat", read_first);
  return sum_up (now, NULL);
}

static double
read_switches (const char *text)
{
  const char *found = strstr (text, "\nvoluntary_ctxt_switches:");
  return found != NULL ? g_ascii_strtod (strchr (found, ':') + 1, NULL) : 0;
}

GHashTable *
bench_wakeups_begin (int pid)
{
  return over_threads (pid, "status", read_switches);
}

double
bench_wakeups_end (int pid, GHashTable *begin)
{
  g_autoptr (GHashTable) before = begin;
  g_autoptr (GHashTable) now = over_threads (pid, "status", read_switches);
  return sum_up (now, before);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  double x = *(const double *) a, y = *(const double *) b;
  return (x > y) - (x < y);
}

double
bench_quantile (GArray *values, double quantile)
{
  if (values->len == 0)
    return 0;
  g_array_sort (values, compare);
  return g_array_index (values, double, MIN ((guint) (quantile * values->len), values->len - 1));
}

double
bench_median (GArray *values)
{
  return bench_quantile (values, 0.5);
}

guint
bench_rounds (guint usual)
{
  const char *scale = g_getenv ("MEFOTA_BENCH_SCALE");
  return MAX ((guint) (usual * (scale != NULL ? g_ascii_strtod (scale, NULL) : 1)), 1);
}

/* ---- the table ---- */

static const char *current_title;

void
bench_head (const char *title, const char *floor)
{
  current_title = title;
  printf ("%-46s %12s %12s %8s   %s\n", title, "mefota", floor, "ratio", "goal");
}

static char *
format_value (double value)
{
  return isnan (value) ? g_strdup ("") : g_strdup_printf ("%.*f", value < 100 && value > 0 ? 1 : 0, value);
}

/* A row for the README. */
static void
append_row (const char *label, const char *ours, const char *floor, const char *ratio, const char *sign, double goal,
            gboolean met)
{
  const char *path = g_getenv ("MEFOTA_BENCH_TABLE");
  FILE *file = path != NULL ? fopen (path, "a") : NULL;
  g_autofree char *wanted = isnan (goal) ? g_strdup ("") : g_strdup_printf ("%s %g", sign[0] == '<' ? "≤" : "≥", goal);

  if (file == NULL)
    return;
  fprintf (file, "| %s: %s | %s | %s | %s | %s | %s |\n", current_title, label, ours, floor, ratio, wanted,
           isnan (goal) ? "" : met ? "yes" : "no");
  fclose (file);
}

static void
print_line (const char *what, const char *unit, double ours, double floor, double ratio, const char *sign, double goal,
            gboolean met)
{
  g_autofree char *label = unit[0] != '\0' ? g_strdup_printf ("%s, %s", what, unit) : g_strdup (what);
  g_autofree char *our_value = format_value (ours);
  g_autofree char *floor_value = format_value (floor);
  g_autofree char *factor = isnan (ratio) ? g_strdup ("") : g_strdup_printf ("%.2f", ratio);

  printf ("%-46s", label);
  printf (" %12s %12s %8s", our_value, floor_value, factor);
  if (!isnan (goal))
    printf ("   %s %g: %s", sign, goal, met ? "met" : "MISSED");
  printf ("\n");
  fflush (stdout);
  append_row (label, our_value, floor_value, factor, sign, goal, met);
}

void
bench_ratio (const char *what, double ours, double floor, double ratio, const char *unit, double at_most)
{
  print_line (what, unit, ours, floor, ratio, "<=", at_most, ratio <= at_most);
}

void
bench_ratio_least (const char *what, double ours, double floor, double ratio, const char *unit, double at_least)
{
  print_line (what, unit, ours, floor, ratio, ">=", at_least, ratio >= at_least);
}

void
bench_figure (const char *what, double ours, double floor, const char *unit, double at_most)
{
  print_line (what, unit, ours, floor, NAN, "<=", at_most, ours <= at_most);
}

void
bench_note (const char *format, ...)
{
  va_list args;
  va_start (args, format);
  vprintf (format, args);
  va_end (args);
  printf ("\n");
  fflush (stdout);
}
