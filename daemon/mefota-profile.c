/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-profile.h"

#include <string.h>

#include "mefota-error.h"
#include "mefota-profiles.h"

#define RESOURCE_FOLDER "/org/gosuncn/fota/profiles.d"
#define GROUP_PREFIX "profile "
#define DEFAULT_PROFILE "me3630"

typedef enum
{
  KEY_TEXT,
  KEY_LIST,
  KEY_USB_IDS,
  KEY_BOOLEAN,
  KEY_PROMPT,
  KEY_NUMBER,
} KeyType;

typedef struct
{
  const char *key;
  KeyType type;
  const char *fallback; /* as it would stand in the file */
  guint min, max;
  gsize offset;
} Key;

#define FIELD(field) G_STRUCT_OFFSET (MefotaProfile, field)

/* Every key there is, and what counts where no file has it. */
static const Key keys[] = {
  { "manufacturer", KEY_TEXT, "", 0, 0, FIELD (manufacturer) },
  { "models", KEY_LIST, "", 0, 0, FIELD (models) },
  { "usb-ids", KEY_USB_IDS, "", 0, 0, FIELD (usb_ids) },
  { "server-names", KEY_LIST, "", 0, 0, FIELD (server_names) },
  { "adb-update-zip", KEY_LIST, "", 0, 0, FIELD (adb_update_zip) },
  { "adb-path", KEY_TEXT, "/cache/delta.package", 0, 0, FIELD (adb_path) },
  { "adb-path-new", KEY_TEXT, "/data/update.zip", 0, 0, FIELD (adb_path_new) },
  { "log-dirs", KEY_LIST, "/cache/logs;/data/logs", 0, 0, FIELD (log_dirs) },
  { "log-dirs-new", KEY_LIST, "/cache/logs;/data/logs;/cache/recovery", 0, 0, FIELD (log_dirs_new) },
  { "adb-enable", KEY_TEXT, "AT+ZADSET=D", 0, 0, FIELD (adb_enable) },
  { "adb-reboots-for-enable", KEY_BOOLEAN, "false", 0, 0, FIELD (adb_reboots_for_enable) },
  { "prompt", KEY_PROMPT, "grace", 0, 0, FIELD (prompt) },
  { "target-quoted", KEY_BOOLEAN, "true", 0, 0, FIELD (target_quoted) },
  { "server-quoted", KEY_BOOLEAN, "false", 0, 0, FIELD (server_quoted) },
  { "restart", KEY_TEXT, "AT+CFUN=1,1", 0, 0, FIELD (restart) },
  { "imei-command", KEY_TEXT, "AT+CGSN", 0, 0, FIELD (imei_command) },
  { "max-command", KEY_NUMBER, "256", 16, 4096, FIELD (max_command) },
  { "piece", KEY_NUMBER, "524288", 1, 524288, FIELD (piece) },
};

struct _MefotaProfiles
{
  GPtrArray *profiles; /* of MefotaProfile, in the order of the files */
  MefotaProfile *fallback;
};

/* --- values ---------------------------------------------------------------------------------------------------- */

static gpointer
field_of (const Key *key, MefotaProfile *profile)
{
  return G_STRUCT_MEMBER_P (profile, key->offset);
}

static void
take_list (char ***field, char **list)
{
  g_strfreev (*field);
  *field = list;
}

/* Items without blanks around them; empty ones are left out. */
static char **
parse_list (const char *text)
{
  g_auto (GStrv) parts = g_strsplit (text, ";", -1);
  g_autoptr (GStrvBuilder) builder = g_strv_builder_new ();

  for (guint i = 0; parts[i] != NULL; i++)
    if (*g_strstrip (parts[i]) != '\0')
      g_strv_builder_add (builder, parts[i]);
  return g_strv_builder_end (builder);
}

static gboolean
is_hex (const char *text, guint digits)
{
  for (guint i = 0; i < digits; i++)
    if (!g_ascii_isxdigit (text[i]))
      return FALSE;
  return TRUE;
}

/* "19d2:1476/01" */
static gboolean
is_usb_id (const char *text)
{
  return strlen (text) == 12 && is_hex (text, 4) && text[4] == ':' && is_hex (text + 5, 4) && text[9] == '/' &&
         is_hex (text + 10, 2);
}

