/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-at-command.h"

#include <string.h>

#include "mefota-at-event.h"
#include "mefota-error.h"

/* A module that never ends its answer must not fill the memory. */
#define LINES_MAX 200
#define LINES_SIZE_MAX 65536

MefotaAtCommand *
mefota_at_command_new (const char *text, const char *const *prefixes, guint timeout_ms, GTask *task)
{
  MefotaAtCommand *self = g_new0 (MefotaAtCommand, 1);

  self->text = g_strdup (text);
  self->prefixes = g_strdupv ((char **) prefixes);
  self->timeout_ms = timeout_ms;
  g_set_object (&self->task, task);
  self->lines = g_ptr_array_new_with_free_func (g_free);
  self->unwritten = mefota_at_command_get_length (self);
  return self;
}

void
mefota_at_command_free (MefotaAtCommand *self)
{
  g_clear_object (&self->task);
  g_clear_pointer (&self->data, mefota_at_data_free);
  g_clear_pointer (&self->lines, g_ptr_array_unref);
  g_clear_error (&self->error);
  g_strfreev (self->prefixes);
  g_free (self->text);
  g_free (self);
}

gsize
mefota_at_command_get_length (MefotaAtCommand *self)
{
  return strlen (self->text) + 1;
}

void
mefota_at_command_add_line (MefotaAtCommand *self, const char *line)
{
  gsize size = strlen (line) + 1;

  if (self->lines->len >= LINES_MAX || self->lines_size + size > LINES_SIZE_MAX)
    {
      g_debug ("the answer to %s is too long; the rest is dropped", self->text);
      return;
    }
  self->lines_size += size;
  g_ptr_array_add (self->lines, g_strdup (line));
}

char **
mefota_at_command_take_lines (MefotaAtCommand *self)
{
  g_ptr_array_add (self->lines, NULL);
  return (char **) g_ptr_array_free (g_steal_pointer (&self->lines), FALSE);
}

GError *
mefota_at_command_refused (MefotaAtCommand *self, const char *final)
{
  g_autofree char *words = mefota_at_event_explain_error (final);
  g_autoptr (GString) said = g_string_new (NULL);
  g_autofree char *valid = NULL;

  for (guint i = 0; i < self->lines->len; i++)
    g_string_append_printf (said, " “%s”", (const char *) g_ptr_array_index (self->lines, i));
  valid = g_utf8_make_valid (said->str, (gssize) said->len);
  return g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR,
                      "The module refused %s with “%s”%s%s; look its words up in the module's AT guide.", self->text,
                      words, *valid != '\0' ? " after" : "", valid);
}

GError *
mefota_at_command_timed_out (MefotaAtCommand *self, guint timeout_ms)
{
  return g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_TIMEOUT,
                      "The module did not answer %s within %.1f seconds; check its power and wiring, and try again.",
                      self->text, timeout_ms / 1000.0);
}
