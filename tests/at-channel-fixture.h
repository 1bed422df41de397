/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib-unix.h>

#include "mefota-at-channel.h"

#define DEADLINE_SECONDS 60
#define LONG_MS 30000
/* As retry: one AT and no second one, however slow the machine is. */
#define NEVER_MS 50000

/* What the module hears and says to it. */
typedef struct
{
  char *hears;
  guint delay_ms;
  char *says;
} Step;

typedef struct
{
  int master;
  int slave; /* to see when bytes have arrived */
  MefotaAtChannel *channel;
  GSource *listener;
  GString *heard;
  GQueue steps;
  int cut;           /* all that is said is said in two parts, cut here; -1: in one */
  GString *log;      /* of what the channel's user sees, "; " behind each */
  guint delayed;
} Fixture;

/* The module: what it says now, and what it will say once it heard something. */
void say (Fixture *f, const char *text);
void expect_later (Fixture *f, const char *hears, guint delay_ms, const char *says);
void expect (Fixture *f, const char *hears, const char *says);
gboolean on_master (int fd, GIOCondition condition, gpointer user_data);

/* The channel's user: what he asks for, and what he notes of the outcome. */
void note (Fixture *f, const char *format, ...) G_GNUC_PRINTF (2, 3);
void on_sent (GObject *source, GAsyncResult *result, gpointer user_data);
void on_synced (GObject *source, GAsyncResult *result, gpointer user_data);
void on_data (GObject *source, GAsyncResult *result, gpointer user_data);
void on_written (GObject *source, GAsyncResult *result, gpointer user_data);
void on_ended (GObject *source, GAsyncResult *result, gpointer user_data);
void ask (Fixture *f, const char *command, guint timeout_ms, GCancellable *cancellable);
void announce (Fixture *f, const char *command, MefotaPromptStyle style, guint timeout_ms);
void write_text (Fixture *f, const char *text);
void end_data (Fixture *f, guint timeout_ms);

/* Waiting, always with a deadline. */
gboolean on_deadline (gpointer user_data);
void await (Fixture *f, const char *text);
void await_end (Fixture *f, const char *text);
void await_steps (Fixture *f);
void assert_idle (Fixture *f);

void set_up_with (Fixture *f, guint retry_ms);
void set_up (Fixture *f, gconstpointer user_data);
void unplug (Fixture *f);
void tear_down (Fixture *f, gconstpointer user_data);
