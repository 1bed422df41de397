/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* However a module writes, and however its bytes come: the same upgrade, words and result (contract 2.3). */

#include "daemon-lab.h"

#include <string.h>

#define WORDS "START;DOWNLOADING 25;DOWNLOADING 75;COSTTIME 17;NEED_VERIFY;PASS_VERIFY;UPDATING;SUCCESS_END;"

static const char script[] = "on AT+FOTACTR\nok\nind START\nind DOWNLOADING:25%\nind DOWNLOADING:75%\n"
                             "ind COSTTIME:0min17sec\nind NEED_VERIFY\nind PASS_VERIFY\nind UPDATING\nfirmware $next\n"
                             "reboot 5\nawait AT+FOTATV?\nind SUCCESS_END\n";

static const char *const looks[][6] = {
  { "guide", NULL },
  { "lf", "eol=lf", NULL },
  { "cr", "eol=cr", NULL },
  { "cr-tight", "eol=cr", "tight=true", NULL },
  { "blank-lines", "blank-lines=3", NULL },
  { "lower", "case=lower", NULL },
  { "upper", "case=upper", NULL },
  { "no-spacing", "spacing=none", NULL },
  { "odd-spacing", "spacing=odd", NULL },
  { "before-colon", "spacing=before", NULL },
  { "tabs", "spacing=tab", NULL },
  { "colon-utf8", "colon=utf8-all", NULL },
  { "colon-gbk", "colon=gbk-all", NULL },
  { "nul", "sprinkle=nul", NULL },
  { "ff", "sprinkle=ff", NULL },
  { "byte-by-byte", "split=1", NULL },
  { "glued", "glue=20", NULL },
  { "echo", "echo-boot=keep", NULL },
  { "chatter-before", "inject=+ZPASR: \"LTE\",\"PS_ONLY\"", "inject-place=before", NULL },
  { "chatter-inside", "inject=+ZPASR: \"LTE\",\"PS_ONLY\"", "inject-place=inside", NULL },
  { "chatter-everywhere", "inject=+CREG: 1", "inject-place=everywhere", NULL },
  { "nul-ok", "ok-tail=nul", NULL },
  { "unended-ok", "ok-tail=none", NULL },
  { "numbers", "cmee=1", NULL },
  { "boot-noise", "boot-noise=all", NULL },
  { "sibling", "cgsn=serial", "ati=sibling", "tv-answer=bare", "poll-answer=bare", NULL },
  { "slips", "cgsn=prefix", "tv-answer=unquoted", "poll-answer=fotapollen", "result-form=bare", NULL },
  { "everything", "spacing=odd", "case=lower", "sprinkle=both", "split=1", "first-ind=before-ok" },
};

static gboolean
has_said_all (DaemonFixture *f, guint from)
{
  g_autofree char *words = lab_indications (f, "m0", from);
  return strstr (words, "SUCCESS_END") != NULL;
}

static const char *const normal[] = {
  "eol=crlf",      "tight=false", "blank-lines=0", "case=guide", "spacing=guide", "colon=ascii", "sprinkle=none",
  "split=0",       "glue=0",      "echo-boot=on",  "inject=",    "ok-tail=eol",   "cmee=2",      "boot-noise=none",
  "cgsn=bare",     "ati=me3630",  "tv-answer=quoted", "poll-answer=fotaip", "result-form=fotactr", "first-ind=script",
};

