/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"
#include "verbs.h"

static ExitStatus
say_done (Ctl *ctl, Module *module, const char *format)
{
  g_autofree char *id = output_clean (module_id (module));
  if (ctl->json)
    ctl_json_properties (module, NULL);
  else
    output_print (stdout, "%s: %s\n", id, format);
  return STATUS_DONE;
}

static ExitStatus
answer (Ctl *ctl, gboolean allow, int argc, char **argv)
{
  ExitStatus status;
  gboolean report = FALSE;
  GVariantBuilder options;
  const GOptionEntry entries[] = {
    { "report", 'r', 0, G_OPTION_ARG_NONE, &report, "Let the module report itself to the server as well", NULL },
    { NULL },
  };
  if (!ctl_parse (ctl, allow ? "accept" : "reject", entries, 0, 0, &argc, &argv))
    return STATUS_USAGE;
  g_autoptr (Module) module = ctl_get_module (ctl, &status);
  if (module == NULL)
    return status;
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  if (report)
    g_variant_builder_add (&options, "{sv}", "report", g_variant_new_boolean (TRUE));
  if (!ctl_act (ctl, module, "Confirm", g_variant_new ("(ba{sv})", allow, &options), &status))
    return status;
  return say_done (ctl, module,
                   allow ? "the upgrade was accepted; `mefotactl attach` follows it." : "the upgrade was refused.");
}

ExitStatus
verb_accept (Ctl *ctl, int argc, char **argv)
{
  return answer (ctl, TRUE, argc, argv);
}

ExitStatus
verb_reject (Ctl *ctl, int argc, char **argv)
{
  return answer (ctl, FALSE, argc, argv);
}

static ExitStatus
act (Ctl *ctl, const char *verb, const char *method, const char *done, int argc, char **argv)
{
  ExitStatus status;
  if (!ctl_parse (ctl, verb, NULL, 0, 0, &argc, &argv))
    return STATUS_USAGE;
  g_autoptr (Module) module = ctl_get_module (ctl, &status);
  if (module == NULL || !ctl_act (ctl, module, method, NULL, &status))
    return status;
  return say_done (ctl, module, done);
}

ExitStatus
verb_cancel (Ctl *ctl, int argc, char **argv)
{
  return act (ctl, "cancel", "Cancel", "the upgrade is being cancelled.", argc, argv);
}

ExitStatus
verb_restart (Ctl *ctl, int argc, char **argv)
{
  return act (ctl, "restart", "Restart", "the module restarts.", argc, argv);
}
