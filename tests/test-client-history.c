/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "client-run.h"

#include <errno.h>

#define RUN(...) run_and_end ((const char *const[]) { __VA_ARGS__, NULL })

typedef struct
{
  MockDaemon *mock;
} Fixture;

static GTestDBus *bus;

static void
set_up (Fixture *fixture, gconstpointer data)
{
  fixture->mock = mock_daemon_new (g_test_dbus_get_bus_address (bus));
  mock_daemon_add (fixture->mock, "usb_1");
}

static void
tear_down (Fixture *fixture, gconstpointer data)
{
  mock_daemon_free (fixture->mock);
}

static ClientRun *
run_and_end (const char *const *arguments)
{
  ClientRun *run = client_run_new (CLIENT_RUN_PIPE, 0, NULL, arguments);
  g_assert_cmpint (client_run_end (run), ==, 0);
  return run;
}

static GVariant *
make_history (guint n)
{
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("aa{sv}"));
  g_variant_builder_add_parsed (&builder, "{'id': <'1'>, 'module': <'usb_1'>, 'operation': <'network'>, "
                                          "'from-version': <'B04'>, 'to-version': <'B05'>, 'result': <'success'>, "
                                          "'error-name': <''>, 'started': <uint64 1714564800000000>, "
                                          "'seconds': <312.3>, 'reboots': <uint32 1>}");
  for (guint i = 1; i < n; i++)
    g_variant_builder_add_parsed (&builder,
                                  "{'id': <'2'>, 'module': <'usb_1'>, 'operation': <'adb'>, 'from-version': <'B04'>, "
                                  "'to-version': <''>, 'result': <'failure'>, 'late-version': <'B05'>, "
                                  "'error-name': <'org.gosuncn.Fota.Error.Timeout'>, 'error-message': <'Gone.'>, "
                                  "'started': <uint64 1714561200000000>, 'seconds': <3661.0>}");
  return g_variant_builder_end (&builder);
}

/* Neither there nor in the history. */
static void
assert_unknown (const char *key)
{
  const char *const arguments[] = { "history", "--json", "--module", key, NULL };
  g_autoptr (ClientRun) run = client_run_new (CLIENT_RUN_PIPE, 0, NULL, arguments);
  g_assert_cmpint (client_run_end (run), ==, 3);
  g_assert_cmpstr (run->out->str, ==, "");
  assert_has (run->err->str, key);
}

static void
test_history (Fixture *fixture, gconstpointer data)
{
  g_autoptr (ClientRun) none = RUN ("history");
  g_assert_cmpstr (none->out->str, ==, "");
  g_autoptr (ClientRun) none_json = RUN ("history", "--json");
  client_run_assert_json (none_json, FALSE, "d == []");
  g_autoptr (ClientRun) none_of_it = RUN ("history", "--json", "--module", "usb_1");
  client_run_assert_json (none_of_it, FALSE, "d == []");
  assert_unknown ("nope");
  assert_unknown ("866000000000001");
  mock_daemon_set_history (fixture->mock, make_history (2));
  g_autoptr (ClientRun) table = RUN ("history", "--limit", "7");
  assert_has (table->out->str, "2024-05-01 12:00:00  5 min 12 s  usb_1   network  B04 → B05  success\n");
  assert_has (table->out->str, "1 h 1 min   usb_1   adb      B04 → -    Timeout  came back late with B05\n");
  g_autoptr (ClientRun) json = RUN ("history", "--json", "--module", "usb_1");
  client_run_assert_json (json, FALSE, "d[0]['seconds'] == 312.3 and d[0]['started'] == 1714564800000000 and "
                                       "d[1]['error-name'].endswith('.Timeout')");
  /* a module that only the history knows, and an IMEI */
  g_autoptr (ClientRun) gone = RUN ("history", "--module", "gone");
  g_autoptr (ClientRun) imei = RUN ("history", "--module", "866000000000001");
  assert_has (gone->out->str, "B04 → B05");
  assert_has (imei->out->str, "B04 → B05");
}

