/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * mefota_command_check:
 * @max_length: bytes, by the module's profile
 *
 * Pure: whether SendCommand may send it (contract 5). Errors: INVALID_ARGUMENT (does not begin with AT, has a line
 * break or another control character, too long), NOT_SUPPORTED (starts an upgrade, takes data, restarts the module, or
 * takes the result codes away that everything rests on).
 */
gboolean mefota_command_check (const char *command, guint max_length, GError **error);

G_END_DECLS
