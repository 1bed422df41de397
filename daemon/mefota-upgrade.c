/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-upgrade.h"

#include "mefota-profile.h"

/* What an indication leads to. */
enum
{
  STAY = -1,    /* no change of state */
  SUCCEED = -2, /* the module claims success: find out */
  FAIL = -3,
  ADOPT = -4, /* a new upgrade nobody here asked for */
  ASKED = -5, /* the module asks */
};

/* Rows: what the module says; columns: where the upgrade is. DL … are the states of contract 2.2. */
#define DL MEFOTA_STATE_DOWNLOADING
#define VF MEFOTA_STATE_VERIFYING
#define UP MEFOTA_STATE_UPDATING
#define ST MEFOTA_STATE_STARTING

/*                                        absent probing idle   queued starting confirm. downl. transf. verify. updat. reboot. check. */
static const int leads_to[MEFOTA_N_IND_KINDS][MEFOTA_N_STATES] = {
  [MEFOTA_IND_OTHER] =       { STAY,  STAY,  STAY,  STAY,  STAY,    STAY,    STAY,    STAY, STAY,    STAY,    STAY,    STAY },
  [MEFOTA_IND_START] =       { ADOPT, ADOPT, ADOPT, ADOPT, DL,      DL,      DL,      STAY, DL,      DL,      DL,      DL },
  [MEFOTA_IND_QUESTION] =    { ASKED, ASKED, ASKED, ASKED, ASKED,   ASKED,   ASKED,   STAY, STAY,    STAY,    STAY,    STAY },
  [MEFOTA_IND_CONFIRMED] =   { STAY,  STAY,  STAY,  STAY,  STAY,    ST,      STAY,    STAY, STAY,    STAY,    STAY,    STAY },
  [MEFOTA_IND_DOWNLOADING] = { ADOPT, ADOPT, ADOPT, ADOPT, DL,      DL,      DL,      STAY, DL,      DL,      DL,      DL },
  [MEFOTA_IND_COSTTIME] =    { STAY,  STAY,  STAY,  STAY,  STAY,    STAY,    STAY,    STAY, STAY,    STAY,    STAY,    STAY },
  [MEFOTA_IND_NEED_VERIFY] = { ADOPT, ADOPT, ADOPT, ADOPT, VF,      VF,      VF,      STAY, VF,      VF,      VF,      VF },
  [MEFOTA_IND_PASS_VERIFY] = { ADOPT, ADOPT, ADOPT, ADOPT, UP,      UP,      UP,      UP,   UP,      UP,      UP,      UP },
  [MEFOTA_IND_UPDATING] =    { ADOPT, ADOPT, ADOPT, ADOPT, UP,      UP,      UP,      UP,   UP,      UP,      UP,      UP },
  [MEFOTA_IND_SUCCESS] =     { STAY,  STAY,  STAY,  STAY,  SUCCEED, SUCCEED, SUCCEED, STAY, SUCCEED, SUCCEED, SUCCEED, SUCCEED },
  [MEFOTA_IND_FAILURE] =     { STAY,  STAY,  STAY,  STAY,  FAIL,    FAIL,    FAIL,    FAIL, FAIL,    FAIL,    FAIL,    FAIL },
};

#undef DL
#undef VF
#undef UP
#undef ST

typedef struct
{
  MefotaUpgrade *u;
  const MefotaTimeouts *t;
  const MefotaEvent *e;
  MefotaTime now;
  guint actions;
} Step;

static void
set_string (char **field, const char *value)
{
  g_autofree char *old G_GNUC_UNUSED = *field; /* value may be part of it */
  *field = g_strdup (value != NULL ? value : "");
}

static gint64
after (Step *s, guint milliseconds)
{
  return s->now.mono + (gint64) milliseconds * 1000;
}

static gboolean
is_package (const MefotaUpgrade *u)
{
  return u->operation == MEFOTA_OPERATION_SERIAL || u->operation == MEFOTA_OPERATION_ADB;
}

static gboolean
is_imei (const char *imei)
{
  gsize n = 0;
  for (; g_ascii_isdigit (imei[n]); n++)
    ;
  return n == 15 && imei[n] == '\0';
}

/* ---- deadlines ---- */

