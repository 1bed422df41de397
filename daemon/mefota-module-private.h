/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* Shared by the files of the module only, one section a file below. */

#include "mefota-inhibitor.h"
#include "mefota-module.h"
#include "mefota-package.h"
#include "mefota-timer.h"

G_BEGIN_DECLS

struct _MefotaModule
{
  GObject parent;
  MefotaServices *services;
  char *id;
  char *physical_path;
  char *usb_sysfs;
  char *usb_path; /* as configured, or NULL */
  MefotaTransport transport;
  gboolean configured;

  MefotaLink *link;
  MefotaIdentity *identity;
  MefotaSettings *settings;
  gboolean polling_in_force;
  char *unknown_word;     /* the last indication was it, and it is logged already; NULL: the last one was known */
  gboolean awaited;       /* away, but expected back: restarted by us, or still due from an upgrade that was given up */
  gboolean was_away;      /* since the daemon started */
  gboolean unopened;      /* the port that is there now could not be opened yet */
  gboolean ended_here;    /* an upgrade ended since it was last away: it is idle, not probing */
  gboolean settings_read; /* since the port was opened or the module was away */
  gboolean unmended;      /* they were read in an upgrade: what is lost is put back at its end */
  guint lost;             /* bits of MefotaSetting: what it had lost then and has not been put back since */
  guint settling;         /* how often they are being read or written just now */
  GQueue unsettled;       /* what waits until they are not: of mefota-module-settings.c's own */
  GCancellable *presence; /* cancelled when the module goes away, renewed when it is back */
  GCancellable *calls;    /* the same for what is withdrawn from the line when an upgrade begins */
  GCancellable *answers;  /* the same for answers, withdrawn when their question is over */

  MefotaUpgrade *upgrade;
  MefotaTimer timer; /* the upgrade machine's deadline */
  MefotaState shown;
  GVariant *announce; /* an end that is in the history but was never told */

  /* Between the first command of a start (or of an answer) and the module's word on it. */
  gboolean asking;
  MefotaUpgrade *pending; /* what it will be once the module takes it on; on disk already */
  guint pending_actions;
  MefotaIndication *pending_failure;
  void (*pending_taken) (MefotaModule *self); /* completes the caller */
  GTask *start_task;

  MefotaInhibitor *inhibitor;
  GPtrArray *readiness; /* as last known */
  guint window_id;      /* policy: the window opens */
  guint line_id;        /* its place in line is kept until then */
  gint64 policy_answered; /* deadline of the question that policy has answered */
  GTask *refresh_task;
  gboolean held_back; /* its start was refused for a hold, at its turn */
  gboolean restarting; /* it is being told to restart */
  guint restart_id; /* it was told to restart, until it is seen away or this is over */

  /* logs */
  GCancellable *collecting; /* NULL: none are being collected */

  /* packages */
  MefotaPackage *package;
  gpointer transfer; /* mefota-module-transfer.c's own */
};

enum
{
  MEFOTA_MODULE_CHANGED,
  MEFOTA_MODULE_INDICATION,
  MEFOTA_MODULE_CONFIRM_REQUESTED,
  MEFOTA_MODULE_FINISHED,
  MEFOTA_MODULE_N_SIGNALS
};
extern guint mefota_module_signals[MEFOTA_MODULE_N_SIGNALS];

/* ---- mefota-module.c: the module and its link ---- */

MefotaTime mefota_module_now (void);
const MefotaProfile *mefota_module_get_profile (MefotaModule *self);
const MefotaTimeouts *mefota_module_get_timeouts (MefotaModule *self);
MefotaState mefota_module_get_state (MefotaModule *self);
/* Tells that properties changed; the state by itself if it did. */
void mefota_module_show (MefotaModule *self);
/* BUSY (an upgrade, or a start in progress), NOT_PRESENT. */
gboolean mefota_module_check_free (MefotaModule *self, GError **error);
/* The same for one that has waited: a start in progress came later. */
gboolean mefota_module_check_not_upgrading (MefotaModule *self, GError **error);
/* FALSE, with an error that is not ours, if it was away since it had @presence, as it may be another one now; one that
 * waits in line is known to be the same. */
gboolean mefota_module_check_not_replaced (MefotaModule *self, GCancellable *presence, GError **error);
/* NOT_PRESENT for one that was told to restart and has not gone yet. */
gboolean mefota_module_check_not_restarting (MefotaModule *self, GError **error);
/* The same as check_free() for a start: NOT_PRESENT too until it is known what a restart has left of its settings. */
gboolean mefota_module_check_may_start (MefotaModule *self, GError **error);
gboolean mefota_module_check_present (MefotaModule *self, GError **error);
MefotaAtChannel *mefota_module_get_channel (MefotaModule *self);

