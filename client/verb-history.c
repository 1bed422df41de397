/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"
#include "mefota-error.h"
#include "mefota-names.h"
#include "output.h"
#include "verbs.h"

#include <string.h>

static char *
text_of (GVariant *entry, const char *key)
{
  const char *value = "";
  g_variant_lookup (entry, key, "&s", &value);
  return output_clean (*value != '\0' ? value : "-");
}

/* "success", or the last word of the error's name */
static char *
describe_result (GVariant *entry)
{
  const char *name = "";
  g_variant_lookup (entry, "error-name", "&s", &name);
  if (*name == '\0')
    return text_of (entry, "result");
  return output_clean (strrchr (name, '.') != NULL ? strrchr (name, '.') + 1 : name);
}

static char **
make_row (GVariant *entry)
{
  guint64 started = 0;
  double seconds = 0;
  const char *message = "", *late = "";
  g_variant_lookup (entry, "started", "t", &started);
  g_variant_lookup (entry, "seconds", "d", &seconds);
  g_variant_lookup (entry, "error-message", "&s", &message);
  g_variant_lookup (entry, "late-version", "&s", &late);
  g_autofree char *from = text_of (entry, "from-version");
  g_autofree char *to = text_of (entry, "to-version");
  g_autofree char *remark = *late != '\0' ? g_strdup_printf ("came back late with %s", late) : g_strdup (message);
  char **row = g_new0 (char *, 8);
  row[0] = output_time (started);
  row[1] = output_duration (seconds);
  row[2] = text_of (entry, "module");
  row[3] = text_of (entry, "operation");
  row[4] = g_strdup_printf ("%s %s %s", from, output_is_utf8 () ? "→" : "->", to);
  row[5] = describe_result (entry);
  row[6] = output_clean (remark);
  return row;
}

static void
print_table (Ctl *ctl, GVariant *entries)
{
  const char *headings[] = { "STARTED", "TOOK", "MODULE", "BY", output_is_utf8 () ? "FROM → TO" : "FROM -> TO",
                             "RESULT", "", NULL };
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  g_ptr_array_add (rows, g_strdupv ((char **) headings));
  for (gsize i = 0; i < g_variant_n_children (entries); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (entries, i);
      g_ptr_array_add (rows, make_row (entry));
    }
  g_autofree char *table = output_table (rows);
  output_page (table, ctl->no_pager);
}

static gboolean
is_imei (const char *key)
{
  return strlen (key) == 15 && strspn (key, "0123456789") == 15;
}

/* --module names a module that is there, or an id that only the history knows any more, or an IMEI. */
static gboolean
add_filter (Ctl *ctl, GVariantBuilder *filter, GError **error)
{
  g_autoptr (GError) local = NULL;
  if (ctl->module_key == NULL)
    return TRUE;
  if (is_imei (ctl->module_key))
    {
      g_variant_builder_add (filter, "{sv}", "imei", g_variant_new_string (ctl->module_key));
      return TRUE;
    }
  g_autoptr (GPtrArray) modules = ctl_get_modules (ctl, &local);
  if (modules == NULL && !g_error_matches (local, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT))
    {
      g_propagate_error (error, g_steal_pointer (&local));
      return FALSE;
    }
  const char *id = modules != NULL ? module_id (g_ptr_array_index (modules, 0)) : ctl->module_key;
  g_variant_builder_add (filter, "{sv}", "module", g_variant_new_string (id));
  return TRUE;
}

/* Whether what --module names is there; asked where the history knows nothing of it. */
static gboolean
is_known (Ctl *ctl, GError **error)
{
  g_autoptr (GPtrArray) modules = ctl->module_key != NULL ? ctl_get_modules (ctl, error) : NULL;
  return ctl->module_key == NULL || modules != NULL;
}

ExitStatus
verb_history (Ctl *ctl, int argc, char **argv)
{
  int limit = 0;
  g_autoptr (GError) error = NULL;
  g_auto (GVariantBuilder) filter = G_VARIANT_BUILDER_INIT (G_VARIANT_TYPE_VARDICT);
  const GOptionEntry entries[] = {
    { "limit", 'n', 0, G_OPTION_ARG_INT, &limit, "Only the newest N (0: all)", "N" },
    { NULL },
  };
  if (!ctl_parse (ctl, "history", entries, 0, 0, &argc, &argv))
    return STATUS_USAGE;
  if (limit < 0)
    {
      complain ("--limit needs a number of entries, or 0 for all.");
      return STATUS_USAGE;
    }
  if (!add_filter (ctl, &filter, &error))
    return exit_status_report (error);
  g_variant_builder_add (&filter, "{sv}", "limit", g_variant_new_uint32 ((guint32) limit));
  g_autoptr (GVariant) reply = ctl_call (ctl, MEFOTA_OBJECT_ROOT, MEFOTA_IFACE_MANAGER, "GetHistory",
                                         g_variant_new ("(a{sv})", &filter), NULL, "(aa{sv})", &error);
  if (reply == NULL)
    return exit_status_report (error);
  g_autoptr (GVariant) history = g_variant_get_child_value (reply, 0);
  if (g_variant_n_children (history) == 0 && !is_known (ctl, &error))
    return exit_status_report (error);
  if (ctl->json)
    {
      g_autoptr (GString) json = g_string_new (NULL);
      json_append_value (json, history);
      output_json (json->str);
    }
  else if (g_variant_n_children (history) == 0)
    output_print (stderr, "There was no upgrade yet.\n");
  else
    print_table (ctl, history);
  return STATUS_DONE;
}
