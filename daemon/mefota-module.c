/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-module-private.h"

#include "mefota-at-event.h"
#include "mefota-error.h"
#include "mefota-journal.h"
#include "mefota-readiness.h"

G_DEFINE_FINAL_TYPE (MefotaModule, mefota_module, G_TYPE_OBJECT)

guint mefota_module_signals[MEFOTA_MODULE_N_SIGNALS];

MefotaTime
mefota_module_now (void)
{
  return (MefotaTime){ .mono = g_get_monotonic_time (), .wall = g_get_real_time () };
}

const char *
mefota_module_get_id (MefotaModule *self)
{
  return self->id;
}

const MefotaProfile *
mefota_module_get_profile (MefotaModule *self)
{
  return mefota_profiles_match (self->services->profiles, self->identity->model, self->identity->version);
}

const MefotaTimeouts *
mefota_module_get_timeouts (MefotaModule *self)
{
  return &self->services->config->timeouts;
}

MefotaAtChannel *
mefota_module_get_channel (MefotaModule *self)
{
  return mefota_link_get_channel (self->link);
}

MefotaState
mefota_module_get_state (MefotaModule *self)
{
  if (mefota_upgrade_is_active (self->upgrade))
    return self->upgrade->state;
  switch (mefota_link_get_state (self->link))
    {
    case MEFOTA_LINK_CLOSED:
      return MEFOTA_STATE_ABSENT;
    case MEFOTA_LINK_PROBING:
      return MEFOTA_STATE_PROBING;
    case MEFOTA_LINK_UP:
      return self->settings_read || self->ended_here ? MEFOTA_STATE_IDLE : MEFOTA_STATE_PROBING;
    }
  g_return_val_if_reached (MEFOTA_STATE_ABSENT);
}

gboolean
mefota_module_check_present (MefotaModule *self, GError **error)
{
  const char *refusal = mefota_link_get_refusal (self->link);

  if (mefota_link_get_state (self->link) == MEFOTA_LINK_UP)
    return TRUE;
  if (refusal != NULL)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT, "Module %s cannot be reached: %s", self->id, refusal);
      return FALSE;
    }
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT,
               "Module %s %s; check its power and wiring, then try again.",
               self->id,
               mefota_link_get_state (self->link) == MEFOTA_LINK_CLOSED ? "is not there" : "does not answer yet");
  return FALSE;
}

static gboolean
is_in_upgrade (MefotaModule *self)
{
  return mefota_upgrade_is_active (self->upgrade) && self->upgrade->state != MEFOTA_STATE_QUEUED;
}

gboolean
mefota_module_check_not_upgrading (MefotaModule *self, GError **error)
{
  if (!is_in_upgrade (self))
    return mefota_module_check_present (self, error);
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_BUSY,
               "Module %s is in an upgrade (%s); wait for its end (mefotactl attach).", self->id,
               mefota_state_to_word (mefota_module_get_state (self)));
  return FALSE;
}

gboolean
mefota_module_check_free (MefotaModule *self, GError **error)
{
  if (!self->asking || is_in_upgrade (self))
    return mefota_module_check_not_upgrading (self, error);
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_BUSY,
               "Module %s is about to start an upgrade; wait for its end (mefotactl attach).", self->id);
  return FALSE;
}

gboolean
mefota_module_check_not_replaced (MefotaModule *self, GCancellable *presence, GError **error)
{
  return self->upgrade->state == MEFOTA_STATE_QUEUED || !g_cancellable_set_error_if_cancelled (presence, error);
}

gboolean
mefota_module_check_not_restarting (MefotaModule *self, GError **error)
{
  if (self->restart_id == 0)
    return TRUE;
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT,
               "Module %s is about to restart, as it was told; start again when it is back.", self->id);
  return FALSE;
}

gboolean
mefota_module_check_may_start (MefotaModule *self, GError **error)
{
  if (!mefota_module_check_free (self, error) || !mefota_module_check_not_restarting (self, error))
    return FALSE;
  if (mefota_module_get_state (self) != MEFOTA_STATE_PROBING)
    return TRUE;
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT,
               "Module %s has just come up and is still being read; start again when it is idle.", self->id);
  return FALSE;
}

/* ---- showing ---- */

