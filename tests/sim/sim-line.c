/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-line.h"

#include <string.h>

static void
put (GByteArray *out, const char *text)
{
  g_byte_array_append (out, (const guint8 *) text, (guint) strlen (text));
}

static const char *
eol (const SimSettings *settings)
{
  static const char *const ends[] = { "\r\n", "\n", "\r" };

  return ends[settings->eol];
}

static void
sprinkle (const SimSettings *settings, GByteArray *out)
{
  static const guint8 stray[] = { 0x00, 0xff };

  if (settings->sprinkle == SIM_SPRINKLE_NUL || settings->sprinkle == SIM_SPRINKLE_BOTH)
    g_byte_array_append (out, &stray[0], 1);
  if (settings->sprinkle == SIM_SPRINKLE_FF || settings->sprinkle == SIM_SPRINKLE_BOTH)
    g_byte_array_append (out, &stray[1], 1);
}

static const char *
blanks (const SimSettings *settings, guint count, const char **before, const char **behind)
{
  guint spacing = settings->spacing;

  *before = *behind = "";
  if (spacing == SIM_SPACING_ODD)
    spacing = SIM_SPACING_NONE + count % 4;
  switch (spacing)
    {
    case SIM_SPACING_NONE:
      return "";
    case SIM_SPACING_ONE:
      return " ";
    case SIM_SPACING_MANY:
      *behind = "  ";
      return "   ";
    case SIM_SPACING_TAB:
      return "\t";
    case SIM_SPACING_BEFORE:
      *before = " ";
      return " ";
    default:
      return NULL;
    }
}

/* `+NAME: rest` with its blanks as the switch wants them, and the words behind +FOTAIND as well: the guide writes both
 * `DOWNLOADING:25%` and `DOWNLOADING: 25%`. */
static char *
respace (const SimSettings *settings, guint count, const char *text)
{
  const char *colon = strchr (text, ':');
  const char *second = g_str_has_prefix (text, "+FOTAIND:") ? strchr (colon + 1, ':') : NULL;
  const char *before;
  const char *behind;
  const char *between = blanks (settings, count, &before, &behind);
  g_autoptr (GString) out = g_string_new (NULL);

  if (between == NULL)
    return g_strdup (text);
  for (const char *c = text; *c != '\0'; c++)
    if (c == colon || c == second)
      {
        g_string_append_printf (out, "%s:%s", before, between);
        while (c[1] == ' ')
          c++;
      }
    else
      g_string_append_c (out, *c);
  g_string_append (out, behind);
  return g_string_free (g_steal_pointer (&out), FALSE);
}

static void
put_with_colons (const SimSettings *settings, const char *text, GByteArray *out)
{
  gboolean all = settings->colon == SIM_COLON_UTF8_ALL || settings->colon == SIM_COLON_GBK_ALL;
  gboolean gbk = settings->colon == SIM_COLON_GBK || settings->colon == SIM_COLON_GBK_ALL;
  guint colons = 0;

  for (const char *c = text; *c != '\0'; c++)
    if (*c == ':' && (colons++ > 0 || all))
      put (out, gbk ? "\xa3\xba" : "\xef\xbc\x9a");
    else
      g_byte_array_append (out, (const guint8 *) c, 1);
}

static void
put_text (const SimSettings *settings, SimLineState *state, const char *text, GByteArray *out)
{
  g_autofree char *spaced = NULL;
  g_autofree char *cased = NULL;
  gsize half = out->len;

  if (*text != '+' || strchr (text, ':') == NULL)
    {
      put (out, text);
      return;
    }
  spaced = respace (settings, state->count, text);
  if (settings->letter_case == SIM_CASE_LOWER)
    cased = g_ascii_strdown (spaced, -1);
  else if (settings->letter_case == SIM_CASE_UPPER)
    cased = g_ascii_strup (spaced, -1);
  else
    cased = g_steal_pointer (&spaced);
  if (settings->colon != SIM_COLON_ASCII && g_ascii_strncasecmp (text, "+FOTAIND", 8) == 0)
    put_with_colons (settings, cased, out);
  else
    put (out, cased);
  if (settings->sprinkle_inside)
    {
      g_autoptr (GByteArray) stray = g_byte_array_new ();
      g_autofree guint8 *tail = NULL;
      gsize length;

      half += (out->len - half) / 2;
      length = out->len - half;
      tail = g_memdup2 (out->data + half, length);
      g_byte_array_set_size (out, (guint) half);
      sprinkle (settings, stray);
      g_byte_array_append (out, stray->data, stray->len);
      g_byte_array_append (out, tail, (guint) length);
    }
}

void
sim_line_append (const SimSettings *settings, SimLineState *state, const char *text, gboolean final, GByteArray *out)
{
  sprinkle (settings, out);
  if (!(settings->tight && state->after))
    put (out, eol (settings));
  for (guint i = 0; i < settings->blank_lines; i++)
    put (out, eol (settings));
  put_text (settings, state, text, out);
  if (!final || settings->ok_tail == SIM_TAIL_EOL)
    put (out, eol (settings));
  else if (settings->ok_tail == SIM_TAIL_NUL)
    g_byte_array_append (out, (const guint8 *) "", 1);
  state->after = !final;
  state->count++;
}

void
sim_line_garbage (SimLineState *state, guint count, GByteArray *out)
{
  for (guint i = 0; i < count; i++)
    {
      guint8 byte;

      state->random = state->random * 1103515245u + 12345u;
      byte = (guint8) (state->random >> 16);
      /* Noise on a real line seldom spells a line end, and never an answer. */
      if (byte == '\r' || byte == '\n' || byte == '>' || byte == '+')
        byte ^= 0x80;
      g_byte_array_append (out, &byte, 1);
    }
}
