/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* Restart and single commands: everything that is neither an upgrade nor a setting. */

#include "mefota-module-private.h"

#include "mefota-command-check.h"
#include "mefota-error.h"
#include "mefota-readiness.h"

#include <string.h>

/* How long a module that was told to restart is awaited to go, in tries to wake a port up: it may linger. */
#define RESTART_PROBES 20

void
mefota_module_return_error (GTask *task, GError *error)
{
  MefotaModule *self = g_task_get_source_object (task);

  if (error->domain != MEFOTA_ERROR)
    {
      g_clear_error (&error);
      mefota_module_check_not_upgrading (self, &error); /* it may have been withdrawn for that */
      if (!g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_BUSY))
        {
          g_clear_error (&error);
          error = g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT,
                               "Module %s went away; try again when it is back.", self->id);
        }
    }
  if (g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_TIMEOUT))
    mefota_link_suspect (self->link);
  g_task_return_error (task, error);
}

/* ---- one command, one OK ---- */

GTask *
mefota_module_begin_task (MefotaModule *self, gpointer tag, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, tag);
  if (mefota_module_check_free (self, &error))
    return task;
  g_task_return_error (task, error);
  g_object_unref (task);
  return NULL;
}

gboolean
mefota_module_refuse_argument (MefotaModule *self, gpointer tag, GError *error, GAsyncReadyCallback callback,
                               gpointer user_data)
{
  if (error == NULL)
    return FALSE;
  g_task_report_error (self, callback, user_data, tag, error);
  return TRUE;
}

static void
on_ok (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (GError) error = NULL;
  g_strfreev (mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error));

  if (error != NULL)
    mefota_module_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_boolean (task, TRUE);
}

gboolean
mefota_module_command_finish (MefotaModule *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
mefota_module_delete_package_async (MefotaModule *self, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = mefota_module_begin_task (self, mefota_module_delete_package_async, callback, user_data);
  if (task != NULL)
    mefota_at_channel_send_async (mefota_module_get_channel (self), "AT+ZCOMDEL", NULL,
                                  mefota_module_get_timeouts (self)->command, self->calls, on_ok, task);
}

/* On a UART nothing is seen of a restart that is over between two looks; on USB there was none. */
static gboolean
on_restart_unseen (gpointer data)
{
  MefotaModule *self = data;
  gboolean queued = self->upgrade->state == MEFOTA_STATE_QUEUED;

  self->restart_id = 0;
  mefota_module_keep (self, 0);
  if ((mefota_upgrade_is_active (self->upgrade) && !queued) || mefota_link_get_state (self->link) != MEFOTA_LINK_UP)
    return G_SOURCE_REMOVE;
  if (self->transport != MEFOTA_TRANSPORT_UART)
    {
      if (queued)
        mefota_module_line_up (self);
      return G_SOURCE_REMOVE;
    }
  mefota_module_forget_settings (self);
  mefota_link_identify (self->link);
  mefota_module_show (self);
  return G_SOURCE_REMOVE;
}

/* Nothing is started in it until it is back. On a UART nothing else tells that it is away, as long as nobody asks it
 * for something: it forgets its target version, and what it was set to comes into force. */
static void
watch_restart (MefotaModule *self)
{
  if (mefota_link_get_state (self->link) != MEFOTA_LINK_UP)
    return;
  g_clear_handle_id (&self->restart_id, g_source_remove);
  self->restart_id = g_timeout_add (RESTART_PROBES * mefota_module_get_timeouts (self)->probe, on_restart_unseen, self);
  mefota_module_keep (self, 0);
}

static void
on_restarting (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaModule *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);

  self->restarting = FALSE;
  /* It may be gone before its OK has been read; that was what was asked for. */
  if (mefota_module_is_cut_off (result, error))
    g_clear_error (&error);
  self->awaited = error == NULL || g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_TIMEOUT);
  if (self->awaited)
    watch_restart (self);
  else if (self->upgrade->state == MEFOTA_STATE_QUEUED && mefota_link_get_state (self->link) == MEFOTA_LINK_UP)
    mefota_module_line_up (self);
  if (error != NULL)
    mefota_module_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_boolean (task, TRUE);
  mefota_module_end_settling (self);
}

