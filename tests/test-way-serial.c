/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* The steps of a package over the UART, with a simulated module at the other end of a real tty. */

#include "mefota-error.h"
#include "mefota-way-serial.h"
#include "sim-client.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define DEADLINE_SECONDS 30

typedef struct
{
  SimClient *module;
  MefotaTty *tty;
  MefotaAtChannel *channel;
  MefotaProfile profile;
  MefotaTimeouts timeouts;
  MefotaPackage *package;
  char *path;
  MefotaWay *way;
  GCancellable *cancellable;
  GString *told; /* what the way told */
  guint percent; /* ... last */
  GError *error;
  gboolean done;
} Fixture;

static gboolean
on_deadline (gpointer what)
{
  g_error ("waited in vain for %s", (const char *) what);
  return G_SOURCE_REMOVE;
}

static void
await (gboolean *done, const char *what)
{
  guint deadline = g_timeout_add_seconds (DEADLINE_SECONDS, on_deadline, (gpointer) what);

  while (!*done)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (deadline);
}

static void
on_copied (GObject *source, GAsyncResult *result, gpointer data)
{
  Fixture *f = data;
  f->package = mefota_package_copy_finish (result, &f->error);
  g_assert_no_error (f->error);
  f->done = TRUE;
}

static void
make_package (Fixture *f, gsize size)
{
  g_autofree char *source = NULL;
  g_autofree guint8 *bytes = g_malloc (size);
  int fd = g_file_open_tmp ("mefota-way-XXXXXX", &source, NULL);

  for (gsize i = 0; i < size; i++)
    bytes[i] = (guint8) (i * 7 + i / 256);
  g_assert_true (g_file_set_contents (source, (const char *) bytes, (gssize) size, NULL));
  close (fd);
  fd = open (source, O_RDONLY | O_CLOEXEC);
  f->path = g_strconcat (source, ".copy", NULL);
  mefota_package_copy_async (fd, f->path, size, NULL, NULL, on_copied, f);
  await (&f->done, "the copy");
  close (fd);
  unlink (source);
}

static void
on_piece (MefotaWay *way, guint64 bytes, gpointer data)
{
  g_string_append_printf (((Fixture *) data)->told, "%" G_GUINT64_FORMAT " ", bytes);
}

static void
on_progress (MefotaWay *way, guint percent, gpointer data)
{
  Fixture *f = data;

  g_assert_cmpuint (percent, <=, 100);
  g_assert_cmpuint (percent, !=, f->percent);
  f->percent = percent;
}

static void
open_port (Fixture *f)
{
  g_autoptr (GError) error = NULL;

  f->tty = mefota_tty_open (mefota_sim_get_path (f->module->sim), 921600, MEFOTA_FLOW_NONE, &error);
  g_assert_no_error (error);
  f->channel = mefota_at_channel_new (G_IO_STREAM (f->tty), "m0", 50);
}

static Fixture *
fixture_new (gsize size, const char *setting)
{
  Fixture *f = g_new0 (Fixture, 1);

  f->module = sim_client_new ("wiring=uart", "echo-boot=off", setting, NULL);
  f->told = g_string_new (NULL);
  f->profile = (MefotaProfile){ .name = (char *) "test", .prompt = MEFOTA_PROMPT_IMMEDIATE, .piece = 1000 };
  f->timeouts = (MefotaTimeouts){ .command = 300, .probe = 50 };
  make_package (f, size);
  open_port (f);
  f->way = mefota_way_serial_new ();
  f->cancellable = g_cancellable_new ();
  g_signal_connect (f->way, "piece", G_CALLBACK (on_piece), f);
  g_signal_connect (f->way, "progress", G_CALLBACK (on_progress), f);
  return f;
}

