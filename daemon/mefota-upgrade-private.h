/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-upgrade.h"

G_BEGIN_DECLS

/* Shared by the two halves of the machine: the way of an upgrade (mefota-upgrade.c) and how its result is found
 * (mefota-upgrade-result.c). */
typedef struct
{
  MefotaUpgrade *u;
  const MefotaTimeouts *t;
  const MefotaEvent *e;
  MefotaTime now;
  guint actions;
} MefotaStep;

/* ---- mefota-upgrade.c: the single writers of state and result ---- */

void mefota_step_enter (MefotaStep *s, MefotaState state);
void mefota_step_finish (MefotaStep *s, MefotaResult result, MefotaError error, const char *message);
void mefota_step_fail (MefotaStep *s, MefotaError error, const char *format, ...) G_GNUC_PRINTF (3, 4);
void mefota_step_arm_silence (MefotaStep *s);
gint64 mefota_step_after (MefotaStep *s, guint milliseconds);
/* NULL counts as "". @value may be the field's own. */
void mefota_step_set_string (char **field, const char *value);

/* ---- mefota-upgrade-result.c (contract 2.4) ---- */

void mefota_step_fail_as_said (MefotaStep *s, const MefotaIndication *indication);

/* The events by which it is found. */
void mefota_step_on_identity (MefotaStep *s);
void mefota_step_on_looked (MefotaStep *s);
void mefota_step_on_word (MefotaStep *s);
void mefota_step_on_timer (MefotaStep *s);

G_END_DECLS
