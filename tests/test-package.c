/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mefota-error.h"
#include "mefota-package.h"

#define SLICE (256 * 1024)
#define PLENTY (64 * 1024 * 1024)

typedef struct
{
  char *dir;
  char *source;
  char *target;
  int fd; /* of source */
  guint8 *bytes;
  gsize size;
  char *sum;

  gboolean done;
  MefotaPackage *package;
  GError *error;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->dir = g_dir_make_tmp ("mefota-package-XXXXXX", NULL);
  g_assert_nonnull (f->dir);
  f->source = g_build_filename (f->dir, "source", NULL);
  f->target = g_build_filename (f->dir, "target", NULL);
  f->fd = -1;
}

static void
forget_result (Fixture *f)
{
  g_clear_object (&f->package);
  g_clear_error (&f->error);
  f->done = FALSE;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  forget_result (f);
  if (f->fd >= 0)
    close (f->fd);
  g_unlink (f->source);
  g_unlink (f->target);
  g_assert_cmpint (g_rmdir (f->dir), ==, 0); /* nothing else was left */
  g_free (f->bytes);
  g_free (f->sum);
  g_free (f->source);
  g_free (f->target);
  g_free (f->dir);
}

/* A source of @size bytes of which no two slices are alike. */
static void
make_source (Fixture *f, gsize size)
{
  g_autoptr (GRand) random = g_rand_new_with_seed (7);
  g_autoptr (GError) error = NULL;

  g_free (f->bytes);
  g_free (f->sum);
  f->size = size;
  f->bytes = g_malloc (size + 1);
  for (gsize i = 0; i < size; i++)
    f->bytes[i] = (guint8) g_rand_int (random);
  f->sum = g_compute_checksum_for_data (G_CHECKSUM_SHA256, f->bytes, size);
  g_file_set_contents (f->source, (const char *) f->bytes, (gssize) size, &error);
  g_assert_no_error (error);
  if (f->fd >= 0)
    close (f->fd);
  f->fd = open (f->source, O_RDONLY | O_CLOEXEC);
  g_assert_cmpint (f->fd, >=, 0);
}

static void
on_copied (GObject *object, GAsyncResult *result, gpointer user_data)
{
  Fixture *f = user_data;

  g_assert_false (f->done); /* exactly once */
  f->package = mefota_package_copy_finish (result, &f->error);
  g_assert_true ((f->package == NULL) == (f->error != NULL));
  f->done = TRUE;
}

static void
wait_done (Fixture *f)
{
  while (!f->done)
    g_main_context_iteration (NULL, TRUE);
}

static void
copy (Fixture *f, int fd, guint64 max_size, const char *sha256)
{
  forget_result (f);
  mefota_package_copy_async (fd, f->target, max_size, sha256, NULL, on_copied, f);
  g_assert_false (f->done); /* never from within the call */
  wait_done (f);
}

static void
assert_failed (Fixture *f, GQuark domain, int code)
{
  g_assert_error (f->error, domain, code);
  if (domain == MEFOTA_ERROR)
    g_assert_true (g_str_has_suffix (f->error->message, "."));
  g_assert_false (g_file_test (f->target, G_FILE_TEST_EXISTS));
}

static void
assert_holds (MefotaPackage *package, guint64 offset, gsize length, const guint8 *expected, gsize expected_length)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = mefota_package_read (package, offset, length, &error);

  g_assert_no_error (error);
  g_assert_cmpmem (g_bytes_get_data (bytes, NULL), g_bytes_get_size (bytes), expected, expected_length);
}

