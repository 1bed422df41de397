/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "daemon-lab.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

/* Longer than the daemon takes to tell a change, however busy the machine. */
#define TELLING_SECONDS 10

const char lab_steps[] = "on AT+FOTACTR\n"
                         "ok\n"
                         "hold started\n"
                         "ind START\n"
                         "ind DOWNLOADING:25%\n"
                         "hold downloading\n"
                         "ind DOWNLOADING:75%\n"
                         "ind COSTTIME:0min17sec\n"
                         "ind NEED_VERIFY\n"
                         "hold verifying\n"
                         "ind PASS_VERIFY\n"
                         "hold passed\n"
                         "ind UPDATING\n"
                         "hold updating\n"
                         "firmware $next\n"
                         "reboot 5\n"
                         "hold back\n"
                         "ind SUCCESS_END\n"
                         "hold said\n";

const char lab_quick[] = "on AT+FOTACTR\n"
                         "ok\n"
                         "ind START\n"
                         "ind DOWNLOADING:25%\n"
                         "ind COSTTIME:0min17sec\n"
                         "ind NEED_VERIFY\n"
                         "ind PASS_VERIFY\n"
                         "ind UPDATING\n"
                         "firmware $next\n"
                         "reboot 5\n"
                         "ind SUCCESS_END\n";

void
lab_use_memory (void)
{
  if (g_access ("/dev/shm", W_OK) == 0)
    g_setenv ("TMPDIR", "/dev/shm", TRUE);
}

void
lab_init (int *argc, char ***argv)
{
  lab_use_memory ();
  g_test_init (argc, argv, NULL);
}

SimProcess *
lab_sim (DaemonFixture *self, guint index)
{
  return g_ptr_array_index (self->sims, index);
}

SimProcess *
lab_add_sim (DaemonFixture *self, const char *name, const char *wiring, const char *imei)
{
  g_autofree char *wired = g_strconcat ("wiring=", wiring, NULL);
  g_autofree char *known = g_strconcat ("imei=", imei, NULL);

  /* On a UART it must be away long enough for its silence to be noticed. */
  return daemon_add_sim (self, name, wired, known, "time-scale=100", "linger=0.1", "boot-delay=0",
                         g_str_equal (wiring, "uart") ? "return-late=90" : NULL, NULL);
}

void
lab_play (DaemonFixture *self, SimProcess *sim, const char *script)
{
  g_autofree char *path = daemon_path (self, "script");
  g_autoptr (GError) error = NULL;

  g_file_set_contents (path, script, -1, &error);
  g_assert_no_error (error);
  sim_control (sim, "script %s", path);
}

DaemonFixture *
lab_new (const char *wiring, const char *script, const char *config)
{
  DaemonFixture *self = daemon_fixture_new ();
  SimProcess *sim = lab_add_sim (self, "m0", wiring, IMEI);
  g_autofree char *text = g_strconcat (g_str_equal (wiring, "uart") ? LAB_UART LAB_UART_TIMEOUTS : LAB_USB LAB_TIMEOUTS,
                                       config, NULL);

  if (script != NULL)
    lab_play (self, sim, script);
  daemon_start (self, text);
  daemon_await_state (self, "m0", "idle");
  return self;
}

DaemonFixture *
lab_new_two (const char *script, const char *config)
{
  DaemonFixture *self = daemon_fixture_new ();
  g_autofree char *text = g_strconcat (LAB_USB LAB_SECOND LAB_TIMEOUTS, config, NULL);
  SimProcess *second;

  lab_play (self, lab_add_sim (self, "m0", "usb", IMEI), lab_steps);
  second = lab_add_sim (self, "m1", "usb", SECOND_IMEI);
  if (script != NULL)
    lab_play (self, second, script);
  daemon_start (self, text);
  daemon_await_state (self, "m0", "idle");
  daemon_await_state (self, "m1", "idle");
  return self;
}

void
lab_upgrade (DaemonFixture *self, const char *target)
{
  daemon_call_ok (self, "m0", "Upgrade", g_variant_new ("(sa{sv})", target, NULL), -1);
}

void
lab_upgrade_async (DaemonFixture *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_dbus_connection_call (self->connection, "org.gosuncn.Fota", "/org/gosuncn/Fota/module/m0", "org.gosuncn.Fota",
                          "Upgrade", g_variant_new ("(sa{sv})", "", NULL), NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL,
                          callback, user_data);
}

