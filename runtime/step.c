/* Everything that is done before the command is executed, in order; see step_run().
 *
 * The order is what the kernel allows: layers and binds are taken in the builder's mount namespace,
 * mounts are made while the builder's user namespace gives the power to, the command's process is
 * made when the nested user namespace was entered, so that no more than its own can be held by its
 * init; there the seccomp filter goes in (while CAP_SYS_ADMIN is still held, so that no_new_privs
 * is not needed) before capabilities are cut. */
#include "step.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <limits.h>
#include <linux/keyctl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include "binds.h"
#include "caps.h"
#include "chroot.h"
#include "close.h"
#include "emulate.h"
#include "init.h"
#include "limits.h"
#include "mounts.h"
#include "overlay.h"
#include "reaper.h"
#include "seccomp.h"
#include "supervisor.h"
#include "sys.h"
#include "tty.h"
#include "wire.h"

/* Where a command is looked for when its environment has no PATH; Docker's default. */
#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

struct step {
    const struct step_setup *setup;
    int socket; /* to the builder */
    int supervisor; /* socket to it, or -1 */
    struct kilnrun_spec spec;
    void *spec_bytes; /* what its strings lie in */
    size_t spec_size;
    struct kilnrun_failure failure;
    struct mounts mounts;
    int overlay;  /* detached, or -1 for the fallback */
    int files[3]; /* detached copies of resolv.conf, hosts and hostname */
    struct binds binds;
};

static const struct {
    const char *path, *stage;
} file_places[3] = {
    {"/etc/resolv.conf", "resolv.conf"}, {"/etc/hosts", "hosts"}, {"/etc/hostname", "hostname"}};

static int read_spec(struct step *s)
{
    int rc = spec_map(s->setup->spec_fd, &s->setup->fds, &s->spec, &s->spec_bytes, &s->spec_size);

    s->mounts.shm_size = s->spec.limits.shm_size;

    return rc < 0 ? failure_set(&s->failure, rc, "spec", "read the specification") : 0;
}

static enum kilnrun_isolation isolation(const struct step *s)
{
    return s->setup->options->isolation;
}

/* Here the process of the step stays as the reaper, and the command's goes on. */
static int leave_reaper(struct step *s)
{
    int rc = isolation(s) == KILNRUN_NAMESPACES
                 ? 0
                 : reaper_fork(s->setup->launcher, isolation(s) == KILNRUN_PROOT, &s->spec);

    return rc < 0 ? failure_set(&s->failure, rc, "clone", "make the command's process") : 0;
}

/* What a command may expect of its process: nothing of the builder's, nothing of ours. Signals are
 * as they should be: the launcher has reset them for itself. */
static int reset_process(struct step *s)
{
    umask(022);
    /* session-keyring(7): the user's may hold keys that open his disks and his other hosts. A
     * filter that refuses it refuses the command the use of keys, too. */
    if (syscall(SYS_keyctl, KEYCTL_JOIN_SESSION_KEYRING, NULL) < 0 && errno != ENOSYS &&
        !(errno == EPERM && isolation(s) >= KILNRUN_CHROOT))
        return failure_set(&s->failure, -errno, "session", "make a session keyring");
    return 0;
}

/* In the builder's mount namespace: copies of what the spec's fds stand for. */
static int take_sources(struct step *s)
{
    const int file_fds[3] = {s->spec.resolv_fd, s->spec.hosts_fd, s->spec.hostname_fd};

    s->overlay = overlay_detached(&s->spec.root, s->setup->options->overlay, &s->failure);
    if (s->overlay < 0 && s->overlay != -ENOSYS)
        return s->overlay;
    if (s->overlay == -ENOSYS && (s->setup->options->overlay == KILNRUN_OVERLAY_FDS ||
                                  s->setup->options->overlay == KILNRUN_OVERLAY_PATHS))
        return failure_set(&s->failure, -ENOSYS, "overlay", "the kernel has no lowerdir+");
    for (int i = 0; i < 3; i++) {
        s->files[i] = mounts_detach(file_fds[i], true, &s->failure, file_places[i].path);
        if (s->failure.error)
            return s->failure.error;
    }
    return binds_take(&s->binds);
}

