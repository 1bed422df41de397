/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-adb.h"

#include <errno.h>
#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "mefota-error.h"

/* The first start makes a key, which takes seconds on a small machine. */
#define START_MS 60000
#define TRY_MS 50

struct _MefotaAdb
{
  GObject parent;
  char *program;
  char *socket_path;
  char *home;

  GSubprocess *process; /* NULL while it does not run */
  GCancellable *watching; /* ends with the process being ours */
  GPid group;             /* its process id, which is its group's too */
  gboolean ready;
  gboolean closed;
  guint holders;
  GPtrArray *waiting; /* of GTask */
  guint try_id;
  gint64 started_at;
  char *words; /* the last line it complained in */
};

G_DEFINE_FINAL_TYPE (MefotaAdb, mefota_adb, G_TYPE_OBJECT)

static void stop (MefotaAdb *self);

const char *
mefota_adb_get_socket_path (MefotaAdb *self)
{
  return self->socket_path;
}

GPid
mefota_adb_get_pid (MefotaAdb *self)
{
  return self->process != NULL ? self->group : 0;
}

gboolean
mefota_adb_is_installed (MefotaAdb *self)
{
  g_autofree char *path = g_find_program_in_path (self->program);
  return path != NULL;
}

/* ---- those who wait for it ---- */

static void
complete_waiting (MefotaAdb *self, const GError *error)
{
  g_autoptr (GPtrArray) waiting = self->waiting;

  self->waiting = g_ptr_array_new_with_free_func (g_object_unref);
  for (guint i = 0; i < waiting->len; i++)
    {
      GTask *task = g_ptr_array_index (waiting, i);
      if (error != NULL)
        g_task_return_error (task, g_error_copy (error));
      else if (!g_task_return_error_if_cancelled (task))
        {
          self->holders++;
          g_task_return_boolean (task, TRUE);
        }
    }
}

static void
drop_cancelled (MefotaAdb *self)
{
  for (guint i = self->waiting->len; i > 0; i--)
    if (g_task_return_error_if_cancelled (g_ptr_array_index (self->waiting, i - 1)))
      g_ptr_array_remove_index (self->waiting, i - 1);
}

static void
fail_start (MefotaAdb *self, const char *why)
{
  g_autoptr (GError) error = g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_FAILED,
                                          "adb does not start: %s; try `adb version`, and look at %s.", why,
                                          self->home);

  stop (self);
  complete_waiting (self, error);
}

/* ---- its socket ---- */

/* 0: somebody listens there. */
static int
try_socket (MefotaAdb *self)
{
  struct sockaddr_un address = { .sun_family = AF_UNIX };
  int fd = socket (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
  int result = 0;

  if (fd < 0)
    return errno;
  g_strlcpy (address.sun_path, self->socket_path, sizeof address.sun_path);
  if (connect (fd, (const struct sockaddr *) &address, sizeof address) < 0 && errno != EAGAIN)
    result = errno;
  close (fd);
  return result;
}

static gboolean
clear_socket (MefotaAdb *self, GError **error)
{
  struct stat st;

  if (strlen (self->socket_path) >= sizeof ((struct sockaddr_un *) NULL)->sun_path)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_FAILED,
                   "The path of adb's socket, %s, is too long for a socket; set RUNTIME_DIRECTORY to a shorter one.",
                   self->socket_path);
      return FALSE;
    }
  if (try_socket (self) == 0 || (lstat (self->socket_path, &st) == 0 && !S_ISSOCK (st.st_mode)))
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_BUSY,
                   "Somebody else has taken %s, where mefotad's own adb server listens; end that program (fuser %s) "
                   "and try again.",
                   self->socket_path, self->socket_path);
      return FALSE;
    }
  unlink (self->socket_path); /* left over from a server that was killed */
  return TRUE;
}

static gboolean
on_try (gpointer data)
{
  MefotaAdb *self = data;

  drop_cancelled (self);
  if (self->waiting->len > 0 && try_socket (self) != 0)
    {
      if (g_get_monotonic_time () - self->started_at < START_MS * 1000)
        return G_SOURCE_CONTINUE;
      self->try_id = 0;
      fail_start (self, self->words != NULL ? self->words : "it never listened on its socket");
      return G_SOURCE_REMOVE;
    }
  self->try_id = 0;
  self->ready = TRUE;
  if (self->waiting->len == 0)
    stop (self); /* nobody waits any more */
  else
    complete_waiting (self, NULL);
  return G_SOURCE_REMOVE;
}

