/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-way-serial.h"

#include <string.h>

#include "mefota-error.h"

/* All that is about time and size, in one place. The tty is never dry while the next slice is fetched: it holds 4 KiB and
 * more. Times are in units of [timeouts] command (10 s): a module may erase flash before its prompt and write it before
 * its OK. To them comes what the line needs for the bytes, with half of it to spare. */
#define SLICES_PER_SECOND 4 /* so that progress is told often, and a slice is not a matter of minutes ... */
#define SLICE_MIN (4 * 1024)
#define SLICE_MAX (64 * 1024) /* ... but where the tty takes more than its rate would tell, fewer slices cost less */
#define PIECE_MAX (512 * 1024) /* guide 4.1 */
#define PROMPT_COMMANDS 2
#define DATA_COMMANDS 6
#define INSTALL_COMMANDS 3
#define LINE_BITS_PER_BYTE 10
#define LINE_SPARE_PERCENT 150
#define PROGRESS_PAUSE_US 50000 /* nobody can see more of it, and the bus has to carry it */
#define TTY_BUFFER (32 * 1024) /* what a tty may hold that cannot tell how much that is, such as a pty */

typedef enum
{
  NOTHING,
  FILLING,  /* what is left of a piece */
  ENDING,   /* waiting for the final result of one that was filled up */
  DELETING, /* AT+ZCOMDEL */
  ASKING,   /* AT+ZCOMWRT up to the prompt */
  SENDING,
  CONFIRMING, /* waiting for the piece's final result */
  INSTALLING,
} Doing;

struct _MefotaWaySerial
{
  MefotaWay parent_instance;

  char *module;
  GIOStream *stream;
  MefotaPackage *package;
  MefotaAtChannel *channel;
  gulong connect_id;
  guint baud;
  guint command_ms;
  guint64 piece_max;
  MefotaPromptStyle style;

  guint64 confirmed; /* bytes in pieces that ended with OK */
  guint64 piece;     /* bytes of the one under way; 0: none */
  guint64 given;     /* of them given to the channel */
  guint64 slice;     /* the last of those */
  gint64 slice_began;
  guint percent;
  gint64 told_at;
  gboolean connected, connected_late;
  gboolean out_of_step; /* the module counts on more than the channel knows */

  /* the step that runs */
  GTask *task;
  Doing doing;
  gboolean only_deletes; /* clean_up */
  GCancellable *io;      /* of the channel's own step: cancelled by the caller, or when it takes too long */
  GCancellable *callers;
  gulong callers_id;
  GSource *deadline;
  gboolean too_late;
};

G_DEFINE_FINAL_TYPE (MefotaWaySerial, mefota_way_serial, MEFOTA_TYPE_WAY)

static void ask_for_piece (MefotaWaySerial *self);
static void send_on (MefotaWaySerial *self);
static void settle (MefotaWaySerial *self);

/* ---- time ---- */

static guint
line_ms (MefotaWaySerial *self, guint64 n_bytes)
{
  guint baud = self->baud > 0 ? self->baud : 115200;
  return (guint) (n_bytes * LINE_BITS_PER_BYTE * 1000 / baud * LINE_SPARE_PERCENT / 100);
}

static gsize
queued (MefotaWaySerial *self)
{
  return MEFOTA_IS_TTY (self->stream) ? mefota_tty_get_queued (MEFOTA_TTY (self->stream)) : 0;
}

/* For the module to take what the tty holds, and @n_bytes more. */
static guint
data_ms (MefotaWaySerial *self, guint64 n_bytes)
{
  return DATA_COMMANDS * self->command_ms + line_ms (self, n_bytes + MAX (queued (self), TTY_BUFFER));
}

static void
clear_deadline (MefotaWaySerial *self)
{
  if (self->deadline == NULL)
    return;
  g_source_destroy (self->deadline);
  g_clear_pointer (&self->deadline, g_source_unref);
}

static gboolean
on_deadline (gpointer data)
{
  g_autoptr (MefotaWaySerial) self = g_object_ref (data);

  clear_deadline (self);
  self->too_late = TRUE;
  g_cancellable_cancel (self->io);
  return G_SOURCE_REMOVE;
}

