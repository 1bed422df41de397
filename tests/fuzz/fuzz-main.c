/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* Runs a fuzz target without libFuzzer: the seed corpus, then a number of mutations, the same ones every time. */
#include "fuzz.h"

#include <signal.h>
#include <string.h>
#include <unistd.h>

#define N_MUTATIONS 20000
#define INPUT_MAX 2048

static const char *corpus;
static GPtrArray *seeds;        /* of GBytes */
static GByteArray *current;     /* for on_abort() */

/* A failed assertion shows its input, as hexadecimal digits (xxd -r -p makes a file of them). */
static void
on_abort (int number)
{
  static const char digits[] = "0123456789abcdef";

  for (guint i = 0; i < current->len; i++)
    {
      char pair[] = { digits[current->data[i] >> 4], digits[current->data[i] & 15] };

      if (write (STDERR_FILENO, pair, sizeof pair) < 0)
        break;
    }
  signal (number, SIG_DFL);
  raise (number);
}

static int
compare_names (gconstpointer a, gconstpointer b)
{
  return strcmp (*(const char *const *) a, *(const char *const *) b);
}

static void
load_seeds (void)
{
  g_autoptr(GError) error = NULL;
  g_autoptr(GDir) dir = g_dir_open (corpus, 0, &error);
  g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func (g_free);
  const char *name;

  g_assert_no_error (error);
  while ((name = g_dir_read_name (dir)) != NULL)
    g_ptr_array_add (names, g_build_filename (corpus, name, NULL));
  g_ptr_array_sort (names, compare_names);
  for (guint i = 0; i < names->len; i++)
    {
      char *contents;
      gsize length;

      g_file_get_contents (g_ptr_array_index (names, i), &contents, &length, &error);
      g_assert_no_error (error);
      g_ptr_array_add (seeds, g_bytes_new_take (contents, length));
    }
}

static void
set_current (guint seed)
{
  gsize length;
  const guint8 *data = g_bytes_get_data (g_ptr_array_index (seeds, seed), &length);

  g_byte_array_set_size (current, 0);
  g_byte_array_append (current, data, (guint) length);
}

static void
run_current (void)
{
  /* A copy of its exact size, so that a sanitizer sees a byte read too far. */
  g_autofree guint8 *data = g_memdup2 (current->data, current->len);

  LLVMFuzzerTestOneInput (data != NULL ? data : (const guint8 *) "", current->len);
}

static void
test_seeds (void)
{
  g_assert_cmpuint (seeds->len, >, 0);
  for (guint i = 0; i < seeds->len; i++)
    {
      set_current (i);
      run_current ();
    }
  g_byte_array_set_size (current, 0);
  run_current ();
}

/* Part of another seed, in the middle of this one. */
static void
splice (GRand *rand, guint at)
{
  gsize length;
  const guint8 *data = g_bytes_get_data (g_ptr_array_index (seeds, g_rand_int_range (rand, 0, (gint32) seeds->len)),
                                         &length);
  gsize from = length > 0 ? (gsize) g_rand_int_range (rand, 0, (gint32) length) : 0;

  g_byte_array_set_size (current, at);
  g_byte_array_append (current, data + from, (guint) (length - from));
}

static void
mutate (GRand *rand)
{
  static const guint8 special[] = { 0x00, 0xff, '\r', '\n', ' ', '+', ':', '>', '*', '%', '_', '"', ';', '0', 0xa3,
                                    0xba, 0xef, 0xbc, 0x9a, '[', ']', '=', '{', '}' };
  guint at = current->len > 0 ? (guint) g_rand_int_range (rand, 0, (gint32) current->len) : 0;
  guint8 byte = g_rand_boolean (rand) ? special[g_rand_int_range (rand, 0, G_N_ELEMENTS (special))]
                                      : (guint8) g_rand_int_range (rand, 0, 256);

  switch (current->len > 0 ? g_rand_int_range (rand, 0, 5) : 1)
    {
    case 0:
      current->data[at] = byte;
      break;
    case 1:
      g_byte_array_append (current, &byte, 1);
      memmove (current->data + at + 1, current->data + at, current->len - at - 1);
      current->data[at] = byte;
      break;
    case 2:
      g_byte_array_remove_index (current, at);
      break;
    case 3:
      current->data[at] ^= (guint8) (1 << g_rand_int_range (rand, 0, 8));
      break;
    default:
      splice (rand, at);
      break;
    }
  if (current->len > INPUT_MAX)
    g_byte_array_set_size (current, INPUT_MAX);
}

static void
test_mutations (void)
{
  g_autoptr(GRand) rand = g_rand_new_with_seed (1);

  for (guint i = 0; i < N_MUTATIONS; i++)
    {
      set_current (i % seeds->len);
      for (int n = g_rand_int_range (rand, 1, 12); n > 0; n--)
        mutate (rand);
      run_current ();
    }
}

int
main (int argc, char **argv)
{
  int status;

  g_test_init (&argc, &argv, NULL);
  g_assert_cmpint (argc, ==, 2);
  corpus = argv[1];
  seeds = g_ptr_array_new_with_free_func ((GDestroyNotify) g_bytes_unref);
  current = g_byte_array_new ();
  load_seeds ();
  signal (SIGABRT, on_abort);
  g_test_add_func ("/fuzz/seeds", test_seeds);
  g_test_add_func ("/fuzz/mutations", test_mutations);
  status = g_test_run ();
  g_ptr_array_unref (seeds);
  g_byte_array_unref (current);
  return status;
}
