/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-private.h"

#include <string.h>

typedef enum { WAIT_NONE, WAIT_TIME, WAIT_VANISH, WAIT_BOOT, WAIT_OPEN, WAIT_COMMAND, WAIT_GO, WAIT_ANSWER } Wait;

/* A block that runs. */
struct _SimRun
{
  MefotaSim *sim;
  SimBlock *block;
  SimRunKind kind;
  guint pos;
  guint said; /* 1 + the step that was taken before its turn (switch first-ind) */
  guint serial; /* of the command that it answers; 0: none */
  guint source;
  Wait wait;
  char *what;   /* what is waited for */
  char *target; /* AT+FOTATV at the start: a reboot on the way makes the module forget it, not the upgrade */
  gboolean over;
};

static void run_continue (SimRun *run);

static void
run_clear (SimRun *run)
{
  sim_clear_source (&run->source);
  sim_block_unref (run->block);
  g_free (run->what);
  g_free (run->target);
}

static void
run_unref (SimRun *run)
{
  g_rc_box_release_full (run, (GDestroyNotify) run_clear);
}

static void
run_end (SimRun *run)
{
  MefotaSim *self = run->sim;

  if (run->over)
    return;
  run->over = TRUE;
  run->wait = WAIT_NONE;
  sim_clear_source (&run->source);
  if (self->upgrade == run)
    self->upgrade = NULL;
  if (run->kind != SIM_RUN_PLAIN)
    sim_event (self, "done %s", run->block->name);
  if (g_ptr_array_remove (self->runs, run))
    run_unref (run);
}

/* Its last step is done. A command that it has not answered stays so, and is in the next one's way no longer. */
static void
run_finish (SimRun *run)
{
  MefotaSim *self = run->sim;
  guint serial = run->serial;

  run_end (run);
  if (serial != 0 && serial == self->serial)
    sim_at_leave (self);
}

