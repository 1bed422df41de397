/* SPDX-License-Identifier: LGPL-2.1-or-later */
#include "follow.h"
#include "verbs.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

typedef struct
{
  char *method;
  char *from;
  char *expect;
  char *sha256;
} Wishes;

static void
wishes_clear (Wishes *wishes)
{
  g_free (wishes->method);
  g_free (wishes->from);
  g_free (wishes->expect);
  g_free (wishes->sha256);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC (Wishes, wishes_clear)

static gboolean
is_sha256 (const char *text)
{
  return strlen (text) == 64 && strspn (text, "0123456789abcdefABCDEF") == 64;
}

/* FILE.mefota fills in what was not given. FALSE after a complaint if it is there and cannot be understood. */
static gboolean
read_manifest (const char *file, Wishes *wishes)
{
  struct
  {
    const char *key;
    char **value;
  } keys[] = { { "from", &wishes->from }, { "to", &wishes->expect }, { "sha256", &wishes->sha256 } };
  g_autoptr (GError) error = NULL;
  g_autoptr (GKeyFile) manifest = g_key_file_new ();
  g_autofree char *path = g_strconcat (file, ".mefota", NULL);
  g_autofree char *shown = g_filename_display_name (path);
  if (!g_key_file_load_from_file (manifest, path, G_KEY_FILE_NONE, &error))
    {
      if (g_error_matches (error, G_FILE_ERROR, G_FILE_ERROR_NOENT))
        return TRUE;
      complain ("%s cannot be read: %s. Correct it or take it away.", shown, error->message);
      return FALSE;
    }
  if (!g_key_file_has_group (manifest, "package"))
    {
      complain ("%s has no group [package]: correct it or take it away.", shown);
      return FALSE;
    }
  for (gsize i = 0; i < G_N_ELEMENTS (keys); i++)
    {
      if (*keys[i].value != NULL || !g_key_file_has_key (manifest, "package", keys[i].key, NULL))
        continue;
      *keys[i].value = g_key_file_get_string (manifest, "package", keys[i].key, &error);
      if (error != NULL) /* with some errors there is a value too */
        {
          complain ("%s: %s. Correct it or take it away.", shown, error->message);
          return FALSE;
        }
      g_strchomp (*keys[i].value); /* a key file keeps the blanks there */
      if (keys[i].value == &wishes->sha256 && !is_sha256 (wishes->sha256))
        {
          complain ("%s: sha256 has not 64 hexadecimal digits. Correct it or take it away.", shown);
          return FALSE;
        }
    }
  return TRUE;
}

static gboolean
check_wishes (const Wishes *wishes)
{
  const char *const methods[] = { "auto", "serial", "adb", NULL };
  if (wishes->method != NULL && !g_strv_contains (methods, wishes->method))
    {
      complain ("There is no method “%s”: it is auto, serial or adb.", wishes->method);
      return FALSE;
    }
  if (wishes->sha256 != NULL && !is_sha256 (wishes->sha256))
    {
      complain ("A SHA-256 has 64 hexadecimal digits: see what `sha256sum FILE` prints.");
      return FALSE;
    }
  return TRUE;
}

/* The package's descriptor; -1 after a complaint. */
static int
open_package (const char *file)
{
  struct stat info;
  g_autofree char *shown = g_filename_display_name (file);
  /* Non-blocking: a FIFO must not keep us waiting for a writer. */
  int fd = open (file, O_RDONLY | O_CLOEXEC | O_NOCTTY | O_NONBLOCK);
  if (fd < 0 || fstat (fd, &info) < 0)
    {
      complain ("%s cannot be opened: %s. Name a package file that you may read.", shown, g_strerror (errno));
      return -1;
    }
  if (S_ISREG (info.st_mode) && info.st_size > 0)
    return fd;
  complain ("%s is %s: name a package file.", shown, S_ISREG (info.st_mode) ? "empty" : "no regular file");
  close (fd);
  return -1;
}

static GVariant *
make_parameters (int handle, const char *file, const Wishes *wishes)
{
  const struct
  {
    const char *option;
    const char *value;
  } options[] = { { "method", wishes->method },
                  { "from-version", wishes->from },
                  { "expected-version", wishes->expect },
                  { "sha256", wishes->sha256 } };
  g_autofree char *name = g_filename_display_basename (file);
  GVariantBuilder builder;
  g_variant_builder_init (&builder, G_VARIANT_TYPE_VARDICT);
  g_variant_builder_add (&builder, "{sv}", "name", g_variant_new_string (name));
  for (gsize i = 0; i < G_N_ELEMENTS (options); i++)
    if (options[i].value != NULL && *options[i].value != '\0')
      g_variant_builder_add (&builder, "{sv}", options[i].option, g_variant_new_string (options[i].value));
  return g_variant_ref_sink (g_variant_new ("(ha{sv})", handle, &builder));
}

ExitStatus
verb_install (Ctl *ctl, int argc, char **argv)
{
  ExitStatus status;
  g_auto (Wishes) wishes = { NULL };
  gboolean no_wait = FALSE;
  const GOptionEntry entries[] = {
    { "method", 0, 0, G_OPTION_ARG_STRING, &wishes.method, "auto (default), serial or adb", "M" },
    { "from", 0, 0, G_OPTION_ARG_STRING, &wishes.from, "Refuse unless the module runs this version", "V" },
    { "expect", 0, 0, G_OPTION_ARG_STRING, &wishes.expect, "The version that must run afterwards", "V" },
    { "sha256", 0, 0, G_OPTION_ARG_STRING, &wishes.sha256, "SHA-256 of the package", "H" },
    { "no-wait", 0, 0, G_OPTION_ARG_NONE, &no_wait, "Return as soon as the module has taken it on", NULL },
    { NULL },
  };
  if (!ctl_parse (ctl, "install FILE", entries, 1, 1, &argc, &argv))
    return STATUS_USAGE;
  int fd = open_package (argv[1]);
  if (fd < 0)
    return STATUS_USAGE;
  g_autoptr (GUnixFDList) fds = g_unix_fd_list_new_from_array (&fd, 1);
  if (!read_manifest (argv[1], &wishes) || !check_wishes (&wishes))
    return STATUS_USAGE;
  g_autoptr (Module) module = ctl_get_module (ctl, &status);
  if (module == NULL)
    return status;
  g_autoptr (GVariant) parameters = make_parameters (0, argv[1], &wishes);
  const FollowStart start = {
    .method = "Install",
    .parameters = parameters,
    .fds = fds,
    .to = wishes.expect,
    .no_wait = no_wait,
  };
  return follow (ctl, module, &start);
}
