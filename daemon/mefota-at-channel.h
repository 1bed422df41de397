/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "mefota-fotaind.h"

G_BEGIN_DECLS

/**
 * MefotaAtChannel:
 *
 * AT commands over a stream: one in flight, the others wait in line; each completes exactly once (answer, timeout,
 * cancellation or hang-up). Reads whenever the stream is readable, writes from a queue, no thread, no wake-up while
 * idle.
 *
 * A module that was left in the middle of data takes commands for data. So a synchronisation that gets no answer feeds
 * it, once, with as many line ends as it may count on at most: what the abandoned command announced, or was told by
 * mefota_at_channel_expect_data(). A module that takes commands sees empty ones.
 *
 * After a command's timeout or cancellation the channel re-synchronises by itself before the next one is sent: AT until
 * OK, swallowing as many final result codes as may still come, so that a late answer is given to nobody. A command
 * waits for that as long as for its own answer, not counting the time in which the module takes what was left to be
 * written.
 *
 * Signals (emitted from the main loop, never from within a caller's function; the channel holds a reference on itself):
 *  - "indication" (const MefotaIndication *): every +FOTAIND line that is no answer, in order
 *  - "urc" (const char *line, gboolean booted): other unsolicited lines; booted if it tells of a fresh boot
 *  - "connect" (gboolean late): CONNECT came after a prompt for data; late: after data were sent already, which are
 *    lost
 *  - "hang-up": the stream ended (read 0, HUP, EIO); everything that waited was completed with NOT_PRESENT before
 */
#define MEFOTA_TYPE_AT_CHANNEL (mefota_at_channel_get_type ())
G_DECLARE_FINAL_TYPE (MefotaAtChannel, mefota_at_channel, MEFOTA, AT_CHANNEL, GObject)

/**
 * mefota_at_channel_new:
 * @stream: both of its streams must be pollable, and of the same descriptor
 * @name: for log lines, the module's id
 * @retry_ms: milliseconds between two tries of a synchronisation (config `probe`)
 */
MefotaAtChannel *mefota_at_channel_new (GIOStream *stream, const char *name, guint retry_ms);

/* Completes everything that waits with NOT_PRESENT and closes the stream. Emits no "hang-up". Idempotent. */
void mefota_at_channel_close (MefotaAtChannel *self);

/**
 * mefota_at_channel_send_async:
 * @command: without line end, such as "AT+CGMR"
 * @extra_prefixes: (nullable): further prefixes of its answer, for the guide's slips ("+FOTAIP:" to AT+FOTAPOLLEN?)
 * @timeout_ms: from the moment its first byte is written; and before that, at most, for a synchronisation to succeed
 *
 * Errors: MODULE_ERROR (message: the module's own words, explained), TIMEOUT, NOT_PRESENT (hang-up, closed), or
 * G_IO_ERROR_CANCELLED.
 */
void mefota_at_channel_send_async (MefotaAtChannel *self, const char *command, const char *const *extra_prefixes,
                                   guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data);
/* The information lines, without echo and final result code; those before a MODULE_ERROR stand in its message. */
char **mefota_at_channel_send_finish (MefotaAtChannel *self, GAsyncResult *result, GError **error);
/* Whether a command that ended in NOT_PRESENT or G_IO_ERROR_CANCELLED had gone out: the module may have acted on it. */
gboolean mefota_at_channel_was_heard (GAsyncResult *result);

/* What waits in line with @cancellable completes with G_IO_ERROR_CANCELLED; what has its turn goes on. */
void mefota_at_channel_withdraw (MefotaAtChannel *self, GCancellable *cancellable);

/**
 * mefota_at_channel_sync_async:
 *
 * Sends AT every @retry_ms until an OK comes, without end (cancel it, or the stream hangs up), then swallows the
 * answers to the tries before it. Goes before everything that waits in line.
 */
void mefota_at_channel_sync_async (MefotaAtChannel *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data);
gboolean mefota_at_channel_sync_finish (MefotaAtChannel *self, GAsyncResult *result, GError **error);

/* Whether a command sent now has to wait for a synchronisation. */
gboolean mefota_at_channel_is_out_of_step (MefotaAtChannel *self);
/* The module may count on up to @n_bytes of data from before this channel was made. */
void mefota_at_channel_expect_data (MefotaAtChannel *self, gsize n_bytes);
/* Whether another rate of the line would only add to the confusion: a synchronisation was answered and waits for what
 * is left, or the module may count on data, which it must get at the rate they began with. */
gboolean mefota_at_channel_needs_rate (MefotaAtChannel *self);

/* How a module tells that it takes data. */
typedef enum
{
  MEFOTA_PROMPT_IMMEDIATE, /* "> " (guide 4.1) */
  MEFOTA_PROMPT_CONNECT,   /* "> ", then, maybe seconds later, CONNECT (ME3616) */
  MEFOTA_PROMPT_GRACE,     /* "> ", then CONNECT if it comes within 300 ms */
} MefotaPromptStyle;

/**
 * mefota_at_channel_data_async:
 * @command: a command that takes data after a prompt: "AT+ZCOMWRT=524288"
 *
 * First of three steps: completes at the prompt. The command stays in flight until mefota_at_channel_data_end_async()
 * completes (or this one fails: then it doesn't any more). Nothing received in between is an answer but a final result
 * code at the end of the data; +FOTAIND lines are still indications.
 */
void mefota_at_channel_data_async (MefotaAtChannel *self, const char *command, MefotaPromptStyle style,
                                   guint timeout_ms, GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data);
gboolean mefota_at_channel_data_finish (MefotaAtChannel *self, GAsyncResult *result, GError **error);
/* Second step, as often as wished: completes when the tty has taken all of @bytes, or fails as soon as a final error
 * comes (MODULE_ERROR) or the stream hangs up (NOT_PRESENT). */
void mefota_at_channel_data_write_async (MefotaAtChannel *self, GBytes *bytes, GCancellable *cancellable,
                                         GAsyncReadyCallback callback, gpointer user_data);
gboolean mefota_at_channel_data_write_finish (MefotaAtChannel *self, GAsyncResult *result, GError **error);
/* Bytes announced by the command that the tty has not taken yet (after a cancelled write, what is left to fill up);
 * 0 if no data phase is on. */
gsize mefota_at_channel_data_get_missing (MefotaAtChannel *self);
/* Third step: waits for the final result code. TIMEOUT leaves the channel out of step, as for any command. */
void mefota_at_channel_data_end_async (MefotaAtChannel *self, guint timeout_ms, GCancellable *cancellable,
                                       GAsyncReadyCallback callback, gpointer user_data);
gboolean mefota_at_channel_data_end_finish (MefotaAtChannel *self, GAsyncResult *result, GError **error);

/* Stops (TRUE) and resumes reading: back-pressure towards the tty while the bus has not taken what was read before. */
void mefota_at_channel_set_paused (MefotaAtChannel *self, gboolean paused);

G_END_DECLS
