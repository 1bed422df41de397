/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What mefotad costs while nothing happens: memory, threads, wake-ups, size, time to start. */

#include "bench.h"

#include <glib/gstdio.h>
#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

/* Services that may be on the machine; they are only looked at, on the benchmark's own bus. */
static const struct
{
  const char *path, *name;
} peers[] = {
  { "/usr/libexec/upowerd", "org.freedesktop.UPower" },
  { "/usr/libexec/boltd", "org.freedesktop.bolt" },
  { "/usr/sbin/ModemManager", "org.freedesktop.ModemManager1" },
  { "/usr/libexec/fwupd/fwupd", "org.freedesktop.fwupd" },
};

typedef struct
{
  double pss, dirty, threads, libraries;
} Footprint;

static double
count_threads (int pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/task", pid);
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  double n = 0;

  while (dir != NULL && g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static double
count_libraries (int pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/maps", pid);
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return NAN;
  lines = g_strsplit (text, "\n", -1);
  for (gsize i = 0; lines[i] != NULL; i++)
    {
      char *file = strchr (lines[i], '/');
      if (file != NULL && strstr (file, ".so") != NULL)
        g_hash_table_add (seen, file);
    }
  return g_hash_table_size (seen);
}

/* Each has served one call when it is looked at. */
static void
call_once (Bench *bench, gboolean floor)
{
  g_variant_unref (bench_call (bench, floor ? BENCH_FLOOR_NAME : BENCH_DAEMON_NAME, floor ? "/" : "/org/gosuncn/Fota",
                               "org.freedesktop.DBus.Properties", "Get",
                               floor ? g_variant_new ("(ss)", BENCH_FLOOR_NAME, "Text")
                                     : g_variant_new ("(ss)", BENCH_DAEMON_NAME ".Manager", "Version")));
}

static Footprint
look (BenchProcess *process)
{
  int pid = bench_get_pid (process);
  return (Footprint){ bench_smaps (pid, "Pss"), bench_smaps (pid, "Private_Dirty"), count_threads (pid),
                     count_libraries (pid) };
}

static gboolean
on_over (gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_REMOVE;
}

/* Leaves everything alone for a while: it is the idleness that is measured. */
static void
idle_for (guint seconds)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_timeout_add_seconds (seconds, on_over, loop);
  g_main_loop_run (loop);
}

static void
add (GArray *values, double value)
{
  g_array_append_val (values, value);
}

static double
file_size_stripped (Bench *bench, const char *program)
{
  g_autofree char *copy = bench_path (bench, "stripped");
  const char *argv[] = { "strip", "-o", copy, program, NULL };
  GStatBuf st;
  int status;

  if (!g_spawn_sync (NULL, (char **) argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, NULL, NULL, &status, NULL)
      || status != 0 || g_stat (copy, &st) < 0)
    return NAN;
  return (double) st.st_size / 1000;
}

static void
measure_memory (Bench *bench)
{
  guint rounds = bench_rounds (5);
  g_autoptr (GArray) pss = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) dirty = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) with_module = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (BenchProcess) module = bench_start_module (bench, "m0");
  Footprint ours = { 0 }, floor = { 0 }, one = { 0 };

  for (guint i = 0; i < rounds; i++)
    {
      g_autoptr (BenchProcess) bare = bench_start_floor (bench, NULL);
      {
        g_autoptr (BenchProcess) daemon = bench_start_daemon (bench, 0, NULL);
        call_once (bench, FALSE);
        call_once (bench, TRUE);
        idle_for (1);
        ours = look (daemon);
        floor = look (bare);
      }
      {
        g_autoptr (BenchProcess) daemon = bench_start_daemon (bench, 1, (const char *[]){ "m0" });
        idle_for (1);
        one = look (daemon);
      }
      add (pss, ours.pss / floor.pss);
      add (dirty, ours.dirty / floor.dirty);
      add (with_module, one.pss / floor.pss);
    }
  bench_ratio ("PSS, no module", ours.pss, floor.pss, bench_median (pss), "KiB", 1.25);
  bench_ratio ("PSS, one idle module", one.pss, floor.pss, bench_median (with_module), "KiB", NAN);
  bench_ratio ("private dirty, no module", ours.dirty, floor.dirty, bench_median (dirty), "KiB", 1.3);
  bench_figure ("threads", ours.threads, floor.threads, "", 4);
  bench_figure ("libraries", ours.libraries, floor.libraries, "", NAN);
}

