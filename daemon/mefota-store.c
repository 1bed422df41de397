/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-store.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "mefota-error.h"
#include "mefota-record.h"

#define HISTORY "history"
#define SUFFIX ".state"
#define SUFFIX_BROKEN ".broken"
#define KEY_MAX 128
#define FILE_MAX (1024 * 1024)

/* A history entry in memory. The file is named by a number that only grows, so that the order of the entries does not
 * depend on a clock that a gateway without a battery sets back at every start. */
typedef struct
{
  guint64 serial;
  GVariant *record;
} Entry;

struct _MefotaStore
{
  char *directory;
  GPtrArray *history; /* of Entry, oldest first; NULL until it is needed */
};

static void
entry_free (Entry *entry)
{
  g_variant_unref (entry->record);
  g_free (entry);
}

/* --- names ----------------------------------------------------------------------------------------------------- */

/* What may be the name of a file: nothing that leads to another folder, hides, or is taken for one of ours. */
static gboolean
is_name (const char *name)
{
  return name != NULL && *name != '\0' && *name != '.' && strlen (name) <= KEY_MAX &&
         name[strspn (name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_-.")] == '\0';
}

/* The path of a dictionary; NULL and an error if its names are none. */
static char *
build_record_path (MefotaStore *self, const char *kind, const char *key, GError **error)
{
  g_autofree char *file = NULL;

  if (!is_name (kind) || !is_name (key))
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
                   "\"%s/%s\" cannot be the name of a state file. Use letters, digits, '_', '-' and '.' only.",
                   kind != NULL ? kind : "", key != NULL ? key : "");
      return NULL;
    }
  file = g_strconcat (key, SUFFIX, NULL);
  return g_build_filename (self->directory, kind, file, NULL);
}

/* "NAME.state.XXXXXX" is left by a write that was cut off. */
static gboolean
is_left_over (const char *name)
{
  const char *suffix = strstr (name, SUFFIX ".");

  return suffix != NULL && strlen (suffix) == strlen (SUFFIX ".XXXXXX") &&
         !g_str_equal (suffix + strlen (SUFFIX), SUFFIX_BROKEN);
}

/* --- folders --------------------------------------------------------------------------------------------------- */

static gboolean
sync_folder (const char *path)
{
  int fd = open (path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
  gboolean synced;

  if (fd < 0)
    return FALSE;
  synced = fsync (fd) == 0;
  close (fd);
  return synced;
}

/* Creates a folder, and those above it, so that it is still there after a power cut. */
static gboolean
ensure_folder (const char *path)
{
  g_autofree char *parent = NULL;

  if (g_file_test (path, G_FILE_TEST_IS_DIR))
    return TRUE;
  parent = g_path_get_dirname (path);
  if (g_str_equal (parent, path) || !ensure_folder (parent))
    return FALSE;
  if (g_mkdir (path, 0700) < 0)
    return FALSE;
  sync_folder (parent);
  return TRUE;
}

static gboolean
ensure_sub_folder (MefotaStore *self, const char *folder, GError **error)
{
  g_autofree char *path = g_build_filename (self->directory, folder, NULL);

  if (ensure_folder (path))
    return TRUE;
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
               "The folder %s cannot be created: %s. Make room for it, or correct the permissions above it.", path,
               g_strerror (errno));
  return FALSE;
}

static void
remove_left_overs (MefotaStore *self, const char *kind)
{
  g_autofree char *folder = g_build_filename (self->directory, kind, NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (is_left_over (name))
      {
        g_autofree char *path = g_build_filename (folder, name, NULL);
        g_debug ("Removing %s, left by a write that was cut off.", path);
        g_unlink (path);
      }
}

MefotaStore *
mefota_store_new (const char *directory)
{
  static const char *const kinds[] = { MEFOTA_STORE_PLACE, MEFOTA_STORE_IMEI, MEFOTA_STORE_LOGS, HISTORY };
  MefotaStore *self;

  g_return_val_if_fail (directory != NULL, NULL);
  self = g_new0 (MefotaStore, 1);
  self->directory = g_canonicalize_filename (directory, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (kinds); i++)
    {
      g_autoptr (GError) error = NULL;
      if (ensure_sub_folder (self, kinds[i], &error))
        remove_left_overs (self, kinds[i]);
      else
        g_warning ("%s", error->message); /* tried again at every save */
    }
  return self;
}

void
mefota_store_free (MefotaStore *self)
{
  g_clear_pointer (&self->history, g_ptr_array_unref);
  g_free (self->directory);
  g_free (self);
}

const char *
mefota_store_get_directory (MefotaStore *self)
{
  return self->directory;
}

/* --- dictionaries ---------------------------------------------------------------------------------------------- */

gboolean
mefota_store_save (MefotaStore *self, const char *kind, const char *key, GVariant *dictionary, GError **error)
{
  g_autoptr (GVariant) record = g_variant_ref_sink (dictionary);
  g_autofree char *path = build_record_path (self, kind, key, error);
  g_autofree char *text = NULL;
  g_autoptr (GError) local_error = NULL;

  if (path == NULL)
    return FALSE;
  text = mefota_record_to_text (record, error);
  if (text == NULL || !ensure_sub_folder (self, kind, error))
    return FALSE;
  if (!g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600,
                                 &local_error))
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
                   "The state cannot be saved: %s. Make room in %s, or correct its permissions.", local_error->message,
                   self->directory);
      return FALSE;
    }
  return TRUE;
}

