/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* One cell of the fault matrix: an upgrade by one way, a fault in one state of it, and the right end. */
typedef enum
{
  FAULT_KILL,     /* SIGKILL, and started again */
  FAULT_FINISHES, /* SIGKILL, and started again once the module is through with it */
  FAULT_TERM,     /* SIGTERM, and started again */
  FAULT_HANG_UP,  /* the line breaks and is back; the module runs on */
  FAULT_SILENCE,  /* the module is deaf and dumb for a while */
  FAULT_GARBAGE,  /* bytes that mean nothing */
  FAULT_GONE,     /* the line breaks for good */
  FAULT_BUS,      /* the bus goes away and comes back */
  FAULT_DISK,     /* nothing can be written any more, until it has ended or was refused */
  N_FAULTS
} Fault;

typedef enum
{
  WAY_NETWORK,
  WAY_POLLED,
  WAY_SERIAL,
  WAY_ADB,
  N_WAYS
} Way;

typedef enum
{
  STATE_ABSENT,
  STATE_PROBING,
  STATE_IDLE,
  STATE_QUEUED,
  STATE_STARTING,
  STATE_CONFIRMING,
  STATE_DOWNLOADING,
  STATE_TRANSFERRING,
  STATE_VERIFYING,
  STATE_UPDATING,
  STATE_REBOOTING,
  STATE_CHECKING,
  N_STATES
} State;

extern const char *const fault_words[N_FAULTS];
extern const char *const way_words[N_WAYS];
extern const char *const state_words[N_STATES];

typedef struct
{
  gboolean uart;
  State states[N_STATES]; /* of an upgrade, in order */
  guint n_states;
  const char *play;  /* what the module plays: it stands still in each state until it is told to go on */
  const char *again; /* another upgrade, that is over at once */
  const char *again_end;
} FaultWay;

extern const FaultWay fault_ways[N_WAYS];

/* Whether there is such a cell. */
gboolean fault_cell_exists (Way way, State state, Fault fault);
/* How it has to end: "success", an error's name, or what is refused first: "StorageFailed, success". */
const char *fault_cell_end (Way way, State state, Fault fault);

/* Plays it; the process ends at once if it does not come to that end. */
void fault_cell_run (Way way, State state, Fault fault);

G_END_DECLS
