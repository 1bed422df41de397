/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-settings.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

typedef enum { T_BOOL, T_UINT, T_OCTAL, T_SECONDS, T_SCALE, T_STRING, T_WORD, T_LIST, T_ADB_PORT, T_FAULT } Type;

typedef struct
{
  const char *key;
  Type type;
  gsize offset;
  const char *fallback;
  const char *words; /* T_WORD and T_LIST: separated by | */
  const char *help;  /* a NULL key with a help is a heading */
} Switch;

#define AT(field) G_STRUCT_OFFSET (SimSettings, field)
#define HEADING(text) { NULL, T_BOOL, 0, NULL, NULL, text }

static const Switch switches[] = {
  HEADING ("Wiring"),
  { "wiring", T_WORD, AT (wiring), "usb", "usb|uart",
    "usb: the pty vanishes at a reboot and comes back new; uart: it stays, and the module falls silent" },
  { "link", T_STRING, AT (link), "", NULL, "stable symbolic link to the pty, there while the module is" },
  { "owner", T_STRING, AT (owner), "", NULL, "user that the pty is given to (as root)" },
  { "mode", T_OCTAL, AT (mode), "0", NULL, "file mode of the pty, e.g. 660; 0 leaves it alone" },
  { "time-scale", T_SCALE, AT (time_scale), "1", NULL, "all scaled times are divided by this" },
  { "start", T_WORD, AT (start), "running", "running|booting|off", "the module when the program starts" },
  { "quiet", T_BOOL, AT (quiet), "false", NULL, "no rx and tx events" },

  HEADING ("Identity"),
  { "firmware", T_STRING, AT (firmware), "ME3630C1CV2.0B06", NULL, "running firmware version (AT+CGMR)" },
  { "next-firmware", T_STRING, AT (next_firmware), "ME3630C1CV2.0B07", NULL,
    "version an upgrade leads to if AT+FOTATV names none ($next)" },
  { "manufacturer", T_STRING, AT (manufacturer), "GOSUNCN", NULL, "AT+CGMI" },
  { "model", T_STRING, AT (model), "ME3630", NULL, "AT+CGMM" },
  { "imei", T_STRING, AT (imei), "864863040000017", NULL, "AT+CGSN" },
  { "serial", T_STRING, AT (serial), "320317080001", NULL, "serial number of the sibling's AT+CGSN" },
  { "cgsn", T_WORD, AT (cgsn), "bare", "bare|prefix|serial",
    "bare IMEI; +CGSN: \"IMEI\"; or the serial number, with the IMEI at AT+CGSN=1 and AT+GSN" },
  { "ati", T_WORD, AT (ati), "me3630", "me3630|sibling", "layout of the answer to ATI" },

  HEADING ("SIM, network and settings"),
  { "sim", T_STRING, AT (sim), "READY", NULL,
    "AT+CPIN?: READY, SIM PIN, ...; or an error: not inserted, busy, failure" },
  { "creg", T_UINT, AT (creg), "1", NULL, "status in AT+CREG?" },
  { "cereg", T_UINT, AT (cereg), "1", NULL, "status in AT+CEREG?" },
  { "cops", T_STRING, AT (cops), "0,0,\"CHINA MOBILE\",7", NULL, "AT+COPS?" },
  { "zpas", T_STRING, AT (zpas), "\"LTE\",\"CS_PS\"", NULL, "AT+ZPAS?" },
  { "csq", T_STRING, AT (csq), "24,99", NULL, "AT+CSQ" },
  { "server", T_STRING, AT (server), "114.55.56.19,45000", NULL, "AT+FOTAIP" },
  { "polling", T_BOOL, AT (polling), "false", NULL, "AT+FOTAPOLLEN" },
  { "host-names", T_WORD, AT (host_names), "auto", "auto|yes|no",
    "whether AT+FOTAIP takes host names; auto: by firmware (guide 3.2)" },
  { "poll-answer", T_WORD, AT (poll_answer), "fotaip", "fotaip|fotapollen|bare",
    "prefix of the answer to AT+FOTAPOLLEN?; fotaip is the guide's slip" },
  { "tv-answer", T_WORD, AT (tv_answer), "quoted", "quoted|unquoted|bare", "answer to AT+FOTATV?" },
  { "result-form", T_WORD, AT (result_form), "fotactr", "fotactr|fotaind|bare|error|none", "answer to AT+FOTACTR?" },
  { "result", T_STRING, AT (result), "", NULL, "word of AT+FOTACTR?; indications that end an upgrade set it" },
  { "ignore-set", T_LIST, AT (ignore_set), "", "FOTAIP|FOTAPOLLEN|FOTATV",
    "comma list: answered OK, but the old value is kept" },
  { "lose-settings", T_LIST, AT (lose_settings), "", "server|polling",
    "comma list: back at their defaults after a reboot" },
  { "line-limit", T_UINT, AT (line_limit), "0", NULL,
    "longest command line; longer ones are ERROR; 0 is without limit" },

  HEADING ("What goes over the line"),
  { "eol", T_WORD, AT (eol), "crlf", "crlf|lf|cr", "line ends" },
  { "blank-lines", T_UINT, AT (blank_lines), "0", NULL, "additional blank lines before every line" },
  { "tight", T_BOOL, AT (tight), "false", NULL, "only one line end between two lines of a reply" },
  { "ok-tail", T_WORD, AT (ok_tail), "eol", "eol|none|nul", "what follows the final result" },
  { "spacing", T_WORD, AT (spacing), "guide", "guide|none|one|many|tab|odd|before",
    "blanks around the colon of +NAME: lines, and the second one of +FOTAIND; odd takes each in turn" },
  { "case", T_WORD, AT (letter_case), "guide", "guide|lower|upper", "letters of +NAME: lines" },
  { "colon", T_WORD, AT (colon), "ascii", "ascii|utf8|gbk|utf8-all|gbk-all",
    "full-width colon in +FOTAIND lines: the second one, or all" },
  { "sprinkle", T_WORD, AT (sprinkle), "none", "none|nul|ff|both", "stray bytes between lines" },
  { "sprinkle-inside", T_BOOL, AT (sprinkle_inside), "false", NULL, "... and in the middle of them" },
  { "split", T_UINT, AT (split), "0", NULL, "bytes per write, with a turn of the main loop between; 0: whole lines" },
  { "split-delay", T_UINT, AT (split_delay), "0", NULL, "milliseconds between two such writes" },
  { "glue", T_UINT, AT (glue), "0", NULL, "milliseconds for which output is gathered into one write" },
  { "inject", T_STRING, AT (inject), "", NULL, "a line put into every reply" },
  { "inject-place", T_WORD, AT (inject_place), "inside", "before|inside|after|everywhere",
    "... before the information, between it and the result, after it" },
  { "first-ind", T_WORD, AT (first_ind), "script", "script|before-ok",
    "before-ok: the first indication comes before the OK that the script has first" },
  { "echo-boot", T_WORD, AT (echo_boot), "on", "on|off|keep", "echo after every boot" },
  { "cmee", T_UINT, AT (cmee), "2", NULL, "AT+CMEE after every boot: 0 ERROR, 1 number, 2 text" },
  { "keep-unread", T_BOOL, AT (keep_unread), "false", NULL, "what is sent while nobody has the port open is kept" },

  HEADING ("Boot"),
  { "boot-delay", T_SECONDS, AT (boot_delay), "2", NULL, "scaled: from the return of the port to the first answer" },
  { "restart", T_SECONDS, AT (restart), "15", NULL, "scaled: how long the module is away after AT+CFUN=1,1" },
  { "boot-noise", T_WORD, AT (boot_noise), "none", "none|zready|matready|garbage|all", "what the module says then" },
  { "buffer-input", T_BOOL, AT (buffer_input), "false", NULL,
    "what is sent to a booting module is kept and answered at once when it is up" },
  { "linger", T_SECONDS, AT (linger), "0.2", NULL,
    "NOT scaled: from the last byte to a hang-up, so that it can be read" },
  { "adb-reenumerate", T_SECONDS, AT (adb_reenumerate), "0", NULL, "scaled: away for so long after AT+ZADSET=D" },
  { "poll-after", T_SECONDS, AT (poll_after), "0", NULL,
    "scaled: with polling in force the module asks so long after its boot; 0: only when told" },

  HEADING ("Faults"),
  { "mute", T_SECONDS, AT (mute), "0", NULL, "scaled: deaf and dumb for so long from now, or forever; 0 ends it" },
  { "delay", T_SECONDS, AT (delay), "0", NULL, "scaled: before every answer" },
  { "fault", T_FAULT, AT (faults), "none", NULL,
    "[Nx] PATTERN ACTION, instead of the answer to the next N (all without Nx) commands that match PATTERN:\n"
    "      ok, error, cme X, final X (another final result), silent, hangup, garbage, line X (X and OK): and\n"
    "      nothing is done; late S (scaled), cut (no final result), twice (two of them): it is done.\n"
    "      The first that matches counts; none clears all" },
  { "hangup-after-ind", T_UINT, AT (hangup_after_ind), "0", NULL, "hang up after the Nth indication" },
  { "hangup-after-data", T_UINT, AT (hangup_after_data), "0", NULL, "hang up after N bytes of the package" },
  { "hangup-kind", T_WORD, AT (hangup_kind), "reboot", "reboot|link", "link: the module itself runs on meanwhile" },
  { "hangup-return", T_SECONDS, AT (hangup_return), "5", NULL, "scaled: back after so long, or never" },
  { "repeat-ind", T_UINT, AT (repeat_ind), "0", NULL, "every indication comes so many times more" },
  { "lose-last", T_BOOL, AT (lose_last), "false", NULL, "the last indication before a reboot is never sent" },
  { "return-late", T_SECONDS, AT (return_late), "0", NULL, "scaled: added to every reboot, or never" },
  { "return-firmware", T_STRING, AT (return_firmware), "", NULL, "version after an upgrade, whatever was asked for" },
  { "keep-firmware", T_BOOL, AT (keep_firmware), "false", NULL, "upgrades leave the version as it is" },
  { "return-imei", T_STRING, AT (return_imei), "", NULL, "IMEI from the next boot on" },
  { "renumber", T_BOOL, AT (renumber), "false", NULL, "the pty never comes back under the number it had" },
  { "extra-reboots", T_UINT, AT (extra_reboots), "0", NULL, "further disconnections right after each return" },
  { "extra-gap", T_SECONDS, AT (extra_gap), "0.3", NULL, "scaled: the module is there for so long between them" },
  { "baud", T_UINT, AT (baud), "0", NULL, "rate the module talks at; another one on the tty gives garbage; 0: any" },
  { "return-baud", T_UINT, AT (return_baud), "0", NULL, "rate from the next boot on; 0: as before" },
  { "wrong-baud", T_WORD, AT (wrong_baud), "garbage", "garbage|silence", "what a command at a wrong rate gets" },
  { "fail", T_STRING, AT (fail), "", NULL, "word the next upgrades end with, e.g. FAIL_CONNECT, ERROR:50, ERROR0x50" },
  { "fail-at", T_STRING, AT (fail_at), "", NULL,
    "the indication it comes instead of; by default where the guide's words have their place" },
  { "question-word", T_STRING, AT (question_word), "NEED_CONFIRM", NULL, "how the module asks ($question)" },
  { "confirm-word", T_STRING, AT (confirm_word), "", NULL,
    "indication behind the OK to AT+FOTACTR=1, e.g. SUCCESS CONFIRM (guide 3.1)" },
  { "quiet-refusal", T_BOOL, AT (quiet_refusal), "false", NULL, "no FAIL_CONFIRM and no FAIL_WAIT_TIMEOUT" },

  HEADING ("Package over the UART (AT+ZCOMWRT)"),
  { "prompt", T_WORD, AT (prompt), "guide", "guide|bare|tight|line|connect|none",
    "\"> \" on a new line; without a line end before it; without the blank; with a line end behind it; \"> \" and\n"
    "      later CONNECT; nothing" },
  { "prompt-delay", T_SECONDS, AT (prompt_delay), "0", NULL, "scaled: before the prompt; bytes sent earlier are lost" },
  { "connect-delay", T_SECONDS, AT (connect_delay), "3", NULL, "scaled: from the prompt to CONNECT" },
  { "final-delay", T_SECONDS, AT (final_delay), "0", NULL, "scaled: from the last byte of a piece to its OK" },
  { "data-echo", T_BOOL, AT (data_echo), "false", NULL, "the module echoes the package's bytes" },
  { "refuse-piece", T_UINT, AT (refuse_piece), "0", NULL, "the Nth AT+ZCOMWRT is answered ERROR, once" },
  { "refuse-how", T_WORD, AT (refuse_how), "start", "start|end", "... instead of the prompt, or after its bytes" },
  { "data-error-after", T_UINT, AT (data_error_after), "0", NULL, "ERROR after N bytes of the package, once" },
  { "stall-after", T_UINT, AT (stall_after), "0", NULL, "reads no further after N bytes, until it is set to 0" },
  { "mark-data", T_UINT, AT (mark_data), "0", NULL, "event \"data N\" after N bytes" },
  { "pace", T_UINT, AT (pace), "0", NULL, "reads no faster than a line of this many baud (8N1); never scaled" },
  { "usb-write", T_WORD, AT (usb_write), "error", "error|ok", "AT+ZCOMWRT on a module wired by USB" },
  { "piece-limit", T_UINT, AT (piece_limit), "524288", NULL, "longest piece" },
  { "expect-package", T_STRING, AT (expect_package), "", NULL, "SHA-256 without which the upgrade comes to nothing" },

  HEADING ("Package and logs over adb (after AT+ZADSET=D)"),
  { "adb-port", T_ADB_PORT, AT (adb_port), "", NULL,
    "TCP port on 127.0.0.1 of the adb daemon (adb connect), or any; none without it" },
  { "adb-open", T_BOOL, AT (adb_open), "false", NULL, "open from the start, without AT+ZADSET=D" },
  { "adb-refuse", T_WORD, AT (adb_refuse), "takes", "takes|silent|auth|streams",
    "silent: never answers a connection; auth: no key is good enough; streams: refuses push, pull and shell" },
  { "adb-fault", T_WORD, AT (adb_fault), "none", "none|cut|vanish|stall|full",
    "once, in a push: cuts the connection, hangs up altogether, takes no more, or its storage is full" },
  { "adb-fault-after", T_UINT, AT (adb_fault_after), "0", NULL, "... after N bytes of the file" },
  { "adb-pace", T_UINT, AT (adb_pace), "0", NULL, "takes so many bytes a second; 0: as they come; never scaled" },
  { "adb-lie", T_BOOL, AT (adb_lie), "false", NULL, "tells files shorter by a byte than they are" },
  { "adb-listing", T_WORD, AT (adb_listing), "plain", "plain|hostile|endless|huge",
    "log folders: ordinary; names that lead elsewhere, links and devices; no end; a file without end" },
  { "adb-path", T_WORD, AT (adb_path), "auto", "auto|cache|data",
    "where AT+ZCOMUPDATE looks: by firmware (guide 2.3.2), /cache/delta.package, or /data/update.zip" },
  { "adb-missing", T_WORD, AT (adb_missing), "ok", "ok|error", "AT+ZCOMUPDATE without a package" },
};

