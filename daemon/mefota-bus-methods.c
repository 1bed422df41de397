/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

/* Methods: each is authorised first, then its arguments are checked, then it is run. One row of a table each. */

#include "mefota-bus-private.h"

#include "mefota-error.h"
#include "mefota-readiness.h"

#include <gio/gunixfdlist.h>
#include <unistd.h>

typedef struct _Call Call;

typedef struct
{
  const char *name;
  MefotaAction action;
  void (*run) (Call *call);
} Method;

struct _Call
{
  MefotaBus *bus;
  MefotaModule *module; /* NULL for the manager's */
  GDBusMethodInvocation *invocation;
  GVariant *parameters;
  const Method *method;
  char *who;
};

static void
call_free (Call *self)
{
  g_object_unref (self->bus);
  g_clear_object (&self->module);
  g_free (self->who);
  g_free (self);
}

/* An invocation is answered exactly once, here or in return_nothing(). */
static void
return_error (Call *call, GError *error)
{
  mefota_bus_return_error (call->invocation, error);
  call_free (call);
}

static void
return_value (Call *call, GVariant *value)
{
  if (call->module != NULL)
    mefota_bus_flush (call->bus, call->module); /* what the call changed is told before it returns */
  g_dbus_method_invocation_return_value (call->invocation, value);
  call_free (call);
}

/* ---- options ---- */

typedef struct
{
  const char *name;
  const char *type;
  gpointer value; /* gboolean *, guint * or const char ** */
} Option;

/* Takes what is known and refuses the rest, so that a misspelt option is never silently without effect. */
static gboolean
parse_options (GVariant *options, const Option *known, GError **error)
{
  GVariantIter iter;
  const char *name;
  GVariant *value;

  g_variant_iter_init (&iter, options);
  while (g_variant_iter_loop (&iter, "{&sv}", &name, &value))
    {
      const Option *option = known;
      while (option->name != NULL && strcmp (option->name, name) != 0)
        option++;
      if (option->name == NULL || !g_variant_is_of_type (value, G_VARIANT_TYPE (option->type)))
        {
          if (option->name == NULL)
            g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                         "There is no option \"%s\"; see the documentation of the method.", name);
          else
            g_set_error (error, MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                         "Option \"%s\" has type %s, not %s.", name, option->type, g_variant_get_type_string (value));
          g_variant_unref (value);
          return FALSE;
        }
      g_variant_get (value, option->type[0] == 's' ? "&s" : option->type, option->value);
    }
  return TRUE;
}

/* ---- the module's ---- */

static void
on_upgraded (GObject *source, GAsyncResult *result, gpointer data)
{
  GError *error = NULL;
  if (mefota_module_upgrade_finish (MEFOTA_MODULE (source), result, &error))
    return_value (data, NULL);
  else
    return_error (data, error);
}

static void
run_upgrade (Call *call)
{
  const char *target;
  gboolean force = FALSE;
  g_autoptr (GVariant) options = NULL;
  GError *error = NULL;

  g_variant_get (call->parameters, "(&s@a{sv})", &target, &options);
  if (!parse_options (options, (Option[]){ { "force", "b", &force }, { NULL } }, &error))
    return_error (call, error);
  else
    mefota_module_upgrade_async (call->module, target, force, call->who, on_upgraded, call);
}

static void
on_confirmed (GObject *source, GAsyncResult *result, gpointer data)
{
  GError *error = NULL;
  if (mefota_module_confirm_finish (MEFOTA_MODULE (source), result, &error))
    return_value (data, NULL);
  else
    return_error (data, error);
}

static void
run_confirm (Call *call)
{
  gboolean allow, report = FALSE;
  g_autoptr (GVariant) options = NULL;
  GError *error = NULL;

  g_variant_get (call->parameters, "(b@a{sv})", &allow, &options);
  if (!parse_options (options, (Option[]){ { "report", "b", &report }, { NULL } }, &error))
    return_error (call, error);
  else
    mefota_module_confirm_async (call->module, allow, report, on_confirmed, call);
}

static void
on_installed (GObject *source, GAsyncResult *result, gpointer data)
{
  GError *error = NULL;
  if (mefota_module_install_finish (MEFOTA_MODULE (source), result, &error))
    return_value (data, NULL);
  else
    return_error (data, error);
}

static void
run_install (Call *call)
{
  MefotaInstallOptions install = { .method = "auto" };
  GUnixFDList *fds = g_dbus_message_get_unix_fd_list (g_dbus_method_invocation_get_message (call->invocation));
  g_autoptr (GVariant) options = NULL;
  gint32 handle = -1;
  int fd = -1;
  GError *error = NULL;
  const Option known[] = { { "method", "s", &install.method },      { "sha256", "s", &install.sha256 },
                           { "from-version", "s", &install.from },  { "expected-version", "s", &install.expected },
                           { "name", "s", &install.name },          { NULL } };

  g_variant_get (call->parameters, "(h@a{sv})", &handle, &options);
  if (!parse_options (options, known, &error))
    {
      return_error (call, error);
      return;
    }
  if (fds == NULL || handle < 0 || handle >= g_unix_fd_list_get_length (fds)
      || (fd = g_unix_fd_list_get (fds, handle, NULL)) < 0)
    {
      return_error (call, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                                       "No descriptor came with the call; pass the open package."));
      return;
    }
  mefota_module_install_async (call->module, fd, &install, call->who, on_installed, call);
  close (fd);
}

