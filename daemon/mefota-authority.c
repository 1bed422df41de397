/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-authority.h"

#include "mefota-build.h"
#include "mefota-error.h"

#include <grp.h>
#include <pwd.h>
#include <string.h>
#include <unistd.h>

#define BUS_NAME "org.freedesktop.DBus"
#define BUS_PATH "/org/freedesktop/DBus"
#define POLKIT_NAME "org.freedesktop.PolicyKit1"
#define POLKIT_PATH "/org/freedesktop/PolicyKit1/Authority"
#define POLKIT_IFACE "org.freedesktop.PolicyKit1.Authority"
#define POLKIT_ALLOW_INTERACTION 1u

static const struct
{
  const char *id;
  const char *words;
} actions[MEFOTA_N_ACTIONS] = {
  [MEFOTA_ACTION_UPGRADE] = { "org.gosuncn.fota.upgrade", "upgrade modules" },
  [MEFOTA_ACTION_CONFIGURE] = { "org.gosuncn.fota.configure", "change a module's settings" },
  [MEFOTA_ACTION_COMMAND] = { "org.gosuncn.fota.command", "send commands to a module" },
  [MEFOTA_ACTION_COLLECT_LOGS] = { "org.gosuncn.fota.collect-logs", "collect a module's logs" },
};

/* So many callers are remembered; then it begins anew. */
#define CALLERS_MAX 32

/* Who has a unique name on the bus: fixed when it connected, and the name is never given to another. */
typedef struct
{
  uid_t uid;
  char *user;       /* its name, or "uid 1000" */
  gboolean known;   /* the user has a name */
  char *who;        /* user (program) */
  GVariant *groups; /* au, or NULL if the bus does not tell */
} Caller;

struct _MefotaAuthority
{
  GDBusConnection *bus;
  char *group;
  GHashTable *callers; /* unique name → Caller */
};

/* One question on its way. It needs no authority any more: that may be freed with the bus it was made for. */
typedef struct
{
  GDBusConnection *bus;
  char *group;
  MefotaAction action;
  char *sender;
  gboolean interactive;
  GHashTable *callers;
  Caller *caller; /* NULL while unknown */
} Check;

static void
caller_clear (gpointer data)
{
  Caller *caller = data;
  g_free (caller->user);
  g_free (caller->who);
  g_clear_pointer (&caller->groups, g_variant_unref);
}

static void
caller_unref (gpointer data)
{
  g_rc_box_release_full (data, caller_clear);
}

static void
check_free (Check *check)
{
  g_object_unref (check->bus);
  g_free (check->group);
  g_free (check->sender);
  g_hash_table_unref (check->callers);
  g_clear_pointer (&check->caller, caller_unref);
  g_free (check);
}

static void
allow (GTask *task)
{
  Check *check = g_task_get_task_data (task);
  g_task_return_pointer (task, g_strdup (check->caller->who), g_free);
}

/* @why: a whole sentence, with what to do next */
static void
refuse (GTask *task, const char *why)
{
  Check *check = g_task_get_task_data (task);
  g_task_return_new_error (task, MEFOTA_ERROR, MEFOTA_ERROR_NOT_AUTHORIZED, "%s may not %s (action %s). %s",
                           check->caller != NULL ? check->caller->who : "The caller", actions[check->action].words,
                           actions[check->action].id, why);
}

/* The question could not be decided, which is a no. */
static void
refuse_error (GTask *task, const char *what, GError *error)
{
  g_dbus_error_strip_remote_error (error);
  const char *stop = g_str_has_suffix (error->message, ".") ? "" : ".";
  g_autofree char *why = g_strdup_printf ("%s: %s%s Try again, or call as root.", what, error->message, stop);
  refuse (task, why);
}

static void
call (GTask *task, const char *name, const char *path, const char *interface, const char *method, GVariant *arguments,
      const char *reply_type, int timeout, GAsyncReadyCallback callback)
{
  Check *check = g_task_get_task_data (task);
  g_dbus_connection_call (check->bus, name, path, interface, method, arguments, G_VARIANT_TYPE (reply_type),
                          G_DBUS_CALL_FLAGS_NONE, timeout, NULL, callback, g_object_ref (task));
}

/* Where there is no polkit */

