/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-module-private.h"

#include "mefota-error.h"

void
mefota_module_install_async (MefotaModule *self, int fd, const MefotaInstallOptions *options, const char *requested_by,
                             GAsyncReadyCallback callback, gpointer user_data)
{
  g_task_report_new_error (self, callback, user_data, mefota_module_install_async, MEFOTA_ERROR,
                           MEFOTA_ERROR_NOT_SUPPORTED, "Packages cannot be installed yet; use a network upgrade.");
}

gboolean
mefota_module_install_finish (MefotaModule *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

gboolean
mefota_module_cancel (MefotaModule *self, GError **error)
{
  MefotaEvent event = { .type = MEFOTA_EVENT_CANCEL };
  const char *why = "nothing is under way that could be cancelled";

  if (mefota_upgrade_can_cancel (self->upgrade) && !(self->upgrade->state == MEFOTA_STATE_QUEUED && self->asking))
    {
      mefota_module_step (self, &event);
      return TRUE;
    }
  if (self->upgrade->state == MEFOTA_STATE_CONFIRMING)
    why = "the module waits for an answer: answer the question with Confirm (mefotactl accept or reject)";
  else if (mefota_upgrade_is_active (self->upgrade) || self->asking)
    why = "the module has begun on its own; wait for its end";
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_CANCELLABLE, "Module %s: %s.", self->id, why);
  return FALSE;
}

void
mefota_module_stop_transfer (MefotaModule *self)
{
}

void
mefota_module_resume_transfer (MefotaModule *self)
{
}

void
mefota_module_start_transfer (MefotaModule *self)
{
}

void
mefota_module_drop_package (MefotaModule *self)
{
}

gboolean
mefota_module_can_adb (MefotaModule *self)
{
  return FALSE;
}
