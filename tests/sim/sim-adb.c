/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-adb-service.h"

#include <string.h>

/* adb's packets over TCP: six little-endian words (command, two arguments, length, sum and complement) and data. The
 * module speaks the first version, in which every packet has a sum, and takes 4 KiB at a time, as daemons of its years
 * do. */

#define VERSION 0x01000000
#define MAX_DATA 4096
#define HEADER 24
#define LARGEST (1024 * 1024)

#define WORD(a, b, c, d) ((guint32) (a) | (guint32) (b) << 8 | (guint32) (c) << 16 | (guint32) (d) << 24)
#define A_CNXN WORD ('C', 'N', 'X', 'N')
#define A_AUTH WORD ('A', 'U', 'T', 'H')
#define A_OPEN WORD ('O', 'P', 'E', 'N')
#define A_OKAY WORD ('O', 'K', 'A', 'Y')
#define A_WRTE WORD ('W', 'R', 'T', 'E')
#define A_CLSE WORD ('C', 'L', 'S', 'E')

#define BANNER "device::ro.product.name=mdm9607;ro.product.model=ME3630;ro.product.device=mdm9607;"

typedef struct
{
  SimAdb *adb;
  GSocketConnection *connection;
  GCancellable *cancellable;
  GByteArray *in;
  GByteArray *out;     /* being written */
  GByteArray *pending; /* next */
  GHashTable *streams; /* our id → Stream */
  guint32 next_id;
} Connection;

typedef struct
{
  Connection *connection;
  guint32 id, peer;
  SimAdbService *service;
  gboolean waiting; /* for OKAY to what was written */
  guint unacknowledged;
  guint okay_source;
} Stream;

struct _SimAdb
{
  MefotaSim *sim;
  SimAdbFiles *files;
  GSocketService *service;
  guint16 port; /* stays the same once it was chosen */
  GPtrArray *connections;
};

static void read_more (Connection *self);

/* ---- out ---- */

static void write_pending (Connection *self);

static void
close_connection (Connection *self)
{
  g_cancellable_cancel (self->cancellable);
  g_io_stream_close (G_IO_STREAM (self->connection), NULL, NULL);
  g_hash_table_remove_all (self->streams);
  g_ptr_array_remove_fast (self->adb->connections, self);
}

static void
on_written (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;

  g_output_stream_write_all_finish (G_OUTPUT_STREAM (source), result, NULL, &error);
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (error != NULL)
    close_connection (data);
  else
    {
      Connection *self = data;
      g_byte_array_set_size (self->out, 0);
      write_pending (self);
    }
}

static void
write_pending (Connection *self)
{
  GByteArray *spare = self->out;

  if (self->out->len > 0 || self->pending->len == 0)
    return;
  self->out = self->pending;
  self->pending = spare;
  g_output_stream_write_all_async (g_io_stream_get_output_stream (G_IO_STREAM (self->connection)), self->out->data,
                                   self->out->len, G_PRIORITY_DEFAULT, self->cancellable, on_written, self);
}

static void
send_packet (Connection *self, guint32 command, guint32 arg0, guint32 arg1, const void *bytes, guint length)
{
  const guint8 *data = bytes;
  guint32 sum = 0;

  for (guint i = 0; i < length; i++)
    sum += data[i];
  sim_adb_put32 (self->pending, command);
  sim_adb_put32 (self->pending, arg0);
  sim_adb_put32 (self->pending, arg1);
  sim_adb_put32 (self->pending, length);
  sim_adb_put32 (self->pending, sum);
  sim_adb_put32 (self->pending, command ^ 0xffffffff);
  if (length > 0)
    g_byte_array_append (self->pending, data, length);
  write_pending (self);
}

/* ---- streams ---- */

static void
stream_free (gpointer data)
{
  Stream *self = data;

  sim_clear_source (&self->okay_source);
  sim_adb_service_free (self->service);
  g_free (self);
}

/* One packet at a time, until it was taken. */
static void
pump (Stream *self)
{
  SimAdbService *service = self->service;
  guint length;

  if (self->waiting)
    return;
  if (service->out->len == 0 && service->refill != NULL)
    service->refill (service);
  length = MIN (service->out->len, MAX_DATA);
  if (length > 0)
    {
      send_packet (self->connection, A_WRTE, self->id, self->peer, service->out->data, length);
      g_byte_array_remove_range (service->out, 0, length);
      self->waiting = TRUE;
    }
  else if (service->done)
    {
      send_packet (self->connection, A_CLSE, self->id, self->peer, NULL, 0);
      g_hash_table_remove (self->connection->streams, GUINT_TO_POINTER (self->id));
    }
}

