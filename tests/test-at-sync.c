/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "at-channel-fixture.h"

/* ---- Timeout, late answers, synchronisation ---- */

static void
test_timeout (Fixture *f, gconstpointer user_data)
{
  gint64 before = g_get_monotonic_time ();

  expect (f, "AT+A\r", "");
  ask (f, "AT+A", 50, NULL);
  await (f, "Timeout; ");
  g_assert_cmpint (g_get_monotonic_time () - before, >=, 45000);
  assert_idle (f); /* no AT while nobody wants anything */
}

/* The module answers everything in order, if late. */
static void
test_late_in_order (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+A\r", "");
  expect (f, "AT\r", "\r\nlate\r\n\r\nOK\r\n\r\n+CREG: 1\r\n\r\nOK\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  ask (f, "AT+A", 30, NULL);
  ask (f, "AT+B", LONG_MS, NULL);
  await (f, "Timeout; urc +CREG: 1; b; ");
  assert_idle (f);
}

/* ... or an error: alive, and tried again. */
static void
test_late_error (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+A\r", "");
  expect (f, "AT\r", "\r\n+CME ERROR: 3\r\n\r\nOK\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  ask (f, "AT+A", 30, NULL);
  ask (f, "AT+B", LONG_MS, NULL);
  await (f, "Timeout; b; ");
}

/* The module answers the new command first. */
static void
test_late_out_of_order (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+A\r", "");
  expect (f, "AT\r", "\r\nOK\r\n");
  expect_later (f, "", 300, "\r\nlate\r\n\r\nERROR\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  ask (f, "AT+A", 30, NULL);
  ask (f, "AT+B", LONG_MS, NULL);
  await (f, "Timeout; b; ");
}

/* The answer never comes: a second of silence is enough, however much the module chats before. */
static void
test_never (Fixture *f, gconstpointer user_data)
{
  gint64 before;

  expect (f, "AT+A\r", "");
  expect (f, "AT\r", "\r\nOK\r\n");
  expect_later (f, "", 500, "\r\n+CREG: 2\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  ask (f, "AT+A", 30, NULL);
  ask (f, "AT+B", LONG_MS, NULL);
  before = g_get_monotonic_time ();
  await (f, "Timeout; urc +CREG: 2; b; ");
  g_assert_cmpint (g_get_monotonic_time () - before, >=, 1450000);
}

/* It comes while nobody wants anything. An outcome that was asked for is no indication when it is late. */
static void
test_late_while_idle (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+FOTACTR?\r", "");
  ask (f, "AT+FOTACTR?", 30, NULL);
  await (f, "Timeout; ");
  say (f, "\r\n+FOTAIND: SUCCESS_END\r\n\r\nOK\r\n\r\n+CREG: 5\r\n");
  await (f, "urc +CREG: 5; ");
  expect (f, "AT\r", "\r\nOK\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  ask (f, "AT+B", LONG_MS, NULL);
  await (f, "b; ");
}

static void
test_sync_at_once (Fixture *f, gconstpointer user_data)
{
  gint64 before = g_get_monotonic_time ();

  expect (f, "AT\r", "AT\r\r\nOK\r\n");
  expect (f, "AT+A\r", "\r\na\r\n\r\nOK\r\n");
  mefota_at_channel_sync_async (f->channel, NULL, on_synced, f);
  ask (f, "AT+A", LONG_MS, NULL);
  await (f, "synced; a; ");
  g_assert_cmpint (g_get_monotonic_time () - before, <, 900000);
  assert_idle (f);
}

/* A booting module keeps what it hears, and answers all of it at once. */
static void
test_sync_booting (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT\r", "");
  expect (f, "AT\r", "");
  expect (f, "AT\r", "\r\n+ZREADY\r\n\r\nERROR\r\n\r\nOK\r\n\r\nOK\r\n");
  expect (f, "AT+A\r", "\r\na\r\n\r\nOK\r\n");
  mefota_at_channel_sync_async (f->channel, NULL, on_synced, f);
  ask (f, "AT+A", LONG_MS, NULL);
  await (f, "boot +ZREADY; synced; a; ");
}

static void
test_sync_error (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT\r", "\r\nERROR\r\n");
  expect (f, "AT\r", "\r\nOK\r\n");
  mefota_at_channel_sync_async (f->channel, NULL, on_synced, f);
  await (f, "synced; ");
  assert_idle (f);
}

/* It goes before what waits, and joins another. */
static void
test_sync_first (Fixture *f, gconstpointer user_data)
{
  expect (f, "AT+A\r", "\r\na\r\n\r\nOK\r\n");
  expect (f, "AT\r", "\r\nOK\r\n");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  ask (f, "AT+A", LONG_MS, NULL);
  ask (f, "AT+B", LONG_MS, NULL);
  mefota_at_channel_sync_async (f->channel, NULL, on_synced, f);
  mefota_at_channel_sync_async (f->channel, NULL, on_synced, f);
  await (f, "a; synced; synced; b; ");
}

static void
test_sync_cancel (Fixture *f, gconstpointer user_data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  expect (f, "AT\r", "");
  mefota_at_channel_sync_async (f->channel, cancellable, on_synced, f);
  await_steps (f);
  g_cancellable_cancel (cancellable);
  g_assert_cmpstr (f->log->str, ==, "");
  await (f, "synced cancelled; ");
  assert_idle (f);
  /* The AT may still be answered: the next command finds its own answer. */
  expect (f, "AT\r", "\r\nOK\r\n\r\nOK\r\n");
  expect (f, "AT+A\r", "\r\na\r\n\r\nOK\r\n");
  ask (f, "AT+A", LONG_MS, NULL);
  await (f, "a; ");
}

static void
test_cancel (Fixture *f, gconstpointer user_data)
{
  g_autoptr (GCancellable) flying = g_cancellable_new ();
  g_autoptr (GCancellable) queued = g_cancellable_new ();
  g_autoptr (GCancellable) before = g_cancellable_new ();

  expect (f, "AT+A\r", "");
  g_cancellable_cancel (before);
  ask (f, "AT+A", LONG_MS, flying);
  ask (f, "AT+B", LONG_MS, queued);
  ask (f, "AT+C", LONG_MS, before);
  await (f, "cancelled; ");
  await_steps (f);
  g_cancellable_cancel (queued);
  await (f, "cancelled; ");
  g_cancellable_cancel (flying);
  g_assert_cmpstr (f->log->str, ==, "");
  await (f, "cancelled; ");
  assert_idle (f);
  expect (f, "AT\r", "\r\nlate\r\nOK\r\n\r\nOK\r\n");
  expect (f, "AT+D\r", "\r\nd\r\n\r\nOK\r\n");
  ask (f, "AT+D", LONG_MS, NULL);
  await (f, "d; ");
}

/* Not a byte of it was written: nothing to get over. */
static void
test_cancel_unwritten (Fixture *f, gconstpointer user_data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  say (f, "\r\n+CREG: 5\r\n"); /* nothing is written before that is read */
  ask (f, "AT+A", LONG_MS, cancellable);
  g_cancellable_cancel (cancellable);
  await (f, "urc +CREG: 5; cancelled; ");
  expect (f, "AT+B\r", "\r\nb\r\n\r\nOK\r\n");
  ask (f, "AT+B", LONG_MS, NULL);
  await (f, "b; ");
}

/* Its time is over in the very turn in which it is told to be cancelled: that came first. */
static void
test_cancel_due (Fixture *f, gconstpointer user_data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  expect (f, "AT+A\r", "");
  ask (f, "AT+A", 0, cancellable);
  g_cancellable_cancel (cancellable);
  await (f, "cancelled; ");
  await_steps (f);
}

/* The same of one that waits for the synchronisation. */
static void
test_cancel_due_waiting (Fixture *f, gconstpointer user_data)
{
  g_autoptr (GCancellable) cancellable = g_cancellable_new ();

  expect (f, "AT\r", "");
  mefota_at_channel_sync_async (f->channel, NULL, on_synced, f);
  await_steps (f);
  ask (f, "AT+A", 0, cancellable);
  g_cancellable_cancel (cancellable);
  await (f, "cancelled; ");
  say (f, "\r\nOK\r\n");
  await (f, "synced; ");
}

#define ADD(path, function, data) g_test_add ("/at-channel/" path, Fixture, data, set_up, function, tear_down)

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  ADD ("timeout", test_timeout, NULL);
  ADD ("late/in-order", test_late_in_order, NULL);
  ADD ("late/error", test_late_error, NULL);
  ADD ("late/out-of-order", test_late_out_of_order, NULL);
  ADD ("late/never", test_never, NULL);
  ADD ("late/while-idle", test_late_while_idle, NULL);
  ADD ("sync/at-once", test_sync_at_once, NULL);
  ADD ("sync/booting", test_sync_booting, GSIZE_TO_POINTER (300));
  ADD ("sync/error", test_sync_error, GSIZE_TO_POINTER (300));
  ADD ("sync/first", test_sync_first, NULL);
  ADD ("sync/cancel", test_sync_cancel, NULL);
  ADD ("cancel", test_cancel, NULL);
  ADD ("cancel-unwritten", test_cancel_unwritten, NULL);
  ADD ("cancel-due", test_cancel_due, NULL);
  ADD ("cancel-due-waiting", test_cancel_due_waiting, GSIZE_TO_POINTER (NEVER_MS));
  return g_test_run ();
}
