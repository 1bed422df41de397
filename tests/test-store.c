/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include <glib/gstdio.h>
#include <string.h>
#include <sys/stat.h>

#include "mefota-error.h"
#include "mefota-record.h"
#include "mefota-store.h"
#include "test-folder.h"

typedef struct
{
  char *top, *dir;
  MefotaStore *store;
} Fixture;

static GString *warnings; /* what was logged as a warning since the last look */

/* Warnings are fatal in the tests; those expected here are kept instead. */
static GLogWriterOutput
write_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer data)
{
  if ((level & G_LOG_LEVEL_MASK) != G_LOG_LEVEL_WARNING)
    return g_log_writer_default (level, fields, n_fields, data);
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, "MESSAGE"))
      g_string_append_printf (warnings, "%s\n", (const char *) fields[i].value);
  return G_LOG_WRITER_HANDLED;
}

static void
assert_warned (const char *words)
{
  if (strstr (warnings->str, words) == NULL)
    g_error ("\"%s\" is not in: %s", words, warnings->str);
  g_string_truncate (warnings, 0);
}

static void
reopen (Fixture *f)
{
  g_clear_pointer (&f->store, mefota_store_free);
  f->store = mefota_store_new (f->dir);
  g_assert_nonnull (f->store);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  g_string_truncate (warnings, 0);
  f->top = g_dir_make_tmp ("mefota-store-XXXXXX", NULL);
  g_assert_nonnull (f->top);
  f->dir = g_build_filename (f->top, "lib", "mefota", NULL);
  reopen (f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_assert_cmpstr (warnings->str, ==, "");
  mefota_store_free (f->store);
  test_folder_remove (f->top);
  g_free (f->dir);
  g_free (f->top);
}

static char *
path_of (Fixture *f, const char *relative)
{
  return g_build_filename (f->dir, relative, NULL);
}

static void
write_file (Fixture *f, const char *relative, const char *text, gssize length)
{
  g_autofree char *path = path_of (f, relative);
  g_autoptr (GError) error = NULL;
  g_file_set_contents (path, text, length, &error);
  g_assert_no_error (error);
}

static gboolean
exists (Fixture *f, const char *relative)
{
  g_autofree char *path = path_of (f, relative);
  return g_file_test (path, G_FILE_TEST_EXISTS);
}

static void
assert_mode (Fixture *f, const char *relative, guint mode)
{
  g_autofree char *path = path_of (f, relative);
  GStatBuf info;
  g_assert_cmpint (g_stat (path, &info), ==, 0);
  g_assert_cmphex (info.st_mode & 07777, ==, mode);
}

static void
save (Fixture *f, const char *kind, const char *key, const char *text)
{
  g_autoptr (GError) error = NULL;
  GVariant *dictionary = g_variant_new_parsed (text); /* floating: save takes it */
  gboolean saved = mefota_store_save (f->store, kind, key, dictionary, &error);
  g_assert_no_error (error);
  g_assert_true (saved);
}

static void
assert_loads (Fixture *f, const char *kind, const char *key, const char *text)
{
  g_autoptr (GVariant) expected = g_variant_ref_sink (g_variant_new_parsed (text));
  g_autoptr (GVariant) loaded = mefota_store_load (f->store, kind, key);
  g_assert_nonnull (loaded);
  g_assert_false (g_variant_is_floating (loaded));
  g_assert_cmpvariant (loaded, expected);
}

static void
assert_absent (Fixture *f, const char *kind, const char *key)
{
  g_autoptr (GVariant) loaded = mefota_store_load (f->store, kind, key);
  g_assert_null (loaded);
}

/* Every type the daemon may want to keep, and strings as a module may send them. */
static void
test_round_trip (Fixture *f, gconstpointer data)
{
  static const char *const records[] = {
    "@a{sv} {}",
    "{'text': <'plain'>}",
    "{'b': <true>, 'a': <false>}", /* the order stays */
    "{'empty': <''>, 'blank': <' x '>, 'lines': <'a\\r\\nb\\tc'>}",
    "{'bell': <'\\a\\u001b[0m\\u0001'>, 'hash': <'# = [x]; \\\\'>}",
    "{'quotes': <'it\\'s \"so\"'>, 'utf8': <'ä 升级 \\u2028 \\ufffd'>}",
    "{'y': <byte 0xff>, 'n': <int16 -5>, 'q': <uint16 65535>, 'i': <-1>, 'u': <uint32 4294967295>}",
    "{'x': <int64 -9223372036854775808>, 't': <uint64 18446744073709551615>, 'd': <0.1>, 'e': <1e300>, 'inf': <inf>}",
    "{'strings': <['a', 'b']>, 'none': <@as []>, 'bytes': <b'raw\\377'>, 'pair': <('name', 'message')>}",
    "{'nested': <{'deep': <{'deeper': <@aa{sv} []>}>}>, 'maybe': <@ms nothing>, 'path': <objectpath '/a'>}",
  };

  for (guint i = 0; i < G_N_ELEMENTS (records); i++)
    {
      save (f, MEFOTA_STORE_PLACE, "usb_1_1_2", records[i]);
      assert_loads (f, MEFOTA_STORE_PLACE, "usb_1_1_2", records[i]);
      reopen (f);
      assert_loads (f, MEFOTA_STORE_PLACE, "usb_1_1_2", records[i]);
    }
  assert_mode (f, ".", 0700);
  assert_mode (f, "places", 0700);
  assert_mode (f, "places/usb_1_1_2.state", 0600);
  g_assert_cmpstr (mefota_store_get_directory (f->store), ==, f->dir);
}

static void
test_keys (Fixture *f, gconstpointer data)
{
  static const char *const bad[] = { "", ".", "..", "../x", "a/b", "/etc/passwd", ".hidden", "a b", "a\n", "ä" };
  g_autofree char *longest = g_strnfill (129, 'a');
  g_auto (GStrv) none = NULL;
  g_auto (GStrv) keys = NULL;

  for (guint i = 0; i <= G_N_ELEMENTS (bad); i++)
    {
      const char *key = i < G_N_ELEMENTS (bad) ? bad[i] : longest;
      g_autoptr (GError) error = NULL;
      g_autoptr (GError) remove_error = NULL;
      g_assert_false (mefota_store_save (f->store, MEFOTA_STORE_PLACE, key, g_variant_new_parsed ("{'a': <1>}"),
                                         &error));
      g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED);
      g_assert_false (mefota_store_remove (f->store, MEFOTA_STORE_PLACE, key, &remove_error));
      g_assert_error (remove_error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED);
      assert_absent (f, MEFOTA_STORE_PLACE, key);
      assert_absent (f, key, "a");
    }
  none = mefota_store_list (f->store, "../places");
  g_assert_cmpuint (g_strv_length (none), ==, 0);

  save (f, MEFOTA_STORE_PLACE, "b", "{'a': <1>}");
  save (f, MEFOTA_STORE_PLACE, "a.state", "{'a': <2>}");
  save (f, MEFOTA_STORE_IMEI, "866123456789012", "{'a': <3>}");
  write_file (f, "places/note.txt", "x", -1);
  keys = mefota_store_list (f->store, MEFOTA_STORE_PLACE);
  g_assert_cmpuint (g_strv_length (keys), ==, 2);
  g_assert_cmpstr (keys[0], ==, "a.state");
  g_assert_cmpstr (keys[1], ==, "b");

  g_assert_true (mefota_store_remove (f->store, MEFOTA_STORE_PLACE, "b", NULL));
  g_assert_true (mefota_store_remove (f->store, MEFOTA_STORE_PLACE, "b", NULL)); /* gone is gone */
  assert_absent (f, MEFOTA_STORE_PLACE, "b");
  assert_loads (f, MEFOTA_STORE_IMEI, "866123456789012", "{'a': <3>}");
}

