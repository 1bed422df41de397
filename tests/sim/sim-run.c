/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The blocks that run: begun, waiting, going on, over. */

#include "sim-run.h"

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

void
sim_run_end (SimRun *run)
{
  MefotaSim *self = run->sim;

  if (run->over)
    return;
  run->over = TRUE;
  run->wait = SIM_WAIT_NONE;
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

  sim_run_end (run);
  if (serial != 0 && serial == self->serial)
    sim_at_leave (self);
}

static gboolean
on_time (gpointer user_data)
{
  SimRun *run = user_data;

  run->source = 0;
  if (run->wait == SIM_WAIT_VANISH)
    sim_vanish (run->sim);
  if (run->wait == SIM_WAIT_ANSWER)
    {
      sim_event (run->sim, "answer timeout");
      if (!run->sim->settings->quiet_refusal)
        sim_indication (run->sim, "FAIL_WAIT_TIMEOUT");
      sim_run_end (run);
    }
  else
    run_continue (run);
  return G_SOURCE_REMOVE;
}

static gboolean
wait_real (SimRun *run, SimWait wait, double seconds)
{
  run->wait = wait;
  if (seconds < SIM_FOREVER)
    run->source = g_timeout_add ((guint) (seconds * 1000), on_time, run);
  return FALSE;
}

static gboolean
wait_scaled (SimRun *run, SimWait wait, double seconds)
{
  return wait_real (run, wait, seconds < SIM_FOREVER ? seconds / run->sim->settings->time_scale : seconds);
}

static gboolean
wait_for (SimRun *run, SimWait wait, const char *what)
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
  wait_for (run, g_str_equal (words[0], "open") ? SIM_WAIT_OPEN : SIM_WAIT_COMMAND, pattern);
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
  g_autofree char *version = sim_expand (run, text);

  if (run->kind != SIM_RUN_BARREN && (run->kind == SIM_RUN_PLAIN || *run->sim->settings->fail == '\0'))
    sim_set_firmware (run->sim, version);
}

/* FALSE: the block waits, or is over. */
static gboolean
do_step (SimRun *run, const SimStep *step)
{
  MefotaSim *self = run->sim;

  switch (step->kind)
    {
    case SIM_STEP_WAIT:
      return wait_scaled (run, SIM_WAIT_TIME, step->seconds);
    case SIM_STEP_AWAIT:
      return await (run, step->text);
    case SIM_STEP_HOLD:
      wait_for (run, SIM_WAIT_GO, step->text);
      sim_event (self, "hold %s", step->text);
      return FALSE;
    case SIM_STEP_REBOOT:
      run->wait = SIM_WAIT_BOOT;
      sim_reboot (self, step->seconds);
      return FALSE;
    case SIM_STEP_VANISH:
      return wait_real (run, SIM_WAIT_VANISH, self->settings->linger);
    case SIM_STEP_RETURN:
      do_return (run);
      return TRUE;
    case SIM_STEP_FIRMWARE:
      set_firmware (run, step->text);
      return TRUE;
    case SIM_STEP_IMEI:
      return sim_settings_set (self->settings, "imei", step->text, NULL);
    case SIM_STEP_CONFIRM:
      wait_scaled (run, SIM_WAIT_ANSWER, step->seconds);
      sim_event (self, "asking");
      return FALSE;
    case SIM_STEP_RESULT:
      return sim_settings_set (self->settings, "result", step->text, NULL);
    case SIM_STEP_FLOOD:
      sim_flood (self, step->number, step->seconds, step->text);
      return wait_real (run, SIM_WAIT_TIME, step->seconds);
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
      return sim_say_step (run, step);
    }
}

static void
run_continue (SimRun *run)
{
  SimRun *held = g_rc_box_acquire (run);

  sim_clear_source (&run->source);
  run->wait = SIM_WAIT_NONE;
  while (!run->over && run->pos < run->block->steps->len)
    if (!do_step (run, g_ptr_array_index (run->block->steps, run->pos++)))
      break;
  if (!run->over && run->wait == SIM_WAIT_NONE && run->pos == run->block->steps->len)
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
release (MefotaSim *self, SimWait wait, const char *what)
{
  g_autoptr (GPtrArray) runs = g_ptr_array_new_with_free_func ((GDestroyNotify) run_unref);

  for (guint i = 0; i < self->runs->len; i++)
    g_ptr_array_add (runs, g_rc_box_acquire (g_ptr_array_index (self->runs, i)));
  for (guint i = 0; i < runs->len; i++)
    {
      SimRun *run = g_ptr_array_index (runs, i);

      if (run->wait != wait || (what != NULL && wait == SIM_WAIT_GO && !g_str_equal (run->what, what)) ||
          (what != NULL && wait == SIM_WAIT_COMMAND && !g_pattern_match_simple (run->what, what)))
        continue;
      run_continue (run);
    }
}

void
sim_run_booted (MefotaSim *self)
{
  release (self, SIM_WAIT_BOOT, NULL);
}

void
sim_run_opened (MefotaSim *self)
{
  release (self, SIM_WAIT_OPEN, NULL);
}

void
sim_run_commanded (MefotaSim *self, const char *command)
{
  release (self, SIM_WAIT_COMMAND, command);
}

void
sim_run_go (MefotaSim *self, const char *name)
{
  release (self, SIM_WAIT_GO, name);
}

gboolean
sim_run_is_asking (MefotaSim *self)
{
  return self->upgrade != NULL && self->upgrade->wait == SIM_WAIT_ANSWER;
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
    sim_run_end (self->upgrade);
}

void
sim_run_stop_all (MefotaSim *self)
{
  while (self->runs->len > 0)
    sim_run_end (g_ptr_array_index (self->runs, self->runs->len - 1));
}

/* For control command status. */
char *
sim_run_describe (MefotaSim *self)
{
  const SimRun *run = self->upgrade;
  gboolean holds = run != NULL && run->wait == SIM_WAIT_GO;

  if (run == NULL)
    return g_strdup ("upgrade=none");
  return g_strdup_printf ("upgrade=%s step=%u%s%s", run->block->name, run->pos, holds ? " hold=" : "",
                          holds ? run->what : "");
}
