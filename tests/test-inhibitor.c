/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-inhibitor.h"

#include "bus-fixture.h"

#define UID "/sys/devices/pci0000:00/usb1/1-1.2"
#define NEVER 3600000
#define MM "org.freedesktop.ModemManager1"

#define MM_XML                                                                      \
  "<node><interface name='" MM "'><method name='InhibitDevice'>"                    \
  "<arg type='s' direction='in'/><arg type='b' direction='in'/></method></interface></node>"

typedef struct
{
  Bus bus;
  MefotaInhibitor *inhibitor;
  guint registration;
  guint waited;
  /* ModemManager */
  enum { GRANT, UNEXPORTED, REFUSE, WAIT } mood;
  guint asked, let_go;
  GDBusMethodInvocation *waiting;
} Fixture;

static void
unexported (GDBusMethodInvocation *invocation)
{
  g_dbus_method_invocation_return_dbus_error (invocation, MM ".Error.Core.WrongState",
                                              "Modem not exported in the bus");
}

static void
on_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method,
         GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user_data)
{
  Fixture *f = user_data;
  const char *uid;
  gboolean inhibit;
  g_variant_get (parameters, "(&sb)", &uid, &inhibit);
  g_assert_cmpstr (uid, ==, UID);

  if (inhibit)
    f->asked++;
  else
    f->let_go++;
  if (!inhibit || f->mood == GRANT)
    g_dbus_method_invocation_return_value (invocation, NULL);
  else if (f->mood == UNEXPORTED)
    unexported (invocation);
  else if (f->mood == REFUSE)
    g_dbus_method_invocation_return_error (invocation, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED, "rejected by policy");
  else
    f->waiting = invocation;
}

static void
modem_manager_start (Fixture *f)
{
  static const GDBusInterfaceVTable vtable = { .method_call = on_call };
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (MM_XML, NULL);
  f->registration = g_dbus_connection_register_object (f->bus.theirs, "/org/freedesktop/ModemManager1",
                                                       node->interfaces[0], &vtable, f, NULL, NULL);
  bus_own (f->bus.theirs, MM, TRUE);
}

static void
modem_manager_exports (Fixture *f, const char *uid)
{
  GVariantBuilder interfaces, modem;
  g_variant_builder_init (&interfaces, G_VARIANT_TYPE ("a{sa{sv}}"));
  g_variant_builder_init (&modem, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&modem, "{sv}", "Device", g_variant_new_string (uid));
  g_variant_builder_add (&interfaces, "{sa{sv}}", MM ".Modem", &modem);
  g_assert_true (g_dbus_connection_emit_signal (
      f->bus.theirs, NULL, "/org/freedesktop/ModemManager1", "org.freedesktop.DBus.ObjectManager", "InterfacesAdded",
      g_variant_new ("(oa{sa{sv}})", "/org/freedesktop/ModemManager1/Modem/0", &interfaces), NULL));
}

static void
on_waited (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *f = user_data;
  mefota_inhibitor_wait_finish (MEFOTA_INHIBITOR (source), result);
  f->waited++;
}

static void
start (Fixture *f)
{
  f->inhibitor = mefota_inhibitor_new (f->bus.ours, UID);
  mefota_inhibitor_wait_async (f->inhibitor, NEVER, on_waited, f);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  bus_open (&f->bus);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_object (&f->inhibitor);
  if (f->registration != 0)
    g_dbus_connection_unregister_object (f->bus.theirs, f->registration);
  bus_close (&f->bus);
  g_assert_cmpuint (log_count ("WARNING=1"), ==, 0);
  log_forget ();
}

static void
test_absent (Fixture *f, gconstpointer data)
{
  start (f);
  g_assert_cmpuint (f->waited, ==, 0);
  AWAIT (f->waited == 1);

  /* it comes later */
  modem_manager_start (f);
  AWAIT (f->asked == 1);
  bus_barrier (f->bus.ours, f->bus.theirs);
  g_clear_object (&f->inhibitor);
  AWAIT (f->let_go == 1);
}

static void
test_granted (Fixture *f, gconstpointer data)
{
  modem_manager_start (f);
  start (f);
  AWAIT (f->waited == 1);
  g_assert_cmpuint (f->asked, ==, 1);

  /* known by now: no waiting any more */
  mefota_inhibitor_wait_async (f->inhibitor, NEVER, on_waited, f);
  AWAIT (f->waited == 2);

  mefota_inhibitor_release (f->inhibitor);
  AWAIT (f->let_go == 1);
  g_clear_object (&f->inhibitor);
  bus_own (f->bus.theirs, MM, FALSE);
  bus_own (f->bus.theirs, MM, TRUE);
  bus_barrier (f->bus.ours, f->bus.theirs);
  g_assert_cmpuint (f->asked, ==, 1);
  g_assert_cmpuint (f->let_go, ==, 1);
}

