/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-guard.h"

#include "mefota-journal.h"
#include "mefota-names.h"
#include "mefota-service.h"

#include <errno.h>
#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define RUN_FILE "power-critical"
#define FD_NAME "power-critical"

#define LOGIND_NAME "org.freedesktop.login1"
#define LOGIND_PATH "/org/freedesktop/login1"
#define LOGIND_IFACE "org.freedesktop.login1.Manager"

typedef struct
{
  char *module;
  char *words;       /* the rest of its line: state and since when */
  gboolean leftover; /* an earlier daemon's line, not yet confirmed by a set */
} GuardedModule;

struct _MefotaGuard
{
  GObject parent_instance;

  char *file;
  GPtrArray *modules; /* of GuardedModule */
  gboolean settled;
  gboolean file_failed;

  GDBusConnection *bus;
  guint watch;
  gboolean logind;      /* its name has an owner */
  gboolean logind_gone; /* it was looked for and not found */
  GCancellable *asking; /* Inhibit is in flight */
  int fd;
  gboolean lost;    /* logind or the bus went since fd was given: it may hold nothing any more */
  gboolean refused; /* not asked again in this phase */
  gboolean told;    /* that there is no inhibitor */
};

G_DEFINE_FINAL_TYPE (MefotaGuard, mefota_guard, G_TYPE_OBJECT)

static void
guarded_module_free (GuardedModule *guarded)
{
  g_free (guarded->module);
  g_free (guarded->words);
  g_free (guarded);
}

static GuardedModule *
guard_add (MefotaGuard *self, const char *module, const char *words)
{
  GuardedModule *guarded = g_new0 (GuardedModule, 1);
  guarded->module = g_strdup (module);
  guarded->words = g_strdup (words);
  g_ptr_array_add (self->modules, guarded);
  return guarded;
}

static GuardedModule *
guard_find (MefotaGuard *self, const char *module)
{
  for (guint i = 0; i < self->modules->len; i++)
    {
      GuardedModule *guarded = g_ptr_array_index (self->modules, i);
      if (g_str_equal (guarded->module, module))
        return guarded;
    }
  return NULL;
}

/* The run file */

static int
file_replace (const char *path, const char *text, gsize length)
{
  g_autofree char *fresh = g_strconcat (path, ".new", NULL);
  int fd = open (fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0644);
  if (fd < 0)
    return -errno;

  /* Readable for every watchdog script, whatever the service's umask. No fsync: it is a tmpfs. */
  int result = fchmod (fd, 0644) < 0 ? -errno : 0;
  gssize written = result < 0 ? 0 : write (fd, text, length);
  if (result == 0 && written != (gssize) length)
    result = written < 0 ? -errno : -ENOSPC;
  close (fd);
  if (result == 0 && g_rename (fresh, path) < 0)
    result = -errno;
  if (result < 0)
    g_unlink (fresh);
  return result;
}

static void
guard_write_file (MefotaGuard *self)
{
  int result = 0;

  if (self->modules->len > 0)
    {
      g_autoptr (GString) text = g_string_new (NULL);
      for (guint i = 0; i < self->modules->len; i++)
        {
          GuardedModule *guarded = g_ptr_array_index (self->modules, i);
          g_string_append_printf (text, "%s %s\n", guarded->module, guarded->words);
        }
      result = file_replace (self->file, text->str, text->len);
    }
  else if (g_unlink (self->file) < 0 && errno != ENOENT)
    result = -errno;

  if (result < 0 && !self->file_failed)
    g_warning ("Cannot write %s: %s. Programs that look for this file do not learn whether power may be cut; "
               "see that its directory exists and is writable.",
               self->file, g_strerror (-result));
  self->file_failed = result < 0;
}

static void
guard_read_file (MefotaGuard *self)
{
  g_autofree char *text = NULL;
  if (!g_file_get_contents (self->file, &text, NULL, NULL))
    return;

  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  for (guint i = 0; lines[i] != NULL; i++)
    {
      MefotaState state;
      g_auto (GStrv) words = g_strsplit (lines[i], " ", -1);
      if (g_strv_length (words) != 3 || !mefota_state_from_word (words[1], &state)
          || guard_find (self, words[0]) != NULL)
        continue;
      guard_add (self, words[0], lines[i] + strlen (words[0]) + 1)->leftover = TRUE;
    }
}

/* The inhibitor */

