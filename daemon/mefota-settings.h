/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-at-channel.h"
#include "mefota-profile.h"

G_BEGIN_DECLS

/* The module's settings for upgrades (guide 3.1–3.3), as read. */
typedef struct
{
  char *server;    /* address or host name; "" if it says none */
  guint16 port;    /* 0 if it says none */
  gboolean polling;
  gboolean polling_known; /* it answered AT+FOTAPOLLEN? */
  char *target;    /* "" if none */
} MefotaSettings;

MefotaSettings *mefota_settings_copy (const MefotaSettings *self);
void mefota_settings_free (MefotaSettings *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MefotaSettings, mefota_settings_free)

/* Pure: the answers to AT+FOTAIP?, AT+FOTAPOLLEN? and AT+FOTATV? with the guide's slips. FALSE if not understood. */
gboolean mefota_settings_parse_server (const char *const *lines, char **server, guint16 *port);
gboolean mefota_settings_parse_polling (const char *const *lines, gboolean *polling);
gboolean mefota_settings_parse_target (const char *const *lines, char **target);

/* Pure checks before anything is sent. Errors: INVALID_ARGUMENT, NOT_SUPPORTED (a host name for @version, guide 3.2) */
gboolean mefota_settings_check_server (const char *address, guint port, const MefotaProfile *profile,
                                       const char *version, GError **error);
gboolean mefota_settings_check_target (const char *target, GError **error);

/* The commands. Transfer full. */
char *mefota_settings_server_command (const MefotaProfile *profile, const char *address, guint port);
char *mefota_settings_target_command (const MefotaProfile *profile, const char *target);

/* Reads all of them. What the module does not answer keeps its empty value; fails only on hang-up or cancellation. */
void mefota_settings_read_async (MefotaAtChannel *channel, guint timeout_ms, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data);
MefotaSettings *mefota_settings_read_finish (GAsyncResult *result, GError **error);

/* Sends @command (one of the above, or AT+FOTAPOLLEN=n), then reads all settings. MODULE_ERROR if the module then has
 * something else than @wanted, of which only what @command sets is compared. @in_line is what @command waits for its
 * turn with, so that it can be withdrawn; @cancellable is for all of it. */
typedef enum
{
  MEFOTA_SETTING_SERVER,
  MEFOTA_SETTING_POLLING,
  MEFOTA_SETTING_TARGET,
} MefotaSetting;
void mefota_settings_write_async (MefotaAtChannel *channel, const MefotaProfile *profile, MefotaSetting setting,
                                  const MefotaSettings *wanted, guint timeout_ms, GCancellable *in_line,
                                  GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data);
MefotaSettings *mefota_settings_write_finish (GAsyncResult *result, MefotaSetting *written, GError **error);

G_END_DECLS
