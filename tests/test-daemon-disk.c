/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A disk that takes nothing, and records that are broken (contract 2.4 and 3). */

#include "daemon-lab.h"
#include "package-fixture.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <sched.h>
#include <string.h>
#include <sys/mount.h>
#include <unistd.h>

static void
write_proc (const char *path, const char *text)
{
  FILE *file = fopen (path, "w");

  if (file == NULL)
    return;
  fputs (text, file);
  fclose (file);
}

/* Mounts of our own, seen by nobody else and gone with us: as root, or as root of a user namespace of our own. Has to
 * come before there is any thread. */
static void
enter_own_mounts (void)
{
  g_autofree char *uids = g_strdup_printf ("0 %u 1", getuid ());
  g_autofree char *gids = g_strdup_printf ("0 %u 1", getgid ());

  if (unshare (CLONE_NEWNS) < 0 && unshare (CLONE_NEWUSER | CLONE_NEWNS) == 0)
    {
      write_proc ("/proc/self/setgroups", "deny");
      write_proc ("/proc/self/uid_map", uids);
      write_proc ("/proc/self/gid_map", gids);
    }
  mount (NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL);
}

/* The state directory is on a file system of its own, which is filled up or made read-only: that binds root too. */
static gboolean
mount_state (DaemonFixture *f)
{
  g_autofree char *state = daemon_path (f, "state");
  g_autofree char *why = NULL;

  g_mkdir (state, 0700);
  if (mount ("mefota-test", state, "tmpfs", 0, "size=256k") == 0)
    return TRUE;
  why = g_strdup_printf ("nothing can be mounted here: %s", g_strerror (errno));
  g_test_skip (why);
  return FALSE;
}

static void
spoil_state (DaemonFixture *f, const char *how)
{
  g_autofree char *state = daemon_path (f, "state");
  g_autofree char *filler = daemon_path (f, "state/filler");
  g_autofree char *zeros = g_malloc0 (4096);
  FILE *file;

  if (g_str_equal (how, "read-only"))
    {
      g_assert_cmpint (mount (NULL, state, NULL, MS_REMOUNT | MS_RDONLY, NULL), ==, 0);
      return;
    }
  file = fopen (filler, "w");
  setbuf (file, NULL);
  while (fwrite (zeros, 1, 4096, file) == 4096)
    ;
  fclose (file);
}