static void
clear_deadlines (MefotaUpgrade *u)
{
  u->silence_at = u->confirm_at = u->refuse_at = u->overdue_at = u->give_up_at = u->settle_at = 0;
  u->looking = MEFOTA_LOOK_NONE;
}

/* `download` is the longest silence in starting, downloading and verifying; while a package is transferred it bounds
 * only an absence. */
static void
arm_silence (Step *s)
{
  MefotaState state = s->u->state;
  gboolean counts = state == MEFOTA_STATE_STARTING || state == MEFOTA_STATE_DOWNLOADING || state == MEFOTA_STATE_VERIFYING
                    || (state == MEFOTA_STATE_TRANSFERRING && s->u->returning);
  s->u->silence_at = counts ? after (s, s->t->download) : 0;
}

static void
begin_install_clock (Step *s)
{
  if (s->u->install_since != 0)
    return;
  s->u->install_since = s->now.wall;
  s->u->overdue_at = after (s, s->t->install);
  s->u->give_up_at = after (s, s->t->give_up);
}

/* ---- the single writers of state and result ---- */

static void
enter (Step *s, MefotaState state)
{
  MefotaUpgrade *u = s->u;

  if (state == MEFOTA_STATE_UPDATING)
    u->power_critical = TRUE;
  if (state == MEFOTA_STATE_UPDATING || state == MEFOTA_STATE_REBOOTING)
    begin_install_clock (s);
  if (state != MEFOTA_STATE_CONFIRMING)
    {
      u->confirm_deadline = 0;
      u->confirm_at = u->refuse_at = 0;
    }
  u->settle_at = 0;
  u->looking = MEFOTA_LOOK_NONE;
  if (state != u->state)
    {
      u->state = state;
      u->phase_since = s->now.wall;
      u->progress = 0;
      s->actions |= MEFOTA_ACT_SAVE;
    }
  arm_silence (s);
}

static void
finish (Step *s, MefotaResult result, MefotaError error, const char *message)
{
  MefotaUpgrade *u = s->u;

  u->result = result;
  u->error = error;
  set_string (&u->message, message);
  u->ended_at = s->now.wall;
  u->state = MEFOTA_STATE_IDLE;
  u->progress = 0;
  u->overdue = u->power_critical = u->ending = FALSE;
  u->confirm_deadline = 0;
  clear_deadlines (u);
  s->actions |= MEFOTA_ACT_SAVE | MEFOTA_ACT_FINISHED;
}

static void G_GNUC_PRINTF (3, 4)
fail (Step *s, MefotaError error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  finish (s, MEFOTA_RESULT_FAILURE, error, message);
}

static void
begin (Step *s, MefotaOperation operation, MefotaState state, const char *target, const char *requested_by)
{
  MefotaUpgrade *u = s->u;

  clear_deadlines (u);
  u->operation = operation;
  set_string (&u->imei, s->e->imei);
  set_string (&u->from_version, s->e->version);
  set_string (&u->target, target);
  set_string (&u->requested_by, requested_by);
  set_string (&u->status, "");
  set_string (&u->argument, "");
  set_string (&u->to_version, "");
  set_string (&u->message, "");
  u->result = MEFOTA_RESULT_NONE;
  u->reboots = u->download_seconds = 0;
  u->overdue = u->power_critical = u->force = FALSE;
  u->success_claimed = u->refused = u->answered = u->went_away = u->returning = u->ending = FALSE;
  u->install_since = u->confirm_deadline = 0;
  u->started_at = s->now.wall;
  u->piece = 0;
  u->state = MEFOTA_STATE_IDLE;
  s->actions |= MEFOTA_ACT_BEGUN;
  enter (s, state);
}

/* ---- finding the result (contract 2.4) ---- */

static gboolean
is_unchanged (const MefotaUpgrade *u)
{
  return u->from_version[0] == '\0' || mefota_version_matches (u->to_version, u->from_version);
}

static gboolean
succeed_if_right (Step *s, const char *version)
{
  MefotaUpgrade *u = s->u;

  set_string (&u->to_version, version);
  if (u->target[0] != '\0' ? !mefota_version_matches (version, u->target) : is_unchanged (u))
    return FALSE;
  finish (s, MEFOTA_RESULT_SUCCESS, MEFOTA_ERROR_FAILED, "");
  return TRUE;
}

