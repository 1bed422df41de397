/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The commands of the FOTA guide. */

#include "sim-private.h"

#include <errno.h>
#include <string.h>

/* Whether the firmware is of one of these product lines and not older. Versions compare by (major, minor, build). */
gboolean
sim_firmware_since (MefotaSim *self, const SimSince *since)
{
  const char *firmware = self->settings->firmware;

  for (; since->line != NULL; since++)
    {
      gsize length = strlen (since->line);
      g_auto (GStrv) numbers = NULL;

      if (!g_str_has_prefix (firmware, since->line) || firmware[length] != 'V')
        continue;
      numbers = g_strsplit_set (firmware + length + 1, ".B", 3);
      for (guint n = 0; n < 3 && numbers[n] != NULL; n++)
        {
          guint number = (guint) g_ascii_strtoull (numbers[n], NULL, 10);

          if (number != since->version[n])
            return number > since->version[n];
        }
      return TRUE;
    }
  return FALSE;
}

/* Guide 3.2: which firmware takes host names. */
static gboolean
takes_host_names (MefotaSim *self)
{
  static const SimSince since[] = {
    { "ME3630C2C", { 1, 0, 6 } },
    { "ZZDME3630C2C", { 1, 0, 1 } },
    { "YDWLME3630C2C", { 1, 0, 1 } },
    { "ME3630C2B", { 2, 0, 1 } },
    { NULL },
  };

  if (self->settings->host_names != SIM_AUTO)
    return self->settings->host_names == SIM_YES;
  return sim_firmware_since (self, since);
}

SimReplyKind
sim_run_fotaip (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  g_auto (GStrv) parts = NULL;
  char *end = NULL;
  guint64 port;

  if (op == SIM_OP_READ)
    sim_reply_add (reply, "+FOTAIP: %s", self->settings->server);
  if (op != SIM_OP_SET)
    return SIM_REPLY_OK;
  parts = g_strsplit (args, ",", 0);
  if (g_strv_length (parts) != 2 || *parts[0] == '\0' || strpbrk (parts[0], "\" ") != NULL)
    return SIM_REPLY_ERROR;
  port = g_ascii_strtoull (parts[1], &end, 10);
  if (end == parts[1] || *end != '\0' || port < 1 || port > 65535)
    return SIM_REPLY_ERROR;
  if (!g_hostname_is_ip_address (parts[0]) && !takes_host_names (self))
    return SIM_REPLY_ERROR;
  if (!sim_list_has (self->settings->ignore_set, "FOTAIP"))
    sim_settings_set (self->settings, "server", args, NULL);
  return SIM_REPLY_OK;
}

SimReplyKind
sim_run_fotapollen (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  static const char *const prefixes[] = { "+FOTAIP: ", "+FOTAPOLLEN: ", "" };

  if (op == SIM_OP_READ)
    sim_reply_add (reply, "%s%d", prefixes[self->settings->poll_answer], self->settings->polling ? 1 : 0);
  else if (op == SIM_OP_TEST)
    sim_reply_add (reply, "+fotapollen:(0,1)");
  else if (!g_str_equal (args, "0") && !g_str_equal (args, "1"))
    return SIM_REPLY_ERROR;
  else if (!sim_list_has (self->settings->ignore_set, "FOTAPOLLEN"))
    self->settings->polling = *args == '1';
  return SIM_REPLY_OK;
}

SimReplyKind
sim_run_fotatv (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  static const char *const forms[] = { "+FOTATV: \"%s\"", "+FOTATV: %s", "%s" };
  g_autofree char *version = NULL;
  gsize length = strlen (args);

  if (op == SIM_OP_READ)
    {
      g_auto (GStrv) parts = g_strsplit (forms[self->settings->tv_answer], "%s", 2);
      g_autofree char *line = g_strjoinv (self->target != NULL ? self->target : "", parts);

      sim_reply_add (reply, "%s", line);
    }
  if (op != SIM_OP_SET)
    return SIM_REPLY_OK;
  if (length >= 2 && args[0] == '"' && args[length - 1] == '"')
    version = g_strndup (args + 1, length - 2);
  else
    version = g_strdup (args);
  if (*version == '\0' || strchr (version, '"') != NULL)
    return SIM_REPLY_ERROR;
  if (!sim_list_has (self->settings->ignore_set, "FOTATV"))
    {
      g_free (self->target);
      self->target = g_steal_pointer (&version);
    }
  return SIM_REPLY_OK;
}

static SimReplyKind
answer_result (MefotaSim *self, SimReply *reply)
{
  const char *word = self->settings->result;

  switch (self->settings->result_form)
    {
    case SIM_RESULT_ERROR:
      return SIM_REPLY_ERROR;
    case SIM_RESULT_NONE:
      break;
    case SIM_RESULT_FOTAIND:
      sim_reply_add (reply, "+FOTAIND: %s", word);
      break;
    case SIM_RESULT_BARE:
      sim_reply_add (reply, "%s", word);
      break;
    default:
      if (*word != '\0')
        sim_reply_add (reply, "+FOTACTR: %s", word);
      break;
    }
  return SIM_REPLY_OK;
}

/* Guide 3.4 and its three ways to ERROR: an upgrade runs already, nothing was asked, a wrong value. */
SimReplyKind
sim_run_fotactr (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  SimBlock *block;

  if (op == SIM_OP_READ)
    return answer_result (self, reply);
  if (op == SIM_OP_TEST)
    return SIM_REPLY_OK;
  if (op == SIM_OP_SET)
    {
      if (!sim_run_is_asking (self) || (*args != '0' && *args != '1') ||
          (args[1] != '\0' && !g_str_equal (args + 1, ",1")))
        return SIM_REPLY_ERROR;
      reply->answer = *args - '0';
      return SIM_REPLY_OK;
    }
  block = sim_find_block (self, "AT+FOTACTR");
  if (self->upgrade != NULL || block == NULL)
    return SIM_REPLY_ERROR;
  sim_run_start (self, block, SIM_RUN_UPGRADE);
  return SIM_REPLY_LATER;
}

SimReplyKind
sim_run_zcomwrt (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  char *end = NULL;
  guint64 bytes;

  if (op != SIM_OP_SET)
    return op == SIM_OP_TEST ? SIM_REPLY_OK : SIM_REPLY_ERROR;
  errno = 0;
  bytes = g_ascii_strtoull (args, &end, 10);
  if (errno != 0 || end == args || *end != '\0' || *args == '-')
    return SIM_REPLY_ERROR;
  return sim_data_begin (self, (gsize) bytes) ? SIM_REPLY_LATER : SIM_REPLY_ERROR;
}

SimReplyKind
sim_run_zcomupdate (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  SimBlock *block = sim_find_block (self, "AT+ZCOMUPDATE");
  gboolean good;

  if (op != SIM_OP_BARE || self->upgrade != NULL || block == NULL)
    return SIM_REPLY_OK;
  if (!sim_data_take_package (self, &good))
    return self->settings->adb_missing == SIM_ADB_MISSING_ERROR ? SIM_REPLY_ERROR : SIM_REPLY_OK;
  sim_data_delete (self);
  mefota_sim_push_package (self, 0, NULL);
  sim_run_start (self, block, good ? SIM_RUN_UPGRADE : SIM_RUN_BARREN);
  return SIM_REPLY_LATER;
}

SimReplyKind
sim_run_zcomdel (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  if (op == SIM_OP_BARE)
    {
      sim_data_delete (self);
      sim_event (self, "deleted");
    }
  return SIM_REPLY_OK;
}
