/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Holds: no upgrade begins while somebody holds, however far it has come by then (contract 2.7, 3 and 5). */

#include "daemon-lab.h"

#include <gio/gunixfdlist.h>
#include <string.h>
#include <unistd.h>

static GVariant *
upgrade (void)
{
  return g_variant_new ("(sa{sv})", "", NULL);
}

/* Held: no upgrade starts, and it is told by whom and why; every way of letting go counts. */
static void
test_hold (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  SimProcess *sim = lab_sim (f, 0);
  int first, second, copy;
  guint sent;

  first = lab_hold (f, "backup", "copies the database");
  lab_await_holds (f, "backup");
  sent = lab_commands (f, sim);
  {
    g_autofree char *message = daemon_call_error (f, "m0", "Upgrade", upgrade (), -1, "Busy");
    g_assert_nonnull (strstr (message, "backup"));
    g_assert_nonnull (strstr (message, "copies the database"));
  }
  second = lab_hold (f, "meter", "is being read");
  lab_await_holds (f, "backup;meter");
  g_assert_cmpuint (lab_commands (f, sim), ==, sent);
  copy = dup (first);
  close (first);
  close (second);
  lab_await_holds (f, "backup"); /* a copy still holds */
  g_free (daemon_call_error (f, "m0", "Upgrade", upgrade (), -1, "Busy"));
  /* What is no upgrade works. */
  daemon_call_ok (f, "m0", "Refresh", NULL, -1);
  close (copy);
  lab_await_holds (f, "");
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
  g_free (daemon_call_error (f, "", "Hold", g_variant_new ("(ss)", "", "x"), -1, "InvalidArgument"));
  g_free (daemon_call_error (f, "", "Hold", g_variant_new ("(ss)", "x", ""), -1, "InvalidArgument"));
}

static void
on_called (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  *(char **) data = error != NULL ? g_dbus_error_get_remote_error (error) : g_strdup ("");
}

static void
on_refused (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *name = NULL;

  g_assert_null (g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), NULL, result, &error));
  name = g_dbus_error_get_remote_error (error);
  g_assert_cmpstr (name, ==, "org.gosuncn.Fota.Error.Busy");
  *(gboolean *) data = TRUE;
}

/* Taken while a start is still being looked into: that one does not start any more. */
static void
test_hold_before_start (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", lab_quick, "");
  SimProcess *sim = lab_sim (f, 0);
  g_autofree char *error = NULL;
  int fd;

  sim_control (sim, "set fault=1x AT+CPIN? late 20");
  lab_upgrade_async (f, on_called, &error);
  sim_await (sim, "rx AT+CPIN?");
  fd = lab_hold (f, "backup", "copies the database");
  DAEMON_AWAIT (f, error != NULL);
  g_assert_cmpstr (error, ==, "org.gosuncn.Fota.Error.Busy");
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTACTR"), ==, 0);
  close (fd);
  lab_await_holds (f, "");
  lab_upgrade (f, "");
  daemon_await_finished (f, "m0", "success", NULL);
}

/* A module that asks is left unanswered while somebody holds, and allowed by policy once nobody does. */
static void
test_question (gconstpointer confirm)
{
  g_autofree char *config = g_strdup_printf ("[policy]\nconfirm=%s\n", (const char *) confirm);
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, config);
  SimProcess *sim = lab_sim (f, 0);
  int fd = lab_hold (f, "backup", "copies");

  lab_play (f, sim, "on question\nind $question\nconfirm 6000\nind START\nind UPDATING\nfirmware $next\nreboot 5\n");
  sim_control (sim, "question");
  daemon_await_state (f, "m0", "confirming");
  if (g_str_equal (confirm, "ask"))
    {
      GVariant *allow = g_variant_new ("(ba{sv})", TRUE, NULL);
      g_autofree char *message = daemon_call_error (f, "m0", "Confirm", allow, -1, "Busy");
      g_assert_nonnull (strstr (message, "backup"));
    }
  else
    lab_await_log (f, "a hold on upgrades");
  lab_commands (f, sim);
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTACTR="), ==, 0);
  close (fd);
  lab_await_holds (f, "");
  if (g_str_equal (confirm, "ask"))
    daemon_call_ok (f, "m0", "Confirm", g_variant_new ("(ba{sv})", TRUE, NULL), -1);
  sim_await (sim, "answer 1");
  daemon_await_finished (f, "m0", "success", NULL);
}

