/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-queue.h"

#include <fcntl.h>
#include <unistd.h>

#include "mefota-error.h"

#define DEADLINE_SECONDS 30

typedef struct
{
  MefotaQueue *queue;
  GString *turns; /* who got one, in order, a blank behind each */
  guint changes;
  const char *leaves; /* gives its turn back at once */
} Fixture;

static void
on_turn (MefotaQueue *queue, const char *key, gpointer data)
{
  Fixture *f = data;

  g_string_append_printf (f->turns, "%s ", key);
  if (g_strcmp0 (f->leaves, key) == 0)
    mefota_queue_leave (queue, key);
}

static void
on_changed (MefotaQueue *queue, gpointer data)
{
  ((Fixture *) data)->changes++;
}

static void
set_up (Fixture *f, gconstpointer data)
{
  f->queue = mefota_queue_new (GPOINTER_TO_UINT (data));
  f->turns = g_string_new (NULL);
  g_signal_connect (f->queue, "turn", G_CALLBACK (on_turn), f);
  g_signal_connect (f->queue, "changed", G_CALLBACK (on_changed), f);
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  g_assert_cmpstr (f->turns->str, ==, "");
  g_assert_finalize_object (f->queue);
  g_string_free (f->turns, TRUE);
}

static void
run_loop (void)
{
  while (g_main_context_iteration (NULL, FALSE))
    ;
}

/* All that is due has come, and nothing else. */
static void
assert_turns (Fixture *f, const char *turns)
{
  run_loop ();
  g_assert_cmpstr (f->turns->str, ==, turns);
  g_string_truncate (f->turns, 0);
}

static gboolean
on_deadline (gpointer data)
{
  g_error ("it did not happen in time");
  return G_SOURCE_REMOVE;
}

static void
await_not_held (Fixture *f)
{
  guint deadline = g_timeout_add_seconds (DEADLINE_SECONDS, on_deadline, NULL);

  while (mefota_queue_is_held (f->queue))
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (deadline);
}

/* ---- slots and the line ---- */

static void
test_slots (Fixture *f, gconstpointer data)
{
  g_assert_true (mefota_queue_has_free_slot (f->queue));
  g_assert_true (mefota_queue_try_enter (f->queue, "a"));
  g_assert_true (mefota_queue_try_enter (f->queue, "a"));
  g_assert_true (mefota_queue_has_free_slot (f->queue));
  g_assert_true (mefota_queue_try_enter (f->queue, "b"));
  g_assert_false (mefota_queue_has_free_slot (f->queue));
  g_assert_false (mefota_queue_try_enter (f->queue, "c"));
  g_assert_true (mefota_queue_try_enter (f->queue, "b"));
  mefota_queue_leave (f->queue, "c"); /* never was in */
  g_assert_false (mefota_queue_has_free_slot (f->queue));
  mefota_queue_leave (f->queue, "a");
  g_assert_cmpuint (f->changes, ==, 1);
  g_assert_true (mefota_queue_try_enter (f->queue, "c"));
  assert_turns (f, "");
}

static void
test_order (Fixture *f, gconstpointer data)
{
  g_assert_true (mefota_queue_try_enter (f->queue, "running"));
  mefota_queue_wait (f->queue, "second", 20);
  mefota_queue_wait (f->queue, "third", 30);
  mefota_queue_wait (f->queue, "first", 10); /* from before a restart of the daemon */
  mefota_queue_wait (f->queue, "also second", 20);
  assert_turns (f, "");

  mefota_queue_leave (f->queue, "running");
  g_assert_cmpstr (f->turns->str, ==, ""); /* never from within a call */
  assert_turns (f, "first ");
  g_assert_false (mefota_queue_has_free_slot (f->queue));
  mefota_queue_leave (f->queue, "first");
  assert_turns (f, "second ");
  mefota_queue_leave (f->queue, "second");
  assert_turns (f, "also second ");
  mefota_queue_leave (f->queue, "also second");
  assert_turns (f, "third ");
}

/* Nobody goes past those who wait, even with a slot free. */
static void
test_fairness (Fixture *f, gconstpointer data)
{
  g_assert_true (mefota_queue_try_enter (f->queue, "running"));
  mefota_queue_wait (f->queue, "waiting", 1);
  mefota_queue_leave (f->queue, "running");
  g_assert_true (mefota_queue_has_free_slot (f->queue));
  g_assert_false (mefota_queue_try_enter (f->queue, "newcomer"));
  assert_turns (f, "waiting ");
  g_assert_true (mefota_queue_try_enter (f->queue, "waiting"));
}

