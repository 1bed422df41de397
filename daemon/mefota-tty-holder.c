/* SPDX-License-Identifier: LGPL-2.1-or-later */
#define G_LOG_DOMAIN "mefota"

#include "mefota-tty-holder.h"

#include <string.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <unistd.h>

/* The search stays cheap, however crowded the machine is. */
#define PROCESSES_MAX 8192
#define DESCRIPTORS_MAX 32768

/* Links instead of stat(): they never wait for another file system. */
static gboolean
has_descriptor (const char *fd_directory, const char *node, guint *budget)
{
  g_autoptr (GDir) dir = g_dir_open (fd_directory, 0, NULL);
  const char *name;

  while (dir != NULL && *budget > 0 && (name = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *link = g_build_filename (fd_directory, name, NULL);
      char target[256];
      gssize length = readlink (link, target, sizeof target - 1);

      (*budget)--;
      if (length <= 0)
        continue;
      target[length] = '\0';
      if (g_str_equal (target, node))
        return TRUE;
    }
  return FALSE;
}

/* /proc/PID/stat: "pid (comm) state ppid pgrp session tty_nr ..."; comm may hold anything, so it is read from its
 * end. */
static gboolean
has_terminal (const char *proc, const char *pid, dev_t device)
{
  g_autofree char *file = g_build_filename (proc, pid, "stat", NULL);
  g_autofree char *text = NULL;
  g_auto (GStrv) fields = NULL;
  const char *rest;
  guint64 number;

  if (device == 0 || !g_file_get_contents (file, &text, NULL, NULL) || (rest = strrchr (text, ')')) == NULL)
    return FALSE;
  fields = g_strsplit (rest, " ", 7);
  if (g_strv_length (fields) < 7)
    return FALSE;
  number = g_ascii_strtoull (fields[5], NULL, 10) & G_MAXUINT32;
  return makedev (number >> 8 & 0xfff, (number & 0xff) | (number >> 12 & 0xfff00)) == device;
}

static char *
describe (const char *proc, const char *pid)
{
  g_autofree char *file = g_build_filename (proc, pid, "comm", NULL);
  g_autofree char *comm = NULL;

  if (!g_file_get_contents (file, &comm, NULL, NULL))
    return g_strdup_printf ("process %s", pid);
  return g_strdup_printf ("process %s (%s)", pid, g_strstrip (comm));
}

static char *
find_in_processes (const char *node, const char *proc)
{
  g_autoptr (GDir) dir = g_dir_open (proc, 0, NULL);
  g_autofree char *terminal = NULL;
  guint descriptors = DESCRIPTORS_MAX, processes = PROCESSES_MAX;
  struct stat st;
  dev_t device = stat (node, &st) == 0 && S_ISCHR (st.st_mode) ? st.st_rdev : 0;
  const char *pid;

  while (dir != NULL && descriptors > 0 && processes > 0 && (pid = g_dir_read_name (dir)) != NULL)
    {
      g_autofree char *fd_directory = g_build_filename (proc, pid, "fd", NULL);

      if (!g_ascii_isdigit (pid[0]))
        continue;
      processes--;
      if (has_descriptor (fd_directory, node, &descriptors))
        return describe (proc, pid);
      /* Weaker, for a program keeps its terminal after it has closed it: only if nobody is seen to have it open. */
      if (terminal == NULL && has_terminal (proc, pid, device))
        terminal = describe (proc, pid);
    }
  return g_steal_pointer (&terminal);
}

/* A lock file holds the number in letters, or, by an old custom, as a binary int. A stale one names no process. */
static char *
find_in_lock_file (const char *node, const char *proc, const char *lock_directory)
{
  g_autofree char *base = g_path_get_basename (node);
  g_autofree char *file = g_strdup_printf ("%s/LCK..%s", lock_directory, base);
  g_autofree char *text = NULL;
  g_autofree char *pid = NULL;
  g_autofree char *process = NULL;
  gsize length;
  gint64 number;

  if (!g_file_get_contents (file, &text, &length, NULL))
    return NULL;
  number = g_ascii_strtoll (text, NULL, 10);
  if (number <= 0 && length == sizeof (gint32))
    {
      gint32 binary;
      memcpy (&binary, text, sizeof binary);
      number = binary;
    }
  if (number <= 0)
    return NULL;

  pid = g_strdup_printf ("%" G_GINT64_FORMAT, number);
  process = g_build_filename (proc, pid, NULL);
  return g_file_test (process, G_FILE_TEST_IS_DIR) ? describe (proc, pid) : NULL;
}

char *
mefota_tty_find_holder (const char *node, const char *proc, const char *lock_directory)
{
  char *holder = find_in_lock_file (node, proc, lock_directory);

  return holder != NULL ? holder : find_in_processes (node, proc);
}