gboolean
sim_parse_seconds (const char *text, double *seconds)
{
  char *end = NULL;

  if (g_str_equal (text, "forever") || g_str_equal (text, "never"))
    {
      *seconds = SIM_FOREVER;
      return TRUE;
    }
  *seconds = g_ascii_strtod (text, &end);
  return end != text && *end == '\0' && *seconds >= 0;
}

static const Switch *
find_switch (const char *key)
{
  for (gsize i = 0; i < G_N_ELEMENTS (switches); i++)
    if (switches[i].key != NULL && g_str_equal (switches[i].key, key))
      return &switches[i];
  return NULL;
}

static gboolean
parse_word (const char *words, const char *value, guint *index)
{
  g_auto (GStrv) list = g_strsplit (words, "|", 0);

  for (guint i = 0; list[i] != NULL; i++)
    if (g_str_equal (list[i], value))
      {
        *index = i;
        return TRUE;
      }
  return FALSE;
}

gboolean
sim_parse_number (const char *text, guint base, guint *number)
{
  char *end = NULL;
  guint64 parsed;

  errno = 0;
  parsed = g_ascii_strtoull (text, &end, base);
  if (errno != 0 || end == text || *end != '\0' || *text == '-' || parsed > G_MAXUINT)
    return FALSE;
  *number = (guint) parsed;
  return TRUE;
}

