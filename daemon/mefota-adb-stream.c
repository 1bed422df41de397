/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-adb-stream.h"

#include <gio/gunixsocketaddress.h>
#include <string.h>

#include "mefota-error.h"
#include "mefota-stall.h"

#define LONGEST_ANSWER 65536

/* ---- the list of devices ---- */

static MefotaAdbState
state_of (const char *rest)
{
  /* The serial number stands before it and may end in anything; "device" alone would be a part of other words. */
  static const struct { const char *word; MefotaAdbState state; } states[] = {
    { " device", MEFOTA_ADB_STATE_DEVICE },
    { " offline", MEFOTA_ADB_STATE_OFFLINE },
    { " connecting", MEFOTA_ADB_STATE_OFFLINE },
    { " unauthorized", MEFOTA_ADB_STATE_UNAUTHORIZED },
    { " authorizing", MEFOTA_ADB_STATE_UNAUTHORIZED },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (states); i++)
    if (g_str_has_suffix (rest, states[i].word))
      return states[i].state;
  return strstr (rest, " no permissions") != NULL ? MEFOTA_ADB_STATE_NO_PERMISSION : MEFOTA_ADB_STATE_OTHER;
}

/* Cuts the last word off; NULL if there is only one left. */
static char *
take_last_word (char *line)
{
  char *blank = strrchr (line, ' ');

  if (blank == NULL)
    return NULL;
  *blank = '\0';
  return blank + 1;
}

/* From the right: everything behind the USB path is adb's own words. */
static MefotaAdbState
read_line (char *line, const char *usb_path, guint64 *transport)
{
  g_autofree char *wanted = g_strconcat ("usb:", usb_path, NULL);
  guint64 number = 0;
  char *word;

  while ((word = take_last_word (line)) != NULL)
    {
      if (g_str_has_prefix (word, "usb:"))
        break;
      if (g_str_has_prefix (word, "transport_id:"))
        number = g_ascii_strtoull (word + strlen ("transport_id:"), NULL, 10);
      else if (!g_str_has_prefix (word, "product:") && !g_str_has_prefix (word, "model:")
               && !g_str_has_prefix (word, "device:") && !g_str_has_prefix (word, "features:"))
        return MEFOTA_ADB_STATE_ABSENT; /* not on USB */
    }
  if (word == NULL || strcmp (word, wanted) != 0)
    return MEFOTA_ADB_STATE_ABSENT;
  *transport = number;
  return state_of (line);
}

MefotaAdbState
mefota_adb_list_find (const char *list, const char *usb_path, guint64 *transport)
{
  g_auto (GStrv) lines = g_strsplit (list, "\n", 0);
  MefotaAdbState state = MEFOTA_ADB_STATE_ABSENT;

  *transport = 0;
  for (gsize i = 0; lines[i] != NULL && state == MEFOTA_ADB_STATE_ABSENT; i++)
    state = read_line (lines[i], usb_path, transport);
  return state;
}

/* ---- opening ---- */

typedef struct
{
  char *requests[2]; /* NULL: none */
  guint next;
  GSocketConnection *connection;
  MefotaStall *stall;
  char head[5];
  char *text;
  gsize text_length;
} Open;

static void
open_free (gpointer data)
{
  Open *self = data;

  g_free (self->requests[0]);
  g_free (self->requests[1]);
  g_free (self->text);
  g_clear_object (&self->connection);
  mefota_stall_free (self->stall);
  g_free (self);
}

static void send_next (GTask *task);

/* Ends @task with a failed read or write, in our words where it was the time. */
static void
return_broken (GTask *task, MefotaStall *stall, GError *error)
{
  if (mefota_stall_has_fired (stall))
    {
      g_clear_error (&error);
      error = g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                           "adb gives no answer; unplug the module or restart it, and try again.");
    }
  else if (error == NULL)
    error = g_error_new (G_IO_ERROR, G_IO_ERROR_CONNECTION_CLOSED, "adb closed the connection");
  g_task_return_error (task, error);
}

static gboolean
take_read (GTask *task, MefotaStall *stall, GObject *source, GAsyncResult *result, gsize wanted)
{
  GError *error = NULL;
  gsize got = 0;

  if (g_input_stream_read_all_finish (G_INPUT_STREAM (source), result, &got, &error) && got == wanted)
    return TRUE;
  return_broken (task, stall, error);
  return FALSE;
}

static void
read_into (GTask *task, void *buffer, gsize length, GAsyncReadyCallback callback)
{
  Open *self = g_task_get_task_data (task);

  g_input_stream_read_all_async (g_io_stream_get_input_stream (G_IO_STREAM (self->connection)), buffer, length,
                                 G_PRIORITY_DEFAULT, mefota_stall_get_cancellable (self->stall), callback,
                                 g_object_ref (task));
}

static void
on_reason (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Open *self = g_task_get_task_data (task);
  g_autofree char *reason = NULL;

  if (!take_read (task, self->stall, source, result, self->text_length))
    return;
  reason = g_utf8_make_valid (self->text, (gssize) self->text_length);
  g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                           "adb refuses: %s; restart the module and try again.", reason);
}

