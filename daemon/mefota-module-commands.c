/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* Settings, readiness, restart and single commands: everything that is no upgrade. */

#include "mefota-module-private.h"

#include "mefota-command-check.h"
#include "mefota-error.h"
#include "mefota-readiness.h"

#include <string.h>

/* How long a module on a UART is watched after it was told to restart, in tries to wake a port up: it may linger. */
#define RESTART_PROBES 20

void
mefota_module_return_error (GTask *task, GError *error)
{
  MefotaModule *self = g_task_get_source_object (task);

  if (error->domain != MEFOTA_ERROR)
    {
      g_error_free (error);
      error = g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT, "Module %s went away; try again when it is back.",
                           self->id);
    }
  if (g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_TIMEOUT))
    mefota_link_suspect (self->link);
  g_task_return_error (task, error);
}

static void
take_settings (MefotaModule *self, MefotaSettings *settings)
{
  g_clear_pointer (&self->settings, mefota_settings_free);
  self->settings = settings;
}

/* ---- what is known of a module by its IMEI ---- */

static void
remember (MefotaModule *self)
{
  g_autoptr (GVariant) known = NULL;
  g_autoptr (GVariant) record = NULL;
  g_autoptr (GError) error = NULL;
  const MefotaSettings *s = self->settings;
  GVariantDict dict;

  if (self->identity->imei[0] == '\0')
    return;
  known = mefota_store_load (self->services->store, MEFOTA_STORE_IMEI, self->identity->imei);
  g_variant_dict_init (&dict, known);
  if (self->identity->version[0] != '\0')
    g_variant_dict_insert (&dict, "version", "s", self->identity->version);
  if (s->server[0] != '\0')
    {
      g_variant_dict_insert (&dict, "server", "s", s->server);
      g_variant_dict_insert (&dict, "port", "q", s->port);
    }
  if (s->polling_known)
    {
      g_variant_dict_insert (&dict, "polling", "b", s->polling);
      g_variant_dict_insert (&dict, "polling-in-force", "b", self->polling_in_force);
    }
  record = g_variant_ref_sink (g_variant_dict_end (&dict));
  if ((known == NULL || !g_variant_equal (known, record))
      && !mefota_store_save (self->services->store, MEFOTA_STORE_IMEI, self->identity->imei, record, &error))
    g_warning ("%s: what the module is set to cannot be recorded: %s", self->id, error->message);
}

static void
on_restored (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (MefotaSettings) settings = mefota_settings_write_finish (result, &error);

  if (settings == NULL)
    {
      if (error->domain == MEFOTA_ERROR)
        g_warning ("%s: a lost setting could not be put back: %s", self->id, error->message);
      return;
    }
  take_settings (self, g_steal_pointer (&settings));
  remember (self);
  mefota_module_show (self);
}

static void
put_back (MefotaModule *self, MefotaSetting setting, const MefotaSettings *wanted, const char *what)
{
  gboolean restore = self->services->config->policy.restore_settings;

  g_warning ("%s: the module lost its setting %s; %s", self->id, what,
             restore ? "putting it back" : "[policy] restore-settings=false leaves it so");
  if (restore)
    mefota_settings_write_async (mefota_module_get_channel (self), mefota_module_get_profile (self), setting, wanted,
                                 mefota_module_get_timeouts (self)->command, self->presence, on_restored,
                                 g_object_ref (self));
}

static void
mend_settings (MefotaModule *self, GVariant *known)
{
  g_autoptr (MefotaSettings) wanted = mefota_settings_copy (self->settings);
  const char *server = NULL;
  guint16 port = 0;
  gboolean polling = FALSE;

  if (g_variant_lookup (known, "server", "&s", &server) && g_variant_lookup (known, "port", "q", &port)
      && self->settings->server[0] != '\0'
      && (g_ascii_strcasecmp (server, self->settings->server) != 0 || port != self->settings->port))
    {
      g_autofree char *what = g_strdup_printf ("AT+FOTAIP=%s,%u", server, port);
      wanted->server = (g_free (wanted->server), g_strdup (server));
      wanted->port = port;
      put_back (self, MEFOTA_SETTING_SERVER, wanted, what);
    }
  if (g_variant_lookup (known, "polling", "b", &polling) && self->settings->polling_known
      && polling != self->settings->polling)
    {
      g_autofree char *what = g_strdup_printf ("AT+FOTAPOLLEN=%d", polling);
      wanted->polling = polling;
      put_back (self, MEFOTA_SETTING_POLLING, wanted, what);
    }
}

static void
finish_refresh (MefotaModule *self)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->refresh_task);
  if (task != NULL)
    g_task_return_boolean (task, TRUE);
}

static void
on_settings_read (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) self = data;
  g_autoptr (MefotaSettings) settings = mefota_settings_read_finish (result, NULL);
  g_autoptr (GVariant) known = NULL;
  gboolean fresh = !self->settings_read;

  if (settings == NULL)
    return; /* gone again */
  take_settings (self, g_steal_pointer (&settings));
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
  if (mefota_upgrade_is_active (self->upgrade))
    self->unmended = self->unmended || fresh;
  else if (known != NULL && fresh)
    mend_settings (self, known);
  else
    remember (self);
  mefota_module_show (self);
}

