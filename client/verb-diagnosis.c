/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"
#include "mefota-names.h"
#include "output.h"
#include "verbs.h"

/* @method of the module, whose only answer is called @key in JSON. NULL after a complaint. */
static GVariant *
ask (Ctl *ctl, const char *method, GVariant *parameters, const char *reply_type, ExitStatus *status)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) held = parameters == NULL ? NULL : g_variant_ref_sink (parameters);
  g_autoptr (Module) module = ctl_get_module (ctl, status);
  if (module == NULL)
    return NULL;
  g_autoptr (GVariant) reply
      = ctl_call (ctl, module->path, MEFOTA_IFACE_MODULE, method, held, NULL, reply_type, &error);
  if (reply == NULL)
    {
      *status = exit_status_report (error);
      return NULL;
    }
  *status = STATUS_DONE;
  return g_variant_get_child_value (reply, 0);
}

static void
print_member (const char *key, GVariant *value)
{
  g_autoptr (GString) json = g_string_new ("{");
  json_append_member (json, key, value);
  g_string_append_c (json, '}');
  output_json (json->str);
}

ExitStatus
verb_logs (Ctl *ctl, int argc, char **argv)
{
  ExitStatus status;
  if (!ctl_parse (ctl, "logs", NULL, 0, 0, &argc, &argv))
    return STATUS_USAGE;
  g_autoptr (GVariant) directory
      = ask (ctl, "CollectLogs", g_variant_new_parsed ("(@a{sv} {},)"), "(s)", &status);
  if (directory == NULL)
    return status;
  if (ctl->json)
    print_member ("directory", directory);
  else
    output_print (stdout, "%s\n", g_variant_get_string (directory, NULL));
  return STATUS_DONE;
}

ExitStatus
verb_at (Ctl *ctl, int argc, char **argv)
{
  ExitStatus status;
  if (!ctl_parse (ctl, "at COMMAND", NULL, 1, 1, &argc, &argv))
    return STATUS_USAGE;
  if (!g_utf8_validate (argv[1], -1, NULL))
    {
      complain ("An AT command is written in ASCII: this one is not even UTF-8.");
      return STATUS_USAGE;
    }
  g_autoptr (GVariant) lines = ask (ctl, "SendCommand", g_variant_new ("(su)", argv[1], 0), "(as)", &status);
  if (lines == NULL)
    return status;
  if (ctl->json)
    {
      print_member ("lines", lines);
      return STATUS_DONE;
    }
  g_autofree const char **strings = g_variant_get_strv (lines, NULL);
  for (gsize i = 0; strings[i] != NULL; i++)
    {
      g_autofree char *clean = output_clean (strings[i]);
      output_print (stdout, "%s\n", clean);
    }
  return STATUS_DONE;
}

static void
print_items (GVariant *items, gboolean ready)
{
  const char *name, *detail;
  gboolean ok;
  GVariantIter iter;
  g_variant_iter_init (&iter, items);
  while (g_variant_iter_loop (&iter, "(&sb&s)", &name, &ok, &detail))
    {
      g_autofree char *line = g_strdup_printf ("%-4s %-11s %s", ok ? "ok" : "NO", name, detail);
      g_autofree char *clean = output_clean (line);
      output_print (stdout, "%s\n", clean);
    }
  output_print (stdout, "%s\n", ready ? "The module is ready for a network upgrade."
                                      : "The module is not ready for a network upgrade.");
}

ExitStatus
verb_check (Ctl *ctl, int argc, char **argv)
{
  ExitStatus status;
  const char *name, *detail;
  gboolean ok, ready = TRUE;
  GVariantIter iter;
  GVariantBuilder objects;
  if (!ctl_parse (ctl, "check", NULL, 0, 0, &argc, &argv))
    return STATUS_USAGE;
  g_autoptr (GVariant) items = ask (ctl, "CheckReadiness", NULL, "(a(sbs))", &status);
  if (items == NULL)
    return status;
  g_variant_builder_init (&objects, G_VARIANT_TYPE ("aa{sv}"));
  g_variant_iter_init (&iter, items);
  while (g_variant_iter_loop (&iter, "(&sb&s)", &name, &ok, &detail))
    {
      ready = ready && ok;
      g_variant_builder_add_parsed (&objects, "{'name': <%s>, 'ok': <%b>, 'detail': <%s>}", name, ok, detail);
    }
  g_autoptr (GVariant) all = g_variant_ref_sink (g_variant_builder_end (&objects));
  if (ctl->json)
    ctl_json_object (g_variant_new_parsed ("{'ready': <%b>, 'items': <%*>}", ready, all));
  else
    print_items (items, ready);
  return ready ? STATUS_DONE : STATUS_NOT_READY;
}
