/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "mefota-error.h"
#include "mefota-readiness.h"

/* Ends a test that waits for something that never comes. */
#define DEADLINE 20

static void
assert_item (MefotaReadinessItem *item, const char *name, gboolean ok, const char *words)
{
  g_assert_nonnull (item);
  g_test_message ("%s: %s", item->name, item->detail);
  g_assert_cmpstr (item->name, ==, name);
  g_assert_cmpint (item->ok, ==, ok);
  g_assert_nonnull (item->detail);
  if (strstr (item->detail, words) == NULL)
    g_error ("\"%s\" is not in \"%s\"", words, item->detail);
}

/* ---- asking the module: the channel is played by the two functions below ---- */

typedef struct
{
  const char *command;
  const char *lines; /* separated by \n; NULL: an error */
  int code;          /* of MEFOTA_ERROR; -1: waits for its cancellation */
  const char *message;
} Answer;

static struct
{
  const Answer *answers;
  guint n_answers;
  GString *sent;
  guint cancel_at; /* position of the command during which the caller cancels, from 1 */
  GCancellable *cancellable;
} channel;

static gboolean
answer_now (gpointer user_data)
{
  GTask *task = user_data;
  const Answer *answer = g_task_get_task_data (task);

  if (answer->lines != NULL)
    g_task_return_pointer (task, g_strsplit (answer->lines, "\n", -1), (GDestroyNotify) g_strfreev);
  else
    g_task_return_new_error (task, MEFOTA_ERROR, answer->code, "%s", answer->message);

  return G_SOURCE_REMOVE;
}

static void
on_command_cancelled (GCancellable *cancellable, gpointer user_data)
{
  GTask *task = g_object_ref (user_data);

  g_signal_handlers_disconnect_by_data (cancellable, user_data);
  g_task_return_error_if_cancelled (task);
  g_object_unref (task);
}

void
mefota_at_channel_send_async (MefotaAtChannel *self, const char *command, const char *const *extra_prefixes,
                              guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);

  g_string_append_printf (channel.sent, "%s ", command);
  for (guint i = 0; i < channel.n_answers; i++)
    if (g_str_equal (channel.answers[i].command, command))
      {
        g_task_set_task_data (task, (gpointer) &channel.answers[i], NULL);
        if (channel.answers[i].code < 0)
          g_signal_connect_data (cancellable, "cancelled", G_CALLBACK (on_command_cancelled), g_object_ref (task),
                                 (GClosureNotify) (GCallback) g_object_unref, 0);
        else
          g_idle_add_full (G_PRIORITY_DEFAULT, answer_now, g_object_ref (task), g_object_unref);
        if (channel.cancel_at != 0 && --channel.cancel_at == 0)
          g_cancellable_cancel (channel.cancellable);
        return;
      }

  g_error ("%s was not expected", command);
}

