/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-registry.h"

#include "mefota-error.h"
#include "mefota-port-watch.h"
#include "mefota-udev.h"

/* A place a module is plugged into or wired to. */
typedef struct
{
  MefotaRegistry *registry;
  MefotaModule *module;
  char *port;      /* where it is now (udev), or the configured path; NULL if there is none */
  char *usb_sysfs; /* or NULL */
  gboolean gone;   /* its USB device was seen to go, and no port has come since */
  MefotaPortWatch *watch;
} Place;

struct _MefotaRegistry
{
  GObject parent;
  MefotaServices *services;
  MefotaUdev *udev;
  GPtrArray *places;
  GPtrArray *modules; /* the same modules, for others to see */
  guint sweep_id;
  gboolean started;
};

G_DEFINE_FINAL_TYPE (MefotaRegistry, mefota_registry, G_TYPE_OBJECT)

enum
{
  ADDED,
  REMOVED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

static void
place_free (gpointer data)
{
  Place *self = data;

  if (self->watch != NULL)
    g_signal_handlers_disconnect_by_data (self->watch, self);
  g_clear_object (&self->watch);
  g_signal_handlers_disconnect_by_data (self->module, self);
  mefota_module_close (self->module);
  g_clear_object (&self->module);
  g_free (self->port);
  g_free (self->usb_sysfs);
  g_free (self);
}

static Place *
find_place (MefotaRegistry *self, const char *id)
{
  for (guint i = 0; i < self->places->len; i++)
    {
      Place *place = g_ptr_array_index (self->places, i);
      if (strcmp (mefota_module_get_id (place->module), id) == 0)
        return place;
    }
  return NULL;
}

/* Takes away what nothing is expected of any more; from the main loop, as modules tell from deep within. */
static gboolean
sweep (gpointer data)
{
  MefotaRegistry *self = data;

  self->sweep_id = 0;
  for (guint i = self->places->len; i > 0; i--)
    {
      Place *place = g_ptr_array_index (self->places, i - 1);
      g_autoptr (MefotaModule) module = NULL;
      if (place->port != NULL || !mefota_module_is_dispensable (place->module))
        continue;
      module = g_object_ref (place->module);
      g_ptr_array_remove_index (self->modules, i - 1);
      g_ptr_array_remove_index (self->places, i - 1);
      g_signal_emit (self, signals[REMOVED], 0, module);
    }
  return G_SOURCE_REMOVE;
}

static void
on_changed (MefotaModule *module, gboolean at_once, gpointer data)
{
  Place *place = data;
  MefotaRegistry *self = place->registry;

  if (place->port == NULL && self->sweep_id == 0 && mefota_module_is_dispensable (module))
    self->sweep_id = g_idle_add (sweep, self);
}

static Place *
add_place (MefotaRegistry *self, MefotaModule *module)
{
  Place *place = g_new0 (Place, 1);

  place->registry = self;
  place->module = module;
  g_signal_connect (module, "changed", G_CALLBACK (on_changed), place);
  g_ptr_array_add (self->places, place);
  g_ptr_array_add (self->modules, g_object_ref (module));
  g_signal_emit (self, signals[ADDED], 0, module);
  return place;
}

static void
open_place (Place *place)
{
  if (place->registry->started)
    mefota_module_set_port (place->module, place->port, place->usb_sysfs);
}

/* ---- the configured ones ---- */

static void
on_path_changed (MefotaPortWatch *watch, gpointer data)
{
  Place *place = data;
  open_place (place);
}

static void
add_configured (MefotaRegistry *self, const MefotaModuleConfig *config)
{
  MefotaModule *module = mefota_module_new (self->services, config->name, config->port, config->transport, config->baud,
                                            config->flow);
  Place *place = add_place (self, module);

  mefota_module_set_usb_path (module, config->usb_path);
  place->port = g_strdup (config->port);
  place->watch = mefota_port_watch_new (config->port);
  g_signal_connect (place->watch, "changed", G_CALLBACK (on_path_changed), place);
}

/* ---- those of udev ---- */

static Place *
ensure_usb_place (MefotaRegistry *self, const char *physical_path)
{
  g_autofree char *id = mefota_udev_path_to_id (physical_path);
  Place *place = find_place (self, id);

  if (place == NULL)
    place = add_place (self, mefota_module_new (self->services, id, physical_path, MEFOTA_TRANSPORT_USB, 0,
                                                MEFOTA_FLOW_NONE));
  return place;
}

static gboolean
is_configured_port (MefotaRegistry *self, const char *node)
{
  for (guint i = 0; i < self->places->len; i++)
    {
      Place *place = g_ptr_array_index (self->places, i);
      g_autofree char *real = place->watch != NULL ? realpath (place->port, NULL) : NULL;
      if (g_strcmp0 (real, node) == 0)
        return TRUE;
    }
  return FALSE;
}

static void
on_port_added (MefotaUdev *udev, const MefotaUdevPort *port, gpointer data)
{
  MefotaRegistry *self = data;
  Place *place;

  if (is_configured_port (self, port->node))
    {
      g_debug ("%s: is configured by its path, udev's word is not needed", port->node);
      return;
    }
  place = ensure_usb_place (self, port->physical_path);
  g_free (place->port);
  place->port = g_strdup (port->node);
  g_free (place->usb_sysfs);
  place->usb_sysfs = g_strdup (port->usb_sysfs);
  place->gone = FALSE;
  open_place (place);
}

static void
on_port_removed (MefotaUdev *udev, const char *node, const char *physical_path, gpointer data)
{
  MefotaRegistry *self = data;
  g_autofree char *id = mefota_udev_path_to_id (physical_path);
  Place *place = find_place (self, id);

  if (place == NULL || place->watch != NULL || (node != NULL && g_strcmp0 (place->port, node) != 0))
    return;
  if (place->port != NULL)
    {
      g_clear_pointer (&place->port, g_free);
      open_place (place);
      on_changed (place->module, TRUE, place);
    }
  else if (place->gone && self->started)
    mefota_module_missed (place->module); /* without a port meanwhile: the device alone came and went */
  if (node == NULL)
    place->gone = TRUE;
}

/* ---- those on disk ---- */

static void
add_unfinished (MefotaRegistry *self)
{
  g_auto (GStrv) ids = mefota_store_list (self->services->store, MEFOTA_STORE_PLACE);

  for (gsize i = 0; ids != NULL && ids[i] != NULL; i++)
    {
      g_autoptr (GVariant) record = NULL;
      const char *path = NULL;
      const char *word = NULL;
      MefotaState state;
      if (find_place (self, ids[i]) != NULL)
        continue;
      record = mefota_store_load (self->services->store, MEFOTA_STORE_PLACE, ids[i]);
      if (record != NULL && g_variant_lookup (record, "state", "&s", &word) && mefota_state_from_word (word, &state)
          && state >= MEFOTA_STATE_QUEUED && g_variant_lookup (record, "physical-path", "&s", &path))
        add_place (self, mefota_module_new (self->services, ids[i], path, MEFOTA_TRANSPORT_USB, 0, MEFOTA_FLOW_NONE));
    }
}

void
mefota_registry_load (MefotaRegistry *self)
{
  for (guint i = 0; i < self->services->config->modules->len; i++)
    add_configured (self, g_ptr_array_index (self->services->config->modules, i));
  self->udev = mefota_udev_new ();
  g_signal_connect (self->udev, "added", G_CALLBACK (on_port_added), self);
  g_signal_connect (self->udev, "removed", G_CALLBACK (on_port_removed), self);
  mefota_udev_start (self->udev);
  add_unfinished (self);
  mefota_module_sweep_packages (self->services->store, self->modules);
}

void
mefota_registry_start (MefotaRegistry *self)
{
  g_autoptr (GPtrArray) places = g_ptr_array_copy (self->places, NULL, NULL);

  self->started = TRUE;
  g_ptr_array_set_free_func (places, NULL);
  for (guint i = 0; i < places->len; i++)
    open_place (g_ptr_array_index (places, i));
  for (guint i = 0; i < places->len; i++)
    mefota_module_start (((Place *) g_ptr_array_index (places, i))->module);
}

void
mefota_registry_stop (MefotaRegistry *self)
{
  g_clear_handle_id (&self->sweep_id, g_source_remove);
  if (self->udev != NULL)
    g_signal_handlers_disconnect_by_data (self->udev, self);
  g_clear_object (&self->udev);
  g_ptr_array_set_size (self->modules, 0);
  g_ptr_array_set_size (self->places, 0);
}

GPtrArray *
mefota_registry_get_modules (MefotaRegistry *self)
{
  return self->modules;
}

MefotaModule *
mefota_registry_find (MefotaRegistry *self, const char *key, GError **error)
{
  MefotaModule *found = NULL;

  if (key[0] == '\0')
    {
      g_set_error_literal (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                           "The key is empty; give an id, an IMEI, a port or a physical path.");
      return NULL;
    }
  for (guint i = 0; i < self->modules->len; i++)
    {
      MefotaModule *module = g_ptr_array_index (self->modules, i);
      MefotaModuleInfo info;
      mefota_module_get_info (module, &info);
      if (strcmp (key, info.id) != 0 && strcmp (key, info.identity->imei) != 0 && strcmp (key, info.port) != 0
          && strcmp (key, info.physical_path) != 0)
        continue;
      if (strcmp (key, info.id) == 0)
        return module;
      if (found != NULL)
        {
          g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT, "\"%s\" means several modules; use an id.",
                       key);
          return NULL;
        }
      found = module;
    }
  if (found == NULL)
    g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT, "There is no module \"%s\"; mefotactl list shows all.",
                 key);
  return found;
}

static void
mefota_registry_finalize (GObject *object)
{
  MefotaRegistry *self = MEFOTA_REGISTRY (object);

  mefota_registry_stop (self);
  g_ptr_array_unref (self->places);
  g_ptr_array_unref (self->modules);
  G_OBJECT_CLASS (mefota_registry_parent_class)->finalize (object);
}

static void
mefota_registry_class_init (MefotaRegistryClass *klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = mefota_registry_finalize;
  signals[ADDED] = g_signal_new ("added", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1,
                                 MEFOTA_TYPE_MODULE);
  signals[REMOVED]
      = g_signal_new ("removed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, MEFOTA_TYPE_MODULE);
}

static void
mefota_registry_init (MefotaRegistry *self)
{
  self->places = g_ptr_array_new_with_free_func (place_free);
  self->modules = g_ptr_array_new_with_free_func (g_object_unref);
}

MefotaRegistry *
mefota_registry_new (MefotaServices *services)
{
  MefotaRegistry *self = g_object_new (MEFOTA_TYPE_REGISTRY, NULL);
  self->services = services;
  return self;
}