/* One daemon, one module after the other: it boots anew with each look. */
static void
test_looks (gconstpointer wiring)
{
  g_autoptr (DaemonFixture) f = lab_new (wiring, script, "");
  SimProcess *sim = lab_sim (f, 0);

  for (guint i = 0; i < G_N_ELEMENTS (looks); i++)
    {
      guint from;
      g_autofree char *states = NULL;
      g_autofree char *words = NULL;

      g_test_message ("look %s", looks[i][0]);
      sim_control (sim, "set imei=86486304000%04u", i);
      sim_control (sim, "firmware " OLD_VERSION);
      for (guint k = 1; k < G_N_ELEMENTS (looks[i]) && looks[i][k] != NULL; k++)
        sim_control (sim, "set %s", looks[i][k]);
      sim_control (sim, "reboot 5");
      daemon_await_state (f, "m0", "absent");
      daemon_await_state (f, "m0", "idle");
      g_assert_cmpstr (daemon_get_string (f, "m0", "FirmwareVersion"), ==, OLD_VERSION);
      g_assert_cmpstr (daemon_get_string (f, "m0", "ServerAddress"), ==, "114.55.56.19");
      from = f->events->len;
      lab_upgrade (f, "");
      daemon_await_finished (f, "m0", "success", NULL);
      DAEMON_AWAIT (f, g_str_equal (daemon_get_string (f, "m0", "State"), "idle") && has_said_all (f, from));
      words = lab_indications (f, "m0", from);
      g_assert_cmpstr (words, ==, WORDS);
      states = lab_told (f, "m0", "State", from);
      g_assert_cmpstr (states, ==, "starting downloading verifying updating rebooting checking idle");
      g_assert_cmpstr (daemon_get_string (f, "m0", "FirmwareVersion"), ==, NEW_VERSION);
      g_assert_cmpuint (daemon_get_number (f, "m0", "DownloadSeconds"), ==, 17);
      for (guint k = 0; k < G_N_ELEMENTS (normal); k++)
        sim_control (sim, "set %s", normal[k]);
    }
}

/* What the guide does not know is signalled as it came, and changes nothing. */
static void
test_raw (void)
{
  static const struct
  {
    const char *hex; /* behind +FOTAIND: */
    const char *status, *argument, *raw;
  } lines[] = {
    { "20 4e 45 57 20 57 4f 52 44 3a 20 61 3a 62", "NEW_WORD", "a:b", "NEW WORD: a:b" },
    { "68 65 6c 6c 6f", "HELLO", "", "hello" },
    { "41 a3 ba 31", "A", "1", "A：1" },
    { "41 e9 42", "A\xef\xbf\xbd" "B", "", "A\xef\xbf\xbd" "B" },
  };
  static const char *const without_effect[] = { "FAIL_END", "SUCCESS_END", "COSTTIME:0min1sec", "ERROR:5" };
  g_autoptr (DaemonFixture) f = lab_new ("usb", NULL, "");
  guint from = f->events->len;
  g_autofree char *states = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (lines); i++)
    {
      const char *status, *argument, *raw;
      sim_control (lab_sim (f, 0), "raw 0d 0a 2b 46 4f 54 41 49 4e 44 3a %s 0d 0a", lines[i].hex);
      g_variant_get (daemon_await_signal (f, "m0", "FotaInd"), "(&s&s&s)", &status, &argument, &raw);
      g_assert_cmpstr (status, ==, lines[i].status);
      g_assert_cmpstr (argument, ==, lines[i].argument);
      g_assert_cmpstr (raw, ==, lines[i].raw);
    }
  for (guint i = 0; i < G_N_ELEMENTS (without_effect); i++)
    {
      sim_control (lab_sim (f, 0), "ind %s", without_effect[i]);
      daemon_await_signal (f, "m0", "FotaInd");
    }
  lab_commands (f, lab_sim (f, 0));
  states = lab_told (f, "m0", "State", from);
  g_assert_cmpstr (states, ==, "");
  g_assert_cmpstr (daemon_get_string (f, "m0", "Status"), ==, "");
  g_assert_cmpuint (lab_count (f, "m0", "Finished"), ==, 0);
}

int
main (int argc, char **argv)
{
  lab_init (&argc, &argv);
  g_test_add_data_func ("/daemon/line/looks", "usb", test_looks);
  g_test_add_func ("/daemon/line/raw", test_raw);
  return g_test_run ();
}
