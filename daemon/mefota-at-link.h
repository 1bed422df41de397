/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * MefotaAtLink:
 *
 * Bytes in and out of a stream, for the channel above it: reads whenever there is something, a few KiB at a time;
 * writes from a queue, and watches for room only while something is queued. Nothing is called from within a caller's
 * function, but for `taken` in mefota_at_link_send().
 */
typedef struct _MefotaAtLink MefotaAtLink;

typedef struct
{
  void (*received) (const guint8 *bytes, gsize n_bytes, gpointer user_data);
  /* The line takes what is queued, and will get it now: the last time to discard it. Not called for what
   * mefota_at_link_send() writes at once. */
  void (*writable) (gpointer user_data);
  /* So many more bytes of the queue were taken by the kernel; that is not yet "sent", much less "read". */
  void (*taken) (gsize n_bytes, gpointer user_data);
  /* Called once; all that could still be read was received() before. The link is closed then. */
  void (*hung_up) (const char *reason, gpointer user_data);
} MefotaAtLinkFuncs;

MefotaAtLink *mefota_at_link_new (GIOStream *stream, const MefotaAtLinkFuncs *funcs, gpointer user_data);
/* Calls nothing any more, from now on; closes the stream. Idempotent. */
void mefota_at_link_close (MefotaAtLink *self);
/* Closes and lets go; safe from within its callbacks. */
void mefota_at_link_free (MefotaAtLink *self);

void mefota_at_link_write (MefotaAtLink *self, GBytes *bytes);
/* The same, but what the line takes at once goes without a turn of the main loop. */
void mefota_at_link_send (MefotaAtLink *self, GBytes *bytes);
/* Forgets what is queued and not yet taken. */
void mefota_at_link_discard (MefotaAtLink *self);
gboolean mefota_at_link_is_writing (MefotaAtLink *self);

void mefota_at_link_set_paused (MefotaAtLink *self, gboolean paused);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MefotaAtLink, mefota_at_link_free)

G_END_DECLS
