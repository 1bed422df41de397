/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* What a module is set to: read after its identity, put back where a restart lost it, and changed for a caller. */

#include "mefota-module-private.h"

#include "mefota-error.h"

#include <string.h>

/* ---- one after the other ---- */

typedef struct
{
  GTask *task;
  void (*go_on) (GTask *task);
} Waiting;

void
mefota_module_when_settled (MefotaModule *self, GTask *task, void (*go_on) (GTask *task))
{
  Waiting *waiting;

  if (self->settling == 0)
    {
      go_on (task);
      return;
    }
  waiting = g_new0 (Waiting, 1);
  waiting->task = g_object_ref (task);
  waiting->go_on = go_on;
  g_queue_push_tail (&self->unsettled, waiting);
}

void
mefota_module_begin_settling (MefotaModule *self)
{
  self->settling++;
}

void
mefota_module_end_settling (MefotaModule *self)
{
  g_autoptr (MefotaModule) guard G_GNUC_UNUSED = g_object_ref (self);

  self->settling--;
  while (self->settling == 0 && !g_queue_is_empty (&self->unsettled))
    {
      g_autofree Waiting *waiting = g_queue_pop_head (&self->unsettled);
      g_autoptr (GTask) task = waiting->task;

      waiting->go_on (task);
    }
}

/* ---- what is known of a module by its IMEI ---- */

static void
take_settings (MefotaModule *self, MefotaSettings *settings)
{
  g_clear_pointer (&self->settings, mefota_settings_free);
  self->settings = settings;
}

static void
record_known (MefotaModule *self, GVariant *known, GVariantDict *dict)
{
  g_autoptr (GVariant) record = g_variant_ref_sink (g_variant_dict_end (dict));
  g_autoptr (GError) error = NULL;

  if ((known == NULL || !g_variant_equal (known, record))
      && !mefota_store_save (self->services->store, MEFOTA_STORE_IMEI, self->identity->imei, record, &error))
    g_warning ("%s: what is known of the module cannot be recorded: %s", self->id, error->message);
}

#define BIT(setting) (1u << (setting))

/* Of @others, bits of MefotaSetting, stays known what it was set to. */
static void
remember (MefotaModule *self, guint others)
{
  g_autoptr (GVariant) known = NULL;
  const MefotaSettings *s = self->settings;
  GVariantDict dict;

  if (self->identity->imei[0] == '\0')
    return;
  known = mefota_store_load (self->services->store, MEFOTA_STORE_IMEI, self->identity->imei);
  g_variant_dict_init (&dict, known);
  if (self->identity->version[0] != '\0')
    g_variant_dict_insert (&dict, "version", "s", self->identity->version);
  if (s->server[0] != '\0' && (others & BIT (MEFOTA_SETTING_SERVER)) == 0)
    {
      g_variant_dict_insert (&dict, "server", "s", s->server);
      g_variant_dict_insert (&dict, "port", "q", s->port);
    }
  if (s->polling_known && (others & BIT (MEFOTA_SETTING_POLLING)) == 0)
    g_variant_dict_insert (&dict, "polling", "b", s->polling);
  if (s->polling_known)
    g_variant_dict_insert (&dict, "polling-in-force", "b", self->polling_in_force);
  record_known (self, known, &dict);
}

void
mefota_module_unlearn_settings (MefotaModule *self, const char *command)
{
  g_autofree char *upper = g_ascii_strup (command, -1);
  g_autoptr (GVariant) known = NULL;
  GVariantDict dict;

  if (self->identity->imei[0] == '\0')
    return;
  known = mefota_store_load (self->services->store, MEFOTA_STORE_IMEI, self->identity->imei);
  g_variant_dict_init (&dict, known);
  if (strstr (upper, "+FOTAIP=") != NULL)
    {
      g_variant_dict_remove (&dict, "server");
      g_variant_dict_remove (&dict, "port");
    }
  if (strstr (upper, "+FOTAPOLLEN=") != NULL)
    g_variant_dict_remove (&dict, "polling");
  record_known (self, known, &dict);
}

/* ---- what it lost ---- */

static void
on_restored (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) self = data;
  g_autoptr (GError) error = NULL;
  MefotaSetting written;
  g_autoptr (MefotaSettings) settings = mefota_settings_write_finish (result, &written, &error);

  if (settings != NULL)
    {
      take_settings (self, g_steal_pointer (&settings));
      self->lost &= ~BIT (written);
      remember (self, ~BIT (written)); /* another may be lost still */
      mefota_module_show (self);
    }
  else if (error->domain == MEFOTA_ERROR)
    g_warning ("%s: a lost setting could not be put back: %s", self->id, error->message);
  else if (self->settings_read && mefota_upgrade_is_active (self->upgrade))
    self->unmended = TRUE; /* an upgrade has begun before its turn */
  mefota_module_end_settling (self);
}

