/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "at-channel-fixture.h"

#include <string.h>

#include "mefota-error.h"

/* ---- Commands ---- */

static void
test_answer (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+CGMR\r", "\r\nME3630U1AV1.0B05\r\n\r\nOK\r\n");
  ask (f, "AT+CGMR", LONG_MS, NULL);
  g_assert_cmpstr (f->log->str, ==, "");
  await (f, "ME3630U1AV1.0B05; ");
  expect (f, "ATI\r", "\r\nModel: ME3630\r\n+GCAP: +CGSM\r\n\r\nOK\r\n");
  ask (f, "ATI", LONG_MS, NULL);
  await (f, "Model: ME3630|+GCAP: +CGSM; ");
  expect (f, "AT+CPIN?\r", "\r\n+CME ERROR: 10\r\n");
  ask (f, "AT+CPIN?", LONG_MS, NULL);
  await (f, "ModuleError; ");
  assert_idle (f);
}

static void
on_refused (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error));
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR);
  g_assert_nonnull (strstr (error->message, "AT+X"));
  g_assert_nonnull (strstr (error->message, "SIM not inserted (+CME ERROR: 10)"));
  g_assert_nonnull (strstr (error->message, "“half an answer”"));
  note (user_data, "refused");
}

static void
test_module_error (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+X\r", "\r\nhalf an answer\r\n+CME ERROR: 10\r\n");
  mefota_at_channel_send_async (f->channel, "AT+X", NULL, LONG_MS, NULL, on_refused, f);
  await (f, "refused; ");
}

/* One at a time, in line; the line holds while the module is slow. */
static void
test_queue (Fixture *f, gconstpointer user_data)
{
  expect_later (f, "AT+A\r", 20, "\r\na\r\n\r\nOK\r\n");
  expect (f, "AT+B\r", "\r\nERROR\r\n");
  expect (f, "AT+C\r", "\r\nc\r\n\r\nOK\r\n");
  ask (f, "AT+A", LONG_MS, NULL);
  ask (f, "AT+B", LONG_MS, NULL);
  ask (f, "AT+C", LONG_MS, NULL);
  await (f, "a; ModuleError; c; ");
}

static void
test_extra_prefix (Fixture *f, gconstpointer user_data)
{
  const char *prefixes[] = { "+CREG:", NULL };

  expect (f, "AT+FOTAPOLLEN?\r", "\r\n+CREG: 1\r\n\r\nOK\r\n");
  mefota_at_channel_send_async (f->channel, "AT+FOTAPOLLEN?", prefixes, LONG_MS, NULL, on_sent, f);
  await (f, "+CREG: 1; ");
}

/* Echo, URCs before, within and behind, an outcome as an answer: whole, and cut at every byte. */
static const struct
{
  const char *command;
  const char *says;
  const char *sees;
} dialogues[] = {
  { "AT+CGMR", "\r\nV1\r\n\r\nOK\r\n", "V1; " },
  { "AT+CGMR", "AT+CGMR\r\r\nV1\r\n\r\nOK\r\n", "V1; " },
  { "AT+CREG?", "\r\n+CREG: 0,1\r\n\r\nOK\r\n\r\n+CREG: 2\r\n", "+CREG: 0,1; urc +CREG: 2; " },
  { "AT+FOTACTR=1",
    "\r\nOK\r\n\r\n+FOTAIND:START\r\n\r\n+FOTAIND: DOWNLOADING:25%\r\n",
    "; ind START; ind DOWNLOADING; " },
  { "AT+FOTACTR=1",
    "AT+FOTACTR=1\r\r\n+FOTAIND: START\r\n\r\nOK\r\n\r\n+FOTAIND: UPDATING\r\n",
    "ind START; ; ind UPDATING; " },
  { "AT+FOTACTR?", "\r\n+FOTAIND: SUCCESS_END\r\n\r\nOK\r\n", "+FOTAIND: SUCCESS_END; " },
  { "AT", "\r\n+ZREADY\r\n\r\nOK\r\n", "boot +ZREADY; ; " },
  { "ATV0", "0\r\n+CREG: 1\r\n", "; urc +CREG: 1; " },
};

static void
test_dialogues (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (dialogues); i++)
    for (int cut = -1; cut < (int) strlen (dialogues[i].says); cut++)
      {
        Fixture f = { 0 };
        g_autofree char *hears = g_strconcat (dialogues[i].command, "\r", NULL);

        set_up_with (&f, NEVER_MS);
        f.cut = cut;
        expect (&f, hears, dialogues[i].says);
        ask (&f, dialogues[i].command, LONG_MS, NULL);
        await (&f, dialogues[i].sees);
        assert_idle (&f);
        tear_down (&f, NULL);
      }
}

