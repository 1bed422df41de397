/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "module.h"

#include "mefota-names.h"

#include <stdlib.h>
#include <string.h>

Module *
module_new (const char *path, GVariant *properties)
{
  Module *module = g_new0 (Module, 1);
  module->path = g_strdup (path);
  module->properties = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) g_variant_unref);
  if (properties != NULL)
    module_update (module, properties);
  return module;
}

void
module_free (Module *module)
{
  g_hash_table_unref (module->properties);
  g_free (module->path);
  g_free (module);
}

void
module_update (Module *module, GVariant *changed)
{
  GVariantIter iter;
  char *name;
  GVariant *value;
  g_variant_iter_init (&iter, changed);
  while (g_variant_iter_next (&iter, "{sv}", &name, &value))
    g_hash_table_replace (module->properties, name, value);
}

const char *
module_string (Module *module, const char *name)
{
  GVariant *value = g_hash_table_lookup (module->properties, name);
  return value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING) ? g_variant_get_string (value, NULL) : "";
}

guint64
module_number (Module *module, const char *name)
{
  GVariant *value = g_hash_table_lookup (module->properties, name);
  if (value == NULL)
    return 0;
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT64))
    return g_variant_get_uint64 (value);
  if (g_variant_is_of_type (value, G_VARIANT_TYPE_UINT32))
    return g_variant_get_uint32 (value);
  return g_variant_is_of_type (value, G_VARIANT_TYPE_UINT16) ? g_variant_get_uint16 (value) : 0;
}

gboolean
module_flag (Module *module, const char *name)
{
  GVariant *value = g_hash_table_lookup (module->properties, name);
  return value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_BOOLEAN) && g_variant_get_boolean (value);
}

const char *
module_id (Module *module)
{
  const char *id = module_string (module, "Id");
  if (*id != '\0')
    return id;
  return g_str_has_prefix (module->path, MEFOTA_MODULE_PREFIX) ? module->path + strlen (MEFOTA_MODULE_PREFIX)
                                                               : module->path;
}

gboolean
module_is_upgrading (Module *module)
{
  MefotaState state;
  const char *operation = module_string (module, "Operation");
  if (*operation != '\0' && !g_str_equal (operation, mefota_operation_to_word (MEFOTA_OPERATION_NONE)))
    return TRUE;
  if (!mefota_state_from_word (module_string (module, "State"), &state))
    return FALSE;
  return state != MEFOTA_STATE_ABSENT && state != MEFOTA_STATE_PROBING && state != MEFOTA_STATE_IDLE;
}

GVariant *
module_last_details (Module *module, double seconds)
{
  GVariantDict details;
  const char *name = "", *message = "";
  GVariant *error = g_hash_table_lookup (module->properties, "LastError");
  if (error != NULL && g_variant_is_of_type (error, G_VARIANT_TYPE ("(ss)")))
    g_variant_get (error, "(&s&s)", &name, &message);
  g_variant_dict_init (&details, NULL);
  g_variant_dict_insert (&details, "id", "s", module_string (module, "LastUpgrade"));
  g_variant_dict_insert (&details, "from-version", "s", module_string (module, "FromVersion"));
  g_variant_dict_insert (&details, "to-version", "s", module_string (module, "FirmwareVersion"));
  g_variant_dict_insert (&details, "seconds", "d", seconds);
  g_variant_dict_insert (&details, "error-name", "s", name);
  g_variant_dict_insert (&details, "error-message", "s", message);
  return g_variant_ref_sink (g_variant_dict_end (&details));
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  const char *left = *(const char *const *) a, *right = *(const char *const *) b;
  gboolean left_id = g_str_equal (left, "Id"), right_id = g_str_equal (right, "Id");
  return left_id != right_id ? right_id - left_id : strcmp (left, right);
}

GVariant *
module_to_variant (Module *module, const char *const *names)
{
  GVariantBuilder builder;
  guint n = 0;
  g_autofree char **sorted = names == NULL
                                 ? (char **) g_hash_table_get_keys_as_array (module->properties, &n)
                                 : NULL;
  if (sorted != NULL)
    {
      qsort (sorted, n, sizeof *sorted, compare_names);
      names = (const char *const *) sorted;
    }
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  for (; *names != NULL; names++)
    {
      GVariant *value = g_hash_table_lookup (module->properties, *names);
      if (value != NULL)
        g_variant_builder_add (&builder, "{sv}", *names, value);
    }
  return g_variant_builder_end (&builder);
}
