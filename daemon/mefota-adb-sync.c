/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-adb-sync-private.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mefota-error.h"

#define LONGEST_NAME 1024

static void
op_free (gpointer data)
{
  MefotaAdbOp *self = data;

  mefota_stall_free (self->stall);
  g_free (self->bytes);
  g_byte_array_unref (self->out);
  g_free (self->refusal);
  g_clear_object (&self->package);
  g_clear_error (&self->broken);
  g_clear_pointer (&self->entries, g_ptr_array_unref);
  g_free (self);
}

MefotaAdbSync *
mefota_adb_sync_new (GIOStream *stream, guint stall_ms)
{
  MefotaAdbSync *self = g_new0 (MefotaAdbSync, 1);

  self->stream = stream;
  self->stall_ms = stall_ms;
  return self;
}

void
mefota_adb_sync_free (MefotaAdbSync *self)
{
  g_object_unref (self->stream);
  g_free (self);
}

void
mefota_adb_entry_free (MefotaAdbEntry *self)
{
  g_free (self->name);
  g_free (self);
}

static guint32
get32 (const guint8 *bytes)
{
  return bytes[0] | (guint32) bytes[1] << 8 | (guint32) bytes[2] << 16 | (guint32) bytes[3] << 24;
}

guint32
mefota_adb_op_get_number (MefotaAdbOp *self)
{
  return get32 (self->head + 4);
}

gboolean
mefota_adb_op_is (MefotaAdbOp *self, const char *id)
{
  return memcmp (self->head, id, 4) == 0;
}

void
mefota_adb_op_put (MefotaAdbOp *self, const char *id, guint32 value, const void *bytes, gsize length)
{
  const guint8 number[] = { value & 0xff, value >> 8 & 0xff, value >> 16 & 0xff, value >> 24 & 0xff };

  g_byte_array_append (self->out, (const guint8 *) id, 4);
  g_byte_array_append (self->out, number, sizeof number);
  if (length > 0)
    g_byte_array_append (self->out, bytes, (guint) length);
}

/* ---- common ---- */

GTask *
mefota_adb_op_begin (MefotaAdbSync *sync, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback,
                     gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  MefotaAdbOp *op = g_new0 (MefotaAdbOp, 1);

  g_task_set_source_tag (task, tag);
  op->sync = sync;
  op->fd = -1;
  op->out = g_byte_array_new ();
  op->bytes = g_malloc (MEFOTA_ADB_CHUNK_MAX);
  op->stall = mefota_stall_new (cancellable, sync->stall_ms);
  g_task_set_task_data (task, op, op_free);
  return task;
}

static GError *
make_stalled_error (MefotaAdbOp *op)
{
  return g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                      "Nothing moved over adb for %u seconds; restart the module and try again.",
                      (op->sync->stall_ms + 999) / 1000);
}

GError *
mefota_adb_make_refusal (const char *words)
{
  if (strstr (words, "No space") != NULL)
    return g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                        "The module has no room for the file (%s); make room on it, or restart it.", words);
  return g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                      "The module refuses the file (%s); restart it and try again.", words);
}

GError *
mefota_adb_make_nonsense (void)
{
  return g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                      "What the module answers over adb makes no sense; restart it and try again.");
}

GError *
mefota_adb_op_explain (MefotaAdbOp *self, GError *error)
{
  if (error == NULL)
    error = g_error_new (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "the connection was closed");
  if (self->refusal != NULL || mefota_stall_has_fired (self->stall))
    {
      g_error_free (error);
      error = self->refusal != NULL ? mefota_adb_make_refusal (self->refusal) : make_stalled_error (self);
    }
  return error;
}

void
mefota_adb_op_read (GTask *task, void *buffer, gsize length, GAsyncReadyCallback callback)
{
  MefotaAdbOp *op = g_task_get_task_data (task);

  g_input_stream_read_all_async (g_io_stream_get_input_stream (op->sync->stream), buffer, length, G_PRIORITY_DEFAULT,
                                 mefota_stall_get_cancellable (op->stall), callback, g_object_ref (task));
}

