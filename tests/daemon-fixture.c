/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon-fixture-private.h"

#include <errno.h>
#include <glib-unix.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "test-folder.h"

/* For messages of a wait that was in vain. */
static DaemonFixture *current;

/* ---- waiting ---- */

static void
give_up (const char *what)
{
  g_printerr ("Bail out! waited in vain for: %s\n", what);
  if (current != NULL)
    {
      g_autofree char *log = daemon_read_log (current);
      gsize length = strlen (log);

      for (guint i = 0; i < current->sims->len; i++)
        {
          SimProcess *sim = g_ptr_array_index (current->sims, i);
          for (guint j = sim->events->len > 40 ? sim->events->len - 40 : 0; j < sim->events->len; j++)
            g_printerr ("# %s: %s\n", sim->name, (const char *) g_ptr_array_index (sim->events, j));
        }
      g_printerr ("# daemon:\n%s\n", log + (length > 6000 ? length - 6000 : 0));
    }
  abort ();
}

static gboolean
on_tick (gpointer data)
{
  return G_SOURCE_CONTINUE; /* so that a turn ends */
}

void
daemon_fixture_turn (DaemonFixture *self, const char *what, gint64 *until)
{
  guint tick;

  if (*until == 0)
    *until = g_get_monotonic_time () + DAEMON_DEADLINE * G_USEC_PER_SEC;
  if (g_get_monotonic_time () > *until)
    give_up (what);
  tick = g_timeout_add_seconds (1, on_tick, NULL);
  g_main_context_iteration (NULL, TRUE);
  g_source_remove (tick);
}

static void
die_with_the_test (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

/* ---- modules ---- */

static gboolean
on_sim_output (int fd, GIOCondition condition, gpointer data)
{
  SimProcess *sim = data;
  char buffer[4096];
  gssize n = read (fd, buffer, sizeof buffer);
  char *end;

  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n <= 0)
    {
      sim->source = 0;
      return G_SOURCE_REMOVE;
    }
  g_string_append_len (sim->partial, buffer, n);
  while ((end = memchr (sim->partial->str, '\n', sim->partial->len)) != NULL)
    {
      gsize length = (gsize) (end - sim->partial->str);
      gint64 now = g_get_monotonic_time ();
      g_array_append_val (sim->times, now);
      g_ptr_array_add (sim->events, g_strndup (sim->partial->str, length));
      g_test_message ("%s: %s", sim->name, (const char *) g_ptr_array_index (sim->events, sim->events->len - 1));
      g_string_erase (sim->partial, 0, (gssize) length + 1);
    }
  return G_SOURCE_CONTINUE;
}

static void
sim_free (gpointer data)
{
  SimProcess *sim = data;

  g_clear_handle_id (&sim->source, g_source_remove);
  g_subprocess_force_exit (sim->process);
  g_subprocess_wait (sim->process, NULL, NULL);
  g_object_unref (sim->process);
  g_string_free (sim->partial, TRUE);
  g_ptr_array_unref (sim->events);
  g_array_unref (sim->times);
  g_free (sim->name);
  g_free (sim->link);
  g_free (sim);
}

static const char *
program (const char *variable)
{
  const char *path = g_getenv (variable);
  if (path == NULL)
    {
      g_printerr ("Bail out! %s names no program\n", variable);
      abort ();
    }
  return path;
}

SimProcess *
daemon_add_sim (DaemonFixture *self, const char *name, ...)
{
  SimProcess *sim = g_new0 (SimProcess, 1);
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  g_autoptr (GPtrArray) argv = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  va_list args;
  int fds[2];

  sim->name = g_strdup (name);
  sim->link = daemon_path (self, name);
  sim->partial = g_string_new (NULL);
  sim->events = g_ptr_array_new_with_free_func (g_free);
  sim->times = g_array_new (FALSE, FALSE, sizeof (gint64));
  g_ptr_array_add (argv, g_strdup (program ("MEFOTA_SIM")));
  g_ptr_array_add (argv, g_strdup ("--control"));
  g_ptr_array_add (argv, g_strdup_printf ("--link=%s", sim->link));
  g_ptr_array_add (argv, g_strdup ("--time-scale=50"));
  g_ptr_array_add (argv, g_strdup ("--set=linger=0.05"));
  va_start (args, name);
  for (const char *pair = va_arg (args, const char *); pair != NULL; pair = va_arg (args, const char *))
    g_ptr_array_add (argv, g_strdup_printf ("--set=%s", pair));
  va_end (args);
  g_ptr_array_add (argv, NULL);

  g_assert_true (g_unix_open_pipe (fds, FD_CLOEXEC, NULL));
  g_unix_set_fd_nonblocking (fds[0], TRUE, NULL);
  launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE);
  g_subprocess_launcher_set_child_setup (launcher, die_with_the_test, NULL, NULL);
  g_subprocess_launcher_take_stdout_fd (launcher, fds[1]);
  sim->process = g_subprocess_launcher_spawnv (launcher, (const char *const *) argv->pdata, &error);
  g_assert_no_error (error);
  sim->input = g_subprocess_get_stdin_pipe (sim->process);
  sim->source = g_unix_fd_add_full (G_PRIORITY_DEFAULT, fds[0], G_IO_IN | G_IO_HUP, on_sim_output, sim, NULL);
  g_ptr_array_add (self->sims, sim);
  sim_await (sim, "port ");
  return sim;
}

