/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Is it the package that speaks? */

#include "mefota-module-private.h"

#include <string.h>

/* The package is searched in slices that overlap by more than an indication is long. */
#define ECHO_SLICE (256 * 1024)
#define ECHO_OVERLAP 1024

/* Whether @bytes has a line with this indication in it, whatever stands between its two parts. */
static gboolean
has_indication (const char *bytes, gsize length, const char *raw)
{
  static const char word[] = "+FOTAIND";
  gsize n = strlen (raw);
  const char *end = bytes + length;

  while ((bytes = memmem (bytes, (gsize) (end - bytes), word, strlen (word))) != NULL)
    {
      bytes += strlen (word);
      while (bytes < end && strchr (": \t", *bytes) != NULL && *bytes != '\0')
        bytes++;
      if ((gsize) (end - bytes) >= n && memcmp (bytes, raw, n) == 0)
        return TRUE;
    }
  return FALSE;
}

gboolean
mefota_module_may_be_echo (MefotaModule *self, const MefotaIndication *indication)
{
  guint64 size;

  if (self->upgrade->operation != MEFOTA_OPERATION_SERIAL || !mefota_module_open_package (self, NULL))
    return FALSE;
  size = mefota_package_get_size (self->package);
  for (guint64 at = 0; at < size; at += ECHO_SLICE - ECHO_OVERLAP)
    {
      g_autoptr (GBytes) bytes = mefota_package_read (self->package, at, ECHO_SLICE, NULL);
      gsize length = 0;
      const char *data = bytes != NULL ? g_bytes_get_data (bytes, &length) : NULL;

      if (data != NULL && has_indication (data, length, indication->raw))
        return TRUE;
    }
  return FALSE;
}
