/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-adb-sync.h"

#include <errno.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mefota-error.h"
#include "mefota-stall.h"

/* Most that one DATA may carry, by the protocol. */
#define LARGEST_CHUNK 65536
#define LONGEST_NAME 1024
#define LONGEST_REASON 1024

/* Every message begins with four letters and a little-endian number. */
#define HEAD 8

struct _MefotaAdbSync
{
  GIOStream *stream;
  guint stall_ms;
};

typedef struct
{
  MefotaAdbSync *sync;
  MefotaStall *stall;
  guint8 head[HEAD];
  guint8 rest[12]; /* of a message with more numbers */
  guint8 *bytes;   /* LARGEST_CHUNK */
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
} Op;

static void
op_free (gpointer data)
{
  Op *self = data;

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

static void
put (GByteArray *out, const char *id, guint32 value, const void *bytes, gsize length)
{
  const guint8 number[] = { value & 0xff, value >> 8 & 0xff, value >> 16 & 0xff, value >> 24 & 0xff };

  g_byte_array_append (out, (const guint8 *) id, 4);
  g_byte_array_append (out, number, sizeof number);
  g_byte_array_append (out, bytes, (guint) length);
}

/* ---- common ---- */

static GTask *
begin (MefotaAdbSync *self, gpointer tag, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (NULL, cancellable, callback, user_data);
  Op *op = g_new0 (Op, 1);

  g_task_set_source_tag (task, tag);
  op->sync = self;
  op->fd = -1;
  op->out = g_byte_array_new ();
  op->bytes = g_malloc (LARGEST_CHUNK);
  op->stall = mefota_stall_new (cancellable, self->stall_ms);
  g_task_set_task_data (task, op, op_free);
  return task;
}

static GError *
make_stalled_error (Op *op)
{
  return g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                      "Nothing moved over adb for %u seconds; restart the module and try again.",
                      (op->sync->stall_ms + 999) / 1000);
}

static GError *
make_refusal (const char *words)
{
  if (strstr (words, "No space") != NULL)
    return g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                        "The module has no room for the file (%s); make room on it, or restart it.", words);
  return g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED, "The module refuses the file (%s).", words);
}

/* What a failed read or write means; takes @error. */
static GError *
explain (Op *op, GError *error)
{
  if (error == NULL)
    error = g_error_new (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "the connection was closed");
  if (op->refusal != NULL || mefota_stall_has_fired (op->stall))
    {
      g_error_free (error);
      error = op->refusal != NULL ? make_refusal (op->refusal) : make_stalled_error (op);
    }
  return error;
}

static void
return_nonsense (GTask *task)
{
  g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                           "What the module answers over adb makes no sense; restart it and try again.");
}

static void
read_into (GTask *task, void *buffer, gsize length, GAsyncReadyCallback callback)
{
  Op *op = g_task_get_task_data (task);

  g_input_stream_read_all_async (g_io_stream_get_input_stream (op->sync->stream), buffer, length, G_PRIORITY_DEFAULT,
                                 mefota_stall_get_cancellable (op->stall), callback, g_object_ref (task));
}

/* FALSE: @task has failed. */
static gboolean
take_read (GTask *task, GObject *source, GAsyncResult *result, gsize wanted)
{
  Op *op = g_task_get_task_data (task);
  GError *error = NULL;
  gsize got = 0;

  if (!g_input_stream_read_all_finish (G_INPUT_STREAM (source), result, &got, &error) || got != wanted)
    {
      g_task_return_error (task, explain (op, error));
      return FALSE;
    }
  mefota_stall_touch (op->stall);
  return TRUE;
}

static gboolean
is (Op *op, const char *id)
{
  return memcmp (op->head, id, 4) == 0;
}

/* A request is small and goes at once, or not at all; @next reads the first of the answer. */
static void
on_requested (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Op *op = g_task_get_task_data (task);
  GError *error = NULL;

  if (!g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, &error))
    g_task_return_error (task, explain (op, error));
  else
    read_into (task, op->head, HEAD, op->next);
}

static void
request (GTask *task, const char *id, const char *path, GAsyncReadyCallback next)
{
  Op *op = g_task_get_task_data (task);

  put (op->out, id, (guint32) strlen (path), path, strlen (path));
  op->next = next;
  g_output_stream_write_all_async (g_io_stream_get_output_stream (op->sync->stream), op->out->data, op->out->len,
                                   G_PRIORITY_DEFAULT, mefota_stall_get_cancellable (op->stall), on_requested,
                                   g_object_ref (task));
}

