/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "sim-line.h"
#include "sim-module.h"
#include "sim-port.h"
#include "sim-script.h"
#include "sim-settings.h"

G_BEGIN_DECLS

typedef enum
{
  SIM_POWER_OFF,     /* not started, or gone for good */
  SIM_POWER_DOWN,    /* rebooting: no port (USB), or silent (UART) */
  SIM_POWER_BOOTING, /* the port is there, nobody answers yet */
  SIM_POWER_UP,
} SimPower;

typedef enum { SIM_DATA_NONE, SIM_DATA_PROMPT, SIM_DATA_CONNECT, SIM_DATA_BYTES, SIM_DATA_FINAL } SimDataStage;

typedef struct _SimRun SimRun;
typedef struct _SimAdb SimAdb;

struct _MefotaSim
{
  GObject parent_instance;

  SimSettings *settings;
  SimPort *port;
  GPtrArray *blocks; /* element-type SimBlock: the script's, then the built-in ones */
  SimLineState line;

  /* power */
  SimPower power;
  gboolean away; /* link down although the module runs */
  gboolean muted;
  gboolean leaving;      /* says no more; goes down, or only its link does, when that was read */
  gboolean leaving_link;
  guint power_source;
  guint return_source;
  guint linger_source;
  guint mute_source;
  guint poll_source;
  guint extra_left;
  double down_seconds;
  guint baud;

  /* what the module remembers */
  char *server_default;
  char *target;
  gboolean polling_in_force;
  gboolean polling_default;

  /* AT */
  gboolean echo;
  gboolean verbose;
  guint cmee;
  GString *input;
  gboolean input_cr;
  GQueue *lines;     /* of char*: commands not begun yet */
  gboolean in_next;
  gboolean answering; /* a block that starts now answers the command in flight */
  guint serial;      /* of that command */
  gboolean busy;     /* a command is not answered yet */
  char *command;     /* its text, in upper case */
  SimFault *fault;   /* what is done to its answer */
  char *line_text;   /* as it came */
  guint delay_source;
  GString *early;    /* buffered while booting */

  /* what runs */
  GPtrArray *runs;   /* element-type SimRun */
  SimRun *upgrade;   /* the one of them that is an upgrade */
  guint inds;        /* indications of this upgrade */
  guint flood_source;
  guint flood_rate;
  guint flood_count;
  gint64 flood_start;
  gint64 flood_end;
  char *flood_text;

  /* AT+ZCOMWRT */
  SimDataStage data_stage;
  guint data_source;
  gsize piece_size;
  gsize piece_left;
  guint pieces;
  GChecksum *checksum;
  guint64 package_size;
  gboolean package_spoilt;
  guint64 pushed_size;
  char *pushed_sha256;
  guint64 data_total; /* of this package, refused pieces included */
  gboolean stalled;
  GByteArray *held; /* what was read already when it stalled */
  gboolean adb;
  SimAdb *adbd;
};

/* sim-module.c */
void sim_event (MefotaSim *self, const char *format, ...) G_GNUC_PRINTF (2, 3);
guint sim_timeout (MefotaSim *self, double seconds, GSourceFunc func, gpointer user_data);
void sim_clear_source (guint *id);
gboolean sim_can_talk (MefotaSim *self);
void sim_send_line (MefotaSim *self, const char *text, gboolean final);
void sim_send_urc (MefotaSim *self, const char *text);
void sim_send_bytes (MefotaSim *self, const guint8 *bytes, gsize length);
void sim_send_garbage (MefotaSim *self, guint count);
SimBlock *sim_find_block (MefotaSim *self, const char *name);
void sim_set_firmware (MefotaSim *self, const char *version);
gboolean sim_apply (MefotaSim *self, const char *pair, GError **error);
void sim_flood (MefotaSim *self, guint rate, double seconds, const char *text);
void sim_flood_continue (MefotaSim *self);

/* sim-power.c: reboots, hang-ups, silence */
void sim_reboot (MefotaSim *self, double seconds);
void sim_vanish (MefotaSim *self);
gboolean sim_return (MefotaSim *self, GError **error);
void sim_hangup (MefotaSim *self, gboolean linger);
void sim_boot (MefotaSim *self);
void sim_power_off (MefotaSim *self);
void sim_mute (MefotaSim *self);