static int join_cgroups(struct step *s)
{
    return limits_join_cgroups(&s->spec.limits, &s->failure);
}

/* A mount namespace of the step's own, from which nothing propagates back; and a cgroup namespace
 * whose root is the cgroup that it is in by now. */
static int leave_mount_namespace(struct step *s)
{
    if (unshare(CLONE_NEWNS | CLONE_NEWCGROUP) < 0)
        return failure_set(&s->failure, -errno, "mount namespace", "unshare");
    if (mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL) < 0)
        return failure_set(&s->failure, -errno, "mount namespace", "make all mounts private");
    return 0;
}

/* Before /sys is mounted, which shows the devices of the network that it is mounted in. */
static int enter_network(struct step *s)
{
    if (s->spec.network_fd >= 0 && setns(s->spec.network_fd, CLONE_NEWNET) < 0)
        return failure_set(&s->failure, -errno, "network", "enter the network namespace");
    return 0;
}

static int mount_root(struct step *s)
{
    s->mounts.root = s->overlay >= 0 ? overlay_attach(s->overlay, &s->failure)
                                     : overlay_by_mount(&s->spec.root, &s->failure);
    return s->mounts.root < 0 ? s->mounts.root : 0;
}

static int mount_proc(struct step *s)
{
    return isolation(s) == KILNRUN_OUTER_PROC ? mounts_outer_proc(&s->mounts)
                                              : mounts_proc(&s->mounts);
}

static int mount_sys(struct step *s)
{
    return mounts_sys(&s->mounts, s->spec.network_fd >= 0, s->spec.insecure);
}

static int mount_masks(struct step *s)
{
    return s->spec.insecure ? 0 : mounts_masks(&s->mounts);
}

static int mount_files_and_binds(struct step *s)
{
    int rc = 0;

    for (int i = 0; rc == 0 && i < 3; i++)
        rc = mounts_attach(&s->mounts, s->files[i], file_places[i].path, file_places[i].stage);
    for (size_t i = 0; rc == 0 && i < s->spec.n_binds; i++)
        rc = mounts_attach(&s->mounts, s->binds.mounts[i], s->spec.binds[i].target, "bind");
    return rc;
}

static int report_stubs(struct step *s)
{
    const struct rootfs_stubs *stubs = &s->mounts.stubs;
    int rc = 0;

    if (stubs->size > 0)
        rc = wire_send(s->socket, WIRE_STUBS, 0, stubs->bytes, stubs->size, NULL, 0);
    return rc < 0 ? failure_set(&s->failure, rc, "report", "list the mount points made") : 0;
}

static int raise_limits(struct step *s)
{
    return limits_raise(&s->spec.limits, &s->failure);
}

static int set_hostname(struct step *s)
{
    const char *name = s->spec.hostname;

    if (name[0] && sethostname(name, strlen(name)) < 0)
        return failure_set(&s->failure, -errno, "hostname", "%s", name);
    return 0;
}

/* Whether a mount lies over the rootfs: that is where ".." of the root leads. A negative errno. */
static int is_covered(int root)
{
    struct statx own, top;

    if (statx(root, "", AT_EMPTY_PATH, STATX_MNT_ID, &own) < 0 ||
        statx(AT_FDCWD, "/..", 0, STATX_MNT_ID, &top) < 0)
        return -errno;
    if (!(own.stx_mask & top.stx_mask & STATX_MNT_ID))
        return -ENOSYS; /* Linux before 5.8 */
    return own.stx_mnt_id != top.stx_mnt_id;
}

/* The overlay becomes the root; all of the host's mounts go. pivot_root(2) explains the two dots:
 * the old root is stacked on the new one, and the top one is unmounted. What binds_make() has put
 * over the old root comes first, so this goes on until nothing is left: "/.." would lead there. */
