/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon as its bus shows it: what it tells, and calls of its methods. */

#include "daemon-fixture-private.h"

#include <gio/gunixfdlist.h>
#include <string.h>

#define NAME DAEMON_NAME
#define ROOT "/org/gosuncn/Fota"
#define MODULES ROOT "/module/"

/* ---- what the daemon tells ---- */

static void
event_free (gpointer data)
{
  DaemonEvent *event = data;
  g_free (event->module);
  g_free (event->name);
  g_clear_pointer (&event->details, g_variant_unref);
  g_variant_unref (event->value);
  g_free (event);
}

static const char *
module_of (const char *path)
{
  return g_str_has_prefix (path, MODULES) ? path + strlen (MODULES) : "";
}

static void
add_event (DaemonFixture *self, const char *module, const char *name, GVariant *value, gboolean is_property)
{
  DaemonEvent *event = g_new0 (DaemonEvent, 1);

  event->module = g_strdup (module);
  event->name = g_strdup (name);
  event->value = g_variant_ref (value);
  event->is_property = is_property;
  g_ptr_array_add (self->events, event);
  if (is_property)
    g_hash_table_insert (self->properties, g_strconcat (module, "/", name, NULL), g_variant_ref (value));
}

static void
take_properties (DaemonFixture *self, const char *path, GVariant *dictionary)
{
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, dictionary);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    {
      if (g_test_verbose ())
        {
          g_autofree char *text = g_variant_print (value, FALSE);
          g_test_message ("%s.%s = %s", module_of (path), name, text);
        }
      add_event (self, module_of (path), name, value, TRUE);
    }
}

static void
take_interfaces (DaemonFixture *self, const char *path, GVariant *interfaces)
{
  GVariantIter iter;
  const char *interface;
  GVariant *properties;

  g_variant_iter_init (&iter, interfaces);
  while (g_variant_iter_loop (&iter, "{&s@a{sv}}", &interface, &properties))
    take_properties (self, path, properties);
}

static void
on_signal (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *name,
           GVariant *parameters, gpointer data)
{
  DaemonFixture *self = data;

  if (g_str_equal (name, "PropertiesChanged"))
    {
      g_autoptr (GVariant) changed = g_variant_get_child_value (parameters, 1);
      take_properties (self, path, changed);
    }
  else if (g_str_equal (name, "InterfacesAdded"))
    {
      g_autoptr (GVariant) interfaces = g_variant_get_child_value (parameters, 1);
      const char *added;
      g_variant_get_child (parameters, 0, "&o", &added);
      take_interfaces (self, added, interfaces);
    }
  else
    add_event (self, module_of (path), name, parameters, FALSE);
}

void
daemon_listen (DaemonFixture *self)
{
  self->events = g_ptr_array_new_with_free_func (event_free);
  self->properties = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
  self->subscription = g_dbus_connection_signal_subscribe (self->connection, NAME, NULL, NULL, NULL, NULL,
                                                           G_DBUS_SIGNAL_FLAGS_NONE, on_signal, self, NULL);
}

GVariant *
daemon_get (DaemonFixture *self, const char *module, const char *property)
{
  g_autofree char *key = g_strconcat (module, "/", property, NULL);
  return g_hash_table_lookup (self->properties, key);
}

const char *
daemon_get_string (DaemonFixture *self, const char *module, const char *property)
{
  GVariant *value = daemon_get (self, module, property);
  return value != NULL ? g_variant_get_string (value, NULL) : "";
}

guint64
daemon_get_number (DaemonFixture *self, const char *module, const char *property)
{
  GVariant *value = daemon_get (self, module, property);

  if (value == NULL)
    return 0;
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN))
    return g_variant_get_boolean (value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT16))
    return g_variant_get_uint16 (value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
    return g_variant_get_uint32 (value);
  return g_variant_get_uint64 (value);
}

void
daemon_await_state (DaemonFixture *self, const char *module, const char *state)
{
  g_autofree char *what = g_strdup_printf ("state %s of %s", state, module);
  gint64 until = 0;

  while (!g_str_equal (daemon_get_string (self, module, "State"), state))
    daemon_fixture_turn (self, what, &until);
}

GVariant *
daemon_await_signal (DaemonFixture *self, const char *module, const char *name)
{
  g_autofree char *what = g_strdup_printf ("signal %s of %s", name, module);
  gint64 until = 0;

  for (;;)
    {
      while (self->seen < self->events->len)
        {
          DaemonEvent *event = g_ptr_array_index (self->events, self->seen++);
          if (g_str_equal (event->name, name) && g_str_equal (event->module, module))
            return event->value;
        }
      daemon_fixture_turn (self, what, &until);
    }
}

/* A message is one sentence or several, whole, and not put together of others. */
static void
assert_sentence (const char *message)
{
  g_assert_true (g_str_has_suffix (message, "."));
  for (const char *c = message; (c = strchr (c, '.')) != NULL; c++)
    g_assert_null (strchr (".;)", c[1] != '\0' ? c[1] : ' '));
}

