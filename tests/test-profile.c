/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>

#include "mefota-profile.h"

typedef struct
{
  char *dirs[3]; /* weakest first, as mefota_profiles_load() wants them */
  GPtrArray *warnings;
} Fixture;

static void
set_up (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 2; i++)
    {
      f->dirs[i] = g_dir_make_tmp ("mefota-profiles-XXXXXX", NULL);
      g_assert_nonnull (f->dirs[i]);
    }
  f->warnings = g_ptr_array_new_with_free_func (g_free);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  for (guint i = 0; i < 2; i++)
    {
      g_autoptr (GDir) dir = g_dir_open (f->dirs[i], 0, NULL);
      const char *name;
      while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
        {
          g_autofree char *file = g_build_filename (f->dirs[i], name, NULL);
          g_remove (file);
        }
      g_rmdir (f->dirs[i]);
      g_free (f->dirs[i]);
    }
  g_ptr_array_unref (f->warnings);
}

static void
write_file (Fixture *f, guint layer, const char *name, const char *text)
{
  g_autofree char *path = g_build_filename (f->dirs[layer], name, NULL);
  g_autoptr (GError) error = NULL;
  g_file_set_contents (path, text, -1, &error);
  g_assert_no_error (error);
}

static MefotaProfiles *
load (Fixture *f)
{
  MefotaProfiles *profiles = mefota_profiles_load ((const char *const *) f->dirs, f->warnings);
  g_assert_nonnull (profiles);
  return profiles;
}

static void
assert_warning (Fixture *f, guint index, const char *words)
{
  g_auto (GStrv) list = g_strsplit (words, "|", -1);

  g_assert_cmpuint (f->warnings->len, >, index);
  for (guint i = 0; list[i] != NULL; i++)
    if (strstr (g_ptr_array_index (f->warnings, index), list[i]) == NULL)
      g_error ("\"%s\" is not in: %s", list[i], (char *) g_ptr_array_index (f->warnings, index));
}

/* The compiled-in layer alone, and folders that are not there. */
static void
test_shipped (void)
{
  static const char *const missing[] = { "/nonexistent/profiles.d", NULL };
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (MefotaProfiles) profiles = mefota_profiles_load (missing, warnings);
  g_autoptr (MefotaProfiles) none = mefota_profiles_load (NULL, NULL);
  const MefotaProfile *profile = mefota_profiles_match (profiles, "ME3630", NULL);

  g_assert_cmpuint (warnings->len, ==, 0);
  g_assert_cmpstr (profile->name, ==, "me3630");
  g_assert_cmpstr (profile->adb_path, ==, "/cache/delta.package");
  g_assert_cmpstr (profile->adb_path_new, ==, "/data/update.zip");
  g_assert_cmpstr (profile->adb_enable, ==, "AT+ZADSET=D");
  g_assert_cmpstr (profile->restart, ==, "AT+CFUN=1,1");
  g_assert_cmpstr (profile->imei_command, ==, "AT+CGSN");
  g_assert_true (profile->target_quoted);
  g_assert_false (profile->server_quoted);
  g_assert_cmpuint (profile->piece, ==, 524288);
  g_assert_cmpuint (profile->max_command, >=, 64);
  g_assert_cmpstr (mefota_profiles_match (none, "ME3616", "")->name, ==, "me3616");
  g_assert_cmpint (mefota_profiles_match (none, "ME3616", "")->prompt, ==, MEFOTA_PROMPT_CONNECT);
  g_assert_false (mefota_profiles_match (none, "ME3616", "")->target_quoted);
  g_assert_cmpstr (mefota_profiles_match (none, "ME3616", "")->imei_command, ==, "AT+CGSN=1");
}