static int enter_root(struct step *s)
{
    int covered;

    if (fchdir(s->mounts.root) < 0 || sys_pivot_root(".", ".") < 0)
        return failure_set(&s->failure, -errno, "pivot_root", "enter the rootfs");
    while ((covered = is_covered(s->mounts.root)) > 0)
        if (umount2(".", MNT_DETACH) < 0)
            return failure_set(&s->failure, -errno, "pivot_root", "unmount the host's root");
    if (covered < 0)
        return failure_set(&s->failure, covered, "pivot_root", "look at what covers the rootfs");
    if (chdir("/") < 0)
        return failure_set(&s->failure, -errno, "pivot_root", "chdir /");
    return 0;
}

/* From here on no mount can be made or undone, unless the step asks for a mount namespace that
 * belongs to the nested user namespace: there what is mounted already stays, locked. */
static int enter_user_namespace(struct step *s)
{
    if (setns(s->setup->user_ns, CLONE_NEWUSER) < 0)
        return failure_set(&s->failure, -errno, "user", "enter the nested user namespace");
    if (s->spec.insecure && unshare(CLONE_NEWNS) < 0)
        return failure_set(&s->failure, -errno, "user", "a mount namespace of the command's own");
    return 0;
}

/* Pipes are handed to the command's user, who may want to open /dev/stdout; as runc does, and like
 * it not minding if that fails (an id that is not mapped). */
static void give_away(const struct step *s, int fd)
{
    struct stat st;

    if (fstat(fd, &st) == 0 && (S_ISFIFO(st.st_mode) || S_ISSOCK(st.st_mode)))
        (void)!fchown(fd, s->spec.uid, s->spec.gid);
}

static int set_stdio(struct step *s)
{
    /* not s->mounts.dev: in a mount namespace of the command's own that is another mount, a bare
     * one */
    int null = sys_openat2(AT_FDCWD, "/dev/null", O_RDWR | O_CLOEXEC,
                           RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);
    int input = s->spec.input_fd < 0 ? null : s->spec.input_fd;
    int error = s->spec.error_fd < 0 ? s->spec.output_fd : s->spec.error_fd;

    if (s->spec.terminal_fd >= 0)
        return tty_open(s->spec.terminal_fd, s->spec.uid, &s->failure);
    if (null < 0)
        return failure_set(&s->failure, -errno, "stdio", "open /dev/null");
    give_away(s, input);
    give_away(s, s->spec.output_fd);
    give_away(s, error);
    if (dup2(input, 0) < 0 || dup2(s->spec.output_fd, 1) < 0 || dup2(error, 2) < 0)
        return failure_set(&s->failure, -errno, "stdio", "dup2");
    return 0;
}

static int take_terminal(struct step *s)
{
    return s->spec.terminal_fd >= 0 ? tty_control(&s->failure) : 0;
}

/* Of all that was inherited and opened, 0, 1 and 2 stay, and the sockets, which close with execve.
 * The names that come from the image are looked up after this, so that /proc/self/fd leads nowhere:
 * not for the working directory (runc's CVE-2024-21626), nor for the program. */
static int close_files(struct step *s)
{
    int other = s->supervisor < 0 ? -1 : fcntl(s->supervisor, F_DUPFD_CLOEXEC, 5), rc;

    if ((s->socket != 3 && dup3(s->socket, 3, O_CLOEXEC) < 0) ||
        (other >= 0 && dup3(other, 4, O_CLOEXEC) < 0) || (s->supervisor >= 0 && other < 0))
        return failure_set(&s->failure, -errno, "stdio", "dup3");
    s->socket = 3;
    s->supervisor = other >= 0 ? 4 : -1;
    rc = close_from(other >= 0 ? 5 : 4, s->mounts.proc);
    if (rc < 0)
        return failure_set(&s->failure, rc, "stdio", "close the builder's files");
    return 0;
}

/* With the capabilities that can pass any directory, as runc's first try. */
static int enter_cwd(struct step *s)
{
    int fd = sys_openat2(AT_FDCWD, s->spec.cwd, O_PATH | O_DIRECTORY | O_CLOEXEC,
                         RESOLVE_IN_ROOT | RESOLVE_NO_MAGICLINKS);

    if (fd < 0 || fchdir(fd) < 0)
        return failure_set(&s->failure, -errno, "cwd", "%s", s->spec.cwd);
    close(fd);
    return 0;
}