static void
fixture_free (Fixture *f)
{
  g_clear_object (&f->way);
  mefota_at_channel_close (f->channel);
  g_object_unref (f->channel);
  g_object_unref (f->tty);
  sim_client_free (f->module);
  mefota_package_remove (f->package);
  g_object_unref (f->package);
  g_object_unref (f->cancellable);
  g_clear_error (&f->error);
  g_string_free (f->told, TRUE);
  g_free (f->path);
  g_free (f);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC (Fixture, fixture_free)

static void
on_step (GObject *source, GAsyncResult *result, gpointer data)
{
  Fixture *f = data;

  g_clear_error (&f->error);
  mefota_way_finish (MEFOTA_WAY (source), result, &f->error);
  if (f->error != NULL)
    g_test_message ("%s", f->error->message);
  f->done = TRUE;
}

static void
begin_prepare (Fixture *f)
{
  MefotaWayContext context = { .module = "m0",       .profile = &f->profile,           .timeouts = &f->timeouts,
                               .version = "V",       .stream = G_IO_STREAM (f->tty),   .baud = 921600,
                               .package = f->package };
  f->done = FALSE;
  mefota_way_prepare_async (f->way, &context, f->channel, f->cancellable, on_step, f);
}

static void
prepare (Fixture *f)
{
  begin_prepare (f);
  await (&f->done, "prepare");
}

static void
transfer (Fixture *f)
{
  f->done = FALSE;
  mefota_way_transfer_async (f->way, f->cancellable, on_step, f);
  await (&f->done, "transfer");
}

static void
clean_up (Fixture *f)
{
  f->done = FALSE;
  mefota_way_clean_up_async (f->way, f->channel, NULL, on_step, f);
  await (&f->done, "clean-up");
}

static void
install (Fixture *f)
{
  f->done = FALSE;
  mefota_way_install_async (f->way, f->cancellable, on_step, f);
  await (&f->done, "install");
}

static void
assert_package (Fixture *f)
{
  g_autofree char *event = g_strdup_printf ("package %" G_GUINT64_FORMAT " %s", mefota_package_get_size (f->package),
                                            mefota_package_get_sha256 (f->package));
  install (f);
  g_assert_no_error (f->error);
  sim_client_await (f->module, event);
}

/* ---- pieces ---- */

static void
test_pieces (void)
{
  g_autoptr (Fixture) f = fixture_new (2500, "prompt-delay=1");

  prepare (f);
  g_assert_no_error (f->error);
  g_assert_cmpstr (f->told->str, ==, "1000 ");
  sim_client_await (f->module, "deleted");
  transfer (f);
  g_assert_no_error (f->error);
  g_assert_cmpstr (f->told->str, ==, "1000 1000 500 0 ");
  for (guint i = 0; i < f->module->events->len; i++)
    g_assert_false (g_str_has_prefix (g_ptr_array_index (f->module->events, i), "early "));
  assert_package (f);
}

static void
test_prompts (void)
{
  static const struct
  {
    MefotaPromptStyle style;
    const char *setting;
  } cases[] = {
    { MEFOTA_PROMPT_IMMEDIATE, "prompt=guide" }, { MEFOTA_PROMPT_GRACE, "prompt=guide" },
    { MEFOTA_PROMPT_CONNECT, "prompt=connect" }, { MEFOTA_PROMPT_GRACE, "prompt=connect" },
  };

  for (guint i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (Fixture) f = fixture_new (20 * 1000, cases[i].setting);
      gint64 began = g_get_monotonic_time ();

      f->profile.prompt = cases[i].style;
      prepare (f);
      g_assert_no_error (f->error);
      transfer (f);
      g_assert_no_error (f->error);
      /* Only the first piece waits to see whether there is a CONNECT: twenty graces would be six seconds. */
      g_assert_cmpint (g_get_monotonic_time () - began, <, 4 * G_USEC_PER_SEC);
      assert_package (f);
    }
}

/* CONNECT where none was expected: the bytes before it are lost, and the next attempt waits for it. */
static void
test_late_connect (void)
{
  g_autoptr (Fixture) f = fixture_new (2500, "prompt=connect");

  sim_client_set (f->module, "connect-delay=20");
  prepare (f);
  transfer (f);
  g_assert_error (f->error, MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED);
  g_assert_nonnull (strstr (f->error->message, "CONNECT"));
  prepare (f);
  g_assert_no_error (f->error);
  transfer (f);
  g_assert_no_error (f->error);
  assert_package (f);
}

/* ---- progress ---- */

/* How long the main loop would sleep now; -1: until something comes. */
static int
get_sleep (void)
{
  GMainContext *context = g_main_context_default ();
  GPollFD fds[16];
  int timeout = 0, priority;

  g_assert_true (g_main_context_acquire (context));
  g_main_context_prepare (context, &priority);
  g_main_context_query (context, G_MAXINT, &timeout, fds, G_N_ELEMENTS (fds));
  g_main_context_release (context);
  return timeout < 0 ? G_MAXINT : timeout;
}

/* The module reads so far and no further: progress is told up to the last slice that the tty took, and no further than
 * that; then nothing wakes up. */
static void
test_progress (void)
{
  const guint64 size = 4000 * 1000, stall = 400 * 1000, buffer = 32 * 1024, slice = 64 * 1024;
  g_autoptr (Fixture) f = fixture_new (size, "stall-after=400000");
  guint deadline;
  guint64 taken;

  f->profile.piece = 512 * 1024;
  f->timeouts.command = 5000;
  prepare (f);
  g_assert_no_error (f->error);
  f->done = FALSE;
  mefota_way_transfer_async (f->way, f->cancellable, on_step, f);
  sim_client_await (f->module, "stalled 400000");
  deadline = g_timeout_add_seconds (DEADLINE_SECONDS, on_deadline, (gpointer) "the line to stand still");
  while (get_sleep () < 1000)
    g_main_context_iteration (NULL, TRUE);
  g_source_remove (deadline);
  taken = f->profile.piece - mefota_at_channel_data_get_missing (f->channel);
  g_assert_cmpuint ((f->percent + 1) * size / 100, >, taken - slice);
  g_assert_cmpuint (f->percent * size / 100, <=, MIN (taken, stall + buffer));

  sim_client_set (f->module, "stall-after=0");
  await (&f->done, "transfer");
  g_assert_no_error (f->error);
  g_assert_cmpuint (f->percent, ==, 100);
  assert_package (f);

  /* Anew from the start, and told so. */
  sim_client_await (f->module, "done AT+ZCOMUPDATE"); /* it is back */
  prepare (f);
  g_assert_no_error (f->error);
  g_assert_cmpuint (f->percent, ==, 0);
}

/* ---- failures ---- */

static void
fail_prepare (const char *setting, const char *words)
{
  g_autoptr (Fixture) f = fixture_new (2500, setting);

  prepare (f);
  g_assert_error (f->error, MEFOTA_ERROR, MEFOTA_ERROR_TRANSFER_FAILED);
  g_assert_nonnull (strstr (f->error->message, words));
  sim_client_set (f->module, "fault=none");
  sim_client_set (f->module, "prompt=guide");
  clean_up (f);
  g_assert_no_error (f->error);
  sim_client_await (f->module, "deleted");
  prepare (f);
  g_assert_no_error (f->error);
  transfer (f);
  assert_package (f);
}

static void
test_refused (void)
{
  fail_prepare ("fault=AT+ZCOMDEL error", "AT+ZCOMDEL");
  fail_prepare ("fault=AT+ZCOMWRT* cme 23", "memory failure");
  fail_prepare ("fault=AT+ZCOMWRT* silent", "byte 0 of 2500");
  fail_prepare ("prompt=none", "byte 0 of 2500");
}

static void
fail_transfer (const char *setting, MefotaError code, const char *words)
{
  g_autoptr (Fixture) f = fixture_new (2500, setting);

  prepare (f);
  g_assert_no_error (f->error);
  transfer (f);
  g_assert_error (f->error, MEFOTA_ERROR, (int) code);
  g_assert_nonnull (strstr (f->error->message, words));
  prepare (f);
  g_assert_no_error (f->error);
  transfer (f);
  g_assert_no_error (f->error);
  assert_package (f);
}

static void
test_doubt (void)
{
  fail_transfer ("refuse-piece=2", MEFOTA_ERROR_TRANSFER_FAILED, "byte 1000 of 2500");
  fail_transfer ("refuse-piece=3", MEFOTA_ERROR_TRANSFER_FAILED, "byte 2000 of 2500");
  fail_transfer ("data-error-after=1500", MEFOTA_ERROR_TRANSFER_FAILED, "of 2500");
  fail_transfer ("fault=1x AT+ZCOMWRT=500 silent", MEFOTA_ERROR_TRANSFER_FAILED, "byte 2000 of 2500");
}

/* The module is left with nothing, whenever it is that the caller changes his mind. */
static void
on_stop (MefotaSim *sim, const char *line, gpointer data)
{
  Fixture *f = data;
  if (g_str_has_prefix (line, "data "))
    g_cancellable_cancel (f->cancellable);
}

static void
test_cancel (void)
{
  static const char *const marks[] = { "mark-data=1", "mark-data=999", "mark-data=1000", "mark-data=1500",
                                      "mark-data=2500" };

  for (guint i = 0; i < G_N_ELEMENTS (marks); i++)
    {
      g_autoptr (Fixture) f = fixture_new (2500, marks[i]);

      g_signal_connect (f->module->sim, "event", G_CALLBACK (on_stop), f);
      prepare (f);
      transfer (f);
      if (f->error != NULL) /* the last byte may have been too late for it */
        g_assert_error (f->error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
      clean_up (f);
      g_assert_no_error (f->error);
      sim_client_await (f->module, "deleted");
      sim_client_await (f->module, "deleted");
      g_assert_true (g_str_has_suffix (f->told->str, " 0 "));
      g_signal_handlers_disconnect_by_data (f->module->sim, f);
    }
}

/* Cancelled before it begins: how the upgrade hands the context over without a word to the module. */
static void
test_cancelled_before (void)
{
  g_autoptr (Fixture) f = fixture_new (2500, NULL);

  g_cancellable_cancel (f->cancellable);
  prepare (f);
  g_assert_error (f->error, G_IO_ERROR, G_IO_ERROR_CANCELLED);
  clean_up (f);
  g_assert_no_error (f->error);
  sim_client_await (f->module, "deleted");
}

/* A way that is let go of in the middle leaves a channel that works. */
static void
test_dropped (void)
{
  g_autoptr (Fixture) f = fixture_new (2500, NULL);

  prepare (f);
  g_assert_no_error (f->error);
  g_clear_object (&f->way);
  f->way = mefota_way_serial_new ();
  prepare (f);
  g_assert_no_error (f->error);
  transfer (f);
  g_assert_no_error (f->error);
  assert_package (f);
}

static void
test_install_refused (void)
{
  g_autoptr (Fixture) f = fixture_new (100, "fault=AT+ZCOMUPDATE error");

  prepare (f);
  transfer (f);
  install (f);
  g_assert_error (f->error, MEFOTA_ERROR, MEFOTA_ERROR_MODULE_ERROR);
}

static void
test_hang_up (void)
{
  g_autoptr (Fixture) f = fixture_new (2500, NULL);

  prepare (f);
  g_assert_no_error (f->error);
  mefota_sim_stop (f->module->sim);
  transfer (f);
  g_assert_error (f->error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT);
  clean_up (f);
  g_assert_error (f->error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_PRESENT);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  mefota_error_quark ();
  g_test_add_func ("/way-serial/pieces", test_pieces);
  g_test_add_func ("/way-serial/prompts", test_prompts);
  g_test_add_func ("/way-serial/late-connect", test_late_connect);
  g_test_add_func ("/way-serial/progress", test_progress);
  g_test_add_func ("/way-serial/refused", test_refused);
  g_test_add_func ("/way-serial/doubt", test_doubt);
  g_test_add_func ("/way-serial/cancel", test_cancel);
  g_test_add_func ("/way-serial/cancelled-before", test_cancelled_before);
  g_test_add_func ("/way-serial/dropped", test_dropped);
  g_test_add_func ("/way-serial/install-refused", test_install_refused);
  g_test_add_func ("/way-serial/hang-up", test_hang_up);
  return g_test_run ();
}
