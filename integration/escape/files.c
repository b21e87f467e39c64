/* Files outside: one whose path the test gives (ESCAPE_PATH), and the root of the host. */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static struct verdict open_by(const char *prefix)
{
    const char *outside = getenv("ESCAPE_PATH");
    char path[4096];
    int fd;

    if (!outside) {
        fprintf(stderr, "escape: ESCAPE_PATH is not set\n");
        exit(2);
    }
    snprintf(path, sizeof path, "%s%s", prefix, outside);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    return judge(fd, "open");
}

static bool is_same(const struct stat *a, const struct stat *b)
{
    return a->st_dev == b->st_dev && a->st_ino == b->st_ino;
}

static struct verdict judge_root(const struct stat *before)
{
    struct stat now;

    if (stat("/", &now) < 0)
        return refused(errno);
    return is_same(before, &now) ? harmless("it leads to the same root")
                                 : escaped("another root is reached");
}

static struct verdict climb(const char *unused)
{
    struct stat before;

    (void)unused;
    if (stat("/", &before) < 0 || chdir("/") < 0)
        return refused(errno);
    for (int i = 0; i < 64; i++)
        if (chdir("..") < 0)
            return refused(errno);
    if (chroot(".") < 0)
        return refused(errno);
    return judge_root(&before);
}

/* The classical way out of chroot(2). */
static struct verdict chroot_twice(const char *unused)
{
    struct stat before;
    int fd = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)unused;
    mkdir("/tmp/escape-chroot", 0700);
    if (fd < 0 || stat("/", &before) < 0 || chroot("/tmp/escape-chroot") < 0 || fchdir(fd) < 0)
        return refused(errno);
    for (int i = 0; i < 64; i++)
        if (chdir("..") < 0)
            return refused(errno);
    if (chroot(".") < 0)
        return refused(errno);
    return judge_root(&before);
}

static struct verdict open_handle(const char *unused)
{
    union {
        struct file_handle handle;
        char room[sizeof(struct file_handle) + MAX_HANDLE_SZ];
    } h = {.handle.handle_bytes = 8, .handle.handle_type = 1 /* FILEID_INO32_GEN */};
    int root = open("/", O_RDONLY | O_DIRECTORY | O_CLOEXEC);

    (void)unused;
    memcpy(h.handle.f_handle, (const unsigned[]){2, 0}, 8); /* the root of an ext4 */
    return judge_gate(open_by_handle_at(root, &h.handle, O_RDONLY | O_CLOEXEC));
}

/* A name in the rootfs for a file that was bound into it. */
static struct verdict hard_link(const char *path)
{
    unlink("/tmp/escape-link");
    return judge(link(path, "/tmp/escape-link"), "linked");
}

const struct attack file_attacks[] = {
    {"path", open_by, "/"},
    {"path", open_by, "/../../../../../../../.."},
    {"path", open_by, "/proc/1/root"},
    {"path", open_by, "/proc/self/root"},
    {"path", open_by, "/proc/self/root/.."},
    {"path", open_by, "/proc/self/cwd/../../../../../../.."},
    {"path", open_by, "/proc/thread-self/root/.."},
    {"path", open_by, "/dev/fd/../root"},
    {"path", open_by, "/dev/shm/../.."},
    {"path", open_by, "/sys/fs/cgroup/../../.."},
    {"path", open_by, "/etc/../.."},
    {"climb", climb, NULL},
    {"chroot-twice", chroot_twice, NULL},
    {"open-by-handle", open_handle, NULL},
    {"hard-link", hard_link, "/etc/hosts"},
    {"hard-link", hard_link, "/etc/resolv.conf"},
    {NULL, NULL, NULL},
};
