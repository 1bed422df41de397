/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "mefota-at-channel.h"

G_BEGIN_DECLS

/* What is known of one family of modules: one group of the key files in profiles.d (contract 2.10). */
typedef struct
{
  char *name;
  char *manufacturer;
  char **models;            /* globs of AT+CGMM */
  char **usb_ids;           /* "19d2:1476/01": vendor:product/AT interface, lower case hex */
  char **server_names;      /* versions from which on a product line takes host names (guide 3.2) */
  char **adb_update_zip;    /* versions from which on a product line wants adb_path_new (guide 2.3.2) */
  char *adb_path;
  char *adb_path_new;
  char **log_dirs;
  char **log_dirs_new;
  char *adb_enable;         /* command that opens the adb interface */
  gboolean adb_reboots_for_enable;
  MefotaPromptStyle prompt;
  gboolean target_quoted;
  gboolean server_quoted;
  char *restart;            /* AT+CFUN=1,1 */
  char *imei_command;       /* AT+CGSN */
  guint max_command;        /* bytes of one command line */
  guint piece;              /* bytes of one AT+ZCOMWRT, ≤ 524288 */
} MefotaProfile;

typedef struct _MefotaProfiles MefotaProfiles;

/**
 * mefota_profiles_load:
 * @dirs: folders of *.conf files, weakest first; missing ones are skipped
 * @warnings: (nullable): gets a char * for each unknown key or file that cannot be read
 *
 * The shipped files are also compiled in, as the weakest layer, so that a daemon without its data files knows its
 * modules. A file of the same name in a later folder replaces the whole file; groups of the same name in files of
 * other names are merged key by key, in the order of the file names.
 */
MefotaProfiles *mefota_profiles_load (const char *const *dirs, GPtrArray *warnings);
void mefota_profiles_free (MefotaProfiles *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MefotaProfiles, mefota_profiles_free)

/* The profile of a model (AT+CGMM), by its longest glob that fits; where none does, the one whose glob stands anywhere
 * in the firmware version; else the default (me3630). Never NULL. */
const MefotaProfile *mefota_profiles_match (MefotaProfiles *self, const char *model, const char *version);
/* Whether interface @interface (2 hex digits) of vendor:product is an AT port by any profile's usb-ids. */
gboolean mefota_profiles_is_at_port (MefotaProfiles *self, const char *vendor, const char *product,
                                     const char *interface);

gboolean mefota_profile_takes_host_names (const MefotaProfile *self, const char *version);
const char *mefota_profile_get_adb_path (const MefotaProfile *self, const char *version);
const char *const *mefota_profile_get_log_dirs (const MefotaProfile *self, const char *version);
/* Whether a file of this @name (nullable) can be meant for the firmware to be given by adb: guide 2.3.2 has zip files
 * for some, and delta.package for the others. Errors: PACKAGE_INVALID */
gboolean mefota_profile_check_package_name (const MefotaProfile *self, const char *version, const char *name,
                                            GError **error);

/* Version strings (pure). Equal ignoring case and whatever follows the first blank (contract 2.4); an empty or NULL one
 * matches nothing. */
gboolean mefota_version_matches (const char *a, const char *b);
/* Whether @version is of the same product line as @minimum and not older, by (major, minor, build); FALSE for another
 * line: "ME3630C2CV1.0B07" ≥ "ME3630C2CV1.0B06". */
gboolean mefota_version_at_least (const char *version, const char *minimum);

G_END_DECLS
