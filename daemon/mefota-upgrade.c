/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-upgrade-private.h"

/* What an indication leads to. */
enum
{
  STAY = -1,  /* no change of state */
  DONE = -2,  /* the module claims success: find out */
  FAIL = -3,  /* it has failed */
  ADOPT = -4, /* a new upgrade nobody here asked for */
  ASKED = -5, /* the module asks */
};

/* Rows: what the module says; columns: where the upgrade is. DL … are the states of contract 2.2. */
#define DL MEFOTA_STATE_DOWNLOADING
#define VF MEFOTA_STATE_VERIFYING
#define UP MEFOTA_STATE_UPDATING
#define ST MEFOTA_STATE_STARTING

/*                             absent probe  idle   queued start  confi  downl  transf verif  updat  reboot check */
static const int leads_to[MEFOTA_N_IND_KINDS][MEFOTA_N_STATES] = {
  [MEFOTA_IND_OTHER] =       { STAY,  STAY,  STAY,  STAY,  STAY,  STAY,  STAY,  STAY,  STAY,  STAY,  STAY,  STAY },
  [MEFOTA_IND_START] =       { ADOPT, ADOPT, ADOPT, ADOPT, DL,    DL,    DL,    STAY,  DL,    DL,    DL,    DL },
  [MEFOTA_IND_QUESTION] =    { ASKED, ASKED, ASKED, ASKED, ASKED, ASKED, ASKED, STAY,  ASKED, STAY,  STAY,  STAY },
  [MEFOTA_IND_CONFIRMED] =   { STAY,  STAY,  STAY,  STAY,  STAY,  ST,    STAY,  STAY,  STAY,  STAY,  STAY,  STAY },
  [MEFOTA_IND_DOWNLOADING] = { ADOPT, ADOPT, ADOPT, ADOPT, DL,    DL,    DL,    STAY,  DL,    DL,    DL,    DL },
  [MEFOTA_IND_COSTTIME] =    { STAY,  STAY,  STAY,  STAY,  STAY,  STAY,  STAY,  STAY,  STAY,  STAY,  STAY,  STAY },
  [MEFOTA_IND_NEED_VERIFY] = { ADOPT, ADOPT, ADOPT, ADOPT, VF,    VF,    VF,    STAY,  VF,    VF,    VF,    VF },
  [MEFOTA_IND_PASS_VERIFY] = { ADOPT, ADOPT, ADOPT, ADOPT, UP,    UP,    UP,    UP,    UP,    UP,    UP,    UP },
  [MEFOTA_IND_UPDATING] =    { ADOPT, ADOPT, ADOPT, ADOPT, UP,    UP,    UP,    UP,    UP,    UP,    UP,    UP },
  [MEFOTA_IND_SUCCESS] =     { STAY,  STAY,  STAY,  STAY,  DONE,  DONE,  DONE,  STAY,  DONE,  DONE,  DONE,  DONE },
  [MEFOTA_IND_FAILURE] =     { STAY,  STAY,  STAY,  STAY,  FAIL,  FAIL,  FAIL,  FAIL,  FAIL,  FAIL,  FAIL,  FAIL },
};

#undef DL
#undef VF
#undef UP
#undef ST

typedef MefotaStep Step;

void
mefota_step_set_string (char **field, const char *value)
{
  g_autofree char *old G_GNUC_UNUSED = *field; /* value may be part of it */
  *field = g_strdup (value != NULL ? value : "");
}

gint64
mefota_step_after (Step *s, guint milliseconds)
{
  return s->now.mono + (gint64) milliseconds * 1000;
}

