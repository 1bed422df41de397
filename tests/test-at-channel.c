/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-at-channel.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <pty.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mefota-at-log.h"
#include "mefota-error.h"
#include "mefota-tty.h"

#define DEADLINE_SECONDS 60
#define LONG_MS 30000
/* As retry: one AT and no second one, however slow the machine is. */
#define NEVER_MS 50000

/* What the module hears and says to it. */
typedef struct
{
  char *hears;
  guint delay_ms;
  char *says;
} Step;

typedef struct
{
  int master;
  int slave; /* to see when bytes have arrived */
  MefotaAtChannel *channel;
  GSource *listener;
  GString *heard;
  GQueue steps;
  int cut;           /* all that is said is said in two parts, cut here; -1: in one */
  GString *log;      /* of what the channel's user sees, "; " behind each */
  guint delayed;
} Fixture;

/* ---- The module ---- */

static void
step_free (Step *step)
{
  g_free (step->hears);
  g_free (step->says);
  g_free (step);
}

static void
write_all (int fd, const char *bytes, gsize length)
{
  while (length > 0)
    {
      gssize n = write (fd, bytes, length);

      g_assert_cmpint (n, >, 0);
      bytes += n;
      length -= (gsize) n;
    }
}

typedef struct
{
  Fixture *fixture;
  char *text;
} Speech;

static gboolean
on_speak (gpointer user_data)
{
  Speech *speech = user_data;

  write_all (speech->fixture->master, speech->text, strlen (speech->text));
  speech->fixture->delayed--;
  g_free (speech->text);
  g_free (speech);
  return G_SOURCE_REMOVE;
}

static void
say_later (Fixture *f, const char *text, guint delay_ms)
{
  Speech *speech = g_new0 (Speech, 1);

  speech->fixture = f;
  speech->text = g_strdup (text);
  f->delayed++;
  if (delay_ms > 0)
    g_timeout_add (delay_ms, on_speak, speech);
  else
    g_idle_add_full (G_PRIORITY_LOW, on_speak, speech, NULL); /* when the channel has read what is there */
}

static void
say (Fixture *f, const char *text)
{
  gsize length = strlen (text);
  gsize first = f->cut < 0 ? length : MIN ((gsize) f->cut, length);
  GPollFD arrived = { .fd = f->slave, .events = G_IO_IN };

  write_all (f->master, text, first);
  if (first == length)
    return;
  if (first > 0)
    g_assert_cmpint (g_poll (&arrived, 1, 10000), ==, 1);
  say_later (f, text + first, 0);
}

static void
play (Fixture *f)
{
  Step *step;

  while ((step = g_queue_peek_head (&f->steps)) != NULL && g_str_has_prefix (f->heard->str, step->hears))
    {
      g_string_erase (f->heard, 0, (gssize) strlen (step->hears));
      if (step->delay_ms > 0)
        say_later (f, step->says, step->delay_ms);
      else
        say (f, step->says);
      step_free (g_queue_pop_head (&f->steps));
    }
  /* Whatever else it hears is the beginning of what it expects. */
  if (f->heard->len > 0 && (step == NULL || !g_str_has_prefix (step->hears, f->heard->str)))
    g_error ("the module heard “%s” instead of “%s”", f->heard->str, step != NULL ? step->hears : "nothing");
}

static gboolean
on_master (int fd, GIOCondition condition, gpointer user_data)
{
  Fixture *f = user_data;
  char buffer[4096];
  gssize n = read (fd, buffer, sizeof buffer);

  if (n <= 0)
    return G_SOURCE_REMOVE;
  g_string_append_len (f->heard, buffer, n);
  play (f);
  return G_SOURCE_CONTINUE;
}

static void
expect_later (Fixture *f, const char *hears, guint delay_ms, const char *says)
{
  Step *step = g_new0 (Step, 1);

  step->hears = g_strdup (hears);
  step->delay_ms = delay_ms;
  step->says = g_strdup (says);
  g_queue_push_tail (&f->steps, step);
}

