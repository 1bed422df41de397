/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "exit-status.h"
#include "module.h"

#include <gio/gunixfdlist.h>

G_BEGIN_DECLS

/**
 * Ctl:
 *
 * One run of mefotactl: its general options, and the bus once it is connected.
 */
typedef struct
{
  GDBusConnection *bus;
  char *module_key; /* --module, or NULL */
  gboolean json;
  gboolean no_pager;
  gboolean version;
} Ctl;

/* Longest time a reading call waits, in milliseconds. Methods that act wait as long as it takes (polkit may ask). */
#define CTL_READ_TIMEOUT_MS 25000

/* The general options, for a GOptionContext. */
void ctl_add_options (Ctl *ctl, GOptionContext *context);

/*
 * Reads a command's own options and the general ones; (*argv)[0] stays the command. FALSE after a complaint if it
 * cannot be understood or has fewer or more than @min to @max arguments.
 */
gboolean ctl_parse (Ctl *ctl, const char *usage, const GOptionEntry *entries, int min, int max, int *argc,
                    char ***argv);

gboolean ctl_connect (Ctl *ctl, GError **error);

/* A method of the daemon at @path; takes a floating @parameters. @fds may be NULL. */
GVariant *ctl_call (Ctl *ctl, const char *path, const char *interface, const char *method, GVariant *parameters,
                    GUnixFDList *fds, const char *reply_type, GError **error);

/* All modules (Module *), sorted by id; only the one of --module if it is given. */
GPtrArray *ctl_get_modules (Ctl *ctl, GError **error);

/* The module of --module, or the only one. NULL after a complaint, with *status set. */
Module *ctl_get_module (Ctl *ctl, ExitStatus *status);

/* Its properties once more. */
gboolean ctl_refresh (Ctl *ctl, Module *module, GError **error);

/* @method of the module, then its properties once more. FALSE after a complaint, with *status set. */
gboolean ctl_act (Ctl *ctl, Module *module, const char *method, GVariant *parameters, ExitStatus *status);

/* A dictionary or the properties named (NULL-terminated; NULL: all) as one JSON object on standard output. */
void ctl_json_object (GVariant *dictionary);
void ctl_json_properties (Module *module, const char *const *names);

G_END_DECLS
