/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-settings.h"

#include <string.h>

#include "at-channel-fixture.h"
#include "mefota-error.h"

static char *host_names_from[] = { (char *) "ME3630C2CV1.0B06", NULL };
static const MefotaProfile profile = { .server_names = host_names_from, .target_quoted = TRUE };
static const MefotaProfile sibling = { .server_names = host_names_from, .server_quoted = TRUE };

/* ---- answers ---- */

static char **
split (const char *lines)
{
  return *lines != '\0' ? g_strsplit (lines, "\n", -1) : g_new0 (char *, 1);
}

static void
test_parse_server (void)
{
  static const struct
  {
    const char *lines;
    const char *server; /* NULL: not understood */
    guint16 port;
  } table[] = {
    { "+FOTAIP: 114.55.56.19,45000", "114.55.56.19", 45000 },
    { "+FOTAIP:114.55.56.19,45000", "114.55.56.19", 45000 },
    { "+fotaip: wecloud.iot.gosuncnwelink.com,45000", "wecloud.iot.gosuncnwelink.com", 45000 },
    { "+FOTAIP: \"114.55.56.19\",45000", "114.55.56.19", 45000 },
    { "+FOTAIP: \"114.55.56.19\" , \"45000\"", "114.55.56.19", 45000 },
    { "114.55.56.19,45000", "114.55.56.19", 45000 },
    { "noise\n+FOTAIP: 10.0.0.1,0", "10.0.0.1", 0 },
    { "+FOTAIP: 10.0.0.1,65535", "10.0.0.1", 65535 },
    { "+FOTAIP: 10.0.0.1,65536", NULL, 0 },
    { "+FOTAIP: 10.0.0.1,-1", NULL, 0 },
    { "+FOTAIP: 10.0.0.1,x", NULL, 0 },
    { "+FOTAIP: 10.0.0.1", NULL, 0 },
    { "+FOTAIP: 10.0.0.1,1,2", NULL, 0 },
    { "+FOTAIP: ,45000", NULL, 0 },
    { "+FOTAIP: \"\",45000", NULL, 0 },
    { "+FOTAIP: 1", NULL, 0 },
    { "", NULL, 0 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_auto (GStrv) lines = split (table[i].lines);
      g_autofree char *server = NULL;
      guint16 port = 0;

      g_assert_cmpint (mefota_settings_parse_server ((const char *const *) lines, &server, &port), ==,
                       table[i].server != NULL);
      g_assert_cmpstr (server, ==, table[i].server);
      g_assert_cmpuint (port, ==, table[i].port);
    }
}

static void
test_parse_polling (void)
{
  static const struct
  {
    const char *lines;
    int polling; /* -1: not understood */
  } table[] = {
    { "+FOTAPOLLEN: 1", 1 },    { "+FOTAPOLLEN:0", 0 },      { "+FOTAIP: 1", 1 },     { "+FOTAIP: 0", 0 },
    { "+FOTAAPOLLEN: 1", 1 },   { "+fotapollen: 1", 1 },     { "1", 1 },              { "0", 0 },
    { "+FOTAPOLLEN: \"1\"", 1 }, { "+FOTAPOLLEN: 2", -1 },   { "+FOTAPOLLEN:", -1 },  { "+FOTAPOLLEN: 10", -1 },
    { "+FOTAIP: 114.55.56.19,45000", -1 }, { "+fotapollen:(0,1)", -1 }, { "noise\n+FOTAPOLLEN: 1", 1 }, { "", -1 },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_auto (GStrv) lines = split (table[i].lines);
      gboolean polling = 7;
      gboolean known = mefota_settings_parse_polling ((const char *const *) lines, &polling);

      g_assert_cmpint (known, ==, table[i].polling >= 0);
      g_assert_cmpint (polling, ==, known ? table[i].polling : 7);
    }
}

static void
test_parse_target (void)
{
  static const struct
  {
    const char *lines;
    const char *target;
  } table[] = {
    { "+FOTATV: \"WIFI_ME3630V1.0B05\"", "WIFI_ME3630V1.0B05" },
    { "+FOTATV:WIFI_ME3630V1.0B05", "WIFI_ME3630V1.0B05" },
    { "+fotatv: \"x\"", "x" },
    { "OC_ME3616C1AV0.0B08", "OC_ME3616C1AV0.0B08" },
    { "+FOTATV: \"\"", "" },
    { "+FOTATV:", "" },
    { "", NULL },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_auto (GStrv) lines = split (table[i].lines);
      g_autofree char *target = NULL;

      g_assert_cmpint (mefota_settings_parse_target ((const char *const *)lines, &target), ==, table[i].target != NULL);
      g_assert_cmpstr (target, ==, table[i].target);
    }
}

static void
test_parse_nothing (void)
{
  g_autofree char *text = NULL;
  guint16 port;
  gboolean polling;

  g_assert_false (mefota_settings_parse_server (NULL, &text, &port));
  g_assert_false (mefota_settings_parse_polling (NULL, &polling));
  g_assert_false (mefota_settings_parse_target (NULL, &text));
}

/* ---- checks ---- */

static void
check_outcome (gboolean ok, const GError *error, int code)
{
  g_assert_cmpint (ok, ==, code < 0);
  if (code < 0)
    {
      g_assert_no_error (error);
      return;
    }
  g_assert_error (error, MEFOTA_ERROR, code);
  g_assert_true (g_str_has_suffix (error->message, "."));
  g_assert_true (g_utf8_validate (error->message, -1, NULL));
}

static void
check_server (const char *address, guint port, const char *version, int code)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = mefota_settings_check_server (address, port, &profile, version, &error);

  check_outcome (ok, error, code);
}

