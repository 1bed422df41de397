/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "event.h"
#include "mefota-names.h"
#include "output.h"
#include "verbs.h"

#include <glib-unix.h>
#include <string.h>

typedef struct
{
  Ctl *ctl;
  GMainLoop *loop;
  char *path; /* of the one module, or NULL */
  gboolean gone;
  ExitStatus status;
} Watch;

static void
tell (Watch *self, const char *event, const char *module, GVariant *parameters)
{
  g_autofree char *text = self->ctl->json ? event_to_json (event, module, parameters)
                                          : event_to_text (event, module, parameters, NULL);
  if (self->ctl->json)
    output_json (text);
  else
    output_print (stdout, "%s", text);
  if (ferror (stdout))
    g_main_loop_quit (self->loop); /* nobody reads any more */
}

static void
on_signal (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *signal,
           GVariant *parameters, gpointer user_data)
{
  Watch *self = user_data;
  const char *event = event_name (interface, signal, parameters);
  const char *object = path;
  if (event == NULL)
    return;
  if (g_str_has_prefix (event, "Interfaces"))
    g_variant_get_child (parameters, 0, "&o", &object);
  if (!g_str_has_prefix (object, MEFOTA_MODULE_PREFIX)
      || (self->path != NULL && !g_str_equal (object, self->path)))
    return;
  tell (self, event, object + strlen (MEFOTA_MODULE_PREFIX), parameters);
}

static void
on_name_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer user_data)
{
  Watch *self = user_data;
  if (self->gone)
    tell (self, "DaemonBack", NULL, NULL);
  self->gone = FALSE;
}

static void
on_name_vanished (GDBusConnection *bus, const char *name, gpointer user_data)
{
  Watch *self = user_data;
  if (!self->gone)
    tell (self, "DaemonGone", NULL, NULL);
  self->gone = TRUE;
}

static void
on_closed (GDBusConnection *bus, gboolean remote_peer_vanished, GError *error, gpointer user_data)
{
  Watch *self = user_data;
  complain ("The system bus went away: try again once it runs.");
  self->status = STATUS_NO_MODULE;
  g_main_loop_quit (self->loop);
}

static gboolean
on_interrupt (gpointer user_data)
{
  Watch *self = user_data;
  self->status = STATUS_INTERRUPTED;
  g_main_loop_quit (self->loop);
  return G_SOURCE_CONTINUE;
}

ExitStatus
verb_watch (Ctl *ctl, int argc, char **argv)
{
  g_autoptr (GError) error = NULL;
  if (!ctl_parse (ctl, "watch", NULL, 0, 0, &argc, &argv))
    return STATUS_USAGE;
  g_autoptr (GPtrArray) modules = ctl_get_modules (ctl, &error);
  if (modules == NULL)
    return exit_status_report (error);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autofree char *path
      = ctl->module_key == NULL ? NULL : g_strdup (((Module *) g_ptr_array_index (modules, 0))->path);
  Watch self = { .ctl = ctl, .loop = loop, .path = path, .status = STATUS_DONE };
  guint signals = g_dbus_connection_signal_subscribe (ctl->bus, MEFOTA_BUS_NAME, NULL, NULL, NULL, NULL,
                                                      G_DBUS_SIGNAL_FLAGS_NONE, on_signal, &self, NULL);
  guint name = g_bus_watch_name_on_connection (ctl->bus, MEFOTA_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                               on_name_appeared, on_name_vanished, &self, NULL);
  gulong closed = g_signal_connect (ctl->bus, "closed", G_CALLBACK (on_closed), &self);
  guint interrupt = g_unix_signal_add (SIGINT, on_interrupt, &self);

  g_main_loop_run (loop);

  g_source_remove (interrupt);
  g_signal_handler_disconnect (ctl->bus, closed);
  g_bus_unwatch_name (name);
  g_dbus_connection_signal_unsubscribe (ctl->bus, signals);
  return self.status;
}
