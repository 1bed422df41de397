/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Physical USB paths: bus, and the port of each hub down to the device ("1-1.2"), which is what the kernel and adb name
 * a place by. */

gboolean mefota_usb_path_is_valid (const char *path);

/* The innermost USB device in a sysfs path, "/sys/devices/…/usb1/1-1/1-1.2/1-1.2:1.1/ttyUSB1" → "1-1.2"; NULL if there
 * is none. */
char *mefota_usb_path_from_sysfs (const char *sysfs_path);

/* Where the device behind a tty's node is plugged in; NULL if it is not on USB. */
char *mefota_usb_path_from_tty (const char *node);

G_END_DECLS
