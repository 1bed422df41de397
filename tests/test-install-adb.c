/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Package upgrades over adb, and the module's logs: the real daemon and the real adb with simulated modules. */

#include "daemon-fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define FROM "ME3630C1CV2.0B06"
#define NEXT "ME3630C1CV2.0B07"
#define SERIAL "0123456789ABCDEF"

#define TIMEOUTS "[timeouts]\ncommand=1\nprobe=0.2\nsettle=2\ninstall=20\n"
#define MODULE(name, place) "[module " name "]\nport=@" name "@\ntransport=usb\nusb-path=" place "\n"

typedef struct
{
  DaemonFixture *f;
  SimProcess *sims[2];
  char *sha256;
  gsize size;
  int fd;
} Install;

/* Its daemon may listen only later; the port is chosen now. */
static guint
choose_port (void)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  return g_socket_listener_add_any_inet_port (listener, NULL, NULL);
}

/* "adb" in the daemon's PATH is what shows the modules' adb daemons as devices on USB. */
static void
put_adb_in_place (Install *self, const char *real)
{
  g_autofree char *bin = daemon_path (self->f, "bin");
  g_autofree char *adb = g_build_filename (bin, "adb", NULL);
  g_autofree char *devices = daemon_path (self->f, "devices");
  g_autofree char *path = g_strconcat (bin, ":", g_getenv ("PATH"), NULL);

  g_assert_cmpint (g_mkdir (bin, 0700), ==, 0);
  g_assert_cmpint (symlink (g_getenv ("ADB_AS_USB"), adb), ==, 0);
  g_setenv ("MEFOTA_TEST_ADB", real, TRUE);
  g_setenv ("MEFOTA_TEST_DEVICES", devices, TRUE);
  g_setenv ("PATH", path, TRUE);
}

static void
add_module (Install *self, guint index, const char *name, const char *place, const char *settings)
{
  g_auto (GStrv) pairs = g_strsplit (settings, " ", 0);
  g_autofree char *devices = daemon_path (self->f, "devices");
  g_autofree char *port = g_strdup_printf ("adb-port=%u", choose_port ());
  g_autofree char *old = NULL;
  g_autofree char *all = NULL;

  g_file_get_contents (devices, &old, NULL, NULL);
  all = g_strdup_printf ("%s%s %s %s\n", old != NULL ? old : "", place, strchr (port, '=') + 1, SERIAL);
  g_assert_true (g_file_set_contents (devices, all, -1, NULL));
  self->sims[index] = daemon_add_sim (self->f, name, "quiet=true", port, NULL);
  for (guint i = 0; pairs[i] != NULL; i++)
    if (pairs[i][0] != '\0')
      sim_control (self->sims[index], "set %s", pairs[i]);
}

static void
install_clear (Install *self)
{
  if (self->f == NULL)
    return;
  daemon_fixture_free (self->f);
  close (self->fd);
  g_free (self->sha256);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Install, install_clear)

static char *initial_path;

/* A module with @settings ("a=b c=d"), up and idle, and a package of @size bytes; with @config in the file. f is NULL
 * where no adb is installed: the test is left out then. */
static Install
install_new (gsize size, const char *settings, const char *config)
{
  Install self = { NULL };
  g_autofree char *real = NULL;
  g_autofree char *path = NULL;
  g_autofree char *text = NULL;
  g_autofree char *bytes = g_malloc (size);

  g_setenv ("PATH", initial_path, TRUE);
  real = g_find_program_in_path ("adb");
  if (real == NULL)
    {
      g_test_skip ("the program adb is not installed");
      return self;
    }
  self.f = daemon_fixture_new ();
  put_adb_in_place (&self, real);
  for (gsize i = 0; i < size; i++)
    bytes[i] = (char) (i * 31 + i / 256);
  path = daemon_path (self.f, "delta.package");
  g_assert_true (g_file_set_contents (path, bytes, (gssize) size, NULL));
  self.fd = g_open (path, O_RDONLY | O_CLOEXEC);
  self.size = size;
  self.sha256 = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) bytes, size);
  add_module (&self, 0, "m0", "1-1.1", settings);
  add_module (&self, 1, "m1", "1-1.2", settings);
  text = g_strconcat (config, TIMEOUTS MODULE ("m0", "1-1.1") MODULE ("m1", "1-1.2"), NULL);
  daemon_start (self.f, text);
  daemon_await_state (self.f, "m0", "idle");
  daemon_await_state (self.f, "m1", "idle");
  return self;
}