void
mefota_module_show (MefotaModule *self)
{
  MefotaState state = mefota_module_get_state (self);
  gboolean at_once = state != self->shown;

  if (at_once)
    {
      self->shown = state;
      if (mefota_upgrade_is_active (self->upgrade))
        mefota_journal_event (MEFOTA_JOURNAL_PHASE, self->id, self->upgrade->id, self->upgrade->status, "%s: %s",
                              self->id,
                              mefota_state_to_word (state));
    }
  g_signal_emit (self, mefota_module_signals[MEFOTA_MODULE_CHANGED], 0, at_once);
}

void
mefota_module_get_info (MefotaModule *self, MefotaModuleInfo *info)
{
  *info = (MefotaModuleInfo){
    .id = self->id,
    .physical_path = self->physical_path,
    .transport = self->transport,
    .port = mefota_link_get_node (self->link),
    .identity = self->identity,
    .settings = self->settings,
    .polling_restart_needed = self->settings->polling != self->polling_in_force,
    .state = mefota_module_get_state (self),
    .upgrade = self->upgrade,
    /* A queued one whose turn has just come is being put to the module. */
    .can_cancel = mefota_upgrade_can_cancel (self->upgrade)
                  && !(self->asking && self->upgrade->state == MEFOTA_STATE_QUEUED),
    .can_serial = self->transport == MEFOTA_TRANSPORT_UART,
    .can_adb = mefota_module_can_adb (self),
  };
}

/* ---- the link ---- */

/* A module may chatter: of the same word again and again only the first is logged. */
static void
log_unknown (MefotaModule *self, const MefotaIndication *indication)
{
  const char *upgrade = mefota_upgrade_is_active (self->upgrade) ? self->upgrade->id : NULL;

  if (indication->kind != MEFOTA_IND_OTHER)
    {
      g_clear_pointer (&self->unknown_word, g_free);
      return;
    }
  if (g_strcmp0 (self->unknown_word, indication->status) == 0)
    return;
  g_free (self->unknown_word);
  self->unknown_word = g_strdup (indication->status);
  mefota_journal_event (MEFOTA_JOURNAL_UNKNOWN, self->id, upgrade, indication->status,
                        "%s: the module says \"%s\", which is not known here; nothing follows from it", self->id,
                        indication->raw);
}

static void
on_indication (MefotaLink *link, const MefotaIndication *indication, gpointer data)
{
  g_autoptr (MefotaModule) self = g_object_ref (data);
  gboolean known = mefota_link_get_state (link) == MEFOTA_LINK_UP;
  MefotaEvent event = {
    .type = MEFOTA_EVENT_INDICATION,
    .indication = indication,
    .imei = known ? self->identity->imei : "",
    .version = known ? self->identity->version : "",
  };

  g_debug ("%s: indication %s %s", self->id, indication->status, indication->argument);
  log_unknown (self, indication);
  g_signal_emit (self, mefota_module_signals[MEFOTA_MODULE_INDICATION], 0, indication);
  if (self->upgrade->state == MEFOTA_STATE_TRANSFERRING && !self->upgrade->install_asked
      && mefota_module_may_be_echo (self, indication))
    {
      g_message ("%s: \"%s\" stands in the package too and may be its echo; it is not believed", self->id,
                 indication->raw);
      return;
    }
  mefota_module_pending_indication (self, indication);
  mefota_module_step (self, &event);
}

static void
fail_refresh (MefotaModule *self, MefotaError code, const char *message)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->refresh_task);

  if (task != NULL)
    g_task_return_new_error (task, MEFOTA_ERROR, code, "%s", message);
}

static void
renew (GCancellable **cancellable)
{
  g_cancellable_cancel (*cancellable);
  g_object_unref (*cancellable);
  *cancellable = g_cancellable_new ();
}

static void
on_gone (MefotaLink *link, gpointer data)
{
  g_autoptr (MefotaModule) self = g_object_ref (data);
  MefotaEvent event = { .type = MEFOTA_EVENT_GONE };

  renew (&self->presence);
  renew (&self->calls);
  renew (&self->answers);
  g_clear_handle_id (&self->restart_id, g_source_remove);
  mefota_module_forget_settings (self);
  mefota_module_leave_line (self);
  fail_refresh (self, MEFOTA_ERROR_NOT_PRESENT, "The module went away; try again when it is back.");
  mefota_module_step (self, &event);
}

static void
on_answers (MefotaLink *link, gpointer data)
{
  MefotaEvent event = { .type = MEFOTA_EVENT_ANSWERS };
  mefota_module_step (data, &event);
}

