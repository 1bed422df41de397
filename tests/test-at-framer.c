/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-at-framer.h"

#include <string.h>

typedef struct
{
  MefotaAtFramer framer;
  GString *frames; /* "[line]", "<prompt>" */
  gboolean reset_at_line;
  gboolean expect_at_line;
} Fixture;

static void
on_frame (MefotaAtFrame frame, const char *line, gsize length, gpointer user_data)
{
  Fixture *self = user_data;

  g_assert_cmpuint (strlen (line), ==, length);
  g_assert_cmpuint (length, >, 0);
  g_assert_cmpuint (length, <=, MEFOTA_AT_LINE_MAX);
  if (frame == MEFOTA_AT_FRAME_PROMPT)
    g_string_append (self->frames, "<prompt>");
  else
    g_string_append_printf (self->frames, "[%s]", line);
  if (self->reset_at_line)
    mefota_at_framer_reset (&self->framer);
  if (self->expect_at_line)
    mefota_at_framer_expect_prompt (&self->framer, TRUE);
}

static void
set_up (Fixture *self, gconstpointer data)
{
  self->frames = g_string_new (NULL);
  mefota_at_framer_init (&self->framer, on_frame, self);
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  g_string_free (self->frames, TRUE);
}

static void
feed (Fixture *self, const char *text)
{
  mefota_at_framer_feed (&self->framer, (const guint8 *) text, strlen (text));
}

static void
expect (Fixture *self, const char *frames)
{
  g_assert_cmpstr (self->frames->str, ==, frames);
  g_string_truncate (self->frames, 0);
}

static const struct
{
  const char *bytes;
  gsize length;
  gboolean prompt;
  const char *frames;
} rows[] = {
#define ROW(bytes, prompt, frames) { (bytes), sizeof (bytes) - 1, (prompt), (frames) }
  ROW ("", FALSE, ""),
  ROW ("\r\n\r\n\r\r\n\n", FALSE, ""),
  ROW ("\r\nOK\r\n", FALSE, "[OK]"),
  ROW ("OK\r", FALSE, "[OK]"),
  ROW ("OK\n", FALSE, "[OK]"),
  ROW ("0\r", FALSE, "[0]"),
  ROW ("\r\nOK", FALSE, ""),
  ROW ("\r\nA\r\nB\rC\nD\n\r", FALSE, "[A][B][C][D]"),
  ROW ("\r\nME3610\r\nOK\r\n", FALSE, "[ME3610][OK]"),
  ROW ("  \t a b\t \r\n \r\n", FALSE, "[a b]"),
  /* NUL and 0xFF are dirt ... */
  ROW ("\0\0\xff\r\nO\0\xff" "K\xff\r\n", FALSE, "[OK]"),
  ROW ("+CPI\0N: READY\0\r\n", FALSE, "[+CPIN: READY]"),
  /* ... but a NUL where a line end was lost */
  ROW ("\r\nOK\0", FALSE, "[OK]"),
  ROW ("\r\nerror\0", FALSE, "[error]"),
  ROW ("OK\xff\0*MATREADY: 1\r", FALSE, "[OK][*MATREADY: 1]"),
  ROW ("OKAY\0", FALSE, ""),
  ROW ("+FOTAIND: SUCCESS_END\0+CPIN: READY\r\n", FALSE, "[+FOTAIND: SUCCESS_END][+CPIN: READY]"),
  ROW ("\xf8\x80\0\xff+ZREADY\r\n", FALSE, "[\xf8\x80][+ZREADY]"),
  ROW ("AT\0+CREG?\r", FALSE, "[AT+CREG?]"),
  ROW ("\0+ZREADY\r\n", FALSE, "[+ZREADY]"),
  ROW ("A\0B+C\r", FALSE, "[AB+C]"),
  /* the prompt has no line end */
  ROW ("\r\n> ", TRUE, "<prompt>"),
  ROW ("> ", TRUE, "<prompt>"),
  ROW ("\r\n>\r\n", TRUE, "<prompt>"),
  ROW ("\r\n>", TRUE, ""),
  ROW ("\0 >\xff ", TRUE, "<prompt>"),
  ROW ("\r\n> \r\nCONNECT\r\n", TRUE, "<prompt>[CONNECT]"),
  ROW ("\r\n> > \r\n", TRUE, "<prompt>[>]"),
  ROW ("AT+ZCOMWRT=10\r\r\n> ", TRUE, "[AT+ZCOMWRT=10]<prompt>"),
  ROW ("\r\n> \r\n", FALSE, "[>]"),
  ROW ("\r\n> text\r\n", FALSE, "[> text]"),
  ROW ("\r\n>x y\r\n", TRUE, "[>x y]"),
  ROW ("a > b\r\n>> \r\n", TRUE, "[a > b][>>]"),
#undef ROW
};

