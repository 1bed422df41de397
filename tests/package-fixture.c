/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "package-fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define TEXT(text) { text, sizeof text - 1 }

static const struct
{
  const char *bytes;
  gsize length;
} poison[] = {
  TEXT ("\0\0\0"),  TEXT ("\r"),       TEXT ("\n"),          TEXT ("\r\nOK\r\n"), TEXT ("\r\nERROR\r\n"),
  TEXT ("> "),      TEXT ("\r\n> "),  TEXT ("\x1a"),        TEXT ("\x11"),       TEXT ("\x13"),
  TEXT ("\x03\x04"), TEXT ("+++"),    TEXT ("\xff\xff\0"), TEXT ("\r\n+FOTAIND: FAIL_END\r\n"),
  TEXT ("\r\n+FOTAIND: UPDATING\r\n"), TEXT ("\r\nCONNECT\r\n"), TEXT ("AT+ZCOMDEL\r"), TEXT ("AT+ZCOMUPDATE\r"),
  TEXT ("AT\r"),    TEXT ("\r\n+CME ERROR: 4\r\n"), TEXT ("\r\nNO CARRIER\r\n"),
};

TestPackage *
test_package_new (const char *path, gsize size)
{
  TestPackage *self = g_new0 (TestPackage, 1);
  guint32 random = 12345;
  gsize at = 0;

  self->size = size;
  self->bytes = g_malloc (size);
  while (at < size)
    {
      gsize n;

      random = random * 1664525u + 1013904223u;
      n = MIN (poison[(random >> 16) % G_N_ELEMENTS (poison)].length, size - at);
      memcpy (self->bytes + at, poison[(random >> 16) % G_N_ELEMENTS (poison)].bytes, n);
      at += n;
      if (at < size && (random & 0x300) == 0)
        self->bytes[at++] = (guint8) (random >> 24);
    }
  self->sha256 = g_compute_checksum_for_data (G_CHECKSUM_SHA256, self->bytes, size);
  g_assert_true (g_file_set_contents (path, (const char *) self->bytes, (gssize) size, NULL));
  self->fd = g_open (path, O_RDONLY | O_CLOEXEC);
  g_assert_cmpint (self->fd, >=, 0);
  return self;
}

void
test_package_free (TestPackage *self)
{
  close (self->fd);
  g_free (self->bytes);
  g_free (self->sha256);
  g_free (self);
}
