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
  MefotaDbusFota *skeleton;
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

/* To set a property costs fifty times what it costs to read it, and every indication comes through here. */
#define SYNC_STRING(skeleton, property, value)                                          \
  G_STMT_START                                                                          \
  {                                                                                     \
    const char *new_value = (value);                                                    \
    if (g_strcmp0 (mefota_dbus_fota_get_##property (skeleton), new_value) != 0)         \
      mefota_dbus_fota_set_##property (skeleton, new_value);                            \
  }                                                                                     \
  G_STMT_END
#define SYNC_NUMBER(skeleton, property, value)                       \
  G_STMT_START                                                       \
  {                                                                  \
    if (mefota_dbus_fota_get_##property (skeleton) != (value))       \
      mefota_dbus_fota_set_##property (skeleton, (value));           \
  }                                                                  \
  G_STMT_END

static void
sync_methods (MefotaDbusFota *s, const MefotaModuleInfo *info)
{
  const char *methods[4] = { "network" };
  const char *const *told = mefota_dbus_fota_get_methods (s);
  gsize n = 1;

  if (info->can_serial)
    methods[n++] = "serial";
  if (info->can_adb)
    methods[n++] = "adb";
  if (told == NULL || !g_strv_equal (told, methods))
    mefota_dbus_fota_set_methods (s, methods);
}

static void
sync_last_error (MefotaDbusFota *s, const char *name, const char *message)
{
  GVariant *told = mefota_dbus_fota_get_last_error (s);
  const char *told_name = NULL;
  const char *told_message = NULL;

  if (told != NULL)
    g_variant_get (told, "(&s&s)", &told_name, &told_message);
  if (g_strcmp0 (told_name, name) != 0 || g_strcmp0 (told_message, message) != 0)
    mefota_dbus_fota_set_last_error (s, g_variant_new ("(ss)", name, message));
}

static void
sync_upgrade (MefotaDbusFota *s, const MefotaModuleInfo *info)
{
  const MefotaUpgrade *u = info->upgrade;
  gboolean active = mefota_upgrade_is_active (u);
  gboolean failed = u->result == MEFOTA_RESULT_FAILURE;

  SYNC_STRING (s, operation, mefota_operation_to_word (active ? u->operation : MEFOTA_OPERATION_NONE));
  SYNC_STRING (s, status, u->status);
  SYNC_STRING (s, status_argument, u->argument);
  SYNC_NUMBER (s, progress, u->progress);
  SYNC_NUMBER (s, started_at, active ? (guint64) u->started_at : 0);
  SYNC_NUMBER (s, phase_since, active ? (guint64) u->phase_since : 0);
  SYNC_NUMBER (s, reboots_seen, u->reboots);
  SYNC_NUMBER (s, overdue, u->overdue);
  SYNC_NUMBER (s, can_cancel, info->can_cancel);
  SYNC_NUMBER (s, power_critical, u->power_critical);
  SYNC_NUMBER (s, confirm_deadline, (guint64) u->confirm_deadline);
  SYNC_STRING (s, from_version, u->from_version);
  SYNC_NUMBER (s, download_seconds, u->download_seconds);
  SYNC_STRING (s, last_upgrade, u->id);
  if (active)
    return; /* the last result stays until this one's end */
  SYNC_STRING (s, last_result, mefota_result_to_word (u->result));
  sync_last_error (s, failed ? mefota_error_get_name (u->error) : "", failed ? u->message : "");
}

/* How the upgrade before the one that is under way ended; that one is shown by sync_upgrade() when it ends. */
static void
show_former_result (MefotaBus *self, MefotaDbusFota *s, const char *id)
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
  mefota_dbus_fota_set_last_result (s, result);
  sync_last_error (s, name, message);
}

static void
sync_module (Export *export)
{
  MefotaDbusFota *s = export->skeleton;
  MefotaModuleInfo info;

  mefota_module_get_info (export->module, &info);
  SYNC_STRING (s, imei, info.identity->imei);
  SYNC_STRING (s, manufacturer, info.identity->manufacturer);
  SYNC_STRING (s, model, info.identity->model);
  SYNC_STRING (s, firmware_version, info.identity->version);
  SYNC_STRING (s, port, info.port);
  SYNC_STRING (s, physical_path, info.physical_path);
  SYNC_STRING (s, transport, mefota_transport_to_word (info.transport));
  sync_methods (s, &info);
  SYNC_STRING (s, server_address, info.settings->server);
  SYNC_NUMBER (s, server_port, info.settings->port);
  SYNC_NUMBER (s, polling_enabled, info.settings->polling);
  SYNC_NUMBER (s, polling_restart_needed, info.polling_restart_needed);
  SYNC_STRING (s, target_version, info.settings->target);
  SYNC_STRING (s, state, mefota_state_to_word (info.state));
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
  g_ptr_array_add (paths, NULL);
  mefota_dbus_fota_manager_set_modules (self->manager, (const char *const *) paths->pdata);
  mefota_dbus_fota_manager_set_power_critical (self->manager, mefota_guard_is_critical (self->services->guard));
  mefota_dbus_fota_manager_set_holds (self->manager, mefota_queue_get_holds (self->services->queue));
}

/* ---- what modules tell ---- */

static void
on_changed (MefotaModule *module, gboolean at_once, gpointer data)
{
  Export *export = data;

  sync_module (export);
  mefota_dbus_fota_manager_set_power_critical (export->bus->manager,
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
  const char *path = g_dbus_interface_skeleton_get_object_path (G_DBUS_INTERFACE_SKELETON (export->skeleton));

  /* Not by the skeleton's own signal, which goes the long way through libffi. */
  g_dbus_connection_emit_signal (export->bus->connection, NULL, path, MEFOTA_BUS_NAME, "FotaInd",
                                 g_variant_new ("(sss)", indication->status, indication->argument, indication->raw),
                                 NULL);
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
  mefota_dbus_fota_emit_confirm_requested (export->skeleton, (guint64) deadline);
}

static void
on_finished (MefotaModule *module, GVariant *details, gpointer data)
{
  Export *export = data;
  const char *result = "";

  g_dbus_interface_skeleton_flush (G_DBUS_INTERFACE_SKELETON (export->skeleton));
  g_variant_lookup (details, "result", "&s", &result);
  mefota_dbus_fota_emit_finished (export->skeleton, result, details);
}

/* ---- coming and going ---- */

static void
add_module (MefotaBus *self, MefotaModule *module)
{
  g_autofree char *path = g_strconcat (MEFOTA_MODULE_PREFIX, mefota_module_get_id (module), NULL);
  g_autoptr (MefotaDbusObjectSkeleton) object = mefota_dbus_object_skeleton_new (path);
  Export *export = g_rc_box_new0 (Export);
  MefotaModuleInfo info;

  export->bus = self;
  export->module = module;
  export->skeleton = mefota_dbus_fota_skeleton_new ();
  mefota_dbus_fota_set_id (export->skeleton, mefota_module_get_id (module));
  mefota_bus_handle_module (self, export->skeleton, module);
  mefota_module_get_info (module, &info);
  if (mefota_upgrade_is_active (info.upgrade))
    show_former_result (self, export->skeleton, info.id);
  sync_module (export);
  g_hash_table_insert (self->exports, g_object_ref (module), export);
  g_signal_connect (module, "changed", G_CALLBACK (on_changed), export);
  g_signal_connect (module, "indication", G_CALLBACK (on_indication), export);
  g_signal_connect (module, "confirm-requested", G_CALLBACK (on_confirm_requested), export);
  g_signal_connect (module, "finished", G_CALLBACK (on_finished), export);
  mefota_dbus_object_skeleton_set_fota (object, export->skeleton);
  g_dbus_object_manager_server_export (self->server, G_DBUS_OBJECT_SKELETON (object));
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
  self->manager = mefota_dbus_fota_manager_skeleton_new ();
  mefota_dbus_fota_manager_set_version (self->manager, MEFOTA_VERSION);
  mefota_bus_handle_manager (self);
  for (guint i = 0; i < modules->len; i++)
    add_module (self, g_ptr_array_index (modules, i));
  sync_manager (self);
  g_signal_connect (registry, "added", G_CALLBACK (on_added), self);
  g_signal_connect (registry, "removed", G_CALLBACK (on_removed), self);
  g_signal_connect (services->queue, "changed", G_CALLBACK (on_queue_changed), self);
  if (!g_dbus_interface_skeleton_export (G_DBUS_INTERFACE_SKELETON (self->manager), connection, MEFOTA_OBJECT_ROOT,
                                         &error))
    g_warning ("The manager cannot be put on the bus: %s", error->message);
  g_dbus_object_manager_server_set_connection (self->server, connection);
  return self;
}
