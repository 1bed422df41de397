/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon-lab.h"

#include <umockdev.h>

G_BEGIN_DECLS

/* Simulated modules behind USB devices that are none: udev's word is umockdev's, the bytes are a real pty's. To run
 * under umockdev's preload, which the daemon inherits. */

/* lab_init(). FALSE, and the test program is to end, where no such test can run: told as skipped. */
gboolean udev_lab_init (int *argc, char ***argv);

/* One that leaves real ttys alone: where its socket for that can be reached, umockdev answers every ioctl on what is
 * opened below /dev itself, with ENOTTY. */
UMockdevTestbed *udev_lab_testbed_new (void);

/* A place to plug a module into, and the module that belongs there. */
typedef struct
{
  DaemonFixture *fixture;
  UMockdevTestbed *testbed;
  SimProcess *sim;
  const char *place; /* "1-1.2" */
  const char *id;    /* "usb_1_1_2" */
  char *usb;         /* sysfs paths; NULL while it is not there */
  char *interface;
  char *tty;
  guint number; /* of its AT port */
  guint left;   /* how often it has gone away */
} Seat;

/* What the daemon hears first when the module goes. */
typedef enum
{
  LEAVE_HANG_UP_FIRST,
  LEAVE_UDEV_FIRST,
  LEAVE_AT_ONCE, /* either */
  N_LEAVES,
} Leave;

/* A module that is not plugged in yet. @place and @id are static. */
Seat *seat_new (DaemonFixture *fixture, UMockdevTestbed *testbed, const char *place, const char *id, const char *imei);
void seat_free (Seat *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Seat, seat_free)

/* The module comes with its AT port at ttyUSB@number, as the kernel does it: device, interface, tty. Its events from
 * before are not awaited any more. */
void seat_plug (Seat *self, guint number);
/* It goes; back when the daemon knows. */
void seat_unplug (Seat *self, Leave leave);
/* udev's part of both. The port's node comes and goes with the port. */
void seat_tell_device (Seat *self);
void seat_tell_port (Seat *self, guint number);
void seat_tell_gone (Seat *self);

G_END_DECLS
