/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* One daemon, upgrade after upgrade by every way: nothing of it may grow.
 *
 *   test-soak [UPGRADES]    100 unless said otherwise */

#include "daemon-lab.h"
#include "package-fixture.h"

#include <glib/gstdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define UPGRADES 100
#define SETTLED 50 /* from that one on, all is flat */
#define PACKAGE_SIZE 20000
#define HISTORY_MAX 200
#define TOLERANCE 0.01

typedef struct
{
  DaemonFixture *f;
  SimProcess *sims[4];
  TestPackage *package;
  guint n_ways;
  gboolean odd; /* the version they run */
} Soak;

/* What is measured when all modules are idle. */
typedef struct
{
  guint upgrades;
  double private_dirty, pss; /* KiB */
  guint descriptors, objects;
} Figures;

static const char *const names[] = { "network", "polled", "serial", "adb" };
static guint n_upgrades = UPGRADES;

static const char config[] = "[policy]\nconfirm=allow\nmax-parallel=4\n"
                             "[timeouts]\ncommand=5\nsettle=0.3\nprobe=0.1\ninstall=60\ngive-up=120\n"
                             "[module network]\nport=@network@\ntransport=usb\n"
                             "[module polled]\nport=@polled@\ntransport=usb\n"
                             "[module serial]\nport=@serial@\ntransport=uart\nbaud=921600\n";
static const char config_adb[] = "[module adb]\nport=@adb@\ntransport=usb\nusb-path=1-1.1\n";

#define DOWNLOAD                                                                                                \
  "ind START\nind DOWNLOADING:25%\nind DOWNLOADING:75%\nind COSTTIME:0min17sec\nind NEED_VERIFY\nind PASS_VERIFY\n" \
  "ind UPDATING\n"
#define INSTALL "firmware $next\nreboot 5\n"
static const char *const scripts[] = {
  "on AT+FOTACTR\nok\n" DOWNLOAD INSTALL,
  "on question\nind $question\nconfirm 100000\n" DOWNLOAD INSTALL,
  "on AT+ZCOMUPDATE\nok\n" INSTALL,
  "on AT+ZCOMUPDATE\nok\n" INSTALL,
};

/* ---- the daemon and its modules ---- */

/* "adb" in the daemon's PATH is what shows the modules' adb daemons as devices on USB. FALSE: there is none. */
static gboolean
put_adb_in_place (Soak *self)
{
  const char *stand_in = g_getenv ("ADB_AS_USB");
  g_autofree char *real = g_find_program_in_path ("adb");
  g_autofree char *bin = daemon_path (self->f, "bin");
  g_autofree char *adb = g_build_filename (bin, "adb", NULL);
  g_autofree char *devices = daemon_path (self->f, "devices");
  g_autofree char *path = g_strconcat (bin, ":", g_getenv ("PATH"), NULL);

  if (real == NULL || stand_in == NULL)
    return FALSE;
  g_assert_cmpint (g_mkdir (bin, 0700), ==, 0);
  g_assert_cmpint (symlink (stand_in, adb), ==, 0);
  g_setenv ("MEFOTA_TEST_ADB", real, TRUE);
  g_setenv ("MEFOTA_TEST_DEVICES", devices, TRUE);
  g_setenv ("PATH", path, TRUE);
  return TRUE;
}

static void
show_adb_device (Soak *self)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  guint port = g_socket_listener_add_any_inet_port (listener, NULL, NULL);
  g_autofree char *line = g_strdup_printf ("1-1.1 %u 0123456789ABCDEF\n", port);

  g_socket_listener_close (listener);
  g_assert_true (g_file_set_contents (g_getenv ("MEFOTA_TEST_DEVICES"), line, -1, NULL));
  sim_control (self->sims[3], "set adb-port=%u", port);
}

static void
await_idle (Soak *self)
{
  for (guint i = 0; i < self->n_ways; i++)
    daemon_await_state (self->f, names[i], "idle");
}