int
lab_package (DaemonFixture *self)
{
  g_autofree char *path = daemon_path (self, "package");
  int fd;

  g_assert_true (g_file_set_contents (path, "package", -1, NULL));
  fd = g_open (path, O_RDONLY | O_CLOEXEC, 0);
  g_assert_cmpint (fd, >=, 0);
  return fd;
}

void
lab_pass (SimProcess *sim, const char *name)
{
  g_autofree char *hold = g_strconcat ("hold ", name, NULL);

  sim_await (sim, hold);
  sim_control (sim, "go %s", name);
}

/* ---- holds ---- */

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

int
lab_hold (DaemonFixture *self, const char *who, const char *why)
{
  Holding holding = { FALSE };

  g_dbus_connection_call_with_unix_fd_list (self->connection, "org.gosuncn.Fota", "/org/gosuncn/Fota",
                                            "org.gosuncn.Fota.Manager", "Hold", g_variant_new ("(ss)", who, why),
                                            G_VARIANT_TYPE ("(h)"), G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, on_held,
                                            &holding);
  DAEMON_AWAIT (self, holding.done);
  return holding.fd;
}

void
lab_await_holds (DaemonFixture *self, const char *expected)
{
  g_auto (GStrv) parts = g_strsplit (expected, ";", -1);
  g_autofree char *text = NULL;

  DAEMON_AWAIT (self, g_variant_n_children (daemon_get (self, "", "Holds")) == g_strv_length (parts));
  text = g_variant_print (daemon_get (self, "", "Holds"), FALSE);
  for (guint i = 0; parts[i] != NULL; i++)
    g_assert_nonnull (strstr (text, parts[i]));
}

/* ---- what was told ---- */

char *
lab_told (DaemonFixture *self, const char *module, const char *property, guint from)
{
  GString *all = g_string_new (NULL);

  for (guint i = from; i < self->events->len; i++)
    {
      const DaemonEvent *event = g_ptr_array_index (self->events, i);
      g_autofree char *text = NULL;
      if (!event->is_property || strcmp (event->module, module) != 0 || strcmp (event->name, property) != 0)
        continue;
      text = g_variant_is_of_type (event->value, G_VARIANT_TYPE_STRING) ? g_variant_dup_string (event->value, NULL)
                                                                        : g_variant_print (event->value, FALSE);
      g_string_append_printf (all, "%s%s", all->len > 0 ? " " : "", text);
    }
  return g_string_free (all, FALSE);
}

guint
lab_count (DaemonFixture *self, const char *module, const char *name)
{
  guint n = 0;

  for (guint i = 0; i < self->events->len; i++)
    {
      const DaemonEvent *event = g_ptr_array_index (self->events, i);
      if (!event->is_property && g_str_equal (event->module, module) && g_str_equal (event->name, name))
        n++;
    }
  return n;
}

char *
lab_indications (DaemonFixture *self, const char *module, guint from)
{
  GString *all = g_string_new (NULL);

  for (guint i = from; i < self->events->len; i++)
    {
      const DaemonEvent *event = g_ptr_array_index (self->events, i);
      const char *status, *argument;
      if (event->is_property || strcmp (event->module, module) != 0 || strcmp (event->name, "FotaInd") != 0)
        continue;
      g_variant_get (event->value, "(&s&s&s)", &status, &argument, NULL);
      g_string_append_printf (all, "%s%s%s;", status, argument[0] != '\0' ? " " : "", argument);
    }
  return g_string_free (all, FALSE);
}

/* ---- reading ---- */

typedef struct
{
  gboolean done;
  GVariant *reply;
} Reading;

static void
on_read (GObject *source, GAsyncResult *result, gpointer data)
{
  Reading *reading = data;
  g_autoptr (GError) error = NULL;

  reading->reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  g_assert_no_error (error);
  reading->done = TRUE;
}

