/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>
#include <umockdev.h>

#include "mefota-udev.h"

/* Only events and sysfs are played here: umockdev's ttys are no ttys (bytes are tested on real ptys). */

/* Ends a test that waits for something that never comes. */
#define DEADLINE 20

static guint n_warnings;

typedef struct
{
  UMockdevTestbed *testbed;
  MefotaUdev *udev;
  GString *log;      /* "+/dev/ttyUSB1@1-1.2 -/dev/ttyUSB1@1-1.2 -@1-1.2 " */
  GHashTable *ports; /* node → physical path: what a listener would now believe */
} Fixture;

static void
on_added (MefotaUdev *udev, const MefotaUdevPort *port, gpointer user_data)
{
  Fixture *self = user_data;
  g_autofree char *name = g_path_get_basename (port->usb_sysfs);

  g_assert_cmpstr (name, ==, port->physical_path);
  g_assert_true (g_str_has_prefix (port->usb_sysfs, "/sys/devices/"));
  if (self->log != NULL)
    g_string_append_printf (self->log, "+%s@%s ", port->node, port->physical_path);
  g_assert_true (g_hash_table_insert (self->ports, g_strdup (port->node), g_strdup (port->physical_path)));
}

static gboolean
has_path (gpointer node, gpointer path, gpointer wanted)
{
  return g_str_equal (path, wanted);
}

static void
on_removed (MefotaUdev *udev, const char *node, const char *physical_path, gpointer user_data)
{
  Fixture *self = user_data;

  if (self->log != NULL)
    g_string_append_printf (self->log, "-%s@%s ", node != NULL ? node : "", physical_path);
  if (node != NULL)
    g_assert_true (g_hash_table_remove (self->ports, node));
  else
    g_hash_table_foreach_remove (self->ports, has_path, (gpointer) physical_path);
}

static MefotaUdev *
follow (Fixture *self)
{
  MefotaUdev *udev = mefota_udev_new ();

  g_signal_connect (udev, "added", G_CALLBACK (on_added), self);
  g_signal_connect (udev, "removed", G_CALLBACK (on_removed), self);
  mefota_udev_start (udev);

  return udev;
}

static void
set_up (Fixture *self, gconstpointer data)
{
  self->testbed = umockdev_testbed_new ();
  self->log = g_string_new (NULL);
  self->ports = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  n_warnings = 0;
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  if (self->udev != NULL)
    g_assert_finalize_object (self->udev);
  g_hash_table_unref (self->ports);
  g_string_free (self->log, TRUE);
  g_object_unref (self->testbed);
}

/* "1-1.2"; no ids at all: nothing may lean on them. */
static char *
plug (Fixture *self, const char *name)
{
  return umockdev_testbed_add_device (self->testbed, "usb", name, NULL, NULL, "DEVTYPE", "usb_device", NULL);
}

/* @role: of ID_MEFOTA_PORT, or NULL */
static char *
add_tty (Fixture *self, const char *usb, guint interface, const char *tty, const char *role)
{
  g_autofree char *place = g_path_get_basename (usb);
  g_autofree char *interface_name = g_strdup_printf ("%s:1.%u", place, interface);
  g_autofree char *interface_path = g_strconcat (usb, "/", interface_name, NULL);
  g_autofree char *node = g_strconcat ("/dev/", tty, NULL);

  if (!g_file_test (interface_path, G_FILE_TEST_EXISTS))
    {
      g_autofree char *added = umockdev_testbed_add_device (self->testbed, "usb", interface_name, usb, NULL, "DEVTYPE",
                                                            "usb_interface", NULL);
      g_assert_cmpstr (added, ==, interface_path);
    }

  return umockdev_testbed_add_device (self->testbed, "tty", tty, interface_path, NULL, "DEVNAME", node,
                                      role != NULL ? "ID_MEFOTA_PORT" : "ID_NOTHING", role != NULL ? role : "1", NULL);
}

