/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-usb-path.h"

#include <stdlib.h>
#include <string.h>

static const char *
skip_number (const char *text)
{
  return text + strspn (text, "0123456789");
}

gboolean
mefota_usb_path_is_valid (const char *path)
{
  const char *at = skip_number (path);

  if (at == path || *at != '-')
    return FALSE;
  do
    {
      const char *number = at + 1;
      at = skip_number (number);
      if (at == number)
        return FALSE;
    }
  while (*at == '.');
  return *at == '\0';
}

char *
mefota_usb_path_from_sysfs (const char *sysfs_path)
{
  g_auto (GStrv) parts = g_strsplit (sysfs_path, "/", -1);

  for (guint i = g_strv_length (parts); i > 0; i--)
    if (mefota_usb_path_is_valid (parts[i - 1]))
      return g_strdup (parts[i - 1]);
  return NULL;
}

char *
mefota_usb_path_from_tty (const char *node)
{
  g_autofree char *name = g_path_get_basename (node);
  g_autofree char *link = g_build_filename ("/sys/class/tty", name, "device", NULL);
  g_autofree char *sysfs_path = realpath (link, NULL);

  return sysfs_path != NULL ? mefota_usb_path_from_sysfs (sysfs_path) : NULL;
}
