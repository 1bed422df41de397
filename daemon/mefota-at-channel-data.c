/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-at-channel-private.h"

#include "mefota-error.h"

/* How long CONNECT may follow a prompt that would do without. */
#define GRACE_MS 300
/* No module takes more than half of it with one command. */
#define FILL_MAX (1024 * 1024)

static gboolean
waits_for (MefotaAtCommand *command, gpointer source_tag)
{
  return command->task != NULL && g_task_get_source_tag (command->task) == source_tag;
}

static void
complete_step (MefotaAtCommand *command)
{
  g_autoptr (GTask) task = g_steal_pointer (&command->task);

  mefota_at_channel_unwatch (task);
  g_task_return_boolean (task, TRUE);
}

/* ---- The prompt ---- */

static void
become_ready (MefotaAtChannel *self)
{
  mefota_at_channel_clear_timer (self);
  mefota_at_framer_expect_prompt (&self->framer, FALSE);
  self->current->phase = MEFOTA_AT_COMMAND_DATA;
  complete_step (self->current);
}

void
mefota_at_channel_data_prompt (MefotaAtChannel *self)
{
  MefotaAtCommand *command = self->current;

  if (command->phase != MEFOTA_AT_COMMAND_PROMPT)
    return;
  switch (command->style)
    {
    case MEFOTA_PROMPT_IMMEDIATE:
      become_ready (self);
      break;
    case MEFOTA_PROMPT_CONNECT:
      command->phase = MEFOTA_AT_COMMAND_GRACE; /* bounded by the command's own timeout */
      break;
    case MEFOTA_PROMPT_GRACE:
      command->phase = MEFOTA_AT_COMMAND_GRACE;
      mefota_at_channel_set_timer (self, GRACE_MS);
      break;
    }
}

void
mefota_at_channel_data_connect (MefotaAtChannel *self)
{
  gboolean late = self->current->phase == MEFOTA_AT_COMMAND_DATA;

  /* Told before the step ends, so that who waits for it knows. */
  g_signal_emit_by_name (self, "connect", late);
  if (!late && self->current != NULL)
    become_ready (self);
}

gboolean
mefota_at_channel_data_timer (MefotaAtChannel *self)
{
  if (self->current->phase != MEFOTA_AT_COMMAND_GRACE || self->current->style != MEFOTA_PROMPT_GRACE)
    return FALSE;
  become_ready (self);
  return TRUE;
}

void
mefota_at_channel_data_fill (MefotaAtChannel *self, gsize n_bytes)
{
  self->fill_at_prompt = 0;
  if (n_bytes == 0 || n_bytes > FILL_MAX)
    return;
  g_debug ("%s: filling up the %" G_GSIZE_FORMAT " bytes that the module still counts on", self->log.name, n_bytes);
  mefota_at_channel_write_filler (self, n_bytes);
}

/* ---- The data ---- */

void
mefota_at_channel_data_taken (MefotaAtChannel *self, gsize n_bytes)
{
  MefotaAtCommand *command = self->current;

  if (command->data == NULL)
    return;
  mefota_at_data_take (command->data, n_bytes);
  if (waits_for (command, mefota_at_channel_data_write_async) && command->data->taken == command->data->queued)
    complete_step (command);
}

gboolean
mefota_at_channel_data_cancel (MefotaAtChannel *self, GTask *task)
{
  MefotaAtCommand *command = self->current;

  if (!waits_for (command, mefota_at_channel_data_write_async))
    return FALSE;
  mefota_at_link_discard (self->link);
  mefota_at_data_discard (command->data);
  g_clear_object (&command->task);
  return TRUE;
}

/* ---- The final result code ---- */

/* A module that stops listening in mid-data takes what the tty still holds for commands, and answers those too, however
 * many there are in the data. Whether it was in the midst nobody can tell: "taken by the tty" is not "read". Nor
 * whether it stopped at all: the word may have been noise, or data from a damaged echo. */
static void
stop_data (MefotaAtChannel *self)
{
  MefotaAtData *data = self->current->data;

  mefota_at_link_discard (self->link);
  mefota_at_data_discard (data);
  self->owed_data = MAX (self->owed_data, data->announced);
  mefota_at_sync_abandon_many (&self->sync);
}

static void
refuse_data (MefotaAtChannel *self, const char *line)
{
  g_autoptr (GError) error = mefota_at_command_refused (self->current, line);
  g_autoptr (MefotaAtCommand) command = NULL;

  stop_data (self);
  if (self->current->task == NULL)
    {
      self->current->over = TRUE;
      g_set_error_literal (&self->current->error, error->domain, error->code, error->message);
      return;
    }
  command = mefota_at_channel_end_current (self);
  if (waits_for (command, mefota_at_channel_data_write_async))
    self->data_error = g_error_copy (error);
  mefota_at_channel_fail (g_steal_pointer (&command->task), g_steal_pointer (&error));
  mefota_at_channel_run_next (self);
}

static void
refuse_command (MefotaAtChannel *self, const char *line)
{
  g_autoptr (MefotaAtCommand) command = mefota_at_channel_end_current (self);

  mefota_at_channel_fail (g_steal_pointer (&command->task), mefota_at_command_refused (command, line));
  mefota_at_channel_run_next (self);
}

