/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-private.h"

#include <string.h>

/* A flood writes so much at a time, and then waits for the reader. */
#define FLOOD_BATCH 4096
#define EARLY_CAP 4096

G_DEFINE_FINAL_TYPE (MefotaSim, mefota_sim, G_TYPE_OBJECT)

static guint event_signal;

void
sim_event (MefotaSim *self, const char *format, ...)
{
  g_autofree char *line = NULL;
  va_list args;

  va_start (args, format);
  line = g_strdup_vprintf (format, args);
  va_end (args);
  g_signal_emit (self, event_signal, 0, line);
}

void
sim_clear_source (guint *id)
{
  if (*id != 0)
    g_source_remove (*id);
  *id = 0;
}

guint
sim_timeout (MefotaSim *self, double seconds, GSourceFunc func, gpointer user_data)
{
  return g_timeout_add ((guint) MIN (seconds / self->settings->time_scale * 1000, G_MAXINT), func, user_data);
}

gboolean
sim_can_talk (MefotaSim *self)
{
  return sim_port_is_there (self->port) && !self->away && !self->muted && !self->leaving &&
         (self->power == SIM_POWER_UP || self->power == SIM_POWER_BOOTING);
}

static gboolean
wrong_baud (MefotaSim *self)
{
  return self->baud != 0 && sim_port_get_baud (self->port) != self->baud;
}

void
sim_send_bytes (MefotaSim *self, const guint8 *bytes, gsize length)
{
  if (!sim_can_talk (self))
    return;
  if (wrong_baud (self))
    {
      if (self->settings->wrong_baud == SIM_WRONG_BAUD_GARBAGE)
        {
          g_autoptr (GByteArray) garbage = g_byte_array_new ();

          sim_line_garbage (&self->line, (guint) MIN (length, 64), garbage);
          sim_port_write (self->port, garbage->data, garbage->len);
        }
      return;
    }
  sim_port_write (self->port, bytes, length);
}

void
sim_send_garbage (MefotaSim *self, guint count)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();

  sim_line_garbage (&self->line, count, out);
  sim_send_bytes (self, out->data, out->len);
}

void
sim_send_line (MefotaSim *self, const char *text, gboolean final)
{
  g_autoptr (GByteArray) out = g_byte_array_new ();

  if (!sim_can_talk (self))
    {
      sim_event (self, "lost %s", text);
      return;
    }
  sim_line_append (self->settings, &self->line, text, final, out);
  if (!self->settings->quiet)
    sim_event (self, "tx %s", text);
  sim_send_bytes (self, out->data, out->len);
}

void
sim_send_urc (MefotaSim *self, const char *text)
{
  self->line.after = FALSE;
  sim_send_line (self, text, FALSE);
  self->line.after = FALSE;
}

static void
put_flood_line (MefotaSim *self, GByteArray *out)
{
  g_autofree char *number = g_strdup_printf ("%u", self->flood_count++);
  g_auto (GStrv) parts = g_strsplit (self->flood_text, "%n", 0);
  g_autofree char *word = g_strjoinv (number, parts);
  g_autofree char *line = g_strconcat ("+FOTAIND: ", word, NULL);

  self->line.after = FALSE;
  sim_line_append (self->settings, &self->line, line, FALSE, out);
}

static gboolean on_flood (gpointer user_data);

static void
arm_flood (MefotaSim *self, gboolean now)
{
  guint wait = self->flood_rate > 0 ? CLAMP (1000 / self->flood_rate, 1, 10) : 5;

  sim_clear_source (&self->flood_source);
  self->flood_source = g_timeout_add (now ? 0 : wait, on_flood, self);
}

static gboolean
on_flood (gpointer user_data)
{
  MefotaSim *self = user_data;
  g_autoptr (GByteArray) out = g_byte_array_new ();
  gint64 now = g_get_monotonic_time ();
  guint due = G_MAXUINT;

  self->flood_source = 0;
  if (self->flood_rate > 0)
    due = (guint) ((double) (MIN (now, self->flood_end) - self->flood_start) / 1e6 * self->flood_rate);
  if (now >= self->flood_end && sim_port_get_queued (self->port) == 0 &&
      (self->flood_rate == 0 || self->flood_count >= due || !sim_can_talk (self)))
    {
      g_clear_pointer (&self->flood_text, g_free);
      sim_event (self, "flood %u", self->flood_count);
      return G_SOURCE_REMOVE;
    }
  if (sim_port_get_queued (self->port) == 0 && sim_can_talk (self) && sim_port_is_open (self->port))
    while (self->flood_count < due && out->len < FLOOD_BATCH)
      put_flood_line (self, out);
  self->line.after = FALSE;
  if (out->len > 0)
    sim_port_write (self->port, out->data, out->len);
  if (self->flood_source == 0)
    arm_flood (self, FALSE);
  return G_SOURCE_REMOVE;
}