void
mefota_adb_op_write (GTask *task, GAsyncReadyCallback callback)
{
  MefotaAdbOp *op = g_task_get_task_data (task);

  g_output_stream_write_all_async (g_io_stream_get_output_stream (op->sync->stream), op->out->data, op->out->len,
                                   G_PRIORITY_DEFAULT, mefota_stall_get_cancellable (op->stall), callback,
                                   g_object_ref (task));
}

/* FALSE: @task has failed. */
static gboolean
take_read (GTask *task, GObject *source, GAsyncResult *result, gsize wanted)
{
  MefotaAdbOp *op = g_task_get_task_data (task);
  GError *error = NULL;
  gsize got = 0;

  if (!g_input_stream_read_all_finish (G_INPUT_STREAM (source), result, &got, &error) || got != wanted)
    {
      g_task_return_error (task, mefota_adb_op_explain (op, error));
      return FALSE;
    }
  mefota_stall_touch (op->stall);
  return TRUE;
}

/* A request is small and goes at once, or not at all; @next reads the first of the answer. */
static void
on_requested (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaAdbOp *op = g_task_get_task_data (task);
  GError *error = NULL;

  if (!g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, &error))
    g_task_return_error (task, mefota_adb_op_explain (op, error));
  else
    mefota_adb_op_read (task, op->head, MEFOTA_ADB_HEAD, op->next);
}

static void
request (GTask *task, const char *id, const char *path, GAsyncReadyCallback next)
{
  MefotaAdbOp *op = g_task_get_task_data (task);

  mefota_adb_op_put (op, id, (guint32) strlen (path), path, strlen (path));
  op->next = next;
  mefota_adb_op_write (task, on_requested);
}

static void
on_reason (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaAdbOp *op = g_task_get_task_data (task);
  g_autofree char *words = NULL;

  if (!take_read (task, source, result, op->length))
    return;
  words = g_utf8_make_valid ((const char *) op->bytes, op->length);
  g_task_return_error (task, mefota_adb_make_refusal (words));
}

/* Anything but what was expected: FAIL and a reason, or nonsense. */
static void
take_other (GTask *task)
{
  MefotaAdbOp *op = g_task_get_task_data (task);

  op->length = mefota_adb_op_get_number (op);
  if (mefota_adb_op_is (op, "FAIL") && op->length <= MEFOTA_ADB_REASON_MAX)
    mefota_adb_op_read (task, op->bytes, op->length, on_reason);
  else
    g_task_return_error (task, mefota_adb_make_nonsense ());
}

/* ---- stat ---- */

static void
on_stat_rest (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaAdbOp *op = g_task_get_task_data (task);
  MefotaAdbEntry *entry;

  if (!take_read (task, source, result, 8))
    return;
  entry = g_new0 (MefotaAdbEntry, 1);
  entry->mode = mefota_adb_op_get_number (op);
  entry->size = get32 (op->rest);
  g_task_return_pointer (task, entry, (GDestroyNotify) mefota_adb_entry_free);
}

static void
on_stat_head (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaAdbOp *op = g_task_get_task_data (task);

  if (!take_read (task, source, result, MEFOTA_ADB_HEAD))
    return;
  if (mefota_adb_op_is (op, "STAT"))
    mefota_adb_op_read (task, op->rest, 8, on_stat_rest);
  else
    take_other (task);
}

void
mefota_adb_sync_stat_async (MefotaAdbSync *self, const char *path, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = mefota_adb_op_begin (self, mefota_adb_sync_stat_async, cancellable, callback, user_data);
  request (task, "STAT", path, on_stat_head);
}

MefotaAdbEntry *
mefota_adb_sync_stat_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- list ---- */

static void on_list_head (GObject *source, GAsyncResult *result, gpointer data);

static void
on_list_name (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaAdbOp *op = g_task_get_task_data (task);
  MefotaAdbEntry *entry;

  if (!take_read (task, source, result, op->length))
    return;
  if (op->entries->len >= op->most_entries)
    {
      g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                               "A folder of the module has more than %u entries; empty it.", op->most_entries);
      return;
    }
  entry = g_new0 (MefotaAdbEntry, 1);
  entry->mode = mefota_adb_op_get_number (op);
  entry->size = get32 (op->rest);
  entry->name = g_strndup ((const char *) op->bytes, op->length);
  g_ptr_array_add (op->entries, entry);
  mefota_adb_op_read (task, op->head, MEFOTA_ADB_HEAD, on_list_head);
}

