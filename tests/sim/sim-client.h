/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim-module.h"

G_BEGIN_DECLS

/* For tests: a simulated module, what it reports, and a plain client on its port. Every wait ends the test with a
 * message after DEADLINE seconds. */
typedef struct
{
  MefotaSim *sim;
  GPtrArray *events; /* of char*, all since the start */
  guint seen;        /* how many of them sim_await() went past */
  int fd;            /* -1 while closed */
  guint source;
  GString *in;       /* what came and was not taken yet */
  gboolean hung_up;
} SimClient;

/* Starts a module with time-scale 200 and the given switches ("key=value", ..., NULL). */
SimClient *sim_client_new (const char *first, ...) G_GNUC_NULL_TERMINATED;
void sim_client_free (SimClient *client);

void sim_client_open (SimClient *client);
void sim_client_close (SimClient *client);
void sim_client_write (SimClient *client, const void *bytes, gsize length);
void sim_client_set (SimClient *client, const char *pair);
void sim_client_control (SimClient *client, const char *line);

/* Sends a command with its CR. */
void sim_client_send (SimClient *client, const char *command);

/* Waits for @text among what came, and takes everything up to its end. */
void sim_client_expect (SimClient *client, const char *text);

/* Sends @command, waits for @text; everything that came up to its end, for free(). */
char *sim_client_ask (SimClient *client, const char *command, const char *text);

/* Waits for the next event that begins with @prefix; it belongs to the client. */
const char *sim_client_await (SimClient *client, const char *prefix);

/* Waits for the hang-up and closes. */
void sim_client_await_hangup (SimClient *client);

/* One turn of the main loop. */
void sim_client_turn (SimClient *client, const char *what, gint64 *deadline);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimClient, sim_client_free)

G_END_DECLS
