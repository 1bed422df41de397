/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What the benchmarks share: a private bus with mefotad, the bare service and simulated modules on it, and the table
 * they print. Programs come from the environment: MEFOTAD, MEFOTACTL, BENCH_FLOOR, BENCH_MODULE, BENCH_SIMS. A
 * benchmark prints whether its goals are met and ends with 0: it is not a test. */

#define BENCH_DAEMON_NAME "org.gosuncn.Fota"
#define BENCH_FLOOR_NAME "org.gosuncn.Floor"
#define BENCH_MODULE_PATH "/org/gosuncn/Fota/module/"

typedef struct
{
  GSubprocess *process;
  GDataInputStream *output; /* NULL unless it has one */
} BenchProcess;

typedef struct
{
  GTestDBus *bus;
  GDBusConnection *connection;
  char *folder;
} Bench;

Bench *bench_new (void);
void bench_free (Bench *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Bench, bench_free)

/* A path in the benchmark's folder, for free(). */
char *bench_path (Bench *self, const char *name);

BenchProcess *bench_spawn (Bench *self, const char *const *argv, gboolean pipes);
/* Starts it and waits for its name; how long that took in µs. */
gint64 bench_spawn_service (Bench *self, const char *const *argv, const char *name, BenchProcess **process);
/* SIGTERM, and waits for its end. */
void bench_end (BenchProcess *process);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BenchProcess, bench_end)
int bench_get_pid (BenchProcess *process);
void bench_tell (BenchProcess *process, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* Waits for a line that begins with @prefix. */
void bench_expect (BenchProcess *process, const char *prefix);

/* A bench-module; its port is @link in the folder. */
BenchProcess *bench_start_module (Bench *self, const char *link);
/* mefotad with modules @first … (names of links in the folder), all of them idle at the return. */
BenchProcess *bench_start_daemon (Bench *self, guint n_modules, const char *const *modules);
BenchProcess *bench_start_floor (Bench *self, const char *link);
/* The environment's program of that name; ends the benchmark if there is none. */
const char *bench_program (const char *variable);

GVariant *bench_call (Bench *self, const char *name, const char *path, const char *interface, const char *method,
                      GVariant *parameters);
/* Waits until all @n modules of the daemon are in @state. */
void bench_await_states (Bench *self, guint n, const char *state);

/* Figures of a process. */
double bench_smaps (int pid, const char *key); /* KiB */
double bench_cpu_ns (int pid);                 /* all its threads */
/* Voluntary context switches of its threads from begin to end; but for those that a thread ended with. */
GHashTable *bench_wakeups_begin (int pid);
double bench_wakeups_end (int pid, GHashTable *begin);

double bench_median (GArray *values);                   /* of double; 0 without any */
double bench_quantile (GArray *values, double quantile);

/* How much to do: @usual, times MEFOTA_BENCH_SCALE (1 if unset). */
guint bench_rounds (guint usual);

/* Rows are also appended to the file MEFOTA_BENCH_TABLE, if that is set (tests/bench/table). @title is kept. */
void bench_head (const char *title, const char *floor);
/* A line: what was measured, ours, the floor's (NAN: none), and the goal for their ratio. */
void bench_ratio (const char *what, double ours, double floor, double ratio, const char *unit, double at_most);
/* The same where more is better. */
void bench_ratio_least (const char *what, double ours, double floor, double ratio, const char *unit, double at_least);
/* A goal for the figure itself; NAN: none. */
void bench_figure (const char *what, double ours, double floor, const char *unit, double at_most);
void bench_note (const char *format, ...) G_GNUC_PRINTF (1, 2);

G_END_DECLS
