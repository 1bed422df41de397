/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What a transfer by mefotad is held against, each a process of its own. Prints seconds, and CPU seconds where it has
 * any:
 *   bench-line raw PORT FILE     the module's dialogue with nothing but blocking read() and write()
 *   bench-line poll PORT FILE    the same, the package by poll() and write() that never blocks: the least that a
 *                                program costs that has something else to wait for, too
 *   bench-line zmodem BAUD FILE  sz and rz, with a line of that rate between them
 */

#include <errno.h>
#include <fcntl.h>
#include <glib.h>
#include <glib/gstdio.h>
#include <poll.h>
#include <pty.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <termios.h>
#include <unistd.h>

#define PIECE (512 * 1024)
#define CHUNK 65536
#define QUANTUM_MS 2

static double
now (void)
{
  return (double) g_get_monotonic_time () / 1e6;
}

static double
own_cpu (void)
{
  struct rusage usage;

  getrusage (RUSAGE_SELF, &usage);
  return (double) (usage.ru_utime.tv_sec + usage.ru_stime.tv_sec)
         + (double) (usage.ru_utime.tv_usec + usage.ru_stime.tv_usec) / 1e6;
}

/* As room comes; write() of a descriptor that blocks sleeps for it. */
static void
write_all (int fd, const guint8 *bytes, gsize length)
{
  while (length > 0)
    {
      struct pollfd room = { .fd = fd, .events = POLLOUT };
      gssize n = write (fd, bytes, length);

      if (n < 0 && errno != EAGAIN)
        g_error ("write: %s", g_strerror (errno));
      bytes += MAX (n, 0);
      length -= (gsize) MAX (n, 0);
      if (length > 0)
        poll (&room, 1, -1);
    }
}

/* ---- the raw loop ---- */

/* Reads up to the end of @text. */
static void
expect (int fd, const char *text)
{
  g_autoptr (GString) seen = g_string_new (NULL);
  char byte;

  while (strstr (seen->str, text) == NULL)
    if (read (fd, &byte, 1) == 1)
      g_string_append_c (seen, byte);
    else
      g_error ("the module went away");
}

static void
command (int fd, const char *text, const char *answer)
{
  g_autofree char *line = g_strconcat (text, "\r", NULL);
  write_all (fd, (const guint8 *) line, strlen (line));
  expect (fd, answer);
}

static int
run_raw (const char *port, const char *file, int data_flags)
{
  g_autofree guint8 *buffer = g_malloc (CHUNK);
  int fd = open (port, O_RDWR | O_NOCTTY), in = open (file, O_RDONLY);
  gsize left = (gsize) lseek (in, 0, SEEK_END);
  struct termios raw;
  double began, cpu;

  tcgetattr (fd, &raw);
  cfmakeraw (&raw);
  tcsetattr (fd, TCSANOW, &raw);
  lseek (in, 0, SEEK_SET);
  command (fd, "ATE0", "OK\r\n");
  command (fd, "AT+ZCOMDEL", "OK\r\n");
  began = now ();
  cpu = own_cpu ();
  while (left > 0)
    {
      gsize piece = MIN (left, PIECE);
      g_autofree char *text = g_strdup_printf ("AT+ZCOMWRT=%" G_GSIZE_FORMAT, piece);

      command (fd, text, "> ");
      left -= piece;
      fcntl (fd, F_SETFL, O_RDWR | data_flags);
      while (piece > 0)
        {
          gssize n = read (in, buffer, MIN (piece, CHUNK));
          write_all (fd, buffer, (gsize) n);
          piece -= (gsize) n;
        }
      fcntl (fd, F_SETFL, O_RDWR);
      expect (fd, "OK\r\n");
    }
  printf ("%f %f\n", now () - began, own_cpu () - cpu);
  return 0;
}

/* ---- ZMODEM ---- */

static pid_t
spawn_on_pty (char *const *argv, const char *folder, int *master)
{
  struct termios raw = { 0 };
  pid_t pid;

  cfmakeraw (&raw);
  raw.c_cflag |= CREAD | CLOCAL;
  cfsetspeed (&raw, B115200);
  pid = forkpty (master, NULL, &raw, NULL);
  if (pid != 0)
    return pid;
  if (g_chdir (folder) == 0)
    {
      /* what it has to say is not for the line */
      int null = open ("/dev/null", O_WRONLY);
      dup2 (null, STDERR_FILENO);
      execvp (argv[0], argv);
    }
  _exit (127);
}

static gboolean
copy_some (int from, int to, gsize most)
{
  guint8 buffer[CHUNK];
  gssize n = read (from, buffer, MIN (most, sizeof buffer));

  if (n <= 0)
    return FALSE;
  write_all (to, buffer, (gsize) n);
  return TRUE;
}

/* As the simulated module reads: so many bytes as the line can have brought since the last look. */
static void
relay (int sender, int receiver, guint baud)
{
  double line_time = now ();
  gboolean open = TRUE;

  while (open)
    {
      struct pollfd fds[] = { { .fd = receiver, .events = POLLIN }, { .fd = sender, .events = 0 } };
      int queued = 0;
      gsize credit;

      poll (fds, 2, QUANTUM_MS);
      if (fds[0].revents & POLLIN)
        open = copy_some (receiver, sender, CHUNK);
      fds[1].events = POLLIN;
      if (poll (&fds[1], 1, 0) == 0)
        {
          line_time = now (); /* idle */
          continue;
        }
      credit = (gsize) ((now () - line_time) * baud / 10);
      if (credit == 0)
        continue;
      {
        guint8 buffer[CHUNK];
        gssize n = read (sender, buffer, MIN (credit, sizeof buffer));
        if (n <= 0)
          return;
        queued = (int) n;
        write_all (receiver, buffer, (gsize) n);
      }
      line_time += queued * 10.0 / baud;
    }
}

static int
run_zmodem (guint baud, const char *file)
{
  g_autofree char *folder = g_dir_make_tmp ("mefota-zmodem-XXXXXX", NULL);
  g_autofree char *name = g_path_get_basename (file);
  g_autofree char *received = g_build_filename (folder, name, NULL);
  char *send[] = { (char *) "sz", (char *) "-q", (char *) "-b", (char *) file, NULL };
  char *receive[] = { (char *) "rz", (char *) "-q", (char *) "-b", (char *) "-y", NULL };
  int sender, receiver;
  double began = now ();
  pid_t sz, rz;
  int status = 1;

  signal (SIGPIPE, SIG_IGN);
  rz = spawn_on_pty (receive, folder, &receiver);
  sz = spawn_on_pty (send, folder, &sender);
  relay (sender, receiver, baud);
  waitpid (sz, &status, 0);
  printf ("%f 0\n", now () - began);
  kill (rz, SIGTERM);
  waitpid (rz, NULL, 0);
  g_remove (received);
  g_rmdir (folder);
  return status != 0;
}

int
main (int argc, char **argv)
{
  if (argc == 4 && g_str_equal (argv[1], "raw"))
    return run_raw (argv[2], argv[3], 0);
  if (argc == 4 && g_str_equal (argv[1], "poll"))
    return run_raw (argv[2], argv[3], O_NONBLOCK);
  if (argc == 4 && g_str_equal (argv[1], "zmodem"))
    return run_zmodem ((guint) atoi (argv[2]), argv[3]);
  fprintf (stderr, "usage: bench-line raw|poll PORT FILE | zmodem BAUD FILE\n");
  return 2;
}
