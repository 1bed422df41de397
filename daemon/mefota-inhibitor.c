/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-inhibitor.h"

#define MM_NAME "org.freedesktop.ModemManager1"
#define MM_PATH "/org/freedesktop/ModemManager1"
#define MM_IFACE "org.freedesktop.ModemManager1"
#define MM_MODEM_IFACE "org.freedesktop.ModemManager1.Modem"
#define MM_ERROR_CORE "org.freedesktop.ModemManager1.Error.Core."

struct _MefotaInhibitor
{
  GObject parent_instance;

  GDBusConnection *bus;
  char *uid;
  guint watch;
  guint subscription;

  char *owner;           /* unique name of the ModemManager there is; NULL without one */
  struct Request *request; /* in flight */
  gboolean again;        /* the modem was exported while the request was in flight */
  gboolean pending;      /* not yet known how it stands: somebody may wait */
  gboolean held;
  gboolean warned;
  gboolean released;
  GPtrArray *waits; /* of GTask */
};

/* One InhibitDevice(true). It outlives the inhibitor: what ModemManager grants too late must be given back. */
struct Request
{
  MefotaInhibitor *self; /* NULL when nobody wants it any more */
  char *owner;
  char *uid;
};

G_DEFINE_FINAL_TYPE (MefotaInhibitor, mefota_inhibitor, G_TYPE_OBJECT)

static void inhibitor_ask (MefotaInhibitor *self);

static void
request_free (struct Request *request)
{
  g_free (request->owner);
  g_free (request->uid);
  g_free (request);
}

/* To the unique name: a ModemManager started since then is not meant. */
static void
let_go (GDBusConnection *bus, const char *owner, const char *uid)
{
  g_dbus_connection_call (bus, owner, MM_PATH, MM_IFACE, "InhibitDevice", g_variant_new ("(sb)", uid, FALSE), NULL,
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, NULL, NULL);
}

static void
inhibitor_settle (MefotaInhibitor *self)
{
  g_autoptr (GPtrArray) waits = g_steal_pointer (&self->waits);
  self->waits = g_ptr_array_new_with_free_func (g_object_unref);
  self->pending = FALSE;
  for (guint i = 0; i < waits->len; i++)
    g_task_return_boolean (g_ptr_array_index (waits, i), TRUE);
}

static void
inhibitor_explain (MefotaInhibitor *self, GError *error)
{
  g_autofree char *name = g_dbus_error_get_remote_error (error);

  g_dbus_error_strip_remote_error (error);
  g_debug ("ModemManager does not let go of %s: %s", self->uid, error->message);
  /* Not exported yet, not there now: it is asked again when it is. Gone: likewise. */
  if (self->warned || g_strcmp0 (name, MM_ERROR_CORE "WrongState") == 0
      || g_strcmp0 (name, MM_ERROR_CORE "NotFound") == 0
      || g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) || g_dbus_connection_is_closed (self->bus))
    return;
  self->warned = TRUE;
  g_warning ("ModemManager does not let go of the module at %s (%s): it may write to its ports during the upgrade. "
             "Allow InhibitDevice and the polkit action org.freedesktop.ModemManager1.Control to the service's user.",
             self->uid, error->message);
}

static void
on_inhibited (GObject *source, GAsyncResult *result, gpointer user_data)
{
  struct Request *request = user_data;
  GDBusConnection *bus = G_DBUS_CONNECTION (source);
  MefotaInhibitor *self = request->self;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (bus, result, &error);

  if (self == NULL)
    {
      if (reply != NULL)
        let_go (bus, request->owner, request->uid);
      request_free (request);
      return;
    }

  self->request = NULL;
  request_free (request);
  if (reply != NULL)
    self->held = TRUE;
  else if (self->again)
    inhibitor_ask (self);
  else
    inhibitor_explain (self, error);
  if (self->request == NULL)
    inhibitor_settle (self);
}

static void
inhibitor_ask (MefotaInhibitor *self)
{
  struct Request *request = g_new0 (struct Request, 1);
  request->self = self;
  request->owner = g_strdup (self->owner);
  request->uid = g_strdup (self->uid);
  self->request = request;
  self->again = FALSE;
  self->pending = TRUE;
  /* Without a timeout: it may disconnect a call of the modem first, and its late yes must not be missed. */
  g_dbus_connection_call (self->bus, self->owner, MM_PATH, MM_IFACE, "InhibitDevice",
                          g_variant_new ("(sb)", self->uid, TRUE), NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, G_MAXINT,
                          NULL, on_inhibited, request);
}

static void
inhibitor_abandon (MefotaInhibitor *self)
{
  if (self->request != NULL)
    self->request->self = NULL;
  self->request = NULL;
}

