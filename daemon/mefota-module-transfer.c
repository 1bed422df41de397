/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* A package on its way to the module, by whichever way: attempts, what is kept on disk meanwhile, and the end. */

#include "mefota-module-transfer-private.h"

/* How long a module may stay away that went because its way told it something, in units of [timeouts] command. */
#define RETURN_COMMANDS 12

static void clean_up (MefotaTransfer *self, GError *failure);

MefotaUpgrade *
mefota_transfer_get_upgrade (MefotaTransfer *self)
{
  return self->module->pending != NULL ? self->module->pending : self->module->upgrade;
}

void
mefota_transfer_save_or_warn (MefotaTransfer *self)
{
  g_autoptr (GError) error = NULL;
  if (!mefota_module_save_anyhow (self->module, mefota_transfer_get_upgrade (self), &error))
    g_warning ("%s: the transfer goes on but cannot be recorded: %s", self->module->id, error->message);
}

/* ---- a step ---- */

static void
let_go_of_presence (MefotaTransfer *self)
{
  if (self->presence_id != 0)
    g_signal_handler_disconnect (self->presence, self->presence_id);
  self->presence_id = 0;
  g_clear_object (&self->presence);
}

static void
tell_installing (MefotaTransfer *self)
{
  MefotaModule *module = self->module;
  MefotaEvent event = { .type = MEFOTA_EVENT_INSTALLING };

  mefota_module_drop_transfer (module);
  mefota_module_step (module, &event);
}

static void
on_module_gone (GCancellable *presence, gpointer data)
{
  MefotaTransfer *self = data;

  /* It has been told to install, and its OK got lost: that it goes away now is what installing looks like. */
  if (self->stage == MEFOTA_TRANSFER_INSTALLING && !self->module->upgrade->ending)
    tell_installing (self);
  else
    g_cancellable_cancel (self->cancellable);
}

static GCancellable *
begin_step (MefotaTransfer *self, MefotaTransferStage stage)
{
  self->stage = stage;
  let_go_of_presence (self);
  g_clear_object (&self->cancellable);
  self->cancellable = g_cancellable_new ();
  self->presence = g_object_ref (self->module->presence);
  self->presence_id = g_signal_connect (self->presence, "cancelled", G_CALLBACK (on_module_gone), self);
  return self->cancellable;
}

/* Whether the step's end is still of interest: @way is that of the transfer under way. */
static MefotaTransfer *
transfer_of (MefotaModule *module, GObject *way)
{
  MefotaTransfer *self = module->transfer;
  return self != NULL && G_OBJECT (self->way) == way ? self : NULL;
}

static gboolean
is_gone (MefotaTransfer *self)
{
  return self->lost || g_cancellable_is_cancelled (self->presence)
      || mefota_link_get_state (self->module->link) != MEFOTA_LINK_UP;
}

/* ---- the end ---- */

static void
transfer_free (MefotaTransfer *self)
{
  g_clear_handle_id (&self->return_id, g_source_remove);
  let_go_of_presence (self);
  if (self->changed_id != 0)
    g_signal_handler_disconnect (self->module, self->changed_id);
  if (self->cancellable != NULL)
    g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  g_clear_object (&self->cleaning);
  if (self->way != NULL)
    g_signal_handlers_disconnect_by_data (self->way, self);
  g_clear_object (&self->way);
  g_clear_object (&self->task);
  g_clear_error (&self->failure);
  g_free (self->expected);
  g_free (self->requested_by);
  g_free (self);
}

void
mefota_module_drop_transfer (MefotaModule *self)
{
  MefotaTransfer *transfer = g_steal_pointer (&self->transfer);
  if (transfer != NULL)
    transfer_free (transfer);
}

void
mefota_transfer_refuse (MefotaTransfer *self, GError *error)
{
  MefotaModule *module = self->module;
  g_autoptr (GTask) task = g_steal_pointer (&self->task);
  g_autoptr (GError) owned = error;
  gboolean queued = module->upgrade->state == MEFOTA_STATE_QUEUED;

  if (owned->domain != MEFOTA_ERROR || g_error_matches (owned, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT))
    {
      g_clear_error (&owned);
      owned = g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT, "Module %s went away; start again when it is back.",
                           module->id);
    }
  mefota_module_drop_transfer (module);
  if (!queued && module->package != NULL)
    {
      mefota_package_remove (module->package);
      g_clear_object (&module->package);
    }
  mefota_module_end_asking (module);
  if (queued && !mefota_module_wait_on (module, owned))
    {
      MefotaEvent event = { .type = MEFOTA_EVENT_TRANSFER_ENDED, .error = (MefotaError) owned->code,
                           .text = owned->message };
      mefota_module_step (module, &event);
    }
  g_task_return_error (task, g_steal_pointer (&owned));
}

