/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Framer, event and indication together: a transcript of dialogues/ gives the same events however its bytes come. */
#include "mefota-at-event.h"
#include "mefota-at-framer.h"
#include "mefota-fotaind.h"

#include <string.h>

/* What happens at one place of the stream: the host sends a command. */
typedef struct
{
  gsize offset;
  char *command;
  gboolean takes_data;
} Send;

typedef struct
{
  char *name;
  GByteArray *bytes;
  GPtrArray *sends;
  GString *expected;
} Dialogue;

static void
send_free (gpointer data)
{
  Send *self = data;

  g_free (self->command);
  g_free (self);
}

static Dialogue *
dialogue_new (const char *name)
{
  Dialogue *self = g_new0 (Dialogue, 1);

  self->name = g_strdup (name);
  self->bytes = g_byte_array_new ();
  self->sends = g_ptr_array_new_with_free_func (send_free);
  self->expected = g_string_new (NULL);
  return self;
}

static void
dialogue_free (gpointer data)
{
  Dialogue *self = data;

  g_free (self->name);
  g_byte_array_unref (self->bytes);
  g_ptr_array_unref (self->sends);
  g_string_free (self->expected, TRUE);
  g_free (self);
}

G_DEFINE_AUTOPTR_CLEANUP_FUNC (Dialogue, dialogue_free)

/* ---- reading a transcript ---- */

static void
append_text (GByteArray *bytes, const char *text)
{
  g_byte_array_append (bytes, (const guint8 *) text, (guint) strlen (text));
}

static void
append_escaped (GByteArray *bytes, const char *text)
{
  for (const char *p = text; *p != '\0'; p++)
    {
      guint8 byte = (guint8) *p;

      if (*p == '\\')
        switch (*++p)
          {
          case 'r':
            byte = '\r';
            break;
          case 'n':
            byte = '\n';
            break;
          case 't':
            byte = '\t';
            break;
          case '\\':
            byte = '\\';
            break;
          case 'x':
            g_assert_true (g_ascii_isxdigit (p[1]) && g_ascii_isxdigit (p[2]));
            byte = (guint8) (g_ascii_xdigit_value (p[1]) * 16 + g_ascii_xdigit_value (p[2]));
            p += 2;
            break;
          default:
            g_error ("unknown escape \\%c", *p);
          }
      g_byte_array_append (bytes, &byte, 1);
    }
}

static void
add_send (Dialogue *self, const char *command, gboolean takes_data)
{
  Send *send = g_new0 (Send, 1);

  send->offset = self->bytes->len;
  send->command = g_strdup (command);
  send->takes_data = takes_data;
  g_ptr_array_add (self->sends, send);
}

static void
add_line (Dialogue *self, const char *line)
{
  if (g_str_has_prefix (line, ">> "))
    add_send (self, line + 3, TRUE);
  else if (g_str_has_prefix (line, "> "))
    add_send (self, line + 2, FALSE);
  else if (g_str_has_prefix (line, "<< "))
    append_escaped (self->bytes, line + 3);
  else if (g_str_has_prefix (line, "< "))
    {
      append_text (self->bytes, "\r\n");
      append_escaped (self->bytes, line + 2);
      append_text (self->bytes, "\r\n");
    }
  else if (g_str_has_prefix (line, "= "))
    {
      g_autoptr(GByteArray) text = g_byte_array_new ();

      append_escaped (text, line + 2);
      g_string_append_len (self->expected, (const char *) text->data, text->len);
      g_string_append_c (self->expected, '\n');
    }
  else if (*line != '\0' && *line != '#')
    g_error ("%s: what is \"%s\"?", self->name, line);
}

static Dialogue *
dialogue_load (const char *path)
{
  g_autoptr(GError) error = NULL;
  g_autofree char *name = g_path_get_basename (path);
  g_autofree char *text = NULL;
  g_auto(GStrv) lines = NULL;
  Dialogue *self = dialogue_new (name);

  g_file_get_contents (path, &text, NULL, &error);
  g_assert_no_error (error);
  lines = g_strsplit (text, "\n", -1);
  for (gsize i = 0; lines[i] != NULL; i++)
    add_line (self, lines[i]);
  g_assert_cmpuint (self->bytes->len, >, 0);
  g_assert_cmpuint (self->expected->len, >, 0);
  return self;
}

/* ---- variants: the same dialogue from a module with other habits ---- */

typedef struct
{
  const char *name;
  const char *line_end;  /* for CR LF */
  gboolean lone_cr_too;  /* line_end also for a CR alone */
  const char *keyword;   /* for "+FOTAIND:" */
  const char *between;   /* behind every byte ... */
  gsize between_length;
} Variant;

