/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "mefota-package.h"

G_BEGIN_DECLS

/* A module's files over one "sync:" stream (mefota_adb_device_stream_async()). One operation at a time; after one that
 * failed the stream is of no more use. Nothing that comes from the module is believed: lengths are bounded.
 *
 * Errors of all: TRANSFER_FAILED (the module refuses, in its words; or nothing moved for @stall_ms), what the stream
 * says (G_IO_ERROR; see mefota_adb_device_explain_async()), or G_IO_ERROR_CANCELLED. */

typedef struct _MefotaAdbSync MefotaAdbSync;

/* Takes @stream. */
MefotaAdbSync *mefota_adb_sync_new (GIOStream *stream, guint stall_ms);
void mefota_adb_sync_free (MefotaAdbSync *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MefotaAdbSync, mefota_adb_sync_free)

/* @progress: called with the bytes that adb has taken so far, which the module has but for the last packets. */
typedef void (*MefotaAdbProgress) (guint64 bytes, gpointer user_data);
void mefota_adb_sync_push_async (MefotaAdbSync *self, MefotaPackage *package, const char *path,
                                 MefotaAdbProgress progress, gpointer progress_data, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data);
/* TRUE: the module says that it has all of it. */
gboolean mefota_adb_sync_push_finish (GAsyncResult *result, GError **error);

typedef struct
{
  char *name; /* as the module gives it: any bytes but NUL */
  guint mode; /* as in st_mode; 0: there is no such file */
  guint64 size;
} MefotaAdbEntry;

void mefota_adb_entry_free (MefotaAdbEntry *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MefotaAdbEntry, mefota_adb_entry_free)

void mefota_adb_sync_stat_async (MefotaAdbSync *self, const char *path, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data);
MefotaAdbEntry *mefota_adb_sync_stat_finish (GAsyncResult *result, GError **error);

/* At most @most entries, then TRANSFER_FAILED. A folder that is not there has none. */
void mefota_adb_sync_list_async (MefotaAdbSync *self, const char *path, guint most, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *mefota_adb_sync_list_finish (GAsyncResult *result, GError **error);

/* Writes the file into @fd (stays the caller's), at most @most bytes. Also STORAGE_FAILED. */
void mefota_adb_sync_pull_async (MefotaAdbSync *self, const char *path, int fd, guint64 most, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data);
/* Bytes written, or -1. @whole: FALSE if @most was reached; that is no error, but the end of the stream's use. */
gint64 mefota_adb_sync_pull_finish (GAsyncResult *result, gboolean *whole, GError **error);

G_END_DECLS