static void
on_list_rest (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaAdbOp *op = g_task_get_task_data (task);

  if (!take_read (task, source, result, 12))
    return;
  op->length = get32 (op->rest + 8);
  if (mefota_adb_op_is (op, "DONE"))
    g_task_return_pointer (task, g_ptr_array_ref (op->entries), (GDestroyNotify) g_ptr_array_unref);
  else if (op->length > LONGEST_NAME)
    g_task_return_error (task, mefota_adb_make_nonsense ());
  else
    mefota_adb_op_read (task, op->bytes, op->length, on_list_name);
}

static void
on_list_head (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaAdbOp *op = g_task_get_task_data (task);

  if (!take_read (task, source, result, MEFOTA_ADB_HEAD))
    return;
  if (mefota_adb_op_is (op, "DENT") || mefota_adb_op_is (op, "DONE"))
    mefota_adb_op_read (task, op->rest, 12, on_list_rest);
  else
    take_other (task);
}

void
mefota_adb_sync_list_async (MefotaAdbSync *self, const char *path, guint most, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = mefota_adb_op_begin (self, mefota_adb_sync_list_async, cancellable, callback, user_data);
  MefotaAdbOp *op = g_task_get_task_data (task);

  op->most_entries = most;
  op->entries = g_ptr_array_new_with_free_func ((GDestroyNotify) mefota_adb_entry_free);
  request (task, "LIST", path, on_list_head);
}

GPtrArray *
mefota_adb_sync_list_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- pull ---- */

static void on_pull_head (GObject *source, GAsyncResult *result, gpointer data);

static gboolean
write_out (MefotaAdbOp *op, guint32 length)
{
  guint32 done = 0;

  while (done < length)
    {
      gssize n = write (op->fd, op->bytes + done, length - done);
      if (n < 0 && errno != EINTR)
        return FALSE;
      done += n > 0 ? (guint32) n : 0;
    }
  return TRUE;
}

static void
on_pull_data (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaAdbOp *op = g_task_get_task_data (task);
  guint32 length = (guint32) MIN (op->length, op->most - op->got);

  if (!take_read (task, source, result, op->length))
    return;
  if (!write_out (op, length))
    {
      g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
                               "What comes from the module cannot be written (%s); make room in the state directory.",
                               g_strerror (errno));
      return;
    }
  op->got += length;
  op->cut = length < op->length;
  if (op->cut)
    g_task_return_int (task, (gssize) op->got);
  else
    mefota_adb_op_read (task, op->head, MEFOTA_ADB_HEAD, on_pull_head);
}

static void
on_pull_head (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaAdbOp *op = g_task_get_task_data (task);

  if (!take_read (task, source, result, MEFOTA_ADB_HEAD))
    return;
  op->length = mefota_adb_op_get_number (op);
  if (mefota_adb_op_is (op, "DATA") && op->length <= MEFOTA_ADB_CHUNK_MAX)
    mefota_adb_op_read (task, op->bytes, op->length, on_pull_data);
  else if (mefota_adb_op_is (op, "DONE"))
    g_task_return_int (task, (gssize) op->got);
  else
    take_other (task);
}

void
mefota_adb_sync_pull_async (MefotaAdbSync *self, const char *path, int fd, guint64 most, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = mefota_adb_op_begin (self, mefota_adb_sync_pull_async, cancellable, callback, user_data);
  MefotaAdbOp *op = g_task_get_task_data (task);

  op->fd = fd;
  op->most = most;
  request (task, "RECV", path, on_pull_head);
}

gint64
mefota_adb_sync_pull_finish (GAsyncResult *result, gboolean *whole, GError **error)
{
  MefotaAdbOp *op = g_task_get_task_data (G_TASK (result));
  gboolean cut = op->cut;

  *whole = !cut;
  return g_task_propagate_int (G_TASK (result), error);
}
