/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* What an upgrade will be once the module takes it on: between the first command of a start (or of an answer) and the
 * module's word on it. */

#include "mefota-module-private.h"

#include "mefota-error.h"

static MefotaUpgrade *
duplicate (const MefotaUpgrade *upgrade, const MefotaTimeouts *t)
{
  g_autoptr (GVariant) record = g_variant_ref_sink (mefota_upgrade_to_variant (upgrade));
  return mefota_upgrade_from_variant (record, t, mefota_module_now ());
}

gboolean
mefota_module_prepare_pending (MefotaModule *self, const MefotaEvent *event, void (*taken) (MefotaModule *self),
                               GError **error)
{
  g_autoptr (MefotaUpgrade) pending = NULL;

  pending = mefota_upgrade_is_active (self->upgrade) ? duplicate (self->upgrade, mefota_module_get_timeouts (self))
      : mefota_upgrade_new ();
  pending->returning = FALSE;
  self->pending_actions = mefota_upgrade_step (pending, mefota_module_get_timeouts (self), event, mefota_module_now ());
  if (self->pending_actions & MEFOTA_ACT_BEGUN)
    pending->id = (g_free (pending->id), g_uuid_string_random ());
  if (self->package != NULL)
    {
      g_free (pending->package);
      pending->package = g_strdup (mefota_package_get_path (self->package));
      g_free (pending->package_sha256);
      pending->package_sha256 = g_strdup (mefota_package_get_sha256 (self->package));
      pending->package_size = mefota_package_get_size (self->package);
    }
  if (!mefota_module_save (self, pending, error))
    return FALSE;
  self->pending = g_steal_pointer (&pending);
  self->pending_taken = taken;
  return TRUE;
}

void
mefota_module_drop_pending (MefotaModule *self)
{
  g_autoptr (GError) error = NULL;

  g_clear_pointer (&self->pending_failure, mefota_indication_free);
  if (self->pending == NULL)
    return;
  g_clear_pointer (&self->pending, mefota_upgrade_free);
  if (!mefota_module_save_anyhow (self, self->upgrade, &error))
    g_warning ("%s: %s", self->id, error->message);
}

gboolean
mefota_module_is_overtaken (MefotaModule *self)
{
  return self->pending != NULL && mefota_upgrade_is_active (self->upgrade)
         && strcmp (self->upgrade->id, self->pending->id) != 0;
}

/* The module took the start on and has asked already: what it asks about was told, and is what the caller gets. */
static void
join_overtaking (MefotaModule *self)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->start_task);

  if (self->pending->target[0] != '\0')
    self->upgrade->target = (g_free (self->upgrade->target), g_strdup (self->pending->target));
  mefota_module_end_asking (self); /* writes the record, too */
  mefota_module_apply_policy (self);
  if (task != NULL)
    g_task_return_boolean (task, TRUE);
}

void
mefota_module_commit_pending (MefotaModule *self)
{
  g_autoptr (MefotaIndication) failure = g_steal_pointer (&self->pending_failure);
  void (*taken) (MefotaModule *) = self->pending_taken;
  guint actions = self->pending_actions;

  if (self->pending == NULL)
    return;
  if (mefota_module_is_overtaken (self))
    {
      join_overtaking (self);
      return;
    }
  g_clear_pointer (&self->upgrade, mefota_upgrade_free);
  self->upgrade = g_steal_pointer (&self->pending);
  self->pending_taken = NULL;
  self->asking = FALSE;
  mefota_module_carry_out (self, actions | MEFOTA_ACT_SAVE);
  if (taken != NULL)
    taken (self);
  if (failure != NULL)
    {
      MefotaEvent event = { .type = MEFOTA_EVENT_INDICATION, .indication = failure, .imei = "", .version = "" };
      mefota_module_step (self, &event);
    }
}

gboolean
mefota_module_is_cut_off (GAsyncResult *result, const GError *error)
{
  return error != NULL && mefota_at_channel_was_heard (result)
         && (error->domain != MEFOTA_ERROR || g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT));
}

void
mefota_module_commit_cut_off (MefotaModule *self)
{
  MefotaEvent event = { .type = MEFOTA_EVENT_GONE };
  gboolean told = mefota_module_is_overtaken (self);

  g_message ("%s: went away before its word on the start was heard; it may have begun", self->id);
  mefota_module_commit_pending (self);
  if (!told && mefota_link_get_state (self->link) != MEFOTA_LINK_UP)
    mefota_module_step (self, &event); /* that it is away was told before it became an upgrade */
}

void
mefota_module_abandon_pending (MefotaModule *self)
{
  g_autoptr (GTask) task = NULL;
  gboolean refused;

  if (self->pending == NULL)
    mefota_module_forget_turn (self);
  /* A package that was overtaken has its own end. */
  if (self->pending == NULL || (self->transfer != NULL && strcmp (self->pending->id, self->upgrade->id) != 0))
    return;
  /* A no that the module has acted on already is no failure to the one who said it. */
  refused = self->pending->refused && self->upgrade->error == MEFOTA_ERROR_REJECTED;
  g_clear_pointer (&self->pending, mefota_upgrade_free);
  g_clear_pointer (&self->pending_failure, mefota_indication_free);
  self->asking = FALSE;
  task = g_steal_pointer (&self->start_task);
  if (task != NULL && refused)
    g_task_return_boolean (task, TRUE);
  else if (task != NULL)
    g_task_return_new_error (task, MEFOTA_ERROR, (int) self->upgrade->error, "%s", self->upgrade->message);
}

void
mefota_module_pending_indication (MefotaModule *self, const MefotaIndication *indication)
{
  if (self->pending == NULL)
    return;
  switch (indication->kind)
    {
    case MEFOTA_IND_START:
    case MEFOTA_IND_CONFIRMED:
    case MEFOTA_IND_DOWNLOADING:
    case MEFOTA_IND_NEED_VERIFY:
    case MEFOTA_IND_PASS_VERIFY:
    case MEFOTA_IND_UPDATING:
      /* No answer to a package: what it begins is its own. */
      if (self->transfer == NULL && !mefota_module_is_overtaken (self))
        mefota_module_commit_pending (self);
      break;
    case MEFOTA_IND_FAILURE:
      /* Its end may come before the OK to its start; with ERROR it is only the reason for that. */
      g_clear_pointer (&self->pending_failure, mefota_indication_free);
      self->pending_failure = mefota_indication_parse_word (indication->raw, strlen (indication->raw));
      break;
    case MEFOTA_IND_QUESTION:
      /* One that waited its turn is an upgrade already: it is what the module asks about. */
      if (self->upgrade->state == MEFOTA_STATE_QUEUED && self->pending->operation == MEFOTA_OPERATION_NETWORK)
        mefota_module_commit_pending (self);
      break;
    case MEFOTA_IND_OTHER:
    case MEFOTA_IND_COSTTIME:
    case MEFOTA_IND_SUCCESS:
      break;
    }
}

void
mefota_module_end_asking (MefotaModule *self)
{
  mefota_module_drop_pending (self);
  self->asking = FALSE;
  g_clear_object (&self->start_task);
  if (!mefota_upgrade_is_active (self->upgrade))
    {
      mefota_queue_leave (self->services->queue, self->id);
      g_clear_object (&self->inhibitor);
    }
  else if (self->upgrade->state == MEFOTA_STATE_CONFIRMING)
    mefota_queue_leave (self->services->queue, self->id);
  mefota_module_show (self);
}
