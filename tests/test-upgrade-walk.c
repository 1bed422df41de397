/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The upgrade machine walked: everything that can happen, in every order, up to some depth from idle. Upgrades that
 * will behave alike are visited once. */
#include "upgrade-invariants.h"

#define DEPTH 8
#define MAX_EVENTS 64
#define WALL (G_GINT64_CONSTANT (1704067200) * G_USEC_PER_SEC)
#define IMEI "861000000000001"
#define OTHER_IMEI "861000000000002"

/* ---- what can happen ---- */

static MefotaEvent events[MAX_EVENTS];
static guint n_events;
static GPtrArray *indications;

static const char *const failures[] = { "FAIL_END",          "FAIL_CONFIRM", "FAIL_NO_NEW", "FAIL_CONNECT",
                                        "FAIL_WAIT_TIMEOUT", "FAIL_VERIFY",  "ERROR:17",    "DATA_TIMEOUT",
                                        "TOOLARGE",          "PARA_ERROR",   "BUSY" };

static const MefotaIndication *
parse (const char *text)
{
  MefotaIndication *ind = mefota_indication_parse_word (text, strlen (text));
  g_ptr_array_add (indications, ind);
  return ind;
}

static void
add (MefotaEvent event)
{
  g_assert_cmpuint (n_events, <, MAX_EVENTS);
  events[n_events++] = event;
}

static void
add_begin (MefotaState state, MefotaOperation operation, const char *target)
{
  add ((MefotaEvent){ .type = MEFOTA_EVENT_BEGIN,
                      .state = state,
                      .operation = operation,
                      .imei = IMEI,
                      .version = "V1",
                      .target = target,
                      .requested_by = "root (test)" });
}

static void
add_indication (const char *text, gboolean known)
{
  add ((MefotaEvent){ .type = MEFOTA_EVENT_INDICATION,
                      .indication = parse (text),
                      .imei = known ? IMEI : "",
                      .version = known ? "V1" : "" });
}

static void
add_identity (const char *imei, const char *version, const char *stored)
{
  add ((MefotaEvent){ .type = MEFOTA_EVENT_IDENTITY, .imei = imei, .version = version, .stored = stored });
}

static void
add_texts (void)
{
  static const char *const said[] = { "OTHER",           "START",       "NEED_CONFIRM", "SUCCESS_CONFIRM",
                                      "DOWNLOADING:25%", "COSTTIME:1s", "NEED_VERIFY",  "PASS_VERIFY",
                                      "UPDATING",        "SUCCESS_END", "FAIL_END" };
  static const char *const versions[] = { "V1", "V2", "", NULL };

  for (gsize i = 0; i < G_N_ELEMENTS (said); i++)
    add_indication (said[i], TRUE);
  add_indication ("UPDATING", FALSE);
  for (gsize i = 0; i < G_N_ELEMENTS (versions); i++)
    add ((MefotaEvent){ .type = MEFOTA_EVENT_LOOKED, .version = versions[i] });
  add ((MefotaEvent){ .type = MEFOTA_EVENT_WORD });
  add ((MefotaEvent){ .type = MEFOTA_EVENT_WORD, .indication = parse ("SUCCESS_END") });
  add ((MefotaEvent){ .type = MEFOTA_EVENT_WORD, .indication = parse ("FAIL_VERIFY") });
}

static void
make_alphabet (void)
{
  indications = g_ptr_array_new_with_free_func ((GDestroyNotify) mefota_indication_free);
  add_begin (MEFOTA_STATE_STARTING, MEFOTA_OPERATION_NETWORK, "");
  add_begin (MEFOTA_STATE_STARTING, MEFOTA_OPERATION_NETWORK, "V3");
  add_begin (MEFOTA_STATE_QUEUED, MEFOTA_OPERATION_NETWORK, "V2");
  add_begin (MEFOTA_STATE_TRANSFERRING, MEFOTA_OPERATION_SERIAL, "V2");
  add_texts ();
  add_identity (IMEI, "V1", "V1");
  add_identity (IMEI, "V2", NULL);
  add_identity (IMEI, "", NULL);
  add_identity (OTHER_IMEI, "V2", NULL);
  add ((MefotaEvent){ .type = MEFOTA_EVENT_GONE });
  add ((MefotaEvent){ .type = MEFOTA_EVENT_ANSWERS });
  add ((MefotaEvent){ .type = MEFOTA_EVENT_TIMER });
  add ((MefotaEvent){ .type = MEFOTA_EVENT_ANSWERED, .allow = TRUE });
  add ((MefotaEvent){ .type = MEFOTA_EVENT_ANSWERED, .allow = FALSE });
  add ((MefotaEvent){ .type = MEFOTA_EVENT_TRANSFERRED, .percent = 50 });
  add ((MefotaEvent){ .type = MEFOTA_EVENT_INSTALLING });
  add (
      (MefotaEvent){ .type = MEFOTA_EVENT_TRANSFER_ENDED, .error = MEFOTA_ERROR_TRANSFER_FAILED, .text = "It broke." });
  add ((MefotaEvent){ .type = MEFOTA_EVENT_CANCEL });
}

