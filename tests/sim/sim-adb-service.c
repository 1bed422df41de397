/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "sim-adb-service.h"

#include <string.h>
#include <sys/stat.h>

#define LONGEST_PATH 1024
#define LARGEST_CHUNK 65536
#define MTIME 1555555555

typedef struct
{
  guint mode;
  GByteArray *data;
} SimAdbFile;

guint32
sim_adb_get32 (const guint8 *bytes)
{
  return bytes[0] | (guint32) bytes[1] << 8 | (guint32) bytes[2] << 16 | (guint32) bytes[3] << 24;
}

void
sim_adb_put32 (GByteArray *out, guint32 value)
{
  const guint8 bytes[] = { value & 0xff, value >> 8 & 0xff, value >> 16 & 0xff, value >> 24 & 0xff };

  g_byte_array_append (out, bytes, sizeof bytes);
}

static void
put (SimAdbService *self, const char *id, guint32 value)
{
  g_byte_array_append (self->out, (const guint8 *) id, 4);
  sim_adb_put32 (self->out, value);
}

static void
put_fail (SimAdbService *self, const char *message)
{
  put (self, "FAIL", (guint32) strlen (message));
  g_byte_array_append (self->out, (const guint8 *) message, (guint) strlen (message));
}

/* ---- files ---- */

static void
file_free (gpointer data)
{
  SimAdbFile *self = data;

  g_byte_array_unref (self->data);
  g_free (self);
}

static void
add_file (SimAdbFiles *self, const char *path, guint mode, GByteArray *data)
{
  SimAdbFile *file = g_new0 (SimAdbFile, 1);

  file->mode = mode;
  file->data = data != NULL ? data : g_byte_array_new ();
  g_hash_table_insert (self->files, g_strdup (path), file);
}

SimAdbFiles *
sim_adb_files_new (MefotaSim *sim)
{
  static const char *const folders[] = { "/cache", "/cache/logs", "/cache/recovery", "/data", "/data/logs",
                                        "/data/logs/old" };
  static const char *const logs[] = { "/cache/logs/fota.log", "/cache/recovery/last_log", "/data/logs/update.log",
                                      "/data/logs/old/update.log" };
  SimAdbFiles *self = g_new0 (SimAdbFiles, 1);

  self->sim = sim;
  self->files = g_hash_table_new_full (g_str_hash, g_str_equal, g_free, file_free);
  for (gsize i = 0; i < G_N_ELEMENTS (folders); i++)
    add_file (self, folders[i], S_IFDIR | 0755, NULL);
  for (gsize i = 0; i < G_N_ELEMENTS (logs); i++)
    {
      g_autofree char *text = g_strdup_printf ("log of %s\n", logs[i]);
      GByteArray *data = g_byte_array_new ();

      g_byte_array_append (data, (const guint8 *) text, (guint) strlen (text));
      add_file (self, logs[i], S_IFREG | 0644, data);
    }
  return self;
}

void
sim_adb_files_free (SimAdbFiles *self)
{
  g_hash_table_unref (self->files);
  g_free (self);
}

/* Guide 2.3.2: where AT+ZCOMUPDATE looks. */
static const char *
package_path (MefotaSim *sim)
{
  static const SimSince since[] = {
    { "ME3630C2C", { 1, 0, 6 } },
    { "ME3630C2B", { 1, 0, 3 } },
    { "ZM5330SC1A", { 1, 1, 3 } },
    { NULL },
  };
  guint where = sim->settings->adb_path;

  if (where == SIM_ADB_PATH_DATA || (where == SIM_ADB_PATH_AUTO && sim_firmware_since (sim, since)))
    return "/data/update.zip";
  return "/cache/delta.package";
}

static void
remove_file (SimAdbFiles *self, const char *path)
{
  if (!g_hash_table_remove (self->files, path))
    return;
  sim_event (self->sim, "adb-remove %s", path);
  if (g_str_equal (path, package_path (self->sim)))
    mefota_sim_push_package (self->sim, 0, NULL);
}

