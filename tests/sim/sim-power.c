/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-private.h"

static void come_back (MefotaSim *self);

static gboolean
is_usb (MefotaSim *self)
{
  return self->settings->wiring == SIM_WIRING_USB;
}

/* What a reboot makes the module forget. */
static void
forget (MefotaSim *self)
{
  SimSettings *settings = self->settings;

  g_clear_pointer (&self->target, g_free);
  if (sim_list_has (settings->lose_settings, "server"))
    sim_settings_set (settings, "server", self->server_default, NULL);
  if (sim_list_has (settings->lose_settings, "polling"))
    settings->polling = self->polling_default;
  self->polling_in_force = settings->polling;
  if (settings->echo_boot != SIM_ECHO_KEEP)
    self->echo = settings->echo_boot == SIM_ECHO_ON;
  self->verbose = TRUE;
  self->cmee = settings->cmee;
  if (settings->return_baud != 0)
    self->baud = settings->return_baud;
  if (*settings->return_imei != '\0')
    sim_settings_set (settings, "imei", settings->return_imei, NULL);
}

static gboolean
on_poll (gpointer user_data)
{
  MefotaSim *self = user_data;

  self->poll_source = 0;
  mefota_sim_control (self, "question", NULL);
  return G_SOURCE_REMOVE;
}

static void
say_boot_noise (MefotaSim *self)
{
  guint noise = self->settings->boot_noise;

  if (noise == SIM_NOISE_GARBAGE || noise == SIM_NOISE_ALL)
    {
      sim_send_bytes (self, (const guint8 *) "", 1);
      sim_send_garbage (self, 24);
    }
  if (noise == SIM_NOISE_ZREADY || noise == SIM_NOISE_ALL)
    sim_send_urc (self, "+ZREADY");
  if (noise == SIM_NOISE_MATREADY || noise == SIM_NOISE_ALL)
    {
      sim_send_urc (self, "*MATREADY: 1");
      sim_send_urc (self, "+CFUN: 1");
      sim_send_bytes (self, (const guint8 *) "", 1);
      sim_send_urc (self, "+CPIN: READY");
    }
}

static gboolean
on_booted (gpointer user_data)
{
  MefotaSim *self = user_data;
  g_autofree char *early = g_strndup (self->early->str, self->early->len);
  gsize length = self->early->len;
  SimBlock *block = sim_find_block (self, "boot");

  self->power_source = 0;
  say_boot_noise (self);
  self->power = SIM_POWER_UP;
  g_string_truncate (self->early, 0);
  sim_event (self, "ready");
  sim_adb_update (self->adbd);
  if (length > 0)
    sim_at_received (self, (const guint8 *) early, length);
  if (self->polling_in_force && self->settings->poll_after > 0)
    self->poll_source = sim_timeout (self, self->settings->poll_after, on_poll, self);
  if (block != NULL)
    sim_run_start (self, block, SIM_RUN_PLAIN);
  sim_run_booted (self);
  return G_SOURCE_REMOVE;
}

void
sim_boot (MefotaSim *self)
{
  self->power = SIM_POWER_BOOTING;
  sim_clear_source (&self->power_source);
  self->power_source = sim_timeout (self, self->settings->boot_delay, on_booted, self);
}

static gboolean
on_down_over (gpointer user_data)
{
  MefotaSim *self = user_data;

  self->power_source = 0;
  come_back (self);
  return G_SOURCE_REMOVE;
}

static void
go_down (MefotaSim *self)
{
  double seconds = self->down_seconds + self->settings->return_late;

  sim_clear_source (&self->power_source);
  sim_clear_source (&self->return_source);
  sim_clear_source (&self->linger_source);
  sim_clear_source (&self->poll_source);
  sim_at_reset (self);
  g_string_truncate (self->early, 0);
  self->power = SIM_POWER_DOWN;
  self->away = self->leaving = FALSE;
  forget (self);
  sim_adb_update (self->adbd);
  if (is_usb (self))
    {
      sim_port_vanish (self->port);
      sim_event (self, "vanished");
    }
  else
    sim_event (self, "silent");
  if (seconds < SIM_FOREVER)
    self->power_source = sim_timeout (self, seconds, on_down_over, self);
}

static gboolean
on_extra (gpointer user_data)
{
  MefotaSim *self = user_data;

  self->power_source = 0;
  go_down (self);
  return G_SOURCE_REMOVE;
}

