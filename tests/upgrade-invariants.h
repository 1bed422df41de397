/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* What is so of every upgrade at any time and of every step, whatever happens to it; for the walk and for the fuzzer.
 */
#include "mefota-upgrade.h"

#include <string.h>

#include "mefota-profile.h"

static const MefotaTimeouts test_timeouts = {
  .command = 10000,
  .confirm = 180000,
  .download = 900000,
  .install = 600000,
  .give_up = 3600000,
  .settle = 60000,
  .probe = 2000,
};

static inline void
set_text (char **field, const char *text)
{
  *field = g_strdup (text);
}

static inline MefotaUpgrade *
copy_upgrade (const MefotaUpgrade *u)
{
  MefotaUpgrade *copy = g_memdup2 (u, sizeof *u);

  set_text (&copy->id, u->id);
  set_text (&copy->imei, u->imei);
  set_text (&copy->from_version, u->from_version);
  set_text (&copy->target, u->target);
  set_text (&copy->requested_by, u->requested_by);
  set_text (&copy->status, u->status);
  set_text (&copy->argument, u->argument);
  set_text (&copy->message, u->message);
  set_text (&copy->to_version, u->to_version);
  set_text (&copy->package, u->package);
  set_text (&copy->package_sha256, u->package_sha256);
  return copy;
}

/* ---- at any time ---- */

static inline void
check_result (const MefotaUpgrade *u)
{
  if (u->result == MEFOTA_RESULT_SUCCESS)
    {
      g_assert (u->to_version[0] != '\0');
      if (u->target[0] != '\0')
        g_assert (mefota_version_matches (u->to_version, u->target));
      else
        g_assert (u->from_version[0] != '\0' && !mefota_version_matches (u->to_version, u->from_version));
      g_assert (u->message[0] == '\0');
    }
  else if (u->result == MEFOTA_RESULT_FAILURE)
    {
      g_assert (g_str_has_suffix (u->message, "."));
      g_assert (u->error < MEFOTA_N_ERRORS);
    }
}

static inline void
check_idle (const MefotaUpgrade *u)
{
  g_assert (u->state == MEFOTA_STATE_IDLE);
  g_assert (!u->power_critical && !u->overdue && !u->ending);
  g_assert (!mefota_upgrade_can_cancel (u));
  g_assert (u->progress == 0 && u->confirm_deadline == 0);
  g_assert (mefota_upgrade_get_deadline (u) == 0);
  check_result (u);
}

/* Each state has a deadline, or waits for something that always comes: its turn, the end of a transfer, an answer (or
 * the lack of one) to what was just asked. */
static inline void
check_waits (const MefotaUpgrade *u)
{
  gboolean transferring = u->state == MEFOTA_STATE_TRANSFERRING;

  if (u->state == MEFOTA_STATE_QUEUED || (transferring && !u->returning))
    g_assert (mefota_upgrade_get_deadline (u) == 0);
  else
    g_assert (mefota_upgrade_get_deadline (u) != 0 || u->looking != MEFOTA_LOOK_NONE);
}

static inline void
check_upgrade (const MefotaUpgrade *u)
{
  if (!mefota_upgrade_is_active (u))
    {
      check_idle (u);
      return;
    }
  check_waits (u);
  g_assert (u->result == MEFOTA_RESULT_NONE);
  g_assert (u->started_at != 0 && u->phase_since != 0);
  g_assert (u->operation != MEFOTA_OPERATION_NONE);
  g_assert (u->progress <= 100);
  g_assert (mefota_upgrade_can_cancel (u)
            == (u->state == MEFOTA_STATE_QUEUED || (u->state == MEFOTA_STATE_TRANSFERRING && !u->ending)));
  g_assert ((u->confirm_deadline != 0) == (u->state == MEFOTA_STATE_CONFIRMING && !u->refused));
  g_assert (!u->refused || u->state == MEFOTA_STATE_CONFIRMING);
  if (u->state == MEFOTA_STATE_UPDATING)
    g_assert (u->power_critical);
  if (u->power_critical || u->state >= MEFOTA_STATE_UPDATING)
    g_assert (u->install_since != 0);
  if (u->overdue)
    g_assert (u->install_since != 0);
}

