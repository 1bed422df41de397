/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The judgements: pure. Asking is in mefota-readiness-ask.c. */
#include "mefota-readiness.h"

#include <string.h>

void
mefota_readiness_item_free (MefotaReadinessItem *item)
{
  if (item == NULL)
    return;

  g_free (item->name);
  g_free (item->detail);
  g_free (item);
}

MefotaReadinessItem *
mefota_readiness_item_new (const char *name, gboolean ok, const char *detail)
{
  MefotaReadinessItem *item = g_new0 (MefotaReadinessItem, 1);

  item->name = g_strdup (name);
  item->ok = ok;
  item->detail = g_strdup (detail);

  return item;
}

/* The text behind @prefix ("+CPIN:") of an information line, or NULL if @answer is none of that kind. */
static const char *
skip_prefix (const char *answer, const char *prefix)
{
  if (answer == NULL)
    return NULL;

  while (g_ascii_isspace (*answer))
    answer++;
  if (g_ascii_strncasecmp (answer, prefix, strlen (prefix)) != 0)
    return NULL;

  answer += strlen (prefix);
  while (g_ascii_isspace (*answer))
    answer++;

  return answer;
}

/* A whole field that is a small decimal number, or -1: "1A2B", "\"1A2B\"", "01F3" and "" are none. */
static int
parse_small_number (const char *field)
{
  guint64 value;
  g_autofree char *text = g_strstrip (g_strdup (field));

  if (strlen (text) > 3 || !g_ascii_string_to_unsigned (text, 10, 0, 999, &value, NULL))
    return -1;

  return (int) value;
}

/* ---- sim ---- */

static const struct
{
  const char *code;
  const char *detail;
} sim_codes[] = {
  { "SIM PIN", "The SIM asks for its PIN: enter it, or switch the PIN request of this SIM off." },
  { "SIM PUK", "The SIM is locked after wrong PINs: unlock it with the PUK from its operator." },
  { "SIM PIN2", "The SIM asks for its PIN2: enter it, then check again." },
  { "SIM PUK2", "The SIM asks for its PUK2: unlock it with the PUK2 from its operator." },
  { "PH-SIM PIN", "The module is locked to another SIM: insert that one, or unlock the module." },
  { "PH-NET PIN", "The module is locked to another network: insert a SIM of that network, or unlock the module." },
};

static const struct
{
  int number; /* of +CME ERROR (3GPP TS 27.007) */
  const char *text;
  const char *detail;
} sim_errors[] = {
  { 10, "sim not inserted", "There is no SIM in the module: insert one, then check again." },
  { 11, "sim pin", "The SIM asks for its PIN: enter it, or switch the PIN request of this SIM off." },
  { 12, "sim puk", "The SIM is locked after wrong PINs: unlock it with the PUK from its operator." },
  { 13, "sim failure", "The SIM does not work: check that it sits properly in its holder, or replace it." },
  { 14, "sim busy", "The SIM is still busy: check again in a few seconds." },
  { 15, "sim wrong", "The module does not accept this SIM: insert another one." },
};

static MefotaReadinessItem *
judge_sim_error (const char *words)
{
  static const char cme[] = "+cme error:";
  g_autofree char *folded = g_ascii_strdown (words, -1);
  g_autofree char *detail = NULL;
  const char *found = strstr (folded, cme);
  guint64 number = 0;

  if (found != NULL)
    number = g_ascii_strtoull (found + strlen (cme), NULL, 10);

  /* The number first: it is exact, while a text may be another module's idea of the same. */
  for (guint i = 0; number != 0 && i < G_N_ELEMENTS (sim_errors); i++)
    if (number == (guint64) sim_errors[i].number)
      return mefota_readiness_item_new ("sim", FALSE, sim_errors[i].detail);

  for (guint i = 0; i < G_N_ELEMENTS (sim_errors); i++)
    if (strstr (folded, sim_errors[i].text) != NULL)
      return mefota_readiness_item_new ("sim", FALSE, sim_errors[i].detail);

  detail = g_strdup_printf ("The module cannot tell the state of its SIM (%s): check the SIM, then ask again.", words);

  return mefota_readiness_item_new ("sim", FALSE, detail);
}

MefotaReadinessItem *
mefota_readiness_judge_sim (const char *cpin)
{
  const char *value = skip_prefix (cpin, "+CPIN:");
  g_autofree char *code = NULL;
  g_autofree char *detail = NULL;

  if (cpin == NULL)
    return mefota_readiness_item_new ("sim", FALSE,
                                      "The module did not say whether its SIM is ready (AT+CPIN?): check again.");
  if (value == NULL)
    return judge_sim_error (cpin);

  code = g_strstrip (g_strdup (value));
  if (g_ascii_strcasecmp (code, "READY") == 0)
    return mefota_readiness_item_new ("sim", TRUE, "The SIM is ready.");

  for (guint i = 0; i < G_N_ELEMENTS (sim_codes); i++)
    if (g_ascii_strcasecmp (code, sim_codes[i].code) == 0)
      return mefota_readiness_item_new ("sim", FALSE, sim_codes[i].detail);

  detail = g_strdup_printf ("The SIM is not ready (%s): enter the code it asks for, or insert another SIM.", code);

  return mefota_readiness_item_new ("sim", FALSE, detail);
}

