/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-at-channel.h"
#include "mefota-at-data.h"

G_BEGIN_DECLS

/* Private to the channel: one command with its answer so far. */
typedef enum
{
  MEFOTA_AT_COMMAND_ANSWER, /* lines, then a final result code */
  MEFOTA_AT_COMMAND_PROMPT, /* a prompt is awaited, */
  MEFOTA_AT_COMMAND_GRACE,  /* came, and CONNECT may follow (or must, according to the style) */
  MEFOTA_AT_COMMAND_DATA,   /* data are taken */
} MefotaAtCommandPhase;

typedef struct
{
  char *text;
  char **prefixes;
  guint timeout_ms;
  gint64 waits_since; /* monotonic: in line, without another command before it */
  GTask *task;     /* who waits; NULL between the steps of a data phase */
  gsize unwritten; /* bytes that the tty has not taken, with the line end */
  GPtrArray *lines;
  gsize lines_size;
  gboolean echo_seen;

  MefotaAtCommandPhase phase;
  MefotaPromptStyle style;
  MefotaAtData *data;
  gboolean over; /* the final result code came while nobody waited; */
  GError *error; /* NULL: it was OK */
} MefotaAtCommand;

MefotaAtCommand *mefota_at_command_new (const char *text, const char *const *prefixes, guint timeout_ms, GTask *task);
void mefota_at_command_free (MefotaAtCommand *self);

gsize mefota_at_command_get_length (MefotaAtCommand *self);
/* Keeps a line of the answer, within bounds. */
void mefota_at_command_add_line (MefotaAtCommand *self, const char *line);
/* Transfer full. */
char **mefota_at_command_take_lines (MefotaAtCommand *self);
GError *mefota_at_command_refused (MefotaAtCommand *self, const char *final);
GError *mefota_at_command_timed_out (MefotaAtCommand *self, guint timeout_ms);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MefotaAtCommand, mefota_at_command_free)

G_END_DECLS
