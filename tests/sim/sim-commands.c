/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-private.h"

#include <string.h>

typedef SimReplyKind (*Handler) (MefotaSim *self, SimOp op, const char *args, SimReply *reply);

void
sim_reply_add (SimReply *reply, const char *format, ...)
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

SimReplyKind
sim_reply_cme (SimReply *reply, int code)
{
  reply->cme = code;
  return SIM_REPLY_CME;
}

static SimReplyKind
run_imei (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  SimSettings *settings = self->settings;

  if (op == SIM_OP_BARE && settings->cgsn == SIM_CGSN_BARE)
    sim_reply_add (reply, "%s", settings->imei);
  else if (op == SIM_OP_BARE && settings->cgsn == SIM_CGSN_SERIAL)
    sim_reply_add (reply, "%s", settings->serial);
  else if (op == SIM_OP_BARE || (op == SIM_OP_SET && g_str_equal (args, "1") && settings->cgsn == SIM_CGSN_PREFIX))
    sim_reply_add (reply, "+CGSN: \"%s\"", settings->imei);
  else if (op == SIM_OP_SET && g_str_equal (args, "1") && settings->cgsn == SIM_CGSN_SERIAL)
    sim_reply_add (reply, "+CGSN: %s", settings->imei);
  else if (op != SIM_OP_TEST)
    return SIM_REPLY_ERROR;
  return SIM_REPLY_OK;
}

