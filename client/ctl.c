/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "ctl.h"

#include "json.h"
#include "mefota-error.h"
#include "mefota-names.h"
#include "output.h"

#include <string.h>

void
ctl_add_options (Ctl *ctl, GOptionContext *context)
{
  const GOptionEntry entries[] = {
    { "module", 'm', 0, G_OPTION_ARG_STRING, &ctl->module_key, "Module: its id, IMEI, port or physical path", "KEY" },
    { "json", 'j', 0, G_OPTION_ARG_NONE, &ctl->json, "Print JSON, and nothing else, on standard output", NULL },
    { "no-pager", 0, 0, G_OPTION_ARG_NONE, &ctl->no_pager, "Do not show long output in a pager", NULL },
    { NULL },
  };
  g_option_context_add_main_entries (context, entries, NULL);
}

gboolean
ctl_parse (Ctl *ctl, const char *usage, const GOptionEntry *entries, int min, int max, int *argc, char ***argv)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *verb = g_strdup ((*argv)[0]);
  g_autoptr (GOptionContext) context = g_option_context_new (usage);
  if (entries != NULL)
    g_option_context_add_main_entries (context, entries, NULL);
  ctl_add_options (ctl, context);
  if (!g_option_context_parse (context, argc, argv, &error))
    {
      complain ("%s: see `mefotactl %s --help`.", error->message, verb);
      return FALSE;
    }
  /* GOption leaves "--" where something after it looks like an option */
  if (*argc > 1 && g_str_equal ((*argv)[1], "--"))
    {
      memmove (*argv + 1, *argv + 2, (gsize) (*argc - 1) * sizeof **argv);
      (*argc)--;
    }
  if (*argc - 1 < min || *argc - 1 > max)
    {
      complain ("%s: too %s arguments: the usage is `mefotactl %s`.", verb, *argc - 1 < min ? "few" : "many", usage);
      return FALSE;
    }
  if (ctl->module_key != NULL && *ctl->module_key == '\0')
    {
      complain ("--module needs the id, IMEI, port or physical path of a module: see `mefotactl list`.");
      return FALSE;
    }
  return TRUE;
}

gboolean
ctl_connect (Ctl *ctl, GError **error)
{
  g_autoptr (GError) local = NULL;
  if (ctl->bus != NULL)
    return TRUE;
  ctl->bus = g_bus_get_sync (G_BUS_TYPE_SYSTEM, NULL, &local);
  if (ctl->bus == NULL)
    {
      g_set_error (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_SERVER,
                   "The system bus cannot be reached (%s): see with `systemctl status dbus` whether it runs.",
                   local->message);
      return FALSE;
    }
  g_dbus_connection_set_exit_on_close (ctl->bus, FALSE);
  return TRUE;
}

static GVariant *
call (Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *parameters, GUnixFDList *fds,
      const char *reply_type, int timeout_ms, GError **error)
{
  return g_dbus_connection_call_with_unix_fd_list_sync (
      ctl->bus, MEFOTA_BUS_NAME, path, interface, method, parameters, G_VARIANT_TYPE (reply_type),
      G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, timeout_ms, fds, NULL, NULL, error);
}

GVariant *
ctl_call (Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *parameters,
          GUnixFDList *fds, const char *reply_type, GError **error)
{
  g_autoptr (GVariant) held = parameters == NULL ? NULL : g_variant_ref_sink (parameters);
  if (!ctl_connect (ctl, error))
    return NULL;
  return call (ctl, path, interface, method, held, fds, reply_type, G_MAXINT, error);
}

gboolean
ctl_refresh (Ctl *ctl, Module *module, GError **error)
{
  g_autoptr (GVariant) properties = NULL;
  g_autoptr (GVariant) reply
      = call (ctl, module->path, "org.freedesktop.DBus.Properties", "GetAll",
              g_variant_new ("(s)", MEFOTA_IFACE_MODULE), NULL, "(a{sv})", CTL_READ_TIMEOUT_MS, error);
  if (reply == NULL)
    return FALSE;
  g_variant_get (reply, "(@a{sv})", &properties);
  module_update (module, properties);
  return TRUE;
}

