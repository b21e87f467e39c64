/* What this host allows: a forked child does what a step does, piece by piece, in a scratch
 * directory, and says how each went. */
#include "kilnrun.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <sys/xattr.h>

#include "overlay.h"
#include "seccomp.h"
#include "sys.h"
#include "userns.h"

#define SCRATCH "kiln-probe"

static void remove_tree(int dir, const char *name)
{
    int fd = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
    DIR *entries = fd < 0 ? NULL : fdopendir(fd);

    for (struct dirent *e; entries && (e = readdir(entries));) {
        if (strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        if (unlinkat(fd, e->d_name, 0) < 0)
            remove_tree(fd, e->d_name);
    }
    if (entries)
        closedir(entries);
    unlinkat(dir, name, AT_REMOVEDIR);
}

static int make_scratch(int dir)
{
    static const char *const directories[] = {SCRATCH "/lower", SCRATCH "/lower/dir",
                                              SCRATCH "/upper", SCRATCH "/work"};
    int fd;

    remove_tree(dir, SCRATCH);
    if (mkdirat(dir, SCRATCH, 0700) < 0)
        return -errno;
    for (size_t i = 0; i < sizeof directories / sizeof directories[0]; i++)
        if (mkdirat(dir, directories[i], 0755) < 0)
            return -errno;
    fd = openat(dir, SCRATCH "/lower/file", O_WRONLY | O_CREAT | O_CLOEXEC, 0644);
    if (fd < 0)
        return -errno;
    close(fd);
    return 0;
}

/* Removes a file, which must leave a whiteout in the upper directory, and makes a directory anew,
 * which must be marked opaque there. The mount alone proves nothing: it may be degraded. */
static int use_overlay(int root, int upper)
{
    struct stat st;
    char opaque = 0;
    int dir;

    if (unlinkat(root, "file", 0) < 0 || unlinkat(root, "dir", AT_REMOVEDIR) < 0 ||
        mkdirat(root, "dir", 0755) < 0 || fstatat(upper, "file", &st, AT_SYMLINK_NOFOLLOW) < 0)
        return -errno;
    if (!S_ISCHR(st.st_mode) || st.st_rdev != makedev(0, 0))
        return -ENOTSUP;
    dir = openat(upper, "dir", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (dir < 0)
        return -errno;
    if (fgetxattr(dir, "user.overlay.opaque", &opaque, 1) != 1 || opaque != 'y')
        opaque = 0;
    close(dir);
    return opaque ? 0 : -ENOTSUP;
}

static int open_directory(int dir, const char *name)
{
    return openat(dir, name, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

static void probe_overlay(int dir, struct kilnrun_probe *p)
{
    const char *const names[] = {"lower"};
    int lower = open_directory(dir, SCRATCH "/lower");
    struct kilnrun_spec spec = {.root.lower_fds = &lower,
                                .root.n_lowers = 1,
                                .root.stub_fd = -1,
                                .root.lower_parent_fd = open_directory(dir, SCRATCH),
                                .root.lower_names = names,
                                .root.upper_fd = open_directory(dir, SCRATCH "/upper"),
                                .root.work_fd = open_directory(dir, SCRATCH "/work")};
    struct kilnrun_failure failure = {0};
    int root = overlay_detached(&spec.root, KILNRUN_OVERLAY_AUTO, &failure);

    p->lowerdir_plus = root == -ENOSYS ? -ENOSYS : 0;
    if (unshare(CLONE_NEWNS) < 0 || mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0) {
        p->overlay = -errno;
        return;
    }
    if (root == -ENOSYS)
        root = overlay_by_mount(&spec.root, &failure);
    else if (root >= 0)
        root = overlay_attach(root, &failure);
    p->overlay = root < 0 ? root : use_overlay(root, spec.root.upper_fd);
}

static int probe_proc(void)
{
    int fs = fsopen("proc", FSOPEN_CLOEXEC);

    if (fs < 0 || fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ||
        fsmount(fs, FSMOUNT_CLOEXEC, 0) < 0)
        return -errno;
    return 0;
}

/* user_namespaces(7): "deny" where the builder has one id. */
static bool setgroups_denied(void)
{
    char word[8] = "";
    int fd = open("/proc/self/setgroups", O_RDONLY | O_CLOEXEC);

    if (fd >= 0) {
        if (read(fd, word, sizeof word - 1) < 0)
            word[0] = 0;
        close(fd);
    }
    return strncmp(word, "deny", 4) == 0;
}

__attribute__((noreturn)) static void try_overlay(int dir, int result)
{
    struct kilnrun_probe p = {0};

    probe_overlay(dir, &p);
    if (write(result, &p, sizeof p) != (ssize_t)sizeof p)
        _exit(1);
    _exit(0);
}

__attribute__((noreturn)) static void try_all(int dir, int result)
{
    struct kilnrun_probe p = {0};
    struct kilnrun_failure failure = {0};
    int user_ns = userns_make(setgroups_denied(), &failure);

    p.nested_userns = user_ns < 0 ? user_ns : 0;
    p.fresh_proc = probe_proc();
    probe_overlay(dir, &p);
    if (user_ns < 0)
        p.seccomp = user_ns;
    else
        p.seccomp = setns(user_ns, CLONE_NEWUSER) < 0 ? -errno : seccomp_install(NULL, 0);
    if (write(result, &p, sizeof p) != (ssize_t)sizeof p)
        _exit(1);
    _exit(0);
}

/* In a child, which makes system calls only. */
static int try_in_child(int dirfd, uint64_t namespaces, void (*try)(int dir, int result),
                        struct kilnrun_probe *out)
{
    int ends[2], pidfd = -1, rc = make_scratch(dirfd);
    siginfo_t info;
    pid_t pid;

    if (rc < 0)
        return rc;
    if (pipe2(ends, O_CLOEXEC) < 0) {
        rc = -errno;
        remove_tree(dirfd, SCRATCH);
        return rc;
    }
    pid = sys_clone(namespaces, &pidfd);
    if (pid == 0)
        try(dirfd, ends[1]);
    rc = pid < 0 ? -errno : 0;
    close(ends[1]);
    if (rc == 0 && read(ends[0], out, sizeof *out) != (ssize_t)sizeof *out)
        rc = -EPROTO;
    close(ends[0]);
    if (pid > 0) {
        while (waitid(P_PIDFD, (id_t)pidfd, &info, WEXITED) < 0 && errno == EINTR)
            ;
        close(pidfd);
    }
    remove_tree(dirfd, SCRATCH);
    return rc;
}

int kilnrun_probe(int dirfd, struct kilnrun_probe *out)
{
    return try_in_child(dirfd, CLONE_NEWPID, try_all, out);
}

int kilnrun_probe_overlay(int dirfd)
{
    struct kilnrun_probe p = {0};
    int rc = try_in_child(dirfd, 0, try_overlay, &p);

    return rc < 0 ? rc : p.overlay;
}
