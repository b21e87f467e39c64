#include "mounts.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <stdio.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "sys.h"

#define NO_EXTRAS (MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOEXEC)
#define BENEATH (RESOLVE_BENEATH | RESOLVE_NO_SYMLINKS | RESOLVE_NO_MAGICLINKS)

/* Docker's maskedPaths and readonlyPaths (moby, daemon/pkg/oci/defaults.go). */
static const char *const proc_masked[] = {"acpi",       "asound",        "interrupts",  "kcore",
                                          "keys",       "latency_stats", "sched_debug", "scsi",
                                          "timer_list", "timer_stats"};
static const char *const proc_readonly[] = {"bus", "fs", "irq", "sys", "sysrq-trigger"};
/* fs/cgroup: the host's tree, which a cgroup namespace does not hide in a copied mount. */
static const char *const sys_masked[] = {"firmware", "devices/virtual/powercap", "fs/cgroup"};
static const char *const dev_nodes[] = {"full", "null", "random", "tty", "urandom", "zero"};
static const char *const dev_links[][2] = {{"fd", "/proc/self/fd"},
                                           {"stdin", "/proc/self/fd/0"},
                                           {"stdout", "/proc/self/fd/1"},
                                           {"stderr", "/proc/self/fd/2"},
                                           {"ptmx", "pts/ptmx"}};

#define DEFAULT_SHM (64ULL << 20)
#define COUNT(array) (sizeof(array) / sizeof(array)[0])

struct option {
    const char *key, *value;
};

/* A new file system of a type, as a detached mount. */
static int new_mount(const char *type, const struct option *options, size_t n, unsigned attributes)
{
    int fs = fsopen(type, FSOPEN_CLOEXEC);
    int mount, rc = 0;

    if (fs < 0)
        return -errno;
    for (size_t i = 0; rc == 0 && i < n; i++)
        rc = fsconfig(fs, FSCONFIG_SET_STRING, options[i].key, options[i].value, 0);
    if (rc == 0)
        rc = fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0);
    mount = rc < 0 ? -errno : fsmount(fs, FSMOUNT_CLOEXEC, attributes);
    if (rc == 0 && mount < 0)
        mount = -errno;
    close(fs);
    return mount;
}

/* Attaches at a directory or file that is open. */
static int attach_at(int mount, int place)
{
    return move_mount(mount, "", place, "", MOVE_MOUNT_F_EMPTY_PATH | MOVE_MOUNT_T_EMPTY_PATH) < 0
               ? -errno
               : 0;
}

/* Attaches at a name in a directory; the mount's fd is closed. Takes a negative errno for mount. */
static int attach_in(int mount, int dir, const char *name)
{
    int rc = mount;

    if (mount >= 0) {
        rc = move_mount(mount, "", dir, name, MOVE_MOUNT_F_EMPTY_PATH) < 0 ? -errno : 0;
        close(mount);
    }
    return rc;
}

static int copy_of(int dir, const char *path, unsigned flags)
{
    int copy = open_tree(dir, path, OPEN_TREE_CLONE | OPEN_TREE_CLOEXEC | flags);

    return copy < 0 ? -errno : copy;
}

static int add_attributes(int mount, uint64_t attributes)
{
    struct mount_attr attr = {.attr_set = attributes};

    return mount_setattr(mount, "", AT_EMPTY_PATH | AT_RECURSIVE, &attr, sizeof attr) < 0 ? -errno
                                                                                          : 0;
}