static gboolean
parse_bool (const char *value, gboolean *on)
{
  static const char *const yes[] = { "true", "yes", "on", "1", NULL };
  static const char *const no[] = { "false", "no", "off", "0", NULL };

  *on = g_strv_contains (yes, value);
  return *on || g_strv_contains (no, value);
}

static gboolean
parse_list (const char *words, const char *value)
{
  g_auto (GStrv) list = g_strsplit (value, ",", 0);
  g_auto (GStrv) known = g_strsplit (words, "|", 0);

  for (guint i = 0; list[i] != NULL; i++)
    {
      guint k = 0;

      g_strstrip (list[i]);
      while (known[k] != NULL && g_ascii_strcasecmp (known[k], list[i]) != 0)
        k++;
      if (known[k] == NULL && *list[i] != '\0')
        return FALSE;
    }
  return TRUE;
}

static gboolean
parse_adb_port (const char *value)
{
  guint port;

  return *value == '\0' || g_str_equal (value, "any") ||
         (sim_parse_number (value, 10, &port) && port >= 1 && port <= G_MAXUINT16);
}

/* What may be given, as the end of a message. */
static char *
describe_type (const Switch *sw)
{
  switch ((guint) sw->type)
    {
    case T_BOOL:
      return g_strdup ("give true or false");
    case T_UINT:
      return g_strdup ("give a whole number");
    case T_OCTAL:
      return g_strdup ("give an octal number");
    case T_SECONDS:
      return g_strdup ("give a number of seconds, forever or never");
    case T_SCALE:
      return g_strdup ("give a number above 0");
    case T_ADB_PORT:
      return g_strdup ("give a number from 1 to 65535, or any");
    case T_LIST:
      return g_strdup_printf ("give some of %s, separated by commas", sw->words);
    default:
      return g_strdup_printf ("give one of %s", sw->words);
    }
}

