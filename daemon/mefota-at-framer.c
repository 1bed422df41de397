/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-at-framer.h"

#include <string.h>

static gboolean
is_blank (guint8 byte)
{
  return byte == ' ' || byte == '\t' || byte == '\v' || byte == '\f';
}

void
mefota_at_framer_init (MefotaAtFramer *self, MefotaAtFramerFunc func, gpointer user_data)
{
  memset (self, 0, sizeof *self);
  self->func = func;
  self->user_data = user_data;
}

void
mefota_at_framer_expect_prompt (MefotaAtFramer *self, gboolean expected)
{
  self->prompt_expected = expected;
}

void
mefota_at_framer_reset (MefotaAtFramer *self)
{
  self->length = 0;
  self->nul_seen = FALSE;
}

/* All state is put straight before the handler runs, so that it may reset or expect as it likes. */
static void
emit_line (MefotaAtFramer *self)
{
  gsize length = self->length;

  self->length = 0;
  self->nul_seen = FALSE;
  while (length > 0 && is_blank ((guint8) self->line[length - 1]))
    length--;
  if (length == 0)
    return;
  self->line[length] = '\0';

  if (self->prompt_expected && strcmp (self->line, ">") == 0)
    {
      self->prompt_expected = FALSE;
      self->func (MEFOTA_AT_FRAME_PROMPT, self->line, length, self->user_data);
      return;
    }
  self->func (MEFOTA_AT_FRAME_LINE, self->line, length, self->user_data);
}

static gboolean
line_is (const MefotaAtFramer *self, const char *word)
{
  return self->length == strlen (word) && g_ascii_strncasecmp (self->line, word, self->length) == 0;
}

/* Behind the OK to a restart a NUL may stand where the line end should, and nothing else follows for long. */
static void
take_nul (MefotaAtFramer *self)
{
  if (line_is (self, "OK") || line_is (self, "ERROR"))
    emit_line (self);
  else
    self->nul_seen = self->length > 0;
}

/* While it boots, a NUL may stand where two lines were glued: "+FOTAIND: SUCCESS_END", NUL, "+CPIN: READY". An echoed
 * command is left whole. */
static gboolean
glued_at (const MefotaAtFramer *self, guint8 byte)
{
  gboolean echo = self->length >= 2 && g_ascii_strncasecmp (self->line, "AT", 2) == 0;

  return self->nul_seen && !echo && (byte == '+' || byte == '*');
}

static void
take_byte (MefotaAtFramer *self, guint8 byte)
{
  if (glued_at (self, byte))
    emit_line (self);
  self->nul_seen = FALSE;

  if (byte == ' ' && self->prompt_expected && self->length == 1 && self->line[0] == '>')
    {
      emit_line (self);
      return;
    }
  if (self->length == 0 && is_blank (byte))
    return;
  if (self->length < MEFOTA_AT_LINE_MAX)
    self->line[self->length++] = (char) byte;
}

gboolean
mefota_at_framer_has_final (const MefotaAtFramer *self)
{
  return line_is (self, "OK") || line_is (self, "ERROR");
}

void
mefota_at_framer_end_line (MefotaAtFramer *self)
{
  emit_line (self);
}

void
mefota_at_framer_feed (MefotaAtFramer *self, const guint8 *bytes, gsize n_bytes)
{
  for (gsize i = 0; i < n_bytes; i++)
    switch (bytes[i])
      {
      case '\r':
      case '\n':
        emit_line (self);
        break;
      case 0x00:
        take_nul (self);
        break;
      case 0xff:
        break;
      default:
        take_byte (self, bytes[i]);
        break;
      }
}
