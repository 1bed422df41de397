/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-journal.h"

#include "bus-fixture.h"

#include <string.h>

static void
test_ids (void)
{
  g_autoptr (GHashTable) seen = g_hash_table_new (g_str_hash, g_str_equal);
  for (guint i = 0; i < MEFOTA_N_JOURNAL_EVENTS; i++)
    {
      const char *id = mefota_journal_get_message_id (i);
      g_assert_cmpuint (strlen (id), ==, 32);
      g_assert_cmpuint (strspn (id, "0123456789abcdef"), ==, 32);
      g_assert_true (g_hash_table_add (seen, (gpointer) id));
    }
}

/* The catalog explains these events, in this order, and nothing else. */
static void
test_catalog (void)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "..", "data", "mefota.catalog", NULL);
  g_autofree char *text = NULL;
  if (!g_file_get_contents (path, &text, NULL, NULL))
    {
      g_test_skip ("no catalog");
      return;
    }

  g_auto (GStrv) lines = g_strsplit (text, "\n", -1);
  guint n = 0;
  for (guint i = 0; lines[i] != NULL; i++)
    if (g_str_has_prefix (lines[i], "-- "))
      {
        g_assert_cmpuint (n, <, MEFOTA_N_JOURNAL_EVENTS);
        g_assert_cmpstr (g_strchomp (lines[i] + 3), ==, mefota_journal_get_message_id (n));
        g_assert_true (lines[i + 1] != NULL && g_str_has_prefix (lines[i + 1], "Subject: "));
        n++;
      }
  g_assert_cmpuint (n, ==, MEFOTA_N_JOURNAL_EVENTS);
}

static void
test_event (void)
{
  g_autofree char *id = g_strdup_printf ("MESSAGE_ID=%s\n", mefota_journal_get_message_id (MEFOTA_JOURNAL_PHASE));

  mefota_journal_event (MEFOTA_JOURNAL_PHASE, "usb_1_1", "the-upgrade", "UPDATING", "usb_1_1: %s", "installs");
  g_assert_cmpuint (logged->len, ==, 1);
  const char *record = g_ptr_array_index (logged, 0);
  g_assert_nonnull (strstr (record, id));
  g_assert_nonnull (strstr (record, "MESSAGE=usb_1_1: installs\n"));
  g_assert_nonnull (strstr (record, "PRIORITY=5\n"));
  g_assert_nonnull (strstr (record, "MEFOTA_MODULE=usb_1_1\n"));
  g_assert_nonnull (strstr (record, "MEFOTA_UPGRADE=the-upgrade\n"));
  g_assert_nonnull (strstr (record, "MEFOTA_STATUS=UPDATING\n"));
  g_assert_null (strstr (record, "WARNING"));
  log_forget ();

  mefota_journal_event (MEFOTA_JOURNAL_FAILED, "usb_1_1", NULL, NULL, "It failed.");
  record = g_ptr_array_index (logged, 0);
  g_assert_nonnull (strstr (record, "WARNING=1\n"));
  g_assert_nonnull (strstr (record, "PRIORITY=4\n"));
  g_assert_null (strstr (record, "MEFOTA_UPGRADE"));
  g_assert_null (strstr (record, "MEFOTA_STATUS"));
  log_forget ();
}

/* The writer can be set once in a process: each case below is a process of its own. */

static void
write_everything (gboolean verbose)
{
  g_log_set_always_fatal (G_LOG_FATAL_MASK);
  mefota_journal_init (verbose);
  g_debug ("a debug line");
  g_info ("an info line");
  g_message ("a message");
  g_warning ("a warning with \033[31m and\nbreak and \xff");
  g_log_structured ("Library", G_LOG_LEVEL_DEBUG, "MESSAGE", "its debug line");
  g_log_structured ("Library", G_LOG_LEVEL_WARNING, "MESSAGE", "its warning");
  mefota_journal_event (MEFOTA_JOURNAL_OVERDUE, "m", NULL, NULL, "Late.");
}

static void
test_plain (void)
{
  if (g_test_subprocess ())
    {
      write_everything (FALSE);
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("info: an info line\nnotice: a message\n"
                             "warning: a warning with \\x1b[31m and\\x0abreak and \xef\xbf\xbd\n"
                             "warning: Library: its warning\nwarning: Late.\n");
}

static void
test_verbose (void)
{
  if (g_test_subprocess ())
    {
      write_everything (TRUE);
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_passed ();
  g_test_trap_assert_stderr ("??:??:??.??? debug: a debug line\n??:??:??.??? info: an info line\n*");
  g_test_trap_assert_stderr_unmatched ("*its debug line*");
}

static void
test_fatal (void)
{
  if (g_test_subprocess ())
    {
      g_log_set_always_fatal (G_LOG_FATAL_MASK | G_LOG_LEVEL_WARNING);
      mefota_journal_init (FALSE);
      g_warning ("the last words");
      return;
    }
  g_test_trap_subprocess (NULL, 0, 0);
  g_test_trap_assert_failed ();
  g_test_trap_assert_stderr ("warning: the last words\n*");
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  if (!g_test_subprocess ())
    log_open ();
  g_test_add_func ("/journal/ids", test_ids);
  g_test_add_func ("/journal/catalog", test_catalog);
  g_test_add_func ("/journal/event", test_event);
  g_test_add_func ("/journal/plain", test_plain);
  g_test_add_func ("/journal/verbose", test_verbose);
  g_test_add_func ("/journal/fatal", test_fatal);
  return g_test_run ();
}
