/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the steps of a block say, and which of it a switch withholds, changes or brings forward. */

#include "sim-run.h"

char *
sim_expand (SimRun *run, const char *text)
{
  MefotaSim *self = run->sim;
  const char *const names[] = { "$next", "$firmware", "$question", "$imei" };
  const char *const values[] = { run->target != NULL ? run->target : self->settings->next_firmware,
                                 self->settings->firmware, self->settings->question_word, self->settings->imei };
  char *out = g_strdup (text);

  for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
    {
      g_auto (GStrv) parts = g_strsplit (out, names[i], 0);

      g_free (out);
      out = g_strjoinv (values[i], parts);
    }
  return out;
}

static void
remember_result (MefotaSim *self, const char *word)
{
  if (g_str_has_prefix (word, "FAIL_") || g_str_has_prefix (word, "ERROR") || g_str_equal (word, "SUCCESS_END"))
    sim_settings_set (self->settings, "result", word, NULL);
}

void
sim_indication (MefotaSim *self, const char *word)
{
  g_autofree char *line = g_strconcat ("+FOTAIND: ", word, NULL);
  gboolean last = ++self->inds == self->settings->hangup_after_ind;

  remember_result (self, word);
  if (last && self->settings->lose_last)
    sim_event (self, "lost %s", line);
  else
    for (guint i = 0; i <= self->settings->repeat_ind; i++)
      sim_send_urc (self, line);
  if (last)
    {
      self->settings->hangup_after_ind = 0;
      sim_hangup (self, !self->settings->lose_last);
    }
}

/* Whether the failing word of switch fail comes instead of this indication. */
static gboolean
fails_here (SimRun *run, const char *word)
{
  const SimSettings *settings = run->sim->settings;
  const char *place = "DOWNLOADING";

  if (run->kind == SIM_RUN_PLAIN || *settings->fail == '\0')
    return FALSE;
  if (*settings->fail_at != '\0')
    place = settings->fail_at;
  else if (g_str_equal (settings->fail, "FAIL_VERIFY"))
    place = "PASS_VERIFY";
  else if (g_str_equal (settings->fail, "FAIL_END"))
    place = "SUCCESS_END";
  return g_str_has_prefix (word, place);
}

static gboolean
is_last_before_reboot (SimRun *run)
{
  for (guint i = run->pos; i < run->block->steps->len; i++)
    {
      const SimStep *step = g_ptr_array_index (run->block->steps, i);

      if (step->kind == SIM_STEP_REBOOT || step->kind == SIM_STEP_VANISH)
        return TRUE;
      if (step->kind != SIM_STEP_WAIT && step->kind != SIM_STEP_FIRMWARE && step->kind != SIM_STEP_NOTE)
        return FALSE;
    }
  return FALSE;
}

/* FALSE: the block ended with it. */
static gboolean
say_indication (SimRun *run, const char *text)
{
  MefotaSim *self = run->sim;
  g_autofree char *word = sim_expand (run, text);

  if (fails_here (run, word))
    {
      sim_indication (self, self->settings->fail);
      sim_run_end (run);
      return FALSE;
    }
  if (self->settings->lose_last && is_last_before_reboot (run))
    {
      self->inds++;
      remember_result (self, word);
      sim_event (self, "lost +FOTAIND: %s", word);
    }
  else
    sim_indication (self, word);
  return TRUE;
}

/* Nobody waits for it if the line broke meanwhile, or if no command started the block. */
static void
answer (SimRun *run, const char *final)
{
  if (run->serial != 0 && run->serial == run->sim->serial)
    sim_at_final (run->sim, final);
}

static void
say_ok (SimRun *run)
{
  MefotaSim *self = run->sim;
  guint next = run->pos;

  while (next < run->block->steps->len &&
         ((SimStep *) g_ptr_array_index (run->block->steps, next))->kind == SIM_STEP_WAIT)
    next++;
  if (self->settings->first_ind == SIM_FIRST_BEFORE_OK && run->kind != SIM_RUN_PLAIN &&
      next < run->block->steps->len)
    {
      const SimStep *step = g_ptr_array_index (run->block->steps, next);

      if (step->kind == SIM_STEP_IND)
        {
          run->said = next + 1;
          if (!say_indication (run, step->text))
            return;
        }
    }
  answer (run, "OK");
}

gboolean
sim_say_step (SimRun *run, const SimStep *step)
{
  MefotaSim *self = run->sim;
  g_autofree char *text = step->text != NULL ? sim_expand (run, step->text) : NULL;
  g_autofree char *cme = NULL;

  switch ((guint) step->kind)
    {
    case SIM_STEP_OK:
      say_ok (run);
      break;
    case SIM_STEP_ERROR:
      answer (run, "ERROR");
      break;
    case SIM_STEP_CME:
      cme = g_strconcat ("+CME ERROR: ", text, NULL);
      answer (run, cme);
      break;
    case SIM_STEP_LINE:
      sim_send_line (self, text, FALSE);
      break;
    case SIM_STEP_IND:
      return run->said == run->pos || say_indication (run, step->text);
    case SIM_STEP_URC:
      sim_send_urc (self, text);
      break;
    case SIM_STEP_RAW:
      sim_send_bytes (self, g_bytes_get_data (step->bytes, NULL), g_bytes_get_size (step->bytes));
      break;
    case SIM_STEP_GARBAGE:
      sim_send_garbage (self, step->number);
      break;
    case SIM_STEP_NOTE:
      sim_event (self, "note %s", text);
      break;
    default:
      g_return_val_if_reached (TRUE);
    }
  return TRUE;
}