static void
expect (Fixture *f, const char *hears, const char *says)
{
  expect_later (f, hears, 0, says);
}

/* ---- The channel's user ---- */

static void G_GNUC_PRINTF (2, 3)
note (Fixture *f, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_string_append_vprintf (f->log, format, args);
  va_end (args);
  g_string_append (f->log, "; ");
}

static const char *
error_word (const GError *error)
{
  if (error->domain == MEFOTA_ERROR)
    {
      g_assert_true (g_str_has_suffix (error->message, "."));
      return mefota_error_get_name ((MefotaError) error->code) + strlen ("org.gosuncn.Fota.Error.");
    }
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  return "cancelled";
}

static void
on_indication (MefotaAtChannel *channel, const MefotaIndication *indication, Fixture *f)
{
  note (f, "ind %s", indication->status);
}

static void
on_urc (MefotaAtChannel *channel, const char *line, gboolean booted, Fixture *f)
{
  note (f, "%s %s", booted ? "boot" : "urc", line);
}

static void
on_hang_up (MefotaAtChannel *channel, Fixture *f)
{
  note (f, "hang-up");
}

static void
on_sent (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *f = user_data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);
  g_autofree char *joined = lines != NULL ? g_strjoinv ("|", lines) : NULL;

  note (f, "%s", lines != NULL ? joined : error_word (error));
}

typedef gboolean (*Finish) (MefotaAtChannel *, GAsyncResult *, GError **);

static void
on_done (GObject *source, GAsyncResult *result, Fixture *f, Finish finish, const char *name)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = finish (MEFOTA_AT_CHANNEL (source), result, &error);

  note (f, "%s%s%s", name, ok ? "" : " ", ok ? "" : error_word (error));
}

static void
on_synced (GObject *source, GAsyncResult *result, gpointer user_data)
{
  on_done (source, result, user_data, mefota_at_channel_sync_finish, "synced");
}

static void
on_data (GObject *source, GAsyncResult *result, gpointer user_data)
{
  on_done (source, result, user_data, mefota_at_channel_data_finish, "ready");
}

static void
on_written (GObject *source, GAsyncResult *result, gpointer user_data)
{
  on_done (source, result, user_data, mefota_at_channel_data_write_finish, "written");
}

static void
on_ended (GObject *source, GAsyncResult *result, gpointer user_data)
{
  on_done (source, result, user_data, mefota_at_channel_data_end_finish, "ended");
}

static void
send (Fixture *f, const char *command, guint timeout_ms, GCancellable *cancellable)
{
  mefota_at_channel_send_async (f->channel, command, NULL, timeout_ms, cancellable, on_sent, f);
}

static void
data (Fixture *f, const char *command, MefotaPromptStyle style, guint timeout_ms)
{
  mefota_at_channel_data_async (f->channel, command, style, timeout_ms, NULL, on_data, f);
}

static void
write_text (Fixture *f, const char *text)
{
  g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));

  mefota_at_channel_data_write_async (f->channel, bytes, NULL, on_written, f);
}

static void
end (Fixture *f, guint timeout_ms)
{
  mefota_at_channel_data_end_async (f->channel, timeout_ms, NULL, on_ended, f);
}

static gboolean
on_deadline (gpointer user_data)
{
  g_error ("nothing more came; so far: %s", ((Fixture *) user_data)->log->str);
  return G_SOURCE_REMOVE;
}

/* Runs until the user has seen all of @text, and nothing else. Then the log is empty again. */
static void
await (Fixture *f, const char *text)
{
  guint deadline = g_timeout_add_seconds (DEADLINE_SECONDS, on_deadline, f);

  while (f->log->len < strlen (text) || f->delayed > 0)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpstr (f->log->str, ==, text);
  g_string_truncate (f->log, 0);
  g_source_remove (deadline);
}

/* ... until the user has seen something that ends so, which stays in the log. */
static void
await_end (Fixture *f, const char *text)
{
  guint deadline = g_timeout_add_seconds (DEADLINE_SECONDS, on_deadline, f);

  while (!g_str_has_suffix (f->log->str, text))
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (deadline);
}

