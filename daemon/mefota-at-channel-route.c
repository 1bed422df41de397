/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-at-channel-private.h"

/* Whose line is it? The words are told apart by mefota-at-event; here they find their owner. */

static void
complete_current (MefotaAtChannel *self, gboolean ok, const char *line)
{
  g_autoptr (MefotaAtCommand) command = mefota_at_channel_end_current (self);

  mefota_at_channel_unwatch (command->task);
  if (ok)
    g_task_return_pointer (command->task, mefota_at_command_take_lines (command), (GDestroyNotify) g_strfreev);
  else
    g_task_return_error (command->task, mefota_at_command_refused (command, line));
  mefota_at_channel_run_next (self);
}

static void
on_final (MefotaAtChannel *self, MefotaAtEvent event, const char *line)
{
  MefotaAtCommand *command = mefota_at_channel_get_answering (self);

  if (command == NULL)
    mefota_at_channel_sync_final (self, event == MEFOTA_AT_EVENT_OK);
  else if (command->data != NULL)
    mefota_at_channel_data_final (self, event, line);
  else
    complete_current (self, event == MEFOTA_AT_EVENT_OK, line);
}

static void
on_connect (MefotaAtChannel *self, const char *line)
{
  MefotaAtCommand *command = mefota_at_channel_get_answering (self);

  if (command == NULL)
    mefota_at_channel_data_fill (self, self->fill_at_prompt);
  else if (command->data != NULL)
    mefota_at_channel_data_connect (self);
  else
    mefota_at_command_add_line (command, line);
}

static void
on_information (MefotaAtChannel *self, const char *line)
{
  MefotaAtCommand *command = mefota_at_channel_get_answering (self);

  if (command == NULL || command->phase == MEFOTA_AT_COMMAND_DATA)
    return;
  if (!command->echo_seen && mefota_at_event_is_echo (line, command->text))
    command->echo_seen = TRUE;
  else
    mefota_at_command_add_line (command, line);
}

static void
on_line (MefotaAtChannel *self, const char *line, gsize length)
{
  MefotaAtCommand *command = mefota_at_channel_get_answering (self);
  g_autoptr (MefotaIndication) indication = NULL;
  MefotaAtEvent event;

  if (command == NULL && self->sync.owed > 0)
    command = self->lost;
  if (command != NULL && command->phase != MEFOTA_AT_COMMAND_DATA)
    event = mefota_at_event_classify (line, command->text, (const char *const *) command->prefixes);
  else
    event = mefota_at_event_classify (line, self->sync.owed > 0 ? "AT" : NULL, NULL);

  switch (event)
    {
    case MEFOTA_AT_EVENT_OK:
    case MEFOTA_AT_EVENT_ERROR:
      on_final (self, event, line);
      break;
    case MEFOTA_AT_EVENT_CONNECT:
      on_connect (self, line);
      break;
    case MEFOTA_AT_EVENT_FOTAIND:
      indication = mefota_indication_parse (line, length);
      if (indication != NULL)
        g_signal_emit_by_name (self, "indication", indication);
      break;
    case MEFOTA_AT_EVENT_BOOT:
    case MEFOTA_AT_EVENT_URC:
      g_signal_emit_by_name (self, "urc", line, event == MEFOTA_AT_EVENT_BOOT);
      break;
    case MEFOTA_AT_EVENT_INFORMATION:
      on_information (self, line);
      break;
    }
}

static void
on_prompt (MefotaAtChannel *self)
{
  mefota_at_log_flush (&self->log);
  if (mefota_at_channel_get_answering (self) != NULL)
    mefota_at_channel_data_prompt (self);
  else if (self->lost != NULL && self->lost->style != MEFOTA_PROMPT_CONNECT)
    mefota_at_channel_data_fill (self, self->fill_at_prompt);
}

void
mefota_at_channel_on_frame (MefotaAtFrame frame, const char *line, gsize length, gpointer user_data)
{
  MefotaAtChannel *self = user_data;

  if (self->closed)
    return;
  switch (frame)
    {
    case MEFOTA_AT_FRAME_LINE:
      on_line (self, line, length);
      break;
    case MEFOTA_AT_FRAME_PROMPT:
      on_prompt (self);
      break;
    }
}

/* ---- A final result code without its line end ---- */

/* A restart may follow it so closely that the line end is lost. The pieces of a line come closer together than this. */
#define UNENDED_MS 300

static gboolean
is_awaited (MefotaAtChannel *self)
{
  MefotaAtCommand *command = mefota_at_channel_get_answering (self);

  if (self->closed || !mefota_at_framer_has_final (&self->framer))
    return FALSE;
  if (command == NULL)
    return self->sync.phase != MEFOTA_AT_SYNC_OFF;
  return command->data == NULL || mefota_at_channel_data_is_ending (self);
}

void
mefota_at_channel_take_unended (MefotaAtChannel *self)
{
  mefota_timer_stop (&self->unended);
  if (!is_awaited (self))
    return;
  mefota_at_log_flush (&self->log);
  mefota_at_framer_end_line (&self->framer);
}

static void
on_unended (gpointer user_data)
{
  g_autoptr (MefotaAtChannel) self = g_object_ref (user_data);

  mefota_at_channel_take_unended (self);
}

void
mefota_at_channel_watch_unended (MefotaAtChannel *self)
{
  mefota_timer_stop (&self->unended);
  if (is_awaited (self))
    mefota_timer_start (&self->unended, UNENDED_MS, on_unended, self);
}
