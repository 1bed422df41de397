/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/* The switches of the simulated module. One table (sim-settings.c) gives each its key, default, range and help, and is
 * used by the command line, the script and the control channel alike. Durations are seconds; those marked "scaled" in
 * the table are divided by time-scale. Words are kept as the index into the table's list of words. */
typedef struct
{
  /* wiring */
  guint wiring;
  char *link;
  char *owner;
  guint mode;
  double time_scale;
  guint start;
  gboolean quiet;
  /* identity */
  char *firmware;
  char *next_firmware;
  char *manufacturer;
  char *model;
  char *imei;
  char *serial;
  guint cgsn;
  guint ati;
  /* network and settings */
  char *sim;
  guint creg;
  guint cereg;
  char *cops;
  char *zpas;
  char *csq;
  char *server;
  gboolean polling;
  guint host_names;
  guint poll_answer;
  guint tv_answer;
  guint result_form;
  char *result;
  char *ignore_set;
  char *lose_settings;
  guint line_limit;
  /* what goes over the line */
  guint eol;
  guint blank_lines;
  gboolean tight;
  guint ok_tail;
  guint spacing;
  guint letter_case;
  guint colon;
  guint sprinkle;
  gboolean sprinkle_inside;
  guint split;
  guint split_delay;
  guint glue;
  char *inject;
  guint inject_place;
  guint first_ind;
  guint echo_boot;
  guint cmee;
  gboolean keep_unread;
  /* boot */
  double boot_delay;
  double restart;
  guint boot_noise;
  gboolean buffer_input;
  double linger;
  double adb_reenumerate;
  double poll_after;
  /* faults */
  double mute;
  double delay;
  GPtrArray *faults; /* element-type SimFault */
  guint hangup_after_ind;
  guint hangup_after_data;
  guint hangup_kind;
  double hangup_return;
  gboolean lose_last;
  double return_late;
  char *return_firmware;
  gboolean keep_firmware;
  char *return_imei;
  gboolean renumber;
  guint extra_reboots;
  double extra_gap;
  guint baud;
  guint return_baud;
  guint wrong_baud;
  char *fail;
  char *fail_at;
  char *question_word;
  char *confirm_word;
  guint repeat_ind;
  gboolean quiet_refusal;
  /* package data */
  guint prompt;
  double prompt_delay;
  double connect_delay;
  double final_delay;
  gboolean data_echo;
  guint refuse_piece;
  guint refuse_how;
  guint data_error_after;
  guint stall_after;
  guint mark_data;
  guint pace;
  guint usb_write;
  guint piece_limit;
  char *expect_package;
  /* adb */
  char *adb_port;
  gboolean adb_open;
  guint adb_refuse;
  guint adb_fault;
  guint adb_fault_after;
  guint adb_pace;
  gboolean adb_lie;
  guint adb_listing;
  guint adb_path;
  guint adb_missing;
} SimSettings;

enum { SIM_WIRING_USB, SIM_WIRING_UART };
enum { SIM_START_RUNNING, SIM_START_BOOTING, SIM_START_OFF };
enum { SIM_CGSN_BARE, SIM_CGSN_PREFIX, SIM_CGSN_SERIAL };
enum { SIM_AUTO, SIM_YES, SIM_NO };
enum { SIM_TV_QUOTED, SIM_TV_UNQUOTED, SIM_TV_BARE };
enum { SIM_RESULT_FOTACTR, SIM_RESULT_FOTAIND, SIM_RESULT_BARE, SIM_RESULT_ERROR, SIM_RESULT_NONE };
enum { SIM_EOL_CRLF, SIM_EOL_LF, SIM_EOL_CR };
enum { SIM_TAIL_EOL, SIM_TAIL_NONE, SIM_TAIL_NUL };
enum { SIM_SPACING_GUIDE, SIM_SPACING_NONE, SIM_SPACING_ONE, SIM_SPACING_MANY, SIM_SPACING_TAB, SIM_SPACING_ODD,
       SIM_SPACING_BEFORE };
