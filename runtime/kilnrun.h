/* libkilnrun: runs one command of a build in a sandbox of Linux namespaces.
 *
 * The caller is the builder: it already is uid 0 of a user namespace of its own (or real root) with
 * a private mount namespace. kilnrun_start() forks the launcher, a single-threaded process that
 * does every clone, mount and exec from then on, so that no code of a threaded program runs between
 * clone and exec. It must be called before the caller has a second thread.
 *
 * This directory uses libc and libcap alone (the seccomp filter is compiled when kiln is built, see
 * tool-seccomp.c), and knows nothing of Dockerfiles, images or
 * the store. Functions return 0 or a negative errno. All fds are O_CLOEXEC. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct kilnrun;         /* a running launcher */
struct kilnrun_step;    /* a running command */
struct kilnrun_network; /* a network namespace for commands */

/* How the overlay is mounted. AUTO takes the first that the kernel knows; the others exist so that
 * each can be tested on a kernel that knows them all. */
enum kilnrun_overlay {
    KILNRUN_OVERLAY_AUTO,
    KILNRUN_OVERLAY_FDS,   /* fsconfig "lowerdir+" with file descriptors (Linux 6.13) */
    KILNRUN_OVERLAY_PATHS, /* fsconfig "lowerdir+" with /proc/self/fd/N (6.8) */
    KILNRUN_OVERLAY_MOUNT, /* mount(2), lower_names relative to lower_parent_fd (5.11) */
};

/* What stands between commands and the host. */
enum kilnrun_isolation {
    KILNRUN_NAMESPACES,
    /* The same without a pid namespace, and with the builder's /proc: where parts of that are
     * covered, as in containers, the kernel mounts no other (mount_namespaces(7),
     * mnt_already_visible() in fs/namespace.c). */
    KILNRUN_OUTER_PROC,
    /* No namespaces and no mounts, for root who may make none: chroot(2), and capabilities cut. The
     * root of a spec must be a directory; of its binds only those of KILNRUN_SECRET count, and
     * their source_fd is the file in the rootfs, which is emptied when the command has ended; the
     * files for /etc and no_network are not looked at. No security boundary. */
    KILNRUN_CHROOT,
    /* The same for who is not root, by proot(1), which makes the command believe that it is. */
    KILNRUN_PROOT,
};

struct kilnrun_options {
    bool single_id; /* the id map has one id: no setgroups, no devpts gid=5 */
    enum kilnrun_overlay overlay;
    enum kilnrun_isolation isolation;
    const char *proot; /* PROOT: the program's absolute path */
};

/* Forks the launcher, process 1 of a pid namespace that all commands lie in. It makes the nested
 * user namespace (the builder's own id map repeated) when first needed and holds it for every later
 * step. The launcher dies with the calling thread (PR_SET_PDEATHSIG), and the kernel ends all
 * commands with the launcher, whatever they did to detach themselves.
 * Needs CAP_SYS_ADMIN in the caller's user namespace (EPERM otherwise).
 *
 * With an isolation that has no pid namespace the launcher ends when the caller's end of its socket
 * is closed, by whatever, and ends before that what descends from commands (reaper.h); CHROOT
 * needs CAP_SYS_CHROOT alone, PROOT nothing. */
int kilnrun_start(const struct kilnrun_options *options, struct kilnrun **out);
/* Ends the launcher and all that it runs, and waits for it. Steps must still be waited for, before
 * or after; k is freed with the last of them. NULL is allowed. */
void kilnrun_stop(struct kilnrun *k);

