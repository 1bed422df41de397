/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-fotaind.h"

#include <string.h>

#define FULL_WIDTH_COLON "\xef\xbc\x9a"
#define GBK_COLON "\xa3\xba"
#define FULL_WIDTH_PERCENT "\xef\xbc\x85"
#define REPLACEMENT "\xef\xbf\xbd"
#define KEYWORD "FOTAIND"

/* How what follows the word is read. */
typedef enum
{
  ARGUMENT_TEXT,
  ARGUMENT_PERCENT,
  ARGUMENT_DURATION,
  ARGUMENT_CODE,
} ArgumentKind;

typedef struct
{
  const char *word;   /* upper case, blanks as underscores */
  const char *status; /* where the canonical word is another one */
  MefotaIndKind kind;
  ArgumentKind argument;
  MefotaError error;
  const char *explanation; /* of a failure */
} Word;

#define NO_ERROR MEFOTA_ERROR_FAILED

/* The vocabulary: contract 2.3, guide 3.5, and the sibling firmware's words. */
static const Word vocabulary[] = {
  { "START", NULL, MEFOTA_IND_START, ARGUMENT_TEXT, NO_ERROR, NULL },
  { "NEED_CONFIRM", NULL, MEFOTA_IND_QUESTION, ARGUMENT_TEXT, NO_ERROR, NULL },
  { "CONFIRM", "NEED_CONFIRM", MEFOTA_IND_QUESTION, ARGUMENT_TEXT, NO_ERROR, NULL },
  { "NEW_VERSION", NULL, MEFOTA_IND_QUESTION, ARGUMENT_TEXT, NO_ERROR, NULL },
  { "SUCCESS_CONFIRM", NULL, MEFOTA_IND_CONFIRMED, ARGUMENT_TEXT, NO_ERROR, NULL },
  { "DOWNLOADING", NULL, MEFOTA_IND_DOWNLOADING, ARGUMENT_PERCENT, NO_ERROR, NULL },
  { "COSTTIME", NULL, MEFOTA_IND_COSTTIME, ARGUMENT_DURATION, NO_ERROR, NULL },
  { "NEED_VERIFY", NULL, MEFOTA_IND_NEED_VERIFY, ARGUMENT_TEXT, NO_ERROR, NULL },
  { "PASS_VERIFY", NULL, MEFOTA_IND_PASS_VERIFY, ARGUMENT_TEXT, NO_ERROR, NULL },
  { "UPDATING", NULL, MEFOTA_IND_UPDATING, ARGUMENT_TEXT, NO_ERROR, NULL },
  { "SUCCESS_END", NULL, MEFOTA_IND_SUCCESS, ARGUMENT_TEXT, NO_ERROR, NULL },
  { "FAIL_END", NULL, MEFOTA_IND_FAILURE, ARGUMENT_TEXT, MEFOTA_ERROR_UPGRADE_FAILED,
    "The module could not install the new version and gave no reason. "
    "Check that the package belongs to the running version, collect the module's logs, and try again." },
  { "FAIL_CONFIRM", NULL, MEFOTA_IND_FAILURE, ARGUMENT_TEXT, MEFOTA_ERROR_REJECTED,
    "The upgrade was refused when the module asked. Accept it when the module asks again, or start an upgrade." },
  { "FAIL_NO_NEW", NULL, MEFOTA_IND_FAILURE, ARGUMENT_TEXT, MEFOTA_ERROR_NO_NEW_VERSION,
    "The server has no new version for this module. If there should be one, check on the server that the IMEI is "
    "registered and that exactly one version leads on from the running one, or name a target version." },
  { "FAIL_CONNECT", NULL, MEFOTA_IND_FAILURE, ARGUMENT_TEXT, MEFOTA_ERROR_CONNECT_FAILED,
    "The module could not reach its upgrade server. Check the SIM, the data service and the server's address, and try "
    "again in a better network." },
  { "FAIL_WAIT_TIMEOUT", NULL, MEFOTA_IND_FAILURE, ARGUMENT_TEXT, MEFOTA_ERROR_CONFIRM_TIMEOUT,
    "Nobody answered the module's question within three minutes. Answer it when the module asks again, or set a policy "
    "that answers." },
  { "FAIL_VERIFY", NULL, MEFOTA_IND_FAILURE, ARGUMENT_TEXT, MEFOTA_ERROR_VERIFY_FAILED,
    "The module refused the package. Check that what the server or you gave it belongs to the running version, and try "
    "again." },
  { "ERROR", NULL, MEFOTA_IND_FAILURE, ARGUMENT_CODE, MEFOTA_ERROR_MODULE_ERROR, NULL },
  { "DATA_TIMEOUT", NULL, MEFOTA_IND_FAILURE, ARGUMENT_TEXT, MEFOTA_ERROR_CONNECT_FAILED,
    "The module's download stopped: no data came from the server in time. Try again in a better network." },
  { "TOOLARGE", NULL, MEFOTA_IND_FAILURE, ARGUMENT_TEXT, MEFOTA_ERROR_PACKAGE_INVALID,
    "The package is too large for the module. Take a delta package between versions that lie closer together." },
  { "PARA_ERROR", NULL, MEFOTA_IND_FAILURE, ARGUMENT_TEXT, MEFOTA_ERROR_MODULE_ERROR,
    "The module refused a parameter of the upgrade. Check the target version and the server's address." },
  { "BUSY", NULL, MEFOTA_IND_FAILURE, ARGUMENT_TEXT, MEFOTA_ERROR_BUSY,
    "The module is already upgrading. Wait until it has finished." },
};

