/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-module.h"

G_BEGIN_DECLS

/**
 * MefotaRegistry:
 *
 * All modules by the place they sit in: those of the configuration, those udev tells of, and those with an upgrade
 * under way on disk. A module is its place, never a tty's name.
 *
 * Signals: "added" (MefotaModule *), "removed" (MefotaModule *)
 */
#define MEFOTA_TYPE_REGISTRY (mefota_registry_get_type ())
G_DECLARE_FINAL_TYPE (MefotaRegistry, mefota_registry, MEFOTA, REGISTRY, GObject)

/* @services outlives it. Connect to the signals, then load. */
MefotaRegistry *mefota_registry_new (MefotaServices *services);
/* Makes the modules that are there now; no port is opened yet. */
void mefota_registry_load (MefotaRegistry *self);
/* Opens the ports and takes up what was under way. */
void mefota_registry_start (MefotaRegistry *self);
/* Closes all ports. */
void mefota_registry_stop (MefotaRegistry *self);

/* Of MefotaModule, in the order they came. */
GPtrArray *mefota_registry_get_modules (MefotaRegistry *self);
/* @key: id, IMEI, port or physical path. Errors: NOT_PRESENT (unknown), INVALID_ARGUMENT (empty, ambiguous) */
MefotaModule *mefota_registry_find (MefotaRegistry *self, const char *key, GError **error);

G_END_DECLS