static void
on_reason (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Op *op = g_task_get_task_data (task);
  g_autofree char *words = NULL;

  if (!take_read (task, source, result, op->length))
    return;
  words = g_utf8_make_valid ((const char *) op->bytes, op->length);
  g_task_return_error (task, make_refusal (words));
}

/* Anything but what was expected: FAIL and a reason, or nonsense. */
static void
take_other (GTask *task)
{
  Op *op = g_task_get_task_data (task);

  op->length = get32 (op->head + 4);
  if (is (op, "FAIL") && op->length <= LONGEST_REASON)
    read_into (task, op->bytes, op->length, on_reason);
  else
    return_nonsense (task);
}

/* ---- stat ---- */

static void
on_stat_rest (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Op *op = g_task_get_task_data (task);
  MefotaAdbEntry *entry;

  if (!take_read (task, source, result, 8))
    return;
  entry = g_new0 (MefotaAdbEntry, 1);
  entry->mode = get32 (op->head + 4);
  entry->size = get32 (op->rest);
  g_task_return_pointer (task, entry, (GDestroyNotify) mefota_adb_entry_free);
}

static void
on_stat_head (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Op *op = g_task_get_task_data (task);

  if (!take_read (task, source, result, HEAD))
    return;
  if (is (op, "STAT"))
    read_into (task, op->rest, 8, on_stat_rest);
  else
    take_other (task);
}

void
mefota_adb_sync_stat_async (MefotaAdbSync *self, const char *path, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = begin (self, mefota_adb_sync_stat_async, cancellable, callback, user_data);
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
  Op *op = g_task_get_task_data (task);
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
  entry->mode = get32 (op->head + 4);
  entry->size = get32 (op->rest);
  entry->name = g_strndup ((const char *) op->bytes, op->length);
  g_ptr_array_add (op->entries, entry);
  read_into (task, op->head, HEAD, on_list_head);
}

static void
on_list_rest (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Op *op = g_task_get_task_data (task);

  if (!take_read (task, source, result, 12))
    return;
  op->length = get32 (op->rest + 8);
  if (is (op, "DONE"))
    g_task_return_pointer (task, g_ptr_array_ref (op->entries), (GDestroyNotify) g_ptr_array_unref);
  else if (op->length > LONGEST_NAME)
    return_nonsense (task);
  else
    read_into (task, op->bytes, op->length, on_list_name);
}

static void
on_list_head (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Op *op = g_task_get_task_data (task);

  if (!take_read (task, source, result, HEAD))
    return;
  if (is (op, "DENT") || is (op, "DONE"))
    read_into (task, op->rest, 12, on_list_rest);
  else
    take_other (task);
}

void
mefota_adb_sync_list_async (MefotaAdbSync *self, const char *path, guint most, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = begin (self, mefota_adb_sync_list_async, cancellable, callback, user_data);
  Op *op = g_task_get_task_data (task);

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
write_out (Op *op, guint32 length)
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
  Op *op = g_task_get_task_data (task);
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
    read_into (task, op->head, HEAD, on_pull_head);
}

static void
on_pull_head (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Op *op = g_task_get_task_data (task);

  if (!take_read (task, source, result, HEAD))
    return;
  op->length = get32 (op->head + 4);
  if (is (op, "DATA") && op->length <= LARGEST_CHUNK)
    read_into (task, op->bytes, op->length, on_pull_data);
  else if (is (op, "DONE"))
    g_task_return_int (task, (gssize) op->got);
  else
    take_other (task);
}

void
mefota_adb_sync_pull_async (MefotaAdbSync *self, const char *path, int fd, guint64 most, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = begin (self, mefota_adb_sync_pull_async, cancellable, callback, user_data);
  Op *op = g_task_get_task_data (task);

  op->fd = fd;
  op->most = most;
  request (task, "RECV", path, on_pull_head);
}

gint64
mefota_adb_sync_pull_finish (GAsyncResult *result, gboolean *whole, GError **error)
{
  Op *op = g_task_get_task_data (G_TASK (result));
  gboolean cut = op->cut;

  *whole = !cut;
  return g_task_propagate_int (G_TASK (result), error);
}

/* ---- push ---- */

static void write_next (GTask *task);

/* The answer is awaited from the start: a module whose storage is full says so in the middle. Both directions have to be
 * at rest before the task may end. */
static void
end_push (GTask *task)
{
  Op *op = g_task_get_task_data (task);

  if (op->running > 0)
    return;
  if (op->refusal != NULL)
    g_task_return_error (task, make_refusal (op->refusal));
  else if (op->replied && op->all_written)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, explain (op, g_steal_pointer (&op->broken)));
}

