/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared by the two files of file transfer: mefota-adb-sync.c (small requests, lists, pulls) and mefota-adb-push.c. */

#include "mefota-adb-sync.h"
#include "mefota-stall.h"

G_BEGIN_DECLS

/* Most that one DATA may carry, by the protocol. */
#define MEFOTA_ADB_CHUNK_MAX 65536
#define MEFOTA_ADB_REASON_MAX 1024

/* Every message begins with four letters and a little-endian number. */
#define MEFOTA_ADB_HEAD 8

struct _MefotaAdbSync
{
  GIOStream *stream;
  guint stall_ms;
};

typedef struct
{
  MefotaAdbSync *sync;
  MefotaStall *stall;
  guint8 head[MEFOTA_ADB_HEAD];
  guint8 rest[12]; /* of a message with more numbers */
  guint8 *bytes;   /* MEFOTA_ADB_CHUNK_MAX */
  guint32 length;  /* of what is read into bytes */
  GByteArray *out;
  GAsyncReadyCallback next; /* after a request */
  char *refusal; /* in the module's words */

  /* push */
  MefotaPackage *package;
  guint64 offset;
  gboolean all_written, replied;
  guint running; /* reads and writes under way */
  GError *broken;
  MefotaAdbProgress progress;
  gpointer progress_data;

  /* list */
  GPtrArray *entries;
  guint most_entries;

  /* pull */
  int fd;
  guint64 most, got;
  gboolean cut;
} MefotaAdbOp;

/* A task for one operation, its data a MefotaAdbOp. */
GTask *mefota_adb_op_begin (MefotaAdbSync *sync, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data);
void mefota_adb_op_read (GTask *task, void *buffer, gsize length, GAsyncReadyCallback callback);
/* Sends what stands in out. */
void mefota_adb_op_write (GTask *task, GAsyncReadyCallback callback);
/* Adds a message to out. */
void mefota_adb_op_put (MefotaAdbOp *self, const char *id, guint32 value, const void *bytes, gsize length);
gboolean mefota_adb_op_is (MefotaAdbOp *self, const char *id);
/* The number in the head of a message. */
guint32 mefota_adb_op_get_number (MefotaAdbOp *self);
/* What a failed read or write means; takes @error (nullable). */
GError *mefota_adb_op_explain (MefotaAdbOp *self, GError *error);
GError *mefota_adb_make_refusal (const char *words);
GError *mefota_adb_make_nonsense (void);

G_END_DECLS
