/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Holds, and upgrades that wait their turn (contract 2.7, 3 and 5). */

#include "daemon-lab.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

typedef struct
{
  gboolean done;
  int fd;
} Holding;

static void
on_held (GObject *source, GAsyncResult *result, gpointer data)
{
  Holding *holding = data;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), &fds, result, &error);
  g_assert_no_error (error);
  holding->fd = g_unix_fd_list_get (fds, 0, &error);
  g_assert_no_error (error);
  holding->done = TRUE;
}

static int
hold_by (DaemonFixture *f, GDBusConnection *connection, const char *who, const char *why)
{
  Holding holding = { FALSE };

  g_dbus_connection_call_with_unix_fd_list (connection, "org.gosuncn.Fota", "/org/gosuncn/Fota",
                                            "org.gosuncn.Fota.Manager", "Hold", g_variant_new ("(ss)", who, why),
                                            G_VARIANT_TYPE ("(h)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, on_held,
                                            &holding);
  DAEMON_AWAIT (f, holding.done);
  return holding.fd;
}

static void
await_holds (DaemonFixture *f, const char *expected)
{
  g_auto (GStrv) parts = g_strsplit (expected, ";", -1);
  g_autofree char *text = NULL;

  DAEMON_AWAIT (f, g_variant_n_children (daemon_get (f, "", "Holds")) == g_strv_length (parts));
  text = g_variant_print (daemon_get (f, "", "Holds"), FALSE);
  for (guint i = 0; parts[i] != NULL; i++)
    g_assert_nonnull (strstr (text, parts[i]));
}

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

  first = hold_by (f, f->connection, "backup", "copies the database");
  await_holds (f, "backup");
  sent = lab_commands (f, sim);
  {
    g_autofree char *message = daemon_call_error (f, "m0", "Upgrade", upgrade (), -1, "Busy");
    g_assert_nonnull (strstr (message, "backup"));
    g_assert_nonnull (strstr (message, "copies the database"));
  }
  second = hold_by (f, f->connection, "meter", "is being read");
  await_holds (f, "backup;meter");
  g_assert_cmpuint (lab_commands (f, sim), ==, sent);
  copy = dup (first);
  close (first);
  close (second);
  await_holds (f, "backup"); /* a copy still holds */
  g_free (daemon_call_error (f, "m0", "Upgrade", upgrade (), -1, "Busy"));
  /* What is no upgrade works. */
  daemon_call_ok (f, "m0", "Refresh", NULL, -1);
  close (copy);
  await_holds (f, "");
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
  fd = hold_by (f, f->connection, "backup", "copies the database");
  DAEMON_AWAIT (f, error != NULL);
  g_assert_cmpstr (error, ==, "org.gosuncn.Fota.Error.Busy");
  g_assert_cmpuint (sim_count (sim, "rx AT+FOTACTR"), ==, 0);
  close (fd);
  await_holds (f, "");
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
  int fd = hold_by (f, f->connection, "backup", "copies");

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
  await_holds (f, "");
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
  int fd = hold_by (f, f->connection, "backup", "copies");

  sim_control (lab_sim (f, 0), "question");
  daemon_await_state (f, "m0", "confirming");
  daemon_call_ok (f, "m0", "Confirm", g_variant_new ("(ba{sv})", FALSE, NULL), -1);
  daemon_await_finished (f, "m0", "failure", "Rejected");
  close (fd);
}

/* ---- waiting in line ---- */

#define THREE LAB_USB LAB_SECOND "[module m2]\nport=@m2@\ntransport=usb\n" LAB_TIMEOUTS

static DaemonFixture *
three (const char *script)
{
  DaemonFixture *f = daemon_fixture_new ();

  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *name = g_strdup_printf ("m%u", i);
      g_autofree char *imei = g_strdup_printf ("86486304000001%u", i);
      lab_play (f, lab_add_sim (f, name, "usb", imei), script);
    }
  daemon_start (f, THREE);
  for (guint i = 0; i < 3; i++)
    daemon_await_state (f, i == 0 ? "m0" : i == 1 ? "m1" : "m2", "idle");
  return f;
}

/* One after the other, in the order they were asked for, also over a restart of the daemon; readiness is checked at a
 * module's turn. */
