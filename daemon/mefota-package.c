/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-package.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mefota-error.h"

#define SLICE (256 * 1024)

struct _MefotaPackage
{
  GObject parent_instance;

  char *path;
  char *sha256;
  guint64 size;
  int fd;

  /* The bytes that were read so far of a copy that lay on the disk while the daemon was away; NULL once all were the
   * right ones. */
  GChecksum *unproven;
  guint64 proven;
};

G_DEFINE_FINAL_TYPE (MefotaPackage, mefota_package, G_TYPE_OBJECT)

static void
mefota_package_finalize (GObject *object)
{
  MefotaPackage *self = MEFOTA_PACKAGE (object);

  if (self->fd >= 0)
    close (self->fd);
  g_clear_pointer (&self->unproven, g_checksum_free);
  g_free (self->path);
  g_free (self->sha256);
  G_OBJECT_CLASS (mefota_package_parent_class)->finalize (object);
}

static void
mefota_package_class_init (MefotaPackageClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mefota_package_finalize;
}

static void
mefota_package_init (MefotaPackage *self)
{
  self->fd = -1;
}

gboolean
mefota_package_is_sha256 (const char *text)
{
  return text != NULL && strlen (text) == 64 && text[strspn (text, G_CSET_DIGITS "abcdefABCDEF")] == '\0';
}

/* --- copying --------------------------------------------------------------------------------------------------- */

typedef struct
{
  int source;
  int target;
  char *path;
  char *expected; /* nullable */
  struct stat before;
  guint64 size;
  guint64 done;
  GChecksum *checksum;
  guint8 *slice;
  gboolean complete; /* the copy is somebody's now: keep it */
} Copy;

/* Before anybody hears of the failure. */
static void
discard_target (Copy *copy)
{
  if (copy->target < 0)
    return;
  if (!copy->complete)
    g_unlink (copy->path);
  close (copy->target);
  copy->target = -1;
}

static void
copy_free (Copy *copy)
{
  discard_target (copy);
  if (copy->source >= 0)
    close (copy->source);
  g_clear_pointer (&copy->checksum, g_checksum_free);
  g_free (copy->slice);
  g_free (copy->expected);
  g_free (copy->path);
  g_free (copy);
}

/* As many bytes as there are up to @length; -1 and errno on failure. */
static gssize
read_fully (int fd, guint8 *buffer, gsize length, guint64 offset)
{
  gsize n = 0;

  while (n < length)
    {
      gssize r = pread (fd, buffer + n, length - n, (off_t) (offset + n));
      if (r < 0 && errno == EINTR)
        continue;
      if (r < 0)
        return -1;
      if (r == 0)
        break;
      n += (gsize) r;
    }
  return (gssize) n;
}

static gboolean
write_fully (int fd, const guint8 *buffer, gsize length)
{
  while (length > 0)
    {
      gssize w = write (fd, buffer, length);
      if (w < 0 && errno == EINTR)
        continue;
      if (w < 0)
        return FALSE;
      buffer += w;
      length -= (gsize) w;
    }
  return TRUE;
}

static gboolean
fail_storage (const Copy *copy, int code, GError **error)
{
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
               "The package cannot be copied to %s: %s. Make room there, or correct its permissions.", copy->path,
               g_strerror (code));
  return FALSE;
}

static gboolean
fail_changed (GError **error)
{
  g_set_error_literal (error, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID,
                       "The package was changed while it was being copied. Try again once it is complete.");
  return FALSE;
}

/* Sends slices to the disk as they come, waiting for those a little behind: else the sync at the end of a large package
 * would hold up the loop for seconds on a slow flash. */
static gboolean
push_to_disk (const Copy *copy, guint64 offset, gsize length)
{
  guint64 behind = offset >= 4 * SLICE ? offset - 4 * SLICE : G_MAXUINT64;

  if (sync_file_range (copy->target, (off_t) offset, (off_t) length, SYNC_FILE_RANGE_WRITE) == 0 &&
      (behind == G_MAXUINT64 ||
       sync_file_range (copy->target, (off_t) behind, SLICE,
                        SYNC_FILE_RANGE_WAIT_BEFORE | SYNC_FILE_RANGE_WRITE | SYNC_FILE_RANGE_WAIT_AFTER) == 0))
    return TRUE;
  /* It also takes failures of the disk away from the fsync() that follows; not being available is no failure. */
  return errno != EIO && errno != ENOSPC && errno != EDQUOT;
}

