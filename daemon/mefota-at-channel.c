/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-at-channel-private.h"

#include <string.h>

#include "mefota-error.h"

G_DEFINE_FINAL_TYPE (MefotaAtChannel, mefota_at_channel, G_TYPE_OBJECT)

/* ---- Timer ---- */

static void on_timer (gpointer user_data);

void
mefota_at_channel_clear_timer (MefotaAtChannel *self)
{
  mefota_timer_stop (&self->timer);
}

void
mefota_at_channel_set_timer (MefotaAtChannel *self, guint ms)
{
  mefota_timer_start (&self->timer, ms, on_timer, self);
}

/* ---- Queue ---- */

void
mefota_at_channel_write_unclaimed (MefotaAtChannel *self, GBytes *bytes)
{
  self->unclaimed += g_bytes_get_size (bytes);
  mefota_at_link_write (self->link, bytes);
}

void
mefota_at_channel_write_filler (MefotaAtChannel *self, gsize n_bytes)
{
  static guint8 filler[16384];
  g_autoptr (GBytes) whole = NULL;

  memset (filler, '\r', sizeof filler);
  whole = g_bytes_new_static (filler, sizeof filler);
  for (gsize left = n_bytes, n; left > 0; left -= n)
    {
      g_autoptr (GBytes) part = NULL;

      n = MIN (left, sizeof filler);
      part = g_bytes_new_from_bytes (whole, 0, n);
      mefota_at_channel_write_unclaimed (self, part);
    }
}

static void
start (MefotaAtChannel *self, MefotaAtCommand *command)
{
  g_autofree char *line = g_strconcat (command->text, "\r", NULL);
  g_autoptr (GBytes) bytes = g_bytes_new (line, strlen (line));

  self->current = command;
  mefota_at_framer_expect_prompt (&self->framer, command->data != NULL);
  mefota_at_log_sent (&self->log, line);
  /* Set anew at the first byte taken; this one is for a line that takes nothing at all. */
  mefota_at_channel_set_timer (self, command->timeout_ms);
  mefota_at_link_send (self->link, bytes);
}

void
mefota_at_channel_run_next (MefotaAtChannel *self)
{
  if (self->closed || self->current != NULL || self->sync.phase != MEFOTA_AT_SYNC_OFF)
    return;
  if (mefota_at_channel_sync_is_wanted (self))
    mefota_at_channel_sync_start (self);
  else if (!g_queue_is_empty (&self->queue))
    start (self, g_queue_pop_head (&self->queue));
}

void
mefota_at_channel_enqueue (MefotaAtChannel *self, MefotaAtCommand *command)
{
  command->waits_since = g_get_monotonic_time ();
  g_queue_push_tail (&self->queue, command);
  mefota_at_channel_run_next (self);
  mefota_at_channel_sync_arm (self);
}

MefotaAtCommand *
mefota_at_channel_get_answering (MefotaAtChannel *self)
{
  return self->current != NULL && self->current->unwritten == 0 ? self->current : NULL;
}

MefotaAtCommand *
mefota_at_channel_end_current (MefotaAtChannel *self)
{
  mefota_at_channel_clear_timer (self);
  mefota_at_framer_expect_prompt (&self->framer, FALSE);
  return g_steal_pointer (&self->current);
}

/* A command of which the line took nothing leaves nothing behind. Otherwise its rest is written (half a command would
 * swallow the next one), and its answer will be nobody's. */
