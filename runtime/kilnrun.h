/* libkilnrun: runs one command of a build in a sandbox of Linux namespaces.
 *
 * The caller is the builder: it already is uid 0 of a user namespace of its own (or real root) with
 * a private mount namespace. kilnrun_start() forks the launcher, a single-threaded process that does
 * every clone, mount and exec from then on, so that no code of a threaded program runs between clone
 * and exec. It must be called before the caller has a second thread.
 *
 * This directory uses libc, libseccomp and libcap alone, and knows nothing of Dockerfiles, images or
 * the store. Functions return 0 or a negative errno. All fds are O_CLOEXEC. */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

struct kilnrun; /* a running launcher */
struct kilnrun_step; /* a running command */

struct kilnrun_options {
    bool single_id; /* the id map has one id: no setgroups, no devpts gid=5 */
    const char *binary_dir; /* unused by the launcher itself, reserved: pass NULL */
};

/* Forks the launcher. It makes the nested user namespace (the builder's own id map repeated) when
 * first needed and holds it for every later step. The launcher dies with the calling thread
 * (PR_SET_PDEATHSIG), each command dies with the launcher. */
int kilnrun_start(const struct kilnrun_options *options, struct kilnrun **out);
/* Ends the launcher and all that it runs, waits for it, frees. */
void kilnrun_stop(struct kilnrun *k);

struct kilnrun_bind { /* a bind mount for this step */
    const char *target; /* path inside the rootfs, resolved there; must exist or be creatable */
    int source_fd;      /* O_PATH fd of a file or directory of the builder's mount namespace */
    bool readonly;
};

struct kilnrun_spec {
    /* The rootfs: an overlay of these directories (O_PATH fds, the top one first), at most 499, over
     * `stub_fd` (a directory with empty proc, sys, dev, etc/hosts … that is always the lowest layer,
     * so that mount points need not be created in the upper directory; -1 for none). */
    const int *lower_fds;
    size_t n_lowers;
    int stub_fd;
    /* For the mount(2) fallback (kernels before 6.8): a directory that all of the above lie in, and
     * their names in it, in the same order, then the stub's. */
    int lower_parent_fd;
    const char *const *lower_names;
    int upper_fd, work_fd; /* on the same file system */

    const char *const *argv; /* NULL-terminated; argv[0] is looked up in PATH of env, in the rootfs */
    const char *const *env;  /* NULL-terminated, "NAME=value" */
    const char *cwd;         /* absolute path in the rootfs; must exist */
    uid_t uid;               /* ids inside the rootfs */
    gid_t gid;
    const gid_t *groups;
    size_t n_groups;
    const char *hostname;

    int output_fd; /* stdout and stderr of the command; a pipe's write end */
    int resolv_fd, hosts_fd, hostname_fd; /* regular files bound over /etc/resolv.conf, /etc/hosts,
                                             /etc/hostname; -1: leave alone */
    const struct kilnrun_bind *binds;
    size_t n_binds;
};

/* What failed: `stage` names the operation ("overlay", "proc", "pivot_root", "user", "cwd", "exec",
 * "seccomp" …), `detail` what it was done to. */
struct kilnrun_failure {
    int error; /* negative errno, 0 if nothing failed */
    char stage[32];
    char detail[256];
};

struct kilnrun_result {
    bool started;  /* the command was executed; otherwise see failure */
    int exit_code; /* of the command; 128 + n when signal n killed it */
    int signal;    /* that signal, or 0 */
    struct kilnrun_failure failure;
    char **stubs; /* paths that had to be created as mount points in the upper directory (relative to the
                     root), NULL-terminated; freed by kilnrun_result_clear() */
};

/* Starts a command. Thread-safe. The fds and strings are no longer needed after return. */
int kilnrun_step_start(struct kilnrun *k, const struct kilnrun_spec *spec,
                       struct kilnrun_step **out);

/* Sends a signal to the command's process 1 (SIGKILL ends its whole pid namespace). Thread-safe. */
int kilnrun_step_kill(struct kilnrun_step *s, int signal);

/* Waits for the end of the command and of everything it started; the overlay is unmounted when this
 * returns. Frees the step. */
int kilnrun_step_wait(struct kilnrun_step *s, struct kilnrun_result *result);
void kilnrun_result_clear(struct kilnrun_result *result);

/* What this host allows, found by trying in a forked child (kiln doctor). */
struct kilnrun_probe {
    int lowerdir_plus;   /* 0 or negative errno: fsconfig "lowerdir+" */
    int overlay;         /* overlay with userxattr, whiteout and opaque xattr work in dir */
    int fresh_proc;      /* a new proc can be mounted in a pid namespace */
    int nested_userns;
    int seccomp;
};
/* dirfd: a scratch directory on the store's file system. */
int kilnrun_probe(int dirfd, struct kilnrun_probe *out);

/* Compiles a profile (JSON as in runtime/profiles/default.json) for the host's architecture to a
 * loadable BPF program written to out_fd. Done when kiln is built; see runtime/CMakeLists.txt. */
int kilnrun_seccomp_compile(const char *profile_path, int out_fd, char *message, size_t message_size);
