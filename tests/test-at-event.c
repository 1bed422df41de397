/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-at-event.h"

#include <string.h>

#define INFORMATION MEFOTA_AT_EVENT_INFORMATION
#define OK MEFOTA_AT_EVENT_OK
#define ERROR MEFOTA_AT_EVENT_ERROR
#define CONNECT MEFOTA_AT_EVENT_CONNECT
#define FOTAIND MEFOTA_AT_EVENT_FOTAIND
#define BOOT MEFOTA_AT_EVENT_BOOT
#define URC MEFOTA_AT_EVENT_URC

static const struct
{
  const char *line;
  const char *command;
  const char *extra;
  MefotaAtEvent event;
} rows[] = {
  /* final result codes, whatever runs */
  { "OK", "AT", NULL, OK },
  { "ok", "AT", NULL, OK },
  { "OK", NULL, NULL, OK },
  { "OKAY", "AT", NULL, INFORMATION },
  { "OK.", "AT", NULL, INFORMATION },
  { "ERROR", "AT", NULL, ERROR },
  { "Error", NULL, NULL, ERROR },
  { "ERRORS", "AT", NULL, INFORMATION },
  { "+CME ERROR: SIM not inserted", "AT+CPIN?", NULL, ERROR },
  { "+CME ERROR: 10", "AT+CPIN?", NULL, ERROR },
  { "+cme error:10", NULL, NULL, ERROR },
  { "+CMS ERROR: 500", "AT+CMGS=1", NULL, ERROR },
  { "NO CARRIER", "ATD*99#", NULL, ERROR },
  { "COMMAND NOT SUPPORT", "AT+X", NULL, ERROR },
  { "command not supported", "AT+X", NULL, ERROR },
  { "CONNECT", "AT+ZCOMWRT=1", NULL, CONNECT },
  { "CONNECT 115200", "ATD*99#", NULL, CONNECT },
  { "CONNECTED", "AT+X", NULL, INFORMATION },
  { "0", "ATV0", NULL, OK },
  { "4", "AT+X", NULL, ERROR },
  { "0", NULL, NULL, INFORMATION },
  { "4", NULL, NULL, INFORMATION },
  { "00", "AT", NULL, INFORMATION },

  /* the command's own prefix goes before URCs */
  { "+CREG: 0,1", "AT+CREG?", NULL, INFORMATION },
  { "+CREG: 1", NULL, NULL, URC },
  { "+CREG: 1", "AT+CEREG?", NULL, URC },
  { "+CEREG: 0,1", "at+cereg?", NULL, INFORMATION },
  { "+creg : 0,1", "AT +CREG ?", NULL, INFORMATION },
  { "+CPIN: READY", "AT+CPIN?", NULL, INFORMATION },
  { "+CPIN: READY", "AT+CGMR", NULL, URC },
  { "+CPIN: READY", "AT+CPIN=\"1234\"", NULL, URC },
  { "+CFUN: 1", "AT+CFUN=1,1", NULL, URC },
  { "+CFUN: (0-1)", "AT+CFUN=?", NULL, INFORMATION },
  { "+CFUN: 1", "AT+CREG?;+CFUN?", NULL, INFORMATION },
  { "+CREG: 0,1", "AT+CREG?;+CFUN?", NULL, INFORMATION },
  { "+CFUN: 1", "AT+FOTATV=\"a;+CFUN?\"", NULL, URC },
  { "+CGSN: 123456789012396", "AT+CGSN=1", NULL, INFORMATION },
  { "^SYSINFO: 2,3,0,5,1", "AT^SYSINFO", NULL, INFORMATION },
  { "+GCAP: +CGSM", "ATI", NULL, INFORMATION },
  { "ME3630U1AV1.0B05", "AT+CGMR", NULL, INFORMATION },
  { "ME3630U1AV1.0B05", NULL, NULL, INFORMATION },
  { "+FOTAIP: 1", "AT+FOTAPOLLEN?", "+FOTAIP:", INFORMATION },
  { "+IP: 10.0.0.1", "AT+CGPADDR", "+ip:", INFORMATION },

  /* URCs: whole words only */
  { "RING", NULL, NULL, URC },
  { "RINGTONE", NULL, NULL, INFORMATION },
  { "+ZPASR: \"LTE\"", "AT+ZPAS?", NULL, URC },
  { "+ZPAS: \"LTE\",\"CS_PS\"", "AT+ZPAS?", NULL, INFORMATION },
  { "+ZUSIMR:2", NULL, NULL, URC },
  { "+ZDONR: \"x\"", NULL, NULL, URC },
  { "+ZPSTM: 1", NULL, NULL, URC },
  { "+ZEND", NULL, NULL, URC },
  { "+CMTI: \"SM\",1", NULL, NULL, URC },
  { "+IP: 10.176.233.186", NULL, NULL, URC },
  { "+ZIPCALL: 1", NULL, NULL, URC },
  { "+ZREADY", NULL, NULL, BOOT },
  { "+ZREADY", "AT", NULL, BOOT },
  { "\x80\xf0+ZREADY", NULL, NULL, BOOT },
  { "*MATREADY: 1", NULL, NULL, BOOT },
  { "*matready:1", "AT", NULL, BOOT },
  { "+ZREADYX", NULL, NULL, INFORMATION },
  { "AT+ZREADY", NULL, NULL, INFORMATION },

  /* indications */
  { "+FOTAIND:START", NULL, NULL, FOTAIND },
  { "+FOTAIND: START", "AT+FOTACTR", NULL, FOTAIND },
  { "\xff\xf1~+FOTAIND: START", "AT+CGMR", NULL, FOTAIND },
  { "*MATREADY: 1+FOTAIND: SUCCESS_END", NULL, NULL, FOTAIND },
  { "+FOTAIND: START", "AT+FOTAIND?", NULL, FOTAIND },
  { "AT+FOTAIND: START", NULL, NULL, INFORMATION },
  { "AT+FOTATV=\"+FOTAIND: START\"", "AT+FOTATV=\"+FOTAIND: START\"", NULL, INFORMATION },
  { "+FOTATV: \"+FOTAIND: START\"", "AT+FOTATV?", NULL, INFORMATION },
  { "+FOTAIND", NULL, NULL, INFORMATION },
  { "+FOTAIND: SUCCESS_END", "AT+FOTACTR?", NULL, INFORMATION },
  { "+fotaind:fail_end", "at+fotactr ?", NULL, INFORMATION },
  { "+FOTAIND: FAIL_SOMEHOW", "AT+FOTACTR?", NULL, INFORMATION },
  { "+FOTAIND: ERROR:12", "AT+FOTACTR?", NULL, INFORMATION },
  { "+FOTAIND: ERROR0x50", "AT+FOTACTR?", NULL, INFORMATION },
  { "+FOTAIND: START", "AT+FOTACTR?", NULL, FOTAIND },
  { "+FOTAIND: SUCCESS CONFIRM", "AT+FOTACTR?", NULL, FOTAIND },
  { "+FOTAIND: WHATEVER", "AT+FOTACTR?", NULL, FOTAIND },
  { "+FOTAIND: FAIL_END", "AT+FOTACTR", NULL, FOTAIND },
  { "+FOTAIND: FAIL_END", "AT+FOTACTR=1", NULL, FOTAIND },
  { "+FOTACTR: SUCCESS_END", "AT+FOTACTR?", NULL, INFORMATION },
  { "SUCCESS_END", "AT+FOTACTR?", NULL, INFORMATION },
};

