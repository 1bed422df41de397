/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "follow.h"

#include "event.h"
#include "live.h"
#include "mefota-error.h"
#include "mefota-names.h"
#include "output.h"

#include <glib-unix.h>
#include <string.h>
#include <unistd.h>

/* How long a daemon that went away is waited for: longer than any restart of a service takes. */
#define RETURN_SECONDS 60

/* Told without a terminal; Progress only where no indication tells it (see on_event()). */
static const char *const told_properties[] = { "State", "PowerCritical", "Overdue", NULL };
static const char *const told_transferring[] = { "State", "PowerCritical", "Overdue", "Progress", NULL };

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
  gint64 began;         /* until StartedAt is known */
  guint return_timeout; /* the daemon is waited for */
  gboolean live;
  gboolean colour;
  guint drawn;
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
  Module *module = self->module;
  gboolean known = self->phase != PHASE_ASKING && module_number (module, "StartedAt") != 0;
  gint64 started = known ? (gint64) module_number (module, "StartedAt") : self->began;
  const char *from = known ? module_string (module, "FromVersion") : "";
  LiveView view = {
    .from = *from != '\0' ? from : module_string (module, "FirmwareVersion"),
    .to = self->start->to != NULL ? self->start->to : module_string (module, "TargetVersion"),
    .state = self->phase == PHASE_ASKING ? "asking the module" : module_string (module, "State"),
    .progress = (guint) module_number (module, "Progress"),
    .started = started,
    .phase_since = known ? (gint64) module_number (module, "PhaseSince") : started,
    .confirm_deadline = (gint64) module_number (module, "ConfirmDeadline"),
    .power_critical = module_flag (module, "PowerCritical"),
    .overdue = module_flag (module, "Overdue"),
    .daemon_gone = self->phase == PHASE_DAEMON_GONE,
  };
  if (!self->live || self->phase == PHASE_ENDED || self->phase == PHASE_ARRIVING)
    return;
  /* The last column stays free: some terminals wrap as soon as it is written to. */
  g_autofree char *line
      = live_render (&view, output_width () - 1, output_is_utf8 (), self->colour, g_get_real_time ());
  live_draw (line, &self->drawn);
}

/* A line of its own, above the live one. */
static void
note (Follow *self, FILE *stream, const char *text)
{
  g_autofree char *clean = output_clean (text);
  if (self->live && self->drawn > 0)
    live_draw ("", &self->drawn);
  output_print (stream, "%s\n", clean);
  redraw (self);
}

static void
quit (Follow *self, ExitStatus status)
{
  if (self->live && self->drawn > 0)
    live_draw ("", &self->drawn);
  self->phase = PHASE_ENDED;
  self->status = status;
  g_main_loop_quit (self->loop);
}

/* Standard output belongs to JSON where it was asked for. */
static FILE *
stream_for_people (Follow *self)
{
  return self->ctl->json ? stderr : stdout;
}

static void
tell (Follow *self, const char *event, const char *module, GVariant *parameters)
{
  if (self->ctl->json)
    {
      g_autofree char *json = event_to_json (event, module, parameters);
      output_json (json);
    }
  else if (!self->live)
    {
      gboolean transferring = g_str_equal (module_string (self->module, "State"), "transferring");
      g_autofree char *text
          = event_to_text (event, module, parameters, transferring ? told_transferring : told_properties);
      output_print (stdout, "%s", text);
    }
}

