#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>

#include "kilnrun.h"

/* A file handle where there is one, since it has the generation: ext4 gives the inode number of a
 * removed file to the next one. Otherwise the number and the time of birth. */
int kilnrun_identify(int fd, struct kilnrun_identity *out)
{
    union {
        struct file_handle head;
        char room[sizeof(struct file_handle) + sizeof out->bytes];
    } handle = {.head.handle_bytes = sizeof out->bytes - sizeof(int)};
    struct statx st;
    int mount;

    memset(out, 0, sizeof *out);
    if (name_to_handle_at(fd, "", &handle.head, &mount, AT_EMPTY_PATH) == 0) {
        memcpy(out->bytes, &handle.head.handle_type, sizeof(int));
        memcpy(out->bytes + sizeof(int), handle.head.f_handle, handle.head.handle_bytes);
        return 0;
    }
    if (statx(fd, "", AT_EMPTY_PATH, STATX_INO | STATX_BTIME, &st) < 0)
        return -errno;
    memcpy(out->bytes, &st.stx_ino, sizeof st.stx_ino);
    memcpy(out->bytes + 8, &st.stx_btime.tv_sec, sizeof st.stx_btime.tv_sec);
    memcpy(out->bytes + 16, &st.stx_btime.tv_nsec, sizeof st.stx_btime.tv_nsec);
    return 0;
}
