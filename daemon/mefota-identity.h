/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-at-channel.h"
#include "mefota-profile.h"

G_BEGIN_DECLS

/* As the module answers; "" where it does not say. */
typedef struct
{
  char *manufacturer;
  char *model;
  char *version;
  char *imei;
} MefotaIdentity;

MefotaIdentity *mefota_identity_new (void);
MefotaIdentity *mefota_identity_copy (const MefotaIdentity *self);
void mefota_identity_free (MefotaIdentity *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MefotaIdentity, mefota_identity_free)

/* Turns echo off and error words on, then asks for the identity; for the IMEI with the command of its profile first. A
 * refused version is asked again every @probe_ms: a module just booted answers ERROR for a while. @profiles have to
 * outlive it. @cancellable is needed: it also ends those pauses.
 * Errors: TIMEOUT if it does not even answer AT any more, and those of a channel that is closed; what is refused, or
 * not answered by a module that is awake, stays "". */
void mefota_identity_ask_async (MefotaAtChannel *channel, MefotaProfiles *profiles, guint command_ms, guint probe_ms,
                                GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
MefotaIdentity *mefota_identity_ask_finish (GAsyncResult *result, GError **error);

G_END_DECLS
