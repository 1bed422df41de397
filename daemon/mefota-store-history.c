/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* The store's history: one dictionary an upgrade that has ended. */

#include "mefota-store-private.h"

#include <string.h>

#include "mefota-error.h"

/* An entry in memory. The file is named by a number that only grows, so that the order of the entries does not depend
 * on a clock that a gateway without a battery sets back at every start. */
typedef struct
{
  guint64 serial;
  GVariant *record;
} Entry;

static void
entry_free (Entry *entry)
{
  g_variant_unref (entry->record);
  g_free (entry);
}

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

  if (!mefota_store_remove (self, MEFOTA_STORE_HISTORY, key, &error))
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
  keys = mefota_store_list (self, MEFOTA_STORE_HISTORY);
  for (guint i = 0; keys[i] != NULL; i++)
    {
      guint64 serial;
      Entry *entry;
      GVariant *record;

      if (strlen (keys[i]) != 20 || !g_ascii_string_to_unsigned (keys[i], 10, 0, G_MAXINT64, &serial, NULL))
        continue;
      record = mefota_store_load (self, MEFOTA_STORE_HISTORY, keys[i]);
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
  gboolean saved;

  if (*id == '\0')
    {
      g_set_error_literal (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
                           "A history entry without an id cannot be saved. Please report this as a bug.");
      return FALSE;
    }
  entry = find_entry (self, id);
  serial = entry != NULL ? entry->serial : last != NULL ? last->serial + 1 : 1;
  key = entry_key (serial);
  saved = mefota_store_keep (self, MEFOTA_STORE_HISTORY, key, sunk, error);
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
  return saved;
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
