/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mock-daemon.h"

#include "mefota-error.h"
#include "mefota-names.h"

#include <gio/gunixfdlist.h>

static const char object_manager_xml[] = "<node><interface name='org.freedesktop.DBus.ObjectManager'>"
                                         "<method name='GetManagedObjects'>"
                                         "<arg name='objects' type='a{oa{sa{sv}}}' direction='out'/></method>"
                                         "<signal name='InterfacesAdded'><arg type='o'/>"
                                         "<arg type='a{sa{sv}}'/></signal>"
                                         "<signal name='InterfacesRemoved'><arg type='o'/><arg type='as'/></signal>"
                                         "</interface></node>";

struct MockDaemon
{
  char *address;
  GDBusConnection *bus;
  GDBusNodeInfo *module_info;
  GDBusNodeInfo *manager_info;
  GDBusNodeInfo *object_manager_info;
  GHashTable *modules; /* object path → GHashTable of name → GVariant */
  GVariant *history;
  MockMethod method;
  gpointer method_data;
  char *last_call;
  GUnixFDList *last_fds;
  guint n_calls;
};

static GVariant *
properties_of (MockDaemon *mock, const char *path)
{
  GVariantBuilder builder;
  GHashTableIter iter;
  gpointer name, value;
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_hash_table_iter_init (&iter, g_hash_table_lookup (mock->modules, path));
  while (g_hash_table_iter_next (&iter, &name, &value))
    g_variant_builder_add (&builder, "{sv}", name, value);
  return g_variant_builder_end (&builder);
}

static GVariant *
managed_objects (MockDaemon *mock)
{
  GVariantBuilder objects;
  GHashTableIter iter;
  gpointer path;
  g_variant_builder_init (&objects, G_VARIANT_TYPE ("a{oa{sa{sv}}}"));
  g_hash_table_iter_init (&iter, mock->modules);
  while (g_hash_table_iter_next (&iter, &path, NULL))
    {
      GVariantBuilder interfaces;
      g_variant_builder_init (&interfaces, G_VARIANT_TYPE ("a{sa{sv}}"));
      g_variant_builder_add (&interfaces, "{s@a{sv}}", MEFOTA_IFACE_MODULE, properties_of (mock, path));
      g_variant_builder_add (&objects, "{oa{sa{sv}}}", path, &interfaces);
    }
  return g_variant_new ("(a{oa{sa{sv}}})", &objects);
}

static void
find_module (MockDaemon *mock, GVariant *parameters, GDBusMethodInvocation *invocation)
{
  const char *key;
  g_variant_get (parameters, "(&s)", &key);
  g_autofree char *path = g_strconcat (MEFOTA_MODULE_PREFIX, key, NULL);
  if (g_variant_is_object_path (path) && g_hash_table_contains (mock->modules, path))
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(o)", path));
  else
    g_dbus_method_invocation_return_error (invocation, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT,
                                           "There is no module “%s”.", key);
}

static void
answer (MockDaemon *mock, const char *method, GVariant *parameters, GDBusMethodInvocation *invocation)
{
  const char *const lines[] = { "+FOTACTR: FAIL_END", "\033[2J\"quoted\\\"", NULL };
  if (g_str_equal (method, "GetManagedObjects"))
    g_dbus_method_invocation_return_value (invocation, managed_objects (mock));
  else if (g_str_equal (method, "FindModule"))
    find_module (mock, parameters, invocation);
  else if (g_str_equal (method, "GetHistory"))
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(@aa{sv})", mock->history));
  else if (g_str_equal (method, "CheckReadiness"))
    g_dbus_method_invocation_return_value (
        invocation, g_variant_new_parsed ("([('sim', true, 'READY'), ('registered', true, 'home')],)"));
  else if (g_str_equal (method, "CollectLogs"))
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(s)", "/var/lib/mefota/logs/1"));
  else if (g_str_equal (method, "SendCommand"))
    g_dbus_method_invocation_return_value (invocation, g_variant_new ("(^as)", lines));
  else
    g_dbus_method_invocation_return_value (invocation, NULL);
}

static void
on_method (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *method,
           GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user_data)
{
  MockDaemon *mock = user_data;
  g_autofree char *arguments = g_variant_print (parameters, FALSE);
  if (g_str_equal (interface, MEFOTA_IFACE_MODULE))
    {
      GDBusMessage *message = g_dbus_method_invocation_get_message (invocation);
      g_free (mock->last_call);
      mock->last_call = g_strdup_printf ("%s%s", method, arguments);
      g_set_object (&mock->last_fds, g_dbus_message_get_unix_fd_list (message));
      mock->n_calls++;
    }
  if (mock->method == NULL || !mock->method (mock, method, parameters, invocation, mock->method_data))
    answer (mock, method, parameters, invocation);
}