/* What cannot be kept exactly is refused, and what was there before stays. */
static void
test_refused (Fixture *f, gconstpointer data)
{
  static const char *const records[] = { "{'a=b': <1>}", "{'': <1>}", "{'a\\nb': <1>}", "{' a': <1>}", "{'a[b]': <1>}",
                                         "'text'", "@a{ss} {}" };

  save (f, MEFOTA_STORE_PLACE, "a", "{'good': <1>}");
  for (guint i = 0; i < G_N_ELEMENTS (records); i++)
    {
      g_autoptr (GError) error = NULL;
      g_assert_false (mefota_store_save (f->store, MEFOTA_STORE_PLACE, "a", g_variant_new_parsed (records[i]), &error));
      g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED);
    }
  assert_loads (f, MEFOTA_STORE_PLACE, "a", "{'good': <1>}");
}

static void
test_broken (Fixture *f, gconstpointer data)
{
  static const struct { const char *text; gssize length; const char *why; } table[] = {
    { "", 0, "no version" },
    { "\0\0\0\0\0\0\0\0", 8, "no key file" },
    { "\xff\xfe", 2, "no key file" },
    { "nonsense\n", -1, "no key file" },
    { "[record]\na='x'\n", -1, "no version" },
    { "[mefota]\nversion=0\n[record]\na='x'\n", -1, "no version" },
    { "[mefota]\nversion=one\n", -1, "no version" },
    { "[mefota]\nversion=2\n[record]\na='x'\n", -1, "newer" },
    { "[mefota]\nversion=1\n[record]\na='x\n", -1, "value" },
    { "[mefota]\nversion=1\n[record]\na=\n", -1, "value" },
    { "[mefota]\nversion=1\n[record]\na='x'\na[de]='x'\n", -1, "value" },
    { "[mefota]\nversion=1\n[record]\na=uint32 -1\n", -1, "value" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      write_file (f, "places/a.state", table[i].text, table[i].length);
      assert_absent (f, MEFOTA_STORE_PLACE, "a");
      assert_warned (table[i].why);
      g_assert_false (exists (f, "places/a.state"));
      g_assert_true (exists (f, "places/a.state.broken"));
      assert_absent (f, MEFOTA_STORE_PLACE, "a"); /* and no second warning */
      save (f, MEFOTA_STORE_PLACE, "a", "{'good': <1>}");
      assert_loads (f, MEFOTA_STORE_PLACE, "a", "{'good': <1>}");
    }
}

/* Every prefix of a good file, and every byte of it damaged: something or nothing, but no crash. */
static void
test_damaged (void)
{
  g_autoptr (GVariant) record
      = g_variant_ref_sink (g_variant_new_parsed ("{'state': <'updating'>, 'since': <uint64 7>}"));
  g_autofree char *text = mefota_record_to_text (record, NULL);
  gsize length = strlen (text);
  guint whole = 0;

  for (gsize i = 0; i <= length; i++)
    {
      g_autoptr (GVariant) loaded = mefota_record_from_text (text, i, NULL);
      whole += loaded != NULL && g_variant_equal (loaded, record);
    }
  g_assert_cmpuint (whole, ==, 2); /* with and without the last line end */
  for (gsize i = 0; i < length; i++)
    for (guint bit = 0; bit < 8; bit++)
      {
        g_autofree char *damaged = g_memdup2 (text, length);
        g_autoptr (GError) error = NULL;
        g_autoptr (GVariant) loaded = NULL;
        damaged[i] ^= (char) (1 << bit);
        loaded = mefota_record_from_text (damaged, length, &error);
        if (loaded == NULL)
          g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED);
      }
}

