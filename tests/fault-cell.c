/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A fault strikes in a state, and what must have come of it. */

#include "fault-play.h"

#include <string.h>
#include <sys/resource.h>

/* ---- the faults ---- */

static void
limit_disk (Cell *self, gboolean full)
{
  struct rlimit limit = { full ? 0 : RLIM_INFINITY, RLIM_INFINITY };
  g_assert_cmpint (prlimit (daemon_get_pid (self->f), RLIMIT_FSIZE, &limit, NULL), ==, 0);
}

static gboolean
has_port (Cell *self)
{
  return daemon_get_string (self->f, "m0", "Port")[0] != '\0';
}

/* One that is away goes once more when it is back. */
static void
break_line (Cell *self)
{
  if (cell_is_away (self))
    {
      if (self->at == STATE_REBOOTING)
        cell_leave (self, STATE_REBOOTING);
      else
        sim_control (self->sim, "return");
      DAEMON_AWAIT (self->f, has_port (self));
    }
  sim_control (self->sim, "vanish");
  if (!self->way->uart)
    DAEMON_AWAIT (self->f, !has_port (self));
  sim_control (self->sim, "return");
}

/* Waits for one more of them than @before; later waits still find it. */
static void
await_another (Cell *self, const char *prefix, guint before)
{
  DAEMON_AWAIT (self->f, sim_count (self->sim, prefix) > before);
}

/* The module goes on meanwhile, where it can, and nobody hears it. */
static void
be_silent (Cell *self)
{
  SimProcess *sim = self->sim;
  guint deaf = sim_count (sim, "deaf "), holds = sim_count (sim, "hold "), ready = sim_count (sim, "ready");

  sim_control (sim, "set mute=forever");
  switch (self->at)
    {
    case STATE_ABSENT:
      sim_control (sim, "return");
      await_another (self, "deaf ", deaf);
      break;
    case STATE_PROBING:
      await_another (self, "deaf ", deaf);
      break;
    case STATE_TRANSFERRING:
      if (!self->way->uart)
        break;
      cell_leave (self, self->at);
      await_another (self, "deaf ", deaf);
      break;
    case STATE_UPDATING:
      if (self->way->uart)
        daemon_await_state (self->f, "m0", "rebooting");
      break;
    case STATE_REBOOTING:
      cell_leave (self, self->at);
      await_another (self, "deaf ", deaf);
      break;
    case STATE_STARTING:
    case STATE_DOWNLOADING:
    case STATE_VERIFYING:
      cell_leave (self, self->at);
      await_another (self, "hold ", holds);
      break;
    case STATE_CHECKING:
      cell_leave (self, self->at);
      await_another (self, "ready", ready);
      break;
    case STATE_IDLE:
    case STATE_QUEUED:
    case STATE_CONFIRMING:
    case N_STATES:
    default:
      break;
    }
}

static void
send_garbage (Cell *self)
{
  if (self->at == STATE_REBOOTING)
    cell_leave (self, self->at);
  else if (self->at == STATE_ABSENT)
    sim_control (self->sim, "return");
  if (cell_is_away (self))
    DAEMON_AWAIT (self->f, has_port (self));
  sim_control (self->sim, "garbage 200");
}

/* Power must stay on while the module installs: with a daemon, and without one. */
static void
lose_daemon (Cell *self, Fault fault)
{
  g_autofree char *run_file = daemon_path (self->f, "run/power-critical");
  gboolean critical = self->at >= STATE_UPDATING;

  g_assert_cmpuint (daemon_get_number (self->f, "m0", "PowerCritical"), ==, critical);
  if (fault == FAULT_TERM)
    daemon_stop (self->f);
  else
    daemon_kill (self->f);
  g_assert_cmpint (g_file_test (run_file, G_FILE_TEST_EXISTS), ==, critical);
  if (fault == FAULT_FINISHES)
    {
      cell_finish (self, self->at);
      sim_await (self->sim, "done");
    }
  daemon_start (self->f, NULL);
  if (fault != FAULT_FINISHES && self->at != STATE_CHECKING)
    g_assert_cmpuint (daemon_get_number (self->f, "m0", "PowerCritical"), ==, critical);
}

static void
lose_bus (Cell *self)
{
  bus_relay_cut (self->relay);
  DAEMON_AWAIT (self->f, !self->f->daemon_there);
  bus_relay_open (self->relay);
  DAEMON_AWAIT (self->f, self->f->daemon_there);
  daemon_read_all (self->f);
}

