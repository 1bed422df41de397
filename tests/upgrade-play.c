/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "upgrade-play.h"

#include <string.h>

#include "mefota-error.h"
#include "mefota-record.h"

const MefotaTimeouts play_timeouts = {
  .command = 10000,
  .confirm = 180000,
  .download = 900000,
  .install = 600000,
  .give_up = 3600000,
  .settle = 60000,
  .probe = 2000,
};

/* ---- the machine's surroundings ---- */

static void step (Play *p, const MefotaEvent *event);

static void
step_type (Play *p, MefotaEventType type)
{
  MefotaEvent event = { .type = type };
  step (p, &event);
}

static void
identify (Play *p, const char *imei)
{
  MefotaEvent event
      = { .type = MEFOTA_EVENT_IDENTITY, .imei = imei, .version = p->version, .stored = p->stored };

  p->known = TRUE;
  step (p, &event);
  if (*p->version != '\0')
    p->stored = (g_free (p->stored), g_strdup (p->version));
}

static void
answer_look (Play *p)
{
  MefotaEvent event = { .type = MEFOTA_EVENT_LOOKED, .version = p->present && !p->mute ? p->version : NULL };
  step (p, &event);
}

static void
answer_word (Play *p)
{
  g_autoptr (MefotaIndication) word = NULL;
  MefotaEvent event = { .type = MEFOTA_EVENT_WORD };

  if (p->word != NULL && p->present && !p->mute)
    word = mefota_indication_parse_word (p->word, strlen (p->word));
  event.indication = word;
  step (p, &event);
}

static void
step (Play *p, const MefotaEvent *event)
{
  gboolean was_active = mefota_upgrade_is_active (p->u);
  guint actions = mefota_upgrade_step (p->u, &play_timeouts, event, p->now);

  p->actions |= actions;
  if (actions & MEFOTA_ACT_BEGUN)
    p->begun++;
  if (actions & MEFOTA_ACT_FINISHED)
    {
      p->finished++;
      g_assert_true (was_active);
      g_assert_cmpint (p->u->result, !=, MEFOTA_RESULT_NONE);
    }
  if ((actions & MEFOTA_ACT_READ_IDENTITY) && p->present && !p->mute)
    identify (p, IMEI);
  if (actions & MEFOTA_ACT_LOOK)
    answer_look (p);
  if (actions & MEFOTA_ACT_ASK_WORD)
    answer_word (p);
}

/* Seconds pass; each deadline is kept to the microsecond. */
static void
pass (Play *p, double seconds)
{
  gint64 end = p->now.mono + (gint64) (seconds * G_USEC_PER_SEC);
  gint64 deadline;

  for (guint i = 0; (deadline = mefota_upgrade_get_deadline (p->u)) != 0 && deadline <= end; i++)
    {
      gint64 later = MAX (deadline - p->now.mono, 0);
      g_assert_cmpuint (i, <, 10000);
      p->now.mono += later;
      p->now.wall += later;
      step_type (p, MEFOTA_EVENT_TIMER);
    }
  p->now.wall += end - p->now.mono;
  p->now.mono = end;
}

static void
indicate (Play *p, const char *text)
{
  g_autoptr (MefotaIndication) ind = mefota_indication_parse_word (text, strlen (text));
  MefotaEvent event = { .type = MEFOTA_EVENT_INDICATION,
                        .indication = ind,
                        .imei = p->known ? IMEI : "",
                        .version = p->known ? p->version : "" };
  step (p, &event);
}

/* The daemon is killed and started again. */
static void
restart (Play *p, gint64 wall)
{
  g_autoptr (GVariant) before = g_variant_ref_sink (mefota_upgrade_to_variant (p->u));
  g_autoptr (GError) error = NULL;
  g_autofree char *text = mefota_record_to_text (before, &error);
  g_autoptr (GVariant) after = NULL;

  g_assert_no_error (error);
  after = mefota_record_from_text (text, strlen (text), &error);
  g_assert_no_error (error);
  g_clear_pointer (&p->u, mefota_upgrade_free);
  p->now.mono = G_USEC_PER_SEC; /* maybe the gateway itself had started again */
  p->now.wall = wall;
  p->u = mefota_upgrade_from_variant (after, &play_timeouts, p->now);
  g_assert_nonnull (p->u);
  if (!mefota_upgrade_is_active (p->u))
    return;
  p->known = FALSE;
  if (p->u->install_asked) /* as MefotaModule does */
    step_type (p, MEFOTA_EVENT_INSTALLING);
  if (p->present && !p->mute)
    {
      step_type (p, MEFOTA_EVENT_ANSWERS);
      identify (p, IMEI);
    }
  else if (!p->present && (p->u->state == MEFOTA_STATE_UPDATING || p->u->state == MEFOTA_STATE_CHECKING))
    step_type (p, MEFOTA_EVENT_GONE); /* as MefotaModule does */
}

/* ---- the words of a play ---- */

