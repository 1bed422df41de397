/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/**
 * Module:
 *
 * What is known of one module: its object path, and its properties as last heard of.
 */
typedef struct
{
  char *path;
  GHashTable *properties; /* name → GVariant */
} Module;

Module *module_new (const char *path, GVariant *properties);
void module_free (Module *module);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Module, module_free)

/* Takes over what a dictionary a{sv} says. */
void module_update (Module *module, GVariant *changed);

/* The named property; "" or 0 or FALSE if it is unknown. Strings belong to the module until its next update. */
const char *module_string (Module *module, const char *name);
guint64 module_number (Module *module, const char *name);
gboolean module_flag (Module *module, const char *name);

const char *module_id (Module *module);

/* TRUE from the start of an upgrade (queued too) to its end. */
gboolean module_is_upgrading (Module *module);

/* What the signal Finished says of the last upgrade, from the properties; they do not tell the @seconds. */
GVariant *module_last_details (Module *module, double seconds);

/* a{sv} of the named properties (NULL-terminated), or of all with @names NULL: Id first, the others sorted. */
GVariant *module_to_variant (Module *module, const char *const *names);

G_END_DECLS
