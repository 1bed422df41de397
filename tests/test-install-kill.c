/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Package upgrades over the UART: a daemon that is killed, one that is asked meanwhile, and one that is watched. */

#include "install-fixture.h"

#include <stdlib.h>
#include <string.h>

#define PIECE (512 * 1024)

/* ---- SIGKILL ---- */

/* Kills the daemon when @event comes; the module still ends up with exactly the package. */
static void
kill_at (gsize size, const char *settings, const char *event)
{
  g_auto (Install) t = install_new (size, settings, "");

  g_test_message ("---- kill at %s", event);
  install_begin (&t);
  sim_await (t.sim, event);
  daemon_kill (t.f);
  daemon_start (t.f, NULL);
  install_assert_success (&t);
}

static void
test_kill (void)
{
  static const guint marks[] = { 1, 2, 4095, PIECE - 1, PIECE, PIECE + 1, 2 * PIECE };

  for (guint i = 0; i < G_N_ELEMENTS (marks); i++)
    {
      g_autofree char *settings = g_strdup_printf ("pace=4000000,mark-data=%u", marks[i]);
      g_autofree char *event = g_strdup_printf ("data %u", marks[i]);
      kill_at (2 * PIECE + 7, settings, event);
    }
}

static void
test_kill_anywhere (void)
{
  for (guint i = 0; i < 4; i++)
    {
      guint mark = (guint) g_test_rand_int_range (1, 2 * PIECE);
      g_autofree char *settings = g_strdup_printf ("pace=4000000,mark-data=%u", mark);
      g_autofree char *event = g_strdup_printf ("data %u", mark);
      kill_at (2 * PIECE + 7, settings, event);
    }
}

static void
test_kill_around (void)
{
  kill_at (30000, "final-delay=20,mark-data=30000", "data 30000");
  kill_at (30000, "fault=1x AT+ZCOMUPDATE late 5", "rx AT+ZCOMUPDATE");
  kill_at (30000, "quiet=false", "package ");
  kill_at (30000, "quiet=false", "silent");
}

/* The gateway loses power, and with it the module: what it had is gone, and it takes no AT for data. */
static void
test_power_cut (void)
{
  g_auto (Install) t = install_new (PIECE, "pace=921600,mark-data=200000", "");

  install_begin (&t);
  sim_await (t.sim, "data 200000");
  daemon_kill (t.f);
  sim_control (t.sim, "reboot 2");
  daemon_start (t.f, NULL);
  install_assert_success (&t);
}

/* Killed, and cancelled before the module is back in step. */
static void
test_kill_and_cancel (void)
{
  g_auto (Install) t = install_new (PIECE, "pace=921600,mark-data=200000", "");

  install_begin (&t);
  sim_await (t.sim, "data 200000");
  daemon_kill (t.f);
  daemon_start (t.f, NULL);
  daemon_call_ok (t.f, "m0", "Cancel", NULL, -1);
  daemon_await_finished (t.f, "m0", "failure", "Cancelled");
  install_assert_clean (&t);
  install_assert_no_copy (&t);
  g_assert_cmpuint (sim_count (t.sim, "package "), ==, 0);
}

/* What was checked is what is sent, and installed, also when the disk spoils it meanwhile. */
static void
test_spoilt_copy (void)
{
  g_auto (Install) t = install_new (PIECE, "pace=4000000,mark-data=200000", "");
  g_autofree char *path = daemon_path (t.f, "state/packages/m0");
  g_autofree char *bytes = NULL;
  gsize size;

  install_begin (&t);
  sim_await (t.sim, "data 200000");
  daemon_kill (t.f);
  g_assert_true (g_file_get_contents (path, &bytes, &size, NULL));
  bytes[100] ^= 1;
  g_assert_true (g_file_set_contents (path, bytes, (gssize) size, NULL));
  daemon_start (t.f, NULL);
  daemon_await_finished (t.f, "m0", "failure", "StorageFailed");
  install_assert_clean (&t);
  install_assert_no_copy (&t);
  g_assert_cmpuint (sim_count (t.sim, "rx AT+ZCOMUPDATE"), ==, 0);
}

/* ---- memory and latency ---- */

static guint64
peak_kib (Install *t)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/status", daemon_get_pid (t->f));
  g_autofree char *text = NULL;
  const char *line;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  line = strstr (text, "VmHWM:");
  return line != NULL ? g_ascii_strtoull (line + strlen ("VmHWM:"), NULL, 10) : 0;
}

static guint64
peak_of (gsize size)
{
  g_auto (Install) t = install_new (size, "quiet=true", "");

  install_begin (&t);
  sim_await (t.sim, "package ");
  return peak_kib (&t);
}

static void
test_memory (void)
{
  guint64 small = peak_of (PIECE), large = peak_of (32 * PIECE);

  g_test_message ("peak %" G_GUINT64_FORMAT " KiB for 512 KiB, %" G_GUINT64_FORMAT " KiB for 16 MiB", small, large);
  g_assert_cmpuint (large, <, small + 2048);
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const gint64 *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

/* Unpaced, the daemon has as much to do as it ever can. */
static void
test_latency (void)
{
  g_auto (Install) t = install_new (32 * PIECE, "quiet=true", "");
  g_autoptr (GArray) times = g_array_new (FALSE, FALSE, sizeof (gint64));
  gint64 median;

  install_begin (&t);
  while (sim_count (t.sim, "package ") == 0)
    {
      gint64 began = g_get_monotonic_time ();
      g_autoptr (GVariant) reply = daemon_call_property (t.f, "m0", "Progress");
      gint64 took = g_get_monotonic_time () - began;
      g_array_append_val (times, took);
    }
  g_array_sort (times, compare);
  median = g_array_index (times, gint64, times->len / 2);
  g_test_message ("%u reads, median %" G_GINT64_FORMAT " us, worst %" G_GINT64_FORMAT " us", times->len, median,
                  g_array_index (times, gint64, times->len - 1));
  g_assert_cmpuint (times->len, >, 10);
  g_assert_cmpint (median, <, 10000);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/install-kill/bytes", test_kill);
  g_test_add_func ("/install-kill/anywhere", test_kill_anywhere);
  g_test_add_func ("/install-kill/around", test_kill_around);
  g_test_add_func ("/install-kill/power-cut", test_power_cut);
  g_test_add_func ("/install-kill/cancel", test_kill_and_cancel);
  g_test_add_func ("/install-kill/spoilt-copy", test_spoilt_copy);
  g_test_add_func ("/install-kill/memory", test_memory);
  g_test_add_func ("/install-kill/latency", test_latency);
  return g_test_run ();
}
