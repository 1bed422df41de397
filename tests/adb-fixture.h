/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-adb-device.h"
#include "mefota-adb-sync.h"
#include "mefota-at-channel.h"
#include "mefota-package.h"
#include "sim-client.h"

G_BEGIN_DECLS

/* The real adb program, shown simulated modules as if they were on USB (see adb-as-usb.py), in a folder of its own. */
typedef struct
{
  char *folder;
  char *socket_path;
  MefotaAdb *adb;
  GPtrArray *modules; /* of AdbModule */
} AdbFixture;

typedef struct
{
  SimClient *client;
  GIOStream *tty;
  MefotaAtChannel *channel;
} AdbModule;

/* Where no adb is installed the test is left out, and this returns NULL. */
AdbFixture *adb_fixture_new (void);
/* Fails the test if any child is left. */
void adb_fixture_free (AdbFixture *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (AdbFixture, adb_fixture_free)

/* A module at @usb_path with this serial number, and the given switches. */
AdbModule *adb_add_module (AdbFixture *self, const char *usb_path, const char *serial, ...) G_GNUC_NULL_TERMINATED;
/* Opens its port (again). */
void adb_open_port (AdbModule *module);
void adb_close_port (AdbModule *module);
guint adb_count_events (AdbModule *module, const char *prefix);
void adb_await_event (AdbModule *module, const char *prefix);

/* A package of @size bytes, which depend on @seed. */
MefotaPackage *adb_make_package (AdbFixture *self, gsize size, guint seed);

/* Children of this process, zombies left out. */
guint adb_count_children (void);

/* For callbacks: keeps the result. */
void adb_keep_result (GObject *source, GAsyncResult *result, gpointer data);
/* Turns the main loop; ends the test after a while. */
void adb_turn (const char *what, gint64 *until);
#define ADB_AWAIT(condition)                \
  G_STMT_START                              \
  {                                         \
    gint64 until_ = 0;                      \
    while (!(condition))                    \
      adb_turn (#condition, &until_);       \
  }                                         \
  G_STMT_END
G_END_DECLS
