/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The daemon on its bus: the manager, a bus that goes away; and several modules at once (contract 2, 2.7 and 5). */

#include "bus-relay.h"
#include "daemon-lab.h"

#include <string.h>

static void
refuse (DaemonFixture *f, const char *method, GVariant *parameters, const char *error)
{
  g_free (daemon_call_error (f, "", method, parameters, -1, error));
}

static GVariant *
find (DaemonFixture *f, const char *key, GError **error)
{
  return daemon_call (f, "", "FindModule", g_variant_new ("(s)", key), -1, error);
}

static void
assert_found (DaemonFixture *f, const char *key, const char *module)
{
  g_autofree char *want = g_strconcat ("/org/gosuncn/Fota/module/", module, NULL);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = find (f, key, &error);
  const char *path;

  g_assert_no_error (error);
  g_variant_get (reply, "(&o)", &path);
  g_assert_cmpstr (path, ==, want);
}

static DaemonFixture *
two (const char *script, const char *imei, const char *config)
{
  DaemonFixture *f = daemon_fixture_new ();
  g_autofree char *text = g_strconcat (LAB_USB LAB_SECOND LAB_TIMEOUTS, config, NULL);

  lab_play (f, lab_add_sim (f, "m0", "usb", IMEI), script);
  lab_play (f, lab_add_sim (f, "m1", "usb", imei), script);
  daemon_start (f, text);
  daemon_await_state (f, "m0", "idle");
  daemon_await_state (f, "m1", "idle");
  return f;
}

static void
test_find (void)
{
  g_autoptr (DaemonFixture) f = two (lab_quick, "864863040000025", "");

  assert_found (f, "m0", "m0");
  assert_found (f, IMEI, "m0");
  assert_found (f, "864863040000025", "m1");
  assert_found (f, daemon_get_string (f, "m1", "Port"), "m1");
  assert_found (f, daemon_get_string (f, "m1", "PhysicalPath"), "m1");
  refuse (f, "FindModule", g_variant_new ("(s)", "nobody"), "NotPresent");
  refuse (f, "FindModule", g_variant_new ("(s)", ""), "InvalidArgument");
  g_assert_cmpstr (daemon_get_string (f, "", "Version"), !=, "");
  g_assert_cmpuint (g_variant_n_children (daemon_get (f, "", "Modules")), ==, 2);
  /* Without a port it has no name for it either. */
  sim_control (lab_sim (f, 0), "vanish");
  daemon_await_state (f, "m0", "absent");
  refuse (f, "FindModule", g_variant_new ("(s)", ""), "InvalidArgument");
  assert_found (f, "m0", "m0");
}

static void
test_ambiguous (void)
{
  g_autoptr (DaemonFixture) f = two (lab_quick, IMEI, "");

  refuse (f, "FindModule", g_variant_new ("(s)", IMEI), "InvalidArgument");
}

static guint
count_history (DaemonFixture *f, const char *filter)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = daemon_call (f, "", "GetHistory", g_variant_new_parsed (filter), -1, &error);
  g_autoptr (GVariant) entries = NULL;

  g_assert_no_error (error);
  entries = g_variant_get_child_value (reply, 0);
  return (guint) g_variant_n_children (entries);
}

