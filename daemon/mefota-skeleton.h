/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * MefotaSkeleton:
 *
 * One interface of one object on the bus: the values of its properties, and whom its methods call. Changes are told
 * when the main loop is idle, or at g_dbus_interface_skeleton_flush(). It does what generated code would do, which
 * makes a GObject property, a signal and their closures of every member: an eighth of the program.
 */
#define MEFOTA_TYPE_SKELETON (mefota_skeleton_get_type ())
G_DECLARE_FINAL_TYPE (MefotaSkeleton, mefota_skeleton, MEFOTA, SKELETON, GDBusInterfaceSkeleton)

/* Answers @invocation, now or later. */
typedef void (*MefotaSkeletonCall) (GDBusMethodInvocation *invocation, gpointer data);

/* @data outlives the export. */
MefotaSkeleton *mefota_skeleton_new (const GDBusInterfaceInfo *info, MefotaSkeletonCall call, gpointer data);

/* Every property is set before the export. To set the value that is there already costs little. @value is consumed if
 * floating. */
void mefota_skeleton_set (MefotaSkeleton *self, const char *property, GVariant *value);
void mefota_skeleton_set_string (MefotaSkeleton *self, const char *property, const char *value);
/* Of type b, q, u or t, as the interface has it. */
void mefota_skeleton_set_number (MefotaSkeleton *self, const char *property, guint64 value);
/* Borrowed; NULL if it was never set. */
GVariant *mefota_skeleton_get (MefotaSkeleton *self, const char *property);

/* Nothing where it is not exported. @arguments is consumed if floating. */
void mefota_skeleton_emit (MefotaSkeleton *self, const char *signal, GVariant *arguments);

G_END_DECLS
