/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-at-channel-private.h"

#include "mefota-error.h"

void
mefota_at_channel_destroy_source (gpointer source)
{
  g_source_destroy (source);
  g_source_unref (source);
}

GTask *
mefota_at_channel_new_task (MefotaAtChannel *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data, gpointer source_tag)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  GSource *source;

  g_task_set_source_tag (task, source_tag);
  g_task_set_check_cancellable (task, FALSE); /* what was done was done */
  if (cancellable == NULL)
    return task;
  /* A source, not the signal: it comes from the main loop, never from within g_cancellable_cancel(). */
  source = g_cancellable_source_new (cancellable);
  g_source_set_callback (source, G_SOURCE_FUNC (mefota_at_channel_on_cancelled), task, NULL);
  g_source_attach (source, g_task_get_context (task));
  g_task_set_task_data (task, source, mefota_at_channel_destroy_source);
  return task;
}

void
mefota_at_channel_unwatch (GTask *task)
{
  GSource *source = g_task_get_task_data (task);

  if (source != NULL)
    g_source_destroy (source);
}

static G_DEFINE_QUARK (mefota-at-channel-heard, heard)

void
mefota_at_channel_note_heard (MefotaAtCommand *command)
{
  if (command->task != NULL && command->unwritten < mefota_at_command_get_length (command))
    g_object_set_qdata (G_OBJECT (command->task), heard_quark (), command->task);
}

gboolean
mefota_at_channel_was_heard (GAsyncResult *result)
{
  return g_object_get_qdata (G_OBJECT (result), heard_quark ()) != NULL;
}

void
mefota_at_channel_fail (GTask *task, GError *error)
{
  mefota_at_channel_unwatch (task);
  g_task_return_error (task, error);
  g_object_unref (task);
}

typedef struct
{
  GTask *task;
  GError *error;
} Failure;

static gboolean
on_fail_later (gpointer user_data)
{
  Failure *failure = user_data;

  mefota_at_channel_fail (g_steal_pointer (&failure->task), g_steal_pointer (&failure->error));
  return G_SOURCE_REMOVE;
}

void
mefota_at_channel_fail_later (GTask *task, GError *error)
{
  g_autoptr (GSource) source = g_idle_source_new ();
  Failure *failure = g_new0 (Failure, 1);

  failure->task = task;
  failure->error = error;
  mefota_at_channel_unwatch (task);
  g_source_set_priority (source, G_PRIORITY_DEFAULT);
  g_source_set_callback (source, on_fail_later, failure, g_free);
  g_source_attach (source, g_task_get_context (task));
}

GError *
mefota_at_channel_error_gone (void)
{
  return g_error_new_literal (MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT,
                              "The module's port is gone or closed; try again when the module is back.");
}

GError *
mefota_at_channel_error_cancelled (void)
{
  return g_error_new_literal (G_IO_ERROR, G_IO_ERROR_CANCELLED, "The operation was cancelled.");
}

gboolean
mefota_at_channel_check_task (MefotaAtChannel *self, GTask *task)
{
  if (self->closed)
    mefota_at_channel_fail_later (g_object_ref (task), mefota_at_channel_error_gone ());
  else if (g_cancellable_is_cancelled (g_task_get_cancellable (task)))
    mefota_at_channel_fail_later (g_object_ref (task), mefota_at_channel_error_cancelled ());
  else
    return TRUE;
  return FALSE;
}
