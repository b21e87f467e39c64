#include "tree/place-content.h"

#include <errno.h>
#include <linux/fs.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* Up to BUFFER_SIZE one read and one write are cheaper than anything that sets up more. */
enum { BUFFER_SIZE = 128 * 1024, REFLINK_FROM = 4096 };

void kiln_copier_clear(KilnCopier *c)
{
    g_clear_pointer(&c->buffer, g_free);
}

/* Whether the call that failed with this errno will never work for this pair of file systems. */
static bool is_unsupported(int code)
{
    return code == EOPNOTSUPP || code == EXDEV || code == EINVAL || code == ENOTTY ||
           code == ENOSYS || code == EPERM || code == ETXTBSY || code == EBADF;
}

static int write_all(int fd, const char *bytes, size_t size, off_t offset)
{
    while (size) {
        ssize_t n = pwrite(fd, bytes, size, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return -errno;
        bytes += n;
        size -= (size_t)n;
        offset += n;
    }
    return 0;
}

static int copy_by_buffer(KilnCopier *c, int in, int out, off_t offset, off_t end)
{
    if (!c->buffer)
        c->buffer = g_malloc(BUFFER_SIZE);
    while (offset < end) {
        size_t want = (size_t)MIN(end - offset, BUFFER_SIZE);
        ssize_t n = pread(in, c->buffer, want, offset);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return n < 0 ? -errno : -ESTALE;
        int result = write_all(out, c->buffer, (size_t)n, offset);
        if (result < 0)
            return result;
        offset += n;
    }
    return 0;
}

static int copy_range(KilnCopier *c, int in, int out, off_t offset, off_t end)
{
    while (offset < end && !c->no_copy_range) {
        off_t from = offset, to = offset;
        ssize_t n = copy_file_range(in, &from, out, &to, (size_t)(end - offset), 0);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && !is_unsupported(errno))
            return -errno;
        if (n <= 0) { /* 0 before the end: old kernels on files of proc and the like */
            c->no_copy_range = n < 0;
            break;
        }
        offset += n;
    }
    return copy_by_buffer(c, in, out, offset, end);
}

/* Data ranges only. A file system without SEEK_DATA says that everything is data: lseek(2). */
static int copy_data(KilnCopier *c, int in, int out, off_t end)
{
    off_t offset = 0;
    while (offset < end) {
        off_t data = lseek(in, offset, SEEK_DATA);
        if (data < 0 && errno == ENXIO)
            break; /* a hole up to the end of the file */
        off_t hole = data < 0 ? -1 : lseek(in, data, SEEK_HOLE);
        if (data < 0 || hole < 0)
            return copy_range(c, in, out, offset, end);
        if (data >= end)
            break;
        int result = copy_range(c, in, out, data, MIN(hole, end));
        if (result < 0)
            return result;
        offset = hole;
    }
    return 0;
}

/* Like copy_data(), checking that the file is long enough and giving `out` its length. */
static int copy_large(KilnCopier *c, int in, int out, off_t end)
{
    off_t before = lseek(in, 0, SEEK_CUR), length = lseek(in, 0, SEEK_END);
    int result = length < 0 ? -errno : length < end ? -ESTALE : copy_data(c, in, out, end);
    if (before >= 0)
        (void)lseek(in, before, SEEK_SET);
    if (result == 0 && ftruncate(out, end) < 0)
        result = -errno;
    return result;
}

int kiln_copier_copy(KilnCopier *c, int in, int out, uint64_t size)
{
    if (size > INT64_MAX)
        return -EFBIG;
    off_t end = (off_t)size;
    if (!c->no_reflink && size >= REFLINK_FROM) {
        if (ioctl(out, FICLONE, in) == 0) {
            off_t length = lseek(out, 0, SEEK_END);
            if (length < end)
                return -ESTALE;
            return length == end || ftruncate(out, end) == 0 ? 0 : -errno;
        }
        if (!is_unsupported(errno))
            return -errno;
        c->no_reflink = true;
    }
    return size <= BUFFER_SIZE ? copy_by_buffer(c, in, out, 0, end) : copy_large(c, in, out, end);
}