static gboolean
is_text (const Switch *sw)
{
  return sw->type == T_STRING || sw->type == T_LIST || sw->type == T_ADB_PORT;
}

static gboolean
set_value (SimSettings *settings, const Switch *sw, const char *value, GError **error)
{
  gpointer field = G_STRUCT_MEMBER_P (settings, sw->offset);
  double seconds;

  switch (sw->type)
    {
    case T_BOOL:
      return parse_bool (value, field);
    case T_UINT:
      return sim_parse_number (value, 10, field);
    case T_OCTAL:
      return sim_parse_number (value, 8, field);
    case T_SECONDS:
    case T_SCALE:
      if (!sim_parse_seconds (value, &seconds) ||
          (sw->type == T_SCALE && (seconds <= 0 || seconds >= SIM_FOREVER)))
        return FALSE;
      *(double *) field = seconds;
      return TRUE;
    case T_LIST:
    case T_ADB_PORT:
      if (sw->type == T_LIST ? !parse_list (sw->words, value) : !parse_adb_port (value))
        return FALSE;
      G_GNUC_FALLTHROUGH;
    case T_STRING:
      g_free (*(char **) field);
      *(char **) field = g_strdup (value);
      return TRUE;
    case T_WORD:
      return parse_word (sw->words, value, field);
    case T_FAULT:
      return sim_fault_parse (settings->faults, value, error);
    default:
      g_assert_not_reached ();
    }
}

