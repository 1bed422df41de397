/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "mefota-authority.h"

#include "bus-fixture.h"
#include "mefota-build.h"
#include "mefota-error.h"

#include <grp.h>
#include <pwd.h>
#include <sys/socket.h>
#include <unistd.h>

/* The authority's connection leads to the test, which plays the bus itself and polkit: so any user can be the caller,
 * whoever runs the test. The caller's message takes the same way and names its sender itself. */

#define STRANGER 54321u
static const guint32 strangers_gids[] = { 12345, 0 };

#define BUS_XML                                                                                              \
  "<node><interface name='org.freedesktop.DBus'>"                                                            \
  "<method name='GetConnectionCredentials'><arg type='s' direction='in'/>"                                   \
  "<arg type='a{sv}' direction='out'/></method>"                                                             \
  "<method name='NameHasOwner'><arg type='s' direction='in'/><arg type='b' direction='out'/></method>"       \
  "<method name='ListActivatableNames'><arg type='as' direction='out'/></method></interface></node>"

#define POLKIT_XML                                                                                           \
  "<node><interface name='org.freedesktop.PolicyKit1.Authority'><method name='CheckAuthorization'>"          \
  "<arg type='(sa{sv})' direction='in'/><arg type='s' direction='in'/><arg type='a{ss}' direction='in'/>"    \
  "<arg type='u' direction='in'/><arg type='s' direction='in'/><arg type='(bba{ss})' direction='out'/>"      \
  "</method></interface></node>"

#define DAEMON_XML "<node><interface name='org.gosuncn.Fota'><method name='Upgrade'/></interface></node>"

typedef struct
{
  GDBusConnection *ours;
  GDBusConnection *theirs;
  MefotaAuthority *authority;
  MefotaAction action;
  /* the caller */
  gint64 uid;        /* -1: the bus does not know */
  const guint32 *gids; /* 0-terminated; NULL: the bus does not tell */
  guint32 pid;
  gboolean interactive;
  gboolean no_credentials;
  guint caller;         /* its unique name's number */
  guint bus_asked;      /* for credentials */
  /* polkit */
  gboolean polkit_runs, polkit_activatable;
  const char *polkit_broken; /* what it says then */
  gboolean authorized, challenge;
  guint polkit_asked;
  guint32 polkit_flags;
  char *polkit_action;
  /* what came out */
  gboolean done;
  char *who;
  GError *error;
  char sender[16];
} Fixture;

static const char *
sender_of (Fixture *f)
{
  g_snprintf (f->sender, sizeof f->sender, ":1.%u", f->caller);
  return f->sender;
}

static GVariant *
make_credentials (Fixture *f)
{
  GVariantBuilder credentials;
  g_variant_builder_init (&credentials, G_VARIANT_TYPE_VARDICT);
  if (f->uid >= 0)
    g_variant_builder_add (&credentials, "{sv}", "UnixUserID", g_variant_new_uint32 ((guint32) f->uid));
  if (f->pid != 0)
    g_variant_builder_add (&credentials, "{sv}", "ProcessID", g_variant_new_uint32 (f->pid));
  if (f->gids != NULL)
    {
      gsize n = 0;
      while (f->gids[n] != 0)
        n++;
      g_variant_builder_add (&credentials, "{sv}", "UnixGroupIDs",
                             g_variant_new_fixed_array (G_VARIANT_TYPE_UINT32, f->gids, n, sizeof (guint32)));
    }
  return g_variant_new ("(a{sv})", &credentials);
}

static void
on_bus_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
             const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user_data)
{
  Fixture *f = user_data;
  const char *name = NULL;
  if (g_variant_is_of_type (parameters, G_VARIANT_TYPE ("(s)")))
    g_variant_get (parameters, "(&s)", &name);

  if (g_str_equal (method, "GetConnectionCredentials") && f->no_credentials)
    g_dbus_method_invocation_return_error (invocation, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER, "it left");
  else if (g_str_equal (method, "GetConnectionCredentials"))
    {
      g_assert_cmpstr (name, ==, sender_of (f));
      f->bus_asked++;
      g_dbus_method_invocation_return_value (invocation, make_credentials (f));
    }
  else if (g_str_equal (method, "NameHasOwner"))
    {
      g_assert_cmpstr (name, ==, "org.freedesktop.PolicyKit1");
      g_dbus_method_invocation_return_value (invocation, g_variant_new ("(b)", f->polkit_runs));
    }
  else
    {
      const char *names[] = { "org.freedesktop.login1", "org.freedesktop.PolicyKit1", NULL };
      if (!f->polkit_activatable)
        names[1] = NULL;
      g_dbus_method_invocation_return_value (invocation, g_variant_new ("(^as)", names));
    }
}

