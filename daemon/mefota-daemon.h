/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-config.h"
#include "mefota-profile.h"

G_BEGIN_DECLS

typedef enum
{
  MEFOTA_EXIT_OK = 0,
  MEFOTA_EXIT_FAILED = 1,
  MEFOTA_EXIT_USAGE = 2,
  MEFOTA_EXIT_NO_NAME = 3, /* another mefotad runs, or the bus policy does not let us have the name */
  MEFOTA_EXIT_CONFIG = 78, /* EX_CONFIG */
} MefotaExit;

/**
 * MefotaDaemon:
 *
 * Everything wired together, from the bus to the ports. The order at start: bus, modules (no port opened yet), name,
 * ports, READY; so that a second daemon touches no port, and who sees the name sees the modules.
 */
#define MEFOTA_TYPE_DAEMON (mefota_daemon_get_type ())
G_DECLARE_FINAL_TYPE (MefotaDaemon, mefota_daemon, MEFOTA, DAEMON, GObject)

/* Takes @config and @profiles over. @config_path: as given, for reloading; NULL for the default. */
MefotaDaemon *mefota_daemon_new (MefotaConfig *config, MefotaProfiles *profiles, const char *config_path,
                                 const char *state_directory, const char *run_directory, GMainLoop *loop);
/* Connects and begins; the loop quits at an end that came by itself. */
void mefota_daemon_start (MefotaDaemon *self);
/* Reads the configuration again: policy and timeouts at once, modules at the next start. */
void mefota_daemon_reload (MefotaDaemon *self);
/* Leaves everything as it is on disk and lets go of bus and ports. */
void mefota_daemon_stop (MefotaDaemon *self);
MefotaExit mefota_daemon_get_exit (MefotaDaemon *self);

G_END_DECLS
