/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-guard.h"
#include "mefota-journal.h"

#include "bus-fixture.h"
#include "notify-fixture.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib-unix.h>
#include <sys/stat.h>

#define SINCE (G_GINT64_CONSTANT (1700000000) * G_USEC_PER_SEC)
#define SINCE_TEXT "2023-11-14T22:13:20Z"

#define LOGIND_XML                                                                          \
  "<node><interface name='org.freedesktop.login1.Manager'><method name='Inhibit'>"          \
  "<arg type='s' direction='in'/><arg type='s' direction='in'/><arg type='s' direction='in'/>" \
  "<arg type='s' direction='in'/><arg type='h' direction='out'/></method></interface></node>"

typedef struct
{
  Bus bus;
  Notify notify;
  char *directory;
  char *file;
  MefotaGuard *guard;
  guint registration;
  /* logind */
  enum { GRANT, REFUSE, WAIT } mood;
  guint asked;
  GDBusMethodInvocation *waiting;
  GArray *pipes; /* reading ends: they hang up when the inhibitor is let go */
} Fixture;

/* logind */

static void
logind_grant (Fixture *f, GDBusMethodInvocation *invocation)
{
  int fds[2];
  g_assert_true (g_unix_open_pipe (fds, FD_CLOEXEC, NULL));
  g_array_append_val (f->pipes, fds[0]);
  g_autoptr (GUnixFDList) list = g_unix_fd_list_new_from_array (&fds[1], 1);
  g_dbus_method_invocation_return_value_with_unix_fd_list (invocation, g_variant_new ("(h)", 0), list);
}

static void
on_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method,
         GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user_data)
{
  Fixture *f = user_data;
  const char *what, *who, *why, *mode;
  g_variant_get (parameters, "(&s&s&s&s)", &what, &who, &why, &mode);
  g_assert_cmpstr (what, ==, "shutdown:sleep");
  g_assert_cmpstr (who, ==, "mefota");
  g_assert_cmpstr (why, !=, "");
  g_assert_cmpstr (mode, ==, "block");
  f->asked++;

  if (f->mood == GRANT)
    logind_grant (f, invocation);
  else if (f->mood == REFUSE)
    g_dbus_method_invocation_return_error (invocation, G_DBUS_ERROR, G_DBUS_ERROR_ACCESS_DENIED, "Permission denied");
  else
    f->waiting = invocation;
}

static void
logind_start (Fixture *f)
{
  static const GDBusInterfaceVTable vtable = { .method_call = on_call };
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (LOGIND_XML, NULL);
  f->registration = g_dbus_connection_register_object (f->bus.theirs, "/org/freedesktop/login1", node->interfaces[0],
                                                       &vtable, f, NULL, NULL);
  bus_own (f->bus.theirs, "org.freedesktop.login1", TRUE);
}

static gboolean
inhibitor_gone (Fixture *f, guint nth)
{
  GPollFD poll = { g_array_index (f->pipes, int, nth), 0, 0 };
  return g_poll (&poll, 1, 0) == 1 && (poll.revents & G_IO_HUP);
}

static gboolean
on_hang_up (int fd, GIOCondition condition, gpointer user_data)
{
  return G_SOURCE_REMOVE;
}

static void
await_gone (Fixture *f, guint nth)
{
  g_unix_fd_add (g_array_index (f->pipes, int, nth), G_IO_HUP, on_hang_up, NULL);
  AWAIT (inhibitor_gone (f, nth));
}

static char *
await_notified (Fixture *f)
{
  char *text;
  AWAIT ((text = notify_read (&f->notify, NULL)) != NULL);
  return text;
}

#define assert_parked(f)                                                          \
  G_STMT_START                                                                    \
  {                                                                               \
    g_autofree char *parked_ = await_notified (f);                                \
    g_assert_cmpstr (parked_, ==, "FDSTORE=1\nFDNAME=power-critical");            \
  }                                                                               \
  G_STMT_END

