/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The bytes: piece by piece behind a prompt, each in slices that the tty takes one at a time, and how far they are. */

#include "mefota-way-serial-private.h"

/* The tty is never dry while the next slice is fetched: it holds 4 KiB and more. */
#define SLICES_PER_SECOND 4 /* so that progress is told often, and a slice is not a matter of minutes ... */
#define SLICE_MAX (64 * 1024) /* ... but where the tty takes more than its rate would tell, fewer slices cost less */
#define PROMPT_COMMANDS 2 /* units of [timeouts] command */
#define PROGRESS_PAUSE_MS 50 /* nobody can see more of it, and the bus has to carry it */

static void
on_prompt (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWaySerial) self = data;
  g_autoptr (GError) error = NULL;

  if (!mefota_at_channel_data_finish (MEFOTA_AT_CHANNEL (source), result, &error))
    mefota_way_serial_fail_step (self, g_steal_pointer (&error));
  else if (self->confirmed > 0)
    mefota_way_serial_send_on (self);
  else
    mefota_way_serial_end_step (self, NULL); /* ready for the first byte */
}

void
mefota_way_serial_ask_for_piece (MefotaWaySerial *self)
{
  g_autofree char *command = NULL;

  self->doing = MEFOTA_WAY_SERIAL_ASKING;
  self->given = 0;
  self->piece = MIN (mefota_package_get_size (self->package) - self->confirmed, self->piece_max);
  /* On disk before the module hears of it: from then on it may take commands for data. */
  g_signal_emit_by_name (self, "piece", self->piece);
  command = g_strdup_printf ("AT+ZCOMWRT=%" G_GUINT64_FORMAT, self->piece);
  mefota_way_serial_clear_deadline (self);
  mefota_at_channel_data_async (self->channel, command, self->style, PROMPT_COMMANDS * self->command_ms, self->io,
                                on_prompt, g_object_ref (self));
}

/* Bytes of the package that the tty took; G_MAXUINT64 when the channel has given the piece up, and nobody knows any
 * more. */
static guint64
get_taken (MefotaWaySerial *self)
{
  guint64 missing;

  if (self->doing != MEFOTA_WAY_SERIAL_SENDING)
    return self->confirmed + self->given;
  missing = mefota_at_channel_data_get_missing (self->channel);
  return missing >= self->piece - self->given ? self->confirmed + self->piece - missing : G_MAXUINT64;
}

static void
tell_progress (MefotaWaySerial *self, guint64 taken)
{
  guint64 size = mefota_package_get_size (self->package);
  guint64 held = MIN (taken - self->confirmed, mefota_way_serial_get_queued (self));
  guint percent = (guint) ((taken - held) * 100 / size);

  /* Not all before the last OK. */
  if (self->confirmed < size)
    percent = MIN (percent, 99);
  if (percent == self->percent)
    return;
  self->percent = percent;
  g_signal_emit_by_name (self, "progress", percent);
}

static gboolean
on_progress_due (gpointer data)
{
  g_autoptr (MefotaWaySerial) self = g_object_ref (data);
  guint64 taken = get_taken (self);

  /* Nothing wakes up for a line that stands still: its next slice begins anew. */
  if (taken == self->told || taken == G_MAXUINT64)
    {
      g_clear_pointer (&self->progress_due, g_source_unref);
      return G_SOURCE_REMOVE;
    }
  self->told = taken;
  tell_progress (self, taken);
  return G_SOURCE_CONTINUE;
}

/* At once when nothing was told for a while, else when that while is over: what was told last is true when all
 * stops. */
static void
note_progress (MefotaWaySerial *self)
{
  if (self->progress_due != NULL)
    return;
  self->progress_due = g_timeout_source_new (PROGRESS_PAUSE_MS);
  g_source_set_callback (self->progress_due, on_progress_due, self, NULL);
  g_source_attach (self->progress_due, g_main_context_get_thread_default ());
  self->told = get_taken (self);
  tell_progress (self, self->told);
}

static void
on_confirmed (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWaySerial) self = data;
  g_autoptr (GError) error = NULL;

  if (!mefota_at_channel_data_end_finish (MEFOTA_AT_CHANNEL (source), result, &error))
    {
      mefota_way_serial_fail_step (self, g_steal_pointer (&error));
      return;
    }
  self->confirmed += self->piece;
  self->piece = self->given = 0;
  /* One piece has shown whether this module says CONNECT: the others need not wait to see. */
  if (self->style == MEFOTA_PROMPT_GRACE)
    self->style = self->connected ? MEFOTA_PROMPT_CONNECT : MEFOTA_PROMPT_IMMEDIATE;
  if (self->confirmed == mefota_package_get_size (self->package))
    tell_progress (self, self->confirmed);
  if (self->confirmed < mefota_package_get_size (self->package))
    {
      mefota_way_serial_ask_for_piece (self);
      return;
    }
  g_signal_emit_by_name (self, "piece", (guint64) 0);
  mefota_way_serial_end_step (self, NULL);
}

/* Bytes of the next slice. */
static gsize
next_slice (MefotaWaySerial *self)
{
  gint64 now = g_get_monotonic_time ();
  guint64 rate = self->baud / MEFOTA_WAY_SERIAL_BITS_PER_BYTE;
  guint64 usual = CLAMP (rate / SLICES_PER_SECOND, MEFOTA_WAY_SERIAL_SLICE, SLICE_MAX);
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
      mefota_way_serial_fail_step (self, g_steal_pointer (&error));
      return;
    }
  note_progress (self);
  mefota_way_serial_send_on (self);
}

void
mefota_way_serial_send_on (MefotaWaySerial *self)
{
  g_autoptr (GBytes) bytes = NULL;
  GError *error = NULL;
  gsize length = next_slice (self);

  if (length == 0)
    {
      self->doing = MEFOTA_WAY_SERIAL_CONFIRMING;
      mefota_way_serial_clear_deadline (self);
      mefota_at_channel_data_end_async (self->channel, mefota_way_serial_get_data_ms (self, 0), self->io, on_confirmed,
                                        g_object_ref (self));
      return;
    }
  self->doing = MEFOTA_WAY_SERIAL_SENDING;
  bytes = mefota_package_read (self->package, self->confirmed + self->given, length, &error);
  if (bytes == NULL)
    {
      mefota_way_serial_end_step (self, error);
      return;
    }
  self->slice = g_bytes_get_size (bytes);
  self->given += self->slice;
  mefota_way_serial_arm (self, mefota_way_serial_get_data_ms (self, length));
  mefota_at_channel_data_write_async (self->channel, bytes, self->io, on_written, g_object_ref (self));
}