gboolean
sim_settings_set (SimSettings *settings, const char *key, const char *value, GError **error)
{
  const Switch *sw = find_switch (key);
  GError *reason = NULL;

  if (sw == NULL)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
                   "there is no switch \"%s\"; mefota-sim --help lists them", key);
      return FALSE;
    }
  if (set_value (settings, sw, value, &reason))
    return TRUE;
  if (reason != NULL)
    g_propagate_error (error, reason);
  else
    {
      g_autofree char *allowed = describe_type (sw);

      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "\"%s\" is no value for the switch %s: %s", value,
                   key, allowed);
    }
  return FALSE;
}

gboolean
sim_settings_set_pair (SimSettings *settings, const char *pair, GError **error)
{
  const char *equals = strchr (pair, '=');
  g_autofree char *key = NULL;
  g_autofree char *value = NULL;

  if (equals == NULL)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "\"%s\" should be KEY=VALUE", pair);
      return FALSE;
    }
  key = g_strstrip (g_strndup (pair, (gsize) (equals - pair)));
  value = g_strstrip (g_strdup (equals + 1));
  return sim_settings_set (settings, key, value, error);
}

SimSettings *
sim_settings_new (void)
{
  SimSettings *settings = g_new0 (SimSettings, 1);

  settings->faults = g_ptr_array_new_with_free_func ((GDestroyNotify) sim_fault_free);
  for (gsize i = 0; i < G_N_ELEMENTS (switches); i++)
    if (switches[i].key != NULL && !set_value (settings, &switches[i], switches[i].fallback, NULL))
      g_error ("default of switch %s is wrong", switches[i].key);
  return settings;
}

