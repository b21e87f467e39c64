#include "rootfs.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>

#include "sys.h"

#define IN_ROOT (RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS)
#define MAX_LINKS 40 /* as path_resolution(7) */

/* A walk: `done` names what was reached, without symbolic links, "." or ".." and relative to the
 * root; `todo` what is left to resolve from there. */
struct walk {
    int root;
    char done[PATH_MAX], todo[PATH_MAX];
    int links;
    struct rootfs_stubs *stubs;
};

static int open_done(const struct walk *w, const char *path)
{
    int fd = sys_openat2(w->root, path[0] ? path : ".", O_PATH | O_NOFOLLOW | O_CLOEXEC, IN_ROOT);

    return fd < 0 ? -errno : fd;
}

/* Takes the next component off todo; false at the end. */
static bool next_component(struct walk *w, char component[NAME_MAX + 1], int *error)
{
    size_t start = strspn(w->todo, "/"), length = strcspn(w->todo + start, "/");

    if (length == 0)
        return false;
    if (length > NAME_MAX) {
        *error = -ENAMETOOLONG;
        return false;
    }
    memcpy(component, w->todo + start, length);
    component[length] = 0;
    memmove(w->todo, w->todo + start + length, strlen(w->todo + start + length) + 1);
    return true;
}

static void step_up(struct walk *w)
{
    char *slash = strrchr(w->done, '/');

    *(slash ? slash : w->done) = 0;
}

/* Puts a link's target before what is left; an absolute one starts over at the root. */
static int follow_link(struct walk *w, int link)
{
    char target[PATH_MAX];
    ssize_t n = readlinkat(link, "", target, sizeof target - 1);
    size_t left = strlen(w->todo);

    if (n < 0)
        return -errno;
    if (++w->links > MAX_LINKS)
        return -ELOOP;
    if ((size_t)n + 1 + left >= sizeof w->todo)
        return -ENAMETOOLONG;
    memmove(w->todo + n + 1, w->todo, left + 1);
    memcpy(w->todo, target, (size_t)n);
    w->todo[n] = '/';
    if (target[0] == '/')
        w->done[0] = 0;
    return 0;
}

static int remember_stub(struct rootfs_stubs *stubs, const char *path)
{
    size_t size = strlen(path) + 1;

    if (stubs->size + size > sizeof stubs->bytes)
        return -E2BIG;
    memcpy(stubs->bytes + stubs->size, path, size);
    stubs->size += size;
    return 0;
}

static int create(struct walk *w, const char *component, const char *path, enum rootfs_kind kind)
{
    int parent = open_done(w, w->done), rc;

    if (parent < 0)
        return parent;
    if (kind == ROOTFS_DIRECTORY) {
        rc = mkdirat(parent, component, 0755) < 0 ? -errno : 0;
    } else {
        rc = openat(parent, component, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0644);
        if (rc >= 0)
            close(rc);
        rc = rc < 0 ? -errno : 0;
    }
    close(parent);
    return rc < 0 ? rc : remember_stub(w->stubs, path);
}

/* Goes one component further; the last one is made a file if that is wanted. */
static int advance(struct walk *w, const char *component, enum rootfs_kind kind)
{
    bool last = w->todo[strspn(w->todo, "/")] == 0;
    char path[PATH_MAX];
    struct stat st;
    int fd, rc = 0;

    if (strcmp(component, ".") == 0)
        return 0;
    if (strcmp(component, "..") == 0) {
        step_up(w);
        return 0;
    }
    rc = snprintf(path, sizeof path, "%s%s%s", w->done, w->done[0] ? "/" : "", component);
    if (rc < 0 || (size_t)rc >= sizeof path)
        return -ENAMETOOLONG;
    fd = open_done(w, path);
    if (fd == -ENOENT) {
        rc = create(w, component, path, last ? kind : ROOTFS_DIRECTORY);
        if (rc < 0)
            return rc;
        memcpy(w->done, path, strlen(path) + 1);
        return 0;
    }
    if (fd < 0)
        return fd;
    rc = fstat(fd, &st) < 0 ? -errno : 0;
    if (rc == 0 && S_ISLNK(st.st_mode))
        rc = follow_link(w, fd);
    else if (rc == 0)
        memcpy(w->done, path, strlen(path) + 1);
    close(fd);
    return rc;
}

static int walk_and_create(int root, const char *path, enum rootfs_kind kind,
                           struct rootfs_stubs *stubs)
{
    struct walk w = {.root = root, .stubs = stubs};
    char component[NAME_MAX + 1];
    int rc = 0;

    if (strlen(path) >= sizeof w.todo)
        return -ENAMETOOLONG;
    memcpy(w.todo, path, strlen(path) + 1);
    while (rc == 0 && next_component(&w, component, &rc))
        rc = advance(&w, component, kind);
    return rc < 0 ? rc : open_done(&w, w.done);
}

int rootfs_place(int root, const char *path, enum rootfs_kind kind, struct rootfs_stubs *stubs)
{
    int fd = sys_openat2(root, path, O_PATH | O_CLOEXEC, IN_ROOT), rc = 0;
    struct stat st, root_st;

    if (fd < 0)
        fd = errno == ENOENT ? walk_and_create(root, path, kind, stubs) : -errno;
    if (fd < 0)
        return fd;
    if (fstat(fd, &st) < 0 || fstat(root, &root_st) < 0)
        rc = -errno;
    else if (st.st_dev == root_st.st_dev && st.st_ino == root_st.st_ino)
        rc = -EBUSY;
    else if (kind == ROOTFS_DIRECTORY && !S_ISDIR(st.st_mode))
        rc = -ENOTDIR;
    else if (kind == ROOTFS_FILE && S_ISDIR(st.st_mode))
        rc = -EISDIR;
    if (rc < 0) {
        close(fd);
        return rc;
    }
    return fd;
}
