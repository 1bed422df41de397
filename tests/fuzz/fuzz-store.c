/* SPDX-License-Identifier: LGPL-2.1-or-later */
/* A file of the store: any bytes are a dictionary that is saved and loaded as the same again, or an error. */
#include "mefota-record.h"

#include <string.h>

#include "mefota-error.h"

#include "fuzz.h"

int
LLVMFuzzerTestOneInput (const guint8 *data, gsize size)
{
  g_autoptr (GError) error = NULL;
  g_autoptr (GVariant) record = mefota_record_from_text ((const char *) data, size, &error);
  g_autoptr (GVariant) again = NULL;
  g_autofree char *text = NULL;
  g_autofree char *text_again = NULL;

  if (record == NULL)
    {
      g_assert (error->domain == MEFOTA_ERROR && error->code == MEFOTA_ERROR_STORAGE_FAILED);
      return 0;
    }
  g_assert (g_variant_is_of_type (record, G_VARIANT_TYPE_VARDICT) && !g_variant_is_floating (record));
  text = mefota_record_to_text (record, &error);
  g_assert_no_error (error);
  again = mefota_record_from_text (text, strlen (text), &error);
  g_assert_no_error (error);
  text_again = mefota_record_to_text (again, &error);
  g_assert_no_error (error);
  g_assert_cmpstr (text_again, ==, text);
  return 0;
}
