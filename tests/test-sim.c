/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-client.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define ASK(client, command, want)                                                                                    \
  G_STMT_START                                                                                                        \
  {                                                                                                                   \
    g_autofree char *answer_ = sim_client_ask (client, command, strstr (want, "ERROR") != NULL ? want : "OK\r\n");     \
    g_assert_cmpstr (answer_, ==, want);                                                                              \
  }                                                                                                                   \
  G_STMT_END

static SimClient *
quiet_client (const char *pair)
{
  SimClient *client = sim_client_new ("echo-boot=off", pair, NULL);

  sim_client_open (client);
  return client;
}

static void
test_commands (void)
{
  g_autoptr (SimClient) client = sim_client_new (NULL, NULL);

  sim_client_open (client);
  ASK (client, "AT", "AT\r\r\nOK\r\n");
  ASK (client, "ATE0", "ATE0\r\r\nOK\r\n");
  ASK (client, "at+cgmr", "\r\nME3630C1CV2.0B06\r\n\r\nOK\r\n");
  ASK (client, "AT+CGSN", "\r\n864863040000017\r\n\r\nOK\r\n");
  ASK (client, "AT+CGMM;+CGMI", "\r\nME3630\r\n\r\nGOSUNCN\r\n\r\nOK\r\n");
  ASK (client, "AT+CGMM;+NONE;+CGMI", "\r\nME3630\r\n\r\nERROR\r\n");
  ASK (client, "At", "\r\nERROR\r\n");
  sim_client_set (client, "sim=SIM not inserted");
  ASK (client, "AT+CPIN?", "\r\n+CME ERROR: SIM not inserted\r\n");
  ASK (client, "AT+CMEE=1", "\r\nOK\r\n");
  ASK (client, "AT+CPIN?", "\r\n+CME ERROR: 10\r\n");
  ASK (client, "AT+CMEE=0", "\r\nOK\r\n");
  ASK (client, "AT+CPIN?", "\r\nERROR\r\n");
  sim_client_set (client, "cgsn=serial");
  ASK (client, "AT+CGSN", "\r\n320317080001\r\n\r\nOK\r\n");
  ASK (client, "AT+CGSN=1", "\r\n+CGSN: 864863040000017\r\n\r\nOK\r\n");
  sim_client_set (client, "cgsn=prefix");
  ASK (client, "AT+CGSN", "\r\n+CGSN: \"864863040000017\"\r\n\r\nOK\r\n");
  sim_client_send (client, "ATV0");
  sim_client_expect (client, "0\r");
  g_assert_cmpuint (client->in->len, ==, 0);
}

/* What is lost at a restart, and what takes effect only then (guide 3.1, 3.3). */
static void
test_settings (void)
{
  g_autoptr (SimClient) client = quiet_client ("lose-settings=server");

  ASK (client, "AT+FOTAPOLLEN?", "\r\n+FOTAIP: 0\r\n\r\nOK\r\n");
  ASK (client, "AT+FOTAPOLLEN=2", "\r\nERROR\r\n");
  ASK (client, "AT+FOTAPOLLEN=1", "\r\nOK\r\n");
  ASK (client, "AT+FOTAIP=wecloud.iot.gosuncnwelink.com,45000", "\r\nERROR\r\n");
  ASK (client, "AT+FOTAIP=10.0.0.1,65536", "\r\nERROR\r\n");
  ASK (client, "AT+FOTAIP=10.0.0.1,1", "\r\nOK\r\n");
  ASK (client, "AT+FOTAIP?", "\r\n+FOTAIP: 10.0.0.1,1\r\n\r\nOK\r\n");
  ASK (client, "AT+FOTATV=\"ME3630C1CV2.0B09\"", "\r\nOK\r\n");
  ASK (client, "AT+FOTATV?", "\r\n+FOTATV: \"ME3630C1CV2.0B09\"\r\n\r\nOK\r\n");
  sim_client_control (client, "status");
  g_assert_nonnull (strstr (sim_client_await (client, "status"), "polling=1 in-force=0"));
  ASK (client, "AT+CFUN=1,1", "\r\nOK\r\n");
  sim_client_await_hangup (client);
  sim_client_await (client, "port");
  sim_client_open (client);
  sim_client_await (client, "ready");
  ASK (client, "AT+FOTATV?", "\r\n+FOTATV: \"\"\r\n\r\nOK\r\n");
  ASK (client, "AT+FOTAIP?", "\r\n+FOTAIP: 114.55.56.19,45000\r\n\r\nOK\r\n");
  sim_client_control (client, "status");
  g_assert_nonnull (strstr (sim_client_await (client, "status"), "polling=1 in-force=1"));
  sim_client_set (client, "firmware=ME3630C2CV1.0B06");
  ASK (client, "AT+FOTAIP=wecloud.iot.gosuncnwelink.com,45000", "\r\nOK\r\n");
  sim_client_set (client, "firmware=ME3630C2CV1.0B05");
  ASK (client, "AT+FOTAIP=wecloud.iot.gosuncnwelink.com,45000", "\r\nERROR\r\n");
  sim_client_set (client, "ignore-set=FOTAPOLLEN");
  ASK (client, "AT+FOTAPOLLEN=0", "\r\nOK\r\n");
  sim_client_set (client, "poll-answer=fotapollen");
  ASK (client, "AT+FOTAPOLLEN?", "\r\n+FOTAPOLLEN: 1\r\n\r\nOK\r\n");
}

