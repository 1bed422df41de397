/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"
#include "verbs.h"

#include <string.h>

typedef struct
{
  const char *usage;
  int max;
  const char *method;
  GVariant *(*read_arguments) (int argc, char **argv); /* NULL after a complaint */
  const char *const *properties;
  char *(*describe) (Module *module);
} Setting;

/* Shows a setting, or sets it if there are arguments and shows what it is then. */
static ExitStatus
run (Ctl *ctl, const Setting *setting, int argc, char **argv)
{
  ExitStatus status;
  g_autoptr (GVariant) arguments = NULL;
  if (!ctl_parse (ctl, setting->usage, NULL, 0, setting->max, &argc, &argv))
    return STATUS_USAGE;
  for (int i = 1; i < argc; i++)
    if (!g_utf8_validate (argv[i], -1, NULL))
      {
        complain ("The argument %d of %s is no UTF-8: write it in letters, digits and signs.", i, argv[0]);
        return STATUS_USAGE;
      }
  if (argc > 1)
    {
      arguments = setting->read_arguments (argc, argv);
      if (arguments == NULL)
        return STATUS_USAGE;
      g_variant_ref_sink (arguments);
    }
  g_autoptr (Module) module = ctl_get_module (ctl, &status);
  if (module == NULL)
    return status;
  if (arguments != NULL && !ctl_act (ctl, module, setting->method, arguments, &status))
    return status;
  if (ctl->json)
    {
      ctl_json_properties (module, setting->properties);
      return STATUS_DONE;
    }
  g_autofree char *text = setting->describe (module);
  g_autofree char *clean = output_clean (text);
  output_print (stdout, "%s\n", clean);
  return STATUS_DONE;
}

static GVariant *
read_server (int argc, char **argv)
{
  guint64 port;
  if (argc == 3 && *argv[1] != '\0' && g_ascii_string_to_unsigned (argv[2], 10, 1, 65535, &port, NULL))
    return g_variant_new ("(sq)", argv[1], (guint16) port);
  complain ("server needs an address and a port from 1 to 65535: for instance `mefotactl server 203.0.113.5 5000`.");
  return NULL;
}

static char *
describe_server (Module *module)
{
  const char *address = module_string (module, "ServerAddress");
  return *address == '\0' ? g_strdup ("unknown")
                          : g_strdup_printf ("%s %u", address, (guint) module_number (module, "ServerPort"));
}

ExitStatus
verb_server (Ctl *ctl, int argc, char **argv)
{
  static const char *const properties[] = { "Id", "ServerAddress", "ServerPort", NULL };
  static const Setting setting
      = { "server [ADDRESS PORT]", 2, "SetServer", read_server, properties, describe_server };
  return run (ctl, &setting, argc, argv);
}

static GVariant *
read_target (int argc, char **argv)
{
  if (*argv[1] != '\0')
    return g_variant_new ("(s)", argv[1]);
  complain ("target needs a version: the module forgets its target when it restarts (`mefotactl restart`).");
  return NULL;
}

static char *
describe_target (Module *module)
{
  const char *version = module_string (module, "TargetVersion");
  return g_strdup (*version == '\0' ? "none" : version);
}

ExitStatus
verb_target (Ctl *ctl, int argc, char **argv)
{
  static const char *const properties[] = { "Id", "TargetVersion", NULL };
  static const Setting setting
      = { "target [VERSION]", 1, "SetTargetVersion", read_target, properties, describe_target };
  return run (ctl, &setting, argc, argv);
}

static GVariant *
read_polling (int argc, char **argv)
{
  gboolean on = g_str_equal (argv[1], "on");
  if (on || g_str_equal (argv[1], "off"))
    return g_variant_new ("(b)", on);
  complain ("polling is either on or off, not “%s”.", argv[1]);
  return NULL;
}

static char *
describe_polling (Module *module)
{
  return g_strconcat (module_flag (module, "PollingEnabled") ? "on" : "off",
                      module_flag (module, "PollingRestartNeeded")
                          ? " (in force once the module restarts: `mefotactl restart`)"
                          : "",
                      NULL);
}

ExitStatus
verb_polling (Ctl *ctl, int argc, char **argv)
{
  static const char *const properties[] = { "Id", "PollingEnabled", "PollingRestartNeeded", NULL };
  static const Setting setting = { "polling [on|off]", 1, "SetPolling", read_polling, properties, describe_polling };
  return run (ctl, &setting, argc, argv);
}
