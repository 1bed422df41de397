/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A module that echoes the data: what of all it says is its own. */

#include "mefota-at-data.h"
#include "mefota-at-framer.h"

#include <string.h>

typedef struct
{
  MefotaAtData *data;
  MefotaAtFramer framer;
  GString *frames;
} Echo;

static void
on_frame (MefotaAtFrame frame, const char *line, gsize length, gpointer user_data)
{
  Echo *echo = user_data;
  g_string_append_printf (echo->frames, "[%s]", line);
}

static void
hear (Echo *echo, guint8 byte)
{
  switch (mefota_at_data_receive (echo->data, byte))
    {
    case MEFOTA_AT_DATA_ECHO:
      return;
    case MEFOTA_AT_DATA_FOUND:
      mefota_at_framer_reset (&echo->framer);
      return;
    case MEFOTA_AT_DATA_GIVEN_BACK:
      mefota_at_framer_feed (&echo->framer, echo->data->line, echo->data->line_length);
      echo->data->line_length = 0;
      break;
    case MEFOTA_AT_DATA_TEXT:
      break;
    }
  mefota_at_framer_feed (&echo->framer, &byte, 1);
}

/* Lines of the module's own between any two bytes of the echo: they are told, and the echo is found again behind
 * them. */
static void
test_broken (void)
{
  static const char package[]
      = "package\x01\r\nERROR\r\n\r\r\n\n\nOK\r\n\r\r\r> \r\n\r\n\r\n+FOTAIND: FAIL_END\r\n+FOTAIND: COSTTIME\r\n"
        "+CREG: 2\r\n\r\nNO CARRIER\r\nAT\r\r\n\r\nCONNECT\r\n\r\n+FOTAIND: UPDATING\r\nERROR\r\nend";
  static const char *const own[] = { "\r\n+FOTAIND: COSTTIME:1min2sec\r\n", "\r\n+CREG: 1\r\n",
                                     "\r\n+CREG: 1\r\n\r\n+FOTAIND: START\r\n" };
  static const char *const told[] = { "[+FOTAIND: COSTTIME:1min2sec]", "[+CREG: 1]", "[+CREG: 1][+FOTAIND: START]" };
  gsize length = strlen (package);

  for (gsize i = 0; i < G_N_ELEMENTS (own); i++)
    for (gsize at = MEFOTA_AT_DATA_PREFIX; at <= length; at++)
      {
        Echo echo = { .data = mefota_at_data_new ("AT+ZCOMWRT=1"), .frames = g_string_new (NULL) };
        g_autoptr (GBytes) bytes = g_bytes_new_static (package, length);
        g_autoptr (GString) heard = g_string_new (package);

        g_string_insert (heard, (gssize) at, own[i]);
        g_string_append (heard, "\r\nOK\r\n");
        mefota_at_framer_init (&echo.framer, on_frame, &echo);
        mefota_at_data_queue (echo.data, bytes);
        mefota_at_data_take (echo.data, length);
        for (gsize j = 0; j < heard->len; j++)
          hear (&echo, (guint8) heard->str[j]);
        g_test_message ("own %" G_GSIZE_FORMAT " at %" G_GSIZE_FORMAT ": %s", i, at, echo.frames->str);
        /* What of the data is told beside them is the beginning of one of their own indications. */
        if (g_str_has_prefix (echo.frames->str, "[+FOTAIND") && echo.frames->len > strlen (told[i]) + strlen ("[OK]"))
          {
            g_autofree char *first = g_strndup (echo.frames->str + 1, strcspn (echo.frames->str, "]") - 1);
            g_assert_nonnull (strstr (package, first));
            g_string_erase (echo.frames, 0, (gssize) strlen (first) + 2);
          }
        g_assert_true (g_str_has_prefix (echo.frames->str, told[i]));
        g_assert_cmpstr (echo.frames->str + strlen (told[i]), ==, "[OK]");
        g_string_free (echo.frames, TRUE);
        mefota_at_data_free (echo.data);
      }
}

/* Much is written before the first of the echo is read, but there is an end to waiting for it. */
static void
test_late (void)
{
  g_autofree char *package = g_strnfill (300 * 1024, 'x');

  for (guint kib = 100; kib <= 300; kib += 200)
    {
      g_autoptr (MefotaAtData) data = mefota_at_data_new ("AT+ZCOMWRT=400000");
      g_autoptr (GBytes) bytes = g_bytes_new_static (package, kib * 1024);

      mefota_at_data_queue (data, bytes);
      mefota_at_data_take (data, kib * 1024);
      for (guint i = 1; i < MEFOTA_AT_DATA_PREFIX; i++)
        g_assert_cmpint (mefota_at_data_receive (data, 'x'), ==, MEFOTA_AT_DATA_TEXT);
      g_assert_cmpint (mefota_at_data_receive (data, 'x'), ==,
                       kib == 100 ? MEFOTA_AT_DATA_FOUND : MEFOTA_AT_DATA_TEXT);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/at-echo/broken", test_broken);
  g_test_add_func ("/at-echo/late", test_late);
  return g_test_run ();
}
