/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-stall.h"

#include "mefota-timer.h"

struct _MefotaStall
{
  GCancellable *outer;
  gulong outer_id;
  GCancellable *inner;
  guint ms;
  MefotaTimer timer;
  gint64 touched;
  gboolean fired;
};

static void
on_outer_cancelled (GCancellable *outer, gpointer data)
{
  g_cancellable_cancel (data);
}

static void
on_due (gpointer data)
{
  MefotaStall *self = data;
  gint64 left = self->touched + 1000 * (gint64) self->ms - g_get_monotonic_time ();

  if (left > 0)
    {
      mefota_timer_start (&self->timer, (guint) (left / 1000) + 1, on_due, self);
      return;
    }
  self->fired = TRUE;
  g_cancellable_cancel (self->inner);
}

MefotaStall *
mefota_stall_new (GCancellable *outer, guint ms)
{
  MefotaStall *self = g_new0 (MefotaStall, 1);

  self->inner = g_cancellable_new ();
  self->ms = ms;
  self->touched = g_get_monotonic_time ();
  if (ms > 0)
    mefota_timer_start (&self->timer, ms, on_due, self);
  if (outer != NULL)
    {
      self->outer = g_object_ref (outer);
      self->outer_id = g_cancellable_connect (outer, G_CALLBACK (on_outer_cancelled), g_object_ref (self->inner),
                                              g_object_unref);
    }
  return self;
}

void
mefota_stall_free (MefotaStall *self)
{
  if (self->outer != NULL)
    g_cancellable_disconnect (self->outer, self->outer_id);
  mefota_timer_stop (&self->timer);
  g_clear_object (&self->outer);
  g_clear_object (&self->inner);
  g_free (self);
}

GCancellable *
mefota_stall_get_cancellable (MefotaStall *self)
{
  return self->inner;
}

void
mefota_stall_touch (MefotaStall *self)
{
  self->touched = g_get_monotonic_time ();
}

void
mefota_stall_break (MefotaStall *self)
{
  g_cancellable_cancel (self->inner);
}

gboolean
mefota_stall_has_fired (MefotaStall *self)
{
  return self->fired;
}
