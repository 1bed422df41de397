/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-private.h"

#include <string.h>

/* Guide 2.4 and chapter 4: pieces behind a prompt, appended to the package until AT+ZCOMDEL. */

static void
piece_over (MefotaSim *self, gboolean good)
{
  self->data_stage = SIM_DATA_NONE;
  if (!good)
    self->package_spoilt = TRUE;
  sim_event (self, "piece %u %" G_GSIZE_FORMAT " %s", self->pieces, self->piece_size - self->piece_left,
             good ? "ok" : "error");
  sim_at_final (self, good ? "OK" : "ERROR");
}

static gboolean
is_refused (MefotaSim *self, guint how)
{
  SimSettings *settings = self->settings;

  if (settings->refuse_piece != self->pieces || self->pieces == 0 || settings->refuse_how != how)
    return FALSE;
  settings->refuse_piece = 0;
  return TRUE;
}

static gboolean
on_final (gpointer user_data)
{
  MefotaSim *self = user_data;

  self->data_source = 0;
  piece_over (self, !is_refused (self, SIM_REFUSE_END));
  return G_SOURCE_REMOVE;
}

static gboolean
on_connect (gpointer user_data)
{
  MefotaSim *self = user_data;

  self->data_source = 0;
  self->data_stage = SIM_DATA_BYTES;
  sim_send_line (self, "CONNECT", FALSE);
  sim_port_expect (self->port, self->piece_left);
  return G_SOURCE_REMOVE;
}

static gboolean
on_prompt (gpointer user_data)
{
  static const char *const prompts[] = { "\r\n> ", "> ", "\r\n>", "\r\n> \r\n", "\r\n> ", "" };
  MefotaSim *self = user_data;
  const char *prompt = prompts[self->settings->prompt];

  self->data_source = 0;
  self->input_cr = FALSE;
  if (self->settings->prompt == SIM_PROMPT_CONNECT)
    {
      self->data_stage = SIM_DATA_CONNECT;
      self->data_source = sim_timeout (self, self->settings->connect_delay, on_connect, self);
    }
  else
    {
      self->data_stage = SIM_DATA_BYTES;
      sim_port_expect (self->port, self->piece_left);
    }
  sim_event (self, "prompt %u %" G_GSIZE_FORMAT, self->pieces, self->piece_size);
  sim_send_bytes (self, (const guint8 *) prompt, strlen (prompt));
  return G_SOURCE_REMOVE;
}

/* AT+ZCOMWRT=@bytes; FALSE: ERROR. */
gboolean
sim_data_begin (MefotaSim *self, gsize bytes)
{
  SimSettings *settings = self->settings;

  if (settings->wiring == SIM_WIRING_USB && settings->usb_write == SIM_WIRING_USB)
    return FALSE;
  self->pieces++;
  if (bytes == 0 || bytes > settings->piece_limit || is_refused (self, SIM_REFUSE_START))
    {
      self->package_spoilt = TRUE;
      return FALSE;
    }
  self->piece_size = self->piece_left = bytes;
  self->data_stage = SIM_DATA_PROMPT;
  /* Never in the same turn: what came together with the command came before the prompt, and is lost. */
  self->data_source = sim_timeout (self, settings->prompt_delay, on_prompt, self);
  return TRUE;
}

/* Up to the next byte at which something is to happen. */
static gsize
next_mark (MefotaSim *self, gsize length)
{
  const guint marks[] = { self->settings->hangup_after_data, self->settings->data_error_after,
                          self->settings->stall_after, self->settings->mark_data };

  for (gsize i = 0; i < G_N_ELEMENTS (marks); i++)
    if (marks[i] > self->data_total)
      length = MIN (length, marks[i] - self->data_total);
  return length;
}

