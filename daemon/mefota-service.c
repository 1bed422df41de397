/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-service.h"

#include <stdlib.h>
#include <systemd/sd-daemon.h>
#include <unistd.h>

/* A process has one service manager, so this room's state is the process's. */
static guint watchdog_source;
static char *last_status;

void
mefota_service_ready (void)
{
  sd_notify (FALSE, "READY=1");
}

void
mefota_service_stopping (void)
{
  sd_notify (FALSE, "STOPPING=1");
}

void
mefota_service_reloading (void)
{
  /* The time is what Type=notify-reload wants to see. */
  sd_notifyf (FALSE, "RELOADING=1\nMONOTONIC_USEC=%" G_GINT64_FORMAT, g_get_monotonic_time ());
}

void
mefota_service_status (const char *sentence)
{
  g_return_if_fail (sentence != NULL);
  if (g_strcmp0 (sentence, last_status) == 0)
    return;

  g_free (last_status);
  last_status = g_strdup (sentence);
  /* A line break would begin another variable. */
  g_autofree char *line = g_strdelimit (g_strdup (sentence), "\r\n", ' ');
  sd_notifyf (FALSE, "STATUS=%s", line);
}

static gboolean
beat (gpointer user_data)
{
  sd_notify (FALSE, "WATCHDOG=1");
  return G_SOURCE_CONTINUE;
}

void
mefota_service_watchdog_start (void)
{
  guint64 usec;
  if (watchdog_source != 0 || sd_watchdog_enabled (FALSE, &usec) <= 0)
    return;

  beat (NULL);
  watchdog_source = g_timeout_add ((guint) CLAMP (usec / 2000, 1, G_MAXUINT), beat, NULL);
}

void
mefota_service_watchdog_stop (void)
{
  g_clear_handle_id (&watchdog_source, g_source_remove);
}

void
mefota_service_store_fd (const char *name, int fd)
{
  g_return_if_fail (name != NULL && fd >= 0);
  g_autofree char *state = g_strdup_printf ("FDSTORE=1\nFDNAME=%s", name);
  sd_pid_notify_with_fds (0, FALSE, state, &fd, 1);
}

void
mefota_service_forget_fd (const char *name)
{
  g_return_if_fail (name != NULL);
  sd_notifyf (FALSE, "FDSTOREREMOVE=1\nFDNAME=%s", name);
}

int
mefota_service_take_fd (const char *name)
{
  static int n_fds = -1;
  static char **names;
  int fd = -1;

  g_return_val_if_fail (name != NULL, -1);
  if (n_fds < 0)
    n_fds = sd_listen_fds_with_names (TRUE, &names);
  if (n_fds < 0)
    n_fds = 0;

  for (int i = 0; i < n_fds; i++)
    {
      if (g_strcmp0 (names[i], name) != 0)
        continue;
      /* A second one of that name would be held by nobody, and kept open for ever. */
      if (fd < 0)
        fd = SD_LISTEN_FDS_START + i;
      else
        close (SD_LISTEN_FDS_START + i);
      g_clear_pointer (&names[i], free);
    }
  return fd;
}
