/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-bus-private.h"

#include "mefota-build.h"
#include "mefota-error.h"

/* GDBus queues outgoing signals without bound: after so many indications the port is read on only once the bus has
 * taken them. */
#define INDICATIONS_AHEAD 64

typedef struct
{
  MefotaBus *bus; /* NULL once the bus is closed */
  MefotaModule *module;
  MefotaSkeleton *skeleton;
  gboolean can_serial, can_adb; /* as Methods has it */
  guint ahead;
  gboolean flushing;
} Export;

G_DEFINE_FINAL_TYPE (MefotaBus, mefota_bus, G_TYPE_OBJECT)

void
mefota_bus_return_error (GDBusMethodInvocation *invocation, GError *error)
{
  if (error->domain != MEFOTA_ERROR)
    {
      g_autoptr (GError) foreign = error;
      error = g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_FAILED, "%s; the journal of mefotad may tell more.",
                           foreign->message);
    }
  g_dbus_method_invocation_take_error (invocation, error);
}

/* ---- properties ---- */

static void
sync_methods (Export *export, const MefotaModuleInfo *info)
{
  const char *methods[3] = { "network" };
  gsize n = 1;

  if (mefota_skeleton_get (export->skeleton, "Methods") != NULL && export->can_serial == info->can_serial
      && export->can_adb == info->can_adb)
    return;
  export->can_serial = info->can_serial;
  export->can_adb = info->can_adb;
  if (info->can_serial)
    methods[n++] = "serial";
  if (info->can_adb)
    methods[n++] = "adb";
  mefota_skeleton_set (export->skeleton, "Methods", g_variant_new_strv (methods, (gssize) n));
}

static void
sync_last_error (MefotaSkeleton *s, const char *name, const char *message)
{
  GVariant *told = mefota_skeleton_get (s, "LastError");
  const char *told_name = NULL;
  const char *told_message = NULL;

  if (told != NULL)
    g_variant_get (told, "(&s&s)", &told_name, &told_message);
  if (g_strcmp0 (told_name, name) != 0 || g_strcmp0 (told_message, message) != 0)
    mefota_skeleton_set (s, "LastError", g_variant_new ("(ss)", name, message));
}

static void
sync_upgrade (MefotaSkeleton *s, const MefotaModuleInfo *info)
{
  const MefotaUpgrade *u = info->upgrade;
  gboolean active = mefota_upgrade_is_active (u);
  gboolean failed = u->result == MEFOTA_RESULT_FAILURE;

  mefota_skeleton_set_string (s, "Operation", mefota_operation_to_word (active ? u->operation : MEFOTA_OPERATION_NONE));
  mefota_skeleton_set_string (s, "Status", u->status);
  mefota_skeleton_set_string (s, "StatusArgument", u->argument);
  mefota_skeleton_set_number (s, "Progress", u->progress);
  mefota_skeleton_set_number (s, "StartedAt", active ? (guint64) u->started_at : 0);
  mefota_skeleton_set_number (s, "PhaseSince", active ? (guint64) u->phase_since : 0);
  mefota_skeleton_set_number (s, "RebootsSeen", u->reboots);
  mefota_skeleton_set_number (s, "Overdue", u->overdue);
  mefota_skeleton_set_number (s, "CanCancel", info->can_cancel);
  mefota_skeleton_set_number (s, "PowerCritical", u->power_critical);
  mefota_skeleton_set_number (s, "ConfirmDeadline", (guint64) u->confirm_deadline);
  mefota_skeleton_set_string (s, "FromVersion", u->from_version);
  mefota_skeleton_set_number (s, "DownloadSeconds", u->download_seconds);
  mefota_skeleton_set_string (s, "LastUpgrade", u->id);
  if (active)
    return; /* the last result stays until this one's end */
  mefota_skeleton_set_string (s, "LastResult", mefota_result_to_word (u->result));
  sync_last_error (s, failed ? mefota_error_get_name (u->error) : "", failed ? u->message : "");
}

/* How the upgrade before the one that is under way ended; that one is shown by sync_upgrade() when it ends. */
static void
show_former_result (MefotaBus *self, MefotaSkeleton *s, const char *id)
{
  g_autoptr (GVariant) history = mefota_store_history_list (self->services->store, id, NULL, 1);
  const char *result = mefota_result_to_word (MEFOTA_RESULT_NONE);
  const char *name = "";
  const char *message = "";
  g_autoptr (GVariant) entry = NULL;

  if (g_variant_n_children (history) > 0)
    {
      entry = g_variant_get_child_value (history, 0);
      g_variant_lookup (entry, "result", "&s", &result);
      g_variant_lookup (entry, "error-name", "&s", &name);
      g_variant_lookup (entry, "error-message", "&s", &message);
    }
  mefota_skeleton_set_string (s, "LastResult", result);
  sync_last_error (s, name, message);
}

