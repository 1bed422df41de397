/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "mefota-port-watch.h"
#include "test-folder.h"

/* Ends a test that waits for something that never comes. */
#define DEADLINE 20

typedef struct
{
  char *dir;
  char *port; /* DIR/dev/mefota/port */
  MefotaPortWatch *watch;
  guint n_changed;
} Fixture;

static char *
in (Fixture *self, const char *name)
{
  return g_build_filename (self->dir, name, NULL);
}

static void
put (Fixture *self, const char *name)
{
  g_autofree char *path = in (self, name);

  g_assert_true (g_file_set_contents_full (path, "", 0, G_FILE_SET_CONTENTS_NONE, 0600, NULL));
}

static void
make_folder (Fixture *self, const char *name)
{
  g_autofree char *path = in (self, name);

  g_assert_cmpint (g_mkdir (path, 0700), ==, 0);
}

static void
take (Fixture *self, const char *name)
{
  g_autofree char *path = in (self, name);

  g_assert_cmpint (g_remove (path), ==, 0);
}

static void
put_link (Fixture *self, const char *target, const char *name)
{
  g_autofree char *path = in (self, name);

  g_assert_cmpint (symlink (target, path), ==, 0);
}

static void
rename_in (Fixture *self, const char *from, const char *to)
{
  g_autofree char *old = in (self, from);
  g_autofree char *new = in (self, to);

  g_assert_cmpint (g_rename (old, new), ==, 0);
}

static void
on_changed (MefotaPortWatch *watch, gpointer user_data)
{
  ((Fixture *) user_data)->n_changed++;
}

static void
start (Fixture *self)
{
  self->watch = mefota_port_watch_new (self->port);
  g_signal_connect (self->watch, "changed", G_CALLBACK (on_changed), self);
}

static gboolean
give_up (gpointer user_data)
{
  g_error ("Nothing changed in %d s", DEADLINE);

  return G_SOURCE_REMOVE;
}

