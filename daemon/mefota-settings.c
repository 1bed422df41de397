/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-settings.h"

#include "mefota-at-event.h"
#include "mefota-error.h"

/* A version on the line is at most this long (contract: over 60 bytes is refused). */
#define TARGET_MAX 60
#define HOST_MAX 253

static const char *const queries[] = { "AT+FOTAIP?", "AT+FOTAPOLLEN?", "AT+FOTATV?" };

/* The guide answers AT+FOTAPOLLEN? with "+FOTAIP: 1" (3.1) and misspells the command in its history. */
static const char *const slips[] = { "+FOTAIP", "+FOTAAPOLLEN", NULL };

MefotaSettings *
mefota_settings_copy (const MefotaSettings *self)
{
  MefotaSettings *copy = g_memdup2 (self, sizeof *self);
  copy->server = g_strdup (self->server);
  copy->target = g_strdup (self->target);
  return copy;
}

void
mefota_settings_free (MefotaSettings *self)
{
  g_free (self->server);
  g_free (self->target);
  g_free (self);
}

/* ---- answers ---- */

gboolean
mefota_settings_parse_server (const char *const *lines, char **server, guint16 *port)
{
  for (gsize i = 0; lines != NULL && lines[i] != NULL; i++)
    {
      g_autofree char *text = mefota_at_event_strip_prefix (lines[i], "+FOTAIP");
      g_auto (GStrv) parts = g_strsplit (text, ",", 3);
      guint64 number;
      if (g_strv_length (parts) != 2)
        continue;
      for (gsize k = 0; k < 2; k++)
        {
          g_strdelimit (parts[k], "\"", ' ');
          g_strstrip (parts[k]);
        }
      if (parts[0][0] == '\0' || !g_ascii_string_to_unsigned (parts[1], 10, 0, 65535, &number, NULL))
        continue;
      *server = g_strdup (parts[0]);
      *port = (guint16) number;
      return TRUE;
    }
  return FALSE;
}

gboolean
mefota_settings_parse_polling (const char *const *lines, gboolean *polling)
{
  static const char *const prefixes[] = { "+FOTAPOLLEN", "+FOTAIP", "+FOTAAPOLLEN" };

  for (gsize i = 0; lines != NULL && lines[i] != NULL; i++)
    {
      g_autofree char *text = g_strdup (lines[i]);
      for (gsize k = 0; k < G_N_ELEMENTS (prefixes); k++)
        {
          char *rest = mefota_at_event_strip_prefix (text, prefixes[k]);
          g_free (text);
          text = rest;
        }
      if (strcmp (text, "0") == 0 || strcmp (text, "1") == 0)
        {
          *polling = text[0] == '1';
          return TRUE;
        }
    }
  return FALSE;
}

gboolean
mefota_settings_parse_target (const char *const *lines, char **target)
{
  if (lines == NULL || lines[0] == NULL)
    return FALSE;
  *target = mefota_at_event_strip_prefix (lines[0], "+FOTATV");
  return TRUE;
}

/* ---- checks ---- */

static gboolean
is_ipv4 (const char *address)
{
  g_autoptr (GInetAddress) parsed = g_inet_address_new_from_string (address);
  return parsed != NULL && g_inet_address_get_family (parsed) == G_SOCKET_FAMILY_IPV4
         && !g_inet_address_get_is_any (parsed);
}

static gboolean
is_host_name (const char *name)
{
  gboolean letters = FALSE;
  g_auto (GStrv) labels = g_strsplit (name, ".", -1);

  if (strlen (name) > HOST_MAX)
    return FALSE;
  for (gsize i = 0; labels[i] != NULL; i++)
    {
      gsize length = strlen (labels[i]);
      if (length == 0 || length > 63 || labels[i][0] == '-' || labels[i][length - 1] == '-')
        return FALSE;
      for (gsize k = 0; k < length; k++)
        {
          if (!g_ascii_isalnum (labels[i][k]) && labels[i][k] != '-')
            return FALSE;
          letters = letters || g_ascii_isalpha (labels[i][k]);
        }
    }
  return letters; /* digits and dots alone are a mistyped address */
}

