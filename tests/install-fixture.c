/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install-fixture.h"

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

/* ---- an installation ---- */

#define CONFIG                                          \
  "[timeouts]\n"                                        \
  "command=1\nprobe=0.2\nsettle=2\ninstall=20\n"        \
  "[module m0]\n"                                       \
  "port=@m0@\ntransport=uart\nbaud=%u\n"

Install
install_new (gsize size, const char *settings, const char *config)
{
  return install_new_at (size, settings, config, 921600);
}

Install
install_new_at (gsize size, const char *settings, const char *config, guint baud)
{
  Install self = { .f = daemon_fixture_new () };
  g_auto (GStrv) pairs = g_strsplit (settings, ",", 0);
  g_autofree char *text = g_strdup_printf ("%s" CONFIG, config, baud);
  g_autofree char *path = daemon_path (self.f, "package");

  self.package = test_package_new (path, size);
  self.sim = daemon_add_sim (self.f, "m0", "wiring=uart", NULL);
  for (guint i = 0; pairs[i] != NULL; i++)
    sim_control (self.sim, "set %s", pairs[i]);
  sim_control (self.sim, "set expect-package=%s", self.package->sha256);
  daemon_start (self.f, text);
  daemon_await_state (self.f, "m0", "idle");
  return self;
}

void
install_clear (Install *self)
{
  daemon_fixture_free (self->f);
  test_package_free (self->package);
}

GVariant *
install_arguments (Install *self, const char *extra)
{
  g_autofree char *text = g_strdup_printf ("(@h 0, @a{sv} {'expected-version': <'" INSTALL_NEXT "'>%s})", extra);
  return g_variant_new_parsed (text);
}

void
install_begin (Install *self)
{
  g_autofree char *sum = g_strdup_printf (", 'sha256': <'%s'>", self->package->sha256);
  daemon_call_ok (self->f, "m0", "Install", install_arguments (self, sum), self->package->fd);
}

void
install_assert_no_copy (Install *self)
{
  g_autofree char *folder = daemon_path (self->f, "state/packages");
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_assert_true (dir == NULL || g_dir_read_name (dir) == NULL);
}

void
install_assert_success (Install *self)
{
  g_autofree char *expected = g_strdup_printf ("package %" G_GSIZE_FORMAT " %s", self->package->size, self->package->sha256);

  daemon_await_finished (self->f, "m0", "success", NULL);
  g_assert_cmpstr (daemon_get_string (self->f, "m0", "FirmwareVersion"), ==, INSTALL_NEXT);
  /* One that breaks off in mid-piece may find AT+ZCOMUPDATE in the bytes that were on their way, but no package to it. */
  g_assert_cmpuint (sim_count (self->sim, "package ") - sim_count (self->sim, "package 0 none"), ==, 1);
  g_assert_cmpuint (sim_count (self->sim, expected), ==, 1);
  install_assert_no_copy (self);
}

void
install_assert_clean (Install *self)
{
  for (guint i = self->sim->events->len; i > 0; i--)
    {
      const char *event = g_ptr_array_index (self->sim->events, i - 1);
      if (g_str_equal (event, "deleted"))
        return;
      g_assert_false (g_str_has_prefix (event, "prompt ") || g_str_has_prefix (event, "piece "));
    }
}