static void
fail_as_said (Step *s, const MefotaIndication *indication)
{
  g_autofree char *message = mefota_indication_explain (indication);
  fail (s, indication->error, "%s", message);
}

/* The version did not decide; @word is what AT+FOTACTR? said, or NULL. */
static void
fail_undecided (Step *s, const MefotaIndication *word)
{
  MefotaUpgrade *u = s->u;
  gboolean failing = word != NULL && word->kind == MEFOTA_IND_FAILURE;
  gboolean claimed = u->success_claimed || (word != NULL && word->kind == MEFOTA_IND_SUCCESS);

  if (u->looking == MEFOTA_LOOK_SILENT && !failing)
    fail (s, MEFOTA_ERROR_TIMEOUT,
          "The module has said nothing about its download for too long; check its network and server, then start again.");
  else if (failing && !(u->target[0] == '\0' && u->success_claimed))
    fail_as_said (s, word);
  else if (u->looking == MEFOTA_LOOK_STAYED)
    fail (s, MEFOTA_ERROR_UPGRADE_FAILED,
          "The module never restarted to install and still runs %s; restart it and start the upgrade again.", u->to_version);
  else if (u->from_version[0] == '\0')
    fail (s, MEFOTA_ERROR_NOT_VERIFIED,
          "The module runs %s, but what it ran before is not known; compare with the version you expect.", u->to_version);
  else if (claimed && u->target[0] == '\0')
    fail (s, MEFOTA_ERROR_NOT_VERIFIED,
          "The module claims success but still runs %s; check on the server what it was to get, then start again.",
          u->to_version);
  else
    fail (s, MEFOTA_ERROR_UPGRADE_FAILED,
          "The module is back and still runs %s; check that package and version belong together, then start again.",
          u->to_version);
}

static void
settle_or_succeed (Step *s, const char *version)
{
  if (!succeed_if_right (s, version))
    s->u->settle_at = after (s, s->t->settle);
}

/* ---- one function an event ---- */

static void
on_begin (Step *s)
{
  if (s->u->state == MEFOTA_STATE_QUEUED && s->e->state != MEFOTA_STATE_QUEUED)
    {
      /* Its turn has come: it is the same upgrade, and what it starts from is only known now. */
      set_string (&s->u->imei, s->e->imei);
      set_string (&s->u->from_version, s->e->version);
      enter (s, s->e->state);
    }
  else if (!mefota_upgrade_is_active (s->u))
    begin (s, s->e->operation, s->e->state, s->e->target, s->e->requested_by);
}

static void
note (Step *s, const MefotaIndication *ind)
{
  MefotaUpgrade *u = s->u;

  set_string (&u->status, ind->status);
  set_string (&u->argument, ind->argument);
  if (ind->kind == MEFOTA_IND_DOWNLOADING && ind->number >= 0 && u->state == MEFOTA_STATE_DOWNLOADING)
    u->progress = MIN ((guint) ind->number, 100);
  else if (ind->kind == MEFOTA_IND_COSTTIME && ind->number >= 0)
    u->download_seconds = (guint) ind->number;
}

static void
ask (Step *s)
{
  MefotaUpgrade *u = s->u;

  enter (s, MEFOTA_STATE_CONFIRMING);
  if (u->confirm_deadline == 0 && !u->refused)
    {
      u->answered = FALSE;
      u->confirm_deadline = s->now.wall + (gint64) s->t->confirm * 1000;
      u->confirm_at = after (s, s->t->confirm);
      s->actions |= MEFOTA_ACT_SAVE;
    }
  s->actions |= MEFOTA_ACT_QUESTION;
}

static void
follow (Step *s, int next, const MefotaIndication *ind)
{
  MefotaUpgrade *u = s->u;

  if (next == SUCCEED)
    {
      u->success_claimed = TRUE;
      s->actions |= MEFOTA_ACT_SAVE;
      enter (s, MEFOTA_STATE_CHECKING);
      if (!u->returning)
        s->actions |= MEFOTA_ACT_READ_IDENTITY;
    }
  else if (next == FAIL && u->state == MEFOTA_STATE_TRANSFERRING)
    {
      g_autofree char *message = mefota_indication_explain (ind);
      u->ending = TRUE;
      u->error = ind->error;
      set_string (&u->message, message);
      s->actions |= MEFOTA_ACT_STOP_TRANSFER;
    }
  else if (next == FAIL)
    fail_as_said (s, ind);
  else if (next == ASKED)
    ask (s);
  else if (next >= 0 && !(is_package (u) && next == MEFOTA_STATE_DOWNLOADING))
    enter (s, (MefotaState) next);
}

