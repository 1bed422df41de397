/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-script.h"

#include "sim-resources.h"
#include "sim-settings.h"

#include <string.h>

/* What stands behind a step's word: t text, s seconds, n number, h hex bytes; a ? before it: may be left out. */
static const struct
{
  const char *word;
  SimStepKind kind;
  const char *arguments;
  const char *help;
} steps[] = {
  { "ok", SIM_STEP_OK, "", "answers the command with OK" },
  { "error", SIM_STEP_ERROR, "", "answers it with ERROR" },
  { "cme", SIM_STEP_CME, "t", "answers it with +CME ERROR: TEXT" },
  { "line", SIM_STEP_LINE, "t", "an information line of the answer" },
  { "ind", SIM_STEP_IND, "t", "sends the indication +FOTAIND: TEXT" },
  { "urc", SIM_STEP_URC, "t", "sends TEXT as an unsolicited line" },
  { "raw", SIM_STEP_RAW, "h", "sends bytes as they are, e.g. raw 0d 0a 4f 4b" },
  { "garbage", SIM_STEP_GARBAGE, "n", "sends NUMBER bytes that mean nothing" },
  { "wait", SIM_STEP_WAIT, "s", "waits (scaled)" },
  { "await", SIM_STEP_AWAIT, "t", "waits until somebody has the port open (await open), or until a command that "
                                  "matches\n"
                                  "      was answered (await AT+CGMR); await open 5: for 5 real seconds at most" },
  { "hold", SIM_STEP_HOLD, "t", "event \"hold NAME\"; waits for the control command go" },
  { "reboot", SIM_STEP_REBOOT, "s", "the module goes away for so long (scaled) and boots; goes on when it is up" },
  { "vanish", SIM_STEP_VANISH, "", "hangs up; the module itself runs on" },
  { "return", SIM_STEP_RETURN, "", "is back at once" },
  { "firmware", SIM_STEP_FIRMWARE, "t", "the version from now on" },
  { "imei", SIM_STEP_IMEI, "t", "the IMEI from now on" },
  { "confirm", SIM_STEP_CONFIRM, "s", "waits for AT+FOTACTR=1; =0 and silence end the block with their FAIL word" },
  { "result", SIM_STEP_RESULT, "t", "what AT+FOTACTR? answers from now on" },
  { "flood", SIM_STEP_FLOOD, "nst", "NUMBER indications a second (0: as fast as they are read) for SECONDS; %n in "
                                    "TEXT is their count" },
  { "set", SIM_STEP_SET, "t", "KEY=VALUE: a switch" },
  { "note", SIM_STEP_NOTE, "t", "event \"note TEXT\"" },
  { "end", SIM_STEP_END, "", "ends the block here" },
};

static void
step_free (SimStep *step)
{
  g_free (step->text);
  g_clear_pointer (&step->bytes, g_bytes_unref);
  g_free (step);
}

static void
block_clear (SimBlock *block)
{
  g_free (block->name);
  g_ptr_array_unref (block->steps);
}

SimBlock *
sim_block_ref (SimBlock *block)
{
  return g_rc_box_acquire (block);
}

void
sim_block_unref (SimBlock *block)
{
  g_rc_box_release_full (block, (GDestroyNotify) block_clear);
}

void
sim_script_free (SimScript *script)
{
  g_ptr_array_unref (script->blocks);
  g_ptr_array_unref (script->settings);
  g_free (script);
}

GBytes *
sim_parse_hex (const char *text)
{
  g_autoptr (GByteArray) bytes = g_byte_array_new ();
  int high = -1;

  for (; *text != '\0'; text++)
    {
      int digit = g_ascii_xdigit_value (*text);

      if (g_ascii_isspace (*text) && high < 0)
        continue;
      if (digit < 0)
        return NULL;
      if (high < 0)
        high = digit;
      else
        {
          guint8 byte = (guint8) (high << 4 | digit);

          g_byte_array_append (bytes, &byte, 1);
          high = -1;
        }
    }
  return high < 0 ? g_byte_array_free_to_bytes (g_steal_pointer (&bytes)) : NULL;
}

static char *
next_word (const char **rest)
{
  const char *start = *rest;
  const char *end = start;

  while (*end != '\0' && !g_ascii_isspace (*end))
    end++;
  *rest = end;
  while (g_ascii_isspace (**rest))
    (*rest)++;
  return g_strndup (start, (gsize) (end - start));
}

static gboolean
parse_argument (SimStep *step, char kind, const char **rest)
{
  g_autofree char *word = NULL;

  if (**rest == '\0')
    return FALSE;
  if (kind == 't')
    {
      step->text = g_strdup (*rest);
      *rest = "";
      return TRUE;
    }
  if (kind == 'h')
    {
      step->bytes = sim_parse_hex (*rest);
      *rest = "";
      return step->bytes != NULL;
    }
  word = next_word (rest);
  if (kind == 's')
    return sim_parse_seconds (word, &step->seconds);
  return sim_parse_number (word, 10, &step->number);
}