static void
guard_set_fd (MefotaGuard *self, int fd)
{
  int old = self->fd;
  self->fd = fd;
  self->lost = FALSE;
  /* Removal goes by name: it must come before the new one is parked. */
  if (old >= 0)
    mefota_service_forget_fd (FD_NAME);
  if (fd >= 0)
    mefota_service_store_fd (FD_NAME, fd);
  if (old >= 0)
    close (old);
}

static void
guard_stop_asking (MefotaGuard *self)
{
  if (self->asking != NULL)
    g_cancellable_cancel (self->asking);
  g_clear_object (&self->asking);
}

static int
finish_inhibit (GDBusConnection *bus, GAsyncResult *result, GError **error)
{
  g_autoptr (GUnixFDList) list = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_with_unix_fd_list_finish (bus, &list, result, error);
  if (reply == NULL)
    return -1;

  gint32 index;
  g_variant_get (reply, "(h)", &index);
  if (list == NULL || index < 0 || index >= g_unix_fd_list_get_length (list))
    {
      g_set_error (error, G_IO_ERROR, G_IO_ERROR_INVALID_DATA, "its answer has no descriptor");
      return -1;
    }
  return g_unix_fd_list_get (list, index, error);
}

static void
on_inhibited (GObject *source, GAsyncResult *result, gpointer user_data)
{
  MefotaGuard *self = user_data;
  g_autoptr (GError) error = NULL;
  int fd = finish_inhibit (G_DBUS_CONNECTION (source), result, &error);

  /* Released, or freed, or another bus: then this is nobody's answer. */
  if (g_error_matches (error, G_IO_ERROR, G_IO_ERROR_CANCELLED))
    return;

  g_clear_object (&self->asking);
  if (fd >= 0)
    {
      guard_set_fd (self, fd);
      self->told = FALSE;
      return;
    }

  /* logind left in the middle: it is asked again when its name is back. */
  self->refused = TRUE;
  if (g_error_matches (error, G_DBUS_ERROR, G_DBUS_ERROR_NO_REPLY) || g_dbus_connection_is_closed (self->bus))
    return;
  g_dbus_error_strip_remote_error (error);
  if (!self->told)
    g_warning ("logind does not let this service block shutdown and sleep while a module installs firmware (%s): "
               "only the file %s tells that power must stay on. Allow the polkit actions "
               "org.freedesktop.login1.inhibit-block-shutdown and inhibit-block-sleep to the service's user.",
               error->message, self->file);
  self->told = TRUE;
}

static void
guard_update (MefotaGuard *self)
{
  if (self->modules->len == 0)
    {
      guard_stop_asking (self);
      self->refused = FALSE;
      /* Until then a descriptor taken over may still be some module's. */
      if (self->settled && self->fd >= 0)
        guard_set_fd (self, -1);
      return;
    }
  if (self->asking != NULL || self->refused || (self->fd >= 0 && !self->lost))
    return;

  if (self->logind)
    {
      self->asking = g_cancellable_new ();
      g_dbus_connection_call_with_unix_fd_list (
          self->bus, LOGIND_NAME, LOGIND_PATH, LOGIND_IFACE, "Inhibit",
          g_variant_new ("(ssss)", "shutdown:sleep", "mefota",
                         "A cellular module installs firmware; without power it may be damaged", "block"),
          G_VARIANT_TYPE ("(h)"), G_DBUS_CALL_FLAGS_NO_AUTO_START, -1, NULL, self->asking, on_inhibited, self);
    }
  else if (self->logind_gone && self->fd < 0 && !self->told)
    {
      self->told = TRUE;
      g_message ("logind does not run here: only the file %s tells that power must stay on.", self->file);
    }
}

static void
on_logind_appeared (GDBusConnection *bus, const char *name, const char *owner, gpointer user_data)
{
  MefotaGuard *self = user_data;
  self->logind = TRUE;
  self->logind_gone = FALSE;
  self->refused = FALSE;
  guard_update (self);
}

static void
on_logind_vanished (GDBusConnection *bus, const char *name, gpointer user_data)
{
  MefotaGuard *self = user_data;
  guard_stop_asking (self);
  self->logind = FALSE;
  self->logind_gone = bus != NULL;
  self->lost = TRUE;
  guard_update (self);
}

/* Outside */

void
mefota_guard_set_bus (MefotaGuard *self, GDBusConnection *bus)
{
  g_return_if_fail (MEFOTA_IS_GUARD (self));
  g_return_if_fail (bus == NULL || G_IS_DBUS_CONNECTION (bus));
  if (bus == self->bus)
    return;

  /* The descriptor itself needs no bus: it is kept until another one is there. */
  guard_stop_asking (self);
  g_clear_handle_id (&self->watch, g_bus_unwatch_name);
  self->lost = self->lost || self->bus != NULL;
  self->logind = FALSE;
  self->logind_gone = FALSE;
  g_set_object (&self->bus, bus);
  if (bus != NULL)
    self->watch = g_bus_watch_name_on_connection (bus, LOGIND_NAME, G_BUS_NAME_WATCHER_FLAGS_NONE, on_logind_appeared,
                                                  on_logind_vanished, self, NULL);
}

