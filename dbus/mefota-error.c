/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-error.h"

#include <string.h>

#define NAME(word) "org.gosuncn.Fota.Error." word

static const GDBusErrorEntry entries[] = {
  { MEFOTA_ERROR_BUSY, NAME ("Busy") },
  { MEFOTA_ERROR_NOT_PRESENT, NAME ("NotPresent") },
  { MEFOTA_ERROR_NOT_SUPPORTED, NAME ("NotSupported") },
  { MEFOTA_ERROR_INVALID_ARGUMENT, NAME ("InvalidArgument") },
  { MEFOTA_ERROR_NOT_READY, NAME ("NotReady") },
  { MEFOTA_ERROR_NOT_ASKED, NAME ("NotAsked") },
  { MEFOTA_ERROR_NOT_CANCELLABLE, NAME ("NotCancellable") },
  { MEFOTA_ERROR_NOT_AUTHORIZED, NAME ("NotAuthorized") },
  { MEFOTA_ERROR_PACKAGE_INVALID, NAME ("PackageInvalid") },
  { MEFOTA_ERROR_INTEGRITY_MISMATCH, NAME ("IntegrityMismatch") },
  { MEFOTA_ERROR_TRANSFER_FAILED, NAME ("TransferFailed") },
  { MEFOTA_ERROR_MODULE_ERROR, NAME ("ModuleError") },
  { MEFOTA_ERROR_TIMEOUT, NAME ("Timeout") },
  { MEFOTA_ERROR_CANCELLED, NAME ("Cancelled") },
  { MEFOTA_ERROR_REJECTED, NAME ("Rejected") },
  { MEFOTA_ERROR_NO_NEW_VERSION, NAME ("NoNewVersion") },
  { MEFOTA_ERROR_CONNECT_FAILED, NAME ("ConnectFailed") },
  { MEFOTA_ERROR_CONFIRM_TIMEOUT, NAME ("ConfirmTimeout") },
  { MEFOTA_ERROR_VERIFY_FAILED, NAME ("VerifyFailed") },
  { MEFOTA_ERROR_UPGRADE_FAILED, NAME ("UpgradeFailed") },
  { MEFOTA_ERROR_NOT_VERIFIED, NAME ("NotVerified") },
  { MEFOTA_ERROR_VERSION_MISMATCH, NAME ("VersionMismatch") },
  { MEFOTA_ERROR_MODULE_REPLACED, NAME ("ModuleReplaced") },
  { MEFOTA_ERROR_STORAGE_FAILED, NAME ("StorageFailed") },
  { MEFOTA_ERROR_FAILED, NAME ("Failed") },
};

G_STATIC_ASSERT (G_N_ELEMENTS (entries) == MEFOTA_N_ERRORS);

GQuark
mefota_error_quark (void)
{
  static gsize quark = 0;
  g_dbus_error_register_error_domain ("mefota-error-quark", &quark, entries, G_N_ELEMENTS (entries));
  return (GQuark) quark;
}

const char *
mefota_error_get_name (MefotaError code)
{
  for (gsize i = 0; i < G_N_ELEMENTS (entries); i++)
    if (entries[i].error_code == (gint) code)
      return entries[i].dbus_error_name;
  return NAME ("Failed");
}

gboolean
mefota_error_from_name (const char *name, MefotaError *code)
{
  for (gsize i = 0; i < G_N_ELEMENTS (entries); i++)
    if (g_strcmp0 (entries[i].dbus_error_name, name) == 0)
      {
        *code = (MefotaError) entries[i].error_code;
        return TRUE;
      }
  return FALSE;
}

char *
mefota_error_to_clause (const char *message, gboolean advice)
{
  static const char *const beginnings[] = { "The ", "Nothing ", "What " };
  g_autofree char *text = g_strdup (message);
  char *end = advice ? NULL : g_strrstr (text, "; ");

  if (end != NULL)
    *end = '\0';
  else if (g_str_has_suffix (text, "."))
    text[strlen (text) - 1] = '\0';
  for (gsize i = 0; i < G_N_ELEMENTS (beginnings); i++)
    if (g_str_has_prefix (text, beginnings[i]))
      text[0] = g_ascii_tolower (text[0]);
  return g_steal_pointer (&text);
}
