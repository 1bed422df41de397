/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * MEFOTA_ERROR:
 *
 * The only error domain that crosses the bus. Every code has the D-Bus name `org.gosuncn.Fota.Error.<Word>`;
 * GDBus translates both ways once mefota_error_quark() was called (daemon and client do so at start).
 * A message is one or two whole sentences that say what to do next.
 */
#define MEFOTA_ERROR (mefota_error_quark ())

/**
 * MefotaError:
 * @MEFOTA_ERROR_BUSY: an upgrade is under way, or somebody holds upgrades
 * @MEFOTA_ERROR_NOT_PRESENT: no such module, or it is not there or not answering now
 * @MEFOTA_ERROR_NOT_SUPPORTED: this module, firmware, wiring or installation cannot do it
 * @MEFOTA_ERROR_INVALID_ARGUMENT: refused before anything was sent to the module
 * @MEFOTA_ERROR_NOT_READY: a readiness check failed (guide, chapter 1)
 * @MEFOTA_ERROR_NOT_ASKED: Confirm without a question of the module
 * @MEFOTA_ERROR_NOT_CANCELLABLE: the module has already begun on its own
 * @MEFOTA_ERROR_NOT_AUTHORIZED: the caller may not do this
 * @MEFOTA_ERROR_PACKAGE_INVALID: not a regular file, empty, or too large
 * @MEFOTA_ERROR_INTEGRITY_MISMATCH: the SHA-256 differs from the expected one
 * @MEFOTA_ERROR_TRANSFER_FAILED: the package did not reach the module
 * @MEFOTA_ERROR_MODULE_ERROR: the module answered ERROR; its own words are in the message
 * @MEFOTA_ERROR_TIMEOUT: no answer, or no result, in time
 * @MEFOTA_ERROR_CANCELLED: cancelled by a caller
 * @MEFOTA_ERROR_REJECTED: the question was answered with no (FAIL_CONFIRM)
 * @MEFOTA_ERROR_NO_NEW_VERSION: the server has nothing for this module (FAIL_NO_NEW)
 * @MEFOTA_ERROR_CONNECT_FAILED: the module could not reach its server (FAIL_CONNECT)
 * @MEFOTA_ERROR_CONFIRM_TIMEOUT: nobody answered the module's question (FAIL_WAIT_TIMEOUT)
 * @MEFOTA_ERROR_VERIFY_FAILED: the module refused the downloaded package (FAIL_VERIFY)
 * @MEFOTA_ERROR_UPGRADE_FAILED: the module could not install it (FAIL_END), or still runs the old version
 * @MEFOTA_ERROR_NOT_VERIFIED: the module claims success, but its version does not show it
 * @MEFOTA_ERROR_VERSION_MISMATCH: another version runs than was expected
 * @MEFOTA_ERROR_MODULE_REPLACED: another module (IMEI) sits in the place now
 * @MEFOTA_ERROR_STORAGE_FAILED: the state directory cannot be written
 * @MEFOTA_ERROR_FAILED: anything else
 */
typedef enum
{
  MEFOTA_ERROR_BUSY,
  MEFOTA_ERROR_NOT_PRESENT,
  MEFOTA_ERROR_NOT_SUPPORTED,
  MEFOTA_ERROR_INVALID_ARGUMENT,
  MEFOTA_ERROR_NOT_READY,
  MEFOTA_ERROR_NOT_ASKED,
  MEFOTA_ERROR_NOT_CANCELLABLE,
  MEFOTA_ERROR_NOT_AUTHORIZED,
  MEFOTA_ERROR_PACKAGE_INVALID,
  MEFOTA_ERROR_INTEGRITY_MISMATCH,
  MEFOTA_ERROR_TRANSFER_FAILED,
  MEFOTA_ERROR_MODULE_ERROR,
  MEFOTA_ERROR_TIMEOUT,
  MEFOTA_ERROR_CANCELLED,
  MEFOTA_ERROR_REJECTED,
  MEFOTA_ERROR_NO_NEW_VERSION,
  MEFOTA_ERROR_CONNECT_FAILED,
  MEFOTA_ERROR_CONFIRM_TIMEOUT,
  MEFOTA_ERROR_VERIFY_FAILED,
  MEFOTA_ERROR_UPGRADE_FAILED,
  MEFOTA_ERROR_NOT_VERIFIED,
  MEFOTA_ERROR_VERSION_MISMATCH,
  MEFOTA_ERROR_MODULE_REPLACED,
  MEFOTA_ERROR_STORAGE_FAILED,
  MEFOTA_ERROR_FAILED,
} MefotaError;

#define MEFOTA_N_ERRORS (MEFOTA_ERROR_FAILED + 1)

GQuark mefota_error_quark (void);

/* "org.gosuncn.Fota.Error.Busy" …; never NULL */
const char *mefota_error_get_name (MefotaError code);

/* The code of a D-Bus error name; FALSE if it is none of ours. */
gboolean mefota_error_from_name (const char *name, MefotaError *code);

/**
 * mefota_error_to_clause:
 * @message: a message: "The module refused AT with “ERROR”; restart it."
 * @advice: whether what to do next, which stands behind its last semicolon, stays
 *
 * For a message that becomes a part of a longer one: "the module refused AT with “ERROR”".
 */
char *mefota_error_to_clause (const char *message, gboolean advice);

G_END_DECLS
