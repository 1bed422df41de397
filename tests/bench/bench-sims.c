/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Many simulated modules in one process, for bench-scale: bench-sims FOLDER N links their ports to FOLDER/s0 ...,
 * prints "ready" and runs until its input ends. */

#include "sim-module.h"

#include <glib-unix.h>
#include <stdio.h>
#include <stdlib.h>

static gboolean
on_end (int fd, GIOCondition condition, gpointer data)
{
  g_main_loop_quit (data);
  return G_SOURCE_REMOVE;
}

int
main (int argc, char **argv)
{
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GPtrArray) sims = g_ptr_array_new_with_free_func (g_object_unref);
  int n = argc == 3 ? atoi (argv[2]) : 0;

  for (int i = 0; i < n; i++)
    {
      MefotaSim *sim = mefota_sim_new ();
      g_autofree char *link = g_strdup_printf ("%s/s%d", argv[1], i);
      g_autofree char *imei = g_strdup_printf ("86486304%07d", i);
      g_autoptr (GError) error = NULL;

      g_ptr_array_add (sims, sim);
      if (!mefota_sim_set (sim, "wiring", "uart", &error) || !mefota_sim_set (sim, "link", link, &error)
          || !mefota_sim_set (sim, "imei", imei, &error) || !mefota_sim_set (sim, "time-scale", "15", &error)
          || !mefota_sim_set (sim, "quiet", "true", &error) || !mefota_sim_start (sim, &error))
        {
          fprintf (stderr, "%s (each needs an inotify instance: fs.inotify.max_user_instances)\n", error->message);
          return 1;
        }
    }
  g_unix_fd_add (0, G_IO_IN | G_IO_HUP, on_end, loop);
  puts ("ready");
  fflush (stdout);
  g_main_loop_run (loop);
  for (guint i = 0; i < sims->len; i++)
    mefota_sim_stop (g_ptr_array_index (sims, i));
  return 0;
}