static gboolean
is_package (const MefotaUpgrade *u)
{
  return u->operation == MEFOTA_OPERATION_SERIAL || u->operation == MEFOTA_OPERATION_ADB;
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
void
mefota_step_arm_silence (Step *s)
{
  MefotaState state = s->u->state;
  gboolean counts = state == MEFOTA_STATE_STARTING || state == MEFOTA_STATE_DOWNLOADING
                    || state == MEFOTA_STATE_VERIFYING || (state == MEFOTA_STATE_TRANSFERRING && s->u->returning);
  s->u->silence_at = counts ? mefota_step_after (s, s->t->download) : 0;
}

static void
begin_install_clock (Step *s)
{
  if (s->u->install_since != 0)
    return;
  s->u->install_since = s->now.wall;
  s->u->overdue_at = mefota_step_after (s, s->t->install);
  s->u->give_up_at = mefota_step_after (s, s->t->give_up);
}

/* ---- the single writers of state and result ---- */

void
mefota_step_enter (Step *s, MefotaState state)
{
  MefotaUpgrade *u = s->u;

  if (state == MEFOTA_STATE_UPDATING)
    u->power_critical = TRUE;
  if (state == MEFOTA_STATE_UPDATING || state == MEFOTA_STATE_REBOOTING || state == MEFOTA_STATE_CHECKING)
    begin_install_clock (s);
  if (state != MEFOTA_STATE_CONFIRMING)
    {
      u->confirm_deadline = 0;
      u->confirm_at = u->refuse_at = 0;
      u->refused = FALSE;
    }
  if (state != u->state)
    {
      u->settle_at = 0;
      u->looking = MEFOTA_LOOK_NONE;
      u->state = state;
      u->phase_since = s->now.wall;
      u->progress = 0;
      s->actions |= MEFOTA_ACT_SAVE;
    }
  mefota_step_arm_silence (s);
}

void
mefota_step_finish (Step *s, MefotaResult result, MefotaError error, const char *message)
{
  MefotaUpgrade *u = s->u;

  u->result = result;
  u->error = error;
  mefota_step_set_string (&u->message, message);
  u->ended_at = s->now.wall;
  u->state = MEFOTA_STATE_IDLE;
  u->progress = 0;
  u->overdue = u->power_critical = u->ending = FALSE;
  u->confirm_deadline = 0;
  clear_deadlines (u);
  s->actions |= MEFOTA_ACT_SAVE | MEFOTA_ACT_FINISHED;
}

void
mefota_step_fail (Step *s, MefotaError error, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  mefota_step_finish (s, MEFOTA_RESULT_FAILURE, error, message);
}

static void
begin (Step *s, MefotaOperation operation, MefotaState state, const char *target, const char *requested_by)
{
  MefotaUpgrade *u = s->u;

  clear_deadlines (u);
  u->operation = operation;
  mefota_step_set_string (&u->imei, s->e->imei);
  mefota_step_set_string (&u->from_version, s->e->version);
  mefota_step_set_string (&u->target, target);
  mefota_step_set_string (&u->requested_by, requested_by);
  mefota_step_set_string (&u->status, "");
  mefota_step_set_string (&u->argument, "");
  mefota_step_set_string (&u->to_version, "");
  mefota_step_set_string (&u->message, "");
  u->result = MEFOTA_RESULT_NONE;
  u->reboots = u->download_seconds = 0;
  u->overdue = u->power_critical = u->force = FALSE;
  u->success_claimed = u->refused = u->answered = u->went_away = u->returning = u->ending = FALSE;
  u->install_since = u->confirm_deadline = 0;
  u->started_at = s->now.wall;
  u->piece = 0;
  u->install_asked = FALSE;
  u->state = MEFOTA_STATE_IDLE;
  s->actions |= MEFOTA_ACT_BEGUN;
  mefota_step_enter (s, state);
}

/* ---- one function an event ---- */

static void
on_begin (Step *s)
{
  if (s->u->state == MEFOTA_STATE_QUEUED && s->e->state != MEFOTA_STATE_QUEUED)
    {
      /* Its turn has come: it is the same upgrade, and what it starts from and goes for is only known now. */
      mefota_step_set_string (&s->u->imei, s->e->imei);
      mefota_step_set_string (&s->u->from_version, s->e->version);
      if (s->u->target[0] == '\0')
        mefota_step_set_string (&s->u->target, s->e->target);
      mefota_step_enter (s, s->e->state);
    }
  else if (!mefota_upgrade_is_active (s->u))
    begin (s, s->e->operation, s->e->state, s->e->target, s->e->requested_by);
}

/* Percents are not worth a write to flash each. */
static void
note (Step *s, const MefotaIndication *ind)
{
  MefotaUpgrade *u = s->u;

  if (ind->kind == MEFOTA_IND_COSTTIME || (ind->kind != MEFOTA_IND_OTHER && strcmp (u->status, ind->status) != 0))
    s->actions |= MEFOTA_ACT_SAVE;
  mefota_step_set_string (&u->status, ind->status);
  mefota_step_set_string (&u->argument, ind->argument);
  if (ind->kind == MEFOTA_IND_DOWNLOADING && ind->number >= 0 && u->state == MEFOTA_STATE_DOWNLOADING)
    u->progress = MIN ((guint) ind->number, 100);
  else if (ind->kind == MEFOTA_IND_COSTTIME && ind->number >= 0)
    u->download_seconds = (guint) ind->number;
}

static void
ask (Step *s)
{
  MefotaUpgrade *u = s->u;

  mefota_step_enter (s, MEFOTA_STATE_CONFIRMING);
  if (u->refused)
    return; /* it waits for no answer any more */
  if (u->confirm_deadline == 0)
    {
      u->answered = FALSE;
      u->confirm_deadline = s->now.wall + (gint64) s->t->confirm * 1000;
      u->confirm_at = mefota_step_after (s, s->t->confirm);
      s->actions |= MEFOTA_ACT_SAVE;
    }
  s->actions |= MEFOTA_ACT_QUESTION;
}

static void
follow (Step *s, int next, const MefotaIndication *ind)
{
  MefotaUpgrade *u = s->u;

  if (next == DONE)
    {
      u->success_claimed = TRUE;
      s->actions |= MEFOTA_ACT_SAVE;
      mefota_step_enter (s, MEFOTA_STATE_CHECKING);
      if (!u->returning)
        s->actions |= MEFOTA_ACT_READ_IDENTITY;
    }
  else if (next == FAIL && u->state == MEFOTA_STATE_TRANSFERRING)
    {
      g_autofree char *message = mefota_indication_explain (ind);
      u->ending = TRUE;
      u->error = ind->error;
      mefota_step_set_string (&u->message, message);
      s->actions |= MEFOTA_ACT_STOP_TRANSFER | MEFOTA_ACT_SAVE;
    }
  else if (next == FAIL)
    mefota_step_fail_as_said (s, ind);
  else if (next == ASKED && !is_package (u))
    ask (s);
  else if (ind->kind == MEFOTA_IND_CONFIRMED && u->refused)
    ; /* it has taken a no */
  else if (next >= 0 && !(is_package (u) && next == MEFOTA_STATE_DOWNLOADING))
    mefota_step_enter (s, (MefotaState) next);
}

static void
on_indication (Step *s)
{
  MefotaUpgrade *u = s->u;
  const MefotaIndication *ind = s->e->indication;
  int next = leads_to[ind->kind][u->state];

  if (u->state == MEFOTA_STATE_QUEUED)
    {
      if (mefota_upgrade_would_adopt (u, ind))
        mefota_step_fail (s, MEFOTA_ERROR_BUSY,
                          "The module has begun an upgrade of its own; start again after its end.");
      return;
    }
  if (!mefota_upgrade_is_active (u))
    {
      if (!mefota_upgrade_would_adopt (u, ind))
        return;
      begin (s, next == ASKED ? MEFOTA_OPERATION_POLLED : MEFOTA_OPERATION_NETWORK, MEFOTA_STATE_STARTING, "",
             "module");
      next = leads_to[ind->kind][MEFOTA_STATE_STARTING];
    }

  if (u->settle_at != 0 || u->looking == MEFOTA_LOOK_SETTLED)
    u->settle_at = mefota_step_after (s, s->t->settle);
  if (u->looking != MEFOTA_LOOK_STAYED)
    u->looking = MEFOTA_LOOK_NONE;
  mefota_step_arm_silence (s);
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
  s->actions |= MEFOTA_ACT_SAVE;
  if (u->install_since != 0 && u->state != MEFOTA_STATE_CONFIRMING)
    {
      u->went_away = TRUE;
      mefota_step_enter (s, MEFOTA_STATE_REBOOTING);
    }
  else if (u->state == MEFOTA_STATE_TRANSFERRING || u->looking == MEFOTA_LOOK_SILENT)
    {
      u->went_away = u->install_asked; /* instead of an OK */
      mefota_step_arm_silence (s);     /* the look at the end of a silence will not be answered any more */
    }
  u->looking = MEFOTA_LOOK_NONE;
}

static void
on_answers (Step *s)
{
  if (s->u->state == MEFOTA_STATE_REBOOTING)
    mefota_step_enter (s, MEFOTA_STATE_CHECKING);
}

static void
on_answered (Step *s)
{
  MefotaUpgrade *u = s->u;

  if (u->state != MEFOTA_STATE_CONFIRMING)
    return;
  u->answered = TRUE;
  if (s->e->allow)
    mefota_step_enter (s, MEFOTA_STATE_STARTING);
  else
    {
      u->refused = TRUE;
      u->confirm_deadline = u->confirm_at = 0;
      u->refuse_at = mefota_step_after (s, s->t->command);
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
  if (s->u->state != MEFOTA_STATE_TRANSFERRING)
    return;
  mefota_step_enter (s, MEFOTA_STATE_UPDATING);
  if (s->u->went_away && s->u->returning)
    mefota_step_enter (s, MEFOTA_STATE_REBOOTING);
}

static void
on_transfer_ended (Step *s)
{
  MefotaUpgrade *u = s->u;

  if (u->state != MEFOTA_STATE_TRANSFERRING && u->state != MEFOTA_STATE_QUEUED)
    return;
  if (u->ending)
    mefota_step_fail (s, u->error, "%s", u->message);
  else
    mefota_step_fail (s, s->e->error, "%s", s->e->text);
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
      mefota_step_fail (s, MEFOTA_ERROR_CANCELLED, "%s", message);
      return;
    }
  u->ending = TRUE;
  u->error = MEFOTA_ERROR_CANCELLED;
  mefota_step_set_string (&u->message, message);
  s->actions |= MEFOTA_ACT_STOP_TRANSFER | MEFOTA_ACT_SAVE;
}

static void (*const handlers[MEFOTA_N_EVENTS]) (Step *s) = {
  [MEFOTA_EVENT_BEGIN] = on_begin,
  [MEFOTA_EVENT_INDICATION] = on_indication,
  [MEFOTA_EVENT_GONE] = on_gone,
  [MEFOTA_EVENT_ANSWERS] = on_answers,
  [MEFOTA_EVENT_IDENTITY] = mefota_step_on_identity,
  [MEFOTA_EVENT_LOOKED] = mefota_step_on_looked,
  [MEFOTA_EVENT_WORD] = mefota_step_on_word,
  [MEFOTA_EVENT_TIMER] = mefota_step_on_timer,
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
  return self->state == MEFOTA_STATE_QUEUED
         || (self->state == MEFOTA_STATE_TRANSFERRING && !self->ending && !self->install_asked);
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