static void
begin (Play *p, MefotaState state, MefotaOperation operation, const char *target)
{
  MefotaEvent event = { .type = MEFOTA_EVENT_BEGIN,
                        .state = state,
                        .operation = operation,
                        .imei = IMEI,
                        .version = p->version,
                        .target = target,
                        .requested_by = "root (test)" };
  step (p, &event);
}

static gboolean
play_start (Play *p, const char *word, const char *value)
{
  if (strcmp (word, "net") == 0)
    begin (p, MEFOTA_STATE_STARTING, MEFOTA_OPERATION_NETWORK, value);
  else if (strcmp (word, "queue") == 0)
    begin (p, MEFOTA_STATE_QUEUED, MEFOTA_OPERATION_NETWORK, value);
  else if (strcmp (word, "turn") == 0)
    begin (p, MEFOTA_STATE_STARTING, MEFOTA_OPERATION_NETWORK, "");
  else if (strcmp (word, "serial") == 0)
    begin (p, MEFOTA_STATE_TRANSFERRING, MEFOTA_OPERATION_SERIAL, value);
  else if (strcmp (word, "adb") == 0)
    begin (p, MEFOTA_STATE_TRANSFERRING, MEFOTA_OPERATION_ADB, value);
  else
    return FALSE;
  return TRUE;
}

static gboolean
play_presence (Play *p, const char *word, const char *value)
{
  if (strcmp (word, "gone") == 0)
    {
      p->present = p->known = FALSE;
      step_type (p, MEFOTA_EVENT_GONE);
    }
  else if (strcmp (word, "answers") == 0)
    {
      p->present = TRUE;
      step_type (p, MEFOTA_EVENT_ANSWERS);
    }
  else if (strcmp (word, "back") == 0)
    {
      p->present = TRUE;
      p->version = (g_free (p->version), g_strdup (value));
      step_type (p, MEFOTA_EVENT_ANSWERS);
      identify (p, IMEI);
    }
  else if (strcmp (word, "imei") == 0)
    {
      p->present = TRUE;
      step_type (p, MEFOTA_EVENT_ANSWERS);
      identify (p, value);
    }
  else if (strcmp (word, "identity") == 0)
    identify (p, IMEI);
  else
    return FALSE;
  return TRUE;
}

static gboolean
play_module (Play *p, const char *word, const char *value)
{
  if (strcmp (word, "runs") == 0)
    p->version = (g_free (p->version), g_strdup (value));
  else if (strcmp (word, "says") == 0)
    p->word = (g_free (p->word), *value != '\0' ? g_strdup (value) : NULL);
  else if (strcmp (word, "stored") == 0)
    p->stored = (g_free (p->stored), *value != '\0' ? g_strdup (value) : NULL);
  else if (strcmp (word, "unknown") == 0)
    p->known = FALSE;
  else if (strcmp (word, "once") == 0)
    ; /* not the same after a new start */
  else if (strcmp (word, "mute") == 0)
    p->mute = TRUE;
  else if (strcmp (word, "loud") == 0)
    {
      p->mute = FALSE;
      if (p->resumed && !p->known && p->present)
        identify (p, IMEI);
    }
  else
    return FALSE;
  return TRUE;
}

static gboolean
play_host (Play *p, const char *word, const char *value)
{
  MefotaEvent answered = { .type = MEFOTA_EVENT_ANSWERED, .allow = strcmp (word, "yes") == 0 };
  MefotaEvent sent = { .type = MEFOTA_EVENT_TRANSFERRED, .percent = (guint) g_ascii_strtoull (value, NULL, 10) };
  MefotaEvent ended = { .type = MEFOTA_EVENT_TRANSFER_ENDED,
                        .error = MEFOTA_ERROR_TRANSFER_FAILED,
                        .text = "The module refused byte 17; try again." };

  if (strcmp (word, "yes") == 0 || strcmp (word, "no") == 0)
    step (p, &answered);
  else if (strcmp (word, "sent") == 0)
    step (p, &sent);
  else if (strcmp (word, "ended") == 0)
    step (p, &ended);
  else if (strcmp (word, "installing") == 0)
    step_type (p, MEFOTA_EVENT_INSTALLING);
  else if (strcmp (word, "asked") == 0)
    p->u->install_asked = TRUE;
  else if (strcmp (word, "cancel") == 0)
    step_type (p, MEFOTA_EVENT_CANCEL);
  else if (strcmp (word, "restart") == 0)
    restart (p, p->now.wall);
  else
    return FALSE;
  return TRUE;
}

/* What has to be so in the middle; a new start may lose some of it. */
static void
check (Play *p, const char *word, const char *value)
{
  const MefotaUpgrade *u = p->u;
  guint number = (guint) g_ascii_strtoull (value, NULL, 10);

  if (p->resumed)
    return;
  if (strcmp (word, "is") == 0)
    g_assert_cmpstr (mefota_state_to_word (u->state), ==, value);
  else if (strcmp (word, "critical") == 0)
    g_assert_cmpstr (u->power_critical ? "yes" : "no", ==, value);
  else if (strcmp (word, "overdue") == 0)
    g_assert_cmpstr (u->overdue ? "yes" : "no", ==, value);
  else if (strcmp (word, "cancellable") == 0)
    g_assert_cmpstr (mefota_upgrade_can_cancel (u) ? "yes" : "no", ==, value);
  else if (strcmp (word, "progress") == 0)
    g_assert_cmpuint (u->progress, ==, number);
  else if (strcmp (word, "reboots") == 0)
    g_assert_cmpuint (u->reboots, ==, number);
  else if (strcmp (word, "from") == 0)
    g_assert_cmpstr (u->from_version, ==, value);
  else if (strcmp (word, "status") == 0)
    g_assert_cmpstr (u->status, ==, value);
  else
    g_error ("“%s” is no word of a play", word);
}

