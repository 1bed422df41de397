/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "adb-fixture.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "mefota-tty.h"
#include "test-folder.h"

#define DEADLINE 60

static gboolean
on_wake (gpointer data)
{
  return G_SOURCE_CONTINUE;
}

void
adb_turn (const char *what, gint64 *until)
{
  guint wake;

  if (*until == 0)
    *until = g_get_monotonic_time () + DEADLINE * G_USEC_PER_SEC;
  if (g_get_monotonic_time () > *until)
    g_error ("waited in vain for: %s", what);
  wake = g_timeout_add (500, on_wake, NULL);
  g_main_context_iteration (NULL, TRUE);
  g_source_remove (wake);
}

void
adb_keep_result (GObject *source, GAsyncResult *result, gpointer data)
{
  GAsyncResult **kept = data;

  g_assert_null (*kept);
  *kept = g_object_ref (result);
}

/* ---- what is left running ---- */

/* The parent's id and the state behind the name in /proc/PID/stat. */
static gboolean
is_child (const char *pid)
{
  g_autofree char *path = g_build_filename ("/proc", pid, "stat", NULL);
  g_autofree char *text = NULL;
  const char *behind;
  char state;
  int parent;

  if (!g_ascii_isdigit (pid[0]) || !g_file_get_contents (path, &text, NULL, NULL))
    return FALSE;
  behind = strrchr (text, ')');
  return behind != NULL && sscanf (behind, ") %c %d", &state, &parent) == 2 && parent == getpid () && state != 'Z';
}

guint
adb_count_children (void)
{
  g_autoptr (GDir) dir = g_dir_open ("/proc", 0, NULL);
  const char *name;
  guint n = 0;

  while ((name = g_dir_read_name (dir)) != NULL)
    n += is_child (name) ? 1 : 0;
  return n;
}

/* ---- modules ---- */

static void
module_free (gpointer data)
{
  AdbModule *self = data;

  adb_close_port (self);
  sim_client_free (self->client);
  g_free (self);
}

void
adb_close_port (AdbModule *module)
{
  if (module->channel != NULL)
    mefota_at_channel_close (module->channel);
  g_clear_object (&module->channel);
  g_clear_object (&module->tty);
}

void
adb_open_port (AdbModule *module)
{
  g_autoptr (GError) error = NULL;
  MefotaTty *tty;

  adb_close_port (module);
  tty = mefota_tty_open (mefota_sim_get_path (module->client->sim), 115200, MEFOTA_FLOW_NONE, &error);
  g_assert_no_error (error);
  module->tty = G_IO_STREAM (tty);
  module->channel = mefota_at_channel_new (module->tty, "m0", 200);
}

guint
adb_count_events (AdbModule *module, const char *prefix)
{
  GPtrArray *events = module->client->events;
  guint n = 0;

  for (guint i = 0; i < events->len; i++)
    n += g_str_has_prefix (g_ptr_array_index (events, i), prefix) ? 1 : 0;
  return n;
}

void
adb_await_event (AdbModule *module, const char *prefix)
{
  sim_client_await (module->client, prefix);
}

/* Its daemon may listen only later; the port is chosen now. */
static guint
choose_port (void)
{
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  return g_socket_listener_add_any_inet_port (listener, NULL, NULL);
}

AdbModule *
adb_add_module (AdbFixture *self, const char *usb_path, const char *serial, ...)
{
  AdbModule *module = g_new0 (AdbModule, 1);
  g_autofree char *path = g_build_filename (self->folder, "devices", NULL);
  g_autofree char *number = g_strdup_printf ("adb-port=%u", choose_port ());
  g_autofree char *old = NULL;
  g_autofree char *all = NULL;
  const char *pair;
  va_list args;

  g_file_get_contents (path, &old, NULL, NULL);
  all = g_strdup_printf ("%s%s %s %s\n", old != NULL ? old : "", usb_path, strchr (number, '=') + 1, serial);
  g_assert_true (g_file_set_contents (path, all, -1, NULL));
  module->client = sim_client_new ("echo-boot=off", number, NULL);
  va_start (args, serial);
  while ((pair = va_arg (args, const char *)) != NULL)
    sim_client_set (module->client, pair);
  va_end (args);
  adb_open_port (module);
  g_ptr_array_add (self->modules, module);
  return module;
}

MefotaPackage *
adb_make_package (AdbFixture *self, gsize size, guint seed)
{
  g_autofree char *path = g_strdup_printf ("%s/package-%u", self->folder, seed);
  g_autofree char *bytes = g_malloc (size);
  g_autofree char *sha256 = NULL;
  g_autoptr (GRand) random = g_rand_new_with_seed (seed);
  g_autoptr (GError) error = NULL;
  MefotaPackage *package;

  for (gsize i = 0; i < size; i++)
    bytes[i] = (char) g_rand_int (random);
  g_assert_true (g_file_set_contents (path, bytes, (gssize) size, NULL));
  sha256 = g_compute_checksum_for_data (G_CHECKSUM_SHA256, (const guchar *) bytes, size);
  package = mefota_package_open (path, size, sha256, &error);
  g_assert_no_error (error);
  return package;
}

/* ---- the fixture ---- */

AdbFixture *
adb_fixture_new (void)
{
  g_autofree char *real = g_find_program_in_path ("adb");
  g_autofree char *devices = NULL;
  AdbFixture *self;

  if (real == NULL)
    {
      g_test_skip ("the program adb is not installed");
      return NULL;
    }
  self = g_new0 (AdbFixture, 1);
  self->folder = g_dir_make_tmp ("mefota-adb-XXXXXX", NULL);
  self->socket_path = g_build_filename (self->folder, "adb.socket", NULL);
  devices = g_build_filename (self->folder, "devices", NULL);
  g_assert_true (g_file_set_contents (devices, "", -1, NULL));
  g_setenv ("MEFOTA_TEST_ADB", real, TRUE);
  g_setenv ("MEFOTA_TEST_DEVICES", devices, TRUE);
  /* One key for all tests: making it takes a second. */
  self->adb = mefota_adb_new (g_getenv ("ADB_AS_USB"), self->socket_path, g_getenv ("ADB_TEST_HOME"));
  self->modules = g_ptr_array_new_with_free_func (module_free);
  return self;
}

void
adb_fixture_free (AdbFixture *self)
{
  g_ptr_array_unref (self->modules);
  g_assert_finalize_object (self->adb);
  ADB_AWAIT (adb_count_children () == 0);
  test_folder_remove (self->folder);
  g_free (self->folder);
  g_free (self->socket_path);
  g_free (self);
}
