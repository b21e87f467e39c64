#include "tree/sparse.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

void kiln_sparse_hash(KilnHash *hash, uint64_t size)
{
    static const char zeros[4096];
    while (size) {
        size_t n = (size_t)MIN(size, sizeof(zeros));
        kiln_hash_update(hash, zeros, n);
        size -= n;
    }
}

static bool write_at(int fd, const char *bytes, size_t size, uint64_t offset)
{
    while (size) {
        ssize_t n = pwrite(fd, bytes, size, (off_t)offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return false;
        bytes += n;
        size -= (size_t)n;
        offset += (uint64_t)n;
    }
    return true;
}

static bool is_zero(const char *bytes, size_t size)
{
    return bytes[0] == 0 && memcmp(bytes, bytes + 1, size - 1) == 0;
}

bool kiln_sparse_write(int fd, const char *bytes, size_t size, uint64_t offset)
{
    size_t begin = 0, end = 0; /* what is to be written at once */
    while (end < size) {
        size_t n = MIN(size - end, (size_t)KILN_HOLE_SIZE);
        if (n == KILN_HOLE_SIZE && is_zero(bytes + end, n)) {
            if (!write_at(fd, bytes + begin, end - begin, offset + begin))
                return false;
            begin = end + n;
        }
        end += n;
    }
    return write_at(fd, bytes + begin, end - begin, offset + begin);
}