static gboolean
set_usb_ids (char ***field, const char *text)
{
  g_auto (GStrv) list = parse_list (text);

  for (guint i = 0; list[i] != NULL; i++)
    {
      char *lower;
      if (!is_usb_id (list[i]))
        return FALSE;
      lower = g_ascii_strdown (list[i], -1);
      g_free (list[i]);
      list[i] = lower;
    }
  take_list (field, g_steal_pointer (&list));
  return TRUE;
}

static gboolean
set_prompt (MefotaPromptStyle *field, const char *text)
{
  static const char *const words[] = { "immediate", "connect", "grace" };

  for (guint i = 0; i < G_N_ELEMENTS (words); i++)
    if (g_str_equal (words[i], text))
      {
        *field = (MefotaPromptStyle) i;
        return TRUE;
      }
  return FALSE;
}

static gboolean
set_boolean (gboolean *field, const char *text)
{
  if (!g_str_equal (text, "true") && !g_str_equal (text, "false"))
    return FALSE;
  *field = g_str_equal (text, "true");
  return TRUE;
}

/* FALSE, and nothing changed, if @text is not allowed. */
static gboolean
set_value (const Key *key, MefotaProfile *profile, const char *text)
{
  gpointer field = field_of (key, profile);
  guint64 number;

  switch (key->type)
    {
    case KEY_TEXT:
      g_free (*(char **) field);
      *(char **) field = g_strdup (text);
      return TRUE;
    case KEY_LIST:
      take_list (field, parse_list (text));
      return TRUE;
    case KEY_USB_IDS:
      return set_usb_ids (field, text);
    case KEY_BOOLEAN:
      return set_boolean (field, text);
    case KEY_PROMPT:
      return set_prompt (field, text);
    case KEY_NUMBER:
      if (!g_ascii_string_to_unsigned (text, 10, key->min, key->max, &number, NULL))
        return FALSE;
      *(guint *) field = (guint) number;
      return TRUE;
    }
  g_assert_not_reached ();
}

static const Key *
find_key (const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (keys[i].key, name))
      return &keys[i];
  return NULL;
}

static MefotaProfile *
profile_new (const char *name)
{
  MefotaProfile *profile = g_new0 (MefotaProfile, 1);

  profile->name = g_strdup (name);
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      gboolean valid = set_value (&keys[i], profile, keys[i].fallback);
      g_assert (valid);
    }
  return profile;
}

static void
profile_free (MefotaProfile *profile)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    if (keys[i].type == KEY_TEXT)
      g_free (*(char **) field_of (&keys[i], profile));
    else if (keys[i].type == KEY_LIST || keys[i].type == KEY_USB_IDS)
      g_strfreev (*(char ***) field_of (&keys[i], profile));
  g_free (profile->name);
  g_free (profile);
}

/* --- files ----------------------------------------------------------------------------------------------------- */

static void
warn (GPtrArray *warnings, char *warning)
{
  if (warnings != NULL)
    g_ptr_array_add (warnings, warning);
  else
    g_free (warning);
}

/* Puts a file into @files (its name → its GKeyFile), in the place of a weaker one. One that cannot be read does not:
 * a slip in an override must not take the daemon's knowledge away. */
static void
add_file (GHashTable *files, GResource *resource, const char *folder, const char *name, GPtrArray *warnings)
{
  g_autoptr (GKeyFile) key_file = g_key_file_new ();
  g_autoptr (GError) error = NULL;
  g_autofree char *path = g_build_filename (folder, name, NULL);
  gboolean loaded;

  if (name[0] == '.' || !g_str_has_suffix (name, ".conf"))
    return;
  if (resource != NULL)
    {
      g_autoptr (GBytes) bytes = g_resource_lookup_data (resource, path, G_RESOURCE_LOOKUP_FLAGS_NONE, &error);
      loaded = bytes != NULL && g_key_file_load_from_bytes (key_file, bytes, G_KEY_FILE_NONE, &error);
    }
  else
    loaded = g_key_file_load_from_file (key_file, path, G_KEY_FILE_NONE, &error);

  if (loaded)
    g_hash_table_insert (files, g_strdup (name), g_steal_pointer (&key_file));
  else
    warn (warnings, g_strdup_printf ("%s cannot be read and is ignored: %s", path, error->message));
}

