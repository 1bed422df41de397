/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-udev.h"

#include "mefota-usb-path.h"

#include <gudev/gudev.h>
#include <string.h>

/* A USB device that has, or once had, an AT port. Kept while the device is away, so that a device which comes and goes
 * again before it has any tty is still reported. */
typedef struct
{
  char *physical_path;
  gboolean present;
  MefotaUdevPort *port; /* NULL: none now */
  char *tty_sysfs;      /* of port: what a tty's removal is matched by */
  char *rival;          /* node of a further AT port, already warned of */
} Place;

struct _MefotaUdev
{
  GObject parent_instance;
  GUdevClient *client;
  GHashTable *places; /* sysfs path of the USB device → Place; it does not change with the tty's number */
};

enum
{
  ADDED,
  REMOVED,
  N_SIGNALS,
};

static guint signals[N_SIGNALS];

G_DEFINE_TYPE (MefotaUdev, mefota_udev, G_TYPE_OBJECT)

void
mefota_udev_port_free (MefotaUdevPort *self)
{
  if (self == NULL)
    return;

  g_free (self->node);
  g_free (self->physical_path);
  g_free (self->usb_sysfs);
  g_free (self);
}

MefotaUdevPort *
mefota_udev_port_copy (const MefotaUdevPort *self)
{
  MefotaUdevPort *copy;

  if (self == NULL)
    return NULL;

  copy = g_new0 (MefotaUdevPort, 1);
  copy->node = g_strdup (self->node);
  copy->physical_path = g_strdup (self->physical_path);
  copy->usb_sysfs = g_strdup (self->usb_sysfs);

  return copy;
}

char *
mefota_udev_path_to_id (const char *physical_path)
{
  char *id = g_strconcat ("usb_", physical_path, NULL);

  for (char *p = id; *p != '\0'; p++)
    if (!g_ascii_isalnum (*p))
      *p = '_';

  return id;
}

static void
place_free (Place *place)
{
  g_free (place->physical_path);
  g_clear_pointer (&place->port, mefota_udev_port_free);
  g_free (place->tty_sysfs);
  g_free (place->rival);
  g_free (place);
}

static Place *
ensure_place (MefotaUdev *self, GUdevDevice *usb)
{
  const char *sysfs = g_udev_device_get_sysfs_path (usb);
  Place *place = g_hash_table_lookup (self->places, sysfs);

  if (place == NULL)
    {
      place = g_new0 (Place, 1);
      place->physical_path = g_strdup (g_udev_device_get_name (usb));
      g_hash_table_insert (self->places, g_strdup (sysfs), place);
    }

  return place;
}

static gint
place_compare (gconstpointer a, gconstpointer b)
{
  const Place *place = a;
  const char *node = b;

  return place->port != NULL && g_str_equal (place->port->node, node) ? 0 : 1;
}

static Place *
find_place_by_node (MefotaUdev *self, const char *node)
{
  g_autoptr (GList) places = g_hash_table_get_values (self->places);
  GList *found = g_list_find_custom (places, node, place_compare);

  return found != NULL ? found->data : NULL;
}

/* Whoever is told may look around here again: so the record is cleared first. */
static void
forget_port (MefotaUdev *self, Place *place)
{
  g_autoptr (MefotaUdevPort) port = g_steal_pointer (&place->port);

  g_clear_pointer (&place->tty_sysfs, g_free);
  g_clear_pointer (&place->rival, g_free);
  g_debug ("AT port %s at %s is gone", port->node, port->physical_path);
  g_signal_emit (self, signals[REMOVED], 0, port->node, port->physical_path);
}

static gboolean
device_exists (MefotaUdev *self, const char *sysfs)
{
  g_autoptr (GUdevDevice) device = g_udev_client_query_by_sysfs_path (self->client, sysfs);

  return device != NULL;
}

