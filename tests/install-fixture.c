/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "install-fixture.h"

#define CONFIG                                          \
  "[timeouts]\n"                                        \
  "command=1\nprobe=0.2\nsettle=2\ninstall=20\n"        \
  "[module m0]\n"                                       \
  "port=@m0@\ntransport=uart\nbaud=%u\n"

static Install
start (gsize size, const char *settings, const char *config, guint baud, gboolean quiet)
{
  Install self = { .f = daemon_fixture_new () };
  g_auto (GStrv) pairs = g_strsplit (settings, ",", 0);
  g_autofree char *text = g_strdup_printf ("%s" CONFIG, config, baud);
  g_autofree char *path = daemon_path (self.f, "package");

  self.f->quiet = quiet;
  self.package = test_package_new (path, size);
  self.sim = daemon_add_sim (self.f, "m0", "wiring=uart", NULL);
  for (guint i = 0; pairs[i] != NULL; i++)
    sim_control (self.sim, "set %s", pairs[i]);
  sim_control (self.sim, "set expect-package=%s", self.package->sha256);
  daemon_start (self.f, text);
  daemon_await_state (self.f, "m0", "idle");
  return self;
}

Install
install_new (gsize size, const char *settings, const char *config)
{
  return start (size, settings, config, 921600, FALSE);
}

Install
install_new_quiet (gsize size, const char *settings, guint baud)
{
  return start (size, settings, "", baud, TRUE);
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
  g_autofree char *expected = g_strdup_printf ("package %" G_GSIZE_FORMAT " %s", self->package->size,
                                               self->package->sha256);

  daemon_await_finished (self->f, "m0", "success", NULL);
  g_assert_cmpstr (daemon_get_string (self->f, "m0", "FirmwareVersion"), ==, INSTALL_NEXT);
  /* One that breaks off in mid-piece may find AT+ZCOMUPDATE in the bytes that were on their way, but no package to
   * it. */
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