static GHashTable *
collect_files (const char *const *dirs, GPtrArray *warnings)
{
  g_autoptr (GHashTable) files =
    g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_key_file_unref);
  GResource *resource = mefota_profiles_get_resource ();
  g_auto (GStrv) shipped = g_resource_enumerate_children (resource, RESOURCE_FOLDER, G_RESOURCE_LOOKUP_FLAGS_NONE,
                                                          NULL);

  for (guint i = 0; shipped != NULL && shipped[i] != NULL; i++)
    add_file (files, resource, RESOURCE_FOLDER, shipped[i], warnings);
  for (guint i = 0; dirs != NULL && dirs[i] != NULL; i++)
    {
      g_autoptr (GError) error = NULL;
      g_autoptr (GDir) dir = g_dir_open (dirs[i], 0, &error);
      const char *name;

      if (dir == NULL && !g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        warn (warnings, g_strdup_printf ("%s cannot be read and is ignored: %s", dirs[i], error->message));
      while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
        add_file (files, NULL, dirs[i], name, warnings);
    }
  return g_steal_pointer (&files);
}

static MefotaProfile *
ensure_profile (MefotaProfiles *self, const char *name)
{
  MefotaProfile *profile;

  for (guint i = 0; i < self->profiles->len; i++)
    {
      profile = g_ptr_array_index (self->profiles, i);
      if (g_str_equal (profile->name, name))
        return profile;
    }
  profile = profile_new (name);
  g_ptr_array_add (self->profiles, profile);
  return profile;
}

static void
apply_group (MefotaProfiles *self, const char *file, GKeyFile *key_file, const char *group, GPtrArray *warnings)
{
  g_auto (GStrv) names = g_key_file_get_keys (key_file, group, NULL, NULL);
  MefotaProfile *profile;

  if (!g_str_has_prefix (group, GROUP_PREFIX) || group[strlen (GROUP_PREFIX)] == '\0')
    {
      warn (warnings, g_strdup_printf ("%s: the group [%s] is unknown and ignored; [profile NAME] is what counts.",
                                       file, group));
      return;
    }
  profile = ensure_profile (self, group + strlen (GROUP_PREFIX));
  for (guint i = 0; names != NULL && names[i] != NULL; i++)
    {
      const Key *key = find_key (names[i]);
      g_autoptr (GError) error = NULL; /* a wrong escape */
      g_autofree char *text = g_key_file_get_string (key_file, group, names[i], &error);

      if (key == NULL)
        warn (warnings, g_strdup_printf ("%s: the key %s in the group [%s] is unknown and ignored.", file, names[i],
                                         group));
      else if (error != NULL || text == NULL || !set_value (key, profile, g_strchomp (text)))
        warn (warnings, g_strdup_printf ("%s: the value of %s in the group [%s] is not allowed and ignored.", file,
                                         names[i], group));
    }
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (a, b);
}

MefotaProfiles *
mefota_profiles_load (const char *const *dirs, GPtrArray *warnings)
{
  g_autoptr (MefotaProfiles) self = g_new0 (MefotaProfiles, 1);
  g_autoptr (GHashTable) files = collect_files (dirs, warnings);
  g_autoptr (GList) names = g_list_sort (g_hash_table_get_keys (files), compare_names);

  self->profiles = g_ptr_array_new_with_free_func ((GDestroyNotify) profile_free);
  self->fallback = profile_new (DEFAULT_PROFILE);
  for (GList *l = names; l != NULL; l = l->next)
    {
      GKeyFile *key_file = g_hash_table_lookup (files, l->data);
      g_auto (GStrv) groups = g_key_file_get_groups (key_file, NULL);

      for (guint i = 0; groups[i] != NULL; i++)
        apply_group (self, l->data, key_file, groups[i], warnings);
    }
  return g_steal_pointer (&self);
}

