/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* Readiness of the module and its host for an upgrade (guide chapter 1). */

#include "mefota-module-private.h"

#include "mefota-error.h"
#include "mefota-readiness.h"

static MefotaReadinessItem *
idle_item (MefotaModule *self)
{
  if (mefota_upgrade_is_active (self->upgrade) || self->asking)
    return mefota_readiness_item_new ("idle", FALSE, "An upgrade is under way; wait for its end.");
  return mefota_readiness_item_new ("idle", TRUE, "No upgrade is under way.");
}

static void
on_power_known (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaModule *self = g_task_get_source_object (task);
  GPtrArray *items = g_task_get_task_data (task);
  MefotaReadinessItem *power = mefota_readiness_power_finish (result, NULL);

  if (power != NULL)
    g_ptr_array_add (items, power);
  g_clear_pointer (&self->readiness, g_ptr_array_unref);
  self->readiness = g_ptr_array_ref (items);
  g_task_return_pointer (task, g_ptr_array_ref (items), (GDestroyNotify) g_ptr_array_unref);
}

static void
on_module_asked (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaModule *self = g_task_get_source_object (task);
  g_autoptr (GError) error = NULL;
  gboolean silent = FALSE;
  GPtrArray *items = mefota_readiness_ask_finish (result, &silent, &error);

  if (silent)
    mefota_link_suspect (self->link);
  if (items == NULL)
    {
      mefota_module_return_error (task, g_steal_pointer (&error));
      return;
    }
  g_ptr_array_add (items, idle_item (self));
  g_task_set_task_data (task, items, (GDestroyNotify) g_ptr_array_unref);
  if (self->services->bus != NULL)
    mefota_readiness_power_async (self->services->bus, NULL, on_power_known, g_steal_pointer (&task));
  else
    {
      g_clear_pointer (&self->readiness, g_ptr_array_unref);
      self->readiness = g_ptr_array_ref (items);
      g_task_return_pointer (task, g_ptr_array_ref (items), (GDestroyNotify) g_ptr_array_unref);
    }
}

void
mefota_module_ask_readiness_async (MefotaModule *self, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (self, NULL, callback, user_data);

  g_task_set_source_tag (task, mefota_module_ask_readiness_async);
  mefota_readiness_ask_async (mefota_module_get_channel (self), mefota_module_get_timeouts (self)->command,
                              self->presence, on_module_asked, task);
}

GPtrArray *
mefota_module_ask_readiness_finish (MefotaModule *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* During an upgrade: what was last known, not a byte to the module (contract 5). */
static GPtrArray *
last_known (MefotaModule *self)
{
  static const char *const names[] = { "sim", "registered", "network" };
  GPtrArray *items = g_ptr_array_new_with_free_func ((GDestroyNotify) mefota_readiness_item_free);

  for (guint i = 0; self->readiness == NULL && i < G_N_ELEMENTS (names); i++)
    g_ptr_array_add (items, mefota_readiness_item_new (names[i], FALSE,
                                                       "Not known: the module was not asked before its upgrade."));
  for (guint i = 0; self->readiness != NULL && i < self->readiness->len; i++)
    {
      const MefotaReadinessItem *item = g_ptr_array_index (self->readiness, i);
      if (strcmp (item->name, "idle") != 0)
        g_ptr_array_add (items, mefota_readiness_item_new (item->name, item->ok, item->detail));
    }
  g_ptr_array_insert (items, MIN (3, (gint) items->len), idle_item (self));
  return items;
}

void
mefota_module_check_readiness_async (MefotaModule *self, GAsyncReadyCallback callback, gpointer user_data)
{
  GError *error = NULL;

  if (self->asking || (mefota_upgrade_is_active (self->upgrade) && self->upgrade->state != MEFOTA_STATE_QUEUED))
    {
      g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
      g_task_set_source_tag (task, mefota_module_ask_readiness_async);
      g_task_return_pointer (task, last_known (self), (GDestroyNotify) g_ptr_array_unref);
    }
  else if (!mefota_module_check_present (self, &error))
    g_task_report_error (self, callback, user_data, mefota_module_ask_readiness_async, error);
  else
    mefota_module_ask_readiness_async (self, callback, user_data);
}

GPtrArray *
mefota_module_check_readiness_finish (MefotaModule *self, GAsyncResult *result, GError **error)
{
  return mefota_module_ask_readiness_finish (self, result, error);
}
