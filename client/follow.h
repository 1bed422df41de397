/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl.h"

G_BEGIN_DECLS

/**
 * FollowStart:
 * @method: the method that starts the upgrade, or NULL to follow the one under way
 * @parameters: (nullable): its arguments
 * @fds: (nullable): its descriptors
 * @to: (nullable): the version that is upgraded to, if the user said it
 * @require_new: "nothing to upgrade" is a failure of its own
 * @no_wait: return as soon as the module has taken it on
 */
typedef struct
{
  const char *method;
  GVariant *parameters;
  GUnixFDList *fds;
  const char *to;
  gboolean require_new;
  gboolean no_wait;
} FollowStart;

/*
 * Starts an upgrade and follows it to its end: one live line on a terminal, one line an event elsewhere, one object a
 * line as JSON. A restart of the daemon in the middle of it does not matter.
 */
ExitStatus follow (Ctl *ctl, Module *module, const FollowStart *start);

G_END_DECLS