static void
test_leave_while_waiting (Fixture *f, gconstpointer data)
{
  g_assert_true (mefota_queue_try_enter (f->queue, "running"));
  mefota_queue_wait (f->queue, "a", 1);
  mefota_queue_wait (f->queue, "b", 2);
  mefota_queue_leave (f->queue, "a");
  mefota_queue_leave (f->queue, "running");
  assert_turns (f, "b ");
  mefota_queue_leave (f->queue, "b");
  /* The last one who waits leaves between the slot's becoming free and its turn. */
  mefota_queue_force_enter (f->queue, "running");
  mefota_queue_wait (f->queue, "c", 3);
  mefota_queue_leave (f->queue, "running");
  mefota_queue_leave (f->queue, "c");
  assert_turns (f, "");
  g_assert_true (mefota_queue_try_enter (f->queue, "d"));
}

/* One that cannot take its turn gives it to the next. */
static void
test_turn_given_back (Fixture *f, gconstpointer data)
{
  f->leaves = "a";
  mefota_queue_wait (f->queue, "a", 1);
  mefota_queue_wait (f->queue, "b", 2);
  assert_turns (f, "a b ");
  mefota_queue_wait (f->queue, "a", 1);
  assert_turns (f, "");
  f->leaves = NULL;
  mefota_queue_leave (f->queue, "b");
  assert_turns (f, "a ");
}

/* Its place is kept: those behind it wait, those before it do not; and so do those who come. */
static void
test_expected (Fixture *f, gconstpointer data)
{
  mefota_queue_expect (f->queue, "b", 2);
  mefota_queue_wait (f->queue, "c", 3);
  assert_turns (f, "");
  g_assert_false (mefota_queue_try_enter (f->queue, "d"));
  mefota_queue_wait (f->queue, "a", 1);
  assert_turns (f, "a ");
  mefota_queue_leave (f->queue, "a");
  assert_turns (f, "");
  mefota_queue_wait (f->queue, "b", 2); /* there it is */
  assert_turns (f, "b ");
  mefota_queue_leave (f->queue, "b");
  assert_turns (f, "c ");
  mefota_queue_leave (f->queue, "c");

  mefota_queue_expect (f->queue, "b", 2);
  mefota_queue_wait (f->queue, "c", 3);
  assert_turns (f, "");
  mefota_queue_leave (f->queue, "b"); /* it does not come */
  assert_turns (f, "c ");
}

static void
test_wait_twice (Fixture *f, gconstpointer data)
{
  g_assert_true (mefota_queue_try_enter (f->queue, "running"));
  mefota_queue_wait (f->queue, "a", 1);
  mefota_queue_wait (f->queue, "b", 2);
  mefota_queue_wait (f->queue, "a", 3);
  mefota_queue_leave (f->queue, "running");
  assert_turns (f, "b ");
  mefota_queue_leave (f->queue, "b");
  assert_turns (f, "a ");
  mefota_queue_leave (f->queue, "a");
  assert_turns (f, "");
}

static void
test_force (Fixture *f, gconstpointer data)
{
  g_assert_true (mefota_queue_try_enter (f->queue, "a"));
  mefota_queue_wait (f->queue, "b", 1);
  mefota_queue_wait (f->queue, "c", 2);
  mefota_queue_force_enter (f->queue, "b"); /* its module has begun on its own */
  mefota_queue_leave (f->queue, "a");
  assert_turns (f, ""); /* b has the slot, and no place in line any more */
  mefota_queue_leave (f->queue, "b");
  assert_turns (f, "c ");
}

static void
test_max_parallel (Fixture *f, gconstpointer data)
{
  g_assert_true (mefota_queue_try_enter (f->queue, "a"));
  for (guint i = 0; i < 4; i++)
    {
      const char *const keys[] = { "b", "c", "d", "e" };
      mefota_queue_wait (f->queue, keys[i], i);
    }
  mefota_queue_set_max_parallel (f->queue, 3);
  assert_turns (f, "b c ");
  mefota_queue_set_max_parallel (f->queue, 1);
  mefota_queue_leave (f->queue, "a");
  mefota_queue_leave (f->queue, "b");
  assert_turns (f, "");
  mefota_queue_leave (f->queue, "c");
  assert_turns (f, "d ");
  mefota_queue_leave (f->queue, "e");
}

/* ---- holds ---- */

static int
hold (Fixture *f, const char *who, const char *why)
{
  g_autoptr (GError) error = NULL;
  int fd = mefota_queue_hold (f->queue, who, why, &error);

  g_assert_no_error (error);
  g_assert_cmpint (fd, >=, 0);
  g_assert_true (fcntl (fd, F_GETFD) & FD_CLOEXEC);
  return fd;
}