static void
put_back (MefotaModule *self, MefotaSetting setting, const MefotaSettings *wanted, const char *what)
{
  gboolean restore = self->services->config->policy.restore_settings;

  g_warning ("%s: the module lost its setting %s; %s", self->id, what,
             restore ? "putting it back" : "[policy] restore-settings=false leaves it so");
  if (!restore)
    {
      self->lost &= ~BIT (setting);
      return;
    }
  mefota_module_begin_settling (self);
  mefota_settings_write_async (mefota_module_get_channel (self), mefota_module_get_profile (self), setting, wanted,
                               mefota_module_get_timeouts (self)->command, self->calls, self->presence,
                               on_restored, g_object_ref (self));
}

/* What the module should be set to, by what is known (nullable) of it. */
static MefotaSettings *
recall (MefotaModule *self, GVariant *known)
{
  MefotaSettings *wanted = mefota_settings_copy (self->settings);
  const char *server = NULL;

  if (known == NULL)
    return wanted;
  if (wanted->server[0] != '\0' && g_variant_lookup (known, "server", "&s", &server)
      && g_variant_lookup (known, "port", "q", &wanted->port))
    wanted->server = (g_free (wanted->server), g_strdup (server));
  if (wanted->polling_known)
    g_variant_lookup (known, "polling", "b", &wanted->polling);
  return wanted;
}

static guint
find_lost (MefotaModule *self, const MefotaSettings *wanted)
{
  const MefotaSettings *s = self->settings;
  guint lost = 0;

  if (g_ascii_strcasecmp (wanted->server, s->server) != 0 || wanted->port != s->port)
    lost |= BIT (MEFOTA_SETTING_SERVER);
  if (wanted->polling != s->polling)
    lost |= BIT (MEFOTA_SETTING_POLLING);
  return lost;
}

static void
mend_settings (MefotaModule *self, const MefotaSettings *wanted)
{
  guint lost = find_lost (self, wanted);
  g_autofree char *server = g_strdup_printf ("AT+FOTAIP=%s,%u", wanted->server, wanted->port);

  if ((lost & BIT (MEFOTA_SETTING_SERVER)) != 0)
    put_back (self, MEFOTA_SETTING_SERVER, wanted, server);
  if ((lost & BIT (MEFOTA_SETTING_POLLING)) != 0)
    put_back (self, MEFOTA_SETTING_POLLING, wanted, wanted->polling ? "AT+FOTAPOLLEN=1" : "AT+FOTAPOLLEN=0");
}

static void
finish_refresh (MefotaModule *self)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->refresh_task);
  if (task != NULL)
    g_task_return_boolean (task, TRUE);
}

/* Takes @settings. */
static void
note_settings (MefotaModule *self, MefotaSettings *settings)
{
  g_autoptr (MefotaSettings) wanted = NULL;
  g_autoptr (GVariant) known = NULL;
  gboolean fresh = !self->settings_read;
  /* One in line is not in its upgrade yet, and at its turn it goes by its settings. */
  gboolean active = mefota_upgrade_is_active (self->upgrade) && self->upgrade->state != MEFOTA_STATE_QUEUED;

  take_settings (self, settings);
  if (self->identity->imei[0] != '\0')
    known = mefota_store_load (self->services->store, MEFOTA_STORE_IMEI, self->identity->imei);
  if (fresh)
    {
      /* What it is set to came into force with its last start; only a daemon that has just started cannot tell. */
      gboolean in_force = self->settings->polling;
      if (!self->was_away && known != NULL)
        g_variant_lookup (known, "polling-in-force", "b", &in_force);
      self->polling_in_force = in_force;
    }
  self->settings_read = TRUE;
  wanted = recall (self, known);
  self->lost = find_lost (self, wanted) & (fresh ? ~0u : self->lost);
  if (fresh || !active)
    remember (self, self->lost); /* that stays wanted */
  if (active)
    self->unmended = self->unmended || fresh;
  else if (fresh)
    mend_settings (self, wanted);
  mefota_module_show (self);
}

static void
on_settings_read (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) self = data;
  MefotaSettings *settings = mefota_settings_read_finish (result, NULL);

  if (settings != NULL) /* else it is gone again */
    note_settings (self, settings);
  mefota_module_end_settling (self);
}

void
mefota_module_mend_settings (MefotaModule *self)
{
  g_autoptr (MefotaSettings) wanted = NULL;
  g_autoptr (GVariant) known = NULL;

  if (!self->unmended || mefota_link_get_state (self->link) != MEFOTA_LINK_UP)
    return;
  self->unmended = FALSE;
  if (self->identity->imei[0] != '\0')
    known = mefota_store_load (self->services->store, MEFOTA_STORE_IMEI, self->identity->imei);
  wanted = recall (self, known);
  mend_settings (self, wanted);
}

/* Only the reading that began after the identity of a Refresh was read ends it. */
static void
on_refreshed (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) self = g_object_ref (data);

  on_settings_read (source, result, data);
  finish_refresh (self);
}

