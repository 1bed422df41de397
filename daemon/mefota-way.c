/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-way.h"

G_DEFINE_ABSTRACT_TYPE (MefotaWay, mefota_way, G_TYPE_OBJECT)

static gboolean
mefota_way_real_finish (MefotaWay *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

static gboolean
mefota_way_real_is_leaving (MefotaWay *self)
{
  return FALSE;
}

static void
mefota_way_class_init (MefotaWayClass *klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);

  klass->finish = mefota_way_real_finish;
  klass->is_leaving = mefota_way_real_is_leaving;
  g_signal_new ("progress", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_UINT);
  g_signal_new ("piece", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_UINT64);
}

static void
mefota_way_init (MefotaWay *self)
{
}

void
mefota_way_prepare_async (MefotaWay *self, const MefotaWayContext *context, MefotaAtChannel *channel,
                          GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  MEFOTA_WAY_GET_CLASS (self)->prepare_async (self, context, channel, cancellable, callback, user_data);
}

void
mefota_way_transfer_async (MefotaWay *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  MEFOTA_WAY_GET_CLASS (self)->transfer_async (self, cancellable, callback, user_data);
}

void
mefota_way_install_async (MefotaWay *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  MEFOTA_WAY_GET_CLASS (self)->install_async (self, cancellable, callback, user_data);
}

void
mefota_way_clean_up_async (MefotaWay *self, MefotaAtChannel *channel, GCancellable *cancellable,
                           GAsyncReadyCallback callback, gpointer user_data)
{
  MEFOTA_WAY_GET_CLASS (self)->clean_up_async (self, channel, cancellable, callback, user_data);
}

gboolean
mefota_way_is_leaving (MefotaWay *self)
{
  return MEFOTA_WAY_GET_CLASS (self)->is_leaving (self);
}

gboolean
mefota_way_finish (MefotaWay *self, GAsyncResult *result, GError **error)
{
  return MEFOTA_WAY_GET_CLASS (self)->finish (self, result, error);
}
