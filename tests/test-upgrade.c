/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The upgrade machine against the contract. Each row of a table is a short play: what happens to a module, word by word,
 * and how it has to end. Every play that ends is played again with the daemon killed and started anew before each of its
 * words, under a wall clock that goes on, falls back to 1970 or leaps by decades: the end has to be the same. */
#include "mefota-upgrade.h"

#include <string.h>

#include "mefota-error.h"
#include "mefota-record.h"

#define IMEI "861000000000001"
#define OTHER_IMEI "861000000000002"
#define WALL_2024 (G_GINT64_CONSTANT (1704067200) * G_USEC_PER_SEC)
#define WALL_2060 (G_GINT64_CONSTANT (2840140800) * G_USEC_PER_SEC)
#define ERROR_PREFIX "org.gosuncn.Fota.Error."

static const MefotaTimeouts timeouts = {
  .command = 10000,
  .confirm = 180000,
  .download = 900000,
  .install = 600000,
  .give_up = 3600000,
  .settle = 60000,
  .probe = 2000,
};

typedef struct
{
  MefotaUpgrade *u;
  MefotaTime now;
  guint actions; /* of the last word */
  guint begun;
  guint finished;
  gboolean resumed; /* the daemon was started anew: what a restart may lose is not asked for */

  /* the module */
  char *version;
  char *word; /* what AT+FOTACTR? says; NULL: nothing */
  char *stored;
  gboolean present;
  gboolean mute;  /* there, but it does not answer */
  gboolean known; /* its identity was read */
} Play;

static void run (Play *p, const char *script);

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
  guint actions = mefota_upgrade_step (p->u, &timeouts, event, p->now);

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
  p->u = mefota_upgrade_from_variant (after, &timeouts, p->now);
  g_assert_nonnull (p->u);
  if (!mefota_upgrade_is_active (p->u))
    return;
  p->known = FALSE;
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

static Play *
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

static void
play_free (Play *p)
{
  mefota_upgrade_free (p->u);
  g_free (p->version);
  g_free (p->word);
  g_free (p->stored);
  g_free (p);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Play, play_free)

static void
run (Play *p, const char *script)
{
  g_auto (GStrv) words = g_strsplit (script, " ", -1);

  for (gsize i = 0; words[i] != NULL; i++)
    if (words[i][0] != '\0')
      play_word (p, words[i]);
}

/* "success", the error's word, or the state it is still in. */
static const char *
outcome (const Play *p)
{
  if (mefota_upgrade_is_active (p->u) || p->u->result == MEFOTA_RESULT_NONE)
    return mefota_state_to_word (p->u->state);
  if (p->u->result == MEFOTA_RESULT_SUCCESS)
    return "success";
  return mefota_error_get_name (p->u->error) + strlen (ERROR_PREFIX);
}

static void
check_end (const Play *p)
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

typedef struct
{
  const char *name;
  const char *script;
  const char *ends;
} Row;

/* The same with a new start before word @at. */
static void
play_resumed (const Row *row, guint at, gint64 wall)
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
  if (strcmp (outcome (p), row->ends) != 0)
    g_error ("%s: started anew before word %u (wall clock %" G_GINT64_FORMAT "): %s instead of %s", row->name, at, wall,
             outcome (p), row->ends);
  check_end (p);
}

static void
play_row (gconstpointer data)
{
  const Row *row = data;
  g_autoptr (Play) p = play_new ();
  g_auto (GStrv) words = g_strsplit (row->script, " ", -1);
  MefotaState state;

  run (p, row->script);
  g_assert_cmpstr (outcome (p), ==, row->ends);
  check_end (p);
  if (mefota_state_from_word (row->ends, &state) || g_str_has_prefix (row->script, "once"))
    return;
  for (guint i = 0; i < g_strv_length (words); i++)
    {
      play_resumed (row, i, 0);
      play_resumed (row, i, 17 * G_USEC_PER_SEC);
      play_resumed (row, i, WALL_2060);
    }
}

/* ---- the guide's figures ---- */

#define DOWNLOAD "START DOWNLOADING:25% DOWNLOADING:50% DOWNLOADING:75% COSTTIME:0min17sec "
#define VERIFY "NEED_VERIFY PASS_VERIFY UPDATING "