const char *
sim_await (SimProcess *sim, const char *prefix)
{
  g_autofree char *what = g_strdup_printf ("event \"%s\" of %s", prefix, sim->name);
  gint64 until = 0;

  for (;;)
    {
      while (sim->seen < sim->events->len)
        {
          const char *event = g_ptr_array_index (sim->events, sim->seen);
          sim->seen_at = g_array_index (sim->times, gint64, sim->seen++);
          if (g_str_has_prefix (event, prefix))
            return event;
        }
      daemon_fixture_turn (NULL, what, &until);
    }
}

guint
sim_count (SimProcess *sim, const char *prefix)
{
  guint n = 0;
  for (guint i = 0; i < sim->events->len; i++)
    if (g_str_has_prefix (g_ptr_array_index (sim->events, i), prefix))
      n++;
  return n;
}

void
sim_control (SimProcess *sim, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *line = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *sent = g_strconcat (line, "\n", NULL);
  g_autofree char *ok = g_strconcat ("ok ", line, NULL);
  guint from = sim->events->len;
  gint64 until = 0;

  g_assert_true (g_output_stream_write_all (sim->input, sent, strlen (sent), NULL, NULL, NULL));
  for (;; from++)
    {
      while (from == sim->events->len)
        daemon_fixture_turn (NULL, ok, &until);
      g_assert_false (g_str_has_prefix (g_ptr_array_index (sim->events, from), "error "));
      if (g_str_equal (g_ptr_array_index (sim->events, from), ok))
        return;
    }
}

/* ---- the daemon ---- */

static void
on_name_appeared (GDBusConnection *connection, const char *name, const char *owner, gpointer data)
{
  ((DaemonFixture *) data)->daemon_there = TRUE;
}

static void
on_name_vanished (GDBusConnection *connection, const char *name, gpointer data)
{
  ((DaemonFixture *) data)->daemon_there = FALSE;
}

char *
daemon_path (DaemonFixture *self, const char *name)
{
  return g_build_filename (self->folder, name, NULL);
}

char *
daemon_read_log (DaemonFixture *self)
{
  g_autofree char *path = daemon_path (self, "log");
  char *text = NULL;

  if (!g_file_get_contents (path, &text, NULL, NULL))
    return g_strdup ("");
  return text;
}

gint
daemon_get_pid (DaemonFixture *self)
{
  return atoi (g_subprocess_get_identifier (self->daemon));
}

static void
write_config (DaemonFixture *self, const char *config)
{
  g_autofree char *path = daemon_path (self, "mefotad.conf");
  g_autoptr (GString) text = g_string_new (config);

  for (guint i = 0; i < self->sims->len; i++)
    {
      SimProcess *sim = g_ptr_array_index (self->sims, i);
      g_autofree char *mark = g_strdup_printf ("@%s@", sim->name);
      g_string_replace (text, mark, sim->link, 0);
    }
  g_assert_true (g_file_set_contents (path, text->str, -1, NULL));
}

/* What the daemon is run by. */
static void
add_prefix (GStrvBuilder *command)
{
  const char *prefix = g_getenv ("MEFOTAD_PREFIX");
  g_auto (GStrv) words = NULL;

  if (prefix == NULL || prefix[0] == '\0')
    return;
  g_assert_true (g_shell_parse_argv (prefix, NULL, &words, NULL));
  g_strv_builder_addv (command, (const char **) words);
}

