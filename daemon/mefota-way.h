/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-module.h"
#include "mefota-package.h"

G_BEGIN_DECLS

/**
 * MefotaWay:
 *
 * One way to hand a delta package over (guide 2.3 adb, 2.4 serial), for one upgrade. Each step is asynchronous and
 * fails with an error of ours; none touches the upgrade machine: mefota-module-install.c does, from the steps' ends.
 *
 * A module may go away in the middle (hang-up, reboot): the step then fails with NOT_PRESENT, and begins anew with
 * prepare() over the new channel, as often as [policy] transfer-attempts allows.
 */
#define MEFOTA_TYPE_WAY (mefota_way_get_type ())
G_DECLARE_DERIVABLE_TYPE (MefotaWay, mefota_way, MEFOTA, WAY, GObject)

/* What a way works with; valid during the upgrade. */
typedef struct
{
  const char *module;             /* id, for messages */
  const MefotaProfile *profile;
  const MefotaTimeouts *timeouts;
  const char *version;            /* firmware it runs */
  const char *usb_path;           /* physical path, adb finds its device by it; NULL on a UART */
  GIOStream *stream;              /* the tty (serial: queued bytes) */
  guint baud;                     /* 0 on USB */
  MefotaPackage *package;
  /* serial: bytes that the module may still count on from before a restart of the daemon */
  guint64 piece_left;
} MefotaWayContext;

struct _MefotaWayClass
{
  GObjectClass parent_class;

  /* Everything up to "ready for the first byte": whatever is left over is removed first. */
  void (*prepare_async) (MefotaWay *self, const MefotaWayContext *context, MefotaAtChannel *channel,
                         GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  /* All bytes. Emits "progress" (guint percent) and, before a piece is begun, "piece" (guint64 bytes; 0: none under
   * way). */
  void (*transfer_async) (MefotaWay *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  /* The command that makes the module install; its OK ends this step. */
  void (*install_async) (MefotaWay *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
  /* After a failure or cancellation: leaves the module without a partial package. Best effort, bounded in time. */
  void (*clean_up_async) (MefotaWay *self, MefotaAtChannel *channel, GCancellable *cancellable,
                          GAsyncReadyCallback callback, gpointer user_data);
  /* Whether prepare() has told the module something that it may go away and come back for: then it is waited for, and
   * begun with anew, without counting as an attempt. FALSE by default. */
  gboolean (*is_leaving) (MefotaWay *self);
  /* All of the above return a boolean through this one. */
  gboolean (*finish) (MefotaWay *self, GAsyncResult *result, GError **error);
};

void mefota_way_prepare_async (MefotaWay *self, const MefotaWayContext *context, MefotaAtChannel *channel,
                               GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
void mefota_way_transfer_async (MefotaWay *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                                gpointer user_data);
void mefota_way_install_async (MefotaWay *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                               gpointer user_data);
void mefota_way_clean_up_async (MefotaWay *self, MefotaAtChannel *channel, GCancellable *cancellable,
                                GAsyncReadyCallback callback, gpointer user_data);
gboolean mefota_way_is_leaving (MefotaWay *self);
gboolean mefota_way_finish (MefotaWay *self, GAsyncResult *result, GError **error);

G_END_DECLS
