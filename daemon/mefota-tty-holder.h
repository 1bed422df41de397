/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * mefota_tty_find_holder:
 * @node: device node of a tty, links resolved
 * @proc: where processes are listed, "/proc"
 * @lock_directory: where the lock files of serial programs are, "/run/lock"
 *
 * Which process has @node open, as far as one may see it. An unprivileged caller does not see the descriptors of other
 * users' processes; for those it is told by the lock file that terminal programs and pppd leave (LCK..ttyUSB1), or by
 * the tty being their controlling terminal.
 *
 * Returns: "process 123 (minicom)", or NULL
 */
char *mefota_tty_find_holder (const char *node, const char *proc, const char *lock_directory);

G_END_DECLS