/* ---- the process ---- */

static void
on_complaint (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autofree char *line = g_data_input_stream_read_line_finish_utf8 (G_DATA_INPUT_STREAM (source), result, NULL, NULL);
  MefotaAdb *self = data;

  if (line == NULL)
    return; /* its end, or not ours any more */
  g_debug ("adb: %s", line);
  g_free (self->words);
  self->words = g_steal_pointer (&line);
  g_data_input_stream_read_line_async (G_DATA_INPUT_STREAM (source), G_PRIORITY_DEFAULT, self->watching, on_complaint,
                                       self);
}

static void
on_exited (GObject *source, GAsyncResult *result, gpointer data)
{
  MefotaAdb *self = data;
  GSubprocess *process = G_SUBPROCESS (source);

  if (!g_subprocess_wait_finish (process, result, NULL))
    return; /* ended by us */
  if (!self->ready)
    {
      fail_start (self, self->words != NULL ? self->words : "it ended at once");
      return;
    }
  if (g_subprocess_get_if_signaled (process))
    g_message ("adb's server was ended from outside by signal %d", g_subprocess_get_term_sig (process));
  else
    g_message ("adb's server has ended by itself (status %d): %s", g_subprocess_get_exit_status (process),
               self->words != NULL ? self->words : "");
  stop (self);
}

/* Between fork and exec. A group of its own, so that whatever it starts goes with it; and it goes with us. */
static void
set_child_up (gpointer data)
{
  setpgid (0, 0);
  prctl (PR_SET_PDEATHSIG, SIGKILL);
}

static GSubprocessLauncher *
make_launcher (MefotaAdb *self)
{
  /* What a user's shell may have set up for their own adb. */
  static const char *const foreign[] = { "ADB_SERVER_SOCKET", "ANDROID_ADB_SERVER_ADDRESS", "ANDROID_ADB_SERVER_PORT",
                                         "ANDROID_ADB_LOG_PATH", "ANDROID_SDK_HOME", "ANDROID_SERIAL",
                                         "ADB_VENDOR_KEYS", "ADB_TRACE" };
  GSubprocessLauncher *launcher
      = g_subprocess_launcher_new (G_SUBPROCESS_FLAGS_STDOUT_SILENCE | G_SUBPROCESS_FLAGS_STDERR_PIPE);

  for (gsize i = 0; i < G_N_ELEMENTS (foreign); i++)
    g_subprocess_launcher_unsetenv (launcher, foreign[i]);
  g_subprocess_launcher_setenv (launcher, "HOME", self->home, TRUE);
  g_subprocess_launcher_setenv (launcher, "LC_ALL", "C", TRUE);
  g_subprocess_launcher_setenv (launcher, "ADB_LIBUSB", "0", TRUE);  /* only then it tells the physical path */
  g_subprocess_launcher_setenv (launcher, "ADB_MDNS", "0", TRUE);
  g_subprocess_launcher_setenv (launcher, "ADB_LOCAL_TRANSPORT_MAX_PORT", "5553", TRUE); /* leaves emulators alone */
  g_subprocess_launcher_set_cwd (launcher, self->home);
  g_subprocess_launcher_set_child_setup (launcher, set_child_up, NULL, NULL);
  return launcher;
}

