/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-script.h"

/* Guide figure 2 and figure 1 from the download on. */
#define FROM_START                                                                                                    \
  "wait 1\nind START\nwait 5\nind DOWNLOADING:25%\nwait 5\nind DOWNLOADING:50%\nwait 5\nind DOWNLOADING:75%\n"        \
  "wait 2\nind COSTTIME:0min17sec\nwait 1\nind NEED_VERIFY\nwait 3\nind PASS_VERIFY\nwait 1\nind UPDATING\n"          \
  "wait 5\nfirmware $next\nreboot 120\nawait open 10\nwait 2\nind SUCCESS_END\n"

#define NETWORK                                                                                                       \
  "on AT+FOTACTR\nok\n" FROM_START                                                                                    \
  "on question\nind $question\nconfirm 180\n" FROM_START

const char *
sim_script_builtin (gboolean uart)
{
  /* Guide 2.4 promises nothing but the version; guide 2.3 two reboots. */
  return uart ? NETWORK "on AT+ZCOMUPDATE\nok\nwait 3\nfirmware $next\nreboot 90\n"
              : NETWORK "on AT+ZCOMUPDATE\nok\nwait 3\nreboot 60\nwait 1\nfirmware $next\nreboot 30\n";
}