/* What the ME3616's manual says of its codes; no other list is public. */
static const struct
{
  guint64 code;
  const char *meaning;
} error_codes[] = {
  { 0x50, "on the ME3616: the server could not be reached" },
  { 0x120, "on the ME3616: the version number is wrong" },
  { 0x140, "on the ME3616: the delta package is wrong" },
};

/* ---- text ---- */

/* Valid UTF-8 without NUL, trimmed. The GBK colon is looked for only where no UTF-8 character stands, for its two bytes
 * occur within such characters as well. */
static char *
to_utf8 (const char *text, gsize length)
{
  g_autoptr(GString) out = g_string_sized_new (length + 1);
  const char *end = text + length;

  for (const char *p = text; p < end;)
    {
      gunichar c = g_utf8_get_char_validated (p, end - p);

      if (c != 0 && c != (gunichar) -1 && c != (gunichar) -2)
        {
          g_string_append_unichar (out, c);
          p = g_utf8_next_char (p);
        }
      else if (end - p >= 2 && memcmp (p, GBK_COLON, 2) == 0)
        {
          g_string_append (out, FULL_WIDTH_COLON);
          p += 2;
        }
      else
        {
          g_string_append (out, REPLACEMENT);
          p++;
        }
    }
  return g_strstrip (g_string_free (g_steal_pointer (&out), FALSE));
}

/* Trims @text and replaces control characters, which could do harm on a terminal. */
static char *
to_printable (const char *text)
{
  g_autoptr(GString) out = g_string_new (NULL);

  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);

      if (g_unichar_isspace (c))
        g_string_append_c (out, ' ');
      else
        g_string_append_unichar (out, g_unichar_iscntrl (c) ? 0xfffd : c);
    }
  return g_strstrip (g_string_free (g_steal_pointer (&out), FALSE));
}

/* Upper case (ASCII: whatever the locale), a run of blanks as one underscore. */
static char *
to_word (const char *text)
{
  g_autofree char *clean = to_printable (text);
  GString *out = g_string_new (NULL);

  for (const char *p = clean; *p != '\0'; p++)
    if (*p != ' ')
      g_string_append_c (out, g_ascii_toupper (*p));
    else if (p[1] != ' ')
      g_string_append_c (out, '_');
  return g_string_free (out, FALSE);
}

static const char *
find_colon (const char *text, gsize *colon_length)
{
  const char *ascii = strchr (text, ':');
  const char *wide = strstr (text, FULL_WIDTH_COLON);

  if (wide != NULL && (ascii == NULL || wide < ascii))
    {
      *colon_length = strlen (FULL_WIDTH_COLON);
      return wide;
    }
  *colon_length = 1;
  return ascii;
}

/* ---- arguments ---- */

/* Up to eight digits, so that sums stay within an int. */
static gboolean
read_number (const char **text, int *number)
{
  const char *p = *text;
  int value = 0;

  while (g_ascii_isdigit (*p) && p - *text < 8)
    value = value * 10 + g_ascii_digit_value (*p++);
  if (p == *text || g_ascii_isdigit (*p))
    return FALSE;
  *text = p;
  *number = value;
  return TRUE;
}

static const char *
skip_blanks (const char *p)
{
  while (*p == ' ' || *p == '_')
    p++;
  return p;
}

