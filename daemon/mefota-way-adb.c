/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-way-adb.h"

#include <string.h>
#include <sys/stat.h>

#include "mefota-adb-device.h"
#include "mefota-adb-sync.h"
#include "mefota-error.h"

/* In units of [timeouts] command (10 s): how long the device may take to appear, a transfer may stand still (a module
 * writes to flash), and the module may take to answer AT+ZCOMUPDATE. */
#define APPEAR_COMMANDS 6
#define CLEAN_COMMANDS 3
#define STALL_COMMANDS 6
#define INSTALL_COMMANDS 3
/* A module that re-enumerates each time and never shows an adb port must not be sent round for ever. */
#define ENABLE_MAX 3

typedef enum
{
  NOTHING,
  PREPARING,
  TRANSFERRING,
  INSTALLING,
  CLEANING,
} Doing;

struct _MefotaWayAdb
{
  MefotaWay parent_instance;
  MefotaAdb *adb;

  char *module;
  char *version;
  char *usb_path;
  char *profile;
  char *enable;
  char *paths[3]; /* where this firmware looks, where others do */
  guint command_ms;
  MefotaPackage *package;
  MefotaAtChannel *channel;

  MefotaAdbDevice *device;
  MefotaAdbSync *sync;
  guint enabled;  /* how often the module was told to open its adb port */
  gboolean dirty; /* a package of ours, or a part of it, may lie in the module: for all we know at first, from before */
  guint percent;

  /* the step that runs */
  Doing doing;
  GTask *task;
  GError *failure;
};

G_DEFINE_FINAL_TYPE (MefotaWayAdb, mefota_way_adb, MEFOTA_TYPE_WAY)

/* ---- a step's beginning and end ---- */

static gboolean
begin_step (MefotaWayAdb *self, Doing doing, GCancellable *cancellable, GAsyncReadyCallback callback,
            gpointer user_data, gpointer tag)
{
  g_assert (self->task == NULL);
  self->task = g_task_new (self, cancellable, callback, user_data);
  g_task_set_source_tag (self->task, tag);
  self->doing = doing;
  if (cancellable == NULL || !g_cancellable_is_cancelled (cancellable))
    return TRUE;
  g_task_return_error_if_cancelled (self->task);
  g_clear_object (&self->task);
  self->doing = NOTHING;
  return FALSE;
}

static void
drop_device (MefotaWayAdb *self)
{
  g_clear_pointer (&self->sync, mefota_adb_sync_free);
  g_clear_object (&self->device);
}

/* Takes @error; NULL is success. */
static void
end_step (MefotaWayAdb *self, GError *error)
{
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  self->doing = NOTHING;
  if (error == NULL)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  drop_device (self);
  g_task_return_error (task, error);
}

static GCancellable *
get_cancellable (MefotaWayAdb *self)
{
  return g_task_get_cancellable (self->task);
}

/* TRANSFER_FAILED and the like become a part of the upgrade's sentence; takes @error. */
static GError *
make_clause (GError *error)
{
  g_autofree char *text = mefota_error_to_clause (error->message, TRUE);

  if (!g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED)
      && !g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_FAILED))
    return error;
  g_free (error->message);
  error->message = g_strconcat ("over adb: ", text, NULL);
  error->code = MEFOTA_ERROR_TRANSFER_FAILED;
  return error;
}

/* Whether a module that adb lost is gone altogether is for its AT port to say: only then anything tells of its
 * return. */
static void
on_still_there (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWayAdb) self = data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);
  GError *failure = g_steal_pointer (&self->failure);

  if (lines != NULL || g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR))
    failure->code = MEFOTA_ERROR_TRANSFER_FAILED;
  end_step (self, make_clause (failure));
}

static void
on_explained (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWayAdb) self = data;
  GError *error = mefota_adb_device_explain_finish (MEFOTA_ADB_DEVICE (source), result);

  if (!g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT) || self->doing == CLEANING)
    {
      end_step (self, make_clause (error));
      return;
    }
  self->failure = error;
  mefota_at_channel_send_async (self->channel, "AT", NULL, self->command_ms, get_cancellable (self), on_still_there,
                                g_object_ref (self));
}

/* Takes @error. */
static void
fail_step (MefotaWayAdb *self, GError *error)
{
  g_autoptr (GError) owned = error;

  if (self->device != NULL)
    mefota_adb_device_explain_async (self->device, owned, on_explained, g_object_ref (self));
  else
    end_step (self, make_clause (g_steal_pointer (&owned)));
}

/* ---- what lies about ---- */

static void
on_cleared (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWayAdb) self = data;
  g_autoptr (MefotaAdbEntry) entry = NULL;
  GError *error = NULL;

  entry = mefota_adb_sync_stat_finish (result, &error);
  if (entry == NULL)
    {
      fail_step (self, error);
      return;
    }
  if (entry->mode != 0)
    {
      fail_step (self, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                                    "The module does not let the old package %s be removed.", self->paths[0]));
      return;
    }
  self->dirty = FALSE;
  if (self->doing == CLEANING)
    drop_device (self);
  end_step (self, NULL);
}

