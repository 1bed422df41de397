/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

#include "mefota-at-channel.h"

G_BEGIN_DECLS

/* One item of contract 2.5. */
typedef struct
{
  char *name; /* sim, registered, network, idle, power */
  gboolean ok;
  char *detail; /* what was found, and what to do where it is not ok */
} MefotaReadinessItem;

void mefota_readiness_item_free (MefotaReadinessItem *item);
MefotaReadinessItem *mefota_readiness_item_new (const char *name, gboolean ok, const char *detail);

/* Pure: the items from the answers (each NULL if the module gave none): AT+CPIN?, AT+CEREG?, AT+CREG?, AT+ZPAS?,
 * AT+COPS?. An answer is its information line, or the module's error words. Values: module-facts of the family (2G is
 * not ok). */
MefotaReadinessItem *mefota_readiness_judge_sim (const char *cpin);
MefotaReadinessItem *mefota_readiness_judge_registered (const char *cereg, const char *creg);
MefotaReadinessItem *mefota_readiness_judge_network (const char *zpas, const char *cops);
/* Whether the answer to AT+ZPAS? tells the network by itself; AT+COPS? needs to be asked only where it doesn't. */
gboolean mefota_readiness_network_decided (const char *zpas);

/* Asks the module. Returns sim, registered, network (GPtrArray of MefotaReadinessItem, with free function). A module
 * that answers ERROR or not at all makes an item that is not ok; fails only on hang-up (NOT_PRESENT) or
 * cancellation. One @silent for two commands is asked no more. */
void mefota_readiness_ask_async (MefotaAtChannel *channel, guint timeout_ms, GCancellable *cancellable,
                                 GAsyncReadyCallback callback, gpointer user_data);
GPtrArray *mefota_readiness_ask_finish (GAsyncResult *result, gboolean *silent, GError **error);

/* On battery, a charge below this many percent is not ok: installing takes minutes and must not lose power (guide
 * 5). */
#define MEFOTA_READINESS_BATTERY_MIN 30

/* The item `power` from UPower (org.freedesktop.UPower OnBattery, IsPresent, Percentage); completes with NULL, without
 * an error, where there is no battery or no UPower. Never starts UPower. Fails only on cancellation. */
void mefota_readiness_power_async (GDBusConnection *bus, GCancellable *cancellable, GAsyncReadyCallback callback,
                                   gpointer user_data);
MefotaReadinessItem *mefota_readiness_power_finish (GAsyncResult *result, GError **error);

G_END_DECLS