static int
read_percent (const char *text)
{
  const char *p = text;
  int number;

  if (!read_number (&p, &number) || number > 100)
    return -1;
  if (*p == '.')
    p += 1 + strspn (p + 1, "0123456789");
  p = skip_blanks (p);
  if (g_str_has_prefix (p, FULL_WIDTH_PERCENT))
    p += strlen (FULL_WIDTH_PERCENT);
  else if (*p == '%')
    p++;
  return *skip_blanks (p) == '\0' ? number : -1;
}

/* "0min17sec", "1 min 05 sec", "17" */
static int
read_duration (const char *text)
{
  const char *p = skip_blanks (text);
  gint64 seconds = 0;
  int number;

  if (*p == '\0')
    return -1;
  while (*p != '\0')
    {
      if (!read_number (&p, &number))
        return -1;
      p = skip_blanks (p);
      switch (g_ascii_tolower (*p))
        {
        case 'h':
          seconds += (gint64) number * 3600;
          break;
        case 'm':
          seconds += (gint64) number * 60;
          break;
        case 's':
        case '\0':
          seconds += number;
          break;
        default:
          return -1;
        }
      while (g_ascii_isalpha (*p))
        p++;
      p = skip_blanks (p);
    }
  return seconds <= G_MAXINT ? (int) seconds : -1;
}

/* "0x50" → "50"; without the 0x only hexadecimal digits are a code, and only with a separator before them, or a digit
 * first. NULL if it is none (ERROR_NETWORK is a word of its own). */
static const char *
skip_code_prefix (const char *text, gboolean separated)
{
  if (text[0] == '0' && (text[1] == 'x' || text[1] == 'X') && g_ascii_isalnum (text[2]))
    return text + 2;
  if (text[0] == '\0' || text[strspn (text, "0123456789abcdefABCDEF")] != '\0')
    return NULL;
  return separated || g_ascii_isdigit (text[0]) ? text : NULL;
}

/* ---- words ---- */

/* Where the argument begins that stands behind @row's word without a colon (ERROR0x50, DOWNLOADING 25%), or NULL. */
static const char *
glued_argument (const Word *row, const char *word)
{
  gsize length = strlen (row->word);
  const char *rest;

  if (!g_str_has_prefix (word, row->word))
    return NULL;
  rest = skip_blanks (word + length);
  switch (row->argument)
    {
    case ARGUMENT_PERCENT:
      return read_percent (rest) >= 0 ? rest : NULL;
    case ARGUMENT_DURATION:
      return read_duration (rest) >= 0 ? rest : NULL;
    case ARGUMENT_CODE:
      return skip_code_prefix (rest, rest > word + length);
    case ARGUMENT_TEXT:
    default:
      return NULL;
    }
}

static const Word *
find_row (const char *word, const char **glued)
{
  *glued = NULL;
  for (gsize i = 0; i < G_N_ELEMENTS (vocabulary); i++)
    if (strcmp (vocabulary[i].word, word) == 0)
      return &vocabulary[i];
  for (gsize i = 0; i < G_N_ELEMENTS (vocabulary); i++)
    if ((*glued = glued_argument (&vocabulary[i], word)) != NULL)
      return &vocabulary[i];
  return NULL;
}

/* The argument as it came, from @head: @glued is upper case. */
static char *
join_arguments (const Word *row, const char *head, const char *glued, const char *tail)
{
  g_autofree char *clean = to_printable (head);
  const char *rest = clean + MIN (strlen (row->word), strlen (clean));

  if (glued == NULL)
    return g_strdup (tail);
  rest = skip_blanks (rest);
  if (row->argument == ARGUMENT_CODE)
    rest = skip_code_prefix (rest, TRUE);
  return *tail != '\0' ? g_strconcat (rest, " ", tail, NULL) : g_strdup (rest);
}

static int
read_argument (const Word *row, const char *argument)
{
  switch (row->argument)
    {
    case ARGUMENT_PERCENT:
      return read_percent (argument);
    case ARGUMENT_DURATION:
      return read_duration (argument);
    case ARGUMENT_CODE:
    case ARGUMENT_TEXT:
    default:
      return -1;
    }
}

static void
read_words (MefotaIndication *self)
{
  gsize colon_length;
  const char *colon = find_colon (self->raw, &colon_length);
  g_autofree char *head = colon != NULL ? g_strndup (self->raw, colon - self->raw) : g_strdup (self->raw);
  g_autofree char *tail = to_printable (colon != NULL ? colon + colon_length : "");
  g_autofree char *word = to_word (head);
  const char *glued;
  const Word *row = find_row (word, &glued);

  if (row == NULL)
    {
      self->status = g_steal_pointer (&word);
      self->argument = g_steal_pointer (&tail);
      return;
    }
  self->kind = row->kind;
  self->error = row->error;
  self->status = g_strdup (row->status != NULL ? row->status : row->word);
  self->argument = join_arguments (row, head, glued, tail);
  self->number = read_argument (row, self->argument);
  if (self->number >= 0)
    {
      g_free (self->argument);
      self->argument = g_strdup_printf ("%d", self->number);
    }
}

