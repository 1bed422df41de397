/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Package upgrades over the UART by the real daemon: what is refused, what is received, and what is told meanwhile. */

#include "install-fixture.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define MIB (1024 * 1024)
#define PIECE (512 * 1024)

/* ---- refused before anything is sent ---- */

static void
assert_nothing_sent (SimProcess *sim)
{
  g_assert_cmpuint (sim_count (sim, "rx AT+ZCOM"), ==, 0);
}

static void
refuse (Install *t, const char *extra, int fd, const char *error)
{
  g_autofree char *message = daemon_call_error (t->f, "m0", "Install", install_arguments (t, extra), fd, error);
  g_assert_true (g_str_has_suffix (message, "."));
  g_assert_cmpstr (daemon_get_string (t->f, "m0", "State"), ==, "idle");
  g_assert_cmpstr (daemon_get_string (t->f, "m0", "LastUpgrade"), ==, "");
  install_assert_no_copy (t);
}

static void
test_refused (void)
{
  g_auto (Install) t = install_new (100, "quiet=false", "[policy]\nmax-package=1K\n");
  g_autofree char *wrong = g_strnfill (64, '0');
  g_autofree char *sum = g_strdup_printf (", 'sha256': <'%s'>", wrong);
  g_autofree char *path = daemon_path (t.f, "other");
  g_autofree char *large = g_strnfill (1025, 'x');
  g_autofree char *named = NULL;
  g_autofree char *logs = NULL;
  int fds[2], fd;

  refuse (&t, ", 'method': <'xmodem'>", t.package->fd, "InvalidArgument");
  refuse (&t, ", 'sha256': <'123'>", t.package->fd, "InvalidArgument");
  refuse (&t, ", 'colour': <'red'>", t.package->fd, "InvalidArgument");
  refuse (&t, ", 'method': <'adb'>", t.package->fd, "NotSupported");
  logs = daemon_call_error (t.f, "m0", "CollectLogs", g_variant_new_parsed ("(@a{sv} {},)"), -1, "NotSupported");
  g_assert_nonnull (strstr (logs, "fetch logs over USB")); /* not what to do with a package alone */
  refuse (&t, ", 'from-version': <'ME3630C1CV2.0B01'>", t.package->fd, "VersionMismatch");
  refuse (&t, sum, t.package->fd, "IntegrityMismatch");
  g_assert_cmpint (pipe (fds), ==, 0);
  refuse (&t, "", fds[0], "PackageInvalid");
  close (fds[0]);
  close (fds[1]);
  g_assert_true (g_file_set_contents (path, large, -1, NULL));
  fd = open (path, O_RDONLY | O_CLOEXEC);
  refuse (&t, "", fd, "PackageInvalid");
  close (fd);
  fd = open (path, O_RDWR | O_TRUNC | O_CLOEXEC);
  refuse (&t, "", fd, "PackageInvalid");
  named = daemon_call_error (t.f, "m0", "Install", install_arguments (&t, ", 'name': <'up.bin'>"), fd,
                             "PackageInvalid");
  g_assert_true (g_str_has_prefix (named, "The package \"up.bin\" is empty."));
  close (fd);
  assert_nothing_sent (t.sim);

  /* The right direction, in other letters, goes. */
  daemon_call_ok (t.f, "m0", "Install", install_arguments (&t, ", 'from-version': <'me3630c1cv2.0b06 [x]'>"),
                  t.package->fd);
  g_free (daemon_call_error (t.f, "m0", "Install", install_arguments (&t, ""), t.package->fd, "Busy"));
  g_free (daemon_call_error (t.f, "m0", "Refresh", NULL, -1, "Busy"));
  install_assert_success (&t);
}

static void
test_usb (void)
{
  g_auto (Install) t = { .f = daemon_fixture_new () };
  g_autofree char *path = daemon_path (t.f, "package");

  t.package = test_package_new (path, 10);
  t.sim = daemon_add_sim (t.f, "m0", "wiring=usb", NULL);
  daemon_start (t.f, "[module m0]\nport=@m0@\ntransport=usb\n");
  daemon_await_state (t.f, "m0", "idle");
  refuse (&t, ", 'method': <'serial'>", t.package->fd, "NotSupported");
  assert_nothing_sent (t.sim);
}

/* ---- what is received ---- */

static void
assert_progress (Install *t)
{
  guint last = 0, told = 0;

  for (guint i = 0; i < t->f->events->len; i++)
    {
      DaemonEvent *event = g_ptr_array_index (t->f->events, i);
      guint percent;

      if (!event->is_property || !g_str_equal (event->name, "Progress"))
        continue;
      percent = g_variant_get_uint32 (event->value);
      g_assert_true (percent > last || percent == 0);
      last = percent;
      told++;
    }
  g_assert_cmpuint (told, >, 20); /* at 20 a second at most, so the line must take its time */
}

static void
test_sizes (void)
{
  static const gsize sizes[] = { 1, PIECE, PIECE + 1, 3 * PIECE + 7 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_auto (Install) t = install_new (sizes[i], sizes[i] > MIB ? "pace=4000000" : "quiet=false", "");

      install_begin (&t);
      g_assert_cmpstr (daemon_get_string (t.f, "m0", "State"), ==, "transferring");
      g_assert_cmpstr (daemon_get_string (t.f, "m0", "Operation"), ==, "serial");
      install_assert_success (&t);
      g_assert_cmpuint (sim_count (t.sim, "deleted"), ==, 1);
      g_assert_cmpuint (sim_count (t.sim, "prompt "), ==, (sizes[i] + PIECE - 1) / PIECE);
      g_assert_cmpuint (sim_count (t.sim, "excess ") + sim_count (t.sim, "early "), ==, 0);
      g_assert_cmpuint (daemon_get_number (t.f, "m0", "PowerCritical"), ==, 0);
      if (sizes[i] > MIB)
        assert_progress (&t);
    }
}