void
mefota_module_mend_settings (MefotaModule *self)
{
  g_autoptr (GVariant) known = NULL;

  if (!self->unmended || mefota_link_get_state (self->link) != MEFOTA_LINK_UP)
    return;
  self->unmended = FALSE;
  if (self->identity->imei[0] != '\0')
    known = mefota_store_load (self->services->store, MEFOTA_STORE_IMEI, self->identity->imei);
  if (known != NULL)
    mend_settings (self, known);
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
  g_autoptr (GVariant) record = NULL;
  g_autoptr (GError) error = NULL;
  GVariantDict dict;
  MefotaAtChannel *channel = mefota_module_get_channel (self);

  /* The version at once: an upgrade the module begins by itself is measured against it. */
  if (self->identity->imei[0] != '\0' && self->identity->version[0] != '\0')
    {
      known = mefota_store_load (self->services->store, MEFOTA_STORE_IMEI, self->identity->imei);
      g_variant_dict_init (&dict, known);
      g_variant_dict_insert (&dict, "version", "s", self->identity->version);
      record = g_variant_ref_sink (g_variant_dict_end (&dict));
      if ((known == NULL || !g_variant_equal (known, record))
          && !mefota_store_save (self->services->store, MEFOTA_STORE_IMEI, self->identity->imei, record, &error))
        g_warning ("%s: its version cannot be recorded: %s", self->id, error->message);
    }
  if (channel != NULL)
    mefota_settings_read_async (channel, mefota_module_get_timeouts (self)->command, self->presence,
                                self->refresh_task != NULL ? on_refreshed : on_settings_read, g_object_ref (self));
}

/* ---- one command, one OK ---- */

/* Checks, then a task; NULL after it has failed. */
static GTask *
begin_task (MefotaModule *self, gpointer tag, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, tag);
  if (mefota_module_check_free (self, &error))
    return task;
  g_task_return_error (task, error);
  g_object_unref (task);
  return NULL;
}

static void
on_ok (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (GError) error = NULL;
  g_strfreev (mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error));

  if (error != NULL)
    mefota_module_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_boolean (task, TRUE);
}

gboolean
mefota_module_command_finish (MefotaModule *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
mefota_module_delete_package_async (MefotaModule *self, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = begin_task (self, mefota_module_delete_package_async, callback, user_data);
  if (task != NULL)
    mefota_at_channel_send_async (mefota_module_get_channel (self), "AT+ZCOMDEL", NULL,
                                  mefota_module_get_timeouts (self)->command, self->presence,
                                  on_ok, task);
}

void
mefota_module_forget_settings (MefotaModule *self)
{
  self->settings_read = self->unmended = self->ended_here = FALSE;
  self->was_away = TRUE;
  self->settings->target = (g_free (self->settings->target), g_strdup ("")); /* forgotten by a restart (guide 3.3) */
}

/* On a UART nothing is seen of a restart that is over between two looks. */
static gboolean
on_restart_unseen (gpointer data)
{
  MefotaModule *self = data;

  self->restart_id = 0;
  mefota_module_keep (self, 0);
  if (mefota_upgrade_is_active (self->upgrade) || mefota_link_get_state (self->link) != MEFOTA_LINK_UP)
    return G_SOURCE_REMOVE;
  mefota_module_forget_settings (self);
  mefota_link_identify (self->link);
  mefota_module_show (self);
  return G_SOURCE_REMOVE;
}

/* Nothing else tells that it is away, as long as nobody asks it for something: it forgets its target version, and what
 * it was set to comes into force. */
static void
watch_restart (MefotaModule *self)
{
  if (self->transport != MEFOTA_TRANSPORT_UART || mefota_link_get_state (self->link) != MEFOTA_LINK_UP)
    return;
  g_clear_handle_id (&self->restart_id, g_source_remove);
  self->restart_id = g_timeout_add (RESTART_PROBES * mefota_module_get_timeouts (self)->probe, on_restart_unseen, self);
  mefota_module_keep (self, 0);
}

static void
on_restarting (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaModule *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);

  /* It may be gone before its OK has been read; that was what was asked for. */
  self->awaited = !g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR);
  if (self->awaited)
    watch_restart (self);
  if (error != NULL && !g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT))
    mefota_module_return_error (task, g_steal_pointer (&error));
  else
    g_task_return_boolean (task, TRUE);
}

void
mefota_module_restart_async (MefotaModule *self, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = begin_task (self, mefota_module_restart_async, callback, user_data);
  if (task != NULL)
    mefota_at_channel_send_async (mefota_module_get_channel (self), mefota_module_get_profile (self)->restart, NULL,
                                  mefota_module_get_timeouts (self)->command, NULL, on_restarting, task);
}

void
mefota_module_refresh_async (MefotaModule *self, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = begin_task (self, mefota_module_refresh_async, callback, user_data);
  if (task == NULL)
    return;
  if (self->refresh_task != NULL)
    {
      g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_BUSY,
                               "Module %s is being read already; its properties will be fresh in a moment.", self->id);
      g_object_unref (task);
      return;
    }
  self->refresh_task = task;
  mefota_link_identify (self->link);
}