/* Not a byte to the module; and one under way goes on. */
static void
test_disk (gconstpointer how)
{
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  g_autofree char *state = daemon_path (f, "state");
  SimProcess *sim;
  guint sent, from;

  if (!mount_state (f))
    return;
  sim = lab_add_sim (f, "m0", "usb", IMEI);
  lab_play (f, sim, lab_steps);
  daemon_start (f, LAB_USB LAB_TIMEOUTS);
  daemon_await_state (f, "m0", "idle");

  lab_upgrade (f, "");
  lab_pass (sim, "started");
  daemon_await_state (f, "m0", "downloading");
  spoil_state (f, how);
  lab_pass (sim, "downloading");
  lab_pass (sim, "verifying");
  lab_pass (sim, "passed");
  lab_pass (sim, "updating");
  daemon_await_finished (f, "m0", "success", NULL);
  lab_await_log (f, "cannot be recorded");

  lab_pass (sim, "back");
  lab_pass (sim, "said");
  from = f->events->len;
  daemon_await_state (f, "m0", "idle");
  daemon_call_ok (f, "m0", "Refresh", NULL, -1);
  sent = lab_commands (f, sim);
  g_free (daemon_call_error (f, "m0", "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1, "StorageFailed"));
  g_assert_cmpuint (lab_commands (f, sim), ==, sent);
  {
    g_autofree char *states = lab_told (f, "m0", "State", from);
    g_assert_cmpstr (states, ==, "");
  }

  /* One that the module begins by itself is not ours to refuse. */
  sim_control (sim, "firmware " OLD_VERSION);
  daemon_call_ok (f, "m0", "Refresh", NULL, -1);
  sim_control (sim, "ind START");
  sim_control (sim, "ind UPDATING");
  daemon_await_state (f, "m0", "updating");
  sim_control (sim, "vanish");
  sim_control (sim, "firmware " NEW_VERSION);
  daemon_await_state (f, "m0", "rebooting");
  sim_control (sim, "return");
  daemon_await_finished (f, "m0", "success", NULL);
  daemon_stop (f);
  g_assert_cmpint (umount2 (state, MNT_DETACH), ==, 0);
}

/* A package: not a byte of it, and nothing left of its copy. */
static void
test_package (gconstpointer how)
{
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  g_autofree char *state = daemon_path (f, "state");
  g_autofree char *path = daemon_path (f, "package");
  g_autofree char *copies = daemon_path (f, "state/packages");
  g_autoptr (TestPackage) package = test_package_new (path, 1000);
  g_autoptr (GDir) dir = NULL;
  SimProcess *sim;
  guint sent;

  if (!mount_state (f))
    return;
  sim = lab_add_sim (f, "m0", "uart", IMEI);
  daemon_start (f, LAB_UART LAB_UART_TIMEOUTS);
  daemon_await_state (f, "m0", "idle");
  spoil_state (f, how);
  sent = lab_commands (f, sim);
  g_free (daemon_call_error (f, "m0", "Install", g_variant_new ("(ha{sv})", 0, NULL), package->fd, "StorageFailed"));
  g_assert_cmpuint (lab_commands (f, sim), ==, sent);
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "idle");
  dir = g_dir_open (copies, 0, NULL);
  g_assert_true (dir == NULL || g_dir_read_name (dir) == NULL);
  g_clear_pointer (&dir, g_dir_close);
  daemon_stop (f);
  g_assert_cmpint (umount2 (state, MNT_DETACH), ==, 0);
}

/* Something else stands where the state directory should be: the daemon runs, reads and refuses. */
static void
test_no_directory (void)
{
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  g_autofree char *state = daemon_path (f, "state");
  SimProcess *sim = lab_add_sim (f, "m0", "usb", IMEI);

  g_assert_true (g_file_set_contents (state, "", 0, NULL));
  daemon_start (f, LAB_USB LAB_TIMEOUTS);
  daemon_await_state (f, "m0", "idle");
  g_assert_cmpstr (daemon_get_string (f, "m0", "FirmwareVersion"), ==, OLD_VERSION);
  {
    g_autofree char *message = daemon_call_error (f, "m0", "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1,
                                                  "StorageFailed");
    g_assert_nonnull (strstr (message, state));
  }
  lab_commands (f, sim);
  g_assert_cmpuint (sim_count (sim, "rx AT+CPIN?"), ==, 0);
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTACTR"), ==, 0);
}

/* Records that are broken are set aside. */
static void
test_broken_record (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  g_autofree char *folder = daemon_path (f, "state/places");
  g_autoptr (GDir) dir = NULL;
  const char *name;

  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
  daemon_stop (f);
  dir = g_dir_open (folder, 0, NULL);
  g_assert_nonnull (dir);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      g_assert_true (g_file_set_contents (path, "\x01\xff broken [", -1, NULL));
    }
  daemon_start (f, NULL);
  daemon_await_state (f, "m0", "idle");
  g_assert_true (lab_logged (f, ".broken"));
  sim_control (lab_sim (f, 0), "firmware " OLD_VERSION);
  daemon_call_ok (f, "m0", "Refresh", NULL, -1);
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
}

int
main (int argc, char **argv)
{
  enter_own_mounts ();
  lab_init (&argc, &argv);
  g_test_add_data_func ("/daemon/disk/full", "full", test_disk);
  g_test_add_data_func ("/daemon/disk/read-only", "read-only", test_disk);
  g_test_add_data_func ("/daemon/disk/package/full", "full", test_package);
  g_test_add_data_func ("/daemon/disk/package/read-only", "read-only", test_package);
  g_test_add_func ("/daemon/disk/no-directory", test_no_directory);
  g_test_add_func ("/daemon/disk/broken-record", test_broken_record);
  return g_test_run ();
}