static void
expect_download (SimClient *client)
{
  static const char *const words[] = { "START", "DOWNLOADING:25%", "DOWNLOADING:50%", "DOWNLOADING:75%",
                                       "COSTTIME:0min17sec", "NEED_VERIFY", "PASS_VERIFY", "UPDATING" };

  for (gsize i = 0; i < G_N_ELEMENTS (words); i++)
    {
      g_autofree char *line = g_strdup_printf ("\r\n+FOTAIND: %s\r\n", words[i]);

      sim_client_expect (client, line);
    }
}

/* Guide figure 2 on USB: the pty and its link vanish, and come back. */
static void
test_network_usb (void)
{
  g_autofree char *directory = g_dir_make_tmp ("mefota-sim-XXXXXX", NULL);
  g_autofree char *link = g_build_filename (directory, "port", NULL);
  g_autofree char *pair = g_strconcat ("link=", link, NULL);
  g_autofree char *before = NULL;
  g_autoptr (SimClient) client = sim_client_new ("renumber=true", pair, NULL);

  g_assert_cmpstr (mefota_sim_get_path (client->sim), ==, link);
  before = g_file_read_link (link, NULL);
  g_assert_cmpstr (before, ==, mefota_sim_get_device (client->sim));
  sim_client_open (client);
  ASK (client, "ATE0", "ATE0\r\r\nOK\r\n");
  ASK (client, "AT+FOTATV=\"ME3630C1CV2.0B09\"", "\r\nOK\r\n");
  ASK (client, "AT+FOTACTR", "\r\nOK\r\n");
  sim_client_expect (client, "START\r\n");
  sim_client_send (client, "AT+FOTACTR");
  sim_client_expect (client, "\r\nERROR\r\n");
  sim_client_expect (client, "UPDATING\r\n");
  sim_client_await (client, "vanished");
  g_assert_false (g_file_test (link, G_FILE_TEST_IS_SYMLINK));
  sim_client_await_hangup (client);
  sim_client_await (client, "port");
  g_assert_cmpstr (mefota_sim_get_device (client->sim), !=, before);
  sim_client_open (client);
  sim_client_expect (client, "\r\n+FOTAIND: SUCCESS_END\r\n");
  sim_client_await (client, "done AT+FOTACTR");
  ASK (client, "AT+CGMR", "AT+CGMR\r\r\nME3630C1CV2.0B09\r\n\r\nOK\r\n");
  ASK (client, "ATE0;+FOTACTR?", "ATE0;+FOTACTR?\r\r\n+FOTACTR: SUCCESS_END\r\n\r\nOK\r\n");
  mefota_sim_stop (client->sim);
  g_assert_false (g_file_test (link, G_FILE_TEST_IS_SYMLINK));
  g_assert_cmpint (g_rmdir (directory), ==, 0);
}

/* On a UART the port stays; what is sent meanwhile is lost, or answered all at once. */
static void
test_network_uart (gconstpointer data)
{
  gboolean buffered = GPOINTER_TO_INT (data);
  g_autoptr (SimClient) client = quiet_client (buffered ? "buffer-input=true" : "boot-noise=all");

  sim_client_set (client, "wiring=uart");
  sim_client_set (client, "return-late=never");
  sim_client_send (client, "AT+FOTACTR");
  sim_client_expect (client, "\r\nOK\r\n");
  expect_download (client);
  sim_client_await (client, "silent");
  sim_client_send (client, "AT");
  sim_client_send (client, "AT+CGMR");
  if (!buffered)
    sim_client_await (client, "deaf");
  g_assert_cmpuint (client->in->len, ==, 0);
  sim_client_control (client, "return");
  sim_client_await (client, "ready");
  if (buffered)
    sim_client_expect (client, "\r\nOK\r\n\r\nME3630C1CV2.0B07\r\n\r\nOK\r\n");
  else
    sim_client_expect (client, "\r\n+ZREADY\r\n");
  sim_client_expect (client, "SUCCESS_END\r\n");
  g_assert_false (client->hung_up);
  if (!buffered)
    g_assert_null (strstr (client->in->str, "OK"));
}

