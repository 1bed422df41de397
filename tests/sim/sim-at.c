/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-private.h"

#include <string.h>

#define LINE_CAP 4096

static void
send_result (MefotaSim *self, const char *final)
{
  if (self->verbose || (!g_str_equal (final, "OK") && !g_str_equal (final, "ERROR")))
    sim_send_line (self, final, TRUE);
  else
    sim_send_bytes (self, (const guint8 *) (g_str_equal (final, "OK") ? "0\r" : "4\r"), 2);
}

static void
inject (MefotaSim *self, guint place)
{
  SimSettings *settings = self->settings;

  if (*settings->inject != '\0' && (settings->inject_place == place || settings->inject_place == SIM_PLACE_EVERYWHERE))
    sim_send_urc (self, settings->inject);
}

static void
command_over (MefotaSim *self)
{
  g_autofree char *command = g_steal_pointer (&self->command);

  self->busy = FALSE;
  g_clear_pointer (&self->fault, sim_fault_free);
  g_clear_pointer (&self->line_text, g_free);
  if (command != NULL)
    sim_run_commanded (self, command);
}

/* Ends the command in flight. */
void
sim_at_final (MefotaSim *self, const char *final)
{
  if (!self->busy)
    return;
  inject (self, SIM_PLACE_INSIDE);
  send_result (self, final);
  if (self->fault != NULL && self->fault->kind == SIM_FAULT_TWICE)
    send_result (self, final);
  inject (self, SIM_PLACE_AFTER);
  command_over (self);
  sim_at_next (self);
}

/* Never answers it. */
void
sim_at_leave (MefotaSim *self)
{
  if (!self->busy)
    return;
  command_over (self);
  sim_at_next (self);
}

/* `AT+A;+B="x;y"` as AT+A and AT+B="x;y". */
static GPtrArray *
split_line (const char *line)
{
  GPtrArray *commands = g_ptr_array_new_with_free_func (g_free);
  const char *start = line + 2;
  gboolean quoted = FALSE;

  for (const char *c = start;; c++)
    {
      if (*c == '"')
        quoted = !quoted;
      if (*c != '\0' && (*c != ';' || quoted))
        continue;
      if (c > start || commands->len == 0)
        g_ptr_array_add (commands, g_strdup_printf ("AT%.*s", (int) (c - start), start));
      if (*c == '\0')
        return commands;
      start = c + 1;
    }
}

static char *
cme_error (MefotaSim *self, int code)
{
  if (self->cmee == 0)
    return g_strdup ("ERROR");
  if (self->cmee == 1)
    return g_strdup_printf ("+CME ERROR: %d", code);
  return g_strdup_printf ("+CME ERROR: %s", sim_cme_text (code));
}

static void
send_lines (MefotaSim *self, GPtrArray *lines)
{
  for (guint i = 0; i < lines->len; i++)
    sim_send_line (self, g_ptr_array_index (lines, i), FALSE);
}

/* The module's own answer. */
static void
answer (MefotaSim *self)
{
  g_autoptr (GPtrArray) commands = split_line (self->line_text);
  gboolean cut = self->fault != NULL && self->fault->kind == SIM_FAULT_CUT;
  SimReply reply = { .answer = -1 };
  SimReplyKind kind = SIM_REPLY_OK;
  g_autofree char *final = g_strdup ("OK");

  inject (self, SIM_PLACE_BEFORE);
  for (guint i = 0; i < commands->len && kind == SIM_REPLY_OK; i++)
    {
      g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);

      reply.lines = lines;
      self->answering = TRUE;
      kind = sim_command_run (self, g_ptr_array_index (commands, i), &reply);
      self->answering = FALSE;
      reply.lines = NULL;
      if (kind == SIM_REPLY_LATER)
        return;
      send_lines (self, lines);
    }
  if (kind != SIM_REPLY_OK)
    {
      g_free (final);
      final = kind == SIM_REPLY_CME ? cme_error (self, reply.cme) : g_strdup ("ERROR");
    }
  if (cut)
    command_over (self);
  else
    sim_at_final (self, final);
  if (kind == SIM_REPLY_OK && reply.answer >= 0)
    sim_run_answer (self, reply.answer == 1);
  if (kind == SIM_REPLY_OK && reply.reboot > 0)
    sim_reboot (self, reply.reboot);
}