static void
open_stream (Connection *self, guint32 peer, const char *name)
{
  SimAdbService *service = NULL;
  Stream *stream;

  if (self->adb->sim->settings->adb_refuse != SIM_ADB_STREAMS)
    service = sim_adb_service_open (self->adb->files, name);
  if (service == NULL)
    {
      send_packet (self, A_CLSE, 0, peer, NULL, 0);
      return;
    }
  stream = g_new0 (Stream, 1);
  stream->connection = self;
  stream->id = ++self->next_id;
  stream->peer = peer;
  stream->service = service;
  g_hash_table_insert (self->streams, GUINT_TO_POINTER (stream->id), stream);
  send_packet (self, A_OKAY, stream->id, peer, NULL, 0);
  pump (stream);
}

static gboolean
on_okay_due (gpointer data)
{
  Stream *self = data;

  self->okay_source = 0;
  for (; self->unacknowledged > 0; self->unacknowledged--)
    send_packet (self->connection, A_OKAY, self->id, self->peer, NULL, 0);
  pump (self);
  return G_SOURCE_REMOVE;
}

/* FALSE: the connection is gone. */
static gboolean
take_write (Stream *self, const guint8 *bytes, guint length)
{
  MefotaSim *sim = self->connection->adb->sim;
  guint pace = sim->settings->adb_pace;

  switch (sim_adb_service_feed (self->service, bytes, length))
    {
    case SIM_ADB_GO:
      self->unacknowledged++; /* the first two may come together, right after the opening */
      if (pace == 0)
        on_okay_due (self);
      else if (self->okay_source == 0)
        self->okay_source = g_timeout_add (MAX (1000 * length / pace, 1), on_okay_due, self);
      return TRUE;
    case SIM_ADB_STALL:
      return TRUE;
    case SIM_ADB_VANISH:
      sim_hangup (sim, FALSE);
      return FALSE;
    case SIM_ADB_CUT:
    default:
      close_connection (self->connection);
      return FALSE;
    }
}

/* ---- in ---- */

static void
take_connect (Connection *self)
{
  static const guint8 token[20] = "not good enough";

  switch (self->adb->sim->settings->adb_refuse)
    {
    case SIM_ADB_SILENT:
      break;
    case SIM_ADB_AUTH:
      send_packet (self, A_AUTH, 1, 0, token, sizeof token);
      break;
    default:
      send_packet (self, A_CNXN, VERSION, MAX_DATA, BANNER, strlen (BANNER) + 1);
    }
}

static gboolean
take_packet (Connection *self, guint32 command, guint32 arg0, guint32 arg1, const guint8 *bytes, guint length)
{
  Stream *stream = g_hash_table_lookup (self->streams, GUINT_TO_POINTER (arg1));
  g_autofree char *name = NULL;

  if (command == A_CNXN || command == A_AUTH)
    take_connect (self);
  else if (command == A_OPEN)
    {
      name = g_strndup ((const char *) bytes, length);
      open_stream (self, arg0, name);
    }
  else if (stream != NULL && command == A_WRTE)
    return take_write (stream, bytes, length);
  else if (stream != NULL && command == A_OKAY)
    {
      stream->waiting = FALSE;
      pump (stream);
    }
  else if (stream != NULL && command == A_CLSE)
    {
      send_packet (self, A_CLSE, stream->id, arg0, NULL, 0);
      g_hash_table_remove (self->streams, GUINT_TO_POINTER (arg1));
    }
  return TRUE;
}

/* FALSE: the connection is gone. */
static gboolean
take_packets (Connection *self)
{
  while (self->in->len >= HEADER)
    {
      const guint8 *h = self->in->data;
      guint32 length = sim_adb_get32 (h + 12);

      if (length > LARGEST || sim_adb_get32 (h) != (sim_adb_get32 (h + 20) ^ 0xffffffff))
        {
          close_connection (self);
          return FALSE;
        }
      if (self->in->len < HEADER + length)
        return TRUE;
      if (!take_packet (self, sim_adb_get32 (h), sim_adb_get32 (h + 4), sim_adb_get32 (h + 8), h + HEADER, length))
        return FALSE;
      g_byte_array_remove_range (self->in, 0, HEADER + length);
    }
  return TRUE;
}

