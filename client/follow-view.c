/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "follow-view.h"

#include "event.h"
#include "live.h"
#include "mefota-names.h"
#include "output.h"

#include <unistd.h>

/* Told without a terminal. Progress only where no indication tells it too. */
static const char *const told_always[] = { "State", "PowerCritical", "Overdue", NULL };
static const char *const told_transferring[] = { "State", "PowerCritical", "Overdue", "Progress", NULL };

void
follow_view_init (FollowView *view, gboolean json, const char *to)
{
  *view = (FollowView) {
    .json = json,
    .live = !json && isatty (STDOUT_FILENO),
    .to = to,
    .began = g_get_real_time (),
    .colour = live_has_colour (),
  };
}

void
follow_view_redraw (FollowView *view, Module *module, FollowViewPhase phase)
{
  gboolean known = phase != FOLLOW_VIEW_ASKING && module_number (module, "StartedAt") != 0;
  const char *from = known ? module_string (module, "FromVersion") : "";
  gint64 started = known ? (gint64) module_number (module, "StartedAt") : view->began;
  LiveView line_view = {
    .from = *from != '\0' ? from : module_string (module, "FirmwareVersion"),
    .to = view->to != NULL ? view->to : module_string (module, "TargetVersion"),
    .state = phase == FOLLOW_VIEW_ASKING ? "asking the module" : module_string (module, "State"),
    .progress = (guint) module_number (module, "Progress"),
    .started = started,
    .phase_since = known ? (gint64) module_number (module, "PhaseSince") : started,
    .confirm_deadline = (gint64) module_number (module, "ConfirmDeadline"),
    .power_critical = module_flag (module, "PowerCritical"),
    .overdue = module_flag (module, "Overdue"),
    .daemon_gone = phase == FOLLOW_VIEW_DAEMON_GONE,
  };
  guint width = output_width () - 1; /* some terminals wrap as soon as the last column is written to */
  /* Back at rest there is no upgrade to draw; its result is told below the line. */
  if (!view->live || (phase == FOLLOW_VIEW_FOLLOWING && !module_is_upgrading (module)))
    return;
  view->drawn = MIN (view->drawn, width);
  g_autofree char *line = live_render (&line_view, width, output_is_utf8 (), view->colour, g_get_real_time ());
  live_draw (line, &view->drawn);
}

void
follow_view_wipe (FollowView *view)
{
  if (view->drawn > 0)
    live_draw ("", &view->drawn);
}

void
follow_view_say (FollowView *view, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *clean = output_clean (text);
  follow_view_wipe (view);
  output_print (view->json ? stderr : stdout, "%s\n", clean);
}

void
follow_view_event (FollowView *view, Module *module, const char *event, GVariant *parameters)
{
  g_autofree char *text = NULL;
  const char *id = parameters != NULL ? module_id (module) : NULL;
  if (view->live)
    return;
  if (view->json)
    {
      text = event_to_json (event, id, parameters);
      output_json (text);
      return;
    }
  gboolean transferring = g_str_equal (module_string (module, "State"), "transferring");
  text = event_to_text (event, id, parameters, transferring ? told_transferring : told_always);
  output_print (stdout, "%s", text);
}

ExitStatus
follow_view_result (FollowView *view, Module *module, const char *result, GVariant *details)
{
  const char *from = "", *to = "", *name = "", *message = "";
  double seconds = 0;
  g_variant_lookup (details, "from-version", "&s", &from);
  g_variant_lookup (details, "to-version", "&s", &to);
  g_variant_lookup (details, "error-name", "&s", &name);
  g_variant_lookup (details, "error-message", "&s", &message);
  g_variant_lookup (details, "seconds", "d", &seconds);
  follow_view_wipe (view);
  if (g_str_equal (result, mefota_result_to_word (MEFOTA_RESULT_SUCCESS)))
    {
      g_autofree char *duration = output_duration (seconds);
      follow_view_say (view, "%s was upgraded from %s to %s in %s.", module_id (module),
                       *from != '\0' ? from : "an unknown version", *to != '\0' ? to : "an unknown version", duration);
      return STATUS_DONE;
    }
  ExitStatus status = exit_status_of_name (name);
  if (*message == '\0')
    message = "The upgrade failed, and mefotad does not say why: see `journalctl -u mefotad`.";
  if (status == STATUS_DONE)
    follow_view_say (view, "%s", message);
  else
    complain ("%s", message);
  return status;
}
