/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <string.h>

#include "mefota-readiness.h"

static void
check_item (MefotaReadinessItem *item, const char *name, gboolean ok, const char *words)
{
  g_assert_nonnull (item);
  g_test_message ("%s: %s", item->name, item->detail);
  g_assert_cmpstr (item->name, ==, name);
  g_assert_cmpint (item->ok, ==, ok);
  g_assert_nonnull (item->detail);
  /* A sentence. */
  g_assert_true (g_ascii_isupper (item->detail[0]));
  g_assert_true (g_str_has_suffix (item->detail, "."));
  if (strstr (item->detail, words) == NULL)
    g_error ("\"%s\" is not in \"%s\"", words, item->detail);
  mefota_readiness_item_free (item);
}

static void
test_sim (void)
{
  static const struct
  {
    const char *answer;
    gboolean ok;
    const char *words;
  } table[] = {
    { "+CPIN: READY", TRUE, "ready" },
    { "+CPIN:READY", TRUE, "ready" },
    { "+cpin: ready ", TRUE, "ready" },
    { "+CPIN: SIM PIN", FALSE, "its PIN:" },
    { "+CPIN: SIM PIN2", FALSE, "PIN2" },
    { "+CPIN: SIM PUK", FALSE, "PUK from its operator" },
    { "+CPIN: SIM PUK2", FALSE, "PUK2" },
    { "+CPIN: PH-NET PIN", FALSE, "another network" },
    { "+CPIN: PH-SIM PIN", FALSE, "another SIM" },
    { "+CPIN: NOT READY", FALSE, "NOT READY" },
    { "+CPIN:", FALSE, "not ready" },
    { "+CME ERROR: SIM not inserted", FALSE, "insert one" },
    { "+CME ERROR: SIM NOT INSERTED", FALSE, "insert one" },
    { "+CME ERROR: 10", FALSE, "insert one" },
    { "+CME ERROR:10", FALSE, "insert one" },
    { "SIM not inserted (+CME ERROR: 10)", FALSE, "insert one" },
    { "The module answered \"SIM not inserted (+CME ERROR: 10)\" to AT+CPIN?.", FALSE, "insert one" },
    { "+CME ERROR: 11", FALSE, "its PIN:" },
    { "+CME ERROR: SIM PIN required", FALSE, "its PIN:" },
    { "+CME ERROR: 12", FALSE, "PUK" },
    { "+CME ERROR: SIM PUK required", FALSE, "PUK" },
    { "+CME ERROR: 13", FALSE, "replace it" },
    { "+CME ERROR: SIM failure", FALSE, "replace it" },
    { "+CME ERROR: 14", FALSE, "few seconds" },
    { "+CME ERROR: SIM busy", FALSE, "few seconds" },
    { "+CME ERROR: 15", FALSE, "another one" },
    { "+CME ERROR: 100", FALSE, "+CME ERROR: 100" },
    { "+CME ERROR: unknown", FALSE, "unknown" },
    { "ERROR", FALSE, "ERROR" },
    { "", FALSE, "cannot tell" },
    { NULL, FALSE, "AT+CPIN?" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    check_item (mefota_readiness_judge_sim (table[i].answer), "sim", table[i].ok, table[i].words);
}

static void
test_registered (void)
{
  static const struct
  {
    const char *cereg;
    const char *creg;
    gboolean ok;
    const char *words;
  } table[] = {
    { NULL, "+CREG: 0,1", TRUE, "home" },
    { NULL, "+CREG: 0,5", TRUE, "roaming" },
    { NULL, "+CREG: 1", TRUE, "home" },
    { NULL, "+CREG: 5", TRUE, "roaming" },
    { "+CEREG: 0,1", NULL, TRUE, "home" },
    { "+cereg:0, 1", NULL, TRUE, "home" },
    { "+CEREG: 2,1,\"1A2B\",\"01C3D4E5\",7", NULL, TRUE, "home" },
    { "+CEREG: 2,5,\"1A2B\",\"01C3D4E5\",7", NULL, TRUE, "roaming" },
    { "+CEREG: 1,\"1A2B\",\"01C3D4E5\",7", NULL, TRUE, "home" },
    { "+CEREG: 1,\"12\",\"01C3D4E5\",7", NULL, TRUE, "home" },
    { "+CEREG: 2,1,1A2B,01C3D4E5,7", NULL, TRUE, "home" },
    { "+CEREG: 1,0002,01C3D4E5,7", NULL, TRUE, "home" },
    /* One of the two is enough. */
    { "+CEREG: 0,1", "+CREG: 0,0", TRUE, "home" },
    { "+CEREG: 0,0", "+CREG: 0,1", TRUE, "home" },
    { "+CME ERROR: 3", "+CREG: 0,5", TRUE, "roaming" },
    /* n is not the status. */
    { NULL, "+CREG: 1,0", FALSE, "not searching" },
    { NULL, "+CREG: 1,2", FALSE, "searching" },
    { NULL, "+CREG: 5,3", FALSE, "refuses" },
    { NULL, "+CREG: 1,4", FALSE, "does not know" },
    { "+CEREG: 0", NULL, FALSE, "not searching" },
    { "+CEREG: 2,2,\"0001\",\"00000001\",7", NULL, FALSE, "searching" },
    { "+CEREG: 0,6", NULL, FALSE, "not for data" },
    { "+CEREG: 0,11", NULL, FALSE, "not for data" },
    /* The more telling of the two. */
    { "+CEREG: 0,0", "+CREG: 0,3", FALSE, "refuses" },
    { "+CEREG: 0,3", "+CREG: 0,2", FALSE, "refuses" },
    { "+CEREG: 0,4", "+CREG: 0,2", FALSE, "searching" },
    /* An answer to something else, or none. */
    { "+CREG: 0,1", "+CEREG: 0,1", FALSE, "did not say" },
    { "+CEREG:", "+CREG: \"1\"", FALSE, "did not say" },
    { "ERROR", "+CME ERROR: 1", FALSE, "did not say" },
    { "", ",,", FALSE, "did not say" },
    { NULL, NULL, FALSE, "did not say" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    check_item (mefota_readiness_judge_registered (table[i].cereg, table[i].creg), "registered", table[i].ok,
                table[i].words);
}

static void
test_network (void)
{
  static const struct
  {
    const char *zpas;
    const char *cops;
    gboolean ok;
    const char *words;
  } table[] = {
    { "+ZPAS: \"LTE\",\"CS_PS\"", NULL, TRUE, "on LTE." },
    { "+ZPAS: \"lte\",\"CS_PS\"", NULL, TRUE, "lte" },
    { "+ZPAS:LTE,CS_PS", NULL, TRUE, "LTE" },
    { "+ZPAS: \"NR5G-SA\",\"PS_ONLY\"", NULL, TRUE, "NR5G-SA" },
    { "+ZPAS: \"UMTS\",\"CS_PS\"", NULL, TRUE, "4G is advised" },
    { "+ZPAS: \"WCDMA\",\"CS_PS\"", NULL, TRUE, "4G is advised" },
    { "+ZPAS: \"HSDPA\",\"CS_PS\"", NULL, TRUE, "4G is advised" },
    { "+ZPAS: \"HSUPA\",\"CS_PS\"", NULL, TRUE, "4G is advised" },
    { "+ZPAS: \"HSPA\",\"CS_PS\"", NULL, TRUE, "on HSPA (3G)" },
    { "+ZPAS: \"HSPA+\",\"CS_PS\"", NULL, TRUE, "on HSPA+ (3G)" },
    { "+ZPAS: \"TD-SCDMA\",\"CS_PS\"", NULL, TRUE, "TD-SCDMA (3G)" },
    { "+ZPAS: \"TDSCDMA\",\"CS_PS\"", NULL, TRUE, "(3G)" },
    { "+ZPAS: \"EVDO\",\"PS_ONLY\"", NULL, TRUE, "(3G)" },
    { "+ZPAS: \"EHRPD\",\"PS_ONLY\"", NULL, TRUE, "(3G)" },
    { "+ZPAS: \"GSM\",\"CS_ONLY\"", NULL, FALSE, "GSM (2G)" },
    { "+ZPAS: \"GPRS\",\"CS_PS\"", NULL, FALSE, "GPRS (2G)" },
    { "+ZPAS: \"EDGE\",\"CS_PS\"", NULL, FALSE, "EDGE (2G)" },
    { "+ZPAS: \"GPRS/EDGE\",\"CS_ONLY\"", NULL, FALSE, "GPRS/EDGE (2G)" },
    { "+ZPAS: \"CDMA\",\"CS_ONLY\"", NULL, FALSE, "CDMA (2G)" },
    { "+ZPAS: \"NO SERVICE\",\"\"", NULL, FALSE, "no service" },
    { "+ZPAS: \"No Service\"", NULL, FALSE, "no service" },
    { "+ZPAS: \"Limited Service\",\"CS_ONLY\"", NULL, FALSE, "limited service" },
    /* ZPAS decides, whatever COPS says. */
    { "+ZPAS: \"GSM\",\"CS_ONLY\"", "+COPS: 0,0,\"CMCC\",7", FALSE, "GSM (2G)" },
    { "+ZPAS: \"LTE\",\"CS_PS\"", "+COPS: 0,0,\"CMCC\",0", TRUE, "LTE" },
    { "+ZPAS: \"NO SERVICE\"", "+COPS: 0,0,\"CMCC\",7", FALSE, "no service" },
    /* Where it cannot: COPS. */
    { NULL, "+COPS: 0,0,\"CHINA MOBILE CMCC\",7", TRUE, "on LTE." },
    { "ERROR", "+COPS: 0,2,\"46011\",7", TRUE, "LTE" },
    { "+CME ERROR: 100", "+COPS: 0,2,46011,7", TRUE, "LTE" },
    { "+ZPAS: \"WARP\",\"CS_PS\"", "+COPS: 0,0,\"CMCC\",7", TRUE, "LTE" },
    { "+ZPAS: \"\",\"\"", "+COPS: 0,0,\"CMCC\",7", TRUE, "LTE" },
    { NULL, "+COPS: 0,0,\"CMCC\",0", FALSE, "GSM (2G)" },
    { NULL, "+COPS: 0,0,\"CMCC\",2", TRUE, "UMTS (3G)" },
    { NULL, "+COPS: 0,0,\"CMCC\",3", FALSE, "EDGE (2G)" },
    { NULL, "+COPS: 0,0,\"CMCC\",4", TRUE, "(3G)" },
    { NULL, "+COPS: 0,0,\"CMCC\",5", TRUE, "(3G)" },
    { NULL, "+COPS: 0,0,\"CMCC\",6", TRUE, "(3G)" },
    { NULL, "+COPS: 0,2,\"46011\",9", TRUE, "NB-IoT" },
    { NULL, "+COPS: 0,0,\"CHINA MOBILE CMCC\",11", TRUE, "5G" },
    { NULL, "+COPS: 0,0,\"CHINA, \"MOBILE\", 0\",7", TRUE, "LTE" },
    { NULL, "+COPS: 0,0,\"\xff\xfe????\",7", TRUE, "LTE" },
    /* Nobody decides. */
    { "+ZPAS: \"WARP\",\"CS_PS\"", "+COPS: 0", FALSE, "\"WARP\"" },
    { "+ZPAS: \"LTE-A5\"", NULL, FALSE, "\"LTE-A5\"" },
    { "+ZPAS: \"GSMX\"", NULL, FALSE, "\"GSMX\"" },
    { NULL, "+COPS: 0,0,\"CMCC\",100", FALSE, "kind 100" },
    { NULL, "+COPS: 0,0,\"CMCC\"", FALSE, "did not say" },
    { NULL, "+COPS: 0,0,\"CMCC\",", FALSE, "did not say" },
    { NULL, "+COPS: 0,7", FALSE, "did not say" },
    { NULL, "+COPS: 0", FALSE, "did not say" },
    { "ERROR", "ERROR", FALSE, "did not say" },
    { "", "", FALSE, "did not say" },
    { NULL, NULL, FALSE, "did not say" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    check_item (mefota_readiness_judge_network (table[i].zpas, table[i].cops), "network", table[i].ok, table[i].words);

  g_assert_true (mefota_readiness_network_decided ("+ZPAS: \"No Service\""));
  g_assert_true (mefota_readiness_network_decided ("+ZPAS: \"LTE\",\"CS_PS\""));
  g_assert_false (mefota_readiness_network_decided ("+ZPAS: \"WARP\",\"CS_PS\""));
  g_assert_false (mefota_readiness_network_decided ("ERROR"));
  g_assert_false (mefota_readiness_network_decided (NULL));
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);

  g_test_add_func ("/readiness/sim", test_sim);
  g_test_add_func ("/readiness/registered", test_registered);
  g_test_add_func ("/readiness/network", test_network);

  return g_test_run ();
}
