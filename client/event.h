/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/*
 * What a signal of the daemon looks like to people and to programs.
 *
 * @event is the signal's name (FotaInd, ConfirmRequested, Finished, PropertiesChanged, InterfacesAdded,
 * InterfacesRemoved), or DaemonGone or DaemonBack, which have neither module nor parameters (both NULL).
 */

/* {"event":…,"time":µs,"module":…,…}: time is the wall clock here, the other names are those of the bus. */
char *event_to_json (const char *event, const char *module, GVariant *parameters);

/*
 * Lines for people, each with the local time; "" if there is nothing to say. Of changed properties only those in @only
 * are told (NULL: all).
 */
char *event_to_text (const char *event, const char *module, GVariant *parameters, const char *const *only);

/* The properties of a module in PropertiesChanged or InterfacesAdded; NULL if it is about another interface. */
GVariant *event_get_properties (const char *event, GVariant *parameters);

/* The signal's name if it is one of those above and has the arguments it should have, else NULL. */
const char *event_name (const char *interface, const char *signal, GVariant *parameters);

G_END_DECLS