static void
test_sizes (Fixture *f, gconstpointer data)
{
  static const gsize sizes[] = { 1, SLICE - 1, SLICE, SLICE + 1, 9 * SLICE + 7 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      GStatBuf info;

      make_source (f, sizes[i]);
      g_assert_cmpint (lseek (f->fd, 1, SEEK_SET), ==, 1);
      g_file_set_contents (f->target, "left by a killed daemon", -1, NULL);
      copy (f, f->fd, sizes[i], f->sum);
      g_assert_no_error (f->error);
      g_assert_cmpint (lseek (f->fd, 0, SEEK_CUR), ==, 1); /* the caller's position is its own */
      g_assert_cmpstr (mefota_package_get_path (f->package), ==, f->target);
      g_assert_cmpuint (mefota_package_get_size (f->package), ==, sizes[i]);
      g_assert_cmpstr (mefota_package_get_sha256 (f->package), ==, f->sum);
      assert_holds (f->package, 0, sizes[i], f->bytes, sizes[i]);
      assert_holds (f->package, 0, G_MAXSSIZE, f->bytes, sizes[i]);
      assert_holds (f->package, sizes[i] - 1, 100, f->bytes + sizes[i] - 1, 1);
      assert_holds (f->package, sizes[i], 100, NULL, 0);
      assert_holds (f->package, G_MAXUINT64, 100, NULL, 0);
      g_assert_cmpint (g_stat (f->target, &info), ==, 0);
      g_assert_cmphex (info.st_mode & 07777, ==, 0600);
    }

  /* The copy is private: what happens to the source is no matter any more. */
  g_assert_cmpint (truncate (f->source, 0), ==, 0);
  assert_holds (f->package, 3 * SLICE + 5, 10, f->bytes + 3 * SLICE + 5, 10);
  mefota_package_remove (f->package);
  mefota_package_remove (f->package);
  g_assert_false (g_file_test (f->target, G_FILE_TEST_EXISTS));
}

static void
test_sums (Fixture *f, gconstpointer data)
{
  static const char *const malformed[] = { "", "abc",
                                          "g123456789012345678901234567890123456789012345678901234567890123",
                                           " 123456789012345678901234567890123456789012345678901234567890123",
                                           "01234567890123456789012345678901234567890123456789012345678901234" };
  g_autofree char *upper = NULL;
  g_autofree char *other = g_strnfill (64, '0');

  make_source (f, 1000);
  upper = g_ascii_strup (f->sum, -1);
  copy (f, f->fd, PLENTY, upper);
  g_assert_no_error (f->error);
  g_assert_cmpstr (mefota_package_get_sha256 (f->package), ==, f->sum);
  copy (f, f->fd, PLENTY, NULL);
  g_assert_no_error (f->error);
  g_assert_cmpstr (mefota_package_get_sha256 (f->package), ==, f->sum);

  copy (f, f->fd, PLENTY, other);
  assert_failed (f, MEFOTA_ERROR, MEFOTA_ERROR_INTEGRITY_MISMATCH);
  g_assert_nonnull (strstr (f->error->message, f->sum));
  g_assert_nonnull (strstr (f->error->message, other));
  for (guint i = 0; i < G_N_ELEMENTS (malformed); i++)
    {
      g_assert_false (mefota_package_is_sha256 (malformed[i]));
      copy (f, f->fd, PLENTY, malformed[i]);
      assert_failed (f, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT);
    }
  g_assert_true (mefota_package_is_sha256 (upper));
  g_assert_false (mefota_package_is_sha256 (NULL));
}