enum { SIM_CASE_GUIDE, SIM_CASE_LOWER, SIM_CASE_UPPER };
enum { SIM_COLON_ASCII, SIM_COLON_UTF8, SIM_COLON_GBK, SIM_COLON_UTF8_ALL, SIM_COLON_GBK_ALL };
enum { SIM_SPRINKLE_NONE, SIM_SPRINKLE_NUL, SIM_SPRINKLE_FF, SIM_SPRINKLE_BOTH };
enum { SIM_PLACE_BEFORE, SIM_PLACE_INSIDE, SIM_PLACE_AFTER, SIM_PLACE_EVERYWHERE };
enum { SIM_FIRST_SCRIPT, SIM_FIRST_BEFORE_OK };
enum { SIM_ECHO_ON, SIM_ECHO_OFF, SIM_ECHO_KEEP };
enum { SIM_NOISE_NONE, SIM_NOISE_ZREADY, SIM_NOISE_MATREADY, SIM_NOISE_GARBAGE, SIM_NOISE_ALL };
enum { SIM_HANGUP_REBOOT, SIM_HANGUP_LINK };
enum { SIM_WRONG_BAUD_GARBAGE, SIM_WRONG_BAUD_SILENCE };
enum { SIM_PROMPT_GUIDE, SIM_PROMPT_BARE, SIM_PROMPT_TIGHT, SIM_PROMPT_LINE, SIM_PROMPT_CONNECT, SIM_PROMPT_NONE };
enum { SIM_REFUSE_START, SIM_REFUSE_END };
enum { SIM_ADB_TAKES, SIM_ADB_SILENT, SIM_ADB_AUTH, SIM_ADB_STREAMS };
enum { SIM_ADB_FAULT_NONE, SIM_ADB_FAULT_CUT, SIM_ADB_FAULT_VANISH, SIM_ADB_FAULT_STALL, SIM_ADB_FAULT_FULL };
enum { SIM_ADB_LISTING_PLAIN, SIM_ADB_LISTING_HOSTILE, SIM_ADB_LISTING_ENDLESS, SIM_ADB_LISTING_HUGE };
enum { SIM_ADB_PATH_AUTO, SIM_ADB_PATH_CACHE, SIM_ADB_PATH_DATA };
enum { SIM_ADB_MISSING_OK, SIM_ADB_MISSING_ERROR };
enum { SIM_ATI_ME3630, SIM_ATI_SIBLING };

#define SIM_MAX_GARBAGE 1000000
#define SIM_FOREVER 1e9 /* seconds of a duration given as "forever" or "never" */

/* One answer spoilt on purpose: `fault=[Nx] PATTERN ACTION [ARGUMENT]`. */
typedef enum
{
  SIM_FAULT_OK,      /* only the OK, nothing is done */
  SIM_FAULT_ERROR,   /* ERROR */
  SIM_FAULT_CME,     /* +CME ERROR: ARGUMENT */
  SIM_FAULT_SILENT,  /* no answer */
  SIM_FAULT_LATE,    /* the normal answer, ARGUMENT seconds later */
  SIM_FAULT_HANGUP,  /* hangs up instead of answering */
  SIM_FAULT_GARBAGE, /* bytes that are no answer */
  SIM_FAULT_LINE,    /* ARGUMENT as the information line instead of the module's own, and OK */
  SIM_FAULT_CUT,     /* the normal information lines, but no final result */
  SIM_FAULT_TWICE,   /* the normal answer, its final result twice */
  SIM_FAULT_FINAL,   /* ARGUMENT as the final result, nothing is done */
} SimFaultKind;

typedef struct
{
  char *pattern;
  SimFaultKind kind;
  char *argument;
  guint times; /* how often still; 0 is without end */
} SimFault;

SimSettings *sim_settings_new (void);
void sim_settings_free (SimSettings *settings);
gboolean sim_settings_set (SimSettings *settings, const char *key, const char *value, GError **error);
gboolean sim_settings_set_pair (SimSettings *settings, const char *pair, GError **error);
char *sim_settings_describe (void);

/* "[Nx] PATTERN ACTION [ARGUMENT]" is added to @faults; "none" clears them. */
gboolean sim_fault_parse (GPtrArray *faults, const char *value, GError **error);

/* The next fault for @command (upper case), taken off where its count ends. Free with sim_fault_free(). */
SimFault *sim_settings_take_fault (SimSettings *settings, const char *command);
void sim_fault_free (SimFault *fault);
double sim_fault_seconds (const SimFault *fault);

/* Whether @word stands in the comma separated @list, whatever the case. */
gboolean sim_list_has (const char *list, const char *word);

/* Seconds as a decimal, "forever" or "never"; FALSE for anything else. */
gboolean sim_parse_seconds (const char *text, double *seconds);

/* A whole number that a guint holds, and nothing behind it. */
gboolean sim_parse_number (const char *text, guint base, guint *number);

G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimSettings, sim_settings_free)
G_DEFINE_AUTOPTR_CLEANUP_FUNC (SimFault, sim_fault_free)

G_END_DECLS