static void
on_read (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GBytes) bytes = g_input_stream_read_bytes_finish (G_INPUT_STREAM (source), result, &error);
  Connection *self = data;

  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;
  if (bytes == NULL || g_bytes_get_size (bytes) == 0)
    {
      close_connection (self);
      return;
    }
  g_byte_array_append (self->in, g_bytes_get_data (bytes, NULL), (guint) g_bytes_get_size (bytes));
  if (take_packets (self))
    read_more (self);
}

static void
read_more (Connection *self)
{
  g_input_stream_read_bytes_async (g_io_stream_get_input_stream (G_IO_STREAM (self->connection)), 65536,
                                   G_PRIORITY_DEFAULT, self->cancellable, on_read, self);
}

/* ---- connections ---- */

static void
connection_free (gpointer data)
{
  Connection *self = data;

  g_hash_table_unref (self->streams);
  g_byte_array_unref (self->in);
  g_byte_array_unref (self->out);
  g_byte_array_unref (self->pending);
  g_object_unref (self->connection);
  g_object_unref (self->cancellable);
  g_free (self);
}

static gboolean
on_incoming (GSocketService *service, GSocketConnection *connection, GObject *source, gpointer data)
{
  SimAdb *adb = data;
  Connection *self = g_new0 (Connection, 1);

  self->adb = adb;
  self->connection = g_object_ref (connection);
  self->cancellable = g_cancellable_new ();
  self->in = g_byte_array_new ();
  self->out = g_byte_array_new ();
  self->pending = g_byte_array_new ();
  self->streams = g_hash_table_new_full (NULL, NULL, NULL, stream_free);
  g_ptr_array_add (adb->connections, self);
  read_more (self);
  return TRUE;
}

static void
stop_listening (SimAdb *self)
{
  if (self->service == NULL)
    return;
  g_socket_service_stop (self->service);
  g_socket_listener_close (G_SOCKET_LISTENER (self->service));
  g_clear_object (&self->service);
  while (self->connections->len > 0)
    close_connection (g_ptr_array_index (self->connections, 0));
  sim_event (self->sim, "adb-closed");
}

static void
start_listening (SimAdb *self)
{
  g_autoptr (GInetAddress) loopback = g_inet_address_new_loopback (G_SOCKET_FAMILY_IPV4);
  g_autoptr (GSocketAddress) wanted = NULL;
  g_autoptr (GSocketAddress) got = NULL;
  g_autoptr (GError) error = NULL;
  const char *port = self->sim->settings->adb_port;

  if (self->port == 0 && !g_str_equal (port, "any"))
    self->port = (guint16) g_ascii_strtoull (port, NULL, 10);
  wanted = g_inet_socket_address_new (loopback, self->port);
  self->service = g_socket_service_new ();
  if (!g_socket_listener_add_address (G_SOCKET_LISTENER (self->service), wanted, G_SOCKET_TYPE_STREAM,
                                      G_SOCKET_PROTOCOL_TCP, NULL, &got, &error))
    {
      sim_event (self->sim, "error %s", error->message);
      g_clear_object (&self->service);
      return;
    }
  self->port = g_inet_socket_address_get_port (G_INET_SOCKET_ADDRESS (got));
  g_signal_connect (self->service, "incoming", G_CALLBACK (on_incoming), self);
  g_socket_service_start (self->service);
  sim_event (self->sim, "adb-port %u", self->port);
}

void
sim_adb_update (SimAdb *self)
{
  MefotaSim *sim = self->sim;
  gboolean wanted = sim->adb && sim->settings->adb_port[0] != '\0' && sim->power == SIM_POWER_UP && !sim->away;

  if (wanted && self->service == NULL)
    start_listening (self);
  else if (!wanted)
    stop_listening (self);
}

guint
sim_adb_get_port (SimAdb *self)
{
  return self->port;
}

SimAdb *
sim_adb_new (MefotaSim *sim)
{
  SimAdb *self = g_new0 (SimAdb, 1);

  self->sim = sim;
  self->files = sim_adb_files_new (sim);
  self->connections = g_ptr_array_new_with_free_func (connection_free);
  return self;
}

void
sim_adb_free (SimAdb *self)
{
  stop_listening (self);
  g_ptr_array_unref (self->connections);
  sim_adb_files_free (self->files);
  g_free (self);
}
