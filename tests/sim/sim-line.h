/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim-settings.h"

G_BEGIN_DECLS

/* How a line of the module looks on the wire: line ends and every way in which real modules, and the guide itself,
 * write the same thing differently. */
typedef struct
{
  guint count;    /* lines so far: varies what is "odd" */
  gboolean after; /* the line before belongs to the same reply (switch tight) */
  guint random;
} SimLineState;

/* Appends @text as a line. @final: a final result, which may lack its line end. */
void sim_line_append (const SimSettings *settings, SimLineState *state, const char *text, gboolean final,
                      GByteArray *out);

/* Appends @count bytes that mean nothing. They are the same in every run. */
void sim_line_garbage (SimLineState *state, guint count, GByteArray *out);

G_END_DECLS