static void
on_indication (Step *s)
{
  MefotaUpgrade *u = s->u;
  const MefotaIndication *ind = s->e->indication;
  int next = leads_to[ind->kind][u->state];

  if (!mefota_upgrade_is_active (u) || u->state == MEFOTA_STATE_QUEUED)
    {
      if (!mefota_upgrade_would_adopt (u, ind))
        return;
      begin (s, next == ASKED ? MEFOTA_OPERATION_POLLED : MEFOTA_OPERATION_NETWORK, MEFOTA_STATE_STARTING, "", "module");
      next = leads_to[ind->kind][MEFOTA_STATE_STARTING];
    }

  if (u->state == MEFOTA_STATE_CHECKING && u->settle_at != 0)
    u->settle_at = after (s, s->t->settle);
  arm_silence (s);
  follow (s, next, ind);
  note (s, ind);
}

static void
on_gone (Step *s)
{
  MefotaUpgrade *u = s->u;

  if (!mefota_upgrade_is_active (u) || u->state == MEFOTA_STATE_QUEUED)
    return;
  u->reboots++;
  u->returning = TRUE;
  u->looking = MEFOTA_LOOK_NONE;
  s->actions |= MEFOTA_ACT_SAVE;
  if (u->state == MEFOTA_STATE_UPDATING || u->state == MEFOTA_STATE_REBOOTING || u->state == MEFOTA_STATE_CHECKING)
    {
      u->went_away = TRUE;
      enter (s, MEFOTA_STATE_REBOOTING);
    }
  else if (u->state == MEFOTA_STATE_TRANSFERRING)
    arm_silence (s);
}

static void
on_answers (Step *s)
{
  if (s->u->state == MEFOTA_STATE_REBOOTING)
    enter (s, MEFOTA_STATE_CHECKING);
}

static void
on_identity (Step *s)
{
  MefotaUpgrade *u = s->u;
  gboolean returned = u->returning;

  if (!mefota_upgrade_is_active (u))
    return;
  if (is_imei (s->e->imei) && is_imei (u->imei) && strcmp (s->e->imei, u->imei) != 0)
    {
      fail (s, MEFOTA_ERROR_MODULE_REPLACED,
            "Module %s sits where module %s was upgraded; put the old one back to learn what became of it.", s->e->imei, u->imei);
      return;
    }
  if (is_imei (s->e->imei))
    set_string (&u->imei, s->e->imei);
  if (u->from_version[0] == '\0' && s->e->stored != NULL)
    set_string (&u->from_version, s->e->stored); /* adopted before it was known who speaks */
  u->returning = FALSE;

  if (u->state == MEFOTA_STATE_TRANSFERRING)
    u->silence_at = 0;
  else if (u->state == MEFOTA_STATE_CHECKING || u->state == MEFOTA_STATE_REBOOTING)
    {
      enter (s, MEFOTA_STATE_CHECKING);
      settle_or_succeed (s, s->e->version);
    }
  else if (returned && u->state != MEFOTA_STATE_QUEUED && u->state != MEFOTA_STATE_CONFIRMING
           && !succeed_if_right (s, s->e->version) && u->state == MEFOTA_STATE_UPDATING
           && (u->overdue || !is_unchanged (u)))
    {
      /* Only a restart of the daemon hid that the module was away: another version, or it has had all its time. */
      enter (s, MEFOTA_STATE_CHECKING);
      u->settle_at = after (s, s->t->settle);
    }
}

