/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The floor that mefotad is measured against: the barest GDBus service that does the same. Send writes a command to the
 * tty, polls and reads to the OK; every other line is signalled. It knows no timeout, no error and no second caller. */

#include <gio/gio.h>
#include <glib-unix.h>

#include <fcntl.h>
#include <poll.h>
#include <string.h>
#include <termios.h>
#include <unistd.h>

static const char xml[] = "<node><interface name='org.gosuncn.Floor'>"
                          "<method name='Send'><arg type='s' direction='in'/><arg type='u' direction='in'/>"
                          "<arg type='as' direction='out'/></method>"
                          "<property name='Text' type='s' access='read'/>"
                          "<signal name='Line'><arg type='s'/></signal></interface></node>";
static GDBusConnection *bus;
static int tty = -1;

static void
on_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *method,
         GVariant *parameters, GDBusMethodInvocation *invocation, gpointer data)
{
  struct pollfd wait = { tty, POLLIN, 0 };
  char buffer[4096];
  gsize length = 0;
  g_autofree char *line = NULL;
  g_auto (GStrv) lines = NULL;
  const char *command;

  g_variant_get (parameters, "(&su)", &command, NULL);
  line = g_strconcat (command, "\r", NULL);
  if (write (tty, line, strlen (line)) < 0)
    g_error ("write");
  for (buffer[0] = '\0'; strstr (buffer, "\r\nOK\r\n") == NULL; buffer[length] = '\0')
    if (poll (&wait, 1, -1) > 0)
      length += (gsize) MAX (read (tty, buffer + length, sizeof buffer - length - 1), 0);
  lines = g_strsplit (buffer, "\r\n", -1);
  g_dbus_method_invocation_return_value (invocation, g_variant_new ("(^as)", lines));
}

static GVariant *
on_get (GDBusConnection *connection, const char *sender, const char *path, const char *interface, const char *property,
        GError **error, gpointer data)
{
  return g_variant_new_string ("downloading");
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer data)
{
  static char buffer[4096];
  static gsize length;
  char *start = buffer, *end;
  gssize n = read (fd, buffer + length, sizeof buffer - length);

  for (length += (gsize) MAX (n, 0); (end = memchr (start, '\n', length - (gsize) (start - buffer))) != NULL;
       start = end + 1)
    {
      *end = '\0';
      if (end > start + 1)
        g_dbus_connection_emit_signal (bus, NULL, "/", "org.gosuncn.Floor", "Line", g_variant_new ("(s)", start), NULL);
    }
  length -= (gsize) (start - buffer);
  memmove (buffer, start, length);
  return G_SOURCE_CONTINUE;
}

static void
on_connected (GDBusConnection *connection, const char *name, gpointer data)
{
  static const GDBusInterfaceVTable vtable = { on_call, on_get, NULL, { NULL } };
  GDBusNodeInfo *node = g_dbus_node_info_new_for_xml (xml, NULL);

  bus = connection;
  g_dbus_connection_register_object (bus, "/", node->interfaces[0], &vtable, NULL, NULL, NULL);
}

int
main (int argc, char **argv)
{
  struct termios attributes;

  if (argc > 1 && (tty = open (argv[1], O_RDWR | O_NOCTTY | O_NONBLOCK)) >= 0 && tcgetattr (tty, &attributes) == 0)
    {
      cfmakeraw (&attributes);
      tcsetattr (tty, TCSANOW, &attributes);
      g_unix_fd_add (tty, G_IO_IN, on_readable, NULL);
    }
  g_bus_own_name (G_BUS_TYPE_SYSTEM, "org.gosuncn.Floor", G_BUS_NAME_OWNER_FLAGS_NONE, on_connected, NULL, NULL, NULL,
                  NULL);
  g_main_loop_run (g_main_loop_new (NULL, FALSE));
}
