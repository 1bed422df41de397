/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * MefotaGuard:
 *
 * While any module is in its power-critical phase: the run file `power-critical` exists (one line a module: id, state,
 * since when), and a logind inhibitor (shutdown:sleep, block) is held and parked in the service manager's descriptor store
 * (contract 2.9). Taken again when logind or the bus returns. Where logind refuses: one warning, the file remains.
 */
#define MEFOTA_TYPE_GUARD (mefota_guard_get_type ())
G_DECLARE_FINAL_TYPE (MefotaGuard, mefota_guard, MEFOTA, GUARD, GObject)

/* @run_directory: $RUNTIME_DIRECTORY or /run/mefota; @inhibitor_fd: taken over from the descriptor store, or -1. A run file
 * left over by an earlier daemon stays until mefota_guard_settle(). */
MefotaGuard *mefota_guard_new (GDBusConnection *bus, const char *run_directory, int inhibitor_fd);
/* @bus may change (NULL while there is none). */
void mefota_guard_set_bus (MefotaGuard *self, GDBusConnection *bus);
/* On (or updates its words) while @critical, off otherwise. The file is written before this returns. */
void mefota_guard_set (MefotaGuard *self, const char *module, gboolean critical, const char *state, gint64 since_usec);
/* All upgrades of the store were taken up again: what is not guarded by now goes. */
void mefota_guard_settle (MefotaGuard *self);
gboolean mefota_guard_is_critical (MefotaGuard *self);

/**
 * MefotaInhibitor:
 *
 * Keeps ModemManager off one module (InhibitDevice) from its making until it is freed. Where ModemManager does not run
 * nothing happens; when it appears, or exports the modem only later, or loses the inhibition, it is asked again
 * (by its signals, not by polling).
 */
#define MEFOTA_TYPE_INHIBITOR (mefota_inhibitor_get_type ())
G_DECLARE_FINAL_TYPE (MefotaInhibitor, mefota_inhibitor, MEFOTA, INHIBITOR, GObject)

/* @uid: sysfs path of the USB device ("/sys/devices/…/1-1.2"), ModemManager's Device property. */
MefotaInhibitor *mefota_inhibitor_new (GDBusConnection *bus, const char *uid);
/* Completes when ModemManager has let go, or does not run, or has not exported the modem (its probing keeps off the port
 * by the udev rules then), or after @timeout_ms: never fails, an upgrade is not refused for it. */
void mefota_inhibitor_wait_async (MefotaInhibitor *self, guint timeout_ms, GAsyncReadyCallback callback, gpointer user_data);
void mefota_inhibitor_wait_finish (MefotaInhibitor *self, GAsyncResult *result);
void mefota_inhibitor_release (MefotaInhibitor *self);

G_END_DECLS
