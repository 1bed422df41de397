/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-tty.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/serial.h>
#include <stdlib.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "mefota-error.h"
#include "mefota-tty-holder.h"
#include "mefota-tty-stream.h"

#define CLOSING_WAIT_NONE 65535

struct _MefotaTty
{
  GIOStream parent_instance;

  int fd;
  gboolean exclusive;
  char *node;
  GInputStream *input;
  GOutputStream *output;
};

G_DEFINE_FINAL_TYPE (MefotaTty, mefota_tty, G_TYPE_IO_STREAM)

static const struct
{
  guint rate;
  speed_t speed;
} speeds[] = {
  { 300, B300 },         { 600, B600 },         { 1200, B1200 },       { 1800, B1800 },       { 2400, B2400 },
  { 4800, B4800 },       { 9600, B9600 },       { 19200, B19200 },     { 38400, B38400 },     { 57600, B57600 },
  { 115200, B115200 },   { 230400, B230400 },   { 460800, B460800 },   { 500000, B500000 },   { 576000, B576000 },
  { 921600, B921600 },   { 1000000, B1000000 }, { 1152000, B1152000 }, { 1500000, B1500000 }, { 2000000, B2000000 },
  { 2500000, B2500000 }, { 3000000, B3000000 }, { 3500000, B3500000 }, { 4000000, B4000000 },
};

static gboolean
find_speed (guint rate, speed_t *speed)
{
  for (gsize i = 0; i < G_N_ELEMENTS (speeds); i++)
    if (speeds[i].rate == rate)
      {
        *speed = speeds[i].speed;
        return TRUE;
      }
  return FALSE;
}

gboolean
mefota_tty_is_valid_baud (guint baud)
{
  speed_t speed;

  return find_speed (baud, &speed);
}

static gboolean
require_speed (guint baud, speed_t *speed, GError **error)
{
  if (find_speed (baud, speed))
    return TRUE;
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
               "%u bits per second is no rate of a serial port; use one such as 115200.", baud);
  return FALSE;
}

static void
set_busy_error (GError **error, const char *node)
{
  g_autofree char *holder = mefota_tty_find_holder (node, "/proc", "/run/lock");

  if (holder != NULL)
    g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_BUSY, "%s is in use by %s; stop it, or keep it off this port.", node,
                 holder);
  else
    g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_BUSY,
                 "%s is in use by another process; find it as root with \"fuser -v %s\", then stop it or keep it off "
                 "this port.", node, node);
}

/* A node that is there before its driver, or still there after its device, is "not ready" rather than broken. */
static void
set_errno_error (GError **error, const char *node, const char *what, int errsv)
{
  if (errsv == EBUSY || errsv == EWOULDBLOCK)
    set_busy_error (error, node);
  else if (errsv == ENOENT || errsv == ENODEV || errsv == ENXIO || errsv == EIO)
    g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT,
                 "%s is not ready (%s: %s); check that the module is plugged in and powered.", node, what,
                 g_strerror (errsv));
  else if (errsv == ENOTTY || errsv == ENOTDIR || errsv == ELOOP || errsv == ENAMETOOLONG)
    g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                 "%s is no serial port (%s: %s); name the device node of the module's AT port.", node, what,
                 g_strerror (errsv));
  else
    g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_FAILED,
                 "%s cannot be used (%s: %s); check the permissions of the port.", node, what, g_strerror (errsv));
}

