/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * mefota_at_log_format:
 * @unmasked: FALSE: IMEI, IMSI, ICCID and PIN become dots
 *
 * Bytes of an AT dialogue for the journal: `AT+CGSN<CR>`, other control and 8-bit characters as `<1A>`. Transfer full.
 */
char *mefota_at_log_format (const guint8 *bytes, gsize n_bytes, gboolean unmasked);

/* For the whole process: IMEI and SIM data are readable in debug lines. FALSE unless set. */
void mefota_at_log_set_unmasked (gboolean unmasked);

/* What was received, a line at a time: identities must not be cut in two by a read, or they would not be masked. */
typedef struct
{
  char *name;
  GByteArray *pending;
} MefotaAtLog;

void mefota_at_log_init (MefotaAtLog *self, const char *name);
void mefota_at_log_clear (MefotaAtLog *self);
void mefota_at_log_sent (MefotaAtLog *self, const char *text);
void mefota_at_log_received (MefotaAtLog *self, guint8 byte);
/* What is there so far: a prompt, or the last word before a hang-up. */
void mefota_at_log_flush (MefotaAtLog *self);
/* The same, but it was no text. */
void mefota_at_log_forget (MefotaAtLog *self);

G_END_DECLS
