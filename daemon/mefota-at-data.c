/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-at-data.h"

#include <string.h>

/* A module that has not echoed anything by then does not echo: forget what was sent. A few times what one turn of the
 * main loop may write, for a pty with a quick module behind it is not read before that. */
#define ECHO_WINDOW (256 * 1024)

MefotaAtData *
mefota_at_data_new (const char *command)
{
  MefotaAtData *self = g_new0 (MefotaAtData, 1);
  const char *number = strrchr (command, '=');
  guint64 announced = 0;

  if (number != NULL)
    announced = g_ascii_strtoull (number + 1, NULL, 10);
  self->announced = (gsize) MIN (announced, G_MAXUINT32);
  g_queue_init (&self->sent);
  self->open = self->left = 1;
  return self;
}

void
mefota_at_data_free (MefotaAtData *self)
{
  g_queue_clear_full (&self->sent, (GDestroyNotify) g_bytes_unref);
  g_free (self);
}

void
mefota_at_data_queue (MefotaAtData *self, GBytes *bytes)
{
  gsize size;
  const guint8 *data = g_bytes_get_data (bytes, &size);

  for (gsize i = 0; i < size && self->queued + i < MEFOTA_AT_DATA_PREFIX; i++)
    self->prefix[self->queued + i] = data[i];
  self->queued += size;
  if (size > 0 && (self->echoes || self->taken < ECHO_WINDOW))
    g_queue_push_tail (&self->sent, g_bytes_ref (bytes));
}

void
mefota_at_data_take (MefotaAtData *self, gsize n_bytes)
{
  self->taken += n_bytes;
  if (!self->echoes && self->taken >= ECHO_WINDOW)
    g_queue_clear_full (&self->sent, (GDestroyNotify) g_bytes_unref);
}

void
mefota_at_data_discard (MefotaAtData *self)
{
  gsize surplus = self->queued - self->taken;

  self->queued = self->taken;
  while (surplus > 0 && !g_queue_is_empty (&self->sent))
    {
      g_autoptr (GBytes) last = g_queue_pop_tail (&self->sent);
      gsize size = g_bytes_get_size (last);

      if (size > surplus)
        g_queue_push_tail (&self->sent, g_bytes_new_from_bytes (last, 0, size - surplus));
      surplus -= MIN (size, surplus);
    }
}

gsize
mefota_at_data_get_missing (MefotaAtData *self)
{
  return self->announced > self->taken ? self->announced - self->taken : 0;
}

static void
skip_sent (MefotaAtData *self, gsize n_bytes)
{
  self->echoed += n_bytes;
  self->offset += n_bytes;
  while (!g_queue_is_empty (&self->sent))
    {
      gsize size = g_bytes_get_size (g_queue_peek_head (&self->sent));

      if (self->offset < size)
        return;
      self->offset -= size;
      g_bytes_unref (g_queue_pop_head (&self->sent));
    }
}

/* Remembers what was seen of a line of echo: it may turn out to be one of the module's own. */
static void
remember (MefotaAtData *self, guint8 byte)
{
  if (byte == '\r' || (byte == '\n' && !(self->line_length == 1 && self->line[0] == '\r')))
    self->line_length = 0;
  else if (self->line_length == 0)
    return;
  else if (self->line_length == MEFOTA_AT_DATA_LINE)
    {
      self->line_length = 0;
      return;
    }
  self->line[self->line_length++] = byte;
}

/* Does it begin to look like an echo? */
static MefotaAtDataByte
match_prefix (MefotaAtData *self, guint8 byte)
{
  gsize known = MIN (self->taken, MEFOTA_AT_DATA_PREFIX);

  if (g_queue_is_empty (&self->sent))
    return MEFOTA_AT_DATA_TEXT;
  if (self->echoed > 0 && (self->echoed >= known || self->prefix[self->echoed] != byte))
    self->echoed = 0;
  if (self->echoed < known && self->prefix[self->echoed] == byte)
    self->echoed++;
  if (self->echoed < MEFOTA_AT_DATA_PREFIX)
    return MEFOTA_AT_DATA_TEXT;
  self->echoes = TRUE;
  self->echoed = 0;
  skip_sent (self, MEFOTA_AT_DATA_PREFIX);
  memcpy (self->line, self->prefix, MEFOTA_AT_DATA_PREFIX);
  self->line_length = MEFOTA_AT_DATA_PREFIX;
  return MEFOTA_AT_DATA_FOUND;
}