/* Only a character device is opened at all: to open a FIFO or a watchdog has effects of its own. */
static int
open_node (const char *node, GError **error)
{
  struct stat st;
  int fd;

  if (stat (node, &st) < 0)
    {
      set_errno_error (error, node, "stat", errno);
      return -1;
    }
  if (!S_ISCHR (st.st_mode))
    {
      set_errno_error (error, node, "stat", ENOTTY);
      return -1;
    }
  fd = open (node, O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (fd < 0)
    set_errno_error (error, node, "open", errno);
  return fd;
}

/* TIOCEXCL keeps other users out, the lock whoever is privileged but well-behaved (and ourselves). */
static gboolean
take_exclusively (MefotaTty *self, GError **error)
{
  struct termios attributes;
  const char *what = NULL;
  int errsv;

  if (tcgetattr (self->fd, &attributes) < 0)
    what = "tcgetattr";
  else if (flock (self->fd, LOCK_EX | LOCK_NB) < 0)
    what = "flock";
  else if (ioctl (self->fd, TIOCEXCL) < 0)
    what = "TIOCEXCL";
  errsv = errno;
  self->exclusive = what == NULL;
  if (!self->exclusive)
    {
      close (self->fd); /* else the search for the holder finds us */
      self->fd = -1;
      set_errno_error (error, self->node, what, errsv);
    }
  return self->exclusive;
}

/* Without it close() may wait half a minute for bytes that nobody will take. Needs a privilege that the daemon does not
 * have on every system; then the flush before closing has to do. */
static void
set_no_closing_wait (MefotaTty *self)
{
  struct serial_struct serial;

  if (ioctl (self->fd, TIOCGSERIAL, &serial) < 0 || serial.closing_wait == CLOSING_WAIT_NONE)
    return;
  serial.closing_wait = CLOSING_WAIT_NONE;
  if (ioctl (self->fd, TIOCSSERIAL, &serial) < 0)
    g_debug ("%s: closing_wait stays: %s", self->node, g_strerror (errno));
}

static gboolean
is_raw (const struct termios *attributes)
{
  return (attributes->c_iflag & (ICRNL | INLCR | IGNCR | ISTRIP | IXON | IXOFF | PARMRK)) == 0
         && (attributes->c_oflag & OPOST) == 0 && (attributes->c_lflag & (ICANON | ECHO | ISIG | IEXTEN)) == 0
         && (attributes->c_cflag & CSIZE) == CS8 && (attributes->c_cflag & PARENB) == 0 && attributes->c_cc[VMIN] > 0;
}

/* tcsetattr() succeeds if it could do anything at all: look at what came of it. USB ports keep their own idea of rate
 * and flow control, which means nothing there, so these two are only logged. */
static gboolean
set_attributes (MefotaTty *self, speed_t speed, MefotaFlowControl flow, GError **error)
{
  struct termios attributes;
  tcflag_t hardware_flow = flow == MEFOTA_FLOW_RTSCTS ? CRTSCTS : 0;

  if (tcgetattr (self->fd, &attributes) < 0)
    {
      set_errno_error (error, self->node, "tcgetattr", errno);
      return FALSE;
    }
  cfmakeraw (&attributes);
  attributes.c_iflag &= ~(tcflag_t) (IXON | IXOFF | IXANY | INPCK);
  attributes.c_cflag &= ~(tcflag_t) (CRTSCTS | HUPCL | CSTOPB | PARENB);
  attributes.c_cflag |= CLOCAL | CREAD | CS8 | hardware_flow;
  attributes.c_cc[VMIN] = 1; /* with 0 "nothing yet" would look like the end */
  attributes.c_cc[VTIME] = 0;
  cfsetispeed (&attributes, speed);
  cfsetospeed (&attributes, speed);
  if (tcsetattr (self->fd, TCSANOW, &attributes) < 0 || tcgetattr (self->fd, &attributes) < 0)
    {
      set_errno_error (error, self->node, "tcsetattr", errno);
      return FALSE;
    }
  if (!is_raw (&attributes))
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_FAILED,
                   "The driver of %s does not transfer raw bytes; use another port of the module.", self->node);
      return FALSE;
    }
  if (cfgetospeed (&attributes) != speed || (attributes.c_cflag & CRTSCTS) != hardware_flow)
    g_debug ("%s: the driver has its own rate or flow control", self->node);
  return TRUE;
}

MefotaTty *
mefota_tty_open (const char *path, guint baud, MefotaFlowControl flow, GError **error)
{
  g_autoptr (MefotaTty) self = NULL;
  speed_t speed;

  g_return_val_if_fail (path != NULL, NULL);

  if (!require_speed (baud, &speed, error))
    return NULL;
  self = g_object_new (MEFOTA_TYPE_TTY, NULL);
  self->node = realpath (path, NULL);
  if (self->node == NULL)
    {
      set_errno_error (error, path, "realpath", errno);
      return NULL;
    }
  self->fd = open_node (self->node, error);
  if (self->fd < 0 || !take_exclusively (self, error))
    return NULL;
  set_no_closing_wait (self);
  if (!set_attributes (self, speed, flow, error))
    return NULL;
  tcflush (self->fd, TCIOFLUSH);
  self->input = mefota_tty_input_new (self->fd);
  self->output = mefota_tty_output_new (self->fd);
  return g_steal_pointer (&self);
}

