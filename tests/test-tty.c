/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-tty.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <pty.h>
#include <sys/file.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <termios.h>
#include <unistd.h>

#include "mefota-error.h"

/* A cooked pty, as a port is before we take it. The slave is kept open so that its settings can be looked at. */
typedef struct
{
  int master;
  int slave;
  char *node;
} Fixture;

static void
fixture_set_up (Fixture *fixture, gconstpointer data)
{
  char name[64];

  g_assert_cmpint (openpty (&fixture->master, &fixture->slave, name, NULL, NULL), ==, 0);
  fcntl (fixture->master, F_SETFD, FD_CLOEXEC);
  fcntl (fixture->slave, F_SETFD, FD_CLOEXEC);
  fixture->node = g_strdup (name);
}

static void
fixture_tear_down (Fixture *fixture, gconstpointer data)
{
  if (fixture->master >= 0)
    close (fixture->master);
  if (fixture->slave >= 0)
    close (fixture->slave);
  g_free (fixture->node);
}

static MefotaTty *
open_tty (Fixture *fixture)
{
  g_autoptr (GError) error = NULL;
  MefotaTty *tty = mefota_tty_open (fixture->node, 115200, MEFOTA_FLOW_NONE, &error);

  g_assert_no_error (error);
  g_assert_nonnull (tty);
  return tty;
}

/* Waits for the stream to be readable, with a deadline. */
static gboolean
on_readable (GObject *pollable, gpointer user_data)
{
  *(gboolean *) user_data = TRUE;
  return G_SOURCE_REMOVE;
}

static gboolean
on_deadline (gpointer user_data)
{
  g_error ("nothing came in time");
  return G_SOURCE_REMOVE;
}

static void
wait_readable (MefotaTty *tty)
{
  GInputStream *input = g_io_stream_get_input_stream (G_IO_STREAM (tty));
  g_autoptr (GSource) source = g_pollable_input_stream_create_source (G_POLLABLE_INPUT_STREAM (input), NULL);
  guint deadline = g_timeout_add_seconds (20, on_deadline, NULL);
  gboolean readable = FALSE;

  g_source_set_callback (source, G_SOURCE_FUNC (on_readable), &readable, NULL);
  g_source_attach (source, NULL);
  while (!readable)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (deadline);
}

static gssize
read_now (MefotaTty *tty, char *buffer, gsize size, GError **error)
{
  GInputStream *input = g_io_stream_get_input_stream (G_IO_STREAM (tty));

  return g_pollable_input_stream_read_nonblocking (G_POLLABLE_INPUT_STREAM (input), buffer, size, NULL, error);
}

static void
test_raw (Fixture *fixture, gconstpointer data)
{
  g_autoptr (MefotaTty) tty = open_tty (fixture);
  struct termios attributes;

  g_assert_cmpstr (mefota_tty_get_node (tty), ==, fixture->node);
  g_assert_cmpint (tcgetattr (fixture->slave, &attributes), ==, 0);
  g_assert_cmpuint (attributes.c_lflag & (ICANON | ECHO | ISIG | IEXTEN), ==, 0);
  g_assert_cmpuint (attributes.c_iflag & (IXON | IXOFF | IXANY | ICRNL | INLCR | IGNCR | ISTRIP), ==, 0);
  g_assert_cmpuint (attributes.c_oflag & OPOST, ==, 0);
  g_assert_cmpuint (attributes.c_cflag & (CSIZE | PARENB | CSTOPB | HUPCL | CRTSCTS), ==, CS8);
  g_assert_cmpuint (attributes.c_cflag & (CLOCAL | CREAD), ==, CLOCAL | CREAD);
  g_assert_cmpuint (attributes.c_cc[VMIN], ==, 1);
  g_assert_cmpuint (attributes.c_cc[VTIME], ==, 0);
  g_assert_cmpuint (cfgetospeed (&attributes), ==, B115200);
}

