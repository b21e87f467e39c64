/* .dockerignore. The first line of the input is a path that is asked for, the rest the file. */
#include "fuzz.h"
#include "tree/ignore.h"

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    const guint8 *newline = memchr(data, '\n', size);
    if (!newline)
        return 0;
    g_autofree char *path = fuzz_string(data, (size_t)(newline - data));
    size_t rest = size - (size_t)(newline + 1 - data);
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnIgnore) ignore =
        kiln_ignore_parse((const char *)newline + 1, rest, ".dockerignore", &error);
    fuzz_result(ignore != NULL, error);
    if (!ignore)
        return 0;
    bool excluded = kiln_ignore_matches(ignore, path);
    /* What is in a directory that can be skipped is excluded. */
    if (*path && kiln_ignore_prunes(ignore, path) && excluded) {
        g_autofree char *below = g_strconcat(path, "/x", NULL);
        g_assert_true(kiln_ignore_matches(ignore, below));
    }
    return 0;
}