/* ---- of every step ---- */

static inline gboolean
is_indication (const MefotaEvent *event, MefotaIndKind kind)
{
  return event->type == MEFOTA_EVENT_INDICATION && event->indication->kind == kind;
}

/* Contract 2.2, in its own words: from PASS_VERIFY or UPDATING, or from the OK to AT+ZCOMUPDATE, until the end. */
static inline void
check_power (const MefotaUpgrade *before, const MefotaUpgrade *after, const MefotaEvent *event)
{
  gboolean begins = is_indication (event, MEFOTA_IND_PASS_VERIFY) || is_indication (event, MEFOTA_IND_UPDATING)
                    || (event->type == MEFOTA_EVENT_INSTALLING && before->state == MEFOTA_STATE_TRANSFERRING);

  g_assert (after->power_critical == (mefota_upgrade_is_active (after) && (before->power_critical || begins)));
}

static inline void
check_phase (const MefotaUpgrade *before, const MefotaUpgrade *after, const MefotaEvent *event, guint actions,
             MefotaTime now)
{
  gboolean downloading = is_indication (event, MEFOTA_IND_DOWNLOADING) && after->state == MEFOTA_STATE_DOWNLOADING;
  gboolean transferring = event->type == MEFOTA_EVENT_TRANSFERRED && after->state == MEFOTA_STATE_TRANSFERRING;
  gboolean changed = before->state != after->state;

  if (changed)
    {
      g_assert (actions & MEFOTA_ACT_SAVE);
      if (mefota_upgrade_is_active (after))
        g_assert (after->phase_since == now.wall);
      if (!downloading)
        g_assert (after->progress == 0);
    }
  else if (!downloading && !transferring)
    g_assert (after->progress == before->progress);
  if (!changed)
    g_assert (after->phase_since == before->phase_since);
}

static inline void
check_actions (const MefotaUpgrade *before, const MefotaUpgrade *after, guint actions)
{
  gboolean was = mefota_upgrade_is_active (before);
  gboolean is = mefota_upgrade_is_active (after);

  g_assert (((actions & MEFOTA_ACT_BEGUN) != 0) == (!was && is));
  g_assert (((actions & MEFOTA_ACT_FINISHED) != 0) == (was && !is));
  if (was && !is)
    g_assert (after->result != MEFOTA_RESULT_NONE);
  if (actions & (MEFOTA_ACT_LOOK | MEFOTA_ACT_ASK_WORD | MEFOTA_ACT_READ_IDENTITY))
    g_assert (is && !after->returning);
  if (actions & (MEFOTA_ACT_LOOK | MEFOTA_ACT_ASK_WORD))
    g_assert (after->looking != MEFOTA_LOOK_NONE);
  if (actions & MEFOTA_ACT_QUESTION)
    g_assert (after->state == MEFOTA_STATE_CONFIRMING && after->confirm_deadline != 0);
  if (actions & MEFOTA_ACT_STOP_TRANSFER)
    g_assert (after->state == MEFOTA_STATE_TRANSFERRING && after->ending);
  if (actions & MEFOTA_ACT_OVERDUE)
    g_assert (after->overdue && !before->overdue);
}

static inline void
check_failing (const MefotaUpgrade *before, const MefotaUpgrade *after, const MefotaEvent *event)
{
  if (is_indication (event, MEFOTA_IND_FAILURE) && before->state > MEFOTA_STATE_QUEUED)
    {
      g_assert (after->error == event->indication->error);
      if (before->state == MEFOTA_STATE_TRANSFERRING)
        g_assert (after->state == MEFOTA_STATE_TRANSFERRING && after->ending);
      else
        g_assert (after->result == MEFOTA_RESULT_FAILURE);
    }
  if (event->type == MEFOTA_EVENT_TRANSFER_ENDED && before->state == MEFOTA_STATE_TRANSFERRING)
    g_assert (after->result == MEFOTA_RESULT_FAILURE
              && after->error == (before->ending ? before->error : event->error));
  if (event->type == MEFOTA_EVENT_TIMER && before->ending && before->state == MEFOTA_STATE_TRANSFERRING
      && !mefota_upgrade_is_active (after))
    g_assert (after->error == before->error);
}

