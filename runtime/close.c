#include "close.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <unistd.h>

int close_from(int first, int proc)
{
    int fd;
    DIR *entries;

    if (close_range((unsigned)first, ~0U, 0) == 0)
        return 0;
    fd = proc >= 0 ? openat(proc, "self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC)
                   : open("/proc/self/fd", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    entries = fd < 0 ? NULL : fdopendir(fd);
    if (!entries)
        return -errno;
    for (struct dirent *e; (e = readdir(entries));) {
        int each = atoi(e->d_name); /* 0 for "." and ".." */
        if (each >= first && each != fd)
            close(each);
    }
    closedir(entries);
    return 0;
}
