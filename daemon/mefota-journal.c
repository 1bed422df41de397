/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-journal.h"

#include <stdio.h>
#include <string.h>

/* Fixed for ever: scripts and alerts match on them, and data/mefota.catalog explains them. */
static const char *const message_ids[MEFOTA_N_JOURNAL_EVENTS] = {
  [MEFOTA_JOURNAL_ASKED] = "492513dbb23e41719ca651254912c733",
  [MEFOTA_JOURNAL_QUESTION] = "a597c7b495944e35b69159b21902d0a5",
  [MEFOTA_JOURNAL_STARTED] = "f5a37a4d4a8844de966c12062cf13faa",
  [MEFOTA_JOURNAL_PHASE] = "ad7490beb96943709a3ec313904f49e6",
  [MEFOTA_JOURNAL_FINISHED] = "15acf922ca68420c9181f8ea90483271",
  [MEFOTA_JOURNAL_FAILED] = "a6c66c230b7e43599f40c7aaf4e7a3b4",
  [MEFOTA_JOURNAL_OVERDUE] = "5f6824e5a3744f73a784801ae476646a",
  [MEFOTA_JOURNAL_GUARD_ON] = "7fc3dd1f50724c2eb45d7ffdcc473858",
  [MEFOTA_JOURNAL_GUARD_OFF] = "af2b4b5ce8cb4fc38aed95f73429acc9",
  [MEFOTA_JOURNAL_UNKNOWN] = "96e4ed6cf53541f0987020d89f937f71",
};

/* One process, one log. */
static struct
{
  gboolean installed;
  gboolean verbose;
  gboolean to_journal;
  GLogLevelFlags fatal; /* G_DEBUG=fatal-warnings and the like, which are a writer's business */
} writer;

const char *
mefota_journal_get_message_id (MefotaJournalEvent event)
{
  g_return_val_if_fail ((guint) event < MEFOTA_N_JOURNAL_EVENTS, NULL);
  return message_ids[event];
}

static void
add_field (GArray *fields, const char *key, const char *value)
{
  GLogField field = { key, value, -1 };
  if (value != NULL)
    g_array_append_val (fields, field);
}

void
mefota_journal_event (MefotaJournalEvent event, const char *module, const char *upgrade, const char *status,
                      const char *format, ...)
{
  g_return_if_fail ((guint) event < MEFOTA_N_JOURNAL_EVENTS);

  va_list args;
  va_start (args, format);
  g_autofree char *message = g_strdup_vprintf (format, args);
  va_end (args);

  gboolean bad = event == MEFOTA_JOURNAL_FAILED || event == MEFOTA_JOURNAL_OVERDUE;
  g_autoptr (GArray) fields = g_array_new (FALSE, FALSE, sizeof (GLogField));
  add_field (fields, "MESSAGE", message);
  add_field (fields, "MESSAGE_ID", message_ids[event]);
  add_field (fields, "PRIORITY", bad ? "4" : "5");
  add_field (fields, "GLIB_DOMAIN", G_LOG_DOMAIN);
  add_field (fields, "MEFOTA_MODULE", module);
  add_field (fields, "MEFOTA_UPGRADE", upgrade);
  add_field (fields, "MEFOTA_STATUS", status);
  g_log_structured_array (bad ? G_LOG_LEVEL_WARNING : G_LOG_LEVEL_MESSAGE, (const GLogField *) (void *) fields->data,
                          fields->len);
}

static char *
dup_field (const GLogField *fields, gsize n_fields, const char *key)
{
  for (gsize i = 0; i < n_fields; i++)
    if (g_str_equal (fields[i].key, key) && fields[i].value != NULL)
      return fields[i].length < 0 ? g_strdup (fields[i].value) : g_strndup (fields[i].value, (gsize) fields[i].length);
  return NULL;
}

static const char *
get_level_word (GLogLevelFlags level)
{
  if (level & G_LOG_LEVEL_ERROR)
    return "error";
  if (level & G_LOG_LEVEL_CRITICAL)
    return "critical";
  if (level & G_LOG_LEVEL_WARNING)
    return "warning";
  if (level & G_LOG_LEVEL_MESSAGE)
    return "notice";
  return level & G_LOG_LEVEL_INFO ? "info" : "debug";
}

/* What a module or a caller sent must not steer the reader's terminal, nor begin a line of its own. */
static void
append_escaped (GString *line, const char *text)
{
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      if (g_unichar_iscntrl (c))
        g_string_append_printf (line, "\\x%02x", c);
      else
        g_string_append_unichar (line, c);
    }
}

static void
write_line (GLogLevelFlags level, const char *domain, const char *message)
{
  g_autoptr (GString) line = g_string_new (NULL);
  if (writer.verbose)
    {
      g_autoptr (GDateTime) now = g_date_time_new_now_local ();
      g_autofree char *time = g_date_time_format (now, "%H:%M:%S");
      g_string_append_printf (line, "%s.%03d ", time, g_date_time_get_microsecond (now) / 1000);
    }
  g_string_append_printf (line, "%s: ", get_level_word (level));
  if (domain != NULL && !g_str_equal (domain, G_LOG_DOMAIN))
    g_string_append_printf (line, "%s: ", domain);
  append_escaped (line, message != NULL ? message : "(no message)");
  g_string_append_c (line, '\n');
  fputs (line->str, stderr);
  fflush (stderr);
}

static GLogWriterOutput
write_log (GLogLevelFlags level, const GLogField *fields, gsize n_fields, gpointer user_data)
{
  g_autofree char *domain = NULL;

  if ((level & G_LOG_LEVEL_DEBUG) && !writer.verbose)
    return G_LOG_WRITER_HANDLED;
  /* Debug lines of the libraries below would bury the module's dialogue. */
  domain = dup_field (fields, n_fields, "GLIB_DOMAIN");
  if ((level & G_LOG_LEVEL_DEBUG) && g_strcmp0 (domain, G_LOG_DOMAIN) != 0)
    return G_LOG_WRITER_HANDLED;

  if (!writer.to_journal || g_log_writer_journald (level, fields, n_fields, NULL) != G_LOG_WRITER_HANDLED)
    {
      g_autofree char *message = dup_field (fields, n_fields, "MESSAGE");
      write_line (level, domain, message);
    }
  if (level & writer.fatal)
    G_BREAKPOINT ();
  return G_LOG_WRITER_HANDLED;
}

void
mefota_journal_init (gboolean verbose)
{
  writer.verbose = verbose;
  g_log_set_debug_enabled (verbose); /* whoever formats bytes only to log them looks there first */
  writer.to_journal = g_log_writer_is_journald (fileno (stderr));
  writer.fatal = g_log_set_always_fatal (G_LOG_FATAL_MASK);
  g_log_set_always_fatal (writer.fatal);
  if (!writer.installed)
    g_log_set_writer_func (write_log, NULL, NULL);
  writer.installed = TRUE;
}
