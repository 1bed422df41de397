/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A package over the UART: how much of the line it uses, and what it costs where the line is no limit. */

#include "bench.h"
#include "install-fixture.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#define KIB 1024
#define MIB (1024.0 * 1024.0)

/* Seconds from the first AT+ZCOMWRT to the OK of the last piece, by the module's word. */
static double
run_paced (guint baud, gsize size)
{
  g_autofree char *pace = g_strdup_printf ("pace=%u", baud);
  g_auto (Install) t = install_new_quiet (size, pace, baud);
  g_autofree char *last = g_strdup_printf ("piece %" G_GSIZE_FORMAT " ", (size + 512 * KIB - 1) / (512 * KIB));
  gint64 began;

  install_begin (&t);
  sim_await (t.sim, "rx AT+ZCOMWRT");
  began = t.sim->seen_at;
  sim_await (t.sim, last);
  return (double) (t.sim->seen_at - began) / 1e6;
}

static double
run_line (char **argv, double *cpu)
{
  g_autofree char *output = NULL;
  g_autoptr (GError) error = NULL;
  double seconds = NAN, used = 0;
  int status;

  if (!g_spawn_sync (NULL, argv, NULL, G_SPAWN_SEARCH_PATH, NULL, NULL, &output, NULL, &status, &error))
    bench_note ("%s: %s", argv[0], error->message);
  else if (status != 0 || sscanf (output, "%lf %lf", &seconds, &used) != 2)
    bench_note ("%s %s failed", argv[0], argv[1]);
  if (cpu != NULL)
    *cpu = used;
  return seconds;
}