static gboolean
group_has_caller (Check *check, gid_t gid)
{
  if (check->caller->groups != NULL)
    {
      gsize n;
      const guint32 *gids = g_variant_get_fixed_array (check->caller->groups, &n, sizeof (guint32));
      for (gsize i = 0; i < n; i++)
        if (gids[i] == gid)
          return TRUE;
      return FALSE;
    }

  /* An older bus: what the databases say of the user. */
  struct passwd *user = getpwuid (check->caller->uid);
  if (user == NULL)
    return FALSE;
  int n = 0;
  getgrouplist (user->pw_name, user->pw_gid, NULL, &n);
  g_autofree gid_t *gids = g_new0 (gid_t, MAX (n, 1));
  n = getgrouplist (user->pw_name, user->pw_gid, gids, &n);
  for (int i = 0; i < n; i++)
    if (gids[i] == gid)
      return TRUE;
  return FALSE;
}

static void
check_group (GTask *task)
{
  Check *check = g_task_get_task_data (task);
  struct group *group = getgrnam (check->group);

  if (group != NULL && group_has_caller (check, group->gr_gid))
    {
      allow (task);
      return;
    }
  g_autofree char *why = g_strdup_printf ("Make %s a member of the group %s and log in again, or call as root.",
                                          check->caller->known ? check->caller->user : "the user", check->group);
  refuse (task, why);
}

/* Where there is polkit */

static void
on_polkit_answered (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Check *check = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  gboolean authorized, challenge;

  if (reply == NULL)
    {
      refuse_error (task, "polkit could not be asked", error);
      return;
    }
  g_variant_get (reply, "((bba{ss}))", &authorized, &challenge, NULL);
  if (authorized)
    allow (task);
  else if (challenge && !check->interactive)
    refuse (task, "polkit wants to see a password: call again with interactive authorization allowed, or as root.");
  else if (challenge)
    refuse (task, "polkit wants to see a password and found no agent to ask for it: start one (pkttyagent), "
                  "or call as root.");
  else
    refuse (task, "polkit says no: call as root, or let the administrator add a polkit rule for this action.");
}

static void
ask_polkit (GTask *task)
{
  Check *check = g_task_get_task_data (task);
  GVariantBuilder subject;

  g_variant_builder_init (&subject, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&subject, "{sv}", "name", g_variant_new_string (check->sender));
  /* A person may take long to find the password; the caller's own timeout ends it. */
  call (task, POLKIT_NAME, POLKIT_PATH, POLKIT_IFACE, "CheckAuthorization",
        g_variant_new ("((sa{sv})sa{ss}us)", "system-bus-name", &subject, actions[check->action].id, NULL,
                       check->interactive ? POLKIT_ALLOW_INTERACTION : 0u, ""),
        "((bba{ss}))", check->interactive ? G_MAXINT : -1, on_polkit_answered);
}

/* polkit's own answer may carry any D-Bus error, so whether it is there is asked of the bus, and only of the bus. */
static void
on_activatable_listed (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);

  if (reply == NULL)
    {
      refuse_error (task, "The bus did not tell whether polkit runs", error);
      return;
    }
  g_autofree const char **names = NULL;
  g_variant_get (reply, "(^a&s)", &names);
  if (g_strv_contains (names, POLKIT_NAME))
    ask_polkit (task);
  else
    check_group (task);
}

static void
on_polkit_owner (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  gboolean owned;

  if (reply == NULL)
    {
      refuse_error (task, "The bus did not tell whether polkit runs", error);
      return;
    }
  g_variant_get (reply, "(b)", &owned);
  if (owned)
    ask_polkit (task);
  else
    call (task, BUS_NAME, BUS_PATH, BUS_NAME, "ListActivatableNames", NULL, "(as)", -1, on_activatable_listed);
}

/* Who it is */

static char *
describe (const char *user, guint32 pid)
{
  g_autofree char *path = g_strdup_printf ("/proc/%u/comm", pid);
  g_autofree char *comm = NULL;
  if (pid == 0 || !g_file_get_contents (path, &comm, NULL, NULL))
    return g_strdup (user);

  g_autofree char *program = g_utf8_make_valid (g_strchomp (comm), -1);
  for (char *p = program; *p != '\0'; p++)
    if (g_ascii_iscntrl (*p))
      *p = '?';
  return g_strdup_printf ("%s (%s)", user, program);
}

