/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-skeleton.h"

#include <string.h>

struct _MefotaSkeleton
{
  GDBusInterfaceSkeleton parent_instance;
  const GDBusInterfaceInfo *info;
  MefotaSkeletonCall call;
  gpointer data;
  guint n_properties;
  guint next;        /* where the next property is looked for first: they are mostly set in their order */
  GVariant **values; /* one a property */
  GVariant **told;   /* what the bus knows of it */
  guint tell_id;
};

G_DEFINE_FINAL_TYPE (MefotaSkeleton, mefota_skeleton, G_TYPE_DBUS_INTERFACE_SKELETON)

/* ---- properties ---- */

static guint
find_property (MefotaSkeleton *self, const char *name)
{
  for (guint i = 0; i < self->n_properties; i++)
    {
      guint at = (self->next + i) % self->n_properties;

      if (strcmp (self->info->properties[at]->name, name) == 0)
        {
          self->next = at + 1;
          return at;
        }
    }
  g_error ("%s has no property %s", self->info->name, name);
}

/* Nothing before the export: who looks at a new object reads all of it. */
static void
tell_changes (MefotaSkeleton *self)
{
  GDBusConnection *connection = g_dbus_interface_skeleton_get_connection (G_DBUS_INTERFACE_SKELETON (self));
  gboolean any = FALSE;
  GVariantBuilder changed;

  g_clear_handle_id (&self->tell_id, g_source_remove);
  g_variant_builder_init (&changed, G_VARIANT_TYPE_VARDICT);
  for (guint i = 0; i < self->n_properties; i++)
    {
      if (self->values[i] == self->told[i])
        continue;
      if (self->told[i] == NULL || !g_variant_equal (self->values[i], self->told[i]))
        {
          g_variant_builder_add (&changed, "{sv}", self->info->properties[i]->name, self->values[i]);
          any = TRUE;
        }
      g_clear_pointer (&self->told[i], g_variant_unref);
      self->told[i] = g_variant_ref (self->values[i]);
    }
  if (any && connection != NULL)
    g_dbus_connection_emit_signal (connection, NULL,
                                   g_dbus_interface_skeleton_get_object_path (G_DBUS_INTERFACE_SKELETON (self)),
                                   "org.freedesktop.DBus.Properties", "PropertiesChanged",
                                   g_variant_new ("(sa{sv}as)", self->info->name, &changed, NULL), NULL);
  else
    g_variant_builder_clear (&changed);
}

static gboolean
on_idle (gpointer data)
{
  MefotaSkeleton *self = data;

  self->tell_id = 0;
  tell_changes (self);
  return G_SOURCE_REMOVE;
}

static void
set_value (MefotaSkeleton *self, guint at, GVariant *value)
{
  g_clear_pointer (&self->values[at], g_variant_unref);
  self->values[at] = g_variant_ref_sink (value);
  if (self->tell_id == 0)
    self->tell_id = g_idle_add_full (G_PRIORITY_DEFAULT, on_idle, self, NULL);
}

void
mefota_skeleton_set (MefotaSkeleton *self, const char *property, GVariant *value)
{
  guint at = find_property (self, property);
  g_autoptr (GVariant) fresh = g_variant_ref_sink (value);

  if (self->values[at] == NULL || !g_variant_equal (self->values[at], fresh))
    set_value (self, at, fresh);
}

void
mefota_skeleton_set_string (MefotaSkeleton *self, const char *property, const char *value)
{
  guint at = find_property (self, property);

  if (self->values[at] == NULL || strcmp (g_variant_get_string (self->values[at], NULL), value) != 0)
    set_value (self, at, g_variant_new_string (value));
}

static guint64
get_number (GVariant *value, char type)
{
  switch (type)
    {
    case 'b':
      return (guint64) g_variant_get_boolean (value);
    case 'q':
      return g_variant_get_uint16 (value);
    case 'u':
      return g_variant_get_uint32 (value);
    default:
      return g_variant_get_uint64 (value);
    }
}

static GVariant *
new_number (guint64 value, char type)
{
  switch (type)
    {
    case 'b':
      return g_variant_new_boolean (value != 0);
    case 'q':
      return g_variant_new_uint16 ((guint16) value);
    case 'u':
      return g_variant_new_uint32 ((guint32) value);
    default:
      return g_variant_new_uint64 (value);
    }
}

