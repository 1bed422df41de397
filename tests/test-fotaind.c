/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-fotaind.h"

#include <string.h>

#define NONE MEFOTA_ERROR_FAILED

/* @word stands behind "+FOTAIND:". */
static const struct
{
  const char *word;
  MefotaIndKind kind;
  const char *status;
  const char *argument;
  int number;
  MefotaError error;
} rows[] = {
  { "START", MEFOTA_IND_START, "START", "", -1, NONE },
  { "NEED_CONFIRM", MEFOTA_IND_QUESTION, "NEED_CONFIRM", "", -1, NONE },
  { "NEED CONFIRM", MEFOTA_IND_QUESTION, "NEED_CONFIRM", "", -1, NONE },
  { "NEED  \t CONFIRM", MEFOTA_IND_QUESTION, "NEED_CONFIRM", "", -1, NONE },
  { "CONFIRM", MEFOTA_IND_QUESTION, "NEED_CONFIRM", "", -1, NONE },
  { "NEW_VERSION", MEFOTA_IND_QUESTION, "NEW_VERSION", "", -1, NONE },
  { "SUCCESS CONFIRM", MEFOTA_IND_CONFIRMED, "SUCCESS_CONFIRM", "", -1, NONE },
  { "success_confirm", MEFOTA_IND_CONFIRMED, "SUCCESS_CONFIRM", "", -1, NONE },

  { "DOWNLOADING:25%", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "25", 25, NONE },
  { "DOWNLOADING: 25 %", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "25", 25, NONE },
  { "DOWNLOADING : 025%", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "25", 25, NONE },
  { "DOWNLOADING\xef\xbc\x9a" "50%", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "50", 50, NONE },
  { "DOWNLOADING\xa3\xba" "50%", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "50", 50, NONE },
  { "DOWNLOADING:50\xef\xbc\x85", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "50", 50, NONE },
  { "DOWNLOADING:75", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "75", 75, NONE },
  { "DOWNLOADING:99.9%", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "99", 99, NONE },
  { "downloading 25%", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "25", 25, NONE },
  { "DOWNLOADING25%", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "25", 25, NONE },
  { "DOWNLOADING:0%", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "0", 0, NONE },
  { "DOWNLOADING:100%", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "100", 100, NONE },
  { "DOWNLOADING", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "", -1, NONE },
  { "DOWNLOADING:", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "", -1, NONE },
  { "DOWNLOADING:x%", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "x%", -1, NONE },
  { "DOWNLOADING:101%", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "101%", -1, NONE },
  { "DOWNLOADING:-1%", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "-1%", -1, NONE },
  { "DOWNLOADING:4294967321%", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "4294967321%", -1, NONE },
  { "DOWNLOADING:25% of 3", MEFOTA_IND_DOWNLOADING, "DOWNLOADING", "25% of 3", -1, NONE },
  { "DOWNLOADING_PAUSED", MEFOTA_IND_OTHER, "DOWNLOADING_PAUSED", "", -1, NONE },

  { "COSTTIME:0min17sec", MEFOTA_IND_COSTTIME, "COSTTIME", "17", 17, NONE },
  { "COSTTIME:1min05sec", MEFOTA_IND_COSTTIME, "COSTTIME", "65", 65, NONE },
  { "COSTTIME: 2 Min 3 Sec", MEFOTA_IND_COSTTIME, "COSTTIME", "123", 123, NONE },
  { "COSTTIME:1h1m1s", MEFOTA_IND_COSTTIME, "COSTTIME", "3661", 3661, NONE },
  { "COSTTIME:2min", MEFOTA_IND_COSTTIME, "COSTTIME", "120", 120, NONE },
  { "COSTTIME:42", MEFOTA_IND_COSTTIME, "COSTTIME", "42", 42, NONE },
  { "costtime 0min8sec", MEFOTA_IND_COSTTIME, "COSTTIME", "8", 8, NONE },
  { "COSTTIME:xminxxsec", MEFOTA_IND_COSTTIME, "COSTTIME", "xminxxsec", -1, NONE },
  { "COSTTIME:", MEFOTA_IND_COSTTIME, "COSTTIME", "", -1, NONE },
  { "COSTTIME:99999999h", MEFOTA_IND_COSTTIME, "COSTTIME", "99999999h", -1, NONE },
  { "COSTTIME:999999999sec", MEFOTA_IND_COSTTIME, "COSTTIME", "999999999sec", -1, NONE },

  { "NEED_VERIFY", MEFOTA_IND_NEED_VERIFY, "NEED_VERIFY", "", -1, NONE },
  { "PASS_VERIFY", MEFOTA_IND_PASS_VERIFY, "PASS_VERIFY", "", -1, NONE },
  { "UPDATING", MEFOTA_IND_UPDATING, "UPDATING", "", -1, NONE },
  { "SUCCESS_END", MEFOTA_IND_SUCCESS, "SUCCESS_END", "", -1, NONE },
  { "Success End", MEFOTA_IND_SUCCESS, "SUCCESS_END", "", -1, NONE },
  { "FAIL_END", MEFOTA_IND_FAILURE, "FAIL_END", "", -1, MEFOTA_ERROR_UPGRADE_FAILED },
  { "FAIL_END: 12", MEFOTA_IND_FAILURE, "FAIL_END", "12", -1, MEFOTA_ERROR_UPGRADE_FAILED },
  { "FAIL_CONFIRM", MEFOTA_IND_FAILURE, "FAIL_CONFIRM", "", -1, MEFOTA_ERROR_REJECTED },
  { "FAIL_NO_NEW", MEFOTA_IND_FAILURE, "FAIL_NO_NEW", "", -1, MEFOTA_ERROR_NO_NEW_VERSION },
  { "FAIL_CONNECT", MEFOTA_IND_FAILURE, "FAIL_CONNECT", "", -1, MEFOTA_ERROR_CONNECT_FAILED },
  { "FAIL_WAIT_TIMEOUT", MEFOTA_IND_FAILURE, "FAIL_WAIT_TIMEOUT", "", -1, MEFOTA_ERROR_CONFIRM_TIMEOUT },
  { "FAIL_VERIFY", MEFOTA_IND_FAILURE, "FAIL_VERIFY", "", -1, MEFOTA_ERROR_VERIFY_FAILED },

  { "ERROR:XX", MEFOTA_IND_FAILURE, "ERROR", "XX", -1, MEFOTA_ERROR_MODULE_ERROR },
  { "ERROR: 12", MEFOTA_IND_FAILURE, "ERROR", "12", -1, MEFOTA_ERROR_MODULE_ERROR },
  { "ERROR0x50", MEFOTA_IND_FAILURE, "ERROR", "50", -1, MEFOTA_ERROR_MODULE_ERROR },
  { "error0X1aF", MEFOTA_IND_FAILURE, "ERROR", "1aF", -1, MEFOTA_ERROR_MODULE_ERROR },
  { "ERROR 0x50", MEFOTA_IND_FAILURE, "ERROR", "50", -1, MEFOTA_ERROR_MODULE_ERROR },
  { "ERROR 50", MEFOTA_IND_FAILURE, "ERROR", "50", -1, MEFOTA_ERROR_MODULE_ERROR },
  { "ERROR0x50: no server", MEFOTA_IND_FAILURE, "ERROR", "50 no server", -1, MEFOTA_ERROR_MODULE_ERROR },
  { "ERROR", MEFOTA_IND_FAILURE, "ERROR", "", -1, MEFOTA_ERROR_MODULE_ERROR },
  { "ERROR_NETWORK", MEFOTA_IND_OTHER, "ERROR_NETWORK", "", -1, NONE },
  { "ERROR0x", MEFOTA_IND_OTHER, "ERROR0X", "", -1, NONE },
  { "ERROR0x +", MEFOTA_IND_OTHER, "ERROR0X_+", "", -1, NONE },
  { "ERRORS", MEFOTA_IND_OTHER, "ERRORS", "", -1, NONE },
  { "DATA_TIMEOUT", MEFOTA_IND_FAILURE, "DATA_TIMEOUT", "", -1, MEFOTA_ERROR_CONNECT_FAILED },
  { "toolarge", MEFOTA_IND_FAILURE, "TOOLARGE", "", -1, MEFOTA_ERROR_PACKAGE_INVALID },
  { "PARA_ERROR", MEFOTA_IND_FAILURE, "PARA_ERROR", "", -1, MEFOTA_ERROR_MODULE_ERROR },
  { "BUSY", MEFOTA_IND_FAILURE, "BUSY", "", -1, MEFOTA_ERROR_BUSY },

  /* unknown words are kept */
  { "", MEFOTA_IND_OTHER, "", "", -1, NONE },
  { ":", MEFOTA_IND_OTHER, "", "", -1, NONE },
  { "what is this", MEFOTA_IND_OTHER, "WHAT_IS_THIS", "", -1, NONE },
  { "STARTED", MEFOTA_IND_OTHER, "STARTED", "", -1, NONE },
  { "pause : a : b", MEFOTA_IND_OTHER, "PAUSE", "a : b", -1, NONE },
  { "pause\xef\xbc\x9a" "a:b", MEFOTA_IND_OTHER, "PAUSE", "a:b", -1, NONE },
  { "x\x01y", MEFOTA_IND_OTHER, "X\xef\xbf\xbdY", "", -1, NONE },
  { "x:\x1b[0m", MEFOTA_IND_OTHER, "X", "\xef\xbf\xbd[0m", -1, NONE },
  { "\xc3\xa9", MEFOTA_IND_OTHER, "\xc3\xa9", "", -1, NONE },
};

