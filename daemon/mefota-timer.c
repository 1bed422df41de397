/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-timer.h"

#include "mefota-fd-watch.h"

static GSequence *running; /* of MefotaTimer, the one that is due next in front */

/* Milliseconds, rounded up; -1 for never. */
static int
get_delay (GSource *source)
{
  GSequenceIter *first = g_sequence_get_begin_iter (running);
  gint64 left;

  if (g_sequence_iter_is_end (first))
    return -1;
  left = ((MefotaTimer *) g_sequence_get (first))->due - g_source_get_time (source);
  return (int) CLAMP ((left + 999) / 1000, 0, G_MAXINT);
}

static gboolean
timers_prepare (GSource *source, int *timeout)
{
  *timeout = get_delay (source);
  return *timeout == 0;
}

static gboolean
timers_check (GSource *source)
{
  return get_delay (source) == 0;
}

static gboolean
timers_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  while (get_delay (source) == 0)
    {
      MefotaTimer *timer = g_sequence_get (g_sequence_get_begin_iter (running));
      mefota_timer_stop (timer);
      timer->func (timer->user_data);
    }
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs timers_funcs = { timers_prepare, timers_check, timers_dispatch };

static void
init_timers (void)
{
  g_autoptr (GSource) source = g_source_new (&timers_funcs, sizeof (GSource));

  mefota_fd_watch_init ();
  running = g_sequence_new (NULL);
  g_source_set_static_name (source, "timers");
  g_source_set_can_recurse (source, TRUE); /* as in mefota-fd-watch.c */
  g_source_attach (source, g_main_context_get_thread_default ());
}

static int
compare_due (gconstpointer a, gconstpointer b, gpointer user_data)
{
  gint64 difference = ((const MefotaTimer *) a)->due - ((const MefotaTimer *) b)->due;

  return (difference > 0) - (difference < 0);
}

void
mefota_timer_start (MefotaTimer *self, guint ms, MefotaTimerFunc func, gpointer user_data)
{
  if (running == NULL)
    init_timers ();
  mefota_timer_stop (self);
  self->func = func;
  self->user_data = user_data;
  self->due = g_get_monotonic_time () + 1000 * (gint64) ms;
  self->place = g_sequence_insert_sorted (running, self, compare_due, NULL);
}

void
mefota_timer_stop (MefotaTimer *self)
{
  g_clear_pointer (&self->place, g_sequence_remove);
}

gboolean
mefota_timer_is_running (const MefotaTimer *self)
{
  return self->place != NULL;
}
