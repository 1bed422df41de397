/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

typedef enum
{
  MEFOTA_FLOW_NONE,
  MEFOTA_FLOW_RTSCTS,
} MefotaFlowControl;

/**
 * MefotaTty:
 *
 * A GIOStream over a tty: raw 8N1, exclusive (TIOCEXCL and a lock), CLOCAL, no HUPCL, closing_wait none, non-blocking,
 * both streams pollable without a thread. Closing it closes the descriptor at once, so that the kernel frees the
 * number.
 */
#define MEFOTA_TYPE_TTY (mefota_tty_get_type ())
G_DECLARE_FINAL_TYPE (MefotaTty, mefota_tty, MEFOTA, TTY, GIOStream)

/**
 * mefota_tty_open:
 * @path: device node, symbolic links are followed
 * @baud: bits per second, one of termios' constants; ignored by USB ports
 *
 * Errors: MEFOTA_ERROR_BUSY (somebody else holds it: the message names the process and its pid where /proc tells),
 * MEFOTA_ERROR_NOT_PRESENT (no such node, driver not ready), MEFOTA_ERROR_INVALID_ARGUMENT (not a tty, unknown rate),
 * MEFOTA_ERROR_FAILED (permission denied …)
 */
MefotaTty *mefota_tty_open (const char *path, guint baud, MefotaFlowControl flow, GError **error);

/* The node in use, links resolved ("/dev/ttyUSB1"). */
const char *mefota_tty_get_node (MefotaTty *self);
/* Changes the rate of an open tty. */
gboolean mefota_tty_set_baud (MefotaTty *self, guint baud, GError **error);
/* Bytes accepted by write() that the line has not sent yet (TIOCOUTQ); 0 where the driver cannot tell. */
gsize mefota_tty_get_queued (MefotaTty *self);
/* Throws away what is queued to be sent, where the driver can: for a module that no longer takes it for what it is. */
void mefota_tty_discard_output (MefotaTty *self);
/* Throws away what is queued to be sent and what was received but not read (tcflush); for a stream gone out of step. */
void mefota_tty_flush_output (MefotaTty *self);

/* Whether termios has a constant for the rate (config checks it). */
gboolean mefota_tty_is_valid_baud (guint baud);

G_END_DECLS
