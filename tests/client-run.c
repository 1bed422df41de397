/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-run.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <pty.h>
#include <signal.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#define DEADLINE_SECONDS 60

static char *bus_address;

void
client_run_set_bus (const char *address)
{
  g_free (bus_address);
  bus_address = g_strdup (address);
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user_data)
{
  char buffer[4096];
  ssize_t n = read (fd, buffer, sizeof buffer);
  if (n > 0)
    g_string_append_len (user_data, buffer, n);
  if (n > 0 || (n < 0 && (errno == EAGAIN || errno == EINTR)))
    return G_SOURCE_CONTINUE;
  close (fd); /* end of a pipe, or EIO of a terminal */
  return G_SOURCE_REMOVE;
}

static void
on_out_done (gpointer user_data)
{
  ((ClientRun *) user_data)->out_source = 0;
}

static gboolean
on_out (int fd, GIOCondition condition, gpointer user_data)
{
  return on_readable (fd, condition, ((ClientRun *) user_data)->out);
}

static void
on_err_done (gpointer user_data)
{
  ((ClientRun *) user_data)->err_source = 0;
}

static gboolean
on_err (int fd, GIOCondition condition, gpointer user_data)
{
  return on_readable (fd, condition, ((ClientRun *) user_data)->err);
}

static void
on_ended (GObject *source, GAsyncResult *result, gpointer user_data)
{
  ClientRun *run = user_data;
  g_assert_true (g_subprocess_wait_finish (G_SUBPROCESS (source), result, NULL));
  run->ended = TRUE;
}

static void
open_pipe (int *ours, int *theirs)
{
  int fds[2];
  g_assert_true (g_unix_open_pipe (fds, FD_CLOEXEC, NULL));
  *ours = fds[0];
  *theirs = fds[1];
}

ClientRun *
client_run_new (ClientRunFlags flags, guint columns, const char *const *environment, const char *const *arguments)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_NONE);
  ClientRun *run = g_new0 (ClientRun, 1);
  int out, out_child, err, err_child;
  if (!(flags & CLIENT_RUN_PROGRAM))
    g_ptr_array_add (argv, (gpointer) MEFOTACTL);
  for (gsize i = 0; arguments[i] != NULL; i++)
    g_ptr_array_add (argv, (gpointer) arguments[i]);
  g_ptr_array_add (argv, NULL);
  run->terminal = -1;
  if (flags & CLIENT_RUN_TERMINAL)
    {
      struct winsize size = { .ws_row = 10, .ws_col = (unsigned short) columns };
      g_assert_cmpint (openpty (&out, &out_child, NULL, NULL, &size), ==, 0);
      fcntl (out, F_SETFD, FD_CLOEXEC);
      fcntl (out_child, F_SETFD, FD_CLOEXEC);
      run->terminal = out;
    }
  else
    open_pipe (&out, &out_child);
  open_pipe (&err, &err_child);
  g_unix_set_fd_nonblocking (out, TRUE, NULL);
  g_subprocess_launcher_take_stdout_fd (launcher, out_child);
  g_subprocess_launcher_take_stderr_fd (launcher, err_child);
  g_subprocess_launcher_setenv (launcher, "DBUS_SYSTEM_BUS_ADDRESS", bus_address, TRUE);
  g_subprocess_launcher_setenv (launcher, "LC_ALL", "C.UTF-8", TRUE);
  g_subprocess_launcher_setenv (launcher, "TZ", "UTC", TRUE);
  g_subprocess_launcher_setenv (launcher, "TERM", "xterm", TRUE);
  g_subprocess_launcher_setenv (launcher, "NO_COLOR", "1", TRUE);
  g_subprocess_launcher_unsetenv (launcher, "COLUMNS");
  g_subprocess_launcher_unsetenv (launcher, "LINES");
  g_subprocess_launcher_unsetenv (launcher, "PAGER");
  for (gsize i = 0; environment != NULL && environment[i] != NULL; i++)
    {
      g_auto (GStrv) pair = g_strsplit (environment[i], "=", 2);
      g_subprocess_launcher_setenv (launcher, pair[0], pair[1], TRUE);
    }
  run->out = g_string_new (NULL);
  run->err = g_string_new (NULL);
  run->process = g_subprocess_launcher_spawnv (launcher, (const char *const *) argv->pdata, &error);
  g_assert_no_error (error);
  g_subprocess_launcher_close (launcher);
  run->out_source = g_unix_fd_add_full (G_PRIORITY_DEFAULT, out, G_IO_IN | G_IO_HUP | G_IO_ERR, on_out, run,
                                        on_out_done);
  run->err_source = g_unix_fd_add_full (G_PRIORITY_DEFAULT, err, G_IO_IN | G_IO_HUP | G_IO_ERR, on_err, run,
                                        on_err_done);
  g_subprocess_wait_async (run->process, NULL, on_ended, run);
  return run;
}