/* As the kernel does it: when the event is read, the device is already gone from sysfs. */
static void
take_away (Fixture *self, const char *path)
{
  umockdev_testbed_uevent (self->testbed, path, "remove");
  umockdev_testbed_remove_device (self->testbed, path);
}

static void
unplug (Fixture *self, const char *usb)
{
  g_autofree char *place = g_path_get_basename (usb);

  umockdev_testbed_uevent (self->testbed, usb, "unbind");
  /* The testbed does not tidy up after children. */
  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *interface = g_strdup_printf ("%s/%s:1.%u", usb, place, i);

      if (g_file_test (interface, G_FILE_TEST_EXISTS))
        umockdev_testbed_remove_device (self->testbed, interface);
    }
  take_away (self, usb);
}

static gboolean
give_up (gpointer user_data)
{
  g_error ("After %d s there is only \"%s\"", DEADLINE, ((Fixture *) user_data)->log->str);

  return G_SOURCE_REMOVE;
}

/* Events come in order: once the sentinel is there, so is everything before it. */
static void
assert_log (Fixture *self, const char *expected)
{
  g_autofree char *usb = plug (self, "9-9");
  g_autofree char *tty = add_tty (self, usb, 1, "ttySENTINEL", "at");
  guint deadline = g_timeout_add_seconds (DEADLINE, give_up, self);

  while (strstr (self->log->str, "-@9-9 ") == NULL)
    {
      static const char there[] = "+/dev/ttySENTINEL@9-9 ";

      if (tty != NULL && strstr (self->log->str, there) != NULL)
        {
          take_away (self, tty);
          g_clear_pointer (&tty, g_free);
          unplug (self, usb);
        }
      g_main_context_iteration (NULL, TRUE);
    }
  g_source_remove (deadline);

  *strstr (self->log->str, "+/dev/ttySENTINEL") = '\0';
  g_assert_cmpstr (self->log->str, ==, expected);
  g_string_truncate (self->log, 0);
}

static void
test_ids (void)
{
  static const struct
  {
    const char *path;
    const char *id;
  } table[] = { { "1-1.2", "usb_1_1_2" }, { "3-1", "usb_3_1" }, { "1-1.2.10", "usb_1_1_2_10" } };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autofree char *id = mefota_udev_path_to_id (table[i].path);

      g_assert_cmpstr (id, ==, table[i].id);
    }
}

static void
test_copy (void)
{
  MefotaUdevPort port = { (char *) "/dev/ttyUSB1", (char *) "1-1.2", (char *) "/sys/devices/1-1.2" };
  g_autoptr (MefotaUdevPort) copy = mefota_udev_port_copy (&port);

  g_assert_cmpstr (copy->node, ==, port.node);
  g_assert_cmpstr (copy->physical_path, ==, port.physical_path);
  g_assert_cmpstr (copy->usb_sysfs, ==, port.usb_sysfs);
  g_assert_null (mefota_udev_port_copy (NULL));
  mefota_udev_port_free (NULL);
}

static void
test_plug_and_unplug (Fixture *self, gconstpointer data)
{
  g_autofree char *usb = NULL;
  g_autofree char *diag = NULL;
  g_autofree char *modem = NULL;
  g_autofree char *at = NULL;

  self->udev = follow (self);
  usb = plug (self, "1-1.2");
  modem = add_tty (self, usb, 2, "ttyUSB2", "modem");
  diag = add_tty (self, usb, 0, "ttyUSB0", NULL);
  at = add_tty (self, usb, 1, "ttyUSB1", "at");
  umockdev_testbed_uevent (self->testbed, at, "bind");
  umockdev_testbed_uevent (self->testbed, at, "change");
  umockdev_testbed_uevent (self->testbed, usb, "bind");
  assert_log (self, "+/dev/ttyUSB1@1-1.2 ");

  take_away (self, modem);
  take_away (self, at);
  take_away (self, diag);
  unplug (self, usb);
  assert_log (self, "-/dev/ttyUSB1@1-1.2 -@1-1.2 ");
}