static void
come_back (MefotaSim *self)
{
  g_autoptr (GError) error = NULL;

  if (!sim_port_is_there (self->port) && !sim_port_appear (self->port, &error))
    {
      sim_event (self, "error %s", error->message);
      return;
    }
  sim_event (self, "port %s", sim_port_get_path (self->port));
  if (self->extra_left == 0)
    {
      sim_boot (self);
      return;
    }
  self->extra_left--;
  self->power = SIM_POWER_BOOTING;
  self->power_source = sim_timeout (self, self->settings->extra_gap, on_extra, self);
}

/* The link goes, the module runs on. */
void
sim_vanish (MefotaSim *self)
{
  sim_clear_source (&self->return_source);
  sim_clear_source (&self->linger_source);
  sim_at_reset (self);
  self->leaving = FALSE;
  if (self->power == SIM_POWER_BOOTING || self->power == SIM_POWER_UP)
    self->away = TRUE;
  if (is_usb (self))
    sim_port_vanish (self->port);
  sim_event (self, is_usb (self) ? "vanished" : "silent");
  sim_adb_update (self->adbd);
}

gboolean
sim_return (MefotaSim *self, GError **error)
{
  sim_clear_source (&self->return_source);
  if (self->power == SIM_POWER_DOWN)
    {
      sim_clear_source (&self->power_source);
      come_back (self);
      return TRUE;
    }
  if (!sim_port_is_there (self->port) && !sim_port_appear (self->port, error))
    return FALSE;
  self->away = FALSE;
  sim_event (self, "port %s", sim_port_get_path (self->port));
  sim_adb_update (self->adbd);
  if (self->power == SIM_POWER_OFF)
    sim_boot (self);
  return TRUE;
}

static gboolean
on_return (gpointer user_data)
{
  MefotaSim *self = user_data;
  g_autoptr (GError) error = NULL;

  self->return_source = 0;
  if (!sim_return (self, &error))
    sim_event (self, "error %s", error->message);
  return G_SOURCE_REMOVE;
}

static void
link_down (MefotaSim *self)
{
  sim_vanish (self);
  if (self->settings->hangup_return < SIM_FOREVER)
    self->return_source = sim_timeout (self, self->settings->hangup_return, on_return, self);
}

/* Says no more, and goes once what it said had the time to be read: a hang-up would take it along. */
static gboolean
on_linger (gpointer user_data)
{
  MefotaSim *self = user_data;
  gint64 left = sim_port_get_last_write (self->port) + (gint64) (self->settings->linger * 1e6) -
                g_get_monotonic_time ();

  self->linger_source = 0;
  if (sim_port_is_there (self->port) && sim_port_is_open (self->port) && self->settings->linger > 0 &&
      (left > 0 || sim_port_get_queued (self->port) > 0))
    self->linger_source = g_timeout_add ((guint) MAX (left / 1000, 1), on_linger, self);
  else if (self->leaving_link)
    link_down (self);
  else
    go_down (self);
  return G_SOURCE_REMOVE;
}

static void
leave (MefotaSim *self, gboolean linger)
{
  sim_clear_source (&self->linger_source);
  self->leaving = TRUE;
  if (linger)
    on_linger (self);
  else if (self->leaving_link)
    link_down (self);
  else
    go_down (self);
}

/* The module falls silent for @seconds and boots. */
void
sim_reboot (MefotaSim *self, double seconds)
{
  self->down_seconds = seconds;
  self->extra_left = self->settings->extra_reboots;
  self->leaving_link = FALSE;
  leave (self, TRUE);
}

/* A fault's hang-up. */
void
sim_hangup (MefotaSim *self, gboolean linger)
{
  self->down_seconds = self->settings->hangup_return;
  self->extra_left = self->settings->extra_reboots;
  self->leaving_link = self->settings->hangup_kind == SIM_HANGUP_LINK;
  leave (self, linger);
}

void
sim_power_off (MefotaSim *self)
{
  sim_clear_source (&self->power_source);
  sim_clear_source (&self->return_source);
  sim_clear_source (&self->linger_source);
  sim_clear_source (&self->mute_source);
  sim_clear_source (&self->poll_source);
  sim_at_reset (self);
  sim_port_vanish (self->port);
  self->power = SIM_POWER_OFF;
  self->away = self->leaving = FALSE;
  sim_adb_update (self->adbd);
}

static gboolean
on_mute_over (gpointer user_data)
{
  MefotaSim *self = user_data;

  self->mute_source = 0;
  self->muted = FALSE;
  sim_event (self, "unmuted");
  return G_SOURCE_REMOVE;
}

/* Applies switch mute from now on. */
void
sim_mute (MefotaSim *self)
{
  double seconds = self->settings->mute;

  sim_clear_source (&self->mute_source);
  self->muted = seconds > 0;
  if (self->muted && seconds < SIM_FOREVER)
    self->mute_source = sim_timeout (self, seconds, on_mute_over, self);
}