/* sim-at.c: from bytes to commands and back */
void sim_at_received (MefotaSim *self, const guint8 *bytes, gsize length);
void sim_at_reset (MefotaSim *self);
void sim_at_final (MefotaSim *self, const char *final);
void sim_at_leave (MefotaSim *self);
void sim_at_next (MefotaSim *self);

/* sim-commands.c */
typedef enum
{
  SIM_REPLY_OK,
  SIM_REPLY_ERROR,
  SIM_REPLY_CME,
  SIM_REPLY_LATER, /* a block or the package data answers it */
} SimReplyKind;

typedef struct
{
  GPtrArray *lines; /* of char* */
  int cme;
  double reboot; /* reboot after the final result, if > 0 */
  int answer;    /* AT+FOTACTR=: 0 or 1, else -1 */
} SimReply;

/* A list of product lines, ended by a NULL one, each with its first version (major, minor, build). */
typedef struct
{
  const char *line;
  guint version[3];
} SimSince;

gboolean sim_firmware_since (MefotaSim *self, const SimSince *since);
SimReplyKind sim_command_run (MefotaSim *self, const char *command, SimReply *reply);
const char *sim_cme_text (int code);

/* sim-data.c */
gboolean sim_data_begin (MefotaSim *self, gsize bytes);
gsize sim_data_feed (MefotaSim *self, const guint8 *bytes, gsize length);
void sim_data_reset (MefotaSim *self);
void sim_data_delete (MefotaSim *self);
void sim_data_resume (MefotaSim *self);
/* The package that AT+ZCOMUPDATE finds: FALSE if none; @good: whether it is the expected one. */
gboolean sim_data_take_package (MefotaSim *self, gboolean *good);

/* sim-adb.c: the module's adb daemon, there after AT+ZADSET=D */
SimAdb *sim_adb_new (MefotaSim *sim);
void sim_adb_free (SimAdb *self);
/* The module came, went, or changed its mind about adb. */
void sim_adb_update (SimAdb *self);
/* Listens if switch adb-port says so and the module can be reached. */
guint sim_adb_get_port (SimAdb *self);

/* sim-run.c */
typedef enum
{
  SIM_RUN_PLAIN,
  SIM_RUN_UPGRADE, /* one at a time */
  SIM_RUN_BARREN,  /* an upgrade that leaves the firmware as it is */
} SimRunKind;

void sim_run_start (MefotaSim *self, SimBlock *block, SimRunKind kind);
void sim_run_booted (MefotaSim *self);
void sim_run_opened (MefotaSim *self);
void sim_run_commanded (MefotaSim *self, const char *command);
void sim_run_go (MefotaSim *self, const char *name);
gboolean sim_run_is_asking (MefotaSim *self);
void sim_run_answer (MefotaSim *self, gboolean allow);
void sim_run_stop_all (MefotaSim *self);
char *sim_run_describe (MefotaSim *self);

/* sim-say.c */
void sim_indication (MefotaSim *self, const char *word);

/* How a command is asked: AT+X, AT+X=..., AT+X?, AT+X=? */
typedef enum { SIM_OP_BARE = 1, SIM_OP_SET = 2, SIM_OP_READ = 4, SIM_OP_TEST = 8 } SimOp;

void sim_reply_add (SimReply *reply, const char *format, ...) G_GNUC_PRINTF (2, 3);
SimReplyKind sim_reply_cme (SimReply *reply, int code);

/* sim-fota.c */
SimReplyKind sim_run_fotaip (MefotaSim *self, SimOp op, const char *args, SimReply *reply);
SimReplyKind sim_run_fotapollen (MefotaSim *self, SimOp op, const char *args, SimReply *reply);
SimReplyKind sim_run_fotatv (MefotaSim *self, SimOp op, const char *args, SimReply *reply);
SimReplyKind sim_run_fotactr (MefotaSim *self, SimOp op, const char *args, SimReply *reply);
SimReplyKind sim_run_zcomwrt (MefotaSim *self, SimOp op, const char *args, SimReply *reply);
SimReplyKind sim_run_zcomupdate (MefotaSim *self, SimOp op, const char *args, SimReply *reply);
SimReplyKind sim_run_zcomdel (MefotaSim *self, SimOp op, const char *args, SimReply *reply);

G_END_DECLS