/* ---- registered ---- */

/* Registration states of 3GPP TS 27.007; the higher the rank, the more it tells about what is wrong. */
static const struct
{
  int status;
  guint rank;
  const char *detail;
} registrations[] = {
  { 0, 3, "The module is not registered and not searching: check antenna, SIM and AT+COPS?, then check again." },
  { 2, 4, "The module is still searching for a network: check the antenna, and check again in a minute." },
  { 3, 5, "The network refuses the module: check the SIM's contract and credit with its operator." },
  { 4, 2, "The module does not know whether it is registered: check the antenna, and check again in a minute." },
};

/* The status in "+CREG: 0,1", "+CREG: 1", "+CEREG: 2,1,\"1A2B\",…" and "+CREG: 1,\"1A2B\",…", or -1. */
static int
parse_registration (const char *answer, const char *prefix)
{
  const char *value = skip_prefix (answer, prefix);
  g_auto (GStrv) fields = NULL;
  int first;
  int second = -1;

  if (value == NULL)
    return -1;

  fields = g_strsplit (value, ",", 3);
  if (fields[0] == NULL)
    return -1;

  first = parse_small_number (fields[0]);
  /* An area code without quotes is never as short as a status. */
  if (first >= 0 && fields[1] != NULL && strlen (g_strstrip (fields[1])) <= 2)
    second = parse_small_number (fields[1]);

  return second >= 0 ? second : first;
}

MefotaReadinessItem *
mefota_readiness_judge_registered (const char *cereg, const char *creg)
{
  const int statuses[] = { parse_registration (cereg, "+CEREG:"), parse_registration (creg, "+CREG:") };
  const char *detail = "The module did not say whether it is registered (AT+CEREG?, AT+CREG?): check again.";
  guint best = 0;

  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++)
    {
      if (statuses[i] == 1)
        return mefota_readiness_item_new ("registered", TRUE, "The module is registered in its home network.");
      if (statuses[i] == 5)
        return mefota_readiness_item_new ("registered", TRUE, "The module is registered, and roaming.");
    }

  for (guint i = 0; i < G_N_ELEMENTS (statuses); i++)
    {
      if (statuses[i] > 5 && best < 1)
        {
          best = 1;
          detail = "The module is registered, but not for data: check the SIM's contract with its operator.";
        }
      for (guint j = 0; j < G_N_ELEMENTS (registrations); j++)
        if (statuses[i] == registrations[j].status && registrations[j].rank > best)
          {
            best = registrations[j].rank;
            detail = registrations[j].detail;
          }
    }

  return mefota_readiness_item_new ("registered", FALSE, detail);
}

/* ---- network ---- */

typedef enum
{
  NETWORK_NONE,
  NETWORK_LIMITED,
  NETWORK_2G,
  NETWORK_3G,
  NETWORK_NARROW,
  NETWORK_GOOD,
} NetworkClass;

/* What AT+ZPAS? calls the radio technologies; several spellings, from firmware of all ages. */
static const struct
{
  const char *token;
  NetworkClass class;
} zpas_tokens[] = {
  { "NO SERVICE", NETWORK_NONE },
  { "LIMITED SERVICE", NETWORK_LIMITED },
  { "GSM", NETWORK_2G },
  { "GPRS", NETWORK_2G },
  { "EDGE", NETWORK_2G },
  { "GPRS/EDGE", NETWORK_2G },
  { "CDMA", NETWORK_2G },
  { "UMTS", NETWORK_3G },
  { "WCDMA", NETWORK_3G },
  { "HSDPA", NETWORK_3G },
  { "HSUPA", NETWORK_3G },
  { "HSPA", NETWORK_3G },
  { "HSPA+", NETWORK_3G },
  { "TD-SCDMA", NETWORK_3G },
  { "TDSCDMA", NETWORK_3G },
  { "EVDO", NETWORK_3G },
  { "EHRPD", NETWORK_3G },
  { "LTE", NETWORK_GOOD },
  { "NR5G", NETWORK_GOOD },
  { "NR5G-SA", NETWORK_GOOD },
  { "NR5G-NSA", NETWORK_GOOD },
};