void
mefota_module_read_settings (MefotaModule *self)
{
  g_autoptr (GVariant) known = NULL;
  GVariantDict dict;
  MefotaAtChannel *channel = mefota_module_get_channel (self);

  /* The version at once: an upgrade the module begins by itself is measured against it. */
  if (self->identity->imei[0] != '\0' && self->identity->version[0] != '\0')
    {
      known = mefota_store_load (self->services->store, MEFOTA_STORE_IMEI, self->identity->imei);
      g_variant_dict_init (&dict, known);
      g_variant_dict_insert (&dict, "version", "s", self->identity->version);
      record_known (self, known, &dict);
    }
  if (channel == NULL)
    return;
  mefota_module_begin_settling (self);
  mefota_settings_read_async (channel, mefota_module_get_timeouts (self)->command, self->presence,
                              self->refresh_task != NULL ? on_refreshed : on_settings_read, g_object_ref (self));
}

void
mefota_module_forget_settings (MefotaModule *self)
{
  self->settings_read = self->unmended = self->ended_here = FALSE;
  self->was_away = TRUE;
  self->settings->target = (g_free (self->settings->target), g_strdup ("")); /* forgotten by a restart (guide 3.3) */
}

gboolean
mefota_module_notice_version (MefotaModule *self, const char *version)
{
  if (self->transport != MEFOTA_TRANSPORT_UART || !self->settings_read || self->identity->version[0] == '\0'
      || version[0] == '\0' || mefota_version_matches (self->identity->version, version))
    return FALSE;
  mefota_module_forget_settings (self);
  return TRUE;
}

/* ---- set for a caller ---- */

typedef struct
{
  MefotaSetting setting;
  MefotaSettings *wanted;
} Change;

static void
change_free (gpointer data)
{
  Change *self = data;
  mefota_settings_free (self->wanted);
  g_free (self);
}

static void
on_setting_written (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaModule *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;
  MefotaSetting written;
  MefotaSettings *settings = mefota_settings_write_finish (result, &written, &error);

  if (settings == NULL)
    mefota_module_return_error (task, g_steal_pointer (&error));
  else
    {
      take_settings (self, settings);
      self->lost &= ~BIT (written);
      remember (self, ~BIT (written));
      mefota_module_show (self);
      g_task_return_boolean (task, TRUE);
    }
  mefota_module_end_settling (self);
}

static void
write_setting (GTask *task)
{
  MefotaModule *self = g_task_get_source_object (task);
  const Change *change = g_task_get_task_data (task);
  GError *error = NULL;

  if (!mefota_module_check_not_upgrading (self, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  mefota_module_begin_settling (self);
  mefota_settings_write_async (mefota_module_get_channel (self), mefota_module_get_profile (self), change->setting,
                               change->wanted, mefota_module_get_timeouts (self)->command, self->calls,
                               self->presence, on_setting_written, g_object_ref (task));
}

/* What is to be changed in the result, and then written; NULL if that cannot be now, which @callback is told. */
static MefotaSettings *
begin_change (MefotaModule *self, MefotaSetting setting, gpointer tag, GAsyncReadyCallback callback, gpointer user_data,
              GTask **task)
{
  Change *change;

  *task = mefota_module_begin_task (self, tag, callback, user_data);
  if (*task == NULL)
    return NULL;
  change = g_new0 (Change, 1);
  change->setting = setting;
  change->wanted = mefota_settings_copy (self->settings);
  g_task_set_task_data (*task, change, change_free);
  return change->wanted;
}

void
mefota_module_set_server_async (MefotaModule *self, const char *address, guint port, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  MefotaSettings *wanted;
  GError *error = NULL;

  mefota_settings_check_server (address, port, mefota_module_get_profile (self), self->identity->version, &error);
  if (g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_SUPPORTED)
      && mefota_link_get_state (self->link) != MEFOTA_LINK_UP)
    g_clear_error (&error); /* which firmware it is, is not known */
  if (mefota_module_refuse_argument (self, mefota_module_set_server_async, error, callback, user_data))
    return;
  wanted = begin_change (self, MEFOTA_SETTING_SERVER, mefota_module_set_server_async, callback, user_data, &task);
  if (wanted == NULL)
    return;
  wanted->server = (g_free (wanted->server), g_strdup (address));
  wanted->port = (guint16) port;
  mefota_module_when_settled (self, task, write_setting);
}

void
mefota_module_set_polling_async (MefotaModule *self, gboolean enabled, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  MefotaSettings *wanted
      = begin_change (self, MEFOTA_SETTING_POLLING, mefota_module_set_polling_async, callback, user_data, &task);

  if (wanted == NULL)
    return;
  wanted->polling = enabled;
  mefota_module_when_settled (self, task, write_setting);
}

void
mefota_module_set_target_async (MefotaModule *self, const char *version, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  g_autoptr (GTask) task = NULL;
  MefotaSettings *wanted;
  GError *error = NULL;

  mefota_settings_check_target (version, &error);
  if (mefota_module_refuse_argument (self, mefota_module_set_target_async, error, callback, user_data))
    return;
  wanted = begin_change (self, MEFOTA_SETTING_TARGET, mefota_module_set_target_async, callback, user_data, &task);
  if (wanted == NULL)
    return;
  wanted->target = (g_free (wanted->target), g_strdup (version));
  mefota_module_when_settled (self, task, write_setting);
}