void
mefota_transfer_end_failed (MefotaTransfer *self, GError *error)
{
  MefotaModule *module = self->module;
  g_autoptr (GError) owned = error;
  MefotaEvent event = { .type = MEFOTA_EVENT_TRANSFER_ENDED, .error = MEFOTA_ERROR_CANCELLED, .text = "" };

  if (self->task != NULL)
    {
      mefota_transfer_refuse (self, g_steal_pointer (&owned));
      return;
    }
  if (owned != NULL)
    {
      event.error = owned->domain == MEFOTA_ERROR ? (MefotaError) owned->code : MEFOTA_ERROR_TRANSFER_FAILED;
      event.text = owned->message;
    }
  mefota_module_drop_transfer (module);
  mefota_module_step (module, &event);
}

static void
on_cleaned_up (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) module = data;
  MefotaTransfer *self = transfer_of (module, source);
  g_autoptr (GError) error = NULL;

  if (!mefota_way_finish (MEFOTA_WAY (source), result, &error))
    g_message ("%s: the module may keep a part of the package until the next transfer: %s", module->id, error->message);
  if (self != NULL)
    mefota_transfer_end_failed (self, g_steal_pointer (&self->failure));
}

/* Takes @failure; NULL if the machine asked for the end. */
static void
clean_up (MefotaTransfer *self, GError *failure)
{
  g_clear_error (&self->failure);
  self->failure = failure;
  if (is_gone (self))
    {
      /* Nobody to clean up. One that was to end waits for the module, so that nothing is left in it (but not for ever,
       * see the machine's silence). */
      if (failure == NULL && self->task == NULL)
        self->stage = MEFOTA_TRANSFER_WAITING;
      else
        mefota_transfer_end_failed (self, g_steal_pointer (&self->failure));
      return;
    }
  begin_step (self, MEFOTA_TRANSFER_CLEANING);
  g_clear_object (&self->cleaning);
  self->cleaning = g_cancellable_new ();
  mefota_way_clean_up_async (self->way, mefota_module_get_channel (self->module), self->cleaning, on_cleaned_up,
                             g_object_ref (self->module));
}

/* ---- attempts ---- */

static gboolean
on_not_back (gpointer data)
{
  MefotaTransfer *self = data;

  self->return_id = 0;
  mefota_transfer_refuse (self, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT, "gone"));
  return G_SOURCE_REMOVE;
}

/* The way told the module something that it went away for: begun with anew when it is back. */
static void
await_return (MefotaTransfer *self)
{
  self->attempts--;
  self->stage = MEFOTA_TRANSFER_WAITING;
  if (mefota_link_get_state (self->module->link) == MEFOTA_LINK_UP)
    mefota_transfer_begin_attempt (self);
  else if (self->task != NULL && self->return_id == 0)
    {
      self->returning = TRUE;
      self->return_id
          = g_timeout_add (RETURN_COMMANDS * self->module->services->config->timeouts.command, on_not_back, self);
    }
}

static GError *
overtaken_error (MefotaTransfer *self)
{
  return g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_BUSY,
                      "Module %s has begun an upgrade of its own; install again after its end.", self->module->id);
}

gboolean
mefota_module_overtake_transfer (MefotaModule *self)
{
  MefotaTransfer *transfer = self->transfer;

  if (transfer == NULL || transfer->task == NULL)
    return FALSE;
  transfer->overtaken = TRUE;
  if (transfer->stage == MEFOTA_TRANSFER_PREPARING)
    g_cancellable_cancel (transfer->cancellable); /* its end finds that it is overtaken */
  else if (transfer->stage == MEFOTA_TRANSFER_WAITING)
    mefota_transfer_refuse (transfer, overtaken_error (transfer));
  else if (transfer->stage == MEFOTA_TRANSFER_CLEANING && mefota_transfer_get_upgrade (transfer)->piece == 0)
    {
      /* It waits for no bytes: not a word more into its own. */
      g_clear_error (&transfer->failure);
      transfer->failure = overtaken_error (transfer);
      g_cancellable_cancel (transfer->cleaning);
    }
  return TRUE;
}

/* The end of a message after @clause, which may have advice of its own. */
static const char *
get_advice (const char *clause, const char *otherwise)
{
  return strstr (clause, "; ") != NULL ? "." : otherwise;
}

