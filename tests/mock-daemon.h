/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * MockDaemon:
 *
 * mefotad as far as the bus sees it: objects with the properties a test gives them, methods that answer as a test
 * says, signals when a test wants them.
 */
typedef struct MockDaemon MockDaemon;

/* Answers @invocation, or returns FALSE to have the default answer given (success, plausible values). */
typedef gboolean (*MockMethod) (MockDaemon *mock, const char *method, GVariant *parameters,
                                GDBusMethodInvocation *invocation, gpointer user_data);

/* Owns the name on the bus at @address when it returns. */
MockDaemon *mock_daemon_new (const char *address);
void mock_daemon_free (MockDaemon *mock);

/* A plausible idle module. */
void mock_daemon_add (MockDaemon *mock, const char *id);

/* Sets and announces properties: (name, GVariant *)…, NULL; all in one signal. Values may be floating. */
void mock_daemon_set (MockDaemon *mock, const char *id, ...) G_GNUC_NULL_TERMINATED;

void mock_daemon_emit (MockDaemon *mock, const char *id, const char *signal, GVariant *parameters);
void mock_daemon_emit_finished (MockDaemon *mock, const char *id, const char *upgrade, const char *error_word,
                                const char *message);

/* What GetHistory answers: aa{sv}. */
void mock_daemon_set_history (MockDaemon *mock, GVariant *entries);
void mock_daemon_set_method (MockDaemon *mock, MockMethod method, gpointer user_data);

/* The name of the last method called and its arguments as text, and how many of them there were. */
const char *mock_daemon_last_call (MockDaemon *mock);
guint mock_daemon_n_calls (MockDaemon *mock);
GUnixFDList *mock_daemon_last_fds (MockDaemon *mock);

/* As a daemon that is killed, and started anew: another connection with the same properties. */
void mock_daemon_vanish (MockDaemon *mock);
void mock_daemon_return (MockDaemon *mock);

G_END_DECLS
