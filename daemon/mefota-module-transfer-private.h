/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-error.h"
#include "mefota-module-private.h"
#include "mefota-way.h"

G_BEGIN_DECLS

/* Private to mefota-module-transfer.c (attempts, their steps and ends) and -transfer-begin.c. */

typedef enum
{
  MEFOTA_TRANSFER_WAITING, /* for the module to be back, or for ModemManager */
  MEFOTA_TRANSFER_PREPARING,
  MEFOTA_TRANSFER_SENDING,
  MEFOTA_TRANSFER_INSTALLING,
  MEFOTA_TRANSFER_CLEANING,
} MefotaTransferStage;

typedef struct
{
  MefotaModule *module; /* owns this */
  MefotaWay *way;
  MefotaTransferStage stage;
  guint attempts;
  gboolean returning;    /* it went away by what the way told it, before the caller was answered */
  guint return_id;
  gboolean overtaken;    /* the module began an upgrade of its own before the caller was answered */
  gboolean lost;         /* the port hung up under the last step, which the link has not told yet */
  /* the caller of Install until it is answered; also without a caller, for one that was queued */
  GTask *task;
  GError *failure;       /* why it is being cleaned up */
  GCancellable *cleaning; /* of that */
  char *expected;
  char *requested_by;
  MefotaOperation operation;
  GCancellable *cancellable; /* of the step that runs */
  GCancellable *presence;    /* of the module when the step began, or the start */
  gulong presence_id;
  gulong changed_id;
} MefotaTransfer;

/* What is being handed over: the upgrade, or what it will be once the module takes it on. */
MefotaUpgrade *mefota_transfer_get_upgrade (MefotaTransfer *self);
/* One under way goes on whatever the disk says. */
void mefota_transfer_save_or_warn (MefotaTransfer *self);
/* From the module as it is now. */
void mefota_transfer_begin_attempt (MefotaTransfer *self);
/* The module never took it on: an error to the caller, or the end of an upgrade that was queued. Takes @error. */
void mefota_transfer_refuse (MefotaTransfer *self, GError *error);
/* The end of one that was under way. Takes @error; NULL: the machine itself knows why, it asked for the end. */
void mefota_transfer_end_failed (MefotaTransfer *self, GError *error);

G_END_DECLS