/* ---- settings ---- */

static void
on_setting_written (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaModule *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;
  MefotaSettings *settings = mefota_settings_write_finish (result, &error);

  if (settings == NULL)
    {
      mefota_module_return_error (task, g_steal_pointer (&error));
      return;
    }
  take_settings (self, settings);
  remember (self);
  mefota_module_show (self);
  g_task_return_boolean (task, TRUE);
}

static void
write_setting (MefotaModule *self, GTask *task, MefotaSetting setting, const MefotaSettings *wanted)
{
  mefota_settings_write_async (mefota_module_get_channel (self), mefota_module_get_profile (self), setting, wanted,
                               mefota_module_get_timeouts (self)->command, self->presence, on_setting_written, task);
}

/* The arguments are wrong whatever the module is doing: that error goes first. */
static gboolean
refuse_argument (MefotaModule *self, gpointer tag, GError *error, GAsyncReadyCallback callback, gpointer user_data)
{
  if (error == NULL)
    return FALSE;
  g_task_report_error (self, callback, user_data, tag, error);
  return TRUE;
}

void
mefota_module_set_server_async (MefotaModule *self, const char *address, guint port, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  g_autoptr (MefotaSettings) wanted = mefota_settings_copy (self->settings);
  GError *error = NULL;
  GTask *task;

  mefota_settings_check_server (address, port, mefota_module_get_profile (self), self->identity->version, &error);
  if (g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_SUPPORTED)
      && mefota_link_get_state (self->link) != MEFOTA_LINK_UP)
    g_clear_error (&error); /* which firmware it is, is not known */
  if (refuse_argument (self, mefota_module_set_server_async, error, callback, user_data))
    return;
  task = begin_task (self, mefota_module_set_server_async, callback, user_data);
  if (task == NULL)
    return;
  wanted->server = (g_free (wanted->server), g_strdup (address));
  wanted->port = (guint16) port;
  write_setting (self, task, MEFOTA_SETTING_SERVER, wanted);
}

void
mefota_module_set_polling_async (MefotaModule *self, gboolean enabled, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = begin_task (self, mefota_module_set_polling_async, callback, user_data);
  g_autoptr (MefotaSettings) wanted = mefota_settings_copy (self->settings);

  if (task == NULL)
    return;
  wanted->polling = enabled;
  write_setting (self, task, MEFOTA_SETTING_POLLING, wanted);
}

void
mefota_module_set_target_async (MefotaModule *self, const char *version, GAsyncReadyCallback callback,
                                gpointer user_data)
{
  g_autoptr (MefotaSettings) wanted = mefota_settings_copy (self->settings);
  GError *error = NULL;
  GTask *task;

  mefota_settings_check_target (version, &error);
  if (refuse_argument (self, mefota_module_set_target_async, error, callback, user_data))
    return;
  task = begin_task (self, mefota_module_set_target_async, callback, user_data);
  if (task == NULL)
    return;
  wanted->target = (g_free (wanted->target), g_strdup (version));
  write_setting (self, task, MEFOTA_SETTING_TARGET, wanted);
}

/* ---- SendCommand ---- */

/* Whether a command sets what is kept of the module: a restart must not undo it. */
static gboolean
sets_settings (const char *command)
{
  static const char *const names[] = { "+FOTAIP=", "+FOTAPOLLEN=", "+FOTATV=" };
  g_autofree char *upper = g_ascii_strup (command, -1);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    if (strstr (upper, names[i]) != NULL)
      return TRUE;
  return FALSE;
}

static void
on_command_answered (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (GError) error = NULL;
  char **lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);

  if (error == NULL)
    {
      if (sets_settings (g_task_get_task_data (task)))
        mefota_module_read_settings (g_task_get_source_object (task));
      g_task_return_pointer (task, lines, (GDestroyNotify) g_strfreev);
      return;
    }
  if (g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR) && lines != NULL && lines[0] != NULL)
    {
      g_autofree char *joined = g_strjoinv (" / ", lines);
      g_prefix_error (&error, "%s / ", joined);
    }
  g_strfreev (lines);
  mefota_module_return_error (task, g_steal_pointer (&error));
}

void
mefota_module_send_command_async (MefotaModule *self, const char *command, guint timeout_ms,
                                  GAsyncReadyCallback callback, gpointer user_data)
{
  GError *error = NULL;
  GTask *task;

  mefota_command_check (command, mefota_module_get_profile (self)->max_command, &error);
  if (refuse_argument (self, mefota_module_send_command_async, error, callback, user_data))
    return;
  task = begin_task (self, mefota_module_send_command_async, callback, user_data);
  if (task == NULL)
    return;
  g_task_set_task_data (task, g_strdup (command), g_free);
  mefota_at_channel_send_async (mefota_module_get_channel (self), command, NULL,
                                timeout_ms != 0 ? timeout_ms : mefota_module_get_timeouts (self)->command,
                                self->presence, on_command_answered, task);
}

char **
mefota_module_send_command_finish (MefotaModule *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