/* Real seconds: a flood is about the reader's speed, not about the module's. */
void
sim_flood (MefotaSim *self, guint rate, double seconds, const char *text)
{
  sim_clear_source (&self->flood_source);
  g_free (self->flood_text);
  self->flood_text = g_strdup (text != NULL ? text : "FLOOD:%n");
  self->flood_rate = rate;
  self->flood_count = 0;
  self->flood_start = g_get_monotonic_time ();
  self->flood_end = self->flood_start + (gint64) (seconds * 1e6);
  arm_flood (self, TRUE);
}

static void
on_drained (gpointer user_data)
{
  MefotaSim *self = user_data;

  /* As fast as it is read: the next lines at once, but from the main loop. */
  if (self->flood_text != NULL && self->flood_rate == 0)
    arm_flood (self, TRUE);
}

SimBlock *
sim_find_block (MefotaSim *self, const char *name)
{
  for (guint i = 0; i < self->blocks->len; i++)
    {
      SimBlock *block = g_ptr_array_index (self->blocks, i);

      if (g_pattern_match_simple (block->name, name))
        return block;
    }
  return NULL;
}

void
sim_set_firmware (MefotaSim *self, const char *version)
{
  g_autofree char *next = g_strdup (*self->settings->return_firmware != '\0' ? self->settings->return_firmware
                                                                             : version);

  if (self->settings->keep_firmware || *next == '\0')
    return;
  sim_settings_set (self->settings, "firmware", next, NULL);
  sim_event (self, "firmware %s", next);
}

/* Sets a switch, and does what it means for a module that runs. */
gboolean
sim_apply (MefotaSim *self, const char *pair, GError **error)
{
  if (!sim_settings_set_pair (self->settings, pair, error))
    return FALSE;
  if (g_str_has_prefix (pair, "mute"))
    sim_mute (self);
  else if (g_str_has_prefix (pair, "baud"))
    self->baud = self->settings->baud;
  else if (g_str_has_prefix (pair, "stall-after"))
    sim_data_resume (self);
  return TRUE;
}

gboolean
mefota_sim_set (MefotaSim *self, const char *key, const char *value, GError **error)
{
  g_autofree char *pair = g_strdup_printf ("%s=%s", key, value);

  return sim_apply (self, pair, error);
}

gboolean
mefota_sim_add_script (MefotaSim *self, const char *text, const char *name, GError **error)
{
  g_autoptr (SimScript) script = sim_script_parse (text, name, error);

  if (script == NULL)
    return FALSE;
  for (guint i = 0; i < script->settings->len; i++)
    {
      const char *pair = g_ptr_array_index (script->settings, i);

      if (!sim_apply (self, pair, error))
        {
          g_prefix_error (error, "%s: ", name);
          return FALSE;
        }
    }
  /* The last one given wins. */
  for (guint i = 0; i < script->blocks->len; i++)
    g_ptr_array_insert (self->blocks, (int) i, sim_block_ref (g_ptr_array_index (script->blocks, i)));
  return TRUE;
}

static gboolean
add_builtin (MefotaSim *self, const char *name, GError **error)
{
  g_autoptr (SimScript) script = sim_script_load_builtin (name, error);

  if (script == NULL)
    return FALSE;
  for (guint i = 0; i < script->blocks->len; i++)
    g_ptr_array_add (self->blocks, sim_block_ref (g_ptr_array_index (script->blocks, i)));
  return TRUE;
}

gboolean
mefota_sim_start (MefotaSim *self, GError **error)
{
  gboolean uart = self->settings->wiring == SIM_WIRING_UART;

  if (!add_builtin (self, "network", error) || !add_builtin (self, "polled", error) ||
      !add_builtin (self, uart ? "serial" : "adb", error))
    return FALSE;
  g_free (self->server_default);
  self->server_default = g_strdup (self->settings->server);
  self->polling_default = self->polling_in_force = self->settings->polling;
  self->cmee = self->settings->cmee;
  self->echo = self->settings->echo_boot != SIM_ECHO_OFF;
  self->baud = self->settings->baud;
  self->adb = self->settings->adb_open;
  if (self->settings->start == SIM_START_OFF)
    return TRUE;
  if (!sim_port_appear (self->port, error))
    return FALSE;
  self->power = SIM_POWER_UP;
  sim_event (self, "port %s", sim_port_get_path (self->port));
  if (self->settings->start == SIM_START_BOOTING)
    sim_boot (self);
  else
    sim_event (self, "ready");
  sim_adb_update (self->adbd);
  return TRUE;
}

