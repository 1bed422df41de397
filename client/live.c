/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "live.h"

#include "mefota-names.h"
#include "output.h"

#include <string.h>

#define DO_NOT_POWER_OFF "do not power off"

/* How a line is made shorter, step by step. */
typedef struct
{
  enum
  {
    VERSIONS_FULL,
    VERSIONS_SHORT,
    VERSIONS_NONE
  } versions;
  guint bar;
  enum
  {
    REMARKS_ALL,
    REMARKS_ESSENTIAL, /* those without which somebody might pull the plug, or not know what to do */
    REMARKS_NONE
  } remarks;
  gboolean elapsed;
} Layout;

static const Layout layouts[] = {
  { VERSIONS_FULL, 30, REMARKS_ALL, TRUE },       { VERSIONS_FULL, 16, REMARKS_ALL, TRUE },
  { VERSIONS_SHORT, 16, REMARKS_ALL, TRUE },      { VERSIONS_SHORT, 8, REMARKS_ALL, TRUE },
  { VERSIONS_SHORT, 0, REMARKS_ALL, TRUE },       { VERSIONS_SHORT, 0, REMARKS_ESSENTIAL, TRUE },
  { VERSIONS_SHORT, 0, REMARKS_ESSENTIAL, FALSE }, { VERSIONS_NONE, 0, REMARKS_ESSENTIAL, FALSE },
  { VERSIONS_SHORT, 0, REMARKS_NONE, TRUE },      { VERSIONS_NONE, 0, REMARKS_NONE, TRUE },
  { VERSIONS_NONE, 0, REMARKS_NONE, FALSE },
};

/* What follows the first blank of a version is the date of its build. */
static char *
version_word (const char *version)
{
  return *version == '\0' ? g_strdup ("?") : g_strndup (version, strcspn (version, " "));
}

/* Where the two differ, from the letter before: ME3630U1AV1.0B04, ME3630U1AV1.0B05 → B04, B05 */
static gsize
common_prefix (const char *from, const char *to)
{
  gsize n = 0;
  while (from[n] != '\0' && from[n] == to[n])
    n++;
  while (n > 0 && !g_ascii_isalpha (from[n]))
    n--;
  return g_utf8_validate (from + n, -1, NULL) && g_utf8_validate (to + n, -1, NULL) ? n : 0;
}

static void
append_versions (GString *line, const LiveView *view, gboolean full, gboolean utf8)
{
  g_autofree char *from = version_word (view->from);
  g_autofree char *to = version_word (view->to);
  gboolean to_known = *view->to != '\0';
  gsize skip = full || *view->from == '\0' ? 0 : common_prefix (from, to_known ? to : from);
  g_string_append_printf (line, "%s %s %s  ", from + skip, utf8 ? "→" : "->", to + (to_known ? skip : 0));
}

static void
append_bar (GString *line, guint percent, guint width, gboolean utf8)
{
  guint full = MIN (percent, 100) * width / 100;
  g_string_append (line, utf8 ? "" : "[");
  for (guint i = 0; i < width; i++)
    g_string_append (line, i < full ? (utf8 ? "█" : "#") : (utf8 ? "░" : "."));
  g_string_append (line, utf8 ? " " : "] ");
}

