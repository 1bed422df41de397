/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-policy.h"

#define AT(hour, minute) ((hour) * 60 + (minute))

static MefotaPolicy
make_policy (MefotaConfirm confirm, int from, int to)
{
  return (MefotaPolicy){ .confirm = confirm, .window_from = from, .window_to = to, .max_parallel = 1 };
}

static void
test_window (void)
{
  static const struct
  {
    int from, to, minute;
    gboolean inside;
  } table[] = {
    { AT (2, 0), AT (5, 0), AT (1, 59), FALSE },   { AT (2, 0), AT (5, 0), AT (2, 0), TRUE },
    { AT (2, 0), AT (5, 0), AT (4, 59), TRUE },    { AT (2, 0), AT (5, 0), AT (5, 0), FALSE },
    { AT (2, 0), AT (5, 0), AT (0, 0), FALSE },    { AT (2, 0), AT (5, 0), AT (23, 59), FALSE },
    { AT (22, 30), AT (4, 15), AT (22, 29), FALSE }, { AT (22, 30), AT (4, 15), AT (22, 30), TRUE },
    { AT (22, 30), AT (4, 15), AT (23, 59), TRUE }, { AT (22, 30), AT (4, 15), AT (0, 0), TRUE },
    { AT (22, 30), AT (4, 15), AT (4, 14), TRUE }, { AT (22, 30), AT (4, 15), AT (4, 15), FALSE },
    { AT (22, 30), AT (4, 15), AT (12, 0), FALSE }, { AT (0, 0), AT (23, 59), AT (0, 0), TRUE },
    { AT (0, 0), AT (23, 59), AT (23, 58), TRUE }, { AT (0, 0), AT (23, 59), AT (23, 59), FALSE },
    { AT (23, 0), AT (0, 0), AT (23, 30), TRUE },  { AT (23, 0), AT (0, 0), AT (0, 0), FALSE },
    { -1, -1, AT (3, 0), FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      MefotaPolicy policy = make_policy (MEFOTA_CONFIRM_ASK, table[i].from, table[i].to);
      g_assert_cmpint (mefota_policy_in_window (&policy, table[i].minute), ==, table[i].inside);
    }
}

static void
test_answer (void)
{
  static const char *const window = "[policy] confirm-window=22:30-04:05";
  static const int inside = AT (23, 0), outside = AT (12, 0);
  static const struct
  {
    MefotaConfirm confirm;
    gboolean has_window;
    int minute;
    gboolean held, slot_free;
    MefotaAnswer answer;
    const char *rule;
  } table[] = {
    { MEFOTA_CONFIRM_ASK, FALSE, inside, FALSE, TRUE, MEFOTA_ANSWER_ASK, "[policy] confirm=ask" },
    { MEFOTA_CONFIRM_ASK, FALSE, inside, TRUE, FALSE, MEFOTA_ANSWER_ASK, "[policy] confirm=ask" },
    { MEFOTA_CONFIRM_ALLOW, FALSE, inside, FALSE, TRUE, MEFOTA_ANSWER_ALLOW, "[policy] confirm=allow" },
    { MEFOTA_CONFIRM_ALLOW, FALSE, inside, TRUE, TRUE, MEFOTA_ANSWER_DELAY, "a hold on upgrades" },
    { MEFOTA_CONFIRM_ALLOW, FALSE, inside, TRUE, FALSE, MEFOTA_ANSWER_DELAY, "a hold on upgrades" },
    { MEFOTA_CONFIRM_ALLOW, FALSE, inside, FALSE, FALSE, MEFOTA_ANSWER_DELAY, "[policy] max-parallel" },
    { MEFOTA_CONFIRM_DENY, FALSE, inside, FALSE, TRUE, MEFOTA_ANSWER_DENY, "[policy] confirm=deny" },
    { MEFOTA_CONFIRM_DENY, FALSE, inside, TRUE, FALSE, MEFOTA_ANSWER_DENY, "[policy] confirm=deny" },
    { MEFOTA_CONFIRM_DENY, TRUE, inside, FALSE, TRUE, MEFOTA_ANSWER_DENY, "[policy] confirm=deny" },
    { MEFOTA_CONFIRM_DENY, TRUE, outside, FALSE, TRUE, MEFOTA_ANSWER_DENY, "[policy] confirm=deny" },
    { MEFOTA_CONFIRM_ASK, TRUE, inside, FALSE, TRUE, MEFOTA_ANSWER_ALLOW, window },
    { MEFOTA_CONFIRM_ASK, TRUE, inside, TRUE, TRUE, MEFOTA_ANSWER_DELAY, "a hold on upgrades" },
    { MEFOTA_CONFIRM_ASK, TRUE, inside, FALSE, FALSE, MEFOTA_ANSWER_DELAY, "[policy] max-parallel" },
    { MEFOTA_CONFIRM_ASK, TRUE, outside, FALSE, TRUE, MEFOTA_ANSWER_ASK, window },
    { MEFOTA_CONFIRM_ALLOW, TRUE, outside, FALSE, TRUE, MEFOTA_ANSWER_ASK, window },
    { MEFOTA_CONFIRM_ALLOW, TRUE, inside, FALSE, TRUE, MEFOTA_ANSWER_ALLOW, window },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      MefotaPolicy policy = make_policy (table[i].confirm, table[i].has_window ? AT (22, 30) : -1,
                                         table[i].has_window ? AT (4, 5) : -1);
      g_autofree char *rule = NULL;

      g_assert_cmpint (mefota_policy_answer (&policy, table[i].minute, table[i].held, table[i].slot_free, &rule), ==,
                       table[i].answer);
      g_assert_cmpstr (rule, ==, table[i].rule);
    }
}

/* Berlin's clock goes from 02:00 to 03:00 on 30 March 2025, and from 03:00 back to 02:00 on 26 October 2025. Times of
 * the tables are UTC, so that an hour that comes twice can be told. */
static void
test_seconds_to_window (void)
{
  static const struct
  {
    const char *utc;
    int from, to;
    gint64 seconds;
  } table[] = {
    /* winter, UTC+1 */
    { "2025-01-15T00:00:00Z", AT (2, 0), AT (5, 0), 3600 },
    { "2025-01-15T00:59:59Z", AT (2, 0), AT (5, 0), 1 },
    { "2025-01-15T00:59:59.5Z", AT (2, 0), AT (5, 0), 1 },
    { "2025-01-15T01:00:00Z", AT (2, 0), AT (5, 0), 24 * 3600 },
    { "2025-01-15T02:30:00Z", AT (2, 0), AT (5, 0), 22 * 3600 + 1800 },
    { "2025-01-15T22:58:30Z", AT (0, 0), AT (5, 0), 90 },
    { "2025-01-15T20:00:00Z", AT (22, 30), AT (4, 0), 5400 },
    { "2025-01-15T00:00:00Z", AT (22, 30), AT (4, 0), 21 * 3600 + 1800 },
    /* 02:30 is skipped: the window begins where the clock goes on */
    { "2025-03-30T00:58:00Z", AT (2, 30), AT (5, 0), 120 },
    { "2025-03-30T00:58:00Z", AT (3, 0), AT (5, 0), 120 },
    { "2025-03-30T00:58:00Z", AT (3, 30), AT (5, 0), 120 + 1800 },
    /* ... and one that lies in the skipped hour is left out that day */
    { "2025-03-30T00:58:00Z", AT (2, 10), AT (2, 50), 23 * 3600 + 12 * 60 },
    /* 02:30 comes twice: both begin a window where it has ended between them, else the first does */
    { "2025-10-26T00:00:00Z", AT (2, 30), AT (5, 0), 1800 },
    { "2025-10-26T00:28:00Z", AT (2, 30), AT (5, 0), 120 },
    { "2025-10-26T00:58:00Z", AT (2, 30), AT (5, 0), 32 * 60 },
    { "2025-10-26T00:58:00Z", AT (2, 0), AT (2, 30), 120 },
    { "2025-10-26T00:58:00Z", AT (3, 0), AT (5, 0), 120 + 3600 },
    /* a day of 25 hours */
    { "2025-10-25T21:00:00Z", AT (4, 0), AT (5, 0), 6 * 3600 },
  };
  g_autoptr (GTimeZone) berlin = g_time_zone_new_identifier ("CET-1CEST,M3.5.0,M10.5.0/3");

  g_assert_nonnull (berlin);
  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      MefotaPolicy policy = make_policy (MEFOTA_CONFIRM_ASK, table[i].from, table[i].to);
      g_autoptr (GDateTime) utc = g_date_time_new_from_iso8601 (table[i].utc, NULL);
      g_autoptr (GDateTime) local = g_date_time_to_timezone (utc, berlin);
      g_autoptr (GDateTime) begins = NULL;
      gint64 seconds = mefota_policy_seconds_to_window (&policy, local);

      g_test_message ("%s, %02d:%02d: %" G_GINT64_FORMAT, table[i].utc, table[i].from / 60, table[i].from % 60,
                      seconds);
      g_assert_cmpint (seconds, ==, table[i].seconds);
      /* It is inside then. */
      begins = g_date_time_add_seconds (local, (double) seconds);
      g_assert_true (
          mefota_policy_in_window (&policy, AT (g_date_time_get_hour (begins), g_date_time_get_minute (begins))));
    }
}

