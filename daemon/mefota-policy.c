/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-policy.h"

/* A window that a change of the clock skips comes the next day. */
#define MINUTES_TO_LOOK (50 * 60)

static const char *const confirm_words[] = {
  [MEFOTA_CONFIRM_ASK] = "ask",
  [MEFOTA_CONFIRM_ALLOW] = "allow",
  [MEFOTA_CONFIRM_DENY] = "deny",
};

static gboolean
has_window (const MefotaPolicy *policy)
{
  return policy->window_from >= 0 && policy->window_to >= 0;
}

gboolean
mefota_policy_in_window (const MefotaPolicy *policy, int minute)
{
  if (!has_window (policy))
    return FALSE;
  if (policy->window_from <= policy->window_to)
    return minute >= policy->window_from && minute < policy->window_to;
  return minute >= policy->window_from || minute < policy->window_to;
}

MefotaAnswer
mefota_policy_answer (const MefotaPolicy *policy, int minute, gboolean held, gboolean slot_free, char **rule)
{
  gboolean allowed;

  if (policy->confirm == MEFOTA_CONFIRM_DENY || !has_window (policy))
    {
      *rule = g_strdup_printf ("[policy] confirm=%s", confirm_words[policy->confirm]);
      if (policy->confirm == MEFOTA_CONFIRM_DENY)
        return MEFOTA_ANSWER_DENY;
      allowed = policy->confirm == MEFOTA_CONFIRM_ALLOW;
    }
  else
    {
      *rule = g_strdup_printf ("[policy] confirm-window=%02d:%02d-%02d:%02d", policy->window_from / 60,
                               policy->window_from % 60, policy->window_to / 60, policy->window_to % 60);
      allowed = mefota_policy_in_window (policy, minute);
    }
  if (!allowed)
    return MEFOTA_ANSWER_ASK;
  if (held || !slot_free)
    {
      g_free (*rule);
      *rule = g_strdup (held ? "a hold on upgrades" : "[policy] max-parallel");
      return MEFOTA_ANSWER_DELAY;
    }
  return MEFOTA_ANSWER_ALLOW;
}

static gboolean
is_in_window (const MefotaPolicy *policy, GDateTime *local)
{
  return mefota_policy_in_window (policy, g_date_time_get_hour (local) * 60 + g_date_time_get_minute (local));
}

gint64
mefota_policy_seconds_to_window (const MefotaPolicy *policy, GDateTime *local_now)
{
  gboolean was_inside = is_in_window (policy, local_now);
  g_autoptr (GDateTime) minute = NULL;

  if (!has_window (policy))
    return -1;
  /* Minute after minute, as the clock on the wall shows them: where it skips an hour, or shows one twice, no
   * calculation knows better. */
  minute = g_date_time_add_seconds (local_now, -g_date_time_get_seconds (local_now));
  for (guint i = 0; i < MINUTES_TO_LOOK; i++)
    {
      g_autoptr (GDateTime) next = g_date_time_add_minutes (minute, 1);
      gboolean inside = is_in_window (policy, next);

      if (inside && !was_inside)
        return (g_date_time_difference (next, local_now) + G_TIME_SPAN_SECOND - 1) / G_TIME_SPAN_SECOND;
      was_inside = inside;
      g_date_time_unref (minute);
      minute = g_steal_pointer (&next);
    }
  return -1; /* it begins and ends at the same minute */
}