static inline void
check_cancel (const MefotaUpgrade *before, const MefotaUpgrade *after, const MefotaEvent *event, guint actions)
{
  if (event->type != MEFOTA_EVENT_CANCEL)
    return;
  if (!mefota_upgrade_can_cancel (before))
    g_assert (actions == 0 && after->state == before->state && after->ending == before->ending);
  else if (before->state == MEFOTA_STATE_QUEUED)
    g_assert (after->result == MEFOTA_RESULT_FAILURE && after->error == MEFOTA_ERROR_CANCELLED);
  else
    g_assert ((actions & MEFOTA_ACT_STOP_TRANSFER) != 0 && after->error == MEFOTA_ERROR_CANCELLED);
}

static inline void
check_step (const MefotaUpgrade *before, const MefotaUpgrade *after, const MefotaEvent *event, guint actions,
            MefotaTime now)
{
  check_upgrade (after);
  check_power (before, after, event);
  check_phase (before, after, event, actions, now);
  check_actions (before, after, actions);
  check_failing (before, after, event);
  check_cancel (before, after, event, actions);
  /* With nothing under way nothing happens but a beginning. */
  if (!mefota_upgrade_is_active (before) && !mefota_upgrade_is_active (after))
    g_assert (actions == 0 && after->result == before->result && strcmp (after->status, before->status) == 0);
}

/* ---- no upgrade for ever ---- */

/* The module says nothing more and nobody does anything: with all deadlines passed it has ended. @version is what a
 * look finds, NULL if the module does not answer; what a second identification would find is left out: it may never
 * come. */
static inline void
check_ends (const MefotaUpgrade *u, const char *version, MefotaTime now)
{
  g_autoptr (MefotaUpgrade) end = copy_upgrade (u);
  MefotaEvent timer = { .type = MEFOTA_EVENT_TIMER };
  MefotaEvent looked = { .type = MEFOTA_EVENT_LOOKED, .version = version };
  MefotaEvent word = { .type = MEFOTA_EVENT_WORD };
  MefotaEvent ended = { .type = MEFOTA_EVENT_TRANSFER_ENDED,
                        .error = MEFOTA_ERROR_TRANSFER_FAILED,
                        .text = "It broke." };

  for (guint i = 0; mefota_upgrade_is_active (end); i++)
    {
      const MefotaEvent *next = &timer;
      guint actions;

      g_assert (i < 1000);
      if (mefota_upgrade_get_deadline (end) != 0)
        {
          gint64 passes = MAX (mefota_upgrade_get_deadline (end) - now.mono, 0);
          now.mono += passes;
          now.wall += passes;
        }
      else if (end->looking != MEFOTA_LOOK_NONE)
        next = &looked;
      else
        next = &ended; /* the line's turn, or the transfer */
      actions = mefota_upgrade_step (end, &test_timeouts, next, now);
      if (actions & MEFOTA_ACT_LOOK)
        actions |= mefota_upgrade_step (end, &test_timeouts, &looked, now);
      if (actions & MEFOTA_ACT_ASK_WORD)
        mefota_upgrade_step (end, &test_timeouts, &word, now);
      check_upgrade (end);
    }
  g_assert (end->result != MEFOTA_RESULT_NONE);
}

/* A daemon started anew knows the same, and comes to an end too. */
static inline void
check_restart (const MefotaUpgrade *u, MefotaTime now)
{
  g_autoptr (GVariant) record = g_variant_ref_sink (mefota_upgrade_to_variant (u));
  g_autoptr (MefotaUpgrade) again = mefota_upgrade_from_variant (record, &test_timeouts, now);
  g_autoptr (GVariant) second = NULL;

  g_assert (again != NULL);
  second = g_variant_ref_sink (mefota_upgrade_to_variant (again));
  g_assert (g_variant_equal (record, second));
  check_upgrade (again);
  if (mefota_upgrade_is_active (again))
    check_ends (again, NULL, now);
}