static void
strike (Cell *self, Fault fault)
{
  switch (fault)
    {
    case FAULT_KILL:
    case FAULT_FINISHES:
    case FAULT_TERM:
      lose_daemon (self, fault);
      break;
    case FAULT_HANG_UP:
      break_line (self);
      break;
    case FAULT_SILENCE:
      be_silent (self);
      break;
    case FAULT_GARBAGE:
      send_garbage (self);
      break;
    case FAULT_GONE:
      if (!cell_is_away (self))
        sim_control (self->sim, "vanish");
      break;
    case FAULT_BUS:
      lose_bus (self);
      break;
    case FAULT_DISK:
      limit_disk (self, TRUE);
      break;
    case N_FAULTS:
    default:
      g_assert_not_reached ();
    }
}

/* What lasted until now is over. */
static void
mend (Cell *self, Fault fault)
{
  if (fault == FAULT_SILENCE)
    sim_control (self->sim, "set mute=0");
  else if (fault == FAULT_DISK)
    limit_disk (self, FALSE);
}

/* ---- what comes of it ---- */

/* Which of its own states the module was in when the fault was over. */
static State
rest_of (Cell *self, Fault fault)
{
  gboolean left = (self->at == STATE_REBOOTING
                   && (fault == FAULT_HANG_UP || fault == FAULT_SILENCE || fault == FAULT_GARBAGE))
                  || (fault == FAULT_SILENCE && self->at != STATE_QUEUED && self->at != STATE_CONFIRMING
                      && self->at != STATE_UPDATING && (self->at != STATE_TRANSFERRING || self->way->uart));

  return fault == FAULT_FINISHES ? N_STATES : left ? cell_next (self, self->at) : self->at;
}

/* A start or an answer that is refused while the fault lasts. */
static void
be_refused (Cell *self, Fault fault, const char *error_name)
{
  gboolean starts = self->at <= STATE_IDLE;

  if (self->kind != WAY_POLLED)
    cell_expect (self, cell_start, error_name);
  else
    {
      if (starts)
        cell_start (self, NULL);
      if (starts && fault == FAULT_DISK)
        daemon_await_state (self->f, "m0", "confirming");
      cell_expect (self, cell_confirm, error_name);
    }
  mend (self, fault);
  if (starts && self->kind == WAY_POLLED && fault != FAULT_DISK)
    sim_control (self->sim, "abort"); /* nobody has heard it ask: it asks again */
}

/* Without an upgrade, the fault has to be over before one can begin. */
static void
go_on_without (Cell *self, Fault fault, const char *refused)
{
  gboolean asked = refused != NULL && fault == FAULT_DISK && self->kind == WAY_POLLED;

  if (fault != FAULT_GONE)
    {
      if (fault == FAULT_SILENCE && self->at != STATE_IDLE)
        mend (self, fault);
      cell_wake (self);
      daemon_await_state (self->f, "m0", "idle");
    }
  if (refused != NULL)
    be_refused (self, fault, refused);
  if (fault == FAULT_GONE)
    return;
  if (!asked)
    {
      daemon_await_state (self->f, "m0", "idle");
      cell_expect (self, cell_start, NULL);
    }
  cell_finish (self, STATE_IDLE);
}

static void
go_on (Cell *self, Fault fault, const char *refused)
{
  State rest = rest_of (self, fault);

  if (refused != NULL)
    be_refused (self, fault, refused);
  else if (fault == FAULT_SILENCE)
    mend (self, fault);
  if (self->at == STATE_QUEUED)
    {
      if (fault == FAULT_HANG_UP)
        DAEMON_AWAIT (self->f, has_port (self));
      cell_leave (self, STATE_QUEUED);
      if (fault == FAULT_GONE && !self->way->uart)
        {
          daemon_await_finished (self->f, "m1", "failure", "NoNewVersion");
          daemon_call_ok (self->f, "m0", "Cancel", NULL, -1);
        }
      rest = cell_next (self, STATE_QUEUED);
    }
  if (fault == FAULT_GONE)
    return;
  if (fault == FAULT_DISK && g_str_equal (fault_cell_end (self->kind, self->at, fault), "StorageFailed"))
    {
      if (self->at == STATE_TRANSFERRING)
        cell_leave (self, self->at);
      return;
    }
  cell_finish (self, rest);
}

/* ---- the end ---- */