static void
soak_open (Soak *self)
{
  g_autofree char *path = NULL;
  g_autofree char *text = NULL;
  gboolean adb;

  self->f = daemon_fixture_new ();
  path = daemon_path (self->f, "package");
  self->package = test_package_new (path, PACKAGE_SIZE);
  adb = put_adb_in_place (self);
  self->n_ways = adb ? 4 : 3;
  for (guint i = 0; i < self->n_ways; i++)
    {
      g_autofree char *imei = g_strdup_printf ("86486304000%04u", i);
      self->sims[i] = lab_add_sim (self->f, names[i], i == 2 ? "uart" : "usb", imei);
      sim_control (self->sims[i], "set quiet=true");
      lab_play (self->f, self->sims[i], scripts[i]);
    }
  /* Away for so short a time, it has to tell. */
  sim_control (self->sims[2], "set return-late=30");
  sim_control (self->sims[2], "set boot-noise=zready");
  if (adb)
    show_adb_device (self);
  text = g_strconcat (config, adb ? config_adb : NULL, NULL);
  daemon_start (self->f, text);
  await_idle (self);
}

static void
soak_close (Soak *self)
{
  daemon_fixture_free (self->f);
  test_package_free (self->package);
}

/* ---- a round: an upgrade by each way, all at once ---- */

static void
begin (Soak *self, guint way, const char *next)
{
  sim_control (self->sims[way], "set next-firmware=%s", next);
  if (way == 0)
    daemon_call_ok (self->f, names[way], "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1);
  else if (way == 1)
    sim_control (self->sims[way], "question");
  else
    {
      g_autofree char *arguments = g_strdup_printf ("(@h 0, {'expected-version': <'%s'>, 'sha256': <'%s'>})", next,
                                                    self->package->sha256);
      daemon_call_ok (self->f, names[way], "Install", g_variant_new_parsed (arguments), self->package->fd);
    }
}

/* Those since *@from; all of them have to be successes. */
static guint
count_finished (Soak *self, guint *from)
{
  guint n = 0;

  for (; *from < self->f->events->len; (*from)++)
    {
      const DaemonEvent *event = g_ptr_array_index (self->f->events, *from);
      const char *result;

      if (event->is_property || !g_str_equal (event->name, "Finished"))
        continue;
      g_variant_get_child (event->value, 0, "&s", &result);
      g_assert_cmpstr (result, ==, "success");
      n++;
    }
  return n;
}

static void
play_round (Soak *self)
{
  guint from = self->f->events->len, finished = 0;

  self->odd = !self->odd;
  for (guint way = 0; way < self->n_ways; way++)
    begin (self, way, self->odd ? NEW_VERSION : OLD_VERSION);
  DAEMON_AWAIT (self->f, (finished += count_finished (self, &from)) == self->n_ways);
  await_idle (self);
}

/* ---- figures ---- */

static double
read_smaps (Soak *self, const char *key)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/smaps_rollup", daemon_get_pid (self->f));
  g_autofree char *text = NULL;
  const char *line;

  g_assert_true (g_file_get_contents (path, &text, NULL, NULL));
  line = strstr (text, key);
  g_assert_nonnull (line);
  return g_ascii_strtod (line + strlen (key), NULL);
}

static guint
count_descriptors (Soak *self)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fd", daemon_get_pid (self->f));
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

static guint
count_objects (Soak *self)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = daemon_call_objects (self->f, &error);
  g_autoptr (GVariant) objects = NULL;

  g_assert_no_error (error);
  objects = g_variant_get_child_value (reply, 0);
  return (guint) g_variant_n_children (objects);
}

static Figures
measure (Soak *self, guint upgrades)
{
  Figures figures = { .upgrades = upgrades };

  figures.objects = count_objects (self);
  figures.descriptors = count_descriptors (self);
  figures.private_dirty = read_smaps (self, "\nPrivate_Dirty:");
  figures.pss = read_smaps (self, "\nPss:");
  return figures;
}