static void
play_word (Play *p, const char *text)
{
  const char *equals = strchr (text, '=');
  g_autofree char *word = equals != NULL ? g_strndup (text, equals - text) : g_strdup (text);
  const char *value = equals != NULL ? equals + 1 : "";

  p->actions = 0;
  if (text[0] == '+')
    pass (p, g_ascii_strtod (text + 1, NULL));
  else if (g_ascii_isupper (text[0]))
    indicate (p, text);
  else if (!play_start (p, word, value) && !play_presence (p, word, value) && !play_module (p, word, value)
           && !play_host (p, word, value))
    check (p, word, value);
}

Play *
play_new (void)
{
  Play *p = g_new0 (Play, 1);

  p->u = mefota_upgrade_new ();
  p->now = (MefotaTime){ .mono = G_GINT64_CONSTANT (5000000000), .wall = WALL_2024 };
  p->version = g_strdup ("V1");
  p->stored = g_strdup ("V1");
  p->present = p->known = TRUE;
  return p;
}

void
play_free (Play *p)
{
  mefota_upgrade_free (p->u);
  g_free (p->version);
  g_free (p->word);
  g_free (p->stored);
  g_free (p);
}
void
play_run (Play *p, const char *script)
{
  g_auto (GStrv) words = g_strsplit (script, " ", -1);

  for (gsize i = 0; words[i] != NULL; i++)
    if (words[i][0] != '\0')
      play_word (p, words[i]);
}

const char *
play_outcome (const Play *p)
{
  if (mefota_upgrade_is_active (p->u) || p->u->result == MEFOTA_RESULT_NONE)
    return mefota_state_to_word (p->u->state);
  if (p->u->result == MEFOTA_RESULT_SUCCESS)
    return "success";
  return mefota_error_get_name (p->u->error) + strlen (ERROR_PREFIX);
}

void
play_check_end (const Play *p)
{
  const MefotaUpgrade *u = p->u;

  if (mefota_upgrade_is_active (u))
    return;
  g_assert_cmpint (u->state, ==, MEFOTA_STATE_IDLE);
  g_assert_cmpuint (p->finished, ==, p->begun);
  g_assert_cmpint (mefota_upgrade_get_deadline (u), ==, 0);
  g_assert_false (u->power_critical);
  g_assert_false (u->overdue);
  g_assert_false (mefota_upgrade_can_cancel (u));
  g_assert_cmpint (u->confirm_deadline, ==, 0);
  g_assert_cmpuint (u->progress, ==, 0);
  if (u->result == MEFOTA_RESULT_FAILURE)
    g_assert_true (g_str_has_suffix (u->message, "."));
  else
    g_assert_cmpstr (u->message, ==, "");
}

/* The same with a new start before word @at. */
static void
play_resumed (const PlayRow *row, guint at, gint64 wall)
{
  g_autoptr (Play) p = play_new ();
  g_auto (GStrv) words = g_strsplit (row->script, " ", -1);

  p->resumed = TRUE;
  for (guint i = 0; words[i] != NULL; i++)
    {
      if (i == at)
        restart (p, wall != 0 ? wall : p->now.wall);
      if (words[i][0] != '\0')
        play_word (p, words[i]);
    }
  pass (p, 20000);
  if (strcmp (play_outcome (p), row->ends) != 0)
    g_error ("%s: started anew before word %u (wall clock %" G_GINT64_FORMAT "): %s instead of %s", row->name, at, wall,
             play_outcome (p), row->ends);
  play_check_end (p);
}

static void
play_row (gconstpointer data)
{
  const PlayRow *row = data;
  g_autoptr (Play) p = play_new ();
  g_auto (GStrv) words = g_strsplit (row->script, " ", -1);
  MefotaState state;

  play_run (p, row->script);
  g_assert_cmpstr (play_outcome (p), ==, row->ends);
  play_check_end (p);
  if (mefota_state_from_word (row->ends, &state) || g_str_has_prefix (row->script, "once"))
    return;
  for (guint i = 0; i < g_strv_length (words); i++)
    {
      play_resumed (row, i, 0);
      play_resumed (row, i, 17 * G_USEC_PER_SEC);
      play_resumed (row, i, WALL_2060);
    }
}

void
play_add_rows (const char *group, const PlayRow *table, gsize n)
{
  for (gsize i = 0; i < n; i++)
    {
      g_autofree char *path = g_strdup_printf ("/upgrade/%s/%s", group, table[i].name);
      g_test_add_data_func (path, &table[i], play_row);
    }
}