static void
check (const MefotaIndication *indication, gsize i)
{
  g_autofree char *word = g_strescape (rows[i].word, NULL);

  g_test_message ("%s", word);
  g_assert_nonnull (indication);
  g_assert_cmpint (indication->kind, ==, rows[i].kind);
  g_assert_cmpstr (indication->status, ==, rows[i].status);
  g_assert_cmpstr (indication->argument, ==, rows[i].argument);
  g_assert_cmpint (indication->number, ==, rows[i].number);
  g_assert_cmpint (indication->error, ==, rows[i].error);
}

/* Every word behind every spelling of what stands before it, and bare. */
static void
test_vocabulary (void)
{
  static const char *const spellings[] = {
    "+FOTAIND: ", "+FOTAIND:", "+fotaind:\t ", "+FotaInd : ", "+ FOTAIND: ", "+FOTAIND\xef\xbc\x9a",
    "+FOTAIND\xa3\xba ", "\x80\xf0x~+FOTAIND: ", "*MATREADY: 1+FOTAIND:", "+FOTAIND: SUCC+FOTAIND: ",
    "+ZSTAT:1+FOTAIND: ",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr(MefotaIndication) bare = mefota_indication_parse_word (rows[i].word, strlen (rows[i].word));

      check (bare, i);
      for (gsize j = 0; j < G_N_ELEMENTS (spellings); j++)
        {
          g_autofree char *line = g_strconcat (spellings[j], rows[i].word, " ", NULL);
          g_autoptr(MefotaIndication) indication = mefota_indication_parse (line, strlen (line));

          check (indication, i);
          g_assert_cmpstr (indication->raw, ==, bare->raw);
        }
    }
}

