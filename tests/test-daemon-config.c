/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon as a process: configuration, exit statuses, wake-ups (contract 3 and 5). */

#include "daemon-lab.h"

#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/inotify.h>
#include <unistd.h>

typedef struct
{
  int status;
  char *out;
  char *err;
} Run;

static void
run_clear (Run *run)
{
  g_free (run->out);
  g_free (run->err);
}

typedef struct
{
  gboolean done;
  Run *run;
} Ending;

static void
on_ended (GObject *source, GAsyncResult *result, gpointer data)
{
  Ending *ending = data;
  g_autoptr (GError) error = NULL;

  g_subprocess_communicate_utf8_finish (G_SUBPROCESS (source), result, &ending->run->out, &ending->run->err, &error);
  g_assert_no_error (error);
  ending->done = TRUE;
}

/* Runs a mefotad that ends by itself. */
static void
run (DaemonFixture *f, Run *result, const char *first, ...)
{
  g_autoptr (GSubprocessLauncher) launcher
      = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE | G_SUBPROCESS_FLAGS_STDERR_PIPE);
  g_autoptr (GPtrArray) argv = g_ptr_array_new ();
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *run_dir = daemon_path (f, "run");
  Ending ending = { .run = result };
  va_list args;

  g_ptr_array_add (argv, (gpointer) g_getenv ("MEFOTAD"));
  va_start (args, first);
  for (const char *arg = first; arg != NULL; arg = va_arg (args, const char *))
    g_ptr_array_add (argv, (gpointer) arg);
  va_end (args);
  g_ptr_array_add (argv, NULL);
  g_subprocess_launcher_setenv (launcher, "DBUS_SYSTEM_BUS_ADDRESS", g_test_dbus_get_bus_address (f->bus), TRUE);
  g_subprocess_launcher_setenv (launcher, "RUNTIME_DIRECTORY", run_dir, TRUE);
  g_subprocess_launcher_unsetenv (launcher, "G_DEBUG");
  process = g_subprocess_launcher_spawnv (launcher, (const char *const *) argv->pdata, &error);
  g_assert_no_error (error);
  g_subprocess_communicate_utf8_async (process, NULL, NULL, on_ended, &ending);
  DAEMON_AWAIT (f, ending.done);
  g_assert_true (g_subprocess_get_if_exited (process));
  result->status = g_subprocess_get_exit_status (process);
  g_test_message ("%d: %s", result->status, result->err);
}

/* 78, and a message that names the file, the group and the key. */
static void
test_refused (void)
{
  static const struct
  {
    const char *text;
    const char *group;
    const char *key;
  } wrong[] = {
    { "[policy]\nconfirm=perhaps\n", "policy", "confirm" },
    { "[policy]\nmax-parallel=0\n", "policy", "max-parallel" },
    { "[policy]\nmax-package=lots\n", "policy", "max-package" },
    { "[policy]\nconfirm-window=25:00-26:00\n", "policy", "confirm-window" },
    { "[policy]\nrestore-settings=sometimes\n", "policy", "restore-settings" },
    { "[timeouts]\nsettle=-1\n", "timeouts", "settle" },
    { "[timeouts]\ncommand=soon\n", "timeouts", "command" },
    { "[module m0]\ntransport=usb\n", "module m0", "port" },
    { "[module m0]\nport=/dev/x\nbaud=12345\n", "module m0", "baud" },
    { "[module m0]\nport=/dev/x\ntransport=air\n", "module m0", "transport" },
    { "[module m0]\nport=/dev/x\nflow-control=both\n", "module m0", "flow-control" },
    { "[module m-0]\nport=/dev/x\n", "module m-0", "" },
    { "[module m0]\nport=/dev/x\n[module m1]\nport=/dev/x\n", "module m", "port" },
    { "this is no key file\n", "", "" },
  };
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  g_autofree char *conf = daemon_path (f, "broken.conf");
  g_autofree char *state = daemon_path (f, "state");
  g_autofree char *missing = daemon_path (f, "missing.conf");
  Run result;

  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_assert_true (g_file_set_contents (conf, wrong[i].text, -1, NULL));
      run (f, &result, "--config", conf, "--state-dir", state, NULL);
      g_assert_cmpint (result.status, ==, 78);
      g_assert_nonnull (strstr (result.err, conf));
      g_assert_nonnull (strstr (result.err, wrong[i].group));
      g_assert_nonnull (strstr (result.err, wrong[i].key));
      run_clear (&result);
    }
  run (f, &result, "--config", missing, "--state-dir", state, NULL);
  g_assert_cmpint (result.status, ==, 78);
  g_assert_nonnull (strstr (result.err, missing));
  run_clear (&result);
  g_assert_false (g_file_test (state, G_FILE_TEST_EXISTS));
}