static void
test_flow_and_baud (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MefotaTty) tty = mefota_tty_open (fixture->node, 9600, MEFOTA_FLOW_RTSCTS, &error);
  struct termios attributes;

  g_assert_no_error (error);
  tcgetattr (fixture->slave, &attributes);
  g_assert_cmpuint (attributes.c_cflag & CRTSCTS, ==, CRTSCTS);
  g_assert_cmpuint (cfgetospeed (&attributes), ==, B9600);
  g_assert_true (mefota_tty_set_baud (tty, 921600, &error));
  g_assert_no_error (error);
  tcgetattr (fixture->slave, &attributes);
  g_assert_cmpuint (cfgetospeed (&attributes), ==, B921600);
  g_assert_cmpuint (cfgetispeed (&attributes), ==, B921600);
  g_assert_cmpuint (attributes.c_cflag & CRTSCTS, ==, CRTSCTS);

  g_assert_false (mefota_tty_set_baud (tty, 12345, &error));
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT);
  g_clear_error (&error);
  g_io_stream_close (G_IO_STREAM (tty), NULL, NULL);
  g_assert_false (mefota_tty_set_baud (tty, 9600, &error));
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT);
}

static void
test_valid_baud (void)
{
  g_assert_true (mefota_tty_is_valid_baud (9600));
  g_assert_true (mefota_tty_is_valid_baud (115200));
  g_assert_true (mefota_tty_is_valid_baud (921600));
  g_assert_true (mefota_tty_is_valid_baud (3000000));
  g_assert_false (mefota_tty_is_valid_baud (0));
  g_assert_false (mefota_tty_is_valid_baud (115201));
}

