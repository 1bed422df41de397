/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* How the upgrade of a cell comes to a state and leaves it: the module's part, and that of who wants it upgraded. */

#include "fault-play.h"

#include <fcntl.h>
#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

#define PACKAGE_SIZE 100000
#define STALL_AT 50000
#define ADB_PACE 10000

/* Long enough for a busy machine where nothing has to run out. A restart that is not noticed on a UART while the result
 * is awaited is found by the look at its end, so that must not be far. */
#define PATIENT "[timeouts]\ncommand=%u\nconfirm=60\ndownload=60\ninstall=60\ngive-up=120\nprobe=0.2\n"
#define IMPATIENT "[policy]\ntransfer-attempts=1\n" \
                  "[timeouts]\ncommand=1\nconfirm=3\ndownload=3\ninstall=4\ngive-up=6\nprobe=0.2\n"
#define SETTLE(self) ((self)->way->uart ? 10 : 60)

/* ---- opening ---- */

/* "adb" in the daemon's PATH is what shows the modules' adb daemons as devices on USB. */
static void
put_adb_in_place (Cell *self)
{
  g_autofree char *real = g_find_program_in_path ("adb");
  g_autofree char *bin = daemon_path (self->f, "bin");
  g_autofree char *adb = g_build_filename (bin, "adb", NULL);
  g_autofree char *devices = daemon_path (self->f, "devices");
  g_autofree char *path = g_strconcat (bin, ":", g_getenv ("PATH"), NULL);
  g_autoptr (GSocketListener) listener = g_socket_listener_new ();
  guint port = g_socket_listener_add_any_inet_port (listener, NULL, NULL);
  g_autofree char *line = g_strdup_printf ("1-1.1 %u 0123456789ABCDEF\n", port);

  g_socket_listener_close (listener);
  g_assert_nonnull (real);
  g_assert_cmpint (g_mkdir (bin, 0700), ==, 0);
  g_assert_cmpint (symlink (g_getenv ("ADB_AS_USB"), adb), ==, 0);
  g_assert_true (g_file_set_contents (devices, line, -1, NULL));
  g_setenv ("MEFOTA_TEST_ADB", real, TRUE);
  g_setenv ("MEFOTA_TEST_DEVICES", devices, TRUE);
  g_setenv ("PATH", path, TRUE);
  sim_control (self->sim, "set adb-port=%u", port);
}

/* A module that leaves its data mode takes the rest for commands: with "AT" in it, it would answer OK. */
static void
make_harmless (TestPackage *package, const char *path)
{
  memset (package->bytes, 'x', package->size);
  g_free (package->sha256);
  package->sha256 = g_compute_checksum_for_data (G_CHECKSUM_SHA256, package->bytes, package->size);
  g_assert_true (g_file_set_contents (path, (const char *) package->bytes, (gssize) package->size, NULL));
  close (package->fd);
  package->fd = g_open (path, O_RDONLY | O_CLOEXEC);
}

static void
make_module (Cell *self, Fault fault)
{
  g_autofree char *package = daemon_path (self->f, "package");

  self->sim = lab_add_sim (self->f, "m0", self->way->uart ? "uart" : "usb", IMEI);
  self->package = test_package_new (package, PACKAGE_SIZE);
  if (fault == FAULT_HANG_UP)
    make_harmless (self->package, package);
  sim_control (self->sim, "set expect-package=%s", self->package->sha256);
  if (self->way->uart)
    sim_control (self->sim, "set boot-noise=zready"); /* tells of a restart that is over soon */
  lab_play (self->f, self->sim, self->way->play);
  if (self->kind == WAY_ADB)
    put_adb_in_place (self);
}

/* What makes a state last. */
static void
make_state (Cell *self, State state)
{
  if (state == STATE_ABSENT)
    {
      sim_control (self->sim, "vanish");
      sim_await (self->sim, self->way->uart ? "silent" : "vanished");
    }
  else if (state == STATE_PROBING)
    sim_control (self->sim, "set fault=AT silent");
  if (self->kind == WAY_SERIAL)
    sim_control (self->sim, "set stall-after=%u", STALL_AT);
  else if (self->kind == WAY_ADB)
    sim_control (self->sim, "set adb-pace=%u", ADB_PACE);
  if (state != STATE_QUEUED)
    return;
  self->other = lab_add_sim (self->f, "m1", "usb", "864863040000025");
  lab_play (self->f, self->other, "on AT+FOTACTR\nok\nhold other\nind FAIL_NO_NEW\n");
}

void
cell_open (Cell *self, Way way, State state, Fault fault)
{
  g_autofree char *times = NULL;
  g_autofree char *config = NULL;

  *self = (Cell){ .f = daemon_fixture_new (), .way = &fault_ways[way], .kind = way, .at = state };
  make_module (self, fault);
  make_state (self, state);
  if (fault == FAULT_BUS)
    self->relay = bus_relay_new (self->f);
  signal (SIGXFSZ, SIG_IGN); /* inherited: a full disk is an error, not an end */
  times = fault == FAULT_GONE ? g_strdup (IMPATIENT)
                              : g_strdup_printf (PATIENT, fault == FAULT_SILENCE || fault == FAULT_HANG_UP ? 1 : 3);
  config = g_strdup_printf ("%ssettle=%u\n[module m0]\nport=@m0@\ntransport=%s\n%s%s",
                            times, SETTLE (self), self->way->uart ? "uart\nbaud=921600" : "usb",
                            way == WAY_ADB ? "usb-path=1-1.1\n" : "", self->other != NULL ? LAB_SECOND : "");
  daemon_start (self->f, config);
  if (self->other != NULL)
    daemon_await_state (self->f, "m1", "idle");
}

