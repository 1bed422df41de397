/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A final result code without its line end (an OK to a restart may lack it). */

#include "at-channel-fixture.h"

static void
test_unended (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+CFUN=1,1\r", "\r\nOK");
  ask (f, "AT+CFUN=1,1", LONG_MS, NULL);
  await (f, "; ");
  say (f, "\r\n\r\n+CREG: 1\r\n");
  await (f, "urc +CREG: 1; ");

  /* The answers to AT, of a module that always does so. */
  expect (f, "AT\r", "\r\nOK");
  expect (f, "AT+B\r", "\r\nb\r\nERROR");
  mefota_at_channel_sync_async (f->channel, NULL, on_synced, f);
  ask (f, "AT+B", LONG_MS, NULL);
  await (f, "synced; ModuleError; ");
  assert_idle (f);

  /* The end of data. */
  expect (f, "AT+ZCOMWRT=5\r", "\r\n> ");
  announce (f, "AT+ZCOMWRT=5", MEFOTA_PROMPT_IMMEDIATE, LONG_MS);
  await (f, "ready; ");
  expect (f, "hello", "\r\nOK");
  write_text (f, "hello");
  await (f, "written; ");
  end_data (f, LONG_MS);
  await (f, "ended; ");
  assert_idle (f);
}

/* It hangs up behind it, or its time is over first. */
static void
test_unended_hang_up (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+A\r", "\r\nOK");
  ask (f, "AT+A", 100, NULL);
  await (f, "; ");
  expect (f, "AT+CFUN=1,1\r", "\r\n+CREG: 0\r\n\r\nOK");
  ask (f, "AT+CFUN=1,1", LONG_MS, NULL);
  await (f, "urc +CREG: 0; ");
  unplug (f);
  await (f, "; hang-up; ");
}

/* What only begins like one: a line that was cut, an answer with more behind it, bytes nobody waits for, data. */
static void
test_not_unended (Fixture *f, gconstpointer user_data)
{
  static const char *const beginnings[] = { "\r\nOKA", "\r\n+X: OK", "\r\nAT+A OK", "\r\n O K" };

  for (gsize i = 0; i < G_N_ELEMENTS (beginnings); i++)
    {
      g_autofree char *line = g_strstrip (g_strdup (beginnings[i]));
      g_autofree char *sees = g_strconcat (line, "Y; ", NULL);

      expect (f, "AT+A\r", beginnings[i]);
      expect_later (f, "", 400, "Y\r\nOK\r\n");
      ask (f, "AT+A", LONG_MS, NULL);
      await (f, sees);
    }
  expect (f, "AT+A\r", "\r\nOK");
  expect_later (f, "", 100, "AY\r\nOK\r\n");
  ask (f, "AT+A", LONG_MS, NULL);
  await (f, "OKAY; ");
  say (f, "\r\nOK");
  assert_idle (f); /* no timer while nobody waits */
  say (f, "\r\n");

  expect (f, "AT+ZCOMWRT=5\r", "\r\n> ");
  announce (f, "AT+ZCOMWRT=5", MEFOTA_PROMPT_IMMEDIATE, LONG_MS);
  await (f, "ready; ");
  expect (f, "hell", "\r\nOK");
  write_text (f, "hell");
  await (f, "written; ");
  await_steps (f);
  assert_idle (f);
  expect (f, "o", "AY\r\nERROR\r\n");
  write_text (f, "o");
  await (f, "written; ");
  end_data (f, LONG_MS);
  await (f, "ended ModuleError; ");
}

#define ADD(path, function, data) g_test_add ("/at-unended/" path, Fixture, data, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("ok", test_unended, NULL);
  ADD ("hang-up", test_unended_hang_up, NULL);
  ADD ("other", test_not_unended, NULL);
  return g_test_run ();
}
