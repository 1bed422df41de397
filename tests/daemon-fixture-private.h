/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "daemon-fixture.h"

G_BEGIN_DECLS

#define DAEMON_NAME "org.gosuncn.Fota"

/* Keeps what is told from now on. */
void daemon_listen (DaemonFixture *self);

G_END_DECLS