static void
on_looked (Step *s)
{
  MefotaUpgrade *u = s->u;

  if (u->looking == MEFOTA_LOOK_NONE)
    return;
  if (s->e->version == NULL)
    {
      /* It stopped answering just now. Wait for the reboot that this is, or end where nothing more is to come. */
      if (u->looking == MEFOTA_LOOK_SILENT)
        fail_undecided (s, NULL);
      else
        {
          u->settle_at = after (s, s->t->settle);
          u->looking = MEFOTA_LOOK_NONE;
        }
      return;
    }
  if (succeed_if_right (s, s->e->version))
    return;
  if (u->looking == MEFOTA_LOOK_SETTLED && u->target[0] != '\0' && !is_unchanged (u))
    fail (s, MEFOTA_ERROR_VERSION_MISMATCH, "The module now runs %s instead of %s; check which package the server or you gave it.",
          u->to_version, u->target);
  else if (u->looking == MEFOTA_LOOK_SETTLED && u->target[0] == '\0' && u->success_claimed)
    fail_undecided (s, NULL);
  else
    s->actions |= MEFOTA_ACT_ASK_WORD;
}

static void
on_word (Step *s)
{
  if (s->u->looking != MEFOTA_LOOK_NONE)
    fail_undecided (s, s->e->indication);
}

static void
look (Step *s, MefotaLook why)
{
  s->u->looking = why;
  s->actions |= MEFOTA_ACT_LOOK;
}

static void
on_silence (Step *s)
{
  MefotaUpgrade *u = s->u;

  if (u->state == MEFOTA_STATE_TRANSFERRING)
    fail (s, MEFOTA_ERROR_TRANSFER_FAILED,
          "The module went away while the package was sent and has not come back; check its power, then install again.");
  else if (u->returning)
    {
      u->looking = MEFOTA_LOOK_SILENT;
      fail_undecided (s, NULL);
    }
  else
    look (s, MEFOTA_LOOK_SILENT);
}

static void
on_overdue (Step *s)
{
  MefotaUpgrade *u = s->u;

  if (u->state == MEFOTA_STATE_UPDATING && !u->returning && !u->went_away)
    look (s, MEFOTA_LOOK_STAYED);
  else
    {
      u->overdue = TRUE;
      s->actions |= MEFOTA_ACT_OVERDUE | MEFOTA_ACT_SAVE;
    }
}

static gboolean
is_due (Step *s, gint64 *deadline)
{
  if (*deadline == 0 || *deadline > s->now.mono)
    return FALSE;
  *deadline = 0;
  return TRUE;
}

static void
on_timer (Step *s)
{
  MefotaUpgrade *u = s->u;

  if (is_due (s, &u->give_up_at))
    fail (s, MEFOTA_ERROR_TIMEOUT,
          "The module has not come back from installing; check its power and USB or UART, its version will be noted when it returns.");
  else if (is_due (s, &u->confirm_at))
    fail (s, MEFOTA_ERROR_CONFIRM_TIMEOUT,
          "Nobody answered the module's question in time; it will ask again, answer with Confirm or set a policy.");
  else if (is_due (s, &u->refuse_at))
    fail (s, MEFOTA_ERROR_REJECTED, "The upgrade was refused as asked; the module will ask again at its next poll.");
  else if (is_due (s, &u->silence_at))
    on_silence (s);
  else if (is_due (s, &u->overdue_at))
    on_overdue (s);
  else if (is_due (s, &u->settle_at))
    look (s, MEFOTA_LOOK_SETTLED);
}

static void
on_answered (Step *s)
{
  MefotaUpgrade *u = s->u;

  if (u->state != MEFOTA_STATE_CONFIRMING)
    return;
  u->answered = TRUE;
  if (s->e->allow)
    enter (s, MEFOTA_STATE_STARTING);
  else
    {
      u->refused = TRUE;
      u->confirm_deadline = u->confirm_at = 0;
      u->refuse_at = after (s, s->t->command);
      s->actions |= MEFOTA_ACT_SAVE;
    }
}

static void
on_transferred (Step *s)
{
  if (s->u->state == MEFOTA_STATE_TRANSFERRING)
    s->u->progress = MIN (s->e->percent, 100);
}

static void
on_installing (Step *s)
{
  if (s->u->state == MEFOTA_STATE_TRANSFERRING)
    enter (s, MEFOTA_STATE_UPDATING);
}

static void
on_transfer_ended (Step *s)
{
  MefotaUpgrade *u = s->u;

  if (u->state != MEFOTA_STATE_TRANSFERRING && u->state != MEFOTA_STATE_QUEUED)
    return;
  if (u->ending)
    fail (s, u->error, "%s", u->message);
  else
    fail (s, s->e->error, "%s", s->e->text);
}

