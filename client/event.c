/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event.h"

#include "json.h"
#include "mefota-names.h"
#include "output.h"

static const struct
{
  const char *interface;
  const char *signal;
  const char *type;
} signals[] = {
  { MEFOTA_IFACE_MODULE, "FotaInd", "(sss)" },
  { MEFOTA_IFACE_MODULE, "ConfirmRequested", "(t)" },
  { MEFOTA_IFACE_MODULE, "Finished", "(sa{sv})" },
  { "org.freedesktop.DBus.Properties", "PropertiesChanged", "(sa{sv}as)" },
  { "org.freedesktop.DBus.ObjectManager", "InterfacesAdded", "(oa{sa{sv}})" },
  { "org.freedesktop.DBus.ObjectManager", "InterfacesRemoved", "(oas)" },
};

const char *
event_name (const char *interface, const char *signal, GVariant *parameters)
{
  for (gsize i = 0; i < G_N_ELEMENTS (signals); i++)
    if (g_strcmp0 (interface, signals[i].interface) == 0 && g_strcmp0 (signal, signals[i].signal) == 0
        && g_variant_is_of_type (parameters, G_VARIANT_TYPE (signals[i].type)))
      return signals[i].signal;
  return NULL;
}

static gboolean
is (const char *event, const char *signal, GVariant *parameters)
{
  if (!g_str_equal (event, signal) || parameters == NULL)
    return FALSE;
  for (gsize i = 0; i < G_N_ELEMENTS (signals); i++)
    if (g_str_equal (signal, signals[i].signal))
      return g_variant_is_of_type (parameters, G_VARIANT_TYPE (signals[i].type));
  return FALSE;
}

GVariant *
event_get_properties (const char *event, GVariant *parameters)
{
  GVariant *properties = NULL;
  const char *interface;
  if (is (event, "PropertiesChanged", parameters))
    {
      g_variant_get (parameters, "(&s@a{sv}as)", &interface, &properties, NULL);
      if (!g_str_equal (interface, MEFOTA_IFACE_MODULE))
        g_clear_pointer (&properties, g_variant_unref);
    }
  else if (is (event, "InterfacesAdded", parameters))
    {
      g_autoptr (GVariant) interfaces = g_variant_get_child_value (parameters, 1);
      properties = g_variant_lookup_value (interfaces, MEFOTA_IFACE_MODULE, G_VARIANT_TYPE_VARDICT);
    }
  return properties;
}

static void
append_child (GString *json, const char *name, GVariant *parameters, gsize i)
{
  g_autoptr (GVariant) child = g_variant_get_child_value (parameters, i);
  json_append_member (json, name, child);
}

char *
event_to_json (const char *event, const char *module, GVariant *parameters)
{
  const char *const told[] = { "event", "time", "module", "result", NULL };
  g_autoptr (GVariant) properties = event_get_properties (event, parameters);
  GString *json = g_string_new ("{");
  json_append_member (json, "event", g_variant_new_string (event));
  json_append_member (json, "time", g_variant_new_int64 (g_get_real_time ()));
  if (module != NULL)
    json_append_member (json, "module", g_variant_new_string (module));
  if (properties != NULL)
    json_append_members (json, properties, NULL);
  else if (is (event, "FotaInd", parameters))
    {
      const char *const names[] = { "status", "argument", "raw" };
      for (gsize i = 0; i < G_N_ELEMENTS (names); i++)
        append_child (json, names[i], parameters, i);
    }
  else if (is (event, "ConfirmRequested", parameters))
    append_child (json, "deadline", parameters, 0);
  else if (is (event, "Finished", parameters))
    {
      g_autoptr (GVariant) details = g_variant_get_child_value (parameters, 1);
      append_child (json, "result", parameters, 0);
      json_append_members (json, details, told);
    }
  g_string_append_c (json, '}');
  return g_string_free (json, FALSE);
}

static void
append_line (GString *text, const char *module, const char *what, const char *value)
{
  g_autoptr (GDateTime) now = g_date_time_new_now_local ();
  g_autofree char *time = g_date_time_format (now, "%H:%M:%S");
  g_autofree char *clean = output_clean (value);
  g_string_append_printf (text, "%s %s%s%s%s%s\n", time, module != NULL ? module : "", module != NULL ? " " : "", what,
                          *clean != '\0' ? " " : "", clean);
}

/* What a person should know of a value. */
static const char *
remark (const char *name, const char *value)
{
  static const struct
  {
    const char *name;
    const char *value;
    const char *remark;
  } remarks[] = {
    { "State", "queued", " (waits for its turn)" },
    { "State", "confirming", " (answer with mefotactl accept or reject)" },
    { "State", "rebooting", " (silence up to 10 minutes is normal)" },
    { "PowerCritical", "true", " (do not power off)" },
    { "Overdue", "true", " (it takes longer than expected and is still waited for)" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (remarks); i++)
    if (g_str_equal (name, remarks[i].name) && g_str_equal (value, remarks[i].value))
      return remarks[i].remark;
  return "";
}

static void
append_properties (GString *text, const char *module, GVariant *properties, const char *const *only)
{
  GVariantIter iter;
  const char *name;
  GVariant *value;
  g_variant_iter_init (&iter, properties);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    {
      g_autoptr (GString) shown = g_string_new (NULL);
      if (only != NULL && !g_strv_contains (only, name))
        continue;
      if (g_variant_is_of_type (value, G_VARIANT_TYPE_STRING))
        g_string_append (shown, *g_variant_get_string (value, NULL) != '\0' ? g_variant_get_string (value, NULL)
                                                                            : "\"\"");
      else
        json_append_value (shown, value);
      g_string_append (shown, remark (name, shown->str));
      append_line (text, module, name, shown->str);
    }
}

char *
event_to_text (const char *event, const char *module, GVariant *parameters, const char *const *only)
{
  g_autoptr (GVariant) properties = event_get_properties (event, parameters);
  GString *text = g_string_new (NULL);
  if (is (event, "FotaInd", parameters))
    {
      const char *status, *argument;
      g_variant_get (parameters, "(&s&ss)", &status, &argument, NULL);
      g_autofree char *both = g_strdup_printf ("%s%s%s", status, *argument != '\0' ? " " : "", argument);
      append_line (text, module, event, both);
    }
  else if (is (event, "ConfirmRequested", parameters))
    {
      guint64 deadline;
      g_variant_get (parameters, "(t)", &deadline);
      g_autofree char *until = output_time (deadline);
      g_autofree char *value
          = g_strdup_printf ("until %s: answer with `mefotactl accept` or `mefotactl reject`", until);
      append_line (text, module, event, value);
    }
  else if (is (event, "Finished", parameters))
    {
      const char *result, *error = "";
      g_autoptr (GVariant) details = NULL;
      g_variant_get (parameters, "(&s@a{sv})", &result, &details);
      g_variant_lookup (details, "error-message", "&s", &error);
      g_autofree char *value = g_strdup_printf ("%s%s%s", result, *error != '\0' ? ": " : "", error);
      append_line (text, module, event, value);
    }
  else if (properties != NULL)
    {
      if (g_str_equal (event, "InterfacesAdded"))
        append_line (text, module, event, "");
      append_properties (text, module, properties, only);
    }
  else if (!g_str_equal (event, "PropertiesChanged"))
    append_line (text, module, event, "");
  return g_string_free (text, FALSE);
}