static gboolean
start (MefotaAdb *self, GError **error)
{
  g_autofree char *path = g_find_program_in_path (self->program);
  g_autofree char *where = g_strconcat ("localfilesystem:", self->socket_path, NULL);
  g_autoptr (GSubprocessLauncher) launcher = NULL;
  g_autoptr (GDataInputStream) complaints = NULL;
  g_autoptr (GError) spawn_error = NULL;
  const char *pid;

  if (self->closed)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_FAILED, "mefotad is ending; try again when it is back.");
      return FALSE;
    }
  if (path == NULL)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_SUPPORTED,
                   "The program adb is missing; install it (on Debian: apt install adb) and try again.");
      return FALSE;
    }
  if (!clear_socket (self, error))
    return FALSE;
  if (g_mkdir_with_parents (self->home, 0700) < 0)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED,
                   "The folder %s for adb's key cannot be made (%s); make it, and let mefotad write to it.", self->home,
                   g_strerror (errno));
      return FALSE;
    }
  launcher = make_launcher (self);
  self->process = g_subprocess_launcher_spawn (launcher, &spawn_error, path, "-L", where, "server", "nodaemon", NULL);
  if (self->process == NULL)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_FAILED, "adb cannot be run: %s; reinstall it.",
                   spawn_error->message);
      return FALSE;
    }
  pid = g_subprocess_get_identifier (self->process);
  self->group = pid != NULL ? (GPid) g_ascii_strtoll (pid, NULL, 10) : 0; /* has ended already */
  g_clear_pointer (&self->words, g_free);
  self->ready = FALSE;
  self->started_at = g_get_monotonic_time ();
  self->watching = g_cancellable_new ();
  self->try_id = g_timeout_add (TRY_MS, on_try, self);
  complaints = g_data_input_stream_new (g_subprocess_get_stderr_pipe (self->process));
  g_data_input_stream_read_line_async (complaints, G_PRIORITY_DEFAULT, self->watching, on_complaint, self);
  g_subprocess_wait_async (self->process, self->watching, on_exited, self);
  return TRUE;
}

/* At once and for certain: the server keeps nothing that a kill could spoil. */
static void
stop (MefotaAdb *self)
{
  g_clear_handle_id (&self->try_id, g_source_remove);
  self->ready = FALSE;
  if (self->process == NULL)
    return;
  g_cancellable_cancel (self->watching);
  g_clear_object (&self->watching);
  if (self->group <= 0 || kill (-self->group, SIGKILL) < 0)
    g_subprocess_force_exit (self->process); /* not yet in its group */
  g_clear_object (&self->process);
  unlink (self->socket_path);
}

/* ---- holding ---- */

void
mefota_adb_hold_async (MefotaAdb *self, GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (self, cancellable, callback, user_data);
  GError *error = NULL;

  g_task_set_source_tag (task, mefota_adb_hold_async);
  g_task_set_check_cancellable (task, FALSE); /* a hold that was given is never lost on the way */
  if (g_task_return_error_if_cancelled (task))
    return;
  if (self->ready)
    {
      self->holders++;
      g_task_return_boolean (task, TRUE);
      return;
    }
  if (self->process == NULL && !start (self, &error))
    {
      g_task_return_error (task, error);
      return;
    }
  g_ptr_array_add (self->waiting, g_steal_pointer (&task));
}

gboolean
mefota_adb_hold_finish (MefotaAdb *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, self), FALSE);
  return g_task_propagate_boolean (G_TASK (result), error);
}

void
mefota_adb_release (MefotaAdb *self)
{
  g_return_if_fail (self->holders > 0);
  if (--self->holders == 0 && self->waiting->len == 0)
    stop (self);
}

void
mefota_adb_close (MefotaAdb *self)
{
  g_autoptr (GError) error = g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_FAILED,
                                          "mefotad is ending; try again when it is back.");

  self->closed = TRUE;
  stop (self);
  complete_waiting (self, error);
}

static void
mefota_adb_finalize (GObject *object)
{
  MefotaAdb *self = MEFOTA_ADB (object);

  stop (self);
  g_ptr_array_unref (self->waiting);
  g_free (self->program);
  g_free (self->socket_path);
  g_free (self->home);
  g_free (self->words);
  G_OBJECT_CLASS (mefota_adb_parent_class)->finalize (object);
}

static void
mefota_adb_class_init (MefotaAdbClass *klass)
{
  G_OBJECT_CLASS (klass)->finalize = mefota_adb_finalize;
}

static void
mefota_adb_init (MefotaAdb *self)
{
  self->waiting = g_ptr_array_new_with_free_func (g_object_unref);
}

MefotaAdb *
mefota_adb_new (const char *program, const char *socket_path, const char *home)
{
  MefotaAdb *self = g_object_new (MEFOTA_TYPE_ADB, NULL);

  self->program = g_strdup (program);
  self->socket_path = g_strdup (socket_path);
  self->home = g_strdup (home);
  return self;
}