static void
sync_module (Export *export)
{
  MefotaSkeleton *s = export->skeleton;
  MefotaModuleInfo info;

  mefota_module_get_info (export->module, &info);
  mefota_skeleton_set_string (s, "Imei", info.identity->imei);
  mefota_skeleton_set_string (s, "Manufacturer", info.identity->manufacturer);
  mefota_skeleton_set_string (s, "Model", info.identity->model);
  mefota_skeleton_set_string (s, "FirmwareVersion", info.identity->version);
  mefota_skeleton_set_string (s, "Port", info.port);
  mefota_skeleton_set_string (s, "PhysicalPath", info.physical_path);
  mefota_skeleton_set_string (s, "Transport", mefota_transport_to_word (info.transport));
  sync_methods (export, &info);
  mefota_skeleton_set_string (s, "ServerAddress", info.settings->server);
  mefota_skeleton_set_number (s, "ServerPort", info.settings->port);
  mefota_skeleton_set_number (s, "PollingEnabled", info.settings->polling);
  mefota_skeleton_set_number (s, "PollingRestartNeeded", info.polling_restart_needed);
  mefota_skeleton_set_string (s, "TargetVersion", info.settings->target);
  mefota_skeleton_set_string (s, "State", mefota_state_to_word (info.state));
  sync_upgrade (s, &info);
}

static void
sync_manager (MefotaBus *self)
{
  GPtrArray *modules = mefota_registry_get_modules (self->registry);
  g_autoptr (GPtrArray) paths = g_ptr_array_new_with_free_func (g_free);

  for (guint i = 0; i < modules->len; i++)
    g_ptr_array_add (paths,
                     g_strconcat (MEFOTA_MODULE_PREFIX, mefota_module_get_id (g_ptr_array_index (modules, i)), NULL));
  mefota_skeleton_set (self->manager, "Modules",
                       g_variant_new_objv ((const char *const *) paths->pdata, (gssize) paths->len));
  mefota_skeleton_set_number (self->manager, "PowerCritical", mefota_guard_is_critical (self->services->guard));
  mefota_skeleton_set (self->manager, "Holds", mefota_queue_get_holds (self->services->queue));
}

/* ---- what modules tell ---- */

static void
on_changed (MefotaModule *module, gboolean at_once, gpointer data)
{
  Export *export = data;

  sync_module (export);
  mefota_skeleton_set_number (export->bus->manager, "PowerCritical",
                              mefota_guard_is_critical (export->bus->services->guard));
  if (!at_once)
    return;
  /* The skeleton merges changes until it is idle: a state passed through would never be seen. The module's comes last,
   * so that nothing comes between its end and Finished. */
  g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (export->bus->manager));
  g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (export->skeleton));
}

void
mefota_bus_flush (MefotaBus *self, MefotaModule *module)
{
  Export *export = g_hash_table_lookup (self->exports, module);

  if (export != NULL)
    g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (export->skeleton));
}

static void
export_unref (gpointer data)
{
  g_rc_box_release (data);
}

static void
on_flushed (GObject *source, GAsyncResult *result, gpointer data)
{
  Export *export = data;

  g_dbus_connection_flush_finish (G_DBUS_CONNECTION (source), result, NULL);
  export->flushing = FALSE;
  export->ahead = 0;
  if (export->bus != NULL)
    mefota_module_set_paused (export->module, FALSE);
  export_unref (export);
}

static void
on_indication (MefotaModule *module, const MefotaIndication *indication, gpointer data)
{
  Export *export = data;

  mefota_skeleton_emit (export->skeleton, "FotaInd",
                        g_variant_new ("(sss)", indication->status, indication->argument, indication->raw));
  if (++export->ahead >= INDICATIONS_AHEAD && !export->flushing)
    {
      export->flushing = TRUE;
      mefota_module_set_paused (module, TRUE);
      g_dbus_connection_flush (export->bus->connection, NULL, on_flushed, g_rc_box_acquire (export));
    }
}

static void
on_confirm_requested (MefotaModule *module, gint64 deadline, gpointer data)
{
  Export *export = data;
  mefota_skeleton_emit (export->skeleton, "ConfirmRequested", g_variant_new ("(t)", (guint64) deadline));
}

static void
on_finished (MefotaModule *module, GVariant *details, gpointer data)
{
  Export *export = data;
  const char *result = "";

  g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (export->skeleton));
  g_variant_lookup (details, "result", "&s", &result);
  mefota_skeleton_emit (export->skeleton, "Finished", g_variant_new ("(s@a{sv})", result, details));
}

/* ---- coming and going ---- */

static void
on_module_call (GDBusMethodInvocation *invocation, gpointer data)
{
  Export *export = data;
  mefota_bus_call (export->bus, export->module, invocation);
}

static void
on_manager_call (GDBusMethodInvocation *invocation, gpointer data)
{
  mefota_bus_call (data, NULL, invocation);
}

