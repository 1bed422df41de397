/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-at-channel.h"
#include "mefota-at-command.h"
#include "mefota-at-event.h"
#include "mefota-at-framer.h"
#include "mefota-at-link.h"
#include "mefota-at-log.h"
#include "mefota-at-sync.h"
#include "mefota-timer.h"

G_BEGIN_DECLS

/* Private to the channel's files: mefota-at-channel.c (queue, link, timeouts), -route.c (whose line is it), -sync.c,
 * -data.c (the data phase), -task.c (completions). */
struct _MefotaAtChannel
{
  GObject parent_instance;

  MefotaAtLink *link;
  MefotaAtFramer framer;
  MefotaAtLog log;
  gboolean line_feed_logged; /* the one that comes next */
  guint retry_ms;
  gboolean closed;

  GQueue queue;             /* of MefotaAtCommand, not yet sent */
  MefotaAtCommand *current; /* the one in flight */
  gsize unclaimed;          /* bytes queued in front of it that are no command's: AT, the rest of an abandoned one */
  MefotaTimer timer;        /* for the command in flight or the synchronisation: there never are both */
  GSource *hang_up;         /* to tell it */
  MefotaTimer unended;      /* a final result code is taken without its line end then */

  MefotaAtSync sync;
  GQueue sync_tasks;         /* of GTask */
  MefotaAtCommand *lost;     /* last one abandoned: what looks like an answer to it is nobody's */
  gint64 next_try;           /* monotonic: of AT */
  gint64 progress_at;        /* monotonic: when it last took some of what is written while nobody is answered */
  gint64 drain_until;        /* monotonic; a chatty module is never quiet */
  gsize fill_at_prompt;      /* data announced by a lost command, should its prompt come yet */
  gsize owed_data;           /* the most that the module may still take for data instead of commands */
  guint unanswered;          /* tries of this synchronisation, while it may */
  gboolean listens;          /* what it says next is its answer to AT, and it takes commands */
  gboolean feeding;          /* it is being fed on suspicion; is in front of everything else */
  GError *data_error;        /* how the last data phase ended, if in an error before data_end() */
};

/* ---- mefota-at-channel-task.c ---- */

/* A task that tells mefota_at_channel_on_cancelled(). */
GTask *mefota_at_channel_new_task (MefotaAtChannel *self, GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data, gpointer source_tag);
/* Before a task is returned: it cannot be cancelled any more. */
void mefota_at_channel_unwatch (GTask *task);
/* Before a command in flight is given up; see mefota_at_channel_was_heard(). */
void mefota_at_channel_note_heard (MefotaAtCommand *command);
/* Whether it may go on: fails it later if it is cancelled already, or the channel closed. */
gboolean mefota_at_channel_check_task (MefotaAtChannel *self, GTask *task);
/* At once; takes both. */
void mefota_at_channel_fail (GTask *task, GError *error);
/* From the main loop, later; takes both. */
void mefota_at_channel_fail_later (GTask *task, GError *error);
GError *mefota_at_channel_error_gone (void);
GError *mefota_at_channel_error_cancelled (void);
void mefota_at_channel_destroy_source (gpointer source);

/* ---- mefota-at-channel.c ---- */

gboolean mefota_at_channel_on_cancelled (GCancellable *cancellable, gpointer user_data);
void mefota_at_channel_enqueue (MefotaAtChannel *self, MefotaAtCommand *command);
/* The command in flight, if all of it is written: nothing that comes before is an answer to it. */
MefotaAtCommand *mefota_at_channel_get_answering (MefotaAtChannel *self);
/* Nothing is in flight any more; the caller completes and frees what it gets. */
MefotaAtCommand *mefota_at_channel_end_current (MefotaAtChannel *self);
/* The same for one whose answer may still come. */
MefotaAtCommand *mefota_at_channel_abandon_current (MefotaAtChannel *self);
void mefota_at_channel_run_next (MefotaAtChannel *self);
void mefota_at_channel_set_timer (MefotaAtChannel *self, guint ms);
void mefota_at_channel_clear_timer (MefotaAtChannel *self);
void mefota_at_channel_write_unclaimed (MefotaAtChannel *self, GBytes *bytes);
/* So many line ends: data to a module that counts on some, empty commands to one that does not. */
void mefota_at_channel_write_filler (MefotaAtChannel *self, gsize n_bytes);

/* ---- mefota-at-channel-route.c ---- */

void mefota_at_channel_on_frame (MefotaAtFrame frame, const char *line, gsize length, gpointer user_data);

/* More may come, or not: a final result code that has no line end yet counts when the line has been quiet. */
void mefota_at_channel_watch_unended (MefotaAtChannel *self);
/* Nothing more will come; it counts now. */
void mefota_at_channel_take_unended (MefotaAtChannel *self);

/* ---- mefota-at-channel-sync.c ---- */

gboolean mefota_at_channel_sync_is_wanted (MefotaAtChannel *self);
void mefota_at_channel_sync_start (MefotaAtChannel *self);
/* Sets the timer, now that others wait for it. */
void mefota_at_channel_sync_arm (MefotaAtChannel *self);
/* Nothing may wake us up while nobody waits. */
void mefota_at_channel_sync_stop_unwanted (MefotaAtChannel *self);
/* A final that is no command's. */
void mefota_at_channel_sync_final (MefotaAtChannel *self, gboolean ok);
/* The line is not quiet. */
void mefota_at_channel_sync_received (MefotaAtChannel *self);
/* Whether the timer was the synchronisation's. */
gboolean mefota_at_channel_sync_timer (MefotaAtChannel *self);

/* ---- mefota-at-channel-data.c: the router and the queue tell it of a command with data ---- */

void mefota_at_channel_data_taken (MefotaAtChannel *self, gsize n_bytes);
void mefota_at_channel_data_prompt (MefotaAtChannel *self);
void mefota_at_channel_data_connect (MefotaAtChannel *self);
void mefota_at_channel_data_final (MefotaAtChannel *self, MefotaAtEvent event, const char *line);
/* Whether nothing is to come but the final result code. */
gboolean mefota_at_channel_data_is_ending (MefotaAtChannel *self);
/* TRUE: it was the grace time that ended, not the command's. */
gboolean mefota_at_channel_data_timer (MefotaAtChannel *self);
/* A lost command's prompt, or data it still owes: the module is fed with line ends until it listens to commands
 * again. */
void mefota_at_channel_data_fill (MefotaAtChannel *self, gsize n_bytes);
/* @task is cancelled; TRUE: only this step ends, the command stays in flight. */
gboolean mefota_at_channel_data_cancel (MefotaAtChannel *self, GTask *task);

G_END_DECLS