static void
test_line (gconstpointer killed)
{
  g_autoptr (DaemonFixture) f = three (lab_steps);
  g_autofree char *id = NULL;

  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m2", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m0", "Upgrade", upgrade (), -1);
  g_assert_cmpstr (daemon_get_string (f, "m1", "State"), ==, "starting");
  g_assert_cmpstr (daemon_get_string (f, "m2", "State"), ==, "queued");
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "queued");
  g_assert_cmpstr (daemon_get_string (f, "m0", "Operation"), ==, "network");
  g_assert_true (daemon_get_number (f, "m0", "CanCancel"));
  lab_commands (f, lab_sim (f, 2));
  g_assert_cmpuint (sim_count (lab_sim (f, 2), "rx AT+CPIN?"), ==, 0);
  g_free (daemon_call_error (f, "m2", "Upgrade", upgrade (), -1, "Busy"));
  daemon_call_ok (f, "m2", "SetPolling", g_variant_new ("(b)", TRUE), -1); /* other methods work */
  lab_check_properties (f, "m0");
  id = g_strdup (daemon_get_string (f, "m0", "LastUpgrade"));
  g_assert_cmpstr (id, !=, "");

  if (killed != NULL)
    {
      daemon_kill (f);
      daemon_start (f, NULL);
      g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "queued");
      g_assert_cmpstr (daemon_get_string (f, "m2", "State"), ==, "queued");
      /* Identified again, in whatever order. */
      DAEMON_AWAIT (f, daemon_get_string (f, "m0", "Imei")[0] != '\0');
      DAEMON_AWAIT (f, daemon_get_string (f, "m2", "Imei")[0] != '\0');
    }
  sim_control (lab_sim (f, 1), "ind FAIL_CONNECT");
  daemon_await_finished (f, "m1", "failure", "ConnectFailed");
  daemon_await_state (f, "m2", "starting");
  g_assert_cmpuint (sim_count (lab_sim (f, 2), "rx AT+CPIN?"), ==, 1);
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "queued");
  sim_control (lab_sim (f, 2), "ind FAIL_VERIFY");
  daemon_await_finished (f, "m2", "failure", "VerifyFailed");
  daemon_await_state (f, "m0", "starting");
  g_assert_cmpstr (daemon_get_string (f, "m0", "LastUpgrade"), ==, id);
  sim_control (lab_sim (f, 0), "ind FAIL_NO_NEW");
  daemon_await_finished (f, "m0", "failure", "NoNewVersion");
  {
    g_autoptr (GVariant) history = lab_history (f, NULL);
    g_assert_cmpuint (g_variant_n_children (history), ==, 3);
  }
}

/* After a restart of the daemon the place is kept for one that is slow to answer; for one that is not there it is
 * not. */
