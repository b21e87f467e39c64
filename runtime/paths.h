/* Names of files that a caller gives. They are resolved with its root as ours and from where it
 * would start, so they lead where it could get itself, never out. */
#pragma once

#include <limits.h>
#include <linux/limits.h>
#include <stdbool.h>
#include <stdint.h>

struct call;

/* A name as the system call was given it, copied once. */
struct place {
    int dirfd;           /* as the caller counts; of no meaning for an absolute path */
    bool is_fd;          /* the open file dirfd itself */
    char path[PATH_MAX]; /* otherwise; not empty */
};

/* A path that is empty names dirfd itself where `flags` has AT_EMPTY_PATH, else it is -ENOENT. */
int place_read(const struct call *c, uint64_t dirfd, uint64_t path, unsigned flags,
               struct place *out);
/* A descriptor of the caller's. */
struct place place_of_fd(uint64_t fd);

/* The name for system calls of ours, from our working directory. It is resolved as the caller's
 * would be, save that /proc/self leads nowhere. Negative errno. */
struct place_name {
    char text[PATH_MAX + 32];
};
int place_name(const struct call *c, const struct place *place, struct place_name *out);

/* Opens with O_PATH what it names, a symlink at the end followed or not. -ESRCH when the caller is
 * gone. */
int place_open(const struct call *c, const struct place *place, bool follow);
/* Opens the directory it lies in, and gives its name there. -EEXIST for "/", "." and "..". */
int place_parent(const struct call *c, const struct place *place, char name[NAME_MAX + 1]);

/* The name, from our working directory, of an open file: for calls that take no O_PATH descriptor.
 */
struct fd_name {
    char text[24];
};
struct fd_name fd_name(int fd);
