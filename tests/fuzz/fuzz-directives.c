/* The parser directives ahead of a Dockerfile. The input is what stands before the first FROM. */
#include "dockerfile/dockerfile.h"
#include "fuzz.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    g_autoptr(GString) text = g_string_new_len((const char *)data, (gssize)size);
    g_string_append(text, "\nFROM scratch\nRUN a \\\n b\n");
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnDockerfile) d = kiln_dockerfile_parse(text->str, text->len, "Dockerfile", &error);
    fuzz_result(d != NULL, error);
    if (d)
        g_assert_true(d->escape == '\\' || d->escape == '`');
    return 0;
}
