/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-at-log.h"
#include "mefota-build.h"
#include "mefota-daemon.h"
#include "mefota-error.h"
#include "mefota-journal.h"

#include <glib-unix.h>
#include <malloc.h>
#include <stdio.h>

typedef struct
{
  GMainLoop *loop;
  MefotaDaemon *daemon;
} Main;

static gboolean
on_terminate (gpointer data)
{
  g_main_loop_quit (((Main *) data)->loop);
  return G_SOURCE_CONTINUE;
}

static gboolean
on_reload (gpointer data)
{
  mefota_daemon_reload (((Main *) data)->daemon);
  return G_SOURCE_CONTINUE;
}

/* The first of a colon-separated list that systemd hands over, or our own default. */
static char *
directory_from_environment (const char *variable, const char *otherwise)
{
  const char *value = g_getenv (variable);
  g_auto (GStrv) parts = value != NULL ? g_strsplit (value, ":", 2) : NULL;
  return g_strdup (parts != NULL && parts[0] != NULL && parts[0][0] != '\0' ? parts[0] : otherwise);
}

/* The traffic with the modules goes to the log: masked, unless the environment asks for all of it. */
static void
init_log (gboolean verbose)
{
  mefota_journal_init (verbose);
  if (!verbose || g_strcmp0 (g_getenv ("MEFOTA_LOG_UNMASKED"), "1") != 0)
    return;
  mefota_at_log_set_unmasked (TRUE);
  g_warning ("The log now holds IMEI and SIM data; unset MEFOTA_LOG_UNMASKED once you have seen enough.");
}

static void
print_warnings (GPtrArray *warnings)
{
  for (guint i = 0; i < warnings->len; i++)
    g_warning ("%s", (const char *) g_ptr_array_index (warnings, i));
}

int
main (int argc, char **argv)
{
  g_autofree char *config_path = NULL;
  g_autofree char *state_directory = NULL;
  g_autofree char *run_directory = directory_from_environment ("RUNTIME_DIRECTORY", "/run/mefota");
  gboolean verbose = FALSE, version = FALSE;
  const GOptionEntry entries[] = {
    { "config", 0, 0, G_OPTION_ARG_FILENAME, &config_path,
      "Configuration (default " MEFOTA_SYSCONFDIR "/mefota/mefotad.conf)", "FILE" },
    { "state-dir", 0, 0, G_OPTION_ARG_FILENAME, &state_directory,
      "Where upgrades under way and the history are kept", "DIR" },
    { "verbose", 0, 0, G_OPTION_ARG_NONE, &verbose,
      "Show the traffic with the modules, with IMEI and SIM data masked", NULL },
    { "version", 0, 0, G_OPTION_ARG_NONE, &version, "Print the version", NULL },
    { NULL },
  };
  const char *profile_dirs[] = { MEFOTA_PKGDATADIR "/profiles.d", MEFOTA_SYSCONFDIR "/mefota/profiles.d", NULL };
  g_autoptr (GOptionContext) context = g_option_context_new ("- firmware upgrade of cellular modules");
  g_autoptr (GError) error = NULL;
  g_autoptr (GPtrArray) warnings = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (MefotaConfig) config = NULL;
  Main self = { NULL };
  MefotaExit status;

#ifdef __GLIBC__
  /* GDBus' thread would get a heap of its own, most of it never used. */
  mallopt (M_ARENA_MAX, 1);
#endif
  g_option_context_add_main_entries (context, entries, NULL);
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc > 1)
    {
      fprintf (stderr, "mefotad: %s\n",
               error != NULL ? error->message : "no arguments are expected; see mefotad --help");
      return MEFOTA_EXIT_USAGE;
    }
  if (version)
    {
      printf ("mefotad %s\n", MEFOTA_VERSION);
      return MEFOTA_EXIT_OK;
    }
  mefota_error_quark ();
  init_log (verbose);

  config = mefota_config_load (config_path, MEFOTA_SYSCONFDIR "/mefota/mefotad.conf", &error);
  if (config == NULL)
    {
      g_critical ("%s", error->message);
      return MEFOTA_EXIT_CONFIG;
    }
  print_warnings (config->warnings);
  if (state_directory == NULL)
    state_directory = directory_from_environment ("STATE_DIRECTORY", MEFOTA_STATEDIR);

  self.loop = g_main_loop_new (NULL, FALSE);
  self.daemon = mefota_daemon_new (g_steal_pointer (&config), mefota_profiles_load (profile_dirs, warnings),
                                   config_path, state_directory, run_directory, self.loop);
  print_warnings (warnings);
  g_unix_signal_add (SIGTERM, on_terminate, &self);
  g_unix_signal_add (SIGINT, on_terminate, &self);
  g_unix_signal_add (SIGHUP, on_reload, &self);
  mefota_daemon_start (self.daemon);
  g_main_loop_run (self.loop);

  mefota_daemon_stop (self.daemon);
  status = mefota_daemon_get_exit (self.daemon);
  g_object_unref (self.daemon);
  g_main_loop_unref (self.loop);
  return status;
}
