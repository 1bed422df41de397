/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon-fixture.h"

G_BEGIN_DECLS

/* What the tests of the daemon share beyond its fixture: short upgrades, and views of all that was told. */

/* Timeouts that a busy machine cannot miss, short where something is waited for. Settings behind it override. */
#define LAB_LONG_TIMEOUTS "[timeouts]\ncommand=20\nconfirm=60\ndownload=60\ninstall=60\ngive-up=120\n"
#define LAB_TIMEOUTS LAB_LONG_TIMEOUTS "settle=0.3\nprobe=0.1\n"
#define LAB_UART_TIMEOUTS LAB_LONG_TIMEOUTS "command=3\nsettle=0.3\nprobe=0.15\n"
#define LAB_USB "[module m0]\nport=@m0@\ntransport=usb\n"
#define LAB_UART "[module m0]\nport=@m0@\ntransport=uart\n"
#define LAB_SECOND "[module m1]\nport=@m1@\ntransport=usb\n"

#define OLD_VERSION "ME3630C1CV2.0B06"
#define NEW_VERSION "ME3630C1CV2.0B07"
#define TARGET_VERSION "WIFI_ME3630V1.0B05"
#define IMEI "864863040000017"
#define SECOND_IMEI "864863040000025"

/* An upgrade that stands still in every phase until it is told to go on: hold NAME. */
extern const char lab_steps[];
/* The same, without standing still. */
extern const char lab_quick[];

/* Temporary folders in memory, where there is such a place: writing durably to a disk takes time, and where others are
 * at work the daemon, which watches the folders above its ports, never sleeps. */
void lab_use_memory (void);
/* g_test_init(), with those. */
void lab_init (int *argc, char ***argv);

/* The daemon with one idle module m0 that plays @script (nullable); @config comes behind LAB_USB or LAB_UART and their
 * timeouts. */
DaemonFixture *lab_new (const char *wiring, const char *script, const char *config);
/* The daemon with two idle modules on USB: m0 plays lab_steps, and m1, which can wait for it, @script (nullable). */
DaemonFixture *lab_new_two (const char *script, const char *config);
/* Adds a module for a config that is yet to be started. */
SimProcess *lab_add_sim (DaemonFixture *self, const char *name, const char *wiring, const char *imei);
SimProcess *lab_sim (DaemonFixture *self, guint index);
void lab_play (DaemonFixture *self, SimProcess *sim, const char *script);
/* Upgrade (@target, {}), which has to be taken on. */
void lab_upgrade (DaemonFixture *self, const char *target);
/* The same, answered by g_dbus_connection_call_finish(). */
void lab_upgrade_async (DaemonFixture *self, GAsyncReadyCallback callback, gpointer user_data);
/* A file that is a package to the daemon, open for reading. For close(). */
int lab_package (DaemonFixture *self);
/* Hold (@who, @why); close() lets go. */
int lab_hold (DaemonFixture *self, const char *who, const char *why);
/* Waits until these hold, and nobody else: names with a ; between them. */
void lab_await_holds (DaemonFixture *self, const char *expected);
/* Waits for hold @name, and lets the module go on. */
void lab_pass (SimProcess *sim, const char *name);

/* All that was told of a property since event @from, with blanks between. For free(). */
char *lab_told (DaemonFixture *self, const char *module, const char *property, guint from);
/* How many signals of that name there were so far. */
guint lab_count (DaemonFixture *self, const char *module, const char *name);
/* "STATUS ARGUMENT;…" of all FotaInd. For free(). */
char *lab_indications (DaemonFixture *self, const char *module, guint from);

/* Asserts that the properties told by signals are those that can be read: nothing changed in silence. */
void lab_check_properties (DaemonFixture *self, const char *module);
/* Everything the daemon sent to the module so far was read by it; how many commands that were. */
guint lab_commands (DaemonFixture *self, SimProcess *sim);
/* Waits until the daemon's log has @text. */
void lab_await_log (DaemonFixture *self, const char *text);
gboolean lab_logged (DaemonFixture *self, const char *text);

/* History of @module (nullable), newest first: aa{sv}. */
GVariant *lab_history (DaemonFixture *self, const char *module);
/* The only entry there is. a{sv} */
GVariant *lab_only_entry (DaemonFixture *self, const char *module);
const char *lab_lookup (GVariant *dictionary, const char *key);
/* Asserts that @module has had one upgrade, that one, from OLD_VERSION, and that it ended once. */
void lab_check_only_entry (DaemonFixture *self, const char *module, const char *operation, const char *target);

G_END_DECLS