/* Guide figure 1 with its answers. */
static void
test_polled (void)
{
  g_autoptr (SimClient) client = quiet_client ("question-word=NEED CONFIRM");

  ASK (client, "AT+FOTACTR=1", "\r\nERROR\r\n");
  sim_client_control (client, "question");
  sim_client_expect (client, "\r\n+FOTAIND: NEED CONFIRM\r\n");
  ASK (client, "AT+FOTACTR", "\r\nERROR\r\n");
  ASK (client, "AT+FOTACTR=2", "\r\nERROR\r\n");
  ASK (client, "AT+FOTACTR=0,1", "\r\nOK\r\n");
  sim_client_await (client, "answer 0");
  sim_client_expect (client, "\r\n+FOTAIND: FAIL_CONFIRM\r\n");
  sim_client_control (client, "question");
  sim_client_await (client, "answer timeout");
  sim_client_expect (client, "\r\n+FOTAIND: FAIL_WAIT_TIMEOUT\r\n");
  sim_client_set (client, "question-word=NEW_VERSION");
  sim_client_set (client, "confirm-word=SUCCESS CONFIRM");
  sim_client_control (client, "question");
  sim_client_expect (client, "\r\n+FOTAIND: NEW_VERSION\r\n");
  ASK (client, "AT+FOTACTR=1", "\r\nOK\r\n");
  sim_client_expect (client, "\r\n+FOTAIND: SUCCESS CONFIRM\r\n");
  expect_download (client);
}

/* An upgrade that no command began answers none either. */
static void
test_unasked (void)
{
  g_autoptr (SimClient) client = quiet_client ("fault=AT+CGMI late 1000");

  sim_client_send (client, "AT+CGMI");
  sim_client_await (client, "rx AT+CGMI");
  sim_client_control (client, "run AT+FOTACTR");
  sim_client_expect (client, "\r\n+FOTAIND: START\r\n");
  sim_client_set (client, "time-scale=1000");
  sim_client_await (client, "vanished");
  g_assert_null (strstr (client->in->str, "OK"));
}

/* What a real tty forgets when nobody has it open, a pty keeps: not this one. */
static void
test_reopen (void)
{
  g_autoptr (SimClient) client = quiet_client (NULL);

  g_assert_cmpint (ioctl (client->fd, TIOCEXCL), ==, 0);
  sim_client_send (client, "AT+CGMR");
  sim_client_await (client, "tx OK");
  g_source_remove (client->source);
  client->source = 0;
  sim_client_close (client);
  sim_client_await (client, "closed");
  sim_client_control (client, "urc +NOBODY: 1");
  sim_client_open (client);
  ASK (client, "AT", "\r\nOK\r\n");
}

static void
test_script (void)
{
  g_autoptr (SimClient) client = quiet_client (NULL);
  g_autoptr (GError) error = NULL;

  g_assert_false (mefota_sim_add_script (client->sim, "on AT+X\n# remark\nok\nwait long\n", "x.sim", &error));
  g_assert_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE);
  g_assert_true (g_str_has_prefix (error->message, "x.sim:4: \"wait long\""));
  g_clear_error (&error);
  g_assert_false (mefota_sim_add_script (client->sim, "set wiring=air\n", "y.sim", &error));
  g_assert_true (g_str_has_prefix (error->message, "y.sim:1: "));
  g_clear_error (&error);
  g_assert_false (mefota_sim_set (client->sim, "no-such", "1", &error));
  g_clear_error (&error);

  g_assert_true (mefota_sim_add_script (client->sim,
                                        "set model=OTHER\non AT+HELLO*\nline $firmware there\nhold here\nok\n"
                                        "on AT+FOTACTR\nok\nind START\nhold started\nfirmware V9\nraw 0d 0a 41\n"
                                        "await AT+CGMM\nind SUCCESS_END\n"
                                        "on AT+DEAF\nline heard\nwait 1\n",
                                        "z.sim", &error));
  sim_client_send (client, "AT+DEAF");
  sim_client_expect (client, "\r\nheard\r\n");
  ASK (client, "AT+CGMM", "\r\nOTHER\r\n\r\nOK\r\n");
  sim_client_send (client, "AT+HELLO=1");
  sim_client_expect (client, "\r\nME3630C1CV2.0B06 there\r\n");
  sim_client_await (client, "hold here");
  g_assert_cmpuint (client->in->len, ==, 0);
  sim_client_control (client, "go here");
  sim_client_expect (client, "\r\nOK\r\n");
  sim_client_send (client, "AT+FOTACTR");
  sim_client_await (client, "hold started");
  sim_client_control (client, "go");
  sim_client_expect (client, "START\r\n\r\nA");
  g_assert_cmpstr (mefota_sim_get_firmware (client->sim), ==, "V9");
  sim_client_send (client, "AT+CGMM");
  sim_client_expect (client, "OK\r\n\r\n+FOTAIND: SUCCESS_END\r\n");
}

