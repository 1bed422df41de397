/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-adb-device.h"

#include "mefota-error.h"

/* Between two looks while the device is awaited. */
#define LOOK_MS 200

struct _MefotaAdbDevice
{
  GObject parent;
  MefotaAdb *adb;
  gboolean held;
  char *usb_path;
  guint64 transport;
  guint command_ms;
};

G_DEFINE_FINAL_TYPE (MefotaAdbDevice, mefota_adb_device, G_TYPE_OBJECT)

typedef struct
{
  MefotaAdbDevice *device;
  MefotaAtChannel *channel;
  char *enable;
  MefotaAdbEnabling enabling;
  gpointer enabling_data;
  guint grace_ms, wait_ms;
  gint64 grace_until;
  gint64 deadline; /* from when it was enabled, or from the start */
  MefotaAdbState state;
  guint look_id;
} Open;

static void
open_free (gpointer data)
{
  Open *self = data;

  g_clear_handle_id (&self->look_id, g_source_remove);
  g_clear_object (&self->device);
  g_clear_object (&self->channel);
  g_free (self->enable);
  g_free (self);
}

guint
mefota_adb_device_get_command_ms (MefotaAdbDevice *self)
{
  return self->command_ms;
}

/* ---- opening ---- */

static void look (GTask *task);

static void
return_absent (GTask *task)
{
  Open *self = g_task_get_task_data (task);
  const char *path = self->device->usb_path;
  const char *why = "did not appear: another adb server may hold it, the kernel's driver option may have taken it, or "
                    "the module has none; end that server (adb kill-server), install the shipped udev rules";

  switch (self->state)
    {
    case MEFOTA_ADB_STATE_ABSENT:
    case MEFOTA_ADB_STATE_DEVICE:
      break;
    case MEFOTA_ADB_STATE_OFFLINE:
      why = "is offline: it is there but does not answer; restart the module (mefotactl restart)";
      break;
    case MEFOTA_ADB_STATE_UNAUTHORIZED:
      why = "is unauthorized: the module does not take mefotad's adb key; get it firmware that lets adb in";
      break;
    case MEFOTA_ADB_STATE_NO_PERMISSION:
      why = "may not be opened (no permissions); install the shipped udev rules and plug the module in again";
      break;
    case MEFOTA_ADB_STATE_OTHER:
      why = "is in a mode that takes no files (recovery or bootloader); restart the module";
      break;
    }
  g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                           "The adb device of the module at USB path %s %s, then try again.", path, why);
}

static gboolean
on_look_due (gpointer data)
{
  GTask *task = data;
  Open *self = g_task_get_task_data (task);

  self->look_id = 0;
  look (task);
  return G_SOURCE_REMOVE;
}

static void
await (GTask *task)
{
  Open *self = g_task_get_task_data (task);

  if (g_get_monotonic_time () >= self->deadline)
    return_absent (task);
  else
    self->look_id = g_timeout_add_full (G_PRIORITY_DEFAULT, LOOK_MS, on_look_due, g_object_ref (task), g_object_unref);
}

static void
on_enabled (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);

  if (g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR))
    {
      g_autofree char *refusal = mefota_error_to_clause (error->message, FALSE);
      g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR,
                               "The module's adb port stays closed, for %s; its firmware may have none: use a network "
                               "upgrade.", refusal);
    }
  else if (!g_task_return_error_if_cancelled (task))
    await (task); /* gone without an answer: it may have gone for this very command */
}

static void
enable (GTask *task)
{
  Open *self = g_task_get_task_data (task);
  g_autoptr (MefotaAtChannel) channel = g_steal_pointer (&self->channel); /* once */

  g_debug ("adb: no device at %s yet, %s", self->device->usb_path, self->enable);
  self->deadline = g_get_monotonic_time () + 1000 * (gint64) self->wait_ms;
  if (self->enabling != NULL)
    self->enabling (self->enabling_data);
  mefota_at_channel_send_async (channel, self->enable, NULL, self->device->command_ms, g_task_get_cancellable (task),
                                on_enabled, g_object_ref (task));
}

static void
on_listed (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Open *self = g_task_get_task_data (task);
  GError *error = NULL;
  g_autofree char *list = mefota_adb_stream_query_finish (result, &error);

  if (list == NULL && mefota_adb_get_pid (self->device->adb) == 0)
    {
      g_clear_error (&error);
      g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_FAILED,
                               "adb's server was ended from outside; leave mefotad's own one alone, and try again.");
      return;
    }
  if (list == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  self->state = mefota_adb_list_find (list, self->device->usb_path, &self->device->transport);
  if (g_task_return_error_if_cancelled (task))
    return;
  if (self->state == MEFOTA_ADB_STATE_DEVICE)
    g_task_return_pointer (task, g_object_ref (self->device), g_object_unref);
  else if (self->state == MEFOTA_ADB_STATE_ABSENT && self->channel != NULL && self->enable != NULL
           && g_get_monotonic_time () >= self->grace_until)
    enable (task);
  else
    await (task);
}

static void
look (GTask *task)
{
  Open *self = g_task_get_task_data (task);

  mefota_adb_stream_query_async (mefota_adb_get_socket_path (self->device->adb), 0, "host:devices-l",
                                 self->device->command_ms, g_task_get_cancellable (task), on_listed,
                                 g_object_ref (task));
}