static void
check_target (const char *target, int code)
{
  g_autoptr (GError) error = NULL;
  gboolean ok = mefota_settings_check_target (target, &error);

  check_outcome (ok, error, code);
}

static void
test_check_server (void)
{
  enum { ACCEPTED = -1, INVALID = MEFOTA_ERROR_INVALID_ARGUMENT, UNABLE = MEFOTA_ERROR_NOT_SUPPORTED };
  static const char *const knows = "ME3630C2CV1.0B06", *const does_not = "ME3630C2CV1.0B05";
  static const struct
  {
    const char *address;
    guint port;
    const char *version;
    int code;
  } table[] = {
    { "114.55.56.19", 45000, does_not, ACCEPTED },
    { "114.55.56.19", 1, does_not, ACCEPTED },
    { "114.55.56.19", 65535, "", ACCEPTED },
    { "114.55.56.19", 0, knows, INVALID },
    { "114.55.56.19", 65536, knows, INVALID },
    { "114.55.56.19", 110536, knows, INVALID },
    { "0.0.0.0", 1, knows, INVALID },
    { "114.55.56", 1, knows, INVALID },
    { "114.55.56.256", 1, knows, INVALID },
    { "1.2.3.4.5", 1, knows, INVALID },
    { "::1", 1, knows, INVALID },
    { "2001:db8::1", 1, knows, INVALID },
    { "", 1, knows, INVALID },
    { ".", 1, knows, INVALID },
    { "a..b", 1, knows, INVALID },
    { "-a.b", 1, knows, INVALID },
    { "a-.b", 1, knows, INVALID },
    { "a b", 1, knows, INVALID },
    { "a,b", 1, knows, INVALID },
    { "a\"b", 1, knows, INVALID },
    { "a\r\nAT+FOTACTR", 1, knows, INVALID },
    { "a;b", 1, knows, INVALID },
    { "ü.de", 1, knows, INVALID },
    { "\xff", 1, knows, INVALID },
    { "a-b.c3", 1, knows, ACCEPTED },
    { "wecloud.iot.gosuncnwelink.com", 45000, knows, ACCEPTED },
    { "wecloud.iot.gosuncnwelink.com", 45000, "ME3630C2CV1.0B07", ACCEPTED },
    { "wecloud.iot.gosuncnwelink.com", 45000, "ME3630C2CV1.0B06 [Apr 18 2019]", ACCEPTED },
    { "wecloud.iot.gosuncnwelink.com", 45000, does_not, UNABLE },
    { "wecloud.iot.gosuncnwelink.com", 45000, "ME3630U1AV1.0B09", UNABLE },
    { "wecloud.iot.gosuncnwelink.com", 45000, "", UNABLE },
  };
  g_autofree char *label63 = g_strnfill (63, 'a');
  g_autofree char *label64 = g_strnfill (64, 'a');
  g_autofree char *long253 = g_strjoin (".", label63, label63, label63, label63 + 2, NULL);
  g_autofree char *long254 = g_strjoin (".", label63, label63, label63, label63 + 1, NULL);

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    check_server (table[i].address, table[i].port, table[i].version, table[i].code);
  check_server (label63, 1, knows, ACCEPTED);
  check_server (label64, 1, knows, INVALID);
  check_server (long253, 1, knows, ACCEPTED);
  check_server (long254, 1, knows, INVALID);
}

