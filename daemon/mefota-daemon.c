/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-daemon.h"

#include "mefota-build.h"
#include "mefota-bus.h"
#include "mefota-service.h"
#include "mefota-tty.h"

#include <malloc.h>

#define RECONNECT_FIRST_MS 250
#define RECONNECT_MAX_MS 30000

struct _MefotaDaemon
{
  GObject parent;
  GMainLoop *loop;
  char *config_path;
  MefotaServices services;
  MefotaRegistry *registry;
  MefotaBus *bus;
  GCancellable *cancellable;
  guint name_id, reconnect_id, status_id;
  guint reconnect_ms;
  gboolean started;
  MefotaExit exit;
};

G_DEFINE_FINAL_TYPE (MefotaDaemon, mefota_daemon, G_TYPE_OBJECT)

static void connect_bus (MefotaDaemon *self);

/* ---- the sentence of systemctl status ---- */

static gboolean
tell_status (gpointer data)
{
  MefotaDaemon *self = data;
  GPtrArray *modules = mefota_registry_get_modules (self->registry);
  g_autoptr (GString) upgrading = g_string_new (NULL);
  g_autofree char *sentence = NULL;
  guint present = 0;

  self->status_id = 0;
  for (guint i = 0; i < modules->len; i++)
    {
      MefotaModuleInfo info;
      mefota_module_get_info (g_ptr_array_index (modules, i), &info);
      present += info.port[0] != '\0' ? 1 : 0;
      if (mefota_upgrade_is_active (info.upgrade))
        g_string_append_printf (upgrading, "%s%s (%s)", upgrading->len > 0 ? ", " : "", info.id,
                                mefota_state_to_word (info.state));
    }
  if (upgrading->len > 0)
    sentence = g_strdup_printf ("Upgrading %s%s", upgrading->str,
                                mefota_guard_is_critical (self->services.guard) ? "; do not power off." : ".");
  else
    sentence = g_strdup_printf ("Idle, %u of %u modules present.", present, modules->len);
  mefota_service_status (sentence);
  return G_SOURCE_REMOVE;
}

static void
on_module_changed (MefotaModule *module, gboolean at_once, gpointer data)
{
  MefotaDaemon *self = data;
  if (at_once && self->status_id == 0)
    self->status_id = g_idle_add (tell_status, self);
}

static void
on_module_added (MefotaRegistry *registry, MefotaModule *module, gpointer data)
{
  MefotaDaemon *self = data;
  g_signal_connect_object (module, "changed", G_CALLBACK (on_module_changed), self, 0);
  if (self->status_id == 0)
    self->status_id = g_idle_add (tell_status, self);
}

/* ---- the bus ---- */

static void
leave (MefotaDaemon *self, MefotaExit status)
{
  self->exit = status;
  g_main_loop_quit (self->loop);
}

/* What the start alone needed goes back to the system. */
static gboolean
on_settled (gpointer data)
{
#ifdef __GLIBC__
  malloc_trim (0);
#endif
  return G_SOURCE_REMOVE;
}

static void
on_name_acquired (GDBusConnection *connection, const char *name, gpointer data)
{
  MefotaDaemon *self = data;

  if (self->started)
    return;
  self->started = TRUE;
  mefota_registry_start (self->registry);
  mefota_guard_settle (self->services.guard);
  tell_status (self);
  mefota_service_ready ();
  mefota_service_watchdog_start ();
  g_idle_add_full (G_PRIORITY_LOW, on_settled, NULL, NULL);
}

static void
on_name_lost (GDBusConnection *connection, const char *name, gpointer data)
{
  MefotaDaemon *self = data;

  if (connection == NULL || g_dbus_connection_is_closed (connection))
    return; /* the bus is gone: told by "closed" */
  g_critical ("The bus name %s belongs to somebody else, or the bus policy refuses it; stop the other mefotad, or have "
              "the policy read again (systemctl reload dbus).", name);
  leave (self, MEFOTA_EXIT_NO_NAME);
}

static gboolean
on_reconnect (gpointer data)
{
  MefotaDaemon *self = data;
  self->reconnect_id = 0;
  connect_bus (self);
  return G_SOURCE_REMOVE;
}

static void
reconnect_later (MefotaDaemon *self)
{
  self->reconnect_ms = CLAMP (self->reconnect_ms * 2, RECONNECT_FIRST_MS, RECONNECT_MAX_MS);
  self->reconnect_id = g_timeout_add (self->reconnect_ms, on_reconnect, self);
}

static void
on_closed (GDBusConnection *connection, gboolean vanished, GError *error, gpointer data)
{
  MefotaDaemon *self = data;

  g_warning ("The bus has gone; upgrades go on, and mefotad comes back to the bus when that is there again.");
  g_clear_handle_id (&self->name_id, g_bus_unown_name);
  if (self->bus != NULL)
    mefota_bus_close (self->bus);
  g_clear_object (&self->bus);
  mefota_guard_set_bus (self->services.guard, NULL);
  g_signal_handlers_disconnect_by_data (connection, self);
  g_clear_object (&self->services.bus);
  reconnect_later (self);
}

