/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-config.h"

#include <string.h>

#include "mefota-config-key.h"
#include "mefota-error.h"

/* What is known while the file and its fragments are read. */
typedef struct
{
  MefotaConfig *config;
  GHashTable *origins; /* module name → the file that named it last */
} Loader;

static void
module_config_free (MefotaModuleConfig *module)
{
  g_free (module->name);
  g_free (module->port);
  g_free (module->usb_path);
  g_free (module);
}

void
mefota_config_free (MefotaConfig *self)
{
  g_ptr_array_unref (self->modules);
  g_ptr_array_unref (self->warnings);
  g_free (self);
}

/* --- one file -------------------------------------------------------------------------------------------------- */

/* GKeyFile knows comments on lines of their own only; here one may follow a value or a group too, after a blank.
 * The number of lines stays, so that messages can name them. */
static char **
split_lines (const char *text)
{
  char **lines = g_strsplit (text, "\n", -1);

  for (guint i = 0; lines[i] != NULL; i++)
    {
      for (char *p = strchr (lines[i], '#'); p != NULL; p = strchr (p + 1, '#'))
        if (p == lines[i] || g_ascii_isspace (p[-1]))
          {
            *p = '\0';
            break;
          }
      g_strstrip (lines[i]);
    }
  return lines;
}

/* Says which line GKeyFile stumbled over: it doesn't itself. */
static guint
find_bad_line (char **lines)
{
  gboolean in_group = FALSE;

  for (guint i = 0; lines[i] != NULL; i++)
    {
      g_autoptr (GKeyFile) probe = g_key_file_new ();
      g_autofree char *text = g_strconcat (in_group ? "[x]\n" : "", lines[i], "\n", NULL);

      if (!g_key_file_load_from_data (probe, text, strlen (text), G_KEY_FILE_NONE, NULL))
        return i + 1;
      in_group = in_group || lines[i][0] == '[';
    }
  return 1;
}

/* GKeyFile would silently make one group of two of the same name; two modules of one name are a slip. */
static gboolean
check_twins (const char *file, char **lines, GError **error)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);

  for (guint i = 0; lines[i] != NULL; i++)
    if (g_str_has_prefix (lines[i], "[" MEFOTA_CONFIG_GROUP_MODULE " ") && !g_hash_table_add (seen, lines[i]))
      {
        g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                     "%s, line %u: there is another %s above. Give each module a name of its own.", file, i + 1,
                     lines[i]);
        return FALSE;
      }
  return TRUE;
}

static GKeyFile *
read_key_file (const char *file, GError **error)
{
  g_autoptr (GKeyFile) key_file = g_key_file_new ();
  g_autofree char *text = NULL;
  g_autofree char *clean = NULL;
  g_auto (GStrv) lines = NULL;
  g_autoptr (GError) local_error = NULL;
  const char *end;
  gsize length;

  if (!g_file_get_contents (file, &text, &length, &local_error))
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                   "The configuration cannot be read: %s. Correct its name or its permissions.", local_error->message);
      return NULL;
    }
  if (!g_utf8_validate (text, length, &end))
    {
      guint line = 1;
      for (const char *p = text; p < end; p++)
        line += *p == '\n';
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                   "%s, line %u: this is no text in UTF-8. Correct the line.", file, line);
      return NULL;
    }

  lines = split_lines (text);
  clean = g_strjoinv ("\n", lines);
  if (!g_key_file_load_from_data (key_file, clean, strlen (clean), G_KEY_FILE_KEEP_TRANSLATIONS, &local_error))
    {
      guint line = find_bad_line (lines);
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                   "%s, line %u: \"%s\" is neither a [group] nor a key=value within one. Correct the line.", file, line,
                   lines[line - 1]);
      return NULL;
    }
  if (!check_twins (file, lines, error))
    return NULL;
  return g_steal_pointer (&key_file);
}

/* --- the groups of a file -------------------------------------------------------------------------------------- */

/* Whether it can stand at the end of an object path. */
static gboolean
is_module_name (const char *name)
{
  return *name != '\0' && name[strspn (name, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_")] == '\0';
}

static MefotaModuleConfig *
ensure_module (Loader *loader, const char *file, const char *group, GError **error)
{
  const char *blank = strchr (group, ' ');
  const char *name = blank != NULL ? blank + 1 : "";
  MefotaModuleConfig *module;

  if (!is_module_name (name))
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                   "%s: [%s] is no name of a module. Write [module NAME], with a NAME of the letters A-Z and a-z, "
                   "digits and underscores only.", file, group);
      return NULL;
    }
  g_hash_table_replace (loader->origins, g_strdup (name), g_strdup (file));
  for (guint i = 0; i < loader->config->modules->len; i++)
    {
      module = g_ptr_array_index (loader->config->modules, i);
      if (g_str_equal (module->name, name))
        return module;
    }
  module = g_new0 (MefotaModuleConfig, 1);
  module->name = g_strdup (name);
  mefota_config_set_defaults (MEFOTA_CONFIG_GROUP_MODULE, module);
  g_ptr_array_add (loader->config->modules, module);
  return module;
}