static void
test_odd_files (Fixture *f, gconstpointer data)
{
  g_autofree char *folder = path_of (f, "places/folder.state");
  g_autofree char *huge = path_of (f, "places/huge.state");
  g_autofree char *fifo = path_of (f, "places/fifo.state");

  g_assert_cmpint (g_mkdir (folder, 0700), ==, 0);
  g_assert_cmpint (mkfifo (fifo, 0600), ==, 0);
  write_file (f, "places/huge.state", "x", -1);
  g_assert_cmpint (truncate (huge, G_GINT64_CONSTANT (1) << 40), ==, 0);
  assert_absent (f, MEFOTA_STORE_PLACE, "folder");
  assert_warned ("folder.state.broken");
  assert_absent (f, MEFOTA_STORE_PLACE, "fifo");
  assert_warned ("fifo.state.broken");
  assert_absent (f, MEFOTA_STORE_PLACE, "huge");
  assert_warned ("huge.state.broken");
}

/* What a killed daemon leaves. */
static void
test_left_overs (Fixture *f, gconstpointer data)
{
  save (f, MEFOTA_STORE_PLACE, "a", "{'good': <1>}");
  write_file (f, "places/a.state.K3X9Q1", "[mefota]\nvers", -1);
  write_file (f, "places/a.state.broken", "kept", -1);
  write_file (f, "imeis/1.state.AAAAAA", "", -1);
  write_file (f, "history/1.state.zzzzzz", "", -1);
  reopen (f);
  g_assert_false (exists (f, "places/a.state.K3X9Q1"));
  g_assert_false (exists (f, "imeis/1.state.AAAAAA"));
  g_assert_false (exists (f, "history/1.state.zzzzzz"));
  g_assert_true (exists (f, "places/a.state.broken"));
  assert_loads (f, MEFOTA_STORE_PLACE, "a", "{'good': <1>}");
}

