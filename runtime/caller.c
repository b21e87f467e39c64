#include "caller.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/uio.h>
#include <unistd.h>

#include "supervisor.h"

#define PAGE 4096u /* the least that any architecture has: where memory may end */

int caller_read(const struct call *c, uint64_t address, void *out, size_t size)
{
    struct iovec to = {out, size}, from = {(void *)(uintptr_t)address, size};
    ssize_t n = size > 0 ? process_vm_readv(c->tid, &to, 1, &from, 1, 0) : 0;

    if (n != (ssize_t)size)
        return n < 0 ? -errno : -EFAULT;
    return call_alive(c) ? 0 : -ESRCH;
}

/* Alive at this moment, it is alive the next: it takes a whole round of all process ids for its tid
 * to be another's. */
int caller_write(const struct call *c, uint64_t address, const void *bytes, size_t size)
{
    struct iovec from = {(void *)bytes, size}, to = {(void *)(uintptr_t)address, size};
    ssize_t n;

    if (size == 0)
        return 0;
    if (!call_alive(c))
        return -ESRCH;
    n = process_vm_writev(c->tid, &from, 1, &to, 1, 0);
    return n == (ssize_t)size ? 0 : n < 0 ? -errno : -EFAULT;
}

/* In two pieces, since what follows the page that a string ends in may not be mapped. */
int caller_string(const struct call *c, uint64_t address, char *out, size_t room)
{
    size_t first = PAGE - address % PAGE;
    struct iovec to = {out, room};
    struct iovec from[2] = {{(void *)(uintptr_t)address, first < room ? first : room}};
    ssize_t n;

    from[1].iov_base = (char *)from[0].iov_base + from[0].iov_len;
    from[1].iov_len = room - from[0].iov_len;
    n = process_vm_readv(c->tid, &to, 1, from, from[1].iov_len > 0 ? 2 : 1, 0);
    if (n <= 0)
        return n < 0 ? -errno : -EFAULT;
    if (!memchr(out, 0, (size_t)n))
        return (size_t)n == room ? -ENAMETOOLONG : -EFAULT;
    return call_alive(c) ? 0 : -ESRCH;
}

long long caller_status(const struct call *c, const char *name, int base)
{
    char path[32], text[4096], *line, *end;
    size_t length = strlen(name);
    ssize_t n;
    int fd;

    snprintf(path, sizeof path, "%d/status", (int)c->tid);
    fd = openat(c->s->proc, path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -errno;
    n = read(fd, text, sizeof text - 1);
    close(fd);
    if (n < 0)
        return -errno;
    text[n] = 0;
    for (line = text; line; line = strchr(line, '\n') ? strchr(line, '\n') + 1 : NULL) {
        if (strncmp(line, name, length) != 0 || line[length] != ':')
            continue;
        end = line + strcspn(line, "\n");
        while (end > line && end[-1] != ' ' && end[-1] != '\t')
            end--;
        return (long long)strtoull(end, NULL, base);
    }
    return -ENODATA;
}
