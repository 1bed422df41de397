/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * MefotaStore:
 *
 * The state directory. Everything in it are dictionaries (a{sv}), each a file of its own, versioned, replaced whole and
 * durably (written, synced, renamed, directory synced) or not at all. A broken file, or one of a newer version, is
 * renamed to NAME.broken with a warning and counts as absent. Modes 0600/0700.
 */
typedef struct _MefotaStore MefotaStore;

/* Kinds of dictionaries: one sub-folder each. */
#define MEFOTA_STORE_PLACE "places"     /* by module id: the upgrade under way, and the last one */
#define MEFOTA_STORE_IMEI "imeis"       /* by IMEI: version and settings last seen */
#define MEFOTA_STORE_LOGS "wanted-logs" /* by module id: the upgrade whose logs are yet to be pulled */

/* History entries kept; the oldest go first. */
#define MEFOTA_STORE_HISTORY_MAX 200

/* Creates the directory if missing. Never fails: errors show at save (the daemon must run on a full disk too). */
MefotaStore *mefota_store_new (const char *directory);
void mefota_store_free (MefotaStore *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MefotaStore, mefota_store_free)

const char *mefota_store_get_directory (MefotaStore *self);

/* Errors: MEFOTA_ERROR_STORAGE_FAILED */
gboolean mefota_store_save (MefotaStore *self, const char *kind, const char *key, GVariant *dictionary, GError **error);
/* The same for what has happened already, whatever the disk says: if it cannot be written now, it is as soon as there
 * is room, unless something newer is saved under that key. FALSE until then. */
gboolean mefota_store_keep (MefotaStore *self, const char *kind, const char *key, GVariant *dictionary, GError **error);
/* NULL if absent or broken. Transfer full, never floating. */
GVariant *mefota_store_load (MefotaStore *self, const char *kind, const char *key);
gboolean mefota_store_remove (MefotaStore *self, const char *kind, const char *key, GError **error);
/* The keys there are, sorted. */
char **mefota_store_list (MefotaStore *self, const char *kind);

/* History entries are dictionaries with at least "id" s, "module" s, "imei" s. An id already there is replaced in
 * place, so that adding twice makes one entry. It is kept as by mefota_store_keep(), and is in the history from now on.
 * Errors: MEFOTA_ERROR_STORAGE_FAILED */
gboolean mefota_store_history_put (MefotaStore *self, GVariant *entry, GError **error);
GVariant *mefota_store_history_get (MefotaStore *self, const char *id);
/* Newest first, aa{sv}; NULL or "" matches everything, limit 0 is all. Transfer full. */
GVariant *mefota_store_history_list (MefotaStore *self, const char *module, const char *imei, guint limit);

/* A fresh path in the state directory's sub-folder @folder (created), for a package or for logs; not created itself. */
char *mefota_store_build_path (MefotaStore *self, const char *folder, const char *name, GError **error);

G_END_DECLS
