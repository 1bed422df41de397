/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-adb-stream.h"
#include "mefota-adb.h"
#include "mefota-at-channel.h"

G_BEGIN_DECLS

/**
 * MefotaAdbDevice:
 *
 * The adb device of one module, found by where it is plugged in. Holds adb's server as long as it lives.
 */
#define MEFOTA_TYPE_ADB_DEVICE (mefota_adb_device_get_type ())
G_DECLARE_FINAL_TYPE (MefotaAdbDevice, mefota_adb_device, MEFOTA, ADB_DEVICE, GObject)

typedef void (*MefotaAdbEnabling) (gpointer user_data);

/**
 * mefota_adb_device_open_async:
 * @usb_path: "1-1.2"
 * @channel: (nullable): where to send @enable; NULL: the device must appear by itself
 * @enable: (nullable): command that opens the adb interface, sent only if the device is not there already
 * @grace_ms: how long it may take to appear before @enable is sent
 * @enabling: (nullable): told just before @enable is sent
 * @command_ms: bound of one command, and of one request to adb
 * @wait_ms: how long the device may take to appear. The module may re-enumerate for @enable: its port goes, and the
 *   device comes with the next one.
 *
 * Errors: those of mefota_adb_hold_async(); MODULE_ERROR (@enable was refused); TRANSFER_FAILED (it did not appear, is
 * offline, unauthorized, or may not be opened; says which); G_IO_ERROR_CANCELLED
 */
void mefota_adb_device_open_async (MefotaAdb *adb, const char *usb_path, MefotaAtChannel *channel, const char *enable,
                                   guint grace_ms, MefotaAdbEnabling enabling, gpointer enabling_data, guint command_ms,
                                   guint wait_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data);
MefotaAdbDevice *mefota_adb_device_open_finish (GAsyncResult *result, GError **error);

/* A stream to one of its services: "sync:". Errors as mefota_adb_stream_open_async(). */
void mefota_adb_device_stream_async (MefotaAdbDevice *self, const char *service, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer user_data);
GIOStream *mefota_adb_device_stream_finish (MefotaAdbDevice *self, GAsyncResult *result, GError **error);

/* Runs `rm -f` over @paths (absolute). Whether they are gone is for mefota_adb_sync_stat_async() to say. */
void mefota_adb_device_remove_async (MefotaAdbDevice *self, const char *const *paths, GCancellable *cancellable,
                                     GAsyncReadyCallback callback, gpointer user_data);
gboolean mefota_adb_device_remove_finish (MefotaAdbDevice *self, GAsyncResult *result, GError **error);

/**
 * mefota_adb_device_explain_async:
 * @error: what a stream of it failed with (copied)
 *
 * Finds out what a broken stream means; always ends with an error of ours, in finish(): FAILED (adb's server was
 * ended), NOT_PRESENT (the module is gone), TRANSFER_FAILED (the module is there and broke off). Errors that are ours
 * already, and G_IO_ERROR_CANCELLED, stay as they are.
 */
void mefota_adb_device_explain_async (MefotaAdbDevice *self, const GError *error, GAsyncReadyCallback callback,
                                      gpointer user_data);
GError *mefota_adb_device_explain_finish (MefotaAdbDevice *self, GAsyncResult *result);

/* Bound of one request, as given at open. */
guint mefota_adb_device_get_command_ms (MefotaAdbDevice *self);

G_END_DECLS