static void
on_polkit_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user_data)
{
  Fixture *f = user_data;
  const char *kind, *name;
  g_autoptr (GVariant) subject = NULL;

  g_clear_pointer (&f->polkit_action, g_free);
  g_variant_get (parameters, "((&s@a{sv})sa{ss}us)", &kind, &subject, &f->polkit_action, NULL, &f->polkit_flags, NULL);
  g_assert_cmpstr (kind, ==, "system-bus-name");
  g_assert_true (g_variant_lookup (subject, "name", "&s", &name));
  g_assert_cmpstr (name, ==, sender_of (f));
  f->polkit_asked++;

  /* An error that looks like "polkit is not there" is polkit's own all the same. */
  if (f->polkit_broken != NULL)
    g_dbus_method_invocation_return_error (invocation, G_DBUS_ERROR, G_DBUS_ERROR_NAME_HAS_NO_OWNER, "%s",
                                           f->polkit_broken);
  else
    g_dbus_method_invocation_return_value (invocation,
                                           g_variant_new ("((bba{ss}))", f->authorized, f->challenge, NULL));
}

static void
on_checked (GObject *source, GAsyncResult *result, gpointer user_data)
{
  Fixture *f = user_data;
  f->who = mefota_authority_check_finish (f->authority, result, &f->error);
  f->done = TRUE;
}

static void
on_daemon_call (GDBusConnection *connection, const char *sender, const char *path, const char *interface,
                const char *method, GVariant *parameters, GDBusMethodInvocation *invocation, gpointer user_data)
{
  Fixture *f = user_data;
  mefota_authority_check_async (f->authority, invocation, f->action, on_checked, f);
  g_dbus_method_invocation_return_value (invocation, NULL);
}

static void
serve (GDBusConnection *connection, const char *path, const char *xml, GDBusInterfaceMethodCallFunc method_call,
       Fixture *f)
{
  GDBusInterfaceVTable vtable = { .method_call = method_call };
  g_autoptr (GDBusNodeInfo) node = g_dbus_node_info_new_for_xml (xml, NULL);
  g_autoptr (GError) error = NULL;
  g_dbus_connection_register_object (connection, path, node->interfaces[0], &vtable, f, NULL, &error);
  g_assert_no_error (error);
}

static void
on_connected (GObject *source, GAsyncResult *result, gpointer user_data)
{
  GDBusConnection **connection = user_data;
  g_autoptr (GError) error = NULL;
  *connection = g_dbus_connection_new_finish (result, &error);
  g_assert_no_error (error);
}

static void
connect_end (int fd, GDBusConnectionFlags flags, GDBusConnection **connection)
{
  g_autoptr (GSocket) end = g_socket_new_from_fd (fd, NULL);
  g_autoptr (GSocketConnection) stream = g_socket_connection_factory_create_connection (end);
  g_autofree char *guid = flags & G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER ? g_dbus_generate_guid () : NULL;
  g_dbus_connection_new (G_IO_STREAM (stream), guid, flags, NULL, NULL, on_connected, connection);
}

static void
set_up (Fixture *f, gconstpointer data)
{
  int ends[2];
  g_assert_cmpint (socketpair (AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends), ==, 0);
  connect_end (ends[0], G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_CLIENT, &f->ours);
  connect_end (ends[1], G_DBUS_CONNECTION_FLAGS_AUTHENTICATION_SERVER, &f->theirs);
  AWAIT (f->ours != NULL && f->theirs != NULL);

  serve (f->theirs, "/org/freedesktop/DBus", BUS_XML, on_bus_call, f);
  serve (f->theirs, "/org/freedesktop/PolicyKit1/Authority", POLKIT_XML, on_polkit_call, f);
  serve (f->ours, "/", DAEMON_XML, on_daemon_call, f);
  f->authority = mefota_authority_new (f->ours, "daemon");
  f->uid = STRANGER;
  f->gids = strangers_gids;
}

