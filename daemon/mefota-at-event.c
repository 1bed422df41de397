/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-at-event.h"

#include "mefota-fotaind.h"

#include <string.h>

typedef enum
{
  MATCH_WHOLE,  /* the line and nothing else */
  MATCH_PREFIX, /* the line begins so */
  MATCH_NUMBER, /* as MATCH_WHOLE, but only while a command runs (ATV0) */
} MatchKind;

typedef struct
{
  const char *word;
  MatchKind match;
  MefotaAtEvent event;
} FinalResult;

static const FinalResult final_results[] = {
  { "OK", MATCH_WHOLE, MEFOTA_AT_EVENT_OK },
  { "0", MATCH_NUMBER, MEFOTA_AT_EVENT_OK },
  { "ERROR", MATCH_WHOLE, MEFOTA_AT_EVENT_ERROR },
  { "4", MATCH_NUMBER, MEFOTA_AT_EVENT_ERROR },
  { "+CME ERROR", MATCH_PREFIX, MEFOTA_AT_EVENT_ERROR },
  { "+CMS ERROR", MATCH_PREFIX, MEFOTA_AT_EVENT_ERROR },
  { "NO CARRIER", MATCH_WHOLE, MEFOTA_AT_EVENT_ERROR },
  { "COMMAND NOT SUPPORT", MATCH_PREFIX, MEFOTA_AT_EVENT_ERROR },
  { "CONNECT", MATCH_WHOLE, MEFOTA_AT_EVENT_CONNECT },
  { "CONNECT ", MATCH_PREFIX, MEFOTA_AT_EVENT_CONNECT },
};

/* Whole words: the line ends there, or a character follows that is no part of a name. */
static const struct
{
  const char *word;
  MefotaAtEvent event;
} urcs[] = {
  { "+ZREADY", MEFOTA_AT_EVENT_BOOT },
  { "*MATREADY", MEFOTA_AT_EVENT_BOOT },
  { "+CPIN", MEFOTA_AT_EVENT_URC },
  { "+CFUN", MEFOTA_AT_EVENT_URC },
  { "+CREG", MEFOTA_AT_EVENT_URC },
  { "+CGREG", MEFOTA_AT_EVENT_URC },
  { "+CEREG", MEFOTA_AT_EVENT_URC },
  { "+CGEV", MEFOTA_AT_EVENT_URC },
  { "+CIEV", MEFOTA_AT_EVENT_URC },
  { "+CTZV", MEFOTA_AT_EVENT_URC },
  { "+CTZE", MEFOTA_AT_EVENT_URC },
  { "+CMTI", MEFOTA_AT_EVENT_URC },
  { "+CMT", MEFOTA_AT_EVENT_URC },
  { "+CDS", MEFOTA_AT_EVENT_URC },
  { "+CDSI", MEFOTA_AT_EVENT_URC },
  { "+CBM", MEFOTA_AT_EVENT_URC },
  { "+CUSD", MEFOTA_AT_EVENT_URC },
  { "+CRING", MEFOTA_AT_EVENT_URC },
  { "+CLIP", MEFOTA_AT_EVENT_URC },
  { "RING", MEFOTA_AT_EVENT_URC },
  { "+IP", MEFOTA_AT_EVENT_URC },
  { "+ZPASR", MEFOTA_AT_EVENT_URC },
  { "+ZUSIMR", MEFOTA_AT_EVENT_URC },
  { "+ZDONR", MEFOTA_AT_EVENT_URC },
  { "+ZPSTM", MEFOTA_AT_EVENT_URC },
  { "+ZEND", MEFOTA_AT_EVENT_URC },
  { "+ZIPCALL", MEFOTA_AT_EVENT_URC },
  { "+ZECMCALL", MEFOTA_AT_EVENT_URC },
};

