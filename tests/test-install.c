/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Package upgrades over the UART, by the real daemon with simulated modules. */

#include "daemon-fixture.h"
#include "package-fixture.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define NEXT "ME3630C1CV2.0B07"

#define CONFIG                                     \
  "[timeouts]\n"                                   \
  "command=1\nprobe=0.2\nsettle=2\ninstall=20\n" \
  "[module m0]\n"                                  \
  "port=@m0@\nbaud=921600\ntransport="

typedef struct
{
  DaemonFixture *f;
  SimProcess *sim;
  TestPackage *package;
} Install;

static void
install_clear (Install *self)
{
  daemon_fixture_free (self->f);
  test_package_free (self->package);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Install, install_clear)

/* A module on a UART with @settings ("a=b c=d"), up and idle, and a package of @size bytes; @config goes into the file. */
static Install
install_new (gsize size, const char *settings, const char *config)
{
  Install self = { .f = daemon_fixture_new () };
  g_auto (GStrv) pairs = g_strsplit (settings, " ", 0);
  g_autofree char *text = g_strconcat (config, CONFIG "uart\n", NULL);
  g_autofree char *path = daemon_path (self.f, "package");

  self.package = test_package_new (path, size);
  self.sim = daemon_add_sim (self.f, "m0", "wiring=uart", "quiet=true", NULL);
  for (guint i = 0; pairs[i] != NULL; i++)
    if (pairs[i][0] != '\0')
      sim_control (self.sim, "set %s", pairs[i]);
  sim_control (self.sim, "set expect-package=%s", self.package->sha256);
  daemon_start (self.f, text);
  daemon_await_state (self.f, "m0", "idle");
  return self;
}

static GVariant *
options (Install *self, const char *extra)
{
  g_autofree char *text = g_strdup_printf ("(@h 0, @a{sv} {'sha256': <'%s'>, 'expected-version': <'" NEXT "'>%s})",
                                           self->package->sha256, extra);
  return g_variant_new_parsed (text);
}

static void
install (Install *self)
{
  daemon_call_ok (self->f, "m0", "Install", options (self, ""), self->package->fd);
}

/* The module got exactly the package, and the copy is gone. */
static void
assert_received (Install *self)
{
  g_autofree char *expected = g_strdup_printf ("package %" G_GSIZE_FORMAT " %s", self->package->size, self->package->sha256);

  g_assert_cmpuint (sim_count (self->sim, "package "), ==, 1);
  g_assert_cmpuint (sim_count (self->sim, expected), ==, 1);
}

static void
assert_no_copy (Install *self)
{
  g_autofree char *folder = daemon_path (self->f, "state/packages");
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  g_assert_true (dir == NULL || g_dir_read_name (dir) == NULL);
}

static void
assert_success (Install *self)
{
  daemon_await_finished (self->f, "m0", "success", NULL);
  g_assert_cmpstr (daemon_get_string (self->f, "m0", "FirmwareVersion"), ==, NEXT);
  assert_received (self);
  assert_no_copy (self);
}

/* ---- what is received ---- */

static void
test_sizes (void)
{
  static const gsize sizes[] = { 1, 512 * 1024, 512 * 1024 + 1, 3 * 512 * 1024 + 7 };

  for (guint i = 0; i < G_N_ELEMENTS (sizes); i++)
    {
      g_auto (Install) t = install_new (sizes[i], "", "");
      guint last = 0;

      install (&t);
      g_assert_cmpstr (daemon_get_string (t.f, "m0", "State"), ==, "transferring");
      g_assert_cmpstr (daemon_get_string (t.f, "m0", "Operation"), ==, "serial");
      assert_success (&t);
      g_assert_cmpuint (sim_count (t.sim, "deleted"), ==, 1);
      g_assert_cmpuint (sim_count (t.sim, "prompt "), ==, (sizes[i] + 512 * 1024 - 1) / (512 * 1024));
      g_assert_cmpuint (sim_count (t.sim, "excess ") + sim_count (t.sim, "early "), ==, 0);
      /* Progress went up only, within each state. */
      for (guint j = 0; j < t.f->events->len; j++)
        {
          DaemonEvent *event = g_ptr_array_index (t.f->events, j);
          if (g_str_equal (event->name, "State"))
            last = 0;
          else if (event->is_property && g_str_equal (event->name, "Progress"))
            {
              g_assert_true (g_variant_get_uint32 (event->value) >= last || g_variant_get_uint32 (event->value) == 0);
              last = g_variant_get_uint32 (event->value);
            }
        }
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/install/sizes", test_sizes);
  return g_test_run ();
}
