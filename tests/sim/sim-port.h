/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim-settings.h"

G_BEGIN_DECLS

/* The module's end of the wire: the master side of a pty, read and written on the default main context. What is sent
 * while nobody has the port open is lost, as on a real tty (switch keep-unread). */
typedef struct _SimPort SimPort;

typedef struct
{
  void (*opened) (gpointer user_data);   /* somebody opened the port */
  void (*closed) (gpointer user_data);   /* nobody has it open any longer */
  void (*replaced) (gpointer user_data); /* it is another pty now: its exclusive flag could not be taken off */
  void (*received) (const guint8 *bytes, gsize length, gpointer user_data);
  void (*drained) (gpointer user_data); /* all that was queued is written */
} SimPortFuncs;

SimPort *sim_port_new (SimSettings *settings, const SimPortFuncs *funcs, gpointer user_data);
void sim_port_free (SimPort *port);

/* Makes the pty and the link; the other end must not be there yet. */
gboolean sim_port_appear (SimPort *port, GError **error);

/* Hangs up: whoever has it open reads 0 and gets HUP; what was not read yet is lost. */
void sim_port_vanish (SimPort *port);

/* Another simulator may have the link's path from now on. */
void sim_port_release_link (SimPort *port);

gboolean sim_port_is_there (const SimPort *port);
gboolean sim_port_is_open (const SimPort *port);

/* The path to open: the link if there is one. NULL before the first appearance. */
const char *sim_port_get_path (const SimPort *port);
const char *sim_port_get_device (const SimPort *port);

/* The rate the other end has set, in baud; 0 if unknown. */
guint sim_port_get_baud (const SimPort *port);

void sim_port_write (SimPort *port, const guint8 *bytes, gsize length);
gsize sim_port_get_queued (const SimPort *port);
gint64 sim_port_get_last_write (const SimPort *port);

/* Stops reading (the writer feels back-pressure) or goes on. */
void sim_port_set_reading (SimPort *port, gboolean reading);

/* Bytes that are awaited, so that a paced read wakes in time for the last of them; 0 if unknown. */
void sim_port_expect (SimPort *port, gsize bytes);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimPort, sim_port_free)

G_END_DECLS
