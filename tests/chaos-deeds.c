/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* What the dice may do to a daemon and its modules. */

#include "chaos-play.h"

#include <string.h>

/* ---- what callers do ---- */

static char *
next_version (Chaos *self, guint module)
{
  return g_strdup_printf ("ME3630C1CV2.0B%02u", 10 + ++self->next[module] % 80);
}

static void
do_upgrade (Chaos *self, guint i)
{
  static const char *const fails[] = { "FAIL_CONNECT", "FAIL_NO_NEW", "FAIL_VERIFY", "FAIL_END", "ERROR:50" };
  g_autofree char *next = next_version (self, i);
  gboolean targeted = CHAOS_ONE_IN (self, 3);
  GVariantDict options;

  g_variant_dict_init (&options, NULL);
  if (CHAOS_ONE_IN (self, 2))
    g_variant_dict_insert (&options, "force", "b", TRUE);
  chaos_tell (self, self->sims[i], "set next-firmware=%s", next);
  if (CHAOS_ONE_IN (self, 5))
    chaos_tell (self, self->sims[i], "set fail=%s", CHAOS_ANY_OF (self, fails));
  else
    chaos_tell (self, self->sims[i], "set fail=");
  chaos_call (self, chaos_names[i], "Upgrade",
              g_variant_new ("(s@a{sv})", targeted ? next : "", g_variant_dict_end (&options)), NULL);
}

static void
do_install (Chaos *self, guint i)
{
  g_autofree char *next = next_version (self, i);
  GVariantDict options;

  chaos_tell (self, self->sims[i], "set next-firmware=%s", next);
  g_variant_dict_init (&options, NULL);
  if (CHAOS_ONE_IN (self, 2))
    g_variant_dict_insert (&options, "sha256", "s", self->package_sha256);
  if (CHAOS_ONE_IN (self, 2))
    g_variant_dict_insert (&options, "expected-version", "s", next);
  if (CHAOS_ONE_IN (self, 4))
    g_variant_dict_insert (&options, "method", "s", CHAOS_ONE_IN (self, 2) ? "serial" : "adb");
  chaos_call_with_fd (self, chaos_names[i], "Install",
                      g_variant_new ("(h@a{sv})", 0, g_variant_dict_end (&options)), NULL, self->package);
}

static void
do_confirm (Chaos *self, guint i)
{
  chaos_call (self, chaos_names[i], "Confirm",
              g_variant_new_parsed (CHAOS_ONE_IN (self, 4) ? "(%b, {'report': <true>})" : "(%b, @a{sv} {})",
                                    !CHAOS_ONE_IN (self, 3)),
              NULL);
}

static void
do_set_server (Chaos *self, guint i)
{
  guint n = CHAOS_BELOW (self, 200) + 1;
  g_autofree char *address = g_strdup_printf ("10.0.0.%u", n);
  g_autofree char *value = g_strdup_printf ("server %s,%u", address, 1000 + n);

  if (CHAOS_ONE_IN (self, 8))
    chaos_call (self, chaos_names[i], "SetServer", g_variant_new ("(sq)", "update.example.org", 1000), NULL);
  else if (CHAOS_ONE_IN (self, 8))
    {
      g_autofree char *command = g_strdup_printf ("AT+FOTAIP=%s,%u", address, 1000 + n);
      chaos_call (self, chaos_names[i], "SendCommand", g_variant_new ("(su)", command, 0), value);
    }
  else
    chaos_call (self, chaos_names[i], "SetServer", g_variant_new ("(sq)", address, 1000 + n), value);
}

static void
do_set_polling (Chaos *self, guint i)
{
  gboolean on = CHAOS_ONE_IN (self, 2);

  chaos_call (self, chaos_names[i], "SetPolling", g_variant_new ("(b)", on), on ? "polling 1" : "polling 0");
}

static void
do_set_target (Chaos *self, guint i)
{
  g_autofree char *next = next_version (self, i);

  chaos_call (self, chaos_names[i], "SetTargetVersion",
              g_variant_new ("(s)", CHAOS_ONE_IN (self, 8) ? "" : next), NULL);
}