static void
check_traces (Cell *self, const char *end, guint n)
{
  gboolean success = g_str_equal (end, "success");
  g_autofree char *error = success ? g_strdup ("") : g_strconcat ("org.gosuncn.Fota.Error.", end, NULL);
  g_autofree char *run_file = daemon_path (self->f, "run/power-critical");
  g_autofree char *packages = daemon_path (self->f, "state/packages");
  g_autoptr (GDir) dir = g_dir_open (packages, 0, NULL);
  g_autoptr (GVariant) history = lab_history (self->f, "m0");

  g_assert_cmpuint (lab_count (self->f, "m0", "Finished"), ==, n);
  g_assert_cmpuint (g_variant_n_children (history), ==, n);
  g_assert_false (daemon_get_number (self->f, "m0", "PowerCritical"));
  g_assert_false (daemon_get_number (self->f, "", "PowerCritical"));
  g_assert_false (g_file_test (run_file, G_FILE_TEST_EXISTS));
  g_assert_true (dir == NULL || g_dir_read_name (dir) == NULL);
  g_assert_cmpstr (daemon_get_string (self->f, "m0", "Operation"), ==, "none");
  if (n > 0)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (history, 0);
      g_assert_cmpstr (lab_lookup (entry, "id"), ==, daemon_get_string (self->f, "m0", "LastUpgrade"));
      g_assert_cmpstr (lab_lookup (entry, "operation"), ==, way_words[self->kind]);
      g_assert_cmpstr (lab_lookup (entry, "result"), ==, success ? "success" : "failure");
      g_assert_cmpstr (lab_lookup (entry, "error-name"), ==, error);
      g_assert_cmpstr (lab_lookup (entry, "from-version"), ==, OLD_VERSION);
      if (success)
        g_assert_cmpstr (lab_lookup (entry, "to-version"), ==, NEW_VERSION);
      g_assert_cmpstr (daemon_get_string (self->f, "m0", "LastResult"), ==, success ? "success" : "failure");
    }
}

/* It is told once, and no daemon after this one has more to tell. */
static void
check_end (Cell *self, Fault fault, const char *end)
{
  gboolean success = g_str_equal (end, "success");
  gboolean upgrade = self->at > STATE_IDLE || success;
  const char *state = fault != FAULT_GONE ? "idle" : !self->way->uart ? "absent" : NULL;

  if (upgrade)
    daemon_await_finished (self->f, "m0", success ? "success" : "failure", success ? NULL : end);
  if (state != NULL)
    daemon_await_state (self->f, "m0", state);
  if (fault == FAULT_DISK)
    mend (self, fault);
  else
    check_traces (self, end, upgrade);
  daemon_stop (self->f);
  daemon_start (self->f, NULL);
  if (fault == FAULT_GONE)
    {
      sim_control (self->sim, "abort"); /* it has not installed, and is back */
      sim_control (self->sim, "return");
      if (self->at == STATE_PROBING)
        cell_wake (self);
    }
  daemon_await_state (self->f, "m0", "idle");
  check_traces (self, end, upgrade);
  lab_check_properties (self->f, "m0");
}

/* Nothing is left over that keeps the module from being upgraded. */
static void
upgrade_again (Cell *self)
{
  guint from = lab_count (self->f, "m0", "Finished");

  sim_control (self->sim, "firmware " OLD_VERSION);
  if (self->kind == WAY_SERIAL)
    sim_control (self->sim, "set stall-after=0");
  else if (self->kind == WAY_ADB)
    sim_control (self->sim, "set adb-pace=0");
  lab_play (self->f, self->sim, self->way->again);
  daemon_call_ok (self->f, "m0", "Refresh", NULL, -1);
  cell_expect (self, cell_start, NULL);
  daemon_await_finished (self->f, "m0", "failure", self->way->again_end);
  g_assert_cmpuint (lab_count (self->f, "m0", "Finished"), ==, from + 1);
}

void
fault_cell_run (Way way, State state, Fault fault)
{
  g_auto (GStrv) ends = g_strsplit (fault_cell_end (way, state, fault), ", ", 2);
  gboolean twofold = ends[1] != NULL || (fault == FAULT_GONE && state <= STATE_IDLE);
  const char *refused = twofold ? ends[0] : NULL;
  const char *end = ends[1] != NULL ? ends[1] : ends[0];
  Cell cell;

  cell_open (&cell, way, state, fault);
  cell_stand (&cell, state);
  strike (&cell, fault);
  if (state <= STATE_IDLE)
    go_on_without (&cell, fault, refused);
  else
    go_on (&cell, fault, refused);
  check_end (&cell, fault, end);
  upgrade_again (&cell);
  cell_close (&cell);
}
