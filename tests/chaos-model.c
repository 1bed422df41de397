/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What has to hold however the dice fell. */

#include "chaos-play.h"

#include <string.h>

#define ERRORS "org.gosuncn.Fota.Error."

static void
complain (Chaos *self, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
complain (Chaos *self, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);

  chaos_note (self, "WRONG: %s", text);
  g_printerr ("# the daemon's log and state stay in %s\n", self->f->folder);
  g_error ("%s", text);
}

/* ---- calls ---- */

static gboolean
fails_with (const ChaosCall *call, const char *name)
{
  return call->error != NULL && g_str_has_prefix (call->error, ERRORS)
         && g_str_equal (call->error + strlen (ERRORS), name);
}

static void
check_calls (Chaos *self)
{
  static const char *const known[] = {
    "Busy", "NotPresent", "NotSupported", "InvalidArgument", "NotReady", "NotAsked", "NotCancellable", "ModuleError",
    "Timeout", "Cancelled", "TransferFailed", "VersionMismatch", "ModuleReplaced", "Rejected", "NoNewVersion",
    "ConnectFailed", "ConfirmTimeout", "VerifyFailed", "UpgradeFailed",
  };

  for (guint i = 0; i < self->calls->len; i++)
    {
      const ChaosCall *call = g_ptr_array_index (self->calls, i);
      gboolean fits = call->error == NULL;

      for (guint k = 0; !fits && k < G_N_ELEMENTS (known); k++)
        fits = fails_with (call, known[k]);
      if (fits && call->error != NULL && !g_str_has_suffix (call->message, "."))
        complain (self, "call %u is answered with half a sentence: %s", call->number, call->message);
      /* A daemon that is ended owes no answer. */
      if (!fits && call->daemon == self->daemon)
        complain (self, "call %u %s is answered with %s: %s", call->number, call->method, call->error, call->message);
    }
}

/* ---- upgrades ---- */

static GVariant *
find_entry (Chaos *self, GVariant *history, const char *id)
{
  GVariant *found = NULL;

  for (gsize i = 0; i < g_variant_n_children (history); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (history, i);
      if (g_strcmp0 (lab_lookup (entry, "id"), id) != 0)
        continue;
      if (found != NULL)
        complain (self, "upgrade %s is in the history twice", id);
      found = g_steal_pointer (&entry);
    }
  return found;
}

/* Every Finished tells what is in the history. */
static void
check_told (Chaos *self, GVariant *history, const DaemonEvent *event, GHashTable *told)
{
  g_autoptr (GVariant) details = g_variant_get_child_value (event->value, 1);
  const char *id = lab_lookup (details, "id"), *result;
  g_autoptr (GVariant) entry = find_entry (self, history, id);

  g_variant_get_child (event->value, 0, "&s", &result);
  if (entry == NULL)
    complain (self, "Finished of %s, which is not in the history", id);
  if (g_strcmp0 (result, lab_lookup (entry, "result")) != 0
      || g_strcmp0 (lab_lookup (details, "error-name"), lab_lookup (entry, "error-name")) != 0)
    complain (self, "Finished of %s tells another end than the history", id);
  g_hash_table_insert (told, g_strdup (id), GUINT_TO_POINTER (GPOINTER_TO_UINT (g_hash_table_lookup (told, id)) + 1));
}

/* A daemon that is killed when an upgrade ends may have told it already, and the next one tells it again; or it had
 * noted that it would, and not done it yet. */
static gboolean
was_killed (Chaos *self, GVariant *entry)
{
  guint64 ended = 0;

  g_variant_lookup (entry, "ended", "t", &ended);
  for (guint i = 0; i < self->kills->len; i++)
    if (ABS (g_array_index (self->kills, gint64, i) - (gint64) ended) < G_USEC_PER_SEC / 2)
      return TRUE;
  return FALSE;
}