static void
test_match (Fixture *f, gconstpointer data)
{
  static const struct { const char *model; const char *version; const char *name; } table[] = {
    { "ME3630", "ME3630U1AV1.0B05", "me3630" },
    { "me3630", NULL, "me3630" },
    { "ME3616", "YT_ME3616C1AV1.0B03T01", "me3616" },
    { "ME3616", "ME3630U1AV1.0B05", "me3616" },
    { "", "OC_ME3616C1AV0.0B08", "me3616" },
    { NULL, "QS_ME3630U1AV1.0B04 [Apr 18 2019 13:43:33]", "me3630" },
    { "Android", "YT_ME3616C1AV1.0B03T01", "me3616" },
    { "ME3630-X", "", "special" },
    { "ZM5330SC1A", "", "me3630" },
    { "GM800", "GM800V1.0B01", "me3630" },
    { "", "", "me3630" },
    { NULL, NULL, "me3630" },
  };
  g_autoptr (MefotaProfiles) profiles = NULL;

  /* The longest glob wins, whatever the order of the files. */
  write_file (f, 0, "00-special.conf", "[profile special]\nmodels=ME3630-X*\n");
  profiles = load (f);
  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    g_assert_cmpstr (mefota_profiles_match (profiles, table[i].model, table[i].version)->name, ==, table[i].name);
}

static void
test_layers (Fixture *f, gconstpointer data)
{
  g_autoptr (MefotaProfiles) profiles = NULL;
  const MefotaProfile *profile;

  /* Files of other names are merged key by key, in the order of their names, whatever their folder ... */
  write_file (f, 0, "zz-site.conf", "[profile me3616]\npiece=1024\nmax-command=100\n");
  write_file (f, 1, "zy-site.conf", "[profile me3616]\npiece=2048\ntarget-quoted=true\n");
  /* ... a file of the same name replaces the weaker one whole. */
  write_file (f, 0, "me3630.conf", "[profile me3630]\nmodels=ME3630*\nadb-path=/weaker\nadb-path-new=/weaker\n");
  write_file (f, 1, "me3630.conf", "[profile me3630]\nmodels=ME3630*\nadb-path=/stronger\nserver-names=\n");
  profiles = load (f);
  g_assert_cmpuint (f->warnings->len, ==, 0);

  profile = mefota_profiles_match (profiles, "ME3616", NULL);
  g_assert_cmpuint (profile->piece, ==, 1024);
  g_assert_cmpuint (profile->max_command, ==, 100);
  g_assert_true (profile->target_quoted);
  g_assert_cmpint (profile->prompt, ==, MEFOTA_PROMPT_CONNECT);

  profile = mefota_profiles_match (profiles, "ME3630", NULL);
  g_assert_cmpstr (profile->adb_path, ==, "/stronger");
  g_assert_cmpstr (profile->adb_path_new, ==, "/data/update.zip"); /* the absolute default */
  g_assert_false (mefota_profile_takes_host_names (profile, "ME3630C2CV1.0B06"));
  g_assert_false (mefota_profiles_is_at_port (profiles, "19d2", "1476", "01"));
}

static void
test_slips (Fixture *f, gconstpointer data)
{
  static const char *const wrong[] = { "prompt=soon",      "piece=0",          "piece=524289",     "max-command=15",
                                       "target-quoted=no", "usb-ids=19d2:1476", "usb-ids=19d2:1476/1",
                                       "usb-ids=19d2:147g/01", "restart=\\q" };
  g_autoptr (GString) text = g_string_new ("[profile me3616]\ncolour=green\n");
  g_autoptr (MefotaProfiles) profiles = NULL;
  const MefotaProfile *profile;

  write_file (f, 1, "me3630.conf", "no key file\n"); /* falls back to the compiled-in one */
  write_file (f, 1, "zz.txt", "no key file\n");
  write_file (f, 1, "za.conf", "[profile ]\npiece=1\n[module x]\npiece=1\n");
  write_file (f, 1, "zb.conf", text->str);
  for (guint i = 0; i < G_N_ELEMENTS (wrong); i++)
    {
      g_autofree char *name = g_strdup_printf ("zc%u.conf", i);
      g_autofree char *group = g_strdup_printf ("[profile me3616]\n%s\n", wrong[i]);
      write_file (f, 1, name, group);
    }
  profiles = load (f);
  g_assert_cmpuint (f->warnings->len, ==, 4 + G_N_ELEMENTS (wrong));
  assert_warning (f, 0, "me3630.conf");
  assert_warning (f, 1, "za.conf|[profile ]");
  assert_warning (f, 2, "za.conf|[module x]");
  assert_warning (f, 3, "zb.conf|colour|[profile me3616]");
  assert_warning (f, 4, "zc0.conf|prompt|[profile me3616]");

  profile = mefota_profiles_match (profiles, "ME3616", NULL);
  g_assert_cmpint (profile->prompt, ==, MEFOTA_PROMPT_CONNECT);
  g_assert_cmpuint (profile->piece, ==, 524288);
  g_assert_cmpuint (profile->max_command, ==, 80);
  g_assert_cmpstr (profile->restart, ==, "AT+ZRST");
  g_assert_true (mefota_profiles_is_at_port (profiles, "19d2", "1476", "01"));
}

