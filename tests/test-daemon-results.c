/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How a result is found (contract 2.4 and 5), with a real module's comings and goings. */

#include "daemon-lab.h"

#include <string.h>

/* Installs, restarts, and says what it is told to say. */
static const char restarts[] = "on AT+FOTACTR\n"
                               "ok\n"
                               "ind START\n"
                               "ind UPDATING\n"
                               "firmware $next\n"
                               "reboot 5\n";
static const char claims[] = "on AT+FOTACTR\n"
                             "ok\n"
                             "ind UPDATING\n"
                             "firmware $next\n"
                             "reboot 5\n"
                             "await AT+FOTATV?\n"
                             "ind SUCCESS_END\n";

typedef struct
{
  const char *name;
  const char *script;
  const char *target;
  const char *returns; /* version afterwards, or NULL for the one before */
  const char *word;    /* AT+FOTACTR? afterwards */
  const char *error;   /* NULL: success */
  const char *part;    /* of its message */
} Case;

static const Case cases[] = {
  { "changed", restarts, "", NEW_VERSION, "", NULL, NULL },
  { "changed-claimed", claims, "", NEW_VERSION, "SUCCESS_END", NULL, NULL },
  /* It may hold an older upgrade's word. */
  { "changed-old-word", restarts, "", NEW_VERSION, "FAIL_END", NULL, NULL },
  { "unchanged", restarts, "", NULL, "", "UpgradeFailed", OLD_VERSION },
  { "unchanged-other", restarts, "", OLD_VERSION " [Apr 18 2019 13:43:33]", "", "UpgradeFailed", "" },
  { "unchanged-claimed", claims, "", NULL, "", "NotVerified", OLD_VERSION },
  { "unchanged-claimed-failing", claims, "", NULL, "FAIL_END", "NotVerified", OLD_VERSION },
  { "unchanged-word", restarts, "", NULL, "SUCCESS_END", "NotVerified", "" },
  { "unchanged-failing", restarts, "", NULL, "FAIL_VERIFY", "VerifyFailed", "" },
  { "unchanged-code", restarts, "", NULL, "ERROR:50", "ModuleError", "50" },
  { "target", restarts, NEW_VERSION, NEW_VERSION, "", NULL, NULL },
  { "target-case", restarts, "me3630c1cv2.0b07", NEW_VERSION " [Apr 18 2019 13:43:33]", "", NULL, NULL },
  { "target-same", restarts, OLD_VERSION, NULL, "", NULL, NULL },
  { "target-other", restarts, NEW_VERSION, "ME3630C1CV2.0B09", "", "VersionMismatch", "ME3630C1CV2.0B09" },
  { "target-other-claimed", claims, NEW_VERSION, "ME3630C1CV2.0B09", "", "VersionMismatch", NEW_VERSION },
  { "target-unchanged", restarts, NEW_VERSION, NULL, "", "UpgradeFailed", OLD_VERSION },
  { "target-unchanged-failing", restarts, NEW_VERSION, NULL, "FAIL_NO_NEW", "NoNewVersion", "" },
  { "target-unchanged-claimed", claims, NEW_VERSION, NULL, "", "UpgradeFailed", "" },
};

static void
test_versions (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "settle=0.1\n");
  SimProcess *sim = lab_sim (f, 0);

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const Case *c = &cases[i];
      const char *returns = c->returns != NULL ? c->returns : OLD_VERSION;
      g_autoptr (GVariant) history = NULL;
      g_autoptr (GVariant) entry = NULL;

      g_test_message ("case %s", c->name);
      lab_play (f, sim, c->script);
      sim_control (sim, "firmware %s", OLD_VERSION);
      daemon_call_ok (f, "m0", "Refresh", NULL, -1);
      sim_control (sim, "set return-firmware=%s", returns);
      lab_upgrade (f, c->target);
      sim_control (sim, "set result=%s", c->word);
      daemon_await_finished (f, "m0", c->error != NULL ? "failure" : "success", c->error);
      g_assert_cmpstr (daemon_get_string (f, "m0", "FirmwareVersion"), ==, returns);
      history = lab_history (f, "m0");
      g_assert_cmpuint (g_variant_n_children (history), ==, i + 1);
      entry = g_variant_get_child_value (history, 0);
      g_assert_cmpstr (lab_lookup (entry, "to-version"), ==, daemon_get_string (f, "m0", "FirmwareVersion"));
      if (c->part != NULL)
        g_assert_nonnull (strstr (lab_lookup (entry, "error-message"), c->part));
      daemon_await_state (f, "m0", "idle");
    }
  lab_check_properties (f, "m0");
}

