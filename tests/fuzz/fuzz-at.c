/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Framer, event and indication. The first byte chooses the command in flight, the second where the stream is cut; the
 * rest is what the module says. With the first byte's highest bit set the stream's first line is the command. */
#include "mefota-at-event.h"
#include "mefota-at-framer.h"
#include "mefota-fotaind.h"

#include <string.h>

#include "fuzz.h"

static const char *const commands[] = {
  NULL,
  "AT",
  "AT+CREG?",
  "AT+CPIN?",
  "AT+FOTACTR",
  "AT+FOTACTR?",
  "AT+FOTACTR=1",
  "AT+ZCOMWRT=10",
  "AT+FOTAPOLLEN?",
  "AT+FOTATV?",
  "AT+CFUN=1,1",
  "ATI",
  "AT+COPS?",
  "AT+ZPAS?;+CSQ",
  "AT+CGMR",
};
#define PROMPT_COMMAND "AT+ZCOMWRT=10"

typedef struct
{
  MefotaAtFramer framer;
  const char *command;
  gboolean checked; /* the same lines were checked before */
  GString *events;
} Run;

/* ---- what must always be so ---- */

static void
check_text (const char *text, gboolean blanks_allowed)
{
  gsize length = strlen (text);

  g_assert (g_utf8_validate (text, (gssize) length, NULL));
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      g_assert (!g_unichar_iscntrl (c));
      g_assert (blanks_allowed || !g_unichar_isspace (c));
    }
  g_assert (length == 0 || (text[0] != ' ' && text[length - 1] != ' '));
}

static void
check_number (const MefotaIndication *self)
{
  g_autofree char *decimal = g_strdup_printf ("%d", self->number);

  if (self->kind != MEFOTA_IND_DOWNLOADING && self->kind != MEFOTA_IND_COSTTIME)
    g_assert_cmpint (self->number, ==, -1);
  if (self->kind == MEFOTA_IND_DOWNLOADING)
    g_assert_cmpint (self->number, <=, 100);
  g_assert_cmpint (self->number, >=, -1);
  if (self->number >= 0)
    g_assert_cmpstr (self->argument, ==, decimal);
}

static void
check_indication (const MefotaIndication *self)
{
  g_autofree char *explanation = mefota_indication_explain (self);

  g_assert_cmpuint (self->kind, <, MEFOTA_N_IND_KINDS);
  g_assert_cmpuint (self->error, <, MEFOTA_N_ERRORS);
  check_text (self->status, FALSE);
  check_text (self->argument, TRUE);
  for (const char *p = self->status; *p != '\0'; p++)
    g_assert (!g_ascii_islower (*p));
  g_assert (g_utf8_validate (self->raw, -1, NULL));
  if (self->kind != MEFOTA_IND_OTHER)
    g_assert_cmpuint (strlen (self->status), >, 0);
  check_number (self);
  g_assert (g_utf8_validate (explanation, -1, NULL));
  g_assert (g_str_has_suffix (explanation, "."));
}

/* raw, read again, says the same. */
static void
check_raw (const MefotaIndication *self)
{
  g_autoptr(MefotaIndication) again = mefota_indication_parse_word (self->raw, strlen (self->raw));

  g_assert_cmpint (again->kind, ==, self->kind);
  g_assert_cmpint (again->error, ==, self->error);
  g_assert_cmpint (again->number, ==, self->number);
  g_assert_cmpstr (again->status, ==, self->status);
  g_assert_cmpstr (again->argument, ==, self->argument);
  g_assert_cmpstr (again->raw, ==, self->raw);
}

static void
check_line (const char *line, gsize length)
{
  g_assert_cmpuint (length, >, 0);
  g_assert_cmpuint (length, <=, MEFOTA_AT_LINE_MAX);
  g_assert_cmpuint (strlen (line), ==, length);
  g_assert (strpbrk (line, "\r\n\xff") == NULL);
  g_assert (strchr (" \t\v\f", line[0]) == NULL && strchr (" \t\v\f", line[length - 1]) == NULL);
}

