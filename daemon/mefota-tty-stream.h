/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The two directions of a tty: GUnixInputStream and GUnixOutputStream, whose non-blocking calls poll twice before they
 * read or write. These just try, which takes a third of the system calls. @fd must be non-blocking and stays the
 * caller's. */
GInputStream *mefota_tty_input_new (int fd);
GOutputStream *mefota_tty_output_new (int fd);

G_END_DECLS
