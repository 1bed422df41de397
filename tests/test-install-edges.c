/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A daemon that is killed in the middle of package upgrades over the UART: one for many modules, each held at another
 * byte of its transfer. Every byte's own kill is in test-install-kill.c. */

#include "install-fixture.h"

#include <gio/gunixfdlist.h>
#include <signal.h>
#include <unistd.h>

#define PIECE (512 * 1024)
#define SIZE (2 * PIECE + 7)

#define LAST "1048582" /* all but one */

static const struct
{
  const char *id;
  const char *setting;
  const char *delay; /* of its last OK, once it is held */
} edges[] = {
  { "first_byte", "stall-after=1", NULL },
  { "in_a_piece", "stall-after=70001", NULL },
  { "end_of_a_piece", "stall-after=524288", NULL },
  { "next_piece", "stall-after=524289", NULL },
  { "before_the_last", "stall-after=" LAST, NULL },
  { "installing", "fault=1x AT+ZCOMUPDATE late 200", NULL },
  { "last_byte", "stall-after=" LAST, "200" },
  { "unheard_ok", "stall-after=" LAST, "20" },
};
#define N_EDGES G_N_ELEMENTS (edges)

static char *
add_modules (DaemonFixture *f, TestPackage *package, SimProcess **sims)
{
  GString *config
      = g_string_new ("[policy]\nmax-parallel=20\n[timeouts]\ncommand=2\nprobe=0.2\nsettle=2\ninstall=30\n");

  for (guint i = 0; i < N_EDGES; i++)
    {
      g_autofree char *imei = g_strdup_printf ("imei=86486304000%04u", i);

      sims[i] = daemon_add_sim (f, edges[i].id, "wiring=uart", "mark-data=1048583", edges[i].setting, imei, NULL);
      sim_control (sims[i], "set expect-package=%s", package->sha256);
      g_string_append_printf (config, "[module %s]\nport=@%s@\ntransport=uart\nbaud=921600\n", edges[i].id,
                              edges[i].id);
    }
  return g_string_free (config, FALSE);
}

static void
install_and_hold (DaemonFixture *f, guint i, TestPackage *package, SimProcess *sim)
{
  GVariant *arguments = g_variant_new_parsed ("(@h 0, @a{sv} {'expected-version': <'" INSTALL_NEXT "'>})");

  daemon_call_ok (f, edges[i].id, "Install", arguments, package->fd);
  sim_await (sim, g_str_has_prefix (edges[i].setting, "stall") ? "stalled " : "rx AT+ZCOMUPDATE");
  if (edges[i].delay == NULL)
    return;
  sim_control (sim, "set final-delay=%s", edges[i].delay);
  sim_control (sim, "set stall-after=0");
  sim_await (sim, "data ");
}

static gboolean
has_ended (DaemonFixture *f, const char *id)
{
  const char *result = daemon_get_string (f, id, "LastResult");
  return g_str_equal (result, "success") || g_str_equal (result, "failure");
}

/* Each module ends up with exactly the package. */
static void
test_kill (void)
{
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  g_autofree char *path = daemon_path (f, "package");
  g_autoptr (TestPackage) package = test_package_new (path, SIZE);
  g_autofree char *expected = g_strdup_printf ("package %u %s", SIZE, package->sha256);
  SimProcess *sims[N_EDGES];
  g_autofree char *config = add_modules (f, package, sims);

  daemon_start (f, config);
  for (guint i = 0; i < N_EDGES; i++)
    daemon_await_state (f, edges[i].id, "idle");
  for (guint i = 0; i < N_EDGES; i++)
    install_and_hold (f, i, package, sims[i]);
  kill (daemon_get_pid (f), SIGSTOP);
  sim_await (sims[N_EDGES - 1], "piece 3 "); /* with an OK that it does not hear */
  daemon_kill (f);
  for (guint i = 0; i < N_EDGES; i++)
    {
      g_assert_cmpuint (sim_count (sims[i], "package "), ==, 0);
      sim_control (sims[i], "set final-delay=0");
      sim_control (sims[i], "set stall-after=0");
    }
  daemon_start (f, NULL);
  for (guint i = 0; i < N_EDGES; i++)
    {
      g_test_message ("---- %s", edges[i].id);
      DAEMON_AWAIT (f, has_ended (f, edges[i].id));
      g_assert_cmpstr (daemon_get_string (f, edges[i].id, "LastResult"), ==, "success");
      g_assert_cmpstr (daemon_get_string (f, edges[i].id, "FirmwareVersion"), ==, INSTALL_NEXT);
      g_assert_cmpuint (sim_count (sims[i], expected), ==, 1);
    }
}

/* Killed while it waits for the first prompt, which then comes with nobody there to answer it. What was asked for is on
 * disk already. */
static void
test_kill_before (void)
{
  g_auto (Install) t = install_new (PIECE, "prompt-delay=50", "");
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new_from_array ((int[]){ dup (t.package->fd) }, 1);

  g_dbus_connection_call_with_unix_fd_list (t.f->connection, "org.gosuncn.Fota", "/org/gosuncn/Fota/module/m0",
                                            "org.gosuncn.Fota", "Install", install_arguments (&t, ""), NULL,
                                            G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, fds, NULL, NULL, NULL);
  sim_await (t.sim, "rx AT+ZCOMWRT");
  daemon_kill (t.f);
  sim_await (t.sim, "prompt ");
  sim_control (t.sim, "set prompt-delay=0");
  daemon_start (t.f, NULL);
  install_assert_success (&t);
}

/* Copies that killed daemons left behind, of modules that are there or not, go at the next start; what is needed
 * stays. */
static void
test_sweep (void)
{
  g_auto (Install) t = install_new (PIECE, "stall-after=100000", "");
  g_autofree char *needed = daemon_path (t.f, "state/packages/m0");
  const char *const stray[] = { "state/packages/m0-3", "state/packages/m01", "state/packages/usb_1_1_2" };

  install_begin (&t);
  sim_await (t.sim, "stalled ");
  daemon_kill (t.f);
  for (guint i = 0; i < G_N_ELEMENTS (stray); i++)
    {
      g_autofree char *path = daemon_path (t.f, stray[i]);
      g_assert_true (g_file_set_contents (path, "x", 1, NULL));
    }
  daemon_start (t.f, NULL);
  for (guint i = 0; i < G_N_ELEMENTS (stray); i++)
    {
      g_autofree char *path = daemon_path (t.f, stray[i]);
      g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
    }
  g_assert_true (g_file_test (needed, G_FILE_TEST_EXISTS));
  sim_control (t.sim, "set stall-after=0");
  install_assert_success (&t);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/install-edges/kill", test_kill);
  g_test_add_func ("/install-edges/kill-before", test_kill_before);
  g_test_add_func ("/install-edges/sweep", test_sweep);
  return g_test_run ();
}
