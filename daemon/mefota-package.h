/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * MefotaPackage:
 *
 * A delta package: a private copy in the state directory, with its size and SHA-256. Copying never blocks the loop for
 * long (slices from an idle source) and needs memory for one slice only, whatever the package's size.
 */
#define MEFOTA_TYPE_PACKAGE (mefota_package_get_type ())
G_DECLARE_FINAL_TYPE (MefotaPackage, mefota_package, MEFOTA, PACKAGE, GObject)

/**
 * mefota_package_copy_async:
 * @fd: a regular file, read from offset 0 whatever its position; duplicated, the caller keeps its own
 * @path: where the copy goes (mode 0600, synced at the end); removed again if anything fails
 * @max_size: bytes
 * @sha256: (nullable): 64 hexadecimal digits the file must have
 *
 * Errors: PACKAGE_INVALID (no regular file, not readable, empty, larger than @max_size, changed while being copied),
 * INTEGRITY_MISMATCH (message has both sums), INVALID_ARGUMENT (malformed @sha256), STORAGE_FAILED,
 * G_IO_ERROR_CANCELLED
 */
void mefota_package_copy_async (int fd, const char *path, guint64 max_size, const char *sha256,
                                GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
MefotaPackage *mefota_package_copy_finish (GAsyncResult *result, GError **error);

/* A copy made before a restart of the daemon: checked against @size, and against @sha256 (nullable) as it is read, so
 * that nothing blocks. */
MefotaPackage *mefota_package_open (const char *path, guint64 size, const char *sha256, GError **error);

const char *mefota_package_get_path (MefotaPackage *self);
guint64 mefota_package_get_size (MefotaPackage *self);
const char *mefota_package_get_sha256 (MefotaPackage *self);
/* Reads up to @length bytes at @offset (from the page cache mostly; slices are small). Of an opened copy the last bytes
 * are refused with STORAGE_FAILED if all of them, read from the start, are not those of its sum. */
GBytes *mefota_package_read (MefotaPackage *self, guint64 offset, gsize length, GError **error);
/* Deletes the copy. */
void mefota_package_remove (MefotaPackage *self);

/* Whether @text is 64 hexadecimal digits. */
gboolean mefota_package_is_sha256 (const char *text);

G_END_DECLS
