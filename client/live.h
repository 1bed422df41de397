/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "module.h"

G_BEGIN_DECLS

/**
 * LiveView:
 *
 * What the one line that an upgrade has on a terminal is drawn from.
 */
typedef struct
{
  const char *from; /* "" if unknown */
  const char *to;   /* "" if unknown */
  const char *state;
  guint progress;           /* percent */
  gint64 started;           /* µs since the epoch */
  gint64 phase_since;       /* µs since the epoch */
  gint64 confirm_deadline;  /* µs since the epoch; 0: none */
  gboolean power_critical;
  gboolean overdue;
  gboolean daemon_gone;
} LiveView;

/*
 * The line, at most @width columns, for the time @now (µs since the epoch). When it is narrow the bar goes first, then
 * the versions, then the rest is cut; "do not power off" goes last.
 */
char *live_render (const LiveView *view, guint width, gboolean utf8, gboolean colour, gint64 now);

/* TRUE if standard output is a terminal that may be given colours. */
gboolean live_has_colour (void);

/* Draws @line over what was drawn before; @drawn is the width of that and is updated. "" wipes it out. */
void live_draw (const char *line, guint *drawn);

G_END_DECLS
