/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "mefota-names.h"
#include "mefota-tty.h"

G_BEGIN_DECLS

typedef enum
{
  MEFOTA_CONFIRM_ASK,
  MEFOTA_CONFIRM_ALLOW,
  MEFOTA_CONFIRM_DENY,
} MefotaConfirm;

/* [timeouts], all in milliseconds here (seconds, decimals allowed, in the file). */
typedef struct
{
  guint command;
  guint confirm;
  guint download;
  guint install;
  guint give_up;
  guint settle;
  guint probe;
} MefotaTimeouts;

/* [policy] */
typedef struct
{
  MefotaConfirm confirm;
  /* minutes since local midnight, 0–1439; both -1 without a window; from > to crosses midnight */
  int window_from, window_to;
  guint max_parallel;         /* ≥ 1 */
  guint64 max_package;        /* bytes */
  guint transfer_attempts;    /* ≥ 1 */
  gboolean restore_settings;
  gboolean collect_logs;
} MefotaPolicy;

/* [module NAME] */
typedef struct
{
  char *name;
  char *port;
  MefotaTransport transport;
  guint baud;
  MefotaFlowControl flow;
  char *usb_path; /* "1-1.2", or "" to find it by the port */
} MefotaModuleConfig;

typedef struct
{
  MefotaPolicy policy;
  MefotaTimeouts timeouts;
  GPtrArray *modules;  /* of MefotaModuleConfig, in the order of the file */
  GPtrArray *warnings; /* of char *: unknown keys, with file, group and key */
} MefotaConfig;

void mefota_config_free (MefotaConfig *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MefotaConfig, mefota_config_free)

/**
 * mefota_config_load:
 * @path: (nullable): the file named by --config, which must exist; NULL: @default_path, which need not
 * @default_path: /etc/mefota/mefotad.conf
 *
 * Reads the file and its fragments (PATH.d/ *.conf, sorted by name; later ones override key by key). A comment may
 * stand on a line of its own, or after a value or a group with a blank before its '#'.
 *
 * Errors: MEFOTA_ERROR_INVALID_ARGUMENT with file, line or group, and key in the message (the daemon exits 78).
 */
MefotaConfig *mefota_config_load (const char *path, const char *default_path, GError **error);

G_END_DECLS
