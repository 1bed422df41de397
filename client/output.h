/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>
#include <stdio.h>

G_BEGIN_DECLS

/* Prints in the locale's charset; what it cannot say becomes "?". */
void output_print (FILE *stream, const char *format, ...) G_GNUC_PRINTF (2, 3);

/* One line of JSON on standard output, always UTF-8, flushed. */
void output_json (const char *json);

/* Nothing more comes: errno of the first failure to write to standard output, or 0. */
int output_end (void);

/* Text for people on standard output, in a pager if it is longer than the terminal. May not return. */
void output_page (const char *text, gboolean no_pager);

/* A copy without control characters: what a module says must not drive the terminal. */
char *output_clean (const char *text);

/* Columns on a terminal; wide characters count twice, combining ones not at all. */
guint output_text_width (const char *text);

/* @rows: array of char ** (all of the same length), the first one the headings. Lines without blanks at their end. */
char *output_table (GPtrArray *rows);

/* "2024-05-01 13:45:00" in local time; "-" for 0. @us: microseconds since the epoch. */
char *output_time (guint64 us);

/* "17 s", "5 min 12 s", "1 h 2 min" */
char *output_duration (double seconds);

/* "0:17", "1:02:03" */
char *output_clock (gint64 seconds);

gboolean output_is_utf8 (void);
guint output_width (void);

G_END_DECLS