/* Every byte passes both ways as it is: none is taken for flow control, a line end or a signal. */
static void
test_bytes (Fixture *fixture, gconstpointer data)
{
  g_autoptr (MefotaTty) tty = open_tty (fixture);
  GOutputStream *output = g_io_stream_get_output_stream (G_IO_STREAM (tty));
  g_autoptr (GError) error = NULL;
  guint8 bytes[256], back[256];
  gsize got = 0;

  g_assert_true (g_pollable_input_stream_can_poll (
      G_POLLABLE_INPUT_STREAM (g_io_stream_get_input_stream (G_IO_STREAM (tty)))));
  g_assert_true (g_pollable_output_stream_can_poll (G_POLLABLE_OUTPUT_STREAM (output)));
  g_assert_cmpint (read_now (tty, (char *) back, sizeof back, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_clear_error (&error);

  for (guint i = 0; i < sizeof bytes; i++)
    bytes[i] = (guint8) i;
  g_assert_cmpint (g_pollable_output_stream_write_nonblocking (G_POLLABLE_OUTPUT_STREAM (output), bytes, sizeof bytes,
                                                               NULL, &error), ==, sizeof bytes);
  g_assert_no_error (error);
  for (gssize n; got < sizeof back; got += (gsize) n)
    {
      n = read (fixture->master, back + got, sizeof back - got);
      g_assert_cmpint (n, >, 0);
    }
  g_assert_cmpmem (back, got, bytes, sizeof bytes);

  g_assert_cmpint (write (fixture->master, bytes, sizeof bytes), ==, sizeof bytes);
  for (got = 0; got < sizeof back;)
    {
      gssize n;

      wait_readable (tty);
      n = read_now (tty, (char *) back + got, sizeof back - got, &error);
      g_assert_no_error (error);
      g_assert_cmpint (n, >, 0);
      got += (gsize) n;
    }
  g_assert_cmpmem (back, got, bytes, sizeof bytes);
}

/* What was there before is somebody else's conversation. */
static void
test_flush (Fixture *fixture, gconstpointer data)
{
  g_autoptr (MefotaTty) tty = NULL;
  g_autoptr (GError) error = NULL;
  struct termios attributes;
  char buffer[16];

  tcgetattr (fixture->slave, &attributes);
  cfmakeraw (&attributes);
  tcsetattr (fixture->slave, TCSANOW, &attributes);
  g_assert_cmpint (write (fixture->master, "old", 3), ==, 3);
  tty = open_tty (fixture);
  g_assert_cmpint (read_now (tty, buffer, sizeof buffer, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_clear_error (&error);

  g_assert_cmpint (write (fixture->master, "stale", 5), ==, 5);
  wait_readable (tty);
  mefota_tty_flush_output (tty);
  g_assert_cmpint (read_now (tty, buffer, sizeof buffer, &error), ==, -1);
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_WOULD_BLOCK);
  g_assert_cmpuint (mefota_tty_get_queued (tty), ==, 0);
}

static void
test_hang_up (Fixture *fixture, gconstpointer data)
{
  g_autoptr (MefotaTty) tty = open_tty (fixture);
  g_autoptr (GError) error = NULL;
  char buffer[16];

  close (fixture->slave);
  fixture->slave = -1;
  close (fixture->master);
  fixture->master = -1;
  wait_readable (tty);
  if (read_now (tty, buffer, sizeof buffer, &error) != 0)
    g_assert_nonnull (error); /* EIO */
  mefota_tty_flush_output (tty);
  g_assert_cmpuint (mefota_tty_get_queued (tty), ==, 0);
  g_assert_true (g_io_stream_close (G_IO_STREAM (tty), NULL, NULL));
}

static void
on_closed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_assert_true (g_io_stream_close_finish (G_IO_STREAM (source), result, NULL));
  *(gboolean *) user_data = TRUE;
}

/* Once the last descriptor of the slave is gone the master tells; it does so within the call. */
static void
test_close (Fixture *fixture, gconstpointer data)
{
  gboolean asynchronous = data != NULL, closed = FALSE;
  g_autoptr (MefotaTty) tty = open_tty (fixture);
  GPollFD poll_fd = { .fd = fixture->master, .events = G_IO_IN };

  close (fixture->slave);
  fixture->slave = -1;
  g_assert_cmpint (g_poll (&poll_fd, 1, 0), ==, 0);
  if (asynchronous)
    g_io_stream_close_async (G_IO_STREAM (tty), G_PRIORITY_DEFAULT, NULL, on_closed, &closed);
  else
    g_assert_true (g_io_stream_close (G_IO_STREAM (tty), NULL, NULL));
  g_assert_cmpint (g_poll (&poll_fd, 1, 0), ==, 1);
  g_assert_cmpint (poll_fd.revents & G_IO_HUP, ==, G_IO_HUP);
  while (asynchronous && !closed)
    g_main_context_iteration (NULL, TRUE);
  g_assert_true (g_io_stream_close (G_IO_STREAM (tty), NULL, NULL));
}

/* Closing leaves nothing behind that keeps the next one out, although the pty itself lives on. */
static void
test_open_again (Fixture *fixture, gconstpointer data)
{
  for (guint i = 0; i < 3; i++)
    {
      MefotaTty *tty = open_tty (fixture);
      int exclusive = 0;

      ioctl (fixture->slave, TIOCGEXCL, &exclusive);
      g_assert_cmpint (exclusive, !=, 0);
      g_object_unref (tty);
      ioctl (fixture->slave, TIOCGEXCL, &exclusive);
      g_assert_cmpint (exclusive, ==, 0);
    }
}

static void
test_busy_self (Fixture *fixture, gconstpointer data)
{
  g_autoptr (MefotaTty) tty = open_tty (fixture);
  g_autoptr (GError) error = NULL;
  g_autofree char *pid = g_strdup_printf ("process %d (", (int) getpid ());

  g_assert_null (mefota_tty_open (fixture->node, 115200, MEFOTA_FLOW_NONE, &error));
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_BUSY);
  g_assert_nonnull (strstr (error->message, pid));
  g_assert_cmpstr (mefota_tty_get_node (tty), ==, fixture->node);
  g_assert_nonnull (strstr (error->message, fixture->node));
}

/* The lock goes with the descriptor, and so does the blame. */
static void
test_busy_other (Fixture *fixture, gconstpointer data)
{
  g_autoptr (GSubprocessLauncher) launcher = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDIN_PIPE);
  g_autoptr (GSubprocess) holder = NULL;
  g_autoptr (GError) error = NULL;
  g_autofree char *name = NULL;
  int fd = open (fixture->node, O_RDWR | O_NOCTTY | O_CLOEXEC);

  g_assert_cmpint (fd, >=, 0);
  g_assert_cmpint (flock (fd, LOCK_EX | LOCK_NB), ==, 0);
  close (fixture->slave); /* else this process holds the node too */
  fixture->slave = -1;
  g_subprocess_launcher_take_fd (launcher, fd, 5);
  holder = g_subprocess_launcher_spawn (launcher, &error, "cat", NULL);
  g_assert_no_error (error);
  g_clear_object (&launcher); /* closes our copy */

  name = g_strdup_printf ("process %s (cat)", g_subprocess_get_identifier (holder));
  g_assert_null (mefota_tty_open (fixture->node, 115200, MEFOTA_FLOW_NONE, &error));
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_BUSY);
  g_test_message ("%s", error->message);
  g_assert_nonnull (strstr (error->message, name));

  g_subprocess_force_exit (holder);
  g_assert_true (g_subprocess_wait (holder, NULL, NULL));
  g_object_unref (open_tty (fixture));
}