static SimReplyKind
run_gsn (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  sim_reply_add (reply, "%s", self->settings->imei);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_cgmi (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  sim_reply_add (reply, "%s", self->settings->manufacturer);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_cgmm (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  sim_reply_add (reply, "%s", self->settings->model);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_cgmr (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  sim_reply_add (reply, "%s", self->settings->firmware);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_cmee (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  if (op == SIM_OP_READ)
    sim_reply_add (reply, "+CMEE: %u", self->cmee);
  else if (op == SIM_OP_TEST)
    sim_reply_add (reply, "+CMEE: (0,1,2)");
  else if (*args >= '0' && *args <= '2' && args[1] == '\0')
    self->cmee = (guint) (*args - '0');
  else
    return SIM_REPLY_ERROR;
  return SIM_REPLY_OK;
}

static SimReplyKind
run_cpin (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  const char *sim = self->settings->sim;

  if (strstr (sim, "not inserted") != NULL)
    return sim_reply_cme (reply, 10);
  if (strstr (sim, "busy") != NULL)
    return sim_reply_cme (reply, 14);
  if (strstr (sim, "failure") != NULL)
    return sim_reply_cme (reply, 13);
  sim_reply_add (reply, "+CPIN: %s", sim);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_creg (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  if (op == SIM_OP_READ)
    sim_reply_add (reply, "+CREG: 0,%u", self->settings->creg);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_cereg (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  if (op == SIM_OP_READ)
    sim_reply_add (reply, "+CEREG: 0,%u", self->settings->cereg);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_cops (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  sim_reply_add (reply, "+COPS: %s", self->settings->cops);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_csq (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  sim_reply_add (reply, "+CSQ: %s", self->settings->csq);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_zpas (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  sim_reply_add (reply, "+ZPAS: %s", self->settings->zpas);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_cfun (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  if (op == SIM_OP_READ)
    sim_reply_add (reply, "+CFUN: 1");
  else if (op == SIM_OP_SET && g_str_equal (args, "1,1"))
    reply->reboot = MAX (self->settings->restart, 0.001);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_zrst (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  reply->reboot = MAX (self->settings->restart, 0.001);
  return SIM_REPLY_OK;
}

static SimReplyKind
run_zturnoff (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  reply->reboot = SIM_FOREVER;
  return SIM_REPLY_OK;
}

static SimReplyKind
run_ipr (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  if (op == SIM_OP_READ)
    sim_reply_add (reply, "+IPR: %u", self->baud);
  else if (op == SIM_OP_SET)
    return sim_settings_set (self->settings, "return-baud", args, NULL) ? SIM_REPLY_OK : SIM_REPLY_ERROR;
  return SIM_REPLY_OK;
}

static SimReplyKind
run_ifc (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  if (op == SIM_OP_READ)
    sim_reply_add (reply, "+IFC: 0,0");
  return SIM_REPLY_OK;
}

static SimReplyKind
run_zadset (MefotaSim *self, SimOp op, const char *args, SimReply *reply)
{
  if (op == SIM_OP_READ)
    sim_reply_add (reply, "+ZADSET: %s", self->adb ? "D" : "E");
  else if (op == SIM_OP_SET && (g_ascii_strcasecmp (args, "D") == 0 || g_ascii_strcasecmp (args, "E") == 0))
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

static void
run_ati (MefotaSim *self, SimReply *reply)
{
  SimSettings *settings = self->settings;
  gboolean sibling = settings->ati == SIM_ATI_SIBLING;

  sim_reply_add (reply, "%s: %s", sibling ? "Manufacture" : "Manufacturer", settings->manufacturer);
  sim_reply_add (reply, "Model: %s", settings->model);
  sim_reply_add (reply, "%s: %s", sibling ? "SwRevision" : "Revision", settings->firmware);
  if (sibling)
    sim_reply_add (reply, "HwRevision: V1.0");
  sim_reply_add (reply, "SVN: 01");
  sim_reply_add (reply, "IMEI: %s", settings->imei);
  if (!sibling)
    sim_reply_add (reply, "+GCAP: +CGSM");
}

static const struct
{
  const char *name;
  Handler run;
  int ops;
} commands[] = {
  { "+CGMI", run_cgmi, SIM_OP_BARE | SIM_OP_TEST },
  { "+GMI", run_cgmi, SIM_OP_BARE | SIM_OP_TEST },
  { "+CGMM", run_cgmm, SIM_OP_BARE | SIM_OP_TEST },
  { "+GMM", run_cgmm, SIM_OP_BARE | SIM_OP_TEST },
  { "+CGMR", run_cgmr, SIM_OP_BARE | SIM_OP_TEST },
  { "+GMR", run_cgmr, SIM_OP_BARE | SIM_OP_TEST },
  { "+CGSN", run_imei, SIM_OP_BARE | SIM_OP_SET | SIM_OP_TEST },
  { "+GSN", run_gsn, SIM_OP_BARE },
  { "+CMEE", run_cmee, SIM_OP_SET | SIM_OP_READ | SIM_OP_TEST },
  { "+CPIN", run_cpin, SIM_OP_READ },
  { "+CREG", run_creg, SIM_OP_SET | SIM_OP_READ },
  { "+CEREG", run_cereg, SIM_OP_SET | SIM_OP_READ },
  { "+COPS", run_cops, SIM_OP_READ },
  { "+CSQ", run_csq, SIM_OP_BARE },
  { "+ZPAS", run_zpas, SIM_OP_READ },
  { "+CFUN", run_cfun, SIM_OP_SET | SIM_OP_READ },
  { "+ZRST", run_zrst, SIM_OP_BARE },
  { "+ZTURNOFF", run_zturnoff, SIM_OP_BARE },
  { "+IPR", run_ipr, SIM_OP_SET | SIM_OP_READ },
  { "+IFC", run_ifc, SIM_OP_SET | SIM_OP_READ },
  { "+ZADSET", run_zadset, SIM_OP_SET | SIM_OP_READ },
  { "+FOTAIP", sim_run_fotaip, SIM_OP_SET | SIM_OP_READ | SIM_OP_TEST },
  { "+FOTAPOLLEN", sim_run_fotapollen, SIM_OP_SET | SIM_OP_READ | SIM_OP_TEST },
  { "+FOTATV", sim_run_fotatv, SIM_OP_SET | SIM_OP_READ | SIM_OP_TEST },
  { "+FOTACTR", sim_run_fotactr, SIM_OP_BARE | SIM_OP_SET | SIM_OP_READ | SIM_OP_TEST },
  { "+ZCOMWRT", sim_run_zcomwrt, SIM_OP_BARE | SIM_OP_SET | SIM_OP_TEST },
  { "+ZCOMUPDATE", sim_run_zcomupdate, SIM_OP_BARE | SIM_OP_TEST },
  { "+ZCOMDEL", sim_run_zcomdel, SIM_OP_BARE | SIM_OP_TEST },
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
  SimOp op = SIM_OP_BARE;

  if (block != NULL && !g_str_equal (upper, "AT+FOTACTR") && !g_str_equal (upper, "AT+ZCOMUPDATE"))
    {
      sim_run_start (self, block, SIM_RUN_PLAIN);
      return SIM_REPLY_LATER;
    }
  if (*text != '+')
    return run_basic (self, upper + 2, reply);
  if (text[length] == '?')
    op = SIM_OP_READ;
  else if (text[length] == '=')
    op = g_str_equal (args, "?") ? SIM_OP_TEST : SIM_OP_SET;
  for (gsize i = 0; i < G_N_ELEMENTS (commands); i++)
    if (strlen (commands[i].name) == length && g_ascii_strncasecmp (commands[i].name, text, length) == 0)
      return (commands[i].ops & op) != 0 ? commands[i].run (self, op, args, reply) : SIM_REPLY_ERROR;
  return SIM_REPLY_ERROR;
}