char **
mefota_at_channel_send_finish (MefotaAtChannel *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

static gboolean
give_up (gpointer user_data)
{
  g_error ("Nothing came in %d s", DEADLINE);

  return G_SOURCE_REMOVE;
}

static void
store_result (GObject *source, GAsyncResult *result, gpointer user_data)
{
  *(GAsyncResult **) user_data = g_object_ref (result);
}

static GAsyncResult *
await (GAsyncResult **result)
{
  guint deadline = g_timeout_add_seconds (DEADLINE, give_up, NULL);

  while (*result == NULL)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (deadline);

  return *result;
}

static const char all_but_cops[] = "AT+CPIN? AT+CEREG? AT+CREG? AT+ZPAS? ";

static GPtrArray *
ask (const Answer *answers, guint n_answers, guint cancel_at, const char *expected_commands, GError **error)
{
  g_autoptr (GObject) fake = g_object_new (G_TYPE_OBJECT, NULL);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  g_autoptr (GAsyncResult) result = NULL;
  g_autofree char *sent = NULL;
  GPtrArray *items;
  gboolean silent;

  channel.answers = answers;
  channel.n_answers = n_answers;
  channel.sent = g_string_new (NULL);
  channel.cancel_at = cancel_at;
  channel.cancellable = cancellable;

  mefota_readiness_ask_async ((MefotaAtChannel *) (gpointer) fake, 20, cancellable, store_result, &result);
  items = mefota_readiness_ask_finish (await (&result), &silent, error);

  sent = g_string_free (g_steal_pointer (&channel.sent), FALSE);
  g_assert_cmpstr (sent, ==, expected_commands);

  return items;
}

static void
assert_items (GPtrArray *items, gboolean sim, gboolean registered, gboolean network)
{
  g_assert_nonnull (items);
  g_assert_cmpuint (items->len, ==, 3);
  assert_item (items->pdata[0], "sim", sim, "");
  assert_item (items->pdata[1], "registered", registered, "");
  assert_item (items->pdata[2], "network", network, "");
}

static void
test_ask_good (void)
{
  static const Answer answers[] = {
    { "AT+CPIN?", "+CPIN: READY", 0, NULL },
    { "AT+CEREG?", "+CEREG: 0,1", 0, NULL },
    { "AT+CREG?", "something else\n+CREG: 0,1", 0, NULL },
    { "AT+ZPAS?", "+ZPAS: \"LTE\",\"CS_PS\"", 0, NULL },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) items = ask (answers, G_N_ELEMENTS (answers), 0, all_but_cops, &error);

  g_assert_no_error (error);
  assert_items (items, TRUE, TRUE, TRUE);
}

static void
test_ask_errors (void)
{
  static const Answer answers[] = {
    { "AT+CPIN?", NULL, MEFOTA_ERROR_MODULE_ERROR,
      "The module refused AT+CPIN? with “SIM not inserted (+CME ERROR: 10)”; look its words up in its AT guide." },
    { "AT+CEREG?", NULL, MEFOTA_ERROR_MODULE_ERROR, "ERROR" },
    { "AT+CREG?", "noise\n+CREG: 0,5", 0, NULL },
    { "AT+ZPAS?", NULL, MEFOTA_ERROR_MODULE_ERROR, "ERROR" },
    { "AT+COPS?", "+COPS: 0,0,\"CMCC\",0", 0, NULL },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) items
      = ask (answers, G_N_ELEMENTS (answers), 0, "AT+CPIN? AT+CEREG? AT+CREG? AT+ZPAS? AT+COPS? ", &error);

  g_assert_no_error (error);
  assert_items (items, FALSE, TRUE, FALSE);
  assert_item (items->pdata[0], "sim", FALSE, "insert one");
  assert_item (items->pdata[2], "network", FALSE, "GSM");
}

/* No sentence of the channel within a sentence of ours. */
static void
test_ask_words (void)
{
  static const Answer answers[] = {
    { "AT+CPIN?", NULL, MEFOTA_ERROR_MODULE_ERROR, "The module refused AT+CPIN? with “ERROR” after “x”; look it up." },
    { "AT+CEREG?", "+CEREG: 0,1", 0, NULL },
    { "AT+CREG?", "+CREG: 0,1", 0, NULL },
    { "AT+ZPAS?", "+ZPAS: \"LTE\",\"CS_PS\"", 0, NULL },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) items = ask (answers, G_N_ELEMENTS (answers), 0, all_but_cops, &error);

  g_assert_no_error (error);
  assert_item (items->pdata[0], "sim", FALSE, "its SIM (ERROR):");
}

/* One command too slow: the others are still asked. */
static void
test_ask_timeout (void)
{
  static const Answer answers[] = {
    { "AT+CPIN?", NULL, MEFOTA_ERROR_TIMEOUT, "No answer." },
    { "AT+CEREG?", "+CEREG: 0,1", 0, NULL },
    { "AT+CREG?", "", 0, NULL },
    { "AT+ZPAS?", "+ZPAS: \"LTE\",\"CS_PS\"", 0, NULL },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) items = ask (answers, G_N_ELEMENTS (answers), 0, all_but_cops, &error);

  g_assert_no_error (error);
  assert_items (items, FALSE, TRUE, TRUE);
}

/* Silent for good: the channel never gets to the second command, and yet this ends. */
static void
test_ask_silent (void)
{
  static const Answer answers[] = {
    { "AT+CPIN?", NULL, MEFOTA_ERROR_TIMEOUT, "No answer." },
    { "AT+CEREG?", NULL, -1, NULL },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) items = ask (answers, G_N_ELEMENTS (answers), 0, "AT+CPIN? AT+CEREG? ", &error);

  g_assert_no_error (error);
  assert_items (items, FALSE, FALSE, FALSE);
}

/* Silent twice: to ask for the rest would only cost as long again. */
static void
test_ask_silent_twice (void)
{
  static const Answer answers[] = {
    { "AT+CPIN?", "+CPIN: READY", 0, NULL },
    { "AT+CEREG?", NULL, MEFOTA_ERROR_TIMEOUT, "No answer." },
    { "AT+CREG?", NULL, MEFOTA_ERROR_TIMEOUT, "No answer." },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) items
      = ask (answers, G_N_ELEMENTS (answers), 0, "AT+CPIN? AT+CEREG? AT+CREG? ", &error);

  g_assert_no_error (error);
  assert_items (items, TRUE, FALSE, FALSE);
}

static void
test_ask_gone (void)
{
  static const Answer answers[] = {
    { "AT+CPIN?", "+CPIN: READY", 0, NULL },
    { "AT+CEREG?", NULL, MEFOTA_ERROR_NOT_PRESENT, "The module is gone." },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) items = ask (answers, G_N_ELEMENTS (answers), 0, "AT+CPIN? AT+CEREG? ", &error);

  g_assert_null (items);
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT);
}