static double
run_zmodem (guint baud, gsize size)
{
  g_autofree char *folder = g_dir_make_tmp ("mefota-bench-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "package", NULL);
  g_autofree char *rate = g_strdup_printf ("%u", baud);
  g_autofree char *sz = g_find_program_in_path ("sz");
  g_autofree char *rz = g_find_program_in_path ("rz");
  char *argv[] = { (char *) bench_program ("BENCH_LINE"), (char *) "zmodem", rate, path, NULL };
  double seconds = NAN;

  if (sz != NULL && rz != NULL)
    {
      g_autoptr (TestPackage) package = test_package_new (path, size);
      seconds = run_line (argv, NULL);
    }
  unlink (path);
  rmdir (folder);
  return seconds;
}

static void
bench_share (guint baud, gsize size)
{
  double ideal = (double) size * 10 / baud;
  double ours = ideal / run_paced (baud, size);
  double theirs = ideal / run_zmodem (baud, size);
  g_autofree char *what = g_strdup_printf ("share of %u baud, %" G_GSIZE_FORMAT " KiB", baud, size / KIB);

  bench_ratio_least (what, 100 * ours, 100 * theirs, ours, "%", 0.995);
}

typedef struct
{
  double seconds;
  double cpu;
} Cost;

static Cost
run_unpaced (gsize size)
{
  g_auto (Install) t = install_new_quiet (size, "quiet=true", 921600);
  g_autofree char *last = g_strdup_printf ("piece %" G_GSIZE_FORMAT " ", (size + 512 * KIB - 1) / (512 * KIB));
  Cost cost;
  double cpu;
  gint64 began;

  install_begin (&t);
  cpu = bench_cpu_ns (daemon_get_pid (t.f));
  sim_await (t.sim, "prompt 1 ");
  began = t.sim->seen_at;
  sim_await (t.sim, last);
  cost.seconds = (double) (t.sim->seen_at - began) / 1e6;
  cost.cpu = (bench_cpu_ns (daemon_get_pid (t.f)) - cpu) / 1e9;
  return cost;
}

/* @how: what bench-line calls it */
static Cost
run_floor (const char *how, gsize size)
{
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  SimProcess *sim = daemon_add_sim (f, "m0", "wiring=uart", "quiet=true", NULL);
  g_autofree char *path = daemon_path (f, "package");
  g_autoptr (TestPackage) package = test_package_new (path, size);
  char *argv[] = { (char *) bench_program ("BENCH_LINE"), (char *) how, sim->link, path, NULL };
  Cost cost;

  cost.seconds = run_line (argv, &cost.cpu);
  return cost;
}

static void
bench_unpaced (gsize size)
{
  guint rounds = bench_rounds (9);
  GArray *figures[8];
  double mib = (double) size / MIB;

  for (guint i = 0; i < G_N_ELEMENTS (figures); i++)
    figures[i] = g_array_new (FALSE, FALSE, sizeof (double));
  for (guint i = 0; i < rounds; i++)
    {
      Cost raw = run_floor ("raw", size), polled = run_floor ("poll", size), ours = run_unpaced (size);
      const double values[] = { mib / ours.seconds,    mib / raw.seconds,    raw.seconds / ours.seconds,
                                ours.cpu * 1000 / mib, raw.cpu * 1000 / mib, ours.cpu / raw.cpu,
                                polled.cpu * 1000 / mib, ours.cpu / polled.cpu };

      bench_note ("round %u: %.1f against %.1f MiB/s, %.2f against %.2f and %.2f ms of CPU per MiB", i + 1, values[0],
                  values[1], values[3], values[4], values[6]);
      for (guint j = 0; j < G_N_ELEMENTS (values); j++)
        g_array_append_val (figures[j], values[j]);
    }
  bench_ratio_least ("unpaced", bench_median (figures[0]), bench_median (figures[1]), bench_median (figures[2]),
                     "MiB/s", 0.8);
  bench_ratio ("CPU per MiB", bench_median (figures[3]), bench_median (figures[4]), bench_median (figures[5]), "ms",
               1.5);
  bench_ratio ("CPU per MiB, floor with poll()", bench_median (figures[3]), bench_median (figures[6]),
               bench_median (figures[7]), "ms", NAN);
  for (guint i = 0; i < G_N_ELEMENTS (figures); i++)
    g_array_unref (figures[i]);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const double *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

static void
bench_latency (gsize size)
{
  g_auto (Install) t = install_new_quiet (size, "quiet=true,pace=921600", 921600);
  g_autoptr (GArray) times = g_array_new (FALSE, FALSE, sizeof (double));

  install_begin (&t);
  while (sim_count (t.sim, "package ") == 0)
    {
      gint64 began = g_get_monotonic_time ();
      g_autoptr (GVariant) reply = daemon_call_property (t.f, "m0", "Progress");
      double took = (double) (g_get_monotonic_time () - began) / 1000;
      g_array_append_val (times, took);
    }
  g_array_sort (times, compare);
  bench_figure ("property read in a transfer, p50", bench_median (times), NAN, "ms", 10);
  bench_figure ("property read in a transfer, p99", bench_quantile (times, 0.99), NAN, "ms", NAN);
}

static void
say_nothing (const char *text)
{
}

int
main (int argc, char **argv)
{
  guint scale = bench_rounds (1);
  const char *only = argc > 1 ? argv[1] : "share unpaced latency"; /* parts to run */

  setvbuf (stdout, NULL, _IOLBF, 0);
  g_test_init (&argc, &argv, NULL);
  g_set_print_handler (say_nothing); /* what the fixture tells of each command; the table goes by stdio */
  if (strstr (only, "share") != NULL)
    {
      bench_head ("package over the UART", "zmodem");
      bench_share (115200, (gsize) scale * 256 * KIB);
      bench_share (921600, (gsize) scale * (1536 * KIB + 7));
    }
  if (strstr (only, "unpaced") != NULL)
    {
      bench_head ("package over the UART", "raw loop");
      bench_unpaced (16 * 1024 * KIB);
    }
  if (strstr (only, "latency") != NULL)
    {
      bench_head ("package over the UART", "");
      bench_latency (512 * KIB);
    }
  return 0;
}