static void
test_options (void)
{
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  Run result;

  run (f, &result, "--version", NULL);
  g_assert_cmpint (result.status, ==, 0);
  g_assert_true (g_str_has_prefix (result.out, "mefotad "));
  run_clear (&result);
  run (f, &result, "--nonsense", NULL);
  g_assert_cmpint (result.status, !=, 0);
  g_assert_nonnull (strstr (result.err, "--nonsense"));
  run_clear (&result);
  run (f, &result, "argument", NULL);
  g_assert_cmpint (result.status, !=, 0);
  run_clear (&result);
}

/* A fragment overrides, an unknown key warns, both with their place. */
static void
test_fragments (void)
{
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  g_autofree char *folder = daemon_path (f, "mefotad.conf.d");
  g_autofree char *fragment = g_build_filename (folder, "50-local.conf", NULL);

  lab_add_sim (f, "m0", "usb", IMEI);
  g_mkdir (folder, 0700);
  g_assert_true (g_file_set_contents (fragment, "[policy]\nconfirm=deny\nconfrim=ask\n", -1, NULL));
  daemon_start (f, LAB_USB LAB_TIMEOUTS "[policy]\nconfirm=allow\n");
  daemon_await_state (f, "m0", "idle");
  g_assert_true (lab_logged (f, fragment));
  g_assert_true (lab_logged (f, "confrim"));
  sim_control (lab_sim (f, 0), "question");
  daemon_await_finished (f, "m0", "failure", "Rejected");
}

/* A second daemon on the same bus leaves, and never touches the port. */
static void
test_second (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  g_autofree char *conf = daemon_path (f, "mefotad.conf");
  g_autofree char *state = daemon_path (f, "other-state");
  guint sent = lab_commands (f, lab_sim (f, 0));
  Run result;

  run (f, &result, "--config", conf, "--state-dir", state, NULL);
  g_assert_cmpint (result.status, ==, 3);
  g_assert_nonnull (strstr (result.err, "org.gosuncn.Fota"));
  g_assert_nonnull (strstr (result.err, "systemctl reload dbus")); /* the bus may not know its policy yet */
  run_clear (&result);
  g_assert_cmpuint (lab_commands (f, lab_sim (f, 0)), ==, sent);
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "idle");
}

/* SIGTERM in the middle of everything: 0, soon, and the upgrade goes on afterwards. */
static void
test_terminated (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_steps, "");
  SimProcess *sim = lab_sim (f, 0);
  gint64 begin;

  lab_upgrade (f, "");
  lab_pass (sim, "started");
  lab_pass (sim, "downloading");
  lab_pass (sim, "verifying");
  daemon_await_state (f, "m0", "updating");
  begin = g_get_monotonic_time ();
  daemon_stop (f);
  g_assert_cmpint (g_get_monotonic_time () - begin, <, 2 * G_USEC_PER_SEC);
  lab_pass (sim, "passed");
  lab_pass (sim, "updating");
  daemon_start (f, NULL);
  daemon_await_finished (f, "m0", "success", NULL);
}

/* What was told last is still told afterwards. */
static void
test_terminated_in_a_phase (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb",
                                         "on AT+FOTACTR\nok\nind START\nind DOWNLOADING:25%\nind DOWNLOADING:50%\n"
                                         "hold half\nind PASS_VERIFY\nind UPDATING\nhold updating\n"
                                         "firmware $next\nreboot 5\nind SUCCESS_END\n",
                                         "");
  SimProcess *sim = lab_sim (f, 0);

  lab_upgrade (f, "");
  DAEMON_AWAIT (f, daemon_get_number (f, "m0", "Progress") == 50);
  daemon_stop (f);
  daemon_start (f, NULL);
  daemon_await_state (f, "m0", "downloading");
  g_assert_cmpstr (daemon_get_string (f, "m0", "StatusArgument"), ==, "50");
  g_assert_cmpuint (daemon_get_number (f, "m0", "Progress"), ==, 50);
  lab_pass (sim, "half");
  DAEMON_AWAIT (f, g_strcmp0 (daemon_get_string (f, "m0", "Status"), "UPDATING") == 0);
  daemon_stop (f);
  daemon_start (f, NULL);
  daemon_await_state (f, "m0", "updating");
  g_assert_cmpstr (daemon_get_string (f, "m0", "Status"), ==, "UPDATING");
  g_assert_cmpuint (daemon_get_number (f, "m0", "Progress"), ==, 0);
  lab_pass (sim, "updating");
  daemon_await_finished (f, "m0", "success", NULL);
}