static void
on_identified (MefotaLink *link, const MefotaIdentity *identity, gpointer data)
{
  g_autoptr (MefotaModule) self = g_object_ref (data);
  g_autofree char *stored = NULL;
  g_autoptr (GVariant) known = NULL;
  MefotaEvent event = { .type = MEFOTA_EVENT_IDENTITY, .imei = identity->imei, .version = identity->version };

  mefota_module_notice_version (self, identity->version);
  g_clear_pointer (&self->identity, mefota_identity_free);
  self->identity = mefota_identity_copy (identity);

  known = identity->imei[0] != '\0' ? mefota_store_load (self->services->store, MEFOTA_STORE_IMEI, identity->imei)
      : NULL;
  if (known != NULL && g_variant_lookup (known, "version", "s", &stored) && stored[0] != '\0')
    event.stored = stored;
  self->awaited = FALSE;
  mefota_module_step (self, &event);
  mefota_module_note_late_version (self);
  mefota_module_read_settings (self);
  if (self->upgrade->state == MEFOTA_STATE_QUEUED)
    mefota_module_line_up (self);
  else if (self->upgrade->state == MEFOTA_STATE_TRANSFERRING || self->transfer != NULL)
    mefota_module_resume_transfer (self);
  mefota_module_apply_policy (self); /* it may have asked while it booted, or before the daemon started */
  mefota_module_fetch_wanted_logs (self);
}

static void
on_link_changed (MefotaLink *link, gpointer data)
{
  MefotaModule *self = data;

  self->unopened = self->unopened && mefota_link_get_state (link) == MEFOTA_LINK_CLOSED;
  if (mefota_link_get_state (link) == MEFOTA_LINK_PROBING)
    fail_refresh (self, MEFOTA_ERROR_TIMEOUT, "The module does not answer any more; try again when it is idle.");
  mefota_module_show (self);
}

static void
on_turn (MefotaQueue *queue, const char *key, gpointer data)
{
  MefotaModule *self = data;
  if (strcmp (key, self->id) == 0)
    mefota_module_take_turn (self);
}

static void
on_queue_changed (MefotaQueue *queue, gpointer data)
{
  mefota_module_apply_policy (data);
}

/* ---- life ---- */

void
mefota_module_start (MefotaModule *self)
{
  g_autoptr (GVariant) details = g_steal_pointer (&self->announce);
  MefotaUpgrade *u = self->upgrade;

  if (details != NULL)
    g_signal_emit (self, mefota_module_signals[MEFOTA_MODULE_FINISHED], 0, details);
  if (mefota_link_get_state (self->link) == MEFOTA_LINK_CLOSED)
    mefota_module_leave_line (self);
  if (mefota_link_get_state (self->link) == MEFOTA_LINK_CLOSED
      && (u->state == MEFOTA_STATE_UPDATING || u->state == MEFOTA_STATE_CHECKING))
    {
      MefotaEvent event = { .type = MEFOTA_EVENT_GONE };
      mefota_module_step (self, &event);
    }
}

void
mefota_module_set_port (MefotaModule *self, const char *path, const char *usb_sysfs)
{
  if (usb_sysfs != NULL)
    {
      g_free (self->usb_sysfs);
      self->usb_sysfs = g_strdup (usb_sysfs);
      if (mefota_upgrade_is_active (self->upgrade) && self->upgrade->state != MEFOTA_STATE_QUEUED)
        mefota_module_inhibit (self);
    }
  if (path != NULL)
    self->unopened = mefota_link_get_state (self->link) == MEFOTA_LINK_CLOSED;
  mefota_link_set_port (self->link, path);
  if (path == NULL && self->unopened)
    mefota_module_missed (self);
}

void
mefota_module_missed (MefotaModule *self)
{
  self->unopened = FALSE;
  on_gone (self->link, self);
}

gboolean
mefota_module_is_dispensable (MefotaModule *self)
{
  return !self->configured && !self->asking && !self->awaited && !mefota_upgrade_is_active (self->upgrade)
         && mefota_link_get_state (self->link) == MEFOTA_LINK_CLOSED;
}

void
mefota_module_set_paused (MefotaModule *self, gboolean paused)
{
  MefotaAtChannel *channel = mefota_module_get_channel (self);
  if (channel != NULL)
    mefota_at_channel_set_paused (channel, paused);
}