/* Powered down, it comes back only if somebody sees to it. */
static void
test_turned_off (void)
{
  g_autoptr (SimClient) client = quiet_client (NULL);

  ASK (client, "AT+ZTURNOFF", "\r\nOK\r\n");
  sim_client_await_hangup (client);
  sim_client_control (client, "status");
  g_assert_nonnull (strstr (sim_client_await (client, "status"), "power=down"));
  sim_client_control (client, "return");
  sim_client_await (client, "ready");
}

/* The module is up again between its two restarts, and still runs the old version. */
static void
test_late_version (void)
{
  g_autofree char *path = g_build_filename (g_getenv ("MEFOTA_SIM_SCRIPTS"), "late-version.sim", NULL);
  g_autofree char *line = g_strconcat ("script ", path, NULL);
  g_autoptr (SimClient) client = quiet_client ("wiring=uart");

  sim_client_control (client, line);
  sim_client_send (client, "AT+FOTACTR");
  sim_client_expect (client, "UPDATING\r\n");
  sim_client_await (client, "ready");
  g_assert_cmpstr (mefota_sim_get_firmware (client->sim), ==, "ME3630C1CV2.0B06");
  sim_client_await (client, "silent");
  sim_client_await (client, "ready");
  g_assert_cmpstr (mefota_sim_get_firmware (client->sim), ==, "ME3630C1CV2.0B07");
}

/* Every shipped script is one, and ends its upgrade with the new version. */
static void
test_shipped_scripts (void)
{
  g_autoptr (GDir) directory = g_dir_open (g_getenv ("MEFOTA_SIM_SCRIPTS"), 0, NULL);
  const char *name;

  g_assert_nonnull (directory);
  while ((name = g_dir_read_name (directory)) != NULL)
    {
      g_autofree char *path = g_build_filename (g_getenv ("MEFOTA_SIM_SCRIPTS"), name, NULL);
      g_autofree char *line = g_strconcat ("script ", path, NULL);
      g_autoptr (SimClient) client = sim_client_new ("wiring=uart", "time-scale=2000", NULL);
      const char *firmware;

      sim_client_control (client, line);
      sim_client_open (client);
      sim_client_send (client, "AT+FOTATV=\"TARGET\"");
      sim_client_await (client, "tx OK");
      sim_client_send (client, "AT+FOTACTR");
      firmware = sim_client_await (client, "firmware");
      g_assert_cmpstr (firmware, ==, "firmware TARGET");
      sim_client_await (client, "done AT+FOTACTR");
    }
}

static void
test_flood (void)
{
  g_autoptr (SimClient) client = quiet_client (NULL);
  guint count;

  sim_client_control (client, "flood 0 0.1 N:%n;");
  count = (guint) g_ascii_strtoull (sim_client_await (client, "flood ") + 6, NULL, 10);
  g_assert_cmpuint (count, >, 0);
  for (guint i = 0; i < count; i++)
    {
      g_autofree char *line = g_strdup_printf ("\r\n+FOTAIND: N:%u;\r\n", i);

      if (i + 1 == count || i % 1000 == 0)
        sim_client_expect (client, line);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sim/commands", test_commands);
  g_test_add_func ("/sim/settings", test_settings);
  g_test_add_func ("/sim/network/usb", test_network_usb);
  g_test_add_data_func ("/sim/network/uart/lost", GINT_TO_POINTER (FALSE), test_network_uart);
  g_test_add_data_func ("/sim/network/uart/buffered", GINT_TO_POINTER (TRUE), test_network_uart);
  g_test_add_func ("/sim/polled", test_polled);
  g_test_add_func ("/sim/unasked", test_unasked);
  g_test_add_func ("/sim/reopen", test_reopen);
  g_test_add_func ("/sim/script", test_script);
  g_test_add_func ("/sim/turned-off", test_turned_off);
  g_test_add_func ("/sim/late-version", test_late_version);
  g_test_add_func ("/sim/shipped-scripts", test_shipped_scripts);
  g_test_add_func ("/sim/flood", test_flood);
  return g_test_run ();
}