#define assert_forgotten(f) notify_expect (&(f)->notify, "FDSTOREREMOVE=1\nFDNAME=power-critical")

#define assert_file(f, expected)                              \
  G_STMT_START                                                \
  {                                                           \
    g_autofree char *content_ = NULL;                         \
    g_file_get_contents ((f)->file, &content_, NULL, NULL);   \
    g_assert_cmpstr (content_, ==, expected);                 \
  }                                                           \
  G_STMT_END

static void
set_up (Fixture *f, gconstpointer data)
{
  bus_open (&f->bus);
  notify_open (&f->notify);
  f->directory = g_dir_make_tmp ("mefota-guard-XXXXXX", NULL);
  f->file = g_build_filename (f->directory, "power-critical", NULL);
  f->pipes = g_array_new (FALSE, FALSE, sizeof (int));
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_clear_object (&f->guard);
  if (f->registration != 0)
    g_dbus_connection_unregister_object (f->bus.theirs, f->registration);
  bus_close (&f->bus);
  notify_close (&f->notify);
  for (guint i = 0; i < f->pipes->len; i++)
    close (g_array_index (f->pipes, int, i));
  g_array_unref (f->pipes);
  g_unlink (f->file);
  g_rmdir (f->directory);
  g_free (f->file);
  g_free (f->directory);
  g_assert_cmpuint (log_count ("WARNING=1"), ==, 0);
  log_forget ();
}

/* The run file */

static void
test_file (Fixture *f, gconstpointer data)
{
  struct stat info;
  g_autofree char *on = g_strdup_printf ("MESSAGE_ID=%s\n", mefota_journal_get_message_id (MEFOTA_JOURNAL_GUARD_ON));
  g_autofree char *off = g_strdup_printf ("MESSAGE_ID=%s\n", mefota_journal_get_message_id (MEFOTA_JOURNAL_GUARD_OFF));
  f->guard = mefota_guard_new (NULL, f->directory, -1);
  assert_file (f, NULL);
  g_assert_false (mefota_guard_is_critical (f->guard));

  mode_t mask = umask (0077);
  mefota_guard_set (f->guard, "usb_1_1", TRUE, "updating", SINCE);
  umask (mask);
  assert_file (f, "usb_1_1 updating " SINCE_TEXT "\n");
  g_assert_cmpint (stat (f->file, &info), ==, 0);
  g_assert_cmpint (info.st_mode & 0777, ==, 0644);
  g_assert_true (mefota_guard_is_critical (f->guard));
  g_assert_cmpuint (log_count (on), ==, 1);

  mefota_guard_set (f->guard, "wired", TRUE, "updating", SINCE + 900000);
  mefota_guard_set (f->guard, "usb_1_1", TRUE, "rebooting", SINCE + G_USEC_PER_SEC);
  assert_file (f, "usb_1_1 rebooting 2023-11-14T22:13:21Z\nwired updating " SINCE_TEXT "\n");
  g_assert_cmpuint (log_count (on), ==, 2);

  mefota_guard_set (f->guard, "usb_1_1", FALSE, NULL, 0);
  assert_file (f, "wired updating " SINCE_TEXT "\n");
  mefota_guard_set (f->guard, "usb_1_1", FALSE, NULL, 0);
  g_assert_cmpuint (log_count (off), ==, 1);
  mefota_guard_set (f->guard, "wired", FALSE, NULL, 0);
  assert_file (f, NULL);
  g_assert_false (mefota_guard_is_critical (f->guard));
}

static void
test_no_directory (Fixture *f, gconstpointer data)
{
  f->guard = mefota_guard_new (NULL, "/proc/no/such/directory", -1);
  mefota_guard_set (f->guard, "m", TRUE, "updating", SINCE);
  mefota_guard_set (f->guard, "m", TRUE, "rebooting", SINCE);
  g_assert_true (mefota_guard_is_critical (f->guard));
  g_assert_cmpuint (log_count ("Cannot write /proc/no/such/directory/power-critical"), ==, 1);
  log_forget ();
}

