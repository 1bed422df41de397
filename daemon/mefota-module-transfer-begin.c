/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* How a transfer begins: for a caller, at its turn, or again because the module or the daemon is back; and what its way
 * tells meanwhile. */

#include "mefota-module-transfer-private.h"

#include "mefota-journal.h"
#include "mefota-way-adb.h"
#include "mefota-way-serial.h"

#include <string.h>

/* How long a start waits for ModemManager to let go. */
#define INHIBIT_WAIT_MS 3000

/* ---- what the way tells ---- */

static void
on_piece (MefotaWay *way, guint64 bytes, gpointer data)
{
  MefotaTransfer *self = data;
  MefotaUpgrade *u = mefota_transfer_get_upgrade (self);

  mefota_link_expect_data (self->module->link, (gsize) bytes);
  /* On disk the most is enough, and the line does not wait for the disk between two pieces. */
  if (bytes > u->piece || (bytes == 0 && u->piece > 0))
    {
      u->piece = bytes;
      mefota_transfer_save_or_warn (self);
    }
}

static void
on_progress (MefotaWay *way, guint percent, gpointer data)
{
  MefotaTransfer *self = data;
  MefotaEvent event = { .type = MEFOTA_EVENT_TRANSFERRED, .percent = percent };
  mefota_module_step (self->module, &event);
}

/* The module may leave the state by its own words (it installs, or the upgrade ended): then nothing more is sent to
 * it. */
static void
on_changed (MefotaModule *module, gboolean at_once, gpointer data)
{
  MefotaTransfer *self = data;

  if (at_once && self->task == NULL && module->pending == NULL && module->upgrade->state != MEFOTA_STATE_TRANSFERRING
      && self->stage != MEFOTA_TRANSFER_WAITING)
    mefota_module_drop_transfer (module);
}

/* ---- beginnings ---- */

static MefotaWay *
make_way (MefotaModule *module, MefotaOperation operation)
{
  if (operation == MEFOTA_OPERATION_SERIAL)
    return mefota_way_serial_new ();
  return module->services->adb != NULL ? mefota_way_adb_new (module->services->adb) : NULL;
}

static MefotaTransfer *
transfer_new (MefotaModule *module, MefotaOperation operation)
{
  MefotaTransfer *self = g_new0 (MefotaTransfer, 1);

  self->module = module;
  self->operation = operation;
  self->way = make_way (module, operation);
  module->transfer = self;
  if (self->way == NULL)
    return self;
  g_signal_connect (self->way, "piece", G_CALLBACK (on_piece), self);
  g_signal_connect (self->way, "progress", G_CALLBACK (on_progress), self);
  return self;
}

/* The caller's answer: from here on it is an upgrade under way. */
static void
on_taken (MefotaModule *module)
{
  MefotaTransfer *self = module->transfer;
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  self->changed_id = g_signal_connect (module, "changed", G_CALLBACK (on_changed), self);
  g_task_return_boolean (task, TRUE);
}

static void
start (MefotaTransfer *self)
{
  MefotaModule *module = self->module;
  GError *error = NULL;
  MefotaEvent event = { .type = MEFOTA_EVENT_BEGIN,
                        .state = MEFOTA_STATE_TRANSFERRING,
                        .operation = self->operation,
                        .imei = module->identity->imei,
                        .version = module->identity->version,
                        .target = self->expected,
                        .requested_by = self->requested_by };

  if (!mefota_module_check_not_replaced (module, self->presence, &error)
      || !mefota_module_check_present (module, &error)
      || !mefota_module_check_not_held (module, &error)
      || !mefota_module_prepare_pending (module, &event, on_taken, &error))
    mefota_transfer_refuse (self, error);
  else
    mefota_transfer_begin_attempt (self);
}

static void
on_inhibited (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) module = data;
  MefotaTransfer *self = module->transfer;

  mefota_inhibitor_wait_finish (MEFOTA_INHIBITOR (source), result);
  if (self != NULL && self->stage == MEFOTA_TRANSFER_WAITING && self->task != NULL)
    start (self);
}