static GVariant *
options (const char *extra)
{
  g_autofree char *text = g_strdup_printf ("(@h 0, @a{sv} {'expected-version': <'" NEXT "'>%s})", extra);
  return g_variant_new_parsed (text);
}

/* Processes that were told of adb's socket in the fixture's folder, or of @suffix behind it: the server and whatever it
 * started. They get @signal_number, if it is not 0. */
static guint
find_adb (Install *self, const char *suffix, int signal_number)
{
  g_autofree char *path = daemon_path (self->f, "run/adb.socket");
  g_autofree char *where = g_strconcat ("localfilesystem:", path, suffix, NULL);
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  const char *name;
  guint n = 0;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *cmdline = g_build_filename ("/proc", name, "cmdline", NULL);
      g_autofree char *text = NULL;
      gsize length = 0;

      if (!g_ascii_isdigit (name[0]) || !g_file_get_contents (cmdline, &text, &length, NULL)
          || memmem (text, length, where, strlen (where)) == NULL)
        continue;
      n++;
      if (signal_number != 0)
        kill (atoi (name), signal_number);
    }
  return n;
}

static guint
count_adb (Install *self)
{
  return find_adb (self, "", 0);
}

static void
assert_nothing_left (Install *self)
{
  g_autofree char *folder = daemon_path (self->f, "state/packages");
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);

  g_assert_true (dir == NULL || g_dir_read_name (dir) == NULL);
  DAEMON_AWAIT (self->f, count_adb (self) == 0);
}

static char *
pushed (Install *self, const char *path)
{
  return g_strdup_printf ("adb-push %s %" G_GSIZE_FORMAT " %s", path, self->size, self->sha256);
}

/* ---- upgrades ---- */

static gboolean
has_method (DaemonFixture *f, const char *module, const char *method)
{
  g_autofree const char **methods = g_variant_get_strv (daemon_get (f, module, "Methods"), NULL);
  return g_strv_contains (methods, method);
}

/* Both modules have one serial number; the second gets the package. */
static void
test_whole (void)
{
  g_auto (Install) t = install_new (3 * 1000 * 1000, "", "");
  g_autofree char *event = NULL;

  if (t.f == NULL)
    return;
  g_assert_true (has_method (t.f, "m1", "adb"));
  g_assert_false (has_method (t.f, "m1", "serial"));
  daemon_call_ok (t.f, "m1", "Install", options (", 'method': <'auto'>"), t.fd);
  g_assert_cmpstr (daemon_get_string (t.f, "m1", "Operation"), ==, "adb");
  daemon_await_finished (t.f, "m1", "success", NULL);
  g_assert_cmpstr (daemon_get_string (t.f, "m1", "FirmwareVersion"), ==, NEXT);
  g_assert_cmpuint (daemon_get_number (t.f, "m1", "RebootsSeen"), ==, 2);
  event = pushed (&t, "/cache/delta.package");
  g_assert_cmpuint (sim_count (t.sims[1], event), ==, 1);
  g_assert_cmpuint (sim_count (t.sims[0], "adb"), ==, 0);
  assert_nothing_left (&t);
}

/* Opening the adb port makes it re-enumerate: no reboot of the upgrade's, and no failed attempt. */
static void
test_reenumerates (void)
{
  g_auto (Install) t = install_new (100000, "adb-reenumerate=30 firmware=ME3630C2CV1.0B06",
                                    "[policy]\ntransfer-attempts=1\n");
  g_autofree char *event = NULL;

  if (t.f == NULL)
    return;
  daemon_call_ok (t.f, "m0", "Install", options (""), t.fd);
  g_assert_cmpstr (daemon_get_string (t.f, "m0", "State"), ==, "transferring");
  g_assert_cmpuint (sim_count (t.sims[0], "vanished"), ==, 1);
  daemon_await_finished (t.f, "m0", "success", NULL);
  event = pushed (&t, "/data/update.zip");
  g_assert_cmpuint (sim_count (t.sims[0], event), ==, 1);
  g_assert_cmpuint (sim_count (t.sims[0], "adb on"), ==, 1);
  assert_nothing_left (&t);
}