void
sim_settings_free (SimSettings *settings)
{
  for (gsize i = 0; i < G_N_ELEMENTS (switches); i++)
    if (switches[i].key != NULL && is_text (&switches[i]))
      g_free (*(char **) G_STRUCT_MEMBER_P (settings, switches[i].offset));
  g_ptr_array_unref (settings->faults);
  g_free (settings);
}

char *
sim_settings_describe (void)
{
  GString *out = g_string_new (NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (switches); i++)
    {
      const Switch *sw = &switches[i];

      if (sw->key == NULL)
        g_string_append_printf (out, "%s%s:\n", out->len > 0 ? "\n" : "", sw->help);
      else
        g_string_append_printf (out, "  %s=%s%s%s%s\n      %s\n", sw->key,
                                *sw->fallback != '\0' ? sw->fallback : "\"\"", sw->words != NULL ? "  (" : "",
                                sw->words != NULL ? sw->words : "",
                                sw->words != NULL ? ")" : "", sw->help);
    }
  return g_string_free (out, FALSE);
}

gboolean
sim_list_has (const char *list, const char *word)
{
  g_auto (GStrv) words = g_strsplit (list, ",", 0);

  for (guint i = 0; words[i] != NULL; i++)
    if (g_ascii_strcasecmp (g_strstrip (words[i]), word) == 0)
      return TRUE;
  return FALSE;
}
