/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* An AT port that udev knows (ID_MEFOTA_PORT=at). */
typedef struct
{
  char *node;          /* /dev/ttyUSB1 */
  char *physical_path; /* USB port path: 1-1.2 */
  char *usb_sysfs;     /* /sys/devices/…/1-1.2: ModemManager's uid, adb's place */
} MefotaUdevPort;

void mefota_udev_port_free (MefotaUdevPort *self);
MefotaUdevPort *mefota_udev_port_copy (const MefotaUdevPort *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MefotaUdevPort, mefota_udev_port_free)

/**
 * MefotaUdev:
 *
 * Follows the AT ports by udev. Signals:
 *  - "added" (const MefotaUdevPort *): an AT port is there (at start: replayed as if just added)
 *  - "removed" (const char *node, const char *physical_path): the tty is gone (node not NULL), or its whole USB device
 * is (node NULL; matched by DEVPATH, as its events carry no ids; each time, also where it had no port meanwhile)
 */
#define MEFOTA_TYPE_UDEV (mefota_udev_get_type ())
G_DECLARE_FINAL_TYPE (MefotaUdev, mefota_udev, MEFOTA, UDEV, GObject)

MefotaUdev *mefota_udev_new (void);
/* Replays what is there; connect to the signals first. */
void mefota_udev_start (MefotaUdev *self);
/* "1-1.2" → "usb_1_1_2": the module's id. Transfer full. */
char *mefota_udev_path_to_id (const char *physical_path);

G_END_DECLS