gboolean
mefota_settings_check_server (const char *address, guint port, const MefotaProfile *profile, const char *version,
                              GError **error)
{
  if (port < 1 || port > 65535)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT, "Port %u is out of range; use 1 to 65535.",
                   port);
      return FALSE;
    }
  if (is_ipv4 (address))
    return TRUE;
  if (!is_host_name (address))
    {
      g_autofree char *shown = g_strescape (address, NULL);
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                   "\"%s\" is neither an IPv4 address nor a host name; give one like 114.55.56.19.", shown);
      return FALSE;
    }
  if (!mefota_profile_takes_host_names (profile, version))
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_SUPPORTED,
                   "Firmware %s takes only addresses, no host names (guide 3.2); give the server's IPv4 address.",
                   version[0] != '\0' ? version : "of an unknown version");
      return FALSE;
    }
  return TRUE;
}

gboolean
mefota_settings_check_target (const char *target, GError **error)
{
  gsize length = strlen (target);

  if (length < 1 || length > TARGET_MAX)
    {
      g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                   "A version has 1 to %d bytes, this one has %zu; give it as the server names it.", TARGET_MAX,
                   length);
      return FALSE;
    }
  for (gsize i = 0; i < length; i++)
    if (target[i] < 0x20 || target[i] > 0x7e || target[i] == '"' || target[i] == ';')
      {
        g_autofree char *shown = g_strescape (target, NULL);
        g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                     "Version \"%s\" has a character that cannot be sent to the module; use printable ASCII without "
                     "quotes.",
                     shown);
        return FALSE;
      }
  return TRUE;
}

char *
mefota_settings_server_command (const MefotaProfile *profile, const char *address, guint port)
{
  return profile->server_quoted ? g_strdup_printf ("AT+FOTAIP=\"%s\",%u", address, port)
                                : g_strdup_printf ("AT+FOTAIP=%s,%u", address, port);
}

char *
mefota_settings_target_command (const MefotaProfile *profile, const char *target)
{
  return profile->target_quoted ? g_strdup_printf ("AT+FOTATV=\"%s\"", target)
                                : g_strdup_printf ("AT+FOTATV=%s", target);
}

/* ---- reading ---- */

typedef struct
{
  MefotaSettings *settings;
  guint timeout_ms;
  gsize query;
} Reading;

static void
reading_free (Reading *self)
{
  g_clear_pointer (&self->settings, mefota_settings_free);
  g_free (self);
}

static void read_next (GTask *task);

static void
take_answer (Reading *r, const char *const *lines)
{
  MefotaSettings *s = r->settings;
  g_autofree char *text = NULL;
  guint16 port = 0;

  if (r->query == 0 && mefota_settings_parse_server (lines, &text, &port))
    {
      g_free (s->server);
      s->server = g_steal_pointer (&text);
      s->port = port;
    }
  else if (r->query == 1)
    s->polling_known = mefota_settings_parse_polling (lines, &s->polling);
  else if (r->query == 2 && mefota_settings_parse_target (lines, &text))
    {
      g_free (s->target);
      s->target = g_steal_pointer (&text);
    }
}

static void
on_answered (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Reading *r = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_auto (GStrv) lines = mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error);

  if (error == NULL)
    take_answer (r, (const char *const *) lines);
  else if (g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_TIMEOUT))
    r->query = G_N_ELEMENTS (queries); /* a module that has fallen silent will not answer the others */
  else if (!g_error_matches (error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR))
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  r->query++;
  read_next (task);
}

static void
read_next (GTask *task)
{
  Reading *r = g_task_get_task_data (task);

  if (r->query >= G_N_ELEMENTS (queries))
    g_task_return_pointer (task, g_steal_pointer (&r->settings), (GDestroyNotify) mefota_settings_free);
  else
    mefota_at_channel_send_async (g_task_get_source_object (task), queries[r->query], r->query == 1 ? slips : NULL,
                                  r->timeout_ms, g_task_get_cancellable (task), on_answered, g_object_ref (task));
}

void
mefota_settings_read_async (MefotaAtChannel *channel, guint timeout_ms, GCancellable *cancellable,
                            GAsyncReadyCallback callback, gpointer user_data)
{
  g_autoptr (GTask) task = g_task_new (channel, cancellable, callback, user_data);
  Reading *r = g_new0 (Reading, 1);

  g_task_set_source_tag (task, mefota_settings_read_async);
  r->settings = g_new0 (MefotaSettings, 1);
  r->settings->server = g_strdup ("");
  r->settings->target = g_strdup ("");
  r->timeout_ms = timeout_ms;
  g_task_set_task_data (task, r, (GDestroyNotify) reading_free);
  read_next (task);
}

