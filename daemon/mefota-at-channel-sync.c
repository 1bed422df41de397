/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-at-channel-private.h"

/* What a module still owes comes within this much silence, or never. */
#define QUIET_MS 1000
#define DRAIN_MAX_US (10 * G_USEC_PER_SEC)
/* So many tries without an answer make it likely that the module takes them for data, if it can be. */
#define TRIES_BEFORE_FEEDING 3

static void
feed (MefotaAtChannel *self)
{
  g_message ("%s: no answer; the module may count on up to %" G_GSIZE_FORMAT " bytes of data, which it gets now",
             self->log.name, self->owed_data);
  self->feeding = TRUE;
  mefota_at_channel_write_filler (self, self->owed_data);
  self->owed_data = 0;
}

/* It has had enough. What the tty has taken already does no harm. */
static void
stop_feeding (MefotaAtChannel *self)
{
  if (!self->feeding)
    return;
  self->feeding = FALSE;
  mefota_at_link_discard (self->link);
  self->unclaimed = 0;
}

void
mefota_at_channel_expect_data (MefotaAtChannel *self, gsize n_bytes)
{
  self->owed_data = n_bytes;
  /* Should it have been cut off, it may have taken the rest for commands: all it says to that comes first. */
  if (n_bytes > 0)
    mefota_at_sync_abandon_many (&self->sync);
}

gboolean
mefota_at_channel_is_out_of_step (MefotaAtChannel *self)
{
  return self->sync.needed || self->sync.phase != MEFOTA_AT_SYNC_OFF;
}

gboolean
mefota_at_channel_needs_rate (MefotaAtChannel *self)
{
  return self->sync.phase == MEFOTA_AT_SYNC_DRAINING || self->owed_data > 0 || self->feeding;
}

/* A command waits for the synchronisation no longer than for its answer; what the module still takes does not count. */
static gint64
get_limit (MefotaAtChannel *self, const MefotaAtCommand *command)
{
  if (self->owed_data > 0 || self->feeding)
    return G_MAXINT64;
  return MAX (command->waits_since, self->progress_at) + 1000 * (gint64) command->timeout_ms;
}

void
mefota_at_channel_sync_arm (MefotaAtChannel *self)
{
  gint64 next = self->next_try;
  gint64 now = g_get_monotonic_time ();

  if (self->sync.phase != MEFOTA_AT_SYNC_TRYING)
    return;
  for (GList *l = self->queue.head; l != NULL; l = l->next)
    next = MIN (next, get_limit (self, l->data));
  mefota_at_channel_set_timer (self, (guint) ((MAX (next - now, 0) + 999) / 1000));
}

/* Who cancels it has done so by now, as with one in flight. */
static GError *
explain_impatience (MefotaAtCommand *command)
{
  return g_cancellable_is_cancelled (g_task_get_cancellable (command->task))
             ? mefota_at_channel_error_cancelled ()
             : mefota_at_command_timed_out (command, command->timeout_ms);
}

/* Whoever is told may close the channel, or ask again. */
static void
fail_impatient (MefotaAtChannel *self)
{
  gint64 now = g_get_monotonic_time ();

  for (GList *l = self->queue.head; l != NULL;)
    {
      MefotaAtCommand *waiting = l->data;
      GError *error;

      l = l->next;
      if (get_limit (self, waiting) > now)
        continue;
      g_queue_remove (&self->queue, waiting);
      error = explain_impatience (waiting);
      mefota_at_channel_fail (g_steal_pointer (&waiting->task), error);
      mefota_at_command_free (waiting);
      l = self->queue.head;
    }
}

/* While the line takes nothing, more of the same does not help; and an answer without its end would be glued to the
 * next echo. */
static void
try_sync (MefotaAtChannel *self)
{
  g_autoptr (GBytes) bytes = g_bytes_new_static ("AT\r", 3);

  self->next_try = g_get_monotonic_time () + 1000 * (gint64) self->retry_ms;
  mefota_at_channel_sync_arm (self);
  if (mefota_at_link_is_writing (self->link) || mefota_timer_is_running (&self->unended))
    return;
  self->feeding = FALSE;
  if (self->owed_data > 0 && self->unanswered++ == TRIES_BEFORE_FEEDING)
    {
      feed (self);
      return;
    }
  mefota_at_log_sent (&self->log, "AT\r");
  mefota_at_sync_tried (&self->sync);
  mefota_at_channel_write_unclaimed (self, bytes);
}