void
mefota_profiles_free (MefotaProfiles *self)
{
  g_ptr_array_unref (self->profiles);
  profile_free (self->fallback);
  g_free (self);
}

/* --- questions ------------------------------------------------------------------------------------------------- */

/* The profile with the longest glob that fits, the later one of two equals. */
static const MefotaProfile *
find_by_glob (MefotaProfiles *self, const char *text, gboolean anywhere)
{
  g_autofree char *upper = g_ascii_strup (text, -1);
  const MefotaProfile *best = NULL;
  gsize best_length = 0;

  for (guint i = 0; i < self->profiles->len; i++)
    {
      const MefotaProfile *profile = g_ptr_array_index (self->profiles, i);
      for (guint j = 0; profile->models[j] != NULL; j++)
        {
          g_autofree char *glob = g_ascii_strup (profile->models[j], -1);
          g_autofree char *pattern = anywhere ? g_strconcat ("*", glob, "*", NULL) : g_strdup (glob);

          if (strlen (glob) >= best_length && g_pattern_match_simple (pattern, upper))
            {
              best = profile;
              best_length = strlen (glob);
            }
        }
    }
  return best;
}

const MefotaProfile *
mefota_profiles_match (MefotaProfiles *self, const char *model, const char *version)
{
  const MefotaProfile *found = NULL;

  if (model != NULL && *model != '\0')
    found = find_by_glob (self, model, FALSE);
  /* A model that says nothing, or is not known: versions carry its name after the customer's
   * ("QS_ME3630U1AV1.0B04"). */
  if (found == NULL && version != NULL && *version != '\0')
    found = find_by_glob (self, version, TRUE);
  for (guint i = 0; found == NULL && i < self->profiles->len; i++)
    {
      const MefotaProfile *profile = g_ptr_array_index (self->profiles, i);
      if (g_str_equal (profile->name, DEFAULT_PROFILE))
        found = profile;
    }
  return found != NULL ? found : self->fallback;
}

gboolean
mefota_profiles_is_at_port (MefotaProfiles *self, const char *vendor, const char *product, const char *interface)
{
  g_autofree char *id = NULL;

  if (vendor == NULL || product == NULL || interface == NULL)
    return FALSE;
  id = g_strdup_printf ("%s:%s/%s", vendor, product, interface);
  for (guint i = 0; i < self->profiles->len; i++)
    {
      const MefotaProfile *profile = g_ptr_array_index (self->profiles, i);
      for (guint j = 0; profile->usb_ids[j] != NULL; j++)
        if (g_ascii_strcasecmp (profile->usb_ids[j], id) == 0)
          return TRUE;
    }
  return FALSE;
}

static gboolean
is_at_least_one_of (const char *version, char **minimums)
{
  for (guint i = 0; minimums[i] != NULL; i++)
    if (mefota_version_at_least (version, minimums[i]))
      return TRUE;
  return FALSE;
}

gboolean
mefota_profile_takes_host_names (const MefotaProfile *self, const char *version)
{
  return is_at_least_one_of (version, self->server_names);
}

const char *
mefota_profile_get_adb_path (const MefotaProfile *self, const char *version)
{
  return is_at_least_one_of (version, self->adb_update_zip) ? self->adb_path_new : self->adb_path;
}

const char *const *
mefota_profile_get_log_dirs (const MefotaProfile *self, const char *version)
{
  char **dirs = is_at_least_one_of (version, self->adb_update_zip) ? self->log_dirs_new : self->log_dirs;
  return (const char *const *) dirs;
}

gboolean
mefota_profile_check_package_name (const MefotaProfile *self, const char *version, const char *name, GError **error)
{
  const char *path = mefota_profile_get_adb_path (self, version);
  g_autofree char *lower = name != NULL ? g_ascii_strdown (name, -1) : NULL;

  if (lower == NULL || !g_str_has_suffix (lower, ".zip") || g_str_has_suffix (path, ".zip"))
    return TRUE;
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID,
               "\"%s\" is a zip file, which is for other firmware than %s (guide 2.3.2): that takes its package as %s; "
               "get that one.",
               name, version[0] != '\0' ? version : "the module's", path);
  return FALSE;
}
