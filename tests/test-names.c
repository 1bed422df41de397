/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The enums' words, the bus's documentation and the error domain say the same. */
#include "mefota-error.h"
#include "mefota-names.h"

#include <string.h>

static char *
load_xml (const char *name)
{
  g_autofree char *path = g_test_build_filename (G_TEST_DIST, "..", "dbus", name, NULL);
  g_autoptr(GError) error = NULL;
  char *xml;

  g_file_get_contents (path, &xml, NULL, &error);
  g_assert_no_error (error);
  return xml;
}

/* The comment of property @name up to its first empty line, its name left out. */
static char *
load_doc (const char *name)
{
  g_autofree char *xml = load_xml ("org.gosuncn.Fota.xml");
  g_autofree char *property = g_strdup_printf ("<property name=\"%s\"", name);
  g_autofree char *head = g_strdup_printf ("%s:", name);
  char *end = strstr (xml, property);
  char *text;

  g_assert_nonnull (end);
  *end = '\0';
  text = g_strrstr (xml, "<!--");
  g_assert_nonnull (text);
  text = g_strstrip (text + strlen ("<!--"));
  g_assert_true (g_str_has_prefix (text, head));
  text = g_strchug (text + strlen (head));
  if (strstr (text, "\n\n") != NULL)
    *strstr (text, "\n\n") = '\0';
  if (strstr (text, "-->") != NULL)
    *strstr (text, "-->") = '\0';
  return g_strdup (text);
}

/* The first word of each piece of @doc. */
static GPtrArray *
first_words (const char *doc, const char *separators)
{
  g_auto(GStrv) pieces = g_regex_split_simple (separators, doc, 0, 0);
  GPtrArray *words = g_ptr_array_new_with_free_func (g_free);

  for (gsize i = 0; pieces[i] != NULL; i++)
    {
      const char *piece = g_strchug (pieces[i]);

      if (*piece != '\0')
        g_ptr_array_add (words, g_strndup (piece, strspn (piece, "abcdefghijklmnopqrstuvwxyz")));
    }
  return words;
}

static void
test_state (void)
{
  g_autofree char *doc = load_doc ("State");
  g_autoptr(GPtrArray) words = first_words (doc, "\\.\\s+|\\.$");

  g_assert_cmpuint (words->len, ==, MEFOTA_N_STATES);
  for (guint i = 0; i < MEFOTA_N_STATES; i++)
    {
      MefotaState state;

      g_assert_cmpstr (mefota_state_to_word ((MefotaState) i), ==, g_ptr_array_index (words, i));
      g_assert_true (mefota_state_from_word (g_ptr_array_index (words, i), &state));
      g_assert_cmpuint (state, ==, i);
    }
}

static void
test_operation (void)
{
  g_autofree char *doc = load_doc ("Operation");
  g_autoptr(GPtrArray) words = first_words (doc, ",|\\.");

  g_assert_cmpuint (words->len, ==, MEFOTA_N_OPERATIONS);
  for (guint i = 0; i < MEFOTA_N_OPERATIONS; i++)
    {
      MefotaOperation operation;

      g_assert_cmpstr (mefota_operation_to_word ((MefotaOperation) i), ==, g_ptr_array_index (words, i));
      g_assert_true (mefota_operation_from_word (g_ptr_array_index (words, i), &operation));
      g_assert_cmpuint (operation, ==, i);
    }
}

static void
test_result (void)
{
  g_autofree char *doc = load_doc ("LastResult");
  g_autoptr(GPtrArray) words = first_words (doc, ",|\\.");

  g_assert_cmpuint (words->len, ==, MEFOTA_N_RESULTS);
  for (guint i = 0; i < MEFOTA_N_RESULTS; i++)
    {
      MefotaResult result;

      g_assert_cmpstr (mefota_result_to_word ((MefotaResult) i), ==, g_ptr_array_index (words, i));
      g_assert_true (mefota_result_from_word (g_ptr_array_index (words, i), &result));
      g_assert_cmpuint (result, ==, i);
    }
}

static void
test_transport (void)
{
  g_autofree char *doc = load_doc ("Transport");
  g_autoptr(GPtrArray) words = first_words (doc, " or |\\.");

  g_assert_cmpuint (words->len, ==, MEFOTA_N_TRANSPORTS);
  for (guint i = 0; i < MEFOTA_N_TRANSPORTS; i++)
    {
      MefotaTransport transport;

      g_assert_cmpstr (mefota_transport_to_word ((MefotaTransport) i), ==, g_ptr_array_index (words, i));
      g_assert_true (mefota_transport_from_word (g_ptr_array_index (words, i), &transport));
      g_assert_cmpuint (transport, ==, i);
    }
}