static void
do_send_command (Chaos *self, guint i)
{
  static const char *const commands[] = { "AT+CSQ", "AT+FOTACTR?", "AT+CGMR", "AT", "AT+NONSENSE", "ATI",
                                          "AT+CFUN=1,1", "AT+FOTACTR", "no command", "AT+COPS?", "AT+ZCOMDEL" };
  static const guint times[] = { 0, 0, 300, 3000 };

  chaos_call (self, chaos_names[i], "SendCommand", g_variant_new ("(su)", CHAOS_ANY_OF (self, commands),
                                                                  CHAOS_ANY_OF (self, times)), NULL);
}

static void
do_plain (Chaos *self, guint i)
{
  static const char *const methods[] = { "Cancel", "Cancel", "Cancel", "Restart", "Restart", "Refresh", "Refresh",
                                         "Refresh", "CheckReadiness", "CheckReadiness", "DeletePackage" };

  chaos_call (self, chaos_names[i], CHAOS_ANY_OF (self, methods), NULL, NULL);
}

static void
do_manager (Chaos *self, guint i)
{
  switch (CHAOS_BELOW (self, 4))
    {
    case 0:
      chaos_call (self, "", "FindModule",
                  g_variant_new ("(s)", CHAOS_ONE_IN (self, 3) ? "nobody" : chaos_imeis[i]), NULL);
      break;
    case 1:
      chaos_call (self, "", "GetHistory", g_variant_new_parsed ("(@a{sv} {'limit': <@u 3>},)"), NULL);
      break;
    default:
      if (self->holds->len == 0 && CHAOS_ONE_IN (self, 2))
        chaos_call (self, "", "Hold", g_variant_new ("(ss)", "chaos", "for fun"), NULL);
      break;
    }
}

static void
do_let_go (Chaos *self, guint i)
{
  if (self->holds->len > 0)
    chaos_let_go (self);
}

/* ---- what modules do ---- */

static void
do_indication (Chaos *self, guint i)
{
  static const char *const words[] = { "START", "DOWNLOADING:25%", "NEED_VERIFY", "PASS_VERIFY", "UPDATING",
                                       "SUCCESS_END", "FAIL_END", "FAIL_CONNECT", "FAIL_NO_NEW", "NEED_CONFIRM",
                                       "NEED_CONFIRM", "SUCCESS CONFIRM", "FAIL_CONFIRM", "COSTTIME:0min17sec",
                                       "ODD_WORD", "FAIL_WAIT_TIMEOUT" };

  chaos_tell (self, self->sims[i], "ind %s", CHAOS_ANY_OF (self, words));
}

static void
do_question (Chaos *self, guint i)
{
  g_autofree char *next = next_version (self, i);

  chaos_tell (self, self->sims[i], "set next-firmware=%s", next);
  chaos_tell (self, self->sims[i], "question");
}

static void
do_own_upgrade (Chaos *self, guint i)
{
  g_autofree char *next = next_version (self, i);

  chaos_tell (self, self->sims[i], "set next-firmware=%s", next);
  chaos_tell (self, self->sims[i], "run AT+FOTACTR");
}

static void
do_vanish (Chaos *self, guint i)
{
  chaos_tell (self, self->sims[i], self->away[i] ? "return" : "vanish");
  self->away[i] = !self->away[i];
}

static void
do_power (Chaos *self, guint i)
{
  static const char *const ways[] = { "reboot 3", "reboot 40", "hangup", "set mute=30", "set mute=0", "set mute=120",
                                      "abort" };

  chaos_tell (self, self->sims[i], "%s", CHAOS_ANY_OF (self, ways));
}

static void
do_fault (Chaos *self, guint i)
{
  static const char *const patterns[] = { "AT", "AT+C*", "AT+CGMR", "AT+FOTACTR", "AT+FOTACTR=*", "AT+FOTAIP?",
                                          "AT+FOTAIP=*", "AT+FOTAPOLLEN=*", "AT+FOTA*", "AT+CSQ", "AT+CFUN*",
                                          "AT+ZCOM*", "AT+CPIN?", "AT+FOTACTR?", "AT*" };
  static const char *const actions[] = { "error", "silent", "late 10", "late 60", "late 200", "hangup", "garbage",
                                         "cut", "cme 3" };

  chaos_tell (self, self->sims[i], "set fault=%ux %s %s", 1 + CHAOS_BELOW (self, 2), CHAOS_ANY_OF (self, patterns),
        CHAOS_ANY_OF (self, actions));
}