static void
test_replaced (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", restarts, "");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set return-imei=111111111111111");
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "failure", "ModuleReplaced");
  g_assert_cmpstr (daemon_get_string (f, "m0", "Imei"), ==, "111111111111111");
  {
    g_autoptr (GVariant) entry = lab_only_entry (f, NULL);
    g_assert_cmpstr (lab_lookup (entry, "imei"), ==, IMEI);
  }
}

/* No valid IMEI is no other module. */
static void
test_no_imei (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", restarts, "");

  sim_control (lab_sim (f, 0), "set return-imei=unknown");
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
}

/* Several restarts, another number each time: counted, and of no consequence. */
static void
test_restarts (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", restarts, "");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set renumber=true");
  sim_control (sim, "set extra-reboots=2");
  sim_control (sim, "set extra-gap=20");
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
  g_assert_cmpuint (daemon_get_number (f, "m0", "RebootsSeen"), ==, 3);
  /* Which number the last one is, the other ptys of the machine decide: it may be the first again. */
  g_assert_cmpstr (daemon_get_string (f, "m0", "Port"), !=, "");
  g_assert_cmpstr (daemon_get_string (f, "m0", "PhysicalPath"), ==, sim->link);
}

/* The link breaks after each indication, the module goes on: nothing it says meanwhile is needed. */
static void
test_link_lost (void)
{
  static const char script[] = "on AT+FOTACTR\nok\nind START\nwait 1\nind DOWNLOADING:25%\nwait 1\n"
                               "ind NEED_VERIFY\nwait 1\nind PASS_VERIFY\nwait 1\nind UPDATING\nwait 1\n"
                               "firmware $next\nreboot 10\n";
  g_autoptr (DaemonFixture) f = lab_new ("usb", script, "settle=0.1\n");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set hangup-kind=link");
  for (guint i = 1; i <= 5; i++)
    {
      sim_control (sim, "firmware %s", OLD_VERSION);
      daemon_call_ok (f, "m0", "Refresh", NULL, -1);
      sim_control (sim, "set hangup-after-ind=%u", i);
      lab_upgrade (f, "");
      daemon_await_finished (f, "m0", "success", NULL);
      sim_control (sim, "set hangup-after-ind=0");
      daemon_await_state (f, "m0", "idle");
    }
}

/* Guide 5: power lost while downloading, taken up by the module itself. */
static void
test_power_cut (void)
{
  static const char script[] = "on AT+FOTACTR\nok\nind START\nind DOWNLOADING:25%\nreboot 5\nawait AT+FOTATV?\n"
                               "ind START\nind DOWNLOADING:50%\nind NEED_VERIFY\nind UPDATING\nfirmware $next\n"
                               "reboot 5\n";
  g_autoptr (DaemonFixture) f = lab_new ("usb", script, "");
  g_autoptr (GVariant) entry = NULL;

  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
  g_assert_cmpuint (daemon_get_number (f, "m0", "RebootsSeen"), ==, 2);
  entry = lab_only_entry (f, "m0");
}

/* Longest silence: the version and the word are looked at once more. */
static void
test_silence (void)
{
  static const char script[] = "on AT+FOTACTR\nok\nind START\n";
  g_autoptr (DaemonFixture) f = lab_new ("usb", script, "download=0.4\n");
  SimProcess *sim = lab_sim (f, 0);

  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "failure", "Timeout");
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTACTR?"), ==, 1);
  lab_upgrade (f, "");
  sim_control (sim, "set result=FAIL_CONNECT");
  daemon_await_finished (f, "m0", "failure", "ConnectFailed");
  lab_upgrade (f, "");
  sim_control (sim, "vanish");
  daemon_await_finished (f, "m0", "failure", "Timeout");
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "absent");
  sim_control (sim, "return");
  daemon_await_state (f, "m0", "idle");
  lab_upgrade (f, "");
  sim_control (sim, "firmware " NEW_VERSION);
  daemon_await_finished (f, "m0", "success", NULL);
}

/* It never restarts to install. */
static void
test_stays (void)
{
  static const char script[] = "on AT+FOTACTR\nok\nind START\nind UPDATING\n";
  g_autoptr (DaemonFixture) f = lab_new ("usb", script, "install=0.3\n");

  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "failure", "UpgradeFailed");
  g_assert_cmpuint (daemon_get_number (f, "m0", "RebootsSeen"), ==, 0);
}

static void
assert_late (DaemonFixture *f, const char *version)
{
  g_autoptr (GVariant) entry = lab_only_entry (f, "m0");

  g_assert_cmpstr (lab_lookup (entry, "error-name"), ==, "org.gosuncn.Fota.Error.Timeout");
  g_assert_cmpstr (lab_lookup (entry, "late-version"), ==, version);
}