void
mefota_at_channel_data_final (MefotaAtChannel *self, MefotaAtEvent event, const char *line)
{
  MefotaAtCommand *command = self->current;
  g_autoptr (MefotaAtCommand) ended = NULL;

  if (command->phase != MEFOTA_AT_COMMAND_DATA)
    refuse_command (self, line); /* an OK without a prompt is no better than an ERROR */
  else if (command->over || !mefota_at_data_is_final (command->data, line))
    return;
  else if (event == MEFOTA_AT_EVENT_ERROR)
    refuse_data (self, line);
  else if (command->task == NULL)
    command->over = TRUE;
  else
    {
      ended = mefota_at_channel_end_current (self);
      complete_step (ended);
      mefota_at_channel_run_next (self);
    }
}

gboolean
mefota_at_channel_data_is_ending (MefotaAtChannel *self)
{
  return waits_for (self->current, mefota_at_channel_data_end_async);
}

/* ---- What the channel's users call ---- */

void
mefota_at_channel_data_async (MefotaAtChannel *self, const char *command, MefotaPromptStyle style, guint timeout_ms,
                              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = mefota_at_channel_new_task (self, cancellable, callback, user_data,
                                                       mefota_at_channel_data_async);
  MefotaAtCommand *queued;

  g_clear_error (&self->data_error);
  if (!mefota_at_channel_check_task (self, task))
    return;
  queued = mefota_at_command_new (command, NULL, timeout_ms, task);
  queued->phase = MEFOTA_AT_COMMAND_PROMPT;
  queued->style = style;
  queued->data = mefota_at_data_new (command);
  mefota_at_channel_enqueue (self, queued);
}

gboolean
mefota_at_channel_data_finish (MefotaAtChannel *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

/* The command whose next step this is, or NULL: then @task was failed with the reason. */
static MefotaAtCommand *
enter_step (MefotaAtChannel *self, GTask *task)
{
  MefotaAtCommand *command = self->current;
  g_autoptr (GError) error = NULL;

  if (!mefota_at_channel_check_task (self, task))
    return NULL;
  if (command == NULL || command->phase != MEFOTA_AT_COMMAND_DATA || command->task != NULL)
    error = g_steal_pointer (&self->data_error);
  else if (command->error == NULL)
    return command;
  else
    {
      g_autoptr (MefotaAtCommand) ended = mefota_at_channel_end_current (self);

      error = g_steal_pointer (&ended->error);
      if (g_task_get_source_tag (task) == mefota_at_channel_data_write_async)
        self->data_error = g_error_copy (error);
    }
  if (error == NULL)
    error = g_error_new_literal (MEFOTA_ERROR, MEFOTA_ERROR_FAILED,
                                 "The module takes no data now; start the transfer anew.");
  mefota_at_channel_fail_later (g_object_ref (task), g_steal_pointer (&error));
  mefota_at_channel_run_next (self);
  return NULL;
}

void
mefota_at_channel_data_write_async (MefotaAtChannel *self, GBytes *bytes, GCancellable *cancellable,
                                    GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = mefota_at_channel_new_task (self, cancellable, callback, user_data,
                                                       mefota_at_channel_data_write_async);
  MefotaAtCommand *command = enter_step (self, task);
  gsize size = g_bytes_get_size (bytes);

  if (command == NULL)
    return;
  if (command->over || (command->data->announced > 0 && size > mefota_at_data_get_missing (command->data)))
    {
      mefota_at_channel_fail_later (g_object_ref (task),
                                    g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                                                 "These are more bytes than %s announced; announce them first.",
                                                 command->text));
      return;
    }
  command->task = g_steal_pointer (&task);
  mefota_at_data_queue (command->data, bytes);
  mefota_at_link_write (self->link, bytes);
  if (size == 0)
    complete_step (command);
}

gboolean
mefota_at_channel_data_write_finish (MefotaAtChannel *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}

gsize
mefota_at_channel_data_get_missing (MefotaAtChannel *self)
{
  if (self->current == NULL || self->current->phase != MEFOTA_AT_COMMAND_DATA)
    return 0;
  return mefota_at_data_get_missing (self->current->data);
}

void
mefota_at_channel_data_end_async (MefotaAtChannel *self, guint timeout_ms, GCancellable *cancellable,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = mefota_at_channel_new_task (self, cancellable, callback, user_data,
                                                       mefota_at_channel_data_end_async);
  MefotaAtCommand *command = enter_step (self, task);
  g_autoptr (MefotaAtCommand) ended = NULL;

  if (command == NULL)
    return;
  command->task = g_steal_pointer (&task);
  command->timeout_ms = timeout_ms;
  if (!command->over)
    {
      mefota_at_channel_set_timer (self, timeout_ms);
      return;
    }
  ended = mefota_at_channel_end_current (self);
  complete_step (ended); /* from the main loop: GTask never calls back from where the task was made */
  mefota_at_channel_run_next (self);
}

gboolean
mefota_at_channel_data_end_finish (MefotaAtChannel *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);

  return g_task_propagate_boolean (G_TASK (result), error);
}