MefotaAtCommand *
mefota_at_channel_abandon_current (MefotaAtChannel *self)
{
  MefotaAtCommand *command = mefota_at_channel_end_current (self);
  MefotaAtCommandPhase phase = command->phase;
  gsize missing = command->data != NULL ? mefota_at_data_get_missing (command->data) : 0;

  if (command->unwritten == mefota_at_command_get_length (command) && self->unclaimed == 0)
    {
      mefota_at_link_discard (self->link);
      return command;
    }
  self->unclaimed += command->unwritten;
  mefota_at_sync_abandon (&self->sync);
  g_clear_pointer (&self->lost, mefota_at_command_free);
  self->lost = mefota_at_command_new (command->text, (const char *const *) command->prefixes, 0, NULL);
  self->lost->style = command->style;
  if (command->data != NULL)
    self->owed_data = MAX (self->owed_data, command->data->announced);
  if (phase == MEFOTA_AT_COMMAND_DATA)
    {
      mefota_at_link_discard (self->link);
      mefota_at_channel_data_fill (self, missing);
    }
  else if (command->data != NULL)
    {
      self->fill_at_prompt = missing;
      mefota_at_framer_expect_prompt (&self->framer, phase == MEFOTA_AT_COMMAND_PROMPT);
    }
  return command;
}

/* ---- Link ---- */

/* Any of these may end the command, and its data with it. */
static void
receive_given_back (MefotaAtChannel *self, MefotaAtData *data)
{
  guint8 line[MEFOTA_AT_DATA_LINE];
  gsize length = data->line_length;

  memcpy (line, data->line, length);
  data->line_length = 0;
  for (gsize i = 0; i < length && !self->closed; i++)
    {
      mefota_at_log_received (&self->log, line[i]);
      mefota_at_framer_feed (&self->framer, &line[i], 1);
    }
}

/* @next: the byte behind it, or -1 if that has not come yet */
static void
receive_byte (MefotaAtChannel *self, guint8 byte, int next)
{
  MefotaAtCommand *command = self->current;
  gboolean logged = self->line_feed_logged;

  self->line_feed_logged = FALSE;
  if (command != NULL && command->phase == MEFOTA_AT_COMMAND_DATA)
    switch (mefota_at_data_receive (command->data, byte))
      {
      case MEFOTA_AT_DATA_TEXT:
        break;
      case MEFOTA_AT_DATA_ECHO:
        return;
      case MEFOTA_AT_DATA_FOUND:
        mefota_at_framer_reset (&self->framer);
        mefota_at_log_forget (&self->log);
        return;
      case MEFOTA_AT_DATA_GIVEN_BACK:
        receive_given_back (self, command->data);
        break;
      }
  if (!logged)
    mefota_at_log_received (&self->log, byte);
  /* A line is taken at its CR. It is logged whole before that, or the command it sets off would be read first. */
  if (byte == '\r' && next == '\n')
    {
      mefota_at_log_received (&self->log, '\n');
      self->line_feed_logged = TRUE;
    }
  mefota_at_framer_feed (&self->framer, &byte, 1);
}

static void
on_received (const guint8 *bytes, gsize n_bytes, gpointer user_data)
{
  g_autoptr (MefotaAtChannel) self = g_object_ref (user_data);

  mefota_at_channel_sync_received (self);
  for (gsize i = 0; i < n_bytes && !self->closed; i++)
    receive_byte (self, bytes[i], i + 1 < n_bytes ? bytes[i + 1] : -1);
  mefota_at_channel_watch_unended (self);
}

/* Who cancels it has done so by now; the source that tells may only have its turn behind the port's and the timer's. */
static gboolean
cancel_current (MefotaAtChannel *self)
{
  GTask *task = self->current != NULL ? self->current->task : NULL;

  if (task == NULL || !g_cancellable_is_cancelled (g_task_get_cancellable (task)))
    return FALSE;
  mefota_at_channel_on_cancelled (g_task_get_cancellable (task), task);
  return TRUE;
}

static void
on_writable (gpointer user_data)
{
  g_autoptr (MefotaAtChannel) self = g_object_ref (user_data);

  cancel_current (self);
}

static void
on_taken (gsize n_bytes, gpointer user_data)
{
  g_autoptr (MefotaAtChannel) self = g_object_ref (user_data);
  MefotaAtCommand *command = self->current;
  gsize n = MIN (n_bytes, self->unclaimed);

  self->unclaimed -= n;
  if (self->unclaimed > 0)
    self->progress_at = g_get_monotonic_time ();
  n_bytes -= n;
  if (n_bytes == 0 || command == NULL)
    return;
  if (command->unwritten == mefota_at_command_get_length (command))
    mefota_at_channel_set_timer (self, command->timeout_ms);
  n = MIN (n_bytes, command->unwritten);
  command->unwritten -= n;
  if (n_bytes > n)
    mefota_at_channel_data_taken (self, n_bytes - n);
}

