/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* 1, 16, 64, 256 modules that upgrade at once in one daemon: what each costs, and, in runs of their own, how fast the
 * indications of one more module come through meanwhile. (Those would cost more than the upgrades of a few.) */

#include "bench.h"

#include <math.h>
#include <stdio.h>
#include <string.h>
#include <time.h>

typedef struct
{
  Bench *bench;
  guint finished, succeeded;
  gboolean late;
  GArray *latencies;
} Run;

typedef struct
{
  double cpu_ms, memory_kib; /* of all */
  double latency, latency_high;
} Cost;

static void
on_signal (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *signal,
           GVariant *parameters, gpointer data)
{
  Run *run = data;
  const char *text;

  if (g_str_equal (signal, "Finished"))
    {
      g_variant_get_child (parameters, 0, "&s", &text);
      run->finished++;
      run->succeeded += g_str_equal (text, "success") ? 1 : 0;
    }
  else if (g_str_has_suffix (path, "/probe"))
    {
      struct timespec t;
      double latency;
      g_variant_get_child (parameters, 1, "&s", &text);
      clock_gettime (CLOCK_MONOTONIC, &t);
      latency = ((double) t.tv_sec * 1e9 + (double) t.tv_nsec - (double) g_ascii_strtoll (text, NULL, 10)) / 1000;
      g_array_append_val (run->latencies, latency);
    }
}

static gboolean
on_deadline (gpointer data)
{
  ((Run *) data)->late = TRUE;
  return G_SOURCE_CONTINUE;
}

#define N_LINES 400

static Cost
measure (guint n, gboolean probing)
{
  g_autoptr (Bench) bench = bench_new ();
  g_autofree char *count = g_strdup_printf ("%u", n);
  g_autoptr (BenchProcess) sims
      = bench_spawn (bench, (const char *[]){ bench_program ("BENCH_SIMS"), bench->folder, count, NULL }, TRUE);
  g_autoptr (BenchProcess) probe = bench_start_module (bench, "probe");
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (BenchProcess) daemon = NULL;
  g_autoptr (GArray) latencies = g_array_new (FALSE, FALSE, sizeof (double));
  Run run = { .bench = bench, .latencies = latencies };
  double before, memory = 0;
  Cost cost;
  guint deadline, looked = 0;
  int pid;

  bench_expect (sims, "ready");
  g_ptr_array_add (names, g_strdup ("probe"));
  for (guint i = 0; i < n; i++)
    g_ptr_array_add (names, g_strdup_printf ("s%u", i));
  daemon = bench_start_daemon (bench, names->len, (const char *const *) names->pdata);
  pid = bench_get_pid (daemon);
  g_dbus_connection_signal_subscribe (bench->connection, BENCH_DAEMON_NAME, BENCH_DAEMON_NAME, NULL, NULL, NULL,
                                      G_DBUS_SIGNAL_FLAGS_NONE, on_signal, &run, NULL);
  g_variant_unref (bench_call (bench, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "GetId",
                               NULL));

  before = bench_cpu_ns (pid);
  if (probing)
    bench_tell (probe, G_STRINGIFY (N_LINES) " 50\n");
  for (guint i = 0; i < n; i++)
    {
      g_autofree char *path = g_strdup_printf (BENCH_MODULE_PATH "s%u", i);
      g_dbus_connection_call (bench->connection, BENCH_DAEMON_NAME, path, BENCH_DAEMON_NAME, "Upgrade",
                              g_variant_new_parsed ("('', @a{sv} {})"), NULL, G_DBUS_CALL_FLAGS_NONE, 60000, NULL, NULL,
                              NULL);
    }
  deadline = g_timeout_add_seconds (120, on_deadline, &run);
  while (!run.late && (run.finished < n || run.latencies->len < (probing ? N_LINES : 0)))
    {
      g_main_context_iteration (NULL, TRUE);
      if (!probing && run.finished > looked)
        {
          looked = run.finished;
          memory = MAX (memory, bench_smaps (pid, "Private_Dirty"));
        }
    }
  g_source_remove (deadline);
  cost.cpu_ms = (bench_cpu_ns (pid) - before) / 1e6;
  cost.memory_kib = memory;
  cost.latency = bench_median (run.latencies);
  cost.latency_high = bench_quantile (run.latencies, 0.99);
  if (run.succeeded < n)
    bench_note ("%u of %u upgrades failed or did not end in time", n - run.succeeded, n);
  return cost;
}

/* Measures and prints what each of @n costs, memory over that of @one. */
static Cost
tell_cost (guint n, Cost one)
{
  Cost cost = measure (n, FALSE);

  cost.cpu_ms /= n;
  cost.memory_kib = (cost.memory_kib - one.memory_kib) / (n - 1);
  printf ("%-18u %18.2f %18.1f\n", n, cost.cpu_ms, cost.memory_kib);
  fflush (stdout);
  return cost;
}

int
main (void)
{
  static const guint sizes[] = { 1, 16, 64, 256 };
  static const guint few = 16, many = 256;
  g_autoptr (GArray) cpu = g_array_new (FALSE, FALSE, sizeof (double));
  g_autoptr (GArray) memory = g_array_new (FALSE, FALSE, sizeof (double));
  Cost one;

  printf ("%-18s %18s %18s\n", "upgrades at once", "indication p50, us", "indication p99, us");
  for (gsize i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      Cost cost = measure (sizes[i], TRUE);
      printf ("%-18u %18.0f %18.0f\n", sizes[i], cost.latency, cost.latency_high);
      fflush (stdout);
    }
  /* What the first upgrade brings into memory is there for all. */
  one = measure (1, FALSE);
  printf ("%-18s %18s %18s\n", "upgrades at once", "CPU each, ms", "memory each, KiB");
  for (guint round = 0; round < bench_rounds (5); round++)
    {
      Cost at_few = tell_cost (few, one), at_many = tell_cost (many, one);
      double ratio = at_many.cpu_ms / at_few.cpu_ms;
      g_array_append_val (cpu, ratio);
      ratio = at_many.memory_kib / at_few.memory_kib;
      g_array_append_val (memory, ratio);
    }
  tell_cost (64, one);
  bench_head ("scale", "");
  bench_ratio ("CPU a module, 256 against 16", NAN, NAN, bench_median (cpu), "", 1.1);
  bench_ratio ("memory a module, 256 against 16", NAN, NAN, bench_median (memory), "", 1.1);
  return 0;
}
