/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* Private copies of packages that a daemon that was killed left behind. */

#include "mefota-module-private.h"

#include <errno.h>
#include <glib/gstdio.h>

static gboolean
is_needed (GPtrArray *modules, const char *name)
{
  for (guint i = 0; i < modules->len; i++)
    {
      const MefotaUpgrade *u = ((MefotaModule *) g_ptr_array_index (modules, i))->upgrade;
      g_autofree char *needed = NULL;
      if (mefota_module_needs_package (u) && u->package != NULL)
        needed = g_path_get_basename (u->package);
      if (g_strcmp0 (needed, name) == 0)
        return TRUE;
    }
  return FALSE;
}

void
mefota_module_sweep_packages (MefotaStore *store, GPtrArray *modules)
{
  g_autofree char *folder = g_build_filename (mefota_store_get_directory (store), MEFOTA_MODULE_PACKAGES, NULL);
  g_autoptr (GDir) dir = g_dir_open (folder, 0, NULL);
  const char *name;

  while (dir != NULL && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *path = g_build_filename (folder, name, NULL);
      if (is_needed (modules, name))
        continue;
      g_message ("removes %s, a package that no upgrade needs", path);
      if (g_unlink (path) != 0)
        g_warning ("%s cannot be removed: %s", path, g_strerror (errno));
    }
}
