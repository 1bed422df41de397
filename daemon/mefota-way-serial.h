/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-way.h"

G_BEGIN_DECLS

/**
 * MefotaWaySerial:
 *
 * A package over the module's UART (guide 2.4, chapter 4): AT+ZCOMDEL, AT+ZCOMWRT=<n> for each piece with its bytes
 * behind the prompt, AT+ZCOMUPDATE. What the module says of a refused step stands in the message, with the byte it was
 * at.
 *
 * A piece that the module counts on and does not get would swallow every further command, so each end of a step leaves
 * it filled up, or is followed by prepare() or clean_up(), which do that first.
 *
 * Errors of its steps: TRANSFER_FAILED (refused, no prompt, too slow; for install: MODULE_ERROR, TIMEOUT), NOT_PRESENT,
 * G_IO_ERROR_CANCELLED.
 */
#define MEFOTA_TYPE_WAY_SERIAL (mefota_way_serial_get_type ())
G_DECLARE_FINAL_TYPE (MefotaWaySerial, mefota_way_serial, MEFOTA, WAY_SERIAL, MefotaWay)

MefotaWay *mefota_way_serial_new (void);

G_END_DECLS