static void
on_cancel (Step *s)
{
  MefotaUpgrade *u = s->u;
  static const char *const message = "The upgrade was cancelled before the module began; start it again when you like.";

  if (!mefota_upgrade_can_cancel (u))
    return;
  if (u->state == MEFOTA_STATE_QUEUED)
    {
      fail (s, MEFOTA_ERROR_CANCELLED, "%s", message);
      return;
    }
  u->ending = TRUE;
  u->error = MEFOTA_ERROR_CANCELLED;
  set_string (&u->message, message);
  s->actions |= MEFOTA_ACT_STOP_TRANSFER | MEFOTA_ACT_SAVE;
}

static void (*const handlers[MEFOTA_N_EVENTS]) (Step *s) = {
  [MEFOTA_EVENT_BEGIN] = on_begin,
  [MEFOTA_EVENT_INDICATION] = on_indication,
  [MEFOTA_EVENT_GONE] = on_gone,
  [MEFOTA_EVENT_ANSWERS] = on_answers,
  [MEFOTA_EVENT_IDENTITY] = on_identity,
  [MEFOTA_EVENT_LOOKED] = on_looked,
  [MEFOTA_EVENT_WORD] = on_word,
  [MEFOTA_EVENT_TIMER] = on_timer,
  [MEFOTA_EVENT_ANSWERED] = on_answered,
  [MEFOTA_EVENT_TRANSFERRED] = on_transferred,
  [MEFOTA_EVENT_INSTALLING] = on_installing,
  [MEFOTA_EVENT_TRANSFER_ENDED] = on_transfer_ended,
  [MEFOTA_EVENT_CANCEL] = on_cancel,
};

guint
mefota_upgrade_step (MefotaUpgrade *self, const MefotaTimeouts *timeouts, const MefotaEvent *event, MefotaTime now)
{
  Step s = { .u = self, .t = timeouts, .e = event, .now = now };

  handlers[event->type](&s);
  return s.actions;
}

gboolean
mefota_upgrade_is_active (const MefotaUpgrade *self)
{
  return self->state >= MEFOTA_STATE_QUEUED;
}

gboolean
mefota_upgrade_can_cancel (const MefotaUpgrade *self)
{
  return self->state == MEFOTA_STATE_QUEUED || (self->state == MEFOTA_STATE_TRANSFERRING && !self->ending);
}

gboolean
mefota_upgrade_would_adopt (const MefotaUpgrade *self, const MefotaIndication *indication)
{
  return self->state <= MEFOTA_STATE_QUEUED && leads_to[indication->kind][self->state] != STAY;
}

gint64
mefota_upgrade_get_deadline (const MefotaUpgrade *self)
{
  const gint64 all[] = { self->silence_at, self->confirm_at, self->refuse_at,
                         self->overdue_at, self->give_up_at, self->settle_at };
  gint64 first = 0;

  for (gsize i = 0; i < G_N_ELEMENTS (all); i++)
    if (all[i] != 0 && (first == 0 || all[i] < first))
      first = all[i];
  return first;
}

MefotaUpgrade *
mefota_upgrade_new (void)
{
  MefotaUpgrade *self = g_new0 (MefotaUpgrade, 1);

  self->state = MEFOTA_STATE_IDLE;
  self->id = g_strdup ("");
  self->imei = g_strdup ("");
  self->from_version = g_strdup ("");
  self->target = g_strdup ("");
  self->requested_by = g_strdup ("");
  self->status = g_strdup ("");
  self->argument = g_strdup ("");
  self->message = g_strdup ("");
  self->to_version = g_strdup ("");
  self->package_sha256 = g_strdup ("");
  return self;
}

void
mefota_upgrade_free (MefotaUpgrade *self)
{
  g_free (self->id);
  g_free (self->imei);
  g_free (self->from_version);
  g_free (self->target);
  g_free (self->requested_by);
  g_free (self->status);
  g_free (self->argument);
  g_free (self->message);
  g_free (self->to_version);
  g_free (self->package);
  g_free (self->package_sha256);
  g_free (self);
}