static void
tear_down (Fixture *f, gconstpointer data)
{
  mefota_authority_free (f->authority);
  bus_drop_connection (&f->ours);
  bus_drop_connection (&f->theirs);
  g_free (f->polkit_action);
  g_free (f->who);
  g_clear_error (&f->error);
  log_forget ();
}

/* Calls Upgrade as the caller; ends with f->who or f->error. */
static void
check_again (Fixture *f, gboolean known)
{
  g_autoptr (GDBusMessage) message = g_dbus_message_new_method_call (NULL, "/", "org.gosuncn.Fota", "Upgrade");
  g_clear_pointer (&f->who, g_free);
  g_clear_error (&f->error);
  f->done = FALSE;
  if (known)
    g_dbus_message_set_sender (message, sender_of (f));
  if (f->interactive)
    g_dbus_message_set_flags (message, G_DBUS_MESSAGE_FLAGS_ALLOW_INTERACTIVE_AUTHORIZATION);
  g_assert_true (g_dbus_connection_send_message (f->theirs, message, G_DBUS_SEND_MESSAGE_FLAGS_NONE, NULL, NULL));
  AWAIT (f->done);
  g_assert_true ((f->who == NULL) != (f->error == NULL));
}

/* A unique name never changes hands: whoever is somebody else has another one. */
static void
check (Fixture *f)
{
  f->caller++;
  check_again (f, TRUE);
}

static void
assert_refused (Fixture *f, const char *part)
{
  check (f);
  g_assert_error (f->error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_AUTHORIZED);
  if (strstr (f->error->message, part) == NULL)
    g_assert_cmpstr (f->error->message, ==, part);
}

static void
test_root (Fixture *f, gconstpointer data)
{
  g_autofree char *comm = NULL;
  g_assert_true (g_file_get_contents ("/proc/self/comm", &comm, NULL, NULL));
  g_autofree char *expected = g_strdup_printf ("root (%s)", g_strchomp (comm));
  f->uid = 0;
  f->polkit_runs = TRUE;
  f->pid = (guint32) getpid ();
  check (f);
  g_assert_cmpstr (f->who, ==, expected);

  f->pid = 0;
  check (f);
  g_assert_cmpstr (f->who, ==, "root");
  g_assert_cmpuint (f->polkit_asked, ==, 0);
}

static void
test_own_user (Fixture *f, gconstpointer data)
{
  f->uid = geteuid ();
  check (f);
  g_assert_no_error (f->error);
}

/* What the bus said of a caller holds as long as its name does; whether it may is asked anew. */
static void
test_known_caller (Fixture *f, gconstpointer data)
{
  f->uid = 0;
  check (f);
  g_assert_no_error (f->error);
  f->uid = STRANGER;
  check_again (f, TRUE);
  g_assert_cmpstr (f->who, ==, "root");
  g_assert_cmpuint (f->bus_asked, ==, 1);
  for (guint i = 0; i < 100; i++)
    assert_refused (f, "uid 54321");
  g_assert_cmpuint (f->bus_asked, ==, 101);
  f->polkit_runs = f->authorized = HAVE_POLKIT;
  check_again (f, TRUE);
  g_assert_true (HAVE_POLKIT ? f->error == NULL : f->error != NULL);
  g_assert_cmpuint (f->bus_asked, ==, 101);
}

static void
test_unknown_caller (Fixture *f, gconstpointer data)
{
  f->uid = -1;
  assert_refused (f, "did not tell which user");
  f->no_credentials = TRUE;
  assert_refused (f, "it left");
  check_again (f, FALSE);
  g_assert_error (f->error, MEFOTA_ERROR, MEFOTA_ERROR_NOT_AUTHORIZED);
}

static void
test_group (Fixture *f, gconstpointer data)
{
  struct group *group = getgrnam ("daemon");
  struct passwd *user = getpwnam ("daemon");
  if (group == NULL || user == NULL || user->pw_gid != group->gr_gid || user->pw_uid == geteuid ())
    {
      g_test_skip ("no user and group daemon here");
      return;
    }
  const guint32 gids[] = { 12345, group->gr_gid, 0 };

  assert_refused (f, "uid 54321 may not upgrade modules (action org.gosuncn.fota.upgrade). "
                     "Make the user a member of the group daemon and log in again, or call as root.");
  f->gids = gids;
  check (f);
  g_assert_cmpstr (f->who, ==, "uid 54321");

  /* an older bus: the databases tell */
  f->gids = NULL;
  assert_refused (f, "group daemon");
  f->uid = user->pw_uid;
  check (f);
  g_assert_cmpstr (f->who, ==, "daemon");
  /* what the bus says of the process counts more than they do */
  f->gids = gids + 2;
  assert_refused (f, "Make daemon a member");

  mefota_authority_free (f->authority);
  f->authority = mefota_authority_new (f->ours, "no-such-group-here");
  f->gids = gids;
  assert_refused (f, "no-such-group-here");
  g_assert_cmpuint (f->polkit_asked, ==, 0);
}

