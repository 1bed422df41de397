/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim-private.h"

G_BEGIN_DECLS

/* What runs in one stream of the module's adb daemon: file transfer ("sync:") or one command ("shell:rm -f /x"). Knows
 * nothing of packets. */

/* The module's files, as far as adb sees them: /cache and /data. They outlive connections and reboots. */
typedef struct
{
  MefotaSim *sim;
  GHashTable *files; /* char *path → SimAdbFile */
} SimAdbFiles;

SimAdbFiles *sim_adb_files_new (MefotaSim *sim);
void sim_adb_files_free (SimAdbFiles *self);

/* What the connection has to do after a service was fed. */
typedef enum
{
  SIM_ADB_GO,
  SIM_ADB_CUT,    /* break the connection */
  SIM_ADB_VANISH, /* hang up altogether */
  SIM_ADB_STALL,  /* take no more */
} SimAdbVerdict;

typedef struct
{
  SimAdbFiles *files;
  GByteArray *in;
  GByteArray *out; /* for the other side; whoever sends it takes it out */
  gboolean done;   /* close once out is empty */
  void (*refill) (gpointer service); /* gives more as soon as out is empty, or NULL */
  /* sync */
  gboolean is_sync;
  char *path;      /* of the file that is being written, or NULL */
  guint mode;
  guint64 written; /* of it, what was thrown away included */
  gboolean refused;
  GByteArray *data;
} SimAdbService;

/* NULL: there is no such service. */
SimAdbService *sim_adb_service_open (SimAdbFiles *files, const char *name);
void sim_adb_service_free (SimAdbService *self);
SimAdbVerdict sim_adb_service_feed (SimAdbService *self, const guint8 *bytes, gsize length);

/* Little endian, as on the wire. */
guint32 sim_adb_get32 (const guint8 *bytes);
void sim_adb_put32 (GByteArray *out, guint32 value);

G_END_DECLS
