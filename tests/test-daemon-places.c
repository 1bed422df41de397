/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A module is the place it is plugged into and its IMEI, never a tty's number: two modules at once as udev finds them,
 * and what was there at start beside what came later. */

#include "udev-lab.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define A "usb_1_1_2"
#define B "usb_1_1_3"
#define IMEI_B "864863040000025"
#define VERSION_B "ME3630C1CV2.0B08"
#define BOTH LAB_TIMEOUTS "settle=60\n[policy]\nmax-parallel=2\n"

typedef struct
{
  UMockdevTestbed *testbed;
  DaemonFixture *f;
  Seat *a; /* plugged in as ttyUSB1, once the test says so */
  Seat *b; /* ... ttyUSB4 */
} Fixture;

static void
set_up (Fixture *self, gconstpointer data)
{
  self->testbed = udev_lab_testbed_new ();
  self->f = daemon_fixture_new ();
  self->a = seat_new (self->f, self->testbed, "1-1.2", A, IMEI);
  self->b = seat_new (self->f, self->testbed, "1-1.3", B, IMEI_B);
  lab_play (self->f, self->a->sim, "on AT+FOTACTR\nok\n");
  lab_play (self->f, self->b->sim, "on AT+FOTACTR\nok\n");
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  daemon_fixture_free (self->f);
  seat_free (self->a);
  seat_free (self->b);
  g_object_unref (self->testbed);
}

static void
start_with_both (Fixture *self, const char *config)
{
  seat_plug (self->a, 1);
  seat_plug (self->b, 4);
  daemon_start (self->f, config);
  daemon_await_state (self->f, A, "idle");
  daemon_await_state (self->f, B, "idle");
}