static const Row figures[] = {
  { "1", "NEED_CONFIRM is=confirming critical=no yes is=starting START is=downloading DOWNLOADING:25% progress=25 "
         "DOWNLOADING:50% progress=50 DOWNLOADING:75% progress=75 COSTTIME:1min05sec is=downloading NEED_VERIFY "
         "is=verifying progress=0 critical=no PASS_VERIFY is=updating critical=yes UPDATING is=updating gone is=rebooting "
         "critical=yes answers is=checking gone is=rebooting back=V2", "success" },
  { "2", "net=V2 is=starting " DOWNLOAD VERIFY "gone back=V1 is=checking gone answers is=checking SUCCESS_END back=V2",
    "success" },
  { "2-no-target", "net " DOWNLOAD VERIFY "gone back=V2", "success" },
  { "2-success-before-identity", "net " DOWNLOAD VERIFY "gone runs=V2 answers SUCCESS_END identity", "success" },
  { "example-3.1", "NEED_CONFIRM yes SUCCESS_CONFIRM START DOWNLOADING:25% COSTTIME:0min8sec UPDATING is=updating gone "
                   "back=V2", "success" },
  { "package-uart", "serial=V2 is=transferring sent=10 progress=10 sent=100 progress=100 critical=no installing is=updating "
                    "progress=0 critical=yes gone back=V1 gone back=V2 reboots=2", "success" },
  { "package-adb", "adb installing gone gone back=V2", "success" },
  { "sibling", "net START UPDATING gone back=V2", "success" },
};

/* ---- 2.3, row by row ---- */

static const Row rows[] = {
  { "start-from-starting", "net START is=downloading status=START", "downloading" },
  { "start-adopted", "START", "downloading" },
  { "need-confirm", "NEED_CONFIRM", "confirming" },
  { "need-confirm-blank", "NEED_CONFIRM", "confirming" },
  { "confirm", "CONFIRM status=NEED_CONFIRM", "confirming" },
  { "new-version", "NEW_VERSION status=NEW_VERSION", "confirming" },
  { "success-confirm", "NEED_CONFIRM SUCCESS_CONFIRM", "starting" },
  { "downloading", "net DOWNLOADING:25% progress=25 status=DOWNLOADING", "downloading" },
  { "downloading-adopted", "DOWNLOADING:25% progress=25", "downloading" },
  { "downloading-without-number", "net DOWNLOADING:25% DOWNLOADING progress=25", "downloading" },
  { "costtime", "net COSTTIME:0min17sec", "starting" },
  { "need-verify", "net NEED_VERIFY", "verifying" },
  { "need-verify-adopted", "NEED_VERIFY", "verifying" },
  { "pass-verify", "net PASS_VERIFY critical=yes", "updating" },
  { "pass-verify-adopted", "PASS_VERIFY critical=yes", "updating" },
  { "updating", "net UPDATING critical=yes", "updating" },
  { "updating-adopted", "UPDATING critical=yes", "updating" },
  { "success-end", "net SUCCESS_END is=checking runs=V2 +60", "success" },
  { "fail-end", "net FAIL_END status=FAIL_END", "UpgradeFailed" },
  { "fail-confirm", "NEED_CONFIRM FAIL_CONFIRM", "Rejected" },
  { "fail-no-new", "net START FAIL_NO_NEW", "NoNewVersion" },
  { "fail-connect", "net START FAIL_CONNECT", "ConnectFailed" },
  { "fail-wait-timeout", "NEED_CONFIRM FAIL_WAIT_TIMEOUT", "ConfirmTimeout" },
  { "fail-verify", "net NEED_VERIFY FAIL_VERIFY", "VerifyFailed" },
  { "error", "net START ERROR:17", "ModuleError" },
  { "error-hex", "net START ERROR0x50", "ModuleError" },
  { "data-timeout", "net START DATA_TIMEOUT", "ConnectFailed" },
  { "toolarge", "net START TOOLARGE", "PackageInvalid" },
  { "para-error", "net START PARA_ERROR", "ModuleError" },
  { "busy", "net START BUSY", "Busy" },
  { "other", "net START SOMETHING_ELSE is=downloading status=SOMETHING_ELSE", "downloading" },
};

/* ---- 2.4 ---- */

