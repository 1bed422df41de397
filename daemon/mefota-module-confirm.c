/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* Answering a module that asks whether to upgrade (guide 2.1): by a caller or by policy. */

#include "mefota-module-private.h"

#include "mefota-error.h"
#include "mefota-journal.h"
#include "mefota-policy.h"

static void
on_confirm_answered (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaModule *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;
  g_strfreev (mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error));

  if (self->start_task != task)
    return;
  if (error == NULL)
    {
      mefota_module_commit_pending (self);
      return;
    }
  if (mefota_module_is_cut_off (result, error) && self->pending != NULL
      && self->pending->state == MEFOTA_STATE_STARTING)
    {
      mefota_module_commit_cut_off (self); /* a no that was lost does no harm: the module asks again */
      return;
    }
  mefota_module_end_asking (self);
  if (g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR))
    {
      g_autofree char *words = g_strdup (error->message);
      g_clear_error (&error);
      error = g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR,
                           "%s It takes an answer only while it asks (guide 3.4): answer again, or wait until it asks "
                           "again.", words);
    }
  else if (error->domain != MEFOTA_ERROR)
    {
      g_clear_error (&error);
      error = g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT,
                           "Module %s went away before it took the answer; it may ask again.",
                           self->id);
    }
  g_task_return_error (task, g_steal_pointer (&error));
}

static gboolean
may_confirm (MefotaModule *self, gboolean allow, GError **error)
{
  if (self->upgrade->state != MEFOTA_STATE_CONFIRMING || self->upgrade->answered || self->asking)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_ASKED,
                   "Module %s is not asking for an answer; wait for ConfirmRequested.", self->id);
      return FALSE;
    }
  if (!mefota_module_check_present (self, error))
    return FALSE;
  if (!allow)
    return TRUE;
  if (!mefota_queue_check_not_held (self->services->queue, error))
    return FALSE;
  if (mefota_queue_try_enter (self->services->queue, self->id))
    return TRUE;
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_BUSY,
               "As many upgrades as [policy] max-parallel=%u allows are under way; answer again when one has ended.",
               self->services->config->policy.max_parallel);
  return FALSE;
}

void
mefota_module_confirm_async (MefotaModule *self, gboolean allow, gboolean report, GAsyncReadyCallback callback,
                             gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  g_autofree char *command = g_strdup_printf ("AT+FOTACTR=%d%s", allow ? 1 : 0, report ? ",1" : "");
  GError *error = NULL;
  MefotaEvent event = { .type = MEFOTA_EVENT_ANSWERED, .allow = allow };

  g_task_set_source_tag (task, mefota_module_confirm_async);
  if (!may_confirm (self, allow, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  /* On disk it counts as answered before the module hears it: it may be through with it before we are back. */
  if (!mefota_module_prepare_pending (self, &event, mefota_module_start_taken, &error))
    {
      mefota_queue_leave (self->services->queue, self->id);
      g_task_return_error (task, error);
      return;
    }
  self->asking = TRUE;
  self->start_task = g_object_ref (task);
  mefota_at_channel_send_async (mefota_module_get_channel (self), command, NULL,
                                mefota_module_get_timeouts (self)->command, self->answers,
                                on_confirm_answered, g_object_ref (task));
}

gboolean
mefota_module_confirm_finish (MefotaModule *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
on_policy_confirmed (GObject *source, GAsyncResult *result, gpointer data)
{
  MefotaModule *self = MEFOTA_MODULE (source);
  g_autofree char *rule = data;
  g_autoptr (GError) error = NULL;

  if (!mefota_module_confirm_finish (self, result, &error))
    g_warning ("%s: the answer by %s did not reach the module: %s", self->id, rule, error->message);
}

static gboolean
on_window (gpointer data)
{
  MefotaModule *self = data;
  self->window_id = 0;
  mefota_module_apply_policy (self);
  return G_SOURCE_REMOVE;
}

void
mefota_module_apply_policy (MefotaModule *self)
{
  MefotaUpgrade *u = self->upgrade;
  const MefotaPolicy *policy = &self->services->config->policy;
  g_autoptr (GDateTime) now = NULL;
  g_autofree char *rule = NULL;
  MefotaAnswer answer;
  gint64 seconds;

  g_clear_handle_id (&self->window_id, g_source_remove);
  if (u->state != MEFOTA_STATE_CONFIRMING || u->answered || self->asking || u->confirm_deadline == self->policy_answered
      || mefota_link_get_state (self->link) != MEFOTA_LINK_UP)
    return;
  now = g_date_time_new_now_local ();
  answer = mefota_policy_answer (policy, g_date_time_get_hour (now) * 60 + g_date_time_get_minute (now),
                                 mefota_queue_is_held (self->services->queue),
                                 mefota_queue_may_enter (self->services->queue, self->id), &rule);
  switch (answer)
    {
    case MEFOTA_ANSWER_ALLOW:
    case MEFOTA_ANSWER_DENY:
      mefota_journal_event (MEFOTA_JOURNAL_QUESTION, self->id, u->id, u->status,
                            "%s: the module asks whether to upgrade; %s by %s", self->id,
                            answer == MEFOTA_ANSWER_ALLOW ? "allowed" : "refused", rule);
      self->policy_answered = u->confirm_deadline; /* once a question, even if the module does not take it */
      mefota_module_confirm_async (self, answer == MEFOTA_ANSWER_ALLOW, FALSE, on_policy_confirmed,
                                   g_steal_pointer (&rule));
      break;
    case MEFOTA_ANSWER_DELAY:
      mefota_journal_event (MEFOTA_JOURNAL_QUESTION, self->id, u->id, u->status,
                            "%s: the module asks whether to upgrade; delayed by %s", self->id, rule);
      break;
    case MEFOTA_ANSWER_ASK:
      mefota_journal_event (MEFOTA_JOURNAL_QUESTION, self->id, u->id, u->status,
                            "%s: the module asks whether to upgrade; left to mefotactl accept or reject by %s",
                                self->id,
                            rule);
      seconds = mefota_policy_seconds_to_window (policy, now);
      if (policy->confirm != MEFOTA_CONFIRM_DENY && seconds >= 0
          && seconds * 1000 < mefota_module_get_timeouts (self)->confirm)
        self->window_id = g_timeout_add ((guint) seconds * 1000, on_window, self);
      break;
    }
}