static void
test_no_indication (void)
{
  static const char *const lines[] = {
    "", "+", "+FOTAIND", "+FOTAIND START", "FOTAIND: START", "+FOTAINDX: START", "+FOTACTR: SUCCESS_END", "OK",
    "AT+FOTAIND: START", "at+fotaind: START", "\x80\xf0 AT+FOTAIND: START", "AT+FOTATV=\"+FOTAIND: START\"",
    "AT + FOTAIND: START", "+FOTAIND\xef\xbc", "+FOTAIND\xa3",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      g_autoptr(MefotaIndication) indication = mefota_indication_parse (lines[i], strlen (lines[i]));
      g_autofree char *line = g_strescape (lines[i], NULL);

      g_test_message ("%s", line);
      g_assert_null (indication);
    }
}

/* raw: the GBK colon and bad bytes change, nothing else does. */
static void
test_raw (void)
{
  static const struct
  {
    const char *text;
    gsize length;
    const char *raw;
  } raws[] = {
#define ROW(text, raw) { (text), sizeof (text) - 1, (raw) }
    ROW ("  Downloading: 25 %\t", "Downloading: 25 %"),
    ROW ("DOWNLOADING\xef\xbc\x9a" "25%", "DOWNLOADING\xef\xbc\x9a" "25%"),
    ROW ("DOWNLOADING\xa3\xba" "25%", "DOWNLOADING\xef\xbc\x9a" "25%"),
    ROW ("a\xa3" "b\xba", "a\xef\xbf\xbd" "b\xef\xbf\xbd"),
    ROW ("\xe8\xa3\xba", "\xe8\xa3\xba"), /* a UTF-8 character that holds the bytes of the GBK colon */
    ROW ("a\0b", "a\xef\xbf\xbd" "b"),
    ROW ("\xe4\xb8", "\xef\xbf\xbd\xef\xbf\xbd"),
    ROW ("\xed\xa0\x80", "\xef\xbf\xbd\xef\xbf\xbd\xef\xbf\xbd"),
    ROW ("a \x1b b", "a \x1b b"),
    ROW ("", ""),
#undef ROW
  };

  for (gsize i = 0; i < G_N_ELEMENTS (raws); i++)
    {
      g_autoptr(MefotaIndication) indication = mefota_indication_parse_word (raws[i].text, raws[i].length);

      g_assert_cmpstr (indication->raw, ==, raws[i].raw);
      g_assert_true (g_utf8_validate (indication->raw, -1, NULL));
    }
}