static const Row results[] = {
  /* 1: a failing indication, whenever it comes */
  { "failing-starting", "net FAIL_END", "UpgradeFailed" },
  { "failing-confirming", "NEED_CONFIRM FAIL_END", "UpgradeFailed" },
  { "failing-verifying", "net NEED_VERIFY FAIL_END", "UpgradeFailed" },
  { "failing-updating", "net UPDATING FAIL_VERIFY", "VerifyFailed" },
  { "failing-rebooting", "net UPDATING gone FAIL_END", "UpgradeFailed" },
  { "failing-checking", "net UPDATING gone back=V1 FAIL_END", "UpgradeFailed" },
  { "failing-after-success", "net UPDATING gone back=V1 SUCCESS_END FAIL_END", "UpgradeFailed" },
  { "failing-transferring", "serial FAIL_VERIFY is=transferring cancellable=no ended", "VerifyFailed" },
  { "failing-transferring-gone", "serial FAIL_VERIFY gone +900", "VerifyFailed" },
  { "failing-when-idle", "FAIL_END", "idle" },
  { "failing-while-queued", "queue FAIL_END", "queued" },
  { "success-when-idle", "SUCCESS_END", "idle" },
  { "after-the-end", "net FAIL_CONNECT FAIL_END SUCCESS_END COSTTIME:0min1sec OTHER status=FAIL_CONNECT", "ConnectFailed" },

  /* 2: a version is expected */
  { "target-reached", "net=V2 UPDATING gone back=V2", "success" },
  { "target-case", "net=v2 UPDATING gone back=V2", "success" },
  { "target-is-from", "net=V1 UPDATING gone back=V1", "success" },
  { "target-missed", "net=V2 UPDATING gone back=V3 is=checking +59.9 is=checking +0.1", "VersionMismatch" },
  { "target-missed-later-reached", "net=V2 UPDATING gone back=V3 +59 gone back=V2", "success" },
  { "target-missed-indication", "net=V2 UPDATING gone back=V3 +59 OTHER +59 is=checking +1", "VersionMismatch" },
  { "target-unchanged", "net=V2 UPDATING gone back=V1 +60", "UpgradeFailed" },
  { "target-unchanged-claimed", "net=V2 UPDATING gone back=V1 SUCCESS_END +60", "UpgradeFailed" },
  { "target-unchanged-word", "net=V2 says=FAIL_VERIFY UPDATING gone back=V1 +60", "VerifyFailed" },
  { "target-unchanged-word-success", "net=V2 says=SUCCESS_END UPDATING gone back=V1 +60", "UpgradeFailed" },
  { "target-missed-word", "net=V2 says=FAIL_VERIFY UPDATING gone back=V3 +60", "VersionMismatch" },
  { "target-from-unknown", "runs= net=V2 UPDATING gone back=V3 stored= +60", "VersionMismatch" },
  { "target-from-unknown-reached", "runs= net=V2 UPDATING gone back=V2", "success" },

  /* 2: none is expected */
  { "changed", "net UPDATING gone back=V2", "success" },
  { "settles", "net UPDATING gone back=V1 +59.9 runs=V2 +0.1", "success" },
  { "same", "net UPDATING gone back=V1 is=checking +59.9 is=checking +0.1", "UpgradeFailed" },
  { "same-claimed", "net UPDATING gone back=V1 SUCCESS_END +59.9 is=checking +0.1", "NotVerified" },
  { "same-claimed-word", "net says=FAIL_END UPDATING gone back=V1 SUCCESS_END +60", "NotVerified" },
  { "same-word-failing", "net says=FAIL_CONNECT UPDATING gone back=V1 +60", "ConnectFailed" },
  { "same-word-success", "net says=SUCCESS_END UPDATING gone back=V1 +60", "NotVerified" },
  { "same-word-none", "net says=START UPDATING gone back=V1 +60", "UpgradeFailed" },
  { "same-build-date", "runs=V1B04 net UPDATING gone back=V1B04 +60", "UpgradeFailed" },
  { "changed-word-failing", "net says=FAIL_END UPDATING gone back=V2", "success" },
  { "same-reboot-in-settle", "net UPDATING gone back=V1 +59 gone +100 back=V1 +59 is=checking +1", "UpgradeFailed" },
  { "same-indication-in-settle", "net UPDATING gone back=V1 +59 COSTTIME:0min1sec +59 is=checking +1", "UpgradeFailed" },

  /* the version has to be read: an empty one is no other version */
  { "version-unread", "net UPDATING gone back= is=checking +60 is=checking runs=V2 +60", "success" },
  { "version-never-read", "net UPDATING gone back= +3600", "Timeout" },
  { "version-unread-claimed", "net UPDATING gone back= SUCCESS_END runs=V1 +60", "NotVerified" },
  { "version-unread-downloading", "net START gone back= is=downloading", "downloading" },

  /* another module */
  { "replaced", "net UPDATING gone imei=" OTHER_IMEI, "ModuleReplaced" },
  { "replaced-downloading", "net START gone imei=" OTHER_IMEI, "ModuleReplaced" },
  { "replaced-short", "net UPDATING gone runs=V2 imei=86100000000000", "success" },
  { "replaced-long", "net UPDATING gone runs=V2 imei=8610000000000022", "success" },
  { "replaced-letters", "net UPDATING gone runs=V2 imei=86100000000000x", "success" },
  { "replaced-empty", "net UPDATING gone runs=V2 imei=", "success" },

  /* 4 */
  { "overdue", "net UPDATING gone +599.9 overdue=no +0.1 overdue=yes is=rebooting critical=yes", "rebooting" },
  { "overdue-from-install", "net UPDATING +300 gone +299 overdue=no +1 overdue=yes", "rebooting" },
  { "late", "net UPDATING gone +3599 overdue=yes back=V2", "success" },
  { "late-same", "net UPDATING gone +2000 back=V1 +60", "UpgradeFailed" },
  { "give-up", "net UPDATING gone +3599.9 is=rebooting +0.1", "Timeout" },
  { "give-up-mute", "net UPDATING gone mute answers is=checking +3600", "Timeout" },
  { "stayed", "net UPDATING +599.9 is=updating +0.1", "UpgradeFailed" },
  { "stayed-package", "serial installing +600", "UpgradeFailed" },
  { "stayed-word", "net says=FAIL_VERIFY UPDATING +600", "VerifyFailed" },
  { "stayed-changed", "net UPDATING runs=V2 +600", "success" },
  { "stayed-missed", "net=V2 UPDATING runs=V3 +600", "VersionMismatch" },
  { "stayed-unknown-from", "unknown stored= UPDATING +600", "UpgradeFailed" },
  { "stayed-mute-then-gone", "net UPDATING mute +600 overdue=yes gone is=rebooting overdue=yes loud back=V2", "success" },
  { "stayed-mute-then-same", "net UPDATING mute +600 is=updating loud +60", "UpgradeFailed" },
  { "stayed-mute-for-ever", "net UPDATING mute +3600", "Timeout" },
  { "updating-again", "net UPDATING gone back=V1 UPDATING is=updating gone back=V2", "success" },
  { "updating-again-stays", "net UPDATING gone back=V1 UPDATING +600 is=checking +60", "UpgradeFailed" },
  { "need-verify-then-gone", "serial installing NEED_VERIFY is=verifying critical=yes gone is=rebooting back=V1 +60",
    "UpgradeFailed" },

  /* adopted */
  { "adopted", "START UPDATING from=V1 gone back=V2", "success" },
  { "adopted-stored", "unknown UPDATING from= gone back=V2 from=V1", "success" },
  { "adopted-stored-same", "unknown runs=V2 stored=V2 UPDATING gone back=V2 from=V2 +60", "UpgradeFailed" },
  { "adopted-unknown", "unknown stored= UPDATING gone back=V2 is=checking +60", "NotVerified" },
  { "adopted-unknown-claimed", "unknown stored= UPDATING gone back=V2 SUCCESS_END +60", "NotVerified" },
  { "adopted-unknown-word", "unknown stored= says=FAIL_VERIFY UPDATING gone back=V2 +60", "VerifyFailed" },
  { "adopted-unknown-twice", "unknown stored= UPDATING gone back=V2 from= gone back=V2 from= +60", "NotVerified" },
  { "adopted-then-read", "once unknown stored= START identity from=V1 UPDATING gone back=V2", "success" },
  { "adopted-then-read-not-stored", "once unknown stored=V0 START identity from=V1 UPDATING gone back=V1 +60",
    "UpgradeFailed" },
  { "power-loss-downloading", "net START gone is=downloading +100 back=V1 is=downloading START UPDATING gone back=V2",
    "success" },
  { "lost-lines", "net NEED_VERIFY gone back=V2", "success" },
  { "lost-lines-target", "net=V2 NEED_VERIFY gone back=V2", "success" },
};