static void
on_sync (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWayAdb) self = data;
  GError *error = NULL;
  GIOStream *stream = mefota_adb_device_stream_finish (MEFOTA_ADB_DEVICE (source), result, &error);

  if (stream == NULL)
    {
      fail_step (self, error);
      return;
    }
  self->sync = mefota_adb_sync_new (stream, STALL_COMMANDS * self->command_ms);
  mefota_adb_sync_stat_async (self->sync, self->paths[0], get_cancellable (self), on_cleared, g_object_ref (self));
}

static void
on_removed (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWayAdb) self = data;
  GError *error = NULL;

  if (mefota_adb_device_remove_finish (MEFOTA_ADB_DEVICE (source), result, &error))
    mefota_adb_device_stream_async (self->device, "sync:", get_cancellable (self), on_sync, g_object_ref (self));
  else
    fail_step (self, error);
}

static void
on_device (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWayAdb) self = data;
  GError *error = NULL;

  self->device = mefota_adb_device_open_finish (result, &error);
  if (self->device == NULL)
    {
      fail_step (self, error);
      return;
    }
  self->enabled = 0;
  /* Guide 2.3.2 has two places; a package in the other one is another firmware's. */
  mefota_adb_device_remove_async (self->device, (const char *const *) self->paths, get_cancellable (self), on_removed,
                                  g_object_ref (self));
}

static void
on_enabling (gpointer data)
{
  MefotaWayAdb *self = data;
  self->enabled++;
}

static void
open_device (MefotaWayAdb *self)
{
  gboolean cleaning = self->doing == CLEANING;
  gboolean may_enable = self->enabled < (cleaning ? 1 : ENABLE_MAX);
  guint wait_commands = !cleaning ? APPEAR_COMMANDS : self->enabled > 0 ? 1 : CLEAN_COMMANDS;
  guint grace_ms = self->enabled > 0 || cleaning ? self->command_ms : 0;

  drop_device (self);
  /* One that was told to open its adb port, and re-enumerated for it, is given the time to show it. */
  mefota_adb_device_open_async (self->adb, self->usb_path, may_enable ? self->channel : NULL, self->enable, grace_ms,
                                on_enabling, self, self->command_ms, wait_commands * self->command_ms,
                                get_cancellable (self), on_device, g_object_ref (self));
}

/* ---- prepare ---- */

static void
on_deleted (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWayAdb) self = data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);

  /* ERROR is as good: it may not know the command on USB, where adb removes the file. */
  if (error == NULL || g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR) || self->doing == CLEANING)
    open_device (self);
  else
    fail_step (self, g_steal_pointer (&error));
}

static void
delete_package (MefotaWayAdb *self)
{
  mefota_at_channel_send_async (self->channel, "AT+ZCOMDEL", NULL, self->command_ms, get_cancellable (self), on_deleted,
                                g_object_ref (self));
}

static void
take_context (MefotaWayAdb *self, const MefotaWayContext *context, MefotaAtChannel *channel)
{
  const MefotaProfile *profile = context->profile;
  const char *path = mefota_profile_get_adb_path (profile, context->version);

  g_free (self->module);
  self->module = g_strdup (context->module);
  g_free (self->version);
  self->version = g_strdup (context->version);
  g_free (self->usb_path);
  self->usb_path = g_strdup (context->usb_path);
  g_free (self->profile);
  self->profile = g_strdup (profile->name);
  g_free (self->enable);
  self->enable = g_strdup (profile->adb_enable);
  g_free (self->paths[0]);
  g_free (self->paths[1]);
  self->paths[0] = g_strdup (path);
  self->paths[1] = g_strdup (strcmp (path, profile->adb_path) == 0 ? profile->adb_path_new : profile->adb_path);
  self->command_ms = context->timeouts->command;
  g_set_object (&self->package, context->package);
  g_set_object (&self->channel, channel);
}

static void
prepare_async (MefotaWay *way, const MefotaWayContext *context, MefotaAtChannel *channel, GCancellable *cancellable,
               GAsyncReadyCallback callback, gpointer user_data)
{
  MefotaWayAdb *self = MEFOTA_WAY_ADB (way);

  take_context (self, context, channel);
  if (!begin_step (self, PREPARING, cancellable, callback, user_data, prepare_async))
    return;
  if (self->usb_path == NULL)
    end_step (self, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_NOT_SUPPORTED,
                                 "Where module %s is plugged in is not known, so its adb device cannot be told from "
                                 "others; set usb-path in its [module] group.", self->module));
  else if (self->version[0] == '\0')
    end_step (self, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_NOT_SUPPORTED,
                                 "Module %s does not tell its firmware version, on which the package's place depends "
                                 "(guide 2.3.2); restart it and try again.", self->module));
  else
    delete_package (self);
}

/* ---- transfer ---- */

