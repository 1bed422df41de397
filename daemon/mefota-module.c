/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-module-private.h"

#include "mefota-at-event.h"
#include "mefota-error.h"
#include "mefota-journal.h"
#include "mefota-readiness.h"

G_DEFINE_FINAL_TYPE (MefotaModule, mefota_module, G_TYPE_OBJECT)

enum
{
  CHANGED,
  INDICATION,
  CONFIRM_REQUESTED,
  FINISHED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

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

MefotaAtChannel *
mefota_module_get_channel (MefotaModule *self)
{
  return mefota_link_get_channel (self->link);
}

static MefotaState
get_state (MefotaModule *self)
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
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT, "Module %s %s; check its power and wiring, then try again.",
               self->id,
               mefota_link_get_state (self->link) == MEFOTA_LINK_CLOSED ? "is not there" : "does not answer yet");
  return FALSE;
}

gboolean
mefota_module_check_free (MefotaModule *self, GError **error)
{
  if (self->asking || (mefota_upgrade_is_active (self->upgrade) && self->upgrade->state != MEFOTA_STATE_QUEUED))
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_BUSY,
                   "Module %s is in an upgrade (%s); wait for its end (mefotactl attach).", self->id,
                   mefota_state_to_word (get_state (self)));
      return FALSE;
    }
  return mefota_module_check_present (self, error);
}

/* ---- the record on disk ---- */

gboolean
mefota_module_save (MefotaModule *self, const MefotaUpgrade *upgrade, GError **error)
{
  g_autoptr (GVariant) plain = g_variant_ref_sink (mefota_upgrade_to_variant (upgrade));
  g_autoptr (GVariant) record = NULL;
  GVariantDict dict;

  g_variant_dict_init (&dict, plain);
  g_variant_dict_insert (&dict, "physical-path", "s", self->physical_path);
  record = g_variant_ref_sink (g_variant_dict_end (&dict));
  return mefota_store_save (self->services->store, MEFOTA_STORE_PLACE, self->id, record, error);
}

/* One under way goes on whatever the disk says. */
static void
save_or_warn (MefotaModule *self)
{
  g_autoptr (GError) error = NULL;
  if (!mefota_module_save (self, self->upgrade, &error))
    g_warning ("%s: the upgrade goes on but cannot be recorded: %s", self->id, error->message);
}

static void
restore (MefotaModule *self)
{
  g_autoptr (GVariant) record = mefota_store_load (self->services->store, MEFOTA_STORE_PLACE, self->id);
  MefotaUpgrade *upgrade = NULL;

  if (record != NULL)
    upgrade = mefota_upgrade_from_variant (record, &self->services->config->timeouts, mefota_module_now ());
  if (upgrade == NULL)
    {
      if (record != NULL)
        g_warning ("%s: the record of its last upgrade is not understood and is left out", self->id);
      self->upgrade = mefota_upgrade_new ();
      return;
    }
  self->upgrade = upgrade;
  if (upgrade->state == MEFOTA_STATE_TRANSFERRING && upgrade->install_asked)
    {
      /* It may be installing: nothing is sent to it again. The version will tell, or that it never goes away. */
      MefotaEvent event = { .type = MEFOTA_EVENT_INSTALLING };
      mefota_upgrade_step (upgrade, &self->services->config->timeouts, &event, mefota_module_now ());
      save_or_warn (self);
    }
  if (mefota_upgrade_is_active (upgrade))
    {
      g_autoptr (GVariant) entry = mefota_store_history_get (self->services->store, upgrade->id);
      const char *word = NULL;
      if (entry != NULL)
        {
          /* It ended; the daemon was killed between the history and this record. */
          upgrade->state = MEFOTA_STATE_IDLE;
          upgrade->overdue = upgrade->power_critical = FALSE;
          upgrade->confirm_deadline = 0;
          upgrade->silence_at = upgrade->confirm_at = upgrade->refuse_at = 0;
          upgrade->overdue_at = upgrade->give_up_at = 0;
          if (g_variant_lookup (entry, "result", "&s", &word))
            mefota_result_from_word (word, &upgrade->result);
          if (g_variant_lookup (entry, "error-name", "&s", &word))
            mefota_error_from_name (word, &upgrade->error);
          if (g_variant_lookup (entry, "error-message", "&s", &word))
            {
              g_free (upgrade->message);
              upgrade->message = g_strdup (word);
            }
          self->announce = g_steal_pointer (&entry);
          save_or_warn (self);
          return;
        }
      g_message ("%s: takes up upgrade %s again (%s)", self->id, upgrade->id, mefota_state_to_word (upgrade->state));
      if (upgrade->state != MEFOTA_STATE_QUEUED && upgrade->state != MEFOTA_STATE_CONFIRMING)
        mefota_queue_force_enter (self->services->queue, self->id);
    }
}

