/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* Install(): what is checked before a byte goes to the module, the private copy, and the place in line. The transfer
 * itself is in mefota-module-transfer.c. */

#include "mefota-module-private.h"

#include "mefota-error.h"

#include <errno.h>
#include <glib/gstdio.h>
#include <string.h>

typedef struct
{
  MefotaOperation operation;
  char *from;
  char *expected;
  char *name;
  char *requested_by;
} Install;

static void
install_free (gpointer data)
{
  Install *self = data;
  g_free (self->from);
  g_free (self->expected);
  g_free (self->name);
  g_free (self->requested_by);
  g_free (self);
}

/* ---- checks ---- */

static gboolean
choose_method (MefotaModule *self, const char *method, MefotaOperation *operation, GError **error)
{
  gboolean uart = self->transport == MEFOTA_TRANSPORT_UART;

  if (g_str_equal (method, "auto"))
    *operation = uart ? MEFOTA_OPERATION_SERIAL : MEFOTA_OPERATION_ADB;
  else if (g_str_equal (method, "serial"))
    *operation = MEFOTA_OPERATION_SERIAL;
  else if (g_str_equal (method, "adb"))
    *operation = MEFOTA_OPERATION_ADB;
  else
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                   "\"%s\" is no method of installing; use auto, serial or adb.", method);
      return FALSE;
    }
  if (*operation == MEFOTA_OPERATION_SERIAL && !uart)
    g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_SUPPORTED,
                 "Module %s is wired by USB, where it does not take a package over its AT port (guide 2.4); use adb.",
                 self->id);
  else
    return *operation != MEFOTA_OPERATION_ADB || mefota_module_check_adb (self, error);
  return FALSE;
}

static gboolean
check_sha256 (const char *sha256, GError **error)
{
  if (sha256 == NULL || mefota_package_is_sha256 (sha256))
    return TRUE;
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
               "\"%s\" is no SHA-256 sum; give its 64 hexadecimal digits.", sha256);
  return FALSE;
}

static gboolean
check_free (MefotaModule *self, GError **error)
{
  if (self->upgrade->state != MEFOTA_STATE_QUEUED)
    return mefota_module_check_may_start (self, error) && mefota_queue_check_not_held (self->services->queue, error);
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_BUSY,
               "An upgrade of module %s already waits its turn; cancel it to start another.", self->id);
  return FALSE;
}

/* The delta's direction, and that the version can tell afterwards what came of it. */
static gboolean
check_versions (MefotaModule *self, const char *from, const char *expected, GError **error)
{
  const char *version = self->identity->version;

  if (from != NULL && from[0] != '\0' && !mefota_version_matches (from, version))
    g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_VERSION_MISMATCH,
                 "The package is for modules that run %s, but module %s runs %s; get the package that starts from "
                 "there.", from,
                 self->id, version[0] != '\0' ? version : "a version that it does not tell");
  else if (expected != NULL && expected[0] != '\0' && mefota_version_matches (expected, version))
    g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_VERSION_MISMATCH,
                 "Module %s runs %s already; there is nothing to install.", self->id, version);
  else
    return TRUE;
  return FALSE;
}

static gboolean
check_name (MefotaModule *self, MefotaOperation operation, const char *name, GError **error)
{
  return operation != MEFOTA_OPERATION_ADB
         || mefota_profile_check_package_name (mefota_module_get_profile (self), self->identity->version, name, error);
}

/* "The package is empty." → "The package "x.bin" is empty." */
static void
name_package (GError *error, const char *name)
{
  static const char beginning[] = "The package";
  g_autofree char *message = error->message;

  if (name[0] != '\0' && g_str_has_prefix (message, beginning))
    error->message = g_strdup_printf ("%s \"%s\"%s", beginning, name, message + strlen (beginning));
  else
    error->message = g_steal_pointer (&message);
}

/* ---- copying, and then the turn ---- */

/* Takes @error. */
static void
refuse (GTask *task, GError *error)
{
  MefotaModule *self = g_task_get_source_object (task);

  if (self->package != NULL)
    mefota_package_remove (self->package);
  g_clear_object (&self->package);
  mefota_module_end_asking (self);
  mefota_module_apply_policy (self); /* should the module have asked meanwhile */
  g_task_return_error (task, error);
}

static void
enqueue (GTask *task)
{
  MefotaModule *self = g_task_get_source_object (task);
  Install *install = g_task_get_task_data (task);
  GError *error = NULL;
  MefotaEvent event = { .type = MEFOTA_EVENT_BEGIN,
                        .state = MEFOTA_STATE_QUEUED,
                        .operation = install->operation,
                        .imei = self->identity->imei,
                        .version = self->identity->version,
                        .target = install->expected,
                        .requested_by = install->requested_by };

  if (!mefota_module_prepare_pending (self, &event, NULL, &error))
    {
      refuse (task, error);
      return;
    }
  g_message ("%s: waits its turn ([policy] max-parallel=%u)", self->id, self->services->config->policy.max_parallel);
  mefota_module_commit_pending (self);
  mefota_queue_wait (self->services->queue, self->id, self->upgrade->started_at);
  g_task_return_boolean (task, TRUE);
}