static void
test_check_target (void)
{
  static const char *const good[] = { "WIFI_ME3630V1.0B05", "x", "A B", "QS_ME3630U1AV1.0B04 [Apr 18 2019 13:43:33]",
                                      "~!'," };
  static const char *const bad[] = { "", "a\"b", "a;b", "a\rb", "a\nb", "a\tb", "a\x7f", "ü", "\xff" };
  g_autofree char *sixty = g_strnfill (60, 'V');
  g_autofree char *more = g_strnfill (61, 'V');

  for (gsize i = 0; i < G_N_ELEMENTS (good); i++)
    check_target (good[i], -1);
  for (gsize i = 0; i < G_N_ELEMENTS (bad); i++)
    check_target (bad[i], MEFOTA_ERROR_INVALID_ARGUMENT);
  check_target (sixty, -1);
  check_target (more, MEFOTA_ERROR_INVALID_ARGUMENT);
}

static void
test_commands (void)
{
  g_autofree char *server = mefota_settings_server_command (&profile, "114.55.56.19", 45000);
  g_autofree char *quoted_server = mefota_settings_server_command (&sibling, "114.55.56.19", 45000);
  g_autofree char *target = mefota_settings_target_command (&profile, "V1");
  g_autofree char *bare_target = mefota_settings_target_command (&sibling, "V1");

  g_assert_cmpstr (server, ==, "AT+FOTAIP=114.55.56.19,45000");
  g_assert_cmpstr (quoted_server, ==, "AT+FOTAIP=\"114.55.56.19\",45000");
  g_assert_cmpstr (target, ==, "AT+FOTATV=\"V1\"");
  g_assert_cmpstr (bare_target, ==, "AT+FOTATV=V1");
}

/* ---- over a line ---- */

static void
note_outcome (Fixture *f, MefotaSettings *settings, GError *error)
{
  g_autoptr (MefotaSettings) owned = settings;

  if (owned != NULL)
    note (f, "%s,%u %s%s %s", owned->server, owned->port, owned->polling_known ? "" : "?",
          owned->polling ? "on" : "off", owned->target);
  else if (error->domain == MEFOTA_ERROR)
    note (f, "%s", strrchr (mefota_error_get_name ((MefotaError) error->code), '.') + 1);
  else
    note (f, "%s %d", g_quark_to_string (error->domain), error->code);
  if (error != NULL)
    g_test_message ("%s", error->message);
}

static void
on_settings_read (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  MefotaSettings *settings = mefota_settings_read_finish (result, &error);

  note_outcome (data, settings, error);
}

static void
on_settings_written (GObject *source, GAsyncResult *result, gpointer data)
{
  g_autoptr (GError) error = NULL;
  MefotaSetting written;
  MefotaSettings *settings = mefota_settings_write_finish (result, &written, &error);

  note_outcome (data, settings, error);
}

#define SERVER "\r\n+FOTAIP: 10.0.0.1,45000\r\n\r\nOK\r\n"
#define POLLING_SLIP "\r\n+FOTAIP: 1\r\n\r\nOK\r\n"
#define POLLING "\r\n+FOTAPOLLEN: 1\r\n\r\nOK\r\n"
#define TARGET "\r\n+FOTATV: \"V2\"\r\n\r\nOK\r\n"
#define OK "\r\nOK\r\n"
#define REFUSED "\r\n+CME ERROR: 100\r\n"