/* ---- showing ---- */

void
mefota_module_show (MefotaModule *self)
{
  MefotaState state = get_state (self);
  gboolean at_once = state != self->shown;

  if (at_once)
    {
      self->shown = state;
      if (mefota_upgrade_is_active (self->upgrade))
        mefota_journal_event (MEFOTA_JOURNAL_PHASE, self->id, self->upgrade->id, self->upgrade->status, "%s: %s", self->id,
                              mefota_state_to_word (state));
    }
  g_signal_emit (self, signals[CHANGED], 0, at_once);
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
    .state = get_state (self),
    .upgrade = self->upgrade,
    /* A queued one whose turn has just come is being put to the module. */
    .can_cancel = mefota_upgrade_can_cancel (self->upgrade)
                  && !(self->asking && self->upgrade->state == MEFOTA_STATE_QUEUED),
    .can_serial = self->transport == MEFOTA_TRANSPORT_UART,
    .can_adb = mefota_module_can_adb (self),
  };
}

/* ---- carrying out ---- */

static void
on_looked (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) self = data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);
  g_autofree char *version = NULL;
  MefotaEvent event = { .type = MEFOTA_EVENT_LOOKED };

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (lines != NULL && lines[0] != NULL)
    {
      event.version = version = mefota_at_event_strip_prefix (lines[0], "+CGMR");
      self->identity->version = (g_free (self->identity->version), g_strdup (version));
    }
  mefota_module_step (self, &event);
}

static void
on_word (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) self = data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);
  g_autoptr (MefotaIndication) word = NULL;
  MefotaEvent event = { .type = MEFOTA_EVENT_WORD };

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  for (gsize i = 0; lines != NULL && lines[i] != NULL && word == NULL; i++)
    {
      const char *colon = strchr (lines[i], ':');
      const char *text = lines[i][0] == '+' && colon != NULL ? colon + 1 : lines[i];
      word = mefota_indication_parse_word (text, strlen (text));
    }
  event.indication = word;
  mefota_module_step (self, &event);
}

static void
ask (MefotaModule *self, const char *command, GAsyncReadyCallback callback, MefotaEventType unanswered)
{
  if (mefota_link_get_state (self->link) == MEFOTA_LINK_UP)
    mefota_at_channel_send_async (mefota_module_get_channel (self), command, NULL, self->services->config->timeouts.command,
                                  self->presence, callback, g_object_ref (self));
  else
    {
      MefotaEvent event = { .type = unanswered };
      mefota_module_step (self, &event);
    }
}

static gboolean
on_deadline (gpointer data)
{
  g_autoptr (MefotaModule) self = g_object_ref (data);
  MefotaEvent event = { .type = MEFOTA_EVENT_TIMER };

  self->timer_id = 0;
  mefota_module_step (self, &event);
  return G_SOURCE_REMOVE;
}

static void
arm_timer (MefotaModule *self)
{
  gint64 deadline = mefota_upgrade_get_deadline (self->upgrade);

  g_clear_handle_id (&self->timer_id, g_source_remove);
  if (deadline != 0)
    {
      gint64 left = MAX (deadline - g_get_monotonic_time (), 0);
      self->timer_id = g_timeout_add ((guint) ((left + 999) / 1000), on_deadline, self);
    }
}

static void
keep_guard (MefotaModule *self)
{
  mefota_guard_set (self->services->guard, self->id, self->upgrade->power_critical,
                    mefota_state_to_word (self->upgrade->state), self->upgrade->phase_since);
}

