/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-fd-watch.h"

#include <errno.h>
#include <sys/epoll.h>

/* Taken from the kernel at once. */
#define EVENTS_MAX 32

/* The bits are the same, as they are poll()'s. */
G_STATIC_ASSERT ((int) EPOLLIN == (int) G_IO_IN && (int) EPOLLOUT == (int) G_IO_OUT);
G_STATIC_ASSERT ((int) EPOLLHUP == (int) G_IO_HUP && (int) EPOLLERR == (int) G_IO_ERR);

struct _MefotaFdWatch
{
  int fd;
  GIOCondition condition;
  MefotaFdWatchFunc func;
  gpointer user_data;
};

typedef struct
{
  GSource source;
  int epoll_fd;
  guint n_watches;
  struct epoll_event events[EVENTS_MAX]; /* those under way: those of freed watches are taken out */
  int n_events;
} Poller;

static Poller *poller; /* once made, for good: there may be no descriptor left for it when a port comes back */

static void
tell (Poller *self)
{
  for (int i = 0; i < self->n_events; i++)
    {
      MefotaFdWatch *watch = self->events[i].data.ptr;
      GIOCondition condition = (GIOCondition) self->events[i].events;

      /* Another's function may have freed it or asked for something else meanwhile. */
      if (watch != NULL && watch->condition != 0 && (condition & (watch->condition | G_IO_HUP | G_IO_ERR)) != 0)
        watch->func (condition, watch->user_data);
    }
}

/* All that are ready, each once, before anything else has its turn. What stays ready goes to the end of the kernel's
 * list, so that as many as there are watches are enough. */
static gboolean
poller_dispatch (GSource *source, GSourceFunc callback, gpointer user_data)
{
  Poller *self = (gpointer) source;

  for (guint left = self->n_watches; left > 0;)
    {
      int asked = (int) MIN (left, EVENTS_MAX);

      self->n_events = epoll_wait (self->epoll_fd, self->events, asked, 0);
      left = self->n_events == asked ? left - (guint) asked : 0;
      tell (self);
    }
  self->n_events = 0;
  return G_SOURCE_CONTINUE;
}

static GSourceFuncs poller_funcs = { .dispatch = poller_dispatch };

void
mefota_fd_watch_init (void)
{
  GSource *source;

  if (poller != NULL)
    return;
  source = g_source_new (&poller_funcs, sizeof (Poller));
  poller = (gpointer) source;
  poller->epoll_fd = epoll_create1 (EPOLL_CLOEXEC);
  if (poller->epoll_fd < 0)
    g_error ("epoll_create1: %s", g_strerror (errno)); /* as GLib says it of its own wake-up descriptor */
  g_source_add_unix_fd (source, poller->epoll_fd, G_IO_IN);
  g_source_set_static_name (source, "ports");
  /* One that must not recur is taken out of the poll and put back each time, with a write to the loop's own eventfd.
   * Nothing here runs a loop within a loop. */
  g_source_set_can_recurse (source, TRUE);
  g_source_attach (source, g_main_context_get_thread_default ());
}

MefotaFdWatch *
mefota_fd_watch_new (int fd, MefotaFdWatchFunc func, gpointer user_data)
{
  MefotaFdWatch *self = g_new0 (MefotaFdWatch, 1);

  mefota_fd_watch_init ();
  poller->n_watches++;
  self->fd = fd;
  self->func = func;
  self->user_data = user_data;
  return self;
}

void
mefota_fd_watch_free (MefotaFdWatch *self)
{
  mefota_fd_watch_set (self, 0);
  for (int i = 0; i < poller->n_events; i++)
    if (poller->events[i].data.ptr == self)
      poller->events[i].data.ptr = NULL;
  poller->n_watches--;
  g_free (self);
}

void
mefota_fd_watch_set (MefotaFdWatch *self, GIOCondition condition)
{
  struct epoll_event event = { .events = condition, .data.ptr = self };
  int operation = EPOLL_CTL_MOD;

  if (condition == self->condition)
    return;
  if (condition == 0)
    operation = EPOLL_CTL_DEL; /* EPOLLHUP is told of every descriptor in the set, wanted or not */
  else if (self->condition == 0)
    operation = EPOLL_CTL_ADD;
  if (epoll_ctl (poller->epoll_fd, operation, self->fd, &event) < 0)
    g_critical ("epoll_ctl of descriptor %d: %s", self->fd, g_strerror (errno));
  self->condition = condition;
}
