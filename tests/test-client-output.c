/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "json.h"
#include "live.h"
#include "output.h"

#include <locale.h>
#include <math.h>
#include <string.h>

static void
test_json (void)
{
  static const struct
  {
    const char *value;
    const char *json;
  } cases[] = {
    { "true", "true" },
    { "byte 255", "255" },
    { "int16 -32768", "-32768" },
    { "uint16 65535", "65535" },
    { "-2147483648", "-2147483648" },
    { "uint32 4294967295", "4294967295" },
    { "int64 -9223372036854775808", "-9223372036854775808" },
    { "uint64 18446744073709551615", "18446744073709551615" },
    { "handle 3", "3" },
    { "12.3", "12.3" },
    { "0.1", "0.1" },
    { "312.0", "312" },
    { "1e300", "1e+300" },
    { "0.30000000000000004", "0.30000000000000004" },
    { "'a\"b\\\\c\\n\\r\\t\\u0001\\u007f'", "\"a\\\"b\\\\c\\n\\r\\t\\u0001\\u007f\"" },
    { "'\\u00e4\\u4e2d'", "\"\303\244\344\270\255\"" },
    { "objectpath '/a'", "\"/a\"" },
    { "signature 'as'", "\"as\"" },
    { "('a', 'b')", "[\"a\",\"b\"]" },
    { "()", "[]" },
    { "@as []", "[]" },
    { "@a{sv} {}", "{}" },
    { "{'a': <1>, 'b': <[('x', true)]>}", "{\"a\":1,\"b\":[[\"x\",true]]}" },
    { "{1: 'one'}", "{\"1\":\"one\"}" },
    { "<<'deep'>>", "\"deep\"" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (cases); i++)
    {
      g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_parsed (cases[i].value));
      g_autoptr (GString) json = g_string_new (NULL);
      json_append_value (json, value);
      g_assert_cmpstr (json->str, ==, cases[i].json);
    }
  const double numbers[] = { NAN, INFINITY, -INFINITY };
  for (gsize i = 0; i < G_N_ELEMENTS (numbers); i++)
    {
      g_autoptr (GVariant) value = g_variant_ref_sink (g_variant_new_double (numbers[i]));
      g_autoptr (GString) json = g_string_new (NULL);
      json_append_value (json, value);
      g_assert_cmpstr (json->str, ==, "null");
    }
  g_autoptr (GString) broken = g_string_new (NULL);
  json_append_string (broken, "a\377b");
  g_assert_cmpstr (broken->str, ==, "\"a\357\277\275b\"");
}

static void
test_texts (void)
{
  static const struct
  {
    double seconds;
    const char *duration;
    const char *clock;
  } times[] = {
    { -5, "0 s", "0:00" },          { 0.4, "0 s", "0:00" },       { 59, "59 s", "0:59" },
    { 312, "5 min 12 s", "5:12" },  { 3661, "1 h 1 min", "1:01:01" },
  };
  for (gsize i = 0; i < G_N_ELEMENTS (times); i++)
    {
      g_autofree char *duration = output_duration (times[i].seconds);
      g_autofree char *clock = output_clock ((gint64) times[i].seconds);
      g_assert_cmpstr (duration, ==, times[i].duration);
      g_assert_cmpstr (clock, ==, times[i].clock);
    }
  g_autofree char *never = output_time (0);
  g_autofree char *clean = output_clean ("a\033[2J\nb\377\302\233c");
  g_assert_cmpstr (never, ==, "-");
  g_assert_cmpstr (clean, ==, "a\357\277\275[2J b\357\277\275\357\277\275c");
  g_assert_cmpuint (output_text_width ("ab\344\270\255e\314\201"), ==, 5);
}

static LiveView
make_view (const char *state, guint progress, gboolean power_critical)
{
  return (LiveView) {
    .from = "ME3630U1AV1.0B04 [Apr 18 2019]",
    .to = "ME3630U1AV1.0B05",
    .state = state,
    .progress = progress,
    .started = 1,
    .phase_since = 60 * G_USEC_PER_SEC + 1,
    .confirm_deadline = 200 * G_USEC_PER_SEC + 1,
    .power_critical = power_critical,
  };
}