static void
record_end (MefotaModule *self, GVariant *details)
{
  MefotaUpgrade *u = self->upgrade;
  g_autoptr (GError) error = NULL;

  if (!mefota_store_history_put (self->services->store, details, &error))
    g_warning ("%s: the end of upgrade %s cannot be recorded: %s", self->id, u->id, error->message);
  if (u->result == MEFOTA_RESULT_SUCCESS)
    mefota_journal_event (MEFOTA_JOURNAL_FINISHED, self->id, u->id, u->status, "%s: upgraded from %s to %s", self->id,
                          u->from_version, u->to_version);
  else
    mefota_journal_event (MEFOTA_JOURNAL_FAILED, self->id, u->id, u->status, "%s: the upgrade failed: %s", self->id,
                          u->message);
}

static void
end (MefotaModule *self)
{
  self->ended_here = TRUE;
  self->awaited = mefota_link_get_state (self->link) != MEFOTA_LINK_UP;
  mefota_module_drop_package (self);
  mefota_queue_leave (self->services->queue, self->id);
  g_clear_handle_id (&self->window_id, g_source_remove);
  g_clear_object (&self->inhibitor);
}

/* What has to be so for the state the upgrade is in now. */
static void
keep (MefotaModule *self, guint actions)
{
  MefotaUpgrade *u = self->upgrade;

  if (mefota_upgrade_is_active (u) && u->state != MEFOTA_STATE_QUEUED)
    {
      mefota_module_inhibit (self);
      if (u->state != MEFOTA_STATE_CONFIRMING)
        mefota_queue_force_enter (self->services->queue, self->id);
    }
  keep_guard (self);
  arm_timer (self);
  mefota_link_watch_silence (self->link, u->state == MEFOTA_STATE_UPDATING);
  if (actions & MEFOTA_ACT_OVERDUE)
    mefota_journal_event (MEFOTA_JOURNAL_OVERDUE, self->id, u->id, u->status,
                          "%s: installing takes longer than expected; still waiting, do not cut its power", self->id);
}

void
mefota_module_carry_out (MefotaModule *self, guint actions)
{
  g_autoptr (MefotaModule) guard G_GNUC_UNUSED = g_object_ref (self);
  g_autoptr (GVariant) details = NULL;
  MefotaUpgrade *u = self->upgrade;

  if (actions & MEFOTA_ACT_BEGUN)
    {
      mefota_module_drop_package (self);
      if (u->id[0] == '\0')
        u->id = (g_free (u->id), g_uuid_string_random ());
      mefota_journal_event (MEFOTA_JOURNAL_STARTED, self->id, u->id, u->status, "%s: %s upgrade from %s, asked for by %s",
                            self->id, mefota_operation_to_word (u->operation), u->from_version, u->requested_by);
    }
  if (actions & MEFOTA_ACT_FINISHED)
    {
      mefota_module_abandon_pending (self);
      details = g_variant_ref_sink (mefota_upgrade_to_history (u, self->id));
      record_end (self, details);
      end (self);
    }
  else if (actions & MEFOTA_ACT_SAVE)
    save_or_warn (self);
  keep (self, actions);
  /* An end that is in the history and not yet in the record is told by the next daemon: so little comes between. */
  if (actions & MEFOTA_ACT_FINISHED)
    save_or_warn (self);
  mefota_module_show (self);
  if (details != NULL)
    {
      g_signal_emit (self, signals[FINISHED], 0, details);
      mefota_module_want_logs (self);
      mefota_module_fetch_wanted_logs (self);
    }

  if (actions & MEFOTA_ACT_QUESTION)
    {
      g_signal_emit (self, signals[CONFIRM_REQUESTED], 0, u->confirm_deadline);
      mefota_module_apply_policy (self);
    }
  if (actions & MEFOTA_ACT_READ_IDENTITY)
    mefota_link_identify (self->link);
  if (actions & MEFOTA_ACT_LOOK)
    ask (self, "AT+CGMR", on_looked, MEFOTA_EVENT_LOOKED);
  if (actions & MEFOTA_ACT_ASK_WORD)
    ask (self, "AT+FOTACTR?", on_word, MEFOTA_EVENT_WORD);
  if (actions & MEFOTA_ACT_STOP_TRANSFER)
    mefota_module_stop_transfer (self);
}

