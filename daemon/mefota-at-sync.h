/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * MefotaAtSync:
 *
 * How to get back in step with a module that owes answers: pure bookkeeping of how many final result codes may still
 * come. AT is tried until an OK. If no more is owed then, that is the end; else what is owed is awaited, unless the
 * line is quiet first. So it does not matter whether the module answers late and in order, or the new command before
 * the old.
 */
typedef struct
{
  guint owed;      /* finals that may still come, and belong to nobody */
  gboolean needed; /* before the next command */
  enum
  {
    MEFOTA_AT_SYNC_OFF,
    MEFOTA_AT_SYNC_TRYING,
    MEFOTA_AT_SYNC_DRAINING,
  } phase;
} MefotaAtSync;

/* A command that was written, if only in part, is not waited for any more. */
void mefota_at_sync_abandon (MefotaAtSync *self);
/* Nobody knows how many finals are to come: only silence ends the synchronisation. */
void mefota_at_sync_abandon_many (MefotaAtSync *self);
void mefota_at_sync_start (MefotaAtSync *self);
/* AT is sent. */
void mefota_at_sync_tried (MefotaAtSync *self);
/* A final that is no command's; returns whether the phase changed. */
gboolean mefota_at_sync_final (MefotaAtSync *self, gboolean ok);
/* The line was quiet while draining: what has not come by now never will. */
void mefota_at_sync_quiet (MefotaAtSync *self);
/* Nobody waits for the end any more. */
void mefota_at_sync_stop (MefotaAtSync *self);

G_END_DECLS
