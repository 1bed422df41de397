/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim-settings.h"

G_BEGIN_DECLS

/* A raw pty at 115200 baud; returns the master, non-blocking, or -1. The other side is closed again, so that the master
 * says HUP until somebody opens it. @not_as: a name it must not have, or NULL. */
int sim_pty_open (const char *not_as, char **device, GError **error);

/* Owner and mode as the switches say. */
gboolean sim_pty_give_away (const SimSettings *settings, const char *device, GError **error);

/* Makes sure that nobody else simulates a module at this link, until the returned descriptor is closed; -1: somebody
 * does. */
int sim_pty_claim (const char *link, GError **error);

/* Makes or replaces the link, in one step; nothing if @link is empty. @made is what to give to sim_pty_unlink(). */
gboolean sim_pty_link (const char *link, const char *device, char **made, GError **error);

/* Removes the link if it still points to @device. */
void sim_pty_unlink (char **made, const char *device);

guint sim_pty_get_baud (int master);

/* Sets @error from errno; returns FALSE. */
gboolean sim_fail (GError **error, const char *what);

G_END_DECLS
