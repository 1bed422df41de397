/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

#include "mefota-error.h"

G_BEGIN_DECLS

/* What an indication means for an upgrade; one row of the vocabulary (contract 2.3, guide 3.5). */
typedef enum
{
  MEFOTA_IND_OTHER, /* signalled and logged, nothing else */
  MEFOTA_IND_START,
  MEFOTA_IND_QUESTION,    /* NEED_CONFIRM, NEW_VERSION */
  MEFOTA_IND_CONFIRMED,   /* SUCCESS_CONFIRM */
  MEFOTA_IND_DOWNLOADING, /* number: percent */
  MEFOTA_IND_COSTTIME,    /* number: seconds */
  MEFOTA_IND_NEED_VERIFY,
  MEFOTA_IND_PASS_VERIFY,
  MEFOTA_IND_UPDATING,
  MEFOTA_IND_SUCCESS,
  MEFOTA_IND_FAILURE, /* error: which */
} MefotaIndKind;
#define MEFOTA_N_IND_KINDS (MEFOTA_IND_FAILURE + 1)

typedef struct
{
  MefotaIndKind kind;
  MefotaError error; /* meaningful for MEFOTA_IND_FAILURE */
  char *status;      /* canonical word: upper case, blanks as underscores */
  char *argument;    /* what follows the first colon, trimmed; "25" of DOWNLOADING:25%, "17" of 0min17sec; "" if none */
  char *raw;         /* what follows "+FOTAIND:", trimmed, valid UTF-8 (GBK colon → U+FF1A, other bad bytes → U+FFFD) */
  int number;        /* percent 0–100 or seconds; -1 where there is none */
} MefotaIndication;

/**
 * mefota_indication_parse:
 * @line: one line, without its line end; need not be UTF-8
 * @length: its length in bytes
 *
 * Recognises `+FOTAIND: ...` in every spelling (case, spacing, ':' or the full-width colon in UTF-8 (EF BC 9A) or GBK
 * (A3 BA), noise before the plus sign).
 *
 * Returns: the indication, or NULL if the line is none
 */
MefotaIndication *mefota_indication_parse (const char *line, gsize length);

/* The same for what follows "+FOTAIND:" or "+FOTACTR:" or stands bare in the answer to AT+FOTACTR?. Never NULL. */
MefotaIndication *mefota_indication_parse_word (const char *text, gsize length);

void mefota_indication_free (MefotaIndication *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MefotaIndication, mefota_indication_free)

/* The sentence that becomes the message of a failing indication, with what to do next. Transfer full. */
char *mefota_indication_explain (const MefotaIndication *self);

G_END_DECLS
