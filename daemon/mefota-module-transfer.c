/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* A package on its way to the module, by whichever way: attempts, what is kept on disk meanwhile, and the end. */

#include "mefota-module-private.h"

#include "mefota-error.h"
#include "mefota-journal.h"
#include "mefota-way-adb.h"
#include "mefota-way-serial.h"

#include <string.h>

/* How long a start waits for ModemManager to let go. */
#define INHIBIT_WAIT_MS 3000
/* How long a module may stay away that went because its way told it something, in units of [timeouts] command. */
#define RETURN_COMMANDS 12
/* The package is searched in slices that overlap by more than an indication is long. */
#define ECHO_SLICE (256 * 1024)
#define ECHO_OVERLAP 1024

typedef enum
{
  WAITING, /* for the module to be back, or for ModemManager */
  PREPARING,
  SENDING,
  INSTALLING,
  CLEANING,
} Stage;

typedef struct
{
  MefotaModule *module; /* owns this */
  MefotaWay *way;
  Stage stage;
  guint attempts;
  gboolean returning;    /* it went away by what the way told it, before the caller was answered */
  guint return_id;
  gboolean lost;         /* the port hung up under the last step, which the link has not told yet */
  GTask *task;           /* the caller of Install until it is answered; also without a caller, for one that was queued */
  GError *failure;       /* why it is being cleaned up */
  char *expected;
  char *requested_by;
  MefotaOperation operation;
  GCancellable *cancellable; /* of the step that runs */
  GCancellable *presence;    /* of the module when the step began */
  gulong presence_id;
  gulong changed_id;
} Transfer;

static void begin_attempt (Transfer *self);
static void clean_up (Transfer *self, GError *failure);

static MefotaWay *
make_way (MefotaModule *module, MefotaOperation operation)
{
  if (operation == MEFOTA_OPERATION_SERIAL)
    return mefota_way_serial_new ();
  return module->services->adb != NULL ? mefota_way_adb_new (module->services->adb) : NULL;
}

static MefotaUpgrade *
get_upgrade (Transfer *self)
{
  return self->module->pending != NULL ? self->module->pending : self->module->upgrade;
}

/* One under way goes on whatever the disk says. */
static void
save_or_warn (Transfer *self)
{
  g_autoptr (GError) error = NULL;
  if (!mefota_module_save (self->module, get_upgrade (self), &error))
    g_warning ("%s: the transfer goes on but cannot be recorded: %s", self->module->id, error->message);
}

/* ---- a step ---- */

static void
let_go_of_presence (Transfer *self)
{
  if (self->presence_id != 0)
    g_signal_handler_disconnect (self->presence, self->presence_id);
  self->presence_id = 0;
  g_clear_object (&self->presence);
}

static void
tell_installing (Transfer *self)
{
  MefotaModule *module = self->module;
  MefotaEvent event = { .type = MEFOTA_EVENT_INSTALLING };

  mefota_module_drop_transfer (module);
  mefota_module_step (module, &event);
}

static void
on_module_gone (GCancellable *presence, gpointer data)
{
  Transfer *self = data;

  /* It has been told to install, and its OK got lost: that it goes away now is what installing looks like. */
  if (self->stage == INSTALLING && !self->module->upgrade->ending)
    tell_installing (self);
  else
    g_cancellable_cancel (self->cancellable);
}

static GCancellable *
begin_step (Transfer *self, Stage stage)
{
  self->stage = stage;
  let_go_of_presence (self);
  g_clear_object (&self->cancellable);
  self->cancellable = g_cancellable_new ();
  self->presence = g_object_ref (self->module->presence);
  self->presence_id = g_signal_connect (self->presence, "cancelled", G_CALLBACK (on_module_gone), self);
  return self->cancellable;
}

/* Whether the step's end is still of interest: @way is that of the transfer under way. */
static Transfer *
transfer_of (MefotaModule *module, GObject *way)
{
  Transfer *self = module->transfer;
  return self != NULL && G_OBJECT (self->way) == way ? self : NULL;
}

static gboolean
is_gone (Transfer *self)
{
  return self->lost || g_cancellable_is_cancelled (self->presence) || mefota_link_get_state (self->module->link) != MEFOTA_LINK_UP;
}

