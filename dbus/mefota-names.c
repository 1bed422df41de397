/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-names.h"

static const char *const state_words[MEFOTA_N_STATES] = {
  [MEFOTA_STATE_ABSENT] = "absent",
  [MEFOTA_STATE_PROBING] = "probing",
  [MEFOTA_STATE_IDLE] = "idle",
  [MEFOTA_STATE_QUEUED] = "queued",
  [MEFOTA_STATE_STARTING] = "starting",
  [MEFOTA_STATE_CONFIRMING] = "confirming",
  [MEFOTA_STATE_DOWNLOADING] = "downloading",
  [MEFOTA_STATE_TRANSFERRING] = "transferring",
  [MEFOTA_STATE_VERIFYING] = "verifying",
  [MEFOTA_STATE_UPDATING] = "updating",
  [MEFOTA_STATE_REBOOTING] = "rebooting",
  [MEFOTA_STATE_CHECKING] = "checking",
};

static const char *const operation_words[MEFOTA_N_OPERATIONS] = {
  [MEFOTA_OPERATION_NONE] = "none",
  [MEFOTA_OPERATION_NETWORK] = "network",
  [MEFOTA_OPERATION_POLLED] = "polled",
  [MEFOTA_OPERATION_SERIAL] = "serial",
  [MEFOTA_OPERATION_ADB] = "adb",
};

static const char *const result_words[MEFOTA_N_RESULTS] = {
  [MEFOTA_RESULT_NONE] = "none",
  [MEFOTA_RESULT_SUCCESS] = "success",
  [MEFOTA_RESULT_FAILURE] = "failure",
};

static const char *const transport_words[MEFOTA_N_TRANSPORTS] = {
  [MEFOTA_TRANSPORT_USB] = "usb",
  [MEFOTA_TRANSPORT_UART] = "uart",
};

static gboolean
find_word (const char *const *words, guint n_words, const char *word, guint *value)
{
  for (guint i = 0; i < n_words; i++)
    if (g_strcmp0 (words[i], word) == 0)
      {
        *value = i;
        return TRUE;
      }
  return FALSE;
}

#define WORDS(Type, type, N)                                              \
  const char *mefota_##type##_to_word (Type type)                         \
  {                                                                       \
    g_return_val_if_fail ((guint) type < (N), NULL);                      \
    return type##_words[type];                                            \
  }                                                                       \
  gboolean mefota_##type##_from_word (const char *word, Type *type)       \
  {                                                                       \
    guint value;                                                          \
    if (!find_word (type##_words, (N), word, &value))                     \
      return FALSE;                                                       \
    *type = (Type) value;                                                 \
    return TRUE;                                                          \
  }

WORDS (MefotaState, state, MEFOTA_N_STATES)
WORDS (MefotaOperation, operation, MEFOTA_N_OPERATIONS)
WORDS (MefotaResult, result, MEFOTA_N_RESULTS)
WORDS (MefotaTransport, transport, MEFOTA_N_TRANSPORTS)
