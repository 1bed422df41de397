/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * MefotaPortWatch:
 *
 * Watches a configured port path by inotify (never by polling): its own folder and, as long as that does not exist, the
 * nearest ancestor that does; symbolic links on the way to the node too. Signal "changed": the path appeared, vanished
 * or leads elsewhere; the receiver looks itself (realpath), spurious ones are harmless.
 */
#define MEFOTA_TYPE_PORT_WATCH (mefota_port_watch_get_type ())
G_DECLARE_FINAL_TYPE (MefotaPortWatch, mefota_port_watch, MEFOTA, PORT_WATCH, GObject)

MefotaPortWatch *mefota_port_watch_new (const char *path);

G_END_DECLS
