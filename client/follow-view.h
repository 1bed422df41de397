/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "exit-status.h"
#include "module.h"

#include <stdio.h>

G_BEGIN_DECLS

/**
 * FollowView:
 * @json: one object a line on standard output, and words for people on standard error
 * @live: one line that is drawn over and over; else one line an event
 * @to: (nullable): the version that is upgraded to, if the user said it
 * @began: when mefotactl began (µs since the epoch), until the module tells when the upgrade did
 *
 * How an upgrade that is followed looks.
 */
typedef struct
{
  gboolean json;
  gboolean live;
  const char *to;
  gint64 began;
  /*< private >*/
  gboolean colour;
  guint drawn;
} FollowView;

typedef enum
{
  FOLLOW_VIEW_ASKING, /* the method has not returned */
  FOLLOW_VIEW_FOLLOWING,
  FOLLOW_VIEW_DAEMON_GONE,
} FollowViewPhase;

void follow_view_init (FollowView *view, gboolean json, const char *to);

/* Draws the live line anew; nothing without one. */
void follow_view_redraw (FollowView *view, Module *module, FollowViewPhase phase);

/* Wipes the live line out. */
void follow_view_wipe (FollowView *view);

/* A sentence for people, on a line of its own; in the place of the live line. */
void follow_view_say (FollowView *view, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* A signal of the daemon, or DaemonGone or DaemonBack (see event.h). Nothing with a live line. */
void follow_view_event (FollowView *view, Module *module, const char *event, GVariant *parameters);

/* The last sentence: what the upgrade ended with. @details: as in Finished or the history. */
ExitStatus follow_view_result (FollowView *view, Module *module, const char *result, GVariant *details);

G_END_DECLS
