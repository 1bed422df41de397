/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * MefotaQueue:
 *
 * Who may upgrade at one time ([policy] max-parallel), in the order asked, and who holds all upgrades (Manager.Hold).
 *
 * Signals:
 *  - "turn" (const char *key): a waiting one has got its slot
 *  - "changed": holds, or free slots, changed
 */
#define MEFOTA_TYPE_QUEUE (mefota_queue_get_type ())
G_DECLARE_FINAL_TYPE (MefotaQueue, mefota_queue, MEFOTA, QUEUE, GObject)

MefotaQueue *mefota_queue_new (guint max_parallel);
void mefota_queue_set_max_parallel (MefotaQueue *self, guint max_parallel);

/* Takes a slot now if one is free and nobody waits; FALSE otherwise. Idempotent for one that has a slot. */
gboolean mefota_queue_try_enter (MefotaQueue *self, const char *key);
/* Whether that would be TRUE. */
gboolean mefota_queue_may_enter (MefotaQueue *self, const char *key);
/* Takes a slot whatever the limit: the module has begun already. */
void mefota_queue_force_enter (MefotaQueue *self, const char *key);
/* Waits in line, ordered by @since (wall clock µs); "turn" comes from the main loop, never from within this call. */
void mefota_queue_wait (MefotaQueue *self, const char *key, gint64 since);
/* Keeps a place in line for one that is not ready yet: those behind it wait until it does wait, or leaves. */
void mefota_queue_expect (MefotaQueue *self, const char *key, gint64 since);
/* Gives the slot, or the place in line, back. */
void mefota_queue_leave (MefotaQueue *self, const char *key);
gboolean mefota_queue_has_free_slot (MefotaQueue *self);

/* Returns the descriptor for the holder (the caller owns it); the hold ends when its last copy is closed. -1 on
 * error. */
int mefota_queue_hold (MefotaQueue *self, const char *who, const char *why, GError **error);
gboolean mefota_queue_is_held (MefotaQueue *self);
/* a(ss), floating. */
GVariant *mefota_queue_get_holds (MefotaQueue *self);
/* MEFOTA_ERROR_BUSY telling who holds and why; FALSE if somebody does. */
gboolean mefota_queue_check_not_held (MefotaQueue *self, GError **error);

G_END_DECLS