static void
break_push (GTask *task, GError *error)
{
  Op *op = g_task_get_task_data (task);

  if (op->broken == NULL)
    op->broken = error;
  else
    g_clear_error (&error);
  mefota_stall_break (op->stall);
}

static gboolean
on_linger (gpointer data)
{
  Op *op = g_task_get_task_data (data);
  mefota_stall_break (op->stall);
  return G_SOURCE_REMOVE;
}

static void
on_push_reason (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Op *op = g_task_get_task_data (task);
  GError *error = NULL;
  gsize got = 0;

  op->running--;
  if (g_input_stream_read_all_finish (G_INPUT_STREAM (source), result, &got, &error) && got == op->length)
    op->refusal = g_utf8_make_valid ((const char *) op->bytes, op->length);
  break_push (task, error);
  end_push (task);
}

static void
on_push_reply (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Op *op = g_task_get_task_data (task);
  GError *error = NULL;
  gsize got = 0;

  op->running--;
  op->length = get32 (op->head + 4);
  if (!g_input_stream_read_all_finish (G_INPUT_STREAM (source), result, &got, &error) || got != HEAD)
    break_push (task, error);
  else if (is (op, "OKAY") && op->all_written)
    op->replied = TRUE;
  else if (is (op, "FAIL") && op->length <= LONGEST_REASON)
    {
      op->running++;
      read_into (task, op->bytes, op->length, on_push_reason);
      return;
    }
  else
    break_push (task, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                                   "What the module answers over adb makes no sense; restart it and try again."));
  end_push (task);
}

static void
on_push_written (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Op *op = g_task_get_task_data (task);
  GError *error = NULL;

  op->running--;
  if (!g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, &error))
    {
      /* The reason may be on its way in the other direction. */
      if (op->broken == NULL && op->running > 0 && !g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
        {
          op->broken = error;
          g_timeout_add_full (G_PRIORITY_DEFAULT, 1000, on_linger, g_object_ref (task), g_object_unref);
        }
      else
        break_push (task, error);
      end_push (task);
      return;
    }
  mefota_stall_touch (op->stall);
  if (op->progress != NULL && !op->all_written)
    op->progress (op->offset, op->progress_data);
  if (op->broken == NULL && !op->all_written)
    write_next (task);
  else
    end_push (task);
}

static void
write_next (GTask *task)
{
  Op *op = g_task_get_task_data (task);
  guint64 left = mefota_package_get_size (op->package) - op->offset;
  g_autoptr (GBytes) slice = NULL;
  GError *error = NULL;

  g_byte_array_set_size (op->out, 0);
  if (left > 0)
    {
      slice = mefota_package_read (op->package, op->offset, (gsize) MIN (left, LARGEST_CHUNK), &error);
      if (slice == NULL)
        {
          break_push (task, error);
          end_push (task);
          return;
        }
      op->offset += g_bytes_get_size (slice);
      put (op->out, "DATA", (guint32) g_bytes_get_size (slice), g_bytes_get_data (slice, NULL), g_bytes_get_size (slice));
    }
  else
    {
      put (op->out, "DONE", (guint32) (g_get_real_time () / G_USEC_PER_SEC), NULL, 0);
      op->all_written = TRUE;
    }
  op->running++;
  g_output_stream_write_all_async (g_io_stream_get_output_stream (op->sync->stream), op->out->data, op->out->len,
                                   G_PRIORITY_DEFAULT, mefota_stall_get_cancellable (op->stall), on_push_written,
                                   g_object_ref (task));
}

void
mefota_adb_sync_push_async (MefotaAdbSync *self, MefotaPackage *package, const char *path, MefotaAdbProgress progress,
                            gpointer progress_data, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_autoptr (GTask) task = begin (self, mefota_adb_sync_push_async, cancellable, callback, user_data);
  g_autofree char *target = g_strdup_printf ("%s,%d", path, S_IFREG | 0644);
  Op *op = g_task_get_task_data (task);

  op->package = g_object_ref (package);
  op->progress = progress;
  op->progress_data = progress_data;
  put (op->out, "SEND", (guint32) strlen (target), target, strlen (target));
  op->running = 2;
  read_into (task, op->head, HEAD, on_push_reply);
  g_output_stream_write_all_async (g_io_stream_get_output_stream (self->stream), op->out->data, op->out->len,
                                   G_PRIORITY_DEFAULT, mefota_stall_get_cancellable (op->stall), on_push_written,
                                   g_object_ref (task));
}

gboolean
mefota_adb_sync_push_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