/* ---- 5 ---- */

static const Row rulings[] = {
  /* `download` is the longest silence */
  { "silence-starting", "net +899.9 is=starting +0.1", "Timeout" },
  { "silence-downloading", "net START +899 DOWNLOADING:25% +899.9 is=downloading +0.1", "Timeout" },
  { "silence-other", "net START +899 OTHER +899 is=downloading +1", "Timeout" },
  { "silence-verifying", "net NEED_VERIFY +899.9 is=verifying +0.1", "Timeout" },
  { "silence-gone", "net START +400 gone +499.9 is=downloading +0.1", "Timeout" },
  { "silence-gone-back", "net START +400 gone back=V1 +499.9 is=downloading +0.1", "Timeout" },
  { "silence-changed", "net START runs=V2 +900", "success" },
  { "silence-missed", "net=V2 START runs=V3 +900", "VersionMismatch" },
  { "silence-word", "net START says=FAIL_CONNECT +900", "ConnectFailed" },
  { "silence-word-success", "net START says=SUCCESS_END +900", "Timeout" },
  { "silence-mute", "net START mute +900", "Timeout" },

  /* questions */
  { "deadline", "NEED_CONFIRM +179.9 is=confirming +0.1", "ConfirmTimeout" },
  { "deadline-repeated", "NEED_CONFIRM +100 NEED_CONFIRM +79.9 is=confirming +0.1", "ConfirmTimeout" },
  { "deadline-gone", "NEED_CONFIRM gone +180", "ConfirmTimeout" },
  { "answered-late", "NEED_CONFIRM +179.9 yes is=starting +800 START UPDATING gone back=V2", "success" },
  { "refused", "NEED_CONFIRM no is=confirming +9.9 is=confirming +0.1", "Rejected" },
  { "refused-said", "NEED_CONFIRM no FAIL_CONFIRM", "Rejected" },
  { "refused-taken", "NEED_CONFIRM no SUCCESS_CONFIRM is=confirming +10", "Rejected" },
  { "refused-repeated", "NEED_CONFIRM no NEED_CONFIRM +10", "Rejected" },
  { "refused-in-vain", "NEED_CONFIRM no START is=downloading NEED_CONFIRM is=confirming +180", "ConfirmTimeout" },
  { "progress-is-answer", "NEED_CONFIRM START is=downloading UPDATING gone back=V2", "success" },
  { "asked-in-network-upgrade", "net NEED_CONFIRM is=confirming yes START UPDATING gone back=V2", "success" },
  { "asked-downloading", "net START NEED_CONFIRM is=confirming yes is=starting", "starting" },
  { "asked-verifying", "net NEED_VERIFY NEED_CONFIRM", "confirming" },
  { "asked-updating", "net UPDATING NEED_CONFIRM", "updating" },
  { "asked-package", "serial NEED_CONFIRM is=transferring installing NEED_VERIFY NEED_CONFIRM", "verifying" },

  /* Cancel */
  { "cancel-queued", "queue cancellable=yes cancel", "Cancelled" },
  { "cancel-transferring", "serial sent=40 cancellable=yes cancel is=transferring cancellable=no ended", "Cancelled" },
  { "cancel-transferring-twice", "serial cancel cancel ended", "Cancelled" },
  { "cancel-transferring-gone", "serial cancel gone +900", "Cancelled" },
  { "cancel-too-late", "serial cancel installing is=updating cancellable=no gone back=V2", "success" },
  { "cancel-idle", "cancellable=no cancel", "idle" },
  { "cancel-starting", "net cancellable=no cancel", "starting" },
  { "cancel-confirming", "NEED_CONFIRM cancellable=no cancel", "confirming" },
  { "cancel-downloading", "net START cancellable=no cancel", "downloading" },
  { "cancel-verifying", "net NEED_VERIFY cancellable=no cancel", "verifying" },
  { "cancel-updating", "net UPDATING cancellable=no cancel", "updating" },
  { "cancel-rebooting", "net UPDATING gone cancellable=no cancel", "rebooting" },
  { "cancel-checking", "net UPDATING gone back=V1 cancellable=no cancel", "checking" },

  /* the line, and transfers */
  { "queued", "queue=V2 is=queued gone back=V1 is=queued turn is=starting UPDATING gone back=V2", "success" },
  { "queued-from-is-read-at-its-turn", "queue runs=V3 turn from=V3 UPDATING gone back=V3 +60", "UpgradeFailed" },
  { "queued-refused", "queue ended", "TransferFailed" },
  { "queued-overtaken", "queue START", "Busy" },
  { "queued-overtaken-adopted", "queue START START is=downloading UPDATING gone back=V2", "success" },
  { "queued-waits", "queue +100000", "queued" },
  { "transfer-failed", "serial sent=40 ended", "TransferFailed" },
  { "transfer-waits", "serial +100000", "transferring" },
  { "transfer-gone", "serial gone +899.9 is=transferring +0.1", "TransferFailed" },
  { "transfer-gone-back", "serial gone +899 back=V1 +100000 is=transferring installing gone back=V2", "success" },
  { "transfer-ignores-progress", "serial START DOWNLOADING:25% NEED_VERIFY SUCCESS_END progress=0", "transferring" },
  { "updating-is-the-ok", "serial PASS_VERIFY is=updating critical=yes installing gone back=V2", "success" },
  { "package-never-downloads", "serial installing START DOWNLOADING:25% is=updating gone back=V2", "success" },
  { "begin-when-busy", "net START net=V2 is=downloading UPDATING gone back=V2", "success" },
};

