/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * GVariant → JSON, in UTF-8 on one line. Strings, paths and signatures are strings; all integers are numbers, 64-bit
 * ones too; a double that is no number (NaN, infinity) is null; dictionaries are objects, arrays and tuples arrays;
 * variants are what they hold.
 */
void json_append_value (GString *json, GVariant *value);

/* `"key":value`, with the comma before it where one is needed. Takes a floating @value. */
void json_append_member (GString *json, const char *key, GVariant *value);

/* All members of a dictionary a{sv}, but those in @except (NULL-terminated, or NULL). */
void json_append_members (GString *json, GVariant *dictionary, const char *const *except);

/* A quoted string; what is not UTF-8 in it becomes U+FFFD. */
void json_append_string (GString *json, const char *string);

G_END_DECLS
