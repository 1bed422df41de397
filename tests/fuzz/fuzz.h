/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

/* What every fuzz-*.c is: one input, checked with assertions; 0 always. Must keep nothing from one call to the next. */
int LLVMFuzzerTestOneInput (const guint8 *data, gsize size);
