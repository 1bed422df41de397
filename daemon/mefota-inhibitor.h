/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

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
/* Completes when ModemManager has let go, or does not run, or has not exported the modem (its probing keeps off the
 * port by the udev rules then), or after @timeout_ms: never fails, an upgrade is not refused for it. */
void mefota_inhibitor_wait_async (MefotaInhibitor *self, guint timeout_ms, GAsyncReadyCallback callback,
                                  gpointer user_data);
void mefota_inhibitor_wait_finish (MefotaInhibitor *self, GAsyncResult *result);
void mefota_inhibitor_release (MefotaInhibitor *self);

G_END_DECLS
