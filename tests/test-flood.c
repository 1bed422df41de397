/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A module that chatters without end, as fast as its indications are read: the daemon does not grow, loses none of
 * them, and serves the others.
 *
 *   test-flood [SECONDS]    of chatter a test; 3 unless said otherwise */

#include "daemon-lab.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>

#define SECONDS 3
#define LISTENER_SECONDS 10 /* the bus keeps it all in memory */
#define GROWTH_MAX 1024 /* KiB */
#define STANDSTILL_US (300 * 1000)
#define LOOK_MS 20

typedef struct
{
  DaemonFixture *f;
  SimProcess *sim, *other;
  guint from;        /* events looked at */
  guint next;        /* the number of the next indication */
  double before, most; /* KiB of the daemon's own */
  guint tick;
} Flood;

static guint seconds = SECONDS;

static double
read_private (DaemonFixture *f)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/smaps_rollup", daemon_get_pid (f));
  g_autofree char *text = NULL;
  const char *line;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  line = strstr (text, "\nPrivate_Dirty:");
  g_assert_nonnull (line);
  return g_ascii_strtod (line + strlen ("\nPrivate_Dirty:"), NULL);
}

/* Every indication is the one behind the last. What was looked at is not kept: the test is to grow no more than the
 * daemon. */
static void
look (Flood *self)
{
  GPtrArray *events = self->f->events;

  for (; self->from < events->len; self->from++)
    {
      const DaemonEvent *event = g_ptr_array_index (events, self->from);
      const char *status, *argument;

      if (event->is_property || !g_str_equal (event->name, "FotaInd") || !g_str_equal (event->module, "m0"))
        continue;
      g_variant_get (event->value, "(&s&s&s)", &status, &argument, NULL);
      g_assert_cmpstr (status, ==, "FLOOD");
      g_assert_cmpuint (g_ascii_strtoull (argument, NULL, 10), ==, self->next);
      self->next++;
    }
  if (self->f->seen == 0 && events->len > 10000)
    {
      g_ptr_array_set_size (events, 0);
      self->from = 0;
    }
}

static gboolean
on_tick (gpointer data)
{
  Flood *self = data;

  look (self);
  self->most = MAX (self->most, read_private (self->f));
  return G_SOURCE_CONTINUE;
}

static void
flood_begin (Flood *self, guint flood_seconds)
{
  *self = (Flood){ .f = daemon_fixture_new () };
  self->sim = lab_add_sim (self->f, "m0", "usb", IMEI);
  self->other = lab_add_sim (self->f, "m1", "usb", "864863040000025");
  lab_play (self->f, self->other, lab_quick);
  self->f->quiet = TRUE;
  daemon_start (self->f, LAB_USB LAB_SECOND LAB_TIMEOUTS);
  daemon_await_state (self->f, "m0", "idle");
  daemon_await_state (self->f, "m1", "idle");
  daemon_call_ok (self->f, "m1", "Refresh", NULL, -1);
  self->before = self->most = read_private (self->f);
  self->from = self->f->events->len;
  self->tick = g_timeout_add (LOOK_MS, on_tick, self);
  sim_control (self->sim, "flood 0 %u FLOOD:%%n", flood_seconds);
}

/* All that the module has said has come. */
static void
flood_end (Flood *self)
{
  gint64 until = 0;
  guint said = 0;

  while (sim_count (self->sim, "flood ") == 0)
    daemon_fixture_turn (self->f, "the end of the flood", &until);
  g_assert_cmpint (sscanf (sim_await (self->sim, "flood "), "flood %u", &said), ==, 1);
  DAEMON_AWAIT (self->f, (look (self), self->next) == said);
  g_source_remove (self->tick);
  g_test_message ("%u indications; %.0f KiB private before, %.0f at most", said, self->before, self->most);
  g_assert_cmpuint (said, >, 200);
  g_assert_cmpfloat (self->most - self->before, <=, GROWTH_MAX);
  daemon_fixture_free (self->f);
}

/* Methods are answered, and another module is upgraded. */
static void
test_served (void)
{
  Flood flood;
  gint64 worst = 0;

  flood_begin (&flood, seconds);
  daemon_call_ok (flood.f, "m1", "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1);
  daemon_await_state (flood.f, "m1", "rebooting");
  daemon_await_state (flood.f, "m1", "idle");
  g_assert_cmpstr (daemon_get_string (flood.f, "m1", "LastResult"), ==, "success");
  while (sim_count (flood.sim, "flood ") == 0)
    {
      gint64 began = g_get_monotonic_time ();
      daemon_call_ok (flood.f, "m1", "SendCommand", g_variant_new ("(su)", "AT+CSQ", 10000), -1);
      worst = MAX (worst, g_get_monotonic_time () - began);
    }
  g_test_message ("the worst command on another module took %" G_GINT64_FORMAT " ms", worst / 1000);
  g_assert_cmpint (worst, <, 5 * G_USEC_PER_SEC);
  flood_end (&flood);
}

/* ---- a bus that takes nothing ---- */

static guint64
read_taken (DaemonFixture *f)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/io", daemon_get_pid (f));
  g_autofree char *text = NULL;
  const char *line;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  line = strstr (text, "rchar: ");
  g_assert_nonnull (line);
  return g_ascii_strtoull (line + strlen ("rchar: "), NULL, 10);
}

