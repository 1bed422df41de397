/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utime.h>

#include "adb-fixture.h"
#include "mefota-error.h"
#include "mefota-logs.h"

static const char *const dirs[] = { "/cache/logs", "/data/logs", "/cache/recovery", NULL };

static void
test_names (void)
{
  static const struct { const char *name, *safe; } cases[] = {
    { "fota.log", "fota.log" },
    { "Last_log-1.gz", "Last_log-1.gz" },
    { "", NULL },
    { ".", NULL },
    { "..", NULL },
    { "../x", NULL },
    { "/etc/passwd", NULL },
    { "a/b", NULL },
    { "...", "%2E.." },
    { ".hidden", "%2Ehidden" },
    { "-rf", "%2Drf" },
    { "a b", "a%20b" },
    { "a%2Fb", "a%252Fb" },
    { "new\nline\x1b[31m", "new%0Aline%1B%5B31m" },
    { "\xff\xc3\xa4", "%FF%C3%A4" },
    { "$(reboot)", "%24%28reboot%29" },
  };
  g_autofree char *very_long = g_strnfill (201, 'x');

  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autofree char *safe = mefota_logs_make_name (cases[i].name);
      g_assert_cmpstr (safe, ==, cases[i].safe);
    }
  g_assert_null (mefota_logs_make_name (very_long));
}

static void
make_file (const char *folder, const char *name, int age)
{
  g_autofree char *path = g_build_filename (folder, name, NULL);
  g_autofree char *file = g_build_filename (path, "file", NULL);
  struct utimbuf times = { 1000000000 - age, 1000000000 - age };

  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
  g_assert_true (g_file_set_contents (file, "x", -1, NULL));
  g_assert_cmpint (utime (path, &times), ==, 0);
}

static guint
count (const char *folder)
{
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  guint n = 0;

  while (dir != NULL && g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static void
test_prune (void)
{
  g_autofree char *folder = g_dir_make_tmp ("mefota-logs-XXXXXX", NULL);
  g_autofree char *outside = g_dir_make_tmp ("mefota-logs-XXXXXX", NULL);
  g_autofree char *link = g_build_filename (folder, "link", NULL);
  g_autofree char *old = g_build_filename (folder, "old", NULL);
  g_autofree char *young = g_build_filename (folder, "young", NULL);
  g_autofree char *kept = g_build_filename (outside, "kept", NULL);

  make_file (folder, "old", 30);
  make_file (folder, "young", 10);
  make_file (folder, "middle", 20);
  make_file (outside, "kept", 0);
  mefota_logs_prune (folder, 3);
  g_assert_cmpuint (count (folder), ==, 3);
  mefota_logs_prune (folder, 1);
  g_assert_cmpuint (count (folder), ==, 1);
  g_assert_true (g_file_test (young, G_FILE_TEST_IS_DIR));
  /* A link is removed, and nothing behind it. */
  g_assert_cmpint (symlink (outside, link), ==, 0);
  mefota_logs_prune (folder, 0);
  g_assert_cmpuint (count (folder), ==, 0);
  g_assert_true (g_file_test (kept, G_FILE_TEST_IS_DIR));
  mefota_logs_prune (outside, 0);
  g_rmdir (folder);
  g_rmdir (outside);
}

/* ---- from a module ---- */

typedef struct
{
  AdbFixture *adb;
  AdbModule *module;
  MefotaAdbDevice *device;
  char *directory;
} Fixture;

static gboolean
set_up (Fixture *f, const char *pair)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;

  *f = (Fixture){ .adb = adb_fixture_new () };
  if (f->adb == NULL)
    return FALSE;
  f->module = adb_add_module (f->adb, "1-1.2", "x", pair, NULL);
  mefota_adb_device_open_async (f->adb->adb, "1-1.2", f->module->channel, "AT+ZADSET=D", 0, NULL, NULL, 2000, 20000,
                                NULL, adb_keep_result, &result);
  ADB_AWAIT (result != NULL);
  f->device = mefota_adb_device_open_finish (result, &error);
  g_assert_no_error (error);
  f->directory = g_build_filename (f->adb->folder, "logs", NULL);
  return TRUE;
}

static void
tear_down (Fixture *f)
{
  if (f->adb == NULL)
    return;
  g_assert_finalize_object (f->device);
  adb_fixture_free (f->adb);
  g_free (f->directory);
}

static gboolean
collect (Fixture *f, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mefota_logs_collect_async (f->device, dirs, f->directory, cancellable, adb_keep_result, &result);
  ADB_AWAIT (result != NULL);
  return mefota_logs_collect_finish (result, error);
}

static char *
get_text (Fixture *f, const char *name)
{
  g_autofree char *path = g_build_filename (f->directory, name, NULL);
  char *text = NULL;

  g_file_get_contents (path, &text, NULL, NULL);
  return text;
}

static void
test_plain (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *first = NULL, *deep = NULL, *contents = NULL;
  Fixture f;

  if (!set_up (&f, NULL))
    return;
  g_assert_true (collect (&f, NULL, &error));
  g_assert_no_error (error);
  first = get_text (&f, "cache/logs/fota.log");
  g_assert_cmpstr (first, ==, "log of /cache/logs/fota.log\n");
  deep = get_text (&f, "data/logs/old/update.log");
  g_assert_cmpstr (deep, ==, "log of /data/logs/old/update.log\n");
  contents = get_text (&f, "CONTENTS");
  g_assert_nonnull (strstr (contents, "28\t/cache/logs/fota.log\n"));
  g_assert_nonnull (strstr (contents, "/cache/recovery/last_log\n"));

  /* The folder has to be fresh. */
  g_assert_false (collect (&f, NULL, &error));
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED);
  tear_down (&f);
}

