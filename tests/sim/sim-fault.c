/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Switch fault: answers spoilt. */

#include "sim-settings.h"

#include <string.h>

/* What stands behind the word: t text, s seconds, - nothing. In the order of SimFaultKind. */
static const struct
{
  const char *word;
  char argument;
} actions[] = {
  { "ok", '-' },     { "error", '-' },   { "cme", 't' },  { "silent", '-' }, { "late", 's' },
  { "hangup", '-' }, { "garbage", '-' }, { "line", 't' }, { "cut", '-' },
  { "twice", '-' },  { "final", 't' },
};

void
sim_fault_free (SimFault *fault)
{
  g_free (fault->pattern);
  g_free (fault->argument);
  g_free (fault);
}

static char *
list_actions (void)
{
  GString *out = g_string_new (NULL);

  for (guint i = 0; i < G_N_ELEMENTS (actions); i++)
    g_string_append_printf (out, "%s%s", i > 0 ? "|" : "", actions[i].word);
  return g_string_free (out, FALSE);
}

double
sim_fault_seconds (const SimFault *fault)
{
  double seconds = 0;

  return sim_parse_seconds (fault->argument, &seconds) ? seconds : 0;
}

/* Takes the fault's word and what belongs behind it. */
static gboolean
parse_action (SimFault *fault, const char *word, GError **error)
{
  g_autofree char *all = NULL;
  gboolean has = *fault->argument != '\0';
  double seconds;

  for (guint i = 0; i < G_N_ELEMENTS (actions); i++)
    {
      char kind = actions[i].argument;

      if (!g_str_equal (actions[i].word, word))
        continue;
      fault->kind = (SimFaultKind) i;
      if (kind == '-' ? !has : has && (kind != 's' || sim_parse_seconds (fault->argument, &seconds)))
        return TRUE;
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "fault action \"%s\" %s", word,
                   kind == '-'   ? "stands alone"
                   : kind == 's' ? "needs a number of seconds, or forever"
                                 : "needs a text");
      return FALSE;
    }
  all = list_actions ();
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "fault action \"%s\" is unknown, give one of %s", word,
               all);
  return FALSE;
}

gboolean
sim_fault_parse (GPtrArray *faults, const char *value, GError **error)
{
  g_autofree char *text = g_strstrip (g_strdup (value));
  g_auto (GStrv) words = NULL;
  g_autoptr (SimFault) fault = NULL;
  guint at = 0;

  if (*text == '\0' || g_str_equal (text, "none"))
    {
      g_ptr_array_set_size (faults, 0);
      return TRUE;
    }
  fault = g_new0 (SimFault, 1);
  words = g_strsplit (text, " ", 0);
  if (g_ascii_isdigit (words[0][0]) && g_str_has_suffix (words[0], "x"))
    {
      words[0][strlen (words[0]) - 1] = '\0';
      if (sim_parse_number (words[0], 10, &fault->times) && fault->times > 0)
        at++;
    }
  if (words[at] == NULL || words[at + 1] == NULL || (at == 0 && g_ascii_isdigit (words[0][0])))
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   "fault \"%s\": write it as [Nx] PATTERN ACTION [ARGUMENT]", text);
      return FALSE;
    }
  fault->pattern = g_ascii_strup (words[at], -1);
  fault->argument = g_strjoinv (" ", words + at + 2);
  if (!parse_action (fault, words[at + 1], error))
    return FALSE;
  g_ptr_array_add (faults, g_steal_pointer (&fault));
  return TRUE;
}

SimFault *
sim_settings_take_fault (SimSettings *settings, const char *command)
{
  for (guint i = 0; i < settings->faults->len; i++)
    {
      SimFault *fault = g_ptr_array_index (settings->faults, i);
      SimFault *taken;

      if (!g_pattern_match_simple (fault->pattern, command))
        continue;
      if (fault->times == 1)
        return g_ptr_array_steal_index (settings->faults, i);
      if (fault->times > 1)
        fault->times--;
      taken = g_new0 (SimFault, 1);
      taken->pattern = g_strdup (fault->pattern);
      taken->argument = g_strdup (fault->argument);
      taken->kind = fault->kind;
      return taken;
    }
  return NULL;
}
