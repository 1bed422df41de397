/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* Pulling the logs of an upgrade out of the module (guide 2.3.3). */

#include "mefota-module-private.h"

#include <glib/gstdio.h>

#include "mefota-error.h"
#include "mefota-logs.h"

#define LOGS "logs"
/* How long the adb device may take to appear, in units of [timeouts] command: with a restart of the module in it. */
#define APPEAR_COMMANDS 12

typedef struct
{
  char *target; /* where they are when all is well */
  char *path;   /* where they are gathered */
  GStrv dirs;
} Logs;

static void
logs_free (gpointer data)
{
  Logs *self = data;

  g_free (self->target);
  g_free (self->path);
  g_strfreev (self->dirs);
  g_free (self);
}

/* One folder an upgrade, or one by the time. */
static char *
make_name (MefotaModule *self)
{
  g_autoptr (GDateTime) now = NULL;
  g_autofree char *time = NULL;

  if (self->upgrade->id[0] != '\0' && g_uuid_string_is_valid (self->upgrade->id))
    return g_strdup (self->upgrade->id);
  now = g_date_time_new_now_utc ();
  time = g_date_time_format (now, "%Y%m%dT%H%M%SZ");
  return g_strdup_printf ("%s-%s", self->id, time);
}

/* Takes @error. */
static void
end (GTask *task, GError *error)
{
  MefotaModule *self = g_task_get_source_object (task);
  Logs *logs = g_task_get_task_data (task);

  g_clear_object (&self->collecting);
  if (mefota_link_get_state (self->link) == MEFOTA_LINK_UP)
    self->awaited = FALSE;
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_clear_error (&error);
      error = g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_CANCELLED,
                           "The logs of module %s were not collected, an upgrade has begun; collect them after its "
                           "end.", self->id);
    }
  if (error != NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, g_strdup (logs->target), g_free);
}

static void
on_collected (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Logs *logs = g_task_get_task_data (task);
  g_autofree char *parent = g_path_get_dirname (logs->target);
  GError *error = NULL;

  if (mefota_logs_collect_finish (result, &error) && mefota_logs_replace (logs->path, logs->target, &error))
    mefota_logs_prune (parent, MEFOTA_LOGS_KEPT);
  end (task, error);
}

static void
on_device (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Logs *logs = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (MefotaAdbDevice) device = mefota_adb_device_open_finish (result, &error);

  if (device == NULL)
    end (task, error);
  else
    mefota_logs_collect_async (device, (const char *const *) logs->dirs, logs->path, g_task_get_cancellable (task),
                               on_collected, g_object_ref (task));
}

/* It may go away to open its adb port: expected back. */
static void
on_enabling (gpointer data)
{
  MefotaModule *self = data;
  self->awaited = TRUE;
}

static Logs *
make_logs (MefotaModule *self, GError **error)
{
  g_autofree char *name = make_name (self);
  g_autofree char *fresh = g_strconcat ("new-", name, NULL);
  g_autofree char *path = mefota_store_build_path (self->services->store, LOGS, fresh, error);
  Logs *logs;

  if (path == NULL)
    return NULL;
  logs = g_new0 (Logs, 1);
  logs->target = g_build_filename (mefota_store_get_directory (self->services->store), LOGS, name, NULL);
  logs->path = g_steal_pointer (&path);
  logs->dirs = g_strdupv ((char **) mefota_profile_get_log_dirs (mefota_module_get_profile (self),
                                                                 self->identity->version));
  return logs;
}

void
mefota_module_collect_logs_async (MefotaModule *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  g_autofree char *usb_path = NULL;
  guint command_ms = self->services->config->timeouts.command;
  GError *error = NULL;
  Logs *logs;

  g_task_set_source_tag (task, mefota_module_collect_logs_async);
  g_task_set_check_cancellable (task, FALSE);
  if (!mefota_module_check_adb (self, &error) || !mefota_module_check_free (self, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  if (self->collecting != NULL)
    {
      g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_BUSY,
                               "The logs of module %s are being collected already; try again in a moment.", self->id);
      return;
    }
  logs = make_logs (self, &error);
  if (logs == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  g_task_set_task_data (task, logs, logs_free);
  self->collecting = g_object_ref (cancellable);
  usb_path = mefota_module_get_usb_path (self);
  mefota_adb_device_open_async (self->services->adb, usb_path, mefota_module_get_channel (self),
                                mefota_module_get_profile (self)->adb_enable, 0, on_enabling, self, command_ms,
                                APPEAR_COMMANDS * command_ms, cancellable, on_device, g_object_ref (task));
}

char *
mefota_module_collect_logs_finish (MefotaModule *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

void
mefota_module_stop_logs (MefotaModule *self)
{
  if (self->collecting != NULL)
    g_cancellable_cancel (self->collecting);
}

/* ---- by itself ---- */

static void
on_collected_itself (GObject *source, GAsyncResult *result, gpointer data)
{
  MefotaModule *self = MEFOTA_MODULE (source);
  g_autoptr (GError) error = NULL;
  g_autofree char *path = mefota_module_collect_logs_finish (self, result, &error);

  if (path != NULL)
    g_message ("%s: the module's logs of the failed upgrade are in %s", self->id, path);
  else
    g_message ("%s: the module's logs of the failed upgrade could not be had: %s", self->id, error->message);
  if (!g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_CANCELLED))
    mefota_store_remove (self->services->store, MEFOTA_STORE_LOGS, self->id, NULL);
}

/* Those of another upgrade than the last are wanted no more. */
static gboolean
are_logs_wanted (MefotaModule *self)
{
  g_autoptr (GVariant) wanted = mefota_store_load (self->services->store, MEFOTA_STORE_LOGS, self->id);
  const char *upgrade;

  if (wanted == NULL)
    return FALSE;
  if (g_variant_lookup (wanted, "upgrade", "&s", &upgrade) && g_str_equal (upgrade, self->upgrade->id))
    return TRUE;
  mefota_store_remove (self->services->store, MEFOTA_STORE_LOGS, self->id, NULL);
  return FALSE;
}

void
mefota_module_want_logs (MefotaModule *self)
{
  const MefotaUpgrade *u = self->upgrade;
  g_autoptr (GVariant) wanted = NULL;
  g_autoptr (GError) error = NULL;

  if (!self->services->config->policy.collect_logs || u->result != MEFOTA_RESULT_FAILURE
      || u->error == MEFOTA_ERROR_CANCELLED || u->operation != MEFOTA_OPERATION_ADB || !mefota_module_can_adb (self))
    return;
  wanted = g_variant_ref_sink (g_variant_new_parsed ("{'upgrade': <%s>}", u->id));
  if (!mefota_store_save (self->services->store, MEFOTA_STORE_LOGS, self->id, wanted, &error))
    g_warning ("%s: the logs of the failed upgrade will not be collected: %s", self->id, error->message);
}

void
mefota_module_fetch_wanted_logs (MefotaModule *self)
{
  if (self->collecting != NULL || mefota_link_get_state (self->link) != MEFOTA_LINK_UP
      || mefota_upgrade_is_active (self->upgrade) || !are_logs_wanted (self))
    return;
  mefota_module_collect_logs_async (self, on_collected_itself, NULL);
}
