/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-link.h"
#include "mefota-timer.h"

G_BEGIN_DECLS

/* Private to the link's files: mefota-link.c (the port, waking the module up, its identity), -silence.c. */
struct _MefotaLink
{
  GObject parent;
  char *name;
  MefotaTransport transport;
  guint baud;
  MefotaFlowControl flow;
  MefotaTimeouts timeouts;
  MefotaProfiles *profiles;
  MefotaLinkOpener opener;

  char *path; /* NULL: no port */
  char *node;
  GIOStream *stream;
  MefotaAtChannel *channel;
  MefotaLinkState state;
  GCancellable *cancellable; /* of what runs over this opening */
  gint64 opened_at, identified_at;

  GCancellable *identifying; /* NULL: its identity is not being read */
  gboolean interrupted;      /* ... because it did not answer something */
  char *version;             /* as it was read last */

  gboolean watching;
  gboolean asked;     /* whether it is still there, and not answered yet */
  guint unanswered;   /* further times it would have been asked meanwhile */
  MefotaTimer watch_timer, silence_timer, rate_timer, reopen_timer;
  guint rate, next_rate;
  gsize expected_data; /* see mefota_link_expect_data() */
  guint busy_pause;
  char *last_refusal;
};

/* ---- mefota-link.c ---- */

/* AT until it is answered, at one rate after the other on a UART. */
void mefota_link_begin_probing (MefotaLink *self);
void mefota_link_stop_identifying (MefotaLink *self);
/* It was there and is not any more. */
void mefota_link_tell_gone (MefotaLink *self, MefotaLinkState state);

/* ---- mefota-link-silence.c ---- */

/* @line is what a module says as it boots. */
void mefota_link_note_boot (MefotaLink *self, const char *line);

G_END_DECLS
