/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-module.h"

#include "mefota-build.h"

#include <fcntl.h>
#include <gio/gunixinputstream.h>
#include <glib-unix.h>
#include <locale.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

typedef struct
{
  GMainLoop *loop;
  MefotaSim *sim;
  gboolean events;
  gboolean over;
} Program;

static char **option_scripts;
static char **option_settings;
static gboolean option_control;
static gboolean option_events;
static gboolean option_version;

static gboolean
on_shortcut (const char *name, const char *value, gpointer data, GError **error)
{
  g_autoptr (GPtrArray) all = g_ptr_array_new ();

  for (guint i = 0; option_settings != NULL && option_settings[i] != NULL; i++)
    g_ptr_array_add (all, option_settings[i]);
  g_ptr_array_add (all, g_strdup_printf ("%s=%s", name + 2, value));
  g_ptr_array_add (all, NULL);
  g_free (option_settings);
  option_settings = (char **) g_ptr_array_free (g_steal_pointer (&all), FALSE);
  return TRUE;
}

static gboolean
on_set (const char *name, const char *value, gpointer data, GError **error)
{
  const char *equals = strchr (value, '=');
  g_autofree char *option = NULL;

  if (equals == NULL)
    {
      g_set_error (error, G_OPTION_ERROR, G_OPTION_ERROR_BAD_VALUE, "--set %s should be KEY=VALUE", value);
      return FALSE;
    }
  option = g_strdup_printf ("--%.*s", (int) (equals - value), value);
  return on_shortcut (option, equals + 1, data, error);
}

static const GOptionEntry entries[] = {
  { "wiring", 0, 0, G_OPTION_ARG_CALLBACK, on_shortcut, "How the module is connected", "usb|uart" },
  { "link", 0, 0, G_OPTION_ARG_CALLBACK, on_shortcut, "Stable link to the pty", "PATH" },
  { "time-scale", 0, 0, G_OPTION_ARG_CALLBACK, on_shortcut, "Play so many times faster", "X" },
  { "firmware", 0, 0, G_OPTION_ARG_CALLBACK, on_shortcut, "Running firmware", "VERSION" },
  { "imei", 0, 0, G_OPTION_ARG_CALLBACK, on_shortcut, "Fifteen digits", "IMEI" },
  { "pace", 0, 0, G_OPTION_ARG_CALLBACK, on_shortcut, "Read no faster than at this rate", "BAUD" },
  { "adb-port", 0, 0, G_OPTION_ARG_CALLBACK, on_shortcut, "TCP port of its adb daemon (adb connect)", "PORT|any" },
  { "set", 's', 0, G_OPTION_ARG_CALLBACK, on_set, "Set a switch, see below (may be repeated)", "KEY=VALUE" },
  { "script", 0, 0, G_OPTION_ARG_FILENAME_ARRAY, &option_scripts, "Play a script, see below (may be repeated)",
    "FILE|NAME" },
  { "control", 0, 0, G_OPTION_ARG_NONE, &option_control, "Commands on standard input, events on standard output",
    NULL },
  { "events", 0, 0, G_OPTION_ARG_NONE, &option_events, "Events on standard output", NULL },
  { "version", 0, 0, G_OPTION_ARG_NONE, &option_version, "Show the version", NULL },
  { NULL },
};

/* Perhaps before the loop runs. */
static void
end (Program *program)
{
  program->over = TRUE;
  g_main_loop_quit (program->loop);
}

static gboolean
on_signal (gpointer user_data)
{
  end (user_data);
  return G_SOURCE_CONTINUE;
}

static void
say (Program *program, const char *word, const char *text)
{
  /* Nobody listens any longer: there is nobody to play for. */
  if (printf ("%s%s\n", word, text) < 0 || fflush (stdout) != 0)
    end (program);
}

static void
on_event (MefotaSim *sim, const char *line, gpointer user_data)
{
  Program *program = user_data;

  if (program->events || g_str_has_prefix (line, "port "))
    say (program, "", line);
}

static void
on_line (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Program *program = user_data;
  g_autofree char *line = g_data_input_stream_read_line_finish (G_DATA_INPUT_STREAM (source), result, NULL, NULL);
  g_autoptr (GError) error = NULL;

  if (line == NULL || g_str_equal (line, "quit"))
    {
      end (program);
      return;
    }
  if (*line != '\0')
    {
      if (mefota_sim_control (program->sim, line, &error))
        say (program, "ok ", line);
      else
        say (program, "error ", error->message);
    }
  g_data_input_stream_read_line_async (G_DATA_INPUT_STREAM (source), G_PRIORITY_DEFAULT, NULL, on_line, program);
}

/* A script's file: as given, or one of the shipped ones by its name. */
static char *
find_script (const char *name)
{
  g_autofree char *file = g_strconcat (name, ".sim", NULL);

  if (strchr (name, '/') != NULL || g_file_test (name, G_FILE_TEST_EXISTS))
    return g_strdup (name);
  return g_build_filename (MEFOTA_PKGDATADIR, "sim", file, NULL);
}

