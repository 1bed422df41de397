/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared by the files of the store only. */

#include "mefota-store.h"

G_BEGIN_DECLS

#define MEFOTA_STORE_HISTORY "history"

struct _MefotaStore
{
  char *directory;
  GPtrArray *history; /* oldest first; NULL until it is needed */
  GPtrArray *owed;    /* what could not be written, oldest first */
  guint retry_id;
};

/* Writes a file whole and durably. Errors: STORAGE_FAILED */
gboolean mefota_store_write (MefotaStore *self, const char *path, const char *text, GError **error);

/* That file is to be written as soon as there is room. */
void mefota_store_owe (MefotaStore *self, const char *path, const char *text);
/* It has been written, or is not to be any more. */
void mefota_store_settle (MefotaStore *self, const char *path);
/* Tries to write all that is owed. */
void mefota_store_settle_all (MefotaStore *self);

G_END_DECLS