static void
add_rows (const char *group, const Row *table, gsize n)
{
  for (gsize i = 0; i < n; i++)
    {
      g_autofree char *path = g_strdup_printf ("/upgrade/%s/%s", group, table[i].name);
      g_test_add_data_func (path, &table[i], play_row);
    }
}

/* ---- what is kept ---- */

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
      run (p, ways_to_states[i]);
      p->u->package = g_strdup ("/var/lib/mefota/package");
      p->u->package_size = G_GUINT64_CONSTANT (5000000000);
      p->u->piece = 524288;
      before = g_variant_ref_sink (mefota_upgrade_to_variant (p->u));
      run (p, "restart");
      /* What the start itself does (the module is back) is no part of it. */
      g_clear_pointer (&p->u, mefota_upgrade_free);
      p->u = mefota_upgrade_from_variant (before, &timeouts, p->now);
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
  static const char *const plays[] = { "net UPDATING gone back=V2", "net UPDATING gone back=V1 +60", "net UPDATING FAIL_END",
                                       "serial cancel ended", "NEED_CONFIRM +180", "net UPDATING gone +3600" };

  for (gsize i = 0; i < G_N_ELEMENTS (plays); i++)
    {
      g_autoptr (Play) p = play_new ();
      g_autofree char *before = NULL;

      run (p, plays[i]);
      before = g_strdup (outcome (p));
      run (p, "restart +10 gone back=V3 +100000 gone +100000 restart +100000");
      g_assert_cmpstr (outcome (p), ==, before);
      g_assert_cmpuint (p->finished, ==, 1);
      check_end (p);
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

      run (p, cases[i].play);
      record = g_variant_ref_sink (mefota_upgrade_to_variant (p->u));
      mefota_upgrade_free (p->u);
      p->now.mono = 77 * G_USEC_PER_SEC;
      p->now.wall += (gint64) (cases[i].away * G_USEC_PER_SEC);
      p->u = mefota_upgrade_from_variant (record, &timeouts, p->now);
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
  return mefota_upgrade_from_variant (record, &timeouts, (MefotaTime){ .mono = 1000, .wall = WALL_2024 });
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

/* ---- what is to be done ---- */

static const struct
{
  const char *before;
  const char *word;
  guint wanted;
  guint unwanted;
} duties[] = {
  { "", "net", MEFOTA_ACT_BEGUN | MEFOTA_ACT_SAVE, MEFOTA_ACT_FINISHED },
  { "", "START", MEFOTA_ACT_BEGUN | MEFOTA_ACT_SAVE, 0 },
  { "", "NEED_CONFIRM", MEFOTA_ACT_BEGUN | MEFOTA_ACT_QUESTION | MEFOTA_ACT_SAVE, 0 },
  { "NEED_CONFIRM", "NEED_CONFIRM", MEFOTA_ACT_QUESTION, MEFOTA_ACT_BEGUN },
  { "NEED_CONFIRM no", "NEED_CONFIRM", 0, MEFOTA_ACT_QUESTION },
  { "NEED_CONFIRM", "yes", MEFOTA_ACT_SAVE, MEFOTA_ACT_FINISHED },
  { "NEED_CONFIRM", "no", MEFOTA_ACT_SAVE, MEFOTA_ACT_FINISHED },
  { "queue", "turn", MEFOTA_ACT_SAVE, MEFOTA_ACT_BEGUN },
  { "net", "START", MEFOTA_ACT_SAVE, 0 },
  { "net START", "DOWNLOADING:1%", MEFOTA_ACT_SAVE, 0 },
  { "net START DOWNLOADING:1%", "DOWNLOADING:2%", 0, MEFOTA_ACT_SAVE },
  { "net START", "COSTTIME:0min17sec", MEFOTA_ACT_SAVE, 0 },
  { "net START", "NEED_VERIFY", MEFOTA_ACT_SAVE, 0 },
  { "net", "UPDATING", MEFOTA_ACT_SAVE, 0 },
  { "net UPDATING", "gone", MEFOTA_ACT_SAVE, 0 },
  { "net UPDATING", "SUCCESS_END", MEFOTA_ACT_SAVE | MEFOTA_ACT_READ_IDENTITY, 0 },
  { "net UPDATING gone", "SUCCESS_END", MEFOTA_ACT_SAVE, MEFOTA_ACT_READ_IDENTITY },
  { "net UPDATING gone", "+600", MEFOTA_ACT_OVERDUE | MEFOTA_ACT_SAVE, MEFOTA_ACT_LOOK },
  { "net UPDATING gone back=V1", "+60", MEFOTA_ACT_LOOK | MEFOTA_ACT_ASK_WORD | MEFOTA_ACT_FINISHED, 0 },
  { "net UPDATING gone back=V1 SUCCESS_END", "+60", MEFOTA_ACT_LOOK | MEFOTA_ACT_FINISHED, MEFOTA_ACT_ASK_WORD },
  { "net=V2 UPDATING gone back=V3", "+60", MEFOTA_ACT_LOOK | MEFOTA_ACT_FINISHED, MEFOTA_ACT_ASK_WORD },
  { "net UPDATING gone", "back=V2", MEFOTA_ACT_FINISHED, MEFOTA_ACT_ASK_WORD },
  { "serial", "cancel", MEFOTA_ACT_STOP_TRANSFER | MEFOTA_ACT_SAVE, MEFOTA_ACT_FINISHED },
  { "serial", "FAIL_VERIFY", MEFOTA_ACT_STOP_TRANSFER | MEFOTA_ACT_SAVE, MEFOTA_ACT_FINISHED },
  { "serial", "sent=30", 0, MEFOTA_ACT_SAVE },
  { "serial", "installing", MEFOTA_ACT_SAVE, 0 },
  { "queue", "cancel", MEFOTA_ACT_FINISHED, MEFOTA_ACT_STOP_TRANSFER },
};

static void
test_duties (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (duties); i++)
    {
      g_autoptr (Play) p = play_new ();

      run (p, duties[i].before);
      run (p, duties[i].word);
      if ((p->actions & duties[i].wanted) != duties[i].wanted || (p->actions & duties[i].unwanted) != 0)
        g_error ("%s, then %s: actions are %#x", duties[i].before, duties[i].word, p->actions);
    }
}

