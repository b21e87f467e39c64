#include "overlay.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/statvfs.h>

#include "sys.h"

/* A directory of the overlay by fd, in the form that the kernel takes. */
static int set_directory(int fs, const char *key, int fd, enum kilnrun_overlay method)
{
    char path[32];

    if (method == KILNRUN_OVERLAY_FDS)
        return fsconfig(fs, FSCONFIG_SET_FD, key, NULL, fd) < 0 ? -errno : 0;
    snprintf(path, sizeof path, "/proc/self/fd/%d", fd);
    return fsconfig(fs, FSCONFIG_SET_STRING, key, path, 0) < 0 ? -errno : 0;
}

/* The n-th lower directory; *opened says that the caller must close it. */
static int lower_directory(const struct kilnrun_layers *layers, size_t n, bool *opened)
{
    int fd;

    *opened = !layers->lower_fds;
    if (layers->lower_fds)
        return layers->lower_fds[n];
    fd = openat(layers->lower_parent_fd, layers->lower_names[n],
                O_PATH | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    return fd < 0 ? -errno : fd;
}

/* *method AUTO becomes the one that the kernel takes. */
static int set_lowers(int fs, const struct kilnrun_layers *layers, enum kilnrun_overlay *method,
                      struct kilnrun_failure *failure)
{
    bool choose = *method == KILNRUN_OVERLAY_AUTO;
    size_t n_all = layers->n_lowers + (layers->stub_fd >= 0);

    if (choose)
        *method = KILNRUN_OVERLAY_FDS;
    for (size_t i = 0; i < n_all; i++) {
        bool opened = false;
        int fd = i < layers->n_lowers ? lower_directory(layers, i, &opened) : layers->stub_fd;
        int rc = fd < 0 ? fd : set_directory(fs, "lowerdir+", fd, *method);

        /* EBADF: kernels that know fds here, but not O_PATH ones. */
        if (i == 0 && choose && fd >= 0 && (rc == -EINVAL || rc == -EBADF)) {
            *method = KILNRUN_OVERLAY_PATHS;
            rc = set_directory(fs, "lowerdir+", fd, *method);
        }
        if (opened && fd >= 0)
            close(fd);
        if (i == 0 && rc == -EINVAL)
            return -ENOSYS;
        if (rc < 0)
            return failure_set(failure, rc, "overlay", "lower directory %zu of %zu", i + 1, n_all);
    }
    return 0;
}

/* What the kernel wrote about a failed mount to the configuration's log, if anything. */
static int create_failed(int fs, int error, struct kilnrun_failure *failure)
{
    char line[200];
    ssize_t n = read(fs, line, sizeof line - 1);

    if (n > 0 && line[n - 1] == '\n')
        n--;
    return failure_set(failure, error, "overlay", "mount: %.*s",
                       n > 2 ? (int)n - 2 : (int)strlen("no reason given"),
                       n > 2 ? line + 2 : "no reason given");
}

static int configure(int fs, const struct kilnrun_layers *layers, enum kilnrun_overlay method,
                     struct kilnrun_failure *failure)
{
    int rc;

    if (fsconfig(fs, FSCONFIG_SET_FLAG, "userxattr", NULL, 0) < 0)
        return failure_set(failure, -errno, "overlay", "userxattr (Linux 5.11 is needed)");
    if (fsconfig(fs, FSCONFIG_SET_STRING, "index", "off", 0) < 0)
        return failure_set(failure, -errno, "overlay", "index=off");
    (void)fsconfig(fs, FSCONFIG_SET_FLAG, "volatile", NULL, 0); /* only a matter of speed */
    rc = set_lowers(fs, layers, &method, failure);
    if (rc < 0)
        return rc;
    if ((rc = set_directory(fs, "upperdir", layers->upper_fd, method)) < 0)
        return failure_set(failure, rc, "overlay", "upper directory");
    if ((rc = set_directory(fs, "workdir", layers->work_fd, method)) < 0)
        return failure_set(failure, rc, "overlay", "work directory");
    if (fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0)
        return create_failed(fs, -errno, failure);
    return 0;
}

/* Where overlayfs cannot make a directory in its work directory it says so in the kernel's log, and mounts for reading
 * alone (fs/overlayfs/super.c, ovl_make_workdir()). Stores that cannot be written to are refused long before: so there is
 * no space left, or no inode. Takes the mount over. */
static int refuse_read_only(int mount, struct kilnrun_failure *failure)
{
    struct statvfs st;

    if (fstatvfs(mount, &st) < 0 || !(st.f_flag & ST_RDONLY))
        return mount;
    close(mount);
    return failure_set(failure, -ENOSPC, "overlay", "work directory");
}

/* No layers to put together: the directory as it is, with what is mounted on it. */
static int directory_detached(int directory, struct kilnrun_failure *failure)
{
    struct mount_attr nodev = {.attr_set = MOUNT_ATTR_NODEV};
    int mount = open_tree(directory, "",
                          AT_EMPTY_PATH | AT_RECURSIVE | OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC);

    if (mount < 0)
        return failure_set(failure, -errno, "rootfs", "bind the directory");
    if (mount_setattr(mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &nodev, sizeof nodev) < 0) {
        close(mount);
        return failure_set(failure, -errno, "rootfs", "set the mount attributes");
    }
    return mount;
}

int overlay_detached(const struct kilnrun_layers *layers, enum kilnrun_overlay method,
                     struct kilnrun_failure *failure)
{
    int fs, mount, rc;

    if (layers->work_fd < 0)
        return directory_detached(layers->upper_fd, failure);
    if (method == KILNRUN_OVERLAY_MOUNT)
        return -ENOSYS;
    fs = fsopen("overlay", FSOPEN_CLOEXEC);
    if (fs < 0)
        return failure_set(failure, -errno, "overlay", "the kernel has no overlayfs for this user");
    rc = configure(fs, layers, method, failure);
    if (rc < 0) {
        close(fs);
        return rc;
    }
    /* nodev: a layer that root unpacked may hold a node of the host's disk. */
    mount = fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NODEV);
    rc = mount < 0 ? failure_set(failure, -errno, "overlay", "fsmount") : refuse_read_only(mount, failure);
    close(fs);
    return rc;
}

