/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-port.h"

#include "sim-pty.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <poll.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/ioctl.h>
#include <termios.h>
#include <unistd.h>

#define PACE_QUANTUM_US 2000
#define READ_SIZE 65536
/* The kernel moves bytes between the two ends of a pty on a worker: in the middle of data, a gap shorter than this is
 * no idle line. */
#define LINE_GAP_US 5000

struct _SimPort
{
  SimSettings *settings;
  SimPortFuncs funcs;
  gpointer user_data;
  int master;
  int inotify;
  char *device;
  char *old_device;
  char *path;
  char *link; /* the link we made, so that only that one is removed */
  char *claimed;
  int claim;
  gboolean open;
  gboolean reading;
  guint read_source;
  guint pace_source;
  guint write_source;
  guint inotify_source;
  GByteArray *queue;
  gsize queue_head;
  gint64 last_write;
  double line_time; /* up to when the paced line has been used, in µs of monotonic time */
  gint64 line_short; /* when the line last had less than it could have brought; 1: idle since, for sure */
  gsize expected;
  guint8 buffer[READ_SIZE];
};

static void watch_input (SimPort *port);
static void pump (SimPort *port);

static void
clear_source (guint *id)
{
  if (*id != 0)
    g_source_remove (*id);
  *id = 0;
}

static gboolean
nobody_there (const SimPort *port)
{
  struct pollfd fd = { .fd = port->master, .events = 0 };

  return port->master < 0 || (poll (&fd, 1, 0) > 0 && (fd.revents & (POLLHUP | POLLERR)) != 0);
}

static void
drop_queue (SimPort *port)
{
  clear_source (&port->write_source);
  g_byte_array_set_size (port->queue, 0);
  port->queue_head = 0;
}

static void
drain_inotify (SimPort *port)
{
  char events[4096];
  gssize n;

  do
    n = read (port->inotify, events, sizeof events);
  while (n > 0);
}

/* The pty outlives its last user and keeps what that one left behind, which no real tty does: unread input and the
 * exclusive flag. */
static void
forget_user (SimPort *port)
{
  int fd;

  if (!port->settings->keep_unread)
    drop_queue (port);
  fd = open (port->device, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd >= 0)
    {
      if (!port->settings->keep_unread)
        tcflush (fd, TCIFLUSH);
      ioctl (fd, TIOCNXCL);
      close (fd);
      /* That was us. Whoever came meanwhile is still there, which the caller looks at. */
      drain_inotify (port);
    }
  else if (errno == EBUSY && nobody_there (port))
    {
      sim_port_vanish (port);
      if (sim_port_appear (port, NULL))
        port->funcs.replaced (port->user_data);
    }
}

static void
user_gone (SimPort *port)
{
  clear_source (&port->read_source);
  clear_source (&port->pace_source);
  if (port->open)
    {
      port->open = FALSE;
      port->funcs.closed (port->user_data);
    }
  if (port->master >= 0)
    forget_user (port);
  if (!nobody_there (port))
    watch_input (port);
}

/* How many bytes the paced line has brought by now. */
static gsize
line_credit (SimPort *port, gint64 now)
{
  double bytes;

  if (port->settings->pace == 0)
    return READ_SIZE;
  if (port->line_short != 0 && now - port->line_short > LINE_GAP_US)
    port->line_time = (double) now;
  port->line_short = 0;
  bytes = ((double) now - port->line_time) * port->settings->pace / 10e6;
  return bytes < 1 ? 0 : MIN ((gsize) bytes, READ_SIZE);
}

static gboolean
on_pace (gpointer user_data)
{
  SimPort *port = user_data;

  port->pace_source = 0;
  watch_input (port);
  return G_SOURCE_REMOVE;
}

static void
wait_for_line (SimPort *port)
{
  double wait = PACE_QUANTUM_US;

  if (port->expected > 0)
    wait = MIN (wait, (double) port->expected * 10e6 / port->settings->pace);
  clear_source (&port->read_source);
  if (port->pace_source == 0)
    port->pace_source = g_timeout_add ((guint) (wait / 1000) + 1, on_pace, port);
}

