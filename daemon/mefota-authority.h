/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* Polkit actions (contract 2.8). */
typedef enum
{
  MEFOTA_ACTION_UPGRADE,
  MEFOTA_ACTION_CONFIGURE,
  MEFOTA_ACTION_COMMAND,
  MEFOTA_ACTION_COLLECT_LOGS,
} MefotaAction;
#define MEFOTA_N_ACTIONS (MEFOTA_ACTION_COLLECT_LOGS + 1)

typedef struct _MefotaAuthority MefotaAuthority;

/* @group: members may do everything where polkit does not run. */
MefotaAuthority *mefota_authority_new (GDBusConnection *bus, const char *group);
void mefota_authority_free (MefotaAuthority *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MefotaAuthority, mefota_authority_free)

/**
 * mefota_authority_check_async:
 *
 * Root and the daemon's own user always may; others by polkit (asked with interaction if the caller's message allows
 * it), by group where polkit's name has no owner and cannot be activated. Anything unclear is a no.
 *
 * _finish returns who asked, such as "root (mefotactl)" (user name and, where /proc tells, program), or NULL with
 * MEFOTA_ERROR_NOT_AUTHORIZED.
 */
void mefota_authority_check_async (MefotaAuthority *self, GDBusMethodInvocation *invocation, MefotaAction action,
                                   GAsyncReadyCallback callback, gpointer user_data);
char *mefota_authority_check_finish (MefotaAuthority *self, GAsyncResult *result, GError **error);

G_END_DECLS
