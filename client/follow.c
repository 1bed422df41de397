/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "follow.h"

#include "event.h"
#include "follow-view.h"
#include "mefota-error.h"
#include "mefota-names.h"
#include "output.h"

#include <glib-unix.h>

/* How long a daemon that went away is waited for: longer than any restart of a service takes. */
#define RETURN_SECONDS 60

typedef struct
{
  char *name;
  GVariant *parameters;
} Event;

typedef enum
{
  PHASE_ARRIVING, /* waiting for the first picture of the module */
  PHASE_ASKING,   /* the method was called: what comes is kept back */
  PHASE_FOLLOWING,
  PHASE_DAEMON_GONE,
  PHASE_ENDED,
} Phase;

typedef struct
{
  Ctl *ctl;
  Module *module;
  const FollowStart *start;
  GMainLoop *loop;
  GCancellable *cancellable;
  Phase phase;
  GQueue *kept;         /* Event *, until the method returned */
  char *before;         /* LastUpgrade before the method was called */
  char *ours;           /* id of the upgrade that is followed; NULL while unknown */
  guint return_timeout; /* the daemon is waited for */
  FollowView view;
  ExitStatus status;
} Follow;

static void
event_free (Event *event)
{
  g_variant_unref (event->parameters);
  g_free (event->name);
  g_free (event);
}

static void
redraw (Follow *self)
{
  if (self->phase == PHASE_ASKING)
    follow_view_redraw (&self->view, self->module, FOLLOW_VIEW_ASKING);
  else if (self->phase == PHASE_FOLLOWING)
    follow_view_redraw (&self->view, self->module, FOLLOW_VIEW_FOLLOWING);
  else if (self->phase == PHASE_DAEMON_GONE)
    follow_view_redraw (&self->view, self->module, FOLLOW_VIEW_DAEMON_GONE);
}

static void
quit (Follow *self, ExitStatus status)
{
  follow_view_wipe (&self->view);
  self->phase = PHASE_ENDED;
  self->status = status;
  g_main_loop_quit (self->loop);
}

/* A call failed that cannot be done without. */
static void
quit_with (Follow *self, GError *error)
{
  quit (self, STATUS_FAILED);
  self->status = exit_status_report (error);
}

/* The end: @details as in Finished or in the history. */
static void
finish (Follow *self, const char *result, GVariant *details)
{
  if (self->view.json)
    {
      g_autoptr (GVariant) parameters = g_variant_ref_sink (g_variant_new ("(s@a{sv})", result, details));
      follow_view_event (&self->view, self->module, "Finished", parameters);
    }
  ExitStatus status = follow_view_result (&self->view, self->module, result, details);
  gboolean failed = !g_str_equal (result, mefota_result_to_word (MEFOTA_RESULT_SUCCESS));
  quit (self, status == STATUS_DONE && failed && self->start->require_new ? STATUS_NOTHING_NEW : status);
}

static void
see_upgrade (Follow *self)
{
  const char *id = module_string (self->module, "LastUpgrade");
  if (*id != '\0' && (self->ours != NULL || g_strcmp0 (id, self->before) != 0) && g_strcmp0 (id, self->ours) != 0)
    {
      g_free (self->ours);
      self->ours = g_strdup (id);
    }
}

static void
on_event (Follow *self, const char *event, GVariant *parameters)
{
  g_autoptr (GVariant) properties = event_get_properties (event, parameters);
  if (g_str_equal (event, "Finished"))
    {
      const char *result, *id = "";
      g_autoptr (GVariant) details = NULL;
      g_variant_get (parameters, "(&s@a{sv})", &result, &details);
      g_variant_lookup (details, "id", "&s", &id);
      /* The end of an earlier one, that was still on its way while ours was asked for? */
      if (*id != '\0' && (self->ours != NULL ? !g_str_equal (id, self->ours) : g_strcmp0 (id, self->before) == 0))
        return;
      finish (self, result, details);
      return;
    }
  if (properties != NULL)
    {
      module_update (self->module, properties);
      see_upgrade (self);
      if (self->phase == PHASE_FOLLOWING && module_is_upgrading (self->module))
        g_clear_handle_id (&self->return_timeout, g_source_remove);
    }
  follow_view_event (&self->view, self->module, event, parameters);
  redraw (self);
}

static void look_after_return (Follow *self);