/* A module that echoes the package, which has every answer and indication in it, and is back at another rate. */
static void
test_echo (void)
{
  g_auto (Install) t = install_new (PIECE + 100, "data-echo=true,echo-boot=on,return-baud=115200", "");

  install_begin (&t);
  install_assert_success (&t);
  g_assert_cmpuint (sim_count (t.sim, "deleted"), ==, 1);
  for (guint i = 0; i < t.f->events->len; i++)
    g_assert_cmpstr (((DaemonEvent *) g_ptr_array_index (t.f->events, i))->name, !=, "FotaInd");
}

/* No OK of this module has its line end, and silence follows the last one. */
static void
test_unended (void)
{
  g_auto (Install) t = install_new (PIECE + 1, "ok-tail=none", "");

  install_begin (&t);
  install_assert_success (&t);
  g_assert_cmpuint (sim_count (t.sim, "deleted"), ==, 1);
  daemon_await_state (t.f, "m0", "idle");
  daemon_call_ok (t.f, "m0", "Restart", NULL, -1);
  sim_await (t.sim, "silent");
  daemon_await_state (t.f, "m0", "idle");
}

/* ---- what is told in the middle ---- */

static void
test_indications (void)
{
  g_auto (Install) t = install_new (200000, "data-echo=true,stall-after=50000", "");
  const char *status;

  install_begin (&t);
  sim_await (t.sim, "stalled 50000");
  sim_control (t.sim, "urc +FOTAIND: COSTTIME:1min2sec");
  g_variant_get_child (daemon_await_signal (t.f, "m0", "FotaInd"), 0, "&s", &status);
  g_assert_cmpstr (status, ==, "COSTTIME");
  g_assert_cmpuint (sim_count (t.sim, "piece "), ==, 0); /* it did not have to wait for the end */
  g_assert_cmpstr (daemon_get_string (t.f, "m0", "State"), ==, "transferring");
  sim_control (t.sim, "set stall-after=0");
  install_assert_success (&t);
}

static void
test_failing_indication (void)
{
  g_auto (Install) t = install_new (200000, "stall-after=50000", "");

  install_begin (&t);
  sim_await (t.sim, "stalled 50000");
  sim_control (t.sim, "urc +FOTAIND: FAIL_VERIFY");
  sim_control (t.sim, "set stall-after=0");
  daemon_await_finished (t.f, "m0", "failure", "VerifyFailed");
  install_assert_clean (&t);
  install_assert_no_copy (&t);
}

/* ---- waiting in line ---- */

static void
test_queue (void)
{
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  g_autofree char *path = daemon_path (f, "package");
  g_autoptr (TestPackage) package = test_package_new (path, 100000);
  SimProcess *a = daemon_add_sim (f, "a", "wiring=uart", "stall-after=50000", NULL);
  SimProcess *b = daemon_add_sim (f, "b", "wiring=uart", "imei=864863040000025", NULL);
  const char *config = "[timeouts]\ncommand=1\nprobe=0.2\nsettle=2\n"
                       "[module a]\nport=@a@\ntransport=uart\nbaud=921600\n"
                       "[module b]\nport=@b@\ntransport=uart\n";
  g_autofree char *message = NULL;

  daemon_start (f, config);
  daemon_await_state (f, "a", "idle");
  daemon_await_state (f, "b", "idle");
  daemon_call_ok (f, "a", "Install", g_variant_new_parsed ("(@h 0, @a{sv} {})"), package->fd);
  sim_await (a, "stalled ");
  daemon_call_ok (f, "b", "Install", g_variant_new_parsed ("(@h 0, @a{sv} {})"), package->fd);
  daemon_await_state (f, "b", "queued");
  daemon_call_ok (f, "b", "Cancel", NULL, -1);
  daemon_await_finished (f, "b", "failure", "Cancelled");
  daemon_call_ok (f, "b", "Install", g_variant_new_parsed ("(@h 0, @a{sv} {})"), package->fd);
  daemon_await_state (f, "b", "queued");
  assert_nothing_sent (b);
  /* The place in line and the copy outlive the daemon. */
  daemon_kill (f);
  daemon_start (f, NULL);
  sim_control (a, "set stall-after=0");
  daemon_await_finished (f, "a", "success", NULL);
  daemon_await_finished (f, "b", "success", NULL);
  g_assert_cmpuint (sim_count (a, "package 100000 "), ==, 1);
  g_assert_cmpuint (sim_count (b, "package 100000 "), ==, 1);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/install/refused", test_refused);
  g_test_add_func ("/install/usb", test_usb);
  g_test_add_func ("/install/sizes", test_sizes);
  g_test_add_func ("/install/echo", test_echo);
  g_test_add_func ("/install/unended", test_unended);
  g_test_add_func ("/install/indications", test_indications);
  g_test_add_func ("/install/failing-indication", test_failing_indication);
  g_test_add_func ("/install/queue", test_queue);
  return g_test_run ();
}
