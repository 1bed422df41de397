/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include "mefota-config.h"
#include "mefota-fotaind.h"
#include "mefota-names.h"

G_BEGIN_DECLS

/* The only clock the machine knows, both in µs. Deadlines are monotonic; what a person or the disk sees is wall
 * clock. */
typedef struct
{
  gint64 mono;
  gint64 wall;
} MefotaTime;

/* What can happen to an upgrade. */
typedef enum
{
  MEFOTA_EVENT_BEGIN,         /* the module took it on (network), or it waits in line, or its transfer begins */
  MEFOTA_EVENT_INDICATION,    /* +FOTAIND */
  MEFOTA_EVENT_GONE,          /* hang-up, udev, silence on a UART, or not there when the daemon started */
  MEFOTA_EVENT_ANSWERS,       /* the port answers AT again */
  MEFOTA_EVENT_IDENTITY,      /* IMEI and version were read */
  MEFOTA_EVENT_LOOKED,        /* the version was read once more (action LOOK); text NULL if the module did not answer */
  MEFOTA_EVENT_WORD,          /* the answer to AT+FOTACTR? (action ASK_WORD); indication NULL if there is no result */
  MEFOTA_EVENT_TIMER,         /* the deadline passed */
  MEFOTA_EVENT_ANSWERED,      /* the module took AT+FOTACTR=1 (allow) or =0 */
  MEFOTA_EVENT_TRANSFERRED,   /* percent of the package written */
  MEFOTA_EVENT_INSTALLING,    /* OK to AT+ZCOMUPDATE */
  MEFOTA_EVENT_TRANSFER_ENDED, /* it ended without success: error and text say why, or the cancel is carried out */
  MEFOTA_EVENT_CANCEL,        /* somebody cancelled; only where can_cancel */
} MefotaEventType;
#define MEFOTA_N_EVENTS (MEFOTA_EVENT_CANCEL + 1)

typedef struct
{
  MefotaEventType type;
  MefotaState state;                 /* BEGIN: starting, queued or transferring */
  MefotaOperation operation;         /* BEGIN */
  const MefotaIndication *indication; /* INDICATION, WORD */
  const char *imei;                  /* BEGIN, IDENTITY, INDICATION (adopted upgrades): "" while unknown */
  const char *version;               /* BEGIN, INDICATION: version so far; IDENTITY, LOOKED: version read */
  const char *stored;                /* IDENTITY: the version the store knew for this IMEI before, or NULL */
  const char *target;                /* BEGIN: version that must run afterwards, or "" */
  const char *requested_by;          /* BEGIN */
  gboolean allow;                    /* ANSWERED */
  guint percent;                     /* TRANSFERRED */
  MefotaError error;                 /* TRANSFER_ENDED */
  const char *text;                  /* TRANSFER_ENDED: message */
} MefotaEvent;

/* What the module has to do after a step, or'ed. */
typedef enum
{
  MEFOTA_ACT_SAVE = 1 << 0,           /* write the upgrade to the store */
  MEFOTA_ACT_BEGUN = 1 << 1,          /* a new upgrade: give it an id before anything else */
  MEFOTA_ACT_QUESTION = 1 << 2,       /* the module asks: signal it, and let policy answer */
  MEFOTA_ACT_READ_IDENTITY = 1 << 3,  /* → IDENTITY */
  MEFOTA_ACT_LOOK = 1 << 4,           /* read the version → LOOKED */
  MEFOTA_ACT_ASK_WORD = 1 << 5,       /* AT+FOTACTR? → WORD */
  MEFOTA_ACT_STOP_TRANSFER = 1 << 6,  /* → TRANSFER_ENDED */
  MEFOTA_ACT_OVERDUE = 1 << 7,        /* has just become overdue */
  MEFOTA_ACT_FINISHED = 1 << 8,       /* result, error … are valid: record and tell */
} MefotaUpgradeActions;

