/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-at-channel.h"
#include "mefota-config.h"
#include "mefota-identity.h"

G_BEGIN_DECLS

typedef enum
{
  MEFOTA_LINK_CLOSED,  /* no port, or it cannot be opened */
  MEFOTA_LINK_PROBING, /* open, not yet answering, or its identity is being read */
  MEFOTA_LINK_UP,      /* answering, identity known */
} MefotaLinkState;

/* Opens the tty behind a path; tests give their own. */
typedef GIOStream *(*MefotaLinkOpener) (const char *path, guint baud, MefotaFlowControl flow, char **node,
                                        GError **error);

/**
 * MefotaLink:
 *
 * One module's port through its coming and going: opens it, wakes it up, reads its identity, notices when it is gone
 * (hang-up, the port taken away, or silence and fresh boots on a UART), and begins again.
 *
 * Signals:
 *  - "changed": the state or node changed
 *  - "answers": AT was answered after the port had been opened or the module had been away
 *  - "identified" (const MefotaIdentity *): identity was read; the state is UP from then on
 *  - "gone": it was there and is not any more
 *  - "indication" (const MefotaIndication *)
 */
#define MEFOTA_TYPE_LINK (mefota_link_get_type ())
G_DECLARE_FINAL_TYPE (MefotaLink, mefota_link, MEFOTA, LINK, GObject)

MefotaLink *mefota_link_new (const char *name, MefotaTransport transport, guint baud, MefotaFlowControl flow,
                             const MefotaTimeouts *timeouts, MefotaProfiles *profiles, MefotaLinkOpener opener);

/* The port is (or may be) there: opens it unless that very node is open already. NULL: it is gone. */
void mefota_link_set_port (MefotaLink *self, const char *path);
/* Reads the identity again over an open line → "identified". */
void mefota_link_identify (MefotaLink *self);
/* On a UART nothing tells that the module went away: while installing, ask its version every `probe` seconds. No-op on
 * USB. */
void mefota_link_watch_silence (MefotaLink *self, gboolean watch);
/* A command went unanswered: unless AT is answered soon, the module counts as gone. No-op on USB, where a hang-up
 * tells. */
void mefota_link_suspect (MefotaLink *self);
/* The module may be left counting on so many bytes of data (0: it is not): should it be found silent, it is fed, and
 * only then taken for away or for talking at another rate. Forgotten as soon as it has answered. */
void mefota_link_expect_data (MefotaLink *self, gsize n_bytes);
/* Closes for good. */
void mefota_link_close (MefotaLink *self);

MefotaLinkState mefota_link_get_state (MefotaLink *self);
/* Why the port that is there could not be opened, a whole sentence; NULL if it could, or there is none. */
const char *mefota_link_get_refusal (MefotaLink *self);
/* "" while closed. */
const char *mefota_link_get_node (MefotaLink *self);
/* NULL while closed. */
MefotaAtChannel *mefota_link_get_channel (MefotaLink *self);
GIOStream *mefota_link_get_stream (MefotaLink *self);
/* The configured rate; 0 on USB. */
guint mefota_link_get_baud (MefotaLink *self);

G_END_DECLS