static int
compare (gconstpointer a, gconstpointer b)
{
  const double *x = a, *y = b;
  return (*x > *y) - (*x < *y);
}

/* Of the private memory in rounds @from … @to - 1. */
static double
median (GArray *all, guint from, guint to)
{
  g_autoptr (GArray) values = g_array_new (FALSE, FALSE, sizeof (double));

  for (guint i = from; i < to; i++)
    g_array_append_val (values, g_array_index (all, Figures, i).private_dirty);
  g_array_sort (values, compare);
  return g_array_index (values, double, values->len / 2);
}

/* ---- the soak ---- */

/* A gateway that has seen many upgrades: its history is full, and grows no more. */
static void
fill_history (Soak *self)
{
  g_autofree char *first = daemon_path (self->f, "state/history/00000000000000000001.state");
  g_autofree char *text = NULL;
  gsize length;

  daemon_stop (self->f);
  g_assert_true (g_file_get_contents (first, &text, &length, NULL));
  for (guint i = 1; i <= HISTORY_MAX; i++)
    {
      g_autofree char *name = g_strdup_printf ("state/history/%020u.state", i);
      g_autofree char *path = daemon_path (self->f, name);
      g_assert_true (g_file_set_contents (path, text, (gssize) length, NULL));
    }
  daemon_start (self->f, NULL);
  await_idle (self);
}

static void
assert_flat (GArray *all, guint first)
{
  const Figures *start = &g_array_index (all, Figures, first);
  guint quarter = MAX ((all->len - first) / 4, 1);
  double before = median (all, first, first + quarter), after = median (all, all->len - quarter, all->len);

  g_test_message ("private memory from %.0f to %.0f KiB (%+.2f %%)", before, after, (after / before - 1) * 100);
  for (guint i = first; i < all->len; i++)
    {
      g_assert_cmpuint (g_array_index (all, Figures, i).descriptors, ==, start->descriptors);
      g_assert_cmpuint (g_array_index (all, Figures, i).objects, ==, start->objects);
    }
  g_assert_cmpfloat (after, <=, before * (1 + TOLERANCE));
}

static gboolean
on_tick (gpointer data)
{
  return G_SOURCE_CONTINUE; /* so that the wait looks again */
}

/* adb's server ends a moment after the last module has let go of it. */
static void
await_descriptors (Soak *self, guint most)
{
  guint tick = g_timeout_add (20, on_tick, NULL);

  DAEMON_AWAIT (self->f, count_descriptors (self) <= most);
  g_source_remove (tick);
}

static void
test_soak (void)
{
  Soak self = { NULL };
  g_autoptr (GArray) all = g_array_new (FALSE, FALSE, sizeof (Figures));
  guint first = G_MAXUINT, descriptors;

  soak_open (&self);
  play_round (&self);
  fill_history (&self);
  descriptors = count_descriptors (&self);
  for (guint upgrades = self.n_ways; upgrades <= n_upgrades; upgrades += self.n_ways)
    {
      Figures figures;

      play_round (&self);
      await_descriptors (&self, descriptors);
      figures = measure (&self, upgrades);
      if (first == G_MAXUINT && upgrades >= SETTLED)
        first = all->len;
      g_array_append_val (all, figures);
      if (all->len % 5 == 0 || all->len == 1)
        g_test_message ("after %3u upgrades: %.0f KiB private, %.0f KiB PSS, %u descriptors, %u objects", upgrades,
                        figures.private_dirty, figures.pss, figures.descriptors, figures.objects);
    }
  g_assert_cmpuint (first, <, all->len);
  assert_flat (all, first);
  soak_close (&self);
}

int
main (int argc, char **argv)
{
  lab_init (&argc, &argv);
  if (argc > 1)
    n_upgrades = (guint) atoi (argv[1]);
  g_test_add_func ("/soak", test_soak);
  return g_test_run ();
}
