/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-names.h"
#include "output.h"
#include "verbs.h"

static void
append (GString *text, const char *label, const char *format, ...) G_GNUC_PRINTF (3, 4);

static void
append (GString *text, const char *label, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *value = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *clean = output_clean (*value != '\0' ? value : "-");
  g_string_append_printf (text, "%12s  %s\n", label, clean);
}

static void
append_identity (GString *text, Module *module)
{
  g_auto (GStrv) methods = NULL;
  GVariant *value = g_hash_table_lookup (module->properties, "Methods");
  if (value != NULL && g_variant_is_of_type (value, G_VARIANT_TYPE_STRING_ARRAY))
    methods = g_variant_dup_strv (value, NULL);
  g_autofree char *joined = methods != NULL ? g_strjoinv (", ", methods) : g_strdup ("");
  append (text, "module", "%s", module_id (module));
  append (text, "model", "%s %s", module_string (module, "Manufacturer"), module_string (module, "Model"));
  append (text, "IMEI", "%s", module_string (module, "Imei"));
  append (text, "firmware", "%s", module_string (module, "FirmwareVersion"));
  append (text, "port", "%s (%s %s)",
          *module_string (module, "Port") != '\0' ? module_string (module, "Port") : "none",
          module_string (module, "Transport"), module_string (module, "PhysicalPath"));
  append (text, "upgrades by", "%s", joined);
}

static void
append_settings (GString *text, Module *module)
{
  if (*module_string (module, "ServerAddress") != '\0')
    append (text, "server", "%s port %u", module_string (module, "ServerAddress"),
            (guint) module_number (module, "ServerPort"));
  else
    append (text, "server", "%s", "");
  append (text, "polling", "%s%s", module_flag (module, "PollingEnabled") ? "on" : "off",
          module_flag (module, "PollingRestartNeeded") ? " (in force once the module restarts)" : "");
  append (text, "target", "%s", module_string (module, "TargetVersion"));
}

static void
append_upgrade (GString *text, Module *module)
{
  guint progress = (guint) module_number (module, "Progress");
  guint64 since = module_number (module, "PhaseSince");
  g_autofree char *percent = progress > 0 ? g_strdup_printf (" %u %%", progress) : g_strdup ("");
  g_autofree char *phase
      = output_duration (since > 0 ? (double) (g_get_real_time () - (gint64) since) / G_USEC_PER_SEC : 0);
  append (text, "state", "%s%s%s%s%s", module_string (module, "State"), percent, since > 0 ? " for " : "",
          since > 0 ? phase : "",
          module_flag (module, "Overdue") ? ", longer than expected and still waited for" : "");
  if (module_flag (module, "PowerCritical"))
    append (text, "power", "DO NOT POWER OFF until the result is known");
  if (module_number (module, "ConfirmDeadline") > 0)
    {
      g_autofree char *until = output_time (module_number (module, "ConfirmDeadline"));
      append (text, "question", "the module asks whether to upgrade: `mefotactl accept` or `mefotactl reject` until %s",
              until);
    }
  if (module_is_upgrading (module))
    {
      g_autofree char *started = output_time (module_number (module, "StartedAt"));
      append (text, "upgrade", "%s from %s, begun %s, %s, id %s", module_string (module, "Operation"),
              module_string (module, "FromVersion"), started,
              module_flag (module, "CanCancel") ? "can be cancelled" : "cannot be cancelled",
              module_string (module, "LastUpgrade"));
    }
  if (*module_string (module, "Status") != '\0')
    append (text, "indication", "%s%s%s", module_string (module, "Status"),
            *module_string (module, "StatusArgument") != '\0' ? " " : "", module_string (module, "StatusArgument"));
  if (module_number (module, "RebootsSeen") > 0)
    append (text, "reboots", "%u", (guint) module_number (module, "RebootsSeen"));
  if (module_number (module, "DownloadSeconds") > 0)
    append (text, "download", "took %u s", (guint) module_number (module, "DownloadSeconds"));
}

static void
append_last (GString *text, Module *module)
{
  const char *name = "", *message = "", *result = module_string (module, "LastResult");
  GVariant *error = g_hash_table_lookup (module->properties, "LastError");
  if (module_is_upgrading (module) || *result == '\0' || g_str_equal (result, "none"))
    return;
  if (error != NULL && g_variant_is_of_type (error, G_VARIANT_TYPE ("(ss)")))
    g_variant_get (error, "(&s&s)", &name, &message);
  append (text, "last upgrade", "%s, from %s%s%s", result, module_string (module, "FromVersion"),
          *message != '\0' ? ": " : "", message);
}

/* Who keeps upgrades from beginning; missing with a daemon that does not tell. */
static void
append_holds (GString *text, Ctl *ctl)
{
  const char *who, *why;
  g_autoptr (GVariant) holds = NULL;
  g_autoptr (GVariantIter) iter = NULL;
  g_autoptr (GVariant) reply = ctl_call (ctl, MEFOTA_OBJECT_ROOT, "org.freedesktop.DBus.Properties", "Get",
                                         g_variant_new ("(ss)", MEFOTA_IFACE_MANAGER, "Holds"), NULL, "(v)", NULL);
  if (reply == NULL)
    return;
  g_variant_get (reply, "(v)", &holds);
  if (!g_variant_is_of_type (holds, G_VARIANT_TYPE ("a(ss)")))
    return;
  g_variant_get (holds, "a(ss)", &iter);
  while (g_variant_iter_loop (iter, "(&s&s)", &who, &why))
    append (text, "held", "by %s: %s", who, why);
}

ExitStatus
verb_status (Ctl *ctl, int argc, char **argv)
{
  ExitStatus status;
  if (!ctl_parse (ctl, "status", NULL, 0, 0, &argc, &argv))
    return STATUS_USAGE;
  g_autoptr (Module) module = ctl_get_module (ctl, &status);
  if (module == NULL)
    return status;
  if (ctl->json)
    {
      ctl_json_properties (module, NULL);
      return STATUS_DONE;
    }
  g_autoptr (GString) text = g_string_new (NULL);
  append_identity (text, module);
  append_settings (text, module);
  append_upgrade (text, module);
  append_last (text, module);
  append_holds (text, ctl);
  output_page (text->str, ctl->no_pager);
  return STATUS_DONE;
}
