/* Places inside a rootfs that is not trusted: its symbolic links may point anywhere, and mean a
 * place inside the rootfs. Nothing here is ever resolved as a plain string. */
#pragma once

#include "failure.h"

/* Paths created in the rootfs as mount points, NUL-terminated, one after the other. */
struct rootfs_stubs {
    char bytes[16 * 1024];
    size_t size;
};

enum rootfs_kind { ROOTFS_DIRECTORY, ROOTFS_FILE };

/* An O_PATH fd (close-on-exec) of `path` in the rootfs, following symbolic links inside it; creates
 * what is missing (0755 directories, and an empty file 0644 if that is wanted) and lists it in
 * stubs. -ELOOP, -ENOTDIR, -EISDIR … as openat2(2); -EBUSY if it is the root itself; -E2BIG if
 * there are too many stubs. */
int rootfs_place(int root, const char *path, enum rootfs_kind kind, struct rootfs_stubs *stubs);