MefotaSettings *
mefota_settings_read_finish (GAsyncResult *result, GError **error)
{
  return g_task_propagate_pointer (G_TASK (result), error);
}

/* ---- writing ---- */

typedef struct
{
  MefotaSetting setting;
  MefotaSettings *wanted;
  guint timeout_ms;
} Writing;

static void
writing_free (Writing *self)
{
  mefota_settings_free (self->wanted);
  g_free (self);
}

/* A setting the module does not tell cannot be compared: its OK must do. */
static void
believe (const Writing *w, MefotaSettings *got)
{
  if (w->setting == MEFOTA_SETTING_SERVER && got->server[0] == '\0')
    {
      got->server = (g_free (got->server), g_strdup (w->wanted->server));
      got->port = w->wanted->port;
    }
  else if (w->setting == MEFOTA_SETTING_POLLING && !got->polling_known)
    {
      got->polling = w->wanted->polling;
      got->polling_known = TRUE;
    }
  else if (w->setting == MEFOTA_SETTING_TARGET && got->target[0] == '\0')
    got->target = (g_free (got->target), g_strdup (w->wanted->target));
}

static gboolean
was_kept (const Writing *w, const MefotaSettings *got, char **kept)
{
  switch (w->setting)
    {
    case MEFOTA_SETTING_SERVER:
      *kept = g_strdup_printf ("%s,%u", got->server, got->port);
      return g_ascii_strcasecmp (got->server, w->wanted->server) == 0 && got->port == w->wanted->port;
    case MEFOTA_SETTING_POLLING:
      *kept = g_strdup (got->polling ? "1" : "0");
      return got->polling == w->wanted->polling;
    case MEFOTA_SETTING_TARGET:
      *kept = g_strdup (got->target);
      return mefota_version_matches (got->target, w->wanted->target);
    }
  g_return_val_if_reached (FALSE);
}

static void
on_read_back (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Writing *w = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autofree char *kept = NULL;
  g_autoptr (MefotaSettings) got = mefota_settings_read_finish (result, &error);

  if (got == NULL)
    {
      g_task_return_error (task, g_steal_pointer (&error));
      return;
    }
  believe (w, got);
  if (!was_kept (w, got, &kept))
    g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR,
                             "The module said OK but has kept \"%s\"; set it again, or restart the module first.",
                             kept);
  else
    g_task_return_pointer (task, g_steal_pointer (&got), (GDestroyNotify) mefota_settings_free);
}

static void
on_written (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GTask) task = data;
  Writing *w = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_strfreev (mefota_at_channel_send_finish (MEFOTA_AT_CHANNEL (source), result, &error));

  if (error != NULL)
    g_task_return_error (task, g_steal_pointer (&error));
  else
    mefota_settings_read_async (MEFOTA_AT_CHANNEL (source), w->timeout_ms, g_task_get_cancellable (task), on_read_back,
                                g_object_ref (task));
}

void
mefota_settings_write_async (MefotaAtChannel *channel, const MefotaProfile *profile, MefotaSetting setting,
                             const MefotaSettings *wanted, guint timeout_ms, GCancellable *in_line,
                             GCancellable *cancellable, GAsyncReadyCallback callback, gpointer user_data)
{
  GTask *task = g_task_new (channel, cancellable, callback, user_data);
  Writing *w = g_new0 (Writing, 1);
  g_autofree char *command = NULL;

  g_task_set_source_tag (task, mefota_settings_write_async);
  w->setting = setting;
  w->wanted = mefota_settings_copy (wanted);
  w->timeout_ms = timeout_ms;
  g_task_set_task_data (task, w, (GDestroyNotify) writing_free);

  if (setting == MEFOTA_SETTING_SERVER)
    command = mefota_settings_server_command (profile, wanted->server, wanted->port);
  else if (setting == MEFOTA_SETTING_TARGET)
    command = mefota_settings_target_command (profile, wanted->target);
  else
    command = g_strdup_printf ("AT+FOTAPOLLEN=%d", wanted->polling ? 1 : 0);
  mefota_at_channel_send_async (channel, command, NULL, timeout_ms, in_line, on_written, task);
}

MefotaSettings *
mefota_settings_write_finish (GAsyncResult *result, MefotaSetting *written, GError **error)
{
  const Writing *writing = g_task_get_task_data (G_TASK (result));

  *written = writing->setting;
  return g_task_propagate_pointer (G_TASK (result), error);
}
