/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>

#include "adb-fixture.h"
#include "mefota-error.h"

#define COMMAND_MS 3000

/* ---- the list ---- */

static void
test_list (void)
{
  static const struct { const char *list, *path; MefotaAdbState state; guint64 transport; } cases[] = {
    { "", "1-1.2", MEFOTA_ADB_STATE_ABSENT, 0 },
    { "(no serial number)     device usb:1-1.2 product:p model:m device:d transport_id:7\n", "1-1.2",
      MEFOTA_ADB_STATE_DEVICE, 7 },
    { "0123456789ABCDEF       device usb:1-1.1 transport_id:1\n"
      "0123456789ABCDEF       device usb:1-1.2 transport_id:2\n", "1-1.2", MEFOTA_ADB_STATE_DEVICE, 2 },
    { "                       device usb:1-1.2 transport_id:3\n", "1-1.2", MEFOTA_ADB_STATE_DEVICE, 3 },
    { "(no serial number)     device usb:1-1.22 transport_id:7\n", "1-1.2", MEFOTA_ADB_STATE_ABSENT, 0 },
    { "(no serial number)     device usb:1-1 transport_id:7\n", "1-1.2", MEFOTA_ADB_STATE_ABSENT, 0 },
    { "x                      offline usb:1-1.2 transport_id:4\n", "1-1.2", MEFOTA_ADB_STATE_OFFLINE, 4 },
    { "x                      unauthorized usb:1-1.2 transport_id:4\n", "1-1.2", MEFOTA_ADB_STATE_UNAUTHORIZED, 4 },
    { "x                      recovery usb:1-1.2 product:p transport_id:4\n", "1-1.2", MEFOTA_ADB_STATE_OTHER, 4 },
    { "????????????    no permissions (user in plugdev group; are your udev rules wrong?); see "
      "[http://developer.android.com/tools/device.html] usb:1-1.2 transport_id:4\n", "1-1.2",
      MEFOTA_ADB_STATE_NO_PERMISSION, 4 },
    /* what stands in a serial number is no place */
    { "usb:1-1.2 transport_id:9 device usb:1-4 transport_id:5\n", "1-1.2", MEFOTA_ADB_STATE_ABSENT, 0 },
    { "a device usb:1-1.2 transport_id:9 offline usb:1-1.2 transport_id:5\n", "1-1.2", MEFOTA_ADB_STATE_OFFLINE, 5 },
    { "127.0.0.1:5555         device product:p model:m device:d transport_id:7\n", "1-1.2",
      MEFOTA_ADB_STATE_ABSENT, 0 },
    { "emulator-5554          device transport_id:7\n\nusb:1-1.2\n", "1-1.2", MEFOTA_ADB_STATE_ABSENT, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      guint64 transport = 99;
      g_test_message ("%s", cases[i].list);
      g_assert_cmpint (mefota_adb_list_find (cases[i].list, cases[i].path, &transport), ==, cases[i].state);
      if (cases[i].state != MEFOTA_ADB_STATE_ABSENT)
        g_assert_cmpuint (transport, ==, cases[i].transport);
    }
}

/* ---- the server ---- */

static gboolean
hold (MefotaAdb *adb, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mefota_adb_hold_async (adb, NULL, adb_keep_result, &result);
  ADB_AWAIT (result != NULL);
  return mefota_adb_hold_finish (adb, result, error);
}

static void
test_missing (void)
{
  g_autoptr (MefotaAdb) adb = mefota_adb_new ("mefota-no-such-program", "/nonexistent/adb.socket", "/nonexistent");
  g_autoptr (GError) error = NULL;

  g_assert_false (mefota_adb_is_installed (adb));
  g_assert_false (hold (adb, &error));
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_SUPPORTED);
  g_assert_nonnull (strstr (error->message, "apt install adb"));
}

static void
test_broken (void)
{
  g_autofree char *folder = g_dir_make_tmp ("mefota-adb-XXXXXX", NULL);
  g_autofree char *path = g_build_filename (folder, "adb.socket", NULL);
  g_autoptr (MefotaAdb) adb = mefota_adb_new ("false", path, folder);
  g_autoptr (GError) error = NULL;

  g_assert_false (hold (adb, &error));
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_FAILED);
  g_assert_cmpuint (mefota_adb_get_pid (adb), ==, 0);
  g_rmdir (folder);
}