/* TRUE: @place has a port already, and @node is not to take its place. */
static gboolean
keeps_port (MefotaUdev *self, Place *place, const char *node, const char *tty_sysfs)
{
  if (place->port == NULL)
    return FALSE;

  if (g_str_equal (place->port->node, node))
    {
      g_free (place->tty_sysfs);
      place->tty_sysfs = g_strdup (tty_sysfs);
      return TRUE;
    }

  if (!device_exists (self, place->tty_sysfs))
    return FALSE;

  if (g_strcmp0 (place->rival, node) != 0)
    {
      g_free (place->rival);
      place->rival = g_strdup (node);
      g_warning ("The USB device %s has two AT ports by its udev properties: %s is used and %s is not. "
                 "Set ID_MEFOTA_PORT=at on one of them only.", place->physical_path, place->port->node, node);
    }

  return TRUE;
}

/* The USB device that @tty is in. Where that is gone from sysfs already the next above would be taken for it: a hub. */
static GUdevDevice *
get_usb_device (GUdevDevice *tty)
{
  g_autoptr (GUdevDevice) usb = g_udev_device_get_parent_with_subsystem (tty, "usb", "usb_device");
  g_autofree char *physical_path = mefota_usb_path_from_sysfs (g_udev_device_get_sysfs_path (tty));

  return usb != NULL && g_strcmp0 (g_udev_device_get_name (usb), physical_path) == 0 ? g_steal_pointer (&usb) : NULL;
}

/* What is there at start and every kind of event alike come here, and more than once: nothing is told twice. */
static void
tty_seen (MefotaUdev *self, GUdevDevice *tty)
{
  g_autoptr (GUdevDevice) usb = get_usb_device (tty);
  const char *node = g_udev_device_get_device_file (tty);
  const char *tty_sysfs = g_udev_device_get_sysfs_path (tty);
  g_autoptr (MefotaUdevPort) port = NULL;
  Place *place;
  Place *other;

  if (usb == NULL || node == NULL)
    {
      g_debug ("AT port %s is gone again, or not on USB: left alone", tty_sysfs);
      return;
    }

  place = ensure_place (self, usb);
  place->present = TRUE;
  if (keeps_port (self, place, node, tty_sysfs))
    return;

  /* Its removal was not told, but it can't be there any more: its node, or its place, is taken. */
  other = find_place_by_node (self, node);
  if (other != NULL)
    forget_port (self, other);
  if (place->port != NULL)
    forget_port (self, place);

  place->tty_sysfs = g_strdup (tty_sysfs);
  place->port = g_new0 (MefotaUdevPort, 1);
  place->port->node = g_strdup (node);
  place->port->physical_path = g_strdup (place->physical_path);
  place->port->usb_sysfs = g_strdup (g_udev_device_get_sysfs_path (usb));

  g_debug ("AT port %s at %s is there", node, place->physical_path);
  port = mefota_udev_port_copy (place->port);
  g_signal_emit (self, signals[ADDED], 0, port);
}

/* TRUE: it was the port in use. */
static gboolean
tty_lost (MefotaUdev *self, GUdevDevice *tty)
{
  const char *sysfs = g_udev_device_get_sysfs_path (tty);
  GHashTableIter iter;
  Place *place;

  g_hash_table_iter_init (&iter, self->places);
  while (g_hash_table_iter_next (&iter, NULL, (gpointer *) &place))
    if (g_strcmp0 (place->tty_sysfs, sysfs) == 0)
      {
        forget_port (self, place);
        return TRUE;
      }

  return FALSE;
}

static gboolean
is_at_port (GUdevDevice *tty)
{
  return g_strcmp0 (g_udev_device_get_property (tty, "ID_MEFOTA_PORT"), "at") == 0;
}

/* "tty", "tty7", "console", "ptmx": never a module's. The kernel has some seventy of them. */
static gboolean
is_console (const char *name)
{
  if (g_str_equal (name, "console") || g_str_equal (name, "ptmx"))
    return TRUE;

  return g_str_has_prefix (name, "tty") && strspn (name + 3, "0123456789") == strlen (name + 3);
}

static gint
compare_places (gconstpointer a, gconstpointer b)
{
  return strcmp (g_udev_device_get_sysfs_path ((GUdevDevice *) a), g_udev_device_get_sysfs_path ((GUdevDevice *) b));
}

/* Not by g_udev_client_query_by_subsystem(), which reads the files of every console too: that was most of the time to
 * start. In the order of places, as there: of two AT ports the first is taken. */
