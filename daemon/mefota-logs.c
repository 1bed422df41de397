/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-logs.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "mefota-adb-sync.h"
#include "mefota-error.h"

/* In units of one command: how long the module may be silent in the middle. */
#define STALL_COMMANDS 3
/* A module on which so many files cannot be read has something else than logs to tell. */
#define FAILURES_MAX 10
#define LONGEST_NAME 200
#define CONTENTS_MAX (256 * 1024)
#define DIR_MODE 0750
#define FILE_MODE 0640

typedef struct
{
  char *remote;
  char *local;
  guint depth; /* of a folder */
  gboolean is_folder;
} Item;

typedef struct
{
  MefotaAdbDevice *device;
  MefotaAdbSync *sync; /* NULL: none, or of no more use */
  char *directory;
  GQueue items; /* of Item; files before folders */
  Item *item;   /* under way */
  int fd;
  guint n_items, n_files, n_failed;
  guint64 total;
  GString *contents;
} Collect;

static void next (GTask *task);

/* ---- names ---- */

char *
mefota_logs_make_name (const char *name)
{
  g_autoptr (GString) safe = g_string_new (NULL);

  if (name[0] == '\0' || strcmp (name, ".") == 0 || strcmp (name, "..") == 0 || strchr (name, '/') != NULL)
    return NULL;
  for (const char *c = name; *c != '\0'; c++)
    if (g_ascii_isalnum (*c) || *c == '_' || (c != name && (*c == '.' || *c == '-')))
      g_string_append_c (safe, *c);
    else
      g_string_append_printf (safe, "%%%02X", (guchar) *c);
  return safe->len <= LONGEST_NAME ? g_strdup (safe->str) : NULL;
}

static void
item_free (gpointer data)
{
  Item *self = data;

  g_free (self->remote);
  g_free (self->local);
  g_free (self);
}

static void
collect_free (gpointer data)
{
  Collect *self = data;

  g_clear_pointer (&self->sync, mefota_adb_sync_free);
  g_clear_object (&self->device);
  g_queue_clear_full (&self->items, item_free);
  g_clear_pointer (&self->item, item_free);
  if (self->fd >= 0)
    close (self->fd);
  g_string_free (self->contents, TRUE);
  g_free (self->directory);
  g_free (self);
}

static void
note (Collect *self, const char *what, const char *remote)
{
  g_autofree char *printable = g_strescape (remote, NULL);

  if (self->contents->len > CONTENTS_MAX)
    return;
  g_string_append_printf (self->contents, "%s\t%s\n", what, printable);
}

/* ---- what is already here ---- */

static void
remove_tree (const char *path)
{
  g_autoptr (GDir) dir = NULL;
  struct stat st;
  const char *name;

  if (lstat (path, &st) == 0 && S_ISDIR (st.st_mode))
    dir = g_dir_open (path, 0, NULL);
  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *child = g_build_filename (path, name, NULL);
      remove_tree (child);
    }
  g_remove (path);
}

gboolean
mefota_logs_replace (const char *from, const char *to, GError **error)
{
  remove_tree (to);
  if (g_rename (from, to) == 0)
    return TRUE;
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
               "The logs cannot be put into %s (%s); make room in the state directory.", to, g_strerror (errno));
  remove_tree (from);
  return FALSE;
}

typedef struct
{
  char *path;
  gint64 mtime;
} Kept;

static void
kept_free (gpointer data)
{
  Kept *self = data;

  g_free (self->path);
  g_free (self);
}

static int
compare_age (gconstpointer a, gconstpointer b)
{
  const Kept *first = *(const Kept *const *) a, *second = *(const Kept *const *) b;
  return (first->mtime < second->mtime) - (first->mtime > second->mtime);
}

void
mefota_logs_prune (const char *parent, guint keep)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new_with_free_func (kept_free);
  g_autoptr (GDir) dir = g_dir_open (parent, 0, NULL);
  const char *name;
  struct stat st;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (parent, name, NULL);
      Kept *kept;

      if (lstat (path, &st) < 0)
        continue;
      kept = g_new0 (Kept, 1);
      kept->path = g_steal_pointer (&path);
      kept->mtime = st.st_mtim.tv_sec * G_USEC_PER_SEC + st.st_mtim.tv_nsec / 1000;
      g_ptr_array_add (all, kept);
    }
  g_ptr_array_sort (all, compare_age); /* youngest first */
  for (guint i = keep; i < all->len; i++)
    {
      const Kept *kept = g_ptr_array_index (all, i);
      g_debug ("removes the old logs %s", kept->path);
      remove_tree (kept->path);
    }
}

/* ---- the end ---- */

