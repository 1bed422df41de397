/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/* A package of hostile content: whatever a tty, a parser or a module could stumble over, in every place of it. */
typedef struct
{
  int fd;
  gsize size;
  guint8 *bytes;
  char *sha256;
} TestPackage;

TestPackage *test_package_new (const char *path, gsize size);
void test_package_free (TestPackage *self);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (TestPackage, test_package_free)

G_END_DECLS