/* Why a look is being taken; the reason decides what an undecided look leads to. */
typedef enum
{
  MEFOTA_LOOK_NONE,
  MEFOTA_LOOK_SETTLED,  /* the same version for `settle` seconds */
  MEFOTA_LOOK_SILENT,   /* no indication for `download` seconds */
  MEFOTA_LOOK_STAYED,   /* never went away for `install` seconds */
} MefotaLook;

/**
 * MefotaUpgrade:
 *
 * One upgrade, running or last. Pure data; mefota_upgrade_step() is the only writer but for @id and @name, @package….
 * Without an upgrade under way @state is IDLE (whether the port is absent or probing is the module's to know).
 */
typedef struct
{
  char *id;
  MefotaOperation operation;
  MefotaState state;
  char *imei;
  char *from_version; /* "" if unknown */
  char *target;       /* "" if none */
  char *requested_by;
  char *status;
  char *argument;
  guint progress;
  guint reboots;
  guint download_seconds;
  gboolean overdue;
  gboolean power_critical;
  gint64 started_at;       /* wall; 0 without an upgrade */
  gint64 phase_since;      /* wall */
  gint64 confirm_deadline; /* wall; 0 if the module does not wait */
  gint64 install_since;    /* wall: when installing began; 0 if not yet */

  /* result of the last one */
  MefotaResult result;
  MefotaError error;
  char *message;
  char *to_version;
  gint64 ended_at;

  /* how far it is, kept over a restart too */
  gboolean force;       /* asked for without readiness checks */
  gboolean success_claimed;
  gboolean refused;     /* answered with no */
  gboolean answered;    /* the question was answered */
  gboolean went_away;   /* since installing began */
  gboolean returning;   /* it is away, or was when the daemon started */
  gboolean ending;      /* the transfer is being stopped: error and message say for what */

  /* package upgrades: the module's own book-keeping for a transfer taken up again */
  char *package;        /* path of the private copy, or NULL */
  char *package_sha256;
  guint64 package_size;
  guint64 piece;        /* bytes of the AT+ZCOMWRT that may be under way in the module */
  gboolean install_asked; /* AT+ZCOMUPDATE may have been sent: on disk before it is */

  /* not kept */
  MefotaLook looking;
  gint64 silence_at, confirm_at, refuse_at, overdue_at, give_up_at, settle_at; /* mono; 0: none */
} MefotaUpgrade;

MefotaUpgrade *mefota_upgrade_new (void);
void mefota_upgrade_free (MefotaUpgrade *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (MefotaUpgrade, mefota_upgrade_free)

/* The only table of transitions (contract 2.2–2.4). Returns what is to be done. */
guint mefota_upgrade_step (MefotaUpgrade *self, const MefotaTimeouts *timeouts, const MefotaEvent *event,
                           MefotaTime now);

gboolean mefota_upgrade_is_active (const MefotaUpgrade *self);
gboolean mefota_upgrade_can_cancel (const MefotaUpgrade *self);
/* Whether @indication begins an upgrade that nobody here asked for, in the state it is in now. */
gboolean mefota_upgrade_would_adopt (const MefotaUpgrade *self, const MefotaIndication *indication);
/* When TIMER is due, monotonic µs; 0: never. */
gint64 mefota_upgrade_get_deadline (const MefotaUpgrade *self);

/* For the store (mefota-upgrade-record.c). A restored upgrade gets its deadlines from what was left of them; the module
 * counts as away. */
GVariant *mefota_upgrade_to_variant (const MefotaUpgrade *self);
MefotaUpgrade *mefota_upgrade_from_variant (GVariant *dictionary, const MefotaTimeouts *timeouts, MefotaTime now);

/* `details` of Finished and the history entry (contract 5, Manager), for an ended upgrade. Floating. */
GVariant *mefota_upgrade_to_history (const MefotaUpgrade *self, const char *module);
/* Ends one under way as its entry in the history says: the daemon was killed between that and the record. */
void mefota_upgrade_take_end (MefotaUpgrade *self, GVariant *entry);

G_END_DECLS
