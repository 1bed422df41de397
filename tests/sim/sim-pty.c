/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-pty.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <pty.h>
#include <pwd.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <termios.h>
#include <unistd.h>

gboolean
sim_fail (GError **error, const char *what)
{
  int code = errno;

  g_set_error (error, G_IO_ERROR, g_io_error_from_errno (code), "%s: %s", what, g_strerror (code));
  return FALSE;
}

static int
open_one (char *name)
{
  struct termios raw;
  int master;
  int slave;

  memset (&raw, 0, sizeof raw);
  cfmakeraw (&raw);
  raw.c_cflag |= CREAD | CLOCAL;
  cfsetspeed (&raw, B115200);
  if (openpty (&master, &slave, name, &raw, NULL) < 0)
    return -1;
  close (slave);
  fcntl (master, F_SETFD, FD_CLOEXEC);
  return master;
}

int
sim_pty_open (const char *not_as, char **device, GError **error)
{
  char name[64];
  int master = open_one (name);

  if (master >= 0 && g_strcmp0 (name, not_as) == 0)
    {
      int rejected = master;

      master = open_one (name);
      close (rejected);
    }
  if (master < 0 || !g_unix_set_fd_nonblocking (master, TRUE, NULL))
    {
      sim_fail (error, "openpty");
      return -1;
    }
  *device = g_strdup (name);
  return master;
}

/* What is at @link may be replaced: nothing, or what a simulator that was killed left behind. Another link is
 * somebody's own, e.g. udev's to a real module. */
static gboolean
is_free (const char *link, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (link);
  g_autofree char *target = NULL;
  struct stat there;

  if (!g_file_test (folder, G_FILE_TEST_IS_DIR))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "%s is no folder: make it, or give another path as link",
                   folder);
      return FALSE;
    }
  if (lstat (link, &there) < 0)
    return TRUE;
  if (!S_ISLNK (there.st_mode))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "%s is there and no link: give another path as link", link);
      return FALSE;
    }
  target = g_file_read_link (link, NULL);
  if (target == NULL || g_str_has_prefix (target, "/dev/pts/"))
    return TRUE;
  g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS,
               "%s leads to %s, which is no simulated module: give another path as link", link, target);
  return FALSE;
}

/* Two at one link would take it from each other at every restart. The kernel gives the name free with the program,
 * however that ends, which no file does. */
int
sim_pty_claim (const char *link, GError **error)
{
  g_autofree char *folder = g_path_get_dirname (link);
  g_autofree char *file = g_path_get_basename (link);
  char *real = realpath (folder, NULL); /* of libc: free() */
  g_autofree char *name = g_strdup_printf ("mefota-sim:%s/%s", real != NULL ? real : folder, file);
  g_autofree char *digest = g_compute_checksum_for_string (G_CHECKSUM_SHA256, name, -1);
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0);
  gsize length = strlen (digest);

  free (real);
  memcpy (address.sun_path + 1, digest, length);
  if (fd >= 0 && bind (fd, (struct sockaddr *) &address,
                       (socklen_t) (G_STRUCT_OFFSET (struct sockaddr_un, sun_path) + 1 + length)) == 0)
    return fd;
  if (errno == EADDRINUSE)
    g_set_error (error, G_IO_ERROR, G_IO_ERROR_EXISTS, "another mefota-sim has %s: give another path as link", link);
  else
    sim_fail (error, link);
  if (fd >= 0)
    close (fd);
  return -1;
}

gboolean
sim_pty_link (const char *link, const char *device, char **made, GError **error)
{
  g_autofree char *temporary = g_strdup_printf ("%s.new%d", link, (int) getpid ());

  if (*link == '\0')
    return TRUE;
  if (!is_free (link, error))
    return FALSE;
  unlink (temporary);
  if (symlink (device, temporary) < 0)
    return sim_fail (error, temporary);
  if (rename (temporary, link) < 0)
    {
      sim_fail (error, link);
      unlink (temporary);
      return FALSE;
    }
  *made = g_strdup (link);
  return TRUE;
}

void
sim_pty_unlink (char **made, const char *device)
{
  g_autofree char *link = g_steal_pointer (made);
  g_autofree char *target = link != NULL ? g_file_read_link (link, NULL) : NULL;

  if (target != NULL && g_str_equal (target, device))
    unlink (link);
}

gboolean
sim_pty_give_away (const SimSettings *settings, const char *device, GError **error)
{
  const struct passwd *user;

  if (*settings->owner != '\0')
    {
      user = getpwnam (settings->owner);
      if (user == NULL)
        {
          g_set_error (error, G_IO_ERROR, G_IO_ERROR_NOT_FOUND, "there is no user %s", settings->owner);
          return FALSE;
        }
      if (chown (device, user->pw_uid, (gid_t) -1) < 0)
        return sim_fail (error, device);
    }
  if (settings->mode != 0 && chmod (device, settings->mode) < 0)
    return sim_fail (error, device);
  return TRUE;
}

guint
sim_pty_get_baud (int master)
{
  static const struct { speed_t speed; guint baud; } rates[] = {
    { B1200, 1200 },     { B2400, 2400 },     { B4800, 4800 },     { B9600, 9600 },     { B19200, 19200 },
    { B38400, 38400 },   { B57600, 57600 },   { B115200, 115200 }, { B230400, 230400 }, { B460800, 460800 },
    { B500000, 500000 }, { B576000, 576000 }, { B921600, 921600 }, { B1000000, 1000000 }, { B1152000, 1152000 },
    { B1500000, 1500000 }, { B2000000, 2000000 }, { B3000000, 3000000 }, { B4000000, 4000000 },
  };
  struct termios now;

  if (tcgetattr (master, &now) < 0)
    return 0;
  for (gsize i = 0; i < G_N_ELEMENTS (rates); i++)
    if (cfgetospeed (&now) == rates[i].speed)
      return rates[i].baud;
  return 0;
}
