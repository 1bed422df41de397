/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-service.h"

#include "bus-fixture.h"
#include "notify-fixture.h"

#include <fcntl.h>
#include <glib-unix.h>
#include <sys/stat.h>

static void
test_without_manager (void)
{
  mefota_service_ready ();
  mefota_service_status ("Nobody listens.");
  mefota_service_watchdog_start ();
  mefota_service_store_fd ("name", 0);
  mefota_service_forget_fd ("name");
  mefota_service_watchdog_stop ();
}

static void
test_states (Notify *notify, gconstpointer data)
{
  mefota_service_ready ();
  notify_expect (notify, "READY=1");
  mefota_service_stopping ();
  notify_expect (notify, "STOPPING=1");
  mefota_service_reloading ();
  g_autofree char *text = notify_read (notify, NULL);
  g_assert_true (g_str_has_prefix (text, "RELOADING=1\nMONOTONIC_USEC="));
  notify_expect (notify, NULL);
}

static void
test_status (Notify *notify, gconstpointer data)
{
  mefota_service_status ("One module.");
  notify_expect (notify, "STATUS=One module.");
  mefota_service_status ("One module.");
  notify_expect (notify, NULL);
  mefota_service_status ("Two\nREADY=1");
  notify_expect (notify, "STATUS=Two READY=1");
  mefota_service_status ("One module.");
  notify_expect (notify, "STATUS=One module.");
}

static void
test_watchdog (Notify *notify, gconstpointer data)
{
  mefota_service_watchdog_start ();
  notify_expect (notify, NULL);
  g_assert_false (g_main_context_pending (NULL));

  g_setenv ("WATCHDOG_USEC", "20000", TRUE);
  gint64 begin = g_get_monotonic_time ();
  mefota_service_watchdog_start ();
  mefota_service_watchdog_start ();
  notify_expect (notify, "WATCHDOG=1");
  notify_expect (notify, NULL);

  g_autofree char *beat = NULL;
  AWAIT ((beat = notify_read (notify, NULL)) != NULL);
  g_assert_cmpstr (beat, ==, "WATCHDOG=1");
  g_assert_cmpint (g_get_monotonic_time () - begin, >=, 9000);

  mefota_service_watchdog_stop ();
  g_unsetenv ("WATCHDOG_USEC");
}

static void
test_store (Notify *notify, gconstpointer data)
{
  int pipe_fds[2], fd;
  struct stat sent, received;
  g_assert_true (g_unix_open_pipe (pipe_fds, FD_CLOEXEC, NULL));

  mefota_service_store_fd ("power-critical", pipe_fds[1]);
  g_autofree char *text = notify_read (notify, &fd);
  g_assert_cmpstr (text, ==, "FDSTORE=1\nFDNAME=power-critical");
  g_assert_cmpint (fstat (pipe_fds[1], &sent), ==, 0);
  g_assert_cmpint (fstat (fd, &received), ==, 0);
  g_assert_cmpuint (sent.st_ino, ==, received.st_ino);
  close (fd);
  close (pipe_fds[0]);
  close (pipe_fds[1]);

  mefota_service_forget_fd ("power-critical");
  notify_expect (notify, "FDSTOREREMOVE=1\nFDNAME=power-critical");
}

/* main() has put three pipes' ends where a service manager puts what it hands over. */
static void
test_take (void)
{
  g_assert_cmpint (mefota_service_take_fd ("nothing"), ==, -1);
  g_assert_cmpint (mefota_service_take_fd ("power-critical"), ==, 4);
  g_assert_cmpint (fcntl (4, F_GETFD) & FD_CLOEXEC, ==, FD_CLOEXEC);
  g_assert_cmpint (fcntl (5, F_GETFD), ==, -1); /* the second of that name */
  g_assert_cmpint (mefota_service_take_fd ("power-critical"), ==, -1);
  g_assert_cmpint (mefota_service_take_fd ("other"), ==, 3);
  g_assert_null (g_getenv ("LISTEN_FDS"));
  close (3);
  close (4);
}

static void
hand_over (void)
{
  int null = open ("/dev/null", O_RDONLY);
  g_autofree char *pid = g_strdup_printf ("%d", getpid ());
  for (int fd = 3; fd <= 5; fd++)
    if (fd != null)
      dup2 (null, fd);
  if (null > 5)
    close (null);
  g_setenv ("LISTEN_PID", pid, TRUE);
  g_setenv ("LISTEN_FDS", "3", TRUE);
  g_setenv ("LISTEN_FDNAMES", "other:power-critical:power-critical", TRUE);
}

static void
set_up (Notify *notify, gconstpointer data)
{
  notify_open (notify);
}

static void
tear_down (Notify *notify, gconstpointer data)
{
  notify_close (notify);
}

int
main (int argc, char **argv)
{
  hand_over ();
  g_unsetenv ("NOTIFY_SOCKET");
  g_unsetenv ("WATCHDOG_USEC");
  g_unsetenv ("WATCHDOG_PID");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/service/take", test_take);
  g_test_add_func ("/service/without-manager", test_without_manager);
  g_test_add ("/service/states", Notify, NULL, set_up, test_states, tear_down);
  g_test_add ("/service/status", Notify, NULL, set_up, test_status, tear_down);
  g_test_add ("/service/watchdog", Notify, NULL, set_up, test_watchdog, tear_down);
  g_test_add ("/service/store", Notify, NULL, set_up, test_store, tear_down);
  return g_test_run ();
}
