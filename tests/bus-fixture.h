/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A private bus, waiting with a deadline, and a log that is looked at. */

#include <gio/gio.h>
#include <stdlib.h>
#include <string.h>

#define DEADLINE_SECONDS 20

static inline gboolean
on_deadline (gpointer what)
{
  g_printerr ("Bail out! waited in vain for: %s\n", (const char *) what);
  abort ();
}

#define AWAIT(condition)                                                                    \
  G_STMT_START                                                                              \
  {                                                                                         \
    guint deadline_ = g_timeout_add_seconds (DEADLINE_SECONDS, on_deadline, (gpointer) #condition); \
    while (!(condition))                                                                    \
      g_main_context_iteration (NULL, TRUE);                                                \
    g_source_remove (deadline_);                                                            \
  }                                                                                         \
  G_STMT_END

typedef struct
{
  GTestDBus *daemon;
  GDBusConnection *ours;   /* what the tested code gets */
  GDBusConnection *theirs; /* where the other services live */
} Bus;

static inline GDBusConnection *
bus_connect (Bus *bus)
{
  g_autoptr (GError) error = NULL;
  GDBusConnection *connection = g_dbus_connection_new_for_address_sync (
      g_test_dbus_get_bus_address (bus->daemon),
      G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL, NULL,
      &error);
  g_assert_no_error (error);
  return connection;
}

static inline void
bus_open (Bus *bus)
{
  bus->daemon = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (bus->daemon);
  bus->ours = bus_connect (bus);
  bus->theirs = bus_connect (bus);
}

static inline void
bus_drop_connection (GDBusConnection **connection)
{
  g_autoptr (GDBusConnection) last = g_steal_pointer (connection);
  if (last != NULL && !g_dbus_connection_is_closed (last))
    g_dbus_connection_close_sync (last, NULL, NULL);
}

static inline void
bus_close (Bus *bus)
{
  bus_drop_connection (&bus->ours);
  bus_drop_connection (&bus->theirs);
  g_test_dbus_down (bus->daemon);
  g_clear_object (&bus->daemon);
}

static inline void
bus_own (GDBusConnection *connection, const char *name, gboolean own)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_sync (
      connection, "org.freedesktop.DBus", "/org/freedesktop/DBus", "org.freedesktop.DBus",
      own ? "RequestName" : "ReleaseName", own ? g_variant_new ("(su)", name, 4u) : g_variant_new ("(s)", name), NULL,
      G_DBUS_CALL_FLAGS_NONE, -1, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (reply);
}

static inline void
on_pong (GObject *source, GAsyncResult *result, gpointer user_data)
{
  gboolean *done = user_data;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, NULL);
  g_assert_nonnull (reply);
  *done = TRUE;
}

/* Everything sent so far between @from and @to has been handled, in both directions. */
static inline void
bus_barrier (GDBusConnection *from, GDBusConnection *to)
{
  for (int i = 0; i < 2; i++)
    {
      gboolean done = FALSE;
      g_dbus_connection_call (from, g_dbus_connection_get_unique_name (to), "/", "org.freedesktop.DBus.Peer", "Ping",
                              NULL, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, on_pong, &done);
      AWAIT (done);
    }
}

/* The log: warnings must be expected, everything can be counted. */

static GPtrArray *logged;

static inline GLogWriterOutput
log_capture (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  g_autoptr (GString) text = g_string_new (level & G_LOG_LEVEL_WARNING ? "WARNING=1\n" : NULL);
  for (gsize i = 0; i < n_fields; i++)
    if (fields[i].length < 0)
      g_string_append_printf (text, "%s=%s\n", fields[i].key, (const char *) fields[i].value);
  if (level & (G_LOG_LEVEL_ERROR | G_LOG_LEVEL_CRITICAL))
    {
      g_printerr ("Bail out! %s\n", text->str);
      abort ();
    }
  g_ptr_array_add (logged, g_strdup (text->str));
  return G_LOG_WRITER_HANDLED;
}

static inline void
log_open (void)
{
  logged = g_ptr_array_new_with_free_func (g_free);
  g_log_set_writer_func (log_capture, NULL, NULL);
}

static inline guint
log_count (const char *part)
{
  guint n = 0;
  for (guint i = 0; i < logged->len; i++)
    if (strstr (g_ptr_array_index (logged, i), part) != NULL)
      n++;
  return n;
}

static inline void
log_forget (void)
{
  g_ptr_array_set_size (logged, 0);
}