void
mefota_module_restart_async (MefotaModule *self, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = mefota_module_begin_task (self, mefota_module_restart_async, callback, user_data);
  if (task == NULL)
    return;
  mefota_module_begin_settling (self);
  self->restarting = TRUE;
  mefota_at_channel_send_async (mefota_module_get_channel (self), mefota_module_get_profile (self)->restart, NULL,
                                mefota_module_get_timeouts (self)->command, self->calls, on_restarting, task);
}

void
mefota_module_refresh_async (MefotaModule *self, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = mefota_module_begin_task (self, mefota_module_refresh_async, callback, user_data);
  if (task == NULL)
    return;
  if (self->refresh_task != NULL)
    {
      g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_BUSY,
                               "Module %s is being read already; its properties will be fresh in a moment.", self->id);
      g_object_unref (task);
      return;
    }
  self->refresh_task = task;
  mefota_link_identify (self->link);
}

/* ---- SendCommand ---- */

/* Whether a command sets what is kept of the module: a restart must not undo it. */
static gboolean
sets_settings (const char *command)
{
  static const char *const names[] = { "+FOTAIP=", "+FOTAPOLLEN=", "+FOTATV=" };
  g_autofree char *upper = g_ascii_strup (command, -1);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (strstr (upper, names[i]) != NULL)
      return TRUE;
  return FALSE;
}

typedef struct
{
  char *text;
  guint timeout_ms;
  gboolean sets;
} Command;

static void
command_free (gpointer data)
{
  Command *self = data;
  g_free (self->text);
  g_free (self);
}

static void
on_command_answered (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaModule *self = g_task_get_source_object (task);
  const Command *command = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);

  if (g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR) && lines != NULL && lines[0] != NULL)
    {
      g_autofree char *joined = g_strjoinv (" / ", lines);
      g_prefix_error (&error, "%s / ", joined);
    }
  if (error == NULL && command->sets)
    {
      mefota_module_unlearn_settings (self, command->text);
      mefota_module_read_settings (self);
    }
  if (error == NULL)
    g_task_return_pointer (task, g_steal_pointer (&lines), (GDestroyNotify) g_strfreev);
  else
    mefota_module_return_error (task, g_steal_pointer (&error));
  if (command->sets)
    mefota_module_end_settling (self);
}

static void
send_command (GTask *task)
{
  MefotaModule *self = g_task_get_source_object (task);
  const Command *command = g_task_get_task_data (task);
  GError *error = NULL;

  if (!mefota_module_check_not_upgrading (self, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  if (command->sets)
    mefota_module_begin_settling (self);
  mefota_at_channel_send_async (mefota_module_get_channel (self), command->text, NULL, command->timeout_ms,
                                self->calls, on_command_answered, g_object_ref (task));
}

void
mefota_module_send_command_async (MefotaModule *self, const char *command, guint timeout_ms,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  GError *error = NULL;
  Command *sent;

  mefota_command_check (command, mefota_module_get_profile (self)->max_command, &error);
  if (mefota_module_refuse_argument (self, mefota_module_send_command_async, error, callback, user_data))
    return;
  task = mefota_module_begin_task (self, mefota_module_send_command_async, callback, user_data);
  if (task == NULL)
    return;
  sent = g_new0 (Command, 1);
  sent->text = g_strdup (command);
  sent->timeout_ms = timeout_ms != 0 ? timeout_ms : mefota_module_get_timeouts (self)->command;
  sent->sets = sets_settings (command);
  g_task_set_task_data (task, sent, command_free);
  if (sent->sets)
    mefota_module_when_settled (self, task, send_command);
  else
    send_command (task);
}

char **
mefota_module_send_command_finish (MefotaModule *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
