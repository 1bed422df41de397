/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * MefotaAdb:
 *
 * The program adb as a server of our own, on a socket of our own: whoever else uses adb on this machine keeps theirs.
 * It is a child of ours (nothing of it is left behind when it is not needed any more, or when we are killed), runs only
 * while somebody holds it, and is spoken to over its socket (mefota-adb-stream.h).
 */
#define MEFOTA_TYPE_ADB (mefota_adb_get_type ())
G_DECLARE_FINAL_TYPE (MefotaAdb, mefota_adb, MEFOTA, ADB, GObject)

/**
 * mefota_adb_new:
 * @program: name (looked up in PATH) or path of adb
 * @socket_path: where it listens; at most 107 bytes
 * @home: folder for its key; made when needed
 */
MefotaAdb *mefota_adb_new (const char *program, const char *socket_path, const char *home);

/* Whether the program is there. */
gboolean mefota_adb_is_installed (MefotaAdb *self);

/* Starts the server unless it runs; completes when it takes requests. Every hold that succeeded needs a release; with
 * the last one the server is ended.
 *
 * Errors: NOT_SUPPORTED (no adb), BUSY (somebody else listens on the socket), FAILED (it does not start, in its own
 * words), G_IO_ERROR_CANCELLED */
void mefota_adb_hold_async (MefotaAdb *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                            gpointer user_data);
gboolean mefota_adb_hold_finish (MefotaAdb *self, GAsyncResult *result, GError **error);
void mefota_adb_release (MefotaAdb *self);

/* Ends the server whoever holds it; it is not started again. */
void mefota_adb_close (MefotaAdb *self);

const char *mefota_adb_get_socket_path (MefotaAdb *self);
/* Process id of the server; 0 while it does not run. */
GPid mefota_adb_get_pid (MefotaAdb *self);

G_END_DECLS