/* @length is the end, NUL or not. */
static void
test_length (void)
{
  static const char line[] = "+FOTAIND: SUCCESS_END";
  g_autoptr(MefotaIndication) cut = mefota_indication_parse (line, strlen ("+FOTAIND: SUCC"));
  g_autoptr(MefotaIndication) none = mefota_indication_parse (line, strlen ("+FOTAIND"));
  g_autoptr(MefotaIndication) shorter = mefota_indication_parse (line, strlen ("+FOTAIN"));
  g_autoptr(MefotaIndication) noisy = mefota_indication_parse ("\0\0+FOTAIND: START", 17);

  g_assert_cmpstr (cut->status, ==, "SUCC");
  g_assert_null (none);
  g_assert_null (shorter);
  g_assert_cmpstr (noisy->status, ==, "START");
}

/* Each failure has whole sentences, and they say what to do; a code is told. */
static void
test_explain (void)
{
  static const char *const codes[][2] = {
    { "ERROR:XX", "error XX" },
    { "ERROR0x50", "error 50 (on the ME3616: the server could not be reached)" },
    { "ERROR:0x140", "error 0x140 (on the ME3616: the delta package is wrong)" },
    { "ERROR", "error without a code" },
    { "FAIL_NO_NEW", "IMEI" },
    { "START", "\"START\"" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autoptr(MefotaIndication) indication = mefota_indication_parse_word (rows[i].word, strlen (rows[i].word));
      g_autofree char *text = mefota_indication_explain (indication);

      g_assert_true (g_str_has_suffix (text, "."));
      if (indication->kind == MEFOTA_IND_FAILURE)
        g_assert_nonnull (strstr (text, ". "));
    }
  for (gsize i = 0; i < G_N_ELEMENTS (codes); i++)
    {
      g_autoptr(MefotaIndication) indication = mefota_indication_parse_word (codes[i][0], strlen (codes[i][0]));
      g_autofree char *text = mefota_indication_explain (indication);

      g_test_message ("%s", text);
      g_assert_nonnull (strstr (text, codes[i][1]));
    }
}

/* The words that the bus's documentation promises are all known. */
static void
test_documented (void)
{
  static const char begin[] = "blanks as underscores (";
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "..", "dbus", "org.gosuncn.Fota.xml", NULL);
  g_autoptr(GError) error = NULL;
  g_autofree char *xml = NULL;
  g_auto(GStrv) words = NULL;
  char *list;
  guint n = 0;

  g_file_get_contents (path, &xml, NULL, &error);
  g_assert_no_error (error);
  list = strstr (xml, begin);
  g_assert_nonnull (list);
  list += strlen (begin);
  *strchr (list, ')') = '\0';
  words = g_strsplit (list, ", ", -1);
  for (; words[n] != NULL && !g_str_has_prefix (words[n], "or "); n++)
    {
      g_autoptr(MefotaIndication) indication = mefota_indication_parse_word (words[n], strlen (words[n]));

      g_assert_cmpstr (indication->status, ==, words[n]);
      g_assert_cmpint (indication->kind, !=, MEFOTA_IND_OTHER);
    }
  g_assert_cmpuint (n, ==, 17);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/fotaind/vocabulary", test_vocabulary);
  g_test_add_func ("/fotaind/no-indication", test_no_indication);
  g_test_add_func ("/fotaind/raw", test_raw);
  g_test_add_func ("/fotaind/length", test_length);
  g_test_add_func ("/fotaind/explain", test_explain);
  g_test_add_func ("/fotaind/documented", test_documented);
  return g_test_run ();
}
