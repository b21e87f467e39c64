/* The supervisor of a step: a process in the launcher's other namespaces, with all power over the
 * files of the nested user namespace, that answers the system calls of the command that emulate-calls.h lists.
 *
 * The command is hostile. Of a caller nothing is believed but what the kernel says of it; its
 * memory is read once; what a name leads to is opened, then the notification is checked to be alive
 * still (so that /proc/TID was the caller), then the open file is acted on. Names are resolved with
 * the caller's root as our own root, from the caller's working directory: there they cannot lead
 * out. No call is let through to the kernel whose effect was made up here. Before the command has
 * begun, the supervisor enters the nested user namespace, for good: a name that leads through links
 * of proc (/proc/PID/root, exe, fd/N) leads no further than the command itself could get, be that
 * the step's init or, where the outer proc is bound, any process of the host's. */
#pragma once

#include <linux/seccomp.h>
#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

#include "owners.h"
#include "spec.h"
#include "users.h"

struct supervisor {
    enum kilnrun_emulate mode;
    int builder; /* socket of the step, for what is to be reported at the end */
    int upper;   /* the step's upper directory */
    int listener;
    int proc;            /* a proc of our own pid namespace: the working directory, too */
    int root;            /* of the step */
    int user_ns;         /* the nested user namespace; -1 when it has been entered */
    uint64_t root_mount; /* its id */
    bool executed;       /* the step's process, which is ours, has become the command */
    bool chrooted;       /* a process has called chroot: roots have to be asked for */
    bool elsewhere;      /* our root is not the step's now */
    bool in_sight;       /* the step's /proc shows this process, too */
    struct users users;
    struct owners owners;
};

/* A trapped call. */
struct call {
    struct supervisor *s;
    uint64_t id;
    pid_t tid; /* in our pid namespace; names the caller only while the notification is alive */
    const uint64_t *args;
    bool compat; /* of a 32-bit program: arguments are of 32 bits */
    bool narrow; /* in a form with ids of 16 bits */
};

/* What those who answer return besides the call's result and a negative errno. */
#define ANSWER_CONTINUE (-5000) /* the kernel is to do it: nothing was made up */
#define ANSWER_SENT (-5001)     /* with the file descriptor that was handed over */

typedef long emulate_function(struct call *c);

struct emulate_answer {
    emulate_function *answer;
    bool wide; /* the name ends in 32 or 64 */
};

/* Whether the caller still waits for its answer: all that was found through its tid until now was
 * its own. */
bool call_alive(const struct call *c);

/* Gives up all power outside of the nested user namespace. */
void supervisor_confine(struct supervisor *s);

/* Hands an open file over as the result of the call, close-on-exec or not. */
long call_answer_with(const struct call *c, int fd, bool cloexec);

/* What a supervisor is given: of the launcher's descriptors it keeps these alone. */
struct supervisor_setup {
    int builder; /* the step's socket */
    int proc;
    int step; /* a socket that brings the listener and the root, if these are not here yet */
    int listener, root;
    int upper;
    int user_ns; /* the nested user namespace */
    bool in_sight;
};

/* Run in a process forked by the launcher until no process of the step is left; the records, if
 * any, go to the builder then. Exit with 0, or 1 when they could not do their work. */
__attribute__((noreturn)) void supervisor_run(const struct supervisor_setup *setup, int spec_fd,
                                              const struct spec_fds *fds);
/* Of devices alone: the spec is of no interest then. */
__attribute__((noreturn)) void supervisor_run_devices(const struct supervisor_setup *setup);

/* Receives what emulate_install() sent: listener and root. Negative errno. */
int supervisor_receive(int step, int *listener, int *root);

emulate_function nodes_mknod, nodes_mknodat, nodes_mkdir, nodes_mkdirat, nodes_symlink,
    nodes_symlinkat, files_creat, files_open, files_openat, files_openat2, files_chmod,
    files_fchmod, files_fchmodat, xattrs_setxattr, xattrs_lsetxattr, xattrs_fsetxattr,
    xattrs_removexattr, xattrs_lremovexattr, xattrs_fremovexattr, xattrs_listxattr,
    xattrs_llistxattr, xattrs_flistxattr, ownership_chown, ownership_lchown, ownership_fchown,
    ownership_fchownat, stats_stat, stats_lstat, stats_fstat, stats_fstatat, stats_statx,
    users_setuid, users_setgid, users_setreuid, users_setregid, users_setresuid, users_setresgid,
    users_setfsuid, users_setfsgid, users_setgroups, users_getuid, users_geteuid, users_getgid,
    users_getegid, users_getresuid, users_getresgid, users_getgroups, users_capget, users_capset,
    users_prctl, programs_execve, programs_execveat, programs_chroot;
