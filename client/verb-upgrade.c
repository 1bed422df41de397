/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "follow.h"
#include "verbs.h"

ExitStatus
verb_upgrade (Ctl *ctl, int argc, char **argv)
{
  ExitStatus status;
  g_autofree char *target = NULL;
  gboolean force = FALSE, no_wait = FALSE, require_new = FALSE;
  const GOptionEntry entries[] = {
    { "target", 't', 0, G_OPTION_ARG_STRING, &target, "Version to upgrade to, as the server names it", "V" },
    { "force", 'f', 0, G_OPTION_ARG_NONE, &force, "Do not check whether the module is ready", NULL },
    { "no-wait", 0, 0, G_OPTION_ARG_NONE, &no_wait, "Return as soon as the module has taken it on", NULL },
    { "require-new", 0, 0, G_OPTION_ARG_NONE, &require_new, "Exit with 6 if there is nothing to upgrade", NULL },
    { NULL },
  };
  if (!ctl_parse (ctl, "upgrade", entries, 0, 0, &argc, &argv))
    return STATUS_USAGE;
  if (target != NULL && *target == '\0')
    {
      complain ("--target needs a version; without --target the module takes what its server has.");
      return STATUS_USAGE;
    }
  g_autoptr (Module) module = ctl_get_module (ctl, &status);
  if (module == NULL)
    return status;
  GVariantBuilder options;
  g_variant_builder_init (&options, G_VARIANT_TYPE_VARDICT);
  if (force)
    g_variant_builder_add (&options, "{sv}", "force", g_variant_new_boolean (TRUE));
  g_autoptr (GVariant) parameters
      = g_variant_ref_sink (g_variant_new ("(sa{sv})", target != NULL ? target : "", &options));
  const FollowStart start = {
    .method = "Upgrade",
    .parameters = parameters,
    .to = target,
    .require_new = require_new,
    .no_wait = no_wait,
  };
  return follow (ctl, module, &start);
}

ExitStatus
verb_attach (Ctl *ctl, int argc, char **argv)
{
  ExitStatus status;
  const FollowStart start = { .method = NULL };
  if (!ctl_parse (ctl, "attach", NULL, 0, 0, &argc, &argv))
    return STATUS_USAGE;
  g_autoptr (Module) module = ctl_get_module (ctl, &status);
  return module == NULL ? status : follow (ctl, module, &start);
}
