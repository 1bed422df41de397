/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Longest line kept, in bytes; what is longer is cut (the rest of that line is dropped). */
#define MEFOTA_AT_LINE_MAX 1024

typedef enum
{
  MEFOTA_AT_FRAME_LINE,   /* a non-empty line, trimmed of blanks at its ends; NUL and 0xFF were dropped */
  MEFOTA_AT_FRAME_PROMPT, /* "> " (or a line ">"), only while a prompt is expected */
} MefotaAtFrame;

/* Called once a frame, from within feed(); @line is NUL-terminated and lives only during the call. The handler may call
 * expect_prompt() and reset() on the framer, but not feed(). */
typedef void (*MefotaAtFramerFunc) (MefotaAtFrame frame, const char *line, gsize length, gpointer user_data);

typedef struct
{
  MefotaAtFramerFunc func;
  gpointer user_data;
  gboolean prompt_expected;
  gboolean nul_seen; /* the last byte was a NUL, within a line */
  gsize length;
  char line[MEFOTA_AT_LINE_MAX + 1];
} MefotaAtFramer;

/* Pure: bytes → lines and prompts. CR, LF and CRLF end a line; result is independent of how the bytes were cut.
 * A NUL ends a line too where it stands behind a whole OK or ERROR, or before the '+' or '*' of the next line. */
void mefota_at_framer_init (MefotaAtFramer *self, MefotaAtFramerFunc func, gpointer user_data);
void mefota_at_framer_feed (MefotaAtFramer *self, const guint8 *bytes, gsize n_bytes);
/* A prompt has no line end; it is looked for only while a command that has one is in flight. Cleared by the prompt. */
void mefota_at_framer_expect_prompt (MefotaAtFramer *self, gboolean expected);
/* Whether the partial line is, so far, a final result code and nothing else. A module that restarts right behind it may
 * never end that line; who knows that nothing more comes ends it with end_line(). */
gboolean mefota_at_framer_has_final (const MefotaAtFramer *self);
/* As if a line end came. */
void mefota_at_framer_end_line (MefotaAtFramer *self);
/* Forgets a partial line. */
void mefota_at_framer_reset (MefotaAtFramer *self);

G_END_DECLS
