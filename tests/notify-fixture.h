/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

/* A service manager's notification socket: what was sent to it is read back, in order. */

#include <gio/gio.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

typedef struct
{
  int socket;
  char *directory;
  char *path;
} Notify;

static inline void
notify_open (Notify *notify)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  notify->directory = g_dir_make_tmp ("mefota-notify-XXXXXX", NULL);
  notify->path = g_build_filename (notify->directory, "socket", NULL);
  g_strlcpy (address.sun_path, notify->path, sizeof address.sun_path);
  notify->socket = socket (AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
  g_assert_cmpint (bind (notify->socket, (struct sockaddr *) &address, sizeof address), ==, 0);
  g_setenv ("NOTIFY_SOCKET", notify->path, TRUE);
}

static inline void
notify_close (Notify *notify)
{
  g_unsetenv ("NOTIFY_SOCKET");
  close (notify->socket);
  g_unlink (notify->path);
  g_rmdir (notify->directory);
  g_free (notify->path);
  g_free (notify->directory);
}

/* The next message, or NULL if none was sent; @fd: the descriptor that came with it, or -1. A datagram is there as soon
 * as its sender goes on, so nothing is waited for. */
static inline char *
notify_read (Notify *notify, int *fd)
{
  char text[4096];
  union
  {
    char bytes[CMSG_SPACE (sizeof (int) * 4)];
    struct cmsghdr align;
  } control;
  struct iovec iov = { text, sizeof text };
  struct msghdr message = { .msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control,
                            .msg_controllen = sizeof control };
  gssize n = recvmsg (notify->socket, &message, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
  int received = -1;
  if (n < 0)
    return NULL;

  for (struct cmsghdr *c = CMSG_FIRSTHDR (&message); c != NULL; c = CMSG_NXTHDR (&message, c))
    if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS)
      memcpy (&received, CMSG_DATA (c), sizeof received);
  if (fd != NULL)
    *fd = received;
  else if (received >= 0)
    close (received);
  return g_strndup (text, (gsize) n);
}

#define notify_expect(notify, expected)                 \
  G_STMT_START                                          \
  {                                                     \
    g_autofree char *text_ = notify_read (notify, NULL); \
    g_assert_cmpstr (text_, ==, expected);              \
  }                                                     \
  G_STMT_END
