/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-profile.h"

#include <string.h>

/* "QS_ME3630U1AV1.0B04 [Apr 18 2019 13:43:33]": the product line is what stands before the last
 * V<major>.<minor>B<build>, and what follows the build ("T01") does not count. */
typedef struct
{
  const char *line;
  gsize line_length;
  guint numbers[3]; /* major, minor, build */
} Version;

/* Goes over blanks in front; the length up to the next one. */
static gsize
first_word (const char **text)
{
  if (*text == NULL)
    *text = "";
  *text += strspn (*text, " \t\r\n");
  return strcspn (*text, " \t\r\n");
}

/* Up to nine digits at *@p, which is moved behind them. */
static gboolean
parse_digits (const char **p, guint *number)
{
  guint digits = 0;

  for (*number = 0; g_ascii_isdigit (**p); (*p)++)
    {
      if (++digits > 9)
        return FALSE;
      *number = *number * 10 + (guint) g_ascii_digit_value (**p);
    }
  return digits > 0;
}

static gboolean
parse_separator (const char **p, char separator)
{
  if (g_ascii_toupper (**p) != separator)
    return FALSE;
  (*p)++;
  return TRUE;
}

static gboolean
parse_version (const char *text, Version *version)
{
  gsize length = first_word (&text);

  for (gsize i = length; i > 0; i--)
    {
      const char *p = text + i - 1;
      if (parse_separator (&p, 'V') && parse_digits (&p, &version->numbers[0]) && parse_separator (&p, '.') &&
          parse_digits (&p, &version->numbers[1]) && parse_separator (&p, 'B') &&
          parse_digits (&p, &version->numbers[2]))
        {
          version->line = text;
          version->line_length = i - 1;
          return TRUE;
        }
    }
  return FALSE;
}

gboolean
mefota_version_matches (const char *a, const char *b)
{
  gsize a_length = first_word (&a);
  gsize b_length = first_word (&b);

  /* A version that is not known is like no other, not even like another unknown one. */
  return a_length > 0 && a_length == b_length && g_ascii_strncasecmp (a, b, a_length) == 0;
}

gboolean
mefota_version_at_least (const char *version, const char *minimum)
{
  Version a, b;

  if (!parse_version (version, &a) || !parse_version (minimum, &b) || a.line_length != b.line_length ||
      g_ascii_strncasecmp (a.line, b.line, a.line_length) != 0)
    return FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (a.numbers); i++)
    if (a.numbers[i] != b.numbers[i])
      return a.numbers[i] > b.numbers[i];
  return TRUE;
}