/* $next and the like. */
static char *
expand (SimRun *run, const char *text)
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
  g_autofree char *word = expand (run, text);

  if (fails_here (run, word))
    {
      sim_indication (self, self->settings->fail);
      run_end (run);
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

static gboolean
on_time (gpointer user_data)
{
  SimRun *run = user_data;

  run->source = 0;
  if (run->wait == WAIT_VANISH)
    sim_vanish (run->sim);
  if (run->wait == WAIT_ANSWER)
    {
      sim_event (run->sim, "answer timeout");
      if (!run->sim->settings->quiet_refusal)
        sim_indication (run->sim, "FAIL_WAIT_TIMEOUT");
      run_end (run);
    }
  else
    run_continue (run);
  return G_SOURCE_REMOVE;
}

static gboolean
wait_real (SimRun *run, Wait wait, double seconds)
{
  run->wait = wait;
  if (seconds < SIM_FOREVER)
    run->source = g_timeout_add ((guint) (seconds * 1000), on_time, run);
  return FALSE;
}

static gboolean
wait_scaled (SimRun *run, Wait wait, double seconds)
{
  return wait_real (run, wait, seconds < SIM_FOREVER ? seconds / run->sim->settings->time_scale : seconds);
}

static gboolean
wait_for (SimRun *run, Wait wait, const char *what)
{
  g_free (run->what);
  run->what = g_strdup (what);
  run->wait = wait;
  return FALSE;
}

static gboolean
await (SimRun *run, const char *text)
{
  g_auto (GStrv) words = g_strsplit (text, " ", 2);
  g_autofree char *pattern = g_ascii_strup (words[0], -1);
  double limit = SIM_FOREVER;

  if (words[1] != NULL && !sim_parse_seconds (words[1], &limit))
    sim_event (run->sim, "error await: \"%s\" is no number of seconds", words[1]);
  if (g_str_equal (words[0], "open") && sim_port_is_open (run->sim->port))
    return TRUE;
  wait_for (run, g_str_equal (words[0], "open") ? WAIT_OPEN : WAIT_COMMAND, pattern);
  return wait_real (run, run->wait, limit);
}

static void
apply (SimRun *run, const char *pair)
{
  g_autoptr (GError) error = NULL;

  if (!sim_apply (run->sim, pair, &error))
    sim_event (run->sim, "error %s", error->message);
}

static void
do_return (SimRun *run)
{
  g_autoptr (GError) error = NULL;

  if (!sim_return (run->sim, &error))
    sim_event (run->sim, "error %s", error->message);
}

static void
set_firmware (SimRun *run, const char *text)
{
  g_autofree char *version = expand (run, text);

  if (run->kind != SIM_RUN_BARREN && (run->kind == SIM_RUN_PLAIN || *run->sim->settings->fail == '\0'))
    sim_set_firmware (run->sim, version);
}

/* Steps that say something. */
static gboolean
say_step (SimRun *run, const SimStep *step)
{
  MefotaSim *self = run->sim;
  g_autofree char *text = step->text != NULL ? expand (run, step->text) : NULL;
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

/* FALSE: the block waits, or is over. */
static gboolean
do_step (SimRun *run, const SimStep *step)
{
  MefotaSim *self = run->sim;

  switch (step->kind)
    {
    case SIM_STEP_WAIT:
      return wait_scaled (run, WAIT_TIME, step->seconds);
    case SIM_STEP_AWAIT:
      return await (run, step->text);
    case SIM_STEP_HOLD:
      wait_for (run, WAIT_GO, step->text);
      sim_event (self, "hold %s", step->text);
      return FALSE;
    case SIM_STEP_REBOOT:
      run->wait = WAIT_BOOT;
      sim_reboot (self, step->seconds);
      return FALSE;
    case SIM_STEP_VANISH:
      return wait_real (run, WAIT_VANISH, self->settings->linger);
    case SIM_STEP_RETURN:
      do_return (run);
      return TRUE;
    case SIM_STEP_FIRMWARE:
      set_firmware (run, step->text);
      return TRUE;
    case SIM_STEP_IMEI:
      return sim_settings_set (self->settings, "imei", step->text, NULL);
    case SIM_STEP_CONFIRM:
      wait_scaled (run, WAIT_ANSWER, step->seconds);
      sim_event (self, "asking");
      return FALSE;
    case SIM_STEP_RESULT:
      return sim_settings_set (self->settings, "result", step->text, NULL);
    case SIM_STEP_FLOOD:
      sim_flood (self, step->number, step->seconds, step->text);
      return wait_real (run, WAIT_TIME, step->seconds);
    case SIM_STEP_SET:
      apply (run, step->text);
      return TRUE;
    case SIM_STEP_END:
      run_finish (run);
      return FALSE;
    case SIM_STEP_OK:
    case SIM_STEP_ERROR:
    case SIM_STEP_CME:
    case SIM_STEP_LINE:
    case SIM_STEP_URC:
    case SIM_STEP_IND:
    case SIM_STEP_RAW:
    case SIM_STEP_GARBAGE:
    case SIM_STEP_NOTE:
    default:
      return say_step (run, step);
    }
}

static void
run_continue (SimRun *run)
{
  SimRun *held = g_rc_box_acquire (run);

  sim_clear_source (&run->source);
  run->wait = WAIT_NONE;
  while (!run->over && run->pos < run->block->steps->len)
    if (!do_step (run, g_ptr_array_index (run->block->steps, run->pos++)))
      break;
  if (!run->over && run->wait == WAIT_NONE && run->pos == run->block->steps->len)
    run_finish (run);
  run_unref (held);
}

void
sim_run_start (MefotaSim *self, SimBlock *block, SimRunKind kind)
{
  SimRun *run = g_rc_box_new0 (SimRun);

  run->sim = self;
  run->block = sim_block_ref (block);
  run->kind = kind;
  run->serial = self->answering ? self->serial : 0;
  run->target = g_strdup (self->target);
  g_ptr_array_add (self->runs, run);
  if (kind != SIM_RUN_PLAIN)
    {
      self->upgrade = run;
      self->inds = 0;
    }
  run_continue (run);
}

/* Goes on with every run that waits for @wait and, unless NULL, for @what. */
static void
release (MefotaSim *self, Wait wait, const char *what)
{
  g_autoptr (GPtrArray) runs = g_ptr_array_new_with_free_func ((GDestroyNotify) run_unref);

  for (guint i = 0; i < self->runs->len; i++)
    g_ptr_array_add (runs, g_rc_box_acquire (g_ptr_array_index (self->runs, i)));
  for (guint i = 0; i < runs->len; i++)
    {
      SimRun *run = g_ptr_array_index (runs, i);

      if (run->wait != wait || (what != NULL && wait == WAIT_GO && !g_str_equal (run->what, what)) ||
          (what != NULL && wait == WAIT_COMMAND && !g_pattern_match_simple (run->what, what)))
        continue;
      run_continue (run);
    }
}

void
sim_run_booted (MefotaSim *self)
{
  release (self, WAIT_BOOT, NULL);
}

void
sim_run_opened (MefotaSim *self)
{
  release (self, WAIT_OPEN, NULL);
}

void
sim_run_commanded (MefotaSim *self, const char *command)
{
  release (self, WAIT_COMMAND, command);
}

void
sim_run_go (MefotaSim *self, const char *name)
{
  release (self, WAIT_GO, name);
}

gboolean
sim_run_is_asking (MefotaSim *self)
{
  return self->upgrade != NULL && self->upgrade->wait == WAIT_ANSWER;
}

void
sim_run_answer (MefotaSim *self, gboolean allow)
{
  if (!sim_run_is_asking (self))
    return;
  sim_event (self, "answer %d", allow ? 1 : 0);
  if (allow)
    {
      if (*self->settings->confirm_word != '\0')
        sim_indication (self, self->settings->confirm_word);
      if (self->upgrade != NULL)
        run_continue (self->upgrade);
      return;
    }
  if (!self->settings->quiet_refusal)
    sim_indication (self, "FAIL_CONFIRM");
  if (self->upgrade != NULL)
    run_end (self->upgrade);
}

void
sim_run_stop_all (MefotaSim *self)
{
  while (self->runs->len > 0)
    run_end (g_ptr_array_index (self->runs, self->runs->len - 1));
}

/* For control command status. */
char *
sim_run_describe (MefotaSim *self)
{
  const SimRun *run = self->upgrade;

  if (run == NULL)
    return g_strdup ("upgrade=none");
  return g_strdup_printf ("upgrade=%s step=%u%s%s", run->block->name, run->pos, run->wait == WAIT_GO ? " hold=" : "",
                          run->wait == WAIT_GO ? run->what : "");
}
