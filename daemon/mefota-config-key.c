/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-config-key.h"

#include <string.h>

#include "mefota-usb-path.h"

#define KIB G_GUINT64_CONSTANT (1024)
#define MIB (1024 * KIB)
#define GIB (1024 * MIB)
#define SECOND G_GUINT64_CONSTANT (1000)
#define DAY (86400 * SECOND)

typedef enum
{
  KEY_CONFIRM,
  KEY_WINDOW,
  KEY_NUMBER,
  KEY_SIZE,
  KEY_BOOLEAN,
  KEY_SECONDS,
  KEY_PORT,
  KEY_TRANSPORT,
  KEY_BAUD,
  KEY_FLOW,
  KEY_PLACE,
} KeyType;

struct _MefotaConfigKey
{
  const char *group;
  const char *key;
  KeyType type;
  const char *fallback; /* as it would stand in the file; NULL: the key must be there */
  guint64 min, max;     /* numbers, bytes, milliseconds */
  gsize offset;         /* into MefotaConfig, or MefotaModuleConfig for [module NAME] */
};

#define POLICY(field) G_STRUCT_OFFSET (MefotaConfig, policy.field)
#define TIMEOUTS(field) G_STRUCT_OFFSET (MefotaConfig, timeouts.field)
#define MODULE(field) G_STRUCT_OFFSET (MefotaModuleConfig, field)

/* Every key there is. */
static const MefotaConfigKey keys[] = {
  { "policy", "confirm", KEY_CONFIRM, "ask", 0, 0, POLICY (confirm) },
  { "policy", "confirm-window", KEY_WINDOW, "", 0, 0, POLICY (window_from) },
  { "policy", "max-parallel", KEY_NUMBER, "1", 1, 1000, POLICY (max_parallel) },
  { "policy", "max-package", KEY_SIZE, "64M", 1, 1024 * GIB, POLICY (max_package) },
  { "policy", "transfer-attempts", KEY_NUMBER, "3", 1, 100, POLICY (transfer_attempts) },
  { "policy", "restore-settings", KEY_BOOLEAN, "true", 0, 0, POLICY (restore_settings) },
  { "policy", "collect-logs", KEY_BOOLEAN, "false", 0, 0, POLICY (collect_logs) },
  { "timeouts", "command", KEY_SECONDS, "10", 1, DAY, TIMEOUTS (command) },
  { "timeouts", "confirm", KEY_SECONDS, "180", 1, DAY, TIMEOUTS (confirm) },
  { "timeouts", "download", KEY_SECONDS, "900", 1, 7 * DAY, TIMEOUTS (download) },
  { "timeouts", "install", KEY_SECONDS, "600", 1, 7 * DAY, TIMEOUTS (install) },
  { "timeouts", "give-up", KEY_SECONDS, "3600", 1, 7 * DAY, TIMEOUTS (give_up) },
  { "timeouts", "settle", KEY_SECONDS, "60", 0, DAY, TIMEOUTS (settle) },
  { "timeouts", "probe", KEY_SECONDS, "2", 1, DAY, TIMEOUTS (probe) },
  { MEFOTA_CONFIG_GROUP_MODULE, "port", KEY_PORT, NULL, 0, 0, MODULE (port) },
  { MEFOTA_CONFIG_GROUP_MODULE, "transport", KEY_TRANSPORT, "uart", 0, 0, MODULE (transport) },
  { MEFOTA_CONFIG_GROUP_MODULE, "baud", KEY_BAUD, "115200", 50, 4000000, MODULE (baud) },
  { MEFOTA_CONFIG_GROUP_MODULE, "flow-control", KEY_FLOW, "none", 0, 0, MODULE (flow) },
  { MEFOTA_CONFIG_GROUP_MODULE, "usb-path", KEY_PLACE, "", 0, 0, MODULE (usb_path) },
};

static gboolean
find_word (const char *const *words, const char *text, guint *index)
{
  for (guint i = 0; words[i] != NULL; i++)
    if (g_str_equal (words[i], text))
      {
        *index = i;
        return TRUE;
      }
  return FALSE;
}

static gboolean
parse_number (const char *text, guint64 min, guint64 max, guint *number)
{
  guint64 value;

  if (!g_ascii_string_to_unsigned (text, 10, min, MIN (max, G_MAXUINT), &value, NULL))
    return FALSE;
  *number = (guint) value;
  return TRUE;
}

/* "10", "0.5": the locale has no say in it, and neither have exponents, "inf" or "nan". */
static gboolean
parse_seconds (const char *text, guint64 min, guint64 max, guint *milliseconds)
{
  gsize whole = strspn (text, "0123456789");
  gsize decimals = text[whole] == '.' ? strspn (text + whole + 1, "0123456789") : 0;
  const char *end = text + whole + (decimals > 0 ? decimals + 1 : 0);
  guint64 value;

  if (whole == 0 || whole > 9 || *end != '\0')
    return FALSE;
  value = (guint64) (g_ascii_strtod (text, NULL) * 1000.0 + 0.5);
  if (value < min || value > max)
    return FALSE;
  *milliseconds = (guint) value;
  return TRUE;
}

static gboolean
parse_size (const char *text, guint64 min, guint64 max, guint64 *bytes)
{
  gsize digits = strspn (text, "0123456789");
  g_autofree char *number = g_strndup (text, digits);
  guint64 unit = 0, value;

  if (text[digits] == '\0')
    unit = 1;
  else if (g_str_equal (text + digits, "K"))
    unit = KIB;
  else if (g_str_equal (text + digits, "M"))
    unit = MIB;
  else if (g_str_equal (text + digits, "G"))
    unit = GIB;
  if (unit == 0 || !g_ascii_string_to_unsigned (number, 10, 0, max / unit, &value, NULL) || value * unit < min)
    return FALSE;
  *bytes = value * unit;
  return TRUE;
}