GVariant *
daemon_await_finished (DaemonFixture *self, const char *module, const char *result, const char *error_name)
{
  GVariant *parameters = daemon_await_signal (self, module, "Finished");
  DaemonEvent *event = g_ptr_array_index (self->events, self->seen - 1);
  GVariant *details = event->details = g_variant_get_child_value (parameters, 1);
  const char *said, *name = "", *message = "";

  g_variant_get_child (parameters, 0, "&s", &said);
  g_variant_lookup (details, "error-name", "&s", &name);
  g_variant_lookup (details, "error-message", "&s", &message);
  g_test_message ("finished: %s %s: %s", said, name, message);
  g_assert_cmpstr (said, ==, result);
  if (message[0] != '\0')
    assert_sentence (message);
  if (error_name != NULL)
    {
      g_autofree char *full = g_strconcat (NAME ".Error.", error_name, NULL);
      g_assert_cmpstr (name, ==, full);
    }
  return details;
}

/* ---- calling ---- */

typedef struct
{
  gboolean done;
  GVariant *reply;
  GError *error;
  DaemonFixture *fixture;
  void (*take) (DaemonFixture *self, GVariant *reply); /* before anything that is told later is seen */
} Call;

static void
on_called (GObject *source, GAsyncResult *result, gpointer data)
{
  Call *call = data;
  call->reply = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), NULL, result,
                                                                 &call->error);
  if (call->reply != NULL && call->take != NULL)
    call->take (call->fixture, call->reply);
  call->done = TRUE;
}

static GVariant *
call_path (DaemonFixture *self, const char *path, const char *interface, const char *method, GVariant *parameters,
           int fd,
           void (*take) (DaemonFixture *self, GVariant *reply), GError **error)
{
  g_autoptr (GUnixFDList) fds = fd >= 0 ? g_unix_fd_list_new () : NULL;
  Call call = { .fixture = self, .take = take };

  if (fds != NULL)
    g_assert_cmpint (g_unix_fd_list_append (fds, fd, NULL), ==, 0);
  g_dbus_connection_call_with_unix_fd_list (self->connection, NAME, path, interface, method, parameters, NULL,
                                            G_DBUS_CALL_FLAGS_NO_AUTO_START, DAEMON_DEADLINE * 1000, fds, NULL,
                                            on_called, &call);
  DAEMON_AWAIT (self, call.done);
  if (call.error != NULL)
    g_propagate_error (error, call.error);
  return call.reply;
}

GVariant *
daemon_call (DaemonFixture *self, const char *module, const char *method, GVariant *parameters, int fd, GError **error)
{
  g_autofree char *path = module[0] != '\0' ? g_strconcat (MODULES, module, NULL) : g_strdup (ROOT);
  return call_path (self, path, module[0] != '\0' ? NAME : NAME ".Manager", method, parameters, fd, NULL, error);
}

void
daemon_call_ok (DaemonFixture *self, const char *module, const char *method, GVariant *parameters, int fd)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = daemon_call (self, module, method, parameters, fd, &error);
  g_assert_no_error (error);
}

char *
daemon_call_error (DaemonFixture *self, const char *module, const char *method, GVariant *parameters, int fd,
                   const char *error_name)
{
  g_autofree char *full = g_strconcat (NAME ".Error.", error_name, NULL);
  g_autofree char *name = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = daemon_call (self, module, method, parameters, fd, &error);

  g_assert_null (reply);
  name = g_dbus_error_get_remote_error (error);
  g_assert_cmpstr (name, ==, full);
  g_dbus_error_strip_remote_error (error);
  g_test_message ("%s: %s", error_name, error->message);
  assert_sentence (error->message);
  return g_strdup (error->message);
}

GVariant *
daemon_call_property (DaemonFixture *self, const char *module, const char *property)
{
  g_autofree char *path = g_strconcat (MODULES, module, NULL);
  g_autoptr (GError) error = NULL;
  GVariant *reply = call_path (self, path, "org.freedesktop.DBus.Properties", "Get",
                               g_variant_new ("(ss)", NAME, property),
                               -1, NULL, &error);
  g_assert_no_error (error);
  return reply;
}

/* ---- reading it all anew ---- */

static void
take_objects (DaemonFixture *self, GVariant *reply)
{
  g_autoptr (GVariant) objects = g_variant_get_child_value (reply, 0);
  GVariantIter iter;
  const char *path;
  GVariant *interfaces;

  g_variant_iter_init (&iter, objects);
  while (g_variant_iter_loop (&iter, "{&o@a{sa{sv}}}", &path, &interfaces))
    take_interfaces (self, path, interfaces);
}

static void
take_manager (DaemonFixture *self, GVariant *reply)
{
  g_autoptr (GVariant) properties = g_variant_get_child_value (reply, 0);
  take_properties (self, ROOT, properties);
}

GVariant *
daemon_call_objects (DaemonFixture *self, GError **error)
{
  return call_path (self, ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, -1, take_objects,
                    error);
}

void
daemon_read_all (DaemonFixture *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) objects = daemon_call_objects (self, &error);
  g_autoptr (GVariant) manager = NULL;

  g_assert_no_error (error);
  manager = call_path (self, ROOT, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new ("(s)", NAME ".Manager"),
                       -1,
                       take_manager, &error);
  g_assert_no_error (error);
}