static void
check_upgrades (Chaos *self)
{
  g_autoptr (GVariant) history = lab_history (self->f, NULL);
  g_autoptr (GHashTable) told = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);

  for (guint i = 0; i < self->f->events->len; i++)
    {
      const DaemonEvent *event = g_ptr_array_index (self->f->events, i);
      if (!event->is_property && g_str_equal (event->name, "Finished"))
        check_told (self, history, event, told);
    }
  for (guint i = 0; i < self->f->events->len; i++)
    {
      const DaemonEvent *event = g_ptr_array_index (self->f->events, i);
      const char *id = event->is_property && g_str_equal (event->name, "LastUpgrade")
                           ? g_variant_get_string (event->value, NULL) : "";
      g_autoptr (GVariant) entry = id[0] != '\0' ? find_entry (self, history, id) : NULL;
      if (id[0] != '\0' && entry == NULL)
        complain (self, "upgrade %s of %s has vanished", id, event->module);
    }
  for (gsize i = 0; i < g_variant_n_children (history); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (history, i);
      guint n = GPOINTER_TO_UINT (g_hash_table_lookup (told, lab_lookup (entry, "id")));
      if (n != 1 && (n > 2 || !was_killed (self, entry)))
        complain (self, "the end of upgrade %s was told %u times", lab_lookup (entry, "id"), n);
    }
}

/* Nobody's start is lost, and none is there that nobody asked for. */
static void
check_starts (Chaos *self, const char *module)
{
  g_autoptr (GVariant) history = lab_history (self->f, module);
  guint taken = 0, maybe = 0, asked_for = 0;

  for (guint i = 0; i < self->calls->len; i++)
    {
      const ChaosCall *call = g_ptr_array_index (self->calls, i);
      if (!g_str_equal (call->module, module)
          || (!g_str_equal (call->method, "Upgrade") && !g_str_equal (call->method, "Install")))
        continue;
      taken += call->error == NULL;
      maybe += call->error != NULL && !g_str_has_prefix (call->error, ERRORS);
    }
  for (gsize i = 0; i < g_variant_n_children (history); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (history, i);
      asked_for += g_strcmp0 (lab_lookup (entry, "requested-by"), "module") != 0;
    }
  if (asked_for > taken + maybe || taken > g_variant_n_children (history))
    complain (self, "%u starts of %s were taken on, %u unanswered, but %u are in the history, of %u", taken, module,
              maybe, asked_for, (guint) g_variant_n_children (history));
}

/* ---- settings ---- */

/* Whether @call may be what counts in the end: nothing that came later has taken its place. */
static gboolean
may_count (Chaos *self, const ChaosCall *call, const char *module, const char *kind, gint64 ended)
{
  if (call != NULL
      && (fails_with (call, "Busy") || fails_with (call, "InvalidArgument") || fails_with (call, "NotSupported")))
    return FALSE;
  for (guint i = 0; i < self->calls->len; i++)
    {
      const ChaosCall *other = g_ptr_array_index (self->calls, i);
      if (other->value != NULL && g_str_equal (other->module, module) && g_str_has_prefix (other->value, kind)
          && other->error == NULL && other->sent > ended)
        return FALSE;
    }
  return TRUE;
}

static gboolean
is_on_uart (Chaos *self, const char *module)
{
  return g_str_equal (daemon_get_string (self->f, module, "Transport"), "uart");
}

static gboolean
is_wanted (Chaos *self, const char *module, const char *kind, const char *initial, const char *value)
{
  /* On a UART nobody may have seen the restart that lost it: what is read next is taken for wanted. */
  if (g_str_equal (value, initial) && (is_on_uart (self, module) || may_count (self, NULL, module, kind, 0)))
    return TRUE;
  for (guint i = 0; i < self->calls->len; i++)
    {
      const ChaosCall *call = g_ptr_array_index (self->calls, i);
      if (call->value != NULL && g_str_equal (call->module, module) && g_str_equal (call->value, value)
          && may_count (self, call, module, kind, call->ended))
        return TRUE;
    }
  return FALSE;
}

static char *
read_status (SimProcess *sim, const char *key)
{
  g_autofree char *prefix = g_strconcat (" ", key, "=", NULL);
  const char *status = "", *value;

  sim_control (sim, "status");
  for (guint i = 0; i < sim->events->len; i++)
    if (g_str_has_prefix (g_ptr_array_index (sim->events, i), "status "))
      status = g_ptr_array_index (sim->events, i);
  value = strstr (status, prefix);
  g_assert_nonnull (value);
  value += strlen (prefix);
  return g_strndup (value, strcspn (value, " "));
}