static void
expect_queries (Fixture *f, const char *server, const char *polling, const char *target)
{
  expect (f, "AT+FOTAIP?\r", server);
  expect (f, "AT+FOTAPOLLEN?\r", polling);
  expect (f, "AT+FOTATV?\r", target);
}

static void
test_read (Fixture *f, gconstpointer data)
{
  static const struct
  {
    const char *server, *polling, *target;
    const char *outcome;
  } table[] = {
    { SERVER, POLLING, TARGET, "10.0.0.1,45000 on V2; " },
    { SERVER, POLLING_SLIP, TARGET, "10.0.0.1,45000 on V2; " },
    { SERVER, "\r\n+FOTAIP: 0\r\n\r\nOK\r\n", TARGET, "10.0.0.1,45000 off V2; " },
    { SERVER, "\r\n+FOTAAPOLLEN: 1\r\n\r\nOK\r\n", "\r\nV2\r\n\r\nOK\r\n", "10.0.0.1,45000 on V2; " },
    { REFUSED, REFUSED, "\r\nERROR\r\n", ",0 ?off ; " },
    { OK, OK, OK, ",0 ?off ; " },
    { "\r\n+FOTAIP: nonsense\r\n\r\nOK\r\n", "\r\n+FOTAPOLLEN: maybe\r\n\r\nOK\r\n", OK, ",0 ?off ; " },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      expect_queries (f, table[i].server, table[i].polling, table[i].target);
      mefota_settings_read_async (f->channel, LONG_MS, NULL, on_settings_read, f);
      await (f, table[i].outcome);
    }
}

/* Who has not answered the first query is not asked the others. */
static void
test_read_silent (Fixture *f, gconstpointer data)
{
  expect (f, "AT+FOTAIP?\r", SERVER);
  expect (f, "AT+FOTAPOLLEN?\r", "");
  mefota_settings_read_async (f->channel, 100, NULL, on_settings_read, f);
  await (f, "10.0.0.1,45000 ?off ; ");
}

static void
test_read_hang_up (Fixture *f, gconstpointer data)
{
  expect (f, "AT+FOTAIP?\r", "");
  mefota_settings_read_async (f->channel, LONG_MS, NULL, on_settings_read, f);
  await_steps (f);
  unplug (f);
  await (f, "NotPresent; hang-up; ");
}

static void
test_read_cancelled (Fixture *f, gconstpointer data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  g_cancellable_cancel (cancellable);
  mefota_settings_read_async (f->channel, LONG_MS, cancellable, on_settings_read, f);
  await (f, "g-io-error-quark 19; ");
}

static void
test_write (Fixture *f, gconstpointer data)
{
  static const struct
  {
    MefotaSetting setting;
    MefotaSettings wanted;
    const char *command;
    const char *server, *polling, *target; /* read back */
    const char *outcome;
  } table[] = {
    { MEFOTA_SETTING_SERVER, { .server = (char *) "10.0.0.1", .port = 45000 }, "AT+FOTAIP=10.0.0.1,45000\r",
      SERVER, POLLING, TARGET, "10.0.0.1,45000 on V2; " },
    { MEFOTA_SETTING_SERVER, { .server = (char *) "10.0.0.1", .port = 45001 }, "AT+FOTAIP=10.0.0.1,45001\r",
      SERVER, POLLING, TARGET, "ModuleError; " },
    { MEFOTA_SETTING_SERVER, { .server = (char *) "10.0.0.2", .port = 45000 }, "AT+FOTAIP=10.0.0.2,45000\r",
      SERVER, POLLING, TARGET, "ModuleError; " },
    { MEFOTA_SETTING_SERVER, { .server = (char *) "Host.Name", .port = 1 }, "AT+FOTAIP=Host.Name,1\r",
      "\r\n+FOTAIP: \"host.name\",1\r\n\r\nOK\r\n",
      POLLING, TARGET, "host.name,1 on V2; " },
    { MEFOTA_SETTING_SERVER, { .server = (char *) "10.0.0.2", .port = 45000 }, "AT+FOTAIP=10.0.0.2,45000\r",
      REFUSED, POLLING, TARGET, "10.0.0.2,45000 on V2; " }, /* it does not tell: its OK must do */
    { MEFOTA_SETTING_POLLING, { .polling = TRUE }, "AT+FOTAPOLLEN=1\r",
      SERVER, POLLING_SLIP, TARGET, "10.0.0.1,45000 on V2; " },
    { MEFOTA_SETTING_POLLING, { .polling = FALSE }, "AT+FOTAPOLLEN=0\r",
      SERVER, POLLING_SLIP, TARGET, "ModuleError; " },
    { MEFOTA_SETTING_POLLING, { .polling = TRUE }, "AT+FOTAPOLLEN=1\r",
      SERVER, REFUSED, TARGET, "10.0.0.1,45000 on V2; " },
    { MEFOTA_SETTING_TARGET, { .target = (char *) "V2" }, "AT+FOTATV=\"V2\"\r",
      SERVER, POLLING, TARGET, "10.0.0.1,45000 on V2; " },
    { MEFOTA_SETTING_TARGET, { .target = (char *) "V3" }, "AT+FOTATV=\"V3\"\r",
      SERVER, POLLING, TARGET, "ModuleError; " },
    { MEFOTA_SETTING_TARGET, { .target = (char *) "V3" }, "AT+FOTATV=\"V3\"\r",
      SERVER, POLLING, REFUSED, "10.0.0.1,45000 on V3; " },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (table); i++)
    {
      expect (f, table[i].command, OK);
      expect_queries (f, table[i].server, table[i].polling, table[i].target);
      mefota_settings_write_async (f->channel, &profile, table[i].setting, &table[i].wanted, LONG_MS, NULL, NULL,
                                   on_settings_written, f);
      await (f, table[i].outcome);
    }
}