/* Read again on SIGHUP; a broken one changes nothing. */
static void
test_reload (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  g_autofree char *conf = daemon_path (f, "mefotad.conf");
  g_autofree char *text = NULL;
  g_autofree char *denies = NULL;

  g_assert_true (g_file_get_contents (conf, &text, NULL, NULL));
  denies = g_strconcat (text, "[policy]\nconfirm=deny\n", NULL);
  g_assert_true (g_file_set_contents (conf, "[policy]\nconfirm=perhaps\n", -1, NULL));
  kill (daemon_get_pid (f), SIGHUP);
  lab_await_log (f, "stays as it was");
  g_assert_true (lab_logged (f, "perhaps"));
  g_assert_true (g_file_set_contents (conf, denies, -1, NULL));
  kill (daemon_get_pid (f), SIGHUP);
  lab_await_log (f, "read again");
  sim_control (lab_sim (f, 0), "question");
  daemon_await_finished (f, "m0", "failure", "Rejected");
}

/* Somebody else has the port: it is told who, and taken once it is free. */
static void
test_held (void)
{
  g_autoptr (DaemonFixture) first = lab_new ("usb", NULL, "");
  g_autoptr (DaemonFixture) second = daemon_fixture_new ();
  SimProcess *sim = lab_sim (first, 0);
  g_autofree char *config = g_strdup_printf ("[module m0]\nport=%s\ntransport=usb\n" LAB_TIMEOUTS, sim->link);
  g_autofree char *holder = g_strdup_printf ("%s is in use by process %d", daemon_get_string (first, "m0", "Port"),
                                             daemon_get_pid (first));
  guint sent = lab_commands (first, sim);

  daemon_start (second, config);
  lab_await_log (second, holder);
  g_assert_cmpstr (daemon_get_string (second, "m0", "State"), ==, "absent");
  g_assert_cmpuint (lab_commands (first, sim), ==, sent);
  daemon_stop (first);
  daemon_await_state (second, "m0", "idle");
  daemon_stop (second);
}

/* IMEI and SIM data are in the log only where they were asked for, and that is told. */
static void
test_masked (void)
{
#define IMSI "460001234567890"
#define ICCID "8986011670701A2B3C4D"
  g_autoptr (DaemonFixture) f = lab_new ("usb",
                                         "on AT+CIMI\nline " IMSI "\nok\n"
                                         "on AT+ZGETICCID\nline +ZGETICCID: " ICCID "\nok\n",
                                         "");

  for (gboolean unmasked = FALSE; unmasked <= TRUE; unmasked++)
    {
      if (unmasked)
        {
          daemon_stop (f);
          g_setenv ("MEFOTA_LOG_UNMASKED", "1", TRUE);
          daemon_start (f, NULL);
          g_unsetenv ("MEFOTA_LOG_UNMASKED");
          daemon_await_state (f, "m0", "idle");
        }
      daemon_call_ok (f, "m0", "SendCommand", g_variant_new ("(su)", "AT+CIMI", 0), -1);
      daemon_call_ok (f, "m0", "SendCommand", g_variant_new ("(su)", "AT+ZGETICCID", 0), -1);
      g_assert_true (lab_logged (f, "AT+CGSN<CR>"));
      g_assert_true (lab_logged (f, "AT+CIMI<CR>"));
      g_assert_true (lab_logged (f, "AT+ZGETICCID<CR>"));
      g_assert_true (lab_logged (f, IMEI) == unmasked);
      g_assert_true (lab_logged (f, IMSI) == unmasked);
      g_assert_true (lab_logged (f, ICCID) == unmasked);
      g_assert_true (lab_logged (f, "warning: The log now holds") == unmasked);
    }
#undef IMSI
#undef ICCID
}

