/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-way-serial.h"

G_BEGIN_DECLS

/* Private to the way's files: mefota-way-serial.c (steps, and how a piece is left), -piece.c (how one is sent). */
#define MEFOTA_WAY_SERIAL_SLICE (4 * 1024) /* the least that is given to the tty at a time */
#define MEFOTA_WAY_SERIAL_BITS_PER_BYTE 10

typedef enum
{
  MEFOTA_WAY_SERIAL_NOTHING,
  MEFOTA_WAY_SERIAL_FILLING,  /* what is left of a piece */
  MEFOTA_WAY_SERIAL_ENDING,   /* waiting for the final result of one that was filled up */
  MEFOTA_WAY_SERIAL_DELETING, /* AT+ZCOMDEL */
  MEFOTA_WAY_SERIAL_ASKING,   /* AT+ZCOMWRT up to the prompt */
  MEFOTA_WAY_SERIAL_SENDING,
  MEFOTA_WAY_SERIAL_CONFIRMING, /* waiting for the piece's final result */
  MEFOTA_WAY_SERIAL_INSTALLING,
} MefotaWaySerialDoing;

struct _MefotaWaySerial
{
  MefotaWay parent_instance;

  char *module;
  GIOStream *stream;
  MefotaPackage *package;
  MefotaAtChannel *channel;
  gulong connect_id;
  guint baud;
  guint command_ms;
  guint64 piece_max;
  MefotaPromptStyle style;

  guint64 confirmed; /* bytes in pieces that ended with OK */
  guint64 piece;     /* bytes of the one under way; 0: none */
  guint64 given;     /* of them given to the channel */
  guint64 slice;     /* the last of those */
  gint64 slice_began;
  guint percent;         /* told last */
  guint64 told;          /* bytes it stood for; */
  GSource *progress_due; /* the next may be told; NULL: at once */
  gboolean connected, connected_late;
  gboolean out_of_step; /* the module counts on more than the channel knows */

  /* the step that runs */
  GTask *task;
  MefotaWaySerialDoing doing;
  gboolean only_deletes; /* clean_up */
  GCancellable *io;      /* of the channel's own step: cancelled by the caller, or when it takes too long */
  GCancellable *callers;
  gulong callers_id;
  GSource *deadline;
  gboolean too_late;
};

/* ---- mefota-way-serial.c ---- */

/* The step that runs ends: takes @error, which is told as it is; NULL is success. */
void mefota_way_serial_end_step (MefotaWaySerial *self, GError *error);
/* The same with where in the package it was. Takes @error. */
void mefota_way_serial_fail_step (MefotaWaySerial *self, GError *error);
/* The channel's own step is cancelled after @ms. */
void mefota_way_serial_arm (MefotaWaySerial *self, guint ms);
void mefota_way_serial_clear_deadline (MefotaWaySerial *self);
/* For the module to take what the tty holds, and @n_bytes more. */
guint mefota_way_serial_get_data_ms (MefotaWaySerial *self, guint64 n_bytes);
/* Bytes the tty holds, if it can tell. */
gsize mefota_way_serial_get_queued (MefotaWaySerial *self);

/* ---- mefota-way-serial-piece.c ---- */

/* AT+ZCOMWRT for the next piece, up to its prompt; the first one ends the step there. */
void mefota_way_serial_ask_for_piece (MefotaWaySerial *self);
/* The next bytes of the piece, and so on to the end of the package. */
void mefota_way_serial_send_on (MefotaWaySerial *self);

G_END_DECLS
