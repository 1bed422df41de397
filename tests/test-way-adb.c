/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <signal.h>

#include "adb-fixture.h"
#include "mefota-error.h"
#include "mefota-way-adb.h"

#define PACKAGE_SIZE 600000

typedef struct
{
  AdbFixture *adb;
  AdbModule *module;
  MefotaProfiles *profiles;
  MefotaTimeouts timeouts;
  MefotaWayContext context;
  MefotaPackage *package;
  MefotaWay *way;
  GCancellable *cancellable;
  guint percent;
  guint stop_at; /* percent at which stop is called */
  void (*stop) (gpointer self);
} Fixture;

static void
on_progress (MefotaWay *way, guint percent, gpointer data)
{
  Fixture *f = data;

  g_assert_cmpuint (percent, >, f->percent);
  g_assert_cmpuint (percent, <=, 100);
  f->percent = percent;
  if (f->stop != NULL && percent >= f->stop_at)
    {
      void (*stop) (gpointer) = f->stop;
      f->stop = NULL;
      stop (f);
    }
}

static gboolean
set_up (Fixture *f, const char *pair, const char *version)
{
  *f = (Fixture){ .adb = adb_fixture_new () };
  if (f->adb == NULL)
    return FALSE;
  f->module = adb_add_module (f->adb, "1-1.2", "0123456789ABCDEF", pair, NULL);
  f->profiles = mefota_profiles_load (NULL, NULL);
  f->timeouts.command = 1000;
  f->package = adb_make_package (f->adb, PACKAGE_SIZE, 7);
  f->way = mefota_way_adb_new (f->adb->adb);
  f->cancellable = g_cancellable_new ();
  f->context = (MefotaWayContext){
    .module = "m0",
    .profile = mefota_profiles_match (f->profiles, "ME3630", version),
    .timeouts = &f->timeouts,
    .version = version,
    .usb_path = "1-1.2",
    .package = f->package,
  };
  g_signal_connect (f->way, "progress", G_CALLBACK (on_progress), f);
  return TRUE;
}

static void
tear_down (Fixture *f)
{
  if (f->adb == NULL)
    return;
  g_assert_finalize_object (f->way);
  g_object_unref (f->package);
  g_object_unref (f->cancellable);
  mefota_profiles_free (f->profiles);
  g_assert_cmpint (mefota_adb_get_pid (f->adb->adb), ==, 0); /* nobody needs it any more */
  adb_fixture_free (f->adb);
}

typedef enum
{
  PREPARE,
  TRANSFER,
  INSTALL,
  CLEAN_UP,
} Step;

static gboolean
run (Fixture *f, Step step, GError **error)
{
  g_autoptr (GAsyncResult) result = NULL;

  if (step == PREPARE)
    mefota_way_prepare_async (f->way, &f->context, f->module->channel, f->cancellable, adb_keep_result, &result);
  else if (step == TRANSFER)
    mefota_way_transfer_async (f->way, f->cancellable, adb_keep_result, &result);
  else if (step == INSTALL)
    mefota_way_install_async (f->way, f->cancellable, adb_keep_result, &result);
  else
    mefota_way_clean_up_async (f->way, f->module->channel, NULL, adb_keep_result, &result);
  ADB_AWAIT (result != NULL);
  return mefota_way_finish (f->way, result, error);
}

static void
run_ok (Fixture *f, Step step)
{
  g_autoptr (GError) error = NULL;

  run (f, step, &error);
  g_assert_no_error (error);
}

static void
run_error (Fixture *f, Step step, MefotaError code, const char *words)
{
  g_autoptr (GError) error = NULL;

  g_assert_false (run (f, step, &error));
  g_test_message ("%s", error->message);
  g_assert_error (error, MEFOTA_ERROR, (int) code);
  g_assert_nonnull (strstr (error->message, words));
}

