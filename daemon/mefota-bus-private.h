/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-bus.h"
#include "mefota-dbus.h"
#include "mefota-skeleton.h"

G_BEGIN_DECLS

struct _MefotaBus
{
  GObject parent;
  GDBusConnection *connection;
  MefotaServices *services;
  MefotaRegistry *registry;
  MefotaAuthority *authority;
  GDBusObjectManagerServer *server;
  MefotaSkeleton *manager;
  GHashTable *exports; /* MefotaModule → Export */
};

/* Answers with an error of ours, whatever domain it came from. Takes @error. */
void mefota_bus_return_error (GDBusMethodInvocation *invocation, GError *error);

/* A method of @module, or of the manager (NULL): authorise, check, run. */
void mefota_bus_call (MefotaBus *self, MefotaModule *module, GDBusMethodInvocation *invocation);

/* Tells now what changed of @module. */
void mefota_bus_flush (MefotaBus *self, MefotaModule *module);

G_END_DECLS