static GVariant *
on_get_property (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *name,
                 GError **error, gpointer user_data)
{
  MockDaemon *mock = user_data;
  GHashTable *module = g_hash_table_lookup (mock->modules, path);
  if (module != NULL)
    return g_variant_ref (g_hash_table_lookup (module, name));
  if (g_str_equal (name, "Holds"))
    return g_variant_new_parsed ("[('backup', 'runs until six')]");
  if (g_str_equal (name, "Modules"))
    return g_variant_new ("ao", NULL);
  return g_str_equal (name, "Version") ? g_variant_new_string ("0") : g_variant_new_boolean (FALSE);
}

static const GDBusInterfaceVTable vtable = { on_method, on_get_property, NULL, { NULL } };

static void
export (MockDaemon *mock, const char *path, GDBusNodeInfo *info)
{
  g_autoptr (GError) error = NULL;
  g_dbus_connection_register_object (mock->bus, path, info->interfaces[0], &vtable, mock, NULL, &error);
  g_assert_no_error (error);
}

static GDBusNodeInfo *
read_info (const char *file)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (MEFOTA_INTERFACE_DIR, file, NULL);
  g_autofree char *xml = NULL;
  g_assert_true (g_file_get_contents (path, &xml, NULL, &error));
  GDBusNodeInfo *info = g_dbus_node_info_new_for_xml (xml, &error);
  g_assert_no_error (error);
  return info;
}

MockDaemon *
mock_daemon_new (const char *address)
{
  MockDaemon *mock = g_new0 (MockDaemon, 1);
  (void) mefota_error_quark ();
  mock->address = g_strdup (address);
  mock->modules = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_hash_table_unref);
  mock->module_info = read_info ("org.gosuncn.Fota.xml");
  mock->manager_info = read_info ("org.gosuncn.Fota.Manager.xml");
  mock->object_manager_info = g_dbus_node_info_new_for_xml (object_manager_xml, NULL);
  mock->history = g_variant_ref_sink (g_variant_new ("aa{sv}", NULL));
  mock_daemon_return (mock);
  return mock;
}

void
mock_daemon_free (MockDaemon *mock)
{
  mock_daemon_vanish (mock);
  g_dbus_node_info_unref (mock->module_info);
  g_dbus_node_info_unref (mock->manager_info);
  g_dbus_node_info_unref (mock->object_manager_info);
  g_hash_table_unref (mock->modules);
  g_variant_unref (mock->history);
  g_clear_object (&mock->last_fds);
  g_free (mock->last_call);
  g_free (mock->address);
  g_free (mock);
}

void
mock_daemon_vanish (MockDaemon *mock)
{
  if (mock->bus == NULL)
    return;
  /* So that the name is free when this returns: a close is seen by the bus some time later. */
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      mock->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "ReleaseName",
      g_variant_new ("(s)", MEFOTA_BUS_NAME), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL);
  g_assert_nonnull (reply);
  g_dbus_connection_close_sync (mock->bus, NULL, NULL);
  g_clear_object (&mock->bus);
}

void
mock_daemon_return (MockDaemon *mock)
{
  g_autoptr (GError) error = NULL;
  GHashTableIter iter;
  gpointer path;
  mock->bus = g_dbus_connection_new_for_address_sync (
      mock->address,
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL,
      &error);
  g_assert_no_error (error);
  export (mock, MEFOTA_OBJECT_ROOT, mock->manager_info);
  export (mock, MEFOTA_OBJECT_ROOT, mock->object_manager_info);
  g_hash_table_iter_init (&iter, mock->modules);
  while (g_hash_table_iter_next (&iter, &path, NULL))
    export (mock, path, mock->module_info);
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      mock->bus, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus", "RequestName",
      g_variant_new ("(su)", MEFOTA_BUS_NAME, 4 /* do not queue */), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (reply);
}

