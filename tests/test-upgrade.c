/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The upgrade machine against the contract. Each row of a table is a short play: what happens to a module, word by
 * word, and how it has to end. */
#include <string.h>

#include "mefota-error.h"
#include "upgrade-play.h"

/* ---- the guide's figures ---- */

#define DOWNLOAD "START DOWNLOADING:25% DOWNLOADING:50% DOWNLOADING:75% COSTTIME:0min17sec "
#define VERIFY "NEED_VERIFY PASS_VERIFY UPDATING "

static const PlayRow figures[] = {
  { "1",
    "NEED_CONFIRM is=confirming critical=no yes is=starting START is=downloading DOWNLOADING:25% progress=25 "
    "DOWNLOADING:50% progress=50 DOWNLOADING:75% progress=75 COSTTIME:1min05sec is=downloading NEED_VERIFY "
    "is=verifying progress=0 critical=no PASS_VERIFY is=updating critical=yes UPDATING is=updating gone is=rebooting "
    "critical=yes answers is=checking gone is=rebooting back=V2",
    "success" },
  { "2", "net=V2 is=starting " DOWNLOAD VERIFY "gone back=V1 is=checking gone answers is=checking SUCCESS_END back=V2",
    "success" },
  { "2-no-target", "net " DOWNLOAD VERIFY "gone back=V2", "success" },
  { "2-success-before-identity", "net " DOWNLOAD VERIFY "gone runs=V2 answers SUCCESS_END identity", "success" },
  { "example-3.1",
    "NEED_CONFIRM yes SUCCESS_CONFIRM START DOWNLOADING:25% COSTTIME:0min8sec UPDATING is=updating gone "
    "back=V2",
    "success" },
  { "package-uart",
    "serial=V2 is=transferring sent=10 progress=10 sent=100 progress=100 critical=no installing is=updating "
    "progress=0 critical=yes gone back=V1 gone back=V2 reboots=2",
    "success" },
  { "package-adb", "adb installing gone gone back=V2", "success" },
  { "sibling", "net START UPDATING gone back=V2", "success" },
};

/* ---- 2.3, row by row ---- */

static const PlayRow rows[] = {
  { "start-from-starting", "net START is=downloading status=START", "downloading" },
  { "start-adopted", "START", "downloading" },
  { "need-confirm", "NEED_CONFIRM", "confirming" },
  { "need-confirm-blank", "NEED_CONFIRM", "confirming" },
  { "confirm", "CONFIRM status=NEED_CONFIRM", "confirming" },
  { "new-version", "NEW_VERSION status=NEW_VERSION", "confirming" },
  { "success-confirm", "NEED_CONFIRM SUCCESS_CONFIRM", "starting" },
  { "downloading", "net DOWNLOADING:25% progress=25 status=DOWNLOADING", "downloading" },
  { "downloading-adopted", "DOWNLOADING:25% progress=25", "downloading" },
  { "downloading-without-number", "net DOWNLOADING:25% DOWNLOADING progress=25", "downloading" },
  { "costtime", "net COSTTIME:0min17sec", "starting" },
  { "need-verify", "net NEED_VERIFY", "verifying" },
  { "need-verify-adopted", "NEED_VERIFY", "verifying" },
  { "pass-verify", "net PASS_VERIFY critical=yes", "updating" },
  { "pass-verify-adopted", "PASS_VERIFY critical=yes", "updating" },
  { "updating", "net UPDATING critical=yes", "updating" },
  { "updating-adopted", "UPDATING critical=yes", "updating" },
  { "success-end", "net SUCCESS_END is=checking runs=V2 +60", "success" },
  { "fail-end", "net FAIL_END status=FAIL_END", "UpgradeFailed" },
  { "fail-confirm", "NEED_CONFIRM FAIL_CONFIRM", "Rejected" },
  { "fail-no-new", "net START FAIL_NO_NEW", "NoNewVersion" },
  { "fail-connect", "net START FAIL_CONNECT", "ConnectFailed" },
  { "fail-wait-timeout", "NEED_CONFIRM FAIL_WAIT_TIMEOUT", "ConfirmTimeout" },
  { "fail-verify", "net NEED_VERIFY FAIL_VERIFY", "VerifyFailed" },
  { "error", "net START ERROR:17", "ModuleError" },
  { "error-hex", "net START ERROR0x50", "ModuleError" },
  { "data-timeout", "net START DATA_TIMEOUT", "ConnectFailed" },
  { "toolarge", "net START TOOLARGE", "PackageInvalid" },
  { "para-error", "net START PARA_ERROR", "ModuleError" },
  { "busy", "net START BUSY", "Busy" },
  { "other", "net START SOMETHING_ELSE is=downloading status=SOMETHING_ELSE", "downloading" },
};