static void
arm (MefotaWaySerial *self, guint ms)
{
  clear_deadline (self);
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
begin_step (MefotaWaySerial *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data, gpointer tag)
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

/* Takes @error; NULL is success. */
static void
end_step (MefotaWaySerial *self, GError *error)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  clear_deadline (self);
  disconnect_callers (self);
  self->doing = NOTHING;
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
  if (self->too_late && self->doing == SENDING)
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
  gboolean cancelled = g_error_matches (owned, G_IO_ERROR, G_IO_ERROR_CANCELLED) && !self->too_late && !self->connected_late;
  gboolean gone = g_error_matches (owned, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT);
  guint64 at = self->confirmed + (self->doing == SENDING || self->doing == CONFIRMING ? self->given : 0);

  return g_error_new (cancelled ? G_IO_ERROR : MEFOTA_ERROR,
                      cancelled ? (int) G_IO_ERROR_CANCELLED
                                : (int) (gone ? MEFOTA_ERROR_NOT_PRESENT : MEFOTA_ERROR_TRANSFER_FAILED),
                      "at byte %" G_GUINT64_FORMAT " of %" G_GUINT64_FORMAT " (%s): %s", at,
                      mefota_package_get_size (self->package), self->doing < ASKING ? "AT+ZCOMDEL" : "AT+ZCOMWRT", reason);
}

static void
fail_step (MefotaWaySerial *self, GError *error)
{
  end_step (self, locate (self, error));
}

/* ---- leaving the data of a piece ---- */

static void
on_deleted (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWaySerial) self = data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);

  if (error != NULL)
    {
      fail_step (self, g_steal_pointer (&error));
      return;
    }
  self->piece = self->given = self->confirmed = 0;
  if (!self->only_deletes)
    {
      ask_for_piece (self);
      return;
    }
  g_signal_emit_by_name (self, "piece", (guint64) 0);
  end_step (self, NULL);
}

/* The command may have to wait for a synchronisation that finds no end. */
static void
delete_package (MefotaWaySerial *self)
{
  self->doing = DELETING;
  arm (self, data_ms (self, 2 * self->piece));
  mefota_at_channel_send_async (self->channel, "AT+ZCOMDEL", NULL, self->command_ms, self->io, on_deleted,
                                g_object_ref (self));
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
  self->doing = ENDING;
  clear_deadline (self);
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
  static guint8 filler[SLICE_MIN];
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
      if (self->doing == FILLING)
        end_piece (self, data_ms (self, 0));
      else
        delete_package (self);
      return;
    }
  if (self->doing != FILLING)
    g_debug ("%s: filling up %" G_GSIZE_FORMAT " bytes that the module still counts on", self->module, missing);
  self->doing = FILLING;
  memset (filler, '\r', sizeof filler);
  bytes = g_bytes_new_static (filler, MIN (missing, sizeof filler));
  arm (self, data_ms (self, g_bytes_get_size (bytes)));
  mefota_at_channel_data_write_async (self->channel, bytes, self->io, on_filled, g_object_ref (self));
}

/* ---- the pieces ---- */

static void
on_prompt (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWaySerial) self = data;
  g_autoptr (GError) error = NULL;

  if (!mefota_at_channel_data_finish (MEFOTA_AT_CHANNEL (source), result, &error))
    fail_step (self, g_steal_pointer (&error));
  else if (self->confirmed > 0)
    send_on (self);
  else
    end_step (self, NULL); /* ready for the first byte */
}

static void
ask_for_piece (MefotaWaySerial *self)
{
  g_autofree char *command = NULL;

  self->doing = ASKING;
  self->given = 0;
  self->piece = MIN (mefota_package_get_size (self->package) - self->confirmed, self->piece_max);
  /* On disk before the module hears of it: from then on it may take commands for data. */
  g_signal_emit_by_name (self, "piece", self->piece);
  command = g_strdup_printf ("AT+ZCOMWRT=%" G_GUINT64_FORMAT, self->piece);
  clear_deadline (self);
  mefota_at_channel_data_async (self->channel, command, self->style, PROMPT_COMMANDS * self->command_ms, self->io, on_prompt,
                                g_object_ref (self));
}

static void
tell_progress (MefotaWaySerial *self)
{
  guint64 size = mefota_package_get_size (self->package);
  guint64 held = MIN (self->given, queued (self));
  gint64 now = g_get_monotonic_time ();
  guint percent = (guint) ((self->confirmed + self->given - held) * 100 / size);

  /* Not all before the last OK. */
  if (self->confirmed < size)
    percent = MIN (percent, 99);
  if (percent == self->percent || (now - self->told_at < PROGRESS_PAUSE_US && percent < 100))
    return;
  self->told_at = now;
  self->percent = percent;
  g_signal_emit_by_name (self, "progress", percent);
}