static gboolean
on_return_timeout (gpointer user_data)
{
  Follow *self = user_data;
  self->return_timeout = 0;
  quit (self, STATUS_NO_MODULE);
  complain ("mefotad has not come back for %d seconds. An upgrade under way goes on in the module: start mefotad with "
            "`systemctl start mefotad`, then follow it with `mefotactl attach`.", RETURN_SECONDS);
  return G_SOURCE_REMOVE;
}

static void
wait_for_return (Follow *self)
{
  if (self->return_timeout == 0)
    self->return_timeout = g_timeout_add_seconds (RETURN_SECONDS, on_return_timeout, self);
}

static void
on_signal (GDBusConnection *bus, const char *sender, const char *path, const char *interface, const char *signal,
           GVariant *parameters, gpointer user_data)
{
  Follow *self = user_data;
  const char *event = event_name (interface, signal, parameters);
  const char *object = path;
  if (event == NULL || self->phase == PHASE_ENDED || self->phase == PHASE_ARRIVING)
    return;
  if (g_str_has_prefix (event, "Interfaces"))
    {
      g_variant_get_child (parameters, 0, "&o", &object);
      if (!g_str_equal (object, self->module->path))
        return;
      /* The object stays as long as an upgrade does: only a daemon that ends or begins does this. */
      if (self->phase == PHASE_ASKING)
        return;
      if (g_str_equal (event, "InterfacesRemoved"))
        wait_for_return (self);
      else
        look_after_return (self);
    }
  else if (self->phase == PHASE_ASKING)
    {
      Event *kept = g_new (Event, 1);
      *kept = (Event) { g_strdup (event), g_variant_ref (parameters) };
      g_queue_push_tail (self->kept, kept);
    }
  else
    on_event (self, event, parameters);
}

/* All that is known of the module, as one change. */
static void
tell_picture (Follow *self)
{
  g_autoptr (GVariant) picture = g_variant_ref_sink (
      g_variant_new ("(s@a{sv}@as)", MEFOTA_IFACE_MODULE, module_to_variant (self->module, NULL),
                     g_variant_new_strv (NULL, 0)));
  follow_view_event (&self->view, self->module, "PropertiesChanged", picture);
}

/* A picture of the module first, then what came while the method was running. */
static void
begin_following (Follow *self, Phase phase)
{
  self->phase = phase;
  if (self->view.json || self->start->method == NULL)
    tell_picture (self);
  while (!g_queue_is_empty (self->kept) && self->phase == phase)
    {
      Event *event = g_queue_pop_head (self->kept);
      on_event (self, event->name, event->parameters);
      event_free (event);
    }
  redraw (self);
}

static void
on_history (GObject *source, GAsyncResult *async_result, gpointer user_data)
{
  Follow *self = user_data;
  const char *id, *result;
  g_autoptr (GVariant) details = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), async_result, NULL);
  if (self->phase != PHASE_FOLLOWING)
    return;
  g_autoptr (GVariant) entries = reply == NULL ? NULL : g_variant_get_child_value (reply, 0);
  for (gsize i = 0; entries != NULL && i < g_variant_n_children (entries); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (entries, i);
      if (g_variant_lookup (entry, "id", "&s", &id) && g_str_equal (id, self->ours)
          && g_variant_lookup (entry, "result", "&s", &result))
        {
          finish (self, result, entry);
          return;
        }
    }
  result = module_string (self->module, "LastResult");
  if (!g_str_equal (module_string (self->module, "LastUpgrade"), self->ours) || module_is_upgrading (self->module)
      || *result == '\0' || g_str_equal (result, mefota_result_to_word (MEFOTA_RESULT_NONE)))
    return; /* not known yet: return_timeout is running */
  details = module_last_details (self->module, (double) (g_get_real_time () - self->view.began) / G_USEC_PER_SEC);
  finish (self, result, details);
}