/* The byte that comes so many behind the last one of the echo; -1 if it was not sent yet. */
static int
peek (MefotaAtData *self, gsize ahead)
{
  gsize at = self->offset + ahead;

  if (self->echoed + ahead >= self->taken)
    return -1;
  for (GList *l = self->sent.head; l != NULL; l = l->next)
    {
      gsize size;
      const guint8 *bytes = g_bytes_get_data (l->data, &size);

      if (at < size)
        return bytes[at];
      at -= size;
    }
  return -1;
}

/* Behind a line of the module's own, what was given back of the data may be theirs after all: "\r\n" is the end of one
 * as well as the beginning of the other. Whichever way the echo goes on, for a line's length, is the right one. */
static gboolean
goes_on (MefotaAtData *self, guint8 byte)
{
  guint64 left = 0;
  guint first = 0;

  for (guint i = 64; i-- > 0;)
    if ((self->left >> i & 1) != 0 && peek (self, i + self->matched) == byte)
      {
        left |= G_GUINT64_CONSTANT (1) << i;
        first = i;
      }
  if (left == 0)
    return FALSE;
  self->left = left;
  self->matched++;
  if (self->open == 1 || self->matched > MEFOTA_AT_DATA_LINE)
    {
      skip_sent (self, self->matched + first);
      self->matched = 0;
      self->left = self->open = 1;
    }
  return TRUE;
}

/* What was skipped of a line is expected again; what was only matched has not been skipped yet. */
static void
give_back (MefotaAtData *self)
{
  gsize n = self->line_length;
  g_autoptr (GBytes) head = NULL;

  if (self->open != 1)
    skip_sent (self, self->matched - MIN (n, self->matched));
  if (self->open != 1 || n == 0)
    return;
  head = g_queue_pop_head (&self->sent);
  if (head != NULL)
    g_queue_push_head (&self->sent,
                       g_bytes_new_from_bytes (head, self->offset, g_bytes_get_size (head) - self->offset));
  g_queue_push_head (&self->sent, g_bytes_new (self->line, n));
  self->offset = 0;
  self->echoed -= n;
}

/* The data end here, at @byte. The module's own line begins with it, or began where the data went on like it. */
static MefotaAtDataByte
part (MefotaAtData *self, guint8 byte)
{
  static const char word[] = "+FOTAIND";
  gsize n = self->line_length;
  gsize at = n > 0 && self->line[0] == '\r' ? 1 : 0;

  at += at < n && self->line[at] == '\n' ? 1 : 0;
  self->foreign = TRUE;
  self->foreign_text = n > at;
  if ((byte == '\r' || byte == '\n') && n > at
      && (n - at < strlen (word) || g_ascii_strncasecmp ((char *) self->line + at, word, strlen (word)) != 0))
    {
      self->foreign_text = FALSE;
      self->line_length = n = 0;
    }
  give_back (self);
  self->matched = 0;
  self->open |= self->open << MIN (n, 63);
  self->left = self->open;
  return n > 0 ? MEFOTA_AT_DATA_GIVEN_BACK : MEFOTA_AT_DATA_TEXT;
}

MefotaAtDataByte
mefota_at_data_receive (MefotaAtData *self, guint8 byte)
{
  MefotaAtDataByte what = MEFOTA_AT_DATA_TEXT;

  if (!self->echoes)
    return match_prefix (self, byte);
  if (!self->foreign && peek (self, self->matched) >= 0)
    {
      if (goes_on (self, byte))
        {
          remember (self, byte);
          return MEFOTA_AT_DATA_ECHO;
        }
      what = part (self, byte);
    }
  if (self->foreign && byte == '\n')
    self->foreign = !self->foreign_text; /* "\r\n" before the text does not end it */
  else if (byte != '\r')
    self->foreign_text = TRUE;
  return what;
}

/* The whole data are with the tty: an OK before is noise, an error may come whenever it likes. The one-digit codes of
 * ATV0 are too short to be believed here. */
gboolean
mefota_at_data_is_final (MefotaAtData *self, const char *line)
{
  if (g_ascii_strcasecmp (line, "OK") == 0)
    return self->taken > 0 && self->taken == self->queued && self->taken >= self->announced;
  return g_ascii_strcasecmp (line, "ERROR") == 0 || g_ascii_strncasecmp (line, "+CME ERROR", 10) == 0
         || g_ascii_strncasecmp (line, "+CMS ERROR", 10) == 0;
}