/* ---- nodes ---- */

typedef struct
{
  MefotaUpgrade *u;
  MefotaTime now;
} Node;

static void
node_free (gpointer data)
{
  Node *node = data;
  mefota_upgrade_free (node->u);
  g_free (node);
}

static gint64
from_now (gint64 deadline, MefotaTime now)
{
  return deadline != 0 ? deadline - now.mono : -1;
}

/* All that decides how it will behave; texts that are only shown, and times that have passed, do not. */
static GBytes *
make_key (const MefotaUpgrade *u, MefotaTime now)
{
  const gint64 left[] = { from_now (u->silence_at, now), from_now (u->confirm_at, now), from_now (u->refuse_at, now),
                          from_now (u->overdue_at, now), from_now (u->give_up_at, now), from_now (u->settle_at, now) };
  const gboolean flags[] = { u->overdue,   u->power_critical, u->success_claimed, u->refused,
                             u->answered,  u->went_away,      u->returning,       u->ending,
                             u->install_since != 0, u->progress != 0 };
  GString *key;

  if (!mefota_upgrade_is_active (u))
    return g_bytes_new_static ("idle", 4);
  key = g_string_sized_new (160);
  for (gsize i = 0; i < G_N_ELEMENTS (flags); i++)
    g_string_append_c (key, flags[i] ? '1' : '0');
  g_string_append_c (key, (char) ('a' + u->state));
  g_string_append_c (key, (char) ('a' + u->operation));
  g_string_append_c (key, (char) ('a' + u->looking));
  g_string_append_c (key, (char) ('a' + (u->ending ? u->error : 0)));
  for (gsize i = 0; i < G_N_ELEMENTS (left); i++)
    g_string_append_len (key, (const char *) &left[i], sizeof left[i]);
  g_string_append_printf (key, "%s|%s|%s|%s", u->imei, u->from_version, u->target, u->to_version);
  return g_string_free_to_bytes (key);
}

/* ---- the walk ---- */

typedef struct
{
  GHashTable *visited;
  GPtrArray *nodes;
  guint pairs[MEFOTA_N_STATES][MEFOTA_N_EVENTS];
  guint said[MEFOTA_N_STATES][MEFOTA_N_IND_KINDS];
  guint ends[MEFOTA_N_ERRORS];
  guint successes;
  guint steps;
} Walk;

static void
visit (Walk *walk, MefotaUpgrade *u, MefotaTime now)
{
  g_autoptr (MefotaUpgrade) owned = u;
  GBytes *key = make_key (u, now);
  Node *node;

  if (!g_hash_table_add (walk->visited, key))
    return;
  if (mefota_upgrade_is_active (u))
    {
      check_ends (u, NULL, now);
      check_ends (u, "V1", now);
      check_ends (u, "V2", now);
    }
  check_restart (u, now);
  node = g_new0 (Node, 1);
  node->u = g_steal_pointer (&owned);
  node->now = now;
  g_ptr_array_add (walk->nodes, node);
}

static void
take_step (Walk *walk, const Node *node, const MefotaEvent *event)
{
  const MefotaUpgrade *before = node->u;
  g_autoptr (MefotaUpgrade) after = copy_upgrade (before);
  MefotaTime now = node->now;
  guint actions;

  if (event->type == MEFOTA_EVENT_TIMER && mefota_upgrade_get_deadline (before) != 0)
    {
      gint64 passes = MAX (mefota_upgrade_get_deadline (before) - now.mono, 0);
      now.mono += passes;
      now.wall += passes;
    }
  actions = mefota_upgrade_step (after, &test_timeouts, event, now);
  walk->steps++;
  walk->pairs[before->state][event->type]++;
  if (event->type == MEFOTA_EVENT_INDICATION)
    walk->said[before->state][event->indication->kind]++;
  check_step (before, after, event, actions, now);
  if ((actions & MEFOTA_ACT_FINISHED) && after->result == MEFOTA_RESULT_SUCCESS)
    walk->successes++;
  else if (actions & MEFOTA_ACT_FINISHED)
    walk->ends[after->error]++;
  visit (walk, g_steal_pointer (&after), now);
}