void
mefota_guard_set (MefotaGuard *self, const char *module, gboolean critical, const char *state, gint64 since_usec)
{
  g_return_if_fail (MEFOTA_IS_GUARD (self));
  g_return_if_fail (module != NULL && (!critical || state != NULL));
  GuardedModule *guarded = guard_find (self, module);
  if (!critical && guarded == NULL)
    return;

  if (critical)
    {
      g_autoptr (GDateTime) since = g_date_time_new_from_unix_utc (since_usec / G_USEC_PER_SEC);
      g_autofree char *since_text = since != NULL ? g_date_time_format_iso8601 (since) : g_strdup ("-");
      g_autofree char *words = g_strdup_printf ("%s %s", state, since_text);
      gboolean is_new = guarded == NULL;

      if (is_new)
        guarded = guard_add (self, module, "");
      guarded->leftover = FALSE;
      if (!g_str_equal (guarded->words, words))
        {
          g_free (guarded->words);
          guarded->words = g_steal_pointer (&words);
          guard_write_file (self);
        }
      if (is_new)
        mefota_journal_event (MEFOTA_JOURNAL_GUARD_ON, module, NULL, NULL,
                              "%s: the module installs (%s). Do not cut its power and do not reset it.", module, state);
    }
  else
    {
      g_ptr_array_remove (self->modules, guarded);
      guard_write_file (self);
      mefota_journal_event (MEFOTA_JOURNAL_GUARD_OFF, module, NULL, NULL, "%s: power may be cut again.", module);
    }
  guard_update (self);
}

void
mefota_guard_settle (MefotaGuard *self)
{
  g_return_if_fail (MEFOTA_IS_GUARD (self));

  for (guint i = self->modules->len; i > 0; i--)
    {
      GuardedModule *guarded = g_ptr_array_index (self->modules, i - 1);
      if (!guarded->leftover)
        continue;
      mefota_journal_event (MEFOTA_JOURNAL_GUARD_OFF, guarded->module, NULL, NULL,
                            "%s: no upgrade is under way any more, power may be cut again.", guarded->module);
      g_ptr_array_remove_index (self->modules, i - 1);
    }
  self->settled = TRUE;
  guard_write_file (self);
  guard_update (self);
}

gboolean
mefota_guard_is_critical (MefotaGuard *self)
{
  g_return_val_if_fail (MEFOTA_IS_GUARD (self), FALSE);
  return self->modules->len > 0;
}

static void
mefota_guard_dispose (GObject *object)
{
  MefotaGuard *self = MEFOTA_GUARD (object);
  mefota_guard_set_bus (self, NULL);
  G_OBJECT_CLASS (mefota_guard_parent_class)->dispose (object);
}

static void
mefota_guard_finalize (GObject *object)
{
  MefotaGuard *self = MEFOTA_GUARD (object);
  /* The run file and the parked descriptor stay: the module goes on installing without this daemon. */
  if (self->fd >= 0)
    close (self->fd);
  g_free (self->file);
  g_ptr_array_unref (self->modules);
  G_OBJECT_CLASS (mefota_guard_parent_class)->finalize (object);
}

static void
mefota_guard_class_init (MefotaGuardClass *class)
{
  G_OBJECT_CLASS (class)->dispose = mefota_guard_dispose;
  G_OBJECT_CLASS (class)->finalize = mefota_guard_finalize;
}

static void
mefota_guard_init (MefotaGuard *self)
{
  self->modules = g_ptr_array_new_with_free_func ((GDestroyNotify) guarded_module_free);
  self->fd = -1;
}

MefotaGuard *
mefota_guard_new (GDBusConnection *bus, const char *run_directory, int inhibitor_fd)
{
  g_return_val_if_fail (run_directory != NULL, NULL);
  MefotaGuard *self = g_object_new (MEFOTA_TYPE_GUARD, NULL);

  self->file = g_build_filename (run_directory, RUN_FILE, NULL);
  self->fd = inhibitor_fd;
  guard_read_file (self);
  self->settled = inhibitor_fd < 0 && self->modules->len == 0;
  mefota_guard_set_bus (self, bus);
  return self;
}