static gboolean
copy_slice (Copy *copy, GError **error)
{
  gsize length = (gsize) MIN ((guint64) SLICE, copy->size - copy->done);
  gssize n = read_fully (copy->source, copy->slice, length, copy->done);

  if (n < 0)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID,
                   "The package cannot be read: %s. Hand over a file that is open for reading.", g_strerror (errno));
      return FALSE;
    }
  if ((gsize) n < length)
    return fail_changed (error);
  g_checksum_update (copy->checksum, copy->slice, n);
  if (!write_fully (copy->target, copy->slice, length) || !push_to_disk (copy, copy->done, length))
    return fail_storage (copy, errno, error);
  copy->done += length;
  return TRUE;
}

static gboolean
is_unchanged (const Copy *copy)
{
  struct stat now;

  return fstat (copy->source, &now) == 0 && now.st_size == copy->before.st_size &&
         now.st_mtim.tv_sec == copy->before.st_mtim.tv_sec && now.st_mtim.tv_nsec == copy->before.st_mtim.tv_nsec;
}

static gboolean
sync_copy (const Copy *copy, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (copy->path);
  int fd;

  if (fsync (copy->target) < 0)
    return fail_storage (copy, errno, error);
  fd = open (folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  if (fd >= 0)
    {
      fsync (fd); /* not every file system can; the package is checked again when it is opened */
      close (fd);
    }
  return TRUE;
}

static MefotaPackage *
finish_copy (Copy *copy, GError **error)
{
  MefotaPackage *package;
  const char *sha256 = g_checksum_get_string (copy->checksum);

  if (!is_unchanged (copy))
    {
      fail_changed (error);
      return NULL;
    }
  if (copy->expected != NULL && g_ascii_strcasecmp (sha256, copy->expected) != 0)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INTEGRITY_MISMATCH,
                   "The package's SHA-256 is %s, but %s was expected. Get the package again, or correct the sum.",
                   sha256, copy->expected);
      return NULL;
    }
  if (!sync_copy (copy, error))
    return NULL;
  package = g_object_new (MEFOTA_TYPE_PACKAGE, NULL);
  package->path = g_strdup (copy->path);
  package->sha256 = g_strdup (sha256);
  package->size = copy->size;
  package->fd = g_steal_fd (&copy->target);
  copy->complete = TRUE;
  return package;
}

/* One slice each time the loop has nothing better to do. */
static gboolean
on_idle (gpointer user_data)
{
  GTask *task = user_data;
  Copy *copy = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  MefotaPackage *package;

  if (g_task_return_error_if_cancelled (task))
    return G_SOURCE_REMOVE;
  if (!copy_slice (copy, &error))
    {
      discard_target (copy);
      g_task_return_error (task, g_steal_pointer (&error));
      return G_SOURCE_REMOVE;
    }
  if (copy->done < copy->size)
    return G_SOURCE_CONTINUE;

  package = finish_copy (copy, &error);
  /* Cancelling from here on would lose the copy's owner, but not the copy. */
  g_task_set_check_cancellable (task, FALSE);
  discard_target (copy);
  if (package != NULL)
    g_task_return_pointer (task, package, g_object_unref);
  else
    g_task_return_error (task, g_steal_pointer (&error));
  return G_SOURCE_REMOVE;
}

static gboolean
check_source (Copy *copy, int fd, guint64 max_size, GError **error)
{
  copy->source = fcntl (fd, F_DUPFD_CLOEXEC, 3);
  if (copy->source < 0 || fstat (copy->source, &copy->before) < 0)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID,
                   "The package cannot be read: %s. Hand over a file that is open for reading.", g_strerror (errno));
      return FALSE;
    }
  if (!S_ISREG (copy->before.st_mode))
    {
      g_set_error_literal (error, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID,
                           "The package is no regular file. Save it to a file and hand that over.");
      return FALSE;
    }
  copy->size = (guint64) copy->before.st_size;
  if (copy->size == 0)
    {
      g_set_error_literal (error, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID,
                           "The package is empty. Get it again from its supplier.");
      return FALSE;
    }
  if (copy->size > max_size)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID,
                   "The package has %" G_GUINT64_FORMAT " bytes, but %" G_GUINT64_FORMAT
                   " are the most. Check that it is a delta package, or raise max-package in the configuration.",
                   copy->size, max_size);
      return FALSE;
    }
  return TRUE;
}

