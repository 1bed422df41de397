/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A network upgrade with the real daemon: states, indications, starts (contract 2.1–2.3 and 5). */

#include "daemon-lab.h"

static void
assert_details (DaemonFixture *f, GVariant *details)
{
  double seconds = -1;

  g_assert_cmpstr (lab_lookup (details, "id"), ==, daemon_get_string (f, "m0", "LastUpgrade"));
  g_assert_cmpstr (lab_lookup (details, "operation"), ==, "network");
  g_assert_cmpstr (lab_lookup (details, "from-version"), ==, OLD_VERSION);
  g_assert_cmpstr (lab_lookup (details, "to-version"), ==, NEW_VERSION);
  g_assert_cmpstr (lab_lookup (details, "error-name"), ==, "");
  g_assert_cmpstr (lab_lookup (details, "error-message"), ==, "");
  g_assert_true (g_variant_lookup (details, "seconds", "d", &seconds));
  g_assert_cmpfloat (seconds, >=, 0);
}

static void
assert_idle (DaemonFixture *f)
{
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "idle");
  g_assert_cmpstr (daemon_get_string (f, "m0", "Operation"), ==, "none");
  g_assert_cmpuint (daemon_get_number (f, "m0", "StartedAt"), ==, 0);
  g_assert_cmpuint (daemon_get_number (f, "m0", "PhaseSince"), ==, 0);
  g_assert_cmpuint (daemon_get_number (f, "m0", "Progress"), ==, 0);
  g_assert_false (daemon_get_number (f, "m0", "PowerCritical"));
  g_assert_false (daemon_get_number (f, "", "PowerCritical"));
  g_assert_false (daemon_get_number (f, "m0", "CanCancel"));
  g_assert_false (daemon_get_number (f, "m0", "Overdue"));
}

/* The whole of it, every phase looked at while it lasts. */
static void
test_phases (gconstpointer wiring)
{
  g_autoptr (DaemonFixture) f = lab_new (wiring, lab_steps, "");
  SimProcess *sim = lab_sim (f, 0);
  guint from = f->events->len;
  g_autofree char *run_file = daemon_path (f, "run/power-critical");
  g_autofree char *states = NULL;
  g_autofree char *indications = NULL;
  g_autoptr (GVariant) entry = NULL;
  const DaemonEvent *last;

  g_assert_cmpstr (daemon_get_string (f, "m0", "Transport"), ==, wiring);
  g_assert_cmpstr (daemon_get_string (f, "m0", "Imei"), ==, IMEI);
  g_assert_cmpstr (daemon_get_string (f, "m0", "Manufacturer"), ==, "GOSUNCN");
  g_assert_cmpstr (daemon_get_string (f, "m0", "Model"), ==, "ME3630");
  g_assert_cmpstr (daemon_get_string (f, "m0", "FirmwareVersion"), ==, OLD_VERSION);
  g_assert_cmpstr (daemon_get_string (f, "m0", "PhysicalPath"), ==, sim->link);
  g_assert_true (g_str_has_prefix (daemon_get_string (f, "m0", "Port"), "/dev/pts/"));
  g_assert_cmpstr (daemon_get_string (f, "m0", "LastResult"), ==, "none");
  assert_idle (f);

  lab_upgrade (f, "");
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "starting");
  g_assert_cmpstr (daemon_get_string (f, "m0", "Operation"), ==, "network");
  g_assert_cmpuint (daemon_get_number (f, "m0", "StartedAt"), >, 0);
  g_assert_cmpuint (daemon_get_number (f, "m0", "PhaseSince"), >, 0);
  g_assert_cmpstr (daemon_get_string (f, "m0", "FromVersion"), ==, OLD_VERSION);
  g_assert_cmpstr (daemon_get_string (f, "m0", "Status"), ==, "");
  lab_check_properties (f, "m0");
  lab_pass (sim, "started");

  daemon_await_state (f, "m0", "downloading");
  DAEMON_AWAIT (f, daemon_get_number (f, "m0", "Progress") == 25);
  g_assert_cmpstr (daemon_get_string (f, "m0", "Status"), ==, "DOWNLOADING");
  g_assert_cmpstr (daemon_get_string (f, "m0", "StatusArgument"), ==, "25");
  lab_check_properties (f, "m0");
  lab_pass (sim, "downloading");

  daemon_await_state (f, "m0", "verifying");
  g_assert_cmpuint (daemon_get_number (f, "m0", "DownloadSeconds"), ==, 17);
  g_assert_cmpuint (daemon_get_number (f, "m0", "Progress"), ==, 0);
  g_assert_false (daemon_get_number (f, "m0", "PowerCritical"));
  g_assert_false (g_file_test (run_file, G_FILE_TEST_EXISTS));
  lab_pass (sim, "verifying");

  daemon_await_state (f, "m0", "updating");
  g_assert_true (daemon_get_number (f, "m0", "PowerCritical"));
  g_assert_true (g_file_test (run_file, G_FILE_TEST_EXISTS));
  lab_pass (sim, "passed");
  DAEMON_AWAIT (f, g_str_equal (daemon_get_string (f, "m0", "Status"), "UPDATING"));
  g_assert_true (daemon_get_number (f, "", "PowerCritical"));
  lab_check_properties (f, "m0");
  lab_pass (sim, "updating");

  assert_details (f, g_variant_ref (daemon_await_finished (f, "m0", "success", NULL)));
  last = g_ptr_array_index (f->events, f->events->len - 1);
  g_assert_cmpstr (last->name, ==, "Finished");
  assert_idle (f);
  g_assert_cmpstr (daemon_get_string (f, "m0", "LastResult"), ==, "success");
  g_assert_cmpstr (daemon_get_string (f, "m0", "FirmwareVersion"), ==, NEW_VERSION);
  g_assert_cmpstr (daemon_get_string (f, "m0", "FromVersion"), ==, OLD_VERSION);
  g_assert_cmpuint (daemon_get_number (f, "m0", "RebootsSeen"), ==, 1);
  g_assert_false (g_file_test (run_file, G_FILE_TEST_EXISTS));
  states = lab_told (f, "m0", "State", from);
  g_assert_cmpstr (states, ==, "starting downloading verifying updating rebooting checking idle");
  lab_check_properties (f, "m0");

  /* A word after the end is signalled, and nothing else. */
  lab_pass (sim, "back");
  daemon_await_signal (f, "m0", "FotaInd");
  indications = lab_indications (f, "m0", from);
  g_assert_cmpstr (indications, ==, "START;DOWNLOADING 25;DOWNLOADING 75;COSTTIME 17;NEED_VERIFY;PASS_VERIFY;UPDATING;SUCCESS_END;");
  g_assert_cmpuint (lab_count (f, "m0", "Finished"), ==, 1);
  entry = lab_only_entry (f, "m0");
  g_assert_cmpstr (lab_lookup (entry, "result"), ==, "success");
  g_assert_cmpstr (lab_lookup (entry, "module"), ==, "m0");
  g_assert_cmpstr (lab_lookup (entry, "imei"), ==, IMEI);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/daemon/network/phases/usb", "usb", test_phases);
  g_test_add_data_func ("/daemon/network/phases/uart", "uart", test_phases);
  return g_test_run ();
}
