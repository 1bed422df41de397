/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <glib.h>

G_BEGIN_DECLS

typedef enum
{
  MEFOTA_AT_EVENT_INFORMATION, /* a line of the running command's answer, or noise if none runs */
  MEFOTA_AT_EVENT_OK,          /* final: OK or 0 (ATV0) */
  MEFOTA_AT_EVENT_ERROR,       /* final: ERROR, 4, +CME ERROR: …, +CMS ERROR: …, NO CARRIER, COMMAND NOT SUPPORT … */
  MEFOTA_AT_EVENT_CONNECT,     /* CONNECT… */
  MEFOTA_AT_EVENT_FOTAIND,     /* +FOTAIND: … */
  MEFOTA_AT_EVENT_BOOT,        /* a URC that tells the module has just booted: +ZREADY, *MATREADY: 1 … */
  MEFOTA_AT_EVENT_URC,         /* another known URC: +CREG: …, RING … (unless the running command asked for it) */
} MefotaAtEvent;

/**
 * mefota_at_event_classify:
 * @line: a line of the framer
 * @command: the command in flight, such as "AT+CREG?", or NULL
 * @extra_prefixes: further prefixes that are answers to it, or NULL
 *
 * The one place that tells replies from unsolicited result codes: final result codes first, then the running command's
 * own prefixes (derived from it: "AT+CREG?" owns "+CREG:"; a setting, "AT+CFUN=1", owns none), then URCs, then
 * information. For "AT+FOTACTR?" a
 * "+FOTAIND:" line with an outcome (SUCCESS_END, FAIL_…, ERROR…) is its answer, with any other word an indication.
 * OK and ERROR are recognised case-insensitively and also where a NUL stood behind them; a final "0" or "4" only
 * counts while a command runs.
 */
MefotaAtEvent mefota_at_event_classify (const char *line, const char *command, const char *const *extra_prefixes);

/* Whether @line is the echo of @command (the same text whatever its case and blanks, maybe with boot noise before
 * it). */
gboolean mefota_at_event_is_echo (const char *line, const char *command);

/* "+CME ERROR: 10" → "SIM not inserted (+CME ERROR: 10)"; other words as they are. Transfer full. */
char *mefota_at_event_explain_error (const char *line);

/* The text behind "+PREFIX:" of an answer, unquoted and trimmed; a line without the prefix as it is. Transfer full. */
char *mefota_at_event_strip_prefix (const char *line, const char *prefix);

G_END_DECLS