static void
test_ask_cancelled (void)
{
  static const Answer answers[] = {
    { "AT+CPIN?", "+CPIN: READY", 0, NULL },
    { "AT+CEREG?", NULL, -1, NULL },
  };
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) items = ask (answers, G_N_ELEMENTS (answers), 2, "AT+CPIN? AT+CEREG? ", &error);

  g_assert_null (items);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

/* ---- UPower ---- */

static const char upower_xml[] =
    "<node>"
    "  <interface name='org.freedesktop.UPower'><property name='OnBattery' type='b' access='read'/></interface>"
    "  <interface name='org.freedesktop.UPower.Device'>"
    "    <property name='IsPresent' type='b' access='read'/><property name='Percentage' type='d' access='read'/>"
    "  </interface>"
    "</node>";

static struct
{
  gboolean on_battery;
  gboolean present;
  double percentage;
} upower;

static GVariant *
get_upower_property (GDBusConnection *bus, const char *sender, const char *path, const char *interface,
                     const char *name, GError **error, gpointer user_data)
{
  if (g_str_equal (name, "OnBattery"))
    return g_variant_new_boolean (upower.on_battery);
  if (g_str_equal (name, "IsPresent"))
    return g_variant_new_boolean (upower.present);

  return g_variant_new_double (upower.percentage);
}

typedef struct
{
  GTestDBus *dbus;
  GDBusConnection *server;
  GDBusConnection *client;
  char *dir;
  char *service;
  char *started; /* appears if somebody starts UPower */
} Bus;

static GDBusConnection *
bus_connect (GTestDBus *dbus)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *bus = g_dbus_connection_new_for_address_sync (
      g_test_dbus_get_bus_address (dbus),
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL,
      &error);

  g_assert_no_error (error);

  return bus;
}

static void
bus_set_up (Bus *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;

  self->dir = g_dir_make_tmp ("mefota-upower-XXXXXX", &error);
  g_assert_no_error (error);
  self->service = g_build_filename (self->dir, "org.freedesktop.UPower.service", NULL);
  self->started = g_build_filename (self->dir, "started", NULL);
  text = g_strdup_printf ("[D-BUS Service]\nName=org.freedesktop.UPower\nExec=/usr/bin/touch %s\n", self->started);
  g_file_set_contents (self->service, text, -1, &error);
  g_assert_no_error (error);

  self->dbus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_add_service_dir (self->dbus, self->dir);
  g_test_dbus_up (self->dbus);
  self->server = bus_connect (self->dbus);
  self->client = bus_connect (self->dbus);
}

static void
bus_tear_down (Bus *self, gconstpointer data)
{
  g_assert_false (g_file_test (self->started, G_FILE_TEST_EXISTS));
  g_assert_true (g_dbus_connection_close_sync (self->client, NULL, NULL));
  g_assert_true (g_dbus_connection_close_sync (self->server, NULL, NULL));
  g_clear_object (&self->client);
  g_clear_object (&self->server);
  g_test_dbus_down (self->dbus);
  g_clear_object (&self->dbus);
  g_unlink (self->service);
  g_rmdir (self->dir);
  g_free (self->dir);
  g_free (self->service);
  g_free (self->started);
}