static void
test_place (gconstpointer gone)
{
  g_autoptr (DaemonFixture) f = three (lab_steps);

  daemon_call_ok (f, "m0", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m2", "Upgrade", upgrade (), -1);
  daemon_kill (f);
  sim_control (lab_sim (f, 1), gone != NULL ? "vanish" : "set mute=forever");
  daemon_start (f, NULL);
  DAEMON_AWAIT (f, daemon_get_string (f, "m0", "Imei")[0] != '\0');
  DAEMON_AWAIT (f, daemon_get_string (f, "m2", "Imei")[0] != '\0');
  sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
  daemon_await_finished (f, "m0", "failure", "ConnectFailed");
  if (gone != NULL)
    {
      daemon_await_state (f, "m2", "starting");
      g_assert_cmpstr (daemon_get_string (f, "m1", "State"), ==, "queued");
      return;
    }
  lab_commands (f, lab_sim (f, 2));
  g_assert_cmpstr (daemon_get_string (f, "m2", "State"), ==, "queued");
  sim_control (lab_sim (f, 1), "set mute=0");
  daemon_await_state (f, "m1", "starting");
  g_assert_cmpstr (daemon_get_string (f, "m2", "State"), ==, "queued");
}

/* Out of the line: cancelled, not ready at its turn, refused by the module at its turn. */
static void
test_out_of_line (void)
{
  g_autoptr (DaemonFixture) f = three (lab_steps);

  daemon_call_ok (f, "m0", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m1", "Cancel", NULL, -1);
  daemon_await_finished (f, "m1", "failure", "Cancelled");
  g_assert_cmpstr (daemon_get_string (f, "m1", "State"), ==, "idle");

  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m2", "Upgrade", upgrade (), -1);
  sim_control (lab_sim (f, 1), "set sim=not inserted");
  sim_control (lab_sim (f, 2), "set fault=AT+FOTACTR error");
  sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
  daemon_await_finished (f, "m1", "failure", "NotReady");
  daemon_await_finished (f, "m2", "failure", "ModuleError");
  {
    g_autoptr (GVariant) history = lab_history (f, "m1");
    g_assert_cmpuint (g_variant_n_children (history), ==, 2);
  }
  lab_check_properties (f, "m1");
  lab_check_properties (f, "m2");
  /* The line is free again. */
  sim_control (lab_sim (f, 0), "abort");
  daemon_call_ok (f, "m0", "Upgrade", upgrade (), -1);
  daemon_await_state (f, "m0", "starting");
}

/* Away at its turn: the others go on, and it comes later. A hold keeps the whole line. */
static void
test_away (void)
{
  g_autoptr (DaemonFixture) f = three (lab_steps);
  int fd;

  daemon_call_ok (f, "m0", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m2", "Upgrade", upgrade (), -1);
  sim_control (lab_sim (f, 1), "vanish");
  DAEMON_AWAIT (f, g_str_equal (daemon_get_string (f, "m1", "Port"), ""));
  g_assert_cmpstr (daemon_get_string (f, "m1", "State"), ==, "queued");
  fd = hold_by (f, f->connection, "backup", "copies");
  sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
  daemon_await_finished (f, "m0", "failure", "ConnectFailed");
  lab_commands (f, lab_sim (f, 2));
  g_assert_cmpstr (daemon_get_string (f, "m2", "State"), ==, "queued");
  close (fd);
  daemon_await_state (f, "m2", "starting");
  g_assert_cmpstr (daemon_get_string (f, "m1", "State"), ==, "queued");
  sim_control (lab_sim (f, 1), "return");
  DAEMON_AWAIT (f, !g_str_equal (daemon_get_string (f, "m1", "Port"), ""));
  sim_control (lab_sim (f, 2), "ind FAIL_CONNECT");
  daemon_await_finished (f, "m2", "failure", "ConnectFailed");
  daemon_await_state (f, "m1", "starting");
}

/* Held at its turn, while it is still looked into: back in line, with its place. */
static void
test_hold_at_its_turn (void)
{
  g_autoptr (DaemonFixture) f = three (lab_steps);
  g_autofree char *id = NULL;
  int fd;

  daemon_call_ok (f, "m0", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m2", "Upgrade", upgrade (), -1);
  id = g_strdup (daemon_get_string (f, "m1", "LastUpgrade"));
  sim_control (lab_sim (f, 1), "set fault=1x AT+CPIN? late 20");
  sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
  sim_await (lab_sim (f, 1), "rx AT+CPIN?");
  fd = hold_by (f, f->connection, "backup", "copies");
  DAEMON_AWAIT (f, daemon_get_number (f, "m1", "CanCancel"));
  g_assert_cmpstr (daemon_get_string (f, "m1", "State"), ==, "queued");
  g_assert_cmpuint (sim_count (lab_sim (f, 1), "rx AT+FOTACTR"), ==, 0);
  close (fd);
  daemon_await_state (f, "m1", "starting");
  g_assert_cmpstr (daemon_get_string (f, "m1", "LastUpgrade"), ==, id);
  g_assert_cmpstr (daemon_get_string (f, "m2", "State"), ==, "queued");
  g_assert_cmpuint (lab_count (f, "m1", "Finished"), ==, 0);
}

/* Held before the module is ready for a package: an error to who asked, back in line where it was there. */
static void
test_hold_before_package (gconstpointer queued)
{
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  SimProcess *first = lab_add_sim (f, "m0", "usb", IMEI);
  SimProcess *sim = lab_add_sim (f, "m1", "uart", "864863040000025");
  g_autofree char *path = daemon_path (f, "package");
  Holding answer = { FALSE };
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  int fd;

  lab_play (f, first, lab_steps);
  daemon_start (f, LAB_USB "[module m1]\nport=@m1@\ntransport=uart\n" LAB_UART_TIMEOUTS);
  daemon_await_state (f, "m0", "idle");
  daemon_await_state (f, "m1", "idle");
  g_assert_true (g_file_set_contents (path, "package", -1, NULL));
  fd = g_open (path, O_RDONLY | O_CLOEXEC, 0);
  sim_control (sim, "set fault=1x AT+ZCOMDEL late 20");
  if (queued != NULL)
    {
      lab_upgrade (f, "");
      daemon_call_ok (f, "m1", "Install", g_variant_new_parsed ("(@h 0, @a{sv} {})"), fd);
      sim_control (first, "ind FAIL_CONNECT");
    }
  else
    {
      g_unix_fd_list_append (fds, fd, NULL);
      g_dbus_connection_call_with_unix_fd_list (f->connection, "org.gosuncn.Fota", "/org/gosuncn/Fota/module/m1",
                                                "org.gosuncn.Fota", "Install",
                                                g_variant_new_parsed ("(@h 0, @a{sv} {})"), NULL,
                                                G_DBUS_CALL_FLAGS_NONE, -1, fds, NULL, on_refused, &answer.done);
    }
  sim_await (sim, "rx AT+ZCOMDEL");
  DAEMON_AWAIT (f, !daemon_get_number (f, "m1", "CanCancel"));
  answer.fd = hold_by (f, f->connection, "backup", "copies");
  if (queued != NULL)
    DAEMON_AWAIT (f, daemon_get_number (f, "m1", "CanCancel"));
  else
    DAEMON_AWAIT (f, answer.done);
  g_assert_cmpstr (daemon_get_string (f, "m1", "State"), ==, queued != NULL ? "queued" : "idle");
  close (answer.fd);
  await_holds (f, "");
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
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  SimProcess *first = lab_add_sim (f, "m0", "usb", IMEI);
  SimProcess *sim = lab_add_sim (f, "m1", "uart", "864863040000025");
  g_autofree char *path = daemon_path (f, "package");
  int fd;

  lab_play (f, first, lab_steps);
  daemon_start (f, LAB_USB "[module m1]\nport=@m1@\ntransport=uart\n" LAB_UART_TIMEOUTS);
  daemon_await_state (f, "m0", "idle");
  daemon_await_state (f, "m1", "idle");
  g_assert_true (g_file_set_contents (path, "package", -1, NULL));
  fd = g_open (path, O_RDONLY | O_CLOEXEC, 0);
  sim_control (sim, "set fault=2x AT+ZCOMDEL late 50");
  lab_upgrade (f, "");
  daemon_call_ok (f, "m1", "Install", g_variant_new_parsed ("(@h 0, @a{sv} {})"), fd);
  close (fd);
  sim_control (first, "ind FAIL_CONNECT");
  sim_await (sim, "rx AT+ZCOMDEL");
  fd = hold_by (f, f->connection, "backup", "copies");
  sim_await (sim, "rx AT+ZCOMDEL");
  close (fd);
  await_holds (f, "");
  daemon_await_state (f, "m1", "transferring");
  daemon_await_state (f, "m1", "updating");
  g_assert_cmpuint (lab_count (f, "m1", "Finished"), ==, 0);
}

/* It begins on its own before its turn: the one in line ends, its own is taken up, and it runs beside the other. */
static void
test_begins_in_line (void)
{
  g_autoptr (DaemonFixture) f = three (lab_steps);
  g_autofree char *id = NULL;

  daemon_call_ok (f, "m0", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  id = g_strdup (daemon_get_string (f, "m1", "LastUpgrade"));
  sim_control (lab_sim (f, 1), "ind START");
  g_assert_cmpstr (lab_lookup (daemon_await_finished (f, "m1", "failure", "Busy"), "id"), ==, id);
  daemon_await_state (f, "m1", "downloading");
  g_assert_cmpstr (daemon_get_string (f, "m1", "LastUpgrade"), !=, id);
  sim_control (lab_sim (f, 1), "ind FAIL_END");
  daemon_await_finished (f, "m1", "failure", "UpgradeFailed");
  g_assert_cmpstr (daemon_get_string (f, "m0", "State"), ==, "starting");
  lab_check_properties (f, "m1");
}

/* At its turn it asks before it has taken the start: one upgrade, which is the one that waited. */
static void
test_asks_at_its_turn (void)
{
  g_autoptr (DaemonFixture) f = three (lab_steps);
  g_autofree char *id = NULL;

  daemon_call_ok (f, "m0", "Upgrade", upgrade (), -1);
  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  id = g_strdup (daemon_get_string (f, "m1", "LastUpgrade"));
  lab_play (f, lab_sim (f, 1), "on AT+FOTACTR\nind NEED_CONFIRM\nok\n");
  sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
  daemon_await_state (f, "m1", "confirming");
  g_assert_cmpstr (daemon_get_string (f, "m1", "LastUpgrade"), ==, id);
  sim_control (lab_sim (f, 1), "ind FAIL_WAIT_TIMEOUT");
  daemon_await_finished (f, "m1", "failure", "ConfirmTimeout");
  g_assert_cmpuint (lab_count (f, "m1", "Finished"), ==, 1);
  lab_check_properties (f, "m1");
}

/* Two whose questions policy allows; the first has the only slot. */
static DaemonFixture *
two_allowed (void)
{
  DaemonFixture *f = daemon_fixture_new ();

  lab_play (f, lab_add_sim (f, "m0", "usb", IMEI), lab_steps);
  lab_add_sim (f, "m1", "usb", "864863040000025");
  daemon_start (f, LAB_USB LAB_SECOND LAB_TIMEOUTS "[policy]\nconfirm=allow\n");
  daemon_await_state (f, "m0", "idle");
  daemon_await_state (f, "m1", "idle");
  lab_upgrade (f, "");
  return f;
}

/* At its turn it asks while it is still looked at: the one that waited is over, and policy answers the question. */
static void
test_asks_before_its_start (void)
{
  g_autoptr (DaemonFixture) f = two_allowed ();

  daemon_call_ok (f, "m1", "Upgrade", upgrade (), -1);
  lab_play (f, lab_sim (f, 1), "on AT+CPIN?\nind NEED_CONFIRM\nline +CPIN: READY\nok\non AT+FOTACTR=1\nok\n");
  sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
  daemon_await_finished (f, "m1", "failure", "Busy");
  sim_await (lab_sim (f, 1), "rx AT+FOTACTR=1");
  sim_control (lab_sim (f, 1), "ind FAIL_CONNECT");
  daemon_await_finished (f, "m1", "failure", "ConnectFailed");
}

/* A module that is allowed by policy waits for a free place too. */
static void
test_policy_waits (void)
{
  g_autoptr (DaemonFixture) f = two_allowed ();

  sim_control (lab_sim (f, 1), "question");
  daemon_await_state (f, "m1", "confirming");
  lab_await_log (f, "delayed by [policy] max-parallel");
  g_free (daemon_call_error (f, "m1", "Confirm", g_variant_new ("(ba{sv})", TRUE, NULL), -1, "Busy"));
  sim_control (lab_sim (f, 0), "ind FAIL_CONNECT");
  sim_await (lab_sim (f, 1), "answer 1");
}

int
main (int argc, char **argv)
{
  lab_init (&argc, &argv);
  g_test_add_func ("/daemon/hold/hold", test_hold);
  g_test_add_func ("/daemon/hold/before-start", test_hold_before_start);
  g_test_add_func ("/daemon/hold/at-its-turn", test_hold_at_its_turn);
  g_test_add_data_func ("/daemon/hold/before-package/alone", NULL, test_hold_before_package);
  g_test_add_data_func ("/daemon/hold/before-package/queued", "queued", test_hold_before_package);
  g_test_add_func ("/daemon/hold/let-go", test_hold_let_go);
  g_test_add_data_func ("/daemon/hold/question/ask", "ask", test_question);
  g_test_add_data_func ("/daemon/hold/question/allow", "allow", test_question);
  g_test_add_func ("/daemon/hold/refusal", test_refusal);
  g_test_add_data_func ("/daemon/hold/line/alive", NULL, test_line);
  g_test_add_data_func ("/daemon/hold/line/killed", "killed", test_line);
  g_test_add_data_func ("/daemon/hold/place/slow", NULL, test_place);
  g_test_add_data_func ("/daemon/hold/place/gone", "gone", test_place);
  g_test_add_func ("/daemon/hold/out-of-line", test_out_of_line);
  g_test_add_func ("/daemon/hold/away", test_away);
  g_test_add_func ("/daemon/hold/begins-in-line", test_begins_in_line);
  g_test_add_func ("/daemon/hold/asks-at-its-turn", test_asks_at_its_turn);
  g_test_add_func ("/daemon/hold/asks-before-its-start", test_asks_before_its_start);
  g_test_add_func ("/daemon/hold/policy-waits", test_policy_waits);
  return g_test_run ();
}