/* ---- mefota-module-run.c: the upgrade machine ---- */

/* Steps the machine and carries out what it asks for. */
void mefota_module_step (MefotaModule *self, const MefotaEvent *event);
void mefota_module_carry_out (MefotaModule *self, guint actions);
/* What has to be so for the state the upgrade is in now: slot, ModemManager, guard, timer. */
void mefota_module_keep (MefotaModule *self, guint actions);
/* Keeps ModemManager off; released when nothing is under way. */
void mefota_module_inhibit (MefotaModule *self);

/* ---- mefota-module-record.c: what is on disk ---- */

/* At start: self->upgrade, from this place's record or anew. */
void mefota_module_restore (MefotaModule *self);
/* Writes @upgrade as this place's record. Errors: STORAGE_FAILED */
gboolean mefota_module_save (MefotaModule *self, const MefotaUpgrade *upgrade, GError **error);
/* The same for what is so whatever the disk says: it is written later if it cannot be now. */
gboolean mefota_module_save_anyhow (MefotaModule *self, const MefotaUpgrade *upgrade, GError **error);
/* The same of the upgrade under way. */
void mefota_module_save_or_warn (MefotaModule *self);
/* Puts an end into history and journal. */
void mefota_module_record_end (MefotaModule *self, GVariant *details);
/* An upgrade that was given up: its module has come back after all (contract 5). */
void mefota_module_note_late_version (MefotaModule *self);

/* ---- mefota-module-pending.c: what it will be once the module takes it on ---- */

/* Makes and saves what the upgrade becomes once the module takes it on. */
gboolean mefota_module_prepare_pending (MefotaModule *self, const MefotaEvent *event,
                                        void (*taken) (MefotaModule *self),
                                        GError **error);
/* The module took it on. No-op without a pending one. */
void mefota_module_commit_pending (MefotaModule *self);
/* Whether the line went away under a command that starts an upgrade, before a word on it: it may be under way. */
gboolean mefota_module_is_cut_off (GAsyncResult *result, const GError *error);
/* Then it counts as taken on, by a module that is away. */
void mefota_module_commit_cut_off (MefotaModule *self);
/* The module has asked meanwhile whether to upgrade: another upgrade is under way. */
gboolean mefota_module_is_overtaken (MefotaModule *self);
/* It did not: the record on disk is what it was. */
void mefota_module_drop_pending (MefotaModule *self);
/* Its upgrade, or the one that overtook it, ended while the start or answer was under way: that came too late, and the
 * caller is told so. */
void mefota_module_abandon_pending (MefotaModule *self);
/* Whether an indication that comes while the OK is missing counts as the OK. */
void mefota_module_pending_indication (MefotaModule *self, const MefotaIndication *indication);
/* Goes back to what it was before a start: slot, inhibitor, asking. */
void mefota_module_end_asking (MefotaModule *self);

/* ---- mefota-module-start.c: a network upgrade ---- */

/* For mefota_module_prepare_pending(): answers the caller. */
void mefota_module_start_taken (MefotaModule *self);
/* The daemon has just started: one that was in line has its place until it is there to wait, or not there. */
void mefota_module_keep_place (MefotaModule *self);
/* A queued upgrade's module is there (again): it waits for its turn, in the old order. */
void mefota_module_line_up (MefotaModule *self);
/* It is not there: the others go on. */
void mefota_module_leave_line (MefotaModule *self);
/* Its turn has come. */
void mefota_module_take_turn (MefotaModule *self);
/* Whether nobody holds, for a start that is under way. */
gboolean mefota_module_check_not_held (MefotaModule *self, GError **error);
/* It could not start for @error: whether that was a hold, which may be over by now, and it is back in line. */
gboolean mefota_module_wait_on (MefotaModule *self, const GError *error);
/* It has ended (another module, or one that began on its own) while it was looked into at its turn. */
void mefota_module_forget_turn (MefotaModule *self);

/* ---- mefota-module-confirm.c: a module that asks ---- */

/* Lets policy answer a question that stands. */
void mefota_module_apply_policy (MefotaModule *self);

/* ---- mefota-module-install.c, -transfer.c, -adb.c: packages ---- */

/* The folder of the private copies, in the state directory. */
#define MEFOTA_MODULE_PACKAGES "packages"
/* Whether this upgrade's copy is still to be sent, or to be sent again. */
gboolean mefota_module_needs_package (const MefotaUpgrade *u);