/* "HH:MM" at the beginning of @text; -1 if it isn't. */
static int
parse_clock (const char *text)
{
  int hour, minute;

  for (guint i = 0; i < 5; i++)
    if (i == 2 ? text[i] != ':' : !g_ascii_isdigit (text[i]))
      return -1;
  hour = g_ascii_digit_value (text[0]) * 10 + g_ascii_digit_value (text[1]);
  minute = g_ascii_digit_value (text[3]) * 10 + g_ascii_digit_value (text[4]);
  return hour < 24 && minute < 60 ? hour * 60 + minute : -1;
}

static gboolean
parse_window (const char *text, int *from, int *to)
{
  int a, b;

  if (*text == '\0')
    {
      *from = *to = -1;
      return TRUE;
    }
  a = parse_clock (text);
  b = a >= 0 && text[5] == '-' ? parse_clock (text + 6) : -1;
  if (a < 0 || b < 0 || a == b || text[11] != '\0')
    return FALSE;
  *from = a;
  *to = b;
  return TRUE;
}

static gboolean
parse_boolean (const char *text, gboolean *value)
{
  static const char *const words[] = { "false", "true", "0", "1", NULL };
  guint index;

  if (!find_word (words, text, &index))
    return FALSE;
  *value = index % 2 == 1;
  return TRUE;
}

static gboolean
parse_word (const MefotaConfigKey *key, const char *text, gpointer field)
{
  static const char *const confirm[] = { "ask", "allow", "deny", NULL };
  static const char *const flow[] = { "none", "rtscts", NULL };
  guint index;

  if (key->type == KEY_TRANSPORT)
    return mefota_transport_from_word (text, field);
  if (!find_word (key->type == KEY_CONFIRM ? confirm : flow, text, &index))
    return FALSE;
  if (key->type == KEY_CONFIRM)
    *(MefotaConfirm *) field = (MefotaConfirm) index;
  else
    *(MefotaFlowControl *) field = (MefotaFlowControl) index;
  return TRUE;
}

gboolean
mefota_config_key_set (const MefotaConfigKey *key, gpointer base, const char *text)
{
  gpointer field = G_STRUCT_MEMBER_P (base, key->offset);

  switch (key->type)
    {
    case KEY_CONFIRM:
    case KEY_TRANSPORT:
    case KEY_FLOW:
      return parse_word (key, text, field);
    case KEY_WINDOW:
      return parse_window (text, &((MefotaConfig *) base)->policy.window_from,
                           &((MefotaConfig *) base)->policy.window_to);
    case KEY_NUMBER:
      return parse_number (text, key->min, key->max, field);
    case KEY_SIZE:
      return parse_size (text, key->min, key->max, field);
    case KEY_BOOLEAN:
      return parse_boolean (text, field);
    case KEY_SECONDS:
      return parse_seconds (text, key->min, key->max, field);
    case KEY_PORT:
      if (!g_path_is_absolute (text))
        return FALSE;
      g_free (*(char **) field);
      *(char **) field = g_strdup (text);
      return TRUE;
    case KEY_PLACE:
      if (*text != '\0' && !mefota_usb_path_is_valid (text))
        return FALSE;
      g_free (*(char **) field);
      *(char **) field = g_strdup (text);
      return TRUE;
    case KEY_BAUD:
      {
        guint baud;
        if (!parse_number (text, key->min, key->max, &baud) || !mefota_tty_is_valid_baud (baud))
          return FALSE;
        *(guint *) field = baud;
        return TRUE;
      }
    }
  g_assert_not_reached ();
}

char *
mefota_config_key_describe (const MefotaConfigKey *key)
{
  switch (key->type)
    {
    case KEY_CONFIRM:
      return g_strdup ("ask, allow or deny");
    case KEY_WINDOW:
      return g_strdup ("two different times of the day, such as 02:00-05:00, or to nothing");
    case KEY_NUMBER:
      return g_strdup_printf ("a whole number from %" G_GUINT64_FORMAT " to %" G_GUINT64_FORMAT, key->min, key->max);
    case KEY_SIZE:
      return g_strdup_printf ("a number of bytes, or of K, M or G of them, from %" G_GUINT64_FORMAT " to %"
                              G_GUINT64_FORMAT "G", key->min, key->max / GIB);
    case KEY_BOOLEAN:
      return g_strdup ("true or false");
    case KEY_SECONDS:
      return g_strdup_printf ("a number of seconds from %s to %" G_GUINT64_FORMAT ", decimals allowed",
                              key->min == 0 ? "0" : "0.001", key->max / SECOND);
    case KEY_PORT:
      return g_strdup ("the full path of a device node, such as /dev/ttyS1");
    case KEY_TRANSPORT:
      return g_strdup ("uart or usb");
    case KEY_BAUD:
      return g_strdup ("a rate the system knows, such as 9600, 57600, 115200, 460800 or 921600");
    case KEY_FLOW:
      return g_strdup ("none or rtscts");
    case KEY_PLACE:
      return g_strdup ("a physical USB path, such as 1-1.2, or to nothing");
    }
  g_assert_not_reached ();
}

void
mefota_config_set_defaults (const char *group, gpointer base)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (keys[i].group, group) && keys[i].fallback != NULL)
      {
        gboolean valid = mefota_config_key_set (&keys[i], base, keys[i].fallback);
        g_assert (valid);
      }
}

const MefotaConfigKey *
mefota_config_key_find (const char *group, const char *name)
{
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    if (g_str_equal (keys[i].group, group) && g_str_equal (keys[i].key, name))
      return &keys[i];
  return NULL;
}
