/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-way-serial-private.h"

#include <string.h>

#include "mefota-error.h"

/* Times are in units of [timeouts] command (10 s): a module may erase flash before its prompt and write it before its
 * OK. To them comes what the line needs for the bytes, with half of it to spare. */
#define PIECE_MAX (512 * 1024) /* guide 4.1 */
#define DATA_COMMANDS 6
#define INSTALL_COMMANDS 3
#define LINE_SPARE_PERCENT 150
#define TTY_BUFFER (32 * 1024) /* what a tty may hold that cannot tell how much that is, such as a pty */

G_DEFINE_FINAL_TYPE (MefotaWaySerial, mefota_way_serial, MEFOTA_TYPE_WAY)

static void settle (MefotaWaySerial *self);

/* ---- time ---- */

static guint
line_ms (MefotaWaySerial *self, guint64 n_bytes)
{
  guint baud = self->baud > 0 ? self->baud : 115200;
  return (guint) (n_bytes * MEFOTA_WAY_SERIAL_BITS_PER_BYTE * 1000 / baud * LINE_SPARE_PERCENT / 100);
}

gsize
mefota_way_serial_get_queued (MefotaWaySerial *self)
{
  return MEFOTA_IS_TTY (self->stream) ? mefota_tty_get_queued (MEFOTA_TTY (self->stream)) : 0;
}

guint
mefota_way_serial_get_data_ms (MefotaWaySerial *self, guint64 n_bytes)
{
  guint64 held = MAX (mefota_way_serial_get_queued (self), TTY_BUFFER);
  return DATA_COMMANDS * self->command_ms + line_ms (self, n_bytes + held);
}

static void
clear_source (GSource **source)
{
  if (*source != NULL)
    g_source_destroy (*source);
  g_clear_pointer (source, g_source_unref);
}

void
mefota_way_serial_clear_deadline (MefotaWaySerial *self)
{
  clear_source (&self->deadline);
}

static gboolean
on_deadline (gpointer data)
{
  g_autoptr (MefotaWaySerial) self = g_object_ref (data);

  mefota_way_serial_clear_deadline (self);
  self->too_late = TRUE;
  g_cancellable_cancel (self->io);
  return G_SOURCE_REMOVE;
}

void
mefota_way_serial_arm (MefotaWaySerial *self, guint ms)
{
  mefota_way_serial_clear_deadline (self);
  self->deadline = g_timeout_source_new (ms);
  g_source_set_callback (self->deadline, on_deadline, self, NULL);
  g_source_attach (self->deadline, g_main_context_get_thread_default ());
}

/* ---- a step's beginning and end ---- */

static void
on_cancelled (GCancellable *callers, gpointer self)
{
  g_cancellable_cancel (((MefotaWaySerial *) self)->io);
}

static void
renew_io (MefotaWaySerial *self)
{
  g_clear_object (&self->io);
  self->io = g_cancellable_new ();
  self->too_late = FALSE;
}

static void
disconnect_callers (MefotaWaySerial *self)
{
  if (self->callers_id != 0)
    g_signal_handler_disconnect (self->callers, self->callers_id);
  self->callers_id = 0;
  g_clear_object (&self->callers);
}

static void
begin_step (MefotaWaySerial *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data,
            gpointer tag)
{
  g_assert (self->task == NULL);
  self->task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (self->task, tag);
  g_task_set_check_cancellable (self->task, FALSE); /* how the channel's own step ended is what counts */
  renew_io (self);
  if (cancellable == NULL)
    return;
  self->callers = g_object_ref (cancellable);
  if (g_cancellable_is_cancelled (cancellable))
    g_cancellable_cancel (self->io);
  else
    self->callers_id = g_signal_connect_object (cancellable, "cancelled", G_CALLBACK (on_cancelled), self, 0);
}

void
mefota_way_serial_end_step (MefotaWaySerial *self, GError *error)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  mefota_way_serial_clear_deadline (self);
  clear_source (&self->progress_due);
  disconnect_callers (self);
  self->doing = MEFOTA_WAY_SERIAL_NOTHING;
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_boolean (task, TRUE);
}

static char *
tell_reason (MefotaWaySerial *self, const GError *error)
{
  const char *advice = strstr (error->message, "; "); /* is the upgrade's to give */

  if (g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT))
    return g_strdup ("the port hung up");
  if (self->connected_late)
    return g_strdup ("the module said CONNECT only after bytes had been sent");
  if (self->too_late && self->doing == MEFOTA_WAY_SERIAL_SENDING)
    return g_strdup ("the module took no more bytes in time");
  if (self->too_late)
    return g_strdup ("no answer in time");
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return g_strdup ("the module went away");
  return g_strndup (error->message, advice != NULL ? (gsize) (advice - error->message) : strlen (error->message));
}

