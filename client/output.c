/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "output.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

gboolean
output_is_utf8 (void)
{
  return g_get_charset (NULL);
}

static void
print_text (FILE *stream, const char *text)
{
  const char *charset;
  if (!g_get_charset (&charset))
    {
      g_autofree char *converted = g_convert_with_fallback (text, -1, charset, "UTF-8", "?", NULL, NULL, NULL);
      if (converted != NULL)
        {
          fputs (converted, stream);
          return;
        }
    }
  fputs (text, stream);
}

static int first_failure;

/* Later successes would hide the reason, as only the fact is kept with the stream. */
static void
flush (FILE *stream)
{
  if ((fflush (stream) != 0 || ferror (stream)) && stream == stdout && first_failure == 0)
    first_failure = errno;
}

int
output_end (void)
{
  flush (stdout);
  return first_failure;
}

void
output_print (FILE *stream, const char *format, ...)
{
  va_list args;
  va_start (args, format);
  g_autofree char *text = g_strdup_vprintf (format, args);
  va_end (args);
  print_text (stream, text);
  flush (stream);
}

void
output_json (const char *json)
{
  fputs (json, stdout);
  fputc ('\n', stdout);
  flush (stdout);
}

char *
output_clean (const char *text)
{
  GString *clean = g_string_sized_new (strlen (text));
  g_autofree char *valid = g_utf8_make_valid (text, -1);
  for (const char *p = valid; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      if (c == '\n' || c == '\t')
        g_string_append_c (clean, ' ');
      else if (!g_unichar_isprint (c))
        g_string_append (clean, "\357\277\275");
      else
        g_string_append_unichar (clean, c);
    }
  return g_string_free (clean, FALSE);
}

guint
output_text_width (const char *text)
{
  guint width = 0;
  for (const char *p = text; *p != '\0'; p = g_utf8_next_char (p))
    {
      gunichar c = g_utf8_get_char (p);
      width += g_unichar_iszerowidth (c) ? 0 : g_unichar_iswide (c) ? 2 : 1;
    }
  return width;
}

char *
output_table (GPtrArray *rows)
{
  GString *table = g_string_new (NULL);
  guint n = rows->len > 0 ? g_strv_length (g_ptr_array_index (rows, 0)) : 0;
  g_autofree guint *widths = g_new0 (guint, n + 1);
  for (guint r = 0; r < rows->len; r++)
    for (guint c = 0; c < n; c++)
      widths[c] = MAX (widths[c], output_text_width (((char **) g_ptr_array_index (rows, r))[c]));
  for (guint r = 0; r < rows->len; r++)
    {
      char **row = g_ptr_array_index (rows, r);
      for (guint c = 0; c < n; c++)
        {
          g_string_append (table, row[c]);
          if (c + 1 < n)
            g_string_append_printf (table, "%*s", (int) (widths[c] - output_text_width (row[c]) + 2), "");
        }
      while (table->len > 0 && table->str[table->len - 1] == ' ')
        g_string_truncate (table, table->len - 1);
      g_string_append_c (table, '\n');
    }
  return g_string_free (table, FALSE);
}

char *
output_time (guint64 us)
{
  g_autoptr (GDateTime) utc = us == 0 ? NULL : g_date_time_new_from_unix_utc ((gint64) (us / G_USEC_PER_SEC));
  g_autoptr (GDateTime) local = utc == NULL ? NULL : g_date_time_to_local (utc);
  return local == NULL ? g_strdup ("-") : g_date_time_format (local, "%Y-%m-%d %H:%M:%S");
}

char *
output_duration (double seconds)
{
  guint64 s = seconds > 0 ? (guint64) (seconds + 0.5) : 0;
  if (s < 60)
    return g_strdup_printf ("%" G_GUINT64_FORMAT " s", s);
  if (s < 3600)
    return g_strdup_printf ("%" G_GUINT64_FORMAT " min %" G_GUINT64_FORMAT " s", s / 60, s % 60);
  return g_strdup_printf ("%" G_GUINT64_FORMAT " h %" G_GUINT64_FORMAT " min", s / 3600, s / 60 % 60);
}

char *
output_clock (gint64 seconds)
{
  gint64 s = MAX (seconds, 0);
  if (s < 3600)
    return g_strdup_printf ("%" G_GINT64_FORMAT ":%02" G_GINT64_FORMAT, s / 60, s % 60);
  return g_strdup_printf ("%" G_GINT64_FORMAT ":%02" G_GINT64_FORMAT ":%02" G_GINT64_FORMAT, s / 3600, s / 60 % 60,
                          s % 60);
}

static guint
terminal_size (const char *variable, gboolean rows, guint fallback)
{
  guint64 wanted;
  struct winsize size = { 0 };
  const char *value = g_getenv (variable);
  if (value != NULL && g_ascii_string_to_unsigned (value, 10, 1, 10000, &wanted, NULL))
    return (guint) wanted;
  if (ioctl (STDOUT_FILENO, TIOCGWINSZ, &size) == 0 && (rows ? size.ws_row : size.ws_col) > 0)
    return rows ? size.ws_row : size.ws_col;
  return fallback;
}

guint
output_width (void)
{
  return terminal_size ("COLUMNS", FALSE, 80);
}

/* The pager takes this process over and reads the text as a file: no child to wait for. Returns if there is none. */
static void
exec_pager (const char *text)
{
  const char *wanted = g_getenv ("PAGER");
  g_auto (GStrv) argv = NULL;
  if (!g_shell_parse_argv (wanted != NULL ? wanted : "less", NULL, &argv, NULL) || g_str_equal (argv[0], "cat"))
    return;
  g_autofree char *program = g_find_program_in_path (argv[0]);
  int fd = program == NULL ? -1 : memfd_create ("mefotactl", MFD_CLOEXEC);
  if (fd < 0)
    return;
  FILE *file = fdopen (fd, "w");
  print_text (file, text);
  if (fflush (file) == 0 && lseek (fd, 0, SEEK_SET) == 0 && dup2 (fd, STDIN_FILENO) >= 0)
    {
      g_setenv ("LESS", "FRX", FALSE);
      if (output_is_utf8 ())
        g_setenv ("LESSCHARSET", "utf-8", FALSE);
      fflush (stdout);
      execv (program, argv);
    }
  fclose (file);
}

void
output_page (const char *text, gboolean no_pager)
{
  guint lines = 0;
  for (const char *p = text; *p != '\0'; p++)
    lines += *p == '\n';
  if (!no_pager && isatty (STDOUT_FILENO) && lines >= terminal_size ("LINES", TRUE, 24))
    exec_pager (text);
  print_text (stdout, text);
  flush (stdout);
}
