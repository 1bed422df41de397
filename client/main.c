/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-build.h"
#include "mefota-error.h"
#include "output.h"
#include "verbs.h"

#include <fcntl.h>
#include <locale.h>
#include <signal.h>
#include <string.h>
#include <unistd.h>

static const struct
{
  const char *name;
  VerbFunc *run;
} verbs[] = {
  { "list", verb_list },
  { "status", verb_status },
  { "upgrade", verb_upgrade },
  { "install", verb_install },
  { "attach", verb_attach },
  { "accept", verb_accept },
  { "reject", verb_reject },
  { "cancel", verb_cancel },
  { "check", verb_check },
  { "server", verb_server },
  { "target", verb_target },
  { "polling", verb_polling },
  { "watch", verb_watch },
  { "history", verb_history },
  { "logs", verb_logs },
  { "restart", verb_restart },
  { "at", verb_at },
};

static const char description[]
    = "Commands:\n"
      "  list\n      All modules\n"
      "  status\n      All of one module (the default)\n"
      "  upgrade [--target V] [--force] [--no-wait] [--require-new]\n      Network upgrade\n"
      "  install FILE [--method M] [--from V] [--expect V] [--sha256 H] [--no-wait]\n      Package upgrade\n"
      "  attach\n      Follow an upgrade that is under way\n"
      "  accept [--report]\n      Let the module that asks upgrade now\n"
      "  reject [--report]\n      Refuse it\n"
      "  cancel\n      End what can still be ended\n"
      "  check\n      Whether the module is ready for a network upgrade\n"
      "  server [ADDRESS PORT]\n      Show or set the upgrade server\n"
      "  target [VERSION]\n      Show or set the version of the next upgrade\n"
      "  polling [on|off]\n      Show or set whether the module asks its server on its own\n"
      "  watch\n      Every indication and change as it comes\n"
      "  history [--limit N]\n      Earlier upgrades\n"
      "  logs\n      Fetch the module's upgrade logs\n"
      "  restart\n      Restart the module\n"
      "  at COMMAND\n      One AT command for diagnosis\n"
      "\n`mefotactl COMMAND --help` shows a command's options; see mefotactl(1).";

/* A shell wants the status 130, not a death by signal; following an upgrade takes this over with a word of its own. */
static void
on_interrupt (int signal)
{
  _exit (STATUS_INTERRUPTED);
}

static gboolean
parse_general (Ctl *ctl, int *argc, char ***argv)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GOptionContext) context = g_option_context_new ("[COMMAND]");
  const GOptionEntry entries[] = {
    { "version", 0, 0, G_OPTION_ARG_NONE, &ctl->version, "Print the version and exit", NULL },
    { NULL },
  };
  g_option_context_set_summary (context, "Upgrades the firmware of cellular modules by way of mefotad.");
  g_option_context_set_description (context, description);
  g_option_context_set_strict_posix (context, TRUE);
  g_option_context_add_main_entries (context, entries, NULL);
  ctl_add_options (ctl, context);
  if (g_option_context_parse (context, argc, argv, &error))
    return TRUE;
  complain ("%s: see `mefotactl --help`.", error->message);
  return FALSE;
}

static ExitStatus
run (Ctl *ctl, int argc, char **argv)
{
  static char *default_argv[] = { (char *) "status", NULL };
  if (!parse_general (ctl, &argc, &argv))
    return STATUS_USAGE;
  if (ctl->version && ctl->json)
    output_json ("{\"Version\":\"" MEFOTA_VERSION "\"}");
  else if (ctl->version)
    output_print (stdout, "mefotactl %s\n", MEFOTA_VERSION);
  if (ctl->version)
    return STATUS_DONE;
  argc--, argv++;
  if (argc > 0 && g_str_equal (argv[0], "--"))
    argc--, argv++;
  if (argc == 0)
    return verb_status (ctl, 1, default_argv);
  for (gsize i = 0; i < G_N_ELEMENTS (verbs); i++)
    if (g_str_equal (argv[0], verbs[i].name))
      return verbs[i].run (ctl, argc, argv);
  complain ("There is no command “%s”: see `mefotactl --help`.", argv[0]);
  return STATUS_USAGE;
}

/* One that is closed would become the bus's or the loop's descriptor, and what is printed would go there. Opened the
 * wrong way round, writing still fails. */
static void
fill_standard_streams (void)
{
  for (int fd = STDIN_FILENO; fd <= STDERR_FILENO; fd++)
    if (fcntl (fd, F_GETFD) < 0 && open ("/dev/null", fd == STDIN_FILENO ? O_WRONLY : O_RDONLY) < 0)
      return;
}

int
main (int argc, char **argv)
{
  Ctl ctl = { 0 };
  struct sigaction interrupted = { .sa_handler = on_interrupt };
  fill_standard_streams ();
  setlocale (LC_ALL, "");
  g_set_prgname ("mefotactl");
  sigaction (SIGINT, &interrupted, NULL);
  (void) mefota_error_quark (); /* from here on GDBus knows our errors */
  ExitStatus status = run (&ctl, argc, argv);
  int lost = output_end ();
  if (lost != 0)
    {
      complain ("Writing to standard output failed: %s.", g_strerror (lost));
      status = status == STATUS_DONE ? STATUS_FAILED : status;
    }
  g_clear_object (&ctl.bus);
  g_free (ctl.module_key);
  return status;
}
