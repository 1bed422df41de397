/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-private.h"

#include <stdlib.h>
#include <string.h>

typedef gboolean (*Verb) (MefotaSim *self, const char *args, GError **error);

static gboolean
wrong (GError **error, const char *what)
{
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "%s", what);
  return FALSE;
}

static gboolean
do_urc (MefotaSim *self, const char *args, GError **error)
{
  if (*args == '\0')
    return wrong (error, "urc: give a line");
  sim_send_urc (self, args);
  return TRUE;
}

static gboolean
do_ind (MefotaSim *self, const char *args, GError **error)
{
  if (*args == '\0')
    return wrong (error, "ind: give the indication's text");
  sim_indication (self, args);
  return TRUE;
}

static gboolean
do_raw (MefotaSim *self, const char *args, GError **error)
{
  g_autoptr (GBytes) bytes = sim_parse_hex (args);

  if (bytes == NULL)
    return wrong (error, "raw: give bytes as pairs of hexadecimal digits");
  sim_send_bytes (self, g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes));
  return TRUE;
}

static gboolean
do_garbage (MefotaSim *self, const char *args, GError **error)
{
  guint count;

  if (!sim_parse_number (args, 10, &count) || count > SIM_MAX_GARBAGE)
    return wrong (error, "garbage: give a number of bytes, at most a million");
  sim_send_garbage (self, count);
  return TRUE;
}

static gboolean
do_vanish (MefotaSim *self, const char *args, GError **error)
{
  sim_vanish (self);
  return TRUE;
}

static gboolean
do_return (MefotaSim *self, const char *args, GError **error)
{
  return sim_return (self, error);
}

static gboolean
do_reboot (MefotaSim *self, const char *args, GError **error)
{
  double seconds = self->settings->restart;

  if (*args != '\0' && !sim_parse_seconds (args, &seconds))
    return wrong (error, "reboot: give a number of seconds, or never");
  sim_reboot (self, seconds);
  return TRUE;
}

static gboolean
do_hangup (MefotaSim *self, const char *args, GError **error)
{
  sim_hangup (self, FALSE);
  return TRUE;
}

static gboolean
do_firmware (MefotaSim *self, const char *args, GError **error)
{
  if (*args == '\0')
    return wrong (error, "firmware: give a version");
  return sim_settings_set (self->settings, "firmware", args, error);
}

static gboolean
do_run (MefotaSim *self, const char *args, GError **error)
{
  SimBlock *block = sim_find_block (self, args);

  if (block == NULL)
    return wrong (error, "run: there is no block of that name");
  if (self->upgrade != NULL)
    return wrong (error, "an upgrade runs already");
  sim_run_start (self, block, SIM_RUN_UPGRADE);
  return TRUE;
}

static gboolean
do_question (MefotaSim *self, const char *args, GError **error)
{
  return do_run (self, "question", error);
}

static gboolean
do_go (MefotaSim *self, const char *args, GError **error)
{
  sim_run_go (self, *args != '\0' ? args : NULL);
  return TRUE;
}

static gboolean
do_abort (MefotaSim *self, const char *args, GError **error)
{
  sim_run_stop_all (self);
  return TRUE;
}

static gboolean
do_flood (MefotaSim *self, const char *args, GError **error)
{
  g_auto (GStrv) words = g_strsplit (args, " ", 3);
  double seconds;
  guint rate;

  if (g_strv_length (words) < 2 || !sim_parse_number (words[0], 10, &rate) || !sim_parse_seconds (words[1], &seconds))
    return wrong (error, "flood: give lines a second, seconds and perhaps a text");
  sim_flood (self, rate, seconds, words[2]);
  return TRUE;
}

static gboolean
do_push (MefotaSim *self, const char *args, GError **error)
{
  g_auto (GStrv) words = g_strsplit (args, " ", 2);
  guint size;

  if (g_strv_length (words) != 2 || !sim_parse_number (words[0], 10, &size) || strlen (words[1]) != 64)
    return wrong (error, "push: give the package's size and its SHA-256");
  mefota_sim_push_package (self, size, words[1]);
  return TRUE;
}

static gboolean
do_script (MefotaSim *self, const char *args, GError **error)
{
  g_autofree char *text = NULL;

  if (*args == '\0')
    return wrong (error, "script: give a file");
  return g_file_get_contents (args, &text, NULL, error) && mefota_sim_add_script (self, text, args, error);
}

