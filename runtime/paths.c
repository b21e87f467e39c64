#include "paths.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "caller.h"
#include "supervisor.h"
#include "sys.h"

#define MAX_SYMLINKS 40 /* as the kernel */

int place_read(const struct call *c, uint64_t dirfd, uint64_t path, unsigned flags,
               struct place *out)
{
    int rc = 0;

    out->dirfd = (int)dirfd;
    out->is_fd = false;
    out->path[0] = 0;
    if (path != 0 || !(flags & AT_EMPTY_PATH)) /* Linux 6.11: NULL is as good as "" */
        rc = caller_string(c, path, out->path, sizeof out->path);
    if (rc == 0 && out->path[0] == 0) {
        out->is_fd = flags & AT_EMPTY_PATH;
        rc = out->is_fd ? 0 : -ENOENT;
    }
    return rc;
}

struct place place_of_fd(uint64_t fd)
{
    struct place place;

    place.dirfd = (int)fd;
    place.is_fd = true;
    place.path[0] = 0;
    return place;
}

/* Makes our root the caller's, which is the step's until somebody has called chroot. */
static int take_root(const struct call *c)
{
    struct supervisor *s = c->s;
    int root = s->root, rc = 0;
    char name[32];

    if (!s->chrooted)
        return 0;
    snprintf(name, sizeof name, "%d/root", (int)c->tid);
    root = openat(s->proc, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (root < 0)
        return errno == ENOENT ? -ESRCH : -errno;
    if (!call_alive(c))
        rc = -ESRCH;
    else if (fchdir(root) < 0 || chroot(".") < 0 || fchdir(s->proc) < 0)
        rc = -errno;
    close(root);
    s->elsewhere = true;
    return rc;
}

int place_name(const struct call *c, const struct place *place, struct place_name *out)
{
    int rc = take_root(c);

    if (rc < 0)
        return rc;
    if (place->path[0] == '/')
        snprintf(out->text, sizeof out->text, "%s", place->path);
    else if (place->dirfd == AT_FDCWD)
        snprintf(out->text, sizeof out->text, "%d/cwd/%s", (int)c->tid, place->path);
    else if (place->dirfd < 0)
        return -EBADF;
    else
        snprintf(out->text, sizeof out->text, "%d/fd/%d%s%s", (int)c->tid, place->dirfd,
                 place->is_fd ? "" : "/", place->path);
    if (place->is_fd && place->dirfd == AT_FDCWD)
        snprintf(out->text, sizeof out->text, "%d/cwd", (int)c->tid);
    return 0;
}

struct fd_name fd_name(int fd)
{
    struct fd_name name;

    snprintf(name.text, sizeof name.text, "self/fd/%d", fd);
    return name;
}

/* --- Step by step, where /proc/self lies on the way --- */

struct walk {
    const struct call *c;
    int dir; /* O_PATH; where it has got to */
    unsigned links;
    bool follow; /* the last component */
};

static bool is_procfs(int fd)
{
    struct statfs fs;

    return fstatfs(fd, &fs) == 0 && fs.f_type == PROC_SUPER_MAGIC;
}

/* The links of proc that depend on who looks: what the caller would see. 0 if it is none. */
static int own_link(const struct walk *w, const char *name, char target[PATH_MAX])
{
    bool thread = strcmp(name, "thread-self") == 0;

    if ((!thread && strcmp(name, "self") != 0) || !is_procfs(w->dir))
        return 0;
    if (thread)
        snprintf(target, PATH_MAX, "%lld/task/%lld", caller_status(w->c, "NStgid", 10),
                 caller_status(w->c, "NSpid", 10));
    else
        snprintf(target, PATH_MAX, "%lld", caller_status(w->c, "NStgid", 10));
    return 1;
}

/* Whether what a link of proc stands for may be gone to. A process may follow all of its own: where
 * the caller's proc shows us, our program and our files would be reached. There it is the caller's
 * open files alone, and the links that are as any other. */
static bool is_for_caller(const struct walk *w)
{
    struct stat here, files;
    char name[32];

    if (!w->c->s->in_sight)
        return true;
    snprintf(name, sizeof name, "%lld/fd", caller_status(w->c, "Tgid", 10));
    return fstat(w->dir, &here) == 0 && fstatat(w->c->s->proc, name, &files, 0) == 0 &&
           here.st_dev == files.st_dev && here.st_ino == files.st_ino;
}

static void move_to(struct walk *w, int fd)
{
    if (w->dir >= 0)
        close(w->dir);
    w->dir = fd;
}

/* One name from w->dir: moves there, or returns 1 with a symlink's text in target. */
static int step_to(struct walk *w, const char *name, bool last, char target[PATH_MAX])
{
    int fd = openat(w->dir, name, O_PATH | O_NOFOLLOW | O_CLOEXEC);
    struct stat st;
    ssize_t n;

    if (own_link(w, name, target) && (!last || w->follow)) {
        if (fd >= 0)
            close(fd);
        return 1;
    }
    if (fd < 0 || fstat(fd, &st) < 0)
        return -errno;
    if (!S_ISLNK(st.st_mode) || (last && !w->follow)) {
        move_to(w, fd);
        return 0;
    }
    if (is_procfs(fd)) { /* most are magic links, which lead elsewhere than their text says */
        int through = is_for_caller(w)
                          ? openat(w->dir, name, O_PATH | O_CLOEXEC)
                          : sys_openat2(w->dir, name, O_PATH | O_CLOEXEC, RESOLVE_NO_MAGICLINKS);
        if (through < 0 && (errno == ELOOP || errno == EACCES)) {
            close(fd);
            return -EACCES;
        }
        if (through >= 0) {
            close(fd);
            move_to(w, through);
            return 0;
        }
    }
    n = readlinkat(fd, "", target, PATH_MAX - 1);
    if (n < 0)
        n = -errno;
    else
        target[n] = 0;
    close(fd);
    return n < 0 ? (int)n : 1;
}

/* Follows a path from w->dir. */
static int walk_path(struct walk *w, const char *path, bool is_last)
{
    char name[NAME_MAX + 1], target[PATH_MAX];

    if (*path == '/')
        move_to(w, open("/", O_PATH | O_DIRECTORY | O_CLOEXEC));
    while (w->dir >= 0 && *(path += strspn(path, "/"))) {
        size_t length = strcspn(path, "/");
        bool last = is_last && path[length] == 0;
        int rc;

        if (length > NAME_MAX)
            return -ENAMETOOLONG;
        memcpy(name, path, length);
        name[length] = 0;
        path += length;
        rc = step_to(w, name, last, target);
        if (rc > 0)
            rc = ++w->links > MAX_SYMLINKS ? -ELOOP : walk_path(w, target, last);
        if (rc < 0)
            return rc;
    }
    return w->dir < 0 ? -errno : 0;
}

static int walk_open(const struct call *c, const struct place *place, bool follow)
{
    struct walk w = {.c = c, .follow = follow};
    struct place start = {.dirfd = place->dirfd, .is_fd = true};
    struct place_name name;
    int rc = place_name(c, place->path[0] == '/' ? place : &start, &name);

    if (rc < 0)
        return rc;
    w.dir = open(place->path[0] == '/' ? "/" : name.text, O_PATH | O_CLOEXEC);
    if (w.dir < 0)
        return errno == ENOENT && place->path[0] != '/' ? -EBADF : -errno;
    rc = walk_path(&w, place->path, true);
    if (rc == 0 && !call_alive(c))
        rc = -ESRCH;
    if (rc < 0 && w.dir >= 0)
        close(w.dir);
    return rc < 0 ? rc : w.dir;
}

/* --- Opening --- */

int place_open(const struct call *c, const struct place *place, bool follow)
{
    struct place_name name;
    int rc = place_name(c, place, &name), fd;

    if (rc < 0)
        return rc;
    if (c->s->in_sight && !place->is_fd)
        return walk_open(c, place, follow);
    /* What is named by a number of the caller's is behind a magic link of ours. */
    fd = open(name.text, O_PATH | O_CLOEXEC | (follow || place->is_fd ? 0 : O_NOFOLLOW));
    if (fd < 0 && errno == ENOENT)
        return place->is_fd ? -EBADF : walk_open(c, place, follow);
    if (fd < 0)
        return -errno;
    if (!call_alive(c)) {
        close(fd);
        return -ESRCH;
    }
    return fd;
}

int place_parent(const struct call *c, const struct place *place, char name[NAME_MAX + 1])
{
    struct place parent;
    size_t end = strlen(place->path), start;

    while (end > 0 && place->path[end - 1] == '/')
        end--;
    for (start = end; start > 0 && place->path[start - 1] != '/'; start--)
        ;
    if (end == start || (place->path[start] == '.' &&
                         (end - start == 1 || (end - start == 2 && place->path[start + 1] == '.'))))
        return -EEXIST;
    if (end - start > NAME_MAX)
        return -ENAMETOOLONG;
    memcpy(name, place->path + start, end - start);
    name[end - start] = 0;
    parent.dirfd = place->dirfd;
    parent.is_fd = false;
    memcpy(parent.path, place->path, start);
    memcpy(parent.path + start, ".", 2);
    return place_open(c, &parent, true);
}