static void
test_history_pager (Fixture *fixture, gconstpointer data)
{
  const char *const pager[] = { "PAGER=sed s/^/paged:/", NULL };
  const char *const missing[] = { "PAGER=/nonexistent/pager", NULL };
  const char *const arguments[] = { "history", NULL };
  const char *const no_pager[] = { "history", "--no-pager", NULL };
  mock_daemon_set_history (fixture->mock, make_history (30));
  g_autoptr (ClientRun) paged = client_run_new (CLIENT_RUN_TERMINAL, 200, pager, arguments);
  g_assert_cmpint (client_run_end (paged), ==, 0);
  assert_has (paged->out->str, "paged:2024-05-01 12:00:00");
  g_autoptr (ClientRun) without = client_run_new (CLIENT_RUN_TERMINAL, 200, pager, no_pager);
  g_assert_cmpint (client_run_end (without), ==, 0);
  assert_has (without->out->str, "\r\n2024-05-01 12:00:00");
  g_autoptr (ClientRun) lost = client_run_new (CLIENT_RUN_TERMINAL, 200, missing, arguments);
  g_assert_cmpint (client_run_end (lost), ==, 0);
  assert_has (lost->out->str, "\r\n2024-05-01 12:00:00");
  mock_daemon_set_history (fixture->mock, make_history (2));
  g_autoptr (ClientRun) brief = client_run_new (CLIENT_RUN_TERMINAL, 200, pager, arguments);
  g_assert_cmpint (client_run_end (brief), ==, 0);
  g_assert_null (strstr (brief->out->str, "paged:"));
}

/* The reason is told also when what came after the failure has gone well. */
static void
test_output_lost (Fixture *fixture, gconstpointer data)
{
  static const struct
  {
    const char *command;
    int code;
  } cases[] = { { "exec '" MEFOTACTL "' list >/dev/full", ENOSPC },
                { "exec '" MEFOTACTL "' --json list >/dev/full", ENOSPC },
                { "exec '" MEFOTACTL "' upgrade --no-wait >/dev/full", ENOSPC },
                { "exec '" MEFOTACTL "' list >&-", EBADF } };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      const char *const arguments[] = { "sh", "-c", cases[i].command, NULL };
      g_autoptr (ClientRun) run = client_run_new (CLIENT_RUN_PROGRAM, 0, NULL, arguments);
      g_assert_cmpint (client_run_end (run), ==, 1);
      assert_has (run->err->str, g_strerror (cases[i].code));
    }
}

/* What bash would offer after @words (a bash array's elements, the last one is being written). */
static void
assert_completion (const char *words, const char *expected)
{
  g_autofree char *script = g_strdup_printf ("source '" COMPLETION "'; COMP_WORDS=(%s); "
                                             "COMP_CWORD=$((${#COMP_WORDS[@]} - 1)); _mefotactl; "
                                             "echo \"${COMPREPLY[*]}\"", words);
  const char *const arguments[] = { "bash", "--norc", "-c", script, NULL };
  g_autoptr (ClientRun) run = client_run_new (CLIENT_RUN_PROGRAM, 0, NULL, arguments);
  g_assert_cmpint (client_run_end (run), ==, 0);
  g_assert_cmpstr (run->err->str, ==, "");
  g_strchomp (run->out->str);
  g_assert_cmpstr (run->out->str, ==, expected);
}

static void
test_completion (Fixture *fixture, gconstpointer data)
{
  g_autofree char *busctl = g_find_program_in_path ("busctl");
  g_autofree char *bash = g_find_program_in_path ("bash");
  if (busctl == NULL || bash == NULL)
    {
      g_test_skip ("bash and busctl are needed");
      return;
    }
  mock_daemon_add (fixture->mock, "uart");
  mock_daemon_set (fixture->mock, "uart", "FirmwareVersion", g_variant_new_string ("ME3630C2CV1.0B06 [Apr 18]"), NULL);
  mock_daemon_set_history (fixture->mock, make_history (2));
  assert_completion ("mefotactl l", "list logs");
  assert_completion ("mefotactl --module u", "uart usb_1");
  assert_completion ("mefotactl --module usb_1 polling ''", "on off");
  assert_completion ("mefotactl upgrade --target ''", "B04 B05 ME3630C2CV1.0B06 ME3630U1AV1.0B04");
  assert_completion ("mefotactl upgrade --target = ME3630U", "ME3630U1AV1.0B04");
  assert_completion ("mefotactl target ME3630C", "ME3630C2CV1.0B06");
  assert_completion ("mefotactl upgrade --r", "--require-new");
  assert_completion ("mefotactl install --method ''", "auto serial adb");
  mock_daemon_vanish (fixture->mock);
  assert_completion ("mefotactl --module ''", "");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  bus = g_test_dbus_new (G_TEST_DBUS_NONE);
  g_test_dbus_up (bus);
  client_run_set_bus (g_test_dbus_get_bus_address (bus));
  g_test_add ("/client/history", Fixture, NULL, set_up, test_history, tear_down);
  g_test_add ("/client/history/pager", Fixture, NULL, set_up, test_history_pager, tear_down);
  g_test_add ("/client/output-lost", Fixture, NULL, set_up, test_output_lost, tear_down);
  g_test_add ("/client/completion", Fixture, NULL, set_up, test_completion, tear_down);
  int status = g_test_run ();
  g_test_dbus_down (bus);
  g_object_unref (bus);
  return status;
}