static void
test_no_directory (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) list = NULL;

  test_folder_remove (f->dir);
  g_file_set_contents (f->dir, "in the way", -1, NULL);
  reopen (f);
  assert_warned (f->dir);
  g_assert_false (mefota_store_save (f->store, MEFOTA_STORE_PLACE, "a", g_variant_new_parsed ("{'a': <1>}"), &error));
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED);
  g_assert_nonnull (strstr (error->message, f->dir));
  assert_absent (f, MEFOTA_STORE_PLACE, "a");
  list = mefota_store_history_list (f->store, NULL, NULL, 0);
  g_assert_cmpuint (g_variant_n_children (list), ==, 0);

  /* It works as soon as it can. */
  g_unlink (f->dir);
  save (f, MEFOTA_STORE_PLACE, "a", "{'a': <1>}");
  assert_loads (f, MEFOTA_STORE_PLACE, "a", "{'a': <1>}");
}

static void
put (Fixture *f, guint number, const char *module, const char *imei, const char *result)
{
  g_autoptr (GError) error = NULL;
  g_autofree char *id = g_strdup_printf ("id-%u", number);
  gboolean saved = mefota_store_history_put (f->store,
                                             g_variant_new_parsed ("{'id': <%s>, 'module': <%s>, 'imei': <%s>, "
                                                                   "'result': <%s>}", id, module, imei, result),
                                             &error);
  g_assert_no_error (error);
  g_assert_true (saved);
}

/* @ids: the numbers, newest first: "3 1" */
static void
assert_history (Fixture *f, const char *module, const char *imei, guint limit, const char *ids)
{
  g_autoptr (GVariant) list = mefota_store_history_list (f->store, module, imei, limit);
  g_autoptr (GString) found = g_string_new (NULL);

  g_assert_true (g_variant_is_of_type (list, G_VARIANT_TYPE ("aa{sv}")));
  g_assert_false (g_variant_is_floating (list));
  for (gsize i = 0; i < g_variant_n_children (list); i++)
    {
      g_autoptr (GVariant) entry = g_variant_get_child_value (list, i);
      const char *id;
      g_assert_true (g_variant_lookup (entry, "id", "&s", &id));
      g_string_append_printf (found, "%s%s", i > 0 ? " " : "", id + strlen ("id-"));
    }
  g_assert_cmpstr (found->str, ==, ids);
}

static void
test_history (Fixture *f, gconstpointer data)
{
  assert_history (f, NULL, NULL, 0, "");
  put (f, 1, "a", "111", "failure");
  put (f, 2, "b", "222", "success");
  put (f, 3, "a", "333", "success");
  for (guint again = 0; again < 2; again++)
    {
      g_autoptr (GVariant) entry = mefota_store_history_get (f->store, "id-2");
      g_autoptr (GVariant) none = mefota_store_history_get (f->store, "id-9");
      g_assert_nonnull (entry);
      g_assert_null (none);
      assert_history (f, NULL, NULL, 0, "3 2 1");
      assert_history (f, "", "", 2, "3 2");
      assert_history (f, "a", NULL, 0, "3 1");
      assert_history (f, "a", NULL, 1, "3");
      assert_history (f, NULL, "222", 5, "2");
      assert_history (f, "b", "111", 0, "");
      reopen (f); /* the same from the disk */
    }

  /* An entry is replaced in its place, also after a restart. */
  put (f, 1, "a", "111", "success");
  reopen (f);
  assert_history (f, NULL, NULL, 0, "3 2 1");
  {
    g_autoptr (GVariant) entry = mefota_store_history_get (f->store, "id-1");
    const char *result;
    g_assert_true (g_variant_lookup (entry, "result", "&s", &result));
    g_assert_cmpstr (result, ==, "success");
  }
}

