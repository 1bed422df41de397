/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-config.h"

G_BEGIN_DECLS

/* One key of the configuration: its group, name, type, default and range stand in one table in the .c file. Pure. */
typedef struct _MefotaConfigKey MefotaConfigKey;

/* The group of all [module NAME]. */
#define MEFOTA_CONFIG_GROUP_MODULE "module"

/* NULL if there is no such key; @group is "policy", "timeouts" or MEFOTA_CONFIG_GROUP_MODULE. */
const MefotaConfigKey *mefota_config_key_find (const char *group, const char *name);
/* Puts @text where the key belongs; FALSE, and nothing changed, if it is not allowed.
 * @base: the MefotaConfig, or for MEFOTA_CONFIG_GROUP_MODULE the MefotaModuleConfig */
gboolean mefota_config_key_set (const MefotaConfigKey *key, gpointer base, const char *text);
/* What is allowed, such as "ask, allow or deny". */
char *mefota_config_key_describe (const MefotaConfigKey *key);
/* Sets every key of the group that has a default. */
void mefota_config_set_defaults (const char *group, gpointer base);

G_END_DECLS
