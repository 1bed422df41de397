/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The fastest module there can be: answers every command at once, and sends indications that carry the time at which
 * they were written. Unlike mefota-sim it costs next to nothing, so that what is measured is the reader.
 *
 *   bench-module LINK     links the port to LINK and prints "port LINK"; "N RATE" on standard input sends N
 *                         indications, RATE a second (0: as fast as they are read); "sent" is printed behind the
 *                         last */

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <termios.h>
#include <time.h>
#include <unistd.h>

static int master;

static long long
now (void)
{
  struct timespec t;
  clock_gettime (CLOCK_MONOTONIC, &t);
  return t.tv_sec * 1000000000LL + t.tv_nsec;
}

static void
say (const char *text)
{
  size_t length = strlen (text), done = 0;

  while (done < length)
    {
      ssize_t n = write (master, text + done, length - done);
      struct pollfd wait = { master, POLLOUT, 0 };
      if (n > 0)
        done += (size_t) n;
      else if (n < 0 && errno != EAGAIN && errno != EINTR)
        exit (1);
      else
        poll (&wait, 1, -1);
    }
}

static void
answer (const char *command)
{
  static const char *const known[][2] = {
    { "AT+CGMR", "\r\nME3630C1CV2.0B06\r\n\r\nOK\r\n" }, { "AT+CGSN", "\r\n864863040000017\r\n\r\nOK\r\n" },
    { "AT+CGMI", "\r\nGOSUNCN\r\n\r\nOK\r\n" },          { "AT+CGMM", "\r\nME3630\r\n\r\nOK\r\n" },
  };

  for (size_t i = 0; i < sizeof known / sizeof *known; i++)
    if (strcmp (command, known[i][0]) == 0)
      {
        say (known[i][1]);
        return;
      }
  say ("\r\nOK\r\n");
}

static void
take (void)
{
  static char line[1024];
  static size_t length;
  char buffer[512];
  ssize_t n = read (master, buffer, sizeof buffer);

  for (ssize_t i = 0; i < n; i++)
    if (buffer[i] == '\r')
      {
        line[length] = '\0';
        length = 0;
        answer (line);
      }
    else if (buffer[i] != '\n' && length < sizeof line - 1)
      line[length++] = buffer[i];
}

int
main (int argc, char **argv)
{
  struct termios attributes;
  struct pollfd wait[2] = { { 0, POLLIN, 0 }, { STDIN_FILENO, POLLIN, 0 } };
  char order[64], text[64];
  long left = 0, rate = 0;
  long long next = 0;
  int slave;

  wait[0].fd = master = posix_openpt (O_RDWR | O_NOCTTY | O_NONBLOCK | O_CLOEXEC);
  if (argc != 2 || master < 0 || grantpt (master) < 0 || unlockpt (master) < 0)
    return 1;
  /* Kept open, so that the port does not hang up between two that use it. */
  slave = open (ptsname (master), O_RDWR | O_NOCTTY | O_CLOEXEC);
  if (tcgetattr (slave, &attributes) == 0)
    cfmakeraw (&attributes);
  if (slave < 0 || tcsetattr (slave, TCSANOW, &attributes) < 0 || symlink (ptsname (master), argv[1]) < 0)
    return 1;
  printf ("port %s\n", argv[1]);
  fflush (stdout);

  for (;;)
    {
      long long pause = left == 0 ? -1 : rate == 0 ? 0 : next - now ();
      struct timespec limit = { pause / 1000000000, pause % 1000000000 };

      if (pause < 0 && left > 0)
        limit = (struct timespec){ 0, 0 };
      if (ppoll (wait, 2, left == 0 ? NULL : &limit, NULL) < 0)
        return 1;
      if (wait[1].revents != 0)
        {
          ssize_t n = read (STDIN_FILENO, order, sizeof order - 1);
          if (n <= 0)
            return 0;
          order[n] = '\0';
          if (sscanf (order, "%ld %ld", &left, &rate) == 2)
            next = now ();
        }
      if (wait[0].revents & POLLIN)
        take ();
      if (left == 0 || (rate > 0 && now () < next))
        continue;
      next += rate > 0 ? 1000000000LL / rate : 0;
      snprintf (text, sizeof text, "+FOTAIND: PROBE:%lld\r\n", now ());
      say (text);
      if (--left == 0)
        {
          puts ("sent");
          fflush (stdout);
        }
    }
}
