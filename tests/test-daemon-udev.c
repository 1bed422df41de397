/* SPDX-License-Identifier: LGPL-2.1-or-later */

/* Modules that udev finds, through all their coming and going: the real daemon, udev's word by umockdev, bytes on real
 * ptys (contract 2.4 and 5). */

#include "udev-lab.h"

#define WRONG_VERSION "ME3630C1CV2.0B09"
#define OTHER_IMEI "864863040000033"
#define ID "usb_1_1_2"

/* Where the module vanishes. */
typedef enum
{
  CONFIRMING,
  STARTING,
  DOWNLOADING,
  VERIFYING,
  UPDATING,
  REBOOTING,
  CHECKING,
  N_PHASES,
} Phase;

/* How it comes back, always under another number. */
typedef enum
{
  GOES_ON,  /* and goes on to the end */
  TWICE,    /* goes once more, and then on to the end */
  UNSEEN,   /* twice more, too shortly for its port to be opened */
  LATE,     /* when it is overdue */
  SAME,     /* with the version it had, and says nothing */
  ANOTHER,  /* with another version, and says nothing */
  MISMATCH, /* with another one than was asked for */
  REPLACED, /* another module */
  NEVER,    /* not before the end */
  N_RETURNS,
} Return;

static const char *const phases[N_PHASES] = { "confirming", "starting",  "downloading", "verifying",
                                              "updating",   "rebooting", "checking" };

static const char *const returns[N_RETURNS] = { "goes-on", "twice",    "unseen",   "late", "same",
                                                "another", "mismatch", "replaced", "never" };

/* The end. NULL: no such case, as nothing is overdue before installing, and a module that asks has no target. */
#define SUCCESS ""
#define GIVEN_UP "Timeout"
#define SAME_OLD "UpgradeFailed"
#define WRONG "VersionMismatch"
#define OTHER_ONE "ModuleReplaced"
#define UNASKED "ConfirmTimeout"

static const char *const ends[N_PHASES][N_RETURNS] = {
  /*                goes on, twice,   unseen,  late,    same,     another, mismatch, replaced,  never */
  [CONFIRMING] =  { SUCCESS, SUCCESS, SUCCESS, NULL,    UNASKED,  UNASKED, NULL,     OTHER_ONE, UNASKED },
  [STARTING] =    { SUCCESS, SUCCESS, SUCCESS, NULL,    GIVEN_UP, SUCCESS, WRONG,    OTHER_ONE, GIVEN_UP },
  [DOWNLOADING] = { SUCCESS, SUCCESS, SUCCESS, NULL,    GIVEN_UP, SUCCESS, WRONG,    OTHER_ONE, GIVEN_UP },
  [VERIFYING] =   { SUCCESS, SUCCESS, SUCCESS, NULL,    GIVEN_UP, SUCCESS, WRONG,    OTHER_ONE, GIVEN_UP },
  [UPDATING] =    { SUCCESS, SUCCESS, SUCCESS, SUCCESS, SAME_OLD, SUCCESS, WRONG,    OTHER_ONE, GIVEN_UP },
  [REBOOTING] =   { SUCCESS, SUCCESS, SUCCESS, SUCCESS, SAME_OLD, SUCCESS, WRONG,    OTHER_ONE, GIVEN_UP },
  [CHECKING] =    { SUCCESS, SUCCESS, SUCCESS, SUCCESS, SAME_OLD, SUCCESS, WRONG,    OTHER_ONE, GIVEN_UP },
};

/* What the module says on its way to a phase. */
static const char *const words[N_PHASES][2] = {
  [DOWNLOADING] = { "START", "DOWNLOADING:25%" },
  [VERIFYING] = { "DOWNLOADING:100%", "NEED_VERIFY" },
  [UPDATING] = { "PASS_VERIFY", "UPDATING" },
};

/* What ends, or begins, only with time has little of it; nothing else ends by time, on a machine however slow. */
static const char *const timeouts[N_RETURNS] = {
  [LATE] = "install=2\nsettle=60\n",
  [SAME] = "confirm=1\ndownload=1\n",
  [ANOTHER] = "confirm=1\n",
  [MISMATCH] = "download=2\n",
  [NEVER] = "confirm=1\ndownload=1\ngive-up=2\n",
};

typedef struct
{
  Phase phase;
  Return kind;
} Play;

typedef struct
{
  DaemonFixture *f;
  Seat *seat;
  SimProcess *sim;
  const Play *play;
  char *upgrade; /* its id */
} Stage;

static const char *
target_of (const Play *play)
{
  return play->phase != CONFIRMING && (play->kind == GOES_ON || play->kind == MISMATCH) ? NEW_VERSION : "";
}

static void
leave (Stage *stage)
{
  /* Each way in turn, and the same in every run. */
  seat_unplug (stage->seat, (stage->play->phase + stage->play->kind + stage->seat->left) % N_LEAVES);
}