/* ---- 2.4 ---- */

static const PlayRow results[] = {
  /* 1: a failing indication, whenever it comes */
  { "failing-starting", "net FAIL_END", "UpgradeFailed" },
  { "failing-confirming", "NEED_CONFIRM FAIL_END", "UpgradeFailed" },
  { "failing-verifying", "net NEED_VERIFY FAIL_END", "UpgradeFailed" },
  { "failing-updating", "net UPDATING FAIL_VERIFY", "VerifyFailed" },
  { "failing-rebooting", "net UPDATING gone FAIL_END", "UpgradeFailed" },
  { "failing-checking", "net UPDATING gone back=V1 FAIL_END", "UpgradeFailed" },
  { "failing-after-success", "net UPDATING gone back=V1 SUCCESS_END FAIL_END", "UpgradeFailed" },
  { "failing-transferring", "serial FAIL_VERIFY is=transferring cancellable=no ended", "VerifyFailed" },
  { "failing-transferring-gone", "serial FAIL_VERIFY gone +900", "VerifyFailed" },
  { "failing-when-idle", "FAIL_END", "idle" },
  { "failing-while-queued", "queue FAIL_END", "queued" },
  { "success-when-idle", "SUCCESS_END", "idle" },
  { "after-the-end", "net FAIL_CONNECT FAIL_END SUCCESS_END COSTTIME:0min1sec OTHER status=FAIL_CONNECT",
    "ConnectFailed" },

  /* 2: a version is expected */
  { "target-reached", "net=V2 UPDATING gone back=V2", "success" },
  { "target-case", "net=v2 UPDATING gone back=V2", "success" },
  { "target-is-from", "net=V1 UPDATING gone back=V1", "success" },
  { "target-missed", "net=V2 UPDATING gone back=V3 is=checking +59.9 is=checking +0.1", "VersionMismatch" },
  { "target-missed-later-reached", "net=V2 UPDATING gone back=V3 +59 gone back=V2", "success" },
  { "target-missed-indication", "net=V2 UPDATING gone back=V3 +59 OTHER +59 is=checking +1", "VersionMismatch" },
  { "target-unchanged", "net=V2 UPDATING gone back=V1 +60", "UpgradeFailed" },
  { "target-unchanged-claimed", "net=V2 UPDATING gone back=V1 SUCCESS_END +60", "UpgradeFailed" },
  { "target-unchanged-word", "net=V2 says=FAIL_VERIFY UPDATING gone back=V1 +60", "VerifyFailed" },
  { "target-unchanged-word-success", "net=V2 says=SUCCESS_END UPDATING gone back=V1 +60", "UpgradeFailed" },
  { "target-missed-word", "net=V2 says=FAIL_VERIFY UPDATING gone back=V3 +60", "VersionMismatch" },
  { "target-from-unknown", "runs= net=V2 UPDATING gone back=V3 stored= +60", "VersionMismatch" },
  { "target-from-unknown-reached", "runs= net=V2 UPDATING gone back=V2", "success" },

  /* 2: none is expected */
  { "changed", "net UPDATING gone back=V2", "success" },
  { "settles", "net UPDATING gone back=V1 +59.9 runs=V2 +0.1", "success" },
  { "same", "net UPDATING gone back=V1 is=checking +59.9 is=checking +0.1", "UpgradeFailed" },
  { "same-claimed", "net UPDATING gone back=V1 SUCCESS_END +59.9 is=checking +0.1", "NotVerified" },
  { "same-claimed-word", "net says=FAIL_END UPDATING gone back=V1 SUCCESS_END +60", "NotVerified" },
  { "same-word-failing", "net says=FAIL_CONNECT UPDATING gone back=V1 +60", "ConnectFailed" },
  { "same-word-success", "net says=SUCCESS_END UPDATING gone back=V1 +60", "NotVerified" },
  { "same-word-none", "net says=START UPDATING gone back=V1 +60", "UpgradeFailed" },
  { "same-build-date", "runs=V1B04 net UPDATING gone back=V1B04 +60", "UpgradeFailed" },
  { "changed-word-failing", "net says=FAIL_END UPDATING gone back=V2", "success" },
  { "same-reboot-in-settle", "net UPDATING gone back=V1 +59 gone +100 back=V1 +59 is=checking +1", "UpgradeFailed" },
  { "same-indication-in-settle", "net UPDATING gone back=V1 +59 COSTTIME:0min1sec +59 is=checking +1",
    "UpgradeFailed" },

  /* the version has to be read: an empty one is no other version */
  { "version-unread", "net UPDATING gone back= is=checking +60 is=checking runs=V2 +60", "success" },
  { "version-never-read", "net UPDATING gone back= +3600", "Timeout" },
  { "version-unread-claimed", "net UPDATING gone back= SUCCESS_END runs=V1 +60", "NotVerified" },
  { "version-unread-downloading", "net START gone back= is=downloading", "downloading" },

  /* another module */
  { "replaced", "net UPDATING gone imei=" OTHER_IMEI, "ModuleReplaced" },
  { "replaced-downloading", "net START gone imei=" OTHER_IMEI, "ModuleReplaced" },
  { "replaced-short", "net UPDATING gone runs=V2 imei=86100000000000", "success" },
  { "replaced-long", "net UPDATING gone runs=V2 imei=8610000000000022", "success" },
  { "replaced-letters", "net UPDATING gone runs=V2 imei=86100000000000x", "success" },
  { "replaced-empty", "net UPDATING gone runs=V2 imei=", "success" },

  /* 4 */
  { "overdue", "net UPDATING gone +599.9 overdue=no +0.1 overdue=yes is=rebooting critical=yes", "rebooting" },
  { "overdue-from-install", "net UPDATING +300 gone +299 overdue=no +1 overdue=yes", "rebooting" },
  { "late", "net UPDATING gone +3599 overdue=yes back=V2", "success" },
  { "late-same", "net UPDATING gone +2000 back=V1 +60", "UpgradeFailed" },
  { "give-up", "net UPDATING gone +3599.9 is=rebooting +0.1", "Timeout" },
  { "give-up-mute", "net UPDATING gone mute answers is=checking +3600", "Timeout" },
  { "stayed", "net UPDATING +599.9 is=updating +0.1", "UpgradeFailed" },
  { "stayed-package", "serial installing +600", "UpgradeFailed" },
  { "stayed-word", "net says=FAIL_VERIFY UPDATING +600", "VerifyFailed" },
  { "stayed-changed", "net UPDATING runs=V2 +600", "success" },
  { "stayed-missed", "net=V2 UPDATING runs=V3 +600", "VersionMismatch" },
  { "stayed-unknown-from", "unknown stored= UPDATING +600", "UpgradeFailed" },
  { "stayed-mute-then-gone", "net UPDATING mute +600 overdue=yes gone is=rebooting overdue=yes loud back=V2",
    "success" },
  { "stayed-mute-then-same", "net UPDATING mute +600 is=updating loud +60", "UpgradeFailed" },
  { "stayed-mute-for-ever", "net UPDATING mute +3600", "Timeout" },
  { "updating-again", "net UPDATING gone back=V1 UPDATING is=updating gone back=V2", "success" },
  { "updating-again-stays", "net UPDATING gone back=V1 UPDATING +600 is=checking +60", "UpgradeFailed" },
  { "need-verify-then-gone", "serial installing NEED_VERIFY is=verifying critical=yes gone is=rebooting back=V1 +60",
    "UpgradeFailed" },

  /* adopted */
  { "adopted", "START UPDATING from=V1 gone back=V2", "success" },
  { "adopted-stored", "unknown UPDATING from= gone back=V2 from=V1", "success" },
  { "adopted-stored-same", "unknown runs=V2 stored=V2 UPDATING gone back=V2 from=V2 +60", "UpgradeFailed" },
  { "adopted-unknown", "unknown stored= UPDATING gone back=V2 is=checking +60", "NotVerified" },
  { "adopted-unknown-claimed", "unknown stored= UPDATING gone back=V2 SUCCESS_END +60", "NotVerified" },
  { "adopted-unknown-word", "unknown stored= says=FAIL_VERIFY UPDATING gone back=V2 +60", "VerifyFailed" },
  { "adopted-unknown-twice", "unknown stored= UPDATING gone back=V2 from= gone back=V2 from= +60", "NotVerified" },
  { "adopted-then-read", "once unknown stored= START identity from=V1 UPDATING gone back=V2", "success" },
  { "adopted-then-read-not-stored", "once unknown stored=V0 START identity from=V1 UPDATING gone back=V1 +60",
    "UpgradeFailed" },
  { "power-loss-downloading", "net START gone is=downloading +100 back=V1 is=downloading START UPDATING gone back=V2",
    "success" },
  { "lost-lines", "net NEED_VERIFY gone back=V2", "success" },
  { "lost-lines-target", "net=V2 NEED_VERIFY gone back=V2", "success" },
};