static void
test_classify (void)
{
  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      const char *extra[] = { rows[i].extra, NULL };
      MefotaAtEvent event = mefota_at_event_classify (rows[i].line, rows[i].command, extra);

      if (event != rows[i].event)
        {
          g_autofree char *line = g_strescape (rows[i].line, NULL);

          g_test_message ("\"%s\" to %s: expected %d, got %d", line,
                          rows[i].command != NULL ? rows[i].command : "nothing", rows[i].event, event);
          g_test_fail ();
        }
    }
}

static void
test_echo (void)
{
  static const struct
  {
    const char *line;
    const char *command;
    gboolean echo;
  } echoes[] = {
    { "AT", "AT", TRUE },
    { "at+cgmr", "AT+CGMR", TRUE },
    { "AT+FOTAIP =1.2.3.4, 5", "AT+FOTAIP=1.2.3.4,5", TRUE },
    { "\x80\xf1~AT+CGMR", "AT+CGMR", TRUE },
    { "AT+CGM", "AT+CGMR", FALSE },
    { "AT+CGMR?", "AT+CGMR", FALSE },
    { "FORMAT", "AT", FALSE },
    { "ME3630 AT", "AT", FALSE },
    { "", "AT", FALSE },
    { "", "", FALSE },
    { "OK", "", FALSE },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (echoes); i++)
    {
      g_test_message ("row %" G_GSIZE_FORMAT, i);
      g_assert_cmpint (mefota_at_event_is_echo (echoes[i].line, echoes[i].command), ==, echoes[i].echo);
    }
}