/* The machine says: stop the transfer → TRANSFER_ENDED. */
void mefota_module_stop_transfer (MefotaModule *self);
/* The module is there (again) while a package upgrade is `transferring`. */
void mefota_module_resume_transfer (MefotaModule *self);
/* A queued package upgrade's turn. */
void mefota_module_start_transfer (MefotaModule *self);
/* After the end: the private copy goes. */
void mefota_module_drop_package (MefotaModule *self);
/* Whether adb can work here: a module on USB whose place is known, and the program is there. */
gboolean mefota_module_can_adb (MefotaModule *self);
/* The same, with NOT_SUPPORTED that says what is missing. */
gboolean mefota_module_check_adb (MefotaModule *self, GError **error);
/* "1-1.2", or NULL if the place is not known or not on USB. */
char *mefota_module_get_usb_path (MefotaModule *self);
/* self->package, from the copy that the upgrade names. Errors: as mefota_package_open() */
gboolean mefota_module_open_package (MefotaModule *self, GError **error);
/* self->package is there and a slot is taken: from here to the module's readiness; @task is answered then. */
void mefota_module_begin_transfer (MefotaModule *self, GTask *task, MefotaOperation operation, const char *expected,
                                   const char *requested_by);
/* Whether the package itself has these words: a module that was cut off takes what is left for commands, and echoes
 * it. */
gboolean mefota_module_may_be_echo (MefotaModule *self, const MefotaIndication *indication);
/* Stops without a word to the module. */
void mefota_module_drop_transfer (MefotaModule *self);
/* The module begins an upgrade of its own, or the queued one is over: a transfer whose caller is not answered yet ends
 * with BUSY, and takes its package along. FALSE if there is none. */
gboolean mefota_module_overtake_transfer (MefotaModule *self);

/* ---- mefota-module-logs.c ---- */

/* An upgrade comes first. */
void mefota_module_stop_logs (MefotaModule *self);
/* An upgrade has ended: policy may want its logs. */
void mefota_module_want_logs (MefotaModule *self);
/* Fetches what is wanted, if the module is there. */
void mefota_module_fetch_wanted_logs (MefotaModule *self);

/* ---- mefota-module-readiness.c ---- */

/* Every item of contract 2.5, from the module and the host; kept as last known. */
void mefota_module_ask_readiness_async (MefotaModule *self, GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *mefota_module_ask_readiness_finish (MefotaModule *self, GAsyncResult *result, GError **error);

/* ---- mefota-module-settings.c ---- */

/* After identity: reads the settings, notices and mends what a restart lost, keeps both on disk. */
void mefota_module_read_settings (MefotaModule *self);
/* The same of what was read in an upgrade, at its end. */
void mefota_module_mend_settings (MefotaModule *self);
/* It was away, or must have been. */
void mefota_module_forget_settings (MefotaModule *self);
/* @version was read. If it is another one, the module has restarted: on a UART that may be over between two looks,
 * unseen, and what it lost is not what is wanted. Whether its settings have to be read anew. */
gboolean mefota_module_notice_version (MefotaModule *self, const char *version);
/* @command has set something: what is read next is what is wanted, even if that is only after a restart. */
void mefota_module_unlearn_settings (MefotaModule *self, const char *command);
/* Whoever sets something, or goes by what is set, waits until what is read, put back or set just now is done: what was
 * asked for first counts first, and the last counts in the end. The module may be away, or in an upgrade, by then. */
void mefota_module_when_settled (MefotaModule *self, GTask *task, void (*go_on) (GTask *task));
/* Around everything that reads or writes settings, and a restart, which makes it forget some. */
void mefota_module_begin_settling (MefotaModule *self);
void mefota_module_end_settling (MefotaModule *self);

/* ---- mefota-module-commands.c: single commands, for a caller ---- */

/* Checks, then a task; NULL after it has failed. */
GTask *mefota_module_begin_task (MefotaModule *self, gpointer tag, GAsyncReadyCallback callback, gpointer user_data);
/* The arguments are wrong whatever the module is doing: that error goes first. Takes @error; FALSE without one. */
gboolean mefota_module_refuse_argument (MefotaModule *self, gpointer tag, GError *error, GAsyncReadyCallback callback,
                                        gpointer user_data);
/* Answers @task with @error; one cut off because the module went away has no error of ours yet. Takes @error. */
void mefota_module_return_error (GTask *task, GError *error);

G_END_DECLS
