/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

/*
 * How a dictionary (a{sv}) stands in a file of the store. Pure.
 *
 *   [mefota]
 *   version=1
 *
 *   [record]
 *   state='downloading'
 *   started=uint64 1700000000000000
 */
#define MEFOTA_RECORD_VERSION 1

/* Errors: MEFOTA_ERROR_STORAGE_FAILED: no a{sv}, or a key that is not made of A-Z, a-z, 0-9, '_' and '-'. */
char *mefota_record_to_text (GVariant *dictionary, GError **error);
/* The same dictionary again: not floating, in normal form, in the order it was written.
 * Errors: MEFOTA_ERROR_STORAGE_FAILED: the message goes on where a sentence began with the file's name. */
GVariant *mefota_record_from_text (const char *text, gsize length, GError **error);

G_END_DECLS