/* A step failed with @error, which it takes. */
static void
fail_attempt (MefotaTransfer *self, GError *error)
{
  g_autoptr (GError) owned = error;
  MefotaModule *module = self->module;
  guint most = module->services->config->policy.transfer_attempts;

  self->lost = g_error_matches (owned, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT);
  if (self->overtaken && mefota_transfer_get_upgrade (self)->piece == 0)
    mefota_transfer_end_failed (self, overtaken_error (self)); /* it waits for no bytes: not a word into its own */
  else if (self->overtaken)
    clean_up (self, overtaken_error (self));
  else if (module->upgrade->ending)
    clean_up (self, NULL);
  else if (self->stage == MEFOTA_TRANSFER_PREPARING && mefota_way_is_leaving (self->way) && is_gone (self))
    await_return (self);
  else if (self->task != NULL && g_error_matches (owned, MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED))
    /* Refused before its first byte: the caller is told, and nothing has happened. */
    clean_up (self, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                                 "The module does not take the package, %s%s", owned->message,
                                 get_advice (owned->message, "; check its wiring, or restart it, then install "
                                                             "again.")));
  else if (self->task != NULL)
    clean_up (self, g_steal_pointer (&owned));
  else if (g_error_matches (owned, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED))
    clean_up (self, g_steal_pointer (&owned));
  else if (self->attempts >= most)
    clean_up (self, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                                 "The package could not be transferred in %u attempt%s, the last one ended %s%s",
                                 self->attempts, self->attempts == 1 ? "" : "s", owned->message,
                                 get_advice (owned->message, "; check the module's wiring and power, then install "
                                                             "again.")));
  else
    {
      g_message ("%s: attempt %u of %u to transfer the package ended %s", module->id, self->attempts, most,
                 owned->message);
      if (is_gone (self))
        self->stage = MEFOTA_TRANSFER_WAITING;
      else
        mefota_transfer_begin_attempt (self);
    }
}

static void
on_installing (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) module = data;
  MefotaTransfer *self = transfer_of (module, source);
  g_autoptr (GError) error = NULL;
  gboolean ok = mefota_way_finish (MEFOTA_WAY (source), result, &error);

  if (self == NULL || self->stage != MEFOTA_TRANSFER_INSTALLING)
    return;
  if (!module->upgrade->ending && (ok || !g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR)))
    {
      tell_installing (self); /* without an answer it may well be installing: the version will tell */
      return;
    }
  module->upgrade->install_asked = FALSE;
  mefota_transfer_save_or_warn (self);
  clean_up (self, module->upgrade->ending
                      ? NULL
                      : g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR,
                                     "The module has the package but refused to install it: %s; check that it is "
                                     "made for %s.",
                                     error->message, module->upgrade->from_version));
}

static void
install (MefotaTransfer *self)
{
  MefotaUpgrade *u = self->module->upgrade;
  GError *error = NULL;

  /* On disk before the module hears it: nothing may be sent into one that installs. */
  u->install_asked = TRUE;
  if (!mefota_module_save (self->module, u, &error))
    {
      u->install_asked = FALSE;
      clean_up (self, error);
      return;
    }
  mefota_module_show (self->module); /* it cannot be cancelled any more */
  mefota_way_install_async (self->way, begin_step (self, MEFOTA_TRANSFER_INSTALLING), on_installing,
                            g_object_ref (self->module));
}

static void
on_transferred (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) module = data;
  MefotaTransfer *self = transfer_of (module, source);
  GError *error = NULL;
  gboolean ok = mefota_way_finish (MEFOTA_WAY (source), result, &error);

  if (self == NULL || self->stage != MEFOTA_TRANSFER_SENDING)
    g_clear_error (&error);
  else if (!ok)
    fail_attempt (self, error);
  else if (module->upgrade->ending)
    clean_up (self, NULL);
  else
    install (self);
}

static void
on_prepared (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) module = data;
  MefotaTransfer *self = transfer_of (module, source);
  GError *error = NULL;
  gboolean ok = mefota_way_finish (MEFOTA_WAY (source), result, &error);

  if (self == NULL || self->stage != MEFOTA_TRANSFER_PREPARING)
    {
      g_clear_error (&error);
      return;
    }
  if (!ok || self->overtaken)
    {
      fail_attempt (self, error);
      return;
    }
  if (self->task != NULL && !mefota_module_check_not_held (module, &error))
    {
      clean_up (self, error);
      return;
    }
  if (module->pending != NULL)
    mefota_module_commit_pending (module);
  self = transfer_of (module, source); /* an indication that waited may have ended it */
  if (self == NULL)
    return;
  if (module->upgrade->ending)
    clean_up (self, NULL);
  else
    mefota_way_transfer_async (self->way, begin_step (self, MEFOTA_TRANSFER_SENDING), on_transferred,
                               g_object_ref (module));
}

void
mefota_transfer_begin_attempt (MefotaTransfer *self)
{
  MefotaModule *module = self->module;
  MefotaUpgrade *u = mefota_transfer_get_upgrade (self);
  g_autofree char *usb_path = mefota_module_get_usb_path (module);
  MefotaWayContext context = {
    .module = module->id,
    .profile = mefota_module_get_profile (module),
    .timeouts = &module->services->config->timeouts,
    .version = module->identity->version,
    .usb_path = usb_path,
    .stream = mefota_link_get_stream (module->link),
    .baud = mefota_link_get_baud (module->link),
    .package = module->package,
    .piece_left = u->piece,
  };
  GCancellable *cancellable = begin_step (self, MEFOTA_TRANSFER_PREPARING);

  self->lost = FALSE;
  /* One that is only to be cleaned up learns from a step that is cancelled before it begins with what it works. */
  if (u->ending)
    g_cancellable_cancel (cancellable);
  else
    self->attempts++;
  mefota_way_prepare_async (self->way, &context, mefota_module_get_channel (module), cancellable, on_prepared,
                            g_object_ref (module));
}