/* ---- the end ---- */

static void
transfer_free (Transfer *self)
{
  g_clear_handle_id (&self->return_id, g_source_remove);
  let_go_of_presence (self);
  if (self->changed_id != 0)
    g_signal_handler_disconnect (self->module, self->changed_id);
  if (self->cancellable != NULL)
    g_cancellable_cancel (self->cancellable);
  g_clear_object (&self->cancellable);
  if (self->way != NULL)
    g_signal_handlers_disconnect_by_data (self->way, self);
  g_clear_object (&self->way);
  g_clear_object (&self->task);
  g_clear_error (&self->failure);
  g_free (self->expected);
  g_free (self->requested_by);
  g_free (self);
}

void
mefota_module_drop_transfer (MefotaModule *self)
{
  Transfer *transfer = g_steal_pointer (&self->transfer);
  if (transfer != NULL)
    transfer_free (transfer);
}

/* The module never took it on: an error to the caller, or the end of an upgrade that was queued. Takes @error. */
static void
refuse (Transfer *self, GError *error)
{
  MefotaModule *module = self->module;
  g_autoptr (GTask) task = g_steal_pointer (&self->task);
  g_autoptr (GError) owned = error;
  gboolean queued = module->upgrade->state == MEFOTA_STATE_QUEUED;

  if (owned->domain != MEFOTA_ERROR || g_error_matches (owned, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT))
    {
      g_clear_error (&owned);
      owned = g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT, "Module %s went away; start again when it is back.",
                           module->id);
    }
  mefota_module_drop_transfer (module);
  if (!queued && module->package != NULL)
    {
      mefota_package_remove (module->package);
      g_clear_object (&module->package);
    }
  mefota_module_end_asking (module);
  if (queued)
    {
      MefotaEvent event = { .type = MEFOTA_EVENT_TRANSFER_ENDED, .error = (MefotaError) owned->code, .text = owned->message };
      mefota_module_step (module, &event);
    }
  g_task_return_error (task, g_steal_pointer (&owned));
}

/* Takes @error; the machine itself knows why, if it asked for the end. */
static void
end_failed (Transfer *self, GError *error)
{
  MefotaModule *module = self->module;
  g_autoptr (GError) owned = error;
  MefotaEvent event = { .type = MEFOTA_EVENT_TRANSFER_ENDED, .error = MEFOTA_ERROR_CANCELLED, .text = "" };

  if (self->task != NULL)
    {
      refuse (self, g_steal_pointer (&owned));
      return;
    }
  if (owned != NULL)
    {
      event.error = owned->domain == MEFOTA_ERROR ? (MefotaError) owned->code : MEFOTA_ERROR_TRANSFER_FAILED;
      event.text = owned->message;
    }
  mefota_module_drop_transfer (module);
  mefota_module_step (module, &event);
}

static void
on_cleaned_up (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) module = data;
  Transfer *self = transfer_of (module, source);
  g_autoptr (GError) error = NULL;

  if (!mefota_way_finish (MEFOTA_WAY (source), result, &error))
    g_message ("%s: the module may keep a part of the package until the next transfer: %s", module->id, error->message);
  if (self != NULL)
    end_failed (self, g_steal_pointer (&self->failure));
}

/* Takes @failure; NULL if the machine asked for the end. */
static void
clean_up (Transfer *self, GError *failure)
{
  g_clear_error (&self->failure);
  self->failure = failure;
  if (is_gone (self))
    {
      /* Nobody to clean up. One that was to end waits for the module, so that nothing is left in it (but not for ever,
       * see the machine's silence). */
      if (failure == NULL && self->task == NULL)
        self->stage = WAITING;
      else
        end_failed (self, g_steal_pointer (&self->failure));
      return;
    }
  begin_step (self, CLEANING);
  mefota_way_clean_up_async (self->way, mefota_module_get_channel (self->module), on_cleaned_up,
                             g_object_ref (self->module));
}

/* ---- attempts ---- */

static gboolean
on_not_back (gpointer data)
{
  Transfer *self = data;

  self->return_id = 0;
  refuse (self, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT, "gone"));
  return G_SOURCE_REMOVE;
}

