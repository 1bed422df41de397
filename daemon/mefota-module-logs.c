/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* Pulling the logs of an upgrade out of the module (guide 2.3.3). */

#include "mefota-module-private.h"

#include "mefota-error.h"

void
mefota_module_collect_logs_async (MefotaModule *self, GAsyncReadyCallback callback, gpointer user_data)
{
  g_task_report_new_error (self, callback, user_data, mefota_module_collect_logs_async, MEFOTA_ERROR,
                           MEFOTA_ERROR_NOT_SUPPORTED, "Logs cannot be collected yet.");
}

char *
mefota_module_collect_logs_finish (MefotaModule *self, GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