void
daemon_start (DaemonFixture *self, const char *config)
{
  g_autofree char *conf = daemon_path (self, "mefotad.conf");
  g_autofree char *state = daemon_path (self, "state");
  g_autofree char *run = daemon_path (self, "run");
  g_autofree char *log = daemon_path (self, "log");
  const char *argv[] = { program ("MEFOTAD"), "--config", conf, "--state-dir", state,
                         self->quiet ? NULL : "--verbose", NULL };
  g_autoptr (GStrvBuilder) command = g_strv_builder_new ();
  g_auto (GStrv) words = NULL;
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  g_autoptr (GError) error = NULL;

  g_assert_null (self->daemon);
  add_prefix (command);
  g_strv_builder_addv (command, argv);
  words = g_strv_builder_end (command);
  if (config != NULL)
    write_config (self, config);
  g_subprocess_launcher_set_child_setup (launcher, die_with_the_test, NULL, NULL);
  g_subprocess_launcher_setenv (launcher, "DBUS_SYSTEM_BUS_ADDRESS",
                                  self->address != NULL ? self->address
                                  : g_test_dbus_get_bus_address (self->bus), TRUE);
  g_subprocess_launcher_setenv (launcher, "RUNTIME_DIRECTORY", run, TRUE);
  g_subprocess_launcher_unsetenv (launcher, "STATE_DIRECTORY");
  g_subprocess_launcher_unsetenv (launcher, "NOTIFY_SOCKET");
  g_subprocess_launcher_unsetenv (launcher, "G_DEBUG"); /* a fault in a module is no fault of ours */
  g_subprocess_launcher_take_stderr_fd (launcher, g_open (log, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600));
  self->daemon = g_subprocess_launcher_spawnv (launcher, (const char *const *) words, &error);
  g_assert_no_error (error);
  DAEMON_AWAIT (self, self->daemon_there);
  daemon_read_all (self);
}

static void
on_daemon_ended (GObject *source, GAsyncResult *result, gpointer data)
{
  g_assert_true (g_subprocess_wait_finish (G_SUBPROCESS (source), result, NULL));
  *(gboolean *) data = TRUE;
}

static void
end_daemon (DaemonFixture *self, int signal_number)
{
  g_autoptr (GSubprocess) daemon = g_steal_pointer (&self->daemon);
  gboolean ended = FALSE;

  g_subprocess_send_signal (daemon, signal_number);
  g_subprocess_wait_async (daemon, NULL, on_daemon_ended, &ended);
  DAEMON_AWAIT (self, ended && !self->daemon_there);
  if (signal_number == SIGTERM)
    {
      if (!g_subprocess_get_successful (daemon))
        {
          g_autofree char *log = daemon_read_log (self);
          gsize length = strlen (log);
          g_printerr ("# daemon:\n%s\n", log + (length > 6000 ? length - 6000 : 0));
        }
      g_assert_true (g_subprocess_get_if_exited (daemon));
      g_assert_cmpint (g_subprocess_get_exit_status (daemon), ==, 0);
    }
}

void
daemon_stop (DaemonFixture *self)
{
  end_daemon (self, SIGTERM);
}

void
daemon_kill (DaemonFixture *self)
{
  end_daemon (self, SIGKILL);
}

/* ---- the fixture ---- */

DaemonFixture *
daemon_fixture_new (void)
{
  DaemonFixture *self = g_new0 (DaemonFixture, 1);
  g_autofree char *run = NULL;
  g_autoptr (GError) error = NULL;

  self->folder = g_dir_make_tmp ("mefota-test-XXXXXX", &error);
  g_assert_no_error (error);
  run = daemon_path (self, "run");
  g_assert_cmpint (g_mkdir (run, 0700), ==, 0);
  self->sims = g_ptr_array_new_with_free_func (sim_free);
  self->bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (self->bus);
  self->connection = g_dbus_connection_new_for_address_sync (
      g_test_dbus_get_bus_address (self->bus),
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL,
      &error);
  g_assert_no_error (error);
  daemon_listen (self);
  self->name_watch = g_bus_watch_name_on_connection (self->connection, DAEMON_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                                     on_name_appeared, on_name_vanished, self, NULL);
  current = self;
  return self;
}

void
daemon_fixture_free (DaemonFixture *self)
{
  if (self->daemon != NULL)
    daemon_stop (self);
  current = NULL;
  g_bus_unwatch_name (self->name_watch);
  g_dbus_connection_signal_unsubscribe (self->connection, self->subscription);
  g_dbus_connection_close_sync (self->connection, NULL, NULL);
  g_object_unref (self->connection);
  g_ptr_array_unref (self->sims);
  g_test_dbus_down (self->bus);
  g_object_unref (self->bus);
  g_ptr_array_unref (self->events);
  g_hash_table_unref (self->properties);
  test_folder_remove (self->folder);
  g_free (self->address);
  g_free (self->folder);
  g_free (self);
}
