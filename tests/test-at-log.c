/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the journal gets of the traffic. */

#include "at-channel-fixture.h"

#include <stdlib.h>
#include <string.h>

#include "mefota-at-log.h"

static void
test_log (void)
{
  static const struct
  {
    const char *bytes;
    gboolean unmasked;
    const char *visible;
  } rows[] = {
    { "AT+CGMR\r", FALSE, "AT+CGMR<CR>" },
    { "\r\n866758041234567\r\n", FALSE, "<CR><LF>......<CR><LF>" },
    { "\r\n866758041234567\r\n", TRUE, "<CR><LF>866758041234567<CR><LF>" },
    { "+ZGETICCID: 8986011670701A2B3C4D", FALSE, "+ZGETICCID: ......" },
    { "AT+CPIN=\"1234\"\r", FALSE, "AT+CPIN=......<CR>" },
    { "at+cpin=1234;+CSQ\r", FALSE, "at+cpin=......<CR>" },
    { "AT+CPIN=1234\r", TRUE, "AT+CPIN=1234<CR>" },
    { "AT+CPIN?\r", FALSE, "AT+CPIN?<CR>" },
    { "AT+CPWD=\"SC\",\"1234\",\"0000\"", FALSE, "AT+CPWD=......" },
    { "+CSQ: 21,99", FALSE, "+CSQ: 21,99" },
    { "ME3630U1AV1.0B04 [Apr 18 2019 13:43:33]", FALSE, "ME3630U1AV1.0B04 [Apr 18 2019 13:43:33]" },
    { "\xa3\xba\x1a", FALSE, "<A3><BA><1A>" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *visible = mefota_at_log_format ((const guint8 *) rows[i].bytes, strlen (rows[i].bytes),
                                                       rows[i].unmasked);

      g_assert_cmpstr (visible, ==, rows[i].visible);
    }
}

/* Whatever way a read cuts it, an IMEI does not get out. */
static GLogWriterOutput
on_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "MESSAGE"))
      g_string_append (user_data, fields[i].value);
  return G_LOG_WRITER_HANDLED;
}

/* An answer is logged before the command that it lets go. */
static void
test_log_order (Fixture *f, gconstpointer user_data)
{
  static GString *journal;

  journal = g_string_new (NULL);
  if (g_test_subprocess ())
    {
      const char *answer, *next;

      g_log_set_writer_func (on_log, journal, NULL);
      g_log_set_debug_enabled (TRUE);
      expect (f, "AT+CGMM\r", "\r\nME3630\r\n\r\nOK\r\n");
      expect (f, "AT+CSQ\r", "\r\n+CSQ: 21,99\r\n\r\nOK\r\n");
      ask (f, "AT+CGMM", LONG_MS, NULL);
      ask (f, "AT+CSQ", LONG_MS, NULL);
      await (f, "ME3630; +CSQ: 21,99; ");
      answer = strstr (journal->str, "<-- <CR><LF>OK<CR><LF>");
      next = strstr (journal->str, "--> AT+CSQ<CR>");
      exit (answer != NULL && next != NULL && answer < next ? 0 : 1);
    }
  g_string_free (journal, TRUE);
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

static void
test_log_masked (Fixture *f, gconstpointer user_data)
{
  static GString *journal;

  journal = g_string_new (NULL);
  if (g_test_subprocess ())
    {
      g_log_set_writer_func (on_log, journal, NULL);
      g_log_set_debug_enabled (TRUE);
      for (f->cut = -1; f->cut < 20; f->cut++)
        {
          expect (f, "AT+CGSN\r", "\r\n866758041234567\r\n\r\nOK\r\n");
          ask (f, "AT+CGSN", LONG_MS, NULL);
          await (f, "866758041234567; ");
        }
      if (strstr (journal->str, "<-- <CR><LF>......<CR><LF>") == NULL || strstr (journal->str, "8667") != NULL ||
          strstr (journal->str, "234567") != NULL)
        exit (1);
      exit (0);
    }
  g_string_free (journal, TRUE);
  g_test_trap_subprocess (NULL, 0, G_TEST_SUBPROCESS_DEFAULT);
  g_test_trap_assert_passed ();
}

#define ADD(path, function, data) g_test_add ("/at-log/" path, Fixture, data, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/at-log/format", test_log);
  ADD ("order", test_log_order, NULL);
  ADD ("masked", test_log_masked, NULL);
  return g_test_run ();
}
