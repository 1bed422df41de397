/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mock-daemon.h"

#include <string.h>

G_BEGIN_DECLS

/**
 * ClientRun:
 *
 * The real mefotactl as a child, with its output on pipes or on a terminal, watched by the main context of the test.
 */
typedef struct
{
  GSubprocess *process;
  GString *out;
  GString *err;
  int terminal; /* the master's descriptor, or -1 */
  guint out_source;
  guint err_source;
  gboolean ended;
} ClientRun;

typedef enum
{
  CLIENT_RUN_PIPE = 0,
  CLIENT_RUN_TERMINAL = 1 << 0,
  CLIENT_RUN_PROGRAM = 1 << 1, /* the first argument is the program, instead of mefotactl */
} ClientRunFlags;

/* The bus of all runs. */
void client_run_set_bus (const char *address);

/* @environment: NAME=VALUE …, or NULL; a terminal is @columns wide. @arguments ends with NULL. */
ClientRun *client_run_new (ClientRunFlags flags, guint columns, const char *const *environment,
                           const char *const *arguments);
void client_run_free (ClientRun *run);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (ClientRun, client_run_free)

/* Waits until standard output (or error) holds @text; fails the test if it does not come. */
void client_run_expect (ClientRun *run, const char *text);
void client_run_expect_error (ClientRun *run, const char *text);

/* Waits for its end; its exit status. */
int client_run_end (ClientRun *run);

void client_run_resize (ClientRun *run, guint columns);

/* Waits until a test's own condition holds. */
void client_run_wait (gboolean (*condition) (gpointer), gpointer user_data, const char *what);

/* What was written to the terminal since the last carriage return that began a line. */
char *client_run_last_line (ClientRun *run);

/*
 * @expression is Python over `d` (the JSON on standard output) or, where it is one object a line, `lines`; a real
 * parser reads it. Fails the test if it is no JSON or the expression is false.
 */
void client_run_assert_json (ClientRun *run, gboolean lines, const char *expression);

/* Fails the test unless @part is in @text, and shows both. */
#define assert_has(text, part) \
  G_STMT_START \
  { \
    if (strstr (text, part) == NULL) \
      g_error ("no “%s” in «%s»", part, text); \
  } \
  G_STMT_END

G_END_DECLS