void
mefota_module_begin_transfer (MefotaModule *self, GTask *task, MefotaOperation operation, const char *expected,
                              const char *requested_by)
{
  MefotaTransfer *transfer;
  GError *error = NULL;

  mefota_module_drop_transfer (self);
  transfer = transfer_new (self, operation);
  transfer->task = g_object_ref (task);
  transfer->expected = g_strdup (expected);
  transfer->requested_by = g_strdup (requested_by);
  transfer->presence = g_object_ref (self->presence);
  self->asking = TRUE;
  mefota_journal_event (MEFOTA_JOURNAL_ASKED, self->id, NULL, NULL, "%s: %s upgrade%s%s asked for by %s", self->id,
                        mefota_operation_to_word (operation), expected[0] != '\0' ? " to "
                        : "", expected, requested_by);
  if (transfer->way == NULL)
    error = g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_NOT_SUPPORTED,
                         "This daemon cannot install by %s; use another method.",
                         mefota_operation_to_word (operation));
  /* A full disk must show before the module is told anything. */
  if (error != NULL || !mefota_module_save (self, self->upgrade, &error))
    {
      mefota_transfer_refuse (transfer, error);
      return;
    }
  mefota_module_show (self); /* one that was in line cannot be cancelled just now */
  mefota_module_inhibit (self);
  if (self->inhibitor != NULL)
    mefota_inhibitor_wait_async (self->inhibitor, INHIBIT_WAIT_MS, on_inhibited, g_object_ref (self));
  else
    start (transfer);
}

void
mefota_module_start_transfer (MefotaModule *self)
{
  MefotaUpgrade *u = self->upgrade;
  g_autoptr (GTask) task = g_task_new (self, NULL, NULL, NULL);
  g_autoptr (GError) error = NULL;
  MefotaEvent event = { .type = MEFOTA_EVENT_TRANSFER_ENDED };

  if (mefota_version_matches (u->from_version, self->identity->version) && mefota_module_open_package (self, &error))
    {
      g_autofree char *expected = g_strdup (u->target);
      g_autofree char *requested_by = g_strdup (u->requested_by);
      mefota_module_begin_transfer (self, task, u->operation, expected, requested_by);
      return;
    }
  if (error == NULL)
    error = g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_VERSION_MISMATCH,
                         "While the package waited its turn, the module went from %s to %s; get the package that "
                         "starts from "
                         "there.",
                         u->from_version, self->identity->version);
  event.error = error->domain == MEFOTA_ERROR ? (MefotaError) error->code : MEFOTA_ERROR_STORAGE_FAILED;
  event.text = error->message;
  mefota_module_step (self, &event);
}

/* Back before the caller was answered. */
static void
resume_start (MefotaTransfer *self)
{
  MefotaModule *module = self->module;
  const char *imei = module->identity->imei;

  self->returning = FALSE;
  g_clear_handle_id (&self->return_id, g_source_remove);
  if (module->pending != NULL && module->pending->imei[0] != '\0' && imei[0] != '\0'
      && strcmp (module->pending->imei, imei) != 0)
    mefota_transfer_refuse (self, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_MODULE_REPLACED,
                               "Another module (IMEI %s) sits in the place of %s now; start again if that is the one.",
                               imei,
                               module->id));
  else
    mefota_transfer_begin_attempt (self);
}

void
mefota_module_resume_transfer (MefotaModule *self)
{
  MefotaTransfer *transfer = self->transfer;
  g_autoptr (GError) error = NULL;

  if (transfer != NULL
      && (transfer->stage != MEFOTA_TRANSFER_WAITING || (transfer->task != NULL && !transfer->returning)))
    return;
  if (transfer != NULL && transfer->task != NULL)
    {
      resume_start (transfer);
      return;
    }
  if (!mefota_module_open_package (self, &error))
    {
      MefotaEvent event = { .type = MEFOTA_EVENT_TRANSFER_ENDED, .error = MEFOTA_ERROR_STORAGE_FAILED,
                           .text = error->message };
      mefota_module_drop_transfer (self);
      mefota_module_step (self, &event);
      return;
    }
  if (transfer == NULL)
    {
      transfer = transfer_new (self, self->upgrade->operation);
      transfer->changed_id = g_signal_connect (self, "changed", G_CALLBACK (on_changed), transfer);
    }
  if (transfer->way == NULL)
    mefota_transfer_end_failed (transfer, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_NOT_SUPPORTED,
                                                       "This daemon cannot install by %s; use another method.",
                                                       mefota_operation_to_word (self->upgrade->operation)));
  else
    {
      g_message ("%s: transfers the package, from its start", self->id);
      mefota_transfer_begin_attempt (transfer);
    }
}

void
mefota_module_stop_transfer (MefotaModule *self)
{
  MefotaTransfer *transfer = self->transfer;

  /* The step's end finds that the upgrade is ending. Without one the module is away: then its return does. */
  if (transfer != NULL && (transfer->stage == MEFOTA_TRANSFER_PREPARING || transfer->stage == MEFOTA_TRANSFER_SENDING))
    g_cancellable_cancel (transfer->cancellable);
}