/* What an overlay is made of. */
struct kilnrun_layers {
    /* Its lower directories (O_PATH fds, the top one first), at most 499, over `stub_fd` (one more
     * directory, the lowest; -1 for none). lower_fds may be NULL: then the names below are opened
     * in lower_parent_fd, which saves passing the fds. */
    const int *lower_fds;
    size_t n_lowers;
    int stub_fd;
    /* For the mount(2) fallback (kernels before 6.8): a directory that all of the above lie in, and
     * their names in it, in the same order, then the stub's (no comma, colon or backslash; all
     * names and commas together below one page). lower_names may be NULL for up to 200 lowers. */
    int lower_parent_fd;
    const char *const *lower_names;
    int upper_fd, work_fd; /* on the same mount; for one step alone (the overlay is "volatile",
                              which leaves work/incompat/volatile behind). work_fd -1: no
                              overlay, upper_fd alone is the tree, whoever put it together;
                              no lowers and no stub then */
};

enum kilnrun_bind_kind {
    KILNRUN_BIND,   /* a file or directory of the builder's mount namespace */
    KILNRUN_LAYERS, /* a path in an overlay of its own */
    KILNRUN_TMPFS,  /* an empty directory in memory */
    KILNRUN_SECRET, /* a read-only file in memory that is never swapped out (ramfs) */
};

struct kilnrun_bind {   /* a mount for this step */
    const char *target; /* path inside the rootfs, resolved there; must exist or be creatable */
    bool readonly;
    enum kilnrun_bind_kind kind;
    int source_fd; /* BIND: an O_PATH fd; SECRET: a file that is read from offset 0 to its end */
    struct kilnrun_layers layers; /* LAYERS */
    const char *path;             /* LAYERS: what of it is shown, symlinks followed inside */
    uint64_t size;                /* TMPFS: bytes, 0: the kernel's default */
    mode_t mode;                  /* SECRET: of the file, as its owner (ids inside the rootfs) */
    uid_t uid;
    gid_t gid;
};

struct kilnrun_rlimit {
    int resource; /* RLIMIT_… */
    uint64_t soft, hard;
};

/* What the command may use; all zero: nothing is limited but by what the builder inherited. */
struct kilnrun_limits {
    uint64_t shm_size;     /* bytes of /dev/shm; 0: 64 MiB, as Docker */
    uint64_t timeout;      /* milliseconds until it is killed; 0: never */
    const int *cgroup_fds; /* cgroup.procs of the cgroups to enter, open for writing */
    size_t n_cgroups;
    const struct kilnrun_rlimit *rlimits;
    size_t n_rlimits;
    const unsigned *cpus; /* the CPUs it may run on; none: all */
    size_t n_cpus;
};

/* What a command may not do to files for want of ids, and is made to believe it did: a process of
 * ours (the supervisor) answers the calls that the kernel would refuse, and records what they
 * should have done. Where, is said at struct kilnrun_record. */
enum kilnrun_emulate {
    KILNRUN_EMULATE_OFF,
    /* mknod of character and block devices, which the kernel refuses in every user namespace: an
     * empty regular file takes the place of each. For builders with more ids, and for root. */
    KILNRUN_EMULATE_DEVICES,
    /* That, chown, and changes of user and group: users and groups of processes are make-believe
     * (including uid, gid and groups of the spec), as are owners of what they create. */
    KILNRUN_EMULATE_OWNERS,
    /* That, and stat tells the recorded owners and devices. */
    KILNRUN_EMULATE_FULL,
};

/* A file as its file system knows it, also after a rename. To be compared with memcmp(). */
struct kilnrun_identity {
    unsigned char bytes[48];
};
/* Of the file behind an fd (O_PATH is enough) of an upper directory, not of the overlay. */
int kilnrun_identify(int fd, struct kilnrun_identity *out);

/* What the supervisor knows of a file of the upper directory and the disk cannot hold:
 *
 *  - OWNERS and FULL: owners (also 0:0, if a chown said so) of regular files and directories, and
 *    devices, are in the xattr user.kiln.stat of the file in the upper directory,
 *    "<type letter> <octal mode> <uid> <gid> <major> <minor>" as src/tree/place.h has it. It is to
 *    be believed: a command can neither set, change nor remove any xattr user.kiln.*. Of a file or
 *    directory only the ids count; of a device also type and numbers; the mode is the one on disk
 *    (chmod is not emulated), a device's permissions included. Symlinks and fifos take no user
 *    xattr: there is a record for each that is not 0:0 or was given to 0:0.
 *  - DEVICES: a record for each device. xattrs are the command's own doing, as ever.
 *
 * Files that have been removed since may have a record, too. */