static void
test_leftover_file (Fixture *f, gconstpointer data)
{
  const char *left = "a updating " SINCE_TEXT "\nbroken\nb rebooting " SINCE_TEXT "\nc wrong " SINCE_TEXT "\n";
  g_assert_true (g_file_set_contents (f->file, left, -1, NULL));
  f->guard = mefota_guard_new (NULL, f->directory, -1);
  g_assert_true (mefota_guard_is_critical (f->guard));
  assert_file (f, left);

  mefota_guard_set (f->guard, "a", TRUE, "checking", SINCE);
  assert_file (f, "a checking " SINCE_TEXT "\nb rebooting " SINCE_TEXT "\n");
  mefota_guard_settle (f->guard);
  assert_file (f, "a checking " SINCE_TEXT "\n");
  g_assert_cmpuint (log_count ("MEFOTA_MODULE=b\n"), ==, 1);
  g_assert_cmpuint (log_count ("MEFOTA_MODULE=a\n"), ==, 0);
  mefota_guard_set (f->guard, "a", FALSE, NULL, 0);
  assert_file (f, NULL);
}

static void
test_broken_file (Fixture *f, gconstpointer data)
{
  g_assert_true (g_file_set_contents (f->file, "\xff\n\n  \nx\n", -1, NULL));
  f->guard = mefota_guard_new (NULL, f->directory, -1);
  g_assert_false (mefota_guard_is_critical (f->guard));
  mefota_guard_settle (f->guard);
  assert_file (f, NULL);
}

/* The inhibitor */

static void
test_inhibit (Fixture *f, gconstpointer data)
{
  logind_start (f);
  f->guard = mefota_guard_new (f->bus.ours, f->directory, -1);
  mefota_guard_set (f->guard, "m", TRUE, "updating", SINCE);
  assert_parked (f);
  mefota_guard_set (f->guard, "m", TRUE, "rebooting", SINCE);
  mefota_guard_set (f->guard, "n", TRUE, "updating", SINCE);
  mefota_guard_set (f->guard, "m", FALSE, NULL, 0);
  bus_barrier (f->bus.ours, f->bus.theirs);
  g_assert_cmpuint (f->asked, ==, 1);
  g_assert_false (inhibitor_gone (f, 0));

  mefota_guard_set (f->guard, "n", FALSE, NULL, 0);
  assert_forgotten (f);
  await_gone (f, 0);

  mefota_guard_set (f->guard, "n", TRUE, "updating", SINCE);
  assert_parked (f);
  g_assert_cmpuint (f->asked, ==, 2);
}

static void
test_released_in_flight (Fixture *f, gconstpointer data)
{
  f->mood = WAIT;
  logind_start (f);
  f->guard = mefota_guard_new (f->bus.ours, f->directory, -1);
  mefota_guard_set (f->guard, "m", TRUE, "updating", SINCE);
  AWAIT (f->asked == 1);
  mefota_guard_set (f->guard, "m", FALSE, NULL, 0);
  logind_grant (f, g_steal_pointer (&f->waiting));
  await_gone (f, 0);
  notify_expect (&f->notify, NULL);

  /* ... and freed */
  mefota_guard_set (f->guard, "m", TRUE, "updating", SINCE);
  AWAIT (f->asked == 2);
  g_clear_object (&f->guard);
  logind_grant (f, g_steal_pointer (&f->waiting));
  await_gone (f, 1);
  notify_expect (&f->notify, NULL);
}

