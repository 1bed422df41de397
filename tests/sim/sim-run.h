/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim-private.h"

G_BEGIN_DECLS

typedef enum
{
  SIM_WAIT_NONE,
  SIM_WAIT_TIME,
  SIM_WAIT_VANISH,
  SIM_WAIT_BOOT,
  SIM_WAIT_OPEN,
  SIM_WAIT_COMMAND,
  SIM_WAIT_GO,
  SIM_WAIT_ANSWER,
} SimWait;

/* A block that runs; known to sim-run.c and to sim-say.c only. */
struct _SimRun
{
  MefotaSim *sim;
  SimBlock *block;
  SimRunKind kind;
  guint pos;
  guint said; /* 1 + the step that was taken before its turn (switch first-ind) */
  guint serial; /* of the command that it answers; 0: none */
  guint source;
  SimWait wait;
  char *what;   /* what is waited for */
  char *target; /* AT+FOTATV at the start: a reboot on the way makes the module forget it, not the upgrade */
  gboolean over;
};

/* ---- sim-run.c ---- */

void sim_run_end (SimRun *run);

/* ---- sim-say.c ---- */

/* Takes a step that says something. FALSE: the block ended with it. */
gboolean sim_say_step (SimRun *run, const SimStep *step);
/* @text with what $next and the like stand for. For free(). */
char *sim_expand (SimRun *run, const char *text);

G_END_DECLS
