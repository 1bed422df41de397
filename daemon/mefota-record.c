/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-record.h"

#include <string.h>

#include "mefota-error.h"

#define GROUP_FILE "mefota"
#define GROUP_RECORD "record"
#define KEY_VERSION "version"

static gboolean
is_key (const char *key)
{
  return *key != '\0' && key[strspn (key, G_CSET_A_2_Z G_CSET_a_2_z G_CSET_DIGITS "_-")] == '\0';
}

char *
mefota_record_to_text (GVariant *dictionary, GError **error)
{
  g_autoptr (GKeyFile) key_file = g_key_file_new ();
  GVariantIter iter;
  const char *key;
  GVariant *value;

  if (!g_variant_is_of_type (dictionary, G_VARIANT_TYPE_VARDICT))
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
                   "A value of the type %s cannot be saved as a dictionary. Please report this as a bug.",
                   g_variant_get_type_string (dictionary));
      return NULL;
    }
  g_key_file_set_integer (key_file, GROUP_FILE, KEY_VERSION, MEFOTA_RECORD_VERSION);
  g_variant_iter_init (&iter, dictionary);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    {
      g_autofree char *text = g_variant_print (value, TRUE);

      if (!is_key (key))
        {
          g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
                       "The key \"%s\" cannot be saved. Use letters, digits, '_' and '-' only.", key);
          g_variant_unref (value);
          return NULL;
        }
      /* Control characters are escapes in GVariant's own text, so that a value is one line. */
      g_key_file_set_value (key_file, GROUP_RECORD, key, text);
    }
  return g_key_file_to_data (key_file, NULL, NULL);
}

static gboolean
fail (GError **error, const char *why)
{
  g_set_error_literal (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED, why);
  return FALSE;
}

static gboolean
check_version (GKeyFile *key_file, GError **error)
{
  g_autofree char *text = g_key_file_get_value (key_file, GROUP_FILE, KEY_VERSION, NULL);
  guint64 version;

  if (text == NULL || !g_ascii_string_to_unsigned (text, 10, 1, G_MAXUINT64, &version, NULL))
    return fail (error, "has no version of the state's format");
  if (version > MEFOTA_RECORD_VERSION)
    return fail (error, "was written by a newer version of mefotad");
  return TRUE;
}

GVariant *
mefota_record_from_text (const char *text, gsize length, GError **error)
{
  g_autoptr (GKeyFile) key_file = g_key_file_new ();
  g_auto (GStrv) keys = NULL;
  g_auto (GVariantBuilder) builder = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);

  if (!g_utf8_validate (text, length, NULL) ||
      !g_key_file_load_from_data (key_file, text, length, G_KEY_FILE_KEEP_TRANSLATIONS, NULL))
    {
      fail (error, "is broken: it is no key file");
      return NULL;
    }
  if (!check_version (key_file, error))
    return NULL;

  keys = g_key_file_get_keys (key_file, GROUP_RECORD, NULL, NULL);
  for (guint i = 0; keys != NULL && keys[i] != NULL; i++)
    {
      g_autofree char *printed = g_key_file_get_value (key_file, GROUP_RECORD, keys[i], NULL);
      g_autoptr (GVariant) value = is_key (keys[i]) ? g_variant_parse (NULL, printed, NULL, NULL, NULL) : NULL;

      if (value == NULL)
        {
          fail (error, "is broken: it has a value that cannot be read");
          return NULL;
        }
      g_variant_builder_add (&builder, "{sv}", keys[i], value);
    }
  return g_variant_ref_sink (g_variant_builder_end (&builder));
}
