/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon-fixture.h"
#include "package-fixture.h"

G_BEGIN_DECLS

#define INSTALL_NEXT "ME3630C1CV2.0B07"

/* A daemon with one module "m0" on a UART, and a package for it. */
typedef struct
{
  DaemonFixture *f;
  SimProcess *sim;
  TestPackage *package;
} Install;

/* @settings: switches of the module, separated by commas; @config goes before the daemon's [timeouts]. The module is up
 * and idle, and takes no other package than this one. */
Install install_new (gsize size, const char *settings, const char *config);
/* The same on a line of @baud, for benchmarks: the daemon tells no details. */
Install install_new_quiet (gsize size, const char *settings, guint baud);
void install_clear (Install *self);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Install, install_clear)

/* The arguments of Install; @extra: more options ", 'method': <'adb'>". */
GVariant *install_arguments (Install *self, const char *extra);
/* Install, which must be taken on. */
void install_begin (Install *self);
/* What is left to happen happens, and all is as it should be: the module got exactly the package, once, and installed
 * it. */
void install_assert_success (Install *self);
/* No private copy is left. */
void install_assert_no_copy (Install *self);
/* Whether the module holds no part of a package: its last word on it was that it is deleted. */
void install_assert_clean (Install *self);

G_END_DECLS
