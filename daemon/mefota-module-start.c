/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* Starting a network upgrade (guide 2.2) and answering a module that asks (guide 2.1). */

#include "mefota-module-private.h"

#include "mefota-error.h"
#include "mefota-journal.h"
#include "mefota-policy.h"
#include "mefota-readiness.h"

/* How long a start waits for ModemManager to let go. */
#define INHIBIT_WAIT_MS 3000

/* How many commands' time a module in line may take to answer when the daemon starts, before the others go on. */
#define PLACE_KEPT_COMMANDS 3

typedef struct
{
  char *target;
  char *requested_by;
  gboolean force;
  gboolean queued;
  GCancellable *presence; /* of the module when its first command was due */
} Start;

static void
start_free (gpointer data)
{
  Start *self = data;
  g_free (self->target);
  g_free (self->requested_by);
  g_clear_object (&self->presence);
  g_free (self);
}

static GError *
overtaken_error (MefotaModule *self)
{
  return g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_BUSY,
                      "Module %s has begun an upgrade of its own; start again after its end.", self->id);
}

/* The caller of a start that was queued has long been answered: its failure ends the upgrade instead. */
static void
refuse (GTask *task, GError *error)
{
  MefotaModule *self = g_task_get_source_object (task);
  g_autoptr (GError) owned = error;
  g_autoptr (GTask) guard G_GNUC_UNUSED = g_object_ref (task);
  gboolean queued = self->upgrade->state == MEFOTA_STATE_QUEUED;

  if (self->start_task != task)
    return; /* taken on meanwhile, by an indication */
  if (owned->domain != MEFOTA_ERROR && mefota_upgrade_is_active (self->upgrade) && !queued)
    {
      g_clear_error (&owned);
      owned = overtaken_error (self); /* it was withdrawn for that */
    }
  else if (owned->domain != MEFOTA_ERROR)
    {
      g_clear_error (&owned);
      owned = g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT, "Module %s went away; start again when it is back.",
                           self->id);
    }
  mefota_module_end_asking (self);
  mefota_module_apply_policy (self); /* should the module have asked meanwhile */
  if (queued && !mefota_module_wait_on (self, owned))
    {
      MefotaEvent event = { .type = MEFOTA_EVENT_TRANSFER_ENDED, .error = (MefotaError) owned->code,
                           .text = owned->message };
      mefota_module_step (self, &event);
    }
  g_task_return_error (task, g_steal_pointer (&owned));
}

void
mefota_module_forget_turn (MefotaModule *self)
{
  const Start *start = self->start_task != NULL ? g_task_get_task_data (self->start_task) : NULL;
  g_autoptr (GTask) task = NULL;

  if (start == NULL || !start->queued)
    return;
  task = g_steal_pointer (&self->start_task);
  self->asking = FALSE;
  g_task_return_boolean (task, FALSE);
}

void
mefota_module_start_taken (MefotaModule *self)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->start_task);
  if (task != NULL)
    g_task_return_boolean (task, TRUE);
}

static GError *
explain_refusal (MefotaModule *self, const GError *error)
{
  if (!g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR))
    return g_error_copy (error);
  return g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR,
                      "%s It allows one upgrade at a time and may be in one already%s%s (guide 3.4): wait for its "
                      "end, or "
                      "restart the module.",
                      error->message, self->pending_failure != NULL ? ", for it also said " : "",
                      self->pending_failure != NULL ? self->pending_failure->status : "");
}

static void
on_started (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaModule *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;
  g_strfreev (mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error));

  if (self->start_task != task)
    return;
  if (error == NULL)
    mefota_module_commit_pending (self);
  else if (mefota_module_is_cut_off (result, error))
    mefota_module_commit_cut_off (self);
  else
    refuse (task, explain_refusal (self, error));
}

/* From the first command to AT+FOTACTR the module may go away, or begin an upgrade of its own; or somebody holds. */
static gboolean
check_still_free (GTask *task, GError **error)
{
  MefotaModule *self = g_task_get_source_object (task);

  if (self->start_task != task)
    {
      g_set_error_literal (error, G_IO_ERROR, G_IO_ERROR_CANCELLED, "forgotten");
      return FALSE;
    }
  if (mefota_upgrade_is_active (self->upgrade) && self->upgrade->state != MEFOTA_STATE_QUEUED)
    {
      g_propagate_error (error, overtaken_error (self));
      return FALSE;
    }
  return mefota_module_check_present (self, error) && mefota_module_check_not_restarting (self, error)
         && mefota_module_check_not_held (self, error);
}

