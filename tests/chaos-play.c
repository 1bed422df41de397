/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A run: its beginning, its end, and the calls in it. */

#include "chaos-play.h"

#include <fcntl.h>
#include <gio/gunixfdlist.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#define ROOT "/org/gosuncn/Fota"
#define PACKAGE_SIZE 3000
#define PATIENCE 80 /* times 50 ms */

const char *const chaos_names[CHAOS_MODULES] = { "m0", "m1", "m2" };
const char *const chaos_imeis[CHAOS_MODULES] = { "864863040000017", "864863040000025", "864863040000033" };
static const char *const wirings[CHAOS_MODULES] = { "usb", "uart", "usb" };

/* ---- the run ---- */

void
chaos_note (Chaos *self, const char *format, ...)
{
  double at = (double) (g_get_monotonic_time () - self->begun) / 1e6;
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);

  g_test_message ("%.3f %s", at, text);
}

static gboolean
on_passed (gpointer data)
{
  *(gboolean *) data = TRUE;
  return G_SOURCE_REMOVE;
}

void
chaos_pass (Chaos *self, guint milliseconds)
{
  gboolean passed = FALSE;

  g_timeout_add (milliseconds, on_passed, &passed);
  DAEMON_AWAIT (self->f, passed);
}

static gboolean
runs_upgrade (SimProcess *sim)
{
  for (guint i = sim->events->len; i > 0; i--)
    if (g_str_has_prefix (g_ptr_array_index (sim->events, i - 1), "status "))
      return strstr (g_ptr_array_index (sim->events, i - 1), "upgrade=none") == NULL;
  return FALSE;
}

void
chaos_tell (Chaos *self, SimProcess *sim, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *line = g_strdup_vprintf (format, args);
  va_end (args);
  g_autofree char *sent = g_strconcat (line, "\n", NULL);
  g_autofree char *ok = g_strconcat ("ok ", line, NULL);
  guint from = sim->events->len;

  chaos_note (self, "%s < %s", sim->name, line);
  g_assert_true (g_output_stream_write_all (sim->input, sent, strlen (sent), NULL, NULL, NULL));
  for (;; from++)
    {
      DAEMON_AWAIT (self->f, from < sim->events->len);
      if (g_str_equal (g_ptr_array_index (sim->events, from), ok)
          || g_str_has_prefix (g_ptr_array_index (sim->events, from), "error "))
        return;
    }
}

/* ---- calls ---- */

static void
call_free (gpointer data)
{
  ChaosCall *call = data;

  g_free (call->module);
  g_free (call->method);
  g_free (call->arguments);
  g_free (call->value);
  g_free (call->error);
  g_free (call->message);
  g_free (call);
}

typedef struct
{
  Chaos *chaos;
  ChaosCall *call;
} Asked;

static void
on_called (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autofree Asked *asked = data;
  Chaos *self = asked->chaos;
  ChaosCall *call = asked->call;
  g_autoptr (GUnixFDList) fds = NULL;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply
      = g_dbus_connection_call_with_unix_fd_list_finish (G_DBUS_CONNECTION (source), &fds, result, &error);

  call->ended = g_get_monotonic_time ();
  self->open_calls--;
  if (error != NULL)
    {
      call->error = g_dbus_error_get_remote_error (error);
      g_dbus_error_strip_remote_error (error);
      call->message = g_strdup (error->message);
      if (call->error == NULL)
        call->error = g_strdup ("none");
    }
  chaos_note (self, "#%u %s.%s: %s %s", call->number, call->module, call->method,
              call->error != NULL ? call->error : "ok", call->message != NULL ? call->message : "");
  if (fds != NULL && g_unix_fd_list_get_length (fds) > 0)
    {
      int fd = g_unix_fd_list_get (fds, 0, NULL);
      g_array_append_val (self->holds, fd);
    }
}

ChaosCall *
chaos_call_with_fd (Chaos *self, const char *module, const char *method, GVariant *arguments, const char *value, int fd)
{
  ChaosCall *call = g_new0 (ChaosCall, 1);
  Asked *asked = g_new0 (Asked, 1);
  g_autofree char *path = module[0] != '\0' ? g_strconcat (ROOT "/module/", module, NULL) : g_strdup (ROOT);
  g_autoptr (GUnixFDList) fds = fd >= 0 ? g_unix_fd_list_new () : NULL;

  if (fds != NULL)
    g_unix_fd_list_append (fds, fd, NULL);
  call->number = self->calls->len;
  call->module = g_strdup (module);
  call->method = g_strdup (method);
  call->value = g_strdup (value);
  call->daemon = self->daemon;
  call->sent = g_get_monotonic_time ();
  call->arguments = arguments != NULL ? g_variant_print (arguments, FALSE) : g_strdup ("()");
  g_ptr_array_add (self->calls, call);
  self->open_calls++;
  chaos_note (self, "#%u %s.%s %s", call->number, module, method, call->arguments);
  *asked = (Asked){ self, call };
  g_dbus_connection_call_with_unix_fd_list (self->f->connection, "org.gosuncn.Fota", path,
                                            module[0] != '\0' ? "org.gosuncn.Fota" : "org.gosuncn.Fota.Manager",
                                            method, arguments, NULL, G_DBUS_CALL_FLAGS_NO_AUTO_START, 120000, fds,
                                            NULL, on_called, asked);
  return call;
}