MefotaIndication *
mefota_indication_parse_word (const char *text, gsize length)
{
  MefotaIndication *self = g_new0 (MefotaIndication, 1);

  self->kind = MEFOTA_IND_OTHER;
  self->error = NO_ERROR;
  self->number = -1;
  self->raw = to_utf8 (text, length);
  read_words (self);
  return self;
}

/* ---- lines ---- */

/* Whether the bytes before a '+' end in a command of ours: an AT that is no part of another word (*MATREADY). */
static gboolean
is_command (const char *text, gsize length)
{
  for (gsize i = 0; i + 2 <= length; i++)
    if (g_ascii_strncasecmp (text + i, "AT", 2) == 0 && (i == 0 || !g_ascii_isalnum (text[i - 1])) &&
        (i + 2 == length || !g_ascii_isalnum (text[i + 2])))
      return TRUE;
  return FALSE;
}

static gsize
skip_blank_bytes (const char *text, gsize length, gsize i)
{
  while (i < length && (text[i] == ' ' || text[i] == '\t'))
    i++;
  return i;
}

static gboolean
has_bytes (const char *text, gsize length, gsize i, const char *bytes)
{
  gsize n = strlen (bytes);

  return length - i >= n && memcmp (text + i, bytes, n) == 0;
}

/* Where the text behind "+FOTAIND:" begins, the '+' standing at @plus; 0 if there is no such thing. */
static gsize
keyword_end (const char *line, gsize length, gsize plus)
{
  gsize i = skip_blank_bytes (line, length, plus + 1);

  if (length - i < strlen (KEYWORD) || g_ascii_strncasecmp (line + i, KEYWORD, strlen (KEYWORD)) != 0)
    return 0;
  i = skip_blank_bytes (line, length, i + strlen (KEYWORD));
  if (has_bytes (line, length, i, ":"))
    return i + 1;
  if (has_bytes (line, length, i, FULL_WIDTH_COLON))
    return i + strlen (FULL_WIDTH_COLON);
  if (has_bytes (line, length, i, GBK_COLON))
    return i + strlen (GBK_COLON);
  return 0;
}

MefotaIndication *
mefota_indication_parse (const char *line, gsize length)
{
  /* The last one on the line: what stands before it was cut short. */
  for (gsize plus = length; plus-- > 0;)
    {
      gsize start = line[plus] == '+' ? keyword_end (line, length, plus) : 0;

      if (start > 0)
        return is_command (line, plus) ? NULL : mefota_indication_parse_word (line + start, length - start);
    }
  return NULL;
}

void
mefota_indication_free (MefotaIndication *self)
{
  if (self == NULL)
    return;
  g_free (self->status);
  g_free (self->argument);
  g_free (self->raw);
  g_free (self);
}

static char *
explain_code (const char *code)
{
  const char *digits = g_str_has_prefix (code, "0x") || g_str_has_prefix (code, "0X") ? code + 2 : code;
  guint64 number;

  if (*code == '\0')
    return g_strdup ("The module reported an error without a code. Collect the module's logs, and try again.");
  if (g_ascii_string_to_unsigned (digits, 16, 0, G_MAXUINT32, &number, NULL))
    for (gsize i = 0; i < G_N_ELEMENTS (error_codes); i++)
      if (error_codes[i].code == number)
        return g_strdup_printf ("The module reported error %s (%s). Collect the module's logs, and try again.", code,
                                error_codes[i].meaning);
  return g_strdup_printf ("The module reported error %s. Collect the module's logs, and ask the vendor what it means.",
                          code);
}

char *
mefota_indication_explain (const MefotaIndication *self)
{
  if (self->kind == MEFOTA_IND_FAILURE)
    for (gsize i = 0; i < G_N_ELEMENTS (vocabulary); i++)
      if (strcmp (vocabulary[i].word, self->status) == 0)
        return vocabulary[i].explanation != NULL ? g_strdup (vocabulary[i].explanation)
                                                 : explain_code (self->argument);
  return g_strdup_printf ("The module said \"%s\".", self->raw);
}
