/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"
#include "output.h"
#include "verbs.h"

static char *
describe_state (Module *module)
{
  const char *state = module_string (module, "State");
  const char *warning = module_flag (module, "PowerCritical") ? ", do not power off" : "";
  guint progress = (guint) module_number (module, "Progress");
  return progress > 0 ? g_strdup_printf ("%s %u %%%s", state, progress, warning)
                      : g_strdup_printf ("%s%s", state, warning);
}

static char *
cell (Module *module, const char *name)
{
  const char *text = module_string (module, name);
  return *text != '\0' ? output_clean (text) : g_strdup ("-");
}

static void
print_table (Ctl *ctl, GPtrArray *modules)
{
  const char *headings[] = { "ID", "MODEL", "IMEI", "FIRMWARE", "PORT", "STATE", NULL };
  g_autoptr (GPtrArray) rows = g_ptr_array_new_with_free_func ((GDestroyNotify) g_strfreev);
  g_ptr_array_add (rows, g_strdupv ((char **) headings));
  for (guint i = 0; i < modules->len; i++)
    {
      Module *module = g_ptr_array_index (modules, i);
      char **row = g_new0 (char *, G_N_ELEMENTS (headings));
      row[0] = output_clean (module_id (module));
      row[1] = cell (module, "Model");
      row[2] = cell (module, "Imei");
      row[3] = cell (module, "FirmwareVersion");
      row[4] = cell (module, "Port");
      row[5] = describe_state (module);
      g_ptr_array_add (rows, row);
    }
  g_autofree char *table = output_table (rows);
  output_page (table, ctl->no_pager);
}

ExitStatus
verb_list (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  if (!ctl_parse (ctl, "list", NULL, 0, 0, &argc, &argv))
    return STATUS_USAGE;
  g_autoptr (GPtrArray) modules = ctl_get_modules (ctl, &error);
  if (modules == NULL)
    return exit_status_report (error);
  if (ctl->json)
    {
      GVariantBuilder builder;
      g_autoptr (GString) json = g_string_new (NULL);
      g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
      for (guint i = 0; i < modules->len; i++)
        g_variant_builder_add_value (&builder, module_to_variant (g_ptr_array_index (modules, i), NULL));
      g_autoptr (GVariant) all = g_variant_ref_sink (g_variant_builder_end (&builder));
      json_append_value (json, all);
      output_json (json->str);
    }
  else if (modules->len == 0)
    output_print (stderr, "There is no module: plug one in, or name its port in mefotad.conf.\n");
  else
    print_table (ctl, modules);
  return STATUS_DONE;
}