static Module *
find_module (Ctl *ctl, GError **error)
{
  const char *path;
  g_autoptr (Module) module = NULL;
  g_autoptr (GVariant) reply
      = call (ctl, MEFOTA_OBJECT_ROOT, MEFOTA_IFACE_MANAGER, "FindModule", g_variant_new ("(s)", ctl->module_key),
              NULL, "(o)", CTL_READ_TIMEOUT_MS, error);
  if (reply == NULL)
    return NULL;
  g_variant_get (reply, "(&o)", &path);
  module = module_new (path, NULL);
  return ctl_refresh (ctl, module, error) ? g_steal_pointer (&module) : NULL;
}

static int
compare_modules (gconstpointer a, gconstpointer b)
{
  return strcmp (module_id (*(Module *const *) a), module_id (*(Module *const *) b));
}

GPtrArray *
ctl_get_modules (Ctl *ctl, GError **error)
{
  g_autoptr (GPtrArray) modules = g_ptr_array_new_with_free_func ((GDestroyNotify) module_free);
  g_autoptr (GVariantIter) objects = NULL;
  const char *path;
  GVariant *interfaces;
  if (!ctl_connect (ctl, error))
    return NULL;
  if (ctl->module_key != NULL)
    {
      Module *module = find_module (ctl, error);
      if (module == NULL)
        return NULL;
      g_ptr_array_add (modules, module);
      return g_steal_pointer (&modules);
    }
  g_autoptr (GVariant) reply
      = call (ctl, MEFOTA_OBJECT_ROOT, "org.freedesktop.DBus.ObjectManager", "GetManagedObjects", NULL, NULL,
              "(a{oa{sa{sv}}})", CTL_READ_TIMEOUT_MS, error);
  if (reply == NULL)
    return NULL;
  g_variant_get (reply, "(a{oa{sa{sv}}})", &objects);
  while (g_variant_iter_loop (objects, "{&o@a{sa{sv}}}", &path, &interfaces))
    {
      g_autoptr (GVariant) properties
          = g_variant_lookup_value (interfaces, MEFOTA_IFACE_MODULE, G_VARIANT_TYPE_VARDICT);
      if (properties != NULL)
        g_ptr_array_add (modules, module_new (path, properties));
    }
  g_ptr_array_sort (modules, compare_modules);
  return g_steal_pointer (&modules);
}

Module *
ctl_get_module (Ctl *ctl, ExitStatus *status)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) modules = ctl_get_modules (ctl, &error);
  if (modules == NULL)
    {
      *status = exit_status_report (error);
      return NULL;
    }
  if (modules->len == 1)
    return g_ptr_array_steal_index (modules, 0);
  *status = modules->len == 0 ? STATUS_NO_MODULE : STATUS_USAGE;
  if (modules->len == 0)
    complain ("There is no module: plug one in, or name its port in mefotad.conf.");
  else
    complain ("There are %u modules: choose one with --module; `mefotactl list` shows them.", modules->len);
  return NULL;
}

gboolean
ctl_act (Ctl *ctl, Module *module, const char *method, GVariant *parameters, ExitStatus *status)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = ctl_call (ctl, module->path, MEFOTA_IFACE_MODULE, method, parameters, NULL, "()", &error);
  if (reply != NULL && ctl_refresh (ctl, module, &error))
    return TRUE;
  *status = exit_status_report (error);
  return FALSE;
}

void
ctl_json_object (GVariant *dictionary)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (dictionary);
  g_autoptr (GString) json = g_string_new (NULL);
  json_append_value (json, held);
  output_json (json->str);
}

void
ctl_json_properties (Module *module, const char *const *names)
{
  ctl_json_object (module_to_variant (module, names));
}