int overlay_attach(int detached, struct kilnrun_failure *failure)
{
    if (move_mount(detached, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        return failure_set(failure, -errno, "overlay", "attach the mount");
    return detached;
}

/* A directory of the builder's mount namespace once more, in this one, which is a copy of it: the
 * same path, and checked to be the same directory. path_out, if not NULL, gets the path. */
static int reopen(int fd, char path_out[PATH_MAX])
{
    char link[32], path[PATH_MAX];
    struct stat before, now;
    ssize_t n;
    int again;

    snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    n = readlink(link, path, sizeof path - 1);
    if (n < 0)
        return -errno;
    path[n] = 0;
    again = open(path, O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (again < 0)
        return -errno;
    if (fstat(fd, &before) < 0 || fstat(again, &now) < 0 || before.st_dev != now.st_dev ||
        before.st_ino != now.st_ino) {
        close(again);
        return -ESTALE;
    }
    if (path_out)
        memcpy(path_out, path, (size_t)n + 1);
    return again;
}

struct options {
    char text[4096]; /* mount(2) takes one page */
    size_t size;
    bool too_long;
};

__attribute__((format(printf, 2, 3))) static void add(struct options *o, const char *format, ...)
{
    va_list ap;
    int n;

    va_start(ap, format);
    n = vsnprintf(o->text + o->size, sizeof o->text - o->size, format, ap);
    va_end(ap);
    if (n < 0 || (size_t)n >= sizeof o->text - o->size)
        o->too_long = true;
    else
        o->size += (size_t)n;
}

/* By name relative to the working directory, or by fd, which is longer. */
static int add_lowers(struct options *o, const struct kilnrun_layers *layers,
                      struct kilnrun_failure *failure)
{
    size_t n_all = layers->n_lowers + (layers->stub_fd >= 0);

    for (size_t i = 0; i < n_all; i++) {
        const char *colon = i > 0 ? ":" : "";
        int fd;

        if (layers->lower_names) {
            if (strpbrk(layers->lower_names[i], ",:\\"))
                return failure_set(failure, -EINVAL, "overlay", "lower directory named %s",
                                   layers->lower_names[i]);
            add(o, "%s%s", colon, layers->lower_names[i]);
            continue;
        }
        fd = reopen(i < layers->n_lowers ? layers->lower_fds[i] : layers->stub_fd, NULL);
        if (fd < 0)
            return failure_set(failure, fd, "overlay", "lower directory %zu of %zu", i + 1, n_all);
        add(o, "%s/proc/self/fd/%d", colon, fd);
    }
    return 0;
}

int overlay_by_mount(const struct kilnrun_layers *layers, struct kilnrun_failure *failure)
{
    struct options o = {0};
    char target[PATH_MAX];
    int upper, work, rc;

    upper = reopen(layers->upper_fd, target);
    if (upper < 0)
        return failure_set(failure, upper, "overlay", "upper directory");
    work = reopen(layers->work_fd, NULL);
    if (work < 0)
        return failure_set(failure, work, "overlay", "work directory");
    if (layers->lower_names) {
        int parent = reopen(layers->lower_parent_fd, NULL);
        if (parent < 0 || fchdir(parent) < 0)
            return failure_set(failure, parent < 0 ? parent : -errno, "overlay",
                               "directory of the lower directories");
    }
    add(&o,
        "userxattr,volatile,index=off,upperdir=/proc/self/fd/%d,workdir=/proc/self/fd/%d,"
        "lowerdir=",
        upper, work);
    rc = add_lowers(&o, layers, failure);
    if (rc < 0)
        return rc;
    if (o.too_long)
        return failure_set(failure, -E2BIG, "overlay", "%zu lower directories", layers->n_lowers);
    /* Over the upper directory: some directory of this namespace, which nobody else looks at. */
    if (mount("overlay", target, "overlay", MS_NODEV, o.text) < 0)
        return failure_set(failure, -errno, "overlay", "mount(2) of %zu lower directories",
                           layers->n_lowers);
    rc = open(target, O_PATH | O_DIRECTORY | O_CLOEXEC);
    return rc < 0 ? failure_set(failure, -errno, "overlay", "open %s", target) : refuse_read_only(rc, failure);
}