/* The way told the module something that it went away for: begun with anew when it is back. */
static void
await_return (Transfer *self)
{
  self->attempts--;
  self->stage = WAITING;
  if (mefota_link_get_state (self->module->link) == MEFOTA_LINK_UP)
    begin_attempt (self);
  else if (self->task != NULL && self->return_id == 0)
    {
      self->returning = TRUE;
      self->return_id
          = g_timeout_add (RETURN_COMMANDS * self->module->services->config->timeouts.command, on_not_back, self);
    }
}

/* A step failed with @error, which it takes. */
static void
fail_attempt (Transfer *self, GError *error)
{
  g_autoptr (GError) owned = error;
  MefotaModule *module = self->module;
  guint most = module->services->config->policy.transfer_attempts;

  self->lost = g_error_matches (owned, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT);
  if (module->upgrade->ending)
    clean_up (self, NULL);
  else if (self->stage == PREPARING && mefota_way_is_leaving (self->way) && is_gone (self))
    await_return (self);
  else if (self->task != NULL && g_error_matches (owned, MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED))
    /* Refused before its first byte: the caller is told, and nothing has happened. */
    clean_up (self, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                                 "The module does not take the package, %s; check its wiring, or restart it, then install "
                                 "again.",
                                 owned->message));
  else if (self->task != NULL)
    clean_up (self, g_steal_pointer (&owned));
  else if (g_error_matches (owned, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED))
    clean_up (self, g_steal_pointer (&owned));
  else if (self->attempts >= most)
    clean_up (self, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                                 "The package could not be transferred in %u attempt%s, the last one ended %s; check the "
                                 "module's wiring and power, then install again.",
                                 self->attempts, self->attempts == 1 ? "" : "s", owned->message));
  else
    {
      g_message ("%s: attempt %u of %u to transfer the package ended %s", module->id, self->attempts, most, owned->message);
      if (is_gone (self))
        self->stage = WAITING;
      else
        begin_attempt (self);
    }
}

static void
on_installing (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) module = data;
  Transfer *self = transfer_of (module, source);
  g_autoptr (GError) error = NULL;
  gboolean ok = mefota_way_finish (MEFOTA_WAY (source), result, &error);

  if (self == NULL || self->stage != INSTALLING)
    return;
  if (!module->upgrade->ending && (ok || !g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR)))
    {
      tell_installing (self); /* without an answer it may well be installing: the version will tell */
      return;
    }
  module->upgrade->install_asked = FALSE;
  save_or_warn (self);
  clean_up (self, module->upgrade->ending
                      ? NULL
                      : g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR,
                                     "The module has the package but refused to install it (%s); check that it is made for "
                                     "%s.",
                                     error->message, module->upgrade->from_version));
}

static void
install (Transfer *self)
{
  MefotaUpgrade *u = self->module->upgrade;
  GError *error = NULL;

  /* On disk before the module hears it: nothing may be sent into one that installs. */
  u->install_asked = TRUE;
  if (!mefota_module_save (self->module, u, &error))
    {
      u->install_asked = FALSE;
      clean_up (self, error);
      return;
    }
  mefota_module_show (self->module); /* it cannot be cancelled any more */
  mefota_way_install_async (self->way, begin_step (self, INSTALLING), on_installing, g_object_ref (self->module));
}

static void
on_transferred (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) module = data;
  Transfer *self = transfer_of (module, source);
  GError *error = NULL;
  gboolean ok = mefota_way_finish (MEFOTA_WAY (source), result, &error);

  if (self == NULL || self->stage != SENDING)
    g_clear_error (&error);
  else if (!ok)
    fail_attempt (self, error);
  else if (module->upgrade->ending)
    clean_up (self, NULL);
  else
    install (self);
}

static void
on_prepared (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) module = data;
  Transfer *self = transfer_of (module, source);
  GError *error = NULL;
  gboolean ok = mefota_way_finish (MEFOTA_WAY (source), result, &error);

  if (self == NULL || self->stage != PREPARING)
    {
      g_clear_error (&error);
      return;
    }
  if (!ok)
    {
      fail_attempt (self, error);
      return;
    }
  if (module->pending != NULL)
    mefota_module_commit_pending (module);
  self = transfer_of (module, source); /* an indication that waited may have ended it */
  if (self == NULL)
    return;
  if (module->upgrade->ending)
    clean_up (self, NULL);
  else
    mefota_way_transfer_async (self->way, begin_step (self, SENDING), on_transferred, g_object_ref (module));
}