/* The device's removal says it all where the tty's own was not seen. */
static void
test_device_alone (Fixture *self, gconstpointer data)
{
  g_autofree char *usb = plug (self, "1-1.2");
  g_autofree char *other = plug (self, "1-1.20");
  g_autofree char *at = add_tty (self, usb, 1, "ttyUSB1", "at");
  g_autofree char *other_at = add_tty (self, other, 1, "ttyUSB4", "at");

  g_assert_nonnull (other_at);
  self->udev = follow (self);
  g_assert_cmpuint (g_hash_table_size (self->ports), ==, 2);
  g_string_truncate (self->log, 0);

  umockdev_testbed_uevent (self->testbed, usb, "unbind");
  umockdev_testbed_uevent (self->testbed, usb, "remove");
  umockdev_testbed_uevent (self->testbed, at, "remove");
  assert_log (self, "-@1-1.2 ");
  g_assert_true (g_hash_table_contains (self->ports, "/dev/ttyUSB4"));
}

/* What is there at start is found by name: a console's is passed over, whatever its properties say. */
static void
test_consoles (Fixture *self, gconstpointer data)
{
  static const char *const consoles[] = { "tty", "tty0", "tty63", "console", "ptmx" };
  g_autofree char *usb = plug (self, "1-1.2");
  g_autofree char *at = add_tty (self, usb, 1, "ttyACM10", "at");

  for (gsize i = 0; i < G_N_ELEMENTS (consoles); i++)
    {
      g_autofree char *other = g_strdup_printf ("2-%" G_GSIZE_FORMAT, i + 1);
      g_autofree char *other_usb = plug (self, other);

      g_free (add_tty (self, other_usb, 1, consoles[i], "at"));
    }
  self->udev = follow (self);
  g_assert_cmpstr (self->log->str, ==, "+/dev/ttyACM10@1-1.2 ");
}

/* The second time it is gone before it has any tty. */
/* Its event is read when the device is gone from sysfs: the hub above it is not where the port was. */
static void
test_gone_again (Fixture *self, gconstpointer data)
{
  g_autofree char *hub = plug (self, "usb1");
  g_autofree char *usb = umockdev_testbed_add_device (self->testbed, "usb", "1-1", hub, NULL, "DEVTYPE", "usb_device",
                                                      NULL);
  g_autofree char *tty = NULL;

  self->udev = follow (self);
  tty = add_tty (self, usb, 1, "ttyUSB1", "at");
  take_away (self, tty);
  unplug (self, usb);
  assert_log (self, "");
}

static void
test_twice (Fixture *self, gconstpointer data)
{
  g_autofree char *usb = plug (self, "1-1.2");
  g_autofree char *at = add_tty (self, usb, 1, "ttyUSB1", "at");
  g_autofree char *again = NULL;
  g_autofree char *third = NULL;
  g_autofree char *third_at = NULL;

  self->udev = follow (self);
  take_away (self, at);
  unplug (self, usb);
  again = plug (self, "1-1.2");
  unplug (self, again);
  third = plug (self, "1-1.2");
  third_at = add_tty (self, third, 1, "ttyUSB4", "at");
  assert_log (self, "+/dev/ttyUSB1@1-1.2 -/dev/ttyUSB1@1-1.2 -@1-1.2 -@1-1.2 +/dev/ttyUSB4@1-1.2 ");
}