/* ... until the module has heard and said all. */
static void
await_steps (Fixture *f)
{
  guint deadline = g_timeout_add_seconds (DEADLINE_SECONDS, on_deadline, f);

  while (!g_queue_is_empty (&f->steps) || f->delayed > 0)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (deadline);
}

/* The loop would sleep for ever: no timeout, nothing ready. */
static void
assert_idle (Fixture *f)
{
  GMainContext *context = g_main_context_default ();
  GPollFD fds[16];
  int priority, timeout;

  while (g_main_context_iteration (NULL, FALSE))
    continue;
  g_assert_true (g_main_context_acquire (context));
  g_main_context_prepare (context, &priority);
  g_main_context_query (context, G_MAXINT, &timeout, fds, G_N_ELEMENTS (fds));
  g_main_context_release (context);
  g_assert_cmpint (timeout, ==, -1);
  g_assert_cmpstr (f->log->str, ==, "");
}

static void
set_up_with (Fixture *f, guint retry_ms)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MefotaTty) tty = NULL;
  char name[64];

  g_assert_cmpint (openpty (&f->master, &f->slave, name, NULL, NULL), ==, 0);
  tty = mefota_tty_open (name, 115200, MEFOTA_FLOW_NONE, &error);
  g_assert_no_error (error);
  f->cut = -1;
  f->heard = g_string_new (NULL);
  f->log = g_string_new (NULL);
  g_queue_init (&f->steps);
  f->listener = g_unix_fd_source_new (f->master, G_IO_IN);
  g_source_set_callback (f->listener, G_SOURCE_FUNC (on_master), f, NULL);
  g_source_attach (f->listener, NULL);
  f->channel = mefota_at_channel_new (G_IO_STREAM (tty), "test", retry_ms);
  g_signal_connect (f->channel, "indication", G_CALLBACK (on_indication), f);
  g_signal_connect (f->channel, "urc", G_CALLBACK (on_urc), f);
  g_signal_connect (f->channel, "hang-up", G_CALLBACK (on_hang_up), f);
}

static void
set_up (Fixture *f, gconstpointer user_data)
{
  gsize retry_ms = GPOINTER_TO_SIZE (user_data);

  set_up_with (f, retry_ms > 0 && retry_ms < NEVER_MS ? (guint) retry_ms : NEVER_MS);
}

static void
unplug (Fixture *f)
{
  g_source_destroy (f->listener);
  if (f->master >= 0)
    close (f->master);
  f->master = -1;
}

static void
tear_down (Fixture *f, gconstpointer user_data)
{
  g_assert_cmpstr (f->log->str, ==, "");
  g_assert_cmpstr (f->heard->str, ==, "");
  g_assert_true (g_queue_is_empty (&f->steps));
  if (f->channel != NULL)
    {
      mefota_at_channel_close (f->channel);
      g_assert_finalize_object (g_steal_pointer (&f->channel));
    }
  unplug (f);
  g_source_unref (f->listener);
  close (f->slave);
  g_string_free (f->heard, TRUE);
  g_string_free (f->log, TRUE);
}

/* ---- Commands ---- */

static void
test_answer (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+CGMR\r", "\r\nME3630U1AV1.0B05\r\n\r\nOK\r\n");
  send (f, "AT+CGMR", LONG_MS, NULL);
  g_assert_cmpstr (f->log->str, ==, "");
  await (f, "ME3630U1AV1.0B05; ");
  expect (f, "ATI\r", "\r\nModel: ME3630\r\n+GCAP: +CGSM\r\n\r\nOK\r\n");
  send (f, "ATI", LONG_MS, NULL);
  await (f, "Model: ME3630|+GCAP: +CGSM; ");
  expect (f, "AT+CPIN?\r", "\r\n+CME ERROR: 10\r\n");
  send (f, "AT+CPIN?", LONG_MS, NULL);
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
  send (f, "AT+A", LONG_MS, NULL);
  send (f, "AT+B", LONG_MS, NULL);
  send (f, "AT+C", LONG_MS, NULL);
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
  { "AT+FOTACTR=1", "\r\nOK\r\n\r\n+FOTAIND:START\r\n\r\n+FOTAIND: DOWNLOADING:25%\r\n", "; ind START; ind DOWNLOADING; " },
  { "AT+FOTACTR=1", "AT+FOTACTR=1\r\r\n+FOTAIND: START\r\n\r\nOK\r\n\r\n+FOTAIND: UPDATING\r\n", "ind START; ; ind UPDATING; " },
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
        send (&f, dialogues[i].command, LONG_MS, NULL);
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
  send (f, "AT", LONG_MS, NULL);
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
  send (f, "AT+X", LONG_MS, NULL);
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
  send (f, "AT+A", LONG_MS, NULL);
  send (f, "AT+B", LONG_MS, NULL);
  await (f, "a; b; ");
}