static void
test_unexported (Fixture *f, gconstpointer data)
{
  f->mood = UNEXPORTED;
  modem_manager_start (f);
  start (f);
  AWAIT (f->waited == 1);
  g_assert_cmpuint (f->asked, ==, 1);

  modem_manager_exports (f, "/sys/devices/another");
  bus_barrier (f->bus.ours, f->bus.theirs);
  g_assert_cmpuint (f->asked, ==, 1);
  f->mood = GRANT;
  modem_manager_exports (f, UID);
  AWAIT (f->asked == 2);
  bus_barrier (f->bus.ours, f->bus.theirs);
  g_clear_object (&f->inhibitor);
  AWAIT (f->let_go == 1);
}

/* Exported between its no and our reading of it. */
static void
test_exported_in_flight (Fixture *f, gconstpointer data)
{
  f->mood = WAIT;
  modem_manager_start (f);
  start (f);
  AWAIT (f->asked == 1);
  modem_manager_exports (f, UID);
  bus_barrier (f->bus.ours, f->bus.theirs);
  g_assert_cmpuint (f->asked, ==, 1);
  f->mood = GRANT;
  unexported (g_steal_pointer (&f->waiting));
  AWAIT (f->waited == 1);
  g_assert_cmpuint (f->asked, ==, 2);
}

static void
test_refused (Fixture *f, gconstpointer data)
{
  f->mood = REFUSE;
  modem_manager_start (f);
  start (f);
  AWAIT (f->waited == 1);
  modem_manager_exports (f, UID);
  AWAIT (f->asked == 2);
  bus_barrier (f->bus.ours, f->bus.theirs);
  g_assert_cmpuint (log_count ("WARNING=1"), ==, 1);
  log_forget ();
}

static void
test_restarted (Fixture *f, gconstpointer data)
{
  modem_manager_start (f);
  start (f);
  AWAIT (f->waited == 1);
  bus_own (f->bus.theirs, MM, FALSE);
  bus_own (f->bus.theirs, MM, TRUE);
  AWAIT (f->asked == 2);
}

static void
test_lost (Fixture *f, gconstpointer data)
{
  modem_manager_start (f);
  start (f);
  AWAIT (f->waited == 1);
  modem_manager_exports (f, UID);
  AWAIT (f->asked == 2);
}

static void
test_timeout (Fixture *f, gconstpointer data)
{
  f->mood = WAIT;
  modem_manager_start (f);
  f->inhibitor = mefota_inhibitor_new (f->bus.ours, UID);
  AWAIT (f->asked == 1);
  mefota_inhibitor_wait_async (f->inhibitor, 1, on_waited, f);
  AWAIT (f->waited == 1);

  /* what comes too late for the one who waited is held all the same */
  g_dbus_method_invocation_return_value (g_steal_pointer (&f->waiting), NULL);
  bus_barrier (f->bus.ours, f->bus.theirs);
  g_clear_object (&f->inhibitor);
  AWAIT (f->let_go == 1);
}

static void
test_freed_in_flight (Fixture *f, gconstpointer data)
{
  f->mood = WAIT;
  modem_manager_start (f);
  f->inhibitor = mefota_inhibitor_new (f->bus.ours, UID);
  AWAIT (f->asked == 1);
  g_clear_object (&f->inhibitor);
  bus_barrier (f->bus.ours, f->bus.theirs);
  g_assert_cmpuint (f->let_go, ==, 0);
  g_dbus_method_invocation_return_value (g_steal_pointer (&f->waiting), NULL);
  AWAIT (f->let_go == 1);
}

static void
test_released_while_waiting (Fixture *f, gconstpointer data)
{
  f->mood = WAIT;
  modem_manager_start (f);
  start (f);
  AWAIT (f->asked == 1);
  mefota_inhibitor_release (f->inhibitor);
  AWAIT (f->waited == 1);
  g_clear_object (&f->inhibitor);
  unexported (g_steal_pointer (&f->waiting));
  bus_barrier (f->bus.ours, f->bus.theirs);
  g_assert_cmpuint (f->let_go, ==, 0);
}

static void
test_bus_dies (Fixture *f, gconstpointer data)
{
  f->mood = WAIT;
  modem_manager_start (f);
  start (f);
  AWAIT (f->asked == 1);
  bus_drop_connection (&f->bus.ours);
  AWAIT (f->waited == 1);
  g_clear_object (&f->waiting);
  mefota_inhibitor_wait_async (f->inhibitor, NEVER, on_waited, f);
  AWAIT (f->waited == 2);
}

static void
test_no_bus (Fixture *f, gconstpointer data)
{
  f->inhibitor = mefota_inhibitor_new (NULL, UID);
  mefota_inhibitor_wait_async (f->inhibitor, NEVER, on_waited, f);
  AWAIT (f->waited == 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  log_open ();
#define ADD(name, function) g_test_add ("/inhibitor/" name, Fixture, NULL, set_up, function, tear_down)
  ADD ("absent", test_absent);
  ADD ("granted", test_granted);
  ADD ("unexported", test_unexported);
  ADD ("exported-in-flight", test_exported_in_flight);
  ADD ("refused", test_refused);
  ADD ("restarted", test_restarted);
  ADD ("lost", test_lost);
  ADD ("timeout", test_timeout);
  ADD ("freed-in-flight", test_freed_in_flight);
  ADD ("released-while-waiting", test_released_while_waiting);
  ADD ("bus-dies", test_bus_dies);
  ADD ("no-bus", test_no_bus);
  return g_test_run ();
}