static void
test_numbers_swapped (Fixture *self, gconstpointer data)
{
  g_autofree char *a = plug (self, "1-1");
  g_autofree char *b = plug (self, "1-2");
  g_autofree char *a_at = add_tty (self, a, 1, "ttyUSB1", "at");
  g_autofree char *b_at = add_tty (self, b, 1, "ttyUSB4", "at");
  g_autofree char *a_new = NULL;
  g_autofree char *b_new = NULL;

  self->udev = follow (self);
  take_away (self, a_at);
  take_away (self, b_at);
  b_new = add_tty (self, b, 1, "ttyUSB1", "at");
  a_new = add_tty (self, a, 1, "ttyUSB4", "at");
  assert_log (self, "+/dev/ttyUSB1@1-1 +/dev/ttyUSB4@1-2 -/dev/ttyUSB1@1-1 -/dev/ttyUSB4@1-2 "
                    "+/dev/ttyUSB1@1-2 +/dev/ttyUSB4@1-1 ");
  g_assert_cmpstr (g_hash_table_lookup (self->ports, "/dev/ttyUSB1"), ==, "1-2");
  g_assert_cmpstr (g_hash_table_lookup (self->ports, "/dev/ttyUSB4"), ==, "1-1");
}

/* The node turns up at another device, and the removal of the old one was never told. */
static void
test_same_node_elsewhere (Fixture *self, gconstpointer data)
{
  g_autofree char *a = plug (self, "1-1");
  g_autofree char *b = plug (self, "1-2");
  g_autofree char *a_at = add_tty (self, a, 1, "ttyUSB1", "at");
  g_autofree char *b_at = NULL;

  self->udev = follow (self);
  umockdev_testbed_remove_device (self->testbed, a_at);
  b_at = add_tty (self, b, 1, "ttyUSB1", "at");
  assert_log (self, "+/dev/ttyUSB1@1-1 -/dev/ttyUSB1@1-1 +/dev/ttyUSB1@1-2 ");
}

/* Another number at the same device, likewise. */
static void
test_same_device_renumbered (Fixture *self, gconstpointer data)
{
  g_autofree char *usb = plug (self, "1-1");
  g_autofree char *at = add_tty (self, usb, 1, "ttyUSB1", "at");
  g_autofree char *again = NULL;

  self->udev = follow (self);
  umockdev_testbed_remove_device (self->testbed, at);
  again = add_tty (self, usb, 1, "ttyUSB4", "at");
  assert_log (self, "+/dev/ttyUSB1@1-1 -/dev/ttyUSB1@1-1 +/dev/ttyUSB4@1-1 ");
}

/* A rule that comes later, and goes. */
static void
test_property_changes (Fixture *self, gconstpointer data)
{
  g_autofree char *usb = plug (self, "1-1.2");
  g_autofree char *tty = add_tty (self, usb, 1, "ttyUSB1", NULL);
  /* Not on USB: such a port is configured. */
  g_autofree char *uart = umockdev_testbed_add_device (self->testbed, "tty", "ttyS0", NULL, NULL, "DEVNAME",
                                                       "/dev/ttyS0", "ID_MEFOTA_PORT", "at", NULL);

  g_assert_nonnull (uart);
  self->udev = follow (self);
  umockdev_testbed_set_property (self->testbed, tty, "ID_MEFOTA_PORT", "at");
  umockdev_testbed_uevent (self->testbed, tty, "change");
  umockdev_testbed_uevent (self->testbed, tty, "change");
  assert_log (self, "+/dev/ttyUSB1@1-1.2 ");
  umockdev_testbed_set_property (self->testbed, tty, "ID_MEFOTA_PORT", "");
  umockdev_testbed_uevent (self->testbed, tty, "change");
  assert_log (self, "-/dev/ttyUSB1@1-1.2 ");
}

static void
test_two_at_ports (Fixture *self, gconstpointer data)
{
  g_autofree char *usb = NULL;
  g_autofree char *first = NULL;
  g_autofree char *second = NULL;

  self->udev = follow (self);
  usb = plug (self, "1-1.2");
  second = add_tty (self, usb, 2, "ttyUSB2", "at");
  assert_log (self, "+/dev/ttyUSB2@1-1.2 ");
  g_assert_cmpuint (n_warnings, ==, 0);
  first = add_tty (self, usb, 1, "ttyUSB1", "at");
  umockdev_testbed_uevent (self->testbed, first, "change");
  assert_log (self, "");
  g_assert_cmpuint (n_warnings, ==, 1);

  /* Put right by a rule: the other one is found without being told again. */
  umockdev_testbed_set_property (self->testbed, second, "ID_MEFOTA_PORT", "modem");
  umockdev_testbed_uevent (self->testbed, second, "change");
  assert_log (self, "-/dev/ttyUSB2@1-1.2 +/dev/ttyUSB1@1-1.2 ");

  take_away (self, second);
  assert_log (self, "");
}

