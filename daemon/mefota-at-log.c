/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-at-log.h"

#include <string.h>

/* IMEI and IMSI have 15 digits, an ICCID 19 or 20, some of which may be hexadecimal. */
#define IDENTITY_DIGITS 14
#define PENDING_MAX 1024

/* One process, one log. */
static gboolean log_unmasked;

static gsize
count_digits (const guint8 *bytes, gsize n_bytes)
{
  gsize n = 0;

  while (n < n_bytes && g_ascii_isxdigit (bytes[n]))
    n++;
  return n;
}

/* Commands that hand a PIN over. */
static gboolean
takes_secret (const char *text, gsize length)
{
  static const char *const commands[] = { "+CPIN=", "+CPWD=", "+CLCK=" };

  for (guint i = 0; i < G_N_ELEMENTS (commands); i++)
    if (length >= strlen (commands[i]) && g_ascii_strncasecmp (text, commands[i], strlen (commands[i])) == 0)
      return TRUE;
  return FALSE;
}

char *
mefota_at_log_format (const guint8 *bytes, gsize n_bytes, gboolean unmasked)
{
  g_autoptr (GString) text = g_string_new (NULL);

  for (gsize i = 0; i < n_bytes; i++)
    {
      gsize digits = unmasked ? 0 : count_digits (bytes + i, n_bytes - i);

      if (digits >= IDENTITY_DIGITS)
        {
          g_string_append (text, "......");
          i += digits - 1;
        }
      else if (digits > 1)
        {
          g_string_append_len (text, (const char *) bytes + i, (gssize) digits);
          i += digits - 1;
        }
      else if (!unmasked && takes_secret ((const char *) bytes + i, n_bytes - i))
        {
          while (bytes[i] != '=')
            g_string_append_c (text, (char) bytes[i++]);
          g_string_append (text, "=......");
          while (i + 1 < n_bytes && bytes[i + 1] != '\r')
            i++;
        }
      else if (bytes[i] == '\r')
        g_string_append (text, "<CR>");
      else if (bytes[i] == '\n')
        g_string_append (text, "<LF>");
      else if (g_ascii_isprint (bytes[i]))
        g_string_append_c (text, (char) bytes[i]);
      else
        g_string_append_printf (text, "<%02X>", bytes[i]);
    }
  return g_string_free (g_steal_pointer (&text), FALSE);
}

void
mefota_at_log_set_unmasked (gboolean unmasked)
{
  log_unmasked = unmasked;
}

void
mefota_at_log_init (MefotaAtLog *self, const char *name)
{
  self->name = g_strdup (name);
  self->pending = g_byte_array_new ();
}

void
mefota_at_log_clear (MefotaAtLog *self)
{
  g_clear_pointer (&self->name, g_free);
  g_clear_pointer (&self->pending, g_byte_array_unref);
}

void
mefota_at_log_sent (MefotaAtLog *self, const char *text)
{
  g_autofree char *visible = NULL;

  if (!g_log_get_debug_enabled ())
    return;
  visible = mefota_at_log_format ((const guint8 *) text, strlen (text), log_unmasked);
  g_debug ("%s: --> %s", self->name, visible);
}

void
mefota_at_log_flush (MefotaAtLog *self)
{
  g_autofree char *visible = NULL;

  if (self->pending->len == 0)
    return;
  visible = mefota_at_log_format (self->pending->data, self->pending->len, log_unmasked);
  g_byte_array_set_size (self->pending, 0);
  g_debug ("%s: <-- %s", self->name, visible);
}

void
mefota_at_log_forget (MefotaAtLog *self)
{
  g_byte_array_set_size (self->pending, 0);
}

void
mefota_at_log_received (MefotaAtLog *self, guint8 byte)
{
  guint length = self->pending->len;

  if (!g_log_get_debug_enabled ())
    return;
  if (length >= PENDING_MAX || (length > 1 && byte != '\n' && self->pending->data[length - 1] == '\r'))
    mefota_at_log_flush (self);
  g_byte_array_append (self->pending, &byte, 1);
  if (byte == '\n' && length > 1)
    mefota_at_log_flush (self);
}