/* 3GPP 27.007, 9.2: those an upgrade may meet. */
static const struct
{
  int number;
  const char *meaning;
} cme_errors[] = {
  { 3, "operation not allowed" },
  { 4, "operation not supported" },
  { 10, "SIM not inserted" },
  { 11, "SIM PIN required" },
  { 12, "SIM PUK required" },
  { 13, "SIM failure" },
  { 14, "SIM busy" },
  { 15, "SIM wrong" },
  { 16, "incorrect password" },
  { 17, "SIM PIN2 required" },
  { 18, "SIM PUK2 required" },
  { 20, "memory full" },
  { 23, "memory failure" },
  { 30, "no network service" },
  { 31, "network timeout" },
  { 50, "incorrect parameters" },
  { 100, "unknown" },
};

static gboolean
begins_with (const char *line, const char *word)
{
  return g_ascii_strncasecmp (line, word, strlen (word)) == 0;
}

static const char *
skip_blanks (const char *p)
{
  while (*p == ' ' || *p == '\t')
    p++;
  return p;
}

/* ---- final result codes ---- */

static gboolean
find_final (const char *line, const char *command, MefotaAtEvent *event)
{
  for (gsize i = 0; i < G_N_ELEMENTS (final_results); i++)
    {
      const FinalResult *row = &final_results[i];
      gboolean matches = row->match == MATCH_PREFIX ? begins_with (line, row->word)
                                                    : g_ascii_strcasecmp (line, row->word) == 0;

      if (matches && (row->match != MATCH_NUMBER || command != NULL))
        {
          *event = row->event;
          return TRUE;
        }
    }
  return FALSE;
}

/* ---- URCs ---- */

static gboolean
is_word (const char *line, const char *word)
{
  return begins_with (line, word) && !g_ascii_isalnum (line[strlen (word)]);
}

/* Boot noise may stand before what a booting module says, but never a command's echo. */
static gboolean
is_noisy_word (const char *line, const char *word)
{
  if (begins_with (line, "AT"))
    return FALSE;
  for (const char *p = line; *p != '\0'; p++)
    if (*p == *word && is_word (p, word))
      return TRUE;
  return FALSE;
}

static gboolean
find_urc (const char *line, MefotaAtEvent *event)
{
  for (gsize i = 0; i < G_N_ELEMENTS (urcs); i++)
    if (urcs[i].event == MEFOTA_AT_EVENT_BOOT ? is_noisy_word (line, urcs[i].word) : is_word (line, urcs[i].word))
      {
        *event = urcs[i].event;
        return TRUE;
      }
  return FALSE;
}

/* ---- the running command's own prefixes ---- */

/* Whether @line is "+NAME:", blanks or none before the colon. */
static gboolean
is_answer_to (const char *line, const char *name, gsize length)
{
  return g_ascii_strncasecmp (line, name, length) == 0 && *skip_blanks (line + length) == ':';
}

/* One command of a line of several: "+CREG?" of "AT+CREG?;+CSQ". */
static gboolean
part_owns (const char *part, const char *line)
{
  char name[32];
  gsize length = 1;
  const char *p = skip_blanks (part);

  if (*p == '\0' || strchr ("+^*&%$#", *p) == NULL)
    return FALSE;
  name[0] = *p;
  for (p = skip_blanks (p + 1); g_ascii_isalnum (*p) && length < sizeof name - 1; p++)
    name[length++] = *p;
  name[length] = '\0';
  /* An indication is told from an answer by its word, in is_outcome(). */
  if (!is_answer_to (line, name, length) || g_ascii_strcasecmp (name, "+FOTAIND") == 0)
    return FALSE;
  /* AT+CFUN=1 or AT+CPIN="1234" bring URCs of their own name, but no answer. */
  p = skip_blanks (p);
  return *p != '=' || *skip_blanks (p + 1) == '?';
}

static gboolean
command_owns (const char *command, const char *line)
{
  const char *part = skip_blanks (command);
  gboolean quoted = FALSE;

  if (!begins_with (part, "AT"))
    return FALSE;
  part += 2;
  if (part_owns (part, line))
    return TRUE;
  for (const char *p = part; *p != '\0'; p++)
    {
      quoted ^= *p == '"';
      if (*p == ';' && !quoted && part_owns (p + 1, line))
        return TRUE;
    }
  return FALSE;
}

