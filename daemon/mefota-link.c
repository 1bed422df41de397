/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* A port that is opened, awake, identified and closed again. */

#include "mefota-link-private.h"

#include "mefota-error.h"

/* Unanswered tries at one rate before a UART's other rates are tried: a module may be back at another one (its own
 * setting is not known, and automatic detection falls back to 115200). */
#define TRIES_PER_RATE 5
/* What a USB port is set to: it ignores it, but termios wants a rate. */
#define USB_BAUD 115200
/* Longest pause between two tries to open a port that somebody else holds. */
#define BUSY_PAUSE_MAX_MS 60000

static const guint other_rates[] = { 115200, 921600, 460800, 230400, 57600, 38400, 19200, 9600 };

G_DEFINE_FINAL_TYPE (MefotaLink, mefota_link, G_TYPE_OBJECT)

enum
{
  CHANGED,
  ANSWERS,
  IDENTIFIED,
  GONE,
  INDICATION,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

static void open_port (gpointer data);

static void
set_state (MefotaLink *self, MefotaLinkState state)
{
  if (self->state == state)
    return;
  self->state = state;
  g_signal_emit (self, signals[CHANGED], 0);
}

void
mefota_link_tell_gone (MefotaLink *self, MefotaLinkState state)
{
  self->state = state;
  g_signal_emit (self, signals[GONE], 0);
  g_signal_emit (self, signals[CHANGED], 0);
}

static void
clear_timers (MefotaLink *self)
{
  mefota_timer_stop (&self->watch_timer);
  mefota_timer_stop (&self->silence_timer);
  mefota_timer_stop (&self->rate_timer);
  mefota_timer_stop (&self->reopen_timer);
}

void
mefota_link_stop_identifying (MefotaLink *self)
{
  if (self->identifying != NULL)
    g_cancellable_cancel (self->identifying);
  g_clear_object (&self->identifying);
}

/* Closes at once, so that the kernel can give the tty's number back. */
static void
drop_port (MefotaLink *self)
{
  g_autoptr (MefotaAtChannel) channel = g_steal_pointer (&self->channel);

  clear_timers (self);
  if (self->cancellable != NULL)
    g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  mefota_link_stop_identifying (self);
  self->asked = FALSE;
  if (channel != NULL)
    {
      g_signal_handlers_disconnect_by_data (channel, self);
      mefota_at_channel_close (channel);
    }
  g_clear_object (&self->stream);
  g_clear_pointer (&self->node, g_free);
}

static void
lose_port (MefotaLink *self)
{
  if (self->channel == NULL)
    return;
  drop_port (self);
  mefota_link_tell_gone (self, MEFOTA_LINK_CLOSED);
}

/* ---- identity ---- */

static void
on_identified (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaLink) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (MefotaIdentity) identity = mefota_identity_ask_finish (result, &error);

  if (self->identifying == NULL || g_task_get_cancellable (G_TASK (result)) != self->identifying)
    return;
  g_clear_object (&self->identifying);
  if (g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_TIMEOUT))
    {
      set_state (self, MEFOTA_LINK_PROBING); /* not awake after all, or not any more */
      mefota_link_begin_probing (self);
    }
  if (identity == NULL)
    return; /* hung up: somebody else tells */
  self->identified_at = g_get_monotonic_time ();
  self->version = (g_free (self->version), g_strdup (identity->version));
  self->state = MEFOTA_LINK_UP;
  g_signal_emit (self, signals[IDENTIFIED], 0, identity);
  g_signal_emit (self, signals[CHANGED], 0);
  if (self->watching)
    mefota_link_watch_silence (self, TRUE);
}

void
mefota_link_identify (MefotaLink *self)
{
  if (self->channel == NULL || self->identifying != NULL)
    return;
  self->interrupted = FALSE;
  self->identifying = g_cancellable_new ();
  mefota_identity_ask_async (self->channel, self->profiles, self->timeouts.command, self->timeouts.probe,
                             self->identifying, on_identified, g_object_ref (self));
}

/* ---- waking the module up ---- */

