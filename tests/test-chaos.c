/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Calls of the daemon's methods and mishaps of its modules, as the dice fall, without waiting for one another; then
 * everything has to be in order.
 *
 *   test-chaos [RUNS [FIRST]]    RUNS runs, 20 unless said otherwise, with the dice FIRST, FIRST + 1 …; without it by
 *                                --seed. Which call meets which mishap depends on the machine too, so a run that fails
 *                                may have to be repeated. */

#include "chaos-play.h"

#include <stdlib.h>

#define RUNS 20
#define ROUNDS 2
#define BURSTS 5

static void
test_run (gconstpointer data)
{
  Chaos self;

  chaos_open (&self, GPOINTER_TO_UINT (data));
  for (guint i = 0; i < ROUNDS; i++)
    {
      for (guint k = 0; k < BURSTS; k++)
        chaos_burst (&self);
      chaos_calm_down (&self);
    }
  chaos_check (&self);
  chaos_close (&self);
}

int
main (int argc, char **argv)
{
  guint runs = RUNS;
  guint32 first;

  g_test_init (&argc, &argv, NULL);
  if (argc > 1)
    runs = (guint) atoi (argv[1]);
  first = argc > 2 ? (guint32) g_ascii_strtoull (argv[2], NULL, 10) : (guint32) g_test_rand_int () & G_MAXINT32;
  for (guint i = 0; i < runs; i++)
    {
      g_autofree char *path = g_strdup_printf ("/chaos/%u", first + i);
      g_test_add_data_func (path, GUINT_TO_POINTER (first + i), test_run);
    }
  return g_test_run ();
}
