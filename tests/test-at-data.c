/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "at-channel-fixture.h"

#include <string.h>
#include <unistd.h>

/* ---- Data ---- */

static const struct
{
  MefotaPromptStyle style;
  const char *says;
  const char *later;
} prompts[] = {
  { MEFOTA_PROMPT_IMMEDIATE, "\r\n> ", "" },
  { MEFOTA_PROMPT_IMMEDIATE, "AT+ZCOMWRT=5\r\r\n> ", "" },
  { MEFOTA_PROMPT_IMMEDIATE, "\r\n+CREG: 1\r\n\r\n> ", "" },
  { MEFOTA_PROMPT_CONNECT, "\r\n> \r\nCONNECT\r\n", "" },
  { MEFOTA_PROMPT_CONNECT, "\r\n> ", "\r\nCONNECT\r\n" },
  { MEFOTA_PROMPT_GRACE, "\r\n> ", "" },
  { MEFOTA_PROMPT_GRACE, "\r\n> \r\nCONNECT\r\n", "" },
  { MEFOTA_PROMPT_GRACE, "\r\n> ", "\r\nCONNECT\r\n" },
};

static void
test_prompts (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (prompts); i++)
    for (int cut = -1; cut < (int) strlen (prompts[i].says); cut++)
      {
        Fixture f = { 0 };
        gboolean urc = strstr (prompts[i].says, "CREG") != NULL;

        set_up_with (&f, NEVER_MS);
        f.cut = cut;
        expect (&f, "AT+ZCOMWRT=5\r", prompts[i].says);
        if (*prompts[i].later != '\0')
          expect_later (&f, "", 20, prompts[i].later);
        expect (&f, "hello", "\r\nOK\r\n");
        expect (&f, "AT\r", "\r\nOK\r\n");
        announce (&f, "AT+ZCOMWRT=5", prompts[i].style, LONG_MS);
        ask (&f, "AT", LONG_MS, NULL);
        await_end (&f, "ready; ");
        await (&f, urc ? "urc +CREG: 1; ready; " : "ready; ");
        g_assert_cmpuint (mefota_at_channel_data_get_missing (f.channel), ==, 5);
        write_text (&f, "hello");
        await (&f, "written; ");
        g_assert_cmpuint (mefota_at_channel_data_get_missing (f.channel), ==, 0);
        end_data (&f, LONG_MS);
        await (&f, "ended; ; ");
        assert_idle (&f);
        tear_down (&f, NULL);
        if (prompts[i].style == MEFOTA_PROMPT_GRACE && *prompts[i].later == '\0' && cut == 0)
          break; /* each takes the whole grace time */
      }
}

static void
begin_data (Fixture *f, const char *command)
{
  g_autofree char *hears = g_strconcat (command, "\r", NULL);

  expect (f, hears, "\r\n> ");
  announce (f, command, MEFOTA_PROMPT_IMMEDIATE, LONG_MS);
  await (f, "ready; ");
}

/* Lines that look like results end nothing before all is written; indications are still told. */
static void
test_data_noise (Fixture *f, gconstpointer user_data)
{
  begin_data (f, "AT+ZCOMWRT=10");
  expect (f, "hello", "\r\nOK\r\n0\r\nCONNECT\r\ngarbage\r\n\r\n+FOTAIND: START\r\n");
  write_text (f, "hello");
  await (f, "written; ind START; ");
  write_text (f, "world!");
  await (f, "written InvalidArgument; ");
  expect (f, "world", "\r\nOK\r\n\r\n+CREG: 1\r\n");
  write_text (f, "world");
  await (f, "written; urc +CREG: 1; ");
  end_data (f, LONG_MS); /* the OK was there first */
  g_assert_cmpstr (f->log->str, ==, "");
  await (f, "ended; ");
  write_text (f, "x");
  end_data (f, LONG_MS);
  await (f, "written Failed; ended Failed; ");
  assert_idle (f);
}

