/* A manifest, as the blob "entries" of a cache has it. The checksum is its last, so that all before it is reached. */
#include "fuzz.h"
#include "tree/manifest.h"

#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int LLVMFuzzerTestOneInput(const guint8 *data, size_t size)
{
    g_autoptr(GError) error = NULL;
    char path[] = "/dev/shm/kiln-fuzz-XXXXXX";
    int fd = mkstemp(path);
    if (fd < 0 || write(fd, data, size) != (ssize_t)size)
        g_error("cannot make a file in memory");
    close(fd);
    g_autoptr(KilnManifest) m = kiln_manifest_read(AT_FDCWD, path, &error);
    unlink(path);
    fuzz_result(m != NULL, error);
    return 0;
}