/* Back, and all that is read from it at once was read. */
static void
come_back (Stage *stage, guint number)
{
  seat_plug (stage->seat, number);
  sim_await (stage->sim, "rx AT+FOTAIP?");
}

static void
say (Stage *stage, Phase phase)
{
  for (guint i = 0; i < G_N_ELEMENTS (words[phase]) && words[phase][i] != NULL; i++)
    sim_control (stage->sim, "ind %s", words[phase][i]);
}

/* Up to where it vanishes. */
static void
reach (Stage *stage)
{
  Phase phase = stage->play->phase;

  lab_play (stage->f, stage->sim, "on AT+FOTACTR\nok\non question\nind $question\nconfirm 6000\n");
  if (phase == CONFIRMING)
    sim_control (stage->sim, "question");
  else
    daemon_call_ok (stage->f, ID, "Upgrade", g_variant_new ("(sa{sv})", target_of (stage->play), NULL), -1);
  for (Phase p = STARTING; p <= MIN (phase, UPDATING); p++)
    say (stage, p);
  if (phase >= REBOOTING)
    {
      daemon_await_state (stage->f, ID, "updating");
      leave (stage);
      sim_control (stage->sim, phase == REBOOTING ? "set mute=forever" : "set fault=AT+CGMM silent");
      seat_plug (stage->seat, 3);
      sim_await (stage->sim, phase == REBOOTING ? "deaf" : "rx AT+CGMM");
    }
  daemon_await_state (stage->f, ID, phases[phase]);
  stage->upgrade = g_strdup (daemon_get_string (stage->f, ID, "LastUpgrade"));
}

static gboolean
ends_with_time (const Play *play)
{
  return timeouts[play->kind] != NULL;
}

/* Nothing of it is lost while it is away. */
static void
check_absence (Stage *stage)
{
  Phase phase = stage->play->phase;

  if (ends_with_time (stage->play))
    return;
  DAEMON_AWAIT (stage->f, daemon_get_number (stage->f, ID, "RebootsSeen") == stage->seat->left);
  g_assert_cmpstr (daemon_get_string (stage->f, ID, "State"), ==, phases[phase >= UPDATING ? REBOOTING : phase]);
  g_assert_cmpstr (daemon_get_string (stage->f, ID, "Imei"), ==, IMEI);
  g_assert_cmpstr (daemon_get_string (stage->f, ID, "Operation"), ==, phase == CONFIRMING ? "polled" : "network");
  g_assert_cmpuint (daemon_get_number (stage->f, ID, "PowerCritical"), ==, phase >= UPDATING);
  lab_check_properties (stage->f, ID);
  g_free (daemon_call_error (stage->f, ID, phase == CONFIRMING ? "Confirm" : "Upgrade",
                             phase == CONFIRMING ? g_variant_new ("(ba{sv})", TRUE, NULL)
                                                 : g_variant_new ("(sa{sv})", "", NULL),
                             -1, phase == CONFIRMING ? "NotPresent" : "Busy"));
}

static void
vanish (Stage *stage)
{
  leave (stage);
  check_absence (stage);
  sim_control (stage->sim, "set mute=0");
  sim_control (stage->sim, "set fault=none");
}

/* From the phase it is in to the new version. */
static void
go_on (Stage *stage, guint number)
{
  Phase phase = stage->play->phase;

  if (phase < UPDATING)
    {
      come_back (stage, number);
      if (phase == CONFIRMING)
        daemon_call_ok (stage->f, ID, "Confirm", g_variant_new ("(ba{sv})", TRUE, NULL), -1);
      for (Phase p = phase + 1; p <= UPDATING; p++)
        say (stage, p);
      daemon_await_state (stage->f, ID, "updating");
      leave (stage);
    }
  sim_control (stage->sim, "firmware " NEW_VERSION);
  seat_plug (stage->seat, number + 3);
}

static gboolean
port_was_seen (Stage *stage, const char *node)
{
  /* Only so that the loop turns: what the daemon logs wakes nobody. */
  g_autoptr (GVariant) reply G_GNUC_UNUSED = daemon_call_property (stage->f, ID, "Port");
  g_autofree char *text = g_strdup_printf ("%s at 1-1.2 is there", node);

  return lab_logged (stage->f, text);
}

/* Once it has no port at all, once a port that leads nowhere any more. */
static void
pass_unseen (Stage *stage)
{
  seat_tell_device (stage->seat);
  seat_tell_gone (stage->seat);
  stage->seat->left++;
  check_absence (stage);
  seat_tell_device (stage->seat);
  seat_tell_port (stage->seat, 66);
  DAEMON_AWAIT (stage->f, port_was_seen (stage, "ttyUSB66"));
  seat_tell_gone (stage->seat);
  stage->seat->left++;
  check_absence (stage);
}