void
mefota_module_close (MefotaModule *self)
{
  mefota_timer_stop (&self->timer);
  g_clear_handle_id (&self->window_id, g_source_remove);
  g_clear_handle_id (&self->restart_id, g_source_remove);
  g_clear_handle_id (&self->line_id, g_source_remove);
  g_signal_handlers_disconnect_by_data (self->link, self);
  g_signal_handlers_disconnect_by_data (self->services->queue, self);
  mefota_module_drop_transfer (self);
  mefota_module_stop_logs (self);
  g_cancellable_cancel (self->presence);
  g_cancellable_cancel (self->calls);
  g_cancellable_cancel (self->answers);
  mefota_link_close (self->link);
  /* What was told within a phase is not worth a write each time, but the next daemon shall tell the same. */
  if (mefota_upgrade_is_active (self->upgrade) && self->pending == NULL)
    mefota_module_save_or_warn (self);
  g_clear_object (&self->inhibitor);
}

static void
mefota_module_dispose (GObject *object)
{
  MefotaModule *self = MEFOTA_MODULE (object);

  if (self->link != NULL)
    mefota_module_close (self);
  g_clear_object (&self->link);
  g_clear_object (&self->package);
  G_OBJECT_CLASS (mefota_module_parent_class)->dispose (object);
}

static void
mefota_module_finalize (GObject *object)
{
  MefotaModule *self = MEFOTA_MODULE (object);

  g_clear_pointer (&self->identity, mefota_identity_free);
  g_clear_pointer (&self->settings, mefota_settings_free);
  g_clear_pointer (&self->upgrade, mefota_upgrade_free);
  g_clear_pointer (&self->pending, mefota_upgrade_free);
  g_clear_pointer (&self->pending_failure, mefota_indication_free);
  g_clear_pointer (&self->readiness, g_ptr_array_unref);
  g_clear_pointer (&self->announce, g_variant_unref);
  g_clear_object (&self->presence);
  g_clear_object (&self->calls);
  g_clear_object (&self->answers);
  g_free (self->id);
  g_free (self->physical_path);
  g_free (self->usb_path);
  g_free (self->usb_sysfs);
  g_free (self->unknown_word);
  G_OBJECT_CLASS (mefota_module_parent_class)->finalize (object);
}

static void
mefota_module_class_init (MefotaModuleClass *klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = mefota_module_dispose;
  G_OBJECT_CLASS (klass)->finalize = mefota_module_finalize;
  mefota_module_signals[MEFOTA_MODULE_CHANGED]
      = g_signal_new ("changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_BOOLEAN);
  mefota_module_signals[MEFOTA_MODULE_INDICATION]
      = g_signal_new ("indication", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
  mefota_module_signals[MEFOTA_MODULE_CONFIRM_REQUESTED]
      = g_signal_new ("confirm-requested", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_INT64);
  mefota_module_signals[MEFOTA_MODULE_FINISHED]
      = g_signal_new ("finished", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_VARIANT);
}

static void
mefota_module_init (MefotaModule *self)
{
  self->presence = g_cancellable_new ();
  self->calls = g_cancellable_new ();
  self->answers = g_cancellable_new ();
  self->identity = mefota_identity_new ();
  self->settings = g_new0 (MefotaSettings, 1);
  self->settings->server = g_strdup ("");
  self->settings->target = g_strdup ("");
}

MefotaModule *
mefota_module_new (MefotaServices *services, const char *id, const char *physical_path, MefotaTransport transport,
                   guint baud, MefotaFlowControl flow)
{
  MefotaModule *self = g_object_new (MEFOTA_TYPE_MODULE, NULL);

  self->services = services;
  self->id = g_strdup (id);
  self->physical_path = g_strdup (physical_path);
  self->transport = transport;
  self->configured = baud != 0;
  self->link = mefota_link_new (id, transport, baud, flow, &services->config->timeouts, services->profiles,
                                services->opener);
  g_signal_connect (self->link, "changed", G_CALLBACK (on_link_changed), self);
  g_signal_connect (self->link, "answers", G_CALLBACK (on_answers), self);
  g_signal_connect (self->link, "identified", G_CALLBACK (on_identified), self);
  g_signal_connect (self->link, "gone", G_CALLBACK (on_gone), self);
  g_signal_connect (self->link, "indication", G_CALLBACK (on_indication), self);
  g_signal_connect (services->queue, "turn", G_CALLBACK (on_turn), self);
  g_signal_connect (services->queue, "changed", G_CALLBACK (on_queue_changed), self);
  mefota_module_restore (self);
  mefota_module_keep_place (self);
  mefota_link_expect_data (self->link, self->upgrade->state == MEFOTA_STATE_TRANSFERRING ? self->upgrade->piece : 0);
  self->shown = mefota_module_get_state (self);
  mefota_module_keep (self, 0);
  return self;
}