static void
send_start (GTask *task)
{
  MefotaModule *self = g_task_get_source_object (task);
  Start *start = g_task_get_task_data (task);
  GError *error = NULL;
  MefotaEvent event = { .type = MEFOTA_EVENT_BEGIN,
                        .state = MEFOTA_STATE_STARTING,
                        .operation = MEFOTA_OPERATION_NETWORK,
                        .imei = self->identity->imei,
                        .version = self->identity->version,
                        /* What SetTargetVersion has set is what the module goes for. */
                        .target = start->target[0] != '\0' ? start->target : self->settings->target,
                        .requested_by = start->requested_by };

  if (!check_still_free (task, &error)
      || !mefota_module_prepare_pending (self, &event, mefota_module_start_taken, &error))
    refuse (task, error);
  else
    mefota_at_channel_send_async (mefota_module_get_channel (self), "AT+FOTACTR", NULL,
                                  mefota_module_get_timeouts (self)->command,
                                  self->calls, on_started, g_object_ref (task));
}

static void
on_target_set (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaModule *self = g_task_get_source_object (task);
  Start *start = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_strfreev (mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error));

  if (error != NULL)
    {
      refuse (task, g_steal_pointer (&error));
      return;
    }
  self->settings->target = (g_free (self->settings->target), g_strdup (start->target));
  send_start (task);
}

static void
set_target (GTask *task)
{
  MefotaModule *self = g_task_get_source_object (task);
  Start *start = g_task_get_task_data (task);
  g_autofree char *command = NULL;
  GError *error = NULL;

  if (start->target[0] == '\0')
    send_start (task);
  else if (!check_still_free (task, &error))
    refuse (task, error);
  else
    {
      command = mefota_settings_target_command (mefota_module_get_profile (self), start->target);
      mefota_at_channel_send_async (mefota_module_get_channel (self), command, NULL,
                                    mefota_module_get_timeouts (self)->command,
                                    self->calls, on_target_set, g_object_ref (task));
    }
}

static void
on_ready (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaModule *self = MEFOTA_MODULE (source);
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) items = mefota_module_ask_readiness_finish (self, result, &error);
  g_autoptr (GString) failing = g_string_new (NULL);

  if (items == NULL)
    {
      refuse (task, g_steal_pointer (&error));
      return;
    }
  for (guint i = 0; i < items->len; i++)
    {
      const MefotaReadinessItem *item = g_ptr_array_index (items, i);
      if (!item->ok && strcmp (item->name, "idle") != 0)
        g_string_append_printf (failing, "%s%s: %s", failing->len > 0 ? " " : "", item->name, item->detail);
    }
  if (failing->len > 0)
    refuse (task, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_NOT_READY, "The module is not ready for an upgrade. %s",
                               failing->str));
  else
    set_target (task);
}

static void
look_into (GTask *task)
{
  MefotaModule *self = g_task_get_source_object (task);
  Start *start = g_task_get_task_data (task);
  GError *error = NULL;

  if (mefota_module_check_not_replaced (self, start->presence, &error) && check_still_free (task, &error))
    {
      if (start->force)
        set_target (task);
      else
        mefota_module_ask_readiness_async (self, on_ready, g_object_ref (task));
    }
  else
    refuse (task, error);
}

static void
on_inhibited (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;

  mefota_inhibitor_wait_finish (MEFOTA_INHIBITOR (source), result);
  mefota_module_when_settled (g_task_get_source_object (task), task, look_into);
}

/* Everything from the first command on. */
static void
run_start (GTask *task)
{
  MefotaModule *self = g_task_get_source_object (task);
  Start *start = g_task_get_task_data (task);
  GError *error = NULL;

  self->asking = TRUE;
  self->start_task = g_object_ref (task);
  start->presence = g_object_ref (self->presence);
  mefota_journal_event (MEFOTA_JOURNAL_ASKED, self->id, NULL, NULL, "%s: network upgrade%s%s asked for by %s", self->id,
                        start->target[0] != '\0' ? " to " : "", start->target, start->requested_by);
  /* A full disk must show before the module is told anything. */
  if (!mefota_module_save (self, self->upgrade, &error))
    {
      refuse (task, error);
      return;
    }
  mefota_module_show (self);
  mefota_module_inhibit (self);
  if (self->inhibitor != NULL)
    mefota_inhibitor_wait_async (self->inhibitor, INHIBIT_WAIT_MS, on_inhibited, g_object_ref (task));
  else
    mefota_module_when_settled (self, task, look_into);
}