/* A module that echoes: nothing within the data is its word, cut wherever. */
static void
test_data_echo (void)
{
  const char *package = "package\x01\r\nERROR\r\n\r\nOK\r\n+FOTAIND: START\r\nend";
  g_autofree char *command = g_strdup_printf ("AT+ZCOMWRT=%u", (guint) strlen (package));
  g_autofree char *plain = g_strconcat (package, "\r\nOK\r\n", NULL);
  g_autofree char *mixed = g_strconcat ("\r\n+CREG: 1\r\n", plain, NULL);
  g_autoptr (GString) inside = g_string_new (plain);
  const char *says[] = { plain, mixed, NULL };

  g_string_insert (inside, 15, "\r\n+CREG: 1\r\n");
  says[2] = inside->str;
  for (gsize i = 0; i < G_N_ELEMENTS (says); i++)
    for (int cut = -1; cut < (int) strlen (says[i]); cut++)
      {
        Fixture f = { 0 };

        set_up_with (&f, NEVER_MS);
        begin_data (&f, command);
        f.cut = cut;
        expect (&f, package, says[i]);
        write_text (&f, package);
        await_steps (&f);
        end_data (&f, LONG_MS);
        await_end (&f, "ended; ");
        if (i == 0)
          g_assert_cmpstr (f.log->str, ==, "written; ended; ");
        else
          g_assert_nonnull (strstr (f.log->str, "urc +CREG: 1; "));
        g_assert_null (strstr (f.log->str, "ind"));
        g_string_truncate (f.log, 0);
        assert_idle (&f);
        tear_down (&f, NULL);
      }
}

static void
test_data_refused (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+ZCOMWRT=5\r", "\r\n+CME ERROR: 23\r\n");
  announce (f, "AT+ZCOMWRT=5", MEFOTA_PROMPT_GRACE, LONG_MS);
  await (f, "ready ModuleError; ");
  expect (f, "AT+ZCOMWRT=5\r", "\r\nOK\r\n");
  announce (f, "AT+ZCOMWRT=5", MEFOTA_PROMPT_IMMEDIATE, LONG_MS);
  await (f, "ready ModuleError; ");

  /* At the end of the data */
  begin_data (f, "AT+ZCOMWRT=5");
  expect_later (f, "hello", 20, "\r\nERROR\r\n");
  write_text (f, "hello");
  await (f, "written; ");
  end_data (f, LONG_MS);
  await (f, "ended ModuleError; ");
  /* It may have been in the midst: the tty tells not what the module has read. The first OK may be one from an echo. */
  expect (f, "AT\r", "\r\nOK\r\n");
  expect (f, "AT\r", "\r\nOK\r\n");

  /* In the midst of it, while nobody waits: told at the next step, and the one behind */
  begin_data (f, "AT+ZCOMWRT=10");
  expect (f, "hello", "\r\nERROR\r\n\r\n+CREG: 1\r\n");
  write_text (f, "hello");
  await (f, "written; urc +CREG: 1; ");
  write_text (f, "world");
  end_data (f, LONG_MS);
  await (f, "written ModuleError; ended ModuleError; ");
  expect (f, "AT\r", "\r\nERROR\r\n\r\nOK\r\n"); /* the rest of the data was no command */
  expect (f, "AT\r", "\r\nOK\r\n"); /* and that was its word on AT, not one from an echo of data */
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  ask (f, "AT+B", LONG_MS, NULL);
  await (f, "b; ");
}