void
mefota_module_step (MefotaModule *self, const MefotaEvent *event)
{
  MefotaUpgrade *u = self->upgrade;
  guint actions;

  if (u->state == MEFOTA_STATE_QUEUED && event->type == MEFOTA_EVENT_INDICATION
      && mefota_upgrade_would_adopt (u, event->indication))
    {
      /* The module begins on its own before the queued upgrade's turn: that one ends first, then the new one is adopted. */
      MefotaEvent ended = { .type = MEFOTA_EVENT_TRANSFER_ENDED,
                            .error = MEFOTA_ERROR_BUSY,
                            .text = "The module has begun an upgrade of its own; start again after its end." };
      mefota_module_carry_out (self, mefota_upgrade_step (u, &self->services->config->timeouts, &ended, mefota_module_now ()));
    }
  actions = mefota_upgrade_step (u, &self->services->config->timeouts, event, mefota_module_now ());
  if (actions & MEFOTA_ACT_BEGUN)
    u->id = (g_free (u->id), g_strdup (""));
  mefota_module_carry_out (self, actions);
}

void
mefota_module_inhibit (MefotaModule *self)
{
  mefota_module_stop_logs (self); /* an upgrade comes first */
  if (self->inhibitor == NULL && self->usb_sysfs != NULL && self->services->bus != NULL)
    self->inhibitor = mefota_inhibitor_new (self->services->bus, self->usb_sysfs);
}

void
mefota_module_bus_changed (MefotaModule *self)
{
  if (self->inhibitor == NULL)
    return;
  g_clear_object (&self->inhibitor);
  mefota_module_inhibit (self);
}