/* Takes @error; NULL: all that was there has been dealt with. */
static void
finish (GTask *task, GError *error)
{
  Collect *self = g_task_get_task_data (task);
  g_autoptr (GError) owned = error;
  g_autofree char *path = g_build_filename (self->directory, "CONTENTS", NULL);
  gboolean keep = owned == NULL
                  || (self->n_files > 0 && !g_error_matches (owned, G_IO_ERROR, G_IO_ERROR_CANCELLED)
                      && !g_error_matches (owned, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED));

  g_clear_pointer (&self->sync, mefota_adb_sync_free);
  if (owned != NULL)
    note (self, "broken off", owned->message);
  if (keep && !g_file_set_contents (path, self->contents->str, (gssize) self->contents->len, NULL))
    {
      g_clear_error (&owned);
      owned = g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
                           "The logs cannot be written to %s; make room in the state directory.", self->directory);
      keep = FALSE;
    }
  if (keep)
    {
      g_task_return_boolean (task, TRUE);
      return;
    }
  remove_tree (self->directory);
  g_task_return_error (task, g_steal_pointer (&owned));
}

static void
on_explained (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  finish (task, mefota_adb_device_explain_finish (MEFOTA_ADB_DEVICE (source), result));
}

/* One item failed with @error, which it takes: the others are tried, unless the module itself is lost. */
static void
fail_item (GTask *task, GError *error)
{
  Collect *self = g_task_get_task_data (task);
  g_autoptr (GError) owned = error;

  g_clear_pointer (&self->sync, mefota_adb_sync_free);
  if (g_error_matches (owned, MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED) && self->item != NULL
      && ++self->n_failed <= FAILURES_MAX)
    {
      g_autofree char *what = g_strdup_printf ("left out (%s)", owned->message);
      note (self, what, self->item->remote);
      next (task);
    }
  else
    mefota_adb_device_explain_async (self->device, owned, on_explained, g_object_ref (task));
}

/* ---- folders ---- */

static void
add_item (Collect *self, const MefotaAdbEntry *entry)
{
  g_autofree char *remote = g_strconcat (self->item->remote, "/", entry->name, NULL);
  g_autofree char *safe = mefota_logs_make_name (entry->name);
  gboolean is_folder = S_ISDIR (entry->mode);
  const char *why = NULL;
  Item *item;

  if (strcmp (entry->name, ".") == 0 || strcmp (entry->name, "..") == 0)
    return;
  if (safe == NULL)
    why = "left out (not a name)";
  else if (!is_folder && !S_ISREG (entry->mode))
    why = "left out (neither file nor folder)";
  else if (is_folder && self->item->depth + 1 >= MEFOTA_LOGS_DEPTH_MAX)
    why = "left out (too deep)";
  else if (self->n_items >= MEFOTA_LOGS_FILES_MAX)
    why = "left out (too many)";
  if (why != NULL)
    {
      note (self, why, remote);
      return;
    }
  self->n_items++;
  item = g_new0 (Item, 1);
  item->remote = g_steal_pointer (&remote);
  item->local = g_build_filename (self->item->local, safe, NULL);
  item->depth = self->item->depth + 1;
  item->is_folder = is_folder;
  if (is_folder)
    g_queue_push_tail (&self->items, item);
  else
    g_queue_push_head (&self->items, item);
}

static void
on_listed (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Collect *self = g_task_get_task_data (task);
  GError *error = NULL;
  g_autoptr (GPtrArray) entries = mefota_adb_sync_list_finish (result, &error);

  if (entries == NULL)
    {
      fail_item (task, error);
      return;
    }
  for (guint i = entries->len; i > 0; i--)
    add_item (self, g_ptr_array_index (entries, i - 1));
  next (task);
}

/* ---- files ---- */

static void
on_pulled (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Collect *self = g_task_get_task_data (task);
  g_autofree char *what = NULL;
  gboolean whole = FALSE;
  GError *error = NULL;
  gint64 got = mefota_adb_sync_pull_finish (result, &whole, &error);

  close (self->fd);
  self->fd = -1;
  if (got < 0)
    {
      g_unlink (self->item->local);
      fail_item (task, error);
      return;
    }
  self->n_files++;
  self->total += (guint64) got;
  what = g_strdup_printf ("%" G_GINT64_FORMAT "%s", got, whole ? "" : " (cut)");
  note (self, what, self->item->remote);
  if (!whole)
    g_clear_pointer (&self->sync, mefota_adb_sync_free); /* the rest of it is still coming */
  next (task);
}

static gboolean
has_room (int error_number)
{
  return error_number != ENOSPC && error_number != EDQUOT && error_number != EROFS && error_number != EACCES;
}

