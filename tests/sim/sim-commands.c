/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-private.h"

#include <errno.h>
#include <string.h>

/* How a command is asked: AT+X, AT+X=..., AT+X?, AT+X=? */
typedef enum { OP_BARE = 1, OP_SET = 2, OP_READ = 4, OP_TEST = 8 } Op;

typedef SimReplyKind (*Handler) (MefotaSim *self, Op op, const char *args, SimReply *reply);

static void add (SimReply *reply, const char *format, ...) G_GNUC_PRINTF (2, 3);

static void
add (SimReply *reply, const char *format, ...)
{
  va_list args;

  va_start (args, format);
  g_ptr_array_add (reply->lines, g_strdup_vprintf (format, args));
  va_end (args);
}

const char *
sim_cme_text (int code)
{
  static const struct { int code; const char *text; } texts[] = {
    { 3, "operation not allowed" }, { 4, "operation not supported" }, { 10, "SIM not inserted" },
    { 11, "SIM PIN required" },     { 12, "SIM PUK required" },       { 13, "SIM failure" },
    { 14, "SIM busy" },             { 15, "SIM wrong" },              { 50, "incorrect parameters" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (texts); i++)
    if (texts[i].code == code)
      return texts[i].text;
  return "unknown";
}

static SimReplyKind
cme (SimReply *reply, int code)
{
  reply->cme = code;
  return SIM_REPLY_CME;
}

static SimReplyKind
run_imei (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  SimSettings *settings = self->settings;

  if (op == OP_BARE && settings->cgsn == SIM_CGSN_BARE)
    add (reply, "%s", settings->imei);
  else if (op == OP_BARE && settings->cgsn == SIM_CGSN_SERIAL)
    add (reply, "%s", settings->serial);
  else if (op == OP_BARE || (op == OP_SET && g_str_equal (args, "1") && settings->cgsn == SIM_CGSN_PREFIX))
    add (reply, "+CGSN: \"%s\"", settings->imei);
  else if (op == OP_SET && g_str_equal (args, "1") && settings->cgsn == SIM_CGSN_SERIAL)
    add (reply, "+CGSN: %s", settings->imei);
  else if (op != OP_TEST)
    return SIM_REPLY_ERROR;
  return SIM_REPLY_OK;
}

static SimReplyKind
run_gsn (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  add (reply, "%s", self->settings->imei);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_cgmi (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  add (reply, "%s", self->settings->manufacturer);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_cgmm (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  add (reply, "%s", self->settings->model);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_cgmr (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  add (reply, "%s", self->settings->firmware);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_cmee (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  if (op == OP_READ)
    add (reply, "+CMEE: %u", self->cmee);
  else if (op == OP_TEST)
    add (reply, "+CMEE: (0,1,2)");
  else if (*args >= '0' && *args <= '2' && args[1] == '\0')
    self->cmee = (guint) (*args - '0');
  else
    return SIM_REPLY_ERROR;
  return SIM_REPLY_OK;
}

static SimReplyKind
run_cpin (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  const char *sim = self->settings->sim;

  if (strstr (sim, "not inserted") != NULL)
    return cme (reply, 10);
  if (strstr (sim, "busy") != NULL)
    return cme (reply, 14);
  if (strstr (sim, "failure") != NULL)
    return cme (reply, 13);
  add (reply, "+CPIN: %s", sim);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_creg (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  if (op == OP_READ)
    add (reply, "+CREG: 0,%u", self->settings->creg);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_cereg (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  if (op == OP_READ)
    add (reply, "+CEREG: 0,%u", self->settings->cereg);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_cops (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  add (reply, "+COPS: %s", self->settings->cops);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_csq (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  add (reply, "+CSQ: %s", self->settings->csq);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_zpas (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  add (reply, "+ZPAS: %s", self->settings->zpas);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_cfun (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  if (op == OP_READ)
    add (reply, "+CFUN: 1");
  else if (op == OP_SET && g_str_equal (args, "1,1"))
    reply->reboot = MAX (self->settings->restart, 0.001);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_zrst (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  reply->reboot = MAX (self->settings->restart, 0.001);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_ipr (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  if (op == OP_READ)
    add (reply, "+IPR: %u", self->baud);
  else if (op == OP_SET)
    return sim_settings_set (self->settings, "return-baud", args, NULL) ? SIM_REPLY_OK : SIM_REPLY_ERROR;
  return SIM_REPLY_OK;
}

static SimReplyKind
run_ifc (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  if (op == OP_READ)
    add (reply, "+IFC: 0,0");
  return SIM_REPLY_OK;
}

static SimReplyKind
run_zadset (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  if (op == OP_READ)
    add (reply, "+ZADSET: %s", self->adb ? "D" : "E");
  else if (op == OP_SET && (g_ascii_strcasecmp (args, "D") == 0 || g_ascii_strcasecmp (args, "E") == 0))
    {
      self->adb = g_ascii_toupper (*args) == 'D';
      sim_event (self, "adb %s", self->adb ? "on" : "off");
      reply->reboot = self->adb ? self->settings->adb_reenumerate : 0;
      sim_adb_update (self->adbd);
    }
  else
    return SIM_REPLY_ERROR;
  return SIM_REPLY_OK;
}

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

static SimReplyKind
run_fotaip (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  g_auto (GStrv) parts = NULL;
  char *end = NULL;
  guint64 port;

  if (op == OP_READ)
    add (reply, "+FOTAIP: %s", self->settings->server);
  if (op != OP_SET)
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

static SimReplyKind
run_fotapollen (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  static const char *const prefixes[] = { "+FOTAIP: ", "+FOTAPOLLEN: ", "" };

  if (op == OP_READ)
    add (reply, "%s%d", prefixes[self->settings->poll_answer], self->settings->polling ? 1 : 0);
  else if (op == OP_TEST)
    add (reply, "+fotapollen:(0,1)");
  else if (!g_str_equal (args, "0") && !g_str_equal (args, "1"))
    return SIM_REPLY_ERROR;
  else if (!sim_list_has (self->settings->ignore_set, "FOTAPOLLEN"))
    self->settings->polling = *args == '1';
  return SIM_REPLY_OK;
}

static SimReplyKind
run_fotatv (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  static const char *const forms[] = { "+FOTATV: \"%s\"", "+FOTATV: %s", "%s" };
  g_autofree char *version = NULL;
  gsize length = strlen (args);

  if (op == OP_READ)
    {
      g_auto (GStrv) parts = g_strsplit (forms[self->settings->tv_answer], "%s", 2);
      g_autofree char *line = g_strjoinv (self->target != NULL ? self->target : "", parts);

      add (reply, "%s", line);
    }
  if (op != OP_SET)
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
      add (reply, "+FOTAIND: %s", word);
      break;
    case SIM_RESULT_BARE:
      add (reply, "%s", word);
      break;
    default:
      if (*word != '\0')
        add (reply, "+FOTACTR: %s", word);
      break;
    }
  return SIM_REPLY_OK;
}

/* Guide 3.4 and its three ways to ERROR: an upgrade runs already, nothing was asked, a wrong value. */
static SimReplyKind
run_fotactr (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  SimBlock *block;

  if (op == OP_READ)
    return answer_result (self, reply);
  if (op == OP_TEST)
    return SIM_REPLY_OK;
  if (op == OP_SET)
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

static SimReplyKind
run_zcomwrt (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  char *end = NULL;
  guint64 bytes;

  if (op != OP_SET)
    return op == OP_TEST ? SIM_REPLY_OK : SIM_REPLY_ERROR;
  errno = 0;
  bytes = g_ascii_strtoull (args, &end, 10);
  if (errno != 0 || end == args || *end != '\0' || *args == '-')
    return SIM_REPLY_ERROR;
  return sim_data_begin (self, (gsize) bytes) ? SIM_REPLY_LATER : SIM_REPLY_ERROR;
}

static SimReplyKind
run_zcomupdate (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  SimBlock *block = sim_find_block (self, "AT+ZCOMUPDATE");
  gboolean good;

  if (op != OP_BARE || self->upgrade != NULL || block == NULL)
    return SIM_REPLY_OK;
  if (!sim_data_take_package (self, &good))
    return self->settings->adb_missing == SIM_ADB_MISSING_ERROR ? SIM_REPLY_ERROR : SIM_REPLY_OK;
  sim_data_delete (self);
  mefota_sim_push_package (self, 0, NULL);
  sim_run_start (self, block, good ? SIM_RUN_UPGRADE : SIM_RUN_BARREN);
  return SIM_REPLY_LATER;
}

static SimReplyKind
run_zcomdel (MefotaSim *self, Op op, const char *args, SimReply *reply)
{
  if (op == OP_BARE)
    {
      sim_data_delete (self);
      sim_event (self, "deleted");
    }
  return SIM_REPLY_OK;
}

static void
run_ati (MefotaSim *self, SimReply *reply)
{
  SimSettings *settings = self->settings;
  gboolean sibling = settings->ati == SIM_ATI_SIBLING;

  add (reply, "%s: %s", sibling ? "Manufacture" : "Manufacturer", settings->manufacturer);
  add (reply, "Model: %s", settings->model);
  add (reply, "%s: %s", sibling ? "SwRevision" : "Revision", settings->firmware);
  if (sibling)
    add (reply, "HwRevision: V1.0");
  add (reply, "SVN: 01");
  add (reply, "IMEI: %s", settings->imei);
  if (!sibling)
    add (reply, "+GCAP: +CGSM");
}

static const struct
{
  const char *name;
  Handler run;
  int ops;
} commands[] = {
  { "+CGMI", run_cgmi, OP_BARE | OP_TEST },
  { "+GMI", run_cgmi, OP_BARE | OP_TEST },
  { "+CGMM", run_cgmm, OP_BARE | OP_TEST },
  { "+GMM", run_cgmm, OP_BARE | OP_TEST },
  { "+CGMR", run_cgmr, OP_BARE | OP_TEST },
  { "+GMR", run_cgmr, OP_BARE | OP_TEST },
  { "+CGSN", run_imei, OP_BARE | OP_SET | OP_TEST },
  { "+GSN", run_gsn, OP_BARE },
  { "+CMEE", run_cmee, OP_SET | OP_READ | OP_TEST },
  { "+CPIN", run_cpin, OP_READ },
  { "+CREG", run_creg, OP_SET | OP_READ },
  { "+CEREG", run_cereg, OP_SET | OP_READ },
  { "+COPS", run_cops, OP_READ },
  { "+CSQ", run_csq, OP_BARE },
  { "+ZPAS", run_zpas, OP_READ },
  { "+CFUN", run_cfun, OP_SET | OP_READ },
  { "+ZRST", run_zrst, OP_BARE },
  { "+IPR", run_ipr, OP_SET | OP_READ },
  { "+IFC", run_ifc, OP_SET | OP_READ },
  { "+ZADSET", run_zadset, OP_SET | OP_READ },
  { "+FOTAIP", run_fotaip, OP_SET | OP_READ | OP_TEST },
  { "+FOTAPOLLEN", run_fotapollen, OP_SET | OP_READ | OP_TEST },
  { "+FOTATV", run_fotatv, OP_SET | OP_READ | OP_TEST },
  { "+FOTACTR", run_fotactr, OP_BARE | OP_SET | OP_READ | OP_TEST },
  { "+ZCOMWRT", run_zcomwrt, OP_BARE | OP_SET | OP_TEST },
  { "+ZCOMUPDATE", run_zcomupdate, OP_BARE | OP_TEST },
  { "+ZCOMDEL", run_zcomdel, OP_BARE | OP_TEST },
};

static SimReplyKind
run_basic (MefotaSim *self, const char *text, SimReply *reply)
{
  if (text[0] == 'E' && (text[1] == '\0' || g_str_equal (text + 1, "0")))
    self->echo = FALSE;
  else if (g_str_equal (text, "E1"))
    self->echo = TRUE;
  else if (g_str_equal (text, "V0") || g_str_equal (text, "V"))
    self->verbose = FALSE;
  else if (g_str_equal (text, "V1"))
    self->verbose = TRUE;
  else if (g_str_equal (text, "I") || g_str_equal (text, "I0"))
    run_ati (self, reply);
  else if (*text != '\0' && !g_str_equal (text, "Q0") && !g_str_equal (text, "&W"))
    return SIM_REPLY_ERROR;
  return SIM_REPLY_OK;
}

SimReplyKind
sim_command_run (MefotaSim *self, const char *command, SimReply *reply)
{
  g_autofree char *upper = g_ascii_strup (command, -1);
  const char *text = command + 2;
  gsize length = strcspn (text, "=?");
  const char *args = text[length] == '=' ? text + length + 1 : "";
  SimBlock *block = sim_find_block (self, upper);
  Op op = OP_BARE;

  if (block != NULL && !g_str_equal (upper, "AT+FOTACTR") && !g_str_equal (upper, "AT+ZCOMUPDATE"))
    {
      sim_run_start (self, block, SIM_RUN_PLAIN);
      return SIM_REPLY_LATER;
    }
  if (*text != '+')
    return run_basic (self, upper + 2, reply);
  if (text[length] == '?')
    op = OP_READ;
  else if (text[length] == '=')
    op = g_str_equal (args, "?") ? OP_TEST : OP_SET;
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    if (strlen (commands[i].name) == length && g_ascii_strncasecmp (commands[i].name, text, length) == 0)
      return (commands[i].ops & op) != 0 ? commands[i].run (self, op, args, reply) : SIM_REPLY_ERROR;
  return SIM_REPLY_ERROR;
}
