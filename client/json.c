/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"

#include <math.h>
#include <string.h>

void
json_append_string (GString *json, const char *string)
{
  g_autofree char *valid = g_utf8_make_valid (string, -1);
  g_string_append_c (json, '"');
  for (const char *p = valid; *p != '\0'; p++)
    {
      guchar c = (guchar) *p;
      if (c == '"' || c == '\\')
        g_string_append_printf (json, "\\%c", c);
      else if (c == '\n')
        g_string_append (json, "\\n");
      else if (c == '\r')
        g_string_append (json, "\\r");
      else if (c == '\t')
        g_string_append (json, "\\t");
      else if (c < 0x20 || c == 0x7f)
        g_string_append_printf (json, "\\u%04x", c);
      else
        g_string_append_c (json, *p);
    }
  g_string_append_c (json, '"');
}

static void
append_double (GString *json, double number)
{
  char text[G_ASCII_DTOSTR_BUF_SIZE];
  if (!isfinite (number))
    {
      g_string_append (json, "null");
      return;
    }
  /* 12.3 rather than 12.300000000000001, unless that loses something */
  g_ascii_formatd (text, sizeof text, "%.15g", number);
  double back = g_ascii_strtod (text, NULL);
  if (memcmp (&back, &number, sizeof number) != 0)
    g_ascii_formatd (text, sizeof text, "%.17g", number);
  g_string_append (json, text);
}

static void
append_dictionary (GString *json, GVariant *dictionary)
{
  gsize n = g_variant_n_children (dictionary);
  g_string_append_c (json, '{');
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (dictionary, i);
      g_autoptr (GVariant) key = g_variant_get_child_value (entry, 0);
      g_autoptr (GVariant) value = g_variant_get_child_value (entry, 1);
      g_autofree char *text = g_variant_is_of_type (key, G_VARIANT_TYPE_STRING) ? g_variant_dup_string (key, NULL)
                                                                                : g_variant_print (key, FALSE);
      json_append_member (json, text, value);
    }
  g_string_append_c (json, '}');
}

static void
append_container (GString *json, GVariant *value)
{
  gsize n = g_variant_n_children (value);
  g_string_append_c (json, '[');
  for (gsize i = 0; i < n; i++)
    {
      g_autoptr (GVariant) child = g_variant_get_child_value (value, i);
      if (i > 0)
        g_string_append_c (json, ',');
      json_append_value (json, child);
    }
  g_string_append_c (json, ']');
}

void
json_append_value (GString *json, GVariant *value)
{
  switch ((char) g_variant_classify (value))
    {
    case 'b':
      g_string_append (json, g_variant_get_boolean (value) ? "true" : "false");
      break;
    case 'y':
      g_string_append_printf (json, "%u", g_variant_get_byte (value));
      break;
    case 'n':
      g_string_append_printf (json, "%d", g_variant_get_int16 (value));
      break;
    case 'q':
      g_string_append_printf (json, "%u", g_variant_get_uint16 (value));
      break;
    case 'i':
      g_string_append_printf (json, "%" G_GINT32_FORMAT, g_variant_get_int32 (value));
      break;
    case 'h':
      g_string_append_printf (json, "%" G_GINT32_FORMAT, g_variant_get_handle (value));
      break;
    case 'u':
      g_string_append_printf (json, "%" G_GUINT32_FORMAT, g_variant_get_uint32 (value));
      break;
    case 'x':
      g_string_append_printf (json, "%" G_GINT64_FORMAT, g_variant_get_int64 (value));
      break;
    case 't':
      g_string_append_printf (json, "%" G_GUINT64_FORMAT, g_variant_get_uint64 (value));
      break;
    case 'd':
      append_double (json, g_variant_get_double (value));
      break;
    case 's':
    case 'o':
    case 'g':
      json_append_string (json, g_variant_get_string (value, NULL));
      break;
    case 'v':
      {
        g_autoptr (GVariant) inner = g_variant_get_variant (value);
        json_append_value (json, inner);
        break;
      }
    default:
      if (g_variant_is_of_type (value, G_VARIANT_TYPE_DICTIONARY))
        append_dictionary (json, value);
      else
        append_container (json, value);
      break;
    }
}

void
json_append_member (GString *json, const char *key, GVariant *value)
{
  g_autoptr (GVariant) held = g_variant_ref_sink (value);
  if (json->len > 0 && json->str[json->len - 1] != '{')
    g_string_append_c (json, ',');
  json_append_string (json, key);
  g_string_append_c (json, ':');
  json_append_value (json, held);
}

void
json_append_members (GString *json, GVariant *dictionary, const char *const *except)
{
  GVariantIter iter;
  const char *key;
  GVariant *value;
  g_variant_iter_init (&iter, dictionary);
  while (g_variant_iter_loop (&iter, "{&sv}", &key, &value))
    if (except == NULL || !g_strv_contains (except, key))
      json_append_member (json, key, value);
}