static void
return_as (Stage *stage)
{
  switch (stage->play->kind)
    {
    case TWICE:
      come_back (stage, 7);
      vanish (stage);
      break;
    case UNSEEN:
      pass_unseen (stage);
      break;
    case LATE:
      DAEMON_AWAIT (stage->f, daemon_get_number (stage->f, ID, "Overdue"));
      break;
    case ANOTHER:
      sim_control (stage->sim, "firmware " NEW_VERSION);
      break;
    case MISMATCH:
      sim_control (stage->sim, "firmware " WRONG_VERSION);
      break;
    case REPLACED:
      sim_control (stage->sim, "set imei=" OTHER_IMEI);
      break;
    case GOES_ON:
    case SAME:
    case NEVER:
    case N_RETURNS:
      break;
    }
  if (stage->play->kind <= LATE)
    go_on (stage, 4);
  else if (stage->play->kind != NEVER)
    seat_plug (stage->seat, 4);
}

static void
check_end (Stage *stage, const char *error)
{
  gboolean success = error[0] == '\0';
  g_autoptr (GVariant) entry = NULL;
  guint reboots = 0;

  daemon_await_finished (stage->f, ID, success ? "success" : "failure", success ? NULL : error);
  daemon_await_state (stage->f, ID, stage->play->kind == NEVER ? "absent" : "idle");
  g_assert_cmpuint (lab_count (stage->f, ID, "Finished"), ==, 1);
  g_assert_cmpstr (daemon_get_string (stage->f, ID, "LastUpgrade"), ==, stage->upgrade);
  g_assert_false (daemon_get_number (stage->f, ID, "PowerCritical"));
  /* The last that is read from it. */
  if (stage->play->kind != NEVER)
    DAEMON_AWAIT (stage->f, g_str_equal (daemon_get_string (stage->f, ID, "TargetVersion"), target_of (stage->play)));
  lab_check_properties (stage->f, ID);
  entry = lab_only_entry (stage->f, NULL);
  g_assert_cmpstr (lab_lookup (entry, "id"), ==, stage->upgrade);
  g_assert_cmpstr (lab_lookup (entry, "module"), ==, ID);
  g_assert_cmpstr (lab_lookup (entry, "imei"), ==, IMEI);
  g_assert_cmpstr (lab_lookup (entry, "from-version"), ==, OLD_VERSION);
  if (success)
    g_assert_cmpstr (lab_lookup (entry, "to-version"), ==, NEW_VERSION);
  g_variant_lookup (entry, "reboots", "u", &reboots);
  if (!ends_with_time (stage->play))
    g_assert_cmpuint (reboots, ==, stage->seat->left);
  /* Always the same object. */
  g_assert_cmpuint (lab_count (stage->f, "", "InterfacesRemoved"), ==, 0);
}

/* After all, when nothing can change its end any more. */
static void
return_at_last (Stage *stage)
{
  g_autoptr (GVariant) entry = NULL;

  sim_control (stage->sim, "firmware " NEW_VERSION);
  come_back (stage, 4);
  daemon_await_state (stage->f, ID, "idle");
  g_assert_cmpstr (daemon_get_string (stage->f, ID, "FirmwareVersion"), ==, NEW_VERSION);
  g_assert_cmpstr (daemon_get_string (stage->f, ID, "LastResult"), ==, "failure");
  g_assert_cmpuint (lab_count (stage->f, ID, "Finished"), ==, 1);
  entry = lab_only_entry (stage->f, NULL);
  g_assert_cmpstr (lab_lookup (entry, "late-version"), ==, stage->play->phase == CONFIRMING ? NULL : NEW_VERSION);
}

static void
test_vanish (gconstpointer data)
{
  const Play *play = data;
  const char *extra = timeouts[play->kind] != NULL ? timeouts[play->kind] : "settle=60\n";
  g_autofree char *config = g_strconcat (LAB_TIMEOUTS, extra, NULL);
  g_autoptr (UMockdevTestbed) testbed = udev_lab_testbed_new ();
  g_autoptr (DaemonFixture) f = daemon_fixture_new ();
  g_autoptr (Seat) seat = seat_new (f, testbed, "1-1.2", ID, IMEI);
  Stage stage = { f, seat, seat->sim, play, NULL };

  seat_plug (seat, 1);
  daemon_start (f, config);
  daemon_await_state (f, ID, "idle");
  reach (&stage);
  vanish (&stage);
  return_as (&stage);
  check_end (&stage, ends[play->phase][play->kind]);
  if (play->kind == NEVER)
    return_at_last (&stage);
  g_free (stage.upgrade);
}

static void
add_vanishing (void)
{
  for (Phase phase = 0; phase < N_PHASES; phase++)
    for (Return kind = 0; kind < N_RETURNS; kind++)
      {
        g_autofree char *path = g_strdup_printf ("/daemon/udev/%s/%s", phases[phase], returns[kind]);
        Play *play = g_new (Play, 1);

        *play = (Play){ phase, kind };
        if (ends[phase][kind] != NULL)
          g_test_add_data_func_full (path, play, test_vanish, g_free);
        else
          g_free (play);
      }
}

int
main (int argc, char **argv)
{
  if (!udev_lab_init (&argc, &argv))
    return 0;
  add_vanishing ();
  return g_test_run ();
}