static void
tell_progress (guint64 bytes, gpointer data)
{
  MefotaWayAdb *self = data;
  /* Not all before the module's own word on its size. */
  guint percent = (guint) MIN (bytes * 100 / mefota_package_get_size (self->package), 99);

  if (percent == self->percent)
    return;
  self->percent = percent;
  g_signal_emit_by_name (self, "progress", percent);
}

static void
on_size (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWayAdb) self = data;
  GError *error = NULL;
  g_autoptr (MefotaAdbEntry) entry = mefota_adb_sync_stat_finish (result, &error);
  guint64 size = mefota_package_get_size (self->package);

  if (entry == NULL)
    {
      fail_step (self, error);
      return;
    }
  if (!S_ISREG (entry->mode) || entry->size != (guint32) size)
    {
      fail_step (self, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                                    "%s has %" G_GUINT64_FORMAT " bytes on the module instead of %" G_GUINT64_FORMAT,
                                    self->paths[0], entry->mode == 0 ? 0 : entry->size, size));
      return;
    }
  g_signal_emit_by_name (self, "progress", 100);
  end_step (self, NULL);
}

static void
on_pushed (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWayAdb) self = data;
  GError *error = NULL;

  if (mefota_adb_sync_push_finish (result, &error))
    mefota_adb_sync_stat_async (self->sync, self->paths[0], get_cancellable (self), on_size, g_object_ref (self));
  else
    fail_step (self, error);
}

static void
transfer_async (MefotaWay *way, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  MefotaWayAdb *self = MEFOTA_WAY_ADB (way);

  if (!begin_step (self, TRANSFERRING, cancellable, callback, user_data, transfer_async))
    return;
  g_debug ("%s: pushes the package to %s", self->module, self->paths[0]);
  self->dirty = TRUE;
  self->percent = 0;
  mefota_adb_sync_push_async (self->sync, self->package, self->paths[0], tell_progress, self, cancellable, on_pushed,
                              g_object_ref (self));
}

/* ---- install ---- */

static void
on_installing (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaWayAdb) self = data;
  GError *error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);

  if (g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR))
    {
      g_autofree char *words = mefota_error_to_clause (error->message, FALSE);
      g_free (error->message);
      error->message = g_strdup_printf ("%s, with the package in %s, where firmware %s looks by profile %s", words,
                                        self->paths[0], self->version, self->profile);
    }
  else if (error == NULL)
    {
      self->dirty = FALSE;
      drop_device (self);
    }
  end_step (self, error);
}

static void
install_async (MefotaWay *way, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  MefotaWayAdb *self = MEFOTA_WAY_ADB (way);

  if (begin_step (self, INSTALLING, cancellable, callback, user_data, install_async))
    mefota_at_channel_send_async (self->channel, "AT+ZCOMUPDATE", NULL, INSTALL_COMMANDS * self->command_ms,
                                  cancellable, on_installing, g_object_ref (self));
}

/* ---- clean-up ---- */

static void
clean_up_async (MefotaWay *way, MefotaAtChannel *channel, GCancellable *cancellable, GAsyncReadyCallback callback,
                gpointer user_data)
{
  MefotaWayAdb *self = MEFOTA_WAY_ADB (way);

  g_set_object (&self->channel, channel);
  begin_step (self, CLEANING, NULL, callback, user_data, clean_up_async);
  if (self->usb_path == NULL || !self->dirty)
    end_step (self, NULL);
  else
    delete_package (self);
}

static void
mefota_way_adb_finalize (GObject *object)
{
  MefotaWayAdb *self = MEFOTA_WAY_ADB (object);

  drop_device (self);
  g_clear_object (&self->adb);
  g_clear_object (&self->package);
  g_clear_object (&self->channel);
  g_clear_error (&self->failure);
  g_free (self->module);
  g_free (self->version);
  g_free (self->usb_path);
  g_free (self->profile);
  g_free (self->enable);
  g_free (self->paths[0]);
  g_free (self->paths[1]);
  G_OBJECT_CLASS (mefota_way_adb_parent_class)->finalize (object);
}

static gboolean
is_leaving (MefotaWay *way)
{
  return MEFOTA_WAY_ADB (way)->enabled > 0;
}

static void
mefota_way_adb_class_init (MefotaWayAdbClass *klass)
{
  MefotaWayClass *way_class = MEFOTA_WAY_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = mefota_way_adb_finalize;
  way_class->prepare_async = prepare_async;
  way_class->transfer_async = transfer_async;
  way_class->install_async = install_async;
  way_class->clean_up_async = clean_up_async;
  way_class->is_leaving = is_leaving;
}

static void
mefota_way_adb_init (MefotaWayAdb *self)
{
  self->dirty = TRUE;
}

MefotaWay *
mefota_way_adb_new (MefotaAdb *adb)
{
  MefotaWayAdb *self = g_object_new (MEFOTA_TYPE_WAY_ADB, NULL);

  self->adb = g_object_ref (adb);
  return MEFOTA_WAY (self);
}