/* Up to @state, `downloading` or `updating`. Returns the upgrade's id. */
static char *
begin (Seat *seat, const char *state)
{
  daemon_call_ok (seat->fixture, seat->id, "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1);
  sim_control (seat->sim, "ind START");
  if (g_str_equal (state, "updating"))
    sim_control (seat->sim, "ind UPDATING");
  daemon_await_state (seat->fixture, seat->id, state);
  return g_strdup (daemon_get_string (seat->fixture, seat->id, "LastUpgrade"));
}

/* It has all that is its own. */
static void
check_own (Seat *seat, const char *imei, const char *version, const char *upgrade)
{
  g_assert_cmpstr (daemon_get_string (seat->fixture, seat->id, "PhysicalPath"), ==, seat->place);
  g_assert_cmpstr (daemon_get_string (seat->fixture, seat->id, "Imei"), ==, imei);
  g_assert_cmpstr (daemon_get_string (seat->fixture, seat->id, "FirmwareVersion"), ==, version);
  g_assert_cmpstr (daemon_get_string (seat->fixture, seat->id, "LastUpgrade"), ==, upgrade);
  if (upgrade[0] != '\0')
    g_assert_cmpuint (daemon_get_number (seat->fixture, seat->id, "RebootsSeen"), ==, seat->left);
  lab_check_properties (seat->fixture, seat->id);
}

static void
check_success (Seat *seat, const char *imei, const char *version, const char *upgrade)
{
  g_autoptr (GVariant) entry = NULL;

  DAEMON_AWAIT (seat->fixture, lab_count (seat->fixture, seat->id, "Finished") > 0);
  daemon_await_state (seat->fixture, seat->id, "idle");
  g_assert_cmpstr (daemon_get_string (seat->fixture, seat->id, "LastResult"), ==, "success");
  check_own (seat, imei, version, upgrade);
  entry = lab_only_entry (seat->fixture, seat->id);
  g_assert_cmpstr (lab_lookup (entry, "id"), ==, upgrade);
  g_assert_cmpstr (lab_lookup (entry, "imei"), ==, imei);
  g_assert_cmpstr (lab_lookup (entry, "to-version"), ==, version);
}

/* ---- two modules ---- */

/* The one moves to another number, and back to its old one, while the other installs. */
static void
test_beside_an_upgrade (Fixture *self, gconstpointer data)
{
  g_autofree char *upgrade = NULL;

  start_with_both (self, BOTH);
  upgrade = begin (self->b, "updating");
  for (guint i = 0; i < 2; i++)
    {
      seat_unplug (self->a, i == 0 ? LEAVE_HANG_UP_FIRST : LEAVE_UDEV_FIRST);
      seat_plug (self->a, i == 0 ? 7 : 1);
      daemon_await_state (self->f, A, "idle");
      check_own (self->a, IMEI, OLD_VERSION, "");
      g_assert_cmpstr (daemon_get_string (self->f, B, "State"), ==, "updating");
      check_own (self->b, IMEI_B, OLD_VERSION, upgrade);
    }
  sim_control (self->b->sim, "firmware " VERSION_B);
  seat_unplug (self->b, LEAVE_AT_ONCE);
  seat_plug (self->b, 7);
  check_success (self->b, IMEI_B, VERSION_B, upgrade);
  check_own (self->a, IMEI, OLD_VERSION, "");
}

/* Both vanish, and come back with each other's numbers: each has its own object, IMEI and upgrade. */
static void
test_swapped (Fixture *self, gconstpointer state)
{
  g_autofree char *of_a = NULL;
  g_autofree char *of_b = NULL;

  start_with_both (self, BOTH);
  of_a = begin (self->a, state);
  of_b = begin (self->b, state);
  seat_unplug (self->a, LEAVE_HANG_UP_FIRST);
  seat_unplug (self->b, LEAVE_UDEV_FIRST);
  sim_control (self->a->sim, "firmware " NEW_VERSION);
  sim_control (self->b->sim, "firmware " VERSION_B);
  seat_plug (self->b, 1);
  seat_plug (self->a, 4);
  check_success (self->a, IMEI, NEW_VERSION, of_a);
  check_success (self->b, IMEI_B, VERSION_B, of_b);
  g_assert_cmpuint (lab_count (self->f, "", "InterfacesRemoved"), ==, 0);
}

/* While the one is away in its upgrade, a newcomer gets its number, and is not taken for it. */
static void
test_number_taken (Fixture *self, gconstpointer data)
{
  g_autofree char *upgrade = NULL;

  seat_plug (self->a, 1);
  daemon_start (self->f, BOTH);
  daemon_await_state (self->f, A, "idle");
  upgrade = begin (self->a, "updating");
  seat_unplug (self->a, LEAVE_HANG_UP_FIRST);
  sim_control (self->b->sim, "firmware " NEW_VERSION);
  seat_plug (self->b, 1);
  daemon_await_state (self->f, B, "idle");
  check_own (self->b, IMEI_B, NEW_VERSION, "");
  g_assert_cmpstr (daemon_get_string (self->f, A, "State"), ==, "rebooting");
  check_own (self->a, IMEI, OLD_VERSION, upgrade);
  sim_control (self->a->sim, "firmware " NEW_VERSION);
  seat_plug (self->a, 4);
  check_success (self->a, IMEI, NEW_VERSION, upgrade);
}

/* ---- what was there at start, and what came later ---- */

static void
add_lines (GPtrArray *lines, const char *path, GVariant *interfaces)
{
  for (gsize i = 0; i < g_variant_n_children (interfaces); i++)
    {
      g_autoptr (GVariant) interface = g_variant_get_child_value (interfaces, i);
      g_autoptr (GVariant) properties = g_variant_get_child_value (interface, 1);

      for (gsize j = 0; j < g_variant_n_children (properties); j++)
        {
          g_autoptr (GVariant) property = g_variant_get_child_value (properties, j);
          g_autofree char *text = g_variant_print (property, TRUE);
          g_ptr_array_add (lines, g_strconcat (path, " ", text, NULL));
        }
    }
}

static gint
compare_lines (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

/* All that GetManagedObjects tells; only the order may differ between two daemons. */
static char *
describe_objects (Fixture *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      self->f->connection, "org.gosuncn.Fota", "/org/gosuncn/Fota", "org.freedesktop.DBus.ObjectManager",
      "GetManagedObjects", NULL, G_VARIANT_TYPE ("(a{oa{sa{sv}}})"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GVariant) objects = NULL;

  g_assert_no_error (error);
  objects = g_variant_get_child_value (reply, 0);
  for (gsize i = 0; i < g_variant_n_children (objects); i++)
    {
      g_autoptr (GVariant) object = g_variant_get_child_value (objects, i);
      g_autoptr (GVariant) interfaces = g_variant_get_child_value (object, 1);
      const char *path;
      g_variant_get_child (object, 0, "&o", &path);
      add_lines (lines, path, interfaces);
    }
  g_ptr_array_sort (lines, compare_lines);
  g_ptr_array_add (lines, NULL);
  return g_strjoinv ("\n", (char **) lines->pdata);
}

/* Its settings are the last that is read from it. */
static void
await_read (Seat *seat, const char *state)
{
  daemon_await_state (seat->fixture, seat->id, state);
  DAEMON_AWAIT (seat->fixture, daemon_get_number (seat->fixture, seat->id, "ServerPort") != 0);
}

/* What the daemon shows now is what one shows that is started now, and that goes on afterwards. */
static void
check_cold (Fixture *self, const char *state_of_a, gboolean b_is_there)
{
  g_autofree char *hot = NULL;

  for (guint i = 0; i < 2; i++)
    {
      g_autofree char *objects = NULL;

      await_read (self->a, state_of_a);
      if (b_is_there)
        await_read (self->b, "idle");
      objects = describe_objects (self);
      g_assert_nonnull (strstr (objects, "/" A " "));
      g_assert_cmpint (strstr (objects, "/" B " ") != NULL, ==, b_is_there);
      if (i == 1)
        {
          g_assert_cmpstr (objects, ==, hot);
          return;
        }
      hot = g_steal_pointer (&objects);
      daemon_stop (self->f);
      daemon_start (self->f, NULL);
    }
}

static void
test_coldplug_is_hotplug (Fixture *self, gconstpointer data)
{
  daemon_start (self->f, BOTH);
  seat_plug (self->b, 4);
  seat_plug (self->a, 1);
  check_cold (self, "idle", TRUE);
  seat_unplug (self->a, LEAVE_UDEV_FIRST);
  seat_plug (self->a, 7);
  check_cold (self, "idle", TRUE);
  seat_unplug (self->b, LEAVE_AT_ONCE);
  DAEMON_AWAIT (self->f, lab_count (self->f, "", "InterfacesRemoved") > 0);
  check_cold (self, "idle", FALSE);
  seat_plug (self->b, 1);
  check_cold (self, "idle", TRUE);
}

/* The same, with an upgrade under way: what is known of the one before is kept too. */
static void
test_coldplug_in_an_upgrade (Fixture *self, gconstpointer data)
{
  start_with_both (self, BOTH);
  for (guint i = 0; i < 3; i++)
    {
      g_autofree char *upgrade = begin (self->a, i == 0 ? "updating" : "downloading");

      check_cold (self, i == 0 ? "updating" : "downloading", TRUE);
      if (i == 0)
        {
          sim_control (self->a->sim, "firmware " NEW_VERSION);
          seat_unplug (self->a, LEAVE_HANG_UP_FIRST);
          seat_plug (self->a, 7);
          check_success (self->a, IMEI, NEW_VERSION, upgrade);
        }
      else
        {
          sim_control (self->a->sim, "ind FAIL_VERIFY");
          daemon_await_state (self->f, A, "idle");
        }
      check_cold (self, "idle", TRUE);
    }
}

/* ---- another module in the place of the one that is about to be upgraded ---- */

#define MM "org.freedesktop.ModemManager1"
#define MM_PATH "/org/freedesktop/ModemManager1"
#define IMEI_C "864863040000033"

typedef struct
{
  const char *method;
  gboolean queued;
} Begun;

/* A ModemManager that takes its time. */
typedef struct
{
  GPtrArray *asked; /* of GDBusMethodInvocation, unanswered */
  gboolean there;
} Slow;

static void
on_inhibit (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *method,
            GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
  Slow *slow = data;
  gboolean inhibit;

  g_variant_get (parameters, "(&sb)", NULL, &inhibit);
  if (inhibit)
    g_ptr_array_add (slow->asked, invocation);
  else
    g_dbus_method_invocation_return_value (invocation, NULL);
}

static void
on_owned (GDBusConnection *bus, const char *name, gpointer data)
{
  ((Slow *) data)->there = TRUE;
}

static void
let_go (Slow *slow)
{
  for (guint i = 0; i < slow->asked->len; i++)
    g_dbus_method_invocation_return_value (g_ptr_array_index (slow->asked, i), NULL);
  g_ptr_array_set_size (slow->asked, 0);
}

typedef struct
{
  gboolean done;
  char *error;
} Reply;

static void
on_reply (GObject *source, GAsyncResult *result, gpointer data)
{
  Reply *reply = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) value
      = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), NULL, result, &error);

  reply->error = error != NULL ? g_dbus_error_get_remote_error (error) : g_strdup ("");
  reply->done = TRUE;
}