static void
test_no_package (Fixture *f, gconstpointer data)
{
  int pipe_fds[2];
  int fd;

  make_source (f, 0);
  copy (f, f->fd, PLENTY, NULL);
  assert_failed (f, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID);
  make_source (f, 1001);
  copy (f, f->fd, 1000, NULL);
  assert_failed (f, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID);
  g_assert_nonnull (strstr (f->error->message, "1001"));

  g_assert_cmpint (pipe (pipe_fds), ==, 0);
  copy (f, pipe_fds[0], PLENTY, NULL);
  assert_failed (f, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID);
  close (pipe_fds[0]);
  close (pipe_fds[1]);
  copy (f, -1, PLENTY, NULL);
  assert_failed (f, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID);

  fd = open (f->dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  copy (f, fd, PLENTY, NULL);
  assert_failed (f, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID);
  close (fd);
  fd = open (f->source, O_WRONLY | O_CLOEXEC);
  copy (f, fd, PLENTY, NULL);
  assert_failed (f, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID);
  close (fd);
}

/* The caller may close its descriptor at once; a memfd is a file too. */
static void
test_closed (Fixture *f, gconstpointer data)
{
  int fd = memfd_create ("package", MFD_CLOEXEC);

  make_source (f, 2 * SLICE);
  g_assert_cmpint (write (fd, f->bytes, f->size), ==, (int) f->size);
  mefota_package_copy_async (fd, f->target, PLENTY, f->sum, NULL, on_copied, f);
  close (fd);
  wait_done (f);
  g_assert_no_error (f->error);
}

/* Lets the copy get some slices far. */
static void
begin (Fixture *f, GCancellable *cancellable)
{
  forget_result (f);
  mefota_package_copy_async (f->fd, f->target, PLENTY, f->sum, cancellable, on_copied, f);
  for (guint i = 0; i < 3; i++)
    g_main_context_iteration (NULL, FALSE);
  g_assert_false (f->done);
  g_assert_true (g_file_test (f->target, G_FILE_TEST_EXISTS));
}

static void
test_changed (Fixture *f, gconstpointer data)
{
  int fd;

  make_source (f, 8 * SLICE);
  begin (f, NULL);
  g_assert_cmpint (truncate (f->source, 5 * SLICE), ==, 0); /* shorter */
  wait_done (f);
  assert_failed (f, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID);

  make_source (f, 8 * SLICE);
  begin (f, NULL);
  g_assert_cmpint (truncate (f->source, 8 * SLICE + 1), ==, 0); /* longer */
  wait_done (f);
  assert_failed (f, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID);

  /* Of the same size; the first slice, which was read already. */
  make_source (f, 8 * SLICE);
  fd = open (f->source, O_WRONLY | O_CLOEXEC);
  begin (f, NULL);
  g_assert_cmpint (pwrite (fd, "changed", 7, 0), ==, 7);
  {
    const struct timespec times[2] = { { 0, UTIME_OMIT }, { 1, 0 } }; /* whatever the clock's grain */
    g_assert_cmpint (futimens (fd, times), ==, 0);
  }
  close (fd);
  wait_done (f);
  assert_failed (f, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID);
}

static void
test_cancel (Fixture *f, gconstpointer data)
{
  g_autoptr (GCancellable) before = g_cancellable_new ();
  g_autoptr (GCancellable) meanwhile = g_cancellable_new ();

  make_source (f, 8 * SLICE);
  g_cancellable_cancel (before);
  mefota_package_copy_async (f->fd, f->target, PLENTY, NULL, before, on_copied, f);
  wait_done (f);
  assert_failed (f, G_IO_ERROR, G_IO_ERROR_CANCELLED);

  begin (f, meanwhile);
  g_cancellable_cancel (meanwhile);
  wait_done (f);
  assert_failed (f, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

static gboolean
on_count (gpointer user_data)
{
  guint *count = user_data;
  (*count)++;
  return G_SOURCE_CONTINUE;
}

/* Others get their turn between any two slices. */
static void
test_no_blocking (Fixture *f, gconstpointer data)
{
  guint count = 0;
  guint source = g_idle_add (on_count, &count);

  make_source (f, 16 * SLICE);
  copy (f, f->fd, PLENTY, NULL);
  g_assert_no_error (f->error);
  g_assert_cmpuint (count, >=, 15);
  g_source_remove (source);
}

static void
test_storage (Fixture *f, gconstpointer data)
{
  g_autofree char *nowhere = g_build_filename (f->dir, "missing", "target", NULL);
  struct rlimit old, small;

  make_source (f, 4 * SLICE);
  mefota_package_copy_async (f->fd, nowhere, PLENTY, NULL, NULL, on_copied, f);
  wait_done (f);
  assert_failed (f, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED);
  g_assert_nonnull (strstr (f->error->message, nowhere));

  /* As on a disk that gets full. */
  signal (SIGXFSZ, SIG_IGN);
  g_assert_cmpint (getrlimit (RLIMIT_FSIZE, &old), ==, 0);
  small = old;
  small.rlim_cur = 2 * SLICE + 100;
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &small), ==, 0);
  copy (f, f->fd, PLENTY, NULL);
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &old), ==, 0);
  assert_failed (f, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED);
}