/* Nothing more is written to the file, which may have been removed meanwhile. */
static void
keep_file (SimAdbService *self)
{
  SimAdbFile *file = g_hash_table_lookup (self->files->files, self->path);
  MefotaSim *sim = self->files->sim;
  g_autofree char *sha256 = NULL;

  if (file == NULL || file->data != self->data)
    return;
  sha256 = g_compute_checksum_for_data (G_CHECKSUM_SHA256, self->data->data, self->data->len);
  sim_event (sim, "adb-push %s %u %s", self->path, self->data->len, sha256);
  if (g_str_equal (self->path, package_path (sim)))
    mefota_sim_push_package (sim, self->data->len, sha256);
}

/* ---- sync ---- */

static void
do_stat (SimAdbService *self, const char *path)
{
  SimAdbFile *file = g_hash_table_lookup (self->files->files, path);
  guint size = file != NULL ? file->data->len : 0;

  if (self->files->sim->settings->adb_lie && size > 0)
    size--;
  put (self, "STAT", file != NULL ? file->mode : 0);
  sim_adb_put32 (self->out, size);
  sim_adb_put32 (self->out, file != NULL ? MTIME : 0);
}

static void
put_entry (SimAdbService *self, guint mode, guint size, const char *name)
{
  put (self, "DENT", mode);
  sim_adb_put32 (self->out, size);
  sim_adb_put32 (self->out, MTIME);
  sim_adb_put32 (self->out, (guint32) strlen (name));
  g_byte_array_append (self->out, (const guint8 *) name, (guint) strlen (name));
}

static void
put_hostile_entries (SimAdbService *self)
{
  g_autofree char *very_long = g_strnfill (255, 'x');
  const struct { guint mode; const char *name; } entries[] = {
    { S_IFREG | 0644, ".." },
    { S_IFREG | 0644, "../../../../../../tmp/mefota-escaped" },
    { S_IFREG | 0644, "/tmp/mefota-escaped" },
    { S_IFDIR | 0755, ".." },
    { S_IFDIR | 0755, "../.." },
    { S_IFREG | 0644, "" },
    { S_IFREG | 0644, "a/b" },
    { S_IFREG | 0644, "new\nline\x1b[31m" },
    { S_IFREG | 0644, "\xff\xfe%2e%2e" },
    { S_IFREG | 0644, very_long },
    { S_IFREG | 0644, "-rf" },
    { S_IFLNK | 0777, "link" },
    { S_IFIFO | 0644, "fifo" },
    { S_IFBLK | 0644, "disk" },
    { S_IFREG | 0644, "twice" },
    { S_IFREG | 0644, "twice" },
    { S_IFDIR | 0755, "loop" },
  };

  for (gsize i = 0; i < G_N_ELEMENTS (entries); i++)
    put_entry (self, entries[i].mode, 8, entries[i].name);
}

static void
put_more_entries (gpointer data)
{
  SimAdbService *self = data;

  for (guint i = 0; i < 64; i++)
    {
      g_autofree char *name = g_strdup_printf ("entry-%" G_GUINT64_FORMAT, self->written++);
      put_entry (self, S_IFREG | 0644, 1, name);
    }
}

static void
do_list (SimAdbService *self, const char *path)
{
  guint listing = self->files->sim->settings->adb_listing;
  gsize length = strlen (path);
  GHashTableIter iter;
  const char *key;
  SimAdbFile *file;

  g_hash_table_iter_init (&iter, self->files->files);
  while (g_hash_table_iter_next (&iter, (gpointer *) &key, (gpointer *) &file))
    if (g_str_has_prefix (key, path) && key[length] == '/' && strchr (key + length + 1, '/') == NULL)
      put_entry (self, file->mode, file->data->len, key + length + 1);
  if (listing == SIM_ADB_LISTING_HOSTILE)
    put_hostile_entries (self);
  if (listing == SIM_ADB_LISTING_HUGE)
    put_entry (self, S_IFREG | 0644, 10, "huge.log");
  if (listing == SIM_ADB_LISTING_ENDLESS)
    {
      self->refill = put_more_entries;
      return;
    }
  put (self, "DONE", 0);
  for (guint i = 0; i < 3; i++)
    sim_adb_put32 (self->out, 0);
}

