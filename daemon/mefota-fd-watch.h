/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * MefotaFdWatch:
 *
 * Tells when a descriptor can be read or written, as g_unix_fd_source_new() does; but all of them are behind one epoll
 * descriptor and one source. With a source each, every turn of the main loop costs time for every port there is, and a
 * gateway with many modules would pay for all of them at each line of one.
 *
 * For the one main loop of the process: the context that is the thread's default when the source is made.
 */
typedef struct _MefotaFdWatch MefotaFdWatch;

/* @condition: what holds of what was asked for, and G_IO_HUP and G_IO_ERR, which are always told. */
typedef void (*MefotaFdWatchFunc) (GIOCondition condition, gpointer user_data);

/* Makes that source, as the first watch does: in each turn it goes before what is attached later. */
void mefota_fd_watch_init (void);

/* Asks for nothing yet. @fd must stay open until the watch is freed. */
MefotaFdWatch *mefota_fd_watch_new (int fd, MefotaFdWatchFunc func, gpointer user_data);
/* Safe from within any watch's function; it is not called any more. */
void mefota_fd_watch_free (MefotaFdWatch *self);

/* @condition: of G_IO_IN and G_IO_OUT; 0 asks for nothing, not even a hang-up. */
void mefota_fd_watch_set (MefotaFdWatch *self, GIOCondition condition);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (MefotaFdWatch, mefota_fd_watch_free)

G_END_DECLS
