/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Who holds a tty, looked for in a tree made like /proc and in lock files: other users' processes cannot be had
 * here. */
#include "mefota-tty-holder.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

#include "test-folder.h"

typedef struct
{
  char *top;
  char *proc;
  char *lock;
} Fixture;

static void
put (const char *directory, const char *name, const char *text, gssize length)
{
  g_autofree char *file = g_build_filename (directory, name, NULL);
  g_autoptr (GError) error = NULL;

  g_file_set_contents (file, text, length, &error);
  g_assert_no_error (error);
}

static char *
add_process (Fixture *fixture, const char *pid, const char *comm)
{
  char *directory = g_build_filename (fixture->proc, pid, NULL);
  g_autofree char *line = g_strdup_printf ("%s\n", comm);

  g_assert_cmpint (g_mkdir (directory, 0700), ==, 0);
  put (directory, "comm", line, -1);
  return directory;
}

static void
set_up (Fixture *fixture, gconstpointer data)
{
  g_autofree char *bystander = NULL;

  fixture->top = g_dir_make_tmp ("mefota-holder-XXXXXX", NULL);
  g_assert_nonnull (fixture->top);
  fixture->proc = g_build_filename (fixture->top, "proc", NULL);
  fixture->lock = g_build_filename (fixture->top, "lock", NULL);
  g_assert_cmpint (g_mkdir (fixture->proc, 0700), ==, 0);
  g_assert_cmpint (g_mkdir (fixture->lock, 0700), ==, 0);
  put (fixture->proc, "uptime", "1 1\n", -1);
  bystander = add_process (fixture, "17", "bystander");
  put (bystander, "stat", "17 (by) stander) S 1 17 17 0 -1 0\n", -1);
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  test_folder_remove (fixture->top);
  g_free (fixture->top);
  g_free (fixture->proc);
  g_free (fixture->lock);
}

static void
assert_holder (Fixture *fixture, const char *node, const char *expected)
{
  g_autofree char *holder = mefota_tty_find_holder (node, fixture->proc, fixture->lock);

  g_assert_cmpstr (holder, ==, expected);
}

static void
test_nobody (Fixture *fixture, gconstpointer data)
{
  g_autofree char *nowhere = g_build_filename (fixture->top, "nowhere", NULL);
  g_autofree char *nobody = mefota_tty_find_holder ("/dev/ttyUSB1", nowhere, nowhere);

  assert_holder (fixture, "/dev/ttyUSB1", NULL);
  assert_holder (fixture, "/dev/null", NULL);
  g_assert_null (nobody);
}

static void
test_descriptor (Fixture *fixture, gconstpointer data)
{
  g_autofree char *process = add_process (fixture, "4711", "ModemManager");
  g_autofree char *fds = g_build_filename (process, "fd", NULL);
  g_autofree char *first = g_build_filename (fds, "0", NULL);
  g_autofree char *link = g_build_filename (fds, "7", NULL);

  g_assert_cmpint (g_mkdir (fds, 0700), ==, 0);
  g_assert_cmpint (symlink ("/dev/ttyUSB10", first), ==, 0);
  g_assert_cmpint (symlink ("/dev/ttyUSB1", link), ==, 0);
  assert_holder (fixture, "/dev/ttyUSB1", "process 4711 (ModemManager)");
  assert_holder (fixture, "/dev/ttyUSB0", NULL);
}

/* Another user's process: its descriptors cannot be seen, its controlling terminal can. */
static void
test_terminal (Fixture *fixture, gconstpointer data)
{
  g_autofree char *process = add_process (fixture, "52", "agetty");
  g_autofree char *stat_line = NULL;
  struct stat st;
  guint major_number, minor_number;

  g_assert_cmpint (stat ("/dev/null", &st), ==, 0);
  major_number = major (st.st_rdev);
  minor_number = minor (st.st_rdev);
  stat_line = g_strdup_printf ("52 (age) tty) S 1 52 52 %u 52 0\n",
                               (minor_number & 0xff) | major_number << 8 | (minor_number & 0xfff00) << 12);
  put (process, "stat", stat_line, -1);
  assert_holder (fixture, "/dev/null", "process 52 (agetty)");
  assert_holder (fixture, "/dev/zero", NULL);
}

static void
test_lock_file (Fixture *fixture, gconstpointer data)
{
  g_autofree char *process = add_process (fixture, "1234", "minicom");

  put (fixture->lock, "LCK..ttyUSB1", "      1234 minicom root\n", -1);
  assert_holder (fixture, "/dev/ttyUSB1", "process 1234 (minicom)");
  assert_holder (fixture, "/dev/ttyUSB0", NULL);
}

static void
test_lock_file_binary (Fixture *fixture, gconstpointer data)
{
  g_autofree char *process = add_process (fixture, "1234", "pppd");
  gint32 pid = 1234;

  put (fixture->lock, "LCK..ttyUSB1", (const char *) &pid, sizeof pid);
  assert_holder (fixture, "/dev/ttyUSB1", "process 1234 (pppd)");
}

static void
test_lock_file_stale (Fixture *fixture, gconstpointer data)
{
  const char *const texts[] = { "1234\n", "", "0", "-17", "nonsense", "\x01" };

  for (guint i = 0; i < G_N_ELEMENTS (texts); i++)
    {
      put (fixture->lock, "LCK..ttyUSB1", texts[i], -1);
      assert_holder (fixture, "/dev/ttyUSB1", NULL);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
#define ADD(name, function) g_test_add ("/tty-holder/" name, Fixture, NULL, set_up, function, tear_down)
  ADD ("nobody", test_nobody);
  ADD ("descriptor", test_descriptor);
  ADD ("terminal", test_terminal);
  ADD ("lock-file", test_lock_file);
  ADD ("lock-file-binary", test_lock_file_binary);
  ADD ("lock-file-stale", test_lock_file_stale);
  return g_test_run ();
}
