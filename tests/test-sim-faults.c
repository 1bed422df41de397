/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-client.h"

#include <string.h>
#include <termios.h>
#include <unistd.h>

static SimClient *
quiet_client (const char *pair)
{
  SimClient *client = sim_client_new ("echo-boot=off", pair, NULL);

  sim_client_open (client);
  return client;
}

#define LOOK(set, answer) { set, answer, sizeof answer - 1 }

/* The same answer to AT+FOTAPOLLEN? and one indication behind it, as each switch writes them. */
static void
test_looks (void)
{
  static const struct { const char *set; const char *answer; gsize length; } looks[] = {
    LOOK ("eol=lf", "\n+FOTAIP: 0\n\nOK\n\n+FOTAIND: DOWNLOADING:25%\n"),
    LOOK ("eol=cr", "\r+FOTAIP: 0\r\rOK\r\r+FOTAIND: DOWNLOADING:25%\r"),
    LOOK ("tight=true", "\r\n+FOTAIP: 0\r\nOK\r\n\r\n+FOTAIND: DOWNLOADING:25%\r\n"),
    LOOK ("ok-tail=none", "\r\n+FOTAIP: 0\r\n\r\nOK\r\n+FOTAIND: DOWNLOADING:25%\r\n"),
    LOOK ("ok-tail=nul", "\r\n+FOTAIP: 0\r\n\r\nOK\0\r\n+FOTAIND: DOWNLOADING:25%\r\n"),
    LOOK ("blank-lines=1", "\r\n\r\n+FOTAIP: 0\r\n\r\n\r\nOK\r\n\r\n\r\n+FOTAIND: DOWNLOADING:25%\r\n"),
    LOOK ("spacing=none", "\r\n+FOTAIP:0\r\n\r\nOK\r\n\r\n+FOTAIND:DOWNLOADING:25%\r\n"),
    LOOK ("spacing=one", "\r\n+FOTAIP: 0\r\n\r\nOK\r\n\r\n+FOTAIND: DOWNLOADING: 25%\r\n"),
    LOOK ("repeat-ind=1", "\r\n+FOTAIP: 0\r\n\r\nOK\r\n\r\n+FOTAIND: DOWNLOADING:25%\r\n"
                          "\r\n+FOTAIND: DOWNLOADING:25%\r\n"),
    LOOK ("spacing=many", "\r\n+FOTAIP:   0  \r\n\r\nOK\r\n\r\n+FOTAIND:   DOWNLOADING:   25%  \r\n"),
    LOOK ("spacing=before", "\r\n+FOTAIP : 0\r\n\r\nOK\r\n\r\n+FOTAIND : DOWNLOADING : 25%\r\n"),
    LOOK ("case=lower", "\r\n+fotaip: 0\r\n\r\nOK\r\n\r\n+fotaind: downloading:25%\r\n"),
    LOOK ("colon=utf8", "\r\n+FOTAIP: 0\r\n\r\nOK\r\n\r\n+FOTAIND: DOWNLOADING\xef\xbc\x9a" "25%\r\n"),
    LOOK ("colon=gbk-all", "\r\n+FOTAIP: 0\r\n\r\nOK\r\n\r\n+FOTAIND\xa3\xba DOWNLOADING\xa3\xba" "25%\r\n"),
    LOOK ("sprinkle=both",
      "\0\xff\r\n+FOTAIP: 0\r\n\0\xff\r\nOK\r\n\0\xff\r\n+FOTAIND: DOWNLOADING:25%\r\n"),
    LOOK ("inject=+ZPASR: 1", "\r\n+FOTAIP: 0\r\n\r\n+ZPASR: 1\r\n\r\nOK\r\n\r\n+FOTAIND: DOWNLOADING:25%\r\n"),
    LOOK ("split=1", "\r\n+FOTAIP: 0\r\n\r\nOK\r\n\r\n+FOTAIND: DOWNLOADING:25%\r\n"),
    LOOK ("glue=20", "\r\n+FOTAIP: 0\r\n\r\nOK\r\n\r\n+FOTAIND: DOWNLOADING:25%\r\n"),
  };

  for (gsize i = 0; i < G_N_ELEMENTS (looks); i++)
    {
      g_autoptr (SimClient) client = quiet_client (looks[i].set);
      gint64 deadline = 0;

      g_test_message ("%s", looks[i].set);
      sim_client_send (client, "AT+FOTAPOLLEN?");
      sim_client_await (client, "tx OK");
      sim_client_control (client, "ind DOWNLOADING:25%");
      while (client->in->len < looks[i].length)
        sim_client_turn (client, looks[i].set, &deadline);
      g_assert_cmpmem (client->in->str, client->in->len, looks[i].answer, looks[i].length);
    }
}