static gboolean
on_tell_hang_up (gpointer user_data)
{
  g_autoptr (MefotaAtChannel) self = g_object_ref (user_data);

  g_clear_pointer (&self->hang_up, mefota_at_channel_destroy_source);
  g_signal_emit_by_name (self, "hang-up");
  return G_SOURCE_REMOVE;
}

/* Everybody who waits is told, later: nobody finds a queue half emptied, or his caller gone. */
static void
fail_all (MefotaAtChannel *self)
{
  GTask *task;

  if (self->current != NULL)
    {
      mefota_at_channel_note_heard (self->current);
      g_queue_push_head (&self->queue, mefota_at_channel_end_current (self));
    }
  mefota_at_channel_clear_timer (self);
  mefota_at_sync_stop (&self->sync);
  while (!g_queue_is_empty (&self->queue))
    {
      g_autoptr (MefotaAtCommand) command = g_queue_pop_head (&self->queue);

      if (command->task != NULL)
        mefota_at_channel_fail_later (g_steal_pointer (&command->task), mefota_at_channel_error_gone ());
    }
  while ((task = g_queue_pop_head (&self->sync_tasks)) != NULL)
    mefota_at_channel_fail_later (task, mefota_at_channel_error_gone ());
}

static void
on_hung_up (const char *reason, gpointer user_data)
{
  g_autoptr (MefotaAtChannel) self = g_object_ref (user_data);

  mefota_at_channel_take_unended (self);
  mefota_at_log_flush (&self->log);
  g_debug ("%s: hung up: %s", self->log.name, reason);
  self->closed = TRUE;
  fail_all (self);
  self->hang_up = g_idle_source_new ();
  g_source_set_priority (self->hang_up, G_PRIORITY_DEFAULT);
  g_source_set_callback (self->hang_up, on_tell_hang_up, g_object_ref (self), g_object_unref);
  g_source_attach (self->hang_up, g_main_context_get_thread_default ());
}

/* ---- Timeouts and cancellation ---- */

/* Its time is over, and all it wants is the line end behind its final result code. */
static gboolean
ends_without_line_end (MefotaAtChannel *self)
{
  MefotaAtCommand *command = self->current;

  if (command != NULL)
    mefota_at_channel_take_unended (self);
  return command != self->current;
}

static void
on_timer (gpointer user_data)
{
  g_autoptr (MefotaAtChannel) self = g_object_ref (user_data);
  g_autoptr (MefotaAtCommand) command = NULL;

  if (cancel_current (self))
    return;
  if (!mefota_at_channel_sync_timer (self) && !ends_without_line_end (self) && self->current != NULL
      && !mefota_at_channel_data_timer (self))
    {
      command = mefota_at_channel_abandon_current (self);
      mefota_at_channel_fail (g_steal_pointer (&command->task),
                              mefota_at_command_timed_out (command, command->timeout_ms));
      mefota_at_channel_run_next (self);
    }
}

static void
cancel_command (MefotaAtChannel *self, GTask *task)
{
  g_autoptr (MefotaAtCommand) command = NULL;

  if (self->current != NULL && self->current->task == task)
    {
      if (mefota_at_channel_data_cancel (self, task))
        return;
      mefota_at_channel_note_heard (self->current);
      command = mefota_at_channel_abandon_current (self);
      g_clear_object (&command->task);
      return;
    }
  for (GList *l = self->queue.head; l != NULL; l = l->next)
    {
      MefotaAtCommand *queued = l->data;

      if (queued->task != task)
        continue;
      g_queue_delete_link (&self->queue, l);
      mefota_at_command_free (queued);
      return;
    }
}

