/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-skeleton.h"

#include "bus-fixture.h"

#define PATH "/org/gosuncn/Test"
#define INTERFACE "org.gosuncn.Test"

static const char xml[] = "<node><interface name='" INTERFACE "'>"
                          "<method name='Double'><arg type='u' direction='in'/><arg type='u' direction='out'/></method>"
                          "<signal name='Told'><arg type='s'/></signal>"
                          "<property name='Name' type='s' access='read'/>"
                          "<property name='Flag' type='b' access='read'/>"
                          "<property name='Port' type='q' access='read'/>"
                          "<property name='Count' type='u' access='read'/>"
                          "<property name='Time' type='t' access='read'/>"
                          "<property name='Pair' type='(ss)' access='read'/>"
                          "</interface></node>";

typedef struct
{
  Bus bus;
  GDBusNodeInfo *node;
  MefotaSkeleton *skeleton;
  GPtrArray *told; /* of char *: "Member arguments" */
  guint subscription;
} Fixture;

static void
on_signal (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
           const char *signal, GVariant *parameters, gpointer data)
{
  Fixture *f = data;
  g_autofree char *text = g_variant_print (parameters, FALSE);
  g_ptr_array_add (f->told, g_strconcat (signal, " ", text, NULL));
}

static void
on_call (GDBusMethodInvocation *invocation, gpointer data)
{
  guint number;
  g_variant_get (g_dbus_method_invocation_get_parameters (invocation), "(u)", &number);
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(u)", 2 * number));
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  bus_open (&f->bus);
  f->told = g_ptr_array_new_with_free_func (g_free);
  f->node = g_dbus_node_info_new_for_xml (xml, &error);
  g_assert_no_error (error);
  f->subscription = g_dbus_connection_signal_subscribe (f->bus.theirs,
                                                        g_dbus_connection_get_unique_name (f->bus.ours), NULL, NULL,
                                                        PATH, NULL, G_DBUS_SIGNAL_FLAGS_NONE, on_signal, f, NULL);
  bus_barrier (f->bus.theirs, f->bus.ours);
  f->skeleton = mefota_skeleton_new (f->node->interfaces[0], on_call, f);
  mefota_skeleton_set_string (f->skeleton, "Name", "first");
  mefota_skeleton_set_number (f->skeleton, "Flag", FALSE);
  mefota_skeleton_set_number (f->skeleton, "Port", 65535);
  mefota_skeleton_set_number (f->skeleton, "Count", G_MAXUINT32);
  mefota_skeleton_set_number (f->skeleton, "Time", G_MAXUINT64);
  mefota_skeleton_set (f->skeleton, "Pair", g_variant_new ("(ss)", "a", "b"));
  g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (f->skeleton));
  g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (f->skeleton), f->bus.ours, PATH, &error);
  g_assert_no_error (error);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (f->skeleton));
  g_assert_finalize_object (f->skeleton);
  g_dbus_connection_signal_unsubscribe (f->bus.theirs, f->subscription);
  bus_close (&f->bus);
  g_dbus_node_info_unref (f->node);
  g_ptr_array_unref (f->told);
}

/* All that was told since the last time, a line a signal. */
static void
assert_told (Fixture *f, const char *expected)
{
  g_autofree char *all = NULL;

  bus_barrier (f->bus.ours, f->bus.theirs);
  g_ptr_array_add (f->told, NULL);
  all = g_strjoinv ("\n", (char **) f->told->pdata);
  g_assert_cmpstr (all, ==, expected);
  g_ptr_array_set_size (f->told, 0);
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  *(GVariant **) data = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_assert_no_error (error);
}

static char *
call (Fixture *f, const char *interface, const char *method, GVariant *arguments)
{
  g_autoptr (GVariant) answer = NULL;

  g_dbus_connection_call (f->bus.theirs, g_dbus_connection_get_unique_name (f->bus.ours), PATH, interface, method,
                          arguments, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_answer, &answer);
  AWAIT (answer != NULL);
  return g_variant_print (answer, FALSE);
}

#define CHANGED(values) "PropertiesChanged ('" INTERFACE "', {" values "}, [])"

static void
test_read (Fixture *f, gconstpointer data)
{
  g_autofree char *all
      = call (f, "org.freedesktop.DBus.Properties", "GetAll", g_variant_new ("(s)", INTERFACE));
  g_autofree char *one
      = call (f, "org.freedesktop.DBus.Properties", "Get", g_variant_new ("(ss)", INTERFACE, "Port"));
  g_autofree char *twice = call (f, INTERFACE, "Double", g_variant_new ("(u)", 21));

  g_assert_cmpstr (all, ==,
                   "({'Name': <'first'>, 'Flag': <false>, 'Port': <uint16 65535>, 'Count': <uint32 4294967295>, "
                   "'Time': <uint64 18446744073709551615>, 'Pair': <('a', 'b')>},)");
  g_assert_cmpstr (one, ==, "(<uint16 65535>,)");
  g_assert_cmpstr (twice, ==, "(42,)");
  assert_told (f, ""); /* nothing changed since it was exported */
}

/* Whatever changes until the loop is idle is one signal, and what changed back is none. */
static void
test_merged (Fixture *f, gconstpointer data)
{
  mefota_skeleton_set_number (f->skeleton, "Count", 1);
  mefota_skeleton_set_string (f->skeleton, "Name", "second");
  mefota_skeleton_set_number (f->skeleton, "Count", 2);
  mefota_skeleton_set_number (f->skeleton, "Flag", TRUE);
  mefota_skeleton_set_number (f->skeleton, "Flag", FALSE);
  assert_told (f, CHANGED ("'Name': <'second'>, 'Count': <uint32 2>"));

  mefota_skeleton_set_string (f->skeleton, "Name", "second");
  mefota_skeleton_set_number (f->skeleton, "Flag", FALSE);
  mefota_skeleton_set (f->skeleton, "Pair", g_variant_new ("(ss)", "a", "b"));
  assert_told (f, "");
}

/* A flush tells at once, and in order with the signals. */
static void
test_flushed (Fixture *f, gconstpointer data)
{
  for (guint i = 1; i <= 2; i++)
    {
      mefota_skeleton_set_number (f->skeleton, "Count", i);
      g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (f->skeleton));
    }
  mefota_skeleton_emit (f->skeleton, "Told", g_variant_new ("(s)", "last"));
  g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (f->skeleton));
  assert_told (f, CHANGED ("'Count': <uint32 1>") "\n" CHANGED ("'Count': <uint32 2>") "\nTold ('last',)");
}

/* Off the bus nobody is told; and what changed meanwhile is not told afterwards either, but read. */
static void
test_unexported (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *one = NULL;

  g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (f->skeleton));
  mefota_skeleton_set_number (f->skeleton, "Port", 1);
  mefota_skeleton_emit (f->skeleton, "Told", g_variant_new ("(s)", "nobody"));
  assert_told (f, "");
  g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (f->skeleton), f->bus.ours, PATH, &error);
  g_assert_no_error (error);
  one = call (f, "org.freedesktop.DBus.Properties", "Get", g_variant_new ("(ss)", INTERFACE, "Port"));
  g_assert_cmpstr (one, ==, "(<uint16 1>,)");
  assert_told (f, "");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, func) g_test_add ("/skeleton/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("read", test_read);
  ADD ("merged", test_merged);
  ADD ("flushed", test_flushed);
  ADD ("unexported", test_unexported);
  return g_test_run ();
}