static void
test_explain (void)
{
  static const char *const errors[][2] = {
    { "+CME ERROR: 10", "SIM not inserted (+CME ERROR: 10)" },
    { "+cme error:14", "SIM busy (+cme error:14)" },
    { "+CME ERROR:  100", "unknown (+CME ERROR:  100)" },
    { "+CME ERROR: 999", "+CME ERROR: 999" },
    { "+CME ERROR: 99999999999999999999", "+CME ERROR: 99999999999999999999" },
    { "+CME ERROR: SIM failure", "+CME ERROR: SIM failure" },
    { "+CME ERROR", "+CME ERROR" },
    { "+CME ERROR:", "+CME ERROR:" },
    { "+CMS ERROR: 10", "+CMS ERROR: 10" },
    { "ERROR", "ERROR" },
    { "+CME ERROR: \xa3", "+CME ERROR: \xef\xbf\xbd" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (errors); i++)
    {
      g_autofree char *text = mefota_at_event_explain_error (errors[i][0]);

      g_assert_cmpstr (text, ==, errors[i][1]);
    }
}

static void
test_strip (void)
{
  static const char *const answers[][3] = {
    { "+FOTATV: \"WIFI_ME3630V1.0B05\"", "+FOTATV:", "WIFI_ME3630V1.0B05" },
    { "+FOTATV: \"WIFI_ME3630V1.0B05\"", "+FOTATV", "WIFI_ME3630V1.0B05" },
    { "+fotatv:V1", "+FOTATV:", "V1" },
    { "+FOTATV :  V1 [Apr 18 2019] ", "+FOTATV:", "V1 [Apr 18 2019]" },
    { "OC_ME3616C1AV0.0B08", "+FOTATV:", "OC_ME3616C1AV0.0B08" },
    { "+FOTAIP: 114.55.56.19,45000", "+FOTAIP:", "114.55.56.19,45000" },
    { "+FOTATV: \"\"", "+FOTATV:", "" },
    { "+FOTATV: \"", "+FOTATV:", "\"" },
    { "+FOTATV:", "+FOTATV:", "" },
    { "+FOTATVX: 1", "+FOTATV:", "+FOTATVX: 1" },
    { "+ZPAS: \"LTE\",\"CS_PS\"", "+ZPAS:", "\"LTE\",\"CS_PS\"" },
    { "+CGMR: A\xa3", "+CGMR:", "A\xef\xbf\xbd" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      g_autofree char *text = mefota_at_event_strip_prefix (answers[i][0], answers[i][1]);

      g_assert_cmpstr (text, ==, answers[i][2]);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/at-event/classify", test_classify);
  g_test_add_func ("/at-event/echo", test_echo);
  g_test_add_func ("/at-event/explain-error", test_explain);
  g_test_add_func ("/at-event/strip-prefix", test_strip);
  return g_test_run ();
}