/* The daemon is back and the module is in sight: is our upgrade still under way, or has it ended meanwhile? */
static void
on_returned (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Follow *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) properties = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  if (reply == NULL || self->phase == PHASE_ENDED)
    return; /* no such object yet: InterfacesAdded will come */
  g_variant_get (reply, "(@a{sv})", &properties);
  module_update (self->module, properties);
  self->phase = PHASE_FOLLOWING;
  const char *id = module_string (self->module, "LastUpgrade");
  if (self->ours == NULL && !module_is_upgrading (self->module) && g_strcmp0 (id, self->before) == 0)
    {
      quit (self, STATUS_NO_MODULE);
      complain ("mefotad ended before it took the upgrade on, and nothing was started: try again.");
      return;
    }
  if (self->ours == NULL)
    self->ours = g_strdup (id);
  if (module_is_upgrading (self->module) && g_str_equal (self->ours, id))
    {
      g_clear_handle_id (&self->return_timeout, g_source_remove);
      tell_picture (self);
      redraw (self);
      return;
    }
  wait_for_return (self);
  GVariantBuilder filter;
  g_variant_builder_init (&filter, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&filter, "{sv}", "module", g_variant_new_string (module_id (self->module)));
  g_dbus_connection_call (self->ctl->bus, MEFOTA_BUS_NAME, MEFOTA_OBJECT_ROOT, MEFOTA_IFACE_MANAGER, "GetHistory",
                          g_variant_new ("(a{sv})", &filter), G_VARIANT_TYPE ("(aa{sv})"), G_DBUS_CALL_FLAGS_NONE,
                          CTL_READ_TIMEOUT_MS, self->cancellable, on_history, self);
}

static void
look (Follow *self, GAsyncReadyCallback callback)
{
  g_dbus_connection_call (self->ctl->bus, MEFOTA_BUS_NAME, self->module->path, "org.freedesktop.DBus.Properties",
                          "GetAll", g_variant_new ("(s)", MEFOTA_IFACE_MODULE), G_VARIANT_TYPE ("(a{sv})"),
                          G_DBUS_CALL_FLAGS_NO_AUTO_START, CTL_READ_TIMEOUT_MS, self->cancellable, callback, self);
}

static void
look_after_return (Follow *self)
{
  look (self, on_returned);
}

static void
lose_daemon (Follow *self)
{
  if (self->phase == PHASE_DAEMON_GONE || self->phase == PHASE_ENDED)
    return;
  if (self->phase == PHASE_ASKING)
    begin_following (self, PHASE_DAEMON_GONE);
  if (self->phase == PHASE_ENDED)
    return;
  self->phase = PHASE_DAEMON_GONE;
  wait_for_return (self);
  if (self->view.json)
    follow_view_event (&self->view, self->module, "DaemonGone", NULL);
  follow_view_wipe (&self->view);
  complain ("mefotad went away; an upgrade under way goes on in the module. Waiting for mefotad to come back.");
  redraw (self);
}

static void
on_method_returned (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Follow *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), NULL, result, &error);
  if (self->phase != PHASE_ASKING)
    return;
  if (reply == NULL && exit_status_is_daemon_gone (error))
    lose_daemon (self); /* it may have taken the upgrade on before it went: LastUpgrade tells */
  else if (reply == NULL)
    quit_with (self, error);
  else
    {
      if (!self->view.live)
        follow_view_say (&self->view, "The upgrade of %s was taken on; interrupting mefotactl does not interrupt it.",
                         module_id (self->module));
      begin_following (self, PHASE_FOLLOWING);
    }
}

static void
on_picture (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Follow *self = user_data;
  const FollowStart *start = self->start;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) properties = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  if (self->phase == PHASE_ENDED)
    return;
  if (reply == NULL)
    {
      quit_with (self, error);
      return;
    }
  g_variant_get (reply, "(@a{sv})", &properties);
  module_update (self->module, properties);
  self->before = g_strdup (module_string (self->module, "LastUpgrade"));
  if (start->method != NULL)
    {
      self->phase = PHASE_ASKING;
      g_dbus_connection_call_with_unix_fd_list (
          self->ctl->bus, MEFOTA_BUS_NAME, self->module->path, MEFOTA_IFACE_MODULE, start->method, start->parameters,
          G_VARIANT_TYPE ("()"), G_DBUS_CALL_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION, G_MAXINT, start->fds,
          self->cancellable, on_method_returned, self);
      redraw (self);
    }
  else if (module_is_upgrading (self->module))
    {
      self->ours = g_strdup (self->before);
      begin_following (self, PHASE_FOLLOWING);
    }
  else
    {
      quit (self, STATUS_FAILED);
      complain ("No upgrade of %s is under way: see `mefotactl history` for the earlier ones.",
                module_id (self->module));
    }
}

static void
on_name_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer user_data)
{
  Follow *self = user_data;
  if (self->phase == PHASE_ARRIVING)
    look (self, on_picture);
  else if (self->phase == PHASE_DAEMON_GONE)
    {
      if (self->view.json)
        follow_view_event (&self->view, self->module, "DaemonBack", NULL);
      follow_view_wipe (&self->view);
      complain ("mefotad is back.");
      look_after_return (self);
    }
}