/* Keeps a file nobody understands for those who look into it, out of the daemon's way. */
static void
set_aside (const char *path, const char *why)
{
  g_autofree char *broken = g_strconcat (path, SUFFIX_BROKEN, NULL);

  if (g_rename (path, broken) == 0)
    g_warning ("%s %s. It is kept as %s and counts as absent.", path, why, broken);
  else
    g_warning ("%s %s. It counts as absent.", path, why);
}

GVariant *
mefota_store_load (MefotaStore *self, const char *kind, const char *key)
{
  g_autofree char *path = build_record_path (self, kind, key, NULL);
  g_autofree char *text = NULL;
  g_autoptr (GError) error = NULL;
  GStatBuf info;
  GVariant *record;
  gsize length;

  if (path == NULL || g_lstat (path, &info) < 0)
    return NULL;
  /* What is no file, or one too large to be ours, is not even read. */
  if (!S_ISREG (info.st_mode) || info.st_size > FILE_MAX)
    {
      set_aside (path, "is no state file");
      return NULL;
    }
  if (!g_file_get_contents (path, &text, &length, &error))
    {
      g_warning ("A state file cannot be read: %s. It counts as absent.", error->message);
      return NULL;
    }
  record = mefota_record_from_text (text, length, &error);
  if (record == NULL)
    set_aside (path, error->message);
  return record;
}

gboolean
mefota_store_remove (MefotaStore *self, const char *kind, const char *key, GError **error)
{
  g_autofree char *path = build_record_path (self, kind, key, error);
  g_autofree char *folder = NULL;

  if (path == NULL)
    return FALSE;
  if (g_unlink (path) < 0)
    {
      if (errno == ENOENT)
        return TRUE;
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
                   "%s cannot be removed: %s. Correct the permissions of its folder.", path, g_strerror (errno));
      return FALSE;
    }
  folder = g_path_get_dirname (path);
  sync_folder (folder);
  return TRUE;
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

char **
mefota_store_list (MefotaStore *self, const char *kind)
{
  g_autofree char *folder = is_name (kind) ? g_build_filename (self->directory, kind, NULL) : NULL;
  g_autoptr (GDir) dir = folder != NULL ? g_dir_open (folder, 0, NULL) : NULL;
  GPtrArray *keys = g_ptr_array_new ();
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    if (g_str_has_suffix (name, SUFFIX))
      {
        g_autofree char *key = g_strndup (name, strlen (name) - strlen (SUFFIX));
        if (is_name (key))
          g_ptr_array_add (keys, g_steal_pointer (&key));
      }
  g_ptr_array_sort (keys, compare_names);
  g_ptr_array_add (keys, NULL);
  return (char **) g_ptr_array_free (keys, FALSE);
}

/* --- history --------------------------------------------------------------------------------------------------- */

static const char *
get_string (GVariant *record, const char *key)
{
  const char *value = "";

  g_variant_lookup (record, key, "&s", &value);
  return value;
}

/* Sorts as the number does. */
static char *
entry_key (guint64 serial)
{
  return g_strdup_printf ("%020" G_GUINT64_FORMAT, serial);
}

static void
forget_entry (MefotaStore *self, guint index)
{
  const Entry *entry = g_ptr_array_index (self->history, index);
  g_autofree char *key = entry_key (entry->serial);
  g_autoptr (GError) error = NULL;

  if (!mefota_store_remove (self, HISTORY, key, &error))
    g_warning ("%s", error->message);
  g_ptr_array_remove_index (self->history, index);
}