static const Variant variants[] = {
  { "as it is", "\r\n", FALSE, "+FOTAIND:", "", 0 },
  { "CR", "\r", FALSE, "+FOTAIND:", "", 0 },
  { "LF", "\n", TRUE, "+FOTAIND:", "", 0 },
  { "CR CR LF", "\r\r\n", FALSE, "+FOTAIND:", "", 0 },
  { "empty lines", "\r\n\n\n\r\r", TRUE, "+FOTAIND:", "", 0 },
  { "blanks", " \t\r\n \t", TRUE, "+FOTAIND:   ", "", 0 },
  { "lower case", "\r\n", FALSE, "+fotaind:", "", 0 },
  { "blank before the colon", "\r\n", FALSE, "+ FotaInd :\t", "", 0 },
  { "full-width colon", "\r\n", FALSE, "+FOTAIND\xef\xbc\x9a", "", 0 },
  { "GBK colon", "\r\n", FALSE, "+FOTAIND\xa3\xba ", "", 0 },
  { "0xFF", "\xff\r\xff\n\xff", FALSE, "+FOTAIND:", "\xff", 1 },
  { "NUL", "\r\n", FALSE, "+FOTAIND:", "\0", 1 },
  { "NUL and 0xFF", "\r\n", FALSE, "+FOTAIND:", "\0\xff\0", 3 },
};

static gboolean
has_text (const GByteArray *bytes, gsize offset, const char *text)
{
  return bytes->len - offset >= strlen (text) && memcmp (bytes->data + offset, text, strlen (text)) == 0;
}

/* Not where it would mean something: a NUL before the next line's '+' or '*' is a line end. */
static void
append_between (const Variant *variant, GByteArray *out, int next)
{
  if (variant->between_length > 0 && next != '+' && next != '*')
    g_byte_array_append (out, (const guint8 *) variant->between, (guint) variant->between_length);
}

/* Writes what stands at @offset into @out; returns how many bytes it was. */
static gsize
append_varied (const Variant *variant, const GByteArray *bytes, gsize offset, GByteArray *out)
{
  if (has_text (bytes, offset, "\r\n"))
    {
      append_text (out, variant->line_end);
      return 2;
    }
  if (bytes->data[offset] == '\r' && variant->lone_cr_too)
    {
      append_text (out, variant->line_end);
      return 1;
    }
  if (has_text (bytes, offset, "+FOTAIND:") && (offset < 2 || memcmp (bytes->data + offset - 2, "AT", 2) != 0))
    {
      append_text (out, variant->keyword);
      return strlen ("+FOTAIND:");
    }
  g_byte_array_append (out, bytes->data + offset, 1);
  append_between (variant, out, offset + 1 < bytes->len ? bytes->data[offset + 1] : 0);
  return 1;
}

static Dialogue *
dialogue_vary (const Dialogue *self, const Variant *variant)
{
  Dialogue *varied = dialogue_new (self->name);
  gsize offset = 0;
  guint i = 0;

  g_string_assign (varied->expected, self->expected->str);
  while (offset < self->bytes->len || i < self->sends->len)
    {
      const Send *send = i < self->sends->len ? g_ptr_array_index (self->sends, i) : NULL;

      if (send != NULL && send->offset <= offset)
        {
          add_send (varied, send->command, send->takes_data);
          i++;
        }
      else
        offset += append_varied (variant, self->bytes, offset, varied->bytes);
    }
  return varied;
}

/* ---- running one ---- */

typedef struct
{
  MefotaAtFramer framer;
  const Dialogue *dialogue;
  const char *command; /* in flight */
  gsize fed;
  guint next_send;
  GString *events;
} Run;

static void
note_indication (Run *self, const char *line, gsize length)
{
  g_autoptr(MefotaIndication) indication = mefota_indication_parse (line, length);

  g_assert_nonnull (indication);
  g_string_append_printf (self->events, "FOTAIND %s", indication->status);
  if (*indication->argument != '\0')
    g_string_append_printf (self->events, " %s", indication->argument);
  if (indication->number >= 0)
    g_string_append_printf (self->events, " %d", indication->number);
  g_string_append_c (self->events, '\n');
}

static void
note (Run *self, const char *name, const char *line)
{
  g_string_append (self->events, name);
  if (line != NULL)
    g_string_append_printf (self->events, " %s", line);
  g_string_append_c (self->events, '\n');
}

/* An indication that is an answer is spelled in many ways too. */
static void
note_information (Run *self, const char *line, gsize length)
{
  g_autoptr(MefotaIndication) indication = mefota_indication_parse (line, length);

  if (indication == NULL)
    note (self, "INFORMATION", line);
  else
    note (self, "OUTCOME", indication->status);
}