/* The end: @details as in Finished or in the history. */
static void
finish (Follow *self, const char *result, GVariant *details)
{
  const char *from = "", *to = "", *name = "", *message = "";
  double seconds = 0;
  g_variant_lookup (details, "from-version", "&s", &from);
  g_variant_lookup (details, "to-version", "&s", &to);
  g_variant_lookup (details, "error-name", "&s", &name);
  g_variant_lookup (details, "error-message", "&s", &message);
  g_variant_lookup (details, "seconds", "d", &seconds);
  if (g_str_equal (result, mefota_result_to_word (MEFOTA_RESULT_SUCCESS)))
    {
      g_autofree char *duration = output_duration (seconds);
      g_autofree char *text
          = g_strdup_printf ("%s was upgraded from %s to %s in %s.", module_id (self->module),
                             *from != '\0' ? from : "an unknown version", *to != '\0' ? to : "an unknown version", duration);
      quit (self, STATUS_DONE);
      note (self, stream_for_people (self), text);
      return;
    }
  ExitStatus status = exit_status_of_name (name);
  quit (self, status);
  if (*message == '\0')
    message = "The upgrade failed without a word why: see `mefotactl history`.";
  if (status == STATUS_DONE && self->start->require_new)
    self->status = STATUS_NOTHING_NEW;
  if (self->status == STATUS_DONE)
    note (self, stream_for_people (self), message);
  else
    complain ("%s", message);
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
      if (self->ctl->json)
        tell (self, event, module_id (self->module), parameters);
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
  tell (self, event, module_id (self->module), parameters);
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
  const char *event = event_name (interface, signal);
  const char *object = path;
  if (event == NULL || self->phase == PHASE_ENDED || self->phase == PHASE_ARRIVING)
    return;
  if (g_str_has_prefix (event, "Interfaces"))
    {
      g_variant_get_child (parameters, 0, "&o", &object);
      if (!g_str_equal (object, self->module->path))
        return;
      /* The object stays as long as an upgrade does: only a daemon that ends or begins does this. */
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

/* A picture of the module first, then what came while the method was running. */
static void
begin_following (Follow *self, Phase phase)
{
  self->phase = phase;
  if (self->ctl->json || self->start->method == NULL)
    {
      g_autoptr (GVariant) picture = g_variant_ref_sink (
          g_variant_new ("(s@a{sv}@as)", MEFOTA_IFACE_MODULE, module_to_variant (self->module, NULL),
                         g_variant_new_strv (NULL, 0)));
      tell (self, "PropertiesChanged", module_id (self->module), picture);
    }
  while (!g_queue_is_empty (self->kept) && self->phase == phase)
    {
      Event *event = g_queue_pop_head (self->kept);
      on_event (self, event->name, event->parameters);
      event_free (event);
    }
  redraw (self);
}

static void
finish_from (Follow *self, const char *result, GVariant *details)
{
  g_autoptr (GVariant) parameters = g_variant_ref_sink (g_variant_new ("(s@a{sv})", result, details));
  if (self->ctl->json)
    tell (self, "Finished", module_id (self->module), parameters);
  finish (self, result, details);
}

/* What Finished would have said, from the properties. */
static GVariant *
details_from_properties (Follow *self)
{
  GVariantDict details;
  const char *name = "", *message = "";
  GVariant *error = g_hash_table_lookup (self->module->properties, "LastError");
  if (error != NULL && g_variant_is_of_type (error, G_VARIANT_TYPE ("(ss)")))
    g_variant_get (error, "(&s&s)", &name, &message);
  g_variant_dict_init (&details, NULL);
  g_variant_dict_insert (&details, "id", "s", self->ours);
  g_variant_dict_insert (&details, "from-version", "s", module_string (self->module, "FromVersion"));
  g_variant_dict_insert (&details, "to-version", "s", module_string (self->module, "FirmwareVersion"));
  g_variant_dict_insert (&details, "seconds", "d", (double) (g_get_real_time () - self->began) / G_USEC_PER_SEC);
  g_variant_dict_insert (&details, "error-name", "s", name);
  g_variant_dict_insert (&details, "error-message", "s", message);
  return g_variant_ref_sink (g_variant_dict_end (&details));
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
          finish_from (self, result, entry);
          return;
        }
    }
  result = module_string (self->module, "LastResult");
  if (!g_str_equal (module_string (self->module, "LastUpgrade"), self->ours) || module_is_upgrading (self->module)
      || *result == '\0' || g_str_equal (result, mefota_result_to_word (MEFOTA_RESULT_NONE)))
    return; /* not known yet: return_timeout is running */
  details = details_from_properties (self);
  finish_from (self, result, details);
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
      redraw (self);
      return;
    }
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
  if (self->ctl->json)
    tell (self, "DaemonGone", NULL, NULL);
  note (self, stderr, "mefotactl: mefotad went away; an upgrade under way goes on in the module. Waiting for mefotad "
                      "to come back.");
}

static void
on_method_returned (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Follow *self = user_data;
  g_autoptr (GError) error = NULL;
  g_autofree char *text = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), NULL, result, &error);
  if (self->phase != PHASE_ASKING)
    return;
  if (reply == NULL && exit_status_is_daemon_gone (error))
    lose_daemon (self); /* it may have taken the upgrade on before it went: LastUpgrade tells */
  else if (reply == NULL)
    {
      quit (self, STATUS_DONE);
      self->status = exit_status_report (error);
    }
  else
    {
      if (!self->live)
        {
          text = g_strdup_printf ("The upgrade of %s was taken on; interrupting mefotactl does not interrupt it.",
                                  module_id (self->module));
          note (self, stream_for_people (self), text);
        }
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
      quit (self, STATUS_DONE);
      self->status = exit_status_report (error);
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
      if (self->ctl->json)
        tell (self, "DaemonBack", NULL, NULL);
      note (self, stderr, "mefotactl: mefotad is back.");
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
  quit (self, exit_status_report (error));
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

static gboolean
on_tick (gpointer user_data)
{
  redraw (user_data);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_resized (gpointer user_data)
{
  Follow *self = user_data;
  self->drawn = MIN (self->drawn, output_width () - 1);
  redraw (self);
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
  guint tick = self->live ? g_timeout_add_seconds (1, on_tick, self) : 0;
  guint resized = self->live ? g_unix_signal_add (SIGWINCH, on_resized, self) : 0;

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
    .began = g_get_real_time (),
    .live = !ctl->json && isatty (STDOUT_FILENO),
    .colour = live_has_colour (),
    .status = STATUS_FAILED,
  };
  run (&self);
  /* Calls that were cancelled say so to a Follow that is still there. */
  while (g_main_context_iteration (NULL, FALSE))
    continue;
  g_queue_free_full (self.kept, (GDestroyNotify) event_free);
  g_free (self.before);
  g_free (self.ours);
  return self.status;
}