static void
test_never_back (void)
{
  g_auto (Install) t = install_new (100000, "adb-reenumerate=forever", "");
  g_autofree char *message = NULL;

  if (t.f == NULL)
    return;
  message = daemon_call_error (t.f, "m0", "Install", options (""), t.fd, "NotPresent");
  assert_nothing_left (&t);
}

static void
test_cancel (void)
{
  g_auto (Install) t = install_new (8 * 1000 * 1000, "adb-pace=2000000", "");

  if (t.f == NULL)
    return;
  daemon_call_ok (t.f, "m0", "Install", options (""), t.fd);
  DAEMON_AWAIT (t.f, daemon_get_number (t.f, "m0", "Progress") >= 20);
  g_assert_cmpuint (daemon_get_number (t.f, "m0", "Progress"), <, 100);
  daemon_call_ok (t.f, "m0", "Cancel", NULL, -1);
  daemon_await_finished (t.f, "m0", "failure", "Cancelled");
  g_assert_cmpuint (sim_count (t.sims[0], "adb-remove /cache/delta.package"), ==, 1);
  g_assert_cmpuint (sim_count (t.sims[0], "package"), ==, 0);
  assert_nothing_left (&t);
}

/* The module vanishes in the middle, altogether: the package is sent again when it is back. */
static void
test_vanishes (void)
{
  g_auto (Install) t = install_new (3 * 1000 * 1000, "adb-fault=vanish adb-fault-after=1000000", "");
  g_autofree char *event = NULL;

  if (t.f == NULL)
    return;
  daemon_call_ok (t.f, "m0", "Install", options (""), t.fd);
  daemon_await_finished (t.f, "m0", "success", NULL);
  event = pushed (&t, "/cache/delta.package");
  g_assert_cmpuint (sim_count (t.sims[0], event), ==, 1);
  assert_nothing_left (&t);
}

static void
test_full (void)
{
  g_auto (Install) t = install_new (1000000, "adb-fault=full", "[policy]\ntransfer-attempts=1\n");
  GVariant *details;
  const char *message = "";

  if (t.f == NULL)
    return;
  daemon_call_ok (t.f, "m0", "Install", options (""), t.fd);
  details = daemon_await_finished (t.f, "m0", "failure", "TransferFailed");
  g_variant_lookup (details, "error-message", "&s", &message);
  g_assert_nonnull (strstr (message, "No space left on device"));
  g_assert_cmpuint (sim_count (t.sims[0], "adb-remove /cache/delta.package"), ==, 1);
  assert_nothing_left (&t);
}

/* Killed from outside, adb's server is started again for the next attempt. */
static void
test_adb_killed (void)
{
  g_auto (Install) t = install_new (8 * 1000 * 1000, "adb-pace=4000000", "");
  g_autofree char *log = NULL;

  if (t.f == NULL)
    return;
  daemon_call_ok (t.f, "m0", "Install", options (""), t.fd);
  DAEMON_AWAIT (t.f, daemon_get_number (t.f, "m0", "Progress") >= 20);
  g_assert_cmpuint (find_adb (&t, "-real", SIGKILL), ==, 1);
  daemon_await_finished (t.f, "m0", "success", NULL);
  log = daemon_read_log (t.f);
  g_assert_nonnull (strstr (log, "ended from outside"));
  assert_nothing_left (&t);
}