static void
note_line (Run *self, const char *line, gsize length)
{
  switch (mefota_at_event_classify (line, self->command, NULL))
    {
    case MEFOTA_AT_EVENT_INFORMATION:
      note_information (self, line, length);
      break;
    case MEFOTA_AT_EVENT_OK:
      note (self, "OK", NULL);
      self->command = NULL;
      break;
    case MEFOTA_AT_EVENT_ERROR:
      note (self, "ERROR", line);
      self->command = NULL;
      break;
    case MEFOTA_AT_EVENT_CONNECT:
      note (self, "CONNECT", NULL);
      break;
    case MEFOTA_AT_EVENT_FOTAIND:
      note_indication (self, line, length);
      break;
    case MEFOTA_AT_EVENT_BOOT:
      note (self, "BOOT", line);
      break;
    case MEFOTA_AT_EVENT_URC:
      note (self, "URC", line);
      break;
    default:
      g_assert_not_reached ();
    }
}

static void
on_frame (MefotaAtFrame frame, const char *line, gsize length, gpointer user_data)
{
  Run *self = user_data;

  g_assert_cmpuint (strlen (line), ==, length);
  if (frame == MEFOTA_AT_FRAME_PROMPT)
    note (self, "PROMPT", NULL);
  else if (self->command != NULL && mefota_at_event_is_echo (line, self->command))
    note (self, "ECHO", NULL);
  else
    note_line (self, line, length);
}

/* Feeds up to @end; what the host sends in between comes in its place. */
static void
feed_to (Run *self, gsize end)
{
  const GByteArray *bytes = self->dialogue->bytes;
  const GPtrArray *sends = self->dialogue->sends;

  while (self->next_send < sends->len)
    {
      const Send *send = g_ptr_array_index (sends, self->next_send);

      if (send->offset > end)
        break;
      mefota_at_framer_feed (&self->framer, bytes->data + self->fed, send->offset - self->fed);
      self->fed = send->offset;
      self->command = send->command;
      mefota_at_framer_expect_prompt (&self->framer, send->takes_data);
      self->next_send++;
    }
  mefota_at_framer_feed (&self->framer, bytes->data + self->fed, end - self->fed);
  self->fed = end;
}

static void
run_init (Run *self, const Dialogue *dialogue)
{
  memset (self, 0, sizeof *self);
  self->dialogue = dialogue;
  self->events = g_string_new (NULL);
  mefota_at_framer_init (&self->framer, on_frame, self);
}

static void
run_check (Run *self, const char *variant, const char *how, gsize at)
{
  const Dialogue *dialogue = self->dialogue;
  g_autofree char *got = g_string_free (g_steal_pointer (&self->events), FALSE);
  g_autofree char *got_text = NULL;
  g_autofree char *expected_text = NULL;

  if (strcmp (got, dialogue->expected->str) == 0)
    return;
  got_text = g_strescape (got, "\n\"");
  expected_text = g_strescape (dialogue->expected->str, "\n\"");
  g_test_message ("%s, variant %s, %s at %" G_GSIZE_FORMAT ":\n-- expected\n%s-- got\n%s", dialogue->name, variant, how,
                  at, expected_text, got_text);
  g_test_fail ();
}

static void
check_cuts (const Dialogue *dialogue, const char *variant)
{
  Run run;

  run_init (&run, dialogue);
  feed_to (&run, dialogue->bytes->len);
  run_check (&run, variant, "whole", 0);

  run_init (&run, dialogue);
  for (gsize i = 1; i <= dialogue->bytes->len; i++)
    feed_to (&run, i);
  run_check (&run, variant, "byte by byte", 0);

  for (gsize cut = 1; cut < dialogue->bytes->len && !g_test_failed (); cut++)
    {
      run_init (&run, dialogue);
      feed_to (&run, cut);
      feed_to (&run, dialogue->bytes->len);
      run_check (&run, variant, "cut", cut);
    }
}

static void
test_dialogue (gconstpointer data)
{
  const Dialogue *dialogue = data;

  for (gsize i = 0; i < G_N_ELEMENTS (variants); i++)
    {
      g_autoptr(Dialogue) varied = dialogue_vary (dialogue, &variants[i]);

      check_cuts (varied, variants[i].name);
    }
}

int
main (int argc, char **argv)
{
  g_autofree char *directory = NULL;
  g_autoptr(GError) error = NULL;
  g_autoptr(GDir) dir = NULL;
  const char *name;
  guint n = 0;

  g_test_init (&argc, &argv, NULL);
  directory = g_test_build_filename (G_TEST_DIST, "dialogues", NULL);
  dir = g_dir_open (directory, 0, &error);
  g_assert_no_error (error);
  while ((name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, ".txt"))
      {
        g_autofree char *path = g_build_filename (directory, name, NULL);
        g_autofree char *test = g_strdup_printf ("/dialogues/%.*s", (int) strlen (name) - 4, name);

        g_test_add_data_func_full (test, dialogue_load (path), test_dialogue, dialogue_free);
        n++;
      }
  g_assert_cmpuint (n, >, 0);
  return g_test_run ();
}
