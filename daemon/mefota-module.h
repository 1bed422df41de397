/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-adb.h"
#include "mefota-config.h"
#include "mefota-guard.h"
#include "mefota-link.h"
#include "mefota-profile.h"
#include "mefota-queue.h"
#include "mefota-settings.h"
#include "mefota-store.h"
#include "mefota-upgrade.h"

G_BEGIN_DECLS

/* What all modules share; main() owns it. */
typedef struct
{
  MefotaConfig *config;
  MefotaProfiles *profiles;
  MefotaStore *store;
  MefotaQueue *queue;
  MefotaGuard *guard;
  MefotaAdb *adb; /* NULL: built without */
  GDBusConnection *bus; /* NULL while there is none */
  MefotaLinkOpener opener;
} MefotaServices;

/* What the bus shows; everything else is in @upgrade. Valid until the next signal of the module. */
typedef struct
{
  const char *id;
  const char *physical_path;
  MefotaTransport transport;
  const char *port;
  const MefotaIdentity *identity;
  const MefotaSettings *settings;
  gboolean polling_restart_needed;
  MefotaState state;
  const MefotaUpgrade *upgrade;
  gboolean can_cancel;
  gboolean can_serial;
  gboolean can_adb;
} MefotaModuleInfo;

/**
 * MefotaModule:
 *
 * One module in its place: carries out what the upgrade machine asks for, owns its timer and its record on disk, and is
 * the only one that steps its machine.
 *
 * Signals:
 *  - "changed" (gboolean at_once): properties changed; at_once if the state did, so that it must be seen by itself
 *  - "indication" (const MefotaIndication *)
 *  - "confirm-requested" (gint64 deadline)
 *  - "finished" (GVariant *details): after "changed"
 */
#define MEFOTA_TYPE_MODULE (mefota_module_get_type ())
G_DECLARE_FINAL_TYPE (MefotaModule, mefota_module, MEFOTA, MODULE, GObject)

/* @services outlives the module. Takes an upgrade under way up from the store. */
MefotaModule *mefota_module_new (MefotaServices *services, const char *id, const char *physical_path,
                                 MefotaTransport transport, guint baud, MefotaFlowControl flow);
/* Everything that is there at start was told: what was under way and is not there is gone. Also announces an end that
 * an earlier daemon had no time to tell. */
void mefota_module_start (MefotaModule *self);
/* See mefota_link_set_port(); @usb_sysfs (nullable) is ModemManager's and adb's name of the place. */
void mefota_module_set_port (MefotaModule *self, const char *path, const char *usb_sysfs);
/* It was away, came back and is gone again before its port was seen: one more time that it went away. */
void mefota_module_missed (MefotaModule *self);
/* Where it is plugged in, for adb; "" (default): found by its port. */
void mefota_module_set_usb_path (MefotaModule *self, const char *usb_path);
void mefota_module_get_info (MefotaModule *self, MefotaModuleInfo *info);
const char *mefota_module_get_id (MefotaModule *self);
/* Whether the object may go: not configured, no port, and nothing under way. */
gboolean mefota_module_is_dispensable (MefotaModule *self);
/* The bus came back: what was asked of others there (ModemManager) is asked again. */
void mefota_module_bus_changed (MefotaModule *self);
/* Back-pressure: stops and resumes reading the port. */
void mefota_module_set_paused (MefotaModule *self, gboolean paused);
/* Closes the port and stops; what is under way stays on disk. */
void mefota_module_close (MefotaModule *self);

/* ---- methods of org.gosuncn.Fota; errors as told in its XML ---- */

void mefota_module_upgrade_async (MefotaModule *self, const char *target, gboolean force, const char *requested_by,
                                  GAsyncReadyCallback callback, gpointer user_data);
gboolean mefota_module_upgrade_finish (MefotaModule *self, GAsyncResult *result, GError **error);

void mefota_module_confirm_async (MefotaModule *self, gboolean allow, gboolean report, GAsyncReadyCallback callback,
                                  gpointer user_data);
gboolean mefota_module_confirm_finish (MefotaModule *self, GAsyncResult *result, GError **error);

typedef struct
{
  const char *method;   /* auto, serial or adb */
  const char *sha256;   /* or NULL */
  const char *from;     /* or NULL */
  const char *expected; /* or NULL */
  const char *name;     /* or NULL */
} MefotaInstallOptions;

void mefota_module_install_async (MefotaModule *self, int fd, const MefotaInstallOptions *options,
                                  const char *requested_by,
                                  GAsyncReadyCallback callback, gpointer user_data);
gboolean mefota_module_install_finish (MefotaModule *self, GAsyncResult *result, GError **error);

/* At start, when all of @modules (MefotaModule) with an upgrade under way are there: private copies that none of them
 * needs go. A daemon that was killed between a copy and its record, or between their ends, left them. */
void mefota_module_sweep_packages (MefotaStore *store, GPtrArray *modules);

gboolean mefota_module_cancel (MefotaModule *self, GError **error);

void mefota_module_delete_package_async (MefotaModule *self, GAsyncReadyCallback callback, gpointer user_data);
void mefota_module_set_server_async (MefotaModule *self, const char *address, guint port, GAsyncReadyCallback callback,
                                     gpointer user_data);
void mefota_module_set_polling_async (MefotaModule *self, gboolean enabled, GAsyncReadyCallback callback,
                                      gpointer user_data);
void mefota_module_set_target_async (MefotaModule *self, const char *version, GAsyncReadyCallback callback,
                                     gpointer user_data);
void mefota_module_refresh_async (MefotaModule *self, GAsyncReadyCallback callback, gpointer user_data);
void mefota_module_restart_async (MefotaModule *self, GAsyncReadyCallback callback, gpointer user_data);
/* Finishes each of the six above. */
gboolean mefota_module_command_finish (MefotaModule *self, GAsyncResult *result, GError **error);

/* GPtrArray of MefotaReadinessItem. */
void mefota_module_check_readiness_async (MefotaModule *self, GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *mefota_module_check_readiness_finish (MefotaModule *self, GAsyncResult *result, GError **error);

/* @timeout_ms 0: the configured one. */
void mefota_module_send_command_async (MefotaModule *self, const char *command, guint timeout_ms,
                                       GAsyncReadyCallback callback, gpointer user_data);
char **mefota_module_send_command_finish (MefotaModule *self, GAsyncResult *result, GError **error);

void mefota_module_collect_logs_async (MefotaModule *self, GAsyncReadyCallback callback, gpointer user_data);
char *mefota_module_collect_logs_finish (MefotaModule *self, GAsyncResult *result, GError **error);

G_END_DECLS
