/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-adb.h"
#include "mefota-way.h"

G_BEGIN_DECLS

/**
 * MefotaWayAdb:
 *
 * A package over adb (guide 2.3): the adb port is opened (profile, adb-enable) unless it is open, what lies about of
 * earlier packages is removed, the package is pushed to the place this firmware looks in (guide 2.3.2), its size is
 * looked up on the module, AT+ZCOMUPDATE. A module that re-enumerates because its adb port is opened is followed: see
 * mefota_way_is_leaving().
 *
 * Errors of its steps: NOT_SUPPORTED (no adb program, or the firmware's version is not known), BUSY (adb's socket is
 * taken), MODULE_ERROR (the module refuses to open adb, or to install), TRANSFER_FAILED, NOT_PRESENT,
 * G_IO_ERROR_CANCELLED.
 */
#define MEFOTA_TYPE_WAY_ADB (mefota_way_adb_get_type ())
G_DECLARE_FINAL_TYPE (MefotaWayAdb, mefota_way_adb, MEFOTA, WAY_ADB, MefotaWay)

MefotaWay *mefota_way_adb_new (MefotaAdb *adb);

G_END_DECLS