/* In the command's process: no terminal, and no signal that its init blocks. */
static int enter_session(struct step *s)
{
    sigset_t none;

    sigemptyset(&none);
    if (sigprocmask(SIG_SETMASK, &none, NULL) < 0 || setsid() < 0)
        return failure_set(&s->failure, -errno, "session", "setsid");
    return 0;
}

/* The supervisor knows what the command believes to be; it stays 0:0. */
static bool has_virtual_user(const struct step *s)
{
    return s->spec.emulate >= KILNRUN_EMULATE_OWNERS;
}

/* With a single id setgroups is denied, and there is no other group to set. */
static int set_groups(struct step *s)
{
    if (has_virtual_user(s))
        return 0;
    if (!s->setup->options->single_id && setgroups(s->spec.n_groups, s->spec.groups) < 0)
        return failure_set(&s->failure, -errno, "groups", "setgroups of %zu groups",
                           s->spec.n_groups);
    if (setresgid(s->spec.gid, s->spec.gid, s->spec.gid) < 0)
        return failure_set(&s->failure, -errno, "user", "group id %u (not in the id map?)",
                           (unsigned)s->spec.gid);
    return 0;
}

static int apply_limits(struct step *s)
{
    return limits_apply(&s->spec.limits, &s->failure);
}

/* Sends calls to the supervisor from here on. Comes before the filter: one of the user's may refuse
 * seccomp(2). */
static int install_emulation(struct step *s)
{
    int rc = s->spec.emulate == KILNRUN_EMULATE_OFF
                 ? 0
                 : emulate_install(s->spec.emulate, s->supervisor);

    return rc < 0 ? failure_set(&s->failure, rc, "emulate", "install the filter of emulation") : 0;
}

static int install_filter(struct step *s)
{
    bool wanted = !s->spec.insecure && !s->spec.unconfined;
    int rc = wanted ? seccomp_install(s->spec.filter, s->spec.filter_size) : 0;

    if (rc < 0)
        return failure_set(&s->failure, rc, "seccomp", "install the filter");
    if (s->spec.no_new_privs && prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) < 0)
        return failure_set(&s->failure, -errno, "seccomp", "set no_new_privs");
    return 0;
}

/* As far as they are there. */
static int cut_capabilities(struct step *s)
{
    int rc = s->spec.insecure ? 0 : caps_limit(s->spec.uid);

    return rc < 0 ? failure_set(&s->failure, rc, "capabilities", "capset") : 0;
}

static int set_user(struct step *s)
{
    if (setresuid(s->spec.uid, s->spec.uid, s->spec.uid) < 0)
        return failure_set(&s->failure, -errno, "user", "user id %u", (unsigned)s->spec.uid);
    return 0;
}

/* The bounding set while CAP_SETPCAP is there; then the user, which may drop all; then the rest. */
static int drop_privileges(struct step *s)
{
    uid_t uid = has_virtual_user(s) ? 0 : s->spec.uid;
    int rc = s->spec.insecure ? 0 : caps_cut_bounding();

    if (rc < 0)
        return failure_set(&s->failure, rc, "capabilities", "cut the bounding set");
    if (!has_virtual_user(s) && setresuid(uid, uid, uid) < 0)
        return failure_set(&s->failure, -errno, "user", "user id %u (not in the id map?)",
                           (unsigned)s->spec.uid);
    rc = s->spec.insecure ? 0 : caps_set(uid);
    return rc < 0 ? failure_set(&s->failure, rc, "capabilities", "capset") : 0;
}

/* A regular file that may be executed: 0, or why not. The real ids, which access(2) asks about, are
 * the effective ones. */
static int executable(const char *path)
{
    struct stat st;

    if (stat(path, &st) < 0)
        return -errno;
    if (!S_ISREG(st.st_mode))
        return -EACCES;
    return access(path, X_OK) < 0 ? -errno : 0;
}