/* Overdue, given up, and back after all: the version is told and noted, the result stays. */
static void
test_late (gconstpointer wiring)
{
  g_autoptr (DaemonFixture) f = lab_new (
      wiring, restarts, g_str_equal (wiring, "uart") ? "install=1.2\ngive-up=2\n" : "install=0.2\ngive-up=0.8\n");
  SimProcess *sim = lab_sim (f, 0);
  g_autofree char *run_file = daemon_path (f, "run/power-critical");

  sim_control (sim, "set return-late=never");
  lab_upgrade (f, "");
  DAEMON_AWAIT (f, daemon_get_number (f, "m0", "Overdue"));
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "rebooting");
  g_assert_true (daemon_get_number (f, "m0", "PowerCritical"));
  g_assert_true (g_file_test (run_file, G_FILE_TEST_EXISTS));
  daemon_await_finished (f, "m0", "failure", "Timeout");
  g_assert_false (daemon_get_number (f, "m0", "Overdue"));
  g_assert_false (daemon_get_number (f, "m0", "PowerCritical"));
  g_assert_false (g_file_test (run_file, G_FILE_TEST_EXISTS));
  assert_late (f, NULL);

  daemon_stop (f); /* the version counts over a restart of the daemon too */
  daemon_start (f, NULL);
  g_assert_cmpstr (daemon_get_string (f, "m0", "LastResult"), ==, "failure");
  sim_control (sim, "return");
  daemon_await_state (f, "m0", "idle");
  g_assert_cmpstr (daemon_get_string (f, "m0", "FirmwareVersion"), ==, NEW_VERSION);
  g_assert_cmpstr (daemon_get_string (f, "m0", "LastResult"), ==, "failure");
  assert_late (f, NEW_VERSION);
  g_assert_cmpuint (lab_count (f, "m0", "Finished"), ==, 1);
  lab_check_properties (f, "m0");
}

/* The version before an upgrade that the module began while nobody listened is the one last stored for its IMEI. */
static void
test_adopted_from (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", restarts, "");
  SimProcess *sim = lab_sim (f, 0);
  g_autoptr (GVariant) entry = NULL;

  sim_control (sim, "vanish");
  daemon_await_state (f, "m0", "absent");
  sim_control (sim, "set mute=forever");
  sim_control (sim, "return");
  daemon_await_state (f, "m0", "probing");
  sim_control (sim, "set mute=0");
  sim_control (sim, "run AT+FOTACTR");
  daemon_await_finished (f, "m0", "success", NULL);
  entry = lab_only_entry (f, "m0");
  g_assert_cmpstr (lab_lookup (entry, "from-version"), ==, OLD_VERSION);
}

/* On a UART, and so fast that no silence is noticed: the word it says when it boots is enough, however short before the
 * module was told from others. */
static void
test_fast_boot (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("uart", "on AT+FOTACTR\nok\nind UPDATING\nfirmware $next\nreboot 0\n",
                                         "probe=20\n");
  SimProcess *sim = lab_sim (f, 0);

  sim_control (sim, "set return-late=0");
  sim_control (sim, "set boot-noise=zready");
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
  g_assert_cmpuint (daemon_get_number (f, "m0", "RebootsSeen"), ==, 1);
}

/* Without a word, too: its version tells. */
static void
test_fast_silent_boot (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("uart", "on AT+FOTACTR\nok\nind UPDATING\nfirmware $next\n", "");

  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
  g_assert_cmpuint (daemon_get_number (f, "m0", "RebootsSeen"), ==, 1);
  lab_check_properties (f, "m0");
}

int
main (int argc, char **argv)
{
  lab_init (&argc, &argv);
  g_test_add_func ("/daemon/results/versions", test_versions);
  g_test_add_func ("/daemon/results/replaced", test_replaced);
  g_test_add_func ("/daemon/results/no-imei", test_no_imei);
  g_test_add_func ("/daemon/results/restarts", test_restarts);
  g_test_add_func ("/daemon/results/link-lost", test_link_lost);
  g_test_add_func ("/daemon/results/power-cut", test_power_cut);
  g_test_add_func ("/daemon/results/silence", test_silence);
  g_test_add_func ("/daemon/results/stays", test_stays);
  g_test_add_data_func ("/daemon/results/late/usb", "usb", test_late);
  g_test_add_data_func ("/daemon/results/late/uart", "uart", test_late);
  g_test_add_func ("/daemon/results/adopted-from", test_adopted_from);
  g_test_add_func ("/daemon/results/fast-boot", test_fast_boot);
  g_test_add_func ("/daemon/results/fast-silent-boot", test_fast_silent_boot);
  return g_test_run ();
}
