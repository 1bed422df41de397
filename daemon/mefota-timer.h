/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef void (*MefotaTimerFunc) (gpointer user_data);

/**
 * MefotaTimer:
 *
 * A one-shot timer, part of whoever owns it; all zero is stopped. All that run are sorted behind one source: a source
 * for each, as g_timeout_add() makes, costs time at every turn of the main loop, and every module that is upgraded has
 * some. In each turn of the loop what the ports have comes first: an answer that came in time is never too late because
 * the turn is.
 *
 * For the one main loop of the process: the context that is the thread's default when the first timer is started.
 */
typedef struct
{
  /*< private >*/
  MefotaTimerFunc func;
  gpointer user_data;
  gint64 due;
  GSequenceIter *place;
} MefotaTimer;

/* Calls @func once, from the main loop, in @ms milliseconds and not before; anew if it runs already. It is stopped when
 * @func is called. */
void mefota_timer_start (MefotaTimer *self, guint ms, MefotaTimerFunc func, gpointer user_data);
void mefota_timer_stop (MefotaTimer *self);
gboolean mefota_timer_is_running (const MefotaTimer *self);

G_END_DECLS