ChaosCall *
chaos_call (Chaos *self, const char *module, const char *method, GVariant *arguments, const char *value)
{
  return chaos_call_with_fd (self, module, method, arguments, value, -1);
}

/* ---- holds ---- */

void
chaos_let_go (Chaos *self)
{
  chaos_note (self, "lets go of a hold");
  close (g_array_index (self->holds, int, 0));
  g_array_remove_index (self->holds, 0);
}

/* ---- beginning and end ---- */

static void
make_package (Chaos *self)
{
  g_autofree char *path = daemon_path (self->f, "package");
  g_autofree char *bytes = g_strnfill (PACKAGE_SIZE, 'x');

  g_assert_true (g_file_set_contents (path, bytes, PACKAGE_SIZE, NULL));
  self->package_sha256 = g_compute_checksum_for_string (G_CHECKSUM_SHA256, bytes, PACKAGE_SIZE);
  self->package = g_open (path, O_RDONLY | O_CLOEXEC, 0);
}

void
chaos_open (Chaos *self, guint32 seed)
{
  static const char *const confirms[] = { "ask", "ask", "allow", "deny" };
  g_autofree char *text = NULL;

  *self = (Chaos){ .f = daemon_fixture_new (), .dice = g_rand_new_with_seed (seed), .package = -1,
                   .begun = g_get_monotonic_time () };
  self->calls = g_ptr_array_new_with_free_func (call_free);
  self->kills = g_array_new (FALSE, FALSE, sizeof (gint64));
  self->holds = g_array_new (FALSE, FALSE, sizeof (int));
  self->confirm = CHAOS_ANY_OF (self, confirms);
  self->max_parallel = 1 + CHAOS_BELOW (self, 2);
  self->n_modules = 2 + CHAOS_BELOW (self, 2);
  make_package (self);
  for (guint i = 0; i < self->n_modules; i++)
    {
      self->sims[i] = lab_add_sim (self->f, chaos_names[i], wirings[i], chaos_imeis[i]);
      if (g_str_equal (wirings[i], "uart") && CHAOS_ONE_IN (self, 2))
        chaos_tell (self, self->sims[i], "set boot-noise=zready");
    }
  text = g_strdup_printf ("[policy]\nconfirm=%s\nmax-parallel=%u\n"
                          "[timeouts]\ncommand=1\nconfirm=3\ndownload=2\ninstall=3\ngive-up=5\nsettle=0.4\nprobe=0.1\n"
                          LAB_USB "[module m1]\nport=@m1@\ntransport=uart\n%s",
                          self->confirm, self->max_parallel,
                          self->n_modules > 2 ? "[module m2]\nport=@m2@\ntransport=usb\n" : "");
  daemon_start (self->f, text);
  chaos_note (self, "seed %u: %u modules, confirm=%s max-parallel=%u", seed, self->n_modules, self->confirm,
              self->max_parallel);
  if (!CHAOS_ONE_IN (self, 4))
    for (guint i = 0; i < self->n_modules; i++)
      daemon_await_state (self->f, chaos_names[i], "idle");
}

void
chaos_close (Chaos *self)
{
  daemon_fixture_free (self->f);
  g_ptr_array_unref (self->calls);
  g_array_unref (self->holds);
  g_array_unref (self->kills);
  g_rand_free (self->dice);
  close (self->package);
  g_free (self->package_sha256);
}

static void
make_harmless (Chaos *self, guint i)
{
  static const char *const plain[] = {
    "set fault=none", "set mute=0", "set delay=0", "set fail=", "set repeat-ind=0", "set lose-last=false",
    "set extra-reboots=0", "set quiet-refusal=false", "set hangup-after-ind=0", "set poll-after=0", "set split=0",
    "set first-ind=script", "set hangup-return=5", "set keep-firmware=false", "set linger=0.1", "set inject=",
  };

  for (guint k = 0; k < G_N_ELEMENTS (plain); k++)
    chaos_tell (self, self->sims[i], "%s", plain[k]);
  if (self->away[i])
    chaos_tell (self, self->sims[i], "return");
  self->away[i] = FALSE;
  chaos_tell (self, self->sims[i], "go");
}

/* A vanishing that meets a restart may leave a module waiting for that for ever. */
static void
end_upgrade (Chaos *self, guint i)
{
  for (guint n = 0;; n++)
    {
      chaos_tell (self, self->sims[i], "status");
      if (!runs_upgrade (self->sims[i]))
        return;
      chaos_pass (self, 50);
      if (n == PATIENCE)
        chaos_tell (self, self->sims[i], "abort");
    }
}

void
chaos_calm_down (Chaos *self)
{
  chaos_note (self, "calms down");
  while (self->holds->len > 0)
    chaos_let_go (self);
  for (guint i = 0; i < self->n_modules; i++)
    make_harmless (self, i);
  DAEMON_AWAIT (self->f, self->open_calls == 0);
  while (self->holds->len > 0)
    chaos_let_go (self); /* it was given only now */
  chaos_note (self, "all is answered");
  for (guint i = 0; i < self->n_modules; i++)
    end_upgrade (self, i);
  for (guint i = 0; i < self->n_modules; i++)
    daemon_await_state (self->f, chaos_names[i], "idle");
  /* A module that has just ended may be on its way to its restart. */
  chaos_pass (self, 300);
  for (guint i = 0; i < self->n_modules; i++)
    daemon_await_state (self->f, chaos_names[i], "idle");
}