static void
check_settings (Chaos *self, guint i)
{
  g_autofree char *server = read_status (self->sims[i], "server");
  g_autofree char *polling = read_status (self->sims[i], "polling");
  g_autofree char *set_server = g_strconcat ("server ", server, NULL);
  g_autofree char *set_polling = g_strconcat ("polling ", polling, NULL);

  if (!is_wanted (self, chaos_names[i], "server", "server 114.55.56.19,45000", set_server))
    complain (self, "%s has %s in the end", chaos_names[i], set_server);
  if (!is_wanted (self, chaos_names[i], "polling", "polling 0", set_polling))
    complain (self, "%s has %s in the end", chaos_names[i], set_polling);
}

/* ---- the log ---- */

typedef struct
{
  gboolean in_upgrade;
  gboolean in_piece; /* it may wait for bytes of a package */
  char state[16];
} Phase;

static void
check_sent (Chaos *self, Phase *phase, const char *module, const char *command)
{
  static const char *const outside[] = { "AT+CFUN=1,1", "AT+FOTAIP=", "AT+FOTAPOLLEN=", "AT+FOTATV=" };

  gboolean in_piece = phase->in_piece;

  if (g_str_has_prefix (command, "AT+ZCOM"))
    phase->in_piece = g_str_has_prefix (command, "AT+ZCOMWRT");
  if (!phase->in_upgrade || g_str_equal (phase->state, "queued"))
    return;
  for (guint i = 0; i < G_N_ELEMENTS (outside); i++)
    if (g_str_has_prefix (command, outside[i]))
      complain (self, "%s is sent %s while %s", module, command, phase->state);
  if (g_str_has_prefix (command, "AT+ZCOMDEL") && !in_piece && !g_str_equal (phase->state, "transferring"))
    complain (self, "%s is sent %s while %s", module, command, phase->state);
  if (g_str_has_prefix (command, "AT+FOTACTR") && command[strlen ("AT+FOTACTR")] != '?'
      && (command[strlen ("AT+FOTACTR")] != '=' || !g_str_equal (phase->state, "confirming")))
    complain (self, "%s is sent %s while %s", module, command, phase->state);
}

static void
take_line (Chaos *self, Phase *phase, const char *module, const char *line)
{
  static const char *const states[] = { "queued", "starting", "confirming", "downloading", "transferring", "verifying",
                                        "updating", "rebooting", "checking" };

  if (g_str_has_prefix (line, "--> "))
    check_sent (self, phase, module, line + 4);
  else if (g_str_has_prefix (line, "upgraded from ") || g_str_has_prefix (line, "the upgrade failed"))
    phase->in_upgrade = FALSE;
  for (guint i = 0; i < G_N_ELEMENTS (states); i++)
    if (g_str_equal (line, states[i]))
      {
        phase->in_upgrade = TRUE;
        g_strlcpy (phase->state, states[i], sizeof phase->state);
      }
}

static void
check_log (Chaos *self)
{
  static const char *const never[] = { "CRITICAL", "GLib-WARNING", "GLib-GIO-WARNING", "GLib-GObject-WARNING",
                                       "ERROR: AddressSanitizer", "ERROR: LeakSanitizer", "runtime error:" };
  g_autofree char *log = daemon_read_log (self->f);
  g_auto (GStrv) lines = g_strsplit (log, "\n", 0);
  Phase phases[CHAOS_MODULES] = { { FALSE } };

  for (guint i = 0; lines[i] != NULL; i++)
    {
      for (guint k = 0; k < G_N_ELEMENTS (never); k++)
        if (strstr (lines[i], never[k]) != NULL)
          complain (self, "the daemon logs %s", lines[i]);
      for (guint k = 0; k < self->n_modules; k++)
        {
          g_autofree char *mark = g_strconcat (" ", chaos_names[k], ": ", NULL);
          const char *at = strstr (lines[i], mark);
          if (at != NULL)
            take_line (self, &phases[k], chaos_names[k], at + strlen (mark));
        }
    }
}

/* ---- it can be used ---- */

