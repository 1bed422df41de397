/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

#define MEFOTA_BUS_NAME "org.gosuncn.Fota"
#define MEFOTA_OBJECT_ROOT "/org/gosuncn/Fota"
#define MEFOTA_MODULE_PREFIX MEFOTA_OBJECT_ROOT "/module/"
#define MEFOTA_IFACE_MODULE "org.gosuncn.Fota"
#define MEFOTA_IFACE_MANAGER "org.gosuncn.Fota.Manager"

/* Property State: see the XML for the transitions. */
typedef enum
{
  MEFOTA_STATE_ABSENT,
  MEFOTA_STATE_PROBING,
  MEFOTA_STATE_IDLE,
  MEFOTA_STATE_QUEUED,
  MEFOTA_STATE_STARTING,
  MEFOTA_STATE_CONFIRMING,
  MEFOTA_STATE_DOWNLOADING,
  MEFOTA_STATE_TRANSFERRING,
  MEFOTA_STATE_VERIFYING,
  MEFOTA_STATE_UPDATING,
  MEFOTA_STATE_REBOOTING,
  MEFOTA_STATE_CHECKING,
} MefotaState;
#define MEFOTA_N_STATES (MEFOTA_STATE_CHECKING + 1)

typedef enum
{
  MEFOTA_OPERATION_NONE,
  MEFOTA_OPERATION_NETWORK,
  MEFOTA_OPERATION_POLLED,
  MEFOTA_OPERATION_SERIAL,
  MEFOTA_OPERATION_ADB,
} MefotaOperation;
#define MEFOTA_N_OPERATIONS (MEFOTA_OPERATION_ADB + 1)

typedef enum
{
  MEFOTA_RESULT_NONE,
  MEFOTA_RESULT_SUCCESS,
  MEFOTA_RESULT_FAILURE,
} MefotaResult;
#define MEFOTA_N_RESULTS (MEFOTA_RESULT_FAILURE + 1)

typedef enum
{
  MEFOTA_TRANSPORT_USB,
  MEFOTA_TRANSPORT_UART,
} MefotaTransport;
#define MEFOTA_N_TRANSPORTS (MEFOTA_TRANSPORT_UART + 1)

/* The words on the bus, in the store and in the journal. The _from_word functions return FALSE for an unknown word. */
const char *mefota_state_to_word (MefotaState state);
gboolean mefota_state_from_word (const char *word, MefotaState *state);
const char *mefota_operation_to_word (MefotaOperation operation);
gboolean mefota_operation_from_word (const char *word, MefotaOperation *operation);
const char *mefota_result_to_word (MefotaResult result);
gboolean mefota_result_from_word (const char *word, MefotaResult *result);
const char *mefota_transport_to_word (MefotaTransport transport);
gboolean mefota_transport_from_word (const char *word, MefotaTransport *transport);

G_END_DECLS