static gboolean
on_input (int fd, GIOCondition condition, gpointer user_data)
{
  SimPort *port = user_data;
  gsize credit = line_credit (port, g_get_monotonic_time ());
  gssize n;

  if (credit == 0)
    {
      port->read_source = 0;
      wait_for_line (port);
      return G_SOURCE_REMOVE;
    }
  n = read (fd, port->buffer, credit);
  if (n < 0 && (errno == EAGAIN || errno == EINTR))
    return G_SOURCE_CONTINUE;
  if (n <= 0)
    {
      port->read_source = 0;
      user_gone (port);
      return G_SOURCE_REMOVE;
    }
  if (port->settings->pace > 0)
    {
      port->line_time += (double) n * 10e6 / port->settings->pace;
      if ((gsize) n == credit)
        wait_for_line (port);
      else
        port->line_short = port->expected > (gsize) n ? g_get_monotonic_time () : 1;
    }
  port->expected -= MIN (port->expected, (gsize) n);
  port->funcs.received (port->buffer, (gsize) n, port->user_data);
  /* Stopped, gone or waiting for the line now: then the source was removed already. */
  return G_SOURCE_CONTINUE;
}

static void
watch_input (SimPort *port)
{
  if (port->master < 0 || !port->reading || port->read_source != 0 || port->pace_source != 0)
    return;
  if (nobody_there (port))
    {
      struct pollfd fd = { .fd = port->master, .events = POLLIN };

      /* Somebody came, wrote and left: what was written still counts. */
      if (poll (&fd, 1, 0) <= 0 || (fd.revents & POLLIN) == 0)
        {
          user_gone (port);
          return;
        }
    }
  if (!port->open)
    {
      port->open = TRUE;
      port->line_short = 1;
      port->funcs.opened (port->user_data);
      if (port->master < 0 || port->read_source != 0)
        return;
    }
  port->read_source = g_unix_fd_add (port->master, G_IO_IN | G_IO_HUP | G_IO_ERR, on_input, port);
}

static gboolean
on_inotify (int fd, GIOCondition condition, gpointer user_data)
{
  SimPort *port = user_data;

  drain_inotify (port);
  watch_input (port);
  return G_SOURCE_CONTINUE;
}

static gboolean
claim_link (SimPort *port, GError **error)
{
  const char *link = port->settings->link;

  if (g_strcmp0 (port->claimed, link) == 0)
    return TRUE;
  sim_port_release_link (port);
  if (*link == '\0')
    return TRUE;
  port->claim = sim_pty_claim (link, error);
  if (port->claim < 0)
    return FALSE;
  port->claimed = g_strdup (link);
  return TRUE;
}

void
sim_port_release_link (SimPort *port)
{
  if (port->claim >= 0)
    close (port->claim);
  port->claim = -1;
  g_clear_pointer (&port->claimed, g_free);
}

gboolean
sim_port_appear (SimPort *port, GError **error)
{
  g_return_val_if_fail (port->master < 0, FALSE);
  port->master = sim_pty_open (port->settings->renumber ? port->old_device : NULL, &port->device, error);
  if (port->master < 0)
    return FALSE;
  port->inotify = inotify_init1 (IN_CLOEXEC | IN_NONBLOCK);
  if (port->inotify < 0 || inotify_add_watch (port->inotify, port->device, IN_OPEN) < 0)
    {
      sim_fail (error, "inotify");
      sim_port_vanish (port);
      return FALSE;
    }
  port->inotify_source = g_unix_fd_add (port->inotify, G_IO_IN, on_inotify, port);
  port->open = FALSE;
  port->reading = TRUE;
  if (!sim_pty_give_away (port->settings, port->device, error) || !claim_link (port, error) ||
      !sim_pty_link (port->settings->link, port->device, &port->link, error))
    {
      sim_port_vanish (port);
      return FALSE;
    }
  g_free (port->path);
  port->path = g_strdup (port->link != NULL ? port->link : port->device);
  return TRUE;
}

