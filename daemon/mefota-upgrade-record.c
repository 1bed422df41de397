/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-upgrade.h"

/* The fields that are kept on disk, by name; states and operations are kept as words. */
typedef enum
{
  STRING,
  BOOLEAN,
  UINT,
  UINT64,
  TIME,
} FieldType;

static const struct
{
  const char *name;
  FieldType type;
  gsize offset;
} fields[] = {
#define FIELD(name, type, member) { name, type, G_STRUCT_OFFSET (MefotaUpgrade, member) }
  FIELD ("id", STRING, id),
  FIELD ("imei", STRING, imei),
  FIELD ("from-version", STRING, from_version),
  FIELD ("target-version", STRING, target),
  FIELD ("requested-by", STRING, requested_by),
  FIELD ("status", STRING, status),
  FIELD ("status-argument", STRING, argument),
  FIELD ("reboots", UINT, reboots),
  FIELD ("download-seconds", UINT, download_seconds),
  FIELD ("overdue", BOOLEAN, overdue),
  FIELD ("power-critical", BOOLEAN, power_critical),
  FIELD ("started", TIME, started_at),
  FIELD ("phase-since", TIME, phase_since),
  FIELD ("confirm-deadline", TIME, confirm_deadline),
  FIELD ("install-since", TIME, install_since),
  FIELD ("message", STRING, message),
  FIELD ("to-version", STRING, to_version),
  FIELD ("ended", TIME, ended_at),
  FIELD ("force", BOOLEAN, force),
  FIELD ("success-claimed", BOOLEAN, success_claimed),
  FIELD ("refused", BOOLEAN, refused),
  FIELD ("answered", BOOLEAN, answered),
  FIELD ("went-away", BOOLEAN, went_away),
  FIELD ("ending", BOOLEAN, ending),
  FIELD ("package", STRING, package),
  FIELD ("package-sha256", STRING, package_sha256),
  FIELD ("package-size", UINT64, package_size),
  FIELD ("piece", UINT64, piece),
  FIELD ("install-asked", BOOLEAN, install_asked),
#undef FIELD
};

static GVariant *
get_field (const MefotaUpgrade *self, gsize i)
{
  gconstpointer field = G_STRUCT_MEMBER_P (self, fields[i].offset);

  switch (fields[i].type)
    {
    case STRING:
      {
        const char *value = *(char *const *) field;
        return g_variant_new_string (value != NULL ? value : "");
      }
    case BOOLEAN:
      return g_variant_new_boolean (*(const gboolean *) field);
    case UINT:
      return g_variant_new_uint32 (*(const guint *) field);
    case UINT64:
      return g_variant_new_uint64 (*(const guint64 *) field);
    case TIME:
      return g_variant_new_int64 (*(const gint64 *) field);
    }
  g_return_val_if_reached (NULL);
}

static void
set_field (MefotaUpgrade *self, gsize i, GVariant *dictionary)
{
  gpointer field = G_STRUCT_MEMBER_P (self, fields[i].offset);

  switch (fields[i].type)
    {
    case STRING:
      {
        const char *value;
        if (g_variant_lookup (dictionary, fields[i].name, "&s", &value))
          {
            g_free (*(char **) field);
            *(char **) field = g_strdup (value);
          }
        break;
      }
    case BOOLEAN:
      g_variant_lookup (dictionary, fields[i].name, "b", (gboolean *) field);
      break;
    case UINT:
      g_variant_lookup (dictionary, fields[i].name, "u", (guint *) field);
      break;
    case UINT64:
      g_variant_lookup (dictionary, fields[i].name, "t", (guint64 *) field);
      break;
    case TIME:
      g_variant_lookup (dictionary, fields[i].name, "x", (gint64 *) field);
      break;
    }
}

GVariant *
mefota_upgrade_to_variant (const MefotaUpgrade *self)
{
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    g_variant_dict_insert_value (&dict, fields[i].name, get_field (self, i));
  /* Of a package nothing is kept: it is sent from its start again. */
  if (self->state == MEFOTA_STATE_DOWNLOADING)
    g_variant_dict_insert (&dict, "progress", "u", self->progress);
  g_variant_dict_insert (&dict, "state", "s", mefota_state_to_word (self->state));
  g_variant_dict_insert (&dict, "operation", "s", mefota_operation_to_word (self->operation));
  g_variant_dict_insert (&dict, "result", "s", mefota_result_to_word (self->result));
  g_variant_dict_insert (&dict, "error", "s", mefota_error_get_name (self->error));
  return g_variant_dict_end (&dict);
}

/* What is left of @total ms that began at @since, in µs; not less than @least, as the module must get its chance. The
 * wall clock of a gateway may have been set back, or forward by years, while it was down: when it cannot be right, all
 * is left. */
static gint64
remaining (gint64 since, guint total, guint least, const MefotaTimeouts *t, MefotaTime now)
{
  gint64 whole = (gint64) total * 1000;
  gint64 gone = now.wall - since;

  if (gone < 0 || gone > (gint64) MAX (t->give_up, total) * 1000)
    return whole;
  return CLAMP (whole - gone, MIN ((gint64) least * 1000, whole), whole);
}