/* The daemon is killed in the middle: adb goes with it, and the next daemon begins anew. */
static void
test_daemon_killed (void)
{
  g_auto (Install) t = install_new (8 * 1000 * 1000, "adb-pace=4000000", "");

  if (t.f == NULL)
    return;
  daemon_call_ok (t.f, "m0", "Install", options (""), t.fd);
  DAEMON_AWAIT (t.f, daemon_get_number (t.f, "m0", "Progress") >= 20);
  g_assert_cmpuint (count_adb (&t), >, 0);
  daemon_kill (t.f);
  DAEMON_AWAIT (t.f, count_adb (&t) == 0);
  daemon_start (t.f, NULL);
  daemon_await_finished (t.f, "m0", "success", NULL);
  assert_nothing_left (&t);
}

static void
test_refused (void)
{
  g_auto (Install) t = install_new (1000, "adb-refuse=auth", "");
  g_autofree char *unauthorized = NULL, *serial = NULL, *name = NULL;

  if (t.f == NULL)
    return;
  serial = daemon_call_error (t.f, "m0", "Install", options (", 'method': <'serial'>"), t.fd, "NotSupported");
  name = daemon_call_error (t.f, "m0", "Install", options (", 'name': <'up.zip'>"), t.fd, "PackageInvalid");
  unauthorized = daemon_call_error (t.f, "m0", "Install", options (""), t.fd, "TransferFailed");
  g_assert_nonnull (strstr (unauthorized, "unauthorized"));
  g_assert_cmpstr (daemon_get_string (t.f, "m0", "State"), ==, "idle");
  assert_nothing_left (&t);
}

/* What the module refuses is told once, and so is what to do. */
static void
test_told (void)
{
  g_auto (Install) t = install_new (1000, "adb-path=data adb-missing=error", "[policy]\ntransfer-attempts=1\n");
  g_autofree char *closed = NULL;
  const char *refused = "";
  GVariant *details;

  if (t.f == NULL)
    return;
  sim_control (t.sims[0], "set fault=AT+ZADSET* error");
  closed = daemon_call_error (t.f, "m0", "Install", options (""), t.fd, "ModuleError");
  g_assert_cmpstr (closed, ==,
                   "The module's adb port stays closed, for the module refused AT+ZADSET=D with “ERROR”; its "
                   "firmware may have none: use a network upgrade.");
  daemon_call_ok (t.f, "m1", "Install", options (""), t.fd);
  details = daemon_await_finished (t.f, "m1", "failure", "ModuleError");
  g_variant_lookup (details, "error-message", "&s", &refused);
  g_assert_cmpstr (refused, ==,
                   "The module has the package but refused to install it: the module refused AT+ZCOMUPDATE with "
                   "“ERROR”, with the package in /cache/delta.package, where firmware " FROM " looks by profile "
                   "me3630; check that it is made for " FROM ".");
  assert_nothing_left (&t);
}

static void
test_no_adb (void)
{
  g_auto (Install) t = install_new (1000, "", "");
  g_autofree char *adb = NULL, *install = NULL, *logs = NULL;

  if (t.f == NULL)
    return;
  daemon_stop (t.f);
  g_setenv ("PATH", "/nonexistent", TRUE);
  daemon_start (t.f, NULL);
  daemon_await_state (t.f, "m0", "idle");
  g_assert_false (has_method (t.f, "m0", "adb"));
  install = daemon_call_error (t.f, "m0", "Install", options (""), t.fd, "NotSupported");
  g_assert_nonnull (strstr (install, "apt install adb"));
  logs = daemon_call_error (t.f, "m0", "CollectLogs", g_variant_new_parsed ("(@a{sv} {},)"), -1, "NotSupported");
  g_setenv ("PATH", initial_path, TRUE);
}

/* ---- logs ---- */