/* Refusing needs no leave. */
static void
test_refusal (void)
{
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  int fd = lab_hold (f, "backup", "copies");

  sim_control (lab_sim (f, 0), "question");
  daemon_await_state (f, "m0", "confirming");
  daemon_call_ok (f, "m0", "Confirm", g_variant_new ("(ba{sv})", FALSE, NULL), -1);
  daemon_await_finished (f, "m0", "failure", "Rejected");
  close (fd);
}

/* One that takes the only place, and one on a UART for a package. */
static DaemonFixture *
with_uart (void)
{
  DaemonFixture *f = daemon_fixture_new ();

  lab_play (f, lab_add_sim (f, "m0", "usb", IMEI), lab_steps);
  lab_add_sim (f, "m1", "uart", SECOND_IMEI);
  daemon_start (f, LAB_USB "[module m1]\nport=@m1@\ntransport=uart\n" LAB_UART_TIMEOUTS);
  daemon_await_state (f, "m0", "idle");
  daemon_await_state (f, "m1", "idle");
  return f;
}

/* Held before the module is ready for a package: an error to who asked, back in line where it was there. */
static void
test_hold_before_package (gconstpointer queued)
{
  g_autoptr (DaemonFixture) f = with_uart ();
  SimProcess *sim = lab_sim (f, 1);
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  gboolean refused = FALSE;
  int fd = lab_package (f);
  int hold;

  sim_control (sim, "set fault=1x AT+ZCOMDEL late 20");
  if (queued != NULL)
    {
      lab_upgrade (f, "");
      daemon_call_ok (f, "m1", "Install", g_variant_new_parsed ("(@h 0, @a{sv} {})"), fd);
      sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
    }
  else
    {
      g_unix_fd_list_append (fds, fd, NULL);
      g_dbus_connection_call_with_unix_fd_list (f->connection, "org.gosuncn.Fota", "/org/gosuncn/Fota/module/m1",
                                                "org.gosuncn.Fota", "Install",
                                                g_variant_new_parsed ("(@h 0, @a{sv} {})"), NULL,
                                                G_DBUS_CALL_FLAGS_NONE, -1, fds, NULL, on_refused, &refused);
    }
  sim_await (sim, "rx AT+ZCOMDEL");
  DAEMON_AWAIT (f, !daemon_get_number (f, "m1", "CanCancel"));
  hold = lab_hold (f, "backup", "copies");
  if (queued != NULL)
    DAEMON_AWAIT (f, daemon_get_number (f, "m1", "CanCancel"));
  else
    DAEMON_AWAIT (f, refused);
  g_assert_cmpstr (daemon_get_string (f, "m1", "State"), ==, queued != NULL ? "queued" : "idle");
  close (hold);
  lab_await_holds (f, "");
  if (queued == NULL)
    daemon_call_ok (f, "m1", "Install", g_variant_new_parsed ("(@h 0, @a{sv} {})"), fd);
  daemon_await_state (f, "m1", "transferring");
  daemon_await_state (f, "m1", "updating");
  g_assert_cmpuint (lab_count (f, "m1", "Finished"), ==, 0);
  close (fd);
}

/* Let go while the module is still being cleaned up for it. */
static void
test_hold_let_go (void)
{
  g_autoptr (DaemonFixture) f = with_uart ();
  SimProcess *sim = lab_sim (f, 1);
  int fd = lab_package (f);

  sim_control (sim, "set fault=2x AT+ZCOMDEL late 50");
  lab_upgrade (f, "");
  daemon_call_ok (f, "m1", "Install", g_variant_new_parsed ("(@h 0, @a{sv} {})"), fd);
  close (fd);
  sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
  sim_await (sim, "rx AT+ZCOMDEL");
  fd = lab_hold (f, "backup", "copies");
  sim_await (sim, "rx AT+ZCOMDEL");
  close (fd);
  lab_await_holds (f, "");
  daemon_await_state (f, "m1", "transferring");
  daemon_await_state (f, "m1", "updating");
  g_assert_cmpuint (lab_count (f, "m1", "Finished"), ==, 0);
}

int
main (int argc, char **argv)
{
  lab_init (&argc, &argv);
  g_test_add_func ("/daemon/hold/hold", test_hold);
  g_test_add_func ("/daemon/hold/before-start", test_hold_before_start);
  g_test_add_data_func ("/daemon/hold/before-package/alone", NULL, test_hold_before_package);
  g_test_add_data_func ("/daemon/hold/before-package/queued", "queued", test_hold_before_package);
  g_test_add_func ("/daemon/hold/let-go", test_hold_let_go);
  g_test_add_data_func ("/daemon/hold/question/ask", "ask", test_question);
  g_test_add_data_func ("/daemon/hold/question/allow", "allow", test_question);
  g_test_add_func ("/daemon/hold/refusal", test_refusal);
  return g_test_run ();
}
