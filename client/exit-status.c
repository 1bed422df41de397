/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "exit-status.h"

#include "mefota-error.h"
#include "output.h"

#define NO_DAEMON "mefotad does not run and could not be started: start it with `systemctl start mefotad`, " \
                  "or see why it does not start with `journalctl -u mefotad`."
#define NOT_ALLOWED "The system bus does not let you do this: run mefotactl as root or as a member of the group mefota."

/* The one table of exit statuses. An advice replaces a message that only speaks of the bus. */
static const struct
{
  GQuark (*domain) (void);
  int code;
  ExitStatus status;
  const char *advice;
} statuses[] = {
  { mefota_error_quark, MEFOTA_ERROR_BUSY, STATUS_BUSY, NULL },
  { mefota_error_quark, MEFOTA_ERROR_NOT_PRESENT, STATUS_NO_MODULE, NULL },
  { mefota_error_quark, MEFOTA_ERROR_NOT_READY, STATUS_NOT_READY, NULL },
  { mefota_error_quark, MEFOTA_ERROR_NOT_AUTHORIZED, STATUS_NOT_AUTHORIZED, NULL },
  { mefota_error_quark, MEFOTA_ERROR_TIMEOUT, STATUS_TIMED_OUT, NULL },
  { mefota_error_quark, MEFOTA_ERROR_CONFIRM_TIMEOUT, STATUS_TIMED_OUT, NULL },
  { mefota_error_quark, MEFOTA_ERROR_CANCELLED, STATUS_CANCELLED, NULL },
  { mefota_error_quark, MEFOTA_ERROR_REJECTED, STATUS_CANCELLED, NULL },
  { mefota_error_quark, MEFOTA_ERROR_NO_NEW_VERSION, STATUS_DONE, NULL },
  { g_dbus_error_quark, G_DBUS_ERROR_SERVICE_UNKNOWN, STATUS_NO_MODULE, NO_DAEMON },
  { g_dbus_error_quark, G_DBUS_ERROR_NAME_HAS_NO_OWNER, STATUS_NO_MODULE, NO_DAEMON },
  { g_dbus_error_quark, G_DBUS_ERROR_SPAWN_EXEC_FAILED, STATUS_NO_MODULE, NO_DAEMON },
  { g_dbus_error_quark, G_DBUS_ERROR_SPAWN_FORK_FAILED, STATUS_NO_MODULE, NO_DAEMON },
  { g_dbus_error_quark, G_DBUS_ERROR_SPAWN_CHILD_EXITED, STATUS_NO_MODULE, NO_DAEMON },
  { g_dbus_error_quark, G_DBUS_ERROR_SPAWN_CHILD_SIGNALED, STATUS_NO_MODULE, NO_DAEMON },
  { g_dbus_error_quark, G_DBUS_ERROR_SPAWN_FAILED, STATUS_NO_MODULE, NO_DAEMON },
  { g_dbus_error_quark, G_DBUS_ERROR_SPAWN_SETUP_FAILED, STATUS_NO_MODULE, NO_DAEMON },
  { g_dbus_error_quark, G_DBUS_ERROR_SPAWN_SERVICE_INVALID, STATUS_NO_MODULE, NO_DAEMON },
  { g_dbus_error_quark, G_DBUS_ERROR_SPAWN_SERVICE_NOT_FOUND, STATUS_NO_MODULE, NO_DAEMON },
  { g_dbus_error_quark, G_DBUS_ERROR_NO_REPLY, STATUS_NO_MODULE,
    "mefotad ended before it answered: see why with `journalctl -u mefotad`." },
  { g_dbus_error_quark, G_DBUS_ERROR_DISCONNECTED, STATUS_NO_MODULE,
    "The system bus is gone: try again once it runs." },
  { g_dbus_error_quark, G_DBUS_ERROR_NO_SERVER, STATUS_NO_MODULE, NULL },
  { g_dbus_error_quark, G_DBUS_ERROR_UNKNOWN_OBJECT, STATUS_NO_MODULE,
    "This module is gone: see with `mefotactl list` which are there." },
  { g_dbus_error_quark, G_DBUS_ERROR_ACCESS_DENIED, STATUS_NOT_AUTHORIZED, NOT_ALLOWED },
  { g_dbus_error_quark, G_DBUS_ERROR_AUTH_FAILED, STATUS_NOT_AUTHORIZED, NOT_ALLOWED },
  { g_dbus_error_quark, G_DBUS_ERROR_TIMEOUT, STATUS_TIMED_OUT, NULL },
  { g_dbus_error_quark, G_DBUS_ERROR_TIMED_OUT, STATUS_TIMED_OUT, NULL },
  { g_io_error_quark, G_IO_ERROR_TIMED_OUT, STATUS_TIMED_OUT,
    "mefotad does not answer: see what it does with `systemctl status mefotad`." },
  { g_io_error_quark, G_IO_ERROR_CLOSED, STATUS_NO_MODULE, "The system bus is gone: try again once it runs." },
};

static int
find (GQuark domain, int code)
{
  for (gsize i = 0; i < G_N_ELEMENTS (statuses); i++)
    if (statuses[i].domain () == domain && statuses[i].code == code)
      return (int) i;
  return -1;
}

ExitStatus
exit_status_of_error (const GError *error)
{
  int i = find (error->domain, error->code);
  return i < 0 ? STATUS_FAILED : statuses[i].status;
}

ExitStatus
exit_status_of_name (const char *error_name)
{
  MefotaError code;
  if (!mefota_error_from_name (error_name, &code))
    return STATUS_FAILED;
  int i = find (MEFOTA_ERROR, code);
  return i < 0 ? STATUS_FAILED : statuses[i].status;
}

gboolean
exit_status_is_daemon_gone (const GError *error)
{
  int i = find (error->domain, error->code);
  return i >= 0 && statuses[i].status == STATUS_NO_MODULE && statuses[i].domain == g_dbus_error_quark
         && statuses[i].code != G_DBUS_ERROR_UNKNOWN_OBJECT && statuses[i].code != G_DBUS_ERROR_DISCONNECTED;
}

ExitStatus
exit_status_report (GError *error)
{
  int i = find (error->domain, error->code);
  g_dbus_error_strip_remote_error (error);
  complain ("%s", i >= 0 && statuses[i].advice != NULL ? statuses[i].advice : error->message);
  return exit_status_of_error (error);
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
