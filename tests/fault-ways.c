/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The rows and columns of the fault matrix, and the right end of each cell. */

#include "fault-cell.h"

const char *const fault_words[N_FAULTS]
    = { "SIGKILL", "finishes", "SIGTERM", "hang-up", "silence", "garbage", "gone", "bus", "disk" };
const char *const way_words[N_WAYS] = { "network", "polled", "serial", "adb" };
const char *const state_words[N_STATES]
    = { "absent",      "probing",      "idle",      "queued",   "starting",  "confirming",
        "downloading", "transferring", "verifying", "updating", "rebooting", "checking" };

#define DOWNLOAD                                                                           \
  "hold starting\nind START\nind DOWNLOADING:25%\nhold downloading\nind NEED_VERIFY\n" \
  "hold verifying\nind PASS_VERIFY\nind UPDATING\n"
/* In `checking` it still runs the old version: it restarts once more before it is through, as real ones do. */
#define INSTALL "hold updating\nreboot never\nhold checking\nfirmware $next\nreboot 5\n"
#define QUESTION "on question\nind $question\nconfirm 100000\n"
#define UPDATE "on AT+ZCOMUPDATE\nok\n"

const FaultWay fault_ways[N_WAYS] = {
  [WAY_NETWORK] = {
    .states = { STATE_QUEUED, STATE_STARTING, STATE_DOWNLOADING, STATE_VERIFYING, STATE_UPDATING, STATE_REBOOTING,
                STATE_CHECKING },
    .n_states = 7,
    .play = "on AT+FOTACTR\nok\n" DOWNLOAD INSTALL,
    .again = "on AT+FOTACTR\nok\nind FAIL_NO_NEW\n",
    .again_end = "NoNewVersion",
  },
  [WAY_POLLED] = {
    .states = { STATE_CONFIRMING, STATE_STARTING, STATE_DOWNLOADING, STATE_VERIFYING, STATE_UPDATING, STATE_REBOOTING,
                STATE_CHECKING },
    .n_states = 7,
    .play = QUESTION DOWNLOAD INSTALL,
    .again = "on question\nind $question\nind FAIL_WAIT_TIMEOUT\n",
    .again_end = "ConfirmTimeout",
  },
  [WAY_SERIAL] = {
    .uart = TRUE,
    .states = { STATE_QUEUED, STATE_TRANSFERRING, STATE_UPDATING, STATE_REBOOTING, STATE_CHECKING },
    .n_states = 5,
    .play = UPDATE INSTALL,
    .again = UPDATE "ind FAIL_END\n",
    .again_end = "UpgradeFailed",
  },
  [WAY_ADB] = {
    .states = { STATE_QUEUED, STATE_TRANSFERRING, STATE_UPDATING, STATE_REBOOTING, STATE_CHECKING },
    .n_states = 5,
    .play = UPDATE INSTALL,
    .again = UPDATE "ind FAIL_END\n",
    .again_end = "UpgradeFailed",
  },
};

gboolean
fault_cell_exists (Way way, State state, Fault fault)
{
  const FaultWay *w = &fault_ways[way];

  /* Without a daemon the module is through with it only if nothing more is asked of that one. */
  if (fault == FAULT_FINISHES
      && (state <= STATE_QUEUED || state == STATE_CONFIRMING || state == STATE_TRANSFERRING))
    return FALSE;
  if (state <= STATE_IDLE)
    return TRUE;
  for (guint i = 0; i < w->n_states; i++)
    if (w->states[i] == state)
      return TRUE;
  return FALSE;
}

static const char *
end_when_gone (Way way, State state)
{
  switch (state)
    {
    case STATE_ABSENT:
    case STATE_PROBING:
    case STATE_IDLE:
      /* On a UART nobody notices before something is asked. */
      if (way == WAY_POLLED)
        return "NotAsked";
      return way == WAY_SERIAL && state == STATE_IDLE ? "TransferFailed" : "NotPresent";
    case STATE_QUEUED:
      /* It waits until somebody cancels it; on a UART, see above. */
      return way == WAY_SERIAL ? "TransferFailed" : "Cancelled";
    case STATE_CONFIRMING:
      return "ConfirmTimeout";
    case STATE_TRANSFERRING:
      return "TransferFailed";
    case STATE_STARTING:
    case STATE_DOWNLOADING:
    case STATE_VERIFYING:
    case STATE_UPDATING:
    case STATE_REBOOTING:
    case STATE_CHECKING:
    case N_STATES:
    default:
      return "Timeout";
    }
}

static const char *
end_when_silent (Way way, State state)
{
  if (state == STATE_CONFIRMING)
    return "Timeout, success"; /* the answer got none */
  if (state != STATE_IDLE)
    return "success";
  switch (way)
    {
    case WAY_NETWORK:
      return "NotReady, success";
    case WAY_POLLED:
      return "NotAsked, success";
    case WAY_SERIAL:
      return "TransferFailed, success";
    case WAY_ADB:
    case N_WAYS:
    default:
      return "Timeout, success";
    }
}

static const char *
end_when_full (State state)
{
  /* Its turn comes while nothing can be kept; and that it installs has to be kept before it is told to. */
  if (state == STATE_QUEUED || state == STATE_TRANSFERRING)
    return "StorageFailed";
  /* Refused; there is room again; taken on. */
  return state == STATE_CONFIRMING || state <= STATE_IDLE ? "StorageFailed, success" : "success";
}

const char *
fault_cell_end (Way way, State state, Fault fault)
{
  switch (fault)
    {
    case FAULT_GONE:
      return end_when_gone (way, state);
    case FAULT_SILENCE:
      return end_when_silent (way, state);
    case FAULT_DISK:
      return end_when_full (state);
    case FAULT_KILL:
    case FAULT_FINISHES:
    case FAULT_TERM:
    case FAULT_HANG_UP:
    case FAULT_GARBAGE:
    case FAULT_BUS:
    case N_FAULTS:
    default:
      return "success";
    }
}