static gboolean
has_any_prefix (const char *line, const char *const *prefixes)
{
  for (gsize i = 0; prefixes != NULL && prefixes[i] != NULL; i++)
    if (begins_with (line, prefixes[i]))
      return TRUE;
  return FALSE;
}

/* ---- indications ---- */

static char *
squeeze (const char *text)
{
  GString *out = g_string_new (NULL);

  for (const char *p = text; *p != '\0'; p++)
    if (*p != ' ' && *p != '\t')
      g_string_append_c (out, g_ascii_toupper (*p));
  return g_string_free (out, FALSE);
}

static gboolean
asks_for_result (const char *command)
{
  g_autofree char *squeezed = command != NULL ? squeeze (command) : NULL;

  return g_strcmp0 (squeezed, "AT+FOTACTR?") == 0;
}

static gboolean
is_outcome (const MefotaIndication *indication)
{
  return indication->kind == MEFOTA_IND_SUCCESS || indication->kind == MEFOTA_IND_FAILURE ||
         g_str_has_prefix (indication->status, "FAIL_");
}

MefotaAtEvent
mefota_at_event_classify (const char *line, const char *command, const char *const *extra_prefixes)
{
  g_autoptr(MefotaIndication) indication = NULL;
  MefotaAtEvent event;

  if (find_final (line, command, &event))
    return event;
  if (command != NULL && (command_owns (command, line) || has_any_prefix (line, extra_prefixes)))
    return MEFOTA_AT_EVENT_INFORMATION;

  indication = mefota_indication_parse (line, strlen (line));
  if (indication != NULL)
    return asks_for_result (command) && is_outcome (indication) ? MEFOTA_AT_EVENT_INFORMATION
                                                                : MEFOTA_AT_EVENT_FOTAIND;
  return find_urc (line, &event) ? event : MEFOTA_AT_EVENT_INFORMATION;
}

gboolean
mefota_at_event_is_echo (const char *line, const char *command)
{
  g_autofree char *heard = squeeze (line);
  g_autofree char *said = squeeze (command);
  gsize noise;

  if (*said == '\0' || !g_str_has_suffix (heard, said))
    return FALSE;
  noise = strlen (heard) - strlen (said);
  return noise == 0 || !g_ascii_isalnum (heard[noise - 1]);
}

char *
mefota_at_event_explain_error (const char *line)
{
  g_autofree char *text = g_utf8_make_valid (line, -1);
  const char *number;
  guint64 value;

  if (!begins_with (text, "+CME ERROR"))
    return g_steal_pointer (&text);
  number = skip_blanks (text + strlen ("+CME ERROR"));
  if (*number == ':')
    number = skip_blanks (number + 1);
  if (!g_ascii_string_to_unsigned (number, 10, 0, 1000, &value, NULL))
    return g_steal_pointer (&text);
  for (gsize i = 0; i < G_N_ELEMENTS (cme_errors); i++)
    if (cme_errors[i].number == (int) value)
      return g_strdup_printf ("%s (%s)", cme_errors[i].meaning, text);
  return g_steal_pointer (&text);
}

char *
mefota_at_event_strip_prefix (const char *line, const char *prefix)
{
  g_autofree char *text = g_utf8_make_valid (line, -1);
  gsize name = strcspn (prefix, ":");
  const char *p;
  gsize length;

  if (!is_answer_to (text, prefix, name))
    return g_steal_pointer (&text);
  p = skip_blanks (skip_blanks (text + name) + 1);
  length = strlen (p);
  while (length > 0 && (p[length - 1] == ' ' || p[length - 1] == '\t'))
    length--;
  /* A single quoted value; not "HSDPA","CS_PS". */
  if (length >= 2 && p[0] == '"' && memchr (p + 1, '"', length - 1) == p + length - 1)
    return g_strndup (p + 1, length - 2);
  return g_strndup (p, length);
}