static void
test_long_path (void)
{
  g_autofree char *path = g_strnfill (200, 'x');
  g_autoptr (MefotaAdb) adb = mefota_adb_new ("true", path, "/nonexistent");
  g_autoptr (GError) error = NULL;

  g_assert_false (hold (adb, &error));
  g_assert_nonnull (strstr (error->message, "too long"));
}

static void
test_taken (void)
{
  g_autoptr (AdbFixture) f = adb_fixture_new ();
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  g_autoptr (GSocketAddress) address = NULL;
  g_autoptr (GError) error = NULL;

  if (f == NULL)
    return;
  address = g_unix_socket_address_new (f->socket_path);
  g_socket_listener_add_address (listener, address, G_SOCKET_TYPE_STREAM, 0, NULL, NULL, &error);
  g_assert_no_error (error);
  g_assert_false (hold (f->adb, &error));
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_BUSY);
  g_assert_nonnull (strstr (error->message, f->socket_path));
  g_assert_cmpuint (adb_count_children (), ==, 0);
  g_assert_true (g_file_test (f->socket_path, G_FILE_TEST_EXISTS)); /* theirs, and left alone */
  g_clear_error (&error);

  /* Left over from somebody who is no more: in nobody's way. */
  g_socket_listener_close (listener);
  g_assert_true (g_file_test (f->socket_path, G_FILE_TEST_EXISTS));
  hold (f->adb, &error);
  g_assert_no_error (error);
  mefota_adb_release (f->adb);

  g_assert_true (g_file_set_contents (f->socket_path, "no socket", -1, NULL));
  g_assert_false (hold (f->adb, &error));
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_BUSY);
}

static void
test_server (void)
{
  g_autoptr (AdbFixture) f = adb_fixture_new ();
  g_autoptr (GAsyncResult) first = NULL, second = NULL;
  g_autoptr (GError) error = NULL;
  GPid pid;

  if (f == NULL)
    return;
  mefota_adb_hold_async (f->adb, NULL, adb_keep_result, &first);
  mefota_adb_hold_async (f->adb, NULL, adb_keep_result, &second);
  ADB_AWAIT (first != NULL && second != NULL);
  g_assert_true (mefota_adb_hold_finish (f->adb, first, &error));
  g_assert_true (mefota_adb_hold_finish (f->adb, second, &error));
  pid = mefota_adb_get_pid (f->adb);
  g_assert_cmpint (pid, >, 0);
  g_assert_cmpint (getpgid (pid), ==, pid);
  mefota_adb_release (f->adb);
  g_assert_cmpint (mefota_adb_get_pid (f->adb), ==, pid);
  mefota_adb_release (f->adb);
  g_assert_cmpint (mefota_adb_get_pid (f->adb), ==, 0);
  g_assert_false (g_file_test (f->socket_path, G_FILE_TEST_EXISTS));
  ADB_AWAIT (kill (-pid, 0) < 0); /* with everything it had started */
}

static void
test_cancelled (void)
{
  g_autoptr (AdbFixture) f = adb_fixture_new ();
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  if (f == NULL)
    return;
  mefota_adb_hold_async (f->adb, cancellable, adb_keep_result, &result);
  g_assert_cmpint (mefota_adb_get_pid (f->adb), >, 0);
  g_cancellable_cancel (cancellable);
  ADB_AWAIT (result != NULL);
  g_assert_false (mefota_adb_hold_finish (f->adb, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  ADB_AWAIT (mefota_adb_get_pid (f->adb) == 0);
}

static void
test_killed (void)
{
  g_autoptr (AdbFixture) f = adb_fixture_new ();
  g_autoptr (GError) error = NULL;

  if (f == NULL)
    return;
  g_assert_true (hold (f->adb, &error));
  kill (mefota_adb_get_pid (f->adb), SIGKILL);
  ADB_AWAIT (mefota_adb_get_pid (f->adb) == 0);
  ADB_AWAIT (adb_count_children () == 0);
  mefota_adb_release (f->adb);
  g_assert_true (hold (f->adb, &error)); /* it can be started again */
  g_assert_no_error (error);
  mefota_adb_release (f->adb);
}

/* ---- devices ---- */

static MefotaAdbDevice *
open_device (AdbFixture *f, AdbModule *module, const char *usb_path, guint wait_ms, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mefota_adb_device_open_async (f->adb, usb_path, module != NULL ? module->channel : NULL, "AT+ZADSET=D", 0, NULL, NULL,
                                COMMAND_MS, wait_ms, NULL, adb_keep_result, &result);
  ADB_AWAIT (result != NULL);
  return mefota_adb_device_open_finish (result, error);
}

static void
test_absent (void)
{
  g_autoptr (AdbFixture) f = adb_fixture_new ();
  g_autoptr (MefotaAdbDevice) device = NULL;
  g_autoptr (GError) error = NULL;

  if (f == NULL)
    return;
  adb_add_module (f, "1-1.2", "x", NULL);
  device = open_device (f, NULL, "1-1.2", 300, &error);
  g_assert_null (device);
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED);
  g_assert_nonnull (strstr (error->message, "did not appear"));
  g_assert_cmpint (mefota_adb_get_pid (f->adb), ==, 0);
}

static void
test_unusable (gconstpointer data)
{
  const char *const *texts = data; /* switch, and what it is called */
  g_autoptr (AdbFixture) f = adb_fixture_new ();
  g_autoptr (MefotaAdbDevice) device = NULL;
  g_autoptr (GError) error = NULL;

  if (f == NULL)
    return;
  device = open_device (f, adb_add_module (f, "1-1.2", "x", texts[0], NULL), "1-1.2", 2000, &error);
  g_assert_null (device);
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, texts[1]));
}