static SimStep *
parse_step (const char *line)
{
  g_autofree char *word = next_word (&line);

  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      SimStep *step;

      if (!g_str_equal (steps[i].word, word))
        continue;
      step = g_new0 (SimStep, 1);
      step->kind = steps[i].kind;
      for (const char *kind = steps[i].arguments; *kind != '\0'; kind++)
        if (!parse_argument (step, *kind, &line))
          {
            step_free (step);
            return NULL;
          }
      if (*line == '\0')
        return step;
      step_free (step);
      return NULL;
    }
  return NULL;
}

static SimBlock *
block_new (const char *name)
{
  SimBlock *block = g_rc_box_new0 (SimBlock);

  block->steps = g_ptr_array_new_with_free_func ((GDestroyNotify) step_free);
  block->name = g_ascii_strncasecmp (name, "AT", 2) == 0 ? g_ascii_strup (name, -1) : g_strdup (name);
  return block;
}

/* What is under way while a script is read. */
typedef struct
{
  SimScript *script;
  SimSettings *scratch; /* shows whether a switch takes its value */
  SimBlock *block;
} Parser;

static gboolean
wrong (GError **error, const char *line)
{
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE,
               "\"%s\" is no line of a script; mefota-sim --help shows what is", line);
  return FALSE;
}

/* What the words alone do not show. */
static gboolean
check_step (const Parser *parser, const SimStep *step, GError **error)
{
  const char *limit;
  double seconds;

  if (step->kind == SIM_STEP_SET)
    return sim_settings_set_pair (parser->scratch, step->text, error);
  if (step->kind == SIM_STEP_GARBAGE && step->number > SIM_MAX_GARBAGE)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "garbage: give at most a million bytes");
      return FALSE;
    }
  limit = step->kind == SIM_STEP_AWAIT ? strchr (step->text, ' ') : NULL;
  if (limit == NULL || sim_parse_seconds (limit + 1, &seconds))
    return TRUE;
  g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "await: \"%s\" is no number of seconds", limit + 1);
  return FALSE;
}

static gboolean
parse_line (Parser *parser, char *line, GError **error)
{
  SimStep *step;

  if (g_str_has_prefix (line, "on "))
    {
      parser->block = block_new (g_strchug (line + 3));
      g_ptr_array_add (parser->script->blocks, parser->block);
      return TRUE;
    }
  step = parse_step (line);
  if (step == NULL || (parser->block == NULL && step->kind != SIM_STEP_SET))
    {
      g_clear_pointer (&step, step_free);
      return wrong (error, line);
    }
  if (!check_step (parser, step, error))
    {
      step_free (step);
      return FALSE;
    }
  if (parser->block != NULL)
    {
      g_ptr_array_add (parser->block->steps, step);
      return TRUE;
    }
  g_ptr_array_add (parser->script->settings, g_strdup (step->text));
  step_free (step);
  return TRUE;
}

SimScript *
sim_script_parse (const char *text, const char *name, GError **error)
{
  g_autoptr (SimScript) script = g_new0 (SimScript, 1);
  g_autoptr (SimSettings) scratch = sim_settings_new ();
  g_auto (GStrv) lines = g_strsplit (text, "\n", 0);
  Parser parser = { script, scratch, NULL };

  script->blocks = g_ptr_array_new_with_free_func ((GDestroyNotify) sim_block_unref);
  script->settings = g_ptr_array_new_with_free_func (g_free);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      char *line = g_strstrip (lines[i]);

      if (*line != '\0' && *line != '#' && !parse_line (&parser, line, error))
        {
          g_prefix_error (error, "%s:%u: ", name, i + 1);
          return NULL;
        }
    }
  return g_steal_pointer (&script);
}

SimScript *
sim_script_load_builtin (const char *name, GError **error)
{
  g_autofree char *path = g_strdup_printf ("/org/gosuncn/Fota/sim/%s.sim", name);
  g_autoptr (GBytes) text = g_resource_lookup_data (sim_resources_get_resource (), path, 0, error);

  return text != NULL ? sim_script_parse (g_bytes_get_data (text, NULL), name, error) : NULL;
}

const char *
sim_script_describe (void)
{
  static char *help;
  GString *out;

  if (help != NULL)
    return help;
  out = g_string_new ("A script is lines of text; # begins a comment line.\n\n"
                      "  set KEY=VALUE      before the first block: a switch, from the start\n"
                      "  on AT+FOTACTR      a block: what the module does on that command; the lines below it are\n"
                      "                     its steps, to the next `on`. It replaces the built-in block of that\n"
                      "                     name. A name may end in *. A command that it does not\n"
                      "                     answer stays without an answer.\n"
                      "  on question        ... when the module asks by itself (control command question)\n"
                      "  on boot            ... after every boot\n\n"
                      "Steps (in texts $next is the version to come, $firmware the running one, $question how the\n"
                      "module asks, $imei the IMEI):\n");
  for (gsize i = 0; i < G_N_ELEMENTS (steps); i++)
    {
      g_string_append_printf (out, "  %s", steps[i].word);
      for (const char *kind = steps[i].arguments; *kind != '\0'; kind++)
        g_string_append (out, *kind == 't' ? " TEXT" : *kind == 's' ? " SECONDS" : *kind == 'h' ? " HEX" : " NUMBER");
      g_string_append_printf (out, "\n      %s\n", steps[i].help);
    }
  help = g_string_free (out, FALSE);
  return help;
}