static MefotaReadinessItem *
bus_ask (Bus *self, GCancellable *cancellable, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  mefota_readiness_power_async (self->client, cancellable, store_result, &result);

  return mefota_readiness_power_finish (await (&result), error);
}

static void
bus_serve (Bus *self)
{
  static const GDBusInterfaceVTable vtable = { NULL, get_upower_property, NULL, { 0 } };
  g_autoptr (GDBusNodeInfo) info = g_dbus_node_info_new_for_xml (upower_xml, NULL);
  g_autoptr (GVariant) reply = NULL;
  g_autoptr (GError) error = NULL;

  g_dbus_connection_register_object (self->server, "/org/freedesktop/UPower", info->interfaces[0], &vtable, NULL, NULL,
                                     &error);
  g_assert_no_error (error);
  g_dbus_connection_register_object (self->server, "/org/freedesktop/UPower/devices/DisplayDevice", info->interfaces[1],
                                     &vtable, NULL, NULL, &error);
  g_assert_no_error (error);
  reply = g_dbus_connection_call_sync (self->server, "org.freedesktop.DBus", "/org/freedesktop/DBus",
                                       "org.freedesktop.DBus", "RequestName",
                                       g_variant_new ("(su)", "org.freedesktop.UPower", 0), NULL,
                                       G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  g_assert_no_error (error);
}

static void
test_power (Bus *self, gconstpointer data)
{
  static const struct
  {
    gboolean on_battery;
    gboolean present;
    double percentage;
    gboolean ok;
    const char *words; /* NULL: no item */
  } table[] = {
    { FALSE, TRUE, 5, TRUE, "mains" },          { TRUE, TRUE, 100, TRUE, "holds 100 %" },
    { TRUE, TRUE, 30, TRUE, "holds 30 %" },     { TRUE, TRUE, 29.9, FALSE, "only 29 %" },
    { TRUE, TRUE, 0, FALSE, "connect it to" },  { TRUE, FALSE, 0, FALSE, NULL },
    { FALSE, FALSE, 0, FALSE, NULL },
  };

  bus_serve (self);
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autoptr (GError) error = NULL;
      MefotaReadinessItem *item;

      upower.on_battery = table[i].on_battery;
      upower.present = table[i].present;
      upower.percentage = table[i].percentage;
      item = bus_ask (self, NULL, &error);
      g_assert_no_error (error);
      if (table[i].words == NULL)
        g_assert_null (item);
      else
        assert_item (item, "power", table[i].ok, table[i].words);
      mefota_readiness_item_free (item);
    }
}

/* Only startable: tear-down sees whether it was. */
static void
test_power_absent (Bus *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (bus_ask (self, NULL, &error));
  g_assert_no_error (error);
}

static void
test_power_cancelled (Bus *self, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  bus_serve (self);
  g_cancellable_cancel (cancellable);
  g_assert_null (bus_ask (self, cancellable, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/readiness/ask/good", test_ask_good);
  g_test_add_func ("/readiness/ask/errors", test_ask_errors);
  g_test_add_func ("/readiness/ask/words", test_ask_words);
  g_test_add_func ("/readiness/ask/timeout", test_ask_timeout);
  g_test_add_func ("/readiness/ask/silent", test_ask_silent);
  g_test_add_func ("/readiness/ask/silent-twice", test_ask_silent_twice);
  g_test_add_func ("/readiness/ask/gone", test_ask_gone);
  g_test_add_func ("/readiness/ask/cancelled", test_ask_cancelled);
  g_test_add ("/readiness/power/items", Bus, NULL, bus_set_up, test_power, bus_tear_down);
  g_test_add ("/readiness/power/absent", Bus, NULL, bus_set_up, test_power_absent, bus_tear_down);
  g_test_add ("/readiness/power/cancelled", Bus, NULL, bus_set_up, test_power_cancelled, bus_tear_down);

  return g_test_run ();
}