/* Looks a name up in PATH. -ENOENT, or -EACCES if the only ones found cannot be executed. */
static int find_in_path(const char *name, const char *const *env, char found[PATH_MAX])
{
    const char *path = DEFAULT_PATH;
    int result = -ENOENT;

    for (size_t i = 0; env[i]; i++)
        if (strncmp(env[i], "PATH=", 5) == 0)
            path = env[i] + 5;
    for (;; path++) {
        size_t length = strcspn(path, ":");
        int n =
            snprintf(found, PATH_MAX, "%.*s%s%s", (int)length, path, length > 0 ? "/" : "./", name);
        int rc = n < 0 || n >= PATH_MAX ? -ENAMETOOLONG : executable(found);

        if (rc == 0)
            return 0;
        if (rc == -EACCES)
            result = rc;
        path += length;
        if (*path == 0)
            return result;
    }
}

/* A program that the kernel does not take is one for another processor; a script has no "#!". */
static bool is_elf(const char *path)
{
    char magic[4] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is = fd >= 0 && read(fd, magic, sizeof magic) == sizeof magic &&
              memcmp(magic, "\177ELF", 4) == 0;

    if (fd >= 0)
        close(fd);
    return is;
}

static int execute(struct step *s)
{
    const char *name = s->spec.argv[0];
    char found[PATH_MAX];
    int rc = name[0] ? 0 : -ENOENT;

    if (rc == 0 && strchr(name, '/'))
        rc = snprintf(found, sizeof found, "%s", name) < PATH_MAX ? 0 : -ENAMETOOLONG;
    else if (rc == 0)
        rc = find_in_path(name, s->spec.env, found);
    if (rc < 0)
        return failure_set(&s->failure, rc, "exec", "%s: not found in PATH", name);
    rc = wire_send(s->socket, WIRE_STARTED, 0, NULL, 0, NULL, 0);
    if (rc < 0)
        return failure_set(&s->failure, rc, "report", "say that the command starts");
    execve(found, (char *const *)s->spec.argv, (char *const *)s->spec.env);
    rc = -errno;
    if (rc == -ENOENT && executable(found) == 0)
        return failure_set(&s->failure, rc, "exec",
                           "%s: the interpreter that it names is not in the rootfs", found);
    if (rc == -ENOEXEC && is_elf(found))
        return failure_set(&s->failure, rc, "processor", "%s", found);
    return failure_set(&s->failure, rc, "exec", "%s", found);
}

__attribute__((noreturn)) static void give_up(struct step *s)
{
    wire_send(s->socket, WIRE_FAILURE, 0, &s->failure, sizeof s->failure, NULL, 0);
    _exit(127);
}

/* With all capabilities in the nested user namespace, the memory still shared with the init. */
static void become_command(void *step)
{
    struct step *s = step;
    int rc;

    if ((rc = enter_session(s)) == 0 && (rc = take_terminal(s)) == 0 &&
        (rc = apply_limits(s)) == 0 && (rc = set_groups(s)) == 0 &&
        (rc = install_emulation(s)) == 0 && (rc = install_filter(s)) == 0 &&
        (rc = drop_privileges(s)) == 0)
        execute(s);
    give_up(s);
}

static int start_command(struct step *s)
{
    const struct init init = {.socket = s->socket,
                              .supervisor = s->supervisor,
                              .command = become_command,
                              .data = s,
                              .secrets = s->spec_bytes,
                              .secrets_size = s->spec_size};

    return failure_set(&s->failure, init_run(&init), "clone", "make the command's process");
}

/* One line an operation. There is no parent-death signal to set: all steps lie in the pid namespace
 * of the launcher, so the kernel ends them with it, even if they changed credentials (which clears
 * such a signal) or took it off. */
