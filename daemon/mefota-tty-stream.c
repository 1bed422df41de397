/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-tty-stream.h"

#include <errno.h>
#include <gio/gunixinputstream.h>
#include <gio/gunixoutputstream.h>
#include <unistd.h>

typedef struct
{
  GUnixInputStream parent;
} MefotaTtyInput;

typedef struct
{
  GUnixInputStreamClass parent;
} MefotaTtyInputClass;

typedef struct
{
  GUnixOutputStream parent;
} MefotaTtyOutput;

typedef struct
{
  GUnixOutputStreamClass parent;
} MefotaTtyOutputClass;

/* All but one function of these interfaces is inherited. */
static void input_take_interface (GPollableInputStreamInterface *interface);
static void output_take_interface (GPollableOutputStreamInterface *interface);
static GType mefota_tty_input_get_type (void);
static GType mefota_tty_output_get_type (void);

G_DEFINE_TYPE_WITH_CODE (MefotaTtyInput, mefota_tty_input, G_TYPE_UNIX_INPUT_STREAM,
                         G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_INPUT_STREAM, input_take_interface))
G_DEFINE_TYPE_WITH_CODE (MefotaTtyOutput, mefota_tty_output, G_TYPE_UNIX_OUTPUT_STREAM,
                         G_IMPLEMENT_INTERFACE (G_TYPE_POLLABLE_OUTPUT_STREAM, output_take_interface))

static gssize
fail (int errsv, GError **error)
{
  g_set_error_literal (error, G_IO_ERROR, g_io_error_from_errno (errsv), g_strerror (errsv));
  return -1;
}

static gssize
input_read (GPollableInputStream *stream, void *buffer, gsize count, GError **error)
{
  int fd = g_unix_input_stream_get_fd (G_UNIX_INPUT_STREAM (stream));
  gssize n;

  if (g_input_stream_is_closed (G_INPUT_STREAM (stream)))
    return fail (EBADF, error);
  do
    n = read (fd, buffer, count);
  while (n < 0 && errno == EINTR);
  return n < 0 ? fail (errno, error) : n;
}

static gssize
output_write (GPollableOutputStream *stream, const void *buffer, gsize count, GError **error)
{
  int fd = g_unix_output_stream_get_fd (G_UNIX_OUTPUT_STREAM (stream));
  gssize n;

  if (g_output_stream_is_closed (G_OUTPUT_STREAM (stream)))
    return fail (EBADF, error);
  do
    n = write (fd, buffer, count);
  while (n < 0 && errno == EINTR);
  return n < 0 ? fail (errno, error) : n;
}

static void
input_take_interface (GPollableInputStreamInterface *interface)
{
  interface->read_nonblocking = input_read;
}

static void
output_take_interface (GPollableOutputStreamInterface *interface)
{
  interface->write_nonblocking = output_write;
}

static void
mefota_tty_input_class_init (MefotaTtyInputClass *klass)
{
}

static void
mefota_tty_input_init (MefotaTtyInput *self)
{
}

static void
mefota_tty_output_class_init (MefotaTtyOutputClass *klass)
{
}

static void
mefota_tty_output_init (MefotaTtyOutput *self)
{
}

GInputStream *
mefota_tty_input_new (int fd)
{
  return g_object_new (mefota_tty_input_get_type (), "fd", fd, "close-fd", FALSE, NULL);
}

GOutputStream *
mefota_tty_output_new (int fd)
{
  return g_object_new (mefota_tty_output_get_type (), "fd", fd, "close-fd", FALSE, NULL);
}
