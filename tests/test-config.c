/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <locale.h>
#include <string.h>

#include "mefota-config.h"
#include "mefota-error.h"

typedef struct
{
  char *dir;
  char *path;
  char *fragments;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  f->dir = g_dir_make_tmp ("mefota-config-XXXXXX", NULL);
  g_assert_nonnull (f->dir);
  f->path = g_build_filename (f->dir, "mefotad.conf", NULL);
  f->fragments = g_strconcat (f->path, ".d", NULL);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  const char *folders[] = { f->fragments, f->dir };

  for (guint i = 0; i < G_N_ELEMENTS (folders); i++)
    {
      g_autoptr (GDir) dir = g_dir_open (folders[i], 0, NULL);
      const char *name;
      while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
        {
          g_autofree char *file = g_build_filename (folders[i], name, NULL);
          g_unlink (file);
        }
      g_rmdir (folders[i]);
    }
  g_free (f->fragments);
  g_free (f->path);
  g_free (f->dir);
}

static void
write_file (const char *path, const char *text)
{
  g_autoptr (GError) error = NULL;
  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

static void
write_fragment (Fixture *f, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (f->fragments, name, NULL);
  g_assert_cmpint (g_mkdir_with_parents (f->fragments, 0700), ==, 0);
  write_file (path, text);
}

static MefotaConfig *
load_text (Fixture *f, const char *text)
{
  g_autoptr (GError) error = NULL;
  MefotaConfig *config;

  write_file (f->path, text);
  config = mefota_config_load (f->path, NULL, &error);
  g_assert_no_error (error);
  g_assert_nonnull (config);
  return config;
}

/* @words, separated by '|', all stand in the message. */
static void
assert_refused (Fixture *f, const char *words)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MefotaConfig) config = mefota_config_load (f->path, NULL, &error);
  g_auto (GStrv) list = g_strsplit (words, "|", -1);

  g_assert_null (config);
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT);
  g_assert_true (g_str_has_suffix (error->message, "."));
  for (guint i = 0; list[i] != NULL; i++)
    if (strstr (error->message, list[i]) == NULL)
      g_error ("\"%s\" is not in: %s", list[i], error->message);
}

static void
assert_defaults (const MefotaConfig *config)
{
  g_assert_cmpint (config->policy.confirm, ==, MEFOTA_CONFIRM_ASK);
  g_assert_cmpint (config->policy.window_from, ==, -1);
  g_assert_cmpint (config->policy.window_to, ==, -1);
  g_assert_cmpuint (config->policy.max_parallel, ==, 1);
  g_assert_cmpuint (config->policy.max_package, ==, 64 * 1024 * 1024);
  g_assert_cmpuint (config->policy.transfer_attempts, ==, 3);
  g_assert_true (config->policy.restore_settings);
  g_assert_false (config->policy.collect_logs);
  g_assert_cmpuint (config->timeouts.command, ==, 10000);
  g_assert_cmpuint (config->timeouts.confirm, ==, 180000);
  g_assert_cmpuint (config->timeouts.download, ==, 900000);
  g_assert_cmpuint (config->timeouts.install, ==, 600000);
  g_assert_cmpuint (config->timeouts.give_up, ==, 3600000);
  g_assert_cmpuint (config->timeouts.settle, ==, 60000);
  g_assert_cmpuint (config->timeouts.probe, ==, 2000);
  g_assert_cmpuint (config->warnings->len, ==, 0);
}

/* What the contract prints, comments and all, is what is built in. */
static const char contract_text[] =
  "[policy]\n"
  "confirm=ask            # ask | allow | deny: the answer to a module that asks\n"
  "confirm-window=        # e.g. 02:00-05:00 local time: allow inside it, ask outside\n"
  "max-parallel=1         # upgrades at one time over all modules; the rest wait in line\n"
  "max-package=64M        # bytes, K, M or G\n"
  "transfer-attempts=3    # a package sent over the UART\n"
  "restore-settings=true  # put server and polling back\n"
  "collect-logs=false     # pull the module's logs after a failed package upgrade\n"
  "\n"
  "[timeouts]             # seconds; confirm is the guide's\n"
  "command=10             # one AT command\n"
  "confirm=180\n"
  "download=900           # longest silence while downloading\n"
  "install=600            # from the start of installing\n"
  "give-up=3600           # ... and until it is given up\n"
  "settle=60              # how long\n"
  "probe=2                # between two tries\n"
  "\n"
  "[module NAME]          # a module that udev cannot find\n"
  "port=/dev/ttyS1\n"
  "transport=uart         # uart | usb\n"
  "baud=115200\n"
  "flow-control=none      # none | rtscts\n";