static void
test_answers (void)
{
  g_autoptr (SimClient) client = quiet_client (NULL);

  sim_client_set (client, "fault=2x AT+CGMR error");
  sim_client_set (client, "fault=1x AT+CGMR cme SIM busy");
  sim_client_set (client, "fault=1x AT+CGM? cme 10");
  sim_client_set (client, "fault=1x AT+CGMR line ANOTHER");
  sim_client_set (client, "fault=1x AT+CGMR silent");
  sim_client_set (client, "fault=1x AT+CGMR cut");
  sim_client_set (client, "fault=1x AT+CGMR late 20");
  for (guint i = 0; i < 8; i++)
    sim_client_send (client, "AT+CGMR");
  sim_client_send (client, "AT+CGMM");
  sim_client_expect (client, "\r\nERROR\r\n\r\nERROR\r\n\r\n+CME ERROR: SIM busy\r\n\r\n+CME ERROR: 10\r\n"
                             "\r\nANOTHER\r\n\r\nOK\r\n\r\nME3630C1CV2.0B06\r\n");
  g_assert_null (strstr (client->in->str, "OK"));
  sim_client_expect (client, "\r\nME3630C1CV2.0B06\r\n\r\nOK\r\n\r\nME3630\r\n\r\nOK\r\n");
  sim_client_set (client, "fault=1x AT+CGMR final +CMS ERROR: 500");
  sim_client_set (client, "fault=1x AT+CGMR twice");
  sim_client_send (client, "AT+CGMR");
  sim_client_expect (client, "\r\n+CMS ERROR: 500\r\n");
  sim_client_send (client, "AT+CGMR");
  sim_client_expect (client, "\r\nME3630C1CV2.0B06\r\n\r\nOK\r\n\r\nOK\r\n");
  sim_client_set (client, "fault=AT* hangup");
  sim_client_send (client, "AT");
  sim_client_await_hangup (client);
  sim_client_await (client, "ready");
}

static void
test_mute_and_baud (void)
{
  g_autoptr (SimClient) client = quiet_client (NULL);
  struct termios tty;

  sim_client_set (client, "mute=forever");
  sim_client_send (client, "AT+CGMR");
  sim_client_await (client, "deaf 8");
  sim_client_set (client, "mute=0");
  sim_client_set (client, "baud=9600");
  sim_client_send (client, "AT+CGMI");
  sim_client_set (client, "wrong-baud=garbage");
  tcgetattr (client->fd, &tty);
  cfsetspeed (&tty, B9600);
  /* Only what is sent from now on is understood. */
  while (client->in->len == 0)
    g_main_context_iteration (NULL, TRUE);
  tcsetattr (client->fd, TCSANOW, &tty);
  g_string_truncate (client->in, 0);
  sim_client_send (client, "\rAT+CGMM");
  sim_client_expect (client, "\r\nME3630\r\n\r\nOK\r\n");
}

/* Hang-ups in an upgrade: the last indication lost, further disconnections, another IMEI and version. */
static void
test_hangup (void)
{
  g_autoptr (SimClient) client = quiet_client ("lose-last=true");

  sim_client_set (client, "extra-reboots=2");
  sim_client_set (client, "return-imei=111111111111111");
  sim_client_set (client, "return-firmware=V0");
  sim_client_set (client, "first-ind=before-ok");
  sim_client_send (client, "AT+FOTACTR");
  sim_client_expect (client, "\r\n+FOTAIND: START\r\n\r\nOK\r\n\r\n+FOTAIND: DOWNLOADING:25%\r\n");
  sim_client_expect (client, "PASS_VERIFY\r\n");
  sim_client_await (client, "lost +FOTAIND: UPDATING");
  for (guint i = 0; i < 3; i++)
    {
      sim_client_await (client, "vanished");
      sim_client_await (client, "port");
    }
  g_assert_null (strstr (client->in->str, "UPDATING"));
  sim_client_await_hangup (client);
  sim_client_open (client);
  sim_client_expect (client, "SUCCESS_END\r\n");
  sim_client_send (client, "AT+CGMR;+CGSN");
  sim_client_expect (client, "\r\nV0\r\n\r\n111111111111111\r\n\r\nOK\r\n");

  sim_client_set (client, "lose-last=false");
  sim_client_set (client, "extra-reboots=0");
  sim_client_set (client, "hangup-after-ind=2");
  sim_client_set (client, "hangup-return=never");
  sim_client_send (client, "AT+FOTACTR");
  sim_client_expect (client, "DOWNLOADING:25%\r\n");
  sim_client_await_hangup (client);
  sim_client_control (client, "return");
  sim_client_await (client, "ready");
}

