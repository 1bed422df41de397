/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-queue.h"

#include "mefota-error.h"

#include <errno.h>
#include <fcntl.h>
#include <glib-unix.h>
#include <unistd.h>

typedef struct
{
  char *key;
  gint64 since;
  gboolean expected; /* not ready for its turn yet */
} Waiting;

typedef struct
{
  MefotaQueue *queue;
  char *who;
  char *why;
  int fd; /* our end of the pipe: hangs up when the last copy of the holder's end is closed */
  guint source_id;
} Hold;

struct _MefotaQueue
{
  GObject parent;
  guint max_parallel;
  GHashTable *running; /* of keys */
  GPtrArray *waiting;  /* of Waiting, in the order of turns */
  GPtrArray *holds;    /* of Hold */
  guint turn_id;
};

G_DEFINE_FINAL_TYPE (MefotaQueue, mefota_queue, G_TYPE_OBJECT)

enum
{
  TURN,
  CHANGED,
  N_SIGNALS
};
static guint signals[N_SIGNALS];

static void
waiting_free (gpointer data)
{
  Waiting *self = data;
  g_free (self->key);
  g_free (self);
}

static void
hold_free (gpointer data)
{
  Hold *self = data;
  g_clear_handle_id (&self->source_id, g_source_remove);
  close (self->fd);
  g_free (self->who);
  g_free (self->why);
  g_free (self);
}

static gboolean
give_turns (gpointer data)
{
  g_autoptr (MefotaQueue) self = g_object_ref (data);

  self->turn_id = 0;
  if (self->waiting->len == 0)
    return G_SOURCE_REMOVE;
  while (self->waiting->len > 0 && mefota_queue_has_free_slot (self) && !mefota_queue_is_held (self))
    {
      Waiting *first = g_ptr_array_index (self->waiting, 0);
      g_autofree char *key = g_strdup (first->key);
      if (first->expected)
        break;
      g_ptr_array_remove_index (self->waiting, 0);
      g_hash_table_add (self->running, g_strdup (key));
      g_signal_emit (self, signals[TURN], 0, key);
    }
  if (self->waiting->len == 0 && mefota_queue_has_free_slot (self))
    g_signal_emit (self, signals[CHANGED], 0); /* one who does not wait in line may enter now */
  return G_SOURCE_REMOVE;
}

static void
changed (MefotaQueue *self)
{
  if (self->turn_id == 0 && self->waiting->len > 0)
    self->turn_id = g_idle_add (give_turns, self);
  g_signal_emit (self, signals[CHANGED], 0);
}

void
mefota_queue_set_max_parallel (MefotaQueue *self, guint max_parallel)
{
  self->max_parallel = max_parallel;
  changed (self);
}

gboolean
mefota_queue_has_free_slot (MefotaQueue *self)
{
  return g_hash_table_size (self->running) < self->max_parallel;
}

gboolean
mefota_queue_may_enter (MefotaQueue *self, const char *key)
{
  return g_hash_table_contains (self->running, key)
         || (mefota_queue_has_free_slot (self) && self->waiting->len == 0);
}

gboolean
mefota_queue_try_enter (MefotaQueue *self, const char *key)
{
  if (!mefota_queue_may_enter (self, key))
    return FALSE;
  g_hash_table_add (self->running, g_strdup (key));
  return TRUE;
}

static gboolean
is_of_key (gconstpointer item, gconstpointer key)
{
  return strcmp (((const Waiting *) item)->key, key) == 0;
}

static gboolean
stop_waiting (MefotaQueue *self, const char *key)
{
  guint index;
  if (!g_ptr_array_find_with_equal_func (self->waiting, key, is_of_key, &index))
    return FALSE;
  g_ptr_array_remove_index (self->waiting, index);
  return TRUE;
}

void
mefota_queue_force_enter (MefotaQueue *self, const char *key)
{
  stop_waiting (self, key);
  g_hash_table_add (self->running, g_strdup (key));
}

static void
line_up (MefotaQueue *self, const char *key, gint64 since, gboolean expected)
{
  Waiting *item = g_new0 (Waiting, 1);
  guint place = 0;

  stop_waiting (self, key);
  item->key = g_strdup (key);
  item->since = since;
  item->expected = expected;
  while (place < self->waiting->len && ((Waiting *) g_ptr_array_index (self->waiting, place))->since <= since)
    place++;
  g_ptr_array_insert (self->waiting, (gint) place, item);
  changed (self);
}