/* No final result: out of step as after any timeout. */
static void
test_data_timeout (Fixture *f, gconstpointer user_data)
{
  begin_data (f, "AT+ZCOMWRT=5");
  expect (f, "hello", "");
  write_text (f, "hello");
  await (f, "written; ");
  end_data (f, 30);
  await (f, "ended Timeout; ");
  assert_idle (f);
  expect (f, "AT\r", "\r\nOK\r\n\r\nOK\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  ask (f, "AT+B", LONG_MS, NULL);
  await (f, "b; ");
}

static void
on_filled (Fixture *f, gsize n_ends)
{
  guint deadline = g_timeout_add_seconds (DEADLINE_SECONDS, on_deadline, f);
  gsize ends = 0;

  g_source_destroy (f->listener); /* line ends alone are no text */
  while (ends < n_ends)
    {
      GPollFD heard = { .fd = f->master, .events = G_IO_IN };
      char buffer[64];
      gssize n;

      g_main_context_iteration (NULL, FALSE);
      if (g_poll (&heard, 1, 1) == 0)
        continue;
      n = read (f->master, buffer, MIN (sizeof buffer, n_ends - ends));
      for (gssize i = 0; i < n; i++)
        g_assert_cmpint (buffer[i], ==, '\r');
      ends += (gsize) MAX (n, 0);
    }
  g_source_remove (deadline);
  g_source_unref (f->listener);
  f->listener = g_unix_fd_source_new (f->master, G_IO_IN);
  g_source_set_callback (f->listener, G_SOURCE_FUNC (on_master), f, NULL);
  g_source_attach (f->listener, NULL);
}

/* Given up half-way, the module would take every command for data: it is filled up first. */
static void
test_data_given_up (Fixture *f, gconstpointer user_data)
{
  begin_data (f, "AT+ZCOMWRT=10");
  expect (f, "hello", "");
  write_text (f, "hello");
  await (f, "written; ");
  await_steps (f);
  end_data (f, 30);
  await (f, "ended Timeout; ");
  on_filled (f, 5);
  expect (f, "AT\r", "\r\nOK\r\n\r\nOK\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  ask (f, "AT+B", LONG_MS, NULL);
  await (f, "b; ");

  /* The prompt comes after its timeout. */
  expect (f, "AT+ZCOMWRT=7\r", "");
  announce (f, "AT+ZCOMWRT=7", MEFOTA_PROMPT_IMMEDIATE, 30);
  await (f, "ready Timeout; ");
  say (f, "\r\n> ");
  on_filled (f, 7);
  say (f, "\r\nOK\r\n");
  expect (f, "AT\r", "\r\nOK\r\n");
  expect (f, "AT+C\r", "\r\nc\r\n\r\nOK\r\n");
  ask (f, "AT+C", LONG_MS, NULL);
  await (f, "c; ");
}

/* It refuses, or so it seems, and goes on counting; what was on its way has an OK in it. */
static void
test_data_refused_in_vain (Fixture *f, gconstpointer user_data)
{
  begin_data (f, "AT+ZCOMWRT=10");
  expect (f, "hello", "\r\nERROR\r\n");
  write_text (f, "hello");
  await (f, "written; ");
  await_steps (f);
  end_data (f, LONG_MS);
  await (f, "ended ModuleError; ");
  expect (f, "AT\r", "\r\nOK\r\n");
  for (guint i = 0; i < 3; i++)
    expect (f, "AT\r", "");
  ask (f, "AT+B", LONG_MS, NULL);
  await_steps (f);
  on_filled (f, 10);
  say (f, "\r\nOK\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  await (f, "b; ");
}

static void
test_data_hang_up (Fixture *f, gconstpointer user_data)
{
  gboolean waiting = user_data != NULL;

  begin_data (f, "AT+ZCOMWRT=5");
  expect (f, "hello", "");
  write_text (f, "hello");
  await (f, "written; ");
  await_steps (f);
  if (waiting)
    end_data (f, LONG_MS);
  unplug (f);
  await (f, waiting ? "ended NotPresent; hang-up; " : "hang-up; ");
  write_text (f, "x");
  await (f, "written NotPresent; ");
}

/* ---- A large package, a slow reader ---- */

#define LARGE (1024 * 1024)

typedef struct
{
  Fixture *fixture;
  GByteArray *got;
  guint ticks;
} Reader;

static gboolean
on_read_slowly (gpointer user_data)
{
  Reader *reader = user_data;
  guint8 buffer[8192];
  gssize n = read (reader->fixture->master, buffer, sizeof buffer);

  if (n > 0)
    g_byte_array_append (reader->got, buffer, (guint) n);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_tick (gpointer user_data)
{
  ((Reader *) user_data)->ticks++;
  return G_SOURCE_CONTINUE;
}

static void
await_read (Reader *reader)
{
  guint deadline = g_timeout_add_seconds (DEADLINE_SECONDS, on_deadline, reader->fixture);

  while (reader->got->len < LARGE)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (deadline);
}

static void
test_data_large (Fixture *f, gconstpointer user_data)
{
  Reader reader = { f, g_byte_array_new (), 0 };
  g_autofree guint8 *package = g_malloc (LARGE);
  g_autoptr (GBytes) bytes = NULL;
  guint slow, tick;

  for (gsize i = 0; i < LARGE; i++)
    package[i] = (guint8) (i * 7 + i / 251);
  bytes = g_bytes_new_static (package, LARGE);
  begin_data (f, "AT+ZCOMWRT=1048576");
  g_source_destroy (f->listener);
  g_unix_set_fd_nonblocking (f->master, TRUE, NULL);
  slow = g_timeout_add (1, on_read_slowly, &reader);
  tick = g_timeout_add (1, on_tick, &reader);
  mefota_at_channel_data_write_async (f->channel, bytes, NULL, on_written, f);
  await (f, "written; ");
  g_assert_cmpuint (reader.ticks, >, 50);
  end_data (f, LONG_MS);
  await_read (&reader);
  g_assert_cmpmem (reader.got->data, reader.got->len, package, LARGE);
  say (f, "\r\nOK\r\n");
  await (f, "ended; ");
  g_source_remove (slow);
  g_source_remove (tick);
  g_byte_array_unref (reader.got);
}

/* The reader stops: what was not taken is forgotten, and the count of it stays right. */
static void
test_data_cancel (Fixture *f, gconstpointer user_data)
{
  g_autofree guint8 *package = g_malloc (LARGE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GBytes) bytes = NULL;
  Reader reader = { f, g_byte_array_new (), 0 };
  gsize missing;
  guint slow;

  memset (package, 'x', LARGE);
  bytes = g_bytes_new_static (package, LARGE);
  begin_data (f, "AT+ZCOMWRT=1048576");
  g_source_destroy (f->listener);
  g_unix_set_fd_nonblocking (f->master, TRUE, NULL);
  mefota_at_channel_data_write_async (f->channel, bytes, cancellable, on_written, f);
  assert_idle (f); /* the pty is full, and nothing spins */
  g_cancellable_cancel (cancellable);
  await (f, "written cancelled; ");
  missing = mefota_at_channel_data_get_missing (f->channel);
  g_assert_cmpuint (missing, >, 0);
  g_assert_cmpuint (missing, <, LARGE);
  g_clear_pointer (&bytes, g_bytes_unref);
  bytes = g_bytes_new_static (package, missing);
  slow = g_timeout_add (1, on_read_slowly, &reader);
  mefota_at_channel_data_write_async (f->channel, bytes, NULL, on_written, f);
  await_read (&reader);
  await (f, "written; ");
  g_source_remove (slow);
  g_assert_cmpmem (reader.got->data, reader.got->len, package, LARGE);
  end_data (f, LONG_MS);
  say (f, "\r\nOK\r\n");
  await (f, "ended; ");
  g_byte_array_unref (reader.got);
}

#define ADD(path, function, data) g_test_add ("/at-channel/" path, Fixture, data, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/at-channel/data/prompts", test_prompts);
  ADD ("data/noise", test_data_noise, NULL);
  g_test_add_func ("/at-channel/data/echo", test_data_echo);
  ADD ("data/refused", test_data_refused, NULL);
  ADD ("data/refused-in-vain", test_data_refused_in_vain, GSIZE_TO_POINTER (300));
  ADD ("data/timeout", test_data_timeout, NULL);
  ADD ("data/given-up", test_data_given_up, NULL);
  ADD ("data/hang-up", test_data_hang_up, NULL);
  ADD ("data/hang-up-ending", test_data_hang_up, GSIZE_TO_POINTER (NEVER_MS));
  ADD ("data/large", test_data_large, NULL);
  ADD ("data/cancel", test_data_cancel, NULL);
  return g_test_run ();
}