static void
try_next_rate (gpointer data)
{
  MefotaLink *self = data;
  g_autoptr (GError) error = NULL;

  mefota_timer_start (&self->rate_timer, TRIES_PER_RATE * self->timeouts.probe, try_next_rate, self);
  if (mefota_at_channel_needs_rate (self->channel))
    return;
  /* The configured one every other time: it is by far the likeliest. */
  self->rate = self->next_rate % 2 != 0 ? self->baud : other_rates[self->next_rate / 2];
  self->next_rate = (self->next_rate + 1) % (2 * G_N_ELEMENTS (other_rates));
  if (!mefota_tty_set_baud (MEFOTA_TTY (self->stream), self->rate, &error))
    g_debug ("%s: %s", self->name, error->message);
}

static void
on_synced (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaLink) self = data;

  if (!mefota_at_channel_sync_finish (MEFOTA_AT_CHANNEL (source), result, NULL)
      || MEFOTA_AT_CHANNEL (source) != self->channel)
    return;
  mefota_timer_stop (&self->rate_timer);
  mefota_timer_stop (&self->silence_timer);
  self->expected_data = 0;
  if (self->state == MEFOTA_LINK_UP) /* it was only slow */
    {
      if (self->interrupted)
        mefota_link_identify (self);
      return;
    }
  if (self->rate != self->baud)
    g_message ("%s: the module answers at %u baud instead of %u", self->name, self->rate, self->baud);
  g_signal_emit (self, signals[ANSWERS], 0);
  if (self->channel != NULL)
    mefota_link_identify (self);
}

void
mefota_link_begin_probing (MefotaLink *self)
{
  self->interrupted = self->interrupted || self->identifying != NULL;
  mefota_link_stop_identifying (self);
  mefota_timer_stop (&self->rate_timer);
  if (self->expected_data > 0)
    mefota_at_channel_expect_data (self->channel, self->expected_data);
  if (self->transport == MEFOTA_TRANSPORT_UART && MEFOTA_IS_TTY (self->stream))
    {
      self->next_rate = 0;
      mefota_timer_start (&self->rate_timer, TRIES_PER_RATE * self->timeouts.probe, try_next_rate, self);
    }
  mefota_at_channel_sync_async (self->channel, self->cancellable, on_synced, g_object_ref (self));
}

/* ---- the port ---- */

static void
on_indication (MefotaAtChannel *channel, const MefotaIndication *indication, gpointer data)
{
  g_signal_emit (data, signals[INDICATION], 0, indication);
}

static void
on_urc (MefotaAtChannel *channel, const char *line, gboolean booted, gpointer data)
{
  if (booted)
    mefota_link_note_boot (data, line);
}

static void
on_hang_up (MefotaAtChannel *channel, gpointer data)
{
  g_autoptr (MefotaLink) self = g_object_ref (data);
  gint64 lasted = g_get_monotonic_time () - self->opened_at;

  lose_port (self);
  if (self->path == NULL || self->channel != NULL)
    return;
  /* The way to it may lead to its new node by now; a port that hangs up at once must not make us spin. */
  if (lasted < 1000 * (gint64) self->timeouts.probe)
    {
      if (!mefota_timer_is_running (&self->reopen_timer))
        mefota_timer_start (&self->reopen_timer, self->timeouts.probe, open_port, self);
    }
  else
    open_port (self);
}

static void
wait_for_holder (MefotaLink *self)
{
  self->busy_pause = CLAMP (self->busy_pause * 2, self->timeouts.probe, BUSY_PAUSE_MAX_MS);
  mefota_timer_start (&self->reopen_timer, self->busy_pause, open_port, self);
}

