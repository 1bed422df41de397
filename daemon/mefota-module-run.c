/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* Steps the upgrade machine and carries out what it asks for. */

#include "mefota-module-private.h"

#include "mefota-at-event.h"
#include "mefota-error.h"
#include "mefota-journal.h"

static void
on_looked (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) self = data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);
  g_autofree char *version = NULL;
  MefotaEvent event = { .type = MEFOTA_EVENT_LOOKED };
  gboolean restarted = FALSE;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (lines != NULL && lines[0] != NULL)
    {
      event.version = version = mefota_at_event_strip_prefix (lines[0], "+CGMR");
      restarted = mefota_module_notice_version (self, version);
      self->identity->version = (g_free (self->identity->version), g_strdup (version));
    }
  mefota_module_step (self, &event);
  if (restarted)
    mefota_module_read_settings (self);
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
    mefota_at_channel_send_async (mefota_module_get_channel (self), command, NULL,
                                  mefota_module_get_timeouts (self)->command,
                                  self->presence, callback, g_object_ref (self));
  else
    {
      MefotaEvent event = { .type = unanswered };
      mefota_module_step (self, &event);
    }
}

static void
on_deadline (gpointer data)
{
  g_autoptr (MefotaModule) self = g_object_ref (data);
  MefotaEvent event = { .type = MEFOTA_EVENT_TIMER };

  mefota_module_step (self, &event);
}

static void
arm_timer (MefotaModule *self)
{
  gint64 deadline = mefota_upgrade_get_deadline (self->upgrade);

  mefota_timer_stop (&self->timer);
  if (deadline != 0)
    {
      gint64 left = MAX (deadline - g_get_monotonic_time (), 0);
      mefota_timer_start (&self->timer, (guint) ((left + 999) / 1000), on_deadline, self);
    }
}

static void
keep_guard (MefotaModule *self)
{
  mefota_guard_set (self->services->guard, self->id, self->upgrade->power_critical,
                    mefota_state_to_word (self->upgrade->state), self->upgrade->phase_since);
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

void
mefota_module_keep (MefotaModule *self, guint actions)
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
  mefota_link_watch_silence (self->link, u->state == MEFOTA_STATE_UPDATING || self->restart_id != 0);
  if (actions & MEFOTA_ACT_OVERDUE)
    mefota_journal_event (MEFOTA_JOURNAL_OVERDUE, self->id, u->id, u->status,
                          "%s: installing takes longer than expected; still waiting, do not cut its power", self->id);
}

/* Behind a slow command there may be a restart, or another start, for a module that has begun an upgrade meanwhile; or
 * the answer to a question that is over. */
static void
withdraw_commands (MefotaModule *self)
{
  MefotaAtChannel *channel = mefota_module_get_channel (self);

  if (channel == NULL)
    return;
  if (mefota_upgrade_is_active (self->upgrade) && self->upgrade->state != MEFOTA_STATE_QUEUED)
    mefota_at_channel_withdraw (channel, self->calls);
  if (self->upgrade->state != MEFOTA_STATE_CONFIRMING)
    mefota_at_channel_withdraw (channel, self->answers);
}

void
mefota_module_carry_out (MefotaModule *self, guint actions)
{
  g_autoptr (MefotaModule) guard G_GNUC_UNUSED = g_object_ref (self);
  g_autoptr (GVariant) details = NULL;
  MefotaUpgrade *u = self->upgrade;

  withdraw_commands (self);
  if (actions & MEFOTA_ACT_BEGUN)
    {
      if (u->id[0] == '\0')
        u->id = (g_free (u->id), g_uuid_string_random ());
      mefota_module_drop_package (self);
      mefota_journal_event (MEFOTA_JOURNAL_STARTED, self->id, u->id, u->status,
                            "%s: %s upgrade from %s, asked for by %s",
                            self->id, mefota_operation_to_word (u->operation), u->from_version, u->requested_by);
    }
  if (actions & MEFOTA_ACT_FINISHED)
    {
      mefota_module_abandon_pending (self);
      details = g_variant_ref_sink (mefota_upgrade_to_history (u, self->id));
      mefota_module_record_end (self, details);
      end (self);
    }
  else if (actions & MEFOTA_ACT_SAVE)
    mefota_module_save_or_warn (self);
  mefota_module_keep (self, actions);
  /* An end that is in the history and not yet in the record is told by the next daemon: so little comes between. */
  if (actions & MEFOTA_ACT_FINISHED)
    mefota_module_save_or_warn (self);
  mefota_module_show (self);
  if (details != NULL)
    {
      g_signal_emit (self, mefota_module_signals[MEFOTA_MODULE_FINISHED], 0, details);
      mefota_module_mend_settings (self);
      mefota_module_want_logs (self);
      mefota_module_fetch_wanted_logs (self);
    }

  if (actions & MEFOTA_ACT_QUESTION)
    {
      self->policy_answered = 0; /* what the module did not take may have been lost in a restart */
      g_signal_emit (self, mefota_module_signals[MEFOTA_MODULE_CONFIRM_REQUESTED], 0, u->confirm_deadline);
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
      /* The module begins on its own before the queued upgrade's turn: that one ends first, then the new one is
       * adopted. */
      MefotaEvent ended = { .type = MEFOTA_EVENT_TRANSFER_ENDED,
                            .error = MEFOTA_ERROR_BUSY,
                            .text = "The module has begun an upgrade of its own; start again after its end." };
      mefota_module_carry_out (self, mefota_upgrade_step (u, mefota_module_get_timeouts (self), &ended,
                                                          mefota_module_now ()));
    }
  actions = mefota_upgrade_step (u, mefota_module_get_timeouts (self), event, mefota_module_now ());
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