static void
restore_confirm_deadline (MefotaUpgrade *u, const MefotaTimeouts *t, MefotaTime now)
{
  gint64 left;

  if (u->refused)
    {
      u->refuse_at = now.mono + (gint64) t->command * 1000;
      return;
    }
  left = remaining (u->confirm_deadline - (gint64) t->confirm * 1000, t->confirm, 0, t, now);
  u->confirm_at = now.mono + left;
  u->confirm_deadline = now.wall + left;
}

static void
restore_deadlines (MefotaUpgrade *u, const MefotaTimeouts *t, MefotaTime now)
{
  if (u->state == MEFOTA_STATE_STARTING || u->state == MEFOTA_STATE_DOWNLOADING || u->state == MEFOTA_STATE_VERIFYING
      || u->state == MEFOTA_STATE_TRANSFERRING)
    u->silence_at = now.mono + (gint64) t->download * 1000;
  else if (u->state == MEFOTA_STATE_CONFIRMING)
    restore_confirm_deadline (u, t, now);
  else if (u->install_since == 0)
    u->install_since = now.wall; /* half a record: it has to end some time */

  if (u->install_since != 0)
    {
      if (!u->overdue)
        u->overdue_at = now.mono + remaining (u->install_since, t->install, 0, t, now);
      u->give_up_at = now.mono + remaining (u->install_since, t->give_up, t->install, t, now);
    }
}

/* Whatever the record says of it, one that is over is over. */
static void
end (MefotaUpgrade *u)
{
  u->state = MEFOTA_STATE_IDLE;
  u->overdue = u->power_critical = u->ending = FALSE;
  u->confirm_deadline = 0;
  u->silence_at = u->confirm_at = u->refuse_at = u->overdue_at = u->give_up_at = 0;
}

MefotaUpgrade *
mefota_upgrade_from_variant (GVariant *dictionary, const MefotaTimeouts *timeouts, MefotaTime now)
{
  g_autoptr (MefotaUpgrade) self = mefota_upgrade_new ();
  const char *word = NULL;
  gboolean known = TRUE;

  for (gsize i = 0; i < G_N_ELEMENTS (fields); i++)
    set_field (self, i, dictionary);
  known = known && g_variant_lookup (dictionary, "state", "&s", &word) && mefota_state_from_word (word, &self->state);
  known = known && g_variant_lookup (dictionary, "operation", "&s", &word)
          && mefota_operation_from_word (word, &self->operation);
  known = known && g_variant_lookup (dictionary, "result", "&s", &word)
          && mefota_result_from_word (word, &self->result);
  known = known && g_variant_lookup (dictionary, "error", "&s", &word) && mefota_error_from_name (word, &self->error);
  if (!known)
    return NULL;

  if (self->state == MEFOTA_STATE_DOWNLOADING && g_variant_lookup (dictionary, "progress", "u", &self->progress))
    self->progress = MIN (self->progress, 100);
  if (!mefota_upgrade_is_active (self))
    end (self);
  else if (self->state != MEFOTA_STATE_QUEUED)
    {
      self->returning = TRUE;
      restore_deadlines (self, timeouts, now);
    }
  return g_steal_pointer (&self);
}

GVariant *
mefota_upgrade_to_history (const MefotaUpgrade *self, const char *module)
{
  gboolean failed = self->result == MEFOTA_RESULT_FAILURE;
  GVariantDict dict;

  g_variant_dict_init (&dict, NULL);
  g_variant_dict_insert (&dict, "id", "s", self->id);
  g_variant_dict_insert (&dict, "module", "s", module);
  g_variant_dict_insert (&dict, "imei", "s", self->imei);
  g_variant_dict_insert (&dict, "operation", "s", mefota_operation_to_word (self->operation));
  g_variant_dict_insert (&dict, "from-version", "s", self->from_version);
  g_variant_dict_insert (&dict, "target-version", "s", self->target);
  g_variant_dict_insert (&dict, "to-version", "s", self->to_version);
  g_variant_dict_insert (&dict, "result", "s", mefota_result_to_word (self->result));
  g_variant_dict_insert (&dict, "error-name", "s", failed ? mefota_error_get_name (self->error) : "");
  g_variant_dict_insert (&dict, "error-message", "s", failed ? self->message : "");
  g_variant_dict_insert (&dict, "started", "t", (guint64) self->started_at);
  g_variant_dict_insert (&dict, "ended", "t", (guint64) self->ended_at);
  g_variant_dict_insert (&dict, "seconds", "d",
                         (double) MAX (self->ended_at - self->started_at, 0) / G_USEC_PER_SEC);
  g_variant_dict_insert (&dict, "reboots", "u", self->reboots);
  g_variant_dict_insert (&dict, "requested-by", "s", self->requested_by);
  return g_variant_dict_end (&dict);
}

void
mefota_upgrade_take_end (MefotaUpgrade *self, GVariant *entry)
{
  const char *word;

  if (g_variant_lookup (entry, "result", "&s", &word))
    mefota_result_from_word (word, &self->result);
  if (g_variant_lookup (entry, "error-name", "&s", &word))
    mefota_error_from_name (word, &self->error);
  if (g_variant_lookup (entry, "error-message", "&s", &word))
    self->message = (g_free (self->message), g_strdup (word));
  end (self);
}