/* inotify queues at once: what is not there when the loop has nothing to do never comes. */
static void
settle (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

static void
assert_quiet (Fixture *self)
{
  settle ();
  g_assert_cmpuint (self->n_changed, ==, 0);
}

/* @target: where the path leads now, NULL: nowhere */
static void
assert_changed (Fixture *self, const char *target)
{
  guint deadline = g_timeout_add_seconds (DEADLINE, give_up, NULL);
  g_autofree char *expected = target != NULL ? in (self, target) : NULL;
  char *real;

  while (self->n_changed == 0)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (deadline);
  settle ();
  self->n_changed = 0;

  real = realpath (self->port, NULL);
  g_assert_cmpstr (real, ==, expected);
  free (real);
}

static void
set_up (Fixture *self, gconstpointer data)
{
  g_autofree char *dir = g_dir_make_tmp ("mefota-watch-XXXXXX", NULL);
  char *real = realpath (dir, NULL);

  self->dir = g_strdup (real);
  free (real);
  make_folder (self, "dev");
  self->port = in (self, "dev/mefota/port");
}

static void
tear_down (Fixture *self, gconstpointer data)
{
  if (self->watch != NULL)
    g_assert_finalize_object (self->watch);
  test_folder_remove (self->dir);
  g_free (self->port);
  g_free (self->dir);
}

static void
test_node (Fixture *self, gconstpointer data)
{
  make_folder (self, "dev/mefota");
  start (self);
  assert_quiet (self);
  put (self, "dev/mefota/port");
  assert_changed (self, "dev/mefota/port");
  take (self, "dev/mefota/port");
  assert_changed (self, NULL);

  /* Renamed into place, and away. */
  put (self, "dev/mefota/other");
  assert_quiet (self);
  rename_in (self, "dev/mefota/other", "dev/mefota/port");
  assert_changed (self, "dev/mefota/port");
  rename_in (self, "dev/mefota/port", "dev/mefota/other");
  assert_changed (self, NULL);
}

static void
test_unrelated (Fixture *self, gconstpointer data)
{
  make_folder (self, "dev/mefota");
  put (self, "dev/mefota/port");
  start (self);
  put (self, "dev/mefota/port2");
  take (self, "dev/mefota/port2");
  make_folder (self, "dev/input");
  put (self, "dev/input/port");
  put (self, "mefota");
  assert_quiet (self);
}

static void
test_folder_missing (Fixture *self, gconstpointer data)
{
  start (self);
  make_folder (self, "dev/mefota");
  assert_changed (self, NULL);
  put (self, "dev/mefota/port");
  assert_changed (self, "dev/mefota/port");

  /* All of it goes, and comes back at one stroke. */
  rename_in (self, "dev", "gone");
  assert_changed (self, NULL);
  put (self, "gone/mefota/elsewhere");
  assert_quiet (self);
  rename_in (self, "gone", "dev");
  assert_changed (self, "dev/mefota/port");

  take (self, "dev/mefota/elsewhere");
  take (self, "dev/mefota/port");
  take (self, "dev/mefota");
  take (self, "dev");
  assert_changed (self, NULL);
  make_folder (self, "dev");
  make_folder (self, "dev/mefota");
  put (self, "dev/mefota/port");
  assert_changed (self, "dev/mefota/port");
}

/* link → link → node, over folders, relative and absolute. */
static void
test_links (Fixture *self, gconstpointer data)
{
  g_autofree char *absolute = in (self, "dev/by/ttyUSB");

  make_folder (self, "dev/mefota");
  put_link (self, absolute, "dev/mefota/port");
  start (self);
  make_folder (self, "dev/by");
  assert_changed (self, NULL);
  put_link (self, "../ttyUSB1", "dev/by/ttyUSB");
  assert_changed (self, NULL);
  put (self, "dev/ttyUSB1");
  assert_changed (self, "dev/ttyUSB1");
  put (self, "dev/ttyUSB4");
  assert_quiet (self);

  /* The link in the middle, replaced whole. */
  put_link (self, "./../../dev//ttyUSB4", "dev/by/.new");
  assert_quiet (self);
  rename_in (self, "dev/by/.new", "dev/by/ttyUSB");
  assert_changed (self, "dev/ttyUSB4");
  take (self, "dev/ttyUSB1");
  assert_quiet (self);
  take (self, "dev/ttyUSB4");
  assert_changed (self, NULL);
  put (self, "dev/ttyUSB4");
  assert_changed (self, "dev/ttyUSB4");

  /* The first link likewise. */
  put_link (self, "../ttyUSB7", "dev/mefota/.new");
  put (self, "dev/ttyUSB7");
  assert_quiet (self);
  rename_in (self, "dev/mefota/.new", "dev/mefota/port");
  assert_changed (self, "dev/ttyUSB7");
  take (self, "dev/by/ttyUSB");
  assert_quiet (self);
}

/* A folder on the way is a link itself. */
static void
test_linked_folder (Fixture *self, gconstpointer data)
{
  make_folder (self, "a");
  make_folder (self, "b");
  put (self, "a/port");
  put_link (self, "../a", "dev/mefota");
  start (self);
  put (self, "b/port");
  assert_quiet (self);
  put_link (self, "../b", "dev/.new");
  rename_in (self, "dev/.new", "dev/mefota");
  assert_changed (self, "b/port");
  take (self, "a/port");
  assert_quiet (self);
  take (self, "b/port");
  assert_changed (self, NULL);
}

static void
test_endless_links (Fixture *self, gconstpointer data)
{
  make_folder (self, "dev/mefota");
  put_link (self, "back", "dev/mefota/port");
  put_link (self, "port", "dev/mefota/back");
  start (self);
  assert_quiet (self);
  take (self, "dev/mefota/back");
  put (self, "dev/mefota/back");
  assert_changed (self, "dev/mefota/back");
}

/* The node comes with the wrong mode; who tried to open it tries again. */
static void
test_permissions (Fixture *self, gconstpointer data)
{
  g_autofree char *node = in (self, "dev/ttyUSB1");

  make_folder (self, "dev/mefota");
  put_link (self, "../ttyUSB1", "dev/mefota/port");
  start (self);
  put (self, "dev/ttyUSB1");
  assert_changed (self, "dev/ttyUSB1");
  g_assert_cmpint (g_chmod (node, 0660), ==, 0);
  assert_changed (self, "dev/ttyUSB1");
}

static void
test_burst (Fixture *self, gconstpointer data)
{
  make_folder (self, "dev/mefota");
  start (self);
  for (guint i = 0; i < 500; i++)
    {
      put (self, "dev/mefota/port");
      take (self, "dev/mefota/port");
    }
  put (self, "dev/mefota/port");
  settle ();
  g_assert_cmpuint (self->n_changed, >=, 1);
  g_assert_cmpuint (self->n_changed, <=, 3);
}

/* Of all inotify descriptors of this process. */
static guint
count_watches (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc/self/fdinfo", 0, NULL);
  const char *name;
  guint n = 0;

  while ((name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename ("/proc/self/fdinfo", name, NULL);
      g_autofree char *text = NULL;

      if (g_file_get_contents (path, &text, NULL, NULL))
        for (const char *p = text; (p = strstr (p, "inotify wd:")) != NULL; p++)
          n++;
    }

  return n;
}

static void
test_no_watch_left (Fixture *self, gconstpointer data)
{
  guint before = count_watches ();
  guint n;

  make_folder (self, "a");
  make_folder (self, "b");
  put (self, "a/tty");
  put (self, "b/tty");
  make_folder (self, "dev/mefota");
  put_link (self, "../../a/tty", "dev/mefota/port");
  start (self);
  n = count_watches ();
  if (n == before)
    {
      g_test_skip ("This kernel does not tell what is watched");
      return;
    }

  for (guint i = 0; i < 20; i++)
    {
      put_link (self, i % 2 == 0 ? "../../b/tty" : "../../a/tty", "dev/mefota/.new");
      rename_in (self, "dev/mefota/.new", "dev/mefota/port");
      assert_changed (self, i % 2 == 0 ? "b/tty" : "a/tty");
      g_assert_cmpuint (count_watches (), ==, n);
    }

  g_assert_finalize_object (g_steal_pointer (&self->watch));
  g_assert_cmpuint (count_watches (), ==, before);
}

static void
on_changed_drop (MefotaPortWatch *watch, gpointer user_data)
{
  Fixture *self = user_data;

  self->n_changed++;
  g_clear_object (&self->watch);
}

static void
test_dropped_in_handler (Fixture *self, gconstpointer data)
{
  start (self);
  g_signal_connect (self->watch, "changed", G_CALLBACK (on_changed_drop), self);
  make_folder (self, "dev/mefota");
  assert_changed (self, NULL);
  g_assert_null (self->watch);
  put (self, "dev/mefota/port");
  assert_quiet (self);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

#define ADD(name, func) g_test_add ("/port-watch/" name, Fixture, NULL, set_up, func, tear_down)
  ADD ("node", test_node);
  ADD ("unrelated", test_unrelated);
  ADD ("folder-missing", test_folder_missing);
  ADD ("links", test_links);
  ADD ("linked-folder", test_linked_folder);
  ADD ("endless-links", test_endless_links);
  ADD ("permissions", test_permissions);
  ADD ("burst", test_burst);
  ADD ("no-watch-left", test_no_watch_left);
  ADD ("dropped-in-handler", test_dropped_in_handler);
#undef ADD

  return g_test_run ();
}