static void
test_refused (Fixture *f, gconstpointer data)
{
  f->mood = REFUSE;
  logind_start (f);
  f->guard = mefota_guard_new (f->bus.ours, f->directory, -1);
  mefota_guard_set (f->guard, "m", TRUE, "updating", SINCE);
  AWAIT (log_count ("Permission denied") == 1);
  g_assert_cmpuint (log_count ("WARNING=1"), ==, 1);
  assert_file (f, "m updating " SINCE_TEXT "\n");

  /* not again in this phase; in the next one, but not with another warning */
  mefota_guard_set (f->guard, "m", TRUE, "rebooting", SINCE);
  mefota_guard_set (f->guard, "m", FALSE, NULL, 0);
  mefota_guard_set (f->guard, "m", TRUE, "updating", SINCE);
  AWAIT (f->asked == 2);
  bus_barrier (f->bus.ours, f->bus.theirs);
  g_assert_cmpuint (f->asked, ==, 2);
  g_assert_cmpuint (log_count ("WARNING=1"), ==, 1);
  notify_expect (&f->notify, NULL);
  log_forget ();
}

static void
test_logind_restarts (Fixture *f, gconstpointer data)
{
  logind_start (f);
  f->guard = mefota_guard_new (f->bus.ours, f->directory, -1);
  mefota_guard_set (f->guard, "m", TRUE, "updating", SINCE);
  assert_parked (f);

  bus_own (f->bus.theirs, "org.freedesktop.login1", FALSE);
  bus_barrier (f->bus.ours, f->bus.theirs);
  g_assert_false (inhibitor_gone (f, 0));
  bus_own (f->bus.theirs, "org.freedesktop.login1", TRUE);
  g_autofree char *first = await_notified (f);
  g_assert_cmpstr (first, ==, "FDSTOREREMOVE=1\nFDNAME=power-critical");
  assert_parked (f);
  await_gone (f, 0);
  g_assert_false (inhibitor_gone (f, 1));
}

static void
test_logind_restarts_in_flight (Fixture *f, gconstpointer data)
{
  f->mood = WAIT;
  logind_start (f);
  f->guard = mefota_guard_new (f->bus.ours, f->directory, -1);
  mefota_guard_set (f->guard, "m", TRUE, "updating", SINCE);
  AWAIT (f->asked == 1);
  bus_own (f->bus.theirs, "org.freedesktop.login1", FALSE);
  bus_barrier (f->bus.ours, f->bus.theirs);
  logind_grant (f, g_steal_pointer (&f->waiting));
  await_gone (f, 0);
  f->mood = GRANT;
  bus_own (f->bus.theirs, "org.freedesktop.login1", TRUE);
  assert_parked (f);
}

static void
test_no_logind (Fixture *f, gconstpointer data)
{
  f->guard = mefota_guard_new (f->bus.ours, f->directory, -1);
  mefota_guard_set (f->guard, "m", TRUE, "updating", SINCE);
  AWAIT (log_count ("logind does not run here") == 1);
  mefota_guard_set (f->guard, "m", TRUE, "rebooting", SINCE);
  g_assert_cmpuint (log_count ("logind does not run here"), ==, 1);
  logind_start (f);
  assert_parked (f);
}

static void
test_bus_returns (Fixture *f, gconstpointer data)
{
  logind_start (f);
  f->guard = mefota_guard_new (f->bus.ours, f->directory, -1);
  mefota_guard_set (f->guard, "m", TRUE, "updating", SINCE);
  assert_parked (f);

  bus_drop_connection (&f->bus.ours);
  mefota_guard_set_bus (f->guard, NULL);
  g_assert_false (inhibitor_gone (f, 0));
  mefota_guard_set (f->guard, "m", TRUE, "rebooting", SINCE);
  f->bus.ours = bus_connect (&f->bus);
  mefota_guard_set_bus (f->guard, f->bus.ours);
  await_gone (f, 0);
  g_assert_cmpuint (f->asked, ==, 2);
  g_assert_false (inhibitor_gone (f, 1));
}

static void
test_bus_dies_in_flight (Fixture *f, gconstpointer data)
{
  f->mood = WAIT;
  logind_start (f);
  f->guard = mefota_guard_new (f->bus.ours, f->directory, -1);
  mefota_guard_set (f->guard, "m", TRUE, "updating", SINCE);
  AWAIT (f->asked == 1);
  bus_drop_connection (&f->bus.ours);
  f->bus.ours = bus_connect (&f->bus);
  g_clear_object (&f->waiting);
  f->mood = GRANT;
  mefota_guard_set_bus (f->guard, f->bus.ours);
  assert_parked (f);
}