static void
finish_sync (MefotaAtChannel *self)
{
  GQueue tasks = self->sync_tasks;
  GTask *task;

  mefota_at_channel_clear_timer (self);
  g_clear_pointer (&self->lost, mefota_at_command_free);
  self->fill_at_prompt = self->owed_data = self->unanswered = 0;
  self->listens = FALSE;
  mefota_at_framer_expect_prompt (&self->framer, FALSE);
  g_queue_init (&self->sync_tasks);
  while ((task = g_queue_pop_head (&tasks)) != NULL)
    {
      mefota_at_channel_unwatch (task);
      g_task_return_boolean (task, TRUE);
      g_object_unref (task);
    }
  mefota_at_channel_run_next (self);
}

void
mefota_at_channel_sync_final (MefotaAtChannel *self, gboolean ok)
{
  stop_feeding (self);
  if (!mefota_at_sync_final (&self->sync, ok))
    return;
  if (self->sync.phase == MEFOTA_AT_SYNC_OFF)
    {
      finish_sync (self);
      return;
    }
  self->drain_until = g_get_monotonic_time () + DRAIN_MAX_US;
  mefota_at_channel_set_timer (self, QUIET_MS);
}

gboolean
mefota_at_channel_sync_is_wanted (MefotaAtChannel *self)
{
  return !g_queue_is_empty (&self->sync_tasks) || (self->sync.needed && !g_queue_is_empty (&self->queue));
}

/* Nothing may wake us up while nobody waits. */
void
mefota_at_channel_sync_stop_unwanted (MefotaAtChannel *self)
{
  if (self->sync.phase == MEFOTA_AT_SYNC_OFF || mefota_at_channel_sync_is_wanted (self))
    return;
  mefota_at_sync_stop (&self->sync);
  self->listens = FALSE;
  mefota_at_channel_clear_timer (self);
  mefota_at_channel_run_next (self); /* which does not need it, then */
}

void
mefota_at_channel_sync_start (MefotaAtChannel *self)
{
  for (GList *l = self->queue.head; l != NULL; l = l->next)
    ((MefotaAtCommand *) l->data)->waits_since = g_get_monotonic_time ();
  mefota_at_sync_start (&self->sync);
  try_sync (self);
}

void
mefota_at_channel_sync_received (MefotaAtChannel *self)
{
  if (self->sync.phase == MEFOTA_AT_SYNC_DRAINING && g_get_monotonic_time () < self->drain_until)
    mefota_at_channel_set_timer (self, QUIET_MS);
}

/* One that may count on data may have echoed them, with an OK among them: only what it says now that all is quiet is an
 * answer to AT. */
static void
verify (MefotaAtChannel *self)
{
  self->listens = TRUE;
  self->unanswered = 0;
  mefota_at_channel_sync_start (self);
}

gboolean
mefota_at_channel_sync_timer (MefotaAtChannel *self)
{
  switch (self->sync.phase)
    {
    case MEFOTA_AT_SYNC_OFF:
      return FALSE;
    case MEFOTA_AT_SYNC_TRYING:
      fail_impatient (self);
      mefota_at_channel_sync_stop_unwanted (self);
      if (self->closed || self->sync.phase != MEFOTA_AT_SYNC_TRYING)
        break;
      if (g_get_monotonic_time () >= self->next_try)
        try_sync (self);
      else
        mefota_at_channel_sync_arm (self);
      break;
    case MEFOTA_AT_SYNC_DRAINING:
      mefota_at_sync_quiet (&self->sync);
      if (self->owed_data > 0 && !self->listens)
        verify (self);
      else
        finish_sync (self);
      break;
    }
  return TRUE;
}

void
mefota_at_channel_sync_async (MefotaAtChannel *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data)
{
  g_autoptr (GTask) task = mefota_at_channel_new_task (self, cancellable, callback, user_data,
                                                       mefota_at_channel_sync_async);

  if (!mefota_at_channel_check_task (self, task))
    return;
  g_queue_push_tail (&self->sync_tasks, g_steal_pointer (&task));
  mefota_at_channel_run_next (self);
}

gboolean
mefota_at_channel_sync_finish (MefotaAtChannel *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
