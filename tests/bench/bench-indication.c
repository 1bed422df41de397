/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* From the line on the port to the signal on the bus: how long it takes at 200 lines a second, and how many a second
 * can be kept up. */

#include "bench.h"

#include <math.h>
#include <string.h>
#include <time.h>

typedef struct
{
  guint n;
  gint64 first, last;
  GArray *latencies; /* us; NULL: not wanted */
} Seen;

/* The module wrote the time into the line. */
static void
take (Seen *seen, const char *text)
{
  const char *stamp = strrchr (text, ':');
  struct timespec t;
  double latency;

  clock_gettime (CLOCK_MONOTONIC, &t);
  seen->last = g_get_monotonic_time ();
  if (seen->n++ == 0)
    seen->first = seen->last;
  if (seen->latencies == NULL || stamp == NULL)
    return;
  latency = ((double) t.tv_sec * 1e9 + (double) t.tv_nsec - (double) g_ascii_strtoll (stamp + 1, NULL, 10)) / 1000;
  g_array_append_val (seen->latencies, latency);
}

static void
on_signal (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *signal,
           GVariant *parameters, gpointer data)
{
  const char *text;
  g_variant_get_child (parameters, g_variant_n_children (parameters) - 1, "&s", &text);
  take (data, text);
}

static void
run (Bench *bench, BenchProcess *module, const char *interface, const char *signal, guint n, guint rate, Seen *seen)
{
  guint id = g_dbus_connection_signal_subscribe (bench->connection, NULL, interface, signal, NULL, NULL,
                                                 G_DBUS_SIGNAL_FLAGS_NONE, on_signal, seen, NULL);

  g_variant_unref (bench_call (bench, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId",
                               NULL));
  bench_tell (module, "%u %u\n", n, rate);
  while (seen->n < n)
    g_main_context_iteration (NULL, TRUE);
  g_dbus_connection_signal_unsubscribe (bench->connection, id);
  bench_expect (module, "sent");
}

static GArray *
new_values (void)
{
  return g_array_new (FALSE, FALSE, sizeof (double));
}

static void
measure_latency (Bench *bench, BenchProcess *ours, BenchProcess *floor)
{
  g_autoptr (GArray) all_ours = new_values (), all_floor = new_values (), ratios = new_values ();

  for (guint round = 0; round < bench_rounds (15); round++)
    {
      g_autoptr (GArray) a = new_values (), b = new_values ();
      Seen by_daemon = { .latencies = a }, by_floor = { .latencies = b };
      double ratio;
      run (bench, ours, BENCH_DAEMON_NAME, "FotaInd", 100, 200, &by_daemon);
      run (bench, floor, BENCH_FLOOR_NAME, "Line", 100, 200, &by_floor);
      g_array_append_vals (all_ours, a->data, a->len);
      g_array_append_vals (all_floor, b->data, b->len);
      ratio = bench_median (a) / bench_median (b);
      g_array_append_val (ratios, ratio);
    }
  bench_ratio ("latency at 200 lines/s, p50", bench_median (all_ours), bench_median (all_floor), bench_median (ratios),
               "us", 1.2);
  bench_ratio ("latency at 200 lines/s, p99", bench_quantile (all_ours, 0.99), bench_quantile (all_floor, 0.99),
               bench_quantile (all_ours, 0.99) / bench_quantile (all_floor, 0.99), "us", NAN);
}

static void
measure_rate (Bench *bench, BenchProcess *ours, BenchProcess *floor)
{
  g_autoptr (GArray) all_ours = new_values (), all_floor = new_values (), ratios = new_values ();
  guint n = 10000;

  for (guint round = 0; round < bench_rounds (7); round++)
    {
      Seen a = { 0 }, b = { 0 };
      double x, y, ratio;
      run (bench, ours, BENCH_DAEMON_NAME, "FotaInd", n, 0, &a);
      run (bench, floor, BENCH_FLOOR_NAME, "Line", n, 0, &b);
      x = n * 1e6 / (double) (a.last - a.first);
      y = n * 1e6 / (double) (b.last - b.first);
      ratio = x / y;
      g_array_append_val (all_ours, x);
      g_array_append_val (all_floor, y);
      g_array_append_val (ratios, ratio);
    }
  bench_ratio_least ("sustained", bench_median (all_ours), bench_median (all_floor), bench_median (ratios), "lines/s",
                     0.8);
}

int
main (void)
{
  g_autoptr (Bench) bench = bench_new ();
  g_autoptr (BenchProcess) m0 = bench_start_module (bench, "m0");
  g_autoptr (BenchProcess) m1 = bench_start_module (bench, "m1");
  g_autoptr (BenchProcess) daemon = bench_start_daemon (bench, 1, (const char *[]){ "m0" });
  g_autoptr (BenchProcess) floor = bench_start_floor (bench, "m1");

  bench_head ("indication to signal", "bare service");
  measure_latency (bench, m0, m1);
  measure_rate (bench, m0, m1);
  return 0;
}
