/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon-lab.h"

G_BEGIN_DECLS

/* A daemon with some modules, and calls and mishaps that come as the dice fall; chaos-model.c looks at what came of
 * them. */
#define CHAOS_MODULES 3

/* A call, and what became of it. */
typedef struct
{
  guint number;
  char *module; /* "" for the manager */
  char *method;
  char *arguments;
  char *value;        /* what it sets, if it sets something: "server 10.0.0.1,99", "polling 1" */
  gint64 sent, ended; /* monotonic us; 0: not answered yet */
  guint daemon;       /* which one it was made to */
  char *error;        /* NULL: it succeeded */
  char *message;
} ChaosCall;

typedef struct
{
  DaemonFixture *f;
  GRand *dice;
  const char *confirm;
  guint max_parallel;
  guint n_modules;
  SimProcess *sims[CHAOS_MODULES];
  gboolean away[CHAOS_MODULES];
  guint next[CHAOS_MODULES]; /* counts the versions they go to */
  guint focus;       /* the module that most of it befalls just now */
  GPtrArray *calls;  /* of ChaosCall */
  guint open_calls;
  guint daemon;      /* counts those started */
  GArray *kills;     /* of gint64: when it was ended, wall clock */
  GArray *holds;     /* of int */
  int package;       /* -1: none yet */
  char *package_sha256;
  gint64 begun;
} Chaos;

extern const char *const chaos_names[CHAOS_MODULES];
extern const char *const chaos_imeis[CHAOS_MODULES];

#define CHAOS_BELOW(self, n) ((guint) g_rand_int_range ((self)->dice, 0, (gint) (n)))
#define CHAOS_ONE_IN(self, n) (CHAOS_BELOW (self, n) == 0)
#define CHAOS_ANY_OF(self, list) ((list)[CHAOS_BELOW (self, G_N_ELEMENTS (list))])

/* ---- chaos-play.c ---- */

void chaos_open (Chaos *self, guint32 seed);
void chaos_close (Chaos *self);
/* No more mishaps: everything is there and answers, nobody holds; what runs has time to end. */
void chaos_calm_down (Chaos *self);
/* What is told of the run. */
void chaos_note (Chaos *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* Turns the main loop for so long. */
void chaos_pass (Chaos *self, guint milliseconds);
/* A line of the control protocol; what the module cannot do just now it says, and that is all right. */
void chaos_tell (Chaos *self, SimProcess *sim, const char *format, ...) G_GNUC_PRINTF (3, 4);
/* Begins a call; @value: as in ChaosCall, or NULL. */
ChaosCall *chaos_call (Chaos *self, const char *module, const char *method, GVariant *arguments, const char *value);
/* The same with @fd as handle 0. */
ChaosCall *chaos_call_with_fd (Chaos *self, const char *module, const char *method, GVariant *arguments,
                               const char *value, int fd);
void chaos_let_go (Chaos *self);

/* ---- chaos-deeds.c ---- */

/* Some random calls and mishaps, most of them of one module. */
void chaos_burst (Chaos *self);

/* ---- chaos-model.c ---- */

/* Everything that has to hold however the dice fell. */
void chaos_check (Chaos *self);

G_END_DECLS