static void
test_defaults (Fixture *f, gconstpointer data)
{
  g_autoptr (MefotaConfig) none = mefota_config_load (NULL, f->path, NULL);
  g_autoptr (MefotaConfig) empty = load_text (f, "");
  g_autoptr (MefotaConfig) contract = load_text (f, contract_text);
  const MefotaModuleConfig *module;

  g_assert_nonnull (none);
  assert_defaults (none);
  g_assert_cmpuint (none->modules->len, ==, 0);
  assert_defaults (empty);
  assert_defaults (contract);
  g_assert_cmpuint (contract->modules->len, ==, 1);
  module = g_ptr_array_index (contract->modules, 0);
  g_assert_cmpstr (module->name, ==, "NAME");
  g_assert_cmpstr (module->port, ==, "/dev/ttyS1");
}

static void
test_values (Fixture *f, gconstpointer data)
{
  g_autoptr (MefotaConfig) config =
    load_text (f, "# a comment\r\n"
                  "[policy]\nconfirm=deny\nconfirm-window=22:30-05:00\nmax-parallel=4\nmax-package=3G\n"
                  "transfer-attempts=1\nrestore-settings=false\ncollect-logs=true\n"
                  "[timeouts]\ncommand=0.25\nconfirm=1.5\ndownload=0.001\ninstall=12.3456\ngive-up=86400\nsettle=0\n"
                  "probe=00.5\n"
                  "[module b_2]\nport=/dev/ttyS2\ntransport=usb\nbaud=921600\nflow-control=rtscts\n"
                  "  [module A]\nport=/dev/gateway#modem\n");
  const MefotaModuleConfig *first, *second;

  g_assert_cmpint (config->policy.confirm, ==, MEFOTA_CONFIRM_DENY);
  g_assert_cmpint (config->policy.window_from, ==, 22 * 60 + 30);
  g_assert_cmpint (config->policy.window_to, ==, 5 * 60);
  g_assert_cmpuint (config->policy.max_parallel, ==, 4);
  g_assert_cmpuint (config->policy.max_package, ==, G_GUINT64_CONSTANT (3) << 30);
  g_assert_cmpuint (config->policy.transfer_attempts, ==, 1);
  g_assert_false (config->policy.restore_settings);
  g_assert_true (config->policy.collect_logs);
  g_assert_cmpuint (config->timeouts.command, ==, 250);
  g_assert_cmpuint (config->timeouts.confirm, ==, 1500);
  g_assert_cmpuint (config->timeouts.download, ==, 1);
  g_assert_cmpuint (config->timeouts.install, ==, 12346);
  g_assert_cmpuint (config->timeouts.give_up, ==, 86400000);
  g_assert_cmpuint (config->timeouts.settle, ==, 0);
  g_assert_cmpuint (config->timeouts.probe, ==, 500);
  g_assert_cmpuint (config->warnings->len, ==, 0);

  g_assert_cmpuint (config->modules->len, ==, 2);
  first = g_ptr_array_index (config->modules, 0);
  g_assert_cmpstr (first->name, ==, "b_2");
  g_assert_cmpint (first->transport, ==, MEFOTA_TRANSPORT_USB);
  g_assert_cmpuint (first->baud, ==, 921600);
  g_assert_cmpint (first->flow, ==, MEFOTA_FLOW_RTSCTS);
  second = g_ptr_array_index (config->modules, 1);
  g_assert_cmpstr (second->name, ==, "A");
  g_assert_cmpstr (second->port, ==, "/dev/gateway#modem");
  g_assert_cmpint (second->transport, ==, MEFOTA_TRANSPORT_UART);
  g_assert_cmpuint (second->baud, ==, 115200);
  g_assert_cmpint (second->flow, ==, MEFOTA_FLOW_NONE);
}

static void
test_sizes (Fixture *f, gconstpointer data)
{
  static const struct { const char *text; guint64 bytes; } table[] = {
    { "1", 1 }, { "4096", 4096 }, { "7K", 7168 }, { "64M", 67108864 }, { "1024G", G_GUINT64_CONSTANT (1) << 40 },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autofree char *text = g_strdup_printf ("[policy]\nmax-package=%s\n", table[i].text);
      g_autoptr (MefotaConfig) config = load_text (f, text);
      g_assert_cmpuint (config->policy.max_package, ==, table[i].bytes);
    }
}