static void
assert_open_fails (const char *path, guint64 size, int code)
{
  g_autoptr (GError) error = NULL;
  g_assert_null (mefota_package_open (path, size, NULL, &error));
  g_assert_error (error, MEFOTA_ERROR, code);
}

static void
test_open (Fixture *f, gconstpointer data)
{
  g_autoptr (MefotaPackage) package = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GError) read_error = NULL;
  g_autofree char *upper = NULL;

  make_source (f, 5000);
  copy (f, f->fd, PLENTY, NULL);
  g_clear_object (&f->package); /* the copy stays */
  upper = g_ascii_strup (f->sum, -1);
  package = mefota_package_open (f->target, 5000, upper, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (mefota_package_get_sha256 (package), ==, f->sum);
  g_assert_cmpuint (mefota_package_get_size (package), ==, 5000);
  g_assert_cmpstr (mefota_package_get_path (package), ==, f->target);
  assert_holds (package, 4000, 2000, f->bytes + 4000, 1000);

  assert_open_fails (f->target, 4999, MEFOTA_ERROR_PACKAGE_INVALID);
  assert_open_fails (f->target, 0, MEFOTA_ERROR_PACKAGE_INVALID);
  assert_open_fails (f->dir, 5000, MEFOTA_ERROR_PACKAGE_INVALID);
  g_assert_cmpint (truncate (f->target, 100), ==, 0);
  g_assert_null (mefota_package_read (package, 0, 5000, &read_error));
  g_assert_error (read_error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED);
  mefota_package_remove (package);
  assert_open_fails (f->target, 5000, MEFOTA_ERROR_STORAGE_FAILED);
  g_assert_cmpint (symlink (f->source, f->target), ==, 0);
  assert_open_fails (f->target, 5000, MEFOTA_ERROR_STORAGE_FAILED);
}

/* Between the check and the sending lies a power cut, or whatever else a disk goes through. */
static void
test_spoilt (Fixture *f, gconstpointer data)
{
  g_autoptr (MefotaPackage) package = NULL;
  g_autoptr (GError) error = NULL;
  guint8 spoilt;
  int fd;

  make_source (f, 5000);
  copy (f, f->fd, PLENTY, NULL);
  g_clear_object (&f->package);
  package = mefota_package_open (f->target, 5000, f->sum, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 2; i++) /* slices that overlap, from the start more than once */
    {
      assert_holds (package, 4500, 500, f->bytes + 4500, 500);
      assert_holds (package, 0, 3000, f->bytes, 3000);
      assert_holds (package, 2000, 2000, f->bytes + 2000, 2000);
      assert_holds (package, 4000, 2000, f->bytes + 4000, 1000);
    }
  g_clear_object (&package);

  fd = g_open (f->target, O_WRONLY | O_CLOEXEC, 0);
  spoilt = f->bytes[10] ^ 1;
  g_assert_cmpint (pwrite (fd, &spoilt, 1, 10), ==, 1);
  g_assert_true (g_close (fd, NULL));
  package = mefota_package_open (f->target, 5000, f->sum, &error);
  g_assert_no_error (error);
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GBytes) most = mefota_package_read (package, 0, 4999, &error);
      g_assert_no_error (error);
      g_assert_null (mefota_package_read (package, 4999, 1, &error));
      g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED);
      g_clear_error (&error);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)
  ADD ("/package/sizes", test_sizes);
  ADD ("/package/sums", test_sums);
  ADD ("/package/no-package", test_no_package);
  ADD ("/package/closed", test_closed);
  ADD ("/package/changed", test_changed);
  ADD ("/package/cancel", test_cancel);
  ADD ("/package/no-blocking", test_no_blocking);
  ADD ("/package/storage", test_storage);
  ADD ("/package/open", test_open);
  ADD ("/package/spoilt", test_spoilt);
  return g_test_run ();
}