static void
begin_attempt (Transfer *self)
{
  MefotaModule *module = self->module;
  MefotaUpgrade *u = get_upgrade (self);
  g_autofree char *usb_path = mefota_module_get_usb_path (module);
  MefotaWayContext context = {
    .module = module->id,
    .profile = mefota_module_get_profile (module),
    .timeouts = &module->services->config->timeouts,
    .version = module->identity->version,
    .usb_path = usb_path,
    .stream = mefota_link_get_stream (module->link),
    .baud = mefota_link_get_baud (module->link),
    .package = module->package,
    .piece_left = u->piece,
  };
  GCancellable *cancellable = begin_step (self, PREPARING);

  self->lost = FALSE;
  /* One that is only to be cleaned up learns from a step that is cancelled before it begins with what it works. */
  if (u->ending)
    g_cancellable_cancel (cancellable);
  else
    self->attempts++;
  mefota_way_prepare_async (self->way, &context, mefota_module_get_channel (module), cancellable, on_prepared,
                            g_object_ref (module));
}

/* ---- what the way tells ---- */

static void
on_piece (MefotaWay *way, guint64 bytes, gpointer data)
{
  Transfer *self = data;
  MefotaUpgrade *u = get_upgrade (self);

  mefota_link_expect_data (self->module->link, (gsize) bytes);
  /* On disk the most is enough, and the line does not wait for the disk between two pieces. */
  if (bytes > u->piece || (bytes == 0 && u->piece > 0))
    {
      u->piece = bytes;
      save_or_warn (self);
    }
}

static void
on_progress (MefotaWay *way, guint percent, gpointer data)
{
  Transfer *self = data;
  MefotaEvent event = { .type = MEFOTA_EVENT_TRANSFERRED, .percent = percent };
  mefota_module_step (self->module, &event);
}

/* The module may leave the state by its own words (it installs, or the upgrade ended): then nothing more is sent to it. */
static void
on_changed (MefotaModule *module, gboolean at_once, gpointer data)
{
  Transfer *self = data;

  if (at_once && self->task == NULL && module->pending == NULL && module->upgrade->state != MEFOTA_STATE_TRANSFERRING
      && self->stage != WAITING)
    mefota_module_drop_transfer (module);
}

/* Whether @bytes has a line with this indication in it, whatever stands between its two parts. */
static gboolean
has_indication (const char *bytes, gsize length, const char *raw)
{
  static const char word[] = "+FOTAIND";
  gsize n = strlen (raw);
  const char *end = bytes + length;

  while ((bytes = memmem (bytes, (gsize) (end - bytes), word, strlen (word))) != NULL)
    {
      bytes += strlen (word);
      while (bytes < end && strchr (": \t", *bytes) != NULL && *bytes != '\0')
        bytes++;
      if ((gsize) (end - bytes) >= n && memcmp (bytes, raw, n) == 0)
        return TRUE;
    }
  return FALSE;
}

gboolean
mefota_module_may_be_echo (MefotaModule *self, const MefotaIndication *indication)
{
  guint64 size;

  if (self->upgrade->operation != MEFOTA_OPERATION_SERIAL || !mefota_module_open_package (self, NULL))
    return FALSE;
  size = mefota_package_get_size (self->package);
  for (guint64 at = 0; at < size; at += ECHO_SLICE - ECHO_OVERLAP)
    {
      g_autoptr (GBytes) bytes = mefota_package_read (self->package, at, ECHO_SLICE, NULL);
      gsize length = 0;
      const char *data = bytes != NULL ? g_bytes_get_data (bytes, &length) : NULL;

      if (data != NULL && has_indication (data, length, indication->raw))
        return TRUE;
    }
  return FALSE;
}

/* ---- beginnings ---- */

