/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* AT commands: inside the daemon against write/poll/read on the same port, and SendCommand over D-Bus against a bare
 * service that does the same; how many system calls they take, and whether their length matters. */

#include "bench.h"

#include "mefota-at-channel.h"
#include "mefota-tty.h"

#include <fcntl.h>
#include <math.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static GArray *
new_values (void)
{
  return g_array_new (FALSE, FALSE, sizeof (double));
}

static void
add (GArray *values, double value)
{
  g_array_append_val (values, value);
}

/* ---- inside ---- */

typedef struct
{
  MefotaAtChannel *channel;
  guint left;
  gint64 start;
  GArray *values;
} Inside;

static void send_next (Inside *self);

static void
on_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  Inside *self = data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (self->channel, result, &error);

  g_assert_no_error (error);
  add (self->values, (double) (g_get_monotonic_time () - self->start));
  if (--self->left > 0)
    send_next (self);
}

static void
send_next (Inside *self)
{
  self->start = g_get_monotonic_time ();
  mefota_at_channel_send_async (self->channel, "AT+CGMR", NULL, 10000, NULL, on_answer, self);
}

static void
run_channel (const char *port, guint n, GArray *values)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MefotaTty) tty = mefota_tty_open (port, 115200, MEFOTA_FLOW_NONE, &error);
  g_autoptr (MefotaAtChannel) channel = NULL;
  Inside self = { .left = n, .values = values };

  g_assert_no_error (error);
  channel = self.channel = mefota_at_channel_new (G_IO_STREAM (tty), "bench", 1000);
  send_next (&self);
  while (self.left > 0)
    g_main_context_iteration (NULL, TRUE);
  mefota_at_channel_close (channel);
}

