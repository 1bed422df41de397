/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-config.h"

G_BEGIN_DECLS

typedef enum
{
  MEFOTA_ANSWER_ASK,   /* leave it to Confirm */
  MEFOTA_ANSWER_ALLOW,
  MEFOTA_ANSWER_DENY,
  MEFOTA_ANSWER_DELAY, /* would be allowed, but not now: ask again when holds, slots or the time of day changed */
} MefotaAnswer;

/* Pure: what policy answers a module that asks. @minute: minutes since local midnight. @rule gets the rule that
 * decided, for the journal and the caller ("[policy] confirm-window=02:00-05:00"). */
MefotaAnswer mefota_policy_answer (const MefotaPolicy *policy, int minute, gboolean held, gboolean slot_free,
                                   char **rule);
/* Whether @minute is inside the window; FALSE without one. */
gboolean mefota_policy_in_window (const MefotaPolicy *policy, int minute);
/* Seconds from a local time to the next beginning of the window by the local clock (its changes included); -1 without
 * one. */
gint64 mefota_policy_seconds_to_window (const MefotaPolicy *policy, GDateTime *local_now);

G_END_DECLS