static void
on_held (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Open *self = g_task_get_task_data (task);
  GError *error = NULL;

  self->device->held = mefota_adb_hold_finish (MEFOTA_ADB (source), result, &error);
  if (!self->device->held)
    {
      g_task_return_error (task, error);
      return;
    }
  self->grace_until = g_get_monotonic_time () + 1000 * (gint64) self->grace_ms;
  self->deadline = g_get_monotonic_time () + 1000 * (gint64) self->wait_ms;
  look (task);
}

void
mefota_adb_device_open_async (MefotaAdb *adb, const char *usb_path, MefotaAtChannel *channel,
                              const char *enable_command,
                              guint grace_ms, MefotaAdbEnabling enabling, gpointer enabling_data, guint command_ms,
                              guint wait_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Open *self = g_new0 (Open, 1);

  g_task_set_source_tag (task, mefota_adb_device_open_async);
  self->device = g_object_new (MEFOTA_TYPE_ADB_DEVICE, NULL);
  self->device->adb = g_object_ref (adb);
  self->device->usb_path = g_strdup (usb_path);
  self->device->command_ms = command_ms;
  if (channel != NULL)
    self->channel = g_object_ref (channel);
  self->enable = g_strdup (enable_command);
  self->enabling = enabling;
  self->enabling_data = enabling_data;
  self->grace_ms = grace_ms;
  self->wait_ms = wait_ms;
  g_task_set_task_data (task, self, open_free);
  mefota_adb_hold_async (adb, cancellable, on_held, g_object_ref (task));
}

MefotaAdbDevice *
mefota_adb_device_open_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- using it ---- */

static void
on_stream (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;
  GIOStream *stream = mefota_adb_stream_open_finish (result, &error);

  if (stream == NULL)
    g_task_return_error (task, error);
  else
    g_task_return_pointer (task, stream, g_object_unref);
}

void
mefota_adb_device_stream_async (MefotaAdbDevice *self, const char *service, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);

  g_task_set_source_tag (task, mefota_adb_device_stream_async);
  mefota_adb_stream_open_async (mefota_adb_get_socket_path (self->adb), self->transport, service, self->command_ms,
                                cancellable, on_stream, task);
}

GIOStream *
mefota_adb_device_stream_finish (MefotaAdbDevice *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

static void
on_removed (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  GError *error = NULL;
  g_autofree char *words = mefota_adb_stream_query_finish (result, &error);

  if (words == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  if (words[0] != '\0')
    g_debug ("adb: rm: %s", words);
  g_task_return_boolean (task, TRUE);
}

void
mefota_adb_device_remove_async (MefotaAdbDevice *self, const char *const *paths, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, cancellable, callback, user_data);
  g_autoptr (GString) command = g_string_new ("shell:rm -f");

  g_task_set_source_tag (task, mefota_adb_device_remove_async);
  for (gsize i = 0; paths[i] != NULL; i++)
    {
      g_autofree char *quoted = g_shell_quote (paths[i]);
      g_string_append_printf (command, " %s", quoted);
    }
  mefota_adb_stream_query_async (mefota_adb_get_socket_path (self->adb), self->transport, command->str,
                                 self->command_ms, cancellable, on_removed, task);
}

gboolean
mefota_adb_device_remove_finish (MefotaAdbDevice *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

/* ---- what a broken stream means ---- */

static void
on_explained (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaAdbDevice *self = g_task_get_source_object (task);
  GError *original = g_task_get_task_data (task);
  g_autofree char *list = mefota_adb_stream_query_finish (result, NULL);
  guint64 transport = 0;

  if (list == NULL)
    g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_FAILED,
                             "adb's server was ended from outside, in the middle of a transfer; leave mefotad's own "
                             "one alone, and try again.");
  else if (mefota_adb_list_find (list, self->usb_path, &transport) != MEFOTA_ADB_STATE_DEVICE
           || transport != self->transport)
    g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT,
                             "The module at USB path %s went away in the middle of a transfer; try again when it is "
                             "back.",
                             self->usb_path);
  else
    g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                             "The module broke an adb transfer off (%s); try again, or restart the module.",
                             original->message);
}

void
mefota_adb_device_explain_async (MefotaAdbDevice *self, const GError *error, GAsyncReadyCallback callback,
                                 gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, mefota_adb_device_explain_async);
  g_task_set_task_data (task, g_error_copy (error), (GDestroyNotify) g_error_free);
  if (error->domain == MEFOTA_ERROR || g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    {
      g_task_return_error (task, g_error_copy (error));
      g_object_unref (task);
      return;
    }
  mefota_adb_stream_query_async (mefota_adb_get_socket_path (self->adb), 0, "host:devices-l", self->command_ms, NULL,
                                 on_explained, task);
}

GError *
mefota_adb_device_explain_finish (MefotaAdbDevice *self, GAsyncResult *result)
{
  GError *error = NULL;

  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  g_task_propagate_boolean (G_TASK (result), &error);
  return error;
}

static void
mefota_adb_device_finalize (GObject *object)
{
  MefotaAdbDevice *self = MEFOTA_ADB_DEVICE (object);

  if (self->held)
    mefota_adb_release (self->adb);
  g_clear_object (&self->adb);
  g_free (self->usb_path);
  G_OBJECT_CLASS (mefota_adb_device_parent_class)->finalize (object);
}

static void
mefota_adb_device_class_init (MefotaAdbDeviceClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mefota_adb_device_finalize;
}

static void
mefota_adb_device_init (MefotaAdbDevice *self)
{
}