/* ---- the link ---- */

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
  g_signal_emit (self, signals[INDICATION], 0, indication);
  if (self->upgrade->state == MEFOTA_STATE_TRANSFERRING && !self->upgrade->install_asked
      && mefota_module_may_be_echo (self, indication))
    {
      g_message ("%s: \"%s\" stands in the package too and may be its echo; it is not believed", self->id, indication->raw);
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
on_gone (MefotaLink *link, gpointer data)
{
  g_autoptr (MefotaModule) self = g_object_ref (data);
  MefotaEvent event = { .type = MEFOTA_EVENT_GONE };

  g_cancellable_cancel (self->presence);
  g_object_unref (self->presence);
  self->presence = g_cancellable_new ();
  self->settings_read = self->ended_here = FALSE;
  self->was_away = TRUE;
  self->settings->target = (g_free (self->settings->target), g_strdup ("")); /* forgotten by a restart (guide 3.3) */
  fail_refresh (self, MEFOTA_ERROR_NOT_PRESENT, "The module went away; try again when it is back.");
  mefota_module_step (self, &event);
}

static void
on_answers (MefotaLink *link, gpointer data)
{
  MefotaEvent event = { .type = MEFOTA_EVENT_ANSWERS };
  mefota_module_step (data, &event);
}

/* An upgrade that was given up: its module has come back after all (contract 5). */
static void
note_late_version (MefotaModule *self)
{
  MefotaUpgrade *u = self->upgrade;
  g_autoptr (GVariant) entry = NULL;
  g_autoptr (GVariant) noted = NULL;
  g_autoptr (GError) error = NULL;
  GVariantDict dict;

  if (mefota_upgrade_is_active (u) || u->result != MEFOTA_RESULT_FAILURE || u->error != MEFOTA_ERROR_TIMEOUT
      || self->identity->version[0] == '\0' || g_strcmp0 (self->identity->imei, u->imei) != 0)
    return;
  entry = mefota_store_history_get (self->services->store, u->id);
  if (entry == NULL)
    return;
  g_variant_dict_init (&dict, entry);
  g_variant_dict_insert (&dict, "late-version", "s", self->identity->version);
  noted = g_variant_ref_sink (g_variant_dict_end (&dict));
  if (!g_variant_equal (entry, noted) && !mefota_store_history_put (self->services->store, noted, &error))
    g_warning ("%s: %s", self->id, error->message);
}

static void
on_identified (MefotaLink *link, const MefotaIdentity *identity, gpointer data)
{
  g_autoptr (MefotaModule) self = g_object_ref (data);
  g_autofree char *stored = NULL;
  g_autoptr (GVariant) known = NULL;
  MefotaEvent event = { .type = MEFOTA_EVENT_IDENTITY, .imei = identity->imei, .version = identity->version };

  g_clear_pointer (&self->identity, mefota_identity_free);
  self->identity = g_memdup2 (identity, sizeof *identity);
  self->identity->manufacturer = g_strdup (identity->manufacturer);
  self->identity->model = g_strdup (identity->model);
  self->identity->version = g_strdup (identity->version);
  self->identity->imei = g_strdup (identity->imei);

  known = identity->imei[0] != '\0' ? mefota_store_load (self->services->store, MEFOTA_STORE_IMEI, identity->imei) : NULL;
  if (known != NULL && g_variant_lookup (known, "version", "s", &stored) && stored[0] != '\0')
    event.stored = stored;
  self->awaited = FALSE;
  mefota_module_step (self, &event);
  note_late_version (self);
  mefota_module_read_settings (self);
  if (self->upgrade->state == MEFOTA_STATE_QUEUED)
    mefota_queue_wait (self->services->queue, self->id, self->upgrade->started_at);
  else if (self->upgrade->state == MEFOTA_STATE_TRANSFERRING || self->transfer != NULL)
    mefota_module_resume_transfer (self);
  mefota_module_fetch_wanted_logs (self);
}

static void
on_link_changed (MefotaLink *link, gpointer data)
{
  if (mefota_link_get_state (link) == MEFOTA_LINK_PROBING)
    fail_refresh (data, MEFOTA_ERROR_TIMEOUT, "The module does not answer any more; try again when it is idle.");
  mefota_module_show (data);
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
    g_signal_emit (self, signals[FINISHED], 0, details);
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
  mefota_link_set_port (self->link, path);
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
  g_clear_handle_id (&self->timer_id, g_source_remove);
  g_clear_handle_id (&self->window_id, g_source_remove);
  g_signal_handlers_disconnect_by_data (self->link, self);
  g_signal_handlers_disconnect_by_data (self->services->queue, self);
  mefota_module_drop_transfer (self);
  mefota_module_stop_logs (self);
  g_cancellable_cancel (self->presence);
  mefota_link_close (self->link);
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
  g_free (self->id);
  g_free (self->physical_path);
  g_free (self->usb_path);
  g_free (self->usb_sysfs);
  G_OBJECT_CLASS (mefota_module_parent_class)->finalize (object);
}

static void
mefota_module_class_init (MefotaModuleClass *klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);

  G_OBJECT_CLASS (klass)->dispose = mefota_module_dispose;
  G_OBJECT_CLASS (klass)->finalize = mefota_module_finalize;
  signals[CHANGED]
      = g_signal_new ("changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_BOOLEAN);
  signals[INDICATION]
      = g_signal_new ("indication", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
  signals[CONFIRM_REQUESTED]
      = g_signal_new ("confirm-requested", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_INT64);
  signals[FINISHED]
      = g_signal_new ("finished", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_VARIANT);
}

static void
mefota_module_init (MefotaModule *self)
{
  self->presence = g_cancellable_new ();
  self->identity = g_new0 (MefotaIdentity, 1);
  self->identity->manufacturer = g_strdup ("");
  self->identity->model = g_strdup ("");
  self->identity->version = g_strdup ("");
  self->identity->imei = g_strdup ("");
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
  self->link = mefota_link_new (id, transport, baud, flow, &services->config->timeouts, services->opener);
  g_signal_connect (self->link, "changed", G_CALLBACK (on_link_changed), self);
  g_signal_connect (self->link, "answers", G_CALLBACK (on_answers), self);
  g_signal_connect (self->link, "identified", G_CALLBACK (on_identified), self);
  g_signal_connect (self->link, "gone", G_CALLBACK (on_gone), self);
  g_signal_connect (self->link, "indication", G_CALLBACK (on_indication), self);
  g_signal_connect (services->queue, "turn", G_CALLBACK (on_turn), self);
  g_signal_connect (services->queue, "changed", G_CALLBACK (on_queue_changed), self);
  restore (self);
  mefota_module_sweep_packages (self);
  mefota_link_expect_data (self->link, self->upgrade->state == MEFOTA_STATE_TRANSFERRING ? self->upgrade->piece : 0);
  self->shown = get_state (self);
  keep (self, 0);
  return self;
}