void
mefota_skeleton_set_number (MefotaSkeleton *self, const char *property, guint64 value)
{
  guint at = find_property (self, property);
  char type = self->info->properties[at]->signature[0];

  if (self->values[at] == NULL || get_number (self->values[at], type) != value)
    set_value (self, at, new_number (value, type));
}

GVariant *
mefota_skeleton_get (MefotaSkeleton *self, const char *property)
{
  return self->values[find_property (self, property)];
}

void
mefota_skeleton_emit (MefotaSkeleton *self, const char *signal, GVariant *arguments)
{
  GDBusInterfaceSkeleton *skeleton = G_DBUS_INTERFACE_SKELETON (self);
  GDBusConnection *connection = g_dbus_interface_skeleton_get_connection (skeleton);
  g_autoptr (GVariant) taken = g_variant_ref_sink (arguments);

  if (connection != NULL)
    g_dbus_connection_emit_signal (connection, NULL, g_dbus_interface_skeleton_get_object_path (skeleton),
                                   self->info->name, signal, taken, NULL);
}

/* ---- what GDBus asks for ---- */

static void
on_method_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
  MefotaSkeleton *self = data;

  self->call (invocation, self->data);
}

static GVariant *
on_get_property (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                 const char *property, GError **error, gpointer data)
{
  return g_variant_ref (mefota_skeleton_get (data, property));
}

static GDBusInterfaceInfo *
mefota_skeleton_get_info (GDBusInterfaceSkeleton *skeleton)
{
  return (GDBusInterfaceInfo *) MEFOTA_SKELETON (skeleton)->info; /* a constant, whose references are not counted */
}

static GDBusInterfaceVTable *
mefota_skeleton_get_vtable (GDBusInterfaceSkeleton *skeleton)
{
  static GDBusInterfaceVTable vtable = { on_method_call, on_get_property, NULL, { NULL } };
  return &vtable;
}

static GVariant *
mefota_skeleton_get_properties (GDBusInterfaceSkeleton *skeleton)
{
  MefotaSkeleton *self = MEFOTA_SKELETON (skeleton);
  GVariantBuilder all;

  g_variant_builder_init (&all, G_VARIANT_TYPE_VARDICT);
  for (guint i = 0; i < self->n_properties; i++)
    g_variant_builder_add (&all, "{sv}", self->info->properties[i]->name, self->values[i]);
  return g_variant_builder_end (&all);
}

static void
mefota_skeleton_flush (GDBusInterfaceSkeleton *skeleton)
{
  MefotaSkeleton *self = MEFOTA_SKELETON (skeleton);

  if (self->tell_id != 0)
    tell_changes (self);
}

/* ---- life ---- */

static void
free_values (GVariant **values, guint n)
{
  for (guint i = 0; i < n; i++)
    g_clear_pointer (&values[i], g_variant_unref);
  g_free (values);
}

static void
mefota_skeleton_finalize (GObject *object)
{
  MefotaSkeleton *self = MEFOTA_SKELETON (object);

  g_clear_handle_id (&self->tell_id, g_source_remove);
  free_values (self->values, self->n_properties);
  free_values (self->told, self->n_properties);
  G_OBJECT_CLASS (mefota_skeleton_parent_class)->finalize (object);
}

static void
mefota_skeleton_class_init (MefotaSkeletonClass *klass)
{
  GDBusInterfaceSkeletonClass *skeleton_class = G_DBUS_INTERFACE_SKELETON_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = mefota_skeleton_finalize;
  skeleton_class->get_info = mefota_skeleton_get_info;
  skeleton_class->get_vtable = mefota_skeleton_get_vtable;
  skeleton_class->get_properties = mefota_skeleton_get_properties;
  skeleton_class->flush = mefota_skeleton_flush;
}

static void
mefota_skeleton_init (MefotaSkeleton *self)
{
}

MefotaSkeleton *
mefota_skeleton_new (const GDBusInterfaceInfo *info, MefotaSkeletonCall call, gpointer data)
{
  MefotaSkeleton *self = g_object_new (MEFOTA_TYPE_SKELETON, NULL);

  self->info = info;
  self->call = call;
  self->data = data;
  while (info->properties[self->n_properties] != NULL)
    self->n_properties++;
  self->values = g_new0 (GVariant *, self->n_properties);
  self->told = g_new0 (GVariant *, self->n_properties);
  return self;
}