/* Twice: what the daemon had to tell when the first came was told when the second is answered. */
static GVariant *
read_all (DaemonFixture *self, const char *path, const char *interface)
{
  g_autoptr (GVariant) reply = NULL;

  for (int i = 0; i < 2; i++)
    {
      Reading reading = { FALSE };
      g_dbus_connection_call (self->connection, "org.gosuncn.Fota", path, "org.freedesktop.DBus.Properties", "GetAll",
                              g_variant_new ("(s)", interface), G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NONE, -1,
                              NULL, on_read, &reading);
      DAEMON_AWAIT (self, reading.done);
      g_clear_pointer (&reply, g_variant_unref);
      reply = reading.reply;
    }
  return g_variant_get_child_value (reply, 0);
}

/* The first property that is not what was told; NULL: there is none. */
static char *
find_untold (DaemonFixture *self, const char *module)
{
  g_autofree char *path = g_strconcat ("/org/gosuncn/Fota/module/", module, NULL);
  g_autoptr (GVariant) all = read_all (self, path, "org.gosuncn.Fota");

  g_assert_cmpuint (g_variant_n_children (all), ==, 31);
  for (gsize i = 0; i < g_variant_n_children (all); i++)
    {
      g_autoptr (GVariant) value = NULL;
      const char *name;
      GVariant *told;

      g_variant_get_child (all, i, "{&sv}", &name, &value);
      told = daemon_get (self, module, name);
      if (told == NULL || !g_variant_equal (told, value))
        {
          g_autofree char *is = g_variant_print (value, TRUE);
          g_autofree char *was = told != NULL ? g_variant_print (told, TRUE) : g_strdup ("nothing");
          return g_strdup_printf ("%s is %s, and %s was told", name, is, was);
        }
    }
  return NULL;
}

/* What changes between the two readings is told a moment later; what changes in silence never is. */
void
lab_check_properties (DaemonFixture *self, const char *module)
{
  gint64 deadline = g_get_monotonic_time () + TELLING_SECONDS * G_USEC_PER_SEC;
  g_autofree char *untold = find_untold (self, module);

  while (untold != NULL && g_get_monotonic_time () < deadline)
    {
      g_free (untold);
      untold = find_untold (self, module);
    }
  g_assert_cmpstr (untold, ==, NULL);
}

guint
lab_commands (DaemonFixture *self, SimProcess *sim)
{
  g_autoptr (GVariant) all = read_all (self, "/org/gosuncn/Fota", "org.gosuncn.Fota.Manager");

  /* The daemon has nothing more to send; the module looks at its port before it says so twice. */
  sim_control (sim, "status");
  sim_control (sim, "status");
  return sim_count (sim, "rx ");
}

gboolean
lab_logged (DaemonFixture *self, const char *text)
{
  g_autofree char *log = daemon_read_log (self);
  return strstr (log, text) != NULL;
}

void
lab_await_log (DaemonFixture *self, const char *text)
{
  DAEMON_AWAIT (self, lab_logged (self, text));
}

GVariant *
lab_history (DaemonFixture *self, const char *module)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = NULL;
  GVariantDict filter;

  g_variant_dict_init (&filter, NULL);
  if (module != NULL)
    g_variant_dict_insert (&filter, "module", "s", module);
  reply = daemon_call (self, "", "GetHistory", g_variant_new ("(@a{sv})", g_variant_dict_end (&filter)), -1, &error);
  g_assert_no_error (error);
  return g_variant_get_child_value (reply, 0);
}

GVariant *
lab_only_entry (DaemonFixture *self, const char *module)
{
  g_autoptr (GVariant) history = lab_history (self, module);

  g_assert_cmpuint (g_variant_n_children (history), ==, 1);
  return g_variant_get_child_value (history, 0);
}

const char *
lab_lookup (GVariant *dictionary, const char *key)
{
  const char *value = NULL;

  g_variant_lookup (dictionary, key, "&s", &value);
  return value;
}

void
lab_check_only_entry (DaemonFixture *self, const char *module, const char *operation, const char *target)
{
  g_autoptr (GVariant) entry = lab_only_entry (self, module);

  g_assert_cmpstr (lab_lookup (entry, "operation"), ==, operation);
  g_assert_cmpstr (lab_lookup (entry, "target-version"), ==, target);
  g_assert_cmpstr (lab_lookup (entry, "from-version"), ==, OLD_VERSION);
  if (g_str_equal (operation, "network"))
    g_assert_true (g_str_has_prefix (lab_lookup (entry, "requested-by"), g_get_user_name ()));
  g_assert_cmpuint (lab_count (self, module, "Finished"), ==, 1);
}