void
sim_port_vanish (SimPort *port)
{
  if (port->master < 0)
    return;
  sim_pty_unlink (&port->link, port->device);
  clear_source (&port->read_source);
  clear_source (&port->pace_source);
  clear_source (&port->inotify_source);
  drop_queue (port);
  if (port->inotify >= 0)
    close (port->inotify);
  close (port->master);
  port->inotify = port->master = -1;
  port->open = FALSE;
  port->expected = 0;
  g_free (port->old_device);
  port->old_device = g_steal_pointer (&port->device);
}

SimPort *
sim_port_new (SimSettings *settings, const SimPortFuncs *funcs, gpointer user_data)
{
  SimPort *port = g_new0 (SimPort, 1);

  port->settings = settings;
  port->funcs = *funcs;
  port->user_data = user_data;
  port->master = port->inotify = port->claim = -1;
  port->queue = g_byte_array_new ();
  return port;
}

void
sim_port_free (SimPort *port)
{
  sim_port_vanish (port);
  sim_port_release_link (port);
  g_byte_array_unref (port->queue);
  g_free (port->old_device);
  g_free (port->path);
  g_free (port);
}

gboolean
sim_port_is_there (const SimPort *port)
{
  return port->master >= 0;
}

gboolean
sim_port_is_open (const SimPort *port)
{
  return !nobody_there (port);
}

const char *
sim_port_get_path (const SimPort *port)
{
  return port->path;
}

const char *
sim_port_get_device (const SimPort *port)
{
  return port->device;
}

guint
sim_port_get_baud (const SimPort *port)
{
  return port->master < 0 ? 0 : sim_pty_get_baud (port->master);
}

static gboolean
on_write_again (gpointer user_data)
{
  SimPort *port = user_data;

  port->write_source = 0;
  pump (port);
  return G_SOURCE_REMOVE;
}

static gboolean
on_writable (int fd, GIOCondition condition, gpointer user_data)
{
  return on_write_again (user_data);
}

/* One write; FALSE when the tty takes no more now. */
static gboolean
write_some (SimPort *port, gsize limit)
{
  gsize left = port->queue->len - port->queue_head;
  gssize n = write (port->master, port->queue->data + port->queue_head, MIN (left, limit));

  if (n <= 0)
    return FALSE;
  port->queue_head += (gsize) n;
  port->last_write = g_get_monotonic_time ();
  if (port->queue_head == port->queue->len)
    {
      g_byte_array_set_size (port->queue, 0);
      port->queue_head = 0;
    }
  return TRUE;
}

static void
pump (SimPort *port)
{
  gsize limit = port->settings->split > 0 ? port->settings->split : G_MAXSIZE;

  while (port->master >= 0 && port->queue->len > 0 && port->write_source == 0)
    {
      if (nobody_there (port) && !port->settings->keep_unread)
        drop_queue (port);
      else if (!write_some (port, limit))
        port->write_source = g_unix_fd_add (port->master, G_IO_OUT, on_writable, port);
      else if (port->settings->split > 0 && port->queue->len > 0)
        port->write_source = g_timeout_add (port->settings->split_delay, on_write_again, port);
    }
  if (port->queue->len == 0)
    port->funcs.drained (port->user_data);
}

void
sim_port_write (SimPort *port, const guint8 *bytes, gsize length)
{
  if (port->master < 0)
    return;
  g_byte_array_append (port->queue, bytes, (guint) length);
  if (port->write_source != 0)
    return;
  if (port->settings->glue > 0)
    port->write_source = g_timeout_add (port->settings->glue, on_write_again, port);
  else
    pump (port);
}

gsize
sim_port_get_queued (const SimPort *port)
{
  return port->queue->len - port->queue_head;
}

gint64
sim_port_get_last_write (const SimPort *port)
{
  return port->last_write;
}

void
sim_port_set_reading (SimPort *port, gboolean reading)
{
  port->reading = reading;
  if (reading)
    watch_input (port);
  else
    {
      clear_source (&port->read_source);
      clear_source (&port->pace_source);
    }
}

void
sim_port_expect (SimPort *port, gsize bytes)
{
  port->expected = bytes;
}
