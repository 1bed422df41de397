/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* How an upgrade's result is found: contract 2.4, and section 5, "Results". */
#include "mefota-upgrade-private.h"

#include "mefota-profile.h"

static gboolean
is_imei (const char *imei)
{
  return strlen (imei) == 15 && strspn (imei, "0123456789") == 15;
}

/* ---- versions ---- */

static gboolean
has_target (const MefotaUpgrade *u)
{
  return u->target[0] != '\0';
}

/* Whether the version read last is known to be another one than before. */
static gboolean
has_changed (const MefotaUpgrade *u)
{
  return u->from_version[0] != '\0' && u->to_version[0] != '\0'
         && !mefota_version_matches (u->to_version, u->from_version);
}

/* Takes note of a version just read; FALSE if none was: an empty one is no other version. */
static gboolean
take_version (MefotaStep *s, const char *version)
{
  if (version == NULL || version[0] == '\0')
    return FALSE;
  mefota_step_set_string (&s->u->to_version, version);
  return TRUE;
}

/* With the version taken. */
static gboolean
succeed_if_right (MefotaStep *s)
{
  MefotaUpgrade *u = s->u;

  if (has_target (u) ? !mefota_version_matches (u->to_version, u->target) : !has_changed (u))
    return FALSE;
  mefota_step_finish (s, MEFOTA_RESULT_SUCCESS, MEFOTA_ERROR_FAILED, "");
  return TRUE;
}

/* ---- looks: the version read once more, then maybe AT+FOTACTR? ---- */

static void
look (MefotaStep *s, MefotaLook why)
{
  s->u->looking = why;
  s->actions |= MEFOTA_ACT_LOOK;
}

/* It is back, with a version that does not decide. */
static void
settle (MefotaStep *s)
{
  mefota_step_enter (s, MEFOTA_STATE_CHECKING);
  s->u->settle_at = mefota_step_after (s, s->t->settle);
}

void
mefota_step_fail_as_said (MefotaStep *s, const MefotaIndication *indication)
{
  g_autofree char *message = mefota_indication_explain (indication);
  mefota_step_fail (s, indication->error, "%s", message);
}

static void
fail_silent (MefotaStep *s)
{
  mefota_step_fail (
      s, MEFOTA_ERROR_TIMEOUT,
      "The module has said nothing about its download for too long; check its network and server, then start "
      "again.");
}

/* The version did not decide; @word is what AT+FOTACTR? said, or NULL. */
static void
fail_undecided (MefotaStep *s, const MefotaIndication *word)
{
  MefotaUpgrade *u = s->u;
  gboolean claimed = u->success_claimed || (word != NULL && word->kind == MEFOTA_IND_SUCCESS);

  if (word != NULL && word->kind == MEFOTA_IND_FAILURE)
    mefota_step_fail_as_said (s, word);
  else if (u->looking == MEFOTA_LOOK_SILENT)
    fail_silent (s);
  else if (u->looking == MEFOTA_LOOK_STAYED)
    mefota_step_fail (
        s, MEFOTA_ERROR_UPGRADE_FAILED,
        "The module never restarted to install and still runs %s; restart it and start the upgrade again.",
        u->to_version);
  else if (u->from_version[0] == '\0')
    mefota_step_fail (s, MEFOTA_ERROR_NOT_VERIFIED,
                      "The module runs %s, but what it ran before is not known; compare with the version you expect.",
                      u->to_version);
  else if (claimed && !has_target (u))
    mefota_step_fail (
        s, MEFOTA_ERROR_NOT_VERIFIED,
        "The module claims success but still runs %s; check which package the server or you gave it, then start again.",
        u->to_version);
  else
    mefota_step_fail (
        s, MEFOTA_ERROR_UPGRADE_FAILED,
        "The module is back and still runs %s; check that package and version belong together, then start again.",
        u->to_version);
}

void
mefota_step_on_looked (MefotaStep *s)
{
  MefotaUpgrade *u = s->u;

  if (u->looking == MEFOTA_LOOK_NONE)
    return;
  if (!take_version (s, s->e->version))
    {
      /* It does not answer just now. Wait for the reboot that this is, or end where nothing more is to come. */
      if (u->looking == MEFOTA_LOOK_SILENT)
        fail_silent (s);
      else
        {
          u->settle_at = mefota_step_after (s, s->t->settle);
          u->looking = MEFOTA_LOOK_NONE;
        }
    }
  else if (succeed_if_right (s))
    ;
  else if (has_target (u) && (has_changed (u) || (u->from_version[0] == '\0' && u->looking == MEFOTA_LOOK_SETTLED)))
    mefota_step_fail (s, MEFOTA_ERROR_VERSION_MISMATCH,
                      "The module now runs %s instead of %s; check which package the server or you gave it.",
                      u->to_version, u->target);
  else if (u->looking == MEFOTA_LOOK_SETTLED && !has_target (u) && u->success_claimed)
    fail_undecided (s, NULL);
  else
    s->actions |= MEFOTA_ACT_ASK_WORD;
}