static void
assert_logs (const char *directory)
{
  g_autofree char *file = g_build_filename (directory, "cache/logs/fota.log", NULL);
  g_autofree char *text = NULL;

  g_assert_true (g_file_get_contents (file, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "log of /cache/logs/fota.log\n");
}

static void
test_logs (void)
{
  g_auto (Install) t = install_new (1000, "adb-reenumerate=20", "");
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *state = NULL;
  const char *directory;

  if (t.f == NULL)
    return;
  reply = daemon_call (t.f, "m0", "CollectLogs", g_variant_new_parsed ("(@a{sv} {},)"), -1, &error);
  g_assert_no_error (error);
  g_variant_get (reply, "(&s)", &directory);
  state = daemon_path (t.f, "state/logs");
  g_assert_true (g_str_has_prefix (directory, state));
  assert_logs (directory);
  daemon_await_state (t.f, "m0", "idle");
  assert_nothing_left (&t);
}

/* After an upgrade that came to nothing they are there by themselves, under its id. */
static void
test_logs_by_itself (void)
{
  g_auto (Install) t = install_new (1000, "keep-firmware=true", "[policy]\ncollect-logs=true\n");
  g_autofree char *directory = NULL, *contents = NULL, *name = NULL;
  GVariant *details;
  const char *id = NULL;

  if (t.f == NULL)
    return;
  daemon_call_ok (t.f, "m0", "Install", options (""), t.fd);
  details = daemon_await_finished (t.f, "m0", "failure", "UpgradeFailed");
  g_variant_lookup (details, "id", "&s", &id);
  name = g_strdup_printf ("state/logs/%s", id);
  directory = daemon_path (t.f, name);
  contents = g_build_filename (directory, "CONTENTS", NULL);
  DAEMON_AWAIT (t.f, g_file_test (contents, G_FILE_TEST_EXISTS));
  assert_logs (directory);
  assert_nothing_left (&t);
}

/* The same, with a module that cannot be reached, and a daemon that is killed before it can. */
static void
test_logs_by_next_daemon (void)
{
  g_auto (Install) t = install_new (1000, "keep-firmware=true", "[policy]\ncollect-logs=true\n");
  g_autofree char *devices = NULL, *there = NULL, *wanted = NULL, *directory = NULL, *contents = NULL, *name = NULL;
  GVariant *details;
  const char *id = NULL;

  if (t.f == NULL)
    return;
  devices = daemon_path (t.f, "devices");
  wanted = daemon_path (t.f, "state/wanted-logs/m0.state");
  g_assert_true (g_file_get_contents (devices, &there, NULL, NULL));
  daemon_call_ok (t.f, "m0", "Install", options (""), t.fd);
  daemon_await_state (t.f, "m0", "updating");
  g_assert_true (g_file_set_contents (devices, "", -1, NULL));
  details = daemon_await_finished (t.f, "m0", "failure", "UpgradeFailed");
  g_variant_lookup (details, "id", "&s", &id);
  name = g_strdup_printf ("state/logs/%s", id);
  directory = daemon_path (t.f, name);
  contents = g_build_filename (directory, "CONTENTS", NULL);
  daemon_kill (t.f);
  g_assert_false (g_file_test (contents, G_FILE_TEST_EXISTS));
  g_assert_true (g_file_set_contents (devices, there, -1, NULL));

  daemon_start (t.f, NULL);
  DAEMON_AWAIT (t.f, g_file_test (contents, G_FILE_TEST_EXISTS));
  assert_logs (directory);
  DAEMON_AWAIT (t.f, !g_file_test (wanted, G_FILE_TEST_EXISTS));
  assert_nothing_left (&t);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  initial_path = g_strdup (g_getenv ("PATH"));
  g_test_add_func ("/install-adb/whole", test_whole);
  g_test_add_func ("/install-adb/reenumerates", test_reenumerates);
  g_test_add_func ("/install-adb/never-back", test_never_back);
  g_test_add_func ("/install-adb/cancel", test_cancel);
  g_test_add_func ("/install-adb/vanishes", test_vanishes);
  g_test_add_func ("/install-adb/full", test_full);
  g_test_add_func ("/install-adb/adb-killed", test_adb_killed);
  g_test_add_func ("/install-adb/daemon-killed", test_daemon_killed);
  g_test_add_func ("/install-adb/refused", test_refused);
  g_test_add_func ("/install-adb/told", test_told);
  g_test_add_func ("/install-adb/no-adb", test_no_adb);
  g_test_add_func ("/install-adb/logs", test_logs);
  g_test_add_func ("/install-adb/logs-by-itself", test_logs_by_itself);
  g_test_add_func ("/install-adb/logs-by-next-daemon", test_logs_by_next_daemon);
  return g_test_run ();
}
