/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-readiness.h"

#include <string.h>

#include "mefota-error.h"

/* UPower answers from memory; whoever takes longer than this many milliseconds counts as absent. */
#define UPOWER_TIMEOUT 5000

#define UPOWER_NAME "org.freedesktop.UPower"
#define UPOWER_PATH "/org/freedesktop/UPower"
#define UPOWER_DISPLAY_DEVICE UPOWER_PATH "/devices/DisplayDevice"

/* ---- the module ---- */

typedef enum
{
  ASK_CPIN,
  ASK_CEREG,
  ASK_CREG,
  ASK_ZPAS,
  ASK_COPS,
  N_ASKS,
} AskStep;

static const struct
{
  const char *command;
  const char *prefix;
} asks[N_ASKS] = {
  [ASK_CPIN] = { "AT+CPIN?", "+CPIN:" },   [ASK_CEREG] = { "AT+CEREG?", "+CEREG:" },
  [ASK_CREG] = { "AT+CREG?", "+CREG:" },   [ASK_ZPAS] = { "AT+ZPAS?", "+ZPAS:" },
  [ASK_COPS] = { "AT+COPS?", "+COPS:" },
};

typedef struct
{
  guint timeout_ms;
  guint step;
  gboolean silent;   /* the module let the last command time out */
  gboolean given_up; /* and the one before it */
  char *answers[N_ASKS];

  /* Of the command in flight. After a timeout the channel calls a silent module without end before it sends the next
   * command: so that one also gets a deadline from here. */
  GCancellable *cancellable;
  gulong cancelled_id;
  guint deadline_id;
  gboolean expired;
} Ask;

static void ask_next (GTask *task);

static void
ask_step_clear (Ask *ask, GCancellable *outer)
{
  g_clear_handle_id (&ask->deadline_id, g_source_remove);
  /* Not g_cancellable_disconnect(): the answer may come from within the cancellation, where that waits for ever. */
  if (ask->cancelled_id != 0)
    g_signal_handler_disconnect (outer, ask->cancelled_id);
  ask->cancelled_id = 0;
  g_clear_object (&ask->cancellable);
}

static void
ask_free (Ask *ask)
{
  for (guint i = 0; i < N_ASKS; i++)
    g_free (ask->answers[i]);
  g_free (ask);
}

/* With @prefix as it should be, whatever blanks a module puts before its colon. */
static char *
pick_answer (char **lines, const char *prefix)
{
  gsize name = strlen (prefix) - strlen (":");

  for (guint i = 0; lines != NULL && lines[i] != NULL; i++)
    {
      const char *colon = lines[i];
      if (g_ascii_strncasecmp (lines[i], prefix, name) != 0)
        continue;
      colon += name + strspn (lines[i] + name, " \t");
      if (*colon == ':')
        return g_strconcat (prefix, colon + 1, NULL);
    }
  return NULL;
}

/* The channel's message is a sentence about the command; the judgements make their own of the words it quotes. */
static char *
pick_words (const char *message)
{
  static const char open[] = "“";
  const char *start = strstr (message, open);
  const char *end;

  if (start == NULL)
    return g_strdup (message);

  start += strlen (open);
  end = strstr (start, "”");

  return end != NULL ? g_strndup (start, (gsize) (end - start)) : g_strdup (start);
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  Ask *ask = g_task_get_task_data (task);
  gboolean silent;
  g_auto (GStrv) lines = mefota_at_channel_send_finish ((MefotaAtChannel *) source, result, &error);

  ask_step_clear (ask, g_task_get_cancellable (task));
  if (g_task_return_error_if_cancelled (task))
    return;

  silent = ask->expired || g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_TIMEOUT);
  if (error == NULL)
    ask->answers[ask->step] = pick_answer (lines, asks[ask->step].prefix);
  else if (g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR))
    ask->answers[ask->step] = pick_words (error->message);
  else if (!silent)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }

  /* Silent for two commands: what is left would only cost as long again. */
  ask->given_up = silent && ask->silent;
  ask->silent = silent;
  ask->step = ask->given_up ? N_ASKS : ask->step + 1;
  ask_next (task);
}

static void
on_outer_cancelled (GCancellable *outer, gpointer user_data)
{
  g_cancellable_cancel (user_data);
}

static gboolean
on_deadline (gpointer user_data)
{
  Ask *ask = user_data;

  ask->deadline_id = 0;
  ask->expired = TRUE;
  g_cancellable_cancel (ask->cancellable);

  return G_SOURCE_REMOVE;
}

static void
ask_finish_items (GTask *task)
{
  Ask *ask = g_task_get_task_data (task);
  GPtrArray *items = g_ptr_array_new_with_free_func ((GDestroyNotify) mefota_readiness_item_free);

  g_ptr_array_add (items, mefota_readiness_judge_sim (ask->answers[ASK_CPIN]));
  g_ptr_array_add (items, mefota_readiness_judge_registered (ask->answers[ASK_CEREG], ask->answers[ASK_CREG]));
  g_ptr_array_add (items, mefota_readiness_judge_network (ask->answers[ASK_ZPAS], ask->answers[ASK_COPS]));
  g_task_return_pointer (task, items, (GDestroyNotify) g_ptr_array_unref);
}

