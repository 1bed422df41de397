/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-port-watch.h"

#include <errno.h>
#include <glib-unix.h>
#include <string.h>
#include <sys/inotify.h>
#include <sys/stat.h>
#include <unistd.h>

/* As the kernel's own limit for one path. */
#define MAX_LINKS 40

/* Reads of one dispatch: a burst makes one "changed", a flood does not starve the main loop. */
#define MAX_READS 16

/* Of a folder on the way. ATTRIB also tells of the chmod() and chown() that make a fresh node usable. */
#define WATCH_MASK \
  (IN_CREATE | IN_DELETE | IN_MOVED_FROM | IN_MOVED_TO | IN_ATTRIB | IN_DELETE_SELF | IN_MOVE_SELF | IN_ONLYDIR)
#define SELF_MASK (IN_DELETE_SELF | IN_MOVE_SELF | IN_UNMOUNT | IN_IGNORED)

struct _MefotaPortWatch
{
  GObject parent_instance;
  char *path;
  GHashTable *watches; /* watch descriptor of a folder → set of the names in it that lie on the way */
  gboolean warned;
  gboolean changed;
};

/* A user has 128 inotify instances by default, for all processes together: all watches share one, and most folders. */
static struct
{
  int fd;
  guint source_id;
  GHashTable *watching; /* set of MefotaPortWatch */
} inotify = { .fd = -1 };

enum
{
  CHANGED,
  N_SIGNALS,
};

static guint signals[N_SIGNALS];

G_DEFINE_TYPE (MefotaPortWatch, mefota_port_watch, G_TYPE_OBJECT)

/* A folder that cannot be watched is no reason not to look further. */
static void
watch_name (MefotaPortWatch *self, GHashTable *watches, const char *folder, const char *name)
{
  int wd = inotify_add_watch (inotify.fd, folder, WATCH_MASK);
  GHashTable *names;

  if (wd < 0)
    {
      int saved_errno = errno;

      if (saved_errno == ENOSPC && !self->warned)
        {
          self->warned = TRUE;
          g_warning ("%s cannot be watched, a module that comes there will not be noticed: "
                     "raise fs.inotify.max_user_watches and restart the service.", self->path);
        }
      g_debug ("Not watching %s for %s: %s", folder, self->path, g_strerror (saved_errno));
      return;
    }

  names = g_hash_table_lookup (watches, GINT_TO_POINTER (wd));
  if (names == NULL)
    {
      names = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
      g_hash_table_insert (watches, GINT_TO_POINTER (wd), names);
    }
  g_hash_table_add (names, g_strdup (name));
}

/* The next name of @rest, which is advanced past it; NULL at its end. */
static char *
take_name (const char **rest)
{
  const char *start = *rest + strspn (*rest, "/");
  gsize length = strcspn (start, "/");

  *rest = start + length;

  return length == 0 ? NULL : g_strndup (start, length);
}

/* Goes the way the kernel goes, link by link, as far as it leads today. Each folder is watched before it is looked
 * into: what changes after that look makes an event. */
static void
walk (MefotaPortWatch *self, GHashTable *watches)
{
  g_autofree char *folder = g_strdup ("/");
  g_autofree char *way = g_strdup (self->path);
  const char *rest = way;
  guint n_links = 0;

  for (;;)
    {
      g_autofree char *name = take_name (&rest);
      g_autofree char *next = NULL;
      struct stat st;

      if (name == NULL)
        return;
      if (g_str_equal (name, "."))
        continue;
      if (g_str_equal (name, ".."))
        {
          next = g_path_get_dirname (folder);
          g_free (folder);
          folder = g_steal_pointer (&next);
          continue;
        }

      watch_name (self, watches, folder, name);
      next = g_build_filename (folder, name, NULL);
      if (lstat (next, &st) != 0)
        return;

      if (S_ISLNK (st.st_mode))
        {
          g_autofree char *target = g_file_read_link (next, NULL);
          char *longer;

          if (target == NULL || ++n_links > MAX_LINKS)
            return;
          if (g_path_is_absolute (target))
            {
              g_free (folder);
              folder = g_strdup ("/");
            }
          longer = g_strconcat (target, "/", rest, NULL);
          g_free (way);
          rest = way = longer;
        }
      else if (S_ISDIR (st.st_mode))
        {
          g_free (folder);
          folder = g_steal_pointer (&next);
        }
      else
        return;
    }
}

static GHashTable *
watches_new (void)
{
  return g_hash_table_new_full (NULL, NULL, NULL, (GDestroyNotify) g_hash_table_unref);
}

/* Unless another still needs it. */
static void
drop_folder (gpointer wd)
{
  GHashTableIter iter;
  gpointer other;

  g_hash_table_iter_init (&iter, inotify.watching);
  while (g_hash_table_iter_next (&iter, &other, NULL))
    if (g_hash_table_contains (((MefotaPortWatch *) other)->watches, wd))
      return;
  inotify_rm_watch (inotify.fd, GPOINTER_TO_INT (wd));
}

static void
rebuild (MefotaPortWatch *self)
{
  g_autoptr (GHashTable) old = self->watches;
  GHashTableIter iter;
  gpointer wd;

  self->watches = watches_new ();
  walk (self, self->watches);

  g_hash_table_iter_init (&iter, old);
  while (g_hash_table_iter_next (&iter, &wd, NULL))
    drop_folder (wd);
}