static gboolean
add_script (MefotaSim *sim, const char *name, GError **error)
{
  g_autofree char *file = find_script (name);
  g_autofree char *text = NULL;

  if (!g_file_get_contents (file, &text, NULL, error))
    {
      g_prefix_error (error, "there is no script \"%s\", neither as a file nor as a shipped one: ", name);
      return FALSE;
    }
  return mefota_sim_add_script (sim, text, name, error);
}

static gboolean
configure (MefotaSim *sim, GError **error)
{
  for (guint i = 0; option_scripts != NULL && option_scripts[i] != NULL; i++)
    if (!add_script (sim, option_scripts[i], error))
      return FALSE;
  /* The command line wins over the scripts. */
  for (guint i = 0; option_settings != NULL && option_settings[i] != NULL; i++)
    {
      g_autofree char *key = g_strdup (option_settings[i]);
      char *equals = strchr (key, '=');

      *equals = '\0';
      if (!mefota_sim_set (sim, key, equals + 1, error))
        return FALSE;
    }
  return TRUE;
}

static GOptionContext *
make_options (void)
{
  GOptionContext *context = g_option_context_new ("- plays an ME3630-family module on a pty");
  g_autofree char *switches = mefota_sim_describe_switches ();
  g_autofree char *text = NULL;

  text = g_strdup_printf ("Examples:\n"
                          "  mefota-sim --link /tmp/module --time-scale 20\n"
                          "  mefota-sim --wiring uart --pace 115200 --set boot-noise=zready --events\n"
                          "  mefota-sim --set fail=FAIL_VERIFY --set lose-last=true --control\n\n"
                          "Shipped scripts (--script NAME), in " MEFOTA_PKGDATADIR "/sim: network, polled,\n"
                          "serial and adb (built in), late-version, power-cut, sibling, sloppy.\n\n"
                          "The first line it prints is \"port PATH\": open that as you would open the module's\n"
                          "AT port.\n\n"
                          "SWITCHES (--set KEY=VALUE, `set KEY=VALUE` in a script or by --control; default shown)\n\n"
                          "%s\nSCRIPTS\n\n%s\nCONTROL\n\n%s",
                          switches, mefota_sim_describe_script (), mefota_sim_describe_control ());
  g_option_context_set_summary (context,
                                "It answers AT commands, runs the firmware upgrades of the vendor's FOTA guide, "
                                "reboots,"
                                "\nand makes every mistake it is told to make. For testing gateways without a module.");
  g_option_context_set_description (context, text);
  g_option_context_add_main_entries (context, entries, NULL);
  return context;
}

static void
play (Program *program)
{
  g_autoptr (GInputStream) input = NULL;
  g_autoptr (GDataInputStream) lines = NULL;

  if (option_control)
    {
      input = g_unix_input_stream_new (STDIN_FILENO, FALSE);
      lines = g_data_input_stream_new (input);
      g_data_input_stream_read_line_async (lines, G_PRIORITY_DEFAULT, NULL, on_line, program);
    }
  if (!program->over)
    g_main_loop_run (program->loop);
  mefota_sim_stop (program->sim);
}

/* Before there is a link that only the program's own end takes away. */
static void
catch_signals (Program *program)
{
  const int signals[] = { SIGTERM, SIGINT, SIGHUP };

  signal (SIGPIPE, SIG_IGN);
  for (gsize i = 0; i < G_N_ELEMENTS (signals); i++)
    g_unix_signal_add (signals[i], on_signal, program);
}

/* One that is closed would become the pty, and the events would go to whoever has the module open. */
static void
fill_standard_streams (void)
{
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl (fd, F_GETFD) < 0 && open ("/dev/null", O_RDWR) < 0)
      return;
}

static int
run (int argc, char **argv)
{
  g_autoptr (GOptionContext) context = NULL;
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (MefotaSim) sim = mefota_sim_new ();
  g_autoptr (GError) error = NULL;
  Program program = { .loop = loop, .sim = sim };

  setlocale (LC_ALL, "");
  context = make_options ();
  if (!g_option_context_parse (context, &argc, &argv, &error) || argc > 1)
    {
      g_printerr ("mefota-sim: %s\n", error != NULL ? error->message : "too many arguments; see mefota-sim --help");
      return 2;
    }
  if (option_version)
    {
      g_print ("mefota-sim %s\n", MEFOTA_VERSION);
      return 0;
    }
  program.events = option_events || option_control;
  g_signal_connect (sim, "event", G_CALLBACK (on_event), &program);
  if (!configure (sim, &error))
    {
      g_printerr ("mefota-sim: %s\n", error->message);
      return 2;
    }
  catch_signals (&program);
  if (!mefota_sim_start (sim, &error))
    {
      g_printerr ("mefota-sim: %s\n", error->message);
      return 1;
    }
  play (&program);
  return 0;
}

int
main (int argc, char **argv)
{
  fill_standard_streams ();
  return run (argc, argv);
}