static void
assert_same_ports (GHashTable *a, GHashTable *b)
{
  GHashTableIter iter;
  gpointer node;
  gpointer path;

  g_assert_cmpuint (g_hash_table_size (a), ==, g_hash_table_size (b));
  g_hash_table_iter_init (&iter, a);
  while (g_hash_table_iter_next (&iter, &node, &path))
    g_assert_cmpstr (g_hash_table_lookup (b, node), ==, path);
}

/* After every step whoever comes late sees the same ports as whoever was there all the time. */
static void
test_coldplug_is_hotplug (Fixture *self, gconstpointer data)
{
  static const guint orders[][3] = { { 0, 1, 2 }, { 0, 2, 1 }, { 1, 0, 2 }, { 1, 2, 0 }, { 2, 0, 1 }, { 2, 1, 0 } };

  self->udev = follow (self);
  for (guint i = 0; i < G_N_ELEMENTS (orders); i++)
    {
      g_autofree char *place = g_strdup_printf ("1-1.%u", i + 1);
      g_autofree char *usb = plug (self, place);

      for (guint j = 0; j < 4; j++)
        {
          Fixture late = { NULL };
          g_autofree char *expected = NULL;

          if (j < 3)
            {
              g_autofree char *tty = g_strdup_printf ("ttyUSB%u", 3 * i + j);
              g_autofree char *added = add_tty (self, usb, orders[i][j], tty, orders[i][j] == 1 ? "at" : NULL);

              g_assert_nonnull (added);
              if (orders[i][j] == 1)
                expected = g_strdup_printf ("+/dev/%s@%s ", tty, place);
            }
          else if (i % 2 == 1)
            {
              unplug (self, usb);
              expected = g_strdup_printf ("-@%s ", place);
            }

          assert_log (self, expected != NULL ? expected : "");
          late.ports = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
          late.udev = follow (&late);
          assert_same_ports (self->ports, late.ports);
          g_assert_finalize_object (late.udev);
          g_hash_table_unref (late.ports);
        }
    }
  g_assert_cmpuint (g_hash_table_size (self->ports), ==, 3);
}

/* The one warning there is, is expected: it must not end the program. */
static GLogWriterOutput
log_writer (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; level == G_LOG_LEVEL_WARNING && i < n_fields; i++)
    if (g_str_equal (fields[i].key, "MESSAGE") && strstr (fields[i].value, "two AT ports") != NULL)
      {
        n_warnings++;
        return G_LOG_WRITER_HANDLED;
      }

  return g_log_writer_default (level, fields, n_fields, user_data);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_log_set_writer_func (log_writer, NULL, NULL);

  g_test_add_func ("/udev/ids", test_ids);
  g_test_add_func ("/udev/copy", test_copy);
#define ADD(name, func) g_test_add ("/udev/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("consoles", test_consoles);
  ADD ("plug-and-unplug", test_plug_and_unplug);
  ADD ("device-alone", test_device_alone);
  ADD ("gone-again", test_gone_again);
  ADD ("twice", test_twice);
  ADD ("numbers-swapped", test_numbers_swapped);
  ADD ("same-node-elsewhere", test_same_node_elsewhere);
  ADD ("same-device-renumbered", test_same_device_renumbered);
  ADD ("property-changes", test_property_changes);
  ADD ("two-at-ports", test_two_at_ports);
  ADD ("coldplug-is-hotplug", test_coldplug_is_hotplug);
#undef ADD

  return g_test_run ();
}
