/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * MefotaGuard:
 *
 * While any module is in its power-critical phase: the run file `power-critical` exists (one line a module: id, state,
 * since when), and a logind inhibitor (shutdown:sleep, block) is held and parked in the service manager's descriptor
 * store (contract 2.9). Taken again when logind or the bus returns. Where logind refuses: one warning, the file
 * remains.
 */
#define MEFOTA_TYPE_GUARD (mefota_guard_get_type ())
G_DECLARE_FINAL_TYPE (MefotaGuard, mefota_guard, MEFOTA, GUARD, GObject)

/* @run_directory: $RUNTIME_DIRECTORY or /run/mefota; @inhibitor_fd: taken over from the descriptor store, or -1. A run
 * file left over by an earlier daemon stays until mefota_guard_settle(). */
MefotaGuard *mefota_guard_new (GDBusConnection *bus, const char *run_directory, int inhibitor_fd);
/* @bus may change (NULL while there is none). */
void mefota_guard_set_bus (MefotaGuard *self, GDBusConnection *bus);
/* On (or updates its words) while @critical, off otherwise. The file is written before this returns. */
void mefota_guard_set (MefotaGuard *self, const char *module, gboolean critical, const char *state, gint64 since_usec);
/* All upgrades of the store were taken up again: what is not guarded by now goes. */
void mefota_guard_settle (MefotaGuard *self);
gboolean mefota_guard_is_critical (MefotaGuard *self);

G_END_DECLS
