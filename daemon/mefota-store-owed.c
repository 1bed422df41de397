/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* What should be in the store and could not be written: the disk was full, or read-only. */

#include "mefota-store-private.h"

#include <string.h>

#define RETRY_SECONDS 10

typedef struct
{
  char *path;
  char *text;
} Owed;

static void
owed_free (gpointer data)
{
  Owed *owed = data;

  g_free (owed->path);
  g_free (owed->text);
  g_free (owed);
}

void
mefota_store_settle (MefotaStore *self, const char *path)
{
  for (guint i = 0; self->owed != NULL && i < self->owed->len; i++)
    if (strcmp (((Owed *) g_ptr_array_index (self->owed, i))->path, path) == 0)
      {
        g_ptr_array_remove_index (self->owed, i);
        return;
      }
}

void
mefota_store_settle_all (MefotaStore *self)
{
  /* In the order in which they were owed: an end is in the history before its record says so. */
  while (self->owed != NULL && self->owed->len > 0)
    {
      const Owed *first = g_ptr_array_index (self->owed, 0);

      if (!mefota_store_write (self, first->path, first->text, NULL))
        return;
      g_message ("%s could not be saved before, and is saved now.", first->path);
      g_ptr_array_remove_index (self->owed, 0);
    }
  g_clear_pointer (&self->owed, g_ptr_array_unref);
  g_clear_handle_id (&self->retry_id, g_source_remove);
}

static gboolean
on_retry (gpointer data)
{
  MefotaStore *self = data;

  mefota_store_settle_all (self);
  return self->retry_id != 0 ? G_SOURCE_CONTINUE : G_SOURCE_REMOVE;
}

void
mefota_store_owe (MefotaStore *self, const char *path, const char *text)
{
  Owed *owed = g_new0 (Owed, 1);

  mefota_store_settle (self, path);
  owed->path = g_strdup (path);
  owed->text = g_strdup (text);
  if (self->owed == NULL)
    self->owed = g_ptr_array_new_with_free_func (owed_free);
  g_ptr_array_add (self->owed, owed);
  if (self->retry_id == 0)
    self->retry_id = g_timeout_add_seconds (RETRY_SECONDS, on_retry, self);
}