/* Every pair of state and event happened. */
static void
check_pairs (const Walk *walk)
{
  for (guint state = MEFOTA_STATE_IDLE; state < MEFOTA_N_STATES; state++)
    {
      for (guint event = 0; event < MEFOTA_N_EVENTS; event++)
        g_assert_cmpuint (walk->pairs[state][event], >, 0);
      for (guint kind = 0; kind < MEFOTA_N_IND_KINDS; kind++)
        g_assert_cmpuint (walk->said[state][kind], >, 0);
    }
  g_assert_cmpuint (walk->pairs[MEFOTA_STATE_ABSENT][MEFOTA_EVENT_TIMER], ==, 0);
  g_assert_cmpuint (walk->pairs[MEFOTA_STATE_PROBING][MEFOTA_EVENT_TIMER], ==, 0);
}

/* Every end that is the machine's own; those that a word names are in check_failures(). */
static void
check_all_ends (const Walk *walk)
{
  static const MefotaError own[] = { MEFOTA_ERROR_BUSY,
                                     MEFOTA_ERROR_CANCELLED,
                                     MEFOTA_ERROR_TIMEOUT,
                                     MEFOTA_ERROR_REJECTED,
                                     MEFOTA_ERROR_CONFIRM_TIMEOUT,
                                     MEFOTA_ERROR_UPGRADE_FAILED,
                                     MEFOTA_ERROR_NOT_VERIFIED,
                                     MEFOTA_ERROR_VERSION_MISMATCH,
                                     MEFOTA_ERROR_VERIFY_FAILED,
                                     MEFOTA_ERROR_MODULE_REPLACED,
                                     MEFOTA_ERROR_TRANSFER_FAILED };
  guint different = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (own); i++)
    g_assert_cmpuint (walk->ends[own[i]], >, 0);
  for (guint i = 0; i < MEFOTA_N_ERRORS; i++)
    different += walk->ends[i] > 0 ? 1 : 0;
  g_assert_cmpuint (different, ==, G_N_ELEMENTS (own));
  g_assert_cmpuint (walk->successes, >, 0);
}

/* Each failing word in one upgrade of each state. */
static void
check_failures (Walk *walk)
{
  gboolean done[MEFOTA_N_STATES] = { FALSE };
  guint n = walk->nodes->len;

  for (guint i = 0; i < n; i++)
    {
      const Node *node = g_ptr_array_index (walk->nodes, i);
      if (done[node->u->state])
        continue;
      done[node->u->state] = TRUE;
      for (gsize k = 0; k < G_N_ELEMENTS (failures); k++)
        {
          MefotaEvent event = {
            .type = MEFOTA_EVENT_INDICATION, .indication = parse (failures[k]), .imei = "", .version = ""
          };
          take_step (walk, node, &event);
        }
    }
  for (guint state = MEFOTA_STATE_IDLE; state < MEFOTA_N_STATES; state++)
    g_assert_true (done[state]);
}

static void
test_walk (void)
{
  Walk walk = { .visited = g_hash_table_new_full (g_bytes_hash, g_bytes_equal, (GDestroyNotify) g_bytes_unref, NULL),
                .nodes = g_ptr_array_new_with_free_func (node_free) };
  guint first = 0;

  visit (&walk, mefota_upgrade_new (), (MefotaTime){ .mono = G_GINT64_CONSTANT (5000000000), .wall = WALL });
  for (guint depth = 0; depth < DEPTH; depth++)
    {
      guint last = walk.nodes->len;

      for (guint i = first; i < last; i++)
        for (guint k = 0; k < n_events; k++)
          take_step (&walk, g_ptr_array_index (walk.nodes, i), &events[k]);
      g_test_message ("depth %u: %u upgrades, %u steps", depth + 1, walk.nodes->len, walk.steps);
      first = last;
    }
  check_pairs (&walk);
  check_all_ends (&walk);
  check_failures (&walk);
  g_ptr_array_unref (walk.nodes);
  g_hash_table_unref (walk.visited);
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  make_alphabet ();
  g_test_add_func ("/upgrade/walk", test_walk);
  status = g_test_run ();
  g_ptr_array_unref (indications);
  return status;
}