static void
measure_wakeups (Bench *bench)
{
  guint seconds = bench_rounds (20);
  g_autoptr (BenchProcess) module = bench_start_module (bench, "m1");
  g_autoptr (BenchProcess) bare = bench_start_floor (bench, NULL);
  g_autoptr (BenchProcess) daemon = bench_start_daemon (bench, 1, (const char *[]){ "m1" });
  int ours = bench_get_pid (daemon), floor = bench_get_pid (bare);
  GHashTable *ours_before, *floor_before;

  idle_for (2);
  ours_before = bench_wakeups_begin (ours);
  floor_before = bench_wakeups_begin (floor);
  idle_for (seconds);
  bench_figure ("wake-ups, one idle module", bench_wakeups_end (ours, ours_before) * 60 / seconds,
                bench_wakeups_end (floor, floor_before) * 60 / seconds, "1/min", 0);
}

static void
measure_start (Bench *bench)
{
  guint rounds = bench_rounds (15);
  g_autoptr (GArray) ours = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) floor = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) ratios = g_array_new (FALSE, FALSE, sizeof (double));
  g_autofree char *config = bench_path (bench, "mefotad.conf");
  g_autofree char *state = bench_path (bench, "state");
  const char *daemon_argv[] = { bench_program ("MEFOTAD"), "--config", config, "--state-dir", state, NULL };
  const char *floor_argv[] = { bench_program ("BENCH_FLOOR"), NULL };

  g_file_set_contents (config, "", 0, NULL);
  for (guint i = 0; i < rounds; i++)
    {
      BenchProcess *process;
      double a, b;
      a = (double) bench_spawn_service (bench, daemon_argv, BENCH_DAEMON_NAME, &process) / 1000;
      bench_end (process);
      b = (double) bench_spawn_service (bench, floor_argv, BENCH_FLOOR_NAME, &process) / 1000;
      bench_end (process);
      add (ours, a);
      add (floor, b);
      add (ratios, a / b);
    }
  bench_ratio ("exec to bus name owned", bench_median (ours), bench_median (floor), bench_median (ratios), "ms", 2);
}

static void
look_at_peers (Bench *bench)
{
  g_autoptr (BenchProcess) bare = bench_start_floor (bench, NULL);
  Footprint floor;

  call_once (bench, TRUE);
  idle_for (1);
  floor = look (bare);
  for (gsize i = 0; i < G_N_ELEMENTS (peers); i++)
    {
      g_autofree char *what = g_strdup_printf ("peer: PSS of %s", strrchr (peers[i].path, '/') + 1);
      BenchProcess *peer;
      Footprint theirs;
      if (!g_file_test (peers[i].path, G_FILE_TEST_IS_EXECUTABLE))
        continue;
      bench_spawn_service (bench, (const char *[]){ peers[i].path, NULL }, peers[i].name, &peer);
      idle_for (2);
      theirs = look (peer);
      bench_ratio (what, theirs.pss, floor.pss, theirs.pss / floor.pss, "KiB", NAN);
      bench_end (peer);
    }
}

int
main (void)
{
  g_autoptr (Bench) bench = bench_new ();

  sync (); /* pages of programs just built, and not on disk yet, count as private and dirty */
  bench_head ("idle footprint", "bare service");
  measure_memory (bench);
  measure_wakeups (bench);
  measure_start (bench);
  bench_figure ("mefotad, stripped", file_size_stripped (bench, bench_program ("MEFOTAD")), NAN, "kB", 200);
  bench_figure ("mefotactl, stripped", file_size_stripped (bench, bench_program ("MEFOTACTL")), NAN, "kB", 80);
  look_at_peers (bench);
  return 0;
}