/* Says where it was: "at byte 524288 of 1572871 (AT+ZCOMWRT): …". Takes @error. */
static GError *
locate (MefotaWaySerial *self, GError *error)
{
  g_autoptr (GError) owned = error;
  g_autofree char *reason = tell_reason (self, owned);
  gboolean ours = self->too_late || self->connected_late;
  gboolean cancelled = !ours && g_error_matches (owned, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  gboolean gone = g_error_matches (owned, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT);
  gboolean in_piece = self->doing == MEFOTA_WAY_SERIAL_SENDING || self->doing == MEFOTA_WAY_SERIAL_CONFIRMING;
  guint64 at = self->confirmed + (in_piece ? self->given : 0);

  return g_error_new (cancelled ? G_IO_ERROR : MEFOTA_ERROR,
                      cancelled ? (int) G_IO_ERROR_CANCELLED
                                : (int) (gone ? MEFOTA_ERROR_NOT_PRESENT : MEFOTA_ERROR_TRANSFER_FAILED),
                      "at byte %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " (%s): %s", at,
                      mefota_package_get_size (self->package),
                      self->doing < MEFOTA_WAY_SERIAL_ASKING ? "AT+ZCOMDEL" : "AT+ZCOMWRT", reason);
}

void
mefota_way_serial_fail_step (MefotaWaySerial *self, GError *error)
{
  mefota_way_serial_end_step (self, locate (self, error));
}

/* ---- leaving the data of a piece ---- */

static void
on_deleted (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWaySerial) self = data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);

  /* Cancelled together with its OK: a piece that is not asked for need not be filled up. */
  if (error != NULL || (!self->only_deletes && g_cancellable_set_error_if_cancelled (self->io, &error)))
    {
      mefota_way_serial_fail_step (self, g_steal_pointer (&error));
      return;
    }
  self->piece = self->given = self->confirmed = 0;
  if (!self->only_deletes)
    {
      mefota_way_serial_ask_for_piece (self);
      return;
    }
  g_signal_emit_by_name (self, "piece", (guint64) 0);
  mefota_way_serial_end_step (self, NULL);
}

/* The command may have to wait for a synchronisation, with a module that is still busy with what it got. */
static void
delete_package (MefotaWaySerial *self)
{
  guint limit = mefota_way_serial_get_data_ms (self, 2 * self->piece);

  self->doing = MEFOTA_WAY_SERIAL_DELETING;
  mefota_way_serial_arm (self, limit);
  mefota_at_channel_send_async (self->channel, "AT+ZCOMDEL", NULL,
                                mefota_at_channel_is_out_of_step (self->channel) ? limit : self->command_ms, self->io,
                                on_deleted, g_object_ref (self));
}

static void
on_filled_up (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWaySerial) self = data;

  /* Whatever it says: the package is void. */
  mefota_at_channel_data_end_finish (MEFOTA_AT_CHANNEL (source), result, NULL);
  if (self->too_late)
    renew_io (self);
  delete_package (self);
}

/* One that takes no more is given up: the channel goes on with it when it synchronises. */
static void
end_piece (MefotaWaySerial *self, guint ms)
{
  self->doing = MEFOTA_WAY_SERIAL_ENDING;
  mefota_way_serial_clear_deadline (self);
  mefota_at_channel_data_end_async (self->channel, ms, NULL, on_filled_up, g_object_ref (self));
}

static void
on_filled (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWaySerial) self = data;
  gboolean ok = mefota_at_channel_data_write_finish (MEFOTA_AT_CHANNEL (source), result, NULL);

  if (ok)
    settle (self);
  else
    end_piece (self, 1);
}

/* From whatever state the last piece is in to one where commands are taken. */
static void
settle (MefotaWaySerial *self)
{
  static guint8 filler[MEFOTA_WAY_SERIAL_SLICE];
  gsize missing = mefota_at_channel_data_get_missing (self->channel);
  g_autoptr (GBytes) bytes = NULL;

  if (self->out_of_step)
    {
      self->out_of_step = FALSE;
      end_piece (self, 1);
      return;
    }
  if (missing == 0)
    {
      if (self->doing == MEFOTA_WAY_SERIAL_FILLING)
        end_piece (self, mefota_way_serial_get_data_ms (self, 0));
      else
        delete_package (self);
      return;
    }
  if (self->doing != MEFOTA_WAY_SERIAL_FILLING)
    g_debug ("%s: filling up %" G_GSIZE_FORMAT " bytes that the module still counts on", self->module, missing);
  self->doing = MEFOTA_WAY_SERIAL_FILLING;
  memset (filler, '\r', sizeof filler);
  bytes = g_bytes_new_static (filler, MIN (missing, sizeof filler));
  mefota_way_serial_arm (self, mefota_way_serial_get_data_ms (self, g_bytes_get_size (bytes)));
  mefota_at_channel_data_write_async (self->channel, bytes, self->io, on_filled, g_object_ref (self));
}

/* ---- what the upgrade calls ---- */

static void
on_connect (MefotaAtChannel *channel, gboolean late, gpointer data)
{
  MefotaWaySerial *self = data;

  self->connected = TRUE;
  if (!late || self->connected_late || self->task == NULL)
    return;
  self->connected_late = self->out_of_step = TRUE;
  self->style = MEFOTA_PROMPT_CONNECT;
  g_cancellable_cancel (self->io);
}

