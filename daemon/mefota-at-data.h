/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * MefotaAtData:
 *
 * The data phase of one command; pure. Counts what was announced, queued and taken by the tty, knows an echo of the
 * data from an answer, and decides which final result code may end the phase.
 *
 * An echo is recognised by its first 8 bytes; from there on received bytes that equal the next sent ones are dropped,
 * and what does not is taken as a line of the module's own. So echoed data that look like "OK" or "ERROR" end
 * nothing, unless the echo is damaged or the look-alike stands within these 8 bytes. Where the module's line begins as
 * the data happen to go on ("+FOTAIND: " in both, or a line end), it is told from them by where the two part, if that
 * is near, and by how the echo goes on behind it.
 */
#define MEFOTA_AT_DATA_PREFIX 8
#define MEFOTA_AT_DATA_LINE 64

typedef struct
{
  gsize announced; /* by the command: 5 of AT+ZCOMWRT=5; 0 if it does not say */
  gsize queued;
  gsize taken;

  GQueue sent;   /* of GBytes, what may yet be echoed; from @echoed on once it is known that the module echoes */
  gsize offset;  /* into the first of them */
  gsize echoed;  /* bytes of the data that were seen again */
  guint8 line[MEFOTA_AT_DATA_LINE]; /* the last of them, from a line end on */
  gsize line_length;                /* 0: too long ago */
  guint64 open;  /* bit n: the echo may go on n bytes behind @offset; */
  guint64 left;  /* of those, the ones that fit so far, */
  gsize matched; /* for so many bytes */
  gboolean echoes;
  gboolean foreign;      /* within a line that is no echo */
  gboolean foreign_text; /* ... and it has text already */
  guint8 prefix[MEFOTA_AT_DATA_PREFIX];
} MefotaAtData;

MefotaAtData *mefota_at_data_new (const char *command);
void mefota_at_data_free (MefotaAtData *self);

void mefota_at_data_queue (MefotaAtData *self, GBytes *bytes);
void mefota_at_data_take (MefotaAtData *self, gsize n_bytes);
/* What is queued and not taken was discarded. */
void mefota_at_data_discard (MefotaAtData *self);
/* Bytes the module still counts on. */
gsize mefota_at_data_get_missing (MefotaAtData *self);

typedef enum
{
  MEFOTA_AT_DATA_TEXT,  /* for the framer */
  MEFOTA_AT_DATA_ECHO,  /* to be dropped */
  MEFOTA_AT_DATA_FOUND, /* the same, and so was what the framer holds */
  MEFOTA_AT_DATA_GIVEN_BACK, /* for the framer, and before it the @line_length bytes of @line, which were no echo */
} MefotaAtDataByte;

MefotaAtDataByte mefota_at_data_receive (MefotaAtData *self, guint8 byte);

/* Whether @line is a final result code that counts now. */
gboolean mefota_at_data_is_final (MefotaAtData *self, const char *line);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MefotaAtData, mefota_at_data_free)

G_END_DECLS
