/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include <sys/stat.h>

#include "mefota-adb-sync-private.h"

static void write_next (GTask *task);

/* The answer is awaited from the start: a module whose storage is full says so in the middle. Both directions have to
 * be at rest before the task may end. */
static void
end_push (GTask *task)
{
  MefotaAdbOp *op = g_task_get_task_data (task);

  if (op->running > 0)
    return;
  if (op->refusal != NULL)
    g_task_return_error (task, mefota_adb_make_refusal (op->refusal));
  else if (op->replied && op->all_written)
    g_task_return_boolean (task, TRUE);
  else
    g_task_return_error (task, mefota_adb_op_explain (op, g_steal_pointer (&op->broken)));
}

static void
break_push (GTask *task, GError *error)
{
  MefotaAdbOp *op = g_task_get_task_data (task);

  if (op->broken == NULL)
    op->broken = error;
  else
    g_clear_error (&error);
  mefota_stall_break (op->stall);
}

static gboolean
on_linger (gpointer data)
{
  MefotaAdbOp *op = g_task_get_task_data (data);
  mefota_stall_break (op->stall);
  return G_SOURCE_REMOVE;
}

static void
on_push_reason (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaAdbOp *op = g_task_get_task_data (task);
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
  MefotaAdbOp *op = g_task_get_task_data (task);
  GError *error = NULL;
  gsize got = 0;

  op->running--;
  op->length = mefota_adb_op_get_number (op);
  if (!g_input_stream_read_all_finish (G_INPUT_STREAM (source), result, &got, &error) || got != MEFOTA_ADB_HEAD)
    break_push (task, error);
  else if (mefota_adb_op_is (op, "OKAY") && op->all_written)
    op->replied = TRUE;
  else if (mefota_adb_op_is (op, "FAIL") && op->length <= MEFOTA_ADB_REASON_MAX)
    {
      op->running++;
      mefota_adb_op_read (task, op->bytes, op->length, on_push_reason);
      return;
    }
  else
    break_push (task, mefota_adb_make_nonsense ());
  end_push (task);
}

static void
on_push_written (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaAdbOp *op = g_task_get_task_data (task);
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
  MefotaAdbOp *op = g_task_get_task_data (task);
  guint64 left = mefota_package_get_size (op->package) - op->offset;
  g_autoptr (GBytes) slice = NULL;
  GError *error = NULL;

  g_byte_array_set_size (op->out, 0);
  if (left > 0)
    {
      slice = mefota_package_read (op->package, op->offset, (gsize) MIN (left, MEFOTA_ADB_CHUNK_MAX), &error);
      if (slice == NULL)
        {
          break_push (task, error);
          end_push (task);
          return;
        }
      op->offset += g_bytes_get_size (slice);
      mefota_adb_op_put (op, "DATA", (guint32) g_bytes_get_size (slice), g_bytes_get_data (slice, NULL),
                         g_bytes_get_size (slice));
    }
  else
    {
      mefota_adb_op_put (op, "DONE", (guint32) (g_get_real_time () / G_USEC_PER_SEC), NULL, 0);
      op->all_written = TRUE;
    }
  op->running++;
  mefota_adb_op_write (task, on_push_written);
}

void
mefota_adb_sync_push_async (MefotaAdbSync *self, MefotaPackage *package, const char *path, MefotaAdbProgress progress,
                            gpointer progress_data, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data)
{
  g_autoptr (GTask) task = mefota_adb_op_begin (self, mefota_adb_sync_push_async, cancellable, callback, user_data);
  g_autofree char *target = g_strdup_printf ("%s,%d", path, S_IFREG | 0644);
  MefotaAdbOp *op = g_task_get_task_data (task);

  op->package = g_object_ref (package);
  op->progress = progress;
  op->progress_data = progress_data;
  mefota_adb_op_put (op, "SEND", (guint32) strlen (target), target, strlen (target));
  op->running = 2;
  mefota_adb_op_read (task, op->head, MEFOTA_ADB_HEAD, on_push_reply);
  mefota_adb_op_write (task, on_push_written);
}

gboolean
mefota_adb_sync_push_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}