static void
clean_up_and_check (Fixture *f)
{
  run_ok (f, CLEAN_UP);
  g_assert_cmpuint (adb_count_events (f->module, "adb-remove /cache/delta.package"), ==, 1);
  g_assert_cmpint (mefota_adb_get_pid (f->adb->adb), ==, 0);
}

/* ---- the whole way ---- */

/* Guide 2.3.2: where the package goes depends on the firmware, and there the module finds it. */
static void
test_whole (gconstpointer data)
{
  static const struct { const char *version, *path; } places[] = {
    { "ME3630C1CV2.0B06", "/cache/delta.package" }, { "ME3630C2CV1.0B05", "/cache/delta.package" },
    { "ME3630C2CV1.0B06", "/data/update.zip" },     { "ME3630C2BV1.0B04", "/data/update.zip" },
    { "ZM5330SC1AV1.1B03", "/data/update.zip" },    { "ZM5330SC1AV1.0B09", "/cache/delta.package" },
  };
  guint place = GPOINTER_TO_UINT (data);
  g_autofree char *firmware = g_strdup_printf ("firmware=%s", places[place].version);
  g_autofree char *pushed = NULL;
  Fixture f;

  if (!set_up (&f, firmware, places[place].version))
    return;
  run_ok (&f, PREPARE);
  g_assert_false (mefota_way_is_leaving (f.way));
  run_ok (&f, TRANSFER);
  g_assert_cmpuint (f.percent, ==, 100);
  pushed = g_strdup_printf ("adb-push %s %d %s", places[place].path, PACKAGE_SIZE,
                            mefota_package_get_sha256 (f.package));
  g_assert_cmpuint (adb_count_events (f.module, pushed), ==, 1);
  run_ok (&f, INSTALL);
  g_clear_pointer (&pushed, g_free);
  pushed = g_strdup_printf ("package %d %s", PACKAGE_SIZE, mefota_package_get_sha256 (f.package));
  g_assert_cmpuint (adb_count_events (f.module, pushed), ==, 1);
  tear_down (&f);
}

/* What is left of an earlier package is gone before the new one comes, wherever it is. */
static void
test_leftovers (void)
{
  Fixture f;

  if (!set_up (&f, "firmware=ME3630C2CV1.0B06", "ME3630C2CV1.0B06"))
    return;
  run_ok (&f, PREPARE);
  run_ok (&f, TRANSFER);
  f.context.version = "ME3630C1CV2.0B06";
  f.percent = 0;
  run_ok (&f, PREPARE);
  g_assert_cmpuint (adb_count_events (f.module, "adb-remove /data/update.zip"), ==, 1);
  g_assert_cmpuint (adb_count_events (f.module, "rx AT+ZCOMDEL"), ==, 2);
  g_assert_cmpuint (adb_count_events (f.module, "rx AT+ZADSET=D"), ==, 1); /* is open */
  tear_down (&f);
}