static GPtrArray *
ensure_history (MefotaStore *self)
{
  g_auto (GStrv) keys = NULL;

  if (self->history != NULL)
    return self->history;
  self->history = g_ptr_array_new_with_free_func ((GDestroyNotify) entry_free);
  keys = mefota_store_list (self, HISTORY);
  for (guint i = 0; keys[i] != NULL; i++)
    {
      guint64 serial;
      Entry *entry;
      GVariant *record;

      if (strlen (keys[i]) != 20 || !g_ascii_string_to_unsigned (keys[i], 10, 0, G_MAXINT64, &serial, NULL))
        continue;
      record = mefota_store_load (self, HISTORY, keys[i]);
      if (record == NULL)
        continue;
      entry = g_new0 (Entry, 1);
      entry->serial = serial;
      entry->record = record;
      g_ptr_array_add (self->history, entry);
    }
  while (self->history->len > MEFOTA_STORE_HISTORY_MAX)
    forget_entry (self, 0);
  return self->history;
}

static Entry *
find_entry (MefotaStore *self, const char *id)
{
  GPtrArray *history = ensure_history (self);

  for (guint i = history->len; i > 0; i--)
    {
      Entry *entry = g_ptr_array_index (history, i - 1);
      if (g_str_equal (get_string (entry->record, "id"), id))
        return entry;
    }
  return NULL;
}

gboolean
mefota_store_history_put (MefotaStore *self, GVariant *record, GError **error)
{
  g_autoptr (GVariant) sunk = g_variant_ref_sink (record);
  GPtrArray *history = ensure_history (self);
  const char *id = g_variant_is_of_type (sunk, G_VARIANT_TYPE_VARDICT) ? get_string (sunk, "id") : "";
  Entry *entry = NULL;
  const Entry *last = history->len > 0 ? g_ptr_array_index (history, history->len - 1) : NULL;
  guint64 serial;
  g_autofree char *key = NULL;

  if (*id == '\0')
    {
      g_set_error_literal (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
                           "A history entry without an id cannot be saved. Please report this as a bug.");
      return FALSE;
    }
  entry = find_entry (self, id);
  serial = entry != NULL ? entry->serial : last != NULL ? last->serial + 1 : 1;
  key = entry_key (serial);
  if (!mefota_store_save (self, HISTORY, key, sunk, error))
    return FALSE;

  if (entry != NULL)
    g_clear_pointer (&entry->record, g_variant_unref);
  else
    {
      entry = g_new0 (Entry, 1);
      entry->serial = serial;
      g_ptr_array_add (history, entry);
    }
  entry->record = g_steal_pointer (&sunk);
  while (history->len > MEFOTA_STORE_HISTORY_MAX)
    forget_entry (self, 0);
  return TRUE;
}

GVariant *
mefota_store_history_get (MefotaStore *self, const char *id)
{
  const Entry *entry = id != NULL && *id != '\0' ? find_entry (self, id) : NULL;

  return entry != NULL ? g_variant_ref (entry->record) : NULL;
}

static gboolean
is_wanted (GVariant *record, const char *key, const char *value)
{
  return value == NULL || *value == '\0' || g_str_equal (get_string (record, key), value);
}

GVariant *
mefota_store_history_list (MefotaStore *self, const char *module, const char *imei, guint limit)
{
  GPtrArray *history = ensure_history (self);
  GVariantBuilder builder;
  guint n = 0;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  for (guint i = history->len; i > 0 && (limit == 0 || n < limit); i--)
    {
      const Entry *entry = g_ptr_array_index (history, i - 1);
      if (!is_wanted (entry->record, "module", module) || !is_wanted (entry->record, "imei", imei))
        continue;
      g_variant_builder_add_value (&builder, entry->record);
      n++;
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}

/* --- other files ----------------------------------------------------------------------------------------------- */

char *
mefota_store_build_path (MefotaStore *self, const char *folder, const char *name, GError **error)
{
  g_autofree char *safe = g_strndup (name != NULL ? name : "", KEY_MAX);
  g_autofree char *path = NULL;
  GStatBuf info;

  if (!is_name (folder))
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
                   "\"%s\" cannot be a folder of the state directory. Please report this as a bug.",
                   folder != NULL ? folder : "");
      return NULL;
    }
  if (!ensure_sub_folder (self, folder, error))
    return NULL;

  /* A name may come from a user: nothing in it leads elsewhere. */
  g_strcanon (safe, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_-.", '_');
  if (*safe == '.')
    *safe = '_';
  path = g_build_filename (self->directory, folder, *safe != '\0' ? safe : "_", NULL);
  for (guint i = 2; g_lstat (path, &info) == 0; i++)
    {
      g_free (path);
      path = g_strdup_printf ("%s/%s/%s-%u", self->directory, folder, *safe != '\0' ? safe : "_", i);
    }
  return g_steal_pointer (&path);
}