/* AcT of AT+COPS? (3GPP TS 27.007). 100 (CDMA2000, 1x or EVDO) is left out: it does not tell 2G from 3G. */
static const struct
{
  int act;
  const char *name;
  NetworkClass class;
} cops_acts[] = {
  { 0, "GSM", NETWORK_2G },
  { 1, "GSM", NETWORK_2G },
  { 2, "UMTS", NETWORK_3G },
  { 3, "EDGE", NETWORK_2G },
  { 4, "HSDPA", NETWORK_3G },
  { 5, "HSUPA", NETWORK_3G },
  { 6, "HSPA", NETWORK_3G },
  { 7, "LTE", NETWORK_GOOD },
  { 8, "EC-GSM", NETWORK_2G },
  { 9, "NB-IoT", NETWORK_NARROW },
  { 10, "LTE", NETWORK_GOOD },
  { 11, "5G", NETWORK_GOOD },
  { 12, "5G", NETWORK_GOOD },
  { 13, "LTE with 5G", NETWORK_GOOD },
};

/* The first field of +ZPAS, with or without quotes; NULL if @zpas is no such line, or says nothing. */
static char *
parse_zpas (const char *zpas)
{
  const char *value = skip_prefix (zpas, "+ZPAS:");
  g_autofree char *token = NULL;

  if (value == NULL)
    return NULL;

  token = *value == '"' ? g_strndup (value + 1, strcspn (value + 1, "\"")) : g_strndup (value, strcspn (value, ","));
  g_strstrip (token);

  return *token == '\0' ? NULL : g_steal_pointer (&token);
}

/* Whole tokens only: a search for "GSM" or "HSPA" within would find others. */
static gboolean
classify_zpas (const char *token, NetworkClass *class)
{
  for (guint i = 0; token != NULL && i < G_N_ELEMENTS (zpas_tokens); i++)
    if (g_ascii_strcasecmp (token, zpas_tokens[i].token) == 0)
      {
        *class = zpas_tokens[i].class;
        return TRUE;
      }

  return FALSE;
}

/* AcT of "+COPS: 0,0,\"OPERATOR\",7", or -1. The operator may be any bytes: so look behind the last quote. */
static int
parse_cops (const char *cops)
{
  const char *value = skip_prefix (cops, "+COPS:");
  const char *quote;
  g_auto (GStrv) fields = NULL;

  if (value == NULL)
    return -1;

  quote = strrchr (value, '"');
  if (quote != NULL)
    return quote[1] == ',' ? parse_small_number (quote + 2) : -1;

  fields = g_strsplit (value, ",", -1);

  return g_strv_length (fields) == 4 ? parse_small_number (fields[3]) : -1;
}

static MefotaReadinessItem *
network_item (const char *name, NetworkClass class)
{
  g_autofree char *detail = NULL;

  switch (class)
    {
    case NETWORK_NONE:
      detail = g_strdup ("The module has no service: check antenna, SIM and coverage, then check again.");
      break;
    case NETWORK_LIMITED:
      detail = g_strdup ("The module has limited service (emergency calls only): check the SIM and its contract.");
      break;
    case NETWORK_2G:
      detail = g_strdup_printf ("The module is on %s (2G), where a network upgrade does not work: bring it to a place "
                                "with 4G, or let it use 4G (AT+ZSNT).", name);
      break;
    case NETWORK_3G:
      detail = g_strdup_printf ("The module is on %s (3G): that will do, 4G is advised.", name);
      break;
    case NETWORK_NARROW:
      detail = g_strdup_printf ("The module is on %s: that will do, but the download takes long.", name);
      break;
    case NETWORK_GOOD:
      detail = g_strdup_printf ("The module is on %s.", name);
      break;
    default:
      g_assert_not_reached ();
    }

  return mefota_readiness_item_new ("network", class >= NETWORK_3G, detail);
}

MefotaReadinessItem *
mefota_readiness_judge_network (const char *zpas, const char *cops)
{
  g_autofree char *token = parse_zpas (zpas);
  g_autofree char *detail = NULL;
  NetworkClass class;
  int act;

  if (classify_zpas (token, &class))
    return network_item (token, class);

  act = parse_cops (cops);
  for (guint i = 0; i < G_N_ELEMENTS (cops_acts); i++)
    if (act == cops_acts[i].act)
      return network_item (cops_acts[i].name, cops_acts[i].class);

  if (token != NULL)
    detail = g_strdup_printf ("The module is on a network called \"%s\", which is not known to be 3G at least: make "
                              "sure of it, then force the upgrade.", token);
  else if (act >= 0)
    detail = g_strdup_printf ("The module is on a network of kind %d, which may be 2G: make sure that it is 3G at "
                              "least, then force the upgrade.", act);
  else
    detail = g_strdup ("The module did not say on which network it is (AT+ZPAS?, AT+COPS?): check again.");

  return mefota_readiness_item_new ("network", FALSE, detail);
}

gboolean
mefota_readiness_network_decided (const char *zpas)
{
  g_autofree char *token = parse_zpas (zpas);
  NetworkClass class;

  return classify_zpas (token, &class);
}
