/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "exit-status.h"

#include "mefota-error.h"
#include "output.h"

typedef enum
{
  DOMAIN_OURS,
  DOMAIN_BUS,
  DOMAIN_IO,
} Domain;

static const char no_daemon[] = "mefotad does not run and could not be started: start it with `systemctl start "
                                "mefotad`, or see why it does not start with `journalctl -u mefotad`.";
static const char daemon_ended[] = "mefotad ended before it answered: see why with `journalctl -u mefotad`.";
static const char no_bus[] = "The system bus is gone: try again once it runs.";
static const char no_object[] = "This module is gone: see with `mefotactl list` which are there.";
static const char not_allowed[] = "The system bus does not let you do this: run mefotactl as root or as a member of "
                                  "the group mefota.";
static const char no_answer[] = "mefotad does not answer: see what it does with `systemctl status mefotad`.";

/* The one table of exit statuses, by ranges of codes. An advice replaces a message that only speaks of the bus. */
static const struct
{
  guint8 domain;
  guint8 first;
  guint8 last;
  guint8 status;
  const char *advice;
} statuses[] = {
  { DOMAIN_OURS, MEFOTA_ERROR_BUSY, MEFOTA_ERROR_BUSY, STATUS_BUSY, NULL },
  { DOMAIN_OURS, MEFOTA_ERROR_NOT_PRESENT, MEFOTA_ERROR_NOT_PRESENT, STATUS_NO_MODULE, NULL },
  { DOMAIN_OURS, MEFOTA_ERROR_NOT_READY, MEFOTA_ERROR_NOT_READY, STATUS_NOT_READY, NULL },
  { DOMAIN_OURS, MEFOTA_ERROR_NOT_AUTHORIZED, MEFOTA_ERROR_NOT_AUTHORIZED, STATUS_NOT_AUTHORIZED, NULL },
  { DOMAIN_OURS, MEFOTA_ERROR_TIMEOUT, MEFOTA_ERROR_TIMEOUT, STATUS_TIMED_OUT, NULL },
  { DOMAIN_OURS, MEFOTA_ERROR_CONFIRM_TIMEOUT, MEFOTA_ERROR_CONFIRM_TIMEOUT, STATUS_TIMED_OUT, NULL },
  { DOMAIN_OURS, MEFOTA_ERROR_CANCELLED, MEFOTA_ERROR_CANCELLED, STATUS_CANCELLED, NULL },
  { DOMAIN_OURS, MEFOTA_ERROR_REJECTED, MEFOTA_ERROR_REJECTED, STATUS_CANCELLED, NULL },
  { DOMAIN_OURS, MEFOTA_ERROR_NO_NEW_VERSION, MEFOTA_ERROR_NO_NEW_VERSION, STATUS_DONE, NULL },
  { DOMAIN_BUS, G_DBUS_ERROR_SERVICE_UNKNOWN, G_DBUS_ERROR_NAME_HAS_NO_OWNER, STATUS_NO_MODULE, no_daemon },
  { DOMAIN_BUS, G_DBUS_ERROR_NO_REPLY, G_DBUS_ERROR_NO_REPLY, STATUS_NO_MODULE, daemon_ended },
  { DOMAIN_BUS, G_DBUS_ERROR_SPAWN_EXEC_FAILED, G_DBUS_ERROR_SPAWN_NO_MEMORY, STATUS_NO_MODULE, no_daemon },
  { DOMAIN_BUS, G_DBUS_ERROR_NO_SERVER, G_DBUS_ERROR_NO_SERVER, STATUS_NO_MODULE, NULL },
  { DOMAIN_BUS, G_DBUS_ERROR_DISCONNECTED, G_DBUS_ERROR_DISCONNECTED, STATUS_NO_MODULE, no_bus },
  { DOMAIN_BUS, G_DBUS_ERROR_UNKNOWN_OBJECT, G_DBUS_ERROR_UNKNOWN_OBJECT, STATUS_NO_MODULE, no_object },
  { DOMAIN_BUS, G_DBUS_ERROR_ACCESS_DENIED, G_DBUS_ERROR_AUTH_FAILED, STATUS_NOT_AUTHORIZED, not_allowed },
  { DOMAIN_BUS, G_DBUS_ERROR_TIMEOUT, G_DBUS_ERROR_TIMEOUT, STATUS_TIMED_OUT, NULL },
  /* the bus says this of a service that does not start */
  { DOMAIN_BUS, G_DBUS_ERROR_TIMED_OUT, G_DBUS_ERROR_TIMED_OUT, STATUS_NO_MODULE, no_daemon },
  { DOMAIN_IO, G_IO_ERROR_TIMED_OUT, G_IO_ERROR_TIMED_OUT, STATUS_TIMED_OUT, no_answer },
  { DOMAIN_IO, G_IO_ERROR_CLOSED, G_IO_ERROR_CLOSED, STATUS_NO_MODULE, no_bus },
};

static int
find (GQuark quark, int code)
{
  Domain domain = quark == MEFOTA_ERROR ? DOMAIN_OURS : quark == G_DBUS_ERROR ? DOMAIN_BUS : DOMAIN_IO;
  if (domain == DOMAIN_IO && quark != G_IO_ERROR)
    return -1;
  for (gsize i = 0; i < G_N_ELEMENTS (statuses); i++)
    if (statuses[i].domain == domain && code >= statuses[i].first && code <= statuses[i].last)
      return (int) i;
  return -1;
}

static int
find_error (const GError *error)
{
  g_autofree char *name = g_dbus_error_get_remote_error (error);
  /* systemd's own words for a unit that is masked, missing or broken */
  if (name != NULL && g_str_has_prefix (name, "org.freedesktop.systemd1."))
    return find (G_DBUS_ERROR, G_DBUS_ERROR_SERVICE_UNKNOWN);
  return find (error->domain, error->code);
}

ExitStatus
exit_status_of_error (const GError *error)
{
  int i = find_error (error);
  return i < 0 ? STATUS_FAILED : (ExitStatus) statuses[i].status;
}

ExitStatus
exit_status_of_name (const char *error_name)
{
  MefotaError code;
  if (!mefota_error_from_name (error_name, &code))
    return STATUS_FAILED;
  int i = find (MEFOTA_ERROR, code);
  return i < 0 ? STATUS_FAILED : (ExitStatus) statuses[i].status;
}

gboolean
exit_status_is_daemon_gone (const GError *error)
{
  int i = find_error (error);
  return i >= 0 && (statuses[i].advice == no_daemon || statuses[i].advice == daemon_ended);
}

ExitStatus
exit_status_report (GError *error)
{
  int i = find_error (error);
  ExitStatus status = exit_status_of_error (error);
  g_dbus_error_strip_remote_error (error);
  complain ("%s", i >= 0 && statuses[i].advice != NULL ? statuses[i].advice : error->message);
  return status;
}

void
complain (const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *clean = output_clean (message);
  output_print (stderr, "mefotactl: %s\n", clean);
}