struct kilnrun_record {
    struct kilnrun_identity identity;
    uint32_t mode; /* as st_mode; of S_IFLNK, S_IFIFO, S_IFCHR or S_IFBLK only the type counts */
    uint32_t uid, gid;
    uint32_t major, minor; /* S_IFCHR, S_IFBLK */
};

struct kilnrun_spec {
    /* The rootfs. Its stub has empty proc, sys, dev, etc/hosts …, so that these mount points need
     * not be created in the upper directory. */
    struct kilnrun_layers root;

    const char *const
        *argv; /* NULL-terminated; argv[0] is looked up in PATH of env, in the rootfs */
    const char *const *env; /* NULL-terminated, "NAME=value" */
    const char *cwd;        /* absolute path in the rootfs; must exist */
    uid_t uid;              /* ids inside the rootfs */
    gid_t gid;
    const gid_t *groups;
    size_t n_groups;
    const char *hostname;

    int input_fd;  /* stdin of the command; -1: /dev/null. Never a terminal: see terminal_fd */
    int output_fd; /* its stdout, a pipe's write end; -1 with a terminal */
    int error_fd;  /* its stderr; -1: the same as stdout */
    /* Not -1: all three are a new terminal of the sandbox's own devpts, which controls the
     * command's session. Its master is sent over this SOCK_SEQPACKET socket, in one message with
     * one fd; the command waits for a message back, by which its receiver has given the terminal a
     * size. */
    int terminal_fd;
    int resolv_fd, hosts_fd, hostname_fd; /* regular files bound over /etc/resolv.conf, /etc/hosts,
                                             /etc/hostname; -1: leave alone */
    const struct kilnrun_bind *binds; /* mounted in this order */
    size_t n_binds;
    /* The seccomp filter: an array of struct sock_filter; NULL: the default one (profiles/). */
    const void *filter;
    size_t filter_size; /* bytes */
    bool unconfined;    /* no filter at all */
    bool no_new_privs;  /* as prctl(2): set-user-ID programs give nothing */
    int network_fd; /* of kilnrun_network_fd(), -1: the builder's network */
    bool insecure;   /* as little sandbox as the builder's own powers allow: no seccomp filter, all
                        capabilities of the nested user namespace and a mount namespace that they
                        reach, nothing of /proc and /sys masked or read-only */
    struct kilnrun_limits limits;
    enum kilnrun_emulate emulate;
    /* OWNERS and FULL: a memory file that lists the symlinks and fifos of the layers below whose
     * owner is not 0:0, since no xattr tells it: for each the text of user.kiln.stat, a space, the
     * path in the rootfs (without a slash in front) and a NUL. -1 if there are none. */
    int below_fd;
};

/* What failed: `stage` names the operation ("overlay", "proc", "pivot_root", "user", "cwd", "exec",
 * "seccomp" …), `detail` what it was done to. */
struct kilnrun_failure {
    int error; /* negative errno, 0 if nothing failed */
    char stage[32];
    char detail[256];
};

struct kilnrun_result {
    bool started;  /* the command was executed; otherwise see failure (none: killed before) */
    int exit_code; /* of the command; 128 + n when signal n killed it; -1 if it failed to start */
    int signal;    /* that signal, or 0 */
    bool timed_out; /* it was killed when limits.timeout was over */
    struct kilnrun_failure failure;
    struct kilnrun_record *records; /* each file once; freed by kilnrun_result_clear() */
    size_t n_records;
    char **stubs; /* paths that had to be created as mount points in the upper directory (relative
                     to the root), NULL-terminated; freed by kilnrun_result_clear() */
};