static void prepare_in_namespaces(struct step *s)
{
    int rc;

    if ((rc = reset_process(s)) < 0 ||
        /* with the builder's mounts */
        (rc = take_sources(s)) < 0 || (rc = join_cgroups(s)) < 0 ||
        (rc = leave_mount_namespace(s)) < 0 ||
        (rc = enter_network(s)) < 0 || /* network namespace, but for the host's */
        /* with mounts of our own, and the power to make more */
        (rc = binds_make(&s->binds)) < 0 ||    /* what RUN --mount shows */
        (rc = mount_root(s)) < 0 ||            /* overlay */
        (rc = mount_proc(s)) < 0 ||            /* /proc */
        (rc = mount_sys(s)) < 0 ||             /* /sys */
        (rc = mounts_dev(&s->mounts)) < 0 ||   /* /dev */
        (rc = mount_masks(s)) < 0 ||           /* parts of /proc and /sys */
        (rc = mount_files_and_binds(s)) < 0 || /* /etc/resolv.conf … */
        (rc = report_stubs(s)) < 0 ||          /* what had to be made for these */
        (rc = set_hostname(s)) < 0 ||          /* uts namespace */
        (rc = raise_limits(s)) < 0 ||          /* hard limits, if asked for more */
        (rc = enter_root(s)) < 0 ||            /* pivot_root, unmount the host */
        (rc = enter_user_namespace(s)) < 0 ||  /* no mounts any more */
        /* with all capabilities in the nested user namespace */
        (rc = set_stdio(s)) < 0 || (rc = close_files(s)) < 0 || /* nothing of the builder is left */
        (rc = enter_cwd(s)) < 0)
        return;
    start_command(s); /* become_command() goes on */
}

/* Without a filter of our own: it would need no_new_privs, which breaks set-id programs. The reaper
 * is the command's init. */
static void prepare_in_chroot(struct step *s)
{
    int rc;

    if ((rc = reset_process(s)) < 0 || (rc = join_cgroups(s)) < 0 || (rc = enter_session(s)) < 0 ||
        (rc = set_stdio(s)) < 0 || (rc = take_terminal(s)) < 0 || (rc = apply_limits(s)) < 0 ||
        (rc = chroot_enter(s->spec.root.upper_fd, &s->failure)) < 0 || (rc = close_files(s)) < 0 ||
        (rc = enter_cwd(s)) < 0 || (rc = set_groups(s)) < 0 || (rc = set_user(s)) < 0 ||
        (rc = cut_capabilities(s)) < 0)
        return;
    execute(s);
}

static void prepare_for_proot(struct step *s)
{
    int rc;

    if ((rc = reset_process(s)) < 0 || (rc = join_cgroups(s)) < 0 || (rc = enter_session(s)) < 0 ||
        (rc = set_stdio(s)) < 0 || (rc = take_terminal(s)) < 0 || (rc = apply_limits(s)) < 0 ||
        (rc = chroot_use_proot(s->setup->options->proot, &s->spec, &s->failure)) < 0 ||
        (rc = close_files(s)) < 0 || (rc = enter_cwd(s)) < 0)
        return;
    execute(s);
}

static void prepare_and_execute(struct step *s)
{
    static void (*const prepare[])(struct step *) = {
        [KILNRUN_NAMESPACES] = prepare_in_namespaces,
        [KILNRUN_OUTER_PROC] = prepare_in_namespaces,
        [KILNRUN_CHROOT] = prepare_in_chroot,
        [KILNRUN_PROOT] = prepare_for_proot,
    };

    if (read_spec(s) == 0 && leave_reaper(s) == 0)
        prepare[isolation(s)](s);
}

void step_run(const struct step_setup *setup)
{
    static struct step s; /* large; there is one step a process */

    s.setup = setup;
    s.socket = setup->socket;
    s.supervisor = setup->supervisor;
    s.mounts = (struct mounts){.single_id = setup->options->single_id,
                               .failure = &s.failure,
                               .root = -1,
                               .proc = -1,
                               .sys = -1,
                               .dev = -1,
                               .empty = -1};
    s.binds = (struct binds){
        .spec = &s.spec, .options = setup->options, .failure = &s.failure};
    prepare_and_execute(&s);
    give_up(&s);
}
