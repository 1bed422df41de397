/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-timer.h"

#define N_MANY 500

typedef struct
{
  MefotaTimer timer;
  guint ms;
  GArray *order; /* of guint: the ms of those that were called */
  MefotaTimer *stops;
} Alarm;

static void
on_alarm (gpointer data)
{
  Alarm *alarm = data;

  g_assert_false (mefota_timer_is_running (&alarm->timer));
  g_array_append_val (alarm->order, alarm->ms);
  if (alarm->stops != NULL)
    mefota_timer_stop (alarm->stops);
}

static void
start (Alarm *alarm, guint ms, GArray *order)
{
  alarm->ms = ms;
  alarm->order = order;
  mefota_timer_start (&alarm->timer, ms, on_alarm, alarm);
}

static void
await (GArray *order, guint n)
{
  gint64 deadline = g_get_monotonic_time () + 30 * G_USEC_PER_SEC;

  while (order->len < n && g_get_monotonic_time () < deadline)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (order->len, ==, n);
}

static const Alarm *
find_alarm (const Alarm *alarms, guint ms)
{
  for (guint i = 0; i < N_MANY; i++)
    if (alarms[i].ms == ms)
      return &alarms[i];
  g_assert_not_reached ();
}

static void
test_order (void)
{
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (guint));
  g_autofree Alarm *alarms = g_new0 (Alarm, N_MANY);
  gint64 start_time = g_get_monotonic_time (), due = 0;

  for (guint i = 0; i < N_MANY; i++)
    start (&alarms[i], (i * 7919) % N_MANY, order);
  await (order, N_MANY);
  g_assert_cmpint (g_get_monotonic_time () - start_time, >=, (N_MANY - 1) * 1000);
  /* Each was started a little later than the one before it. */
  for (guint i = 0; i < N_MANY; i++)
    {
      const Alarm *alarm = find_alarm (alarms, g_array_index (order, guint, i));
      g_assert_cmpint (alarm->timer.due, >=, due);
      due = alarm->timer.due;
    }
}

static void
test_equal (void)
{
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (guint));
  Alarm first = { 0 }, second = { 0 };

  /* Due at one time or the first one before: in the order they were started in. */
  start (&first, 0, order);
  start (&second, 0, order);
  first.ms = 1;
  second.ms = 2;
  await (order, 2);
  g_assert_cmpuint (g_array_index (order, guint, 0), ==, 1);
  g_assert_cmpuint (g_array_index (order, guint, 1), ==, 2);
}

static void
test_not_before (void)
{
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (guint));

  for (guint ms = 0; ms < 10; ms++)
    {
      Alarm alarm = { 0 };
      gint64 since = g_get_monotonic_time ();
      start (&alarm, ms, order);
      await (order, ms + 1);
      g_assert_cmpint (g_get_monotonic_time () - since, >=, 1000 * (gint64) ms);
    }
}

static void
test_stop (void)
{
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (guint));
  Alarm stopped = { 0 }, stopping = { .stops = &stopped.timer }, last = { 0 };

  mefota_timer_stop (&stopped.timer); /* that does not run */
  start (&stopping, 0, order);
  start (&stopped, 0, order);
  start (&last, 5, order);
  await (order, 2);
  g_assert_false (mefota_timer_is_running (&stopped.timer));
  g_assert_cmpuint (g_array_index (order, guint, 0), ==, 0);
  g_assert_cmpuint (g_array_index (order, guint, 1), ==, 5);
}

static void
test_anew (void)
{
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (guint));
  Alarm later = { 0 }, sooner = { 0 }, middle = { 0 };

  start (&later, 1, order);
  start (&sooner, 60000, order);
  start (&middle, 200, order);
  start (&later, 400, order);
  start (&sooner, 0, order);
  await (order, 3);
  g_assert_cmpuint (g_array_index (order, guint, 0), ==, 0);
  g_assert_cmpuint (g_array_index (order, guint, 1), ==, 200);
  g_assert_cmpuint (g_array_index (order, guint, 2), ==, 400);
}

static void
on_again (gpointer data)
{
  Alarm *alarm = data;

  on_alarm (data);
  mefota_timer_start (&alarm->timer, 0, on_again, alarm);
}

static gboolean
on_other (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

/* The loop would sleep for ever. */
static void
assert_idle (void)
{
  GMainContext *context = g_main_context_default ();
  GPollFD fds[16];
  int priority, timeout;

  g_assert_false (g_main_context_iteration (context, FALSE));
  g_assert_true (g_main_context_acquire (context));
  g_main_context_prepare (context, &priority);
  g_main_context_query (context, G_MAXINT, &timeout, fds, G_N_ELEMENTS (fds));
  g_main_context_release (context);
  g_assert_cmpint (timeout, ==, -1);
}

/* One that starts itself again and again leaves the others their turn. */
static void
test_again (void)
{
  g_autoptr (GArray) order = g_array_new (FALSE, FALSE, sizeof (guint));
  Alarm alarm = { .order = order };
  gboolean other = FALSE;

  g_timeout_add (1, on_other, &other);
  mefota_timer_start (&alarm.timer, 0, on_again, &alarm);
  while (!other)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpuint (order->len, >, 0);
  mefota_timer_stop (&alarm.timer);
  assert_idle ();
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/timer/order", test_order);
  g_test_add_func ("/timer/equal", test_equal);
  g_test_add_func ("/timer/not-before", test_not_before);
  g_test_add_func ("/timer/stop", test_stop);
  g_test_add_func ("/timer/anew", test_anew);
  g_test_add_func ("/timer/again", test_again);
  return g_test_run ();
}