static void
on_name_vanished (GDBusConnection *bus, const char *name, gpointer user_data)
{
  Follow *self = user_data;
  if (self->phase != PHASE_ARRIVING)
    {
      lose_daemon (self);
      return;
    }
  g_autoptr (GError) error = g_error_new_literal (G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER, "no owner");
  quit_with (self, error);
}

static void
on_bus_closed (GDBusConnection *bus, gboolean remote_peer_vanished, GError *error, gpointer user_data)
{
  Follow *self = user_data;
  quit (self, STATUS_NO_MODULE);
  complain ("The system bus went away; an upgrade under way goes on: `mefotactl attach` follows it.");
}

static gboolean
on_interrupt (gpointer user_data)
{
  Follow *self = user_data;
  quit (self, STATUS_INTERRUPTED);
  complain ("Interrupted, but the upgrade goes on; `mefotactl attach` follows it.");
  return G_SOURCE_CONTINUE;
}

/* Once a second, and when the terminal changed its size. */
static gboolean
on_tick (gpointer user_data)
{
  redraw (user_data);
  return G_SOURCE_CONTINUE;
}

static void
run (Follow *self)
{
  GDBusConnection *bus = self->ctl->bus;
  /* Subscribed before anything is asked: what comes before the method returns counts too. */
  guint of_module = g_dbus_connection_signal_subscribe (bus, MEFOTA_BUS_NAME, NULL, NULL, self->module->path, NULL,
                                                        G_DBUS_SIGNAL_FLAGS_NONE, on_signal, self, NULL);
  guint of_objects = g_dbus_connection_signal_subscribe (
      bus, MEFOTA_BUS_NAME, "org.freedesktop.DBus.ObjectManager", NULL, MEFOTA_OBJECT_ROOT, NULL,
      G_DBUS_SIGNAL_FLAGS_NONE, on_signal, self, NULL);
  guint name = g_bus_watch_name_on_connection (bus, MEFOTA_BUS_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE,
                                               on_name_appeared, on_name_vanished, self, NULL);
  gulong closed = g_signal_connect (bus, "closed", G_CALLBACK (on_bus_closed), self);
  guint interrupt = g_unix_signal_add (SIGINT, on_interrupt, self);
  guint tick = self->view.live ? g_timeout_add_seconds (1, on_tick, self) : 0;
  guint resized = self->view.live ? g_unix_signal_add (SIGWINCH, on_tick, self) : 0;

  g_main_loop_run (self->loop);

  g_cancellable_cancel (self->cancellable);
  g_clear_handle_id (&self->return_timeout, g_source_remove);
  g_clear_handle_id (&tick, g_source_remove);
  g_clear_handle_id (&resized, g_source_remove);
  g_source_remove (interrupt);
  g_signal_handler_disconnect (bus, closed);
  g_bus_unwatch_name (name);
  g_dbus_connection_signal_unsubscribe (bus, of_module);
  g_dbus_connection_signal_unsubscribe (bus, of_objects);
}

static ExitStatus
start_only (Ctl *ctl, Module *module, const FollowStart *start)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = ctl_call (ctl, module->path, MEFOTA_IFACE_MODULE, start->method, start->parameters,
                                         start->fds, "()", &error);
  if (reply == NULL || !ctl_refresh (ctl, module, &error))
    return exit_status_report (error);
  if (ctl->json)
    ctl_json_properties (module, NULL);
  else
    output_print (stdout, "The upgrade of %s %s; `mefotactl attach` follows it.\n", module_id (module),
                  g_str_equal (module_string (module, "State"), "queued") ? "waits for its turn" : "has begun");
  return STATUS_DONE;
}

ExitStatus
follow (Ctl *ctl, Module *module, const FollowStart *start)
{
  if (start->no_wait)
    return start_only (ctl, module, start);

  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();
  Follow self = {
    .ctl = ctl,
    .module = module,
    .start = start,
    .loop = loop,
    .cancellable = cancellable,
    .kept = g_queue_new (),
    .status = STATUS_FAILED,
  };
  follow_view_init (&self.view, ctl->json, start->to);
  run (&self);
  /* Calls that were cancelled say so to a Follow that is still there. */
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  g_queue_free_full (self.kept, (GDestroyNotify) event_free);
  g_free (self.before);
  g_free (self.ours);
  return self.status;
}