/* Over a restart of the daemon */

static int
take_over (Fixture *f)
{
  int fds[2];
  g_assert_true (g_unix_open_pipe (fds, FD_CLOEXEC, NULL));
  g_array_append_val (f->pipes, fds[0]);
  return fds[1];
}

static void
test_taken_over (Fixture *f, gconstpointer data)
{
  logind_start (f);
  f->guard = mefota_guard_new (f->bus.ours, f->directory, take_over (f));
  mefota_guard_set (f->guard, "m", TRUE, "rebooting", SINCE);
  mefota_guard_settle (f->guard);
  bus_barrier (f->bus.ours, f->bus.theirs);
  g_assert_cmpuint (f->asked, ==, 0);
  g_assert_false (inhibitor_gone (f, 0));
  notify_expect (&f->notify, NULL);

  mefota_guard_set (f->guard, "m", FALSE, NULL, 0);
  assert_forgotten (f);
  g_assert_true (inhibitor_gone (f, 0));
}

static void
test_taken_over_unneeded (Fixture *f, gconstpointer data)
{
  f->guard = mefota_guard_new (f->bus.ours, f->directory, take_over (f));
  mefota_guard_set (f->guard, "m", TRUE, "rebooting", SINCE);
  mefota_guard_set (f->guard, "m", FALSE, NULL, 0);
  g_assert_false (inhibitor_gone (f, 0)); /* it may be another's */
  mefota_guard_settle (f->guard);
  assert_forgotten (f);
  g_assert_true (inhibitor_gone (f, 0));
}

/* The earlier daemon's line alone brings the inhibitor back. */
static void
test_leftover_inhibits (Fixture *f, gconstpointer data)
{
  g_assert_true (g_file_set_contents (f->file, "m updating " SINCE_TEXT "\n", -1, NULL));
  logind_start (f);
  f->guard = mefota_guard_new (f->bus.ours, f->directory, -1);
  assert_parked (f);
  mefota_guard_settle (f->guard);
  assert_forgotten (f);
  await_gone (f, 0);
  assert_file (f, NULL);
}

static void
test_stopped (Fixture *f, gconstpointer data)
{
  logind_start (f);
  f->guard = mefota_guard_new (f->bus.ours, f->directory, -1);
  mefota_guard_set (f->guard, "m", TRUE, "updating", SINCE);
  assert_parked (f);
  g_clear_object (&f->guard);
  assert_file (f, "m updating " SINCE_TEXT "\n");
  notify_expect (&f->notify, NULL); /* stays parked */
  await_gone (f, 0); /* but for the parked copy, which the test has closed */
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  log_open ();
#define ADD(name, function) g_test_add ("/guard/" name, Fixture, NULL, set_up, function, tear_down)
  ADD ("file", test_file);
  ADD ("no-directory", test_no_directory);
  ADD ("leftover-file", test_leftover_file);
  ADD ("broken-file", test_broken_file);
  ADD ("inhibit", test_inhibit);
  ADD ("released-in-flight", test_released_in_flight);
  ADD ("refused", test_refused);
  ADD ("logind-restarts", test_logind_restarts);
  ADD ("logind-restarts-in-flight", test_logind_restarts_in_flight);
  ADD ("no-logind", test_no_logind);
  ADD ("bus-returns", test_bus_returns);
  ADD ("bus-dies-in-flight", test_bus_dies_in_flight);
  ADD ("taken-over", test_taken_over);
  ADD ("taken-over-unneeded", test_taken_over_unneeded);
  ADD ("leftover-inhibits", test_leftover_inhibits);
  ADD ("stopped", test_stopped);
  return g_test_run ();
}