/* ---- the process ---- */

static guint64
read_status (DaemonFixture *f, const char *key)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/status", daemon_get_pid (f));
  g_autofree char *text = NULL;
  const char *line;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  line = strstr (text, key);
  g_assert_nonnull (line);
  return g_ascii_strtoull (line + strlen (key), NULL, 10);
}

/* Ours, and those GLib itself begins. */
static void
assert_threads (DaemonFixture *f)
{
  static const char *const known[] = { "mefotad", "gmain", "gdbus", "pool-mefotad", "pool-spawner", NULL };
  g_autofree char *path = g_strdup_printf ("/proc/%d/task", daemon_get_pid (f));
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *task;

  while ((task = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *name = g_build_filename (path, task, "comm", NULL);
      g_autofree char *comm = NULL;
      if (!g_file_get_contents (name, &comm, NULL, NULL))
        continue; /* it has just ended */
      g_test_message ("thread %s", g_strchomp (comm));
      g_assert_true (g_strv_contains (known, comm) || g_str_has_prefix (comm, "memcheck-")); /* ours under valgrind */
    }
}

static gboolean
on_elapsed (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

static void
let_pass (DaemonFixture *f, guint milliseconds)
{
  gboolean elapsed = FALSE;

  g_timeout_add (milliseconds, on_elapsed, &elapsed);
  DAEMON_AWAIT (f, elapsed);
}

/* Looks at the folders that the daemon looks at, as the port is in them. */
static int
watch_folders (DaemonFixture *f)
{
  int fd = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
  g_autofree char *folder = g_strdup (f->folder);

  inotify_add_watch (fd, "/dev/pts", IN_CREATE | IN_DELETE | IN_MOVE | IN_ATTRIB);
  inotify_add_watch (fd, "/dev", IN_CREATE | IN_DELETE | IN_MOVE | IN_ATTRIB);
  while (strlen (folder) > 1)
    {
      char *parent = g_path_get_dirname (folder);
      g_free (folder);
      folder = parent;
      inotify_add_watch (fd, folder, IN_CREATE | IN_DELETE | IN_MOVE | IN_ATTRIB);
    }
  return fd;
}

static gboolean
was_quiet (int fd)
{
  char events[4096];
  gboolean quiet = TRUE;

  while (read (fd, events, sizeof events) > 0)
    quiet = FALSE;
  return quiet;
}

/* Idle, it sleeps. The time that passes is what is measured here. */
static void
test_idle (gconstpointer wiring)
{
  g_autoptr (DaemonFixture) f = lab_new (wiring, lab_quick, "");
  int others = watch_folders (f);
  gboolean quiet = FALSE;

  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
  daemon_call_ok (f, "m0", "Refresh", NULL, -1);
  lab_check_properties (f, "m0");
  assert_threads (f);
  let_pass (f, 300); /* what was begun is done */
  for (guint i = 0; i < 8 && !quiet; i++)
    {
      guint64 before = read_status (f, "\nvoluntary_ctxt_switches:");
      was_quiet (others);
      let_pass (f, 700);
      quiet = was_quiet (others);
      if (quiet)
        g_assert_cmpuint (read_status (f, "\nvoluntary_ctxt_switches:"), ==, before);
    }
  if (!quiet)
    g_test_skip ("others never let the daemon sleep");
  close (others);
}

int
main (int argc, char **argv)
{
  lab_init (&argc, &argv);
  g_test_add_func ("/daemon/config/refused", test_refused);
  g_test_add_func ("/daemon/config/options", test_options);
  g_test_add_func ("/daemon/config/fragments", test_fragments);
  g_test_add_func ("/daemon/config/second", test_second);
  g_test_add_func ("/daemon/config/reload", test_reload);
  g_test_add_func ("/daemon/config/held", test_held);
  g_test_add_func ("/daemon/config/masked", test_masked);
  g_test_add_func ("/daemon/config/terminated", test_terminated);
  g_test_add_func ("/daemon/config/terminated-in-a-phase", test_terminated_in_a_phase);
  g_test_add_data_func ("/daemon/config/idle/usb", "usb", test_idle);
  g_test_add_data_func ("/daemon/config/idle/uart", "uart", test_idle);
  return g_test_run ();
}