static void
test_fail_words (void)
{
  static const struct { const char *word; const char *before; } fails[] = {
    { "FAIL_CONNECT", "START" },       { "FAIL_NO_NEW", "START" },    { "FAIL_VERIFY", "NEED_VERIFY" },
    { "FAIL_END", "UPDATING" },        { "ERROR:50", "START" },       { "ERROR0x50", "START" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (fails); i++)
    {
      g_autofree char *pair = g_strconcat ("fail=", fails[i].word, NULL);
      g_autofree char *line = g_strdup_printf ("\r\n+FOTAIND: %s\r\n", fails[i].word);
      g_autofree char *result = g_strdup_printf ("\r\n+FOTACTR: %s\r\n\r\nOK\r\n", fails[i].word);
      g_autoptr (SimClient) client = quiet_client (pair);

      sim_client_set (client, "wiring=uart");
      sim_client_send (client, "AT+FOTACTR");
      sim_client_expect (client, fails[i].before);
      sim_client_expect (client, line);
      sim_client_await (client, "done");
      sim_client_send (client, "AT+FOTACTR?");
      sim_client_expect (client, result);
      g_assert_cmpstr (mefota_sim_get_firmware (client->sim), ==, "ME3630C1CV2.0B06");
    }
}

static void
send_piece (SimClient *client, const guint8 *bytes, gsize length, const char *prompt)
{
  g_autofree char *command = g_strdup_printf ("AT+ZCOMWRT=%" G_GSIZE_FORMAT, length);

  sim_client_send (client, command);
  sim_client_expect (client, prompt);
  sim_client_write (client, bytes, length);
}

/* Pieces of hostile content, appended, and what AT+ZCOMUPDATE finds. */
static void
test_package (void)
{
  static const guint8 hostile[] = "\n\rAT\r> OK\r\n+FOTAIND: FAIL_END\r\n\x1a\x11\x13\xff";
  gsize length = 512 * 1024;
  g_autofree guint8 *piece = g_malloc (length);
  g_autoptr (GChecksum) sum = g_checksum_new (G_CHECKSUM_SHA256);
  g_autofree char *want = NULL;
  g_autoptr (SimClient) client = quiet_client (NULL);

  for (gsize i = 0; i < length; i++)
    piece[i] = hostile[i % sizeof hostile];
  sim_client_set (client, "wiring=uart");
  sim_client_send (client, "AT+ZCOMUPDATE");
  sim_client_expect (client, "\r\nOK\r\n");
  sim_client_await (client, "package 0 none");
  send_piece (client, piece, length, "\r\n> ");
  sim_client_expect (client, "\r\nOK\r\n");
  sim_client_set (client, "prompt=connect");
  send_piece (client, piece, 1, "\r\n> \r\nCONNECT\r\n");
  sim_client_expect (client, "\r\nOK\r\n");
  g_checksum_update (sum, piece, (gssize) length);
  g_checksum_update (sum, piece, 1);
  want = g_strdup_printf ("package %" G_GSIZE_FORMAT " %s", length + 1, g_checksum_get_string (sum));
  sim_client_send (client, "AT+ZCOMUPDATE");
  sim_client_expect (client, "\r\nOK\r\n");
  g_assert_cmpstr (sim_client_await (client, "package"), ==, want);
  sim_client_await (client, "silent");
  sim_client_await (client, "done AT+ZCOMUPDATE");
  g_assert_cmpstr (mefota_sim_get_firmware (client->sim), ==, "ME3630C1CV2.0B07");
}

/* However it is written, data may come after it. */
static void
test_prompts (void)
{
  static const struct { const char *set; const char *prompt; } prompts[] = {
    { "prompt=guide", "\r\n> " }, { "prompt=bare", "> " },      { "prompt=tight", "\r\n>" },
    { "prompt=line", "\r\n> \r\n" }, { "prompt=none", "" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (prompts); i++)
    {
      g_autofree char *answer = g_strconcat (prompts[i].prompt, "\r\nOK\r\n", NULL);
      g_autoptr (SimClient) client = quiet_client (prompts[i].set);
      gint64 deadline = 0;

      g_test_message ("%s", prompts[i].set);
      sim_client_set (client, "wiring=uart");
      sim_client_send (client, "AT+ZCOMWRT=3");
      sim_client_await (client, "prompt");
      sim_client_write (client, "abc", 3);
      while (client->in->len < strlen (answer))
        sim_client_turn (client, answer, &deadline);
      g_assert_cmpstr (client->in->str, ==, answer);
    }
}

/* A piece that went wrong voids the whole package until AT+ZCOMDEL. */
static void
test_package_faults (void)
{
  static const guint8 bytes[] = "0123456789";
  g_autoptr (SimClient) client = quiet_client (NULL);

  sim_client_send (client, "AT+ZCOMWRT=10");
  sim_client_expect (client, "\r\nERROR\r\n");
  sim_client_set (client, "wiring=uart");
  sim_client_send (client, "AT+ZCOMWRT=524289");
  sim_client_expect (client, "\r\nERROR\r\n");
  sim_client_send (client, "AT+ZCOMDEL");
  sim_client_expect (client, "\r\nOK\r\n");

  sim_client_set (client, "prompt-delay=20");
  sim_client_send (client, "AT+ZCOMWRT=10\rearly");
  sim_client_expect (client, "\r\n> ");
  g_assert_cmpstr (sim_client_await (client, "early"), ==, "early 6");
  sim_client_set (client, "data-echo=true");
  sim_client_write (client, bytes, 10);
  sim_client_expect (client, "0123456789\r\nOK\r\n");
  sim_client_set (client, "prompt-delay=0");

  sim_client_set (client, "refuse-piece=2");
  sim_client_send (client, "AT+ZCOMWRT=10");
  sim_client_expect (client, "\r\nERROR\r\n");
  sim_client_send (client, "AT+ZCOMUPDATE");
  sim_client_expect (client, "\r\nOK\r\n");
  sim_client_await (client, "package 0 none");
  sim_client_send (client, "AT+ZCOMDEL");
  sim_client_expect (client, "\r\nOK\r\n");

  sim_client_set (client, "data-error-after=4");
  send_piece (client, bytes, 4, "\r\n> ");
  sim_client_expect (client, "\r\nERROR\r\n");
  sim_client_send (client, "AT+ZCOMDEL");
  sim_client_expect (client, "\r\nOK\r\n");

  sim_client_set (client, "stall-after=5");
  sim_client_set (client, "mark-data=2");
  sim_client_send (client, "AT+ZCOMWRT=10");
  sim_client_expect (client, "\r\n> ");
  sim_client_write (client, bytes, 5);
  sim_client_await (client, "data 2");
  sim_client_await (client, "stalled 5");
  sim_client_set (client, "hangup-after-data=7");
  sim_client_write (client, bytes + 5, 5);
  sim_client_set (client, "wiring=usb");
  sim_client_set (client, "stall-after=0");
  sim_client_await (client, "vanished");
  sim_client_await_hangup (client);
}

/* 2304 bytes at 115200 baud, 8N1, take 200 ms. */
static void
test_pace (void)
{
  g_autofree guint8 *piece = g_malloc0 (2304);
  g_autoptr (SimClient) client = quiet_client ("pace=115200");
  gint64 start;

  sim_client_set (client, "wiring=uart");
  sim_client_send (client, "AT+ZCOMWRT=2304");
  sim_client_expect (client, "\r\n> ");
  start = g_get_monotonic_time ();
  sim_client_write (client, piece, 2304);
  sim_client_expect (client, "\r\nOK\r\n");
  g_assert_cmpint (g_get_monotonic_time () - start, >=, 199000);
}

typedef struct
{
  GMainLoop *loop;
  GPtrArray *lines;
  const char *until;
} Reader;

static void
on_line (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Reader *reader = user_data;
  char *line = g_data_input_stream_read_line_finish (G_DATA_INPUT_STREAM (source), result, NULL, NULL);

  g_assert_nonnull (line);
  g_ptr_array_add (reader->lines, line);
  if (g_str_has_prefix (line, reader->until))
    g_main_loop_quit (reader->loop);
  else
    g_data_input_stream_read_line_async (G_DATA_INPUT_STREAM (source), 0, NULL, on_line, reader);
}

static void
on_ended (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Reader *reader = user_data;
  g_autoptr (GError) error = NULL;

  g_assert_true (g_subprocess_wait_finish (G_SUBPROCESS (source), result, &error));
  g_main_loop_quit (reader->loop);
}

/* The program itself: first line, control, link, and both ways out. */
static void
test_program (gconstpointer data)
{
  gboolean terminate = GPOINTER_TO_INT (data);
  g_autofree char *directory = g_dir_make_tmp ("mefota-sim-XXXXXX", NULL);
  g_autofree char *link = g_build_filename (directory, "port", NULL);
  g_autofree char *port = g_strconcat ("port ", link, NULL);
  g_autoptr (GMainLoop) loop = g_main_loop_new (NULL, FALSE);
  g_autoptr (GPtrArray) lines = g_ptr_array_new_with_free_func (g_free);
  g_autoptr (GError) error = NULL;
  g_autoptr (GSubprocess) process = NULL;
  g_autoptr (GDataInputStream) output = NULL;
  Reader reader = { loop, lines, "ok set" };

  process = g_subprocess_new (G_SUBPROCESS_FLAGS_STDIN_PIPE | G_SUBPROCESS_FLAGS_STDOUT_PIPE, &error,
                              g_getenv ("MEFOTA_SIM"), "--control", "--link", link, "--set", "model=X", NULL);
  g_assert_no_error (error);
  output = g_data_input_stream_new (g_subprocess_get_stdout_pipe (process));
  g_output_stream_write_all (g_subprocess_get_stdin_pipe (process), "nonsense\nset split=1\n", 21, NULL, NULL, &error);
  g_assert_no_error (error);
  g_data_input_stream_read_line_async (output, 0, NULL, on_line, &reader);
  g_main_loop_run (loop);
  g_assert_cmpuint (lines->len, ==, 4);
  g_assert_cmpstr (g_ptr_array_index (lines, 0), ==, port);
  g_assert_cmpstr (g_ptr_array_index (lines, 1), ==, "ready");
  g_assert_true (g_str_has_prefix (g_ptr_array_index (lines, 2), "error "));
  g_assert_cmpstr (g_ptr_array_index (lines, 3), ==, "ok set split=1");
  g_assert_true (g_file_test (link, G_FILE_TEST_IS_SYMLINK));
  if (terminate)
    g_subprocess_send_signal (process, SIGTERM);
  else
    g_output_stream_close (g_subprocess_get_stdin_pipe (process), NULL, NULL);
  g_subprocess_wait_async (process, NULL, on_ended, &reader);
  g_main_loop_run (loop);
  g_assert_cmpint (g_subprocess_get_exit_status (process), ==, 0);
  g_assert_false (g_file_test (link, G_FILE_TEST_IS_SYMLINK));
  g_assert_cmpint (rmdir (directory), ==, 0);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/sim/looks", test_looks);
  g_test_add_func ("/sim/answers", test_answers);
  g_test_add_func ("/sim/mute-and-baud", test_mute_and_baud);
  g_test_add_func ("/sim/hangup", test_hangup);
  g_test_add_func ("/sim/fail-words", test_fail_words);
  g_test_add_func ("/sim/package/whole", test_package);
  g_test_add_func ("/sim/package/prompts", test_prompts);
  g_test_add_func ("/sim/package/faults", test_package_faults);
  g_test_add_func ("/sim/package/pace", test_pace);
  g_test_add_data_func ("/sim/program/term", GINT_TO_POINTER (TRUE), test_program);
  g_test_add_data_func ("/sim/program/eof", GINT_TO_POINTER (FALSE), test_program);
  return g_test_run ();
}