static void
call_bus_changed (gpointer module, gpointer unused)
{
  mefota_module_bus_changed (module);
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaDaemon) self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GDBusConnection) connection = g_dbus_connection_new_for_address_finish (result, &error);

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (connection == NULL && self->started)
    {
      g_debug ("%s", error->message);
      reconnect_later (self);
      return;
    }
  if (connection == NULL)
    {
      g_critical ("The system bus cannot be reached: %s", error->message);
      leave (self, MEFOTA_EXIT_FAILED);
      return;
    }
  self->reconnect_ms = 0;
  g_dbus_connection_set_exit_on_close (connection, FALSE);
  g_signal_connect (connection, "closed", G_CALLBACK (on_closed), self);
  self->services.bus = g_object_ref (connection);
  mefota_guard_set_bus (self->services.guard, connection);
  if (!self->started)
    mefota_registry_load (self->registry);
  else
    g_ptr_array_foreach (mefota_registry_get_modules (self->registry), call_bus_changed, NULL);
  self->bus = mefota_bus_new (connection, &self->services, self->registry);
  self->name_id = g_bus_own_name_on_connection (connection, MEFOTA_BUS_NAME, G_BUS_NAME_OWNER_FLAGS_DO_NOT_QUEUE,
                                                on_name_acquired, on_name_lost, self, NULL);
}

static void
connect_bus (MefotaDaemon *self)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *address = g_dbus_address_get_for_bus_sync (G_BUS_TYPE_SYSTEM, NULL, &error);

  if (address == NULL)
    {
      g_critical ("The system bus has no address: %s", error->message);
      leave (self, MEFOTA_EXIT_FAILED);
      return;
    }
  g_dbus_connection_new_for_address (
      address, G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT | G_DBUS_CONNECTION_FLAGS_MESSAGE_BUS_CONNECTION, NULL,
      self->cancellable, on_connected, g_object_ref (self));
}

/* ---- life ---- */

void
mefota_daemon_start (MefotaDaemon *self)
{
  connect_bus (self);
}

void
mefota_daemon_reload (MefotaDaemon *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MefotaConfig) fresh = NULL;

  mefota_service_reloading ();
  fresh = mefota_config_load (self->config_path, MEFOTA_SYSCONFDIR "/mefota/mefotad.conf", &error);
  if (fresh == NULL)
    g_warning ("The configuration stays as it was: %s", error->message);
  else
    {
      for (guint i = 0; i < fresh->warnings->len; i++)
        g_warning ("%s", (const char *) g_ptr_array_index (fresh->warnings, i));
      self->services.config->policy = fresh->policy;
      self->services.config->timeouts = fresh->timeouts;
      mefota_queue_set_max_parallel (self->services.queue, fresh->policy.max_parallel);
      g_message ("Configuration read again; changes of [module] groups, and of timeouts for ports that are open, need "
                 "a restart.");
    }
  mefota_service_ready ();
}

void
mefota_daemon_stop (MefotaDaemon *self)
{
  mefota_service_stopping ();
  g_cancellable_cancel (self->cancellable);
  g_clear_handle_id (&self->reconnect_id, g_source_remove);
  g_clear_handle_id (&self->status_id, g_source_remove);
  mefota_service_watchdog_stop ();
  g_clear_handle_id (&self->name_id, g_bus_unown_name);
  if (self->bus != NULL)
    mefota_bus_close (self->bus);
  g_clear_object (&self->bus);
  mefota_registry_stop (self->registry);
  if (self->services.adb != NULL)
    mefota_adb_close (self->services.adb);
  if (self->services.bus != NULL)
    g_signal_handlers_disconnect_by_data (self->services.bus, self);
}

MefotaExit
mefota_daemon_get_exit (MefotaDaemon *self)
{
  return self->exit;
}

static void
mefota_daemon_finalize (GObject *object)
{
  MefotaDaemon *self = MEFOTA_DAEMON (object);

  g_clear_object (&self->registry);
  g_clear_object (&self->services.guard);
  g_clear_object (&self->services.adb);
  g_clear_object (&self->services.queue);
  g_clear_object (&self->services.bus);
  g_clear_pointer (&self->services.store, mefota_store_free);
  g_clear_pointer (&self->services.profiles, mefota_profiles_free);
  g_clear_pointer (&self->services.config, mefota_config_free);
  g_clear_object (&self->cancellable);
  g_main_loop_unref (self->loop);
  g_free (self->config_path);
  G_OBJECT_CLASS (mefota_daemon_parent_class)->finalize (object);
}

static void
mefota_daemon_class_init (MefotaDaemonClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mefota_daemon_finalize;
}

static void
mefota_daemon_init (MefotaDaemon *self)
{
  self->cancellable = g_cancellable_new ();
}

static GIOStream *
open_tty (const char *path, guint baud, MefotaFlowControl flow, char **node, GError **error)
{
  MefotaTty *tty = mefota_tty_open (path, baud, flow, error);
  if (tty == NULL)
    return NULL;
  *node = g_strdup (mefota_tty_get_node (tty));
  return G_IO_STREAM (tty);
}

MefotaDaemon *
mefota_daemon_new (MefotaConfig *config, MefotaProfiles *profiles, const char *config_path, const char *state_directory,
                   const char *run_directory, GMainLoop *loop)
{
  MefotaDaemon *self = g_object_new (MEFOTA_TYPE_DAEMON, NULL);

  self->loop = g_main_loop_ref (loop);
  self->config_path = g_strdup (config_path);
  self->services.config = config;
  self->services.profiles = profiles;
  self->services.store = mefota_store_new (state_directory);
  self->services.queue = mefota_queue_new (config->policy.max_parallel);
  self->services.guard = mefota_guard_new (NULL, run_directory, mefota_service_take_fd ("power-critical"));
#if HAVE_ADB
  {
    g_autofree char *socket_path = g_build_filename (run_directory, "adb.socket", NULL);
    g_autofree char *home = g_build_filename (state_directory, "adb", NULL);
    self->services.adb = mefota_adb_new ("adb", socket_path, home);
  }
#endif
  self->services.opener = open_tty;
  self->registry = mefota_registry_new (&self->services);
  g_signal_connect (self->registry, "added", G_CALLBACK (on_module_added), self);
  return self;
}