/* Everything in it, with what it is: nothing but folders and files, and all of it below. */
static void
check_tree (const char *path, guint depth, guint *files)
{
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  const char *name;
  struct stat st;

  g_assert_cmpuint (depth, <=, MEFOTA_LOGS_DEPTH_MAX + 2);
  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);

      g_assert_cmpint (lstat (child, &st), ==, 0);
      g_assert_true (S_ISDIR (st.st_mode) || S_ISREG (st.st_mode));
      for (const char *c = name; *c != '\0'; c++)
        g_assert_true (g_ascii_isalnum (*c) || strchr ("._-%", *c) != NULL);
      if (S_ISDIR (st.st_mode))
        check_tree (child, depth + 1, files);
      else
        ++*files;
    }
}

static void
test_hostile (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *contents = NULL, *twice = NULL;
  guint files = 0;
  Fixture f;

  if (!set_up (&f, "adb-listing=hostile"))
    return;
  g_remove ("/tmp/mefota-escaped");
  g_assert_true (collect (&f, NULL, &error));
  g_assert_no_error (error);
  check_tree (f.directory, 0, &files);
  g_assert_cmpuint (files, <=, MEFOTA_LOGS_FILES_MAX + 1);
  g_assert_false (g_file_test ("/tmp/mefota-escaped", G_FILE_TEST_EXISTS));
  contents = get_text (&f, "CONTENTS");
  g_assert_nonnull (strstr (contents, "left out (not a name)\t/cache/logs/a/b\n"));
  g_assert_nonnull (strstr (contents, "left out (neither file nor folder)\t/cache/logs/link\n"));
  g_assert_nonnull (strstr (contents, "left out (neither file nor folder)\t/cache/logs/fifo\n"));
  g_assert_nonnull (strstr (contents, "left out (name is taken)\t/cache/logs/twice\n"));
  g_assert_nonnull (strstr (contents, "left out (too deep)\t/cache/logs/loop/loop/loop/loop\n"));
  g_assert_null (strchr (contents, '\x1b'));
  twice = get_text (&f, "cache/logs/new%0Aline%1B%5B31m");
  g_assert_cmpstr (twice, ==, "hostile\n");
  tear_down (&f);
}

static void
test_endless (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *contents = NULL;
  Fixture f;

  if (!set_up (&f, "adb-listing=endless"))
    return;
  g_assert_true (collect (&f, NULL, &error));
  g_assert_no_error (error);
  contents = get_text (&f, "CONTENTS");
  g_assert_nonnull (strstr (contents, "more than 1000 entries"));
  tear_down (&f);
}

static guint64
size_of (Fixture *f, const char *name)
{
  g_autofree char *path = g_build_filename (f->directory, name, NULL);
  struct stat st;

  g_assert_cmpint (lstat (path, &st), ==, 0);
  return (guint64) st.st_size;
}

static void
test_huge (void)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *contents = NULL, *small = NULL;
  Fixture f;

  if (!set_up (&f, "adb-listing=huge"))
    return;
  g_assert_true (collect (&f, NULL, &error));
  g_assert_no_error (error);
  g_assert_cmpuint (size_of (&f, "cache/logs/huge.log"), ==, MEFOTA_LOGS_FILE_MAX);
  contents = get_text (&f, "CONTENTS");
  g_assert_nonnull (strstr (contents, "(cut)\t/cache/logs/huge.log\n"));
  small = get_text (&f, "cache/recovery/last_log"); /* what comes behind it is still had */
  g_assert_nonnull (small);
  tear_down (&f);
}

static void
test_cancelled (void)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  Fixture f;

  if (!set_up (&f, "adb-listing=huge"))
    return;
  mefota_logs_collect_async (f.device, dirs, f.directory, cancellable, adb_keep_result, &result);
  adb_await_event (f.module, "adb-read");
  g_cancellable_cancel (cancellable);
  ADB_AWAIT (result != NULL);
  g_assert_false (mefota_logs_collect_finish (result, &error));
  g_clear_object (&result);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_false (g_file_test (f.directory, G_FILE_TEST_EXISTS));
  tear_down (&f);
}

/* What came before the server died is kept; without a file there is only the error. */
static void
test_killed (void)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  Fixture f;

  if (!set_up (&f, NULL))
    return;
  mefota_logs_collect_async (f.device, dirs, f.directory, NULL, adb_keep_result, &result);
  kill (-mefota_adb_get_pid (f.adb->adb), SIGKILL);
  ADB_AWAIT (result != NULL);
  g_assert_false (mefota_logs_collect_finish (result, &error));
  g_clear_object (&result);
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_FAILED);
  g_assert_false (g_file_test (f.directory, G_FILE_TEST_EXISTS));
  tear_down (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/logs/names", test_names);
  g_test_add_func ("/logs/prune", test_prune);
  g_test_add_func ("/logs/plain", test_plain);
  g_test_add_func ("/logs/hostile", test_hostile);
  g_test_add_func ("/logs/endless", test_endless);
  g_test_add_func ("/logs/huge", test_huge);
  g_test_add_func ("/logs/cancelled", test_cancelled);
  g_test_add_func ("/logs/killed", test_killed);
  return g_test_run ();
}