const char *
mefota_tty_get_node (MefotaTty *self)
{
  return self->node;
}

gboolean
mefota_tty_set_baud (MefotaTty *self, guint baud, GError **error)
{
  struct termios attributes;
  speed_t speed;

  if (!require_speed (baud, &speed, error))
    return FALSE;
  if (tcgetattr (self->fd, &attributes) < 0 || cfsetispeed (&attributes, speed) < 0
      || cfsetospeed (&attributes, speed) < 0 || tcsetattr (self->fd, TCSANOW, &attributes) < 0)
    {
      set_errno_error (error, self->node, "tcsetattr", errno == EBADF ? ENODEV : errno);
      return FALSE;
    }
  return TRUE;
}

gsize
mefota_tty_get_queued (MefotaTty *self)
{
  int queued = 0;

  if (ioctl (self->fd, TIOCOUTQ, &queued) < 0 || queued < 0)
    return 0;
  return (gsize) queued;
}

void
mefota_tty_discard_output (MefotaTty *self)
{
  tcflush (self->fd, TCOFLUSH);
}

void
mefota_tty_flush_output (MefotaTty *self)
{
  tcflush (self->fd, TCIOFLUSH);
}

static GInputStream *
mefota_tty_get_input_stream (GIOStream *stream)
{
  return MEFOTA_TTY (stream)->input;
}

static GOutputStream *
mefota_tty_get_output_stream (GIOStream *stream)
{
  return MEFOTA_TTY (stream)->output;
}

/* TIOCNXCL: a pty lives on with its other end, and would stay closed to everybody. */
static gboolean
mefota_tty_close (GIOStream *stream, GCancellable *cancellable, GError **error)
{
  MefotaTty *self = MEFOTA_TTY (stream);

  if (self->input != NULL)
    g_input_stream_close (self->input, NULL, NULL);
  if (self->output != NULL)
    g_output_stream_close (self->output, NULL, NULL);
  if (self->fd < 0)
    return TRUE;
  if (self->exclusive)
    {
      tcflush (self->fd, TCIOFLUSH);
      ioctl (self->fd, TIOCNXCL);
    }
  close (self->fd);
  self->fd = -1;
  return TRUE;
}

/* GIOStream's own would do it in a thread. */
static void
mefota_tty_close_async (GIOStream *stream, int priority, GCancellable *cancellable, GAsyncReadyCallback callback,
                        gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (stream, cancellable, callback, user_data);

  g_task_set_source_tag (task, mefota_tty_close_async);
  g_task_set_priority (task, priority);
  g_task_return_boolean (task, mefota_tty_close (stream, NULL, NULL));
}

static gboolean
mefota_tty_close_finish (GIOStream *stream, GAsyncResult *result, GError **error)
{
  return g_task_propagate_boolean (G_TASK (result), error);
}

static void
mefota_tty_finalize (GObject *object)
{
  MefotaTty *self = MEFOTA_TTY (object);

  g_clear_object (&self->input);
  g_clear_object (&self->output);
  free (self->node); /* realpath()'s */
  G_OBJECT_CLASS (mefota_tty_parent_class)->finalize (object);
}

static void
mefota_tty_class_init (MefotaTtyClass *klass)
{
  GIOStreamClass *stream_class = G_IO_STREAM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = mefota_tty_finalize;
  stream_class->get_input_stream = mefota_tty_get_input_stream;
  stream_class->get_output_stream = mefota_tty_get_output_stream;
  stream_class->close_fn = mefota_tty_close;
  stream_class->close_async = mefota_tty_close_async;
  stream_class->close_finish = mefota_tty_close_finish;
}

static void
mefota_tty_init (MefotaTty *self)
{
  self->fd = -1;
}
