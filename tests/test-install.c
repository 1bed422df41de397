/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Package upgrades by the real daemon, with simulated modules. */

#include "daemon-fixture.h"

#define CONFIG                       \
  "[timeouts]\n"                     \
  "command=5\nprobe=0.2\nsettle=2\n" \
  "[module m0]\n"                    \
  "port=@m0@\n"

/* The fixture itself, and what everything else stands on. */
static void
test_network (void)
{
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  SimProcess *sim = daemon_add_sim (f, "m0", "wiring=uart", NULL);

  daemon_start (f, CONFIG "transport=uart\n");
  daemon_await_state (f, "m0", "idle");
  daemon_call_ok (f, "m0", "Upgrade", g_variant_new_parsed ("('', @a{sv} {})"), -1);
  sim_await (sim, "rx AT+FOTACTR");
  daemon_await_finished (f, "m0", "success", NULL);
  daemon_kill (f);
  daemon_start (f, NULL);
  g_assert_cmpstr (daemon_get_string (f, "m0", "LastResult"), ==, "success");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/install/network", test_network);
  return g_test_run ();
}
