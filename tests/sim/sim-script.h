/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* What a module does, as text: see SCRIPTS in mefota-sim(1) or sim_script_describe(). */
typedef enum
{
  SIM_STEP_OK,
  SIM_STEP_ERROR,
  SIM_STEP_CME,
  SIM_STEP_LINE,
  SIM_STEP_URC,
  SIM_STEP_IND,
  SIM_STEP_RAW,
  SIM_STEP_GARBAGE,
  SIM_STEP_WAIT,
  SIM_STEP_AWAIT,
  SIM_STEP_HOLD,
  SIM_STEP_REBOOT,
  SIM_STEP_VANISH,
  SIM_STEP_RETURN,
  SIM_STEP_FIRMWARE,
  SIM_STEP_IMEI,
  SIM_STEP_CONFIRM,
  SIM_STEP_RESULT,
  SIM_STEP_FLOOD,
  SIM_STEP_SET,
  SIM_STEP_NOTE,
  SIM_STEP_END,
} SimStepKind;

typedef struct
{
  SimStepKind kind;
  char *text;      /* NULL if the step takes none */
  double seconds;  /* not scaled yet */
  guint number;
  GBytes *bytes;
} SimStep;

/* A block `on NAME`: an AT command in upper case, or `boot`, `question`. Reference counted, since it may be replaced
 * while it runs. */
typedef struct
{
  char *name;
  GPtrArray *steps; /* element-type SimStep */
} SimBlock;

typedef struct
{
  GPtrArray *blocks;   /* element-type SimBlock */
  GPtrArray *settings; /* element-type char*: KEY=VALUE */
} SimScript;

SimBlock *sim_block_ref (SimBlock *block);
void sim_block_unref (SimBlock *block);

/* @name stands in messages, with the line number. */
SimScript *sim_script_parse (const char *text, const char *name, GError **error);
void sim_script_free (SimScript *script);
const char *sim_script_describe (void);

/* Parses one of scripts/, which are built in: network, polled, serial, adb. */
SimScript *sim_script_load_builtin (const char *name, GError **error);

/* "01 ff 0d" as bytes; NULL if it is none. */
GBytes *sim_parse_hex (const char *text);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimBlock, sim_block_unref)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimScript, sim_script_free)

G_END_DECLS