static gboolean
open_target (Copy *copy, GError **error)
{
  /* What an earlier run of the daemon left there is of no use. */
  if (g_unlink (copy->path) < 0 && errno != ENOENT)
    return fail_storage (copy, errno, error);
  copy->target = open (copy->path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
  return copy->target >= 0 || fail_storage (copy, errno, error);
}

void
mefota_package_copy_async (int fd, const char *path, guint64 max_size, const char *sha256, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  g_autoptr (GSource) source = NULL;
  g_autoptr (GError) error = NULL;
  Copy *copy = g_new0 (Copy, 1);

  copy->source = copy->target = -1;
  copy->path = g_strdup (path);
  copy->expected = g_strdup (sha256);
  g_task_set_source_tag (task, mefota_package_copy_async);
  g_task_set_priority (task, G_PRIORITY_DEFAULT_IDLE); /* its sources get it too */
  g_task_set_task_data (task, copy, (GDestroyNotify) copy_free);

  if (sha256 != NULL && !mefota_package_is_sha256 (sha256))
    {
      g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                               "\"%s\" is no SHA-256. Give its 64 hexadecimal digits, as sha256sum prints them.",
                               sha256);
      return;
    }
  if (g_task_return_error_if_cancelled (task))
    return;
  if (!check_source (copy, fd, max_size, &error) || !open_target (copy, &error))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  copy->checksum = g_checksum_new (G_CHECKSUM_SHA256);
  copy->slice = g_malloc (SLICE);
  source = g_idle_source_new ();
  g_task_attach_source (task, source, on_idle); /* the source keeps the task */
}

MefotaPackage *
mefota_package_copy_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* --- a package ------------------------------------------------------------------------------------------------- */

MefotaPackage *
mefota_package_open (const char *path, guint64 size, const char *sha256, GError **error)
{
  g_autoptr (MefotaPackage) self = g_object_new (MEFOTA_TYPE_PACKAGE, NULL);
  struct stat info;

  self->fd = open (path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_CLOEXEC);
  if (self->fd < 0 || fstat (self->fd, &info) < 0)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
                   "The copy of the package, %s, cannot be opened: %s. Install the package again.", path,
                   g_strerror (errno));
      return NULL;
    }
  if (!S_ISREG (info.st_mode) || size == 0 || (guint64) info.st_size != size)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID,
                   "The copy of the package, %s, is not the one that was made. Install the package again.", path);
      return NULL;
    }
  self->path = g_strdup (path);
  self->size = size;
  self->sha256 = sha256 != NULL ? g_ascii_strdown (sha256, -1) : g_strdup ("");
  if (mefota_package_is_sha256 (self->sha256))
    self->unproven = g_checksum_new (G_CHECKSUM_SHA256);
  return g_steal_pointer (&self);
}

const char *
mefota_package_get_path (MefotaPackage *self)
{
  g_return_val_if_fail (MEFOTA_IS_PACKAGE (self), NULL);
  return self->path;
}

guint64
mefota_package_get_size (MefotaPackage *self)
{
  g_return_val_if_fail (MEFOTA_IS_PACKAGE (self), 0);
  return self->size;
}

const char *
mefota_package_get_sha256 (MefotaPackage *self)
{
  g_return_val_if_fail (MEFOTA_IS_PACKAGE (self), NULL);
  return self->sha256;
}

/* Takes the new ones of the bytes that were read, in order; whether the last of them makes the sum right. */
static gboolean
prove (MefotaPackage *self, guint64 offset, const guint8 *bytes, gsize length)
{
  gboolean right;

  if (self->unproven == NULL || offset > self->proven || offset + length <= self->proven)
    return TRUE;
  g_checksum_update (self->unproven, bytes + (self->proven - offset), (gssize) (offset + length - self->proven));
  self->proven = offset + length;
  if (self->proven < self->size)
    return TRUE;
  right = g_str_equal (g_checksum_get_string (self->unproven), self->sha256);
  self->proven = 0;
  if (right)
    g_clear_pointer (&self->unproven, g_checksum_free);
  else
    g_checksum_reset (self->unproven);
  return right;
}

GBytes *
mefota_package_read (MefotaPackage *self, guint64 offset, gsize length, GError **error)
{
  g_autofree guint8 *buffer = NULL;
  gssize n;

  g_return_val_if_fail (MEFOTA_IS_PACKAGE (self), NULL);
  if (offset >= self->size || length == 0)
    return g_bytes_new (NULL, 0);
  length = (gsize) MIN ((guint64) length, self->size - offset);
  buffer = g_malloc (length);
  n = read_fully (self->fd, buffer, length, offset);
  if (n < 0 || (gsize) n < length)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
                   "The copy of the package, %s, cannot be read: %s. Install the package again.", self->path,
                   n < 0 ? g_strerror (errno) : "it has become shorter");
      return NULL;
    }
  if (!prove (self, offset, buffer, length))
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
                   "The copy of the package, %s, is not what was checked any more. Check the disk, and install the "
                   "package again.", self->path);
      return NULL;
    }
  return g_bytes_new_take (g_steal_pointer (&buffer), length);
}

void
mefota_package_remove (MefotaPackage *self)
{
  g_return_if_fail (MEFOTA_IS_PACKAGE (self));
  if (g_unlink (self->path) < 0 && errno != ENOENT)
    g_warning ("The copy of the package, %s, cannot be removed: %s.", self->path, g_strerror (errno));
}
