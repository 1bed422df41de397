/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* A UART, on which nothing tells that the module went away: its silence, and its boots. */

#include "mefota-link-private.h"

#include "mefota-at-event.h"
#include "mefota-error.h"
#include "mefota-profile.h"

/* The synchronisation goes on, or is begun, and tells when it answers. */
static void
fall_silent (gpointer data)
{
  MefotaLink *self = data;

  mefota_timer_stop (&self->watch_timer);
  mefota_timer_stop (&self->silence_timer);
  mefota_link_stop_identifying (self);
  mefota_link_tell_gone (self, MEFOTA_LINK_PROBING);
}

void
mefota_link_suspect (MefotaLink *self)
{
  if (self->transport != MEFOTA_TRANSPORT_UART || self->state != MEFOTA_LINK_UP
      || mefota_timer_is_running (&self->silence_timer))
    return;
  /* One missed answer may be a busy module; not answering for two more tries is none. */
  mefota_timer_start (&self->silence_timer, 2 * self->timeouts.probe, fall_silent, self);
  mefota_link_begin_probing (self);
}

static void
on_still_there (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaLink) self = data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);
  g_autofree char *version = NULL;

  if (MEFOTA_AT_CHANNEL (source) != self->channel)
    return;
  self->asked = FALSE;
  if (g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_TIMEOUT))
    mefota_link_suspect (self);
  if (error != NULL || lines[0] == NULL || self->state != MEFOTA_LINK_UP || self->version[0] == '\0')
    return;
  version = mefota_at_event_strip_prefix (lines[0], "+CGMR");
  if (!mefota_version_matches (version, self->version))
    mefota_link_identify (self);
}

static void
ask_still_there (gpointer data)
{
  MefotaLink *self = data;

  mefota_timer_start (&self->watch_timer, self->timeouts.probe, ask_still_there, self);
  if (self->state != MEFOTA_LINK_UP || mefota_timer_is_running (&self->silence_timer))
    return;
  if (!self->asked)
    {
      self->asked = TRUE;
      self->unanswered = 0;
      /* Its version tells of a restart that was over between two questions. */
      mefota_at_channel_send_async (self->channel, "AT+CGMR", NULL, self->timeouts.probe, self->cancellable,
                                    on_still_there, g_object_ref (self));
    }
  else if (++self->unanswered == 2)
    mefota_link_suspect (self); /* it waits behind a command that is not answered either */
}

void
mefota_link_watch_silence (MefotaLink *self, gboolean watch)
{
  if (watch && !self->watching)
    self->identified_at = 0; /* a boot that shows itself from now on is not the one before its identity was read */
  self->watching = watch;
  mefota_timer_stop (&self->watch_timer);
  if (watch && self->transport == MEFOTA_TRANSPORT_UART && self->state == MEFOTA_LINK_UP)
    mefota_timer_start (&self->watch_timer, self->timeouts.probe, ask_still_there, self);
}

void
mefota_link_note_boot (MefotaLink *self, const char *line)
{
  gboolean settled = g_get_monotonic_time () - self->identified_at > 2000 * (gint64) self->timeouts.probe;
  gboolean synchronising = mefota_timer_is_running (&self->silence_timer);

  /* A boot is several lines, and the last may come after the module has answered: those are not another boot. */
  if (self->transport != MEFOTA_TRANSPORT_UART || self->state != MEFOTA_LINK_UP || !settled)
    return;
  g_message ("%s: the module has restarted (%s)", self->name, line);
  fall_silent (self);
  if (!synchronising)
    mefota_link_begin_probing (self);
}
