/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* What is kept of an upgrade: on disk, from one to the next, and in the history. */
#include "mefota-error.h"
#include "upgrade-play.h"

/* Every state, as a play that leads there. */
static const char *const ways_to_states[] = {
  "",
  "net=V2 UPDATING gone back=V2",
  "net FAIL_CONNECT",
  "queue=V2",
  "net=V2",
  "NEED_CONFIRM",
  "NEED_CONFIRM no",
  "net START DOWNLOADING:25% COSTTIME:0min17sec",
  "serial=V2 sent=30",
  "serial=V2 sent=30 cancel",
  "serial FAIL_VERIFY",
  "net NEED_VERIFY",
  "net UPDATING",
  "net UPDATING gone",
  "net UPDATING gone +600",
  "net UPDATING gone back=V1 SUCCESS_END",
};

static void
test_round_trip (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (ways_to_states); i++)
    {
      g_autoptr (Play) p = play_new ();
      g_autoptr (GVariant) before = NULL;
      g_autoptr (GVariant) after = NULL;

      g_free (p->u->id);
      p->u->id = g_strdup ("an id, with \"quotes\" and ü");
      play_run (p, ways_to_states[i]);
      p->u->package = g_strdup ("/var/lib/mefota/package");
      p->u->package_size = G_GUINT64_CONSTANT (5000000000);
      p->u->piece = 524288;
      before = g_variant_ref_sink (mefota_upgrade_to_variant (p->u));
      play_run (p, "restart");
      /* What the start itself does (the module is back) is no part of it. */
      g_clear_pointer (&p->u, mefota_upgrade_free);
      p->u = mefota_upgrade_from_variant (before, &play_timeouts, p->now);
      after = g_variant_ref_sink (mefota_upgrade_to_variant (p->u));
      g_assert_true (g_variant_equal (before, after));
      g_assert_cmpint (mefota_upgrade_get_deadline (p->u) != 0, ==,
                       mefota_upgrade_is_active (p->u) && p->u->state != MEFOTA_STATE_QUEUED);
    }
}

/* An upgrade that has ended stays ended, however often and whenever the daemon starts. */
static void
test_ended_stays_ended (void)
{
  static const char *const plays[] = { "net UPDATING gone back=V2", "net UPDATING gone back=V1 +60",
                                       "net UPDATING FAIL_END",     "serial cancel ended",
                                       "NEED_CONFIRM +180",         "net UPDATING gone +3600" };

  for (gsize i = 0; i < G_N_ELEMENTS (plays); i++)
    {
      g_autoptr (Play) p = play_new ();
      g_autofree char *before = NULL;

      play_run (p, plays[i]);
      before = g_strdup (play_outcome (p));
      play_run (p, "restart +10 gone back=V3 +100000 gone +100000 restart +100000");
      g_assert_cmpstr (play_outcome (p), ==, before);
      g_assert_cmpuint (p->finished, ==, 1);
      play_check_end (p);
    }
}

static gint64
left (const Play *p)
{
  return (mefota_upgrade_get_deadline (p->u) - p->now.mono) / G_USEC_PER_SEC;
}