static void
enqueue (GTask *task)
{
  MefotaModule *self = g_task_get_source_object (task);
  Start *start = g_task_get_task_data (task);
  GError *error = NULL;
  MefotaEvent event = { .type = MEFOTA_EVENT_BEGIN,
                        .state = MEFOTA_STATE_QUEUED,
                        .operation = MEFOTA_OPERATION_NETWORK,
                        .imei = self->identity->imei,
                        .version = self->identity->version,
                        .target = start->target,
                        .requested_by = start->requested_by };

  if (!mefota_module_prepare_pending (self, &event, NULL, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  self->pending->force = start->force;
  g_message ("%s: waits its turn ([policy] max-parallel=%u)", self->id, self->services->config->policy.max_parallel);
  mefota_module_commit_pending (self);
  mefota_queue_wait (self->services->queue, self->id, self->upgrade->started_at);
  g_task_return_boolean (task, TRUE);
}

void
mefota_module_upgrade_async (MefotaModule *self, const char *target, gboolean force, const char *requested_by,
                             GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  Start *start = g_new0 (Start, 1);
  GError *error = NULL;

  g_task_set_source_tag (task, mefota_module_upgrade_async);
  start->target = g_strdup (target);
  start->requested_by = g_strdup (requested_by);
  start->force = force;
  g_task_set_task_data (task, start, start_free);

  if (target[0] != '\0' && !mefota_settings_check_target (target, &error))
    g_task_return_error (task, error);
  else if (self->upgrade->state == MEFOTA_STATE_QUEUED)
    g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_BUSY,
                             "An upgrade of module %s already waits its turn; cancel it to start another.", self->id);
  else if (!mefota_module_check_may_start (self, &error)
           || !mefota_queue_check_not_held (self->services->queue, &error))
    g_task_return_error (task, error);
  else if (mefota_queue_try_enter (self->services->queue, self->id))
    run_start (task);
  else
    enqueue (task);
}

gboolean
mefota_module_upgrade_finish (MefotaModule *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static gboolean
on_not_expected (gpointer data)
{
  MefotaModule *self = data;
  self->line_id = 0;
  mefota_module_leave_line (self);
  return G_SOURCE_REMOVE;
}

void
mefota_module_keep_place (MefotaModule *self)
{
  if (self->upgrade->state != MEFOTA_STATE_QUEUED)
    return;
  mefota_queue_expect (self->services->queue, self->id, self->upgrade->started_at);
  self->line_id = g_timeout_add (PLACE_KEPT_COMMANDS * mefota_module_get_timeouts (self)->command, on_not_expected,
                                 self);
}

void
mefota_module_line_up (MefotaModule *self)
{
  g_clear_handle_id (&self->line_id, g_source_remove);
  mefota_queue_wait (self->services->queue, self->id, self->upgrade->started_at);
}

void
mefota_module_leave_line (MefotaModule *self)
{
  g_clear_handle_id (&self->line_id, g_source_remove);
  if (self->upgrade->state == MEFOTA_STATE_QUEUED && !self->asking)
    mefota_queue_leave (self->services->queue, self->id);
}

gboolean
mefota_module_check_not_held (MefotaModule *self, GError **error)
{
  self->held_back = !mefota_queue_check_not_held (self->services->queue, error);
  return !self->held_back;
}

gboolean
mefota_module_wait_on (MefotaModule *self, const GError *error)
{
  if (!g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_BUSY) || !self->held_back)
    return FALSE;
  self->held_back = FALSE;
  g_clear_object (&self->inhibitor);
  mefota_queue_leave (self->services->queue, self->id);
  if (mefota_link_get_state (self->link) == MEFOTA_LINK_UP)
    mefota_module_line_up (self);
  return TRUE;
}

void
mefota_module_take_turn (MefotaModule *self)
{
  MefotaUpgrade *u = self->upgrade;
  g_autoptr (GTask) task = NULL;
  Start *start;

  if (u->state != MEFOTA_STATE_QUEUED || self->asking)
    {
      if (!mefota_upgrade_is_active (u) && !self->asking)
        mefota_queue_leave (self->services->queue, self->id);
      return;
    }
  if (mefota_link_get_state (self->link) != MEFOTA_LINK_UP || self->restarting || self->restart_id != 0)
    {
      /* Not there at its turn: the others go on, it lines up again when it is back. */
      mefota_queue_leave (self->services->queue, self->id);
      return;
    }
  self->held_back = FALSE;
  if (u->operation != MEFOTA_OPERATION_NETWORK)
    {
      mefota_module_start_transfer (self);
      return;
    }
  task = g_task_new (self, NULL, NULL, NULL);
  start = g_new0 (Start, 1);
  start->target = g_strdup (u->target);
  start->requested_by = g_strdup (u->requested_by);
  start->force = u->force;
  start->queued = TRUE;
  g_task_set_task_data (task, start, start_free);
  run_start (task);
}
