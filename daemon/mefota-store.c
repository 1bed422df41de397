/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-store-private.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "mefota-error.h"
#include "mefota-record.h"

#define SUFFIX ".state"
#define SUFFIX_BROKEN ".broken"
#define KEY_MAX 128
#define FILE_MAX (1024 * 1024)

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
  static const char *const kinds[] = { MEFOTA_STORE_PLACE, MEFOTA_STORE_IMEI, MEFOTA_STORE_LOGS, MEFOTA_STORE_HISTORY };
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
  mefota_store_settle_all (self);
  g_clear_handle_id (&self->retry_id, g_source_remove);
  g_clear_pointer (&self->owed, g_ptr_array_unref);
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
mefota_store_write (MefotaStore *self, const char *path, const char *text, GError **error)
{
  g_autoptr (GError) local_error = NULL;

  if (g_file_set_contents_full (path, text, -1, G_FILE_SET_CONTENTS_CONSISTENT | G_FILE_SET_CONTENTS_DURABLE, 0600,
                                &local_error))
    return TRUE;
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
               "The state cannot be saved: %s. Make room in %s, or correct its permissions.", local_error->message,
               self->directory);
  return FALSE;
}

static gboolean
save (MefotaStore *self, const char *kind, const char *key, GVariant *record, gboolean owe, GError **error)
{
  g_autofree char *path = build_record_path (self, kind, key, error);
  g_autofree char *text = path != NULL ? mefota_record_to_text (record, error) : NULL;

  if (text == NULL)
    return FALSE;
  if (!ensure_sub_folder (self, kind, error) || !mefota_store_write (self, path, text, error))
    {
      if (owe)
        mefota_store_owe (self, path, text);
      return FALSE;
    }
  mefota_store_settle (self, path);
  mefota_store_settle_all (self); /* there is room */
  return TRUE;
}

gboolean
mefota_store_save (MefotaStore *self, const char *kind, const char *key, GVariant *dictionary, GError **error)
{
  g_autoptr (GVariant) record = g_variant_ref_sink (dictionary);
  return save (self, kind, key, record, FALSE, error);
}

gboolean
mefota_store_keep (MefotaStore *self, const char *kind, const char *key, GVariant *dictionary, GError **error)
{
  g_autoptr (GVariant) record = g_variant_ref_sink (dictionary);
  return save (self, kind, key, record, TRUE, error);
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
  mefota_store_settle (self, path);
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
