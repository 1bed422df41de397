/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-command-check.h"

#include <string.h>

#include "mefota-error.h"

/* What SendCommand does not send, by the beginning of one command of the line (upper case, no blanks, without AT). The
 * query or test form of an extended command (+NAME? or +NAME=?) is always allowed. */
static const struct
{
  const char *begins;
  const char *instead;
} forbidden[] = {
  { "+FOTACTR", "use Upgrade or Confirm" },
  { "+ZCOMWRT", "use Install" },
  { "+ZCOMUPDATE", "use Install" },
  { "+CFUN=", "use Restart" },
  { "+ZRST", "use Restart" },
  { "+ZTURNOFF", "switch the module off at its power instead" },
  { "+ZSWITCH=", "it changes the module's USB ids; set it with a terminal while mefotad is stopped" },
  { "+IPR=", "set baud in mefotad.conf" },
  { "+IFC=", "set flow-control in mefotad.conf" },
  { "+CMGS", "it takes data; use a terminal while mefotad is stopped" },
  { "+CMGC", "it takes data; use a terminal while mefotad is stopped" },
  { "+CMGW", "it takes data; use a terminal while mefotad is stopped" },
  { "+CGDATA", "it takes data; use a terminal while mefotad is stopped" },
  { "+CMUX", "it takes the line over for channels; use a terminal while mefotad is stopped" },
  { "D", "it takes the line over for data; use a terminal while mefotad is stopped" },
  { "O", "it takes the line over for data; use a terminal while mefotad is stopped" },
  { "Q1", "without result codes the module cannot be driven" },
  { "Z", "it resets the line's settings; use Refresh" },
  { "&F", "it resets the module's settings; use a terminal while mefotad is stopped" },
};

static gboolean
is_extended (char c)
{
  return c != '\0' && strchr ("+^*$%#", c) != NULL;
}

static gboolean
is_query (const char *part)
{
  const char *end = part + 1;

  if (!is_extended (part[0]))
    return FALSE;
  while (g_ascii_isalnum (*end))
    end++;
  return strcmp (end, "?") == 0 || strcmp (end, "=?") == 0;
}

/* The next command of the line at *@rest, which is moved behind it. An extended one, and dialling, goes on to the
 * semicolon; basic ones follow each other directly: E0Q0V1+CGMR. */
static char *
next_part (const char **rest)
{
  const char *begin = *rest;
  const char *end = begin;

  if (is_extended (*begin) || *begin == 'D')
    end += strcspn (begin, ";");
  else
    {
      end += *begin == '&' && begin[1] != '\0' ? 2 : 1;
      end += strspn (end, "0123456789=?");
    }
  *rest = end;
  return g_strndup (begin, end - begin);
}

static gboolean
check_part (const char *part, GError **error)
{
  for (gsize i = 0; i < G_N_ELEMENTS (forbidden); i++)
    if (g_str_has_prefix (part, forbidden[i].begins) && !is_query (part))
      {
        g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_SUPPORTED, "%s is not sent as a single command; %s.", part,
                     forbidden[i].instead);
        return FALSE;
      }
  return TRUE;
}

gboolean
mefota_command_check (const char *command, guint max_length, GError **error)
{
  g_autoptr (GString) plain = g_string_new (NULL);
  const char *rest;

  for (const char *c = command; *c != '\0'; c++)
    {
      if ((guchar) *c < 0x20 || *c == 0x7f)
        {
          g_set_error_literal (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                               "A command has no line breaks or control characters; send one command at a time.");
          return FALSE;
        }
      if (*c != ' ')
        g_string_append_c (plain, g_ascii_toupper (*c));
    }
  if (g_ascii_strncasecmp (command, "AT", 2) != 0)
    {
      g_set_error_literal (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                           "A command begins with AT, such as AT+CGMR.");
      return FALSE;
    }
  if (strlen (command) > max_length)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                   "The command has %zu bytes, this module takes %u; send a shorter one.", strlen (command),
                   max_length);
      return FALSE;
    }
  rest = plain->str + strlen ("AT");
  while (*rest != '\0')
    {
      g_autofree char *part = next_part (&rest);
      if (!check_part (part, error))
        return FALSE;
    }
  return TRUE;
}
