/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-client.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

#define DEADLINE 20

static void
on_event (MefotaSim *sim, const char *line, gpointer user_data)
{
  SimClient *client = user_data;

  g_test_message ("%s", line);
  g_ptr_array_add (client->events, g_strdup (line));
}

SimClient *
sim_client_new (const char *first, ...)
{
  SimClient *client = g_new0 (SimClient, 1);
  g_autoptr (GError) error = NULL;
  va_list args;

  client->sim = mefota_sim_new ();
  client->events = g_ptr_array_new_with_free_func (g_free);
  client->in = g_string_new (NULL);
  client->fd = -1;
  g_signal_connect (client->sim, "event", G_CALLBACK (on_event), client);
  sim_client_set (client, "time-scale=200");
  sim_client_set (client, "linger=0.05");
  va_start (args, first);
  for (const char *pair = first; pair != NULL; pair = va_arg (args, const char *))
    sim_client_set (client, pair);
  va_end (args);
  mefota_sim_start (client->sim, &error);
  g_assert_no_error (error);
  return client;
}

void
sim_client_free (SimClient *client)
{
  sim_client_close (client);
  g_signal_handlers_disconnect_by_data (client->sim, client);
  g_object_unref (client->sim);
  g_ptr_array_unref (client->events);
  g_string_free (client->in, TRUE);
  g_free (client);
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user_data)
{
  SimClient *client = user_data;
  char buffer[4096];
  gssize n = read (fd, buffer, sizeof buffer);

  if (n > 0)
    {
      g_string_append_len (client->in, buffer, n);
      return G_SOURCE_CONTINUE;
    }
  if (n < 0 && errno == EAGAIN)
    return G_SOURCE_CONTINUE;
  client->source = 0;
  client->hung_up = TRUE;
  return G_SOURCE_REMOVE;
}

void
sim_client_open (SimClient *client)
{
  g_assert_cmpint (client->fd, ==, -1);
  client->fd = open (mefota_sim_get_path (client->sim), O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  g_assert_cmpint (client->fd, >=, 0);
  client->hung_up = FALSE;
  client->source = g_unix_fd_add (client->fd, G_IO_IN | G_IO_HUP | G_IO_ERR, on_readable, client);
  sim_client_await (client, "opened");
}

void
sim_client_close (SimClient *client)
{
  if (client->source != 0)
    g_source_remove (client->source);
  client->source = 0;
  if (client->fd >= 0)
    close (client->fd);
  client->fd = -1;
  g_string_truncate (client->in, 0);
}

static gboolean
on_wake (gpointer user_data)
{
  return G_SOURCE_CONTINUE;
}

void
sim_client_turn (SimClient *client, const char *what, gint64 *deadline)
{
  guint wake;

  if (*deadline == 0)
    *deadline = g_get_monotonic_time () + DEADLINE * G_USEC_PER_SEC;
  if (g_get_monotonic_time () > *deadline)
    {
      g_autofree char *came = g_strescape (client->in->str, NULL);

      g_error ("waited in vain for \"%s\"; on the line: \"%s\"", what, came);
    }
  /* Wakes up now and then, so that the deadline holds. */
  wake = g_timeout_add (500, on_wake, NULL);
  g_main_context_iteration (NULL, TRUE);
  g_source_remove (wake);
}

void
sim_client_write (SimClient *client, const void *bytes, gsize length)
{
  const char *at = bytes;
  gint64 deadline = 0;

  while (length > 0)
    {
      gssize n = write (client->fd, at, length);

      if (n > 0)
        {
          at += n;
          length -= (gsize) n;
        }
      else
        g_assert_cmpint (errno, ==, EAGAIN);
      sim_client_turn (client, "the tty to take more", &deadline);
    }
}

void
sim_client_send (SimClient *client, const char *command)
{
  g_autofree char *line = g_strconcat (command, "\r", NULL);

  sim_client_write (client, line, strlen (line));
}

void
sim_client_set (SimClient *client, const char *pair)
{
  g_autofree char *line = g_strconcat ("set ", pair, NULL);

  sim_client_control (client, line);
}

void
sim_client_control (SimClient *client, const char *line)
{
  g_autoptr (GError) error = NULL;

  mefota_sim_control (client->sim, line, &error);
  g_assert_no_error (error);
}

static gssize
find (const GString *in, const char *text)
{
  const char *at = memmem (in->str, in->len, text, strlen (text));

  return at == NULL ? -1 : at - in->str;
}

void
sim_client_expect (SimClient *client, const char *text)
{
  gint64 deadline = 0;
  gssize at;

  while ((at = find (client->in, text)) < 0)
    sim_client_turn (client, text, &deadline);
  g_string_erase (client->in, 0, at + (gssize) strlen (text));
}

char *
sim_client_ask (SimClient *client, const char *command, const char *text)
{
  gint64 deadline = 0;
  gsize length;
  char *answer;
  gssize at;

  sim_client_send (client, command);
  while ((at = find (client->in, text)) < 0)
    sim_client_turn (client, text, &deadline);
  length = (gsize) at + strlen (text);
  answer = g_strndup (client->in->str, length);
  g_string_erase (client->in, 0, (gssize) length);
  return answer;
}

const char *
sim_client_await (SimClient *client, const char *prefix)
{
  gint64 deadline = 0;

  for (;;)
    {
      while (client->seen < client->events->len)
        {
          const char *line = g_ptr_array_index (client->events, client->seen++);

          if (g_str_has_prefix (line, prefix))
            return line;
        }
      sim_client_turn (client, prefix, &deadline);
    }
}

void
sim_client_await_hangup (SimClient *client)
{
  gint64 deadline = 0;

  while (!client->hung_up)
    sim_client_turn (client, "the hang-up", &deadline);
  sim_client_close (client);
}
