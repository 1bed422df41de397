/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "bus-relay.h"
#include "daemon-lab.h"
#include "fault-cell.h"
#include "package-fixture.h"

G_BEGIN_DECLS

/* The upgrade of a cell, state by state. */
typedef struct
{
  DaemonFixture *f;
  BusRelay *relay; /* NULL: no fault of the bus */
  TestPackage *package;
  SimProcess *sim, *other; /* the other one is in line before ours; or NULL */
  const FaultWay *way;
  Way kind;
  State at;
  guint went; /* how often the module had gone before it restarts to install */
} Cell;

/* A daemon and its module, @state still to come. */
void cell_open (Cell *self, Way way, State state, Fault fault);
void cell_close (Cell *self);

/* Everything up to @state. */
void cell_stand (Cell *self, State state);
/* A module that is not there or does not answer is idle again. */
void cell_wake (Cell *self);
/* The module's part in leaving a state, and ours. */
void cell_leave (Cell *self, State state);
/* Everything from @state on. Without an upgrade: from its beginning. */
void cell_finish (Cell *self, State state);
/* What comes behind @state. */
State cell_next (Cell *self, State state);

typedef gboolean (*CellCall) (Cell *self, GError **error);
gboolean cell_start (Cell *self, GError **error);
gboolean cell_confirm (Cell *self, GError **error);
/* A start or an answer, which has to be taken on, or (@error_name) refused. */
void cell_expect (Cell *self, CellCall call, const char *error_name);

gboolean cell_is_away (Cell *self);
guint cell_count_goings (Cell *self);

G_END_DECLS
