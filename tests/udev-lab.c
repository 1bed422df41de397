/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "udev-lab.h"

#include <glib/gstdio.h>
#include <unistd.h>

gboolean
udev_lab_init (int *argc, char ***argv)
{
  lab_init (argc, argv);
  if (g_str_has_prefix (g_get_tmp_dir (), "/dev/"))
    return TRUE;
  g_print ("1..0 # SKIP device nodes are to be below /dev, and there is no /dev/shm to write to\n");
  return FALSE;
}

UMockdevTestbed *
udev_lab_testbed_new (void)
{
  UMockdevTestbed *testbed = umockdev_testbed_new ();
  g_autofree char *root = umockdev_testbed_get_root_dir (testbed);
  g_autofree char *fallback = g_build_filename (root, "ioctl", "_default", NULL);

  g_assert_cmpint (g_unlink (fallback), ==, 0);
  return testbed;
}

Seat *
seat_new (DaemonFixture *fixture, UMockdevTestbed *testbed, const char *place, const char *id, const char *imei)
{
  Seat *self = g_new0 (Seat, 1);

  self->fixture = fixture;
  self->testbed = g_object_ref (testbed);
  self->place = place;
  self->id = id;
  self->sim = lab_add_sim (fixture, id, "usb", imei);
  sim_control (self->sim, "vanish");
  return self;
}

void
seat_free (Seat *self)
{
  g_object_unref (self->testbed);
  g_free (self->usb);
  g_free (self->interface);
  g_free (self->tty);
  g_free (self);
}

/* The device node. Not in the testbed, whose realpath() cannot bear a link that leads out of it; and below /dev, else
 * libudev does not take it. */
static char *
node_path (Seat *self, guint number)
{
  g_autofree char *tty = g_strdup_printf ("ttyUSB%u", number);

  return daemon_path (self->fixture, tty);
}

void
seat_tell_device (Seat *self)
{
  g_autofree char *interface = g_strdup_printf ("%s:1.1", self->place);

  g_assert_null (self->usb);
  self->usb = umockdev_testbed_add_device (self->testbed, "usb", self->place, NULL, NULL, "DEVTYPE", "usb_device",
                                           NULL);
  self->interface = umockdev_testbed_add_device (self->testbed, "usb", interface, self->usb, NULL, "DEVTYPE",
                                                 "usb_interface", NULL);
}

void
seat_tell_port (Seat *self, guint number)
{
  g_autofree char *tty = g_strdup_printf ("ttyUSB%u", number);
  g_autofree char *node = node_path (self, number);

  g_assert_null (self->tty);
  /* Whoever has this number now: the node is the kernel's and leads to the newest. */
  g_unlink (node);
  g_assert_cmpint (symlink (self->sim->link, node), ==, 0);
  self->number = number;
  self->tty = umockdev_testbed_add_device (self->testbed, "tty", tty, self->interface, NULL, "DEVNAME", node,
                                           "ID_MEFOTA_PORT", "at", NULL);
}

/* When an event is read, what it tells of is gone from sysfs already. */
static void
take_away (Seat *self, char **path)
{
  umockdev_testbed_uevent (self->testbed, *path, "remove");
  umockdev_testbed_remove_device (self->testbed, *path);
  g_clear_pointer (path, g_free);
}

void
seat_tell_gone (Seat *self)
{
  if (self->tty != NULL)
    {
      g_autofree char *node = node_path (self, self->number);
      g_autofree char *target = g_file_read_link (node, NULL);
      if (g_strcmp0 (target, self->sim->link) == 0)
        g_unlink (node);
      take_away (self, &self->tty);
    }
  umockdev_testbed_uevent (self->testbed, self->usb, "unbind");
  umockdev_testbed_remove_device (self->testbed, self->interface);
  g_clear_pointer (&self->interface, g_free);
  take_away (self, &self->usb);
}

void
seat_plug (Seat *self, guint number)
{
  self->sim->seen = self->sim->events->len;
  sim_control (self->sim, "return");
  seat_tell_device (self);
  seat_tell_port (self, number);
}

static gboolean
is_away (Seat *self)
{
  return daemon_get_string (self->fixture, self->id, "Port")[0] == '\0';
}

void
seat_unplug (Seat *self, Leave leave)
{
  self->left++;
  if (leave == LEAVE_UDEV_FIRST)
    seat_tell_gone (self);
  else
    sim_control (self->sim, "vanish");
  if (leave != LEAVE_AT_ONCE)
    DAEMON_AWAIT (self->fixture, is_away (self));
  if (leave == LEAVE_UDEV_FIRST)
    sim_control (self->sim, "vanish");
  else
    seat_tell_gone (self);
  DAEMON_AWAIT (self->fixture, is_away (self));
}
