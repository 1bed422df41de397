/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-fd-watch.h"

#include <glib-unix.h>
#include <sys/socket.h>
#include <unistd.h>

#include "mefota-timer.h"

#define N_MANY 100

typedef struct
{
  MefotaFdWatch *watch;
  int fd, other; /* a pair of sockets */
  guint calls, calls_when_due;
  GIOCondition last;
  MefotaFdWatch **frees, **silences;
} End;

static void
on_ready (GIOCondition condition, gpointer data)
{
  End *end = data;

  end->calls++;
  end->last = condition;
  if (end->silences != NULL)
    mefota_fd_watch_set (*end->silences, 0);
  if (end->frees != NULL)
    g_clear_pointer (end->frees, mefota_fd_watch_free);
}

static void
set_up (End *end)
{
  int fds[2];

  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0, fds), ==, 0);
  end->fd = fds[0];
  end->other = fds[1];
  end->watch = mefota_fd_watch_new (end->fd, on_ready, end);
}

static void
tear_down (End *end)
{
  g_clear_pointer (&end->watch, mefota_fd_watch_free);
  close (end->fd);
  if (end->other >= 0)
    close (end->other);
}

static void
say (End *end)
{
  g_assert_cmpint (write (end->other, "x", 1), ==, 1);
}

/* All that is ready now. */
static void
turn (void)
{
  g_main_context_iteration (NULL, FALSE);
}

static void
test_conditions (void)
{
  End end = { 0 };
  char byte;

  set_up (&end);
  say (&end);
  turn ();
  g_assert_cmpuint (end.calls, ==, 0); /* asks for nothing yet */
  mefota_fd_watch_set (end.watch, G_IO_IN);
  turn ();
  g_assert_cmpuint (end.calls, ==, 1);
  g_assert_cmpint (end.last, ==, G_IO_IN);
  turn (); /* and as long as it holds */
  g_assert_cmpuint (end.calls, ==, 2);
  g_assert_cmpint (read (end.fd, &byte, 1), ==, 1);
  turn ();
  g_assert_cmpuint (end.calls, ==, 2);
  mefota_fd_watch_set (end.watch, G_IO_IN | G_IO_OUT);
  turn ();
  g_assert_cmpuint (end.calls, ==, 3);
  g_assert_cmpint (end.last, ==, G_IO_OUT);
  mefota_fd_watch_set (end.watch, G_IO_IN);
  turn ();
  g_assert_cmpuint (end.calls, ==, 3);
  tear_down (&end);
}

/* A hang-up that nobody wants to hear of must not keep the loop awake. */
static void
test_hang_up (void)
{
  End end = { 0 };

  set_up (&end);
  mefota_fd_watch_set (end.watch, G_IO_IN);
  mefota_fd_watch_set (end.watch, 0);
  close (end.other);
  end.other = -1;
  g_assert_false (g_main_context_iteration (NULL, FALSE));
  g_assert_cmpuint (end.calls, ==, 0);
  mefota_fd_watch_set (end.watch, G_IO_OUT);
  turn ();
  g_assert_cmpuint (end.calls, ==, 1);
  g_assert_true ((end.last & G_IO_HUP) != 0);
  tear_down (&end);
}

/* Whoever comes first frees or silences the other in the same turn. */
static void
test_each_other (gconstpointer data)
{
  gboolean frees = GPOINTER_TO_INT (data);
  End a = { 0 }, b = { 0 };

  set_up (&a);
  set_up (&b);
  *(frees ? &a.frees : &a.silences) = &b.watch;
  *(frees ? &b.frees : &b.silences) = &a.watch;
  say (&a);
  say (&b);
  mefota_fd_watch_set (a.watch, G_IO_IN);
  mefota_fd_watch_set (b.watch, G_IO_IN);
  turn ();
  g_assert_cmpuint (a.calls + b.calls, ==, 1);
  turn ();
  g_assert_cmpuint (a.calls + b.calls, ==, 2);
  g_assert_true (a.calls == 0 || b.calls == 0);
  tear_down (&a);
  tear_down (&b);
}

/* The last watch goes from within its own function, and another comes later. */
static void
test_last (void)
{
  End end = { 0 };

  set_up (&end);
  end.frees = &end.watch;
  say (&end);
  mefota_fd_watch_set (end.watch, G_IO_IN);
  turn ();
  g_assert_null (end.watch);
  turn ();
  g_assert_cmpuint (end.calls, ==, 1);
  end.watch = mefota_fd_watch_new (end.fd, on_ready, &end);
  mefota_fd_watch_set (end.watch, G_IO_IN);
  turn ();
  g_assert_cmpuint (end.calls, ==, 2);
  tear_down (&end);
}

/* More than are taken from the kernel at once: each has its turn, and none has two before another has one. */
static void
test_many (void)
{
  g_autofree End *ends = g_new0 (End, N_MANY);

  for (guint i = 0; i < N_MANY; i++)
    {
      set_up (&ends[i]);
      say (&ends[i]);
      mefota_fd_watch_set (ends[i].watch, G_IO_IN);
    }
  for (guint n = 1; n <= 3; n++)
    {
      turn ();
      for (guint i = 0; i < N_MANY; i++)
        g_assert_cmpuint (ends[i].calls, ==, n);
    }
  for (guint i = 0; i < N_MANY; i++)
    tear_down (&ends[i]);
}

static void
on_due (gpointer data)
{
  End *end = data;

  end->calls_when_due = end->calls;
}

/* What has come counts before a time that is over, however late the turn is: an answer that came in time is no timeout.
 * Not even if all ports were gone meanwhile, and the timers are older. */
static void
test_before_timers (void)
{
  End end = { 0 };
  MefotaTimer timer = { 0 };

  mefota_timer_start (&timer, 0, on_due, &end);
  mefota_timer_stop (&timer);
  set_up (&end);
  tear_down (&end);
  set_up (&end);
  mefota_fd_watch_set (end.watch, G_IO_IN);
  say (&end);
  mefota_timer_start (&timer, 0, on_due, &end);
  turn ();
  g_assert_false (mefota_timer_is_running (&timer));
  g_assert_cmpuint (end.calls_when_due, ==, 1);
  tear_down (&end);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/fd-watch/before-timers", test_before_timers); /* first, before there is any watch */
  g_test_add_func ("/fd-watch/conditions", test_conditions);
  g_test_add_func ("/fd-watch/hang-up", test_hang_up);
  g_test_add_data_func ("/fd-watch/each-other/frees", GINT_TO_POINTER (TRUE), test_each_other);
  g_test_add_data_func ("/fd-watch/each-other/silences", GINT_TO_POINTER (FALSE), test_each_other);
  g_test_add_func ("/fd-watch/last", test_last);
  g_test_add_func ("/fd-watch/many", test_many);
  return g_test_run ();
}