static void
do_switch (Chaos *self, guint i)
{
  static const char *const switches[] = {
    "set lose-settings=server,polling", "set lose-settings=server", "set lose-settings=", "set spacing=odd",
    "set spacing=guide", "set split=3", "set split=0", "set first-ind=before-ok", "set first-ind=script",
    "set repeat-ind=1", "set repeat-ind=0", "set lose-last=true", "set lose-last=false", "set delay=5",
    "set delay=0", "set boot-noise=all", "set boot-noise=zready", "set boot-noise=none", "set echo-boot=keep",
    "set extra-reboots=1", "set extra-reboots=0", "set linger=0", "set linger=0.1", "set quiet-refusal=true",
    "set quiet-refusal=false", "set confirm-word=SUCCESS CONFIRM", "set confirm-word=", "set hangup-kind=link",
    "set hangup-kind=reboot", "set hangup-after-ind=2", "set poll-after=20", "set poll-after=0",
    "set inject=+ZPASR: \"LTE\",\"PS_ONLY\"", "set inject=", "set keep-firmware=true", "set keep-firmware=false",
  };

  chaos_tell (self, self->sims[i], "%s", CHAOS_ANY_OF (self, switches));
}

static void
do_noise (Chaos *self, guint i)
{
  static const char *const noises[] = { "garbage 40", "urc +ZPASR: \"LTE\",\"PS_ONLY\"", "urc +ZREADY", "urc OK",
                                        "urc ERROR" };

  chaos_tell (self, self->sims[i], "%s", noises[CHAOS_BELOW (self, 3)]);
}

/* ---- what befalls the daemon ---- */

static void
do_end_daemon (Chaos *self, guint i)
{
  gboolean gently = CHAOS_ONE_IN (self, 2);
  gint64 now = g_get_real_time ();

  if (!CHAOS_ONE_IN (self, 3))
    return;
  chaos_note (self, "ends the daemon with %s", gently ? "SIGTERM" : "SIGKILL");
  g_array_append_val (self->kills, now);
  if (gently)
    daemon_stop (self->f);
  else
    daemon_kill (self->f);
  if (CHAOS_ONE_IN (self, 3))
    chaos_pass (self, CHAOS_BELOW (self, 400));
  self->daemon++;
  daemon_start (self->f, NULL);
  chaos_note (self, "the daemon is there again");
}

static const struct
{
  void (*act) (Chaos *self, guint i);
  guint weight;
} deeds[] = {
  { do_upgrade, 12 },     { do_install, 6 },  { do_confirm, 8 },  { do_set_server, 6 },  { do_set_polling, 5 },
  { do_set_target, 4 },   { do_plain, 14 },   { do_manager, 5 },  { do_let_go, 5 },      { do_send_command, 8 },
  { do_indication, 6 },   { do_question, 6 }, { do_vanish, 6 },   { do_power, 6 },       { do_fault, 8 },
  { do_switch, 6 },       { do_noise, 2 },    { do_end_daemon, 3 }, { do_own_upgrade, 3 },
};

static void
step (Chaos *self)
{
  guint all = 0, n, i = CHAOS_ONE_IN (self, 3) ? CHAOS_BELOW (self, self->n_modules) : self->focus;

  for (guint k = 0; k < G_N_ELEMENTS (deeds); k++)
    all += deeds[k].weight;
  n = CHAOS_BELOW (self, all);
  for (guint k = 0; k < G_N_ELEMENTS (deeds); n -= deeds[k++].weight)
    if (n < deeds[k].weight)
      {
        deeds[k].act (self, i);
        break;
      }
  g_assert_true (self->f->daemon_there);
  if (CHAOS_ONE_IN (self, 2))
    chaos_pass (self, CHAOS_BELOW (self, CHAOS_ONE_IN (self, 10) ? 500 : 40));
}

void
chaos_burst (Chaos *self)
{
  guint n = 5 + CHAOS_BELOW (self, 20);

  self->focus = CHAOS_BELOW (self, self->n_modules);
  if (CHAOS_ONE_IN (self, 2))
    {
      chaos_tell (self, self->sims[self->focus], "set fault=none");
      chaos_tell (self, self->sims[self->focus], "set mute=0");
      if (self->away[self->focus])
        do_vanish (self, self->focus);
      for (guint i = 0; i < 50 && !g_str_equal (daemon_get_string (self->f, chaos_names[self->focus], "State"), "idle");
           i++)
        chaos_pass (self, 20);
    }
  while (n-- > 0)
    step (self);
}
