/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* A simulated ME3630-family module on a pty, for tests that embed it and for the program mefota-sim. It lives on the
 * default main context; nothing in it blocks.
 *
 * Signal "event" (const char *line): what happened, one line each, as `mefota-sim --control` prints it.
 */
#define MEFOTA_TYPE_SIM (mefota_sim_get_type ())
G_DECLARE_FINAL_TYPE (MefotaSim, mefota_sim, MEFOTA, SIM, GObject)

MefotaSim *mefota_sim_new (void);

/* A switch, before or after the start; mefota_sim_describe_switches() lists them. */
gboolean mefota_sim_set (MefotaSim *self, const char *key, const char *value, GError **error);

/* Adds the blocks and switches of a script; @name is for messages. */
gboolean mefota_sim_add_script (MefotaSim *self, const char *text, const char *name, GError **error);

/* Makes the port, unless switch `start` is off. */
gboolean mefota_sim_start (MefotaSim *self, GError **error);

/* The path to open (the link if there is one); NULL until the module was there once. */
const char *mefota_sim_get_path (MefotaSim *self);

/* The pty itself; NULL while the module is away. */
const char *mefota_sim_get_device (MefotaSim *self);
const char *mefota_sim_get_firmware (MefotaSim *self);

/* A line of the control protocol, see mefota_sim_describe_control(); its acknowledgement is the return value. */
gboolean mefota_sim_control (MefotaSim *self, const char *line, GError **error);

/* What a package handed over with adb is to AT+ZCOMUPDATE; NULL @sha256 takes it away again. */
void mefota_sim_push_package (MefotaSim *self, guint64 bytes, const char *sha256);

/* The TCP port of the adb daemon (switch adb-port); 0 before it was opened for the first time. */
guint mefota_sim_get_adb_port (MefotaSim *self);

/* Removes the port and its link at once, and ends everything that runs. */
void mefota_sim_stop (MefotaSim *self);

char *mefota_sim_describe_switches (void);
const char *mefota_sim_describe_control (void);
const char *mefota_sim_describe_script (void);

G_END_DECLS