void
mefota_queue_wait (MefotaQueue *self, const char *key, gint64 since)
{
  line_up (self, key, since, FALSE);
}

void
mefota_queue_expect (MefotaQueue *self, const char *key, gint64 since)
{
  line_up (self, key, since, TRUE);
}

void
mefota_queue_leave (MefotaQueue *self, const char *key)
{
  gboolean waited = stop_waiting (self, key);
  if (g_hash_table_remove (self->running, key) || waited)
    changed (self);
}

static gboolean
on_released (gint fd, GIOCondition condition, gpointer data)
{
  Hold *hold = data;
  g_autoptr (MefotaQueue) self = g_object_ref (hold->queue);

  hold->source_id = 0;
  g_ptr_array_remove (self->holds, hold);
  changed (self);
  return G_SOURCE_REMOVE;
}

int
mefota_queue_hold (MefotaQueue *self, const char *who, const char *why, GError **error)
{
  int fds[2];
  Hold *hold;

  /* The holder gets the writing end: ours hangs up when the last copy of it is closed, and only then. */
  if (!g_unix_open_pipe (fds, FD_CLOEXEC, error))
    return -1;
  hold = g_new0 (Hold, 1);
  hold->queue = self;
  hold->who = g_strdup (who);
  hold->why = g_strdup (why);
  hold->fd = fds[0];
  /* Only the hang-up: what a holder writes into it must not wake us. */
  hold->source_id = g_unix_fd_add (fds[0], G_IO_HUP | G_IO_ERR, on_released, hold);
  g_ptr_array_add (self->holds, hold);
  changed (self);
  return fds[1];
}

gboolean
mefota_queue_is_held (MefotaQueue *self)
{
  return self->holds->len > 0;
}

GVariant *
mefota_queue_get_holds (MefotaQueue *self)
{
  GVariantBuilder builder;

  g_variant_builder_init (&builder, G_VARIANT_TYPE ("a(ss)"));
  for (guint i = 0; i < self->holds->len; i++)
    {
      const Hold *hold = g_ptr_array_index (self->holds, i);
      g_variant_builder_add (&builder, "(ss)", hold->who, hold->why);
    }
  return g_variant_builder_end (&builder);
}

gboolean
mefota_queue_check_not_held (MefotaQueue *self, GError **error)
{
  const Hold *hold;

  if (self->holds->len == 0)
    return TRUE;
  hold = g_ptr_array_index (self->holds, 0);
  g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_BUSY, "Upgrades are held by %s (%s); start again when it has let go.",
               hold->who, hold->why);
  return FALSE;
}

static void
mefota_queue_finalize (GObject *object)
{
  MefotaQueue *self = MEFOTA_QUEUE (object);

  g_clear_handle_id (&self->turn_id, g_source_remove);
  g_hash_table_unref (self->running);
  g_ptr_array_unref (self->waiting);
  g_ptr_array_unref (self->holds);
  G_OBJECT_CLASS (mefota_queue_parent_class)->finalize (object);
}

static void
mefota_queue_class_init (MefotaQueueClass *klass)
{
  GType type = G_TYPE_FROM_CLASS (klass);

  G_OBJECT_CLASS (klass)->finalize = mefota_queue_finalize;
  signals[TURN] = g_signal_new ("turn", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 1, G_TYPE_STRING);
  signals[CHANGED] = g_signal_new ("changed", type, G_SIGNAL_RUN_LAST, 0, NULL, NULL, NULL, G_TYPE_NONE, 0);
}

static void
mefota_queue_init (MefotaQueue *self)
{
  self->running = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, NULL);
  self->waiting = g_ptr_array_new_with_free_func (waiting_free);
  self->holds = g_ptr_array_new_with_free_func (hold_free);
}

MefotaQueue *
mefota_queue_new (guint max_parallel)
{
  MefotaQueue *self = g_object_new (MEFOTA_TYPE_QUEUE, NULL);
  self->max_parallel = max_parallel;
  return self;
}
