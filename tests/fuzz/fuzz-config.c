/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* The configuration: any bytes are a configuration within its bounds, or an error that names the file. */
#include "mefota-config.h"

#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "mefota-error.h"

#include "fuzz.h"

static void
check_window (const MefotaPolicy *policy)
{
  if (policy->window_from == -1)
    g_assert (policy->window_to == -1);
  else
    g_assert (policy->window_from >= 0 && policy->window_from < 1440 && policy->window_to >= 0 &&
              policy->window_to < 1440 && policy->window_from != policy->window_to);
}

static void
check_modules (const MefotaConfig *config)
{
  for (guint i = 0; i < config->modules->len; i++)
    {
      const MefotaModuleConfig *module = g_ptr_array_index (config->modules, i);
      g_autofree char *path = g_strconcat (MEFOTA_MODULE_PREFIX, module->name, NULL);

      g_assert (g_variant_is_object_path (path));
      g_assert (module->port[0] == '/');
      g_assert (mefota_tty_is_valid_baud (module->baud));
      for (guint j = 0; j < i; j++)
        {
          const MefotaModuleConfig *other = g_ptr_array_index (config->modules, j);
          g_assert (!g_str_equal (module->name, other->name) && !g_str_equal (module->port, other->port));
        }
    }
}

static void
check_config (const MefotaConfig *config)
{
  g_assert (config->policy.confirm <= MEFOTA_CONFIRM_DENY);
  g_assert (config->policy.max_parallel >= 1 && config->policy.transfer_attempts >= 1);
  g_assert (config->policy.max_package >= 1);
  g_assert (config->timeouts.command >= 1 && config->timeouts.probe >= 1 && config->timeouts.give_up >= 1);
  check_window (&config->policy);
  check_modules (config);
  for (guint i = 0; i < config->warnings->len; i++)
    g_assert (g_utf8_validate (g_ptr_array_index (config->warnings, i), -1, NULL));
}

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (MefotaConfig) config = NULL;
  g_autoptr (GError) error = NULL;
  int fd = memfd_create ("mefotad.conf", MFD_CLOEXEC); /* a file that no disk sees */
  g_autofree char *path = g_strdup_printf ("/proc/self/fd/%d", fd);

  g_assert (size == 0 || write (fd, data, size) == (gssize) size);
  config = mefota_config_load (path, NULL, &error);
  close (fd);
  if (config != NULL)
    check_config (config);
  else
    {
      g_assert (error->domain == MEFOTA_ERROR && error->code == MEFOTA_ERROR_INVALID_ARGUMENT);
      g_assert (strstr (error->message, path) != NULL && g_utf8_validate (error->message, -1, NULL));
    }
  return 0;
}
