/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Plays for the upgrade machine: what happens to a module, word by word, its surroundings simulated, the clock too. */
#include "mefota-upgrade.h"

#define IMEI "861000000000001"
#define OTHER_IMEI "861000000000002"
#define WALL_2024 (G_GINT64_CONSTANT (1704067200) * G_USEC_PER_SEC)
#define WALL_2060 (G_GINT64_CONSTANT (2840140800) * G_USEC_PER_SEC)
#define ERROR_PREFIX "org.gosuncn.Fota.Error."

extern const MefotaTimeouts play_timeouts;

typedef struct
{
  MefotaUpgrade *u;
  MefotaTime now;
  guint actions; /* of the last word */
  guint begun;
  guint finished;
  gboolean resumed; /* the daemon was started anew: what a restart may lose is not asked for */

  /* the module */
  char *version;
  char *word; /* what AT+FOTACTR? says; NULL: nothing */
  char *stored;
  gboolean present;
  gboolean mute;  /* there, but it does not answer */
  gboolean known; /* its identity was read */
} Play;

Play *play_new (void);
void play_free (Play *p);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Play, play_free)

/* Words with a blank between them: upper case is what the module says, +SECONDS lets time pass; the others stand in
 * upgrade-play.c. */
void play_run (Play *p, const char *script);
/* "success", the error's word, or the state it is still in. */
const char *play_outcome (const Play *p);
/* One that has ended has ended altogether. */
void play_check_end (const Play *p);

typedef struct
{
  const char *name;
  const char *script;
  const char *ends; /* as play_outcome() says it */
} PlayRow;

/* Plays each row, as a test of its own: once as it stands and, where it ends, with the daemon killed and started anew
 * before each of its words, under a wall clock that goes on, falls back to 1970 or leaps by decades: the end has to be
 * the same. (A play that begins with "once" is not.) */
void play_add_rows (const char *group, const PlayRow *table, gsize n);