static void
on_reason_length (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Open *self = g_task_get_task_data (task);

  if (!take_read (task, self->stall, source, result, 4))
    return;
  self->text_length = (gsize) g_ascii_strtoull (self->head, NULL, 16);
  self->text = g_malloc0 (self->text_length + 1);
  read_into (task, self->text, self->text_length, on_reason);
}

static void
on_status (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Open *self = g_task_get_task_data (task);

  if (!take_read (task, self->stall, source, result, 4))
    return;
  if (strcmp (self->head, "OKAY") == 0)
    send_next (task);
  else if (strcmp (self->head, "FAIL") == 0)
    read_into (task, self->head, 4, on_reason_length);
  else
    g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED,
                             "What listens on adb's socket is not adb; end that program and try again.");
}

static void
on_sent (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Open *self = g_task_get_task_data (task);
  GError *error = NULL;

  if (g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, &error))
    read_into (task, self->head, 4, on_status);
  else
    return_broken (task, self->stall, error);
}

static void
send_next (GTask *task)
{
  Open *self = g_task_get_task_data (task);
  const char *request = self->next < G_N_ELEMENTS (self->requests) ? self->requests[self->next] : NULL;

  self->next++;
  if (request == NULL)
    {
      g_task_return_pointer (task, g_object_ref (self->connection), g_object_unref);
      return;
    }
  g_output_stream_write_all_async (g_io_stream_get_output_stream (G_IO_STREAM (self->connection)), request,
                                   strlen (request), G_PRIORITY_DEFAULT, mefota_stall_get_cancellable (self->stall),
                                   on_sent, g_object_ref (task));
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Open *self = g_task_get_task_data (task);
  GError *error = NULL;

  self->connection = g_socket_client_connect_finish (G_SOCKET_CLIENT (source), result, &error);
  if (self->connection == NULL)
    return_broken (task, self->stall, error);
  else
    send_next (task);
}

static char *
make_request (const char *word)
{
  return g_strdup_printf ("%04x%s", (guint) strlen (word), word);
}

void
mefota_adb_stream_open_async (const char *socket_path, guint64 transport, const char *service, guint timeout_ms,
                              GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  g_autoptr (GSocketClient) client = g_socket_client_new ();
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (socket_path);
  g_autofree char *choice = g_strdup_printf ("host:transport-id:%" G_GUINT64_FORMAT, transport);
  Open *self = g_new0 (Open, 1);

  g_task_set_source_tag (task, mefota_adb_stream_open_async);
  if (transport != 0)
    {
      self->requests[0] = make_request (choice);
      self->requests[1] = make_request (service);
    }
  else
    self->requests[0] = make_request (service);
  self->stall = mefota_stall_new (cancellable, timeout_ms);
  g_task_set_task_data (task, self, open_free);
  g_socket_client_set_enable_proxy (client, FALSE);
  g_socket_client_connect_async (client, G_SOCKET_CONNECTABLE (address), mefota_stall_get_cancellable (self->stall),
                                 on_connected, g_object_ref (task));
}

GIOStream *
mefota_adb_stream_open_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- asking ---- */

typedef struct
{
  gboolean framed;
  GIOStream *stream;
  MefotaStall *stall;
  char *text;
} Query;

static void
query_free (gpointer data)
{
  Query *self = data;

  g_clear_object (&self->stream);
  mefota_stall_free (self->stall);
  g_free (self->text);
  g_free (self);
}

static void
on_answer (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Query *self = g_task_get_task_data (task);
  GError *error = NULL;
  gsize got = 0;

  if (!g_input_stream_read_all_finish (G_INPUT_STREAM (source), result, &got, &error))
    return_broken (task, self->stall, error);
  else if (self->framed && got < 4)
    return_broken (task, self->stall, NULL);
  else
    {
      g_autofree char *text = g_utf8_make_valid (self->text, (gssize) got);
      g_task_return_pointer (task, g_strdup (self->framed ? text + 4 : text), g_free);
    }
}

static void
on_query_open (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Query *self = g_task_get_task_data (task);
  GError *error = NULL;

  self->stream = mefota_adb_stream_open_finish (result, &error);
  if (self->stream == NULL)
    {
      g_task_return_error (task, error);
      return;
    }
  self->text = g_malloc0 (LONGEST_ANSWER);
  g_input_stream_read_all_async (g_io_stream_get_input_stream (self->stream), self->text, LONGEST_ANSWER,
                                 G_PRIORITY_DEFAULT, mefota_stall_get_cancellable (self->stall), on_answer,
                                 g_object_ref (task));
}

void
mefota_adb_stream_query_async (const char *socket_path, guint64 transport, const char *service, guint timeout_ms,
                               GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (NULL, cancellable, callback, user_data);
  Query *self = g_new0 (Query, 1);

  g_task_set_source_tag (task, mefota_adb_stream_query_async);
  self->framed = g_str_has_prefix (service, "host:");
  self->stall = mefota_stall_new (cancellable, timeout_ms);
  g_task_set_task_data (task, self, query_free);
  mefota_adb_stream_open_async (socket_path, transport, service, timeout_ms, cancellable, on_query_open,
                                g_object_ref (task));
}

char *
mefota_adb_stream_query_finish (GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
