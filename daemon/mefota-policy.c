/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-policy.h"

#define MINUTES_A_DAY (24 * 60)

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

gint64
mefota_policy_seconds_to_window (const MefotaPolicy *policy, GDateTime *local_now)
{
  if (!has_window (policy))
    return -1;
  /* Today's beginning or tomorrow's; an hour that the clock skips begins where the clock goes on. */
  for (int day = 0; day < 2; day++)
    {
      g_autoptr (GDateTime) date = g_date_time_add_days (local_now, day);
      g_autoptr (GTimeZone) zone = g_time_zone_ref (g_date_time_get_timezone (local_now));
      g_autoptr (GDateTime) begins
          = g_date_time_new (zone, g_date_time_get_year (date), g_date_time_get_month (date),
                             g_date_time_get_day_of_month (date), policy->window_from / 60, policy->window_from % 60, 0);
      if (begins != NULL && g_date_time_compare (begins, local_now) > 0)
        return g_date_time_difference (begins, local_now) / G_TIME_SPAN_SECOND + 1;
    }
  return MINUTES_A_DAY * 60;
}