void
mefota_step_on_word (MefotaStep *s)
{
  if (s->u->looking != MEFOTA_LOOK_NONE)
    fail_undecided (s, s->e->indication);
}

/* ---- back ---- */

/* FALSE if it is another module. */
static gboolean
take_imei (MefotaStep *s, gboolean returned)
{
  MefotaUpgrade *u = s->u;
  const char *imei = s->e->imei;

  if (!is_imei (imei))
    return TRUE;
  if (is_imei (u->imei) && strcmp (imei, u->imei) != 0)
    {
      mefota_step_fail (s, MEFOTA_ERROR_MODULE_REPLACED,
                        "Module %s sits where module %s was upgraded; put the old one back to learn what became of it.",
                        imei, u->imei);
      return FALSE;
    }
  /* Adopted before it was known who speaks. What runs now is what it starts from, if it cannot have installed yet. */
  if (u->imei[0] == '\0' && u->from_version[0] == '\0')
    mefota_step_set_string (&u->from_version, returned || u->install_since != 0 ? s->e->stored : s->e->version);
  mefota_step_set_string (&u->imei, imei);
  return TRUE;
}

void
mefota_step_on_identity (MefotaStep *s)
{
  MefotaUpgrade *u = s->u;
  gboolean returned = u->returning;
  gboolean read;

  if (!mefota_upgrade_is_active (u) || !take_imei (s, returned))
    return;
  u->returning = FALSE;
  if (u->state == MEFOTA_STATE_QUEUED || u->state == MEFOTA_STATE_CONFIRMING)
    return;
  if (u->state == MEFOTA_STATE_TRANSFERRING)
    {
      u->silence_at = 0;
      return;
    }

  read = take_version (s, s->e->version);
  if (u->state == MEFOTA_STATE_CHECKING || u->state == MEFOTA_STATE_REBOOTING)
    {
      if (!read || !succeed_if_right (s))
        settle (s);
    }
  else if (returned && read && (u->from_version[0] == '\0' || has_changed (u)) && succeed_if_right (s))
    ; /* its last words were lost, with the daemon or in the hang-up */
  else if (u->state == MEFOTA_STATE_UPDATING && read && has_changed (u))
    {
      /* It was away, while the daemon was or so shortly that nobody saw it. */
      if (!returned)
        {
          u->went_away = TRUE;
          u->reboots++;
          s->actions |= MEFOTA_ACT_SAVE;
        }
      if (returned || !succeed_if_right (s))
        settle (s);
    }
  else if (returned && u->state == MEFOTA_STATE_UPDATING && u->overdue)
    settle (s); /* it was away while the daemon was, and has had all its time */
}

/* ---- deadlines ---- */

static void
on_silence (MefotaStep *s)
{
  MefotaUpgrade *u = s->u;

  if (u->state == MEFOTA_STATE_TRANSFERRING && u->ending)
    mefota_step_fail (s, u->error, "%s", u->message);
  else if (u->state == MEFOTA_STATE_TRANSFERRING)
    mefota_step_fail (
        s, MEFOTA_ERROR_TRANSFER_FAILED,
        "The module went away while the package was sent and has not come back; check its power, then install "
        "again.");
  else if (u->returning)
    fail_silent (s);
  else
    look (s, MEFOTA_LOOK_SILENT);
}

static void
on_overdue (MefotaStep *s)
{
  MefotaUpgrade *u = s->u;

  u->overdue = TRUE;
  s->actions |= MEFOTA_ACT_OVERDUE | MEFOTA_ACT_SAVE;
  if (u->state != MEFOTA_STATE_UPDATING || u->returning)
    return;
  if (u->went_away)
    settle (s); /* it was back and began again, but has not gone since */
  else
    look (s, MEFOTA_LOOK_STAYED);
}

static gboolean
is_due (MefotaStep *s, gint64 *deadline)
{
  if (*deadline == 0 || *deadline > s->now.mono)
    return FALSE;
  *deadline = 0;
  return TRUE;
}

void
mefota_step_on_timer (MefotaStep *s)
{
  MefotaUpgrade *u = s->u;

  if (is_due (s, &u->give_up_at))
    mefota_step_fail (
        s, MEFOTA_ERROR_TIMEOUT,
        "The module has not come back from installing; check its power and USB or UART, its version will be "
        "noted when it returns.");
  else if (is_due (s, &u->confirm_at))
    mefota_step_fail (
        s, MEFOTA_ERROR_CONFIRM_TIMEOUT,
        "Nobody answered the module's question in time; it will ask again, answer with Confirm or set a policy.");
  else if (is_due (s, &u->refuse_at))
    mefota_step_fail (s, MEFOTA_ERROR_REJECTED,
                      "The upgrade was refused as asked; the module will ask again at its next poll.");
  else if (is_due (s, &u->silence_at))
    on_silence (s);
  else if (is_due (s, &u->overdue_at))
    on_overdue (s);
  else if (is_due (s, &u->settle_at))
    look (s, MEFOTA_LOOK_SETTLED);
}