/* Every key of an entry, its type, and each filter. */
static void
test_history (void)
{
  static const struct
  {
    const char *key;
    const char *type;
  } keys[] = {
    { "id", "s" },         { "module", "s" },         { "imei", "s" },       { "operation", "s" },
    { "from-version", "s" }, { "target-version", "s" }, { "to-version", "s" }, { "result", "s" },
    { "error-name", "s" }, { "error-message", "s" },  { "started", "t" },    { "ended", "t" },
    { "seconds", "d" },    { "reboots", "u" },        { "requested-by", "s" },
  };
  g_autoptr (DaemonFixture) f = two (lab_quick, "864863040000025", "[policy]\nmax-parallel=2\n");
  g_autofree char *newest = NULL;

  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
  for (int i = 0; i < 2; i++)
    {
      sim_control (lab_sim (f, 1), "set fail=FAIL_CONNECT");
      daemon_call_ok (f, "m1", "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1);
      daemon_await_finished (f, "m1", "failure", "ConnectFailed");
      sim_await (lab_sim (f, 1), "done");
    }
  newest = g_strdup (daemon_get_string (f, "m1", "LastUpgrade"));
  g_assert_cmpuint (count_history (f, "(@a{sv} {},)"), ==, 3);
  g_assert_cmpuint (count_history (f, "({'limit': <uint32 0>},)"), ==, 3);
  g_assert_cmpuint (count_history (f, "({'limit': <uint32 2>},)"), ==, 2);
  g_assert_cmpuint (count_history (f, "({'module': <'m1'>},)"), ==, 2);
  g_assert_cmpuint (count_history (f, "({'imei': <'" IMEI "'>},)"), ==, 1);
  g_assert_cmpuint (count_history (f, "({'module': <'m0'>, 'imei': <'864863040000025'>},)"), ==, 0);
  g_assert_cmpuint (count_history (f, "({'module': <'nobody'>},)"), ==, 0);
  refuse (f, "GetHistory", g_variant_new_parsed ("({'modul': <'m1'>},)"), "InvalidArgument");
  refuse (f, "GetHistory", g_variant_new_parsed ("({'limit': <'1'>},)"), "InvalidArgument");
  for (int life = 0; life < 2; life++)
    {
      g_autoptr (GVariant) history = lab_history (f, NULL);
      g_autoptr (GVariant) entry = g_variant_get_child_value (history, 0);
      g_autoptr (GVariant) oldest = g_variant_get_child_value (history, 2);
      g_assert_cmpstr (lab_lookup (entry, "id"), ==, newest);
      g_assert_cmpstr (lab_lookup (oldest, "module"), ==, "m0");
      for (guint i = 0; i < G_N_ELEMENTS (keys); i++)
        {
          g_autoptr (GVariant) value = g_variant_lookup_value (entry, keys[i].key, G_VARIANT_TYPE (keys[i].type));
          g_assert_nonnull (value);
        }
      daemon_stop (f);
      daemon_start (f, NULL);
    }
}

/* One upgrades, the other restarts, and they swap the numbers of their ttys. */
static void
test_two (void)
{
  g_autoptr (DaemonFixture) f = two (lab_steps, "864863040000025", "[policy]\nmax-parallel=2\n");
  SimProcess *sim = lab_sim (f, 0);

  lab_upgrade (f, "");
  daemon_call_ok (f, "m1", "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1);
  lab_pass (sim, "started");
  daemon_await_state (f, "m0", "downloading");
  for (int i = 0; i < 3; i++)
    {
      sim_control (lab_sim (f, 1), "vanish");
      DAEMON_AWAIT (f, g_str_equal (daemon_get_string (f, "m1", "Port"), ""));
      sim_control (lab_sim (f, 1), "return");
      DAEMON_AWAIT (f, !g_str_equal (daemon_get_string (f, "m1", "Port"), ""));
    }
  sim_control (lab_sim (f, 1), "ind FAIL_VERIFY");
  daemon_await_finished (f, "m1", "failure", "VerifyFailed");
  g_assert_cmpuint (daemon_get_number (f, "m1", "RebootsSeen"), ==, 3);
  g_assert_cmpuint (daemon_get_number (f, "m0", "RebootsSeen"), ==, 0);

  sim_control (sim, "vanish");
  sim_control (lab_sim (f, 1), "vanish");
  DAEMON_AWAIT (f, daemon_get_string (f, "m0", "Port")[0] == '\0' && daemon_get_string (f, "m1", "Port")[0] == '\0');
  sim_control (lab_sim (f, 1), "return");
  sim_control (sim, "return");
  DAEMON_AWAIT (f, !g_str_equal (daemon_get_string (f, "m0", "Port"), "")
                       && g_str_equal (daemon_get_string (f, "m1", "State"), "idle"));
  lab_pass (sim, "downloading");
  lab_pass (sim, "verifying");
  lab_pass (sim, "passed");
  lab_pass (sim, "updating");
  daemon_await_finished (f, "m0", "success", NULL);
  g_assert_cmpstr (daemon_get_string (f, "m0", "Imei"), ==, IMEI);
  g_assert_cmpstr (daemon_get_string (f, "m1", "Imei"), ==, "864863040000025");
  lab_check_properties (f, "m0");
  lab_check_properties (f, "m1");
}

/* ---- a bus that goes away ---- */

/* The upgrade goes on without a bus; the daemon is back on it with everything it knows, and tells the end. */
static void
test_bus_gone (gconstpointer data)
{
  gboolean ends_meanwhile = data != NULL;
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  g_autoptr (BusRelay) relay = bus_relay_new (f);
  SimProcess *sim = lab_add_sim (f, "m0", "usb", IMEI);
  int pid;
  g_autoptr (GVariant) entry = NULL;
  g_autofree char *id = NULL;

  lab_play (f, sim, lab_steps);
  daemon_start (f, LAB_USB LAB_TIMEOUTS);
  daemon_await_state (f, "m0", "idle");
  pid = daemon_get_pid (f);
  lab_upgrade (f, "");
  id = g_strdup (daemon_get_string (f, "m0", "LastUpgrade"));
  lab_pass (sim, "started");
  lab_pass (sim, "downloading");
  daemon_await_state (f, "m0", "verifying");

  bus_relay_cut (relay);
  DAEMON_AWAIT (f, !f->daemon_there);
  lab_pass (sim, "verifying");
  lab_pass (sim, "passed");
  if (ends_meanwhile)
    {
      lab_pass (sim, "updating");
      lab_pass (sim, "back");
      lab_pass (sim, "said");
      lab_await_log (f, "upgraded from");
    }
  bus_relay_open (relay);
  DAEMON_AWAIT (f, f->daemon_there);
  g_assert_cmpint (daemon_get_pid (f), ==, pid);
  if (!ends_meanwhile)
    {
      lab_pass (sim, "updating");
      daemon_await_finished (f, "m0", "success", NULL);
    }
  assert_found (f, "m0", "m0");
  entry = lab_only_entry (f, "m0");
  g_assert_cmpstr (lab_lookup (entry, "result"), ==, "success");
  g_assert_cmpstr (lab_lookup (entry, "id"), ==, id);
  daemon_stop (f);
}

int
main (int argc, char **argv)
{
  lab_init (&argc, &argv);
  g_test_add_func ("/daemon/bus/find", test_find);
  g_test_add_func ("/daemon/bus/ambiguous", test_ambiguous);
  g_test_add_func ("/daemon/bus/history", test_history);
  g_test_add_func ("/daemon/bus/two", test_two);
  g_test_add_data_func ("/daemon/bus/gone/on-the-way", NULL, test_bus_gone);
  g_test_add_data_func ("/daemon/bus/gone/at-the-end", "end", test_bus_gone);
  return g_test_run ();
}