static gboolean
apply_key (Loader *loader, const char *file, GKeyFile *key_file, const char *group, const char *schema,
           const char *name, gpointer base, GError **error)
{
  const MefotaConfigKey *key = schema != NULL ? mefota_config_key_find (schema, name) : NULL;
  g_autofree char *text = NULL;
  g_autofree char *raw = NULL;
  g_autofree char *allowed = NULL;
  g_autoptr (GError) escape_error = NULL;

  if (key == NULL)
    {
      g_ptr_array_add (loader->config->warnings,
                       g_strdup_printf ("%s: the key %s in the group [%s] is unknown and ignored.", file, name, group));
      return TRUE;
    }
  text = g_key_file_get_string (key_file, group, name, &escape_error);
  if (escape_error == NULL && text != NULL && mefota_config_key_set (key, base, text))
    return TRUE;
  raw = g_key_file_get_value (key_file, group, name, NULL);
  allowed = mefota_config_key_describe (key);
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
               "%s: [%s] %s=%s is not allowed. Set %s to %s.", file, group, name, raw, name, allowed);
  return FALSE;
}

static gboolean
apply_group (Loader *loader, const char *file, GKeyFile *key_file, const char *group, GError **error)
{
  g_auto (GStrv) names = g_key_file_get_keys (key_file, group, NULL, NULL);
  gpointer base = loader->config;
  const char *schema = NULL;

  if (g_str_equal (group, "policy") || g_str_equal (group, "timeouts"))
    schema = group;
  else if (g_str_equal (group, MEFOTA_CONFIG_GROUP_MODULE) || g_str_has_prefix (group, MEFOTA_CONFIG_GROUP_MODULE " "))
    {
      schema = MEFOTA_CONFIG_GROUP_MODULE;
      base = ensure_module (loader, file, group, error);
      if (base == NULL)
        return FALSE;
    }
  else if (names == NULL || names[0] == NULL)
    g_ptr_array_add (loader->config->warnings,
                     g_strdup_printf ("%s: the group [%s] is unknown and ignored.", file, group));

  for (guint i = 0; names != NULL && names[i] != NULL; i++)
    if (!apply_key (loader, file, key_file, group, schema, names[i], base, error))
      return FALSE;
  return TRUE;
}

static gboolean
apply_file (Loader *loader, const char *file, GError **error)
{
  g_autoptr (GKeyFile) key_file = read_key_file (file, error);
  g_auto (GStrv) groups = NULL;

  if (key_file == NULL)
    return FALSE;
  groups = g_key_file_get_groups (key_file, NULL);
  for (guint i = 0; groups[i] != NULL; i++)
    if (!apply_group (loader, file, key_file, groups[i], error))
      return FALSE;
  return TRUE;
}

/* --- all files ------------------------------------------------------------------------------------------------- */

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static gboolean
apply_fragments (Loader *loader, const char *path, GError **error)
{
  g_autofree char *folder = g_strconcat (path, ".d", NULL);
  g_autoptr (GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) local_error = NULL;
  g_autoptr (GDir) dir = g_dir_open (folder, 0, &local_error);
  const char *name;

  if (dir == NULL && g_error_matches (local_error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
    return TRUE;
  if (dir == NULL)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                   "The configuration cannot be read: %s. Correct the folder's permissions.", local_error->message);
      return FALSE;
    }
  while ((name = g_dir_read_name (dir)) != NULL)
    if (name[0] != '.' && g_str_has_suffix (name, ".conf"))
      g_ptr_array_add (names, g_build_filename (folder, name, NULL));
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    if (!apply_file (loader, g_ptr_array_index (names, i), error))
      return FALSE;
  return TRUE;
}

static gboolean
check_modules (Loader *loader, GError **error)
{
  g_autoptr (GHashTable) ports = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < loader->config->modules->len; i++)
    {
      const MefotaModuleConfig *module = g_ptr_array_index (loader->config->modules, i);
      const char *file = g_hash_table_lookup (loader->origins, module->name);
      g_autofree char *port = NULL;
      const char *twin;

      if (module->port == NULL)
        {
          g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                       "%s: [module %s] has no port. Add a line such as port=/dev/ttyS1 to it.", file, module->name);
          return FALSE;
        }
      port = g_canonicalize_filename (module->port, "/");
      twin = g_hash_table_lookup (ports, port);
      if (twin != NULL)
        {
          g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                       "%s: [module %s] port=%s is the port of [module %s] too. Give each module a port of its own.",
                       file, module->name, module->port, twin);
          return FALSE;
        }
      g_hash_table_insert (ports, g_steal_pointer (&port), module->name);
    }
  return TRUE;
}

MefotaConfig *
mefota_config_load (const char *path, const char *default_path, GError **error)
{
  g_autoptr (MefotaConfig) config = g_new0 (MefotaConfig, 1);
  g_autoptr (GHashTable) origins = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, g_free);
  Loader loader = { config, origins };
  const char *file = path != NULL ? path : default_path;

  config->modules = g_ptr_array_new_with_free_func ((GDestroyNotify) module_config_free);
  config->warnings = g_ptr_array_new_with_free_func (g_free);
  mefota_config_set_defaults ("policy", config);
  mefota_config_set_defaults ("timeouts", config);

  if ((path != NULL || g_file_test (file, G_FILE_TEST_EXISTS)) && !apply_file (&loader, file, error))
    return NULL;
  if (!apply_fragments (&loader, file, error) || !check_modules (&loader, error))
    return NULL;
  return g_steal_pointer (&config);
}