/* ---- 5 ---- */

static const PlayRow rulings[] = {
  /* `download` is the longest silence */
  { "silence-starting", "net +899.9 is=starting +0.1", "Timeout" },
  { "silence-downloading", "net START +899 DOWNLOADING:25% +899.9 is=downloading +0.1", "Timeout" },
  { "silence-other", "net START +899 OTHER +899 is=downloading +1", "Timeout" },
  { "silence-verifying", "net NEED_VERIFY +899.9 is=verifying +0.1", "Timeout" },
  { "silence-gone", "net START +400 gone +499.9 is=downloading +0.1", "Timeout" },
  { "silence-gone-back", "net START +400 gone back=V1 +499.9 is=downloading +0.1", "Timeout" },
  { "silence-changed", "net START runs=V2 +900", "success" },
  { "silence-missed", "net=V2 START runs=V3 +900", "VersionMismatch" },
  { "silence-word", "net START says=FAIL_CONNECT +900", "ConnectFailed" },
  { "silence-word-success", "net START says=SUCCESS_END +900", "Timeout" },
  { "silence-mute", "net START mute +900", "Timeout" },

  /* questions */
  { "deadline", "NEED_CONFIRM +179.9 is=confirming +0.1", "ConfirmTimeout" },
  { "deadline-repeated", "NEED_CONFIRM +100 NEED_CONFIRM +79.9 is=confirming +0.1", "ConfirmTimeout" },
  { "deadline-gone", "NEED_CONFIRM gone +180", "ConfirmTimeout" },
  { "answered-late", "NEED_CONFIRM +179.9 yes is=starting +800 START UPDATING gone back=V2", "success" },
  { "refused", "NEED_CONFIRM no is=confirming +9.9 is=confirming +0.1", "Rejected" },
  { "refused-said", "NEED_CONFIRM no FAIL_CONFIRM", "Rejected" },
  { "refused-taken", "NEED_CONFIRM no SUCCESS_CONFIRM is=confirming +10", "Rejected" },
  { "refused-repeated", "NEED_CONFIRM no NEED_CONFIRM +10", "Rejected" },
  { "refused-in-vain", "NEED_CONFIRM no START is=downloading NEED_CONFIRM is=confirming +180", "ConfirmTimeout" },
  { "progress-is-answer", "NEED_CONFIRM START is=downloading UPDATING gone back=V2", "success" },
  { "asked-in-network-upgrade", "net NEED_CONFIRM is=confirming yes START UPDATING gone back=V2", "success" },
  { "asked-downloading", "net START NEED_CONFIRM is=confirming yes is=starting", "starting" },
  { "asked-verifying", "net NEED_VERIFY NEED_CONFIRM", "confirming" },
  { "asked-updating", "net UPDATING NEED_CONFIRM", "updating" },
  { "asked-package", "serial NEED_CONFIRM is=transferring installing NEED_VERIFY NEED_CONFIRM", "verifying" },

  /* Cancel */
  { "cancel-queued", "queue cancellable=yes cancel", "Cancelled" },
  { "cancel-transferring", "serial sent=40 cancellable=yes cancel is=transferring cancellable=no ended", "Cancelled" },
  { "cancel-transferring-twice", "serial cancel cancel ended", "Cancelled" },
  { "cancel-transferring-gone", "serial cancel gone +900", "Cancelled" },
  { "cancel-too-late", "serial cancel installing is=updating cancellable=no gone back=V2", "success" },
  { "cancel-idle", "cancellable=no cancel", "idle" },
  { "cancel-starting", "net cancellable=no cancel", "starting" },
  { "cancel-confirming", "NEED_CONFIRM cancellable=no cancel", "confirming" },
  { "cancel-downloading", "net START cancellable=no cancel", "downloading" },
  { "cancel-verifying", "net NEED_VERIFY cancellable=no cancel", "verifying" },
  { "cancel-updating", "net UPDATING cancellable=no cancel", "updating" },
  { "cancel-rebooting", "net UPDATING gone cancellable=no cancel", "rebooting" },
  { "cancel-checking", "net UPDATING gone back=V1 cancellable=no cancel", "checking" },

  /* the line, and transfers */
  { "queued", "queue=V2 is=queued gone back=V1 is=queued turn is=starting UPDATING gone back=V2", "success" },
  { "queued-from-is-read-at-its-turn", "queue runs=V3 turn from=V3 UPDATING gone back=V3 +60", "UpgradeFailed" },
  { "queued-refused", "queue ended", "TransferFailed" },
  { "queued-overtaken", "queue START", "Busy" },
  { "queued-overtaken-adopted", "queue START START is=downloading UPDATING gone back=V2", "success" },
  { "queued-waits", "queue +100000", "queued" },
  { "install-asked", "serial asked cancellable=no cancel installing is=updating gone back=V2", "success" },
  { "install-asked-gone",
    "serial asked gone is=transferring critical=no installing is=rebooting critical=yes back=V1 +60", "UpgradeFailed" },
  { "install-asked-gone-changed", "adb asked gone installing gone back=V2", "success" },
  { "transfer-failed", "serial sent=40 ended", "TransferFailed" },
  { "transfer-waits", "serial +100000", "transferring" },
  { "transfer-gone", "serial gone +899.9 is=transferring +0.1", "TransferFailed" },
  { "transfer-gone-back", "serial gone +899 back=V1 +100000 is=transferring installing gone back=V2", "success" },
  { "transfer-ignores-progress", "serial START DOWNLOADING:25% NEED_VERIFY SUCCESS_END progress=0", "transferring" },
  { "updating-is-the-ok", "serial PASS_VERIFY is=updating critical=yes installing gone back=V2", "success" },
  { "package-never-downloads", "serial installing START DOWNLOADING:25% is=updating gone back=V2", "success" },
  { "begin-when-busy", "net START net=V2 is=downloading UPDATING gone back=V2", "success" },
};