static void
on_confirmed (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWaySerial) self = data;
  g_autoptr (GError) error = NULL;

  if (!mefota_at_channel_data_end_finish (MEFOTA_AT_CHANNEL (source), result, &error))
    {
      fail_step (self, g_steal_pointer (&error));
      return;
    }
  self->confirmed += self->piece;
  self->piece = self->given = 0;
  /* One piece has shown whether this module says CONNECT: the others need not wait to see. */
  if (self->style == MEFOTA_PROMPT_GRACE)
    self->style = self->connected ? MEFOTA_PROMPT_CONNECT : MEFOTA_PROMPT_IMMEDIATE;
  tell_progress (self);
  if (self->confirmed < mefota_package_get_size (self->package))
    {
      ask_for_piece (self);
      return;
    }
  g_signal_emit_by_name (self, "piece", (guint64) 0);
  end_step (self, NULL);
}

/* Bytes of the next slice. */
static gsize
next_slice (MefotaWaySerial *self)
{
  gint64 now = g_get_monotonic_time ();
  guint64 rate = self->baud / LINE_BITS_PER_BYTE;
  guint64 usual = CLAMP (rate / SLICES_PER_SECOND, SLICE_MIN, SLICE_MAX);
  guint64 could = (guint64) (now - self->slice_began) * rate / G_USEC_PER_SEC;

  self->slice_began = now;
  self->slice = self->slice > 8 * could ? MIN (2 * self->slice, SLICE_MAX) : usual;
  return (gsize) MIN (self->piece - self->given, MAX (self->slice, usual));
}

static void
on_written (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWaySerial) self = data;
  g_autoptr (GError) error = NULL;

  if (!mefota_at_channel_data_write_finish (MEFOTA_AT_CHANNEL (source), result, &error))
    {
      gsize missing = mefota_at_channel_data_get_missing (self->channel);
      /* A module that refuses in mid-piece takes what follows for commands. */
      if (missing == 0 && MEFOTA_IS_TTY (self->stream))
        mefota_tty_discard_output (MEFOTA_TTY (self->stream));
      self->given -= missing > 0 ? MIN (missing - (self->piece - self->given), self->slice) : self->slice;
      fail_step (self, g_steal_pointer (&error));
      return;
    }
  tell_progress (self);
  send_on (self);
}

static void
send_on (MefotaWaySerial *self)
{
  g_autoptr (GBytes) bytes = NULL;
  GError *error = NULL;
  gsize length = next_slice (self);

  if (length == 0)
    {
      self->doing = CONFIRMING;
      clear_deadline (self);
      mefota_at_channel_data_end_async (self->channel, data_ms (self, 0), self->io, on_confirmed, g_object_ref (self));
      return;
    }
  self->doing = SENDING;
  bytes = mefota_package_read (self->package, self->confirmed + self->given, length, &error);
  if (bytes == NULL)
    {
      end_step (self, error);
      return;
    }
  self->slice = g_bytes_get_size (bytes);
  self->given += self->slice;
  arm (self, data_ms (self, length));
  mefota_at_channel_data_write_async (self->channel, bytes, self->io, on_written, g_object_ref (self));
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
  self->percent = 0;
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
  send_on (self);
}

static void
on_installing (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWaySerial) self = data;
  GError *error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);

  end_step (self, error);
}

static void
install_async (MefotaWay *way, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  MefotaWaySerial *self = MEFOTA_WAY_SERIAL (way);

  begin_step (self, cancellable, callback, user_data, install_async);
  self->doing = INSTALLING;
  mefota_at_channel_send_async (self->channel, "AT+ZCOMUPDATE", NULL, INSTALL_COMMANDS * self->command_ms, self->io,
                                on_installing, g_object_ref (self));
}

static void
clean_up_async (MefotaWay *way, MefotaAtChannel *channel, GAsyncReadyCallback callback, gpointer user_data)
{
  MefotaWaySerial *self = MEFOTA_WAY_SERIAL (way);

  set_channel (self, channel);
  self->only_deletes = TRUE;
  self->connected_late = FALSE;
  begin_step (self, NULL, callback, user_data, clean_up_async);
  settle (self);
}

static void
mefota_way_serial_dispose (GObject *object)
{
  MefotaWaySerial *self = MEFOTA_WAY_SERIAL (object);

  clear_deadline (self);
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