/* A network of one's own, owned by the nested user namespace: low ports can be bound, and raw
 * sockets be made. A command that runs with one sees its devices alone in /sys/class/net. */
struct kilnrun_network_spec {
    const char *pasta; /* path of pasta(1), by which the host's network is reached; NULL: there is a
                          loopback device only */
    /* A resolver that only this host reaches (on its loopback device), and the address at which
     * commands reach it instead; both NULL: none. UDP, and with a newer pasta TCP. */
    const char *dns_server, *dns_address;
};

/* Begins to make a network; returns at once. Thread-safe. The strings are no longer needed. */
int kilnrun_network_start(struct kilnrun *k, const struct kilnrun_network_spec *spec,
                          struct kilnrun_network **out);
/* Until commands can use it: pasta takes 30 ms. Once for a network, not by two threads. Returns the
 * failure's error, or -EPIPE if the launcher is gone. */
int kilnrun_network_wait(struct kilnrun_network *n, struct kilnrun_failure *failure);
/* What a spec names it by, once it was waited for. Borrowed. */
int kilnrun_network_fd(const struct kilnrun_network *n);
/* False when its pasta has ended, by whatever. */
bool kilnrun_network_alive(const struct kilnrun_network *n);
/* Takes it down, pasta included. Commands that still run keep the namespace. NULL is allowed. */
void kilnrun_network_stop(struct kilnrun_network *n);

/* Starts a command. Thread-safe. The fds and strings are no longer needed after return. */
int kilnrun_step_start(struct kilnrun *k, const struct kilnrun_spec *spec,
                       struct kilnrun_step **out);

/* Sends a signal to the command, by way of process 1 of its pid namespace, which SIGKILL ends with
 * everything in it. Before the command was executed other signals do nothing. Without a pid
 * namespace any signal ends the command and all that descends from it. Thread-safe; no error if the
 * command has ended. */
int kilnrun_step_kill(struct kilnrun_step *s, int signal);

/* A reference for a thread that may want to kill the step while another waits for it. */
struct kilnrun_step *kilnrun_step_ref(struct kilnrun_step *s);
void kilnrun_step_unref(struct kilnrun_step *s);

/* Waits for the end of the command and of everything it started; the overlay is unmounted when this
 * returns. Drops the reference that kilnrun_step_start() gave, in every case. 0, also if the
 * command failed or could not be started (see result), or -EPIPE if the launcher is gone. result
 * must not hold an earlier result. */
int kilnrun_step_wait(struct kilnrun_step *s, struct kilnrun_result *result);
void kilnrun_result_clear(struct kilnrun_result *result);

/* Whether a fresh /proc cannot be mounted although the builder may mount: OUTER_PROC is needed.
 * Costs a look at the mounts where nothing covers /proc. */
bool kilnrun_proc_is_covered(void);

/* What this host allows, found by trying in a forked child (kiln doctor). 0 or a negative errno. */
struct kilnrun_probe {
    int lowerdir_plus; /* fsconfig "lowerdir+" */
    int overlay;       /* overlay with userxattr, whiteout and opaque xattr work in dir */
    int fresh_proc;    /* a new proc can be mounted in a pid namespace */
    int nested_userns; /* the builder's id map can be repeated in a nested user namespace */
    int seccomp;       /* the filter can be loaded in it, without no_new_privs */
};
/* dirfd: a scratch directory on the store's file system. Called where kilnrun_start() would be: by
 * the builder, before its second thread. Returns 0, or a negative errno if nothing could be tried.
 */
int kilnrun_probe(int dirfd, struct kilnrun_probe *out);
/* Of it only `overlay`: 0, -ENOTSUP if what was mounted cannot hold whiteouts and opaque marks, or
 * another negative errno. Called at any time, by any thread that may mount. */
int kilnrun_probe_overlay(int dirfd);