static void
answer_with_fault (MefotaSim *self)
{
  g_autofree char *cme = NULL;

  switch (self->fault->kind)
    {
    case SIM_FAULT_OK:
      sim_at_final (self, "OK");
      break;
    case SIM_FAULT_ERROR:
      sim_at_final (self, "ERROR");
      break;
    case SIM_FAULT_CME:
      cme = g_strconcat ("+CME ERROR: ", self->fault->argument, NULL);
      sim_at_final (self, cme);
      break;
    case SIM_FAULT_SILENT:
      command_over (self);
      break;
    case SIM_FAULT_HANGUP:
      sim_hangup (self, FALSE);
      break;
    case SIM_FAULT_GARBAGE:
      sim_send_garbage (self, 16);
      command_over (self);
      break;
    case SIM_FAULT_LINE:
      sim_send_line (self, self->fault->argument, FALSE);
      sim_at_final (self, "OK");
      break;
    case SIM_FAULT_FINAL:
      sim_at_final (self, self->fault->argument);
      break;
    case SIM_FAULT_LATE:
    case SIM_FAULT_CUT:
    case SIM_FAULT_TWICE:
    default:
      answer (self);
      break;
    }
}

static gboolean
on_delay (gpointer user_data)
{
  MefotaSim *self = user_data;

  self->delay_source = 0;
  self->line.after = FALSE;
  if (self->fault != NULL)
    answer_with_fault (self);
  else
    answer (self);
  sim_at_next (self);
  return G_SOURCE_REMOVE;
}

static SimFault *
find_fault (MefotaSim *self, const char *line)
{
  g_autoptr (GPtrArray) commands = split_line (line);
  SimFault *fault = NULL;

  for (guint i = 0; i < commands->len && fault == NULL; i++)
    {
      g_autofree char *upper = g_ascii_strup (g_ptr_array_index (commands, i), -1);

      fault = sim_settings_take_fault (self->settings, upper);
    }
  return fault;
}

static void
begin (MefotaSim *self, const char *line)
{
  SimSettings *settings = self->settings;
  double delay = settings->delay;

  if (!settings->quiet)
    {
      g_autofree char *escaped = g_strescape (line, "\"\\");

      sim_event (self, "rx %s", escaped);
    }
  if (g_ascii_strncasecmp (line, "AT", 2) != 0)
    return;
  self->busy = TRUE;
  self->serial++;
  self->line_text = g_strdup (line);
  self->command = g_ascii_strup (line, -1);
  self->line.after = FALSE;
  if ((line[0] == 'A') != (line[1] == 'T') || (settings->line_limit > 0 && strlen (line) > settings->line_limit))
    {
      sim_at_final (self, "ERROR");
      return;
    }
  self->fault = find_fault (self, line);
  if (self->fault != NULL && self->fault->kind == SIM_FAULT_LATE)
    delay += sim_fault_seconds (self->fault);
  if (delay > 0)
    self->delay_source = sim_timeout (self, delay, on_delay, self);
  else if (self->fault != NULL)
    answer_with_fault (self);
  else
    answer (self);
}

/* Begins the commands that wait, as long as each is answered at once. */
void
sim_at_next (MefotaSim *self)
{
  if (self->in_next)
    return;
  self->in_next = TRUE;
  while (!self->busy && self->data_stage == SIM_DATA_NONE && !g_queue_is_empty (self->lines))
    {
      g_autofree char *line = g_queue_pop_head (self->lines);

      begin (self, line);
    }
  self->in_next = FALSE;
}

static void
line_complete (MefotaSim *self)
{
  g_autofree char *line = g_strstrip (g_strdup (self->input->str));

  g_string_truncate (self->input, 0);
  if (*line == '\0')
    return;
  g_queue_push_tail (self->lines, g_steal_pointer (&line));
  sim_at_next (self);
}

static void
feed_byte (MefotaSim *self, guint8 byte)
{
  if (byte == '\n' && self->input_cr)
    {
      self->input_cr = FALSE;
      return;
    }
  self->input_cr = byte == '\r';
  if (self->echo)
    sim_send_bytes (self, &byte, 1);
  if (byte == '\r' || byte == '\n')
    line_complete (self);
  else if (byte != '\0' && self->input->len < LINE_CAP)
    g_string_append_c (self->input, (char) byte);
}

void
sim_at_received (MefotaSim *self, const guint8 *bytes, gsize length)
{
  while (length > 0 && self->power == SIM_POWER_UP && !self->away)
    {
      gsize used = 1;

      if (self->stalled)
        {
          g_byte_array_append (self->held, bytes, (guint) length);
          return;
        }
      if (self->data_stage != SIM_DATA_NONE)
        used = sim_data_feed (self, bytes, length);
      else
        feed_byte (self, *bytes);
      bytes += used;
      length -= used;
    }
}

/* Forgets everything that is under way on the line. */
void
sim_at_reset (MefotaSim *self)
{
  sim_clear_source (&self->delay_source);
  g_queue_clear_full (self->lines, g_free);
  g_string_truncate (self->input, 0);
  self->busy = FALSE;
  g_clear_pointer (&self->command, g_free);
  g_clear_pointer (&self->line_text, g_free);
  g_clear_pointer (&self->fault, sim_fault_free);
  sim_data_reset (self);
}