static gboolean
do_status (MefotaSim *self, const char *args, GError **error)
{
  static const char *const powers[] = { "off", "down", "booting", "up" };
  const SimSettings *settings = self->settings;
  g_autofree char *run = sim_run_describe (self);

  sim_event (self,
             "status power=%s away=%d open=%d device=%s firmware=%s imei=%s echo=%d polling=%d in-force=%d server=%s "
             "target=%s result=%s package=%" G_GUINT64_FORMAT " spoilt=%d pieces=%u %s",
             powers[self->power], self->away, sim_port_is_open (self->port),
             sim_port_is_there (self->port) ? sim_port_get_device (self->port) : "", settings->firmware,
             settings->imei, self->echo, settings->polling, self->polling_in_force, settings->server,
             self->target != NULL ? self->target : "", settings->result, self->package_size, self->package_spoilt,
             self->pieces, run);
  return TRUE;
}

static const struct
{
  const char *word;
  Verb run;
  const char *help;
} verbs[] = {
  { "set", sim_apply, "KEY=VALUE   a switch, from now on" },
  { "urc", do_urc, "LINE        sends an unsolicited line" },
  { "ind", do_ind, "TEXT        sends +FOTAIND: TEXT, and counts it as one" },
  { "raw", do_raw, "HEX         sends bytes as they are" },
  { "garbage", do_garbage, "N       sends N bytes that mean nothing" },
  { "vanish", do_vanish, "         hangs up; the module itself runs on" },
  { "return", do_return, "         back at once, from vanish or from a reboot" },
  { "hangup", do_hangup, "         hangs up as switches hangup-kind and hangup-return say" },
  { "reboot", do_reboot, "[S]      away for S seconds (scaled) and boots; never: for good" },
  { "firmware", do_firmware, "V      the version from now on" },
  { "question", do_question, "       the module asks whether to upgrade" },
  { "run", do_run, "BLOCK       starts a block as an upgrade that nobody asked for, e.g. run AT+FOTACTR" },
  { "go", do_go, "[NAME]       releases step hold NAME (all without a name)" },
  { "abort", do_abort, "          ends everything that runs" },
  { "flood", do_flood, "N S [TEXT] N indications a second (0: as fast as they are read) for S real seconds" },
  { "push", do_push, "N SHA256   a package is there as if pushed with adb" },
  { "script", do_script, "FILE     adds a script" },
  { "status", do_status, "         event status KEY=VALUE ..." },
};

gboolean
mefota_sim_control (MefotaSim *self, const char *line, GError **error)
{
  g_autofree char *text = g_strstrip (g_strdup (line));
  char *args = text + strcspn (text, " ");

  if (*args != '\0')
    *args++ = '\0';
  while (*args == ' ')
    args++;
  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_str_equal (verbs[i].word, text))
      return verbs[i].run (self, args, error);
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "there is no control command \"%s\"", text);
  return FALSE;
}

const char *
mefota_sim_describe_control (void)
{
  static char *help;
  GString *out;

  if (help != NULL)
    return help;
  out = g_string_new ("Lines on standard input; each is answered with the event \"ok LINE\" or \"error MESSAGE\":\n");
  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    g_string_append_printf (out, "  %s %s\n", verbs[i].word, verbs[i].help);
  g_string_append (out, "  quit            (or end of file)\n\n"
                        "Lines on standard output, one event each:\n"
                        "  port PATH            the port is there (again); PATH is what to open\n"
                        "  ready                the module answers from now on\n"
                        "  vanished, silent     it went away (usb, uart); unmuted: switch mute is over\n"
                        "  opened, closed       somebody has the port open; nobody has\n"
                        "  rx LINE, tx LINE     a command came; a line was sent. lost LINE: was not\n"
                        "  hold NAME            a script waits for go\n"
                        "  asking, answer 0|1|timeout   the question of a polled upgrade\n"
                        "  prompt K N           piece K of N bytes may come; piece K N ok|error: it is over\n"
                        "  deaf N               bytes came while the module was away, silent or booting\n"
                        "  early N, excess N    bytes that came before the prompt, after a piece: lost\n"
                        "  data N, stalled N    switches mark-data, stall-after\n"
                        "  package BYTES SHA256 what AT+ZCOMUPDATE found (0 none: nothing); deleted: AT+ZCOMDEL\n"
                        "  firmware V           an upgrade took effect; done BLOCK: it is over\n"
                        "  adb on|off           AT+ZADSET; flood N: how many indications a flood had; note TEXT\n"
                        "  adb-port N           adb connect 127.0.0.1:N; adb-closed: no more\n"
                        "  adb-push PATH BYTES SHA256, adb-data N, adb-remove PATH, adb-read PATH, adb-fault WORD\n");
  help = g_string_free (out, FALSE);
  return help;
}