/* ---- what is to be done ---- */

static const struct
{
  const char *before;
  const char *word;
  guint wanted;
  guint unwanted;
} duties[] = {
  { "", "net", MEFOTA_ACT_BEGUN | MEFOTA_ACT_SAVE, MEFOTA_ACT_FINISHED },
  { "", "START", MEFOTA_ACT_BEGUN | MEFOTA_ACT_SAVE, 0 },
  { "", "NEED_CONFIRM", MEFOTA_ACT_BEGUN | MEFOTA_ACT_QUESTION | MEFOTA_ACT_SAVE, 0 },
  { "NEED_CONFIRM", "NEED_CONFIRM", MEFOTA_ACT_QUESTION, MEFOTA_ACT_BEGUN },
  { "NEED_CONFIRM no", "NEED_CONFIRM", 0, MEFOTA_ACT_QUESTION },
  { "NEED_CONFIRM", "yes", MEFOTA_ACT_SAVE, MEFOTA_ACT_FINISHED },
  { "NEED_CONFIRM", "no", MEFOTA_ACT_SAVE, MEFOTA_ACT_FINISHED },
  { "queue", "turn", MEFOTA_ACT_SAVE, MEFOTA_ACT_BEGUN },
  { "net", "START", MEFOTA_ACT_SAVE, 0 },
  { "net START", "DOWNLOADING:1%", MEFOTA_ACT_SAVE, 0 },
  { "net START DOWNLOADING:1%", "DOWNLOADING:2%", 0, MEFOTA_ACT_SAVE },
  { "net START", "COSTTIME:0min17sec", MEFOTA_ACT_SAVE, 0 },
  { "net START", "NEED_VERIFY", MEFOTA_ACT_SAVE, 0 },
  { "net", "UPDATING", MEFOTA_ACT_SAVE, 0 },
  { "net UPDATING", "gone", MEFOTA_ACT_SAVE, 0 },
  { "net UPDATING", "SUCCESS_END", MEFOTA_ACT_SAVE | MEFOTA_ACT_READ_IDENTITY, 0 },
  { "net UPDATING gone", "SUCCESS_END", MEFOTA_ACT_SAVE, MEFOTA_ACT_READ_IDENTITY },
  { "net UPDATING gone", "+600", MEFOTA_ACT_OVERDUE | MEFOTA_ACT_SAVE, MEFOTA_ACT_LOOK },
  { "net UPDATING gone back=V1", "+60", MEFOTA_ACT_LOOK | MEFOTA_ACT_ASK_WORD | MEFOTA_ACT_FINISHED, 0 },
  { "net UPDATING gone back=V1 SUCCESS_END", "+60", MEFOTA_ACT_LOOK | MEFOTA_ACT_FINISHED, MEFOTA_ACT_ASK_WORD },
  { "net=V2 UPDATING gone back=V3", "+60", MEFOTA_ACT_LOOK | MEFOTA_ACT_FINISHED, MEFOTA_ACT_ASK_WORD },
  { "net UPDATING gone", "back=V2", MEFOTA_ACT_FINISHED, MEFOTA_ACT_ASK_WORD },
  { "serial", "cancel", MEFOTA_ACT_STOP_TRANSFER | MEFOTA_ACT_SAVE, MEFOTA_ACT_FINISHED },
  { "serial", "FAIL_VERIFY", MEFOTA_ACT_STOP_TRANSFER | MEFOTA_ACT_SAVE, MEFOTA_ACT_FINISHED },
  { "serial", "sent=30", 0, MEFOTA_ACT_SAVE },
  { "serial", "installing", MEFOTA_ACT_SAVE, 0 },
  { "queue", "cancel", MEFOTA_ACT_FINISHED, MEFOTA_ACT_STOP_TRANSFER },
};

