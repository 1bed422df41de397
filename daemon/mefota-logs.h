/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-adb-device.h"

G_BEGIN_DECLS

/* The logs of an upgrade, file by file out of the module (guide 2.3.3). The module is not believed: whatever its
 * folders are said to hold, nothing is written outside of the folder given, and no more than this. */
#define MEFOTA_LOGS_FILE_MAX (4 * 1024 * 1024)   /* bytes of one file; the rest of it is left out */
#define MEFOTA_LOGS_TOTAL_MAX (32 * 1024 * 1024) /* bytes of one collection */
#define MEFOTA_LOGS_FILES_MAX 500                /* files and folders of one collection */
#define MEFOTA_LOGS_ENTRIES_MAX 1000             /* entries of one of the module's folders */
#define MEFOTA_LOGS_DEPTH_MAX 4                  /* folders inside of folders */
#define MEFOTA_LOGS_KEPT 10                      /* collections; the oldest go */

/**
 * mefota_logs_collect_async:
 * @dirs: the module's folders, absolute
 * @directory: where to; made, and must not be there yet
 *
 * Copies regular files of all @dirs to @directory, as in "cache/logs/fota.log"; links, devices and the like are left
 * out. A file CONTENTS tells what was taken, cut and left out. If the module goes away in the middle, what has come is
 * kept, and is a success if there is any.
 *
 * Errors: STORAGE_FAILED, those of mefota_adb_device_explain_async(), G_IO_ERROR_CANCELLED; @directory is gone then.
 */
void mefota_logs_collect_async (MefotaAdbDevice *device, const char *const *dirs, const char *directory,
                                GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
gboolean mefota_logs_collect_finish (GAsyncResult *result, GError **error);

/* Pure: a name of the module's as one that is harmless in a folder, in a terminal and in a shell: all but letters,
 * digits and "._-" as %XX, a leading '.' or '-' too. NULL if it is none: empty, ".", "..", with a '/', or too long. */
char *mefota_logs_make_name (const char *name);

/* Puts @from in the place of @to, whatever is there. Errors: STORAGE_FAILED */
gboolean mefota_logs_replace (const char *from, const char *to, GError **error);
/* Removes the oldest folders in @parent until @keep are left. */
void mefota_logs_prune (const char *parent, guint keep);

G_END_DECLS