static void
test_history_bounded (Fixture *f, gconstpointer data)
{
  g_autoptr (GVariant) list = NULL;
  g_autoptr (GVariant) gone = NULL;
  g_autoptr (GVariant) oldest = NULL;
  g_auto (GStrv) files = NULL;

  for (guint i = 1; i <= MEFOTA_STORE_HISTORY_MAX + 3; i++)
    put (f, i, "a", "111", "success");
  reopen (f);
  list = mefota_store_history_list (f->store, NULL, NULL, 0);
  g_assert_cmpuint (g_variant_n_children (list), ==, MEFOTA_STORE_HISTORY_MAX);
  gone = mefota_store_history_get (f->store, "id-3");
  g_assert_null (gone);
  oldest = mefota_store_history_get (f->store, "id-4");
  g_assert_nonnull (oldest);
  files = mefota_store_list (f->store, "history");
  g_assert_cmpuint (g_strv_length (files), ==, MEFOTA_STORE_HISTORY_MAX);
}

static void
test_history_broken (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;

  put (f, 1, "a", "111", "success");
  put (f, 2, "a", "111", "success");
  put (f, 3, "a", "111", "success");
  write_file (f, "history/00000000000000000002.state", "torn", -1);
  write_file (f, "history/other.state", "not ours", -1);
  reopen (f);
  assert_history (f, NULL, NULL, 0, "3 1");
  assert_warned ("00000000000000000002.state.broken");
  put (f, 4, "a", "111", "success");
  assert_history (f, NULL, NULL, 0, "4 3 1");

  g_assert_false (mefota_store_history_put (f->store, g_variant_new_parsed ("{'module': <'a'>}"), &error));
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED);
  assert_history (f, NULL, NULL, 0, "4 3 1");
}

static void
test_build_path (Fixture *f, gconstpointer data)
{
  static const struct { const char *name; const char *file; } table[] = {
    { "up.zip", "packages/up.zip" },
    { "../../etc/passwd", "packages/_._.._etc_passwd" },
    { ".hidden", "packages/_hidden" },
    { "a b\nc", "packages/a_b_c" },
    { "", "packages/_" },
    { NULL, "packages/_" },
  };
  g_autofree char *second = NULL;
  g_autoptr (GError) error = NULL;

  for (guint i = 0; i < G_N_ELEMENTS (table); i++)
    {
      g_autofree char *path = mefota_store_build_path (f->store, "packages", table[i].name, &error);
      g_autofree char *expected = path_of (f, table[i].file);
      g_assert_no_error (error);
      g_assert_cmpstr (path, ==, expected);
      g_assert_false (g_file_test (path, G_FILE_TEST_EXISTS));
    }
  assert_mode (f, "packages", 0700);
  write_file (f, "packages/up.zip", "x", -1);
  second = mefota_store_build_path (f->store, "packages", "up.zip", &error);
  g_assert_true (g_str_has_suffix (second, "/packages/up.zip-2"));
  g_assert_null (mefota_store_build_path (f->store, "../x", "y", &error));
  g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_STORAGE_FAILED);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  warnings = g_string_new (NULL);
  g_log_set_writer_func (write_log, NULL, NULL);
#define ADD(path, function) g_test_add (path, Fixture, NULL, set_up, function, tear_down)
  ADD ("/store/round-trip", test_round_trip);
  ADD ("/store/keys", test_keys);
  ADD ("/store/refused", test_refused);
  ADD ("/store/broken", test_broken);
  g_test_add_func ("/store/damaged", test_damaged);
  ADD ("/store/odd-files", test_odd_files);
  ADD ("/store/left-overs", test_left_overs);
  ADD ("/store/no-directory", test_no_directory);
  ADD ("/store/history", test_history);
  ADD ("/store/history-bounded", test_history_bounded);
  ADD ("/store/history-broken", test_history_broken);
  ADD ("/store/build-path", test_build_path);
  return g_test_run ();
}