static void
test_table (Fixture *self, gconstpointer data)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      mefota_at_framer_init (&self->framer, on_frame, self);
      mefota_at_framer_expect_prompt (&self->framer, rows[i].prompt);
      mefota_at_framer_feed (&self->framer, (const guint8 *) rows[i].bytes, rows[i].length);
      if (strcmp (self->frames->str, rows[i].frames) != 0)
        {
          g_autofree char *got = g_strescape (self->frames->str, NULL);

          g_test_message ("row %" G_GSIZE_FORMAT ": expected %s, got %s", i, rows[i].frames, got);
          g_test_fail ();
        }
      g_string_truncate (self->frames, 0);
    }
}

static void
test_long_line (Fixture *self, gconstpointer data)
{
  g_autofree char *full = g_strnfill (MEFOTA_AT_LINE_MAX, 'x');
  g_autofree char *longer = g_strconcat ("   ", full, "yyyy", full, "\r\nOK\r\n", NULL);
  g_autofree char *expected = g_strconcat ("[", full, "][OK]", NULL);

  feed (self, longer);
  expect (self, expected);
}

/* A flood without a line end costs nothing but its bytes. */
static void
test_flood (Fixture *self, gconstpointer data)
{
  g_autofree char *flood = g_strnfill (1024 * 1024, 'x');

  feed (self, flood);
  expect (self, "");
  mefota_at_framer_reset (&self->framer);
  feed (self, "OK\r");
  expect (self, "[OK]");
}

static void
test_reset (Fixture *self, gconstpointer data)
{
  feed (self, "+CPIN: RE");
  mefota_at_framer_reset (&self->framer);
  feed (self, "ADY\r\n");
  expect (self, "[ADY]");
}

static void
test_reset_in_handler (Fixture *self, gconstpointer data)
{
  self->reset_at_line = TRUE;
  feed (self, "A\r\nB\r\nC\r\n");
  expect (self, "[A][B][C]");
}

static void
test_expect_in_handler (Fixture *self, gconstpointer data)
{
  self->expect_at_line = TRUE;
  feed (self, "\r\n> \r\nA\r\n> > ");
  expect (self, "[>][A]<prompt><prompt>");
}

/* The prompt ends the expectation. */
static void
test_one_prompt (Fixture *self, gconstpointer data)
{
  mefota_at_framer_expect_prompt (&self->framer, TRUE);
  feed (self, "> ");
  expect (self, "<prompt>");
  g_assert_false (self->framer.prompt_expected);
  feed (self, "> \r\n");
  expect (self, "[>]");

  mefota_at_framer_expect_prompt (&self->framer, TRUE);
  mefota_at_framer_expect_prompt (&self->framer, FALSE);
  feed (self, "> \r\n");
  expect (self, "[>]");
}

/* A whole final result code that only wants its line end, and nothing that may become something else. */
static void
test_unended (Fixture *self, gconstpointer data)
{
  static const struct
  {
    const char *bytes, *frames;
    gboolean final;
  } lines[] = {
    { "\r\nOK", "", TRUE },        { "OK", "", TRUE },
    { "\r\nerror", "", TRUE },     { "\r\nV1\r\nOK", "[V1]", TRUE },
    { "\r\nO\xffK", "", TRUE },    { "", "", FALSE },
    { "\r\nOK\r", "[OK]", FALSE }, { "\r\nO", "", FALSE },
    { "\r\nOKA", "", FALSE },      { "+X: OK", "", FALSE },
    { "\r\n+CME ERROR", "", FALSE }, { "\r\n0", "", FALSE },
    { "AT+X OK", "", FALSE },      { "\r\nOKOK", "", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      mefota_at_framer_init (&self->framer, on_frame, self);
      feed (self, lines[i].bytes);
      expect (self, lines[i].frames);
      g_assert_cmpint (mefota_at_framer_has_final (&self->framer), ==, lines[i].final);
    }
  mefota_at_framer_init (&self->framer, on_frame, self);
  feed (self, "\r\nOK");
  mefota_at_framer_end_line (&self->framer);
  expect (self, "[OK]");
  g_assert_false (mefota_at_framer_has_final (&self->framer));
  feed (self, "\r\nAY\r\n");
  expect (self, "[AY]");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, func) g_test_add ("/at-framer/" path, Fixture, NULL, set_up, func, tear_down)
  ADD ("table", test_table);
  ADD ("long-line", test_long_line);
  ADD ("flood", test_flood);
  ADD ("reset", test_reset);
  ADD ("reset-in-handler", test_reset_in_handler);
  ADD ("expect-in-handler", test_expect_in_handler);
  ADD ("one-prompt", test_one_prompt);
  ADD ("unended", test_unended);
#undef ADD
  return g_test_run ();
}