static void
add_module (MefotaBus *self, MefotaModule *module)
{
  g_autofree char *path = g_strconcat (MEFOTA_MODULE_PREFIX, mefota_module_get_id (module), NULL);
  g_autoptr (GDBusObjectSkeleton) object = g_dbus_object_skeleton_new (path);
  Export *export = g_rc_box_new0 (Export);
  MefotaModuleInfo info;

  export->bus = self;
  export->module = module;
  export->skeleton = mefota_skeleton_new (&org_gosuncn_fota_interface, on_module_call, export);
  mefota_skeleton_set_string (export->skeleton, "Id", mefota_module_get_id (module));
  mefota_skeleton_set_string (export->skeleton, "LastResult", mefota_result_to_word (MEFOTA_RESULT_NONE));
  sync_last_error (export->skeleton, "", "");
  mefota_module_get_info (module, &info);
  if (mefota_upgrade_is_active (info.upgrade))
    show_former_result (self, export->skeleton, info.id);
  sync_module (export);
  g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (export->skeleton));
  g_hash_table_insert (self->exports, g_object_ref (module), export);
  g_signal_connect (module, "changed", G_CALLBACK (on_changed), export);
  g_signal_connect (module, "indication", G_CALLBACK (on_indication), export);
  g_signal_connect (module, "confirm-requested", G_CALLBACK (on_confirm_requested), export);
  g_signal_connect (module, "finished", G_CALLBACK (on_finished), export);
  g_dbus_object_skeleton_add_interface (object, G_DBUS_INTERFACE_SKELETON (export->skeleton));
  g_dbus_object_manager_server_export (self->server, object);
}

static void
remove_module (MefotaBus *self, MefotaModule *module, Export *export)
{
  g_autofree char *path = g_strconcat (MEFOTA_MODULE_PREFIX, mefota_module_get_id (module), NULL);

  g_signal_handlers_disconnect_by_data (module, export);
  if (export->flushing)
    mefota_module_set_paused (module, FALSE);
  g_dbus_object_manager_server_unexport (self->server, path);
  g_clear_object (&export->skeleton);
  export->bus = NULL;
}

static void
on_added (MefotaRegistry *registry, MefotaModule *module, gpointer data)
{
  add_module (data, module);
  sync_manager (data);
}

static void
on_removed (MefotaRegistry *registry, MefotaModule *module, gpointer data)
{
  MefotaBus *self = data;
  Export *export = g_hash_table_lookup (self->exports, module);

  if (export != NULL)
    {
      remove_module (self, module, export);
      g_hash_table_remove (self->exports, module);
    }
  sync_manager (self);
}

static void
on_queue_changed (MefotaQueue *queue, gpointer data)
{
  sync_manager (data);
}

void
mefota_bus_close (MefotaBus *self)
{
  GHashTableIter iter;
  gpointer module, export;

  if (self->server == NULL)
    return;
  g_signal_handlers_disconnect_by_data (self->registry, self);
  g_signal_handlers_disconnect_by_data (self->services->queue, self);
  g_hash_table_iter_init (&iter, self->exports);
  while (g_hash_table_iter_next (&iter, &module, &export))
    remove_module (self, module, export);
  g_hash_table_remove_all (self->exports);
  g_dbus_interface_skeleton_unexport (G_DBUS_INTERFACE_SKELETON (self->manager));
  g_dbus_object_manager_server_set_connection (self->server, NULL);
  g_clear_object (&self->manager);
  g_clear_object (&self->server);
}

static void
mefota_bus_finalize (GObject *object)
{
  MefotaBus *self = MEFOTA_BUS (object);

  mefota_bus_close (self);
  g_hash_table_unref (self->exports);
  g_clear_pointer (&self->authority, mefota_authority_free);
  g_clear_object (&self->connection);
  G_OBJECT_CLASS (mefota_bus_parent_class)->finalize (object);
}

static void
mefota_bus_class_init (MefotaBusClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mefota_bus_finalize;
}

static void
mefota_bus_init (MefotaBus *self)
{
  self->exports = g_hash_table_new_full (NULL, NULL, g_object_unref, export_unref);
}

MefotaBus *
mefota_bus_new (GDBusConnection *connection, MefotaServices *services, MefotaRegistry *registry)
{
  MefotaBus *self = g_object_new (MEFOTA_TYPE_BUS, NULL);
  g_autoptr (GError) error = NULL;
  GPtrArray *modules = mefota_registry_get_modules (registry);

  self->connection = g_object_ref (connection);
  self->services = services;
  self->registry = registry;
  self->authority = mefota_authority_new (connection, MEFOTA_GROUP);
  self->server = g_dbus_object_manager_server_new (MEFOTA_OBJECT_ROOT);
  self->manager = mefota_skeleton_new (&org_gosuncn_fota_manager_interface, on_manager_call, self);
  mefota_skeleton_set_string (self->manager, "Version", MEFOTA_VERSION);
  for (guint i = 0; i < modules->len; i++)
    add_module (self, g_ptr_array_index (modules, i));
  sync_manager (self);
  g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (self->manager));
  g_signal_connect (registry, "added", G_CALLBACK (on_added), self);
  g_signal_connect (registry, "removed", G_CALLBACK (on_removed), self);
  g_signal_connect (services->queue, "changed", G_CALLBACK (on_queue_changed), self);
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (self->manager), connection, MEFOTA_OBJECT_ROOT,
                                         &error))
    g_warning ("The manager cannot be put on the bus: %s", error->message);
  g_dbus_object_manager_server_set_connection (self->server, connection);
  return self;
}
