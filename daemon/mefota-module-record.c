/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* What a module leaves on disk: the record of its upgrade, and the history. */

#include "mefota-module-private.h"

#include "mefota-error.h"
#include "mefota-journal.h"

/* Floating. */
static GVariant *
make_record (MefotaModule *self, const MefotaUpgrade *upgrade)
{
  g_autoptr (GVariant) plain = g_variant_ref_sink (mefota_upgrade_to_variant (upgrade));
  GVariantDict dict;

  g_variant_dict_init (&dict, plain);
  g_variant_dict_insert (&dict, "physical-path", "s", self->physical_path);
  return g_variant_dict_end (&dict);
}

gboolean
mefota_module_save (MefotaModule *self, const MefotaUpgrade *upgrade, GError **error)
{
  return mefota_store_save (self->services->store, MEFOTA_STORE_PLACE, self->id, make_record (self, upgrade), error);
}

gboolean
mefota_module_save_anyhow (MefotaModule *self, const MefotaUpgrade *upgrade, GError **error)
{
  return mefota_store_keep (self->services->store, MEFOTA_STORE_PLACE, self->id, make_record (self, upgrade), error);
}

void
mefota_module_save_or_warn (MefotaModule *self)
{
  g_autoptr (GError) error = NULL;
  if (!mefota_module_save_anyhow (self, self->upgrade, &error))
    g_warning ("%s: the upgrade goes on but cannot be recorded: %s", self->id, error->message);
}

void
mefota_module_restore (MefotaModule *self)
{
  g_autoptr (GVariant) record = mefota_store_load (self->services->store, MEFOTA_STORE_PLACE, self->id);
  MefotaUpgrade *upgrade = NULL;

  if (record != NULL)
    upgrade = mefota_upgrade_from_variant (record, mefota_module_get_timeouts (self), mefota_module_now ());
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
      mefota_upgrade_step (upgrade, mefota_module_get_timeouts (self), &event, mefota_module_now ());
      mefota_module_save_or_warn (self);
    }
  if (mefota_upgrade_is_active (upgrade))
    {
      g_autoptr (GVariant) entry = mefota_store_history_get (self->services->store, upgrade->id);
      if (entry != NULL)
        {
          /* It ended; the daemon was killed between the history and this record. */
          mefota_upgrade_take_end (upgrade, entry);
          self->announce = g_steal_pointer (&entry);
          mefota_module_save_or_warn (self);
          return;
        }
      g_message ("%s: takes up upgrade %s again (%s)", self->id, upgrade->id, mefota_state_to_word (upgrade->state));
      if (upgrade->state != MEFOTA_STATE_QUEUED && upgrade->state != MEFOTA_STATE_CONFIRMING)
        mefota_queue_force_enter (self->services->queue, self->id);
    }
}

void
mefota_module_record_end (MefotaModule *self, GVariant *details)
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

void
mefota_module_note_late_version (MefotaModule *self)
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