/* Nobody asked: nothing but URCs comes through. */
static void
test_noise (Fixture *f, gconstpointer user_data)
{
  say (f, "\r\nOK\r\n\xff garbage\r\n\r\nERROR\r\n4\r\nCONNECT\r\n> \r\n\r\n+ZPASR: \"LTE\"\r\n");
  await (f, "urc +ZPASR: \"LTE\"; ");
  expect (f, "AT\r", "\r\nOK\r\n");
  ask (f, "AT", LONG_MS, NULL);
  await (f, "; ");
}

static void
test_bounded (Fixture *f, gconstpointer user_data)
{
  g_autoptr (GString) flood = g_string_new ("\r\n");
  g_auto (GStrv) seen = NULL;

  for (guint i = 0; i < 400; i++)
    g_string_append (flood, "line\r\n");
  g_string_append (flood, "\r\nOK\r\n");
  expect (f, "AT+X\r", flood->str);
  ask (f, "AT+X", LONG_MS, NULL);
  await_end (f, "; ");
  seen = g_strsplit (f->log->str, "|", -1);
  g_assert_cmpuint (g_strv_length (seen), ==, 200);
  g_string_truncate (f->log, 0);
}

/* What comes in the same breath as an answer is not the next command's. */
static void
test_not_yet_written (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+A\r", "\r\na\r\n\r\nOK\r\n\r\nstray\r\n\r\nERROR\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  ask (f, "AT+A", LONG_MS, NULL);
  ask (f, "AT+B", LONG_MS, NULL);
  await (f, "a; b; ");
}

/* ---- Hang-up and closing ---- */

static void
test_hang_up (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+A\r", "");
  ask (f, "AT+A", LONG_MS, NULL);
  ask (f, "AT+B", LONG_MS, NULL);
  mefota_at_channel_sync_async (f->channel, NULL, on_synced, f);
  await_steps (f);
  unplug (f);
  await (f, "NotPresent; NotPresent; synced NotPresent; hang-up; ");
  ask (f, "AT+C", LONG_MS, NULL);
  announce (f, "AT+ZCOMWRT=1", MEFOTA_PROMPT_IMMEDIATE, LONG_MS);
  mefota_at_channel_sync_async (f->channel, NULL, on_synced, f);
  await (f, "NotPresent; ready NotPresent; synced NotPresent; ");
  assert_idle (f);
}

static void
test_hang_up_syncing (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT\r", "");
  mefota_at_channel_sync_async (f->channel, NULL, on_synced, f);
  await_steps (f);
  unplug (f);
  await (f, "synced NotPresent; hang-up; ");
  assert_idle (f);
}

static void
test_close (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+A\r", "");
  ask (f, "AT+A", LONG_MS, NULL);
  ask (f, "AT+B", LONG_MS, NULL);
  await_steps (f);
  mefota_at_channel_close (f->channel);
  mefota_at_channel_close (f->channel);
  g_assert_cmpstr (f->log->str, ==, "");
  await (f, "NotPresent; NotPresent; ");
  mefota_at_channel_close (f->channel);
  assert_idle (f);
}

/* Told of the end, somebody closes at once: then there is no hang-up to be told any more. */
static void
on_sent_close (GObject *source, GAsyncResult *result, gpointer user_data)
{
  on_sent (source, result, user_data);
  mefota_at_channel_close (MEFOTA_AT_CHANNEL (source));
}

static void
test_close_from_callback (Fixture *f, gconstpointer user_data)
{
  gboolean by_hang_up = user_data != NULL;

  expect (f, "AT+A\r", by_hang_up ? "" : "\r\na\r\n\r\nOK\r\n\r\n+CREG: 1\r\n");
  mefota_at_channel_send_async (f->channel, "AT+A", NULL, LONG_MS, NULL, on_sent_close, f);
  ask (f, "AT+B", LONG_MS, NULL);
  await_steps (f);
  if (by_hang_up)
    unplug (f);
  await (f, by_hang_up ? "NotPresent; NotPresent; " : "a; NotPresent; ");
  assert_idle (f);
}

/* The last reference goes within a signal, a callback, or a timeout: the channel ends what it is at first. */
static void
on_urc_drop (MefotaAtChannel *channel, const char *line, gboolean booted, Fixture *f)
{
  g_clear_object (&f->channel);
}

static void
on_sent_drop (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *f = user_data;

  on_sent (source, result, user_data);
  g_clear_object (&f->channel);
}

