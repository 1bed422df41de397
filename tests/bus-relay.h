/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon-fixture.h"

G_BEGIN_DECLS

/* A bus that goes away: a relay between the daemon and the bus, which can be cut. */
typedef struct
{
  DaemonFixture *f;
  char *path;
  GSocket *socket;
  GSource *source;
  GPtrArray *streams; /* of GSocket or GSocketConnection */
  GPtrArray *pumps;   /* of GSource */
} BusRelay;

/* Open; before the daemon is started. */
BusRelay *bus_relay_new (DaemonFixture *fixture);
void bus_relay_free (BusRelay *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (BusRelay, bus_relay_free)

void bus_relay_open (BusRelay *self);
void bus_relay_cut (BusRelay *self);

G_END_DECLS
