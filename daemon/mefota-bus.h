/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-authority.h"
#include "mefota-registry.h"

G_BEGIN_DECLS

/**
 * MefotaBus:
 *
 * The registry's modules and the manager on one connection to the bus; made anew when the bus comes back. Only this
 * file and mefota-bus-methods.c know the generated code.
 */
#define MEFOTA_TYPE_BUS (mefota_bus_get_type ())
G_DECLARE_FINAL_TYPE (MefotaBus, mefota_bus, MEFOTA, BUS, GObject)

/* Exports everything the registry has; @services and @registry outlive it. */
MefotaBus *mefota_bus_new (GDBusConnection *connection, MefotaServices *services, MefotaRegistry *registry);
/* Takes everything off the connection. */
void mefota_bus_close (MefotaBus *self);

G_END_DECLS
