/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The upgrade machine under random events, with the invariants of the walk. Three bytes an event: what happens, with
 * what, and how much time passes before it. */
#include "../upgrade-invariants.h"

#include "fuzz.h"

#define N_EVENTS_MAX 400
#define CHECK_ENDS_EVERY 8
/* Beside the machine's events: the daemon is started anew. */
#define RESTART MEFOTA_N_EVENTS

static const char *const words[] = {
  "START",           "NEED_CONFIRM",
  "NEW_VERSION",     "SUCCESS CONFIRM",
  "DOWNLOADING:25%", "DOWNLOADING:100%",
  "DOWNLOADING",     "COSTTIME:1s",
  "NEED_VERIFY",     "PASS_VERIFY",
  "UPDATING",        "SUCCESS_END",
  "FAIL_END",        "FAIL_CONFIRM",
  "FAIL_NO_NEW",     "FAIL_CONNECT",
  "FAIL_VERIFY",     "FAIL_WAIT_TIMEOUT",
  "ERROR:17",        "ERROR0x50",
  "TOOLARGE",        "BUSY",
  "DATA_TIMEOUT",    "PARA_ERROR",
  "SOMETHING_ELSE",  "",
};
static const char *const versions[] = { "V1", "V2", "V3", "v2 [Apr 18 2019]", "" };
static const char *const imeis[] = {
  "861000000000001", "861000000000001", "861000000000001", "861000000000002", "", "86100"
};
static const double seconds[] = { 0, 0, 0, 0.001, 1, 9.9, 10, 59, 60, 61, 180, 599, 600, 900, 3600, 100000 };
static const double jumps[] = { 0, 0, 3, 700, 5000, -1e6, 1e9 };

#define PICK(table, byte) ((table)[(byte) % G_N_ELEMENTS (table)])

typedef struct
{
  MefotaUpgrade *u;
  MefotaTime now;
} Run;

static void
set_begin (MefotaEvent *event, guint8 argument)
{
  static const struct
  {
    MefotaState state;
    MefotaOperation operation;
  } begins[] = {
    { MEFOTA_STATE_STARTING, MEFOTA_OPERATION_NETWORK },
    { MEFOTA_STATE_QUEUED, MEFOTA_OPERATION_NETWORK },
    { MEFOTA_STATE_QUEUED, MEFOTA_OPERATION_SERIAL },
    { MEFOTA_STATE_TRANSFERRING, MEFOTA_OPERATION_SERIAL },
    { MEFOTA_STATE_TRANSFERRING, MEFOTA_OPERATION_ADB },
  };

  event->state = PICK (begins, argument).state;
  event->operation = PICK (begins, argument).operation;
  event->target = PICK (versions, argument / 5);
  event->requested_by = "root (fuzz)";
}

static void
set_event (MefotaEvent *event, guint8 argument)
{
  event->imei = PICK (imeis, argument / 16);
  event->version = PICK (versions, argument);
  switch (event->type)
    {
    case MEFOTA_EVENT_BEGIN:
      set_begin (event, argument);
      break;
    case MEFOTA_EVENT_IDENTITY:
      event->stored = argument % 3 != 0 ? PICK (versions, argument / 7) : NULL;
      break;
    case MEFOTA_EVENT_LOOKED:
      if (argument % 11 == 0)
        event->version = NULL;
      break;
    case MEFOTA_EVENT_ANSWERED:
      event->allow = argument & 1;
      break;
    case MEFOTA_EVENT_TRANSFERRED:
      event->percent = argument;
      break;
    case MEFOTA_EVENT_TRANSFER_ENDED:
      event->error = argument % MEFOTA_N_ERRORS;
      event->text = "It broke.";
      break;
    case MEFOTA_EVENT_INDICATION:
    case MEFOTA_EVENT_GONE:
    case MEFOTA_EVENT_ANSWERS:
    case MEFOTA_EVENT_WORD:
    case MEFOTA_EVENT_TIMER:
    case MEFOTA_EVENT_INSTALLING:
    case MEFOTA_EVENT_CANCEL:
      break;
    }
}

static void
happen (Run *run, MefotaEventType type, guint8 argument)
{
  g_autoptr (MefotaUpgrade) before = copy_upgrade (run->u);
  g_autoptr (MefotaIndication) ind = NULL;
  MefotaEvent event = { .type = type };
  const char *word = PICK (words, argument);
  guint actions;

  set_event (&event, argument);
  if (type == MEFOTA_EVENT_INDICATION || (type == MEFOTA_EVENT_WORD && argument % 5 != 0))
    event.indication = ind = mefota_indication_parse_word (word, strlen (word));
  actions = mefota_upgrade_step (run->u, &test_timeouts, &event, run->now);
  check_step (before, run->u, &event, actions, run->now);
}

static void
start_anew (Run *run, guint8 argument)
{
  g_autoptr (GVariant) record = g_variant_ref_sink (mefota_upgrade_to_variant (run->u));

  run->now.mono = (gint64) argument * G_USEC_PER_SEC + 1;
  run->now.wall += (gint64) (PICK (jumps, argument) * G_USEC_PER_SEC);
  g_clear_pointer (&run->u, mefota_upgrade_free);
  run->u = mefota_upgrade_from_variant (record, &test_timeouts, run->now);
  g_assert (run->u != NULL);
  check_upgrade (run->u);
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  Run run = { .u = mefota_upgrade_new (),
              .now = { .mono = G_USEC_PER_SEC, .wall = G_GINT64_CONSTANT (1704067200) * G_USEC_PER_SEC } };

  for (gsize i = 0; i + 3 <= MIN (size, 3 * N_EVENTS_MAX); i += 3)
    {
      guint type = data[i] % (MEFOTA_N_EVENTS + 1);
      gint64 passes = (gint64) (PICK (seconds, data[i + 2]) * G_USEC_PER_SEC);

      run.now.mono += passes;
      run.now.wall += passes;
      if (type == RESTART)
        start_anew (&run, data[i + 1]);
      else
        happen (&run, type, data[i + 1]);
      if (i / 3 % CHECK_ENDS_EVERY == 0 && mefota_upgrade_is_active (run.u))
        check_ends (run.u, data[i + 1] & 1 ? "V1" : NULL, run.now);
    }
  if (mefota_upgrade_is_active (run.u))
    check_ends (run.u, "V2", run.now);
  mefota_upgrade_free (run.u);
  return 0;
}