static void
call_and_wait (Chaos *self, guint i, const char *method, GVariant *arguments, const char *value)
{
  const ChaosCall *call = chaos_call (self, chaos_names[i], method, arguments, value);

  DAEMON_AWAIT (self->f, call->ended != 0);
  if (call->error != NULL)
    complain (self, "in the end %s.%s fails: %s %s", chaos_names[i], method, call->error, call->message);
}

/* What is on its way to it is through when it has been read once more. */
static void
settle (Chaos *self, guint i)
{
  daemon_await_state (self->f, chaos_names[i], "idle");
  chaos_pass (self, 200);
  daemon_await_state (self->f, chaos_names[i], "idle");
  call_and_wait (self, i, "Refresh", NULL, NULL);
  lab_check_properties (self->f, chaos_names[i]);
}

/* After one more restart it has what was set, however often it was lost. */
static void
restart (Chaos *self)
{
  guint from[CHAOS_MODULES];

  for (guint i = 0; i < self->n_modules; i++)
    {
      sim_control (self->sims[i], "set lose-settings=server,polling");
      sim_control (self->sims[i], "set boot-noise=zready");
      from[i] = sim_count (self->sims[i], "ready");
      call_and_wait (self, i, "Restart", NULL, NULL);
    }
  for (guint i = 0; i < self->n_modules; i++)
    DAEMON_AWAIT (self->f, sim_count (self->sims[i], "ready") > from[i]);
  for (guint i = 0; i < self->n_modules; i++)
    settle (self, i);
}

static void
begin_to_use (Chaos *self, guint i)
{
  g_autofree char *next = g_strdup_printf ("ME3630C1CV3.0B%02u", i);

  call_and_wait (self, i, "SetPolling", g_variant_new ("(b)", TRUE), "polling 1");
  if (daemon_get_number (self->f, chaos_names[i], "PollingEnabled") != 1)
    complain (self, "SetPolling of %s has no effect", chaos_names[i]);
  lab_play (self->f, self->sims[i], lab_quick);
  sim_control (self->sims[i], "set next-firmware=%s", next);
  call_and_wait (self, i, "Upgrade", g_variant_new ("(s@a{sv})", next, g_variant_new_parsed ("@a{sv} {}")), NULL);
}

static void
use (Chaos *self)
{
  guint finished[CHAOS_MODULES];

  for (guint i = 0; i < self->n_modules; i++)
    {
      finished[i] = lab_count (self->f, chaos_names[i], "Finished");
      begin_to_use (self, i);
    }
  for (guint i = 0; i < self->n_modules; i++)
    {
      DAEMON_AWAIT (self->f, lab_count (self->f, chaos_names[i], "Finished") > finished[i]);
      if (!g_str_equal (daemon_get_string (self->f, chaos_names[i], "LastResult"), "success"))
        complain (self, "the last upgrade of %s fails", chaos_names[i]);
    }
  for (guint i = 0; i < self->n_modules; i++)
    settle (self, i);
}

static guint
count_descriptors (Chaos *self)
{
  g_autofree char *path = g_strdup_printf ("/proc/%d/fd", daemon_get_pid (self->f));
  g_autoptr (GDir) dir = g_dir_open (path, 0, NULL);
  guint n = 0;

  g_assert_nonnull (dir);
  while (g_dir_read_name (dir) != NULL)
    n++;
  return n;
}

/* It has no more open than one that has just begun. */
static void
check_descriptors (Chaos *self)
{
  guint had = count_descriptors (self), fresh;

  daemon_stop (self->f);
  daemon_start (self->f, NULL);
  for (guint i = 0; i < self->n_modules; i++)
    settle (self, i);
  fresh = count_descriptors (self);
  if (had > fresh)
    complain (self, "the daemon had %u descriptors open, and needs %u", had, fresh);
}

void
chaos_check (Chaos *self)
{
  for (guint i = 0; i < self->n_modules; i++)
    settle (self, i);
  check_calls (self);
  check_upgrades (self);
  for (guint i = 0; i < self->n_modules; i++)
    check_starts (self, chaos_names[i]);
  restart (self);
  for (guint i = 0; i < self->n_modules; i++)
    check_settings (self, i);
  use (self);
  check_upgrades (self);
  check_calls (self);
  check_descriptors (self);
  check_log (self);
}
