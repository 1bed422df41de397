/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* Whether and where adb reaches the module. */

#include "mefota-module-private.h"

#include "mefota-error.h"
#include "mefota-usb-path.h"

void
mefota_module_set_usb_path (MefotaModule *self, const char *usb_path)
{
  g_free (self->usb_path);
  self->usb_path = usb_path != NULL && usb_path[0] != '\0' ? g_strdup (usb_path) : NULL;
}

char *
mefota_module_get_usb_path (MefotaModule *self)
{
  const char *node = mefota_link_get_node (self->link);

  if (self->transport != MEFOTA_TRANSPORT_USB)
    return NULL;
  if (self->usb_path != NULL)
    return g_strdup (self->usb_path);
  if (mefota_usb_path_is_valid (self->physical_path))
    return g_strdup (self->physical_path);
  return node[0] != '\0' ? mefota_usb_path_from_tty (node) : NULL;
}

gboolean
mefota_module_check_adb (MefotaModule *self, GError **error)
{
  g_autofree char *usb_path = mefota_module_get_usb_path (self);

  if (self->transport != MEFOTA_TRANSPORT_USB)
    g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_SUPPORTED,
                 "Module %s is wired by UART, where adb does not reach it; install with method serial, and fetch logs "
                 "over USB.",
                 self->id);
  else if (self->services->adb == NULL)
    g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_SUPPORTED,
                 "This mefotad was built without adb; install one built with it, or use a network upgrade.");
  else if (!mefota_adb_is_installed (self->services->adb))
    g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_SUPPORTED,
                 "The program adb is missing; install it (on Debian: apt install adb), or use a network upgrade.");
  else if (usb_path == NULL)
    g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_SUPPORTED,
                 "Where module %s is plugged in is not known, so its adb device cannot be told from others; set "
                 "usb-path in its "
                 "[module] group.",
                 self->id);
  else
    return TRUE;
  return FALSE;
}

gboolean
mefota_module_can_adb (MefotaModule *self)
{
  return mefota_module_check_adb (self, NULL);
}