static void
replay (MefotaUdev *self)
{
  g_autoptr (GDir) folder = g_dir_open ("/sys/class/tty", 0, NULL);
  GList *ports = NULL;
  const char *name;

  while (folder != NULL && (name = g_dir_read_name (folder)) != NULL)
    {
      g_autoptr (GUdevDevice) tty = NULL;

      if (!is_console (name))
        tty = g_udev_client_query_by_subsystem_and_name (self->client, "tty", name);
      if (tty != NULL && is_at_port (tty))
        ports = g_list_insert_sorted (ports, g_steal_pointer (&tty), compare_places);
    }

  for (GList *l = ports; l != NULL; l = l->next)
    tty_seen (self, l->data);
  g_list_free_full (ports, g_object_unref);
}

static void
tty_event (MefotaUdev *self, gboolean gone, GUdevDevice *tty)
{
  if (!gone && is_at_port (tty))
    tty_seen (self, tty);
  else if (tty_lost (self, tty) && !gone)
    /* Only the property went: a further port may have been passed over because of this one. */
    replay (self);
}

/* A removal's event has no ids: the device is known by its path alone. `unbind` precedes `remove`: once is enough. */
static void
usb_event (MefotaUdev *self, gboolean gone, GUdevDevice *usb)
{
  Place *place = g_hash_table_lookup (self->places, g_udev_device_get_sysfs_path (usb));
  g_autofree char *physical_path = NULL;

  if (place == NULL)
    return;

  if (!gone)
    {
      place->present = TRUE;
      return;
    }
  if (!place->present)
    return;

  place->present = FALSE;
  g_clear_pointer (&place->port, mefota_udev_port_free);
  g_clear_pointer (&place->tty_sysfs, g_free);
  g_clear_pointer (&place->rival, g_free);

  physical_path = g_strdup (place->physical_path);
  g_debug ("USB device %s is gone", physical_path);
  g_signal_emit (self, signals[REMOVED], 0, NULL, physical_path);
}

static void
on_uevent (GUdevClient *client, const char *action, GUdevDevice *device, gpointer user_data)
{
  g_autoptr (MefotaUdev) self = g_object_ref (user_data);
  gboolean gone = g_str_equal (action, "remove") || g_str_equal (action, "unbind");

  if (g_strcmp0 (g_udev_device_get_subsystem (device), "tty") == 0)
    tty_event (self, gone, device);
  else
    usb_event (self, gone, device);
}

static void
mefota_udev_dispose (GObject *object)
{
  MefotaUdev *self = MEFOTA_UDEV (object);

  if (self->client != NULL)
    g_signal_handlers_disconnect_by_data (self->client, self);
  g_clear_object (&self->client);

  G_OBJECT_CLASS (mefota_udev_parent_class)->dispose (object);
}

static void
mefota_udev_finalize (GObject *object)
{
  MefotaUdev *self = MEFOTA_UDEV (object);

  g_clear_pointer (&self->places, g_hash_table_unref);

  G_OBJECT_CLASS (mefota_udev_parent_class)->finalize (object);
}

static void
mefota_udev_class_init (MefotaUdevClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = mefota_udev_dispose;
  object_class->finalize = mefota_udev_finalize;

  signals[ADDED] = g_signal_new ("added", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                 G_TYPE_NONE, 1, G_TYPE_POINTER);
  signals[REMOVED] = g_signal_new ("removed", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                   G_TYPE_NONE, 2, G_TYPE_STRING, G_TYPE_STRING);
}

static void
mefota_udev_init (MefotaUdev *self)
{
  self->places = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, (GDestroyNotify) place_free);
}

MefotaUdev *
mefota_udev_new (void)
{
  return g_object_new (MEFOTA_TYPE_UDEV, NULL);
}

void
mefota_udev_start (MefotaUdev *self)
{
  static const char *const subsystems[] = { "tty", "usb/usb_device", NULL };

  g_return_if_fail (MEFOTA_IS_UDEV (self));
  g_return_if_fail (self->client == NULL);

  /* Listening first: what comes while the others are replayed is seen twice rather than never. */
  self->client = g_udev_client_new (subsystems);
  g_signal_connect (self->client, "uevent", G_CALLBACK (on_uevent), self);
  replay (self);
}