/* /proc and /sys must be directories of the image, or absent. */
static int plain_place(struct mounts *m, const char *name)
{
    struct stat st;

    if (fstatat(m->root, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISLNK(st.st_mode))
        return -ELOOP;
    return rootfs_place(m->root, name, ROOTFS_DIRECTORY, &m->stubs);
}

static int attach_named(struct mounts *m, int mount, const char *name)
{
    int place, rc;

    if (mount < 0)
        return failure_set(m->failure, mount, name, "mount a %s for the command", name);
    place = plain_place(m, name);
    if (place == -ELOOP)
        return failure_set(m->failure, place, name, "/%s is a symbolic link in the image", name);
    if (place < 0)
        return failure_set(m->failure, place, name, "/%s in the rootfs", name);
    rc = attach_at(mount, place);
    close(place);
    return rc < 0 ? failure_set(m->failure, rc, name, "mount on /%s", name) : 0;
}

int mounts_proc(struct mounts *m)
{
    m->proc = new_mount("proc", NULL, 0, NO_EXTRAS);
    return attach_named(m, m->proc, "proc");
}

int mounts_outer_proc(struct mounts *m)
{
    int rc;

    m->proc = copy_of(AT_FDCWD, "/proc", AT_RECURSIVE);
    if (m->proc >= 0 && (rc = add_attributes(m->proc, NO_EXTRAS)) < 0)
        return failure_set(m->failure, rc, "proc", "set the mount attributes of /proc");
    return attach_named(m, m->proc, "proc");
}

/* Whether this mount may be why the kernel refuses a fresh /proc. What is made to be mounted on,
 * and is empty, is not (proc_create_mount_point() and register_sysctl_mount_point()). */
static bool covers_proc(const char *place)
{
    static const char *const harmless[] = {"/proc/sys/fs/binfmt_misc", "/proc/fs/nfsd"};

    for (size_t i = 0; i < COUNT(harmless); i++)
        if (strcmp(place, harmless[i]) == 0)
            return false;
    return strncmp(place, "/proc/", 6) == 0;
}

/* In a pid namespace of our own, for it takes power over that. */
static bool is_refused(void)
{
    int pidfd = -1;
    siginfo_t info = {0};
    pid_t pid = sys_clone(CLONE_NEWPID, &pidfd);

    if (pid == 0)
        _exit(new_mount("proc", NULL, 0, NO_EXTRAS) < 0);
    while (pid > 0 && waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
        ;
    if (pidfd >= 0)
        close(pidfd);
    return pid < 0 || info.si_code != CLD_EXITED || info.si_status != 0;
}

bool mounts_proc_is_covered(void)
{
    FILE *mounts = fopen("/proc/self/mountinfo", "re");
    bool covered = false;
    char line[4096], place[4096];

    /* proc_pid_mountinfo(5): the fifth field */
    while (!covered && mounts && fgets(line, sizeof line, mounts))
        covered = sscanf(line, "%*s %*s %*s %*s %4095s", place) == 1 && covers_proc(place);
    if (mounts)
        fclose(mounts);
    return covered && is_refused();
}

/* /sys alone if the kernel lets us, which it does for real root. In a user namespace what lies
 * under its mounts must stay covered: they come along. A new one is refused where the outer /sys is
 * not fully visible (a container's; user_namespaces(7)), or belongs to the host's network. */
int mounts_sys(struct mounts *m, bool own_network, bool writable)
{
    unsigned attributes = NO_EXTRAS | (writable ? 0 : MOUNT_ATTR_RDONLY);
    int rc;

    m->sys = own_network ? new_mount("sysfs", NULL, 0, attributes) : -1;
    if (m->sys >= 0)
        return attach_named(m, m->sys, "sys");
    m->sys = copy_of(AT_FDCWD, "/sys", 0);
    if (m->sys == -EINVAL)
        m->sys = copy_of(AT_FDCWD, "/sys", AT_RECURSIVE);
    if (m->sys >= 0 && (rc = add_attributes(m->sys, attributes)) < 0)
        return failure_set(m->failure, rc, "sys", "set the mount attributes of /sys");
    return attach_named(m, m->sys, "sys");
}

/* A node of the command's own where the kernel lets us make one, as it does for real root; else the
 * host's, read-only: a command that owns it could change its mode for all, and the kernel lets
 * devices be written all the same. */
static int add_node(struct mounts *m, const char *name)
{
    char host[32];
    struct stat st;
    int file, copy, rc;

    snprintf(host, sizeof host, "/dev/%s", name);
    if (stat(host, &st) < 0)
        return errno == ENOENT ? 0 : -errno;
    if (mknodat(m->dev, name, S_IFCHR, st.st_rdev) == 0)
        return fchmodat(m->dev, name, 0666, 0) < 0 ? -errno : 0;
    file = openat(m->dev, name, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0666);
    if (file >= 0)
        close(file);
    copy = copy_of(AT_FDCWD, host, 0);
    if (copy >= 0 && (rc = add_attributes(copy, MOUNT_ATTR_RDONLY)) < 0) {
        close(copy);
        return rc;
    }
    return attach_in(copy, m->dev, name);
}

static int add_directory(struct mounts *m, const char *name, const char *type,
                         const struct option *options, size_t n, unsigned attributes)
{
    int rc;

    if (mkdirat(m->dev, name, 0755) < 0)
        return failure_set(m->failure, -errno, "dev", "mkdir /dev/%s", name);
    rc = attach_in(new_mount(type, options, n, attributes), m->dev, name);
    return rc < 0 ? failure_set(m->failure, rc, "dev", "mount %s on /dev/%s", type, name) : 0;
}

static int fill_dev(struct mounts *m)
{
    /* gid 5, tty, may not be in the id map. */
    static const struct option pts[] = {{"ptmxmode", "0666"}, {"mode", "0620"}, {"gid", "5"}};
    char bytes[32];
    const struct option shm[] = {{"mode", "1777"}, {"size", bytes}};
    int rc;

    snprintf(bytes, sizeof bytes, "%llu",
             (unsigned long long)(m->shm_size > 0 ? m->shm_size : DEFAULT_SHM));

    for (size_t i = 0; i < COUNT(dev_nodes); i++)
        if ((rc = add_node(m, dev_nodes[i])) < 0)
            return failure_set(m->failure, rc, "dev", "bind /dev/%s of the host", dev_nodes[i]);
    for (size_t i = 0; i < COUNT(dev_links); i++)
        if (symlinkat(dev_links[i][1], m->dev, dev_links[i][0]) < 0)
            return failure_set(m->failure, -errno, "dev", "symlink /dev/%s", dev_links[i][0]);
    if ((rc = add_directory(m, "pts", "devpts", pts, m->single_id ? 2 : 3,
                            MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC)) < 0 ||
        (rc = add_directory(m, "shm", "tmpfs", shm, 2, NO_EXTRAS)) < 0 ||
        (rc = add_directory(m, "mqueue", "mqueue", NULL, 0, NO_EXTRAS)) < 0)
        return rc;
    return 0;
}

int mounts_dev(struct mounts *m)
{
    static const struct option options[] = {{"mode", "755"}, {"size", "65536k"}};
    int rc;

    m->dev = new_mount("tmpfs", options, COUNT(options), MOUNT_ATTR_NOSUID);
    if (m->dev < 0)
        return failure_set(m->failure, m->dev, "dev", "mount a tmpfs");
    rc = mounts_attach(m, m->dev, "dev", "dev");
    return rc < 0 ? rc : fill_dev(m);
}

/* An empty read-only directory over another one; one tmpfs serves for all of a step. */
static int mask_directory(struct mounts *m, int place)
{
    static const struct option options[] = {{"mode", "755"}, {"nr_inodes", "1"}};
    int copy, rc;

    if (m->empty < 0) {
        copy = new_mount("tmpfs", options, COUNT(options), NO_EXTRAS | MOUNT_ATTR_RDONLY);
        rc = copy < 0 ? copy : attach_at(copy, place);
        m->empty = rc == 0 ? copy : -1;
        return rc;
    }
    copy = copy_of(m->empty, "", AT_EMPTY_PATH);
    if (copy < 0)
        return copy;
    rc = attach_at(copy, place);
    close(copy);
    return rc;
}

static int mask_file(struct mounts *m, int place)
{
    int copy = copy_of(m->dev, "null", 0), rc = copy;

    if (copy >= 0) {
        rc = attach_at(copy, place);
        close(copy);
    }
    return rc;
}

static int mask(struct mounts *m, int mount, const char *path)
{
    int place = sys_openat2(mount, path, O_PATH | O_CLOEXEC, BENEATH), rc;
    struct stat st;

    if (place < 0)
        return errno == ENOENT ? 0 : -errno;
    if (fstat(place, &st) < 0)
        rc = -errno;
    else
        rc = S_ISDIR(st.st_mode) ? mask_directory(m, place) : mask_file(m, place);
    close(place);
    return rc;
}

static int make_readonly(int mount, const char *path)
{
    int copy = copy_of(mount, path, AT_RECURSIVE), rc;

    if (copy < 0)
        return copy == -ENOENT ? 0 : copy;
    rc = add_attributes(copy, MOUNT_ATTR_RDONLY);
    if (rc < 0) {
        close(copy);
        return rc;
    }
    return attach_in(copy, mount, path);
}

int mounts_masks(struct mounts *m)
{
    int rc;

    for (size_t i = 0; i < COUNT(proc_masked); i++)
        if ((rc = mask(m, m->proc, proc_masked[i])) < 0)
            return failure_set(m->failure, rc, "proc", "mask /proc/%s", proc_masked[i]);
    for (size_t i = 0; i < COUNT(proc_readonly); i++)
        if ((rc = make_readonly(m->proc, proc_readonly[i])) < 0)
            return failure_set(m->failure, rc, "proc", "make /proc/%s read-only", proc_readonly[i]);
    for (size_t i = 0; i < COUNT(sys_masked); i++)
        if ((rc = mask(m, m->sys, sys_masked[i])) < 0)
            return failure_set(m->failure, rc, "sys", "mask /sys/%s", sys_masked[i]);
    return 0;
}

int mounts_detach(int source_fd, bool readonly, struct kilnrun_failure *failure, const char *what)
{
    int copy, rc;

    if (source_fd < 0)
        return -1;
    copy = copy_of(source_fd, "", AT_EMPTY_PATH | AT_RECURSIVE);
    if (copy < 0)
        return failure_set(failure, copy, "bind", "copy the mount for %s", what);
    rc = add_attributes(copy, MOUNT_ATTR_NODEV | (readonly ? MOUNT_ATTR_RDONLY : 0));
    if (rc < 0) {
        close(copy);
        return failure_set(failure, rc, "bind", "set the mount attributes of %s", what);
    }
    return copy;
}

int mounts_tmpfs(uint64_t size, bool readonly)
{
    char bytes[32];
    const struct option options[] = {{"mode", "1777"}, {"size", bytes}};

    snprintf(bytes, sizeof bytes, "%llu", (unsigned long long)size);
    return new_mount("tmpfs", options, size > 0 ? 2 : 1,
                     MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | (readonly ? MOUNT_ATTR_RDONLY : 0));
}

static int copy_bytes(int from, int to)
{
    char buffer[16 * 1024];
    off_t done = 0;
    ssize_t n;

    while ((n = pread(from, buffer, sizeof buffer, done)) > 0) {
        if (write(to, buffer, (size_t)n) != n)
            return errno ? -errno : -EIO;
        done += n;
    }
    explicit_bzero(buffer, sizeof buffer);
    return n < 0 ? -errno : 0;
}

int mounts_secret(int content_fd, mode_t mode, uid_t uid, gid_t gid, bool keep_owner)
{
    static const struct option options[] = {{"mode", "700"}};
    uint64_t attributes = MOUNT_ATTR_NOSUID | MOUNT_ATTR_NODEV | MOUNT_ATTR_RDONLY |
                          (mode & 0111 ? 0 : MOUNT_ATTR_NOEXEC);
    int memory = new_mount("ramfs", options, COUNT(options), NO_EXTRAS);
    int file, rc;

    if (memory < 0)
        return memory;
    file = openat(memory, "secret", O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
    rc = file < 0 ? -errno : copy_bytes(content_fd, file);
    if (rc == 0 && fchown(file, uid, gid) < 0 && !(keep_owner && errno == EINVAL))
        rc = -errno;
    if (rc == 0 && fchmod(file, mode & 0777) < 0)
        rc = -errno;
    if (file >= 0)
        close(file);
    /* kernels before 6.15 copy only what is mounted somewhere */
    if (rc == 0 && move_mount(memory, "", AT_FDCWD, "/", MOVE_MOUNT_F_EMPTY_PATH) < 0)
        rc = -errno;
    if (rc == 0)
        rc = copy_of(memory, "secret", 0);
    close(memory);
    if (rc >= 0 && (file = add_attributes(rc, attributes)) < 0) {
        close(rc);
        rc = file;
    }
    return rc;
}

int mounts_subpath(int mount, const char *path, bool readonly)
{
    int place =
        sys_openat2(mount, path, O_PATH | O_CLOEXEC, RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    int copy, rc;

    if (place < 0)
        return -errno;
    copy = copy_of(place, "", AT_EMPTY_PATH);
    close(place);
    if (copy < 0)
        return copy;
    rc = add_attributes(copy, MOUNT_ATTR_NODEV | (readonly ? MOUNT_ATTR_RDONLY : 0));
    if (rc < 0) {
        close(copy);
        return rc;
    }
    return copy;
}

int mounts_attach(struct mounts *m, int detached, const char *path, const char *stage)
{
    struct stat st;
    int place, rc;

    if (detached < 0)
        return 0;
    if (fstat(detached, &st) < 0)
        return failure_set(m->failure, -errno, stage, "%s", path);
    place = rootfs_place(m->root, path, S_ISDIR(st.st_mode) ? ROOTFS_DIRECTORY : ROOTFS_FILE,
                         &m->stubs);
    if (place < 0)
        return failure_set(m->failure, place, stage, "mount point %s in the rootfs", path);
    rc = attach_at(detached, place);
    close(place);
    return rc < 0 ? failure_set(m->failure, rc, stage, "mount on %s", path) : 0;
}