static Caller *
caller_new (uid_t uid, guint32 pid, GVariant *credentials)
{
  Caller *caller = g_rc_box_new0 (Caller);
  struct passwd *user = getpwuid (uid);

  caller->uid = uid;
  caller->known = user != NULL;
  caller->user = user != NULL ? g_strdup (user->pw_name) : g_strdup_printf ("uid %u", uid);
  caller->who = describe (caller->user, pid);
  caller->groups = g_variant_lookup_value (credentials, "UnixGroupIDs", G_VARIANT_TYPE ("au"));
  return caller;
}

static void
decide (GTask *task)
{
  Check *check = g_task_get_task_data (task);

  if (check->caller->uid == 0 || check->caller->uid == geteuid ())
    allow (task);
  else if (HAVE_POLKIT)
    call (task, BUS_NAME, BUS_PATH, BUS_NAME, "NameHasOwner", g_variant_new ("(s)", POLKIT_NAME), "(b)", -1,
          on_polkit_owner);
  else
    check_group (task);
}

static void
on_credentials (GObject *source, GAsyncResult *result, gpointer user_data)
{
  g_autoptr (GTask) task = user_data;
  Check *check = g_task_get_task_data (task);
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) reply = g_dbus_connection_call_finish (G_DBUS_CONNECTION (source), result, &error);
  guint32 uid, pid = 0;

  if (reply == NULL)
    {
      refuse_error (task, "The bus did not tell who it is", error);
      return;
    }
  g_autoptr (GVariant) credentials = g_variant_get_child_value (reply, 0);
  if (!g_variant_lookup (credentials, "UnixUserID", "u", &uid))
    {
      refuse (task, "The bus did not tell which user it is: call from this machine.");
      return;
    }
  g_variant_lookup (credentials, "ProcessID", "u", &pid);
  check->caller = caller_new (uid, pid, credentials);
  if (g_hash_table_size (check->callers) >= CALLERS_MAX)
    g_hash_table_remove_all (check->callers);
  g_hash_table_insert (check->callers, g_strdup (check->sender), g_rc_box_acquire (check->caller));
  decide (task);
}

/* Outside */

MefotaAuthority *
mefota_authority_new (GDBusConnection *bus, const char *group)
{
  g_return_val_if_fail (G_IS_DBUS_CONNECTION (bus) && group != NULL, NULL);
  MefotaAuthority *self = g_new0 (MefotaAuthority, 1);
  self->bus = g_object_ref (bus);
  self->group = g_strdup (group);
  self->callers = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, caller_unref);
  return self;
}

void
mefota_authority_free (MefotaAuthority *self)
{
  g_object_unref (self->bus);
  g_free (self->group);
  g_hash_table_unref (self->callers);
  g_free (self);
}

void
mefota_authority_check_async (MefotaAuthority *self, GDBusMethodInvocation *invocation, MefotaAction action,
                              GAsyncReadyCallback callback, gpointer user_data)
{
  g_return_if_fail (self != NULL && G_IS_DBUS_METHOD_INVOCATION (invocation) && (guint) action < MEFOTA_N_ACTIONS);
  GDBusMessage *message = g_dbus_method_invocation_get_message (invocation);
  g_autoptr (GTask) task = g_task_new (NULL, NULL, callback, user_data);
  Check *check = g_new0 (Check, 1);

  check->bus = g_object_ref (self->bus);
  check->group = g_strdup (self->group);
  check->callers = g_hash_table_ref (self->callers);
  check->action = action;
  check->sender = g_strdup (g_dbus_method_invocation_get_sender (invocation));
  check->interactive =
      (g_dbus_message_get_flags (message) & G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION) != 0;
  g_task_set_source_tag (task, mefota_authority_check_async);
  g_task_set_task_data (task, check, (GDestroyNotify) check_free);

  check->caller = check->sender != NULL ? g_hash_table_lookup (check->callers, check->sender) : NULL;
  if (check->caller != NULL)
    g_rc_box_acquire (check->caller);

  if (check->sender == NULL)
    refuse (task, "The message names no sender: call over the system bus.");
  else if (check->caller != NULL)
    decide (task);
  else
    call (task, BUS_NAME, BUS_PATH, BUS_NAME, "GetConnectionCredentials", g_variant_new ("(s)", check->sender),
          "(a{sv})", -1, on_credentials);
}

char *
mefota_authority_check_finish (MefotaAuthority *self, GAsyncResult *result, GError **error)
{
  g_return_val_if_fail (g_task_is_valid (result, NULL), NULL);
  return g_task_propagate_pointer (G_TASK (result), error);
}
