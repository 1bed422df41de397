/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "at-channel-fixture.h"

#include <errno.h>
#include <pty.h>
#include <string.h>
#include <unistd.h>

#include "mefota-error.h"
#include "mefota-tty.h"

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

void
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

gboolean
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

void
expect_later (Fixture *f, const char *hears, guint delay_ms, const char *says)
{
  Step *step = g_new0 (Step, 1);

  step->hears = g_strdup (hears);
  step->delay_ms = delay_ms;
  step->says = g_strdup (says);
  g_queue_push_tail (&f->steps, step);
}

void
expect (Fixture *f, const char *hears, const char *says)
{
  expect_later (f, hears, 0, says);
}

/* ---- The channel's user ---- */

void
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

void
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

void
on_synced (GObject *source, GAsyncResult *result, gpointer user_data)
{
  on_done (source, result, user_data, mefota_at_channel_sync_finish, "synced");
}

void
on_data (GObject *source, GAsyncResult *result, gpointer user_data)
{
  on_done (source, result, user_data, mefota_at_channel_data_finish, "ready");
}

void
on_written (GObject *source, GAsyncResult *result, gpointer user_data)
{
  on_done (source, result, user_data, mefota_at_channel_data_write_finish, "written");
}

void
on_ended (GObject *source, GAsyncResult *result, gpointer user_data)
{
  on_done (source, result, user_data, mefota_at_channel_data_end_finish, "ended");
}

void
ask (Fixture *f, const char *command, guint timeout_ms, GCancellable *cancellable)
{
  mefota_at_channel_send_async (f->channel, command, NULL, timeout_ms, cancellable, on_sent, f);
}

void
announce (Fixture *f, const char *command, MefotaPromptStyle style, guint timeout_ms)
{
  mefota_at_channel_data_async (f->channel, command, style, timeout_ms, NULL, on_data, f);
}

void
write_text (Fixture *f, const char *text)
{
  g_autoptr (GBytes) bytes = g_bytes_new (text, strlen (text));

  mefota_at_channel_data_write_async (f->channel, bytes, NULL, on_written, f);
}

void
end_data (Fixture *f, guint timeout_ms)
{
  mefota_at_channel_data_end_async (f->channel, timeout_ms, NULL, on_ended, f);
}

gboolean
on_deadline (gpointer user_data)
{
  g_error ("nothing more came; so far: %s", ((Fixture *) user_data)->log->str);
  return G_SOURCE_REMOVE;
}

/* Runs until the user has seen all of @text, and nothing else. Then the log is empty again. */
void
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
void
await_end (Fixture *f, const char *text)
{
  guint deadline = g_timeout_add_seconds (DEADLINE_SECONDS, on_deadline, f);

  while (!g_str_has_suffix (f->log->str, text))
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (deadline);
}

/* ... until the module has heard and said all. */
void
await_steps (Fixture *f)
{
  guint deadline = g_timeout_add_seconds (DEADLINE_SECONDS, on_deadline, f);

  while (!g_queue_is_empty (&f->steps) || f->delayed > 0)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (deadline);
}

/* The loop would sleep for ever: no timeout, nothing ready. */
void
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

void
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

void
set_up (Fixture *f, gconstpointer user_data)
{
  gsize retry_ms = GPOINTER_TO_SIZE (user_data);

  set_up_with (f, retry_ms > 0 && retry_ms < NEVER_MS ? (guint) retry_ms : NEVER_MS);
}

void
unplug (Fixture *f)
{
  g_source_destroy (f->listener);
  if (f->master >= 0)
    close (f->master);
  f->master = -1;
}

void
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