gboolean
mefota_at_channel_on_cancelled (GCancellable *cancellable, gpointer user_data)
{
  GTask *task = g_object_ref (user_data);
  g_autoptr (MefotaAtChannel) self = g_object_ref (g_task_get_source_object (task));

  if (g_queue_remove (&self->sync_tasks, task))
    g_object_unref (task);
  else
    cancel_command (self, task);
  mefota_at_channel_fail (task, mefota_at_channel_error_cancelled ());
  mefota_at_channel_sync_stop_unwanted (self);
  mefota_at_channel_run_next (self);
  return G_SOURCE_REMOVE;
}

void
mefota_at_channel_withdraw (MefotaAtChannel *self, GCancellable *cancellable)
{
  for (GList *l = self->queue.head, *next; l != NULL; l = next)
    {
      g_autoptr (MefotaAtCommand) command = NULL;
      GTask *task = ((MefotaAtCommand *) l->data)->task;

      next = l->next;
      if (task == NULL || g_task_get_cancellable (task) != cancellable)
        continue;
      command = l->data;
      g_queue_delete_link (&self->queue, l);
      mefota_at_channel_fail_later (g_steal_pointer (&command->task), mefota_at_channel_error_cancelled ());
    }
}

/* ---- The channel ---- */

MefotaAtChannel *
mefota_at_channel_new (GIOStream *stream, const char *name, guint retry_ms)
{
  static const MefotaAtLinkFuncs funcs = { on_received, on_writable, on_taken, on_hung_up };
  MefotaAtChannel *self = g_object_new (MEFOTA_TYPE_AT_CHANNEL, NULL);

  mefota_at_log_init (&self->log, name);
  self->retry_ms = MAX (retry_ms, 1);
  self->link = mefota_at_link_new (stream, &funcs, self);
  return self;
}

void
mefota_at_channel_close (MefotaAtChannel *self)
{
  g_clear_pointer (&self->hang_up, mefota_at_channel_destroy_source);
  mefota_timer_stop (&self->unended);
  if (self->closed)
    return;
  self->closed = TRUE;
  mefota_at_link_close (self->link);
  fail_all (self);
}

void
mefota_at_channel_send_async (MefotaAtChannel *self, const char *command, const char *const *extra_prefixes,
                              guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data)
{
  g_autoptr (GTask) task = mefota_at_channel_new_task (self, cancellable, callback, user_data,
                                                       mefota_at_channel_send_async);

  if (mefota_at_channel_check_task (self, task))
    mefota_at_channel_enqueue (self, mefota_at_command_new (command, extra_prefixes, timeout_ms, task));
}

char **
mefota_at_channel_send_finish (MefotaAtChannel *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}

void
mefota_at_channel_set_paused (MefotaAtChannel *self, gboolean paused)
{
  mefota_at_link_set_paused (self->link, paused);
}

static void
mefota_at_channel_dispose (GObject *object)
{
  mefota_at_channel_close (MEFOTA_AT_CHANNEL (object));
  G_OBJECT_CLASS (mefota_at_channel_parent_class)->dispose (object);
}

static void
mefota_at_channel_finalize (GObject *object)
{
  MefotaAtChannel *self = MEFOTA_AT_CHANNEL (object);

  g_clear_pointer (&self->link, mefota_at_link_free);
  g_clear_pointer (&self->lost, mefota_at_command_free);
  g_clear_error (&self->data_error);
  mefota_at_log_clear (&self->log);
  G_OBJECT_CLASS (mefota_at_channel_parent_class)->finalize (object);
}

static void
mefota_at_channel_class_init (MefotaAtChannelClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);
  GType type = G_TYPE_FROM_CLASS (klass);

  object_class->dispose = mefota_at_channel_dispose;
  object_class->finalize = mefota_at_channel_finalize;
  g_signal_new ("indication", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
  g_signal_new ("urc", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_BOOLEAN);
  g_signal_new ("connect", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_BOOLEAN);
  g_signal_new ("hang-up", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
mefota_at_channel_init (MefotaAtChannel *self)
{
  mefota_at_framer_init (&self->framer, mefota_at_channel_on_frame, self);
  g_queue_init (&self->queue);
  g_queue_init (&self->sync_tasks);
}
