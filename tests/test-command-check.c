/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-command-check.h"

#include <string.h>

#include "mefota-error.h"

#define MAX_LENGTH 40

static void
check (const char *command, int code)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = mefota_command_check (command, MAX_LENGTH, &error);

  g_test_message ("%s: %s", command, error != NULL ? error->message : "sent");
  g_assert_cmpint (ok, ==, code < 0);
  if (code < 0)
    {
      g_assert_no_error (error);
      return;
    }
  g_assert_error (error, MEFOTA_ERROR, code);
  g_assert_true (g_str_has_suffix (error->message, "."));
}

static void
test_sent (void)
{
  static const char *const commands[] = {
    "AT",
    "at",
    "ATI",
    "AT+CGMR",
    "at+cgmr",
    "AT+FOTACTR?",
    "at+fotactr?",
    "AT+FOTACTR=?",
    "AT+ FOTACTR ?",
    "AT+ZCOMWRT=?",
    "AT+ZCOMUPDATE=?",
    "AT+CFUN?",
    "AT+CFUN=?",
    "AT+IPR?",
    "AT+CREG?;+CSQ",
    "AT+FOTAIP?;+FOTACTR?;+FOTATV?",
    "ATE0",
    "AT&V",
    "ATS3?",
    "ATQ0",
    "ATV1",
    "AT+ZPAS?",
    "AT^SYSINFO",
    "AT+CPIN=\"1234\"",
    "AT+CUSD=1,\"*100#\"",
    "AT+ZSWITCH?",
    "AT+COPS=0",
    "AT+CMGL=\"D\"",
    "ATE0Q0V1",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    check (commands[i], -1);
}

static void
test_not_supported (void)
{
  static const char *const commands[] = {
    /* starts or answers an upgrade */
    "AT+FOTACTR",
    "at+fotactr",
    "AT+FOTACTR=1",
    "AT+FOTACTR=0,1",
    "AT + FOTACTR",
    "AT+CSQ;+FOTACTR",
    "AT+FOTACTR?;+FOTACTR",
    "AT+FOTACTR;+FOTACTR?",
    "AT+FOTACTR=1?",
    "ATE0+FOTACTR",
    "ATE0Q0+FOTACTR=1",
    "AT;;+FOTACTR",
    "AT+ZCOMUPDATE",
    "AT+CREG?;E0+ZCOMUPDATE",
    /* takes data */
    "AT+ZCOMWRT=10",
    "AT+ZCOMWRT=10?",
    "AT+CMGS=23",
    "AT+CMGW=23",
    "AT+CMGC=23",
    "AT+CGDATA=\"PPP\",1",
    "AT+CMUX=0",
    "ATD*99#",
    "ATDT123;",
    "ATE0D*99#",
    "ATD?",
    "ATO",
    "ATO0",
    "ATE0O",
    /* restarts the module, or takes away what the line rests on */
    "AT+CFUN=1,1",
    "at+cfun=1,1",
    "AT+CFUN=1,1?",
    "AT+ZRST",
    "AT+ZTURNOFF",
    "AT+ZSWITCH=L",
    "AT+IPR=9600",
    "AT+IFC=0,0",
    "ATZ",
    "ATZ0",
    "ATE0Z",
    "AT&F",
    "AT&F0",
    "ATE0&F",
    "ATQ1",
    "ATE0Q1",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    check (commands[i], MEFOTA_ERROR_NOT_SUPPORTED);
}

static void
test_invalid (void)
{
  static const char *const commands[] = {
    "",         " ",           "A",
    "A/",       "+CGMR",       "CGMR",
    "XAT+CGMR", "AT+CGMR\r",   "AT+CGMR\nAT+FOTACTR",
    "AT\tI",    "AT+CGMR\x1a", "AT\x7f",
    "AT\x1b",   "\nAT",        "AT+CGMR\r\nAT+CFUN=1,1",
    " AT",      "A T+CGMR",
  };

  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    check (commands[i], MEFOTA_ERROR_INVALID_ARGUMENT);
}

static void
test_length (void)
{
  g_autofree char *rest = g_strnfill (MAX_LENGTH - 2, '9');
  g_autofree char *longest = g_strconcat ("AT", rest, NULL);
  g_autofree char *longer = g_strconcat (longest, "9", NULL);
  g_autofree char *blanks = g_strconcat (longest, " ", NULL);

  check (longest, -1);
  check (longer, MEFOTA_ERROR_INVALID_ARGUMENT);
  check (blanks, MEFOTA_ERROR_INVALID_ARGUMENT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/command-check/sent", test_sent);
  g_test_add_func ("/command-check/not-supported", test_not_supported);
  g_test_add_func ("/command-check/invalid", test_invalid);
  g_test_add_func ("/command-check/length", test_length);
  return g_test_run ();
}