static void
put_more_data (gpointer data)
{
  static const guint8 zeros[LARGEST_CHUNK];
  SimAdbService *self = data;

  put (self, "DATA", sizeof zeros);
  g_byte_array_append (self->out, zeros, sizeof zeros);
}

static void
do_recv (SimAdbService *self, const char *path)
{
  SimAdbFile *file = g_hash_table_lookup (self->files->files, path);
  guint listing = self->files->sim->settings->adb_listing;
  g_autofree char *printable = g_strescape (path, NULL);

  sim_event (self->files->sim, "adb-read %s", printable);
  if (listing == SIM_ADB_LISTING_HUGE && g_str_has_suffix (path, "/huge.log"))
    {
      self->refill = put_more_data;
      return;
    }
  if (file == NULL && listing == SIM_ADB_LISTING_PLAIN)
    {
      put_fail (self, "open failed: No such file or directory");
      return;
    }
  for (guint done = 0; file != NULL && done < file->data->len; done += LARGEST_CHUNK)
    {
      guint chunk = MIN (file->data->len - done, LARGEST_CHUNK);

      put (self, "DATA", chunk);
      g_byte_array_append (self->out, file->data->data + done, chunk);
    }
  if (file == NULL)
    {
      put (self, "DATA", 8);
      g_byte_array_append (self->out, (const guint8 *) "hostile\n", 8);
    }
  put (self, "DONE", 0);
}

static void
begin_send (SimAdbService *self, char *path)
{
  char *comma = strrchr (path, ',');

  self->mode = comma != NULL ? (guint) g_ascii_strtoull (comma + 1, NULL, 0) : 0644;
  if (comma != NULL)
    *comma = '\0';
  self->path = g_strdup (path);
  self->written = 0;
  self->refused = FALSE;
  self->data = g_byte_array_new ();
  if (!g_str_has_prefix (path, "/cache/") && !g_str_has_prefix (path, "/data/"))
    {
      put_fail (self, "couldn't create file: Read-only file system");
      self->refused = TRUE;
    }
  else
    {
      /* What was there before is gone as soon as a new one is begun. */
      remove_file (self->files, path);
      add_file (self->files, path, S_IFREG | (self->mode & 0777), g_byte_array_ref (self->data));
    }
}

static SimAdbVerdict
take_data (SimAdbService *self, const guint8 *bytes, guint length)
{
  SimSettings *settings = self->files->sim->settings;
  gboolean due = settings->adb_fault != SIM_ADB_FAULT_NONE && self->written + length > settings->adb_fault_after;
  guint fault = settings->adb_fault;

  self->written += length;
  if (!self->refused)
    g_byte_array_append (self->data, bytes, length);
  if (!due)
    return SIM_ADB_GO;
  settings->adb_fault = SIM_ADB_FAULT_NONE;
  sim_event (self->files->sim, "adb-fault %u", fault);
  if (fault == SIM_ADB_FAULT_FULL)
    {
      put_fail (self, "couldn't write to file: No space left on device");
      keep_file (self);
      self->refused = TRUE;
      return SIM_ADB_GO;
    }
  /* What came is kept, as in a file system. */
  keep_file (self);
  g_clear_pointer (&self->path, g_free);
  g_clear_pointer (&self->data, g_byte_array_unref);
  return fault == SIM_ADB_FAULT_CUT ? SIM_ADB_CUT : fault == SIM_ADB_FAULT_VANISH ? SIM_ADB_VANISH : SIM_ADB_STALL;
}

static void
end_send (SimAdbService *self)
{
  if (!self->refused)
    {
      keep_file (self);
      put (self, "OKAY", 0);
    }
  g_clear_pointer (&self->data, g_byte_array_unref);
  g_clear_pointer (&self->path, g_free);
}

static void
take_request (SimAdbService *self, const char *id, char *path)
{
  gsize length = strlen (path);

  while (length > 1 && path[length - 1] == '/')
    path[--length] = '\0';
  if (g_str_equal (id, "STAT"))
    do_stat (self, path);
  else if (g_str_equal (id, "LIST"))
    do_list (self, path);
  else if (g_str_equal (id, "RECV"))
    do_recv (self, path);
  else if (g_str_equal (id, "SEND"))
    begin_send (self, path);
  else
    {
      if (!g_str_equal (id, "QUIT"))
        put_fail (self, "unknown command");
      self->done = TRUE;
    }
}

