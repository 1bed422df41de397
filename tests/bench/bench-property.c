/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Reading a property over the bus. */

#include "bench.h"

#include <math.h>

static double
read_once (Bench *bench, const char *name, const char *path, const char *interface, const char *property)
{
  gint64 start = g_get_monotonic_time ();
  g_variant_unref (bench_call (bench, name, path, "org.freedesktop.DBus.Properties", "Get",
                               g_variant_new ("(ss)", interface, property)));
  return (double) (g_get_monotonic_time () - start);
}

int
main (void)
{
  g_autoptr (Bench) bench = bench_new ();
  g_autoptr (BenchProcess) module = bench_start_module (bench, "m0");
  g_autoptr (BenchProcess) floor = bench_start_floor (bench, NULL);
  g_autoptr (BenchProcess) daemon = bench_start_daemon (bench, 1, (const char *[]){ "m0" });
  g_autoptr (GArray) all_ours = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) all_floor = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) ratios = g_array_new (FALSE, FALSE, sizeof (double));

  for (guint round = 0; round < bench_rounds (40); round++)
    {
      g_autoptr (GArray) ours = g_array_new (FALSE, FALSE, sizeof (double));
      g_autoptr (GArray) theirs = g_array_new (FALSE, FALSE, sizeof (double));
      double ratio;
      for (guint i = 0; i < 100; i++)
        {
          double a = read_once (bench, BENCH_DAEMON_NAME, BENCH_MODULE_PATH "m0", BENCH_DAEMON_NAME, "State");
          double b = read_once (bench, BENCH_FLOOR_NAME, "/", BENCH_FLOOR_NAME, "Text");
          g_array_append_val (ours, a);
          g_array_append_val (theirs, b);
        }
      g_array_append_vals (all_ours, ours->data, ours->len);
      g_array_append_vals (all_floor, theirs->data, theirs->len);
      ratio = bench_median (ours) / bench_median (theirs);
      g_array_append_val (ratios, ratio);
    }
  bench_head ("property read", "bare service");
  bench_ratio ("Get State, p50", bench_median (all_ours), bench_median (all_floor), bench_median (ratios), "us", 1.2);
  return 0;
}