void
cell_close (Cell *self)
{
  daemon_fixture_free (self->f);
  g_clear_pointer (&self->relay, bus_relay_free);
  test_package_free (self->package);
}

/* ---- asking ---- */

gboolean
cell_start (Cell *self, GError **error)
{
  g_autoptr (GVariant) reply = NULL;
  g_autofree char *install = g_strdup_printf ("(@h 0, {'sha256': <'%s'>, 'expected-version': <'" NEW_VERSION "'>})",
                                              self->package->sha256);

  if (self->kind == WAY_POLLED)
    {
      sim_control (self->sim, "question");
      return TRUE;
    }
  if (self->kind == WAY_NETWORK)
    reply = daemon_call (self->f, "m0", "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1, error);
  else
    reply = daemon_call (self->f, "m0", "Install", g_variant_new_parsed (install), self->package->fd, error);
  return reply != NULL;
}

gboolean
cell_confirm (Cell *self, GError **error)
{
  g_autoptr (GVariant) reply = daemon_call (self->f, "m0", "Confirm", g_variant_new_parsed ("(true, @a{sv} {})"), -1,
                                            error);
  return reply != NULL;
}

void
cell_expect (Cell *self, CellCall call, const char *error_name)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *name = NULL;

  if (call (self, &error) != (error_name == NULL))
    g_error ("the call was %s: %s", error != NULL ? "refused" : "not refused", error != NULL ? error->message : "");
  if (error_name == NULL)
    return;
  name = g_dbus_error_get_remote_error (error);
  if (name == NULL || !g_str_has_suffix (name, error_name))
    g_error ("%s instead of %s: %s", name, error_name, error->message);
}

/* ---- from state to state ---- */

gboolean
cell_is_away (Cell *self)
{
  return self->at == STATE_ABSENT || self->at == STATE_REBOOTING;
}

guint
cell_count_goings (Cell *self)
{
  return sim_count (self->sim, self->way->uart ? "silent" : "vanished");
}

static guint
index_of (Cell *self, State state)
{
  guint i = 0;
  while (i < self->way->n_states && self->way->states[i] != state)
    i++;
  return i;
}

State
cell_next (Cell *self, State state)
{
  guint i = index_of (self, state) + 1;
  return i < self->way->n_states ? self->way->states[i] : N_STATES;
}

/* Without somebody before it, none waits its turn. */
static guint
first_index (Cell *self)
{
  return self->other == NULL && self->way->states[0] == STATE_QUEUED ? 1 : 0;
}

void
cell_leave (Cell *self, State state)
{
  switch (state)
    {
    case STATE_QUEUED:
      /* What it says while a daemon has only just begun would be lost. */
      DAEMON_AWAIT (self->f, daemon_get_string (self->f, "m1", "Imei")[0] != '\0');
      sim_control (self->other, "go other");
      break;
    case STATE_CONFIRMING:
      DAEMON_AWAIT (self->f, cell_confirm (self, NULL)); /* NotPresent until the module answers again */
      break;
    case STATE_TRANSFERRING:
      sim_control (self->sim, self->kind == WAY_SERIAL ? "set stall-after=0" : "set adb-pace=0");
      break;
    case STATE_REBOOTING:
      DAEMON_AWAIT (self->f, cell_count_goings (self) > self->went);
      sim_control (self->sim, "return");
      break;
    case STATE_ABSENT:
    case STATE_PROBING:
    case STATE_IDLE:
    case STATE_STARTING:
    case STATE_DOWNLOADING:
    case STATE_VERIFYING:
    case STATE_UPDATING:
    case STATE_CHECKING:
    case N_STATES:
    default:
      if (state == STATE_UPDATING)
        {
          g_autofree char *hold = g_strconcat ("hold ", state_words[state], NULL);
          sim_await (self->sim, hold);
          self->went = cell_count_goings (self);
          sim_control (self->sim, "go %s", state_words[state]);
        }
      else
        lab_pass (self->sim, state_words[state]);
      break;
    }
}

void
cell_stand (Cell *self, State state)
{
  guint last = index_of (self, state);

  if (state == STATE_ABSENT && self->way->uart)
    state = STATE_PROBING; /* its port stays */
  daemon_await_state (self->f, "m0", state_words[MIN (state, STATE_IDLE)]);
  if (state <= STATE_IDLE)
    return;
  if (self->other != NULL)
    {
      daemon_call_ok (self->f, "m1", "Upgrade", g_variant_new ("(sa{sv})", "", NULL), -1);
      sim_await (self->other, "hold other");
    }
  cell_expect (self, cell_start, NULL);
  for (guint i = first_index (self); i <= last; i++)
    {
      State now = self->way->states[i];
      daemon_await_state (self->f, "m0", state_words[now]);
      if (now == STATE_TRANSFERRING && self->kind == WAY_SERIAL)
        sim_await (self->sim, "stalled ");
      if (i < last)
        cell_leave (self, now);
    }
}

void
cell_wake (Cell *self)
{
  if (self->at == STATE_ABSENT)
    sim_control (self->sim, "return");
  else if (self->at == STATE_PROBING)
    sim_control (self->sim, "set fault=none");
}

void
cell_finish (Cell *self, State state)
{
  guint i = state <= STATE_IDLE ? first_index (self) : index_of (self, state);

  for (; i < self->way->n_states; i++)
    cell_leave (self, self->way->states[i]);
}
