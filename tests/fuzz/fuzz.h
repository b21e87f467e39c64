/* What the fuzz targets share. Each is one function that libFuzzer calls with a text of its making;
 * a finding is a crash, a report of a sanitizer, a failed assertion, or more than a few seconds. */
#pragma once

#include <glib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size);

/* The input as a string: what is behind a NUL is not seen by what takes strings. g_free(). */
static inline char *fuzz_string(const guint8 *data, size_t size)
{
    return g_strndup((const char *)data, size);
}

/* A function that fails says why, and one that does not sets no error. */
static inline void fuzz_result(gboolean ok, const GError *error)
{
    g_assert_true(ok == (error == NULL));
    g_assert_true(!error || (error->message && *error->message));
}