static Transfer *
transfer_new (MefotaModule *module, MefotaOperation operation)
{
  Transfer *self = g_new0 (Transfer, 1);

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
  Transfer *self = module->transfer;
  g_autoptr (GTask) task = g_steal_pointer (&self->task);

  self->changed_id = g_signal_connect (module, "changed", G_CALLBACK (on_changed), self);
  g_task_return_boolean (task, TRUE);
}

static void
start (Transfer *self)
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

  if (!mefota_module_check_present (module, &error) || !mefota_module_prepare_pending (module, &event, on_taken, &error))
    refuse (self, error);
  else
    begin_attempt (self);
}

static void
on_inhibited (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (MefotaModule) module = data;
  Transfer *self = module->transfer;

  mefota_inhibitor_wait_finish (MEFOTA_INHIBITOR (source), result);
  if (self != NULL && self->stage == WAITING && self->task != NULL)
    start (self);
}

void
mefota_module_begin_transfer (MefotaModule *self, GTask *task, MefotaOperation operation, const char *expected,
                              const char *requested_by)
{
  Transfer *transfer;
  GError *error = NULL;

  mefota_module_drop_transfer (self);
  transfer = transfer_new (self, operation);
  transfer->task = g_object_ref (task);
  transfer->expected = g_strdup (expected);
  transfer->requested_by = g_strdup (requested_by);
  self->asking = TRUE;
  mefota_journal_event (MEFOTA_JOURNAL_ASKED, self->id, NULL, NULL, "%s: %s upgrade%s%s asked for by %s", self->id,
                        mefota_operation_to_word (operation), expected[0] != '\0' ? " to " : "", expected, requested_by);
  if (transfer->way == NULL)
    error = g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_NOT_SUPPORTED, "This daemon cannot install by %s; use another method.",
                         mefota_operation_to_word (operation));
  /* A full disk must show before the module is told anything. */
  if (error != NULL || !mefota_module_save (self, self->upgrade, &error))
    {
      refuse (transfer, error);
      return;
    }
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
                         "While the package waited its turn, the module went from %s to %s; get the package that starts from "
                         "there.",
                         u->from_version, self->identity->version);
  event.error = error->domain == MEFOTA_ERROR ? (MefotaError) error->code : MEFOTA_ERROR_STORAGE_FAILED;
  event.text = error->message;
  mefota_module_step (self, &event);
}

/* Back before the caller was answered. */
static void
resume_start (Transfer *self)
{
  MefotaModule *module = self->module;
  const char *imei = module->identity->imei;

  self->returning = FALSE;
  g_clear_handle_id (&self->return_id, g_source_remove);
  if (module->pending != NULL && module->pending->imei[0] != '\0' && imei[0] != '\0' && strcmp (module->pending->imei, imei) != 0)
    refuse (self, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_MODULE_REPLACED,
                               "Another module (IMEI %s) sits in the place of %s now; start again if that is the one.", imei,
                               module->id));
  else
    begin_attempt (self);
}

void
mefota_module_resume_transfer (MefotaModule *self)
{
  Transfer *transfer = self->transfer;
  g_autoptr (GError) error = NULL;

  if (transfer != NULL && (transfer->stage != WAITING || (transfer->task != NULL && !transfer->returning)))
    return;
  if (transfer != NULL && transfer->task != NULL)
    {
      resume_start (transfer);
      return;
    }
  if (!mefota_module_open_package (self, &error))
    {
      MefotaEvent event = { .type = MEFOTA_EVENT_TRANSFER_ENDED, .error = MEFOTA_ERROR_STORAGE_FAILED, .text = error->message };
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
    end_failed (transfer, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_NOT_SUPPORTED, "This daemon cannot install by %s.",
                                       mefota_operation_to_word (self->upgrade->operation)));
  else
    {
      g_message ("%s: transfers the package, from its start", self->id);
      begin_attempt (transfer);
    }
}

void
mefota_module_stop_transfer (MefotaModule *self)
{
  Transfer *transfer = self->transfer;

  /* The step's end finds that the upgrade is ending. Without one the module is away: then its return does. */
  if (transfer != NULL && (transfer->stage == PREPARING || transfer->stage == SENDING))
    g_cancellable_cancel (transfer->cancellable);
}