static void
run_raw (const char *port, guint n, GArray *values)
{
  int fd = open (port, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  struct pollfd wait = { fd, POLLIN, 0 };
  char buffer[4096];

  g_assert_cmpint (fd, >=, 0);
  for (guint i = 0; i < n; i++)
    {
      gint64 start = g_get_monotonic_time ();
      gsize length = 0;
      g_assert_cmpint (write (fd, "AT+CGMR\r", 8), ==, 8);
      for (buffer[0] = '\0'; strstr (buffer, "\r\nOK\r\n") == NULL; buffer[length] = '\0')
        if (poll (&wait, 1, -1) > 0)
          length += (gsize) MAX (read (fd, buffer + length, sizeof buffer - length - 1), 0);
      add (values, (double) (g_get_monotonic_time () - start));
    }
  close (fd);
}

static void
measure_inside (Bench *bench)
{
  g_autoptr (BenchProcess) module = bench_start_module (bench, "inside");
  g_autofree char *port = bench_path (bench, "inside");
  g_autoptr (GArray) all_ours = new_values (), all_raw = new_values (), ratios = new_values ();

  for (guint round = 0; round < bench_rounds (60); round++)
    {
      g_autoptr (GArray) ours = new_values (), raw = new_values ();
      run_channel (port, 100, ours);
      run_raw (port, 100, raw);
      g_array_append_vals (all_ours, ours->data, ours->len);
      g_array_append_vals (all_raw, raw->data, raw->len);
      add (ratios, bench_median (ours) / bench_median (raw));
    }
  bench_head ("AT command", "raw");
  bench_ratio ("round trip inside the daemon, p50", bench_median (all_ours), bench_median (all_raw),
               bench_median (ratios), "us", 1.5);
}

/* ---- over D-Bus ---- */

static double
call_once (Bench *bench, gboolean floor, const char *command)
{
  gint64 start = g_get_monotonic_time ();
  if (floor)
    g_variant_unref (bench_call (bench, BENCH_FLOOR_NAME, "/", BENCH_FLOOR_NAME, "Send",
                                 g_variant_new ("(su)", command, 10000)));
  else
    g_variant_unref (bench_call (bench, BENCH_DAEMON_NAME, BENCH_MODULE_PATH "m0", BENCH_DAEMON_NAME, "SendCommand",
                                 g_variant_new ("(su)", command, 10000)));
  return (double) (g_get_monotonic_time () - start);
}

static char *
command_of (gsize length)
{
  g_autofree char *fill = g_strnfill (length, '1');
  g_autofree char *command = g_strconcat ("AT+ZX=", fill, NULL);
  command[MAX (length, 2)] = '\0';
  return g_steal_pointer (&command);
}

static void
measure_calls (Bench *bench)
{
  static const gsize lengths[] = { 2, 16, 64 };
  GArray *ours[G_N_ELEMENTS (lengths)], *floor[G_N_ELEMENTS (lengths)], *ratios[G_N_ELEMENTS (lengths)];
  g_autoptr (GArray) by_length = new_values ();

  for (gsize i = 0; i < G_N_ELEMENTS (lengths); i++)
    ours[i] = new_values (), floor[i] = new_values (), ratios[i] = new_values ();
  for (guint round = 0; round < bench_rounds (40); round++)
    {
      double medians[G_N_ELEMENTS (lengths)];
      for (gsize i = 0; i < G_N_ELEMENTS (lengths); i++)
        {
          g_autofree char *command = command_of (lengths[i]);
          g_autoptr (GArray) a = new_values (), b = new_values ();
          for (guint j = 0; j < 50; j++)
            {
              add (a, call_once (bench, FALSE, command));
              add (b, call_once (bench, TRUE, command));
            }
          g_array_append_vals (ours[i], a->data, a->len);
          g_array_append_vals (floor[i], b->data, b->len);
          medians[i] = bench_median (a);
          add (ratios[i], medians[i] / bench_median (b));
        }
      add (by_length, medians[G_N_ELEMENTS (lengths) - 1] / medians[0]);
    }
  bench_head ("SendCommand over D-Bus", "bare service");
  for (gsize i = 0; i < G_N_ELEMENTS (lengths); i++)
    {
      g_autofree char *what = g_strdup_printf ("%u bytes, p50", (guint) lengths[i]);
      bench_ratio (what, bench_median (ours[i]), bench_median (floor[i]), bench_median (ratios[i]), "us", 1.2);
      g_array_unref (ours[i]);
      g_array_unref (floor[i]);
      g_array_unref (ratios[i]);
    }
  bench_ratio ("64 bytes against 2 bytes", NAN, NAN, bench_median (by_length), "", 1.1);
}

/* ---- system calls ---- */

/* Of all threads of @process while @n commands run; NAN where strace is missing or may not. */
static double
count_calls (Bench *bench, BenchProcess *process, gboolean floor, guint n)
{
  g_autofree char *table = bench_path (bench, "strace");
  g_autofree char *text = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GSubprocess) strace = NULL;
  g_autoptr (GDataInputStream) said = NULL;
  g_autofree char *attached = NULL;
  double calls = NAN;

  strace = g_subprocess_new (G_SUBPROCESS_FLAGS_STDERR_PIPE, NULL, "strace", "-f", "-c", "-U", "calls,name", "-o",
                             table, "-p", g_subprocess_get_identifier (process->process), NULL);
  if (strace == NULL)
    return NAN;
  said = g_data_input_stream_new (g_subprocess_get_stderr_pipe (strace));
  attached = g_data_input_stream_read_line (said, NULL, NULL, NULL);
  if (attached == NULL || strstr (attached, "attached") == NULL)
    return NAN;
  for (guint i = 0; i < n; i++)
    call_once (bench, floor, "AT+CGMR");
  g_subprocess_send_signal (strace, SIGINT);
  g_subprocess_wait (strace, NULL, NULL);
  if (!g_file_get_contents (table, &text, NULL, NULL))
    return NAN;
  if (g_getenv ("MEFOTA_BENCH_VERBOSE") != NULL)
    g_printerr ("%s", text);
  lines = g_strsplit (text, "\n", -1);
  for (gsize i = 0; lines[i] != NULL; i++)
    if (g_str_has_suffix (lines[i], " total"))
      calls = g_ascii_strtod (lines[i], NULL) / n;
  return calls;
}

static void
measure_system_calls (Bench *bench, BenchProcess *daemon, BenchProcess *floor)
{
  guint n = bench_rounds (500);
  double ours = count_calls (bench, daemon, FALSE, n), bare = count_calls (bench, floor, TRUE, n);

  if (isnan (ours) || isnan (bare))
    bench_note ("system calls a command: not counted, strace is missing or may not attach");
  else
    {
      bench_ratio ("system calls a command", ours, bare, ours / bare, "", 1.2);
      bench_figure ("system calls a command, in all", ours, NAN, "", 43);
    }
}

int
main (void)
{
  g_autoptr (Bench) bench = bench_new ();
  g_autoptr (BenchProcess) m0 = bench_start_module (bench, "m0");
  g_autoptr (BenchProcess) m1 = bench_start_module (bench, "m1");
  g_autoptr (BenchProcess) daemon = bench_start_daemon (bench, 1, (const char *[]){ "m0" });
  g_autoptr (BenchProcess) floor = bench_start_floor (bench, "m1");

  measure_inside (bench);
  measure_calls (bench);
  measure_system_calls (bench, daemon, floor);
  return 0;
}
