/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* A store on a full disk: what has happened anyhow is written when there is room again. */

#include <glib/gstdio.h>
#include <signal.h>
#include <string.h>
#include <sys/resource.h>

#include "mefota-error.h"
#include "mefota-store.h"
#include "test-folder.h"

static void
limit_disk (gboolean full)
{
  struct rlimit limit = { full ? 0 : RLIM_INFINITY, RLIM_INFINITY };
  g_assert_cmpint (setrlimit (RLIMIT_FSIZE, &limit), ==, 0);
}

static GVariant *
number (int n)
{
  return g_variant_new_parsed ("{'number': <%i>}", n);
}

static int
load (MefotaStore *store, const char *key)
{
  g_autoptr (GVariant) record = mefota_store_load (store, MEFOTA_STORE_PLACE, key);
  int n = 0;

  if (record != NULL)
    g_variant_lookup (record, "number", "i", &n);
  return n;
}

/* @data: NULL if there is room only when the store is closed. */
static void
test_room_again (gconstpointer data)
{
  g_autofree char *folder = g_dir_make_tmp ("mefota-store-XXXXXX", NULL);
  g_autoptr (MefotaStore) store = mefota_store_new (folder);
  g_autoptr (MefotaStore) next = NULL;
  g_autoptr (GVariant) entry = NULL;
  g_autoptr (GError) error = NULL;

  g_assert_true (mefota_store_save (store, MEFOTA_STORE_PLACE, "newer", number (1), NULL));
  limit_disk (TRUE);
  g_assert_false (mefota_store_keep (store, MEFOTA_STORE_PLACE, "kept", number (1), &error));
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED);
  g_assert_false (mefota_store_keep (store, MEFOTA_STORE_PLACE, "newer", number (2), NULL));
  g_assert_false (mefota_store_keep (store, MEFOTA_STORE_PLACE, "removed", number (2), NULL));
  g_assert_false (mefota_store_save (store, MEFOTA_STORE_PLACE, "saved", number (1), NULL));
  g_assert_false (mefota_store_keep (store, MEFOTA_STORE_PLACE, "kept", number (2), NULL));
  g_assert_false (mefota_store_history_put (
      store, g_variant_new_parsed ("{'id': <'1'>, 'module': <'m0'>, 'imei': <'2'>}"), NULL));
  entry = mefota_store_history_get (store, "1");
  g_assert_nonnull (entry);
  g_assert_cmpint (load (store, "newer"), ==, 1);

  limit_disk (FALSE);
  g_assert_true (mefota_store_remove (store, MEFOTA_STORE_PLACE, "removed", NULL));
  if (data != NULL)
    {
      g_assert_true (mefota_store_save (store, MEFOTA_STORE_PLACE, "newer", number (3), NULL));
      g_assert_cmpint (load (store, "kept"), ==, 2);
    }
  g_clear_pointer (&store, mefota_store_free);
  next = mefota_store_new (folder);
  g_assert_cmpint (load (next, "kept"), ==, 2);
  g_assert_cmpint (load (next, "newer"), ==, data != NULL ? 3 : 2);
  g_assert_cmpint (load (next, "removed"), ==, 0);
  g_assert_cmpint (load (next, "saved"), ==, 0);
  g_clear_pointer (&entry, g_variant_unref);
  entry = mefota_store_history_get (next, "1");
  g_assert_nonnull (entry);
  test_folder_remove (folder);
}

/* Without anything else to save. */
static void
test_room_later (void)
{
  g_autofree char *folder = g_dir_make_tmp ("mefota-store-XXXXXX", NULL);
  g_autoptr (MefotaStore) store = mefota_store_new (folder);
  gint64 end = g_get_monotonic_time () + 60 * G_USEC_PER_SEC;

  limit_disk (TRUE);
  g_assert_false (mefota_store_keep (store, MEFOTA_STORE_PLACE, "kept", number (1), NULL));
  limit_disk (FALSE);
  g_assert_cmpint (load (store, "kept"), ==, 0);
  while (load (store, "kept") == 0 && g_get_monotonic_time () < end)
    g_main_context_iteration (NULL, TRUE);
  g_assert_cmpint (load (store, "kept"), ==, 1);
  g_assert_false (g_main_context_pending (NULL));
  test_folder_remove (folder);
}

int
main (int argc, char **argv)
{
  signal (SIGXFSZ, SIG_IGN);
  g_test_init (&argc, &argv, NULL);
  g_test_add_data_func ("/store-full/room-at-next-save", "", test_room_again);
  g_test_add_data_func ("/store-full/room-at-end", NULL, test_room_again);
  g_test_add_func ("/store-full/room-later", test_room_later);
  return g_test_run ();
}