/* The honest part: what is known of the phase, and for how long silence is no reason to worry. */
static void
append_phase (GString *line, const LiveView *view, const Layout *layout, gint64 now)
{
  MefotaState state;
  gboolean essential = layout->remarks != REMARKS_NONE, all = layout->remarks == REMARKS_ALL;
  g_autofree char *phase_time = output_clock ((now - view->phase_since) / G_USEC_PER_SEC);
  g_string_append (line, view->daemon_gone ? "waiting for mefotad" : view->state);
  if (view->daemon_gone || !mefota_state_from_word (view->state, &state))
    return;
  if (view->overdue)
    g_string_append_printf (line, " %s, %s", phase_time,
                            essential ? "longer than expected, still waiting" : "overdue");
  else if (state == MEFOTA_STATE_REBOOTING)
    g_string_append_printf (line, " %s%s", phase_time, essential ? ", silence up to 10 minutes is normal" : "");
  else if (state == MEFOTA_STATE_UPDATING && all)
    g_string_append (line, ", minutes without news are normal");
  else if (state == MEFOTA_STATE_QUEUED && all)
    g_string_append (line, ", waits for its turn");
  else if (state == MEFOTA_STATE_CONFIRMING)
    {
      g_autofree char *left = output_clock ((view->confirm_deadline - now) / G_USEC_PER_SEC);
      g_string_append (line, essential ? ": answer with mefotactl accept or reject" : ": accept or reject?");
      if (view->confirm_deadline > 0)
        g_string_append_printf (line, ", %s left", left);
    }
}

static char *
lay_out (const LiveView *view, const Layout *layout, gboolean utf8, gint64 now)
{
  GString *line = g_string_new (NULL);
  gboolean moving = view->progress > 0 || g_str_equal (view->state, "downloading")
                    || g_str_equal (view->state, "transferring");
  if (layout->versions != VERSIONS_NONE && (*view->from != '\0' || *view->to != '\0'))
    append_versions (line, view, layout->versions == VERSIONS_FULL, utf8);
  if (moving && !view->daemon_gone)
    {
      if (layout->bar > 0)
        append_bar (line, view->progress, layout->bar, utf8);
      g_string_append_printf (line, "%3u %%  ", view->progress);
    }
  append_phase (line, view, layout, now);
  if (layout->elapsed)
    {
      g_autofree char *elapsed = output_clock ((now - view->started) / G_USEC_PER_SEC);
      g_string_append_printf (line, "  %s", elapsed);
    }
  return g_string_free (line, FALSE);
}

static void
cut (char *text, guint width)
{
  while (*text != '\0' && output_text_width (text) > width)
    *g_utf8_find_prev_char (text, text + strlen (text)) = '\0';
}

char *
live_render (const LiveView *view, guint width, gboolean utf8, gboolean colour, gint64 now)
{
  const char *warning = view->power_critical ? "  " DO_NOT_POWER_OFF : "";
  guint warning_width = output_text_width (warning);
  guint room = width > warning_width ? width - warning_width : 0;
  g_autofree char *clean = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (layouts); i++)
    {
      g_autofree char *line = lay_out (view, &layouts[i], utf8, now);
      g_free (clean);
      clean = output_clean (line);
      if (output_text_width (clean) <= room)
        break;
    }
  cut (clean, room);
  if (!view->power_critical)
    return g_steal_pointer (&clean);
  g_autofree char *cut_warning = g_strdup (*clean == '\0' ? DO_NOT_POWER_OFF : warning);
  cut (cut_warning, width - output_text_width (clean));
  return colour ? g_strconcat (clean, "\033[1;31m", cut_warning, "\033[0m", NULL)
                : g_strconcat (clean, cut_warning, NULL);
}

gboolean
live_has_colour (void)
{
  const char *no_colour = g_getenv ("NO_COLOR");
  const char *terminal = g_getenv ("TERM");
  return (no_colour == NULL || *no_colour == '\0') && terminal != NULL && *terminal != '\0'
         && !g_str_equal (terminal, "dumb");
}

/* Width without the escape sequences of live_render(). */
static guint
drawn_width (const char *line)
{
  g_autoptr (GString) plain = g_string_new (line);
  g_string_replace (plain, "\033[1;31m", "", 0);
  g_string_replace (plain, "\033[0m", "", 0);
  return output_text_width (plain->str);
}

void
live_draw (const char *line, guint *drawn)
{
  guint width = drawn_width (line);
  /* Blanks wipe out what is left of a longer line: any terminal can do that, a dumb one too. */
  int rest = (int) (*drawn > width ? *drawn - width : 0);
  output_print (stdout, "\r%s%*s%s", line, rest, "", *line == '\0' ? "\r" : "");
  *drawn = width;
}
