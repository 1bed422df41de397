/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-bus.h"
#include "mefota-dbus.h"

G_BEGIN_DECLS

struct _MefotaBus
{
  GObject parent;
  GDBusConnection *connection;
  MefotaServices *services;
  MefotaRegistry *registry;
  MefotaAuthority *authority;
  GDBusObjectManagerServer *server;
  MefotaDbusFotaManager *manager;
  GHashTable *exports; /* MefotaModule → Export */
};

/* Answers with an error of ours, whatever domain it came from. Takes @error. */
void mefota_bus_return_error (GDBusMethodInvocation *invocation, GError *error);

/* Methods of a module and of the manager: authorise, check, run. */
void mefota_bus_handle_module (MefotaBus *self, MefotaDbusFota *skeleton, MefotaModule *module);
void mefota_bus_handle_manager (MefotaBus *self);

/* Tells now what changed of @module. */
void mefota_bus_flush (MefotaBus *self, MefotaModule *module);

G_END_DECLS