static void
test_drop (Fixture *f, gconstpointer user_data)
{
  const char *when = user_data;
  gpointer weak = f->channel;

  g_object_add_weak_pointer (weak, &weak);
  if (g_str_equal (when, "urc"))
    {
      g_signal_connect (f->channel, "urc", G_CALLBACK (on_urc_drop), f);
      say (f, "\r\n+CREG: 1\r\n\r\n+FOTAIND: START\r\n");
      await (f, "urc +CREG: 1; ind START; ");
    }
  else
    {
      gboolean late = g_str_equal (when, "timeout");

      expect (f, "AT+A\r", late ? "" : "\r\na\r\n\r\nOK\r\n\r\n+FOTAIND: START\r\n");
      mefota_at_channel_send_async (f->channel, "AT+A", NULL, late ? 20 : LONG_MS, NULL, on_sent_drop, f);
      await (f, late ? "Timeout; " : "a; ind START; ");
    }
  while (weak != NULL)
    g_main_context_iteration (NULL, TRUE);
  assert_idle (f);
}

static void
test_paused (Fixture *f, gconstpointer user_data)
{
  GPollFD arrived = { .fd = f->slave, .events = G_IO_IN };

  mefota_at_channel_set_paused (f->channel, TRUE);
  mefota_at_channel_set_paused (f->channel, TRUE);
  say (f, "\r\n+CREG: 1\r\n");
  g_assert_cmpint (g_poll (&arrived, 1, 10000), ==, 1);
  assert_idle (f); /* neither told nor woken up */
  mefota_at_channel_set_paused (f->channel, FALSE);
  await (f, "urc +CREG: 1; ");
}

/* A line that takes nothing more still lets commands time out, and hangs up as any other. */
static void
test_stuck (Fixture *f, gconstpointer user_data)
{
  g_autofree char *filler = g_strnfill ((1024 * 1024), 'x');

  g_source_destroy (f->listener);
  ask (f, filler, 50, NULL);
  await (f, "Timeout; ");
  assert_idle (f);
  ask (f, "AT+B", 50, NULL); /* waits for a synchronisation that cannot be sent */
  await (f, "Timeout; ");
  ask (f, "AT+C", LONG_MS, NULL);
  unplug (f);
  await (f, "NotPresent; hang-up; ");
}

/* Nobody waits for ever for a module that has fallen silent: neither the first in line nor one that comes later. */
static void
test_impatient (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+A\r", "");
  ask (f, "AT+A", 20, NULL);
  await (f, "Timeout; ");
  expect (f, "AT\r", "");
  ask (f, "AT+B", LONG_MS, NULL);
  ask (f, "AT+C", 20, NULL);
  ask (f, "AT+D", 40, NULL);
  await (f, "Timeout; Timeout; ");
  say (f, "\r\nOK\r\n\r\nOK\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  await (f, "b; ");
  assert_idle (f);
}

/* Given up by all: nothing wakes up any more, and the next one tries again. */
static void
test_impatient_all (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+A\r", "");
  ask (f, "AT+A", 20, NULL);
  await (f, "Timeout; ");
  expect (f, "AT\r", "");
  ask (f, "AT+B", 20, NULL);
  await (f, "Timeout; ");
  await_steps (f);
  assert_idle (f);
  expect (f, "AT\r", "\r\nOK\r\n\r\nOK\r\n\r\nOK\r\n");
  expect (f, "AT+C\r", "\r\nc\r\n\r\nOK\r\n");
  ask (f, "AT+C", LONG_MS, NULL);
  await (f, "c; ");
}

#define ADD(path, function, data) g_test_add ("/at-channel/" path, Fixture, data, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("answer", test_answer, NULL);
  ADD ("module-error", test_module_error, NULL);
  ADD ("queue", test_queue, NULL);
  ADD ("extra-prefix", test_extra_prefix, NULL);
  g_test_add_func ("/at-channel/dialogues", test_dialogues);
  ADD ("noise", test_noise, NULL);
  ADD ("bounded", test_bounded, NULL);
  ADD ("not-yet-written", test_not_yet_written, NULL);
  ADD ("hang-up/waiting", test_hang_up, NULL);
  ADD ("hang-up/syncing", test_hang_up_syncing, NULL);
  ADD ("close/waiting", test_close, NULL);
  g_test_add ("/at-channel/close/from-answer", Fixture, NULL, set_up, test_close_from_callback, tear_down);
  g_test_add ("/at-channel/close/from-hang-up", Fixture, GSIZE_TO_POINTER (NEVER_MS), set_up, test_close_from_callback,
              tear_down);
  ADD ("drop/urc", test_drop, "urc");
  ADD ("drop/answer", test_drop, "answer");
  ADD ("drop/timeout", test_drop, "timeout");
  ADD ("paused", test_paused, NULL);
  ADD ("stuck", test_stuck, NULL);
  ADD ("impatient/others-wait", test_impatient, NULL);
  ADD ("impatient/all", test_impatient_all, NULL);
  return g_test_run ();
}