/* ---- Timeout, late answers, synchronisation ---- */

static void
test_timeout (Fixture *f, gconstpointer user_data)
{
  gint64 before = g_get_monotonic_time ();

  expect (f, "AT+A\r", "");
  send (f, "AT+A", 50, NULL);
  await (f, "Timeout; ");
  g_assert_cmpint (g_get_monotonic_time () - before, >=, 45000);
  assert_idle (f); /* no AT while nobody wants anything */
}

/* The module answers everything in order, if late. */
static void
test_late_in_order (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+A\r", "");
  expect (f, "AT\r", "\r\nlate\r\n\r\nOK\r\n\r\n+CREG: 1\r\n\r\nOK\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  send (f, "AT+A", 30, NULL);
  send (f, "AT+B", LONG_MS, NULL);
  await (f, "Timeout; urc +CREG: 1; b; ");
  assert_idle (f);
}

/* ... or an error: alive, and tried again. */
static void
test_late_error (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+A\r", "");
  expect (f, "AT\r", "\r\n+CME ERROR: 3\r\n\r\nOK\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  send (f, "AT+A", 30, NULL);
  send (f, "AT+B", LONG_MS, NULL);
  await (f, "Timeout; b; ");
}

/* The module answers the new command first. */
static void
test_late_out_of_order (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+A\r", "");
  expect (f, "AT\r", "\r\nOK\r\n");
  expect_later (f, "", 300, "\r\nlate\r\n\r\nERROR\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  send (f, "AT+A", 30, NULL);
  send (f, "AT+B", LONG_MS, NULL);
  await (f, "Timeout; b; ");
}

/* The answer never comes: a second of silence is enough, however much the module chats before. */
static void
test_never (Fixture *f, gconstpointer user_data)
{
  gint64 before;

  expect (f, "AT+A\r", "");
  expect (f, "AT\r", "\r\nOK\r\n");
  expect_later (f, "", 500, "\r\n+CREG: 2\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  send (f, "AT+A", 30, NULL);
  send (f, "AT+B", LONG_MS, NULL);
  before = g_get_monotonic_time ();
  await (f, "Timeout; urc +CREG: 2; b; ");
  g_assert_cmpint (g_get_monotonic_time () - before, >=, 1450000);
}

/* It comes while nobody wants anything. An outcome that was asked for is no indication when it is late. */
static void
test_late_while_idle (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+FOTACTR?\r", "");
  send (f, "AT+FOTACTR?", 30, NULL);
  await (f, "Timeout; ");
  say (f, "\r\n+FOTAIND: SUCCESS_END\r\n\r\nOK\r\n\r\n+CREG: 5\r\n");
  await (f, "urc +CREG: 5; ");
  expect (f, "AT\r", "\r\nOK\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  send (f, "AT+B", LONG_MS, NULL);
  await (f, "b; ");
}

static void
test_sync_at_once (Fixture *f, gconstpointer user_data)
{
  gint64 before = g_get_monotonic_time ();

  expect (f, "AT\r", "AT\r\r\nOK\r\n");
  expect (f, "AT+A\r", "\r\na\r\n\r\nOK\r\n");
  mefota_at_channel_sync_async (f->channel, NULL, on_synced, f);
  send (f, "AT+A", LONG_MS, NULL);
  await (f, "synced; a; ");
  g_assert_cmpint (g_get_monotonic_time () - before, <, 900000);
  assert_idle (f);
}

/* A booting module keeps what it hears, and answers all of it at once. */
static void
test_sync_booting (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT\r", "");
  expect (f, "AT\r", "");
  expect (f, "AT\r", "\r\n+ZREADY\r\n\r\nERROR\r\n\r\nOK\r\n\r\nOK\r\n");
  expect (f, "AT+A\r", "\r\na\r\n\r\nOK\r\n");
  mefota_at_channel_sync_async (f->channel, NULL, on_synced, f);
  send (f, "AT+A", LONG_MS, NULL);
  await (f, "boot +ZREADY; synced; a; ");
}

static void
test_sync_error (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT\r", "\r\nERROR\r\n");
  expect (f, "AT\r", "\r\nOK\r\n");
  mefota_at_channel_sync_async (f->channel, NULL, on_synced, f);
  await (f, "synced; ");
  assert_idle (f);
}

/* It goes before what waits, and joins another. */
static void
test_sync_first (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+A\r", "\r\na\r\n\r\nOK\r\n");
  expect (f, "AT\r", "\r\nOK\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  send (f, "AT+A", LONG_MS, NULL);
  send (f, "AT+B", LONG_MS, NULL);
  mefota_at_channel_sync_async (f->channel, NULL, on_synced, f);
  mefota_at_channel_sync_async (f->channel, NULL, on_synced, f);
  await (f, "a; synced; synced; b; ");
}

static void
test_sync_cancel (Fixture *f, gconstpointer user_data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  expect (f, "AT\r", "");
  mefota_at_channel_sync_async (f->channel, cancellable, on_synced, f);
  await_steps (f);
  g_cancellable_cancel (cancellable);
  g_assert_cmpstr (f->log->str, ==, "");
  await (f, "synced cancelled; ");
  assert_idle (f);
  /* The AT may still be answered: the next command finds its own answer. */
  expect (f, "AT\r", "\r\nOK\r\n\r\nOK\r\n");
  expect (f, "AT+A\r", "\r\na\r\n\r\nOK\r\n");
  send (f, "AT+A", LONG_MS, NULL);
  await (f, "a; ");
}

static void
test_cancel (Fixture *f, gconstpointer user_data)
{
  g_autoptr (GCancellable) flying = g_cancellable_new ();
  g_autoptr (GCancellable) queued = g_cancellable_new ();
  g_autoptr (GCancellable) before = g_cancellable_new ();

  expect (f, "AT+A\r", "");
  g_cancellable_cancel (before);
  send (f, "AT+A", LONG_MS, flying);
  send (f, "AT+B", LONG_MS, queued);
  send (f, "AT+C", LONG_MS, before);
  await (f, "cancelled; ");
  await_steps (f);
  g_cancellable_cancel (queued);
  await (f, "cancelled; ");
  g_cancellable_cancel (flying);
  g_assert_cmpstr (f->log->str, ==, "");
  await (f, "cancelled; ");
  assert_idle (f);
  expect (f, "AT\r", "\r\nlate\r\nOK\r\n\r\nOK\r\n");
  expect (f, "AT+D\r", "\r\nd\r\n\r\nOK\r\n");
  send (f, "AT+D", LONG_MS, NULL);
  await (f, "d; ");
}

/* Not a byte of it was written: nothing to get over. */
static void
test_cancel_unwritten (Fixture *f, gconstpointer user_data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  send (f, "AT+A", LONG_MS, cancellable);
  g_cancellable_cancel (cancellable);
  await (f, "cancelled; ");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  send (f, "AT+B", LONG_MS, NULL);
  await (f, "b; ");
}

/* ---- Hang-up and closing ---- */

static void
test_hang_up (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+A\r", "");
  send (f, "AT+A", LONG_MS, NULL);
  send (f, "AT+B", LONG_MS, NULL);
  mefota_at_channel_sync_async (f->channel, NULL, on_synced, f);
  await_steps (f);
  unplug (f);
  await (f, "NotPresent; NotPresent; synced NotPresent; hang-up; ");
  send (f, "AT+C", LONG_MS, NULL);
  data (f, "AT+ZCOMWRT=1", MEFOTA_PROMPT_IMMEDIATE, LONG_MS);
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
  send (f, "AT+A", LONG_MS, NULL);
  send (f, "AT+B", LONG_MS, NULL);
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
  send (f, "AT+B", LONG_MS, NULL);
  await_steps (f);
  if (by_hang_up)
    unplug (f);
  await (f, by_hang_up ? "NotPresent; NotPresent; " : "a; NotPresent; ");
  assert_idle (f);
}

/* The last reference goes within a signal, a callback, or a timeout: the channel ends with what it is at, not before. */
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
        data (&f, "AT+ZCOMWRT=5", prompts[i].style, LONG_MS);
        send (&f, "AT", LONG_MS, NULL);
        await_end (&f, "ready; ");
        await (&f, urc ? "urc +CREG: 1; ready; " : "ready; ");
        g_assert_cmpuint (mefota_at_channel_data_get_missing (f.channel), ==, 5);
        write_text (&f, "hello");
        await (&f, "written; ");
        g_assert_cmpuint (mefota_at_channel_data_get_missing (f.channel), ==, 0);
        end (&f, LONG_MS);
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
  data (f, command, MEFOTA_PROMPT_IMMEDIATE, LONG_MS);
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
  end (f, LONG_MS); /* the OK was there first */
  g_assert_cmpstr (f->log->str, ==, "");
  await (f, "ended; ");
  write_text (f, "x");
  end (f, LONG_MS);
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
        end (&f, LONG_MS);
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
  data (f, "AT+ZCOMWRT=5", MEFOTA_PROMPT_GRACE, LONG_MS);
  await (f, "ready ModuleError; ");
  expect (f, "AT+ZCOMWRT=5\r", "\r\nOK\r\n");
  data (f, "AT+ZCOMWRT=5", MEFOTA_PROMPT_IMMEDIATE, LONG_MS);
  await (f, "ready ModuleError; ");

  /* At the end of the data */
  begin_data (f, "AT+ZCOMWRT=5");
  expect_later (f, "hello", 20, "\r\nERROR\r\n");
  write_text (f, "hello");
  await (f, "written; ");
  end (f, LONG_MS);
  await (f, "ended ModuleError; ");

  /* In the midst of it, while nobody waits: told at the next step, and the one behind */
  begin_data (f, "AT+ZCOMWRT=10");
  expect (f, "hello", "\r\nERROR\r\n\r\n+CREG: 1\r\n");
  write_text (f, "hello");
  await (f, "written; urc +CREG: 1; ");
  write_text (f, "world");
  end (f, LONG_MS);
  await (f, "written ModuleError; ended ModuleError; ");
  expect (f, "AT\r", "\r\nERROR\r\n\r\nOK\r\n"); /* the rest of the data was no command */
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  send (f, "AT+B", LONG_MS, NULL);
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
  end (f, 30);
  await (f, "ended Timeout; ");
  assert_idle (f);
  expect (f, "AT\r", "\r\nOK\r\n\r\nOK\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  send (f, "AT+B", LONG_MS, NULL);
  await (f, "b; ");
}

static void
on_filled (Fixture *f, gsize n_zeros)
{
  guint deadline = g_timeout_add_seconds (DEADLINE_SECONDS, on_deadline, f);
  gsize zeros = 0;

  g_source_destroy (f->listener); /* zeros are no text */
  while (zeros < n_zeros)
    {
      GPollFD heard = { .fd = f->master, .events = G_IO_IN };
      char buffer[64];
      gssize n;

      g_main_context_iteration (NULL, FALSE);
      if (g_poll (&heard, 1, 1) == 0)
        continue;
      n = read (f->master, buffer, MIN (sizeof buffer, n_zeros - zeros));
      for (gssize i = 0; i < n; i++)
        g_assert_cmpint (buffer[i], ==, 0);
      zeros += (gsize) MAX (n, 0);
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
  end (f, 30);
  await (f, "ended Timeout; ");
  on_filled (f, 5);
  expect (f, "AT\r", "\r\nOK\r\n\r\nOK\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  send (f, "AT+B", LONG_MS, NULL);
  await (f, "b; ");

  /* The prompt comes after its timeout. */
  expect (f, "AT+ZCOMWRT=7\r", "");
  data (f, "AT+ZCOMWRT=7", MEFOTA_PROMPT_IMMEDIATE, 30);
  await (f, "ready Timeout; ");
  say (f, "\r\n> ");
  on_filled (f, 7);
  say (f, "\r\nOK\r\n");
  expect (f, "AT\r", "\r\nOK\r\n");
  expect (f, "AT+C\r", "\r\nc\r\n\r\nOK\r\n");
  send (f, "AT+C", LONG_MS, NULL);
  await (f, "c; ");
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
    end (f, LONG_MS);
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
  end (f, LONG_MS);
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
  end (f, LONG_MS);
  say (f, "\r\nOK\r\n");
  await (f, "ended; ");
  g_byte_array_unref (reader.got);
}

/* A line that takes nothing more still lets commands time out, and hangs up as any other. */
static void
test_stuck (Fixture *f, gconstpointer user_data)
{
  g_autofree char *filler = g_strnfill (LARGE, 'x');

  g_source_destroy (f->listener);
  send (f, filler, 50, NULL);
  await (f, "Timeout; ");
  assert_idle (f);
  send (f, "AT+B", 50, NULL); /* waits for a synchronisation that cannot be sent */
  unplug (f);
  await (f, "NotPresent; hang-up; ");
}

/* ---- What the journal gets ---- */

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

static void
test_log_masked (Fixture *f, gconstpointer user_data)
{
  static GString *journal;

  journal = g_string_new (NULL);
  if (g_test_subprocess ())
    {
      g_log_set_writer_func (on_log, journal, NULL);
      for (f->cut = -1; f->cut < 20; f->cut++)
        {
          expect (f, "AT+CGSN\r", "\r\n866758041234567\r\n\r\nOK\r\n");
          send (f, "AT+CGSN", LONG_MS, NULL);
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
  ADD ("timeout", test_timeout, NULL);
  ADD ("late/in-order", test_late_in_order, NULL);
  ADD ("late/error", test_late_error, NULL);
  ADD ("late/out-of-order", test_late_out_of_order, NULL);
  ADD ("late/never", test_never, NULL);
  ADD ("late/while-idle", test_late_while_idle, NULL);
  ADD ("sync/at-once", test_sync_at_once, NULL);
  ADD ("sync/booting", test_sync_booting, GSIZE_TO_POINTER (300));
  ADD ("sync/error", test_sync_error, GSIZE_TO_POINTER (300));
  ADD ("sync/first", test_sync_first, NULL);
  ADD ("sync/cancel", test_sync_cancel, NULL);
  ADD ("cancel", test_cancel, NULL);
  ADD ("cancel-unwritten", test_cancel_unwritten, NULL);
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
  g_test_add_func ("/at-channel/data/prompts", test_prompts);
  ADD ("data/noise", test_data_noise, NULL);
  g_test_add_func ("/at-channel/data/echo", test_data_echo);
  ADD ("data/refused", test_data_refused, NULL);
  ADD ("data/timeout", test_data_timeout, NULL);
  ADD ("data/given-up", test_data_given_up, NULL);
  ADD ("data/hang-up", test_data_hang_up, NULL);
  ADD ("data/hang-up-ending", test_data_hang_up, GSIZE_TO_POINTER (NEVER_MS));
  ADD ("data/large", test_data_large, NULL);
  ADD ("data/cancel", test_data_cancel, NULL);
  ADD ("stuck", test_stuck, NULL);
  g_test_add_func ("/at-channel/log/format", test_log);
  ADD ("log/masked", test_log_masked, NULL);
  return g_test_run ();
}
