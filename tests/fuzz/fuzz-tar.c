/* What an archive unpacks to: in a directory of its own, in memory. */
#include "fuzz.h"
#include "tree/tar.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

typedef struct {
    const guint8 *data;
    size_t size;
} Input;

static ssize_t take(void *data, const void **buffer, GError **error)
{
    Input *in = data;
    size_t n = MIN(in->size, (size_t)700); /* no multiple of what a tar is made of */
    (void)error;
    *buffer = in->data;
    in->data += n;
    in->size -= n;
    return (ssize_t)n;
}

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    char path[] = "/dev/shm/kiln-fuzz-XXXXXX";
    g_assert_nonnull(mkdtemp(path));
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    Input in = {.data = data, .size = size};
    const KilnUntarOptions options = {.owners = KILN_OWNERS_RECORDED,
                                      .whiteouts = true,
                                      .uid = -1,
                                      .gid = -1,
                                      .limits = {.size = 1 << 20, .entries = 1000}};
    g_autoptr(KilnManifest) m = kiln_manifest_new();
    GError *error = NULL;
    bool ok = kiln_untar(take, &in, fd, &options, m, &error);
    fuzz_result(ok, error);
    g_clear_error(&error);
    close(fd);
    if (!kiln_remove_tree(AT_FDCWD, path, &error))
        g_error("%s", error->message);
    return 0;
}