void
mefota_sim_stop (MefotaSim *self)
{
  sim_run_stop_all (self);
  sim_power_off (self);
  sim_port_release_link (self->port);
  sim_clear_source (&self->flood_source);
  g_clear_pointer (&self->flood_text, g_free);
}

const char *
mefota_sim_get_path (MefotaSim *self)
{
  return sim_port_get_path (self->port);
}

const char *
mefota_sim_get_device (MefotaSim *self)
{
  return sim_port_get_device (self->port);
}

guint
mefota_sim_get_adb_port (MefotaSim *self)
{
  return sim_adb_get_port (self->adbd);
}

const char *
mefota_sim_get_firmware (MefotaSim *self)
{
  return self->settings->firmware;
}

static void
on_received (const guint8 *bytes, gsize length, gpointer user_data)
{
  MefotaSim *self = user_data;

  gboolean asleep = self->power == SIM_POWER_DOWN || self->power == SIM_POWER_BOOTING;

  if (asleep && self->settings->buffer_input && self->early->len < EARLY_CAP)
    {
      g_string_append_len (self->early, (const char *) bytes, (gssize) length);
      return;
    }
  if (asleep || self->away || self->muted || self->leaving)
    {
      sim_event (self, "deaf %" G_GSIZE_FORMAT, length);
      return;
    }
  if (wrong_baud (self))
    {
      sim_send_bytes (self, bytes, length);
      return;
    }
  sim_at_received (self, bytes, length);
}

static void
on_opened (gpointer user_data)
{
  MefotaSim *self = user_data;

  sim_event (self, "opened");
  sim_run_opened (self);
}

static void
on_closed (gpointer user_data)
{
  sim_event (user_data, "closed");
}

static void
on_replaced (gpointer user_data)
{
  MefotaSim *self = user_data;

  sim_event (self, "port %s", sim_port_get_path (self->port));
}

static void
mefota_sim_finalize (GObject *object)
{
  MefotaSim *self = MEFOTA_SIM (object);

  mefota_sim_stop (self);
  sim_adb_free (self->adbd);
  sim_port_free (self->port);
  g_ptr_array_unref (self->runs);
  g_ptr_array_unref (self->blocks);
  g_queue_free_full (self->lines, g_free);
  g_string_free (self->input, TRUE);
  g_string_free (self->early, TRUE);
  g_checksum_free (self->checksum);
  g_byte_array_unref (self->held);
  g_free (self->command);
  g_free (self->target);
  g_free (self->server_default);
  g_free (self->flood_text);
  g_free (self->pushed_sha256);
  sim_settings_free (self->settings);
  G_OBJECT_CLASS (mefota_sim_parent_class)->finalize (object);
}

static void
mefota_sim_class_init (MefotaSimClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mefota_sim_finalize;
  event_signal = g_signal_new ("event", MEFOTA_TYPE_SIM, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                               G_TYPE_STRING);
}

static void
mefota_sim_init (MefotaSim *self)
{
  static const SimPortFuncs funcs = { on_opened, on_closed, on_replaced, on_received, on_drained };

  self->settings = sim_settings_new ();
  self->port = sim_port_new (self->settings, &funcs, self);
  self->adbd = sim_adb_new (self);
  self->blocks = g_ptr_array_new_with_free_func ((GDestroyNotify) sim_block_unref);
  self->runs = g_ptr_array_new ();
  self->input = g_string_new (NULL);
  self->early = g_string_new (NULL);
  self->lines = g_queue_new ();
  self->checksum = g_checksum_new (G_CHECKSUM_SHA256);
  self->held = g_byte_array_new ();
  self->verbose = TRUE;
}

MefotaSim *
mefota_sim_new (void)
{
  return g_object_new (MEFOTA_TYPE_SIM, NULL);
}

char *
mefota_sim_describe_switches (void)
{
  return sim_settings_describe ();
}

const char *
mefota_sim_describe_script (void)
{
  return sim_script_describe ();
}