/* Turns the loop until the daemon has read nothing for a while. */
static gboolean
await_standstill (Flood *self)
{
  gint64 now = g_get_monotonic_time (), end = now + 20 * G_USEC_PER_SEC, since = now;
  guint64 taken = read_taken (self->f);

  for (; now < end && now - since < STANDSTILL_US; now = g_get_monotonic_time ())
    {
      guint64 latest;

      g_main_context_iteration (NULL, TRUE);
      latest = read_taken (self->f);
      if (latest != taken)
        since = g_get_monotonic_time ();
      taken = latest;
    }
  return now < end;
}

static pid_t
get_bus_pid (DaemonFixture *f)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      f->connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
      "GetConnectionUnixProcessID", g_variant_new ("(s)", "org.freedesktop.DBus"), NULL, G_DBUS_CALL_FLAGS_NONE, -1,
      NULL, &error);
  guint32 pid;

  g_assert_no_error (error);
  g_variant_get (reply, "(u)", &pid);
  return (pid_t) pid;
}

/* What the bus does not take, the daemon does not read. */
static void
test_stopped_bus (void)
{
  Flood flood;
  gboolean stood_still;
  pid_t bus;

  flood_begin (&flood, seconds);
  bus = get_bus_pid (flood.f);
  DAEMON_AWAIT (flood.f, flood.next > 0);
  for (guint i = 0; i < 3; i++)
    {
      guint seen = flood.next;

      kill (bus, SIGSTOP);
      stood_still = await_standstill (&flood);
      kill (bus, SIGCONT); /* before anything can end the test */
      g_assert_true (stood_still);
      DAEMON_AWAIT (flood.f, flood.next > seen);
    }
  flood_end (&flood);
}

/* ---- a listener that takes nothing ---- */

/* In a process of its own, which is then stopped: subscribes to everything. */
static int
listen_for_ever (const char *address)
{
  GDBusConnectionFlags flags
      = G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION;
  g_autoptr (GDBusConnection) connection
      = g_dbus_connection_new_for_address_sync (address, flags, NULL, NULL, NULL);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);

  g_assert_nonnull (connection);
  g_dbus_connection_call_sync (connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
                               "AddMatch", g_variant_new ("(s)", "type='signal'"), NULL, G_DBUS_CALL_FLAGS_NONE, -1,
                               NULL, NULL);
  puts ("listens");
  fflush (stdout);
  g_main_loop_run (loop);
  return 0;
}

static void
on_line (GObject *source, GAsyncResult *result, gpointer data)
{
  *(char **) data = g_data_input_stream_read_line_finish (G_DATA_INPUT_STREAM (source), result, NULL, NULL);
}

static void
die_with_the_test (gpointer data)
{
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

/* The bus has to keep it all for that one: that is its own affair. */
static void
test_stopped_listener (void)
{
  Flood flood;
  g_autofree char *self = g_file_read_link ("/proc/self/exe", NULL);
  g_autofree char *line = NULL;
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_PIPE);
  g_autoptr (GSubprocess) listener = NULL;
  g_autoptr (GDataInputStream) output = NULL;

  flood_begin (&flood, MIN (seconds, LISTENER_SECONDS));
  g_subprocess_launcher_set_child_setup (launcher, die_with_the_test, NULL, NULL);
  listener = g_subprocess_launcher_spawn (launcher, NULL, self, "--listen", g_test_dbus_get_bus_address (flood.f->bus),
                                          NULL);
  g_assert_nonnull (listener);
  output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (listener));
  g_data_input_stream_read_line_async (output, G_PRIORITY_DEFAULT, NULL, on_line, &line);
  DAEMON_AWAIT (flood.f, line != NULL);
  g_subprocess_send_signal (listener, SIGSTOP);
  flood_end (&flood);
  g_subprocess_force_exit (listener);
}

int
main (int argc, char **argv)
{
  if (argc > 2 && g_str_equal (argv[1], "--listen"))
    return listen_for_ever (argv[2]);
  lab_init (&argc, &argv);
  if (argc > 1)
    seconds = (guint) MAX (atoi (argv[1]), 2);
  g_test_add_func ("/flood/served", test_served);
  g_test_add_func ("/flood/stopped-bus", test_stopped_bus);
  g_test_add_func ("/flood/stopped-listener", test_stopped_listener);
  return g_test_run ();
}