static void
test_adoption (void)
{
  static const char *const begin[] = { "START", "DOWNLOADING:1%", "NEED_VERIFY", "PASS_VERIFY", "UPDATING", "NEED_CONFIRM" };
  static const char *const do_not[] = { "SUCCESS_CONFIRM", "COSTTIME:0min1sec", "SUCCESS_END", "FAIL_END", "ERROR:1", "X" };

  for (gsize i = 0; i < G_N_ELEMENTS (begin); i++)
    {
      g_autoptr (Play) p = play_new ();
      g_autoptr (MefotaIndication) ind = mefota_indication_parse_word (begin[i], strlen (begin[i]));

      g_assert_true (mefota_upgrade_would_adopt (p->u, ind));
      run (p, begin[i]);
      g_assert_cmpuint (p->begun, ==, 1);
      g_assert_cmpint (p->u->operation, ==, i == 5 ? MEFOTA_OPERATION_POLLED : MEFOTA_OPERATION_NETWORK);
      g_assert_cmpstr (p->u->requested_by, ==, "module");
      g_assert_cmpstr (p->u->imei, ==, IMEI);
      g_assert_false (mefota_upgrade_would_adopt (p->u, ind));
    }
  for (gsize i = 0; i < G_N_ELEMENTS (do_not); i++)
    {
      g_autoptr (Play) p = play_new ();
      g_autoptr (MefotaIndication) ind = mefota_indication_parse_word (do_not[i], strlen (do_not[i]));

      g_assert_false (mefota_upgrade_would_adopt (p->u, ind));
      run (p, do_not[i]);
      g_assert_cmpuint (p->begun, ==, 0);
      g_assert_cmpstr (p->u->status, ==, "");
    }
}