static void
check_helpers (const char *line, const char *command)
{
  g_autofree char *explained = mefota_at_event_explain_error (line);
  g_autofree char *stripped = mefota_at_event_strip_prefix (line, "+FOTATV:");

  g_assert (g_utf8_validate (explained, -1, NULL));
  g_assert (g_utf8_validate (stripped, -1, NULL));
  if (command != NULL && *command != '\0')
    g_assert (mefota_at_event_is_echo (command, command) == (strspn (command, " \t") != strlen (command)));
}

static void
check_frame (const char *line, gsize length, const char *command, MefotaAtEvent event)
{
  g_autoptr(MefotaIndication) indication = mefota_indication_parse (line, length);

  check_line (line, length);
  check_helpers (line, command);
  g_assert_cmpuint (event, <=, MEFOTA_AT_EVENT_URC);
  g_assert (event != MEFOTA_AT_EVENT_FOTAIND || indication != NULL);
  if (indication == NULL)
    return;
  check_indication (indication);
  check_raw (indication);
}

/* ---- a run ---- */

static void
on_frame (MefotaAtFrame frame, const char *line, gsize length, gpointer user_data)
{
  static const char *const extra_prefixes[] = { "+FOTAIP:", NULL };
  Run *self = user_data;
  MefotaAtEvent event;

  if (frame == MEFOTA_AT_FRAME_PROMPT)
    {
      g_assert_cmpstr (line, ==, ">");
      g_assert (!self->framer.prompt_expected);
      g_string_append (self->events, "prompt\n");
      return;
    }
  event = mefota_at_event_classify (line, self->command, extra_prefixes);
  if (!self->checked)
    check_frame (line, length, self->command, event);
  g_string_append_printf (self->events, "%d ", event);
  g_string_append_len (self->events, line, (gssize) length);
  g_string_append_c (self->events, '\n');
  if (event == MEFOTA_AT_EVENT_OK || event == MEFOTA_AT_EVENT_ERROR)
    self->command = NULL;
}

/* Feeds pieces of @step bytes, after a first one of @first. */
static char *
run (const char *command, const guint8 *bytes, gsize length, gsize first, gsize step, gboolean checked)
{
  Run self = { .command = command, .checked = checked, .events = g_string_new (NULL) };
  gsize fed = MIN (first, length);

  mefota_at_framer_init (&self.framer, on_frame, &self);
  mefota_at_framer_expect_prompt (&self.framer, g_strcmp0 (command, PROMPT_COMMAND) == 0);
  mefota_at_framer_feed (&self.framer, bytes, fed);
  while (fed < length)
    {
      gsize piece = MIN (step, length - fed);

      mefota_at_framer_feed (&self.framer, bytes + fed, piece);
      fed += piece;
    }
  if (mefota_at_framer_has_final (&self.framer)) /* and nothing more comes */
    mefota_at_framer_end_line (&self.framer);
  return g_string_free (self.events, FALSE);
}

static char *
read_command (const guint8 **bytes, gsize *length)
{
  const guint8 *end = memchr (*bytes, '\n', *length);
  gsize n = end != NULL ? (gsize) (end - *bytes) : *length;
  char *command = g_strndup ((const char *) *bytes, n);

  n = MIN (n + 1, *length);
  *bytes += n;
  *length -= n;
  return command;
}

static void
check_bare (const guint8 *bytes, gsize length)
{
  g_autoptr(MefotaIndication) word = mefota_indication_parse_word ((const char *) bytes, length);
  g_autoptr(MefotaIndication) line = mefota_indication_parse ((const char *) bytes, length);

  check_indication (word);
  check_raw (word);
  if (line != NULL)
    check_indication (line);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autofree char *read = NULL;
  g_autofree char *whole = NULL;
  g_autofree char *bytewise = NULL;
  g_autofree char *cut = NULL;
  const guint8 *bytes = data + 2;
  gsize length = size - 2;
  const char *command;

  if (size < 2)
    return 0;
  if (data[0] & 0x80)
    command = read = read_command (&bytes, &length);
  else
    command = commands[data[0] % G_N_ELEMENTS (commands)];

  whole = run (command, bytes, length, length, 1, FALSE);
  bytewise = run (command, bytes, length, 0, 1, TRUE);
  cut = run (command, bytes, length, data[1], 1 + data[1] % 31, TRUE);
  g_assert_cmpstr (bytewise, ==, whole);
  g_assert_cmpstr (cut, ==, whole);
  check_bare (bytes, length);
  return 0;
}
