/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "bus-relay.h"

#include <gio/gunixsocketaddress.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

/* One direction. */
typedef struct
{
  GSocket *from, *to;
} Pump;

static void
pump_free (gpointer data)
{
  Pump *self = data;
  g_object_unref (self->from);
  g_object_unref (self->to);
  g_free (self);
}

/* Bytes, and the descriptors that came with them. */
static gboolean
on_readable (GSocket *socket, GIOCondition condition, gpointer data)
{
  Pump *self = data;
  guint8 bytes[4096], control[CMSG_SPACE (16 * sizeof (int))] __attribute__ ((aligned (8)));
  struct iovec vector = { bytes, sizeof bytes };
  struct msghdr message = { .msg_iov = &vector, .msg_iovlen = 1, .msg_control = control,
                           .msg_controllen = sizeof control };
  gssize n = recvmsg (g_socket_get_fd (self->from), &message, MSG_CMSG_CLOEXEC);

  if (n <= 0)
    {
      g_socket_shutdown (self->to, FALSE, TRUE, NULL);
      return G_SOURCE_REMOVE;
    }
  vector.iov_len = (gsize) n;
  if (sendmsg (g_socket_get_fd (self->to), &message, MSG_NOSIGNAL) < 0)
    g_socket_shutdown (self->from, TRUE, FALSE, NULL);
  for (struct cmsghdr *c = CMSG_FIRSTHDR (&message); c != NULL; c = CMSG_NXTHDR (&message, c))
    for (gsize i = 0; c->cmsg_type == SCM_RIGHTS && i < (c->cmsg_len - CMSG_LEN (0)) / sizeof (int); i++)
      {
        int fd;
        memcpy (&fd, CMSG_DATA (c) + i * sizeof fd, sizeof fd);
        close (fd);
      }
  return G_SOURCE_CONTINUE;
}

static void
pump (BusRelay *self, GSocket *from, GSocket *to)
{
  GSource *source = g_socket_create_source (from, G_IO_IN, NULL);
  Pump *data = g_new0 (Pump, 1);

  data->from = g_object_ref (from);
  data->to = g_object_ref (to);
  g_socket_set_blocking (to, TRUE); /* so that all of it is taken at once */
  g_source_set_callback (source, G_SOURCE_FUNC (on_readable), data, pump_free);
  g_source_attach (source, NULL);
  g_ptr_array_add (self->pumps, source);
}

static gboolean
on_incoming (GSocket *socket, GIOCondition condition, gpointer data)
{
  BusRelay *self = data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GSocket) accepted = g_socket_accept (socket, NULL, &error);
  g_autoptr (GIOStream) bus
      = g_dbus_address_get_stream_sync (g_test_dbus_get_bus_address (self->f->bus), NULL, NULL, &error);

  g_assert_no_error (error);
  pump (self, accepted, g_socket_connection_get_socket (G_SOCKET_CONNECTION (bus)));
  pump (self, g_socket_connection_get_socket (G_SOCKET_CONNECTION (bus)), accepted);
  g_ptr_array_add (self->streams, g_object_ref (bus));
  g_ptr_array_add (self->streams, g_object_ref (accepted));
  return G_SOURCE_CONTINUE;
}

void
bus_relay_open (BusRelay *self)
{
  g_autoptr (GSocketAddress) address = g_unix_socket_address_new (self->path);
  g_autoptr (GError) error = NULL;

  self->socket = g_socket_new (G_SOCKET_FAMILY_UNIX, G_SOCKET_TYPE_STREAM, G_SOCKET_PROTOCOL_DEFAULT, &error);
  g_assert_no_error (error);
  g_socket_bind (self->socket, address, TRUE, &error);
  g_assert_no_error (error);
  g_socket_listen (self->socket, &error);
  g_assert_no_error (error);
  self->source = g_socket_create_source (self->socket, G_IO_IN, NULL);
  g_source_set_callback (self->source, G_SOURCE_FUNC (on_incoming), self, NULL);
  g_source_attach (self->source, NULL);
}

void
bus_relay_cut (BusRelay *self)
{
  if (self->source == NULL)
    return;
  g_source_destroy (self->source);
  g_clear_pointer (&self->source, g_source_unref);
  g_socket_close (self->socket, NULL);
  g_clear_object (&self->socket);
  g_unlink (self->path);
  g_ptr_array_set_size (self->pumps, 0);
  for (guint i = 0; i < self->streams->len; i++)
    {
      gpointer end = g_ptr_array_index (self->streams, i);
      g_socket_shutdown (G_IS_SOCKET (end) ? end : g_socket_connection_get_socket (end), TRUE, TRUE, NULL);
    }
  g_ptr_array_set_size (self->streams, 0);
}

static void
pump_end (gpointer source)
{
  g_source_destroy (source);
  g_source_unref (source);
}

BusRelay *
bus_relay_new (DaemonFixture *fixture)
{
  BusRelay *self = g_new0 (BusRelay, 1);

  self->f = fixture;
  self->path = daemon_path (fixture, "bus");
  self->streams = g_ptr_array_new_with_free_func (g_object_unref);
  self->pumps = g_ptr_array_new_with_free_func (pump_end);
  fixture->address = g_strconcat ("unix:path=", self->path, NULL);
  bus_relay_open (self);
  return self;
}

void
bus_relay_free (BusRelay *self)
{
  bus_relay_cut (self);
  g_ptr_array_unref (self->pumps);
  g_ptr_array_unref (self->streams);
  g_free (self->path);
  g_free (self);
}