static void
on_interfaces_added (GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                     const char *signal, GVariant *parameters, gpointer user_data)
{
  MefotaInhibitor *self = user_data;
  const char *device = NULL;

  if (self->owner == NULL || !g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(oa{sa{sv}})")))
    return;
  g_autoptr (GVariant) interfaces = g_variant_get_child_value (parameters, 1);
  g_autoptr (GVariant) modem = g_variant_lookup_value (interfaces, MM_MODEM_IFACE, G_VARIANT_TYPE_VARDICT);
  if (modem == NULL || (g_variant_lookup (modem, "Device", "&s", &device) && g_strcmp0 (device, self->uid) != 0))
    return;

  /* An inhibited modem is not exported: so this one is not inhibited, whatever was thought before. */
  if (self->request != NULL)
    self->again = TRUE;
  else
    inhibitor_ask (self);
}

static void
on_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer user_data)
{
  MefotaInhibitor *self = user_data;
  g_free (self->owner);
  self->owner = g_strdup (owner);
  inhibitor_ask (self);
}

static void
on_vanished (GDBusConnection *bus, const char *name, gpointer user_data)
{
  MefotaInhibitor *self = user_data;
  g_clear_pointer (&self->owner, g_free);
  inhibitor_abandon (self);
  self->held = FALSE;
  inhibitor_settle (self);
}

static gboolean
on_wait_timeout (gpointer user_data)
{
  g_autoptr (GTask) task = g_object_ref (G_TASK (user_data));
  MefotaInhibitor *self = g_task_get_source_object (task);
  g_ptr_array_remove (self->waits, task);
  g_task_return_boolean (task, TRUE);
  return G_SOURCE_REMOVE;
}

static void
source_free (gpointer data)
{
  g_source_destroy (data);
  g_source_unref (data);
}

void
mefota_inhibitor_wait_async (MefotaInhibitor *self, guint timeout_ms, GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (MEFOTA_IS_INHIBITOR (self));
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  g_task_set_source_tag (task, mefota_inhibitor_wait_async);

  if (!self->pending)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  GSource *timeout = g_timeout_source_new (timeout_ms);
  g_source_set_callback (timeout, on_wait_timeout, task, NULL);
  g_source_attach (timeout, g_main_context_get_thread_default ());
  g_task_set_task_data (task, timeout, source_free);
  g_ptr_array_add (self->waits, g_steal_pointer (&task));
}

void
mefota_inhibitor_wait_finish (MefotaInhibitor *self, GAsyncResult *result)
{
  g_return_if_fail (g_task_is_valid (result, self));
  g_task_propagate_boolean (G_TASK (result), NULL);
}

void
mefota_inhibitor_release (MefotaInhibitor *self)
{
  g_return_if_fail (MEFOTA_IS_INHIBITOR (self));
  if (self->released)
    return;

  self->released = TRUE;
  g_clear_handle_id (&self->watch, g_bus_unwatch_name);
  if (self->subscription != 0)
    g_dbus_connection_signal_unsubscribe (self->bus, self->subscription);
  self->subscription = 0;
  inhibitor_abandon (self);
  if (self->held && self->owner != NULL)
    let_go (self->bus, self->owner, self->uid);
  self->held = FALSE;
  inhibitor_settle (self);
}

static void
mefota_inhibitor_dispose (GObject *object)
{
  MefotaInhibitor *self = MEFOTA_INHIBITOR (object);
  mefota_inhibitor_release (self);
  g_clear_object (&self->bus);
  G_OBJECT_CLASS (mefota_inhibitor_parent_class)->dispose (object);
}

static void
mefota_inhibitor_finalize (GObject *object)
{
  MefotaInhibitor *self = MEFOTA_INHIBITOR (object);
  g_free (self->uid);
  g_free (self->owner);
  g_ptr_array_unref (self->waits);
  G_OBJECT_CLASS (mefota_inhibitor_parent_class)->finalize (object);
}

static void
mefota_inhibitor_class_init (MefotaInhibitorClass *class)
{
  G_OBJECT_CLASS (class)->dispose = mefota_inhibitor_dispose;
  G_OBJECT_CLASS (class)->finalize = mefota_inhibitor_finalize;
}

static void
mefota_inhibitor_init (MefotaInhibitor *self)
{
  self->waits = g_ptr_array_new_with_free_func (g_object_unref);
}

MefotaInhibitor *
mefota_inhibitor_new (GDBusConnection *bus, const char *uid)
{
  g_return_val_if_fail (bus == NULL || G_IS_DBUS_CONNECTION (bus), NULL);
  g_return_val_if_fail (uid != NULL, NULL);
  MefotaInhibitor *self = g_object_new (MEFOTA_TYPE_INHIBITOR, NULL);

  self->uid = g_strdup (uid);
  if (bus == NULL)
    return self;
  self->bus = g_object_ref (bus);
  self->pending = TRUE;
  self->subscription = g_dbus_connection_signal_subscribe (bus, MM_NAME, "org.freedesktop.DBus.ObjectManager",
                                                           "InterfacesAdded", MM_PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE,
                                                           on_interfaces_added, self, NULL);
  self->watch = g_bus_watch_name_on_connection (bus, MM_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE, on_appeared, on_vanished,
                                                self, NULL);
  return self;
}