static void
test_refused (void)
{
  g_autoptr (AdbFixture) f = adb_fixture_new ();
  g_autoptr (MefotaAdbDevice) device = NULL;
  g_autoptr (GError) error = NULL;

  if (f == NULL)
    return;
  device = open_device (f, adb_add_module (f, "1-1.2", "x", "fault=AT+ZADSET* error", NULL), "1-1.2", 2000, &error);
  g_assert_null (device);
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR);
}

/* It re-enumerates for the command: the device is found at the same place afterwards. */
static void
test_reenumerates (void)
{
  g_autoptr (AdbFixture) f = adb_fixture_new ();
  g_autoptr (MefotaAdbDevice) device = NULL;
  g_autoptr (GError) error = NULL;
  AdbModule *module;

  if (f == NULL)
    return;
  module = adb_add_module (f, "1-1.2", "x", "adb-reenumerate=10", NULL);
  device = open_device (f, module, "1-1.2", 20000, &error);
  g_assert_no_error (error);
  g_assert_nonnull (device);
  g_assert_cmpuint (adb_count_events (module, "vanished"), ==, 1);
  g_clear_object (&device);

  device = open_device (f, module, "1-1.2", 20000, &error); /* is open, so the module is not asked again */
  g_assert_no_error (error);
  g_assert_cmpuint (adb_count_events (module, "adb on"), ==, 1);
}

/* ---- files ---- */

static MefotaAdbSync *
open_sync (MefotaAdbDevice *device)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  GIOStream *stream;

  mefota_adb_device_stream_async (device, "sync:", NULL, adb_keep_result, &result);
  ADB_AWAIT (result != NULL);
  stream = mefota_adb_device_stream_finish (device, result, &error);
  g_assert_no_error (error);
  return mefota_adb_sync_new (stream, 5000);
}

static gboolean
push (MefotaAdbSync *sync, MefotaPackage *package, const char *path, MefotaAdbProgress progress, gpointer data,
      GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mefota_adb_sync_push_async (sync, package, path, progress, data, NULL, adb_keep_result, &result);
  ADB_AWAIT (result != NULL);
  return mefota_adb_sync_push_finish (result, error);
}

static void
take_progress (guint64 bytes, gpointer data)
{
  guint64 *last = data;

  g_assert_cmpuint (bytes, >=, *last);
  *last = bytes;
}

/* Two modules with one serial number: each package goes to its own. */
static void
test_twins (void)
{
  g_autoptr (AdbFixture) f = adb_fixture_new ();
  AdbModule *modules[2];
  static const char *const paths[] = { "1-1.1", "1-1.2" };

  if (f == NULL)
    return;
  for (guint i = 0; i < 2; i++)
    modules[i] = adb_add_module (f, paths[i], "0123456789ABCDEF", "adb-open=true", NULL);
  for (guint i = 0; i < 2; i++)
    {
      /* The second first: the order of plugging in is not the order of use. */
      guint k = 1 - i;
      g_autoptr (GError) error = NULL;
      g_autoptr (MefotaAdbDevice) device = open_device (f, modules[k], paths[k], 20000, &error);
      g_autoptr (MefotaPackage) package = adb_make_package (f, 200000, k);
      g_autoptr (MefotaAdbSync) sync = NULL;
      g_autofree char *event = NULL;
      guint64 last = 0;

      g_assert_no_error (error);
      sync = open_sync (device);
      g_assert_true (push (sync, package, "/cache/delta.package", take_progress, &last, &error));
      g_assert_no_error (error);
      g_assert_cmpuint (last, ==, 200000);
      event = g_strdup_printf ("adb-push /cache/delta.package 200000 %s", mefota_package_get_sha256 (package));
      g_assert_cmpuint (adb_count_events (modules[k], event), ==, 1);
      g_assert_cmpuint (adb_count_events (modules[1 - k], "adb-push"), ==, i);
    }
}