static gboolean
has_ended (gpointer user_data)
{
  ClientRun *run = user_data;
  return run->ended && run->out_source == 0 && run->err_source == 0;
}

void
client_run_free (ClientRun *run)
{
  g_subprocess_force_exit (run->process);
  client_run_wait (has_ended, run, "the end of mefotactl");
  g_object_unref (run->process);
  g_string_free (run->out, TRUE);
  g_string_free (run->err, TRUE);
  g_free (run);
}

static gboolean
on_deadline (gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_CONTINUE;
}

void
client_run_wait (gboolean (*condition) (gpointer), gpointer user_data, const char *what)
{
  gboolean late = FALSE;
  guint deadline = g_timeout_add_seconds (DEADLINE_SECONDS, on_deadline, &late);
  while (!condition (user_data) && !late)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (deadline);
  if (late)
    g_error ("waited in vain for %s", what);
}

typedef struct
{
  GString *haystack;
  const char *needle;
  ClientRun *run;
} Expectation;

static gboolean
is_there (gpointer user_data)
{
  Expectation *expectation = user_data;
  return strstr (expectation->haystack->str, expectation->needle) != NULL || has_ended (expectation->run);
}

static void
expect (ClientRun *run, GString *haystack, const char *needle)
{
  Expectation expectation = { haystack, needle, run };
  client_run_wait (is_there, &expectation, needle);
  if (strstr (haystack->str, needle) == NULL)
    g_error ("expected “%s”; out: «%s», err: «%s»", needle, run->out->str, run->err->str);
}

void
client_run_expect (ClientRun *run, const char *text)
{
  expect (run, run->out, text);
}

void
client_run_expect_error (ClientRun *run, const char *text)
{
  expect (run, run->err, text);
}

int
client_run_end (ClientRun *run)
{
  client_run_wait (has_ended, run, "the end of mefotactl");
  if (!g_subprocess_get_if_exited (run->process))
    g_error ("mefotactl died: %s%s", run->out->str, run->err->str);
  g_test_message ("out: %s", run->out->str);
  g_test_message ("err: %s", run->err->str);
  return g_subprocess_get_exit_status (run->process);
}

void
client_run_resize (ClientRun *run, guint columns)
{
  struct winsize size = { .ws_row = 10, .ws_col = (unsigned short) columns };
  g_assert_cmpint (ioctl (run->terminal, TIOCSWINSZ, &size), ==, 0);
  g_subprocess_send_signal (run->process, SIGWINCH);
}

char *
client_run_last_line (ClientRun *run)
{
  const char *start = strrchr (run->out->str, '\r');
  return g_strchomp (g_strdup (start != NULL ? start + 1 : run->out->str));
}

void
client_run_assert_json (ClientRun *run, gboolean lines, const char *expression)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *complaint = NULL;
  g_autofree char *script = g_strdup_printf (
      "import json, sys\ntext = sys.stdin.read()\nlines = [json.loads(l) for l in text.splitlines()]\n"
      "assert all(type(l) is dict for l in lines) or len(lines) == 1, text\nd = lines[0]\n"
      "assert %s, text\nassert %s, text\n", lines ? "True" : "len(lines) == 1", expression);
  g_autoptr (GSubprocess) python = g_subprocess_new (
      G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE, &error, PYTHON3, "-c", script, NULL);
  g_assert_no_error (error);
  g_assert_true (g_subprocess_communicate_utf8 (python, run->out->str, NULL, NULL, &complaint, &error));
  if (!g_subprocess_get_successful (python))
    g_error ("%s", complaint);
}