static GHashTable *
new_properties (const char *id)
{
  static const struct
  {
    const char *name;
    const char *value;
  } defaults[] = {
    { "Manufacturer", "'GOSUNCN'" }, { "Model", "'ME3630'" }, { "FirmwareVersion", "'ME3630U1AV1.0B04'" },
    { "Port", "'/dev/ttyUSB1'" }, { "PhysicalPath", "'1-1.2'" }, { "Transport", "'usb'" },
    { "Methods", "['network', 'adb']" }, { "ServerAddress", "'203.0.113.5'" }, { "ServerPort", "uint16 5000" },
    { "PollingEnabled", "true" }, { "PollingRestartNeeded", "false" }, { "TargetVersion", "''" },
    { "State", "'idle'" }, { "Operation", "'none'" }, { "Status", "''" }, { "StatusArgument", "''" },
    { "Progress", "uint32 0" }, { "StartedAt", "uint64 0" }, { "PhaseSince", "uint64 0" },
    { "RebootsSeen", "uint32 0" }, { "Overdue", "false" }, { "CanCancel", "false" }, { "PowerCritical", "false" },
    { "ConfirmDeadline", "uint64 0" }, { "FromVersion", "''" }, { "DownloadSeconds", "uint32 0" },
    { "LastResult", "'none'" }, { "LastError", "('', '')" }, { "LastUpgrade", "'old'" },
    { "Imei", "'866000000000001'" },
  };
  GHashTable *properties = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
  for (gsize i = 0; i < G_N_ELEMENTS (defaults); i++)
    g_hash_table_insert (properties, g_strdup (defaults[i].name),
                         g_variant_ref_sink (g_variant_new_parsed (defaults[i].value)));
  g_hash_table_insert (properties, g_strdup ("Id"), g_variant_ref_sink (g_variant_new_string (id)));
  return properties;
}

void
mock_daemon_add (MockDaemon *mock, const char *id)
{
  char *path = g_strconcat (MEFOTA_MODULE_PREFIX, id, NULL);
  g_hash_table_insert (mock->modules, path, new_properties (id));
  export (mock, path, mock->module_info);
  g_dbus_connection_emit_signal (
      mock->bus, NULL, MEFOTA_OBJECT_ROOT, "org.freedesktop.DBus.ObjectManager", "InterfacesAdded",
      g_variant_new_parsed ("(%o, {%s: %@a{sv}})", path, MEFOTA_IFACE_MODULE, properties_of (mock, path)), NULL);
}

void
mock_daemon_set (MockDaemon *mock, const char *id, ...)
{
  va_list args;
  GVariantBuilder changed;
  const char *name;
  g_autofree char *path = g_strconcat (MEFOTA_MODULE_PREFIX, id, NULL);
  GHashTable *properties = g_hash_table_lookup (mock->modules, path);
  g_variant_builder_init (&changed, G_VARIANT_TYPE_VARDICT);
  va_start (args, id);
  while ((name = va_arg (args, const char *)) != NULL)
    {
      GVariant *value = g_variant_ref_sink (va_arg (args, GVariant *));
      g_variant_builder_add (&changed, "{sv}", name, value);
      g_hash_table_insert (properties, g_strdup (name), value);
    }
  va_end (args);
  g_autoptr (GVariant) parameters
      = g_variant_ref_sink (g_variant_new ("(sa{sv}as)", MEFOTA_IFACE_MODULE, &changed, NULL));
  if (mock->bus != NULL)
    g_dbus_connection_emit_signal (mock->bus, NULL, path, "org.freedesktop.DBus.Properties", "PropertiesChanged",
                                   parameters, NULL);
}

void
mock_daemon_emit (MockDaemon *mock, const char *id, const char *signal, GVariant *parameters)
{
  g_autofree char *path = g_strconcat (MEFOTA_MODULE_PREFIX, id, NULL);
  g_dbus_connection_emit_signal (mock->bus, NULL, path, MEFOTA_IFACE_MODULE, signal, parameters, NULL);
}

void
mock_daemon_emit_finished (MockDaemon *mock, const char *id, const char *upgrade, const char *error_word,
                           const char *message)
{
  g_autofree char *name
      = error_word == NULL ? g_strdup ("") : g_strconcat ("org.gosuncn.Fota.Error.", error_word, NULL);
  const char *result = error_word == NULL ? "success" : "failure";
  mock_daemon_emit (mock, id, "Finished",
                    g_variant_new_parsed ("(%s, {'id': <%s>, 'module': <%s>, 'operation': <'network'>, 'result': <%s>, "
                                          "'from-version': <'ME3630U1AV1.0B04'>, 'to-version': <'ME3630U1AV1.0B05'>, "
                                          "'seconds': <312.25>, 'error-name': <%s>, 'error-message': <%s>})",
                                          result, upgrade, id, result, name, message));
}

void
mock_daemon_set_history (MockDaemon *mock, GVariant *entries)
{
  g_variant_unref (mock->history);
  mock->history = g_variant_ref_sink (entries);
}

void
mock_daemon_set_method (MockDaemon *mock, MockMethod method, gpointer user_data)
{
  mock->method = method;
  mock->method_data = user_data;
}

const char *
mock_daemon_last_call (MockDaemon *mock)
{
  return mock->last_call != NULL ? mock->last_call : "";
}

guint
mock_daemon_n_calls (MockDaemon *mock)
{
  return mock->n_calls;
}

GUnixFDList *
mock_daemon_last_fds (MockDaemon *mock)
{
  return mock->last_fds;
}