/* It re-enumerates for AT+ZADSET=D: the port goes in the middle, and prepare() begins anew over the next one. */
static void
test_reenumerates (void)
{
  g_autoptr (GAsyncResult) result = NULL;
  g_autoptr (GError) error = NULL;
  Fixture f;

  if (!set_up (&f, "adb-reenumerate=20", "ME3630C1CV2.0B06"))
    return;
  mefota_way_prepare_async (f.way, &f.context, f.module->channel, f.cancellable, adb_keep_result, &result);
  adb_await_event (f.module, "vanished");
  ADB_AWAIT (mefota_way_is_leaving (f.way));
  g_cancellable_cancel (f.cancellable); /* as the module is gone */
  ADB_AWAIT (result != NULL);
  g_assert_false (mefota_way_finish (f.way, result, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_true (mefota_way_is_leaving (f.way));
  g_clear_object (&result);

  adb_await_event (f.module, "ready");
  adb_open_port (f.module);
  g_object_unref (f.cancellable);
  f.cancellable = g_cancellable_new ();
  run_ok (&f, PREPARE);
  g_assert_false (mefota_way_is_leaving (f.way));
  run_ok (&f, TRANSFER);
  g_assert_cmpuint (adb_count_events (f.module, "rx AT+ZADSET=D"), ==, 1);
  tear_down (&f);
}

/* ---- what goes wrong ---- */

static void
test_unknown (void)
{
  Fixture f;

  if (!set_up (&f, NULL, ""))
    return;
  run_error (&f, PREPARE, MEFOTA_ERROR_NOT_SUPPORTED, "firmware version");
  f.context.version = "ME3630C1CV2.0B06";
  f.context.usb_path = NULL;
  run_error (&f, PREPARE, MEFOTA_ERROR_NOT_SUPPORTED, "usb-path");
  tear_down (&f);
}

static void
test_names (void)
{
  g_autoptr (MefotaProfiles) profiles = mefota_profiles_load (NULL, NULL);
  const MefotaProfile *profile = mefota_profiles_match (profiles, "ME3630", "");
  g_autoptr (GError) error = NULL;

  g_assert_true (mefota_profile_check_package_name (profile, "ME3630C2CV1.0B06", "up.zip", &error));
  g_assert_true (mefota_profile_check_package_name (profile, "ME3630C2CV1.0B06", "delta.package", &error));
  g_assert_true (mefota_profile_check_package_name (profile, "ME3630C1CV2.0B06", "delta.package", &error));
  g_assert_true (mefota_profile_check_package_name (profile, "ME3630C1CV2.0B06", NULL, &error));
  g_assert_false (mefota_profile_check_package_name (profile, "ME3630C1CV2.0B06", "UP.ZIP", &error));
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_PACKAGE_INVALID);
  g_assert_nonnull (strstr (error->message, "delta.package"));
}

/* A transfer that fails by a fault of the module's: a message, and how often it is there with a part of the file. */
typedef struct
{
  const char *name, *pair, *words;
  MefotaError code;
} Fault;

static const Fault faults[] = {
  { "cut", "adb-fault=cut", "over adb: the module", MEFOTA_ERROR_TRANSFER_FAILED },
  { "full", "adb-fault=full", "no room for the file", MEFOTA_ERROR_TRANSFER_FAILED },
  { "stall", "adb-fault=stall", "nothing moved over adb", MEFOTA_ERROR_TRANSFER_FAILED },
  { "lie", "adb-lie=true", "has 599999 bytes on the module instead of 600000", MEFOTA_ERROR_TRANSFER_FAILED },
};

static void
test_fault (gconstpointer data)
{
  const Fault *fault = data;
  Fixture f;

  if (!set_up (&f, "adb-fault-after=200000", "ME3630C1CV2.0B06"))
    return;
  sim_client_set (f.module->client, fault->pair);
  run_ok (&f, PREPARE);
  run_error (&f, TRANSFER, fault->code, fault->words);
  clean_up_and_check (&f);

  /* The next attempt finds a module in order. */
  sim_client_set (f.module->client, "adb-lie=false");
  f.percent = 0;
  run_ok (&f, PREPARE);
  run_ok (&f, TRANSFER);
  tear_down (&f);
}

static void
test_vanishes (void)
{
  Fixture f;

  if (!set_up (&f, "adb-fault-after=200000", "ME3630C1CV2.0B06"))
    return;
  sim_client_set (f.module->client, "adb-fault=vanish");
  sim_client_set (f.module->client, "hangup-return=never");
  run_ok (&f, PREPARE);
  run_error (&f, TRANSFER, MEFOTA_ERROR_NOT_PRESENT, "went away");
  tear_down (&f);
}

static void
test_refuses_streams (void)
{
  Fixture f;

  if (!set_up (&f, "adb-refuse=streams", "ME3630C1CV2.0B06"))
    return;
  run_error (&f, PREPARE, MEFOTA_ERROR_TRANSFER_FAILED, "over adb: ");
  tear_down (&f);
}

/* More than what is buffered on the way, so that the module has begun with it when half of it is on its way. */
static void
give_large_package (Fixture *f)
{
  g_object_unref (f->package);
  f->context.package = f->package = adb_make_package (f->adb, 4000000, 8);
  f->stop_at = 60;
}

static void
kill_server (gpointer data)
{
  Fixture *f = data;
  kill (mefota_adb_get_pid (f->adb->adb), SIGKILL);
}

static void
test_killed (void)
{
  Fixture f;

  if (!set_up (&f, "adb-pace=4000000", "ME3630C1CV2.0B06"))
    return;
  f.stop = kill_server;
  give_large_package (&f);
  run_ok (&f, PREPARE);
  run_error (&f, TRANSFER, MEFOTA_ERROR_TRANSFER_FAILED, "ended from outside");
  clean_up_and_check (&f); /* with a new server, which goes again */
  tear_down (&f);
}

static void
cancel (gpointer data)
{
  Fixture *f = data;
  g_cancellable_cancel (f->cancellable);
}

static void
test_cancelled (void)
{
  g_autoptr (GError) error = NULL;
  Fixture f;

  if (!set_up (&f, "adb-pace=4000000", "ME3630C1CV2.0B06"))
    return;
  f.stop = cancel;
  give_large_package (&f);
  run_ok (&f, PREPARE);
  g_assert_false (run (&f, TRANSFER, &error));
  g_assert_error (error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  g_assert_cmpuint (f.percent, <, 100);
  clean_up_and_check (&f);
  tear_down (&f);
}

/* The rule for the place is not this firmware's: it finds nothing where it looks. */
static void
test_wrong_place (void)
{
  Fixture f;

  if (!set_up (&f, "adb-path=data", "ME3630C1CV2.0B06"))
    return;
  sim_client_set (f.module->client, "adb-missing=error");
  run_ok (&f, PREPARE);
  run_ok (&f, TRANSFER);
  run_error (&f, INSTALL, MEFOTA_ERROR_MODULE_ERROR,
             "/cache/delta.package, where firmware ME3630C1CV2.0B06 looks by profile");
  clean_up_and_check (&f);
  tear_down (&f);
}

static void
test_adb_port_refused (void)
{
  Fixture f;

  if (!set_up (&f, "fault=AT+ZADSET* error", "ME3630C1CV2.0B06"))
    return;
  run_error (&f, PREPARE, MEFOTA_ERROR_MODULE_ERROR, "AT+ZADSET=D");
  tear_down (&f);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  for (guint i = 0; i < 6; i++)
    {
      g_autofree char *path = g_strdup_printf ("/way-adb/whole/%u", i);
      g_test_add_data_func (path, GUINT_TO_POINTER (i), test_whole);
    }
  g_test_add_func ("/way-adb/leftovers", test_leftovers);
  g_test_add_func ("/way-adb/reenumerates", test_reenumerates);
  g_test_add_func ("/way-adb/unknown", test_unknown);
  g_test_add_func ("/way-adb/names", test_names);
  for (guint i = 0; i < G_N_ELEMENTS (faults); i++)
    {
      g_autofree char *path = g_strdup_printf ("/way-adb/fault/%s", faults[i].name);
      g_test_add_data_func (path, &faults[i], test_fault);
    }
  g_test_add_func ("/way-adb/vanishes", test_vanishes);
  g_test_add_func ("/way-adb/refuses-streams", test_refuses_streams);
  g_test_add_func ("/way-adb/killed", test_killed);
  g_test_add_func ("/way-adb/cancelled", test_cancelled);
  g_test_add_func ("/way-adb/wrong-place", test_wrong_place);
  g_test_add_func ("/way-adb/adb-port-refused", test_adb_port_refused);
  return g_test_run ();
}