static void
test_polkit (Fixture *f, gconstpointer data)
{
  static const char *const ids[] = { "org.gosuncn.fota.upgrade", "org.gosuncn.fota.configure",
                                     "org.gosuncn.fota.command", "org.gosuncn.fota.collect-logs" };
  if (!HAVE_POLKIT)
    {
      g_test_skip ("built without polkit");
      return;
    }
  f->polkit_runs = TRUE;
  for (guint i = 0; i < MEFOTA_N_ACTIONS; i++)
    {
      f->action = i;
      f->authorized = TRUE;
      check (f);
      g_assert_cmpstr (f->who, ==, "uid 54321");
      g_assert_cmpstr (f->polkit_action, ==, ids[i]);
      g_assert_cmpuint (f->polkit_flags, ==, 0);
      f->authorized = FALSE;
      assert_refused (f, ids[i]);
      g_assert_nonnull (strstr (f->error->message, "polkit says no"));
    }
  f->challenge = TRUE;
  assert_refused (f, "interactive authorization");
  f->interactive = TRUE;
  assert_refused (f, "no agent");
  g_assert_cmpuint (f->polkit_flags, ==, 1);
}

/* polkit that cannot answer is no reason to let the group in. */
static void
test_polkit_broken (Fixture *f, gconstpointer data)
{
  struct group *group = getgrnam ("daemon");
  const guint32 gids[] = { group != NULL ? group->gr_gid : 1, 0 };
  if (!HAVE_POLKIT)
    {
      g_test_skip ("built without polkit");
      return;
    }
  f->gids = gids;
  f->polkit_runs = TRUE;
  f->polkit_broken = "it broke";
  assert_refused (f, "polkit could not be asked: it broke. Try");
  f->polkit_runs = FALSE;
  f->polkit_activatable = TRUE;
  f->polkit_broken = "Unit polkit.service is masked.";
  assert_refused (f, "polkit could not be asked: Unit polkit.service is masked. Try");
  g_assert_cmpuint (f->polkit_asked, ==, 2);
}

/* With a real bus in between. */
static void
test_real_bus (void)
{
  Bus bus;
  Fixture f = { 0 };
  bus_open (&bus);
  f.authority = mefota_authority_new (bus.ours, "daemon");
  serve (bus.ours, "/", DAEMON_XML, on_daemon_call, &f);
  g_dbus_connection_call (bus.theirs, g_dbus_connection_get_unique_name (bus.ours), "/", "org.gosuncn.Fota", "Upgrade",
                          NULL, NULL, G_DBUS_CALL_FLAGS_NONE, -1, NULL, NULL, NULL);
  AWAIT (f.done);
  g_assert_no_error (f.error);
  g_autofree char *comm = NULL;
  g_assert_true (g_file_get_contents ("/proc/self/comm", &comm, NULL, NULL));
  g_autofree char *program = g_strdup_printf (" (%s)", g_strchomp (comm));
  g_assert_true (g_str_has_suffix (f.who, program));
  g_free (f.who);
  mefota_authority_free (f.authority);
  bus_close (&bus);
}

int
main (int argc, char **argv)
{
  g_test_init (&argc, &argv, NULL);
  log_open ();
#define ADD(name, function) g_test_add ("/authority/" name, Fixture, NULL, set_up, function, tear_down)
  ADD ("root", test_root);
  ADD ("own-user", test_own_user);
  ADD ("known-caller", test_known_caller);
  ADD ("unknown-caller", test_unknown_caller);
  ADD ("group", test_group);
  ADD ("polkit", test_polkit);
  ADD ("polkit-broken", test_polkit_broken);
  g_test_add_func ("/authority/real-bus", test_real_bus);
  return g_test_run ();
}
