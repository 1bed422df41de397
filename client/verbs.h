/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "ctl.h"

G_BEGIN_DECLS

/* One function a command; argv[0] is the command's name. They complain themselves and return the exit status. */
typedef ExitStatus VerbFunc (Ctl *ctl, int argc, char **argv);

VerbFunc verb_list, verb_status, verb_upgrade, verb_install, verb_attach, verb_accept, verb_reject, verb_cancel,
    verb_check, verb_server, verb_target, verb_polling, verb_watch, verb_history, verb_logs, verb_restart, verb_at;

G_END_DECLS