/* What is kept when one has ended, and forgotten when the next begins. */
static void
test_fields (void)
{
  g_autoptr (Play) p = play_new ();
  const MefotaUpgrade *u = p->u;

  run (p, "net=V2 START COSTTIME:1min05sec UPDATING");
  g_assert_cmpint (u->started_at, ==, WALL_2024);
  run (p, "+10 gone");
  g_assert_cmpint (u->phase_since, ==, WALL_2024 + 10 * G_USEC_PER_SEC);
  g_assert_cmpint (u->install_since, ==, WALL_2024);
  run (p, "+10 back=V2");
  g_assert_cmpuint (u->download_seconds, ==, 65);
  g_assert_cmpuint (u->reboots, ==, 1);
  g_assert_cmpstr (u->from_version, ==, "V1");
  g_assert_cmpstr (u->to_version, ==, "V2");
  g_assert_cmpstr (u->status, ==, "UPDATING");
  g_assert_cmpint (u->ended_at, ==, WALL_2024 + 20 * G_USEC_PER_SEC);
  g_assert_cmpint (u->operation, ==, MEFOTA_OPERATION_NETWORK);

  run (p, "NEED_CONFIRM");
  g_assert_cmpint (u->result, ==, MEFOTA_RESULT_NONE);
  g_assert_cmpuint (u->download_seconds, ==, 0);
  g_assert_cmpuint (u->reboots, ==, 0);
  g_assert_cmpstr (u->from_version, ==, "V2");
  g_assert_cmpstr (u->to_version, ==, "");
  g_assert_cmpstr (u->target, ==, "");
  g_assert_cmpstr (u->status, ==, "NEED_CONFIRM");
  g_assert_cmpint (u->install_since, ==, 0);
  g_assert_cmpint (u->confirm_deadline, ==, p->now.wall + 180 * G_USEC_PER_SEC);
  run (p, "+30 NEED_CONFIRM");
  g_assert_cmpint (u->confirm_deadline, ==, p->now.wall + 150 * G_USEC_PER_SEC);
  run (p, "no");
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

      run (p, ended[i]);
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
  add_rows ("figures", figures, G_N_ELEMENTS (figures));
  add_rows ("indications", rows, G_N_ELEMENTS (rows));
  add_rows ("results", results, G_N_ELEMENTS (results));
  add_rows ("rulings", rulings, G_N_ELEMENTS (rulings));
  g_test_add_func ("/upgrade/round-trip", test_round_trip);
  g_test_add_func ("/upgrade/ended-stays-ended", test_ended_stays_ended);
  g_test_add_func ("/upgrade/deadlines-after-start", test_deadlines_after_start);
  g_test_add_func ("/upgrade/strange-records", test_strange_records);
  g_test_add_func ("/upgrade/duties", test_duties);
  g_test_add_func ("/upgrade/adoption", test_adoption);
  g_test_add_func ("/upgrade/fields", test_fields);
  g_test_add_func ("/upgrade/history", test_history);
  return g_test_run ();
}