static void
assert_open_fails (const char *path, guint baud, MefotaError code)
{
  g_autoptr (GError) error = NULL;

  g_assert_null (mefota_tty_open (path, baud, MEFOTA_FLOW_NONE, &error));
  g_assert_error (error, MEFOTA_ERROR, (int) code);
  g_assert_true (g_str_has_suffix (error->message, "."));
}

static void
test_refused (Fixture *fixture, gconstpointer data)
{
  g_autofree char *dir = g_dir_make_tmp ("mefota-tty-XXXXXX", NULL);
  g_autofree char *file = g_build_filename (dir, "file", NULL);
  g_autofree char *fifo = g_build_filename (dir, "fifo", NULL);
  g_autofree char *link = g_build_filename (dir, "link", NULL);

  g_assert_true (g_file_set_contents (file, "", 0, NULL));
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  g_assert_cmpint (symlink (fixture->node, link), ==, 0);

  assert_open_fails ("/nonexistent/ttyUSB0", 115200, MEFOTA_ERROR_NOT_PRESENT);
  assert_open_fails (file, 115200, MEFOTA_ERROR_INVALID_ARGUMENT);
  assert_open_fails (fifo, 115200, MEFOTA_ERROR_INVALID_ARGUMENT);
  assert_open_fails (dir, 115200, MEFOTA_ERROR_INVALID_ARGUMENT);
  assert_open_fails ("/dev/null", 115200, MEFOTA_ERROR_INVALID_ARGUMENT);
  assert_open_fails (fixture->node, 115201, MEFOTA_ERROR_INVALID_ARGUMENT);
  {
    g_autoptr (MefotaTty) tty = mefota_tty_open (link, 115200, MEFOTA_FLOW_NONE, NULL);

    g_assert_nonnull (tty);
    g_assert_cmpstr (mefota_tty_get_node (tty), ==, fixture->node);
  }
  close (fixture->master);
  fixture->master = -1;
  assert_open_fails (link, 115200, MEFOTA_ERROR_NOT_PRESENT);

  g_unlink (file);
  g_unlink (fifo);
  g_unlink (link);
  g_rmdir (dir);
}

#define ADD(path, function, data) \
  g_test_add ("/tty/" path, Fixture, data, fixture_set_up, function, fixture_tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/tty/valid-baud", test_valid_baud);
  ADD ("raw", test_raw, NULL);
  ADD ("flow-and-baud", test_flow_and_baud, NULL);
  ADD ("bytes", test_bytes, NULL);
  ADD ("flush", test_flush, NULL);
  ADD ("hang-up", test_hang_up, NULL);
  ADD ("close", test_close, NULL);
  ADD ("close-async", test_close, "async");
  ADD ("open-again", test_open_again, NULL);
  ADD ("busy-self", test_busy_self, NULL);
  ADD ("busy-other", test_busy_other, NULL);
  ADD ("refused", test_refused, NULL);
  return g_test_run ();
}