static void
ask_next (GTask *task)
{
  Ask *ask = g_task_get_task_data (task);
  GCancellable *outer = g_task_get_cancellable (task);

  if (ask->step == N_ASKS
      || (ask->step == ASK_COPS && mefota_readiness_network_decided (ask->answers[ASK_ZPAS])))
    {
      ask_finish_items (task);
      return;
    }

  ask->cancellable = g_cancellable_new ();
  if (outer != NULL)
    ask->cancelled_id = g_cancellable_connect (outer, G_CALLBACK (on_outer_cancelled), ask->cancellable, NULL);
  if (ask->silent)
    ask->deadline_id = g_timeout_add (ask->timeout_ms, on_deadline, ask);

  mefota_at_channel_send_async (g_task_get_source_object (task), asks[ask->step].command, NULL, ask->timeout_ms,
                                ask->cancellable, on_answer, g_object_ref (task));
}

void
mefota_readiness_ask_async (MefotaAtChannel *channel, guint timeout_ms, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (channel, cancellable, callback, user_data);
  Ask *ask = g_new0 (Ask, 1);

  ask->timeout_ms = timeout_ms;
  g_task_set_source_tag (task, mefota_readiness_ask_async);
  g_task_set_task_data (task, ask, (GDestroyNotify) ask_free);
  ask_next (task);
}

GPtrArray *
mefota_readiness_ask_finish (GAsyncResult *result, gboolean *silent, GError **error)
{
  const Ask *ask;
  g_return_val_if_fail (g_async_result_is_tagged (result, mefota_readiness_ask_async), NULL);

  ask = g_task_get_task_data (G_TASK (result));
  *silent = ask->given_up;

  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- UPower ---- */

typedef struct
{
  gboolean on_battery;
} Power;

static void
get_properties (GDBusConnection *bus, const char *path, const char *interface, GAsyncReadyCallback callback,
                GTask *task)
{
  g_dbus_connection_call (bus, UPOWER_NAME, path, "org.freedesktop.DBus.Properties", "GetAll",
                          g_variant_new ("(s)", interface), G_VARIANT_TYPE ("(a{sv})"), G_DBUS_CALL_FLAGS_NO_AUTO_START,
                          UPOWER_TIMEOUT, g_task_get_cancellable (task), callback, g_object_ref (task));
}

/* The properties, or NULL with @task completed: no UPower is no error. */
static GVariant *
get_properties_finish (GObject *bus, GAsyncResult *result, GTask *task)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (bus), result, &error);

  if (g_task_return_error_if_cancelled (task))
    return NULL;
  if (reply == NULL)
    {
      g_debug ("No word about the battery from UPower: %s", error->message);
      g_task_return_pointer (task, NULL, NULL);
      return NULL;
    }

  return g_variant_get_child_value (reply, 0);
}

static void
on_display_device (GObject *bus, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GVariant) properties = get_properties_finish (bus, result, task);
  g_autofree char *detail = NULL;
  Power *power = g_task_get_task_data (task);
  gboolean present = FALSE;
  gboolean ok;
  double percentage;
  guint percent;

  if (properties == NULL)
    return;

  if (!g_variant_lookup (properties, "IsPresent", "b", &present) || !present
      || !g_variant_lookup (properties, "Percentage", "d", &percentage))
    {
      g_task_return_pointer (task, NULL, NULL);
      return;
    }

  /* Cut, not rounded: "only 30 %" would be no reason. */
  percent = percentage >= 0 ? (guint) MIN (percentage, 100) : 0;
  ok = !power->on_battery || percent >= MEFOTA_READINESS_BATTERY_MIN;

  if (!power->on_battery)
    detail = g_strdup_printf ("The host runs on mains power; its battery holds %u %%.", percent);
  else if (ok)
    detail = g_strdup_printf ("The host runs on its battery, which holds %u %%.", percent);
  else
    detail = g_strdup_printf ("The host runs on its battery, which holds only %u %%: connect it to mains power, or "
                              "charge it to %d %% at least.", percent, MEFOTA_READINESS_BATTERY_MIN);

  g_task_return_pointer (task, mefota_readiness_item_new ("power", ok, detail),
                         (GDestroyNotify) mefota_readiness_item_free);
}

static void
on_upower (GObject *bus, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GVariant) properties = get_properties_finish (bus, result, task);
  Power *power = g_task_get_task_data (task);

  if (properties == NULL)
    return;

  if (!g_variant_lookup (properties, "OnBattery", "b", &power->on_battery))
    {
      g_task_return_pointer (task, NULL, NULL);
      return;
    }

  get_properties (G_DBUS_CONNECTION (bus), UPOWER_DISPLAY_DEVICE, UPOWER_NAME ".Device", on_display_device, task);
}

void
mefota_readiness_power_async (GDBusConnection *bus, GCancellable *cancellable, GAsyncReadyCallback callback,
                              gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (bus, cancellable, callback, user_data);

  g_task_set_source_tag (task, mefota_readiness_power_async);
  g_task_set_task_data (task, g_new0 (Power, 1), g_free);
  get_properties (bus, UPOWER_PATH, UPOWER_NAME, on_upower, task);
}

MefotaReadinessItem *
mefota_readiness_power_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_async_result_is_tagged (result, mefota_readiness_power_async), NULL);

  return g_task_propagate_pointer (G_TASK (result), error);
}