static void
open_port (gpointer data)
{
  MefotaLink *self = data;
  g_autoptr (GError) error = NULL;

  mefota_timer_stop (&self->reopen_timer);
  if (self->path == NULL || self->channel != NULL)
    return;
  self->stream = self->opener (self->path, self->baud, self->flow, &self->node, &error);
  if (self->stream == NULL)
    {
      gboolean absent = g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT);
      if (g_strcmp0 (self->last_refusal, error->message) != 0)
        g_log (G_LOG_DOMAIN, absent ? G_LOG_LEVEL_DEBUG : G_LOG_LEVEL_MESSAGE, "%s: %s", self->name, error->message);
      g_free (self->last_refusal);
      self->last_refusal = g_strdup (error->message);
      if (g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_BUSY))
        wait_for_holder (self);
      return;
    }
  g_clear_pointer (&self->last_refusal, g_free);
  self->busy_pause = 0;
  self->rate = self->baud;
  self->opened_at = g_get_monotonic_time ();
  self->cancellable = g_cancellable_new ();
  self->channel = mefota_at_channel_new (self->stream, self->name, self->timeouts.probe);
  g_signal_connect (self->channel, "indication", G_CALLBACK (on_indication), self);
  g_signal_connect (self->channel, "urc", G_CALLBACK (on_urc), self);
  g_signal_connect (self->channel, "hang-up", G_CALLBACK (on_hang_up), self);
  set_state (self, MEFOTA_LINK_PROBING);
  mefota_link_begin_probing (self);
}

void
mefota_link_set_port (MefotaLink *self, const char *path)
{
  g_autoptr (MefotaLink) guard G_GNUC_UNUSED = g_object_ref (self);
  g_autofree char *node = path != NULL ? realpath (path, NULL) : NULL;

  if (self->channel != NULL && g_strcmp0 (node, self->node) != 0)
    lose_port (self);
  if (g_strcmp0 (self->path, path) != 0)
    {
      g_free (self->path);
      self->path = g_strdup (path);
    }
  if (path == NULL)
    mefota_timer_stop (&self->reopen_timer);
  else if (self->channel == NULL && node != NULL)
    {
      mefota_timer_stop (&self->reopen_timer);
      open_port (self);
    }
}

void
mefota_link_expect_data (MefotaLink *self, gsize n_bytes)
{
  self->expected_data = n_bytes;
}

void
mefota_link_close (MefotaLink *self)
{
  drop_port (self);
  g_clear_pointer (&self->path, g_free);
  self->state = MEFOTA_LINK_CLOSED;
}

MefotaLinkState
mefota_link_get_state (MefotaLink *self)
{
  return self->state;
}

const char *
mefota_link_get_refusal (MefotaLink *self)
{
  return self->path != NULL && self->channel == NULL ? self->last_refusal : NULL;
}

const char *
mefota_link_get_node (MefotaLink *self)
{
  return self->node != NULL ? self->node : "";
}

MefotaAtChannel *
mefota_link_get_channel (MefotaLink *self)
{
  return self->channel;
}

GIOStream *
mefota_link_get_stream (MefotaLink *self)
{
  return self->stream;
}

guint
mefota_link_get_baud (MefotaLink *self)
{
  return self->transport == MEFOTA_TRANSPORT_UART ? self->rate : 0;
}

static void
mefota_link_finalize (GObject *object)
{
  MefotaLink *self = MEFOTA_LINK (object);

  drop_port (self);
  g_free (self->name);
  g_free (self->path);
  g_free (self->last_refusal);
  g_free (self->version);
  G_OBJECT_CLASS (mefota_link_parent_class)->finalize (object);
}

static void
mefota_link_class_init (MefotaLinkClass *klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = mefota_link_finalize;
  signals[CHANGED] = g_signal_new ("changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[ANSWERS] = g_signal_new ("answers", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[IDENTIFIED]
      = g_signal_new ("identified", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
  signals[GONE] = g_signal_new ("gone", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
  signals[INDICATION]
      = g_signal_new ("indication", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_POINTER);
}

static void
mefota_link_init (MefotaLink *self)
{
}

MefotaLink *
mefota_link_new (const char *name, MefotaTransport transport, guint baud, MefotaFlowControl flow,
                 const MefotaTimeouts *timeouts, MefotaProfiles *profiles, MefotaLinkOpener opener)
{
  MefotaLink *self = g_object_new (MEFOTA_TYPE_LINK, NULL);

  self->name = g_strdup (name);
  self->transport = transport;
  self->baud = baud != 0 ? baud : USB_BAUD;
  self->flow = flow;
  self->timeouts = *timeouts;
  self->profiles = profiles;
  self->opener = opener;
  return self;
}