static void
ask_for (Fixture *self, const Begun *begun, Reply *reply)
{
  gboolean install = g_str_equal (begun->method, "Install");
  g_autofree char *path = daemon_path (self->f, "package");
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  int fd;

  g_assert_true (g_file_set_contents (path, "package", -1, NULL));
  fd = g_open (path, O_RDONLY | O_CLOEXEC, 0);
  g_assert_cmpint (g_unix_fd_list_append (fds, fd, NULL), ==, 0);
  close (fd);
  g_dbus_connection_call_with_unix_fd_list (
      self->f->connection, "org.gosuncn.Fota", "/org/gosuncn/Fota/module/" A, "org.gosuncn.Fota", begun->method,
      g_variant_new_parsed (install ? "(@h 0, {'name': <'delta.package'>})" : "('', {'force': <true>})"), NULL,
      G_DBUS_CALL_FLAGS_NONE, G_MAXINT, install ? fds : NULL, NULL, on_reply, reply);
}

/* Before ModemManager has let go the module is another one: that one is not upgraded, and can be used. */
static void
test_replaced_before_start (Fixture *self, gconstpointer data)
{
  static const GDBusInterfaceVTable vtable = { .method_call = on_inhibit };
  const Begun *begun = data;
  g_autofree char *adb = g_find_program_in_path ("adb");
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (
      "<node><interface name='" MM "'><method name='InhibitDevice'><arg type='s' direction='in'/>"
      "<arg type='b' direction='in'/></method></interface></node>", NULL);
  g_autoptr (GPtrArray) asked = g_ptr_array_new ();
  Slow slow = { asked, FALSE };
  Reply reply = { FALSE };
  guint object, name;

  if (adb == NULL && g_str_equal (begun->method, "Install"))
    {
      g_test_skip ("there is no adb");
      return;
    }
  object = g_dbus_connection_register_object (self->f->connection, MM_PATH, node->interfaces[0], &vtable, &slow, NULL,
                                              NULL);
  name = g_bus_own_name_on_connection (self->f->connection, MM, 0, on_owned, NULL, &slow, NULL);
  DAEMON_AWAIT (self->f, slow.there);
  start_with_both (self, LAB_TIMEOUTS);
  if (begun->queued)
    {
      daemon_call_ok (self->f, B, "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1);
      ask_for (self, begun, &reply);
      DAEMON_AWAIT (self->f, reply.done);
      g_assert_cmpstr (reply.error, ==, "");
      let_go (&slow);
      sim_control (self->b->sim, "ind FAIL_CONNECT");
      daemon_await_finished (self->f, B, "failure", "ConnectFailed");
    }
  else
    ask_for (self, begun, &reply);
  DAEMON_AWAIT (self->f, asked->len > 0);
  seat_unplug (self->a, LEAVE_UDEV_FIRST);
  sim_control (self->a->sim, "set imei=" IMEI_C);
  seat_plug (self->a, 7);
  DAEMON_AWAIT (self->f, g_str_equal (daemon_get_string (self->f, A, "Imei"), IMEI_C));
  let_go (&slow);
  DAEMON_AWAIT (self->f, reply.done);
  if (begun->queued)
    daemon_await_finished (self->f, A, "failure", "ModuleReplaced");
  else
    g_assert_cmpstr (reply.error, ==, "org.gosuncn.Fota.Error.NotPresent");
  DAEMON_AWAIT (self->f, g_str_equal (daemon_get_string (self->f, A, "State"), "idle"));
  daemon_call_ok (self->f, A, "SetPolling", g_variant_new ("(b)", TRUE), -1);
  g_assert_cmpuint (sim_count (self->a->sim, "rx AT+FOTACTR"), ==, 0);
  g_assert_cmpuint (sim_count (self->a->sim, "rx AT+ZCOMDEL"), ==, 0);
  g_assert_cmpuint (lab_count (self->f, A, "Finished"), ==, begun->queued ? 1 : 0);
  lab_check_properties (self->f, A);
  g_free (reply.error);
  let_go (&slow);
  g_bus_unown_name (name);
  g_dbus_connection_unregister_object (self->f->connection, object);
}

int
main (int argc, char **argv)
{
  static const Begun network = { "Upgrade", FALSE }, network_queued = { "Upgrade", TRUE };
  static const Begun package = { "Install", FALSE }, package_queued = { "Install", TRUE };

  if (!udev_lab_init (&argc, &argv))
    return 0;
#define ADD(name, data, func) g_test_add ("/daemon/places/" name, Fixture, data, set_up, func, tear_down)
  ADD ("beside-an-upgrade", NULL, test_beside_an_upgrade);
  ADD ("swapped/downloading", "downloading", test_swapped);
  ADD ("swapped/updating", "updating", test_swapped);
  ADD ("number-taken", NULL, test_number_taken);
  ADD ("coldplug-is-hotplug", NULL, test_coldplug_is_hotplug);
  ADD ("coldplug-in-an-upgrade", NULL, test_coldplug_in_an_upgrade);
  ADD ("replaced-before-start/network", &network, test_replaced_before_start);
  ADD ("replaced-before-start/network-queued", &network_queued, test_replaced_before_start);
  ADD ("replaced-before-start/package", &package, test_replaced_before_start);
  ADD ("replaced-before-start/package-queued", &package_queued, test_replaced_before_start);
#undef ADD
  return g_test_run ();
}