static void
test_at_port (void)
{
  g_autoptr (MefotaProfiles) profiles = mefota_profiles_load (NULL, NULL);

  g_assert_true (mefota_profiles_is_at_port (profiles, "19d2", "1476", "01"));
  g_assert_true (mefota_profiles_is_at_port (profiles, "19D2", "1476", "01"));
  g_assert_true (mefota_profiles_is_at_port (profiles, "19d2", "0601", "03"));
  g_assert_true (mefota_profiles_is_at_port (profiles, "305a", "1406", "01"));
  g_assert_false (mefota_profiles_is_at_port (profiles, "19d2", "1476", "00"));
  g_assert_false (mefota_profiles_is_at_port (profiles, "19d2", "1476", "1"));
  g_assert_false (mefota_profiles_is_at_port (profiles, "1234", "1476", "01"));
  g_assert_false (mefota_profiles_is_at_port (profiles, NULL, "1476", "01"));
}

static void
test_firmware (void)
{
  g_autoptr (MefotaProfiles) profiles = mefota_profiles_load (NULL, NULL);
  const MefotaProfile *profile = mefota_profiles_match (profiles, "ME3630", NULL);
  static const struct { const char *version; gboolean names; gboolean zip; } table[] = {
    { "ME3630C2CV1.0B06", TRUE, TRUE },       { "ME3630C2CV1.0B05", FALSE, FALSE },
    { "ME3630C2CV2.0B01", TRUE, TRUE },       { "ZZDME3630C2CV1.0B01", TRUE, FALSE },
    { "YDWLME3630C2CV1.0B02", TRUE, FALSE },  { "ME3630C2BV1.0B03", FALSE, TRUE },
    { "ME3630C2BV2.0B01", TRUE, TRUE },       { "ZM5330SC1AV1.1B03", FALSE, TRUE },
    { "ZM5330SC1AV1.0B99", FALSE, FALSE },    { "WIFI_ME3630V1.0B05", FALSE, FALSE },
    { "ME3630U1AV1.0B05", FALSE, FALSE },     { "", FALSE, FALSE },
    { NULL, FALSE, FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      const char *const *dirs = mefota_profile_get_log_dirs (profile, table[i].version);
      g_assert_cmpint (mefota_profile_takes_host_names (profile, table[i].version), ==, table[i].names);
      g_assert_cmpstr (mefota_profile_get_adb_path (profile, table[i].version), ==,
                       table[i].zip ? "/data/update.zip" : "/cache/delta.package");
      g_assert_cmpuint (g_strv_length ((char **) dirs), ==, table[i].zip ? 3 : 2);
      g_assert_cmpint (g_strv_contains (dirs, "/cache/recovery"), ==, table[i].zip);
    }
}

static void
test_version_matches (void)
{
  static const struct { const char *a; const char *b; gboolean same; } table[] = {
    { "ME3630U1AV1.0B04", "ME3630U1AV1.0B04", TRUE },
    { "ME3630U1AV1.0B04", "me3630u1av1.0b04", TRUE },
    { "ME3630U1AV1.0B04 [Apr 18 2019 13:43:33]", "ME3630U1AV1.0B04", TRUE },
    { "ME3630U1AV1.0B04", "ME3630U1AV1.0B04 [Jan 1 2020]", TRUE },
    { " ME3630U1AV1.0B04\r", "ME3630U1AV1.0B04\t", TRUE },
    { "ME3630U1AV1.0B04", "ME3630U1AV1.0B05", FALSE },
    { "ME3630U1AV1.0B04", "ME3630U1AV1.0B0", FALSE },
    { "ME3630U1AV1.0B04", "ME3630U1AV1.0B04T01", FALSE },
    { "QS_ME3630U1AV1.0B04", "ME3630U1AV1.0B04", FALSE },
    { "anything", "ANYTHING else", TRUE },
    { "", "", FALSE }, { " ", " ", FALSE }, { NULL, NULL, FALSE }, { "ME3630", "", FALSE }, { NULL, "ME3630", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_assert_cmpint (mefota_version_matches (table[i].a, table[i].b), ==, table[i].same);
      g_assert_cmpint (mefota_version_matches (table[i].b, table[i].a), ==, table[i].same);
    }
}

static void
test_version_at_least (void)
{
  static const struct { const char *version; const char *minimum; gboolean result; } table[] = {
    { "ME3630C2CV1.0B07", "ME3630C2CV1.0B06", TRUE },
    { "ME3630C2CV1.0B06", "ME3630C2CV1.0B06", TRUE },
    { "ME3630C2CV1.0B05", "ME3630C2CV1.0B06", FALSE },
    { "ME3630C2CV1.0B10", "ME3630C2CV1.0B9", TRUE },
    { "ME3630C2CV1.10B01", "ME3630C2CV1.9B99", TRUE },
    { "ME3630C2CV2.0B01", "ME3630C2CV1.9B99", TRUE },
    { "ME3630C2CV0.9B99", "ME3630C2CV1.0B01", FALSE },
    { "me3630c2cv1.0b07", "ME3630C2CV1.0B06", TRUE },
    { "ZZDME3630C2CV1.0B07", "ME3630C2CV1.0B06", FALSE },
    { "ME3630C2BV1.0B07", "ME3630C2CV1.0B06", FALSE },
    { "QS_ME3630U1AV1.0B04 [Apr 18 2019 13:43:33]", "QS_ME3630U1AV1.0B03", TRUE },
    { "QS_ME3630U1AV1.0B02 [V9.9B99]", "QS_ME3630U1AV1.0B03", FALSE },
    { "YT_ME3616C1AV1.0B03T01", "YT_ME3616C1AV1.0B03", TRUE },
    { "YT_ME3616C1AV1.0B03T01", "YT_ME3616C1AV1.0B03T09", TRUE },
    { "DEV1.0B01_ME3630V1.0B05", "DEV1.0B01_ME3630V1.0B04", TRUE },
    { "V1.0B01", "V1.0B01", TRUE },
    { "BD_ZM9000V1.0.0B17", "BD_ZM9000V1.0.0B17", FALSE },
    { "ME3630C2CV1.0B9999999999", "ME3630C2CV1.0B06", FALSE },
    { "ME3630C2CV1.0", "ME3630C2CV1.0B06", FALSE },
    { "ME3630C2CV1.B06", "ME3630C2CV1.0B06", FALSE },
    { "", "ME3630C2CV1.0B06", FALSE }, { NULL, "ME3630C2CV1.0B06", FALSE }, { "ME3630C2CV1.0B06", NULL, FALSE },
    { "ME3630C2CV1.0B06", "ME3630C2C", FALSE },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    if (mefota_version_at_least (table[i].version, table[i].minimum) != table[i].result)
      g_error ("%s ≥ %s is not %d", table[i].version, table[i].minimum, table[i].result);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/profile/shipped", test_shipped);
  g_test_add ("/profile/match", Fixture, NULL, set_up, test_match, tear_down);
  g_test_add ("/profile/layers", Fixture, NULL, set_up, test_layers, tear_down);
  g_test_add ("/profile/slips", Fixture, NULL, set_up, test_slips, tear_down);
  g_test_add_func ("/profile/at-port", test_at_port);
  g_test_add_func ("/profile/firmware", test_firmware);
  g_test_add_func ("/version/matches", test_version_matches);
  g_test_add_func ("/version/at-least", test_version_at_least);
  return g_test_run ();
}