/* The module's no, and its silence, are the answer; nothing is read back. */
static void
test_write_refused (Fixture *f, gconstpointer data)
{
  static const MefotaSettings wanted = { .polling = TRUE };
  static const char *const answers[] = { "\r\nERROR\r\n", "\r\n+CME ERROR: 10\r\n",
                                         "\r\n+CME ERROR: operation not allowed\r\n" };

  for (gsize i = 0; i < G_N_ELEMENTS (answers); i++)
    {
      expect (f, "AT+FOTAPOLLEN=1\r", answers[i]);
      mefota_settings_write_async (f->channel, &profile, MEFOTA_SETTING_POLLING, &wanted, LONG_MS, NULL, NULL,
                                   on_settings_written, f);
      await (f, "ModuleError; ");
    }
  expect (f, "AT+FOTAPOLLEN=1\r", "");
  mefota_settings_write_async (f->channel, &profile, MEFOTA_SETTING_POLLING, &wanted, 100, NULL, NULL,
                               on_settings_written, f);
  await (f, "Timeout; ");
}

static void
test_write_hang_up (Fixture *f, gconstpointer data)
{
  static const MefotaSettings wanted = { .target = (char *) "V2" };

  expect (f, "AT+FOTATV=\"V2\"\r", OK);
  expect (f, "AT+FOTAIP?\r", "");
  mefota_settings_write_async (f->channel, &profile, MEFOTA_SETTING_TARGET, &wanted, LONG_MS, NULL, NULL,
                               on_settings_written, f);
  await_steps (f);
  unplug (f);
  await (f, "NotPresent; hang-up; ");
}

static void
add (const char *path, void (*test) (Fixture *f, gconstpointer data))
{
  g_test_add (path, Fixture, NULL, set_up, test, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/settings/parse-server", test_parse_server);
  g_test_add_func ("/settings/parse-polling", test_parse_polling);
  g_test_add_func ("/settings/parse-target", test_parse_target);
  g_test_add_func ("/settings/parse-nothing", test_parse_nothing);
  g_test_add_func ("/settings/check-server", test_check_server);
  g_test_add_func ("/settings/check-target", test_check_target);
  g_test_add_func ("/settings/commands", test_commands);
  add ("/settings/read", test_read);
  add ("/settings/read-silent", test_read_silent);
  add ("/settings/read-hang-up", test_read_hang_up);
  add ("/settings/read-cancelled", test_read_cancelled);
  add ("/settings/write", test_write);
  add ("/settings/write-refused", test_write_refused);
  add ("/settings/write-hang-up", test_write_hang_up);
  return g_test_run ();
}
