/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-identity.h"

#include "mefota-at-event.h"
#include "mefota-error.h"

/* How often a version is asked for that is refused or not answered. */
#define TRIES 5

/* Identity, one command after the other. The IMEI has several, the profile's first; the first that gives 15 digits
 * counts. */
typedef enum
{
  ECHO_OFF,
  VERBOSE_ERRORS,
  MANUFACTURER,
  MODEL,
  VERSION,
  IMEI,
  IMEI_CGSN,
  IMEI_GSN,
  IMEI_SIBLING,
  N_STEPS,
} IdentityStep;

static const char *const identity_commands[N_STEPS] = {
  [ECHO_OFF] = "ATE0",        [VERBOSE_ERRORS] = "AT+CMEE=2", [MANUFACTURER] = "AT+CGMI", [MODEL] = "AT+CGMM",
  [VERSION] = "AT+CGMR",      [IMEI_CGSN] = "AT+CGSN",        [IMEI_GSN] = "AT+GSN",      [IMEI_SIBLING] = "AT+CGSN=1",
};

typedef struct
{
  MefotaIdentity *identity;
  MefotaProfiles *profiles;
  guint command_ms, probe_ms;
  IdentityStep step;
  guint tries;
} Ask;

static void
ask_free (gpointer data)
{
  Ask *self = data;
  g_clear_pointer (&self->identity, mefota_identity_free);
  g_free (self);
}

static const char *
get_imei_command (const Ask *self)
{
  return mefota_profiles_match (self->profiles, self->identity->model, self->identity->version)->imei_command;
}

static const char *
get_command (const Ask *self)
{
  return self->step == IMEI ? get_imei_command (self) : identity_commands[self->step];
}

static gboolean
is_needless (const Ask *self)
{
  return self->step > IMEI && self->step < N_STEPS
         && (self->identity->imei[0] != '\0' || strcmp (get_command (self), get_imei_command (self)) == 0);
}

MefotaIdentity *
mefota_identity_new (void)
{
  MefotaIdentity *self = g_new (MefotaIdentity, 1);

  self->manufacturer = g_strdup ("");
  self->model = g_strdup ("");
  self->version = g_strdup ("");
  self->imei = g_strdup ("");
  return self;
}

MefotaIdentity *
mefota_identity_copy (const MefotaIdentity *self)
{
  MefotaIdentity *copy = g_new (MefotaIdentity, 1);

  copy->manufacturer = g_strdup (self->manufacturer);
  copy->model = g_strdup (self->model);
  copy->version = g_strdup (self->version);
  copy->imei = g_strdup (self->imei);
  return copy;
}

void
mefota_identity_free (MefotaIdentity *self)
{
  g_free (self->manufacturer);
  g_free (self->model);
  g_free (self->version);
  g_free (self->imei);
  g_free (self);
}

static gboolean
is_imei (const char *text)
{
  return strlen (text) == 15 && strspn (text, "0123456789") == 15;
}

/* The 15 digits of an answer, bare or behind a prefix, quoted or not. */
static char *
find_imei (const char *const *lines)
{
  for (gsize i = 0; lines[i] != NULL; i++)
    {
      g_autofree char *text = mefota_at_event_strip_prefix (lines[i], "+CGSN");
      g_autofree char *bare = mefota_at_event_strip_prefix (text, "+GSN");
      if (is_imei (bare))
        return g_steal_pointer (&bare);
    }
  return NULL;
}

static void
take_answer (Ask *self, const char *const *lines)
{
  MefotaIdentity *id = self->identity;
  char **field = NULL;

  if (self->step == MANUFACTURER)
    field = &id->manufacturer;
  else if (self->step == MODEL)
    field = &id->model;
  else if (self->step == VERSION)
    field = &id->version;

  if (field != NULL && lines[0] != NULL)
    {
      g_free (*field);
      *field = mefota_at_event_strip_prefix (lines[0], get_command (self) + strlen ("AT"));
    }
  else if (self->step >= IMEI)
    {
      g_autofree char *imei = find_imei (lines);
      if (imei != NULL)
        {
          g_free (id->imei);
          id->imei = g_steal_pointer (&imei);
        }
    }
}

static void next_step (GTask *task);

static gboolean
on_pause_over (gpointer task)
{
  if (!g_task_return_error_if_cancelled (task))
    next_step (g_object_ref (task));
  return G_SOURCE_REMOVE;
}

static void
wait_for_boot (GTask *task, guint ms)
{
  g_autoptr (GSource) source = g_timeout_source_new (ms);
  g_autoptr (GSource) cancelled = g_cancellable_source_new (g_task_get_cancellable (task));

  g_source_set_dummy_callback (cancelled);
  g_source_add_child_source (source, cancelled);
  g_task_attach_source (task, source, on_pause_over);
}

/* Takes @task. */
static void
go_on (GTask *task)
{
  Ask *self = g_task_get_task_data (task);

  if (self->step == VERSION && self->identity->version[0] == '\0' && ++self->tries < TRIES)
    {
      wait_for_boot (task, self->probe_ms);
      g_object_unref (task);
      return;
    }
  do
    self->step++;
  while (is_needless (self));
  next_step (task);
}

/* It is awake, and does not know the command that it said nothing to. */
static void
on_awake (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);

  if (lines == NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    go_on (g_steal_pointer (&task));
}

static void
on_answered (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Ask *self = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);

  if (error == NULL)
    take_answer (self, (const char *const *) lines);
  else if (g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_TIMEOUT))
    {
      mefota_at_channel_send_async (MEFOTA_AT_CHANNEL (source), "AT", NULL, self->command_ms,
                                    g_task_get_cancellable (task), on_awake, g_object_ref (task));
      return;
    }
  else if (!g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  go_on (g_steal_pointer (&task));
}

/* Takes @task. */
static void
next_step (GTask *task)
{
  g_autoptr (GTask) owned = task;
  Ask *self = g_task_get_task_data (task);

  if (self->step == N_STEPS)
    g_task_return_pointer (task, g_steal_pointer (&self->identity), (GDestroyNotify) mefota_identity_free);
  else
    mefota_at_channel_send_async (g_task_get_source_object (task), get_command (self), NULL,
                                  self->command_ms, g_task_get_cancellable (task), on_answered,
                                  g_steal_pointer (&owned));
}

void
mefota_identity_ask_async (MefotaAtChannel *channel, MefotaProfiles *profiles, guint command_ms, guint probe_ms,
                           GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (channel, cancellable, callback, user_data);
  Ask *self = g_new0 (Ask, 1);

  self->identity = mefota_identity_new ();
  self->profiles = profiles;
  self->command_ms = command_ms;
  self->probe_ms = probe_ms;
  g_task_set_source_tag (task, mefota_identity_ask_async);
  g_task_set_task_data (task, self, ask_free);
  next_step (task);
}

MefotaIdentity *
mefota_identity_ask_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}