/* How many bytes at the front were used up; 0: more are needed. */
static gsize
take_one (SimAdbService *self, SimAdbVerdict *verdict)
{
  const guint8 *bytes = self->in->data;
  g_autofree char *id = NULL;
  g_autofree char *path = NULL;
  guint32 length;

  if (self->in->len < 8 || self->done)
    return 0;
  id = g_strndup ((const char *) bytes, 4);
  length = sim_adb_get32 (bytes + 4);
  if (self->path != NULL && g_str_equal (id, "DONE"))
    {
      end_send (self);
      return 8;
    }
  if (length > (self->path != NULL ? LARGEST_CHUNK : LONGEST_PATH))
    {
      put_fail (self, "too long");
      self->done = TRUE;
      return 0;
    }
  if (self->in->len < 8 + length)
    return 0;
  if (self->path != NULL)
    {
      *verdict = take_data (self, bytes + 8, length);
      return 8 + length;
    }
  path = g_strndup ((const char *) bytes + 8, length);
  take_request (self, id, path);
  return 8 + length;
}

/* ---- shell ---- */

static void G_GNUC_PRINTF (2, 3)
say (SimAdbService *self, const char *format, ...)
{
  g_autofree char *text = NULL;
  va_list args;

  va_start (args, format);
  text = g_strdup_vprintf (format, args);
  va_end (args);
  g_byte_array_append (self->out, (const guint8 *) text, (guint) strlen (text));
}

static void
run_shell (SimAdbService *self, const char *command)
{
  g_auto (GStrv) words = NULL;

  self->done = TRUE;
  if (!g_shell_parse_argv (command, NULL, &words, NULL))
    return;
  for (guint i = 1; words[i] != NULL; i++)
    {
      SimAdbFile *file = g_hash_table_lookup (self->files->files, words[i]);

      if (words[i][0] == '-' || words[i][0] == '%')
        continue;
      if (g_str_equal (words[0], "rm"))
        remove_file (self->files, words[i]);
      else if (file == NULL)
        say (self, "%s: %s: No such file or directory\n", words[0], words[i]);
      else if (g_str_equal (words[0], "stat"))
        say (self, "%u\n", file->data->len);
      else if (g_str_equal (words[0], "ls"))
        say (self, "-rw-r--r-- root root %u 2019-04-18 13:43 %s\n", file->data->len, words[i]);
    }
  if (!g_str_equal (words[0], "rm") && !g_str_equal (words[0], "stat") && !g_str_equal (words[0], "ls"))
    say (self, "/bin/sh: %s: not found\n", words[0]);
}

/* ---- either ---- */

SimAdbService *
sim_adb_service_open (SimAdbFiles *files, const char *name)
{
  SimAdbService *self;

  if (!g_str_equal (name, "sync:") && !g_str_has_prefix (name, "shell:"))
    return NULL;
  self = g_new0 (SimAdbService, 1);
  self->files = files;
  self->in = g_byte_array_new ();
  self->out = g_byte_array_new ();
  self->is_sync = g_str_equal (name, "sync:");
  if (!self->is_sync)
    run_shell (self, name + strlen ("shell:"));
  return self;
}

void
sim_adb_service_free (SimAdbService *self)
{
  /* A transfer that broke off leaves what came. */
  if (self->path != NULL && !self->refused)
    keep_file (self);
  g_clear_pointer (&self->data, g_byte_array_unref);
  g_free (self->path);
  g_byte_array_unref (self->in);
  g_byte_array_unref (self->out);
  g_free (self);
}

SimAdbVerdict
sim_adb_service_feed (SimAdbService *self, const guint8 *bytes, gsize length)
{
  SimAdbVerdict verdict = SIM_ADB_GO;
  gsize used;

  if (!self->is_sync)
    return verdict;
  g_byte_array_append (self->in, bytes, (guint) length);
  while (verdict == SIM_ADB_GO && (used = take_one (self, &verdict)) > 0)
    g_byte_array_remove_range (self->in, 0, (guint) used);
  return verdict;
}