/* What was left of a deadline is left after a start too, under a clock that can be believed. */
static void
test_deadlines_after_start (void)
{
  static const struct
  {
    const char *play;
    double away;    /* seconds the daemon was away */
    gint64 left;    /* until the first deadline, seconds */
  } cases[] = {
    { "NEED_CONFIRM", 30, 150 },
    { "NEED_CONFIRM", 180, 0 },
    { "NEED_CONFIRM", -40000, 180 },
    { "NEED_CONFIRM", 1e9, 180 },
    { "NEED_CONFIRM no", 5, 10 },
    { "net START", 400, 900 },
    { "net UPDATING gone", 100, 500 },
    { "net UPDATING gone", 599, 1 },
    { "net UPDATING gone", 700, 0 },
    { "net UPDATING gone", -40000, 600 },
    { "net UPDATING gone", 1e9, 600 },
    { "net UPDATING gone +600", 1000, 2000 },
    { "net UPDATING gone +600", 2990, 600 },
    { "net UPDATING gone +600", 1e9, 3600 },
    { "queue", 100, -1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (Play) p = play_new ();
      g_autoptr (GVariant) record = NULL;

      play_run (p, cases[i].play);
      record = g_variant_ref_sink (mefota_upgrade_to_variant (p->u));
      mefota_upgrade_free (p->u);
      p->now.mono = 77 * G_USEC_PER_SEC;
      p->now.wall += (gint64) (cases[i].away * G_USEC_PER_SEC);
      p->u = mefota_upgrade_from_variant (record, &play_timeouts, p->now);
      g_assert_cmpint (mefota_upgrade_get_deadline (p->u) != 0 ? left (p) : -1, ==, cases[i].left);
      if (p->u->state == MEFOTA_STATE_CONFIRMING && !p->u->refused)
        g_assert_cmpint (p->u->confirm_deadline - p->now.wall, ==,
                         mefota_upgrade_get_deadline (p->u) - p->now.mono);
    }
}

static MefotaUpgrade *
from_words (const char *state, const char *operation, const char *result, const char *error)
{
  g_autoptr (GVariant) record = NULL;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  if (state != NULL)
    g_variant_dict_insert (&dict, "state", "s", state);
  if (operation != NULL)
    g_variant_dict_insert (&dict, "operation", "s", operation);
  if (result != NULL)
    g_variant_dict_insert (&dict, "result", "s", result);
  if (error != NULL)
    g_variant_dict_insert (&dict, "error", "s", error);
  g_variant_dict_insert (&dict, "power-critical", "b", TRUE);
  record = g_variant_ref_sink (g_variant_dict_end (&dict));
  return mefota_upgrade_from_variant (record, &play_timeouts, (MefotaTime){ .mono = 1000, .wall = WALL_2024 });
}

static void
test_strange_records (void)
{
  static const char *const error = ERROR_PREFIX "Timeout";

  g_assert_null (from_words (NULL, "network", "none", error));
  g_assert_null (from_words ("updating", NULL, "none", error));
  g_assert_null (from_words ("updating", "network", NULL, error));
  g_assert_null (from_words ("updating", "network", "none", NULL));
  g_assert_null (from_words ("flying", "network", "none", error));
  g_assert_null (from_words ("updating", "by-hand", "none", error));
  g_assert_null (from_words ("updating", "network", "perhaps", error));
  g_assert_null (from_words ("updating", "network", "none", "org.example.Error"));

  for (MefotaState state = 0; state < MEFOTA_N_STATES; state++)
    {
      g_autoptr (MefotaUpgrade) u = from_words (mefota_state_to_word (state), "network", "none", error);

      /* With half of it missing, an upgrade under way still ends some time, and one that is not under way is over. */
      g_assert_nonnull (u);
      if (!mefota_upgrade_is_active (u))
        {
          g_assert_cmpint (u->state, ==, MEFOTA_STATE_IDLE);
          g_assert_false (u->power_critical);
        }
      if (state > MEFOTA_STATE_QUEUED)
        g_assert_cmpint (mefota_upgrade_get_deadline (u), !=, 0);
    }
}

/* What is kept when one has ended, and forgotten when the next begins. */
static void
test_fields (void)
{
  g_autoptr (Play) p = play_new ();
  const MefotaUpgrade *u = p->u;

  play_run (p, "net=V2 START COSTTIME:1min05sec UPDATING");
  g_assert_cmpint (u->started_at, ==, WALL_2024);
  play_run (p, "+10 gone");
  g_assert_cmpint (u->phase_since, ==, WALL_2024 + 10 * G_USEC_PER_SEC);
  g_assert_cmpint (u->install_since, ==, WALL_2024);
  play_run (p, "+10 back=V2");
  g_assert_cmpuint (u->download_seconds, ==, 65);
  g_assert_cmpuint (u->reboots, ==, 1);
  g_assert_cmpstr (u->from_version, ==, "V1");
  g_assert_cmpstr (u->to_version, ==, "V2");
  g_assert_cmpstr (u->status, ==, "UPDATING");
  g_assert_cmpint (u->ended_at, ==, WALL_2024 + 20 * G_USEC_PER_SEC);
  g_assert_cmpint (u->operation, ==, MEFOTA_OPERATION_NETWORK);

  play_run (p, "NEED_CONFIRM");
  g_assert_cmpint (u->result, ==, MEFOTA_RESULT_NONE);
  g_assert_cmpuint (u->download_seconds, ==, 0);
  g_assert_cmpuint (u->reboots, ==, 0);
  g_assert_cmpstr (u->from_version, ==, "V2");
  g_assert_cmpstr (u->to_version, ==, "");
  g_assert_cmpstr (u->target, ==, "");
  g_assert_cmpstr (u->status, ==, "NEED_CONFIRM");
  g_assert_cmpint (u->install_since, ==, 0);
  g_assert_cmpint (u->confirm_deadline, ==, p->now.wall + 180 * G_USEC_PER_SEC);
  play_run (p, "+30 NEED_CONFIRM");
  g_assert_cmpint (u->confirm_deadline, ==, p->now.wall + 150 * G_USEC_PER_SEC);
  play_run (p, "no");
  g_assert_cmpint (u->confirm_deadline, ==, 0);
}

static void
test_history (void)
{
  static const char *const ended[] = { "net=V2 UPDATING +90.5 gone back=V2", "net=V2 START +2 FAIL_CONNECT" };
  static const double seconds[] = { 90.5, 2 };

  for (gsize i = 0; i < G_N_ELEMENTS (ended); i++)
    {
      g_autoptr (Play) p = play_new ();
      g_autoptr (GVariant) entry = NULL;
      GVariantDict dict;
      const char *text;
      double took;
      guint64 started;

      play_run (p, ended[i]);
      entry = g_variant_ref_sink (mefota_upgrade_to_history (p->u, "usb_1_1"));
      g_variant_dict_init (&dict, entry);
      g_assert_true (g_variant_dict_lookup (&dict, "module", "&s", &text));
      g_assert_cmpstr (text, ==, "usb_1_1");
      g_assert_true (g_variant_dict_lookup (&dict, "result", "&s", &text));
      g_assert_cmpstr (text, ==, i == 0 ? "success" : "failure");
      g_assert_true (g_variant_dict_lookup (&dict, "error-name", "&s", &text));
      g_assert_cmpstr (text, ==, i == 0 ? "" : ERROR_PREFIX "ConnectFailed");
      g_assert_true (g_variant_dict_lookup (&dict, "error-message", "&s", &text));
      g_assert_cmpint (text[0] == '\0', ==, i == 0);
      g_assert_true (g_variant_dict_lookup (&dict, "target-version", "&s", &text));
      g_assert_cmpstr (text, ==, "V2");
      g_assert_true (g_variant_dict_lookup (&dict, "seconds", "d", &took));
      g_assert_cmpfloat_with_epsilon (took, seconds[i], 1e-6);
      g_assert_true (g_variant_dict_lookup (&dict, "started", "t", &started));
      g_assert_cmpuint (started, ==, WALL_2024);
      g_variant_dict_clear (&dict);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/upgrade-record/round-trip", test_round_trip);
  g_test_add_func ("/upgrade-record/ended-stays-ended", test_ended_stays_ended);
  g_test_add_func ("/upgrade-record/deadlines-after-start", test_deadlines_after_start);
  g_test_add_func ("/upgrade-record/strange-records", test_strange_records);
  g_test_add_func ("/upgrade-record/fields", test_fields);
  g_test_add_func ("/upgrade-record/history", test_history);
  return g_test_run ();
}