static void
test_wrong_values (Fixture *f, gconstpointer data)
{
  static const struct { const char *group; const char *key; const char *allowed; const char *values; } table[] = {
    { "policy", "confirm", "ask, allow or deny", "maybe||Ask|ask allow" },
    { "policy", "confirm-window", "02:00-05:00",
      "2:00-5:00|02:00|02:00-|02:00-24:00|02:60-03:00|02:00-02:00|02:00-05:00x|02:00 - 05:00|-|aa:bb-cc:dd" },
    { "policy", "max-parallel", "from 1 to 1000", "0||-1|+1|1001|one|1.5|99999999999999999999|4294967297" },
    { "policy", "max-package", "K, M or G", "0||0K|64MB|64m|M|-1|1.5M|1025G|99999999999999999999|18014398509481985K" },
    { "policy", "transfer-attempts", "from 1 to 100", "0|101|" },
    { "policy", "restore-settings", "true or false", "yes||TRUE|2" },
    { "policy", "collect-logs", "true or false", "maybe|\\q" },
    { "timeouts", "command", "from 0.001 to 86400",
      "0||-1|1e3|0x10|inf|nan|1.|.5|1,5|1.5.5|0.0001|86401|9999999999|1s" },
    { "timeouts", "settle", "from 0 to", "-0|" },
    { "timeouts", "give-up", "seconds", "604801" },
    { "module m", "port", "/dev/ttyS1", "|ttyS1|dev/ttyS1|/dev/\\q" },
    { "module m", "transport", "uart or usb", "|pci|UART" },
    { "module m", "baud", "115200", "|0|115201|-9600|9600 baud|134.5" },
    { "module m", "flow-control", "none or rtscts", "|xonxoff" },
    { "module m", "usb-path", "1-1.2", "1|usb1|1-|1-1.|1-1..2|1-1:1.1|1-1.2/3|-1-1|1-1 2" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_auto (GStrv) values = g_strsplit (table[i].values, "|", -1);
      for (guint j = 0; values[j] != NULL; j++)
        {
          g_autofree char *text = g_strdup_printf ("[module other]\nport=/dev/ttyS9\n[%s]\n%s=%s\n", table[i].group,
                                                   table[i].key, values[j]);
          g_autofree char *words = g_strdup_printf ("%s|[%s]|%s=%s|%s", f->path, table[i].group, table[i].key,
                                                    values[j], table[i].allowed);
          write_file (f->path, text);
          assert_refused (f, words);
        }
    }
}

static void
test_unknown (Fixture *f, gconstpointer data)
{
  static const char *const expected[] = { "[policy]|colour", "[policy]|confirm[de]", "[Policy]|confirm", "[empty]",
                                          "[module a]|speed" };
  g_autoptr (MefotaConfig) config =
    load_text (f, "[policy]\ncolour=green\nconfirm[de]=deny\nmax-parallel=2\n[Policy]\nconfirm=deny\n[empty]\n"
                  "[module a]\nport=/dev/ttyS1\nspeed=9600\n");

  g_assert_cmpint (config->policy.confirm, ==, MEFOTA_CONFIRM_ASK);
  g_assert_cmpuint (config->policy.max_parallel, ==, 2);
  g_assert_cmpuint (config->warnings->len, ==, G_N_ELEMENTS (expected));
  for (guint i = 0; i < G_N_ELEMENTS (expected); i++)
    {
      const char *warning = g_ptr_array_index (config->warnings, i);
      g_auto (GStrv) words = g_strsplit (expected[i], "|", -1);
      g_assert_nonnull (strstr (warning, f->path));
      for (guint j = 0; words[j] != NULL; j++)
        g_assert_nonnull (strstr (warning, words[j]));
    }
}

static void
test_fragments (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (MefotaConfig) config = NULL;
  g_autoptr (MefotaConfig) fallback = NULL;
  const MefotaModuleConfig *module;

  write_file (f->path, "[policy]\nconfirm=deny\nmax-parallel=2\n[module a]\nport=/dev/ttyS1\nbaud=9600\n");
  write_fragment (f, "20-later.conf", "[policy]\nmax-parallel=4\n[module a]\nport=/dev/ttyS3\n");
  write_fragment (f, "10-first.conf", "[policy]\nmax-parallel=3\nconfirm=allow\n[module b]\nport=/dev/ttyS1\n");
  write_fragment (f, "30-ignored.txt", "[policy]\nmax-parallel=5\n");
  write_fragment (f, ".hidden.conf", "[policy]\nmax-parallel=6\n");
  config = mefota_config_load (f->path, NULL, &error);
  g_assert_no_error (error);
  g_assert_cmpint (config->policy.confirm, ==, MEFOTA_CONFIRM_ALLOW);
  g_assert_cmpuint (config->policy.max_parallel, ==, 4);
  g_assert_cmpuint (config->modules->len, ==, 2);
  module = g_ptr_array_index (config->modules, 0);
  g_assert_cmpstr (module->name, ==, "a");
  g_assert_cmpstr (module->port, ==, "/dev/ttyS3");
  g_assert_cmpuint (module->baud, ==, 9600);
  module = g_ptr_array_index (config->modules, 1);
  g_assert_cmpstr (module->name, ==, "b");

  /* Fragments count without the file too, where the file need not exist. */
  g_unlink (f->path);
  fallback = mefota_config_load (NULL, f->path, &error);
  g_assert_no_error (error);
  g_assert_cmpuint (fallback->policy.max_parallel, ==, 4);

  /* A message names the fragment. */
  write_file (f->path, "");
  write_fragment (f, "40-wrong.conf", "[policy]\nmax-parallel=0\n");
  assert_refused (f, "40-wrong.conf|[policy]|max-parallel=0");
}

static void
test_modules (Fixture *f, gconstpointer data)
{
  static const struct { const char *text; const char *words; } table[] = {
    { "[module]\nport=/dev/ttyS1\n", "[module]|NAME" },
    { "[module ]\nport=/dev/ttyS1\n", "[module ]|NAME" },
    { "[module a-b]\nport=/dev/ttyS1\n", "[module a-b]|underscores" },
    { "[module a/b]\nport=/dev/ttyS1\n", "[module a/b]" },
    { "[module  a]\nport=/dev/ttyS1\n", "[module  a]" },
    { "[module ä]\nport=/dev/ttyS1\n", "[module ä]" },
    { "[module a]\nbaud=9600\n", "[module a]|no port|port=" },
    { "[module a]\nport=/dev/ttyS1\n[module b]\nport=/dev/ttyS1\n", "[module b]|/dev/ttyS1|[module a]" },
    { "[module a]\nport=/dev/ttyS1\n[module b]\nport=/dev/../dev//ttyS1\n", "[module b]|[module a]" },
    { "[module a]\nport=/dev/ttyS1\n\n[module a] # again\nport=/dev/ttyS2\n", "line 4|[module a]" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autofree char *words = g_strdup_printf ("%s|%s", f->path, table[i].words);
      write_file (f->path, table[i].text);
      assert_refused (f, words);
    }
}

static void
test_no_key_file (Fixture *f, gconstpointer data)
{
  static const struct { const char *text; const char *words; } table[] = {
    { "[policy]\nconfirm=ask\nnonsense\nmax-parallel=2\n", "line 3|nonsense" },
    { "confirm=ask\n[policy]\n", "line 1|confirm=ask" },
    { "# x\n\n[policy\nconfirm=ask\n", "line 3|[policy" },
    { "  [policy]\nconfirm=ask\n=3\n", "line 3" },
    { "[policy]\nconfirm=ask\n\nconfirm=\xff\xfe\n", "line 4|UTF-8" },
    { "\x7f""ELF\x01\x02", "line 1" },
  };

  assert_refused (f, f->path); /* missing */
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autofree char *words = g_strdup_printf ("%s|%s", f->path, table[i].words);
      write_file (f->path, table[i].text);
      assert_refused (f, words);
    }
  g_unlink (f->path);
  g_assert_cmpint (g_mkdir (f->path, 0700), ==, 0); /* a folder */
  assert_refused (f, f->path);
  g_rmdir (f->path);
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "");
  g_test_init (&argc, &argv, NULL);
#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)
  ADD ("/config/defaults", test_defaults);
  ADD ("/config/values", test_values);
  ADD ("/config/sizes", test_sizes);
  ADD ("/config/wrong-values", test_wrong_values);
  ADD ("/config/unknown", test_unknown);
  ADD ("/config/fragments", test_fragments);
  ADD ("/config/modules", test_modules);
  ADD ("/config/no-key-file", test_no_key_file);
  return g_test_run ();
}