static void
test_unknown_words (void)
{
  static const char *const unknown[] = { "", "Idle", "idle ", "nonsense", NULL };

  for (gsize i = 0; i < G_N_ELEMENTS (unknown); i++)
    {
      MefotaState state = MEFOTA_STATE_CHECKING;
      MefotaOperation operation;
      MefotaResult result;
      MefotaTransport transport;

      g_assert_false (mefota_state_from_word (unknown[i], &state));
      g_assert_cmpint (state, ==, MEFOTA_STATE_CHECKING);
      g_assert_false (mefota_operation_from_word (unknown[i], &operation));
      g_assert_false (mefota_result_from_word (unknown[i], &result));
      g_assert_false (mefota_transport_from_word (unknown[i], &transport));
    }
}

static void
test_error_round_trip (void)
{
  g_autoptr(GHashTable) names = g_hash_table_new (g_str_hash, g_str_equal);
  MefotaError code;

  for (guint i = 0; i < MEFOTA_N_ERRORS; i++)
    {
      const char *name = mefota_error_get_name ((MefotaError) i);
      g_autoptr(GError) error = g_error_new (MEFOTA_ERROR, (gint) i, "Message %u.", i);
      g_autoptr(GError) back = NULL;
      g_autofree char *remote = NULL;

      g_assert_true (g_dbus_is_interface_name (name));
      g_assert_true (g_str_has_prefix (name, "org.gosuncn.Fota.Error."));
      g_assert_true (g_hash_table_add (names, (gpointer) name));
      g_assert_true (mefota_error_from_name (name, &code));
      g_assert_cmpuint (code, ==, i);

      /* over the bus and back */
      remote = g_dbus_error_encode_gerror (error);
      g_assert_cmpstr (remote, ==, name);
      back = g_dbus_error_new_for_dbus_error (name, "Text.");
      g_assert_error (back, MEFOTA_ERROR, (gint) i);
    }
  g_assert_false (mefota_error_from_name ("org.gosuncn.Fota.Error.Nonsense", &code));
  g_assert_false (mefota_error_from_name (NULL, &code));
  g_assert_cmpstr (mefota_error_get_name ((MefotaError) 1000), ==, "org.gosuncn.Fota.Error.Failed");
}

static guint
check_documented_errors (const char *list)
{
  g_autoptr(GRegex) parentheses = g_regex_new ("\\([^)]*\\)", 0, 0, NULL);
  g_autofree char *bare = g_regex_replace_literal (parentheses, list, -1, 0, "", 0, NULL);
  g_auto(GStrv) words = g_strsplit_set (bare, ",.", -1);
  guint n = 0;

  for (gsize i = 0; words[i] != NULL; i++)
    {
      g_autofree char *name = g_strconcat ("org.gosuncn.Fota.Error.", g_strstrip (words[i]), NULL);
      MefotaError code;

      if (*words[i] == '\0')
        continue;
      g_test_message ("%s", words[i]);
      g_assert_true (mefota_error_from_name (name, &code));
      n++;
    }
  return n;
}

/* Every "Errors: ..." of the documentation names errors that exist. */
static void
test_documented_errors (void)
{
  static const char *const files[] = { "org.gosuncn.Fota.xml", "org.gosuncn.Fota.Manager.xml" };

  for (gsize i = 0; i < G_N_ELEMENTS (files); i++)
    {
      g_autofree char *xml = load_xml (files[i]);
      g_auto(GStrv) parts = g_strsplit (xml, "Errors: ", -1);
      guint n = 0;

      for (gsize j = 1; parts[j] != NULL; j++)
        {
          *strstr (parts[j], "-->") = '\0';
          n += check_documented_errors (parts[j]);
        }
      g_assert_cmpuint (n, >, 0);
    }
}

static void
test_clauses (void)
{
  static const struct
  {
    const char *message, *with, *without;
  } rows[] = {
    { "The module refused it; restart it.", "the module refused it; restart it", "the module refused it" },
    { "The module said “a; b”; look it up.", "the module said “a; b”; look it up", "the module said “a; b”" },
    { "adb is gone.", "adb is gone", "adb is gone" },
    { "Nothing", "Nothing", "Nothing" },
    { "", "", "" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (rows); i++)
    {
      g_autofree char *with = mefota_error_to_clause (rows[i].message, TRUE);
      g_autofree char *without = mefota_error_to_clause (rows[i].message, FALSE);
      g_assert_cmpstr (with, ==, rows[i].with);
      g_assert_cmpstr (without, ==, rows[i].without);
    }
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/names/state", test_state);
  g_test_add_func ("/names/operation", test_operation);
  g_test_add_func ("/names/result", test_result);
  g_test_add_func ("/names/transport", test_transport);
  g_test_add_func ("/names/unknown-words", test_unknown_words);
  g_test_add_func ("/names/error-round-trip", test_error_round_trip);
  g_test_add_func ("/names/documented-errors", test_documented_errors);
  g_test_add_func ("/names/clauses", test_clauses);
  return g_test_run ();
}