static void
take (MefotaSim *self, const guint8 *bytes, gsize length)
{
  SimSettings *settings = self->settings;

  g_checksum_update (self->checksum, bytes, (gssize) length);
  self->package_size += length;
  self->data_total += length;
  self->piece_left -= length;
  if (settings->data_echo)
    sim_send_bytes (self, bytes, length);
  if (settings->mark_data != 0 && self->data_total == settings->mark_data)
    sim_event (self, "data %u", settings->mark_data);
  if (settings->stall_after != 0 && self->data_total == settings->stall_after)
    {
      self->stalled = TRUE;
      sim_port_set_reading (self->port, FALSE);
      sim_event (self, "stalled %u", settings->stall_after);
    }
  if (settings->hangup_after_data != 0 && self->data_total == settings->hangup_after_data)
    {
      settings->hangup_after_data = 0;
      sim_hangup (self, FALSE);
    }
  else if (settings->data_error_after != 0 && self->data_total == settings->data_error_after)
    {
      settings->data_error_after = 0;
      piece_over (self, FALSE);
    }
  else if (self->piece_left == 0)
    {
      self->data_stage = SIM_DATA_FINAL;
      self->data_source = sim_timeout (self, settings->final_delay, on_final, self);
    }
}

/* Returns how many bytes were used up: as data, or for nothing. */
gsize
sim_data_feed (MefotaSim *self, const guint8 *bytes, gsize length)
{
  gsize used;

  switch (self->data_stage)
    {
    case SIM_DATA_BYTES:
      used = next_mark (self, MIN (length, self->piece_left));
      take (self, bytes, used);
      return used;
    case SIM_DATA_PROMPT:
    case SIM_DATA_CONNECT:
      if (length > 1 || *bytes != '\n')
        sim_event (self, "early %" G_GSIZE_FORMAT, length);
      return length;
    case SIM_DATA_FINAL:
      sim_event (self, "excess %" G_GSIZE_FORMAT, length);
      return length;
    case SIM_DATA_NONE:
    default:
      g_return_val_if_reached (length);
    }
}

void
sim_data_resume (MefotaSim *self)
{
  g_autoptr (GBytes) held = NULL;

  if (!self->stalled)
    return;
  held = g_byte_array_free_to_bytes (self->held);
  self->held = g_byte_array_new ();
  self->stalled = FALSE;
  sim_port_set_reading (self->port, TRUE);
  sim_at_received (self, g_bytes_get_data (held, NULL), g_bytes_get_size (held));
}

void
sim_data_delete (MefotaSim *self)
{
  g_checksum_reset (self->checksum);
  self->package_size = self->data_total = 0;
  self->package_spoilt = FALSE;
  self->pieces = 0;
}

/* The line broke: a piece that was not complete voids the package. */
void
sim_data_reset (MefotaSim *self)
{
  sim_clear_source (&self->data_source);
  if (self->data_stage != SIM_DATA_NONE)
    self->package_spoilt = TRUE;
  self->data_stage = SIM_DATA_NONE;
  g_byte_array_set_size (self->held, 0);
  sim_data_resume (self);
}

gboolean
sim_data_take_package (MefotaSim *self, gboolean *good)
{
  g_autoptr (GChecksum) copy = NULL;
  g_autofree char *sha256 = NULL;
  guint64 size = 0;

  if (self->package_size > 0 && !self->package_spoilt)
    {
      copy = g_checksum_copy (self->checksum);
      sha256 = g_strdup (g_checksum_get_string (copy));
      size = self->package_size;
    }
  else if (self->pushed_sha256 != NULL)
    {
      sha256 = g_strdup (self->pushed_sha256);
      size = self->pushed_size;
    }
  sim_event (self, "package %" G_GUINT64_FORMAT " %s", size, sha256 != NULL ? sha256 : "none");
  *good = sha256 != NULL && (*self->settings->expect_package == '\0' ||
                             g_ascii_strcasecmp (self->settings->expect_package, sha256) == 0);
  return sha256 != NULL;
}

void
mefota_sim_push_package (MefotaSim *self, guint64 bytes, const char *sha256)
{
  g_free (self->pushed_sha256);
  self->pushed_sha256 = g_strdup (sha256);
  self->pushed_size = bytes;
}