static void
set_channel (MefotaWaySerial *self, MefotaAtChannel *channel)
{
  if (self->channel == channel)
    return;
  if (self->channel != NULL)
    g_signal_handler_disconnect (self->channel, self->connect_id);
  g_set_object (&self->channel, channel);
  self->connect_id = g_signal_connect (channel, "connect", G_CALLBACK (on_connect), self);
}

static void
prepare_async (MefotaWay *way, const MefotaWayContext *context, MefotaAtChannel *channel, GCancellable *cancellable,
               GAsyncReadyCallback callback, gpointer user_data)
{
  MefotaWaySerial *self = MEFOTA_WAY_SERIAL (way);
  gboolean first = self->package == NULL;

  g_free (self->module);
  self->module = g_strdup (context->module);
  g_set_object (&self->stream, context->stream);
  g_set_object (&self->package, context->package);
  set_channel (self, channel);
  self->baud = context->baud;
  self->command_ms = context->timeouts->command;
  self->piece_max = context->profile->piece > 0 ? MIN (context->profile->piece, PIECE_MAX) : PIECE_MAX;
  if (first)
    self->style = context->profile->prompt;
  if (self->percent > 0)
    g_signal_emit_by_name (self, "progress", self->percent = 0);
  self->connected = self->connected_late = FALSE;
  self->only_deletes = FALSE;
  begin_step (self, cancellable, callback, user_data, prepare_async);
  settle (self);
}

static void
transfer_async (MefotaWay *way, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  MefotaWaySerial *self = MEFOTA_WAY_SERIAL (way);

  begin_step (self, cancellable, callback, user_data, transfer_async);
  mefota_way_serial_send_on (self);
}

static void
on_installing (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWaySerial) self = data;
  GError *error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);

  if (g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR))
    {
      g_autofree char *message = g_steal_pointer (&error->message);
      error->message = mefota_error_to_clause (message, FALSE); /* the advice is the upgrade's to give */
    }
  mefota_way_serial_end_step (self, error);
}

static void
install_async (MefotaWay *way, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  MefotaWaySerial *self = MEFOTA_WAY_SERIAL (way);

  begin_step (self, cancellable, callback, user_data, install_async);
  self->doing = MEFOTA_WAY_SERIAL_INSTALLING;
  mefota_at_channel_send_async (self->channel, "AT+ZCOMUPDATE", NULL, INSTALL_COMMANDS * self->command_ms, self->io,
                                on_installing, g_object_ref (self));
}

static void
clean_up_async (MefotaWay *way, MefotaAtChannel *channel, GCancellable *cancellable, GAsyncReadyCallback callback,
                gpointer user_data)
{
  MefotaWaySerial *self = MEFOTA_WAY_SERIAL (way);

  set_channel (self, channel);
  self->only_deletes = TRUE;
  self->connected_late = FALSE;
  begin_step (self, cancellable, callback, user_data, clean_up_async);
  settle (self);
}

static void
mefota_way_serial_dispose (GObject *object)
{
  MefotaWaySerial *self = MEFOTA_WAY_SERIAL (object);

  mefota_way_serial_clear_deadline (self);
  clear_source (&self->progress_due);
  disconnect_callers (self);
  /* Nobody else knows that the channel is in the middle of data, and it would wait for the rest for ever. */
  if (self->channel != NULL && self->piece > 0 && mefota_at_channel_data_get_missing (self->channel) > 0)
    mefota_at_channel_data_end_async (self->channel, 1, NULL, NULL, NULL);
  if (self->channel != NULL && self->connect_id != 0)
    g_signal_handler_disconnect (self->channel, self->connect_id);
  self->connect_id = 0;
  g_clear_object (&self->channel);
  g_clear_object (&self->stream);
  g_clear_object (&self->package);
  g_clear_object (&self->io);
  G_OBJECT_CLASS (mefota_way_serial_parent_class)->dispose (object);
}

static void
mefota_way_serial_finalize (GObject *object)
{
  g_free (MEFOTA_WAY_SERIAL (object)->module);
  G_OBJECT_CLASS (mefota_way_serial_parent_class)->finalize (object);
}

static void
mefota_way_serial_class_init (MefotaWaySerialClass *klass)
{
  MefotaWayClass *way_class = MEFOTA_WAY_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = mefota_way_serial_dispose;
  G_OBJECT_CLASS (klass)->finalize = mefota_way_serial_finalize;
  way_class->prepare_async = prepare_async;
  way_class->transfer_async = transfer_async;
  way_class->install_async = install_async;
  way_class->clean_up_async = clean_up_async;
}

static void
mefota_way_serial_init (MefotaWaySerial *self)
{
  self->module = g_strdup ("");
}

MefotaWay *
mefota_way_serial_new (void)
{
  return g_object_new (MEFOTA_TYPE_WAY_SERIAL, NULL);
}