static void
run_cancel (Call *call)
{
  GError *error = NULL;
  if (mefota_module_cancel (call->module, &error))
    return_value (call, NULL);
  else
    return_error (call, error);
}

static void
on_command_done (GObject *source, GAsyncResult *result, gpointer data)
{
  GError *error = NULL;
  if (mefota_module_command_finish (MEFOTA_MODULE (source), result, &error))
    return_value (data, NULL);
  else
    return_error (data, error);
}

static void
run_delete_package (Call *call)
{
  mefota_module_delete_package_async (call->module, on_command_done, call);
}

static void
run_set_server (Call *call)
{
  const char *address;
  guint16 port;
  g_variant_get (call->parameters, "(&sq)", &address, &port);
  mefota_module_set_server_async (call->module, address, port, on_command_done, call);
}

static void
run_set_polling (Call *call)
{
  gboolean enabled;
  g_variant_get (call->parameters, "(b)", &enabled);
  mefota_module_set_polling_async (call->module, enabled, on_command_done, call);
}

static void
run_set_target (Call *call)
{
  const char *version;
  g_variant_get (call->parameters, "(&s)", &version);
  mefota_module_set_target_async (call->module, version, on_command_done, call);
}

static void
run_refresh (Call *call)
{
  mefota_module_refresh_async (call->module, on_command_done, call);
}

static void
run_restart (Call *call)
{
  mefota_module_restart_async (call->module, on_command_done, call);
}

static void
on_readiness (GObject *source, GAsyncResult *result, gpointer data)
{
  GError *error = NULL;
  g_autoptr (GPtrArray) items = mefota_module_check_readiness_finish (MEFOTA_MODULE (source), result, &error);
  GVariantBuilder builder;

  if (items == NULL)
    {
      return_error (data, error);
      return;
    }
  g_variant_builder_init (&builder, G_VARIANT_TYPE ("(a(sbs))"));
  g_variant_builder_open (&builder, G_VARIANT_TYPE ("a(sbs)"));
  for (guint i = 0; i < items->len; i++)
    {
      const MefotaReadinessItem *item = g_ptr_array_index (items, i);
      g_variant_builder_add (&builder, "(sbs)", item->name, item->ok, item->detail);
    }
  g_variant_builder_close (&builder);
  return_value (data, g_variant_builder_end (&builder));
}

static void
run_check_readiness (Call *call)
{
  mefota_module_check_readiness_async (call->module, on_readiness, call);
}

static void
on_logs (GObject *source, GAsyncResult *result, gpointer data)
{
  GError *error = NULL;
  g_autofree char *directory = mefota_module_collect_logs_finish (MEFOTA_MODULE (source), result, &error);
  if (directory != NULL)
    return_value (data, g_variant_new ("(s)", directory));
  else
    return_error (data, error);
}

static void
run_collect_logs (Call *call)
{
  g_autoptr (GVariant) options = g_variant_get_child_value (call->parameters, 0);
  GError *error = NULL;

  if (!parse_options (options, (Option[]){ { NULL } }, &error))
    return_error (call, error);
  else
    mefota_module_collect_logs_async (call->module, on_logs, call);
}

static void
on_command_lines (GObject *source, GAsyncResult *result, gpointer data)
{
  GError *error = NULL;
  g_auto (GStrv) lines = mefota_module_send_command_finish (MEFOTA_MODULE (source), result, &error);

  if (lines == NULL)
    {
      return_error (data, error);
      return;
    }
  /* The bus takes UTF-8 only. */
  for (gsize i = 0; lines[i] != NULL; i++)
    {
      char *valid = g_utf8_make_valid (lines[i], -1);
      g_free (lines[i]);
      lines[i] = valid;
    }
  return_value (data, g_variant_new ("(^as)", lines));
}

static void
run_send_command (Call *call)
{
  const char *command;
  guint timeout_ms;
  g_variant_get (call->parameters, "(&su)", &command, &timeout_ms);
  mefota_module_send_command_async (call->module, command, timeout_ms, on_command_lines, call);
}