static void
test_files (void)
{
  g_autoptr (AdbFixture) f = adb_fixture_new ();
  g_autoptr (MefotaAdbDevice) device = NULL;
  g_autoptr (MefotaAdbSync) sync = NULL;
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (MefotaAdbEntry) there = NULL, absent = NULL;
  g_autoptr (GPtrArray) entries = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *path = NULL, *text = NULL;
  const char *const paths[] = { "/data/logs/update.log", "/data/it's not there", NULL };
  gboolean whole = FALSE;
  int fd;

  if (f == NULL)
    return;
  device = open_device (f, adb_add_module (f, "1-1.2", "x", NULL), "1-1.2", 20000, &error);
  g_assert_no_error (error);
  sync = open_sync (device);
  mefota_adb_sync_stat_async (sync, "/data/logs/update.log", NULL, adb_keep_result, &result);
  ADB_AWAIT (result != NULL);
  there = mefota_adb_sync_stat_finish (result, &error);
  g_assert_true (S_ISREG (there->mode));
  g_assert_cmpuint (there->size, ==, strlen ("log of /data/logs/update.log\n"));
  g_clear_object (&result);

  mefota_adb_sync_list_async (sync, "/data/logs", 10, NULL, adb_keep_result, &result);
  ADB_AWAIT (result != NULL);
  entries = mefota_adb_sync_list_finish (result, &error);
  g_assert_cmpuint (entries->len, ==, 2);
  g_clear_object (&result);

  path = g_build_filename (f->folder, "pulled", NULL);
  fd = g_open (path, O_WRONLY | O_CREAT, 0600);
  mefota_adb_sync_pull_async (sync, "/data/logs/update.log", fd, 1000, NULL, adb_keep_result, &result);
  ADB_AWAIT (result != NULL);
  g_assert_cmpint (mefota_adb_sync_pull_finish (result, &whole, &error), ==, there->size);
  g_assert_true (whole);
  close (fd);
  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  g_assert_cmpstr (text, ==, "log of /data/logs/update.log\n");
  g_clear_object (&result);

  mefota_adb_device_remove_async (device, paths, NULL, adb_keep_result, &result);
  ADB_AWAIT (result != NULL);
  g_assert_true (mefota_adb_device_remove_finish (device, result, &error));
  g_clear_object (&result);
  mefota_adb_sync_stat_async (sync, "/data/logs/update.log", NULL, adb_keep_result, &result);
  ADB_AWAIT (result != NULL);
  absent = mefota_adb_sync_stat_finish (result, &error);
  g_assert_cmpuint (absent->mode, ==, 0);
}

int
main (int argc, char **argv)
{
  static const char *const unauthorized[] = { "adb-refuse=auth", "unauthorized" };
  static const char *const offline[] = { "adb-refuse=silent", "offline" };

  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/adb/list", test_list);
  g_test_add_func ("/adb/missing", test_missing);
  g_test_add_func ("/adb/broken", test_broken);
  g_test_add_func ("/adb/long-path", test_long_path);
  g_test_add_func ("/adb/taken", test_taken);
  g_test_add_func ("/adb/server", test_server);
  g_test_add_func ("/adb/cancelled", test_cancelled);
  g_test_add_func ("/adb/killed", test_killed);
  g_test_add_func ("/adb/absent", test_absent);
  g_test_add_data_func ("/adb/unauthorized", unauthorized, test_unusable);
  g_test_add_data_func ("/adb/offline", offline, test_unusable);
  g_test_add_func ("/adb/refused", test_refused);
  g_test_add_func ("/adb/reenumerates", test_reenumerates);
  g_test_add_func ("/adb/twins", test_twins);
  g_test_add_func ("/adb/files", test_files);
  return g_test_run ();
}