/* FALSE: not with this one. A name that is there already (twice in a listing) is the module's fault, a full disk is
 * ours. */
static gboolean
open_local (GTask *task)
{
  Collect *self = g_task_get_task_data (task);
  Item *item = self->item;
  int failed = 0;

  if (item->is_folder && g_mkdir (item->local, DIR_MODE) < 0 && errno != EEXIST)
    failed = errno;
  if (!item->is_folder)
    {
      self->fd = g_open (item->local, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, FILE_MODE);
      failed = self->fd < 0 ? errno : 0;
    }
  if (failed == 0)
    return TRUE;
  if (has_room (failed))
    {
      note (self, "left out (name is taken)", item->remote);
      next (task);
    }
  else
    finish (task, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
                               "The logs cannot be written to %s (%s); make room in the state directory.",
                               self->directory, g_strerror (failed)));
  return FALSE;
}

static void
begin_item (GTask *task)
{
  Collect *self = g_task_get_task_data (task);
  Item *item = self->item;
  guint64 most = MIN (MEFOTA_LOGS_FILE_MAX, MEFOTA_LOGS_TOTAL_MAX - self->total);

  if (most == 0)
    {
      note (self, "left out (enough)", item->remote);
      next (task);
    }
  else if (!open_local (task))
    return;
  else if (item->is_folder)
    mefota_adb_sync_list_async (self->sync, item->remote, MEFOTA_LOGS_ENTRIES_MAX, g_task_get_cancellable (task),
                                on_listed, g_object_ref (task));
  else
    mefota_adb_sync_pull_async (self->sync, item->remote, self->fd, most, g_task_get_cancellable (task), on_pulled,
                                g_object_ref (task));
}

static void
on_sync (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Collect *self = g_task_get_task_data (task);
  GError *error = NULL;
  GIOStream *stream = mefota_adb_device_stream_finish (MEFOTA_ADB_DEVICE (source), result, &error);

  if (stream == NULL)
    {
      g_clear_pointer (&self->item, item_free);
      fail_item (task, error);
      return;
    }
  self->sync = mefota_adb_sync_new (stream, STALL_COMMANDS * mefota_adb_device_get_command_ms (self->device));
  begin_item (task);
}

static void
next (GTask *task)
{
  Collect *self = g_task_get_task_data (task);

  g_clear_pointer (&self->item, item_free);
  self->item = g_queue_pop_head (&self->items);
  if (self->item == NULL)
    finish (task, NULL);
  else if (self->sync == NULL)
    mefota_adb_device_stream_async (self->device, "sync:", g_task_get_cancellable (task), on_sync, g_object_ref (task));
  else
    begin_item (task);
}

/* "/cache/logs" → @directory/cache/logs, its parents made. */
static gboolean
add_dir (Collect *self, const char *dir)
{
  g_auto (GStrv) parts = g_strsplit (dir, "/", -1);
  g_autoptr (GString) remote = g_string_new (NULL);
  g_autofree char *local = g_strdup (self->directory);
  Item *item;

  for (guint i = 0; parts[i] != NULL; i++)
    {
      g_autofree char *safe = mefota_logs_make_name (parts[i]);
      g_autofree char *parent = g_steal_pointer (&local);

      local = safe != NULL ? g_build_filename (parent, safe, NULL) : g_strdup (parent);
      if (parts[i][0] != '\0')
        g_string_append_printf (remote, "/%s", parts[i]);
      if (g_mkdir (local, DIR_MODE) < 0 && errno != EEXIST)
        return FALSE;
    }
  item = g_new0 (Item, 1);
  item->remote = g_strdup (remote->str);
  item->local = g_steal_pointer (&local);
  item->is_folder = TRUE;
  g_queue_push_tail (&self->items, item);
  return TRUE;
}

void
mefota_logs_collect_async (MefotaAdbDevice *device, const char *const *dirs, const char *directory,
                           GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Collect *self = g_new0 (Collect, 1);
  gboolean made;

  g_task_set_source_tag (task, mefota_logs_collect_async);
  self->device = g_object_ref (device);
  self->directory = g_strdup (directory);
  self->fd = -1;
  self->contents = g_string_new (NULL);
  g_queue_init (&self->items);
  g_task_set_task_data (task, self, collect_free);
  made = g_mkdir (directory, DIR_MODE) == 0;
  for (gsize i = 0; made && dirs[i] != NULL; i++)
    made = add_dir (self, dirs[i]);
  if (made)
    next (task);
  else
    finish (task, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
                               "The folder %s for the logs cannot be made (%s); make room in the state directory.",
                               directory, g_strerror (errno)));
}

gboolean
mefota_logs_collect_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}
