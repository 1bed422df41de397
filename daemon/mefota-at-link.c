/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-at-link.h"

#include <gio/gfiledescriptorbased.h>

#include "mefota-fd-watch.h"

/* One dispatch handles no more than this, so that a flood leaves time for timers and for the other modules. */
#define READ_CHUNK 1024
#define READ_MAX 4096
#define WRITE_MAX 65536
/* What a write error leaves to be read; a tty holds less. */
#define LAST_READ_MAX 65536

struct _MefotaAtLink
{
  GIOStream *stream;
  GPollableInputStream *input;
  GPollableOutputStream *output;
  MefotaAtLinkFuncs funcs;
  gpointer user_data;

  MefotaFdWatch *watch;
  GQueue queue; /* of GBytes */
  gsize offset; /* into the first of them */
  gboolean paused;
  gboolean receiving;
  gboolean closed;
};

typedef enum
{
  IO_DONE,
  IO_BLOCKED,
  IO_ENDED,
} IoResult;

static void
link_clear (gpointer data)
{
  MefotaAtLink *self = data;

  g_object_unref (self->stream);
}

static void
hang_up (MefotaAtLink *self, const char *reason)
{
  mefota_at_link_close (self);
  self->funcs.hung_up (reason, self->user_data);
}

static IoResult
read_some (MefotaAtLink *self, gsize limit, char **reason)
{
  guint8 buffer[READ_CHUNK];
  gsize total = 0;

  while (!self->closed && !self->paused && total < limit)
    {
      g_autoptr (GError) error = NULL;
      gssize n = g_pollable_input_stream_read_nonblocking (self->input, buffer, sizeof buffer, NULL, &error);

      if (n < 0 && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        return IO_BLOCKED;
      if (n <= 0)
        {
          *reason = g_strdup (n < 0 ? error->message : "end of stream");
          return IO_ENDED;
        }
      total += (gsize) n;
      self->receiving = TRUE;
      self->funcs.received (buffer, (gsize) n, self->user_data);
      self->receiving = FALSE;
      if ((gsize) n < sizeof buffer && limit == READ_MAX)
        break; /* that was all; if not, poll() tells */
    }
  return IO_DONE;
}

static void
update_watch (MefotaAtLink *self)
{
  GIOCondition wanted = 0;

  if (self->closed)
    return;
  if (!self->paused)
    wanted |= G_IO_IN;
  if (!g_queue_is_empty (&self->queue))
    wanted |= G_IO_OUT;
  mefota_fd_watch_set (self->watch, wanted);
}

static void
advance (MefotaAtLink *self, gsize n_bytes)
{
  GBytes *head = g_queue_peek_head (&self->queue);

  self->offset += n_bytes;
  if (self->offset < g_bytes_get_size (head))
    return;
  self->offset = 0;
  g_bytes_unref (g_queue_pop_head (&self->queue));
}

static IoResult
write_some (MefotaAtLink *self, char **reason)
{
  if (!self->closed && !g_queue_is_empty (&self->queue))
    self->funcs.writable (self->user_data);
  for (gsize total = 0; total < WRITE_MAX && !self->closed && !g_queue_is_empty (&self->queue);)
    {
      g_autoptr (GError) error = NULL;
      gsize size;
      const guint8 *data = g_bytes_get_data (g_queue_peek_head (&self->queue), &size);
      gsize asked = size - self->offset;
      gssize n = g_pollable_output_stream_write_nonblocking (self->output, data + self->offset, asked, NULL, &error);

      if (n < 0 && g_error_matches (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK))
        return IO_BLOCKED;
      if (n <= 0)
        {
          *reason = g_strdup (n < 0 ? error->message : "nothing could be written");
          return IO_ENDED;
        }
      total += (gsize) n;
      advance (self, (gsize) n);
      self->funcs.taken ((gsize) n, self->user_data);
      if ((gsize) n < asked)
        return IO_BLOCKED; /* to ask again would only be told so */
    }
  return IO_DONE;
}

/* What the module said last may wait behind a write that fails: that is read first. */
static void
end_by_write (MefotaAtLink *self, const char *reason)
{
  g_autofree char *ignored = NULL;

  self->paused = FALSE;
  read_some (self, LAST_READ_MAX, &ignored);
  if (!self->closed)
    hang_up (self, reason);
}

static void
on_ready (GIOCondition condition, gpointer user_data)
{
  MefotaAtLink *self = g_rc_box_acquire (user_data);
  g_autofree char *reason = NULL;

  if ((condition & ~G_IO_OUT) != 0 && read_some (self, READ_MAX, &reason) == IO_ENDED && !self->closed)
    hang_up (self, reason);
  if ((condition & ~G_IO_IN) != 0 && write_some (self, &reason) == IO_ENDED && !self->closed)
    end_by_write (self, reason);
  update_watch (self);
  g_rc_box_release_full (self, link_clear);
}

MefotaAtLink *
mefota_at_link_new (GIOStream *stream, const MefotaAtLinkFuncs *funcs, gpointer user_data)
{
  MefotaAtLink *self = g_rc_box_new0 (MefotaAtLink);

  self->stream = g_object_ref (stream);
  self->input = G_POLLABLE_INPUT_STREAM (g_io_stream_get_input_stream (stream));
  self->output = G_POLLABLE_OUTPUT_STREAM (g_io_stream_get_output_stream (stream));
  self->funcs = *funcs;
  self->user_data = user_data;
  g_queue_init (&self->queue);
  self->watch = mefota_fd_watch_new (g_file_descriptor_based_get_fd (G_FILE_DESCRIPTOR_BASED (self->input)), on_ready,
                                     self);
  update_watch (self);
  return self;
}

void
mefota_at_link_close (MefotaAtLink *self)
{
  if (self->closed)
    return;
  self->closed = TRUE;
  g_clear_pointer (&self->watch, mefota_fd_watch_free);
  mefota_at_link_discard (self);
  g_io_stream_close (self->stream, NULL, NULL);
}

void
mefota_at_link_free (MefotaAtLink *self)
{
  mefota_at_link_close (self);
  g_rc_box_release_full (self, link_clear);
}

void
mefota_at_link_write (MefotaAtLink *self, GBytes *bytes)
{
  if (self->closed || g_bytes_get_size (bytes) == 0)
    return;
  g_queue_push_tail (&self->queue, g_bytes_ref (bytes));
  update_watch (self);
}

void
mefota_at_link_send (MefotaAtLink *self, GBytes *bytes)
{
  gsize size = g_bytes_get_size (bytes);
  gssize n = 0;

  /* What came before a command went out is never the answer to it, so that is handled first. */
  if (!self->closed && !self->receiving && g_queue_is_empty (&self->queue)
      && !g_pollable_input_stream_is_readable (self->input))
    n = g_pollable_output_stream_write_nonblocking (self->output, g_bytes_get_data (bytes, NULL), size, NULL, NULL);
  if (n < (gssize) size)
    {
      g_autoptr (GBytes) rest = g_bytes_new_from_bytes (bytes, (gsize) MAX (n, 0), size - (gsize) MAX (n, 0));
      mefota_at_link_write (self, rest); /* an error comes again, from the main loop */
    }
  if (n > 0)
    self->funcs.taken ((gsize) n, self->user_data);
}

void
mefota_at_link_discard (MefotaAtLink *self)
{
  g_queue_clear_full (&self->queue, (GDestroyNotify) g_bytes_unref);
  self->offset = 0;
  update_watch (self);
}

gboolean
mefota_at_link_is_writing (MefotaAtLink *self)
{
  return !g_queue_is_empty (&self->queue);
}

void
mefota_at_link_set_paused (MefotaAtLink *self, gboolean paused)
{
  self->paused = paused;
  update_watch (self);
}
