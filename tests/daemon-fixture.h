/* SPDX-License-Identifier: LGPL-2.1-or-later */
#pragma once

#include <gio/gio.h>

G_BEGIN_DECLS

/**
 * DaemonFixture:
 *
 * The real mefotad and any number of simulated modules, each a process of its own, on a private bus and in a folder of
 * their own. Everything is watched by the test's main context: what the daemon signals and what the modules report is
 * kept in order, and every wait ends the test after DAEMON_DEADLINE seconds, with the daemon's log and the modules'
 * last events.
 *
 * Paths of the programs come from the environment: MEFOTAD and MEFOTA_SIM. MEFOTAD_PREFIX may name a command, with its
 * arguments, that the daemon is run by.
 */
#define DAEMON_DEADLINE 60

typedef struct
{
  char *module;    /* id; "" for the manager */
  char *name;      /* of the signal, or of the property */
  GVariant *value; /* the signal's arguments, or the property's value */
  gboolean is_property;
  GVariant *details; /* those of a Finished that was waited for */
} DaemonEvent;

typedef struct
{
  char *name;
  char *link; /* what [module] port= is to be */
  GSubprocess *process;
  GOutputStream *input;
  GString *partial;
  GPtrArray *events; /* of char *, all since its start */
  GArray *times;     /* of gint64, when they came, monotonic us */
  guint seen;        /* how many of them sim_await() went past */
  gint64 seen_at;    /* when the last of those came */
  guint source;
} SimProcess;

typedef struct
{
  char *folder;
  GTestDBus *bus;
  char *address; /* where the daemon finds the bus; NULL: where it is */
  GDBusConnection *connection;
  GPtrArray *sims; /* of SimProcess */
  gboolean quiet;  /* the daemon tells no details */
  GSubprocess *daemon; /* NULL while it does not run */
  gboolean daemon_there; /* it owns its name */
  GPtrArray *events;   /* of DaemonEvent, all since the start */
  guint seen;          /* how many of them daemon_await_signal() and daemon_await_state() went past */
  GHashTable *properties; /* "module/Name" → GVariant, as the daemon told */
  guint name_watch;
  guint subscription;
} DaemonFixture;

DaemonFixture *daemon_fixture_new (void);
/* Ends everything and removes the folder. Fails the test if the daemon does not end with 0. */
void daemon_fixture_free (DaemonFixture *self);
G_DEFINE_AUTOPTR_CLEANUP_FUNC (DaemonFixture, daemon_fixture_free)

/* A path in the fixture's folder; state/ and run/ are the daemon's. For free(). */
char *daemon_path (DaemonFixture *self, const char *name);

/* Starts a module with time-scale 50 and the given switches ("key=value", …, NULL), and waits for its port. */
SimProcess *daemon_add_sim (DaemonFixture *self, const char *name, ...) G_GNUC_NULL_TERMINATED;
/* A line of the control protocol; waits for its acknowledgement. */
void sim_control (SimProcess *sim, const char *format, ...) G_GNUC_PRINTF (2, 3);
/* Waits for the next event that begins with @prefix; it belongs to @sim. Events before it are skipped. */
const char *sim_await (SimProcess *sim, const char *prefix);
/* How many events so far begin with @prefix. */
guint sim_count (SimProcess *sim, const char *prefix);

/* Starts the daemon with this configuration, in which each @NAME@ is the link of that module; waits for its name and
 * reads all properties. NULL: with the configuration of the last start. */
void daemon_start (DaemonFixture *self, const char *config);
/* SIGTERM; fails the test if it does not end with 0. */
void daemon_stop (DaemonFixture *self);
/* SIGKILL. */
void daemon_kill (DaemonFixture *self);
/* What all daemons so far have logged. For free(). */
char *daemon_read_log (DaemonFixture *self);
gint daemon_get_pid (DaemonFixture *self);

/* Calls a method of a module ("" for the manager). @fd: (-1: none) goes along as handle 0. @parameters is consumed. */
GVariant *daemon_call (DaemonFixture *self, const char *module, const char *method, GVariant *parameters, int fd,
                       GError **error);
/* The same, which must succeed, or fail with org.gosuncn.Fota.Error.@error_name. Returns the message for free(). */
void daemon_call_ok (DaemonFixture *self, const char *module, const char *method, GVariant *parameters, int fd);
char *daemon_call_error (DaemonFixture *self, const char *module, const char *method, GVariant *parameters, int fd,
                         const char *error_name);

/* GetManagedObjects. */
GVariant *daemon_call_objects (DaemonFixture *self, GError **error);
/* Reads all properties anew; daemon_start() has done so. */
void daemon_read_all (DaemonFixture *self);
/* Reads one property anew. */
GVariant *daemon_call_property (DaemonFixture *self, const char *module, const char *property);

/* The last value told; NULL if there is none. Borrowed. */
GVariant *daemon_get (DaemonFixture *self, const char *module, const char *property);
const char *daemon_get_string (DaemonFixture *self, const char *module, const char *property);
guint64 daemon_get_number (DaemonFixture *self, const char *module, const char *property);
/* Waits until State is @state, now or later. */
void daemon_await_state (DaemonFixture *self, const char *module, const char *state);
/* Waits for the next signal of that name (or the next value told of that property); its arguments are borrowed. */
GVariant *daemon_await_signal (DaemonFixture *self, const char *module, const char *name);
/* The details of the next Finished; borrowed. Fails unless result (and error-name, without its prefix, if not NULL)
 * fit. */
GVariant *daemon_await_finished (DaemonFixture *self, const char *module, const char *result, const char *error_name);

/* Turns the main context until @condition is true. */
#define DAEMON_AWAIT(self, condition)                   \
  G_STMT_START                                          \
  {                                                     \
    gint64 until_ = 0;                                  \
    while (!(condition))                                \
      daemon_fixture_turn ((self), #condition, &until_); \
  }                                                     \
  G_STMT_END

/* One turn of the main loop; ends the test if *@until (0 at first) has passed. @self may be NULL. */
void daemon_fixture_turn (DaemonFixture *self, const char *what, gint64 *until);

G_END_DECLS
