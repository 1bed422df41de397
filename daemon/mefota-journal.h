/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* Events with a MESSAGE_ID; data/mefota.catalog explains each (journalctl -x). */
typedef enum
{
  MEFOTA_JOURNAL_ASKED,    /* somebody here wants an upgrade */
  MEFOTA_JOURNAL_QUESTION, /* the module asks whether to upgrade */
  MEFOTA_JOURNAL_STARTED,
  MEFOTA_JOURNAL_PHASE,
  MEFOTA_JOURNAL_FINISHED,
  MEFOTA_JOURNAL_FAILED,
  MEFOTA_JOURNAL_OVERDUE,
  MEFOTA_JOURNAL_GUARD_ON,
  MEFOTA_JOURNAL_GUARD_OFF,
  MEFOTA_JOURNAL_UNKNOWN, /* a +FOTAIND word that nobody here knows */
} MefotaJournalEvent;
#define MEFOTA_N_JOURNAL_EVENTS (MEFOTA_JOURNAL_UNKNOWN + 1)

const char *mefota_journal_get_message_id (MefotaJournalEvent event);

/* Structured message: MESSAGE_ID, MEFOTA_MODULE, and MEFOTA_UPGRADE, MEFOTA_STATUS where not NULL. Goes through GLib's
 * structured log at level message (warning for FAILED and OVERDUE). */
void mefota_journal_event (MefotaJournalEvent event, const char *module, const char *upgrade, const char *status,
                           const char *format, ...) G_GNUC_PRINTF (5, 6);

/* Installs the log writer: to the journal when standard error is connected to it, else readable lines to standard
 * error; debug lines only if @verbose. */
void mefota_journal_init (gboolean verbose);

G_END_DECLS
