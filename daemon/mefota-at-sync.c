/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-at-sync.h"

void
mefota_at_sync_abandon (MefotaAtSync *self)
{
  self->owed++;
  self->needed = TRUE;
}

void
mefota_at_sync_abandon_many (MefotaAtSync *self)
{
  self->owed = G_MAXUINT / 2;
  self->needed = TRUE;
}

void
mefota_at_sync_start (MefotaAtSync *self)
{
  self->phase = MEFOTA_AT_SYNC_TRYING;
}

void
mefota_at_sync_tried (MefotaAtSync *self)
{
  self->owed++;
}

gboolean
mefota_at_sync_final (MefotaAtSync *self, gboolean ok)
{
  if (self->owed > 0)
    self->owed--;
  if (self->phase == MEFOTA_AT_SYNC_OFF || (self->phase == MEFOTA_AT_SYNC_TRYING && !ok))
    return FALSE;
  if (self->owed == 0)
    {
      mefota_at_sync_quiet (self);
      return TRUE;
    }
  if (self->phase == MEFOTA_AT_SYNC_DRAINING)
    return FALSE;
  self->phase = MEFOTA_AT_SYNC_DRAINING;
  return TRUE;
}

void
mefota_at_sync_quiet (MefotaAtSync *self)
{
  self->owed = 0;
  self->needed = FALSE;
  self->phase = MEFOTA_AT_SYNC_OFF;
}

void
mefota_at_sync_stop (MefotaAtSync *self)
{
  self->phase = MEFOTA_AT_SYNC_OFF;
  self->needed = self->needed || self->owed > 0;
}
