/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Requests to adb's server over its socket: four hexadecimal digits of length and a word ("host:devices-l"), answered
 * by OKAY, or by FAIL and the reason. */

/**
 * mefota_adb_stream_open_async:
 * @transport: number of the device the service is asked of; 0: the server itself
 * @service: "sync:", "shell:…", "host:…"
 * @timeout_ms: until the OKAY
 *
 * Errors: TRANSFER_FAILED (refused, in adb's words; or no answer in time), or what the socket says (G_IO_ERROR)
 */
void mefota_adb_stream_open_async (const char *socket_path, guint64 transport, const char *service, guint timeout_ms,
                                   GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
/* Stands after the OKAY. */
GIOStream *mefota_adb_stream_open_finish (GAsyncResult *result, GError **error);

/* Opens a service and reads what it says to its end (at most 64 KiB): "host:devices-l", "shell:rm -f /x". Its own
 * length stands before the answer of a "host:" service and is taken off. */
void mefota_adb_stream_query_async (const char *socket_path, guint64 transport, const char *service, guint timeout_ms,
                                    GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
char *mefota_adb_stream_query_finish (GAsyncResult *result, GError **error);

/* What adb tells of one device. */
typedef enum
{
  MEFOTA_ADB_STATE_ABSENT,        /* not in the list */
  MEFOTA_ADB_STATE_DEVICE,        /* can be used */
  MEFOTA_ADB_STATE_OFFLINE,       /* does not answer */
  MEFOTA_ADB_STATE_UNAUTHORIZED,  /* does not take our key */
  MEFOTA_ADB_STATE_NO_PERMISSION, /* we may not open its USB node */
  MEFOTA_ADB_STATE_OTHER,         /* recovery, bootloader … */
} MefotaAdbState;

/* Pure: looks the device at a physical USB path ("1-1.2") up in the answer to host:devices-l. Serial numbers do not
 * matter; they are empty or equal, and nothing that stands in one is taken for anything else. */
MefotaAdbState mefota_adb_list_find (const char *list, const char *usb_path, guint64 *transport);

G_END_DECLS