static void
test_duties (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (duties); i++)
    {
      g_autoptr (Play) p = play_new ();

      play_run (p, duties[i].before);
      play_run (p, duties[i].word);
      if ((p->actions & duties[i].wanted) != duties[i].wanted || (p->actions & duties[i].unwanted) != 0)
        g_error ("%s, then %s: actions are %#x", duties[i].before, duties[i].word, p->actions);
    }
}

/* No package that a host handed over is to be looked for on a server. */
static void
test_package_advice (void)
{
  static const char *const scripts[] = { "serial installing FAIL_VERIFY", "serial FAIL_VERIFY ended",
                                         "serial installing gone SUCCESS_END back=V1 +60",
                                         "serial=V2 installing gone back=V3 +60" };

  for (gsize i = 0; i < G_N_ELEMENTS (scripts); i++)
    {
      g_autoptr (Play) p = play_new ();

      play_run (p, scripts[i]);
      g_assert_cmpuint (p->finished, ==, 1);
      if (strstr (p->u->message, "the server or you gave it") == NULL)
        g_error ("%s: %s", scripts[i], p->u->message);
    }
}

static void
test_adoption (void)
{
  static const char *const begin[] = { "START",       "DOWNLOADING:1%", "NEED_VERIFY",
                                       "PASS_VERIFY", "UPDATING",       "NEED_CONFIRM" };
  static const char *const do_not[] = { "SUCCESS_CONFIRM", "COSTTIME:0min1sec", "SUCCESS_END",
                                        "FAIL_END",        "ERROR:1",           "X" };

  for (gsize i = 0; i < G_N_ELEMENTS (begin); i++)
    {
      g_autoptr (Play) p = play_new ();
      g_autoptr (MefotaIndication) ind = mefota_indication_parse_word (begin[i], strlen (begin[i]));

      g_assert_true (mefota_upgrade_would_adopt (p->u, ind));
      play_run (p, begin[i]);
      g_assert_cmpuint (p->begun, ==, 1);
      g_assert_cmpint (p->u->operation, ==, i == 5 ? MEFOTA_OPERATION_POLLED : MEFOTA_OPERATION_NETWORK);
      g_assert_cmpstr (p->u->requested_by, ==, "module");
      g_assert_cmpstr (p->u->imei, ==, IMEI);
      g_assert_false (mefota_upgrade_would_adopt (p->u, ind));
    }
  for (gsize i = 0; i < G_N_ELEMENTS (do_not); i++)
    {
      g_autoptr (Play) p = play_new ();
      g_autoptr (MefotaIndication) ind = mefota_indication_parse_word (do_not[i], strlen (do_not[i]));

      g_assert_false (mefota_upgrade_would_adopt (p->u, ind));
      play_run (p, do_not[i]);
      g_assert_cmpuint (p->begun, ==, 0);
      g_assert_cmpstr (p->u->status, ==, "");
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  play_add_rows ("figures", figures, G_N_ELEMENTS (figures));
  play_add_rows ("indications", rows, G_N_ELEMENTS (rows));
  play_add_rows ("results", results, G_N_ELEMENTS (results));
  play_add_rows ("rulings", rulings, G_N_ELEMENTS (rulings));
  g_test_add_func ("/upgrade/duties", test_duties);
  g_test_add_func ("/upgrade/package-advice", test_package_advice);
  g_test_add_func ("/upgrade/adoption", test_adoption);
  return g_test_run ();
}