static void
assert_holds (Fixture *f, const char *text)
{
  g_autoptr (GVariant) holds = g_variant_ref_sink (mefota_queue_get_holds (f->queue));
  g_autofree char *printed = g_variant_print (holds, FALSE);
  g_autoptr (GError) error = NULL;

  g_assert_cmpstr (printed, ==, text);
  g_assert_cmpint (mefota_queue_check_not_held (f->queue, &error), ==, g_variant_n_children (holds) == 0);
  if (g_variant_n_children (holds) > 0)
    g_assert_error (error, MEFOTA_ERROR, MEFOTA_ERROR_BUSY);
}

static void
test_hold (Fixture *f, gconstpointer data)
{
  g_autoptr (GError) error = NULL;
  int fd;

  assert_holds (f, "[]");
  fd = hold (f, "billing", "invoices are being sent");
  g_assert_cmpuint (f->changes, ==, 1);
  g_assert_true (mefota_queue_is_held (f->queue));
  assert_holds (f, "[('billing', 'invoices are being sent')]");
  g_assert_false (mefota_queue_check_not_held (f->queue, &error));
  g_assert_nonnull (strstr (error->message, "billing"));
  g_assert_nonnull (strstr (error->message, "invoices are being sent"));

  mefota_queue_wait (f->queue, "a", 1);
  assert_turns (f, "");
  close (fd);
  await_not_held (f);
  assert_holds (f, "[]");
  assert_turns (f, "a ");
}

/* It lasts until the last copy is closed, in whatever process. */
static void
test_hold_copies (Fixture *f, gconstpointer data)
{
  int fd = hold (f, "a", "b");
  int copy = fcntl (fd, F_DUPFD_CLOEXEC, 0);

  g_assert_cmpint (copy, >=, 0);
  close (fd);
  run_loop ();
  g_assert_true (mefota_queue_is_held (f->queue));
  /* What its holder writes means nothing, and costs nothing. */
  g_assert_cmpint (write (copy, "x", 1), ==, 1);
  run_loop ();
  g_assert_true (mefota_queue_is_held (f->queue));
  close (copy);
  await_not_held (f);
}

static void
test_several_holds (Fixture *f, gconstpointer data)
{
  int first = hold (f, "first", "1");
  int second = hold (f, "second", "2");

  assert_holds (f, "[('first', '1'), ('second', '2')]");
  mefota_queue_wait (f->queue, "a", 1);
  close (first);
  for (guint changes = f->changes; f->changes == changes;)
    g_main_context_iteration (NULL, TRUE);
  assert_holds (f, "[('second', '2')]");
  assert_turns (f, "");
  close (second);
  await_not_held (f);
  assert_turns (f, "a ");
}

/* A turn that was due is not given while somebody holds. */
static void
test_hold_before_turn (Fixture *f, gconstpointer data)
{
  int fd;

  mefota_queue_wait (f->queue, "a", 1);
  fd = hold (f, "x", "y");
  assert_turns (f, "");
  close (fd);
  await_not_held (f);
  assert_turns (f, "a ");
}

/* The queue goes first. */
static void
test_finalize_held (void)
{
  MefotaQueue *queue = mefota_queue_new (1);
  int fd = mefota_queue_hold (queue, "a", "b", NULL);

  mefota_queue_wait (queue, "a", 1);
  mefota_queue_wait (queue, "b", 2);
  g_assert_finalize_object (queue);
  run_loop ();
  close (fd);
}

static void
add (const char *path, guint max_parallel, void (*test) (Fixture *f, gconstpointer data))
{
  g_test_add (path, Fixture, GUINT_TO_POINTER (max_parallel), set_up, test, tear_down);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  add ("/queue/slots", 2, test_slots);
  add ("/queue/order", 1, test_order);
  add ("/queue/fairness", 1, test_fairness);
  add ("/queue/leave-while-waiting", 1, test_leave_while_waiting);
  add ("/queue/turn-given-back", 1, test_turn_given_back);
  add ("/queue/expected", 1, test_expected);
  add ("/queue/wait-twice", 1, test_wait_twice);
  add ("/queue/force", 1, test_force);
  add ("/queue/max-parallel", 1, test_max_parallel);
  add ("/queue/hold", 1, test_hold);
  add ("/queue/hold-copies", 1, test_hold_copies);
  add ("/queue/several-holds", 1, test_several_holds);
  add ("/queue/hold-before-turn", 1, test_hold_before_turn);
  g_test_add_func ("/queue/finalize-held", test_finalize_held);
  return g_test_run ();
}
