/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * ExitStatus:
 *
 * What mefotactl ends with; a promise to scripts (mefotactl(1), EXIT STATUS).
 */
typedef enum
{
  STATUS_DONE = 0,
  STATUS_FAILED = 1,
  STATUS_USAGE = 2,
  STATUS_NO_MODULE = 3, /* no daemon or no such module */
  STATUS_NOT_AUTHORIZED = 4,
  STATUS_BUSY = 5,
  STATUS_NOTHING_NEW = 6, /* only with --require-new */
  STATUS_NOT_READY = 7,
  STATUS_TIMED_OUT = 8,
  STATUS_CANCELLED = 9, /* cancelled or refused */
  STATUS_INTERRUPTED = 130,
} ExitStatus;

/* Of an error of a method, the bus, or GIO. */
ExitStatus exit_status_of_error (const GError *error);

/* Of the error name an upgrade ended with; an unknown name is STATUS_FAILED. */
ExitStatus exit_status_of_name (const char *error_name);

/* Says on standard error what went wrong and what to do, and gives the status of it. */
ExitStatus exit_status_report (GError *error);

/* TRUE if the error says that nobody owns the bus name (any more). */
gboolean exit_status_is_daemon_gone (const GError *error);

/* "mefotactl: MESSAGE" on standard error, one line. */
void complain (const char *format, ...) G_GNUC_PRINTF (1, 2);

G_END_DECLS