static void
on_copied (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  MefotaModule *self = g_task_get_source_object (task);
  Install *install = g_task_get_task_data (task);
  MefotaPackage *package;
  GError *error = NULL;

  package = mefota_package_copy_finish (result, &error);
  if (package == NULL)
    name_package (error, install->name);
  g_clear_object (&self->package);
  self->package = package;
  self->asking = FALSE; /* it all may have changed while the copy was made */
  if (package == NULL || !check_free (self, &error) || !check_versions (self, install->from, install->expected, &error))
    {
      refuse (task, error);
      return;
    }
  g_message ("%s: package %s, %" G_GUINT64_FORMAT " bytes, sha256 %s", self->id,
             install->name[0] != '\0' ? install->name : "(without a name)",
             mefota_package_get_size (package), mefota_package_get_sha256 (package));
  if (mefota_queue_try_enter (self->services->queue, self->id))
    mefota_module_begin_transfer (self, task, install->operation, install->expected, install->requested_by);
  else
    enqueue (task);
}

static void
copy (GTask *task, int fd, const char *sha256)
{
  MefotaModule *self = g_task_get_source_object (task);
  g_autofree char *path = NULL;
  GError *error = NULL;

  path = mefota_store_build_path (self->services->store, MEFOTA_MODULE_PACKAGES, self->id, &error);
  if (path == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  self->asking = TRUE;
  mefota_package_copy_async (fd, path, self->services->config->policy.max_package, sha256, NULL, on_copied,
                             g_object_ref (task));
}

void
mefota_module_install_async (MefotaModule *self, int fd, const MefotaInstallOptions *options, const char *requested_by,
                             GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, NULL, callback, user_data);
  Install *install = g_new0 (Install, 1);
  GError *error = NULL;

  g_task_set_source_tag (task, mefota_module_install_async);
  g_task_set_task_data (task, install, install_free);
  install->from = g_strdup (options->from);
  install->expected = g_strdup (options->expected != NULL ? options->expected : "");
  install->name = g_strdup (options->name != NULL ? options->name : "");
  install->requested_by = g_strdup (requested_by);
  if (!choose_method (self, options->method, &install->operation, &error) || !check_sha256 (options->sha256, &error)
      || !check_free (self, &error) || !check_versions (self, install->from, install->expected, &error)
      || !check_name (self, install->operation, install->name, &error))
    g_task_return_error (task, error);
  else
    copy (task, fd, options->sha256);
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
  const char *why = "nothing is under way that could be cancelled; see mefotactl status";

  if (mefota_upgrade_can_cancel (self->upgrade) && !(self->upgrade->state == MEFOTA_STATE_QUEUED && self->asking))
    {
      mefota_module_step (self, &event);
      return TRUE;
    }
  if (self->upgrade->state == MEFOTA_STATE_CONFIRMING)
    why = "the module waits for an answer: answer the question with Confirm (mefotactl accept or reject)";
  else if (self->upgrade->state == MEFOTA_STATE_TRANSFERRING && self->upgrade->ending)
    why = "its upgrade is being cancelled already; wait for its end";
  else if (self->asking && (self->upgrade->state == MEFOTA_STATE_QUEUED || !mefota_upgrade_is_active (self->upgrade)))
    why = "its start is still being looked into; wait for the answer to that, then cancel";
  else if (mefota_upgrade_is_active (self->upgrade))
    why = "the module has begun on its own; wait for its end";
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_CANCELLABLE, "Module %s: %s.", self->id, why);
  return FALSE;
}

/* ---- the private copy ---- */

gboolean
mefota_module_open_package (MefotaModule *self, GError **error)
{
  const MefotaUpgrade *u = self->upgrade;

  if (self->package != NULL)
    return TRUE;
  self->package = mefota_package_open (u->package != NULL ? u->package : "", u->package_size, u->package_sha256, error);
  return self->package != NULL;
}

gboolean
mefota_module_needs_package (const MefotaUpgrade *u)
{
  return (u->operation == MEFOTA_OPERATION_SERIAL || u->operation == MEFOTA_OPERATION_ADB)
         && (u->state == MEFOTA_STATE_QUEUED || u->state == MEFOTA_STATE_TRANSFERRING);
}

void
mefota_module_drop_package (MefotaModule *self)
{
  MefotaUpgrade *u = self->upgrade;

  if (mefota_module_needs_package (u))
    return;
  if (mefota_module_overtake_transfer (self))
    {
      g_clear_pointer (&u->package, g_free);
      return;
    }
  mefota_module_drop_transfer (self);
  if (self->package != NULL)
    mefota_package_remove (self->package);
  else if (u->package != NULL && u->package[0] != '\0')
    g_unlink (u->package);
  g_clear_object (&self->package);
  g_clear_pointer (&u->package, g_free);
}