static const Method module_methods[] = {
  { "Upgrade", MEFOTA_ACTION_UPGRADE, run_upgrade },
  { "Confirm", MEFOTA_ACTION_UPGRADE, run_confirm },
  { "Install", MEFOTA_ACTION_UPGRADE, run_install },
  { "Cancel", MEFOTA_ACTION_UPGRADE, run_cancel },
  { "DeletePackage", MEFOTA_ACTION_UPGRADE, run_delete_package },
  { "SetServer", MEFOTA_ACTION_CONFIGURE, run_set_server },
  { "SetPolling", MEFOTA_ACTION_CONFIGURE, run_set_polling },
  { "SetTargetVersion", MEFOTA_ACTION_CONFIGURE, run_set_target },
  { "CheckReadiness", MEFOTA_ACTION_CONFIGURE, run_check_readiness },
  { "Refresh", MEFOTA_ACTION_CONFIGURE, run_refresh },
  { "Restart", MEFOTA_ACTION_CONFIGURE, run_restart },
  { "CollectLogs", MEFOTA_ACTION_COLLECT_LOGS, run_collect_logs },
  { "SendCommand", MEFOTA_ACTION_COMMAND, run_send_command },
  { NULL },
};

/* ---- the manager's ---- */

static void
run_find_module (Call *call)
{
  const char *key;
  GError *error = NULL;
  MefotaModule *module;
  g_autofree char *path = NULL;

  g_variant_get (call->parameters, "(&s)", &key);
  module = mefota_registry_find (call->bus->registry, key, &error);
  if (module == NULL)
    {
      return_error (call, error);
      return;
    }
  path = g_strconcat (MEFOTA_MODULE_PREFIX, mefota_module_get_id (module), NULL);
  return_value (call, g_variant_new ("(o)", path));
}

static void
run_get_history (Call *call)
{
  g_autoptr (GVariant) filter = g_variant_get_child_value (call->parameters, 0);
  g_autoptr (GVariant) entries = NULL;
  const char *module = NULL;
  const char *imei = NULL;
  guint limit = 0;
  GError *error = NULL;
  const Option known[] = { { "module", "s", &module }, { "imei", "s", &imei }, { "limit", "u", &limit }, { NULL } };

  if (!parse_options (filter, known, &error))
    {
      return_error (call, error);
      return;
    }
  entries = mefota_store_history_list (call->bus->services->store, module, imei, limit);
  return_value (call, g_variant_new ("(@aa{sv})", entries));
}

static void
run_hold (Call *call)
{
  const char *who;
  const char *why;
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new ();
  GError *error = NULL;
  int fd;

  g_variant_get (call->parameters, "(&s&s)", &who, &why);
  if (who[0] == '\0' || why[0] == '\0')
    {
      return_error (call, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_INVALID_ARGUMENT,
                                       "Say who holds and why; others are told when their upgrade is refused for it."));
      return;
    }
  fd = mefota_queue_hold (call->bus->services->queue, who, why, &error);
  if (fd < 0 || g_unix_fd_list_append (fds, fd, &error) < 0)
    {
      if (fd >= 0)
        close (fd);
      return_error (call, error);
      return;
    }
  close (fd); /* the list has its own copy, which goes with the answer */
  g_dbus_method_invocation_return_value_with_unix_fd_list (call->invocation, g_variant_new ("(h)", 0), fds);
  call_free (call);
}

static const Method manager_methods[] = {
  { "Hold", MEFOTA_ACTION_UPGRADE, run_hold },
  { NULL },
};

/* Reading is for everyone (contract 2.8). */
static const Method open_methods[] = {
  { "FindModule", MEFOTA_ACTION_CONFIGURE, run_find_module },
  { "GetHistory", MEFOTA_ACTION_CONFIGURE, run_get_history },
  { NULL },
};

/* ---- the way in ---- */

static const Method *
find_method (const Method *methods, const char *name)
{
  for (const Method *method = methods; method->name != NULL; method++)
    if (strcmp (method->name, name) == 0)
      return method;
  return NULL;
}

static void
on_authorised (GObject *source, GAsyncResult *result, gpointer data)
{
  Call *call = data;
  GError *error = NULL;

  call->who = mefota_authority_check_finish (call->bus->authority, result, &error);
  if (call->who == NULL)
    return_error (call, error);
  else if (call->bus->server == NULL)
    return_error (call, g_error_new (MEFOTA_ERROR, MEFOTA_ERROR_FAILED, "mefotad has lost the bus; call again."));
  else
    call->method->run (call);
}

void
mefota_bus_call (MefotaBus *self, MefotaModule *module, GDBusMethodInvocation *invocation)
{
  const char *name = g_dbus_method_invocation_get_method_name (invocation);
  const Method *open = module == NULL ? find_method (open_methods, name) : NULL;
  Call *call = g_new0 (Call, 1);

  call->bus = g_object_ref (self);
  call->module = module != NULL ? g_object_ref (module) : NULL;
  call->invocation = invocation;
  call->parameters = g_dbus_method_invocation_get_parameters (invocation);
  call->method = open != NULL ? open : find_method (module != NULL ? module_methods : manager_methods, name);
  if (call->method == NULL)
    g_error ("The interface has a method %s, and the table has none", name);
  if (open != NULL)
    open->run (call);
  else
    mefota_authority_check_async (self->authority, invocation, call->method->action, on_authorised, call);
}
