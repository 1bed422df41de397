/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* The service manager's side (sd_notify): everything is a no-op without NOTIFY_SOCKET. */
void mefota_service_ready (void);
void mefota_service_stopping (void);
void mefota_service_reloading (void);
/* STATUS=, a sentence a person reads; sent only if it differs from the last one. */
void mefota_service_status (const char *sentence);
/* Beats at half of WATCHDOG_USEC from the main loop; without a watchdog there is no timer. */
void mefota_service_watchdog_start (void);
void mefota_service_watchdog_stop (void);
/* Parks a descriptor under @name (FDSTORE=1), or removes it. */
void mefota_service_store_fd (const char *name, int fd);
void mefota_service_forget_fd (const char *name);
/* A descriptor of that name handed over at start (LISTEN_FDS), or -1; the caller owns it. */
int mefota_service_take_fd (const char *name);

G_END_DECLS