static void
assert_line (const LiveView *view, guint width, gboolean utf8, const char *expected)
{
  g_autofree char *line = live_render (view, width, utf8, FALSE, 100 * G_USEC_PER_SEC + 1);
  g_assert_cmpstr (line, ==, expected);
}

static void
test_live (void)
{
  LiveView view = make_view ("downloading", 25, FALSE);
  assert_line (&view, 100, FALSE,
               "ME3630U1AV1.0B04 -> ME3630U1AV1.0B05  [#######.......................]  25 %  downloading  1:40");
  assert_line (&view, 85, FALSE, "ME3630U1AV1.0B04 -> ME3630U1AV1.0B05  [####............]  25 %  downloading  1:40");
  assert_line (&view, 60, TRUE, "B04 → B05  ████░░░░░░░░░░░░  25 %  downloading  1:40");
  assert_line (&view, 45, TRUE, "B04 → B05  ██░░░░░░  25 %  downloading  1:40");
  assert_line (&view, 40, TRUE, "B04 → B05   25 %  downloading  1:40");
  view = make_view ("rebooting", 0, TRUE);
  assert_line (&view, 120, FALSE, "ME3630U1AV1.0B04 -> ME3630U1AV1.0B05  "
                                  "rebooting 0:40, silence up to 10 minutes is normal  1:40  do not power off");
  /* an ordinary terminal has it all but the time */
  assert_line (&view, 79, TRUE, "B04 → B05  rebooting 0:40, silence up to 10 minutes is normal  do not power off");
  assert_line (&view, 40, TRUE, "rebooting 0:40  1:40  do not power off");
  assert_line (&view, 12, TRUE, "do not power");
  view.overdue = TRUE;
  assert_line (&view, 120, TRUE, "ME3630U1AV1.0B04 → ME3630U1AV1.0B05  rebooting 0:40, longer than expected, still "
                                 "waiting  1:40  do not power off");
  view = make_view ("confirming", 0, FALSE);
  assert_line (&view, 79, TRUE, "B04 → B05  confirming: answer with mefotactl accept or reject, 1:40 left  1:40");
  view = make_view ("updating", 0, TRUE);
  view.to = "";
  assert_line (&view, 55, TRUE, "B04 → ?  updating  1:40  do not power off");
  view = make_view ("updating", 0, FALSE);
  view.daemon_gone = TRUE;
  view.from = view.to = "";
  assert_line (&view, 79, TRUE, "waiting for mefotad  1:40");
  view = make_view ("queued\033[2J", 0, FALSE);
  g_autofree char *hostile = live_render (&view, 79, TRUE, TRUE, 0);
  g_assert_null (strchr (hostile, '\033'));
}

/* Whatever is drawn in whatever width: never wider, and the warning is the last thing that goes. */
static void
test_live_width (void)
{
  static const char *const states[] = { "starting", "confirming", "downloading", "updating", "rebooting", "checking" };
  for (gsize i = 0; i < G_N_ELEMENTS (states); i++)
    for (guint width = 0; width < 150; width++)
      {
        LiveView view = make_view (states[i], 50, TRUE);
        g_autofree char *line = live_render (&view, width, TRUE, FALSE, 100 * G_USEC_PER_SEC);
        g_assert_cmpuint (output_text_width (line), <=, width);
        if (width >= 18)
          g_assert_true (g_str_has_suffix (line, "do not power off"));
      }
}

int
main (int argc, char **argv)
{
  setlocale (LC_ALL, "C.UTF-8");
  g_test_init (&argc, &argv, NULL);
  g_test_add_func ("/client/json", test_json);
  g_test_add_func ("/client/texts", test_texts);
  g_test_add_func ("/client/live", test_live);
  g_test_add_func ("/client/live/width", test_live_width);
  return g_test_run ();
}