static gboolean
is_on_the_way (MefotaPortWatch *self, const struct inotify_event *event)
{
  GHashTable *names = g_hash_table_lookup (self->watches, GINT_TO_POINTER (event->wd));

  if ((event->mask & IN_Q_OVERFLOW) != 0)
    return TRUE;
  if (names == NULL)
    return FALSE;
  if ((event->mask & IN_IGNORED) != 0)
    g_hash_table_remove (self->watches, GINT_TO_POINTER (event->wd));
  if ((event->mask & SELF_MASK) != 0)
    return TRUE;

  return event->len > 0 && g_hash_table_contains (names, event->name);
}

static void
take_event (const struct inotify_event *event)
{
  GHashTableIter iter;
  gpointer watch;

  g_hash_table_iter_init (&iter, inotify.watching);
  while (g_hash_table_iter_next (&iter, &watch, NULL))
    ((MefotaPortWatch *) watch)->changed |= is_on_the_way (watch, event);
}

static gboolean
on_readable (int fd, GIOCondition condition, gpointer user_data)
{
  char buffer[4096] __attribute__ ((aligned (__alignof__ (struct inotify_event))));
  g_autoptr (GPtrArray) changed = g_ptr_array_new_with_free_func (g_object_unref);
  GHashTableIter iter;
  gpointer watch;

  for (guint i = 0; i < MAX_READS; i++)
    {
      gssize n = read (fd, buffer, sizeof buffer);
      const struct inotify_event *event;

      if (n <= 0)
        break;
      for (const char *p = buffer; p < buffer + n; p += sizeof *event + event->len)
        {
          event = (const void *) p;
          take_event (event);
        }
    }

  g_hash_table_iter_init (&iter, inotify.watching);
  while (g_hash_table_iter_next (&iter, &watch, NULL))
    if (((MefotaPortWatch *) watch)->changed)
      g_ptr_array_add (changed, g_object_ref (watch));
  for (guint i = 0; i < changed->len; i++)
    {
      MefotaPortWatch *self = g_ptr_array_index (changed, i);

      self->changed = FALSE;
      if (!g_hash_table_contains (inotify.watching, self))
        continue;
      rebuild (self);
      g_signal_emit (self, signals[CHANGED], 0);
    }

  return inotify.fd >= 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

/* The first one opens what the last one closes. */
static void
join (MefotaPortWatch *self)
{
  if (inotify.watching == NULL)
    {
      inotify.watching = g_hash_table_new (NULL, NULL);
      inotify.fd = inotify_init1 (IN_NONBLOCK | IN_CLOEXEC);
      if (inotify.fd >= 0)
        inotify.source_id = g_unix_fd_add (inotify.fd, G_IO_IN, on_readable, NULL);
    }
  g_hash_table_add (inotify.watching, self);
}

static void
leave (MefotaPortWatch *self)
{
  GHashTableIter iter;
  gpointer wd;

  if (inotify.watching == NULL || !g_hash_table_remove (inotify.watching, self))
    return;
  g_hash_table_iter_init (&iter, self->watches);
  while (inotify.fd >= 0 && g_hash_table_iter_next (&iter, &wd, NULL))
    drop_folder (wd);
  if (g_hash_table_size (inotify.watching) > 0)
    return;
  g_clear_handle_id (&inotify.source_id, g_source_remove);
  if (inotify.fd >= 0)
    close (inotify.fd);
  inotify.fd = -1;
  g_clear_pointer (&inotify.watching, g_hash_table_unref);
}

static void
mefota_port_watch_dispose (GObject *object)
{
  leave (MEFOTA_PORT_WATCH (object));

  G_OBJECT_CLASS (mefota_port_watch_parent_class)->dispose (object);
}

static void
mefota_port_watch_finalize (GObject *object)
{
  MefotaPortWatch *self = MEFOTA_PORT_WATCH (object);

  g_hash_table_unref (self->watches);
  g_free (self->path);

  G_OBJECT_CLASS (mefota_port_watch_parent_class)->finalize (object);
}

static void
mefota_port_watch_class_init (MefotaPortWatchClass *klass)
{
  GObjectClass *object_class = G_OBJECT_CLASS (klass);

  object_class->dispose = mefota_port_watch_dispose;
  object_class->finalize = mefota_port_watch_finalize;

  signals[CHANGED] = g_signal_new ("changed", G_TYPE_FROM_CLASS (klass), G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL,
                                   G_TYPE_NONE, 0);
}

static void
mefota_port_watch_init (MefotaPortWatch *self)
{
  self->watches = watches_new ();
}

MefotaPortWatch *
mefota_port_watch_new (const char *path)
{
  MefotaPortWatch *self;

  g_return_val_if_fail (path != NULL, NULL);

  self = g_object_new (MEFOTA_TYPE_PORT_WATCH, NULL);
  if (g_path_is_absolute (path))
    self->path = g_strdup (path);
  else
    {
      g_autofree char *current = g_get_current_dir ();

      self->path = g_build_filename (current, path, NULL);
    }

  join (self);
  if (inotify.fd < 0)
    {
      g_warning ("%s cannot be watched, a module that comes there will not be noticed: raise "
                 "fs.inotify.max_user_instances and restart the service.", self->path);
      return self;
    }

  rebuild (self);

  return self;
}
