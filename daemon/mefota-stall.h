/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * MefotaStall:
 *
 * A cancellable for something long that must keep moving: it is cancelled with the one outside, when nothing was
 * touched for so long, or when it is told to break off.
 */
typedef struct _MefotaStall MefotaStall;

/* @outer: nullable. @ms: longest time between two touches, 0: no limit */
MefotaStall *mefota_stall_new (GCancellable *outer, guint ms);
void mefota_stall_free (MefotaStall *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MefotaStall, mefota_stall_free)

GCancellable *mefota_stall_get_cancellable (MefotaStall *self);
void mefota_stall_touch (MefotaStall *self);
void mefota_stall_break (MefotaStall *self);
/* Whether it was the time that ran out. */
gboolean mefota_stall_has_fired (MefotaStall *self);

G_END_DECLS