/* The same by the name of the zone, as on a gateway. */
static void
test_local_zone (void)
{
  MefotaPolicy policy = make_policy (MEFOTA_CONFIRM_ASK, AT (2, 30), AT (5, 0));
  g_autoptr (GTimeZone) berlin = g_time_zone_new_identifier ("Europe/Berlin");
  g_autoptr (GDateTime) spring = NULL;
  g_autoptr (GDateTime) autumn = NULL;

  if (berlin == NULL)
    {
      g_test_skip ("no tzdata");
      return;
    }
  spring = g_date_time_new (berlin, 2025, 3, 30, 1, 59, 0);
  g_assert_cmpint (mefota_policy_seconds_to_window (&policy, spring), ==, 60);
  autumn = g_date_time_new (berlin, 2025, 10, 26, 1, 59, 0);
  g_assert_cmpint (mefota_policy_seconds_to_window (&policy, autumn), ==, 31 * 60);
}

static void
test_no_window (void)
{
  MefotaPolicy none = make_policy (MEFOTA_CONFIRM_ALLOW, -1, -1);
  MefotaPolicy empty = make_policy (MEFOTA_CONFIRM_ASK, AT (3, 0), AT (3, 0));
  g_autoptr (GDateTime) now = g_date_time_new_utc (2025, 1, 15, 1, 0, 0);

  g_assert_cmpint (mefota_policy_seconds_to_window (&none, now), ==, -1);
  g_assert_cmpint (mefota_policy_seconds_to_window (&empty, now), ==, -1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/policy/window", test_window);
  g_test_add_func ("/policy/answer", test_answer);
  g_test_add_func ("/policy/seconds-to-window", test_seconds_to_window);
  g_test_add_func ("/policy/local-zone", test_local_zone);
  g_test_add_func ("/policy/no-window", test_no_window);
  return g_test_run ();
}
