/* System calls that glibc 2.36 has no function for, as the man pages name them. */
#pragma once

#include <errno.h>
#include <linux/openat2.h>
#include <linux/sched.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/syscall.h>
#include <sys/types.h>
#include <unistd.h>

/* As fork(), with `flags` (CLONE_NEW*): the child gets a copy of the memory and returns here with
 * 0. A pidfd goes to *pidfd (close-on-exec). By clone(2) where clone3 is missing (Linux 5.3) or
 * refused: seccomp filters cannot see its flags, so some refuse it as a whole. Only for
 * single-threaded callers; the child must leave by _exit or exec. */
static inline pid_t sys_clone(uint64_t flags, int *pidfd)
{
    struct clone_args args = {
        .flags = flags | CLONE_PIDFD,
        .pidfd = (uint64_t)(uintptr_t)pidfd,
        .exit_signal = SIGCHLD,
    };

    pid_t pid = (pid_t)syscall(SYS_clone3, &args, sizeof args);

    if (pid >= 0 || (errno != ENOSYS && errno != EPERM))
        return pid;
#ifdef __s390x__
    return (pid_t)syscall(SYS_clone, NULL, flags | CLONE_PIDFD | SIGCHLD, pidfd, NULL, 0UL);
#else
    return (pid_t)syscall(SYS_clone, flags | CLONE_PIDFD | SIGCHLD, NULL, pidfd, NULL, 0UL);
#endif
}

/* A scoped lookup with ".." fails with EAGAIN when anything is mounted or renamed meanwhile, as
 * other steps do all the time: tried again. */
static inline int sys_openat2(int dir, const char *path, uint64_t flags, uint64_t resolve)
{
    struct open_how how = {.flags = flags, .resolve = resolve};
    int fd, tries = 0;

    do
        fd = (int)syscall(SYS_openat2, dir, path, &how, sizeof how);
    while (fd < 0 && errno == EAGAIN && ++tries < 1000);
    return fd;
}

static inline int sys_pivot_root(const char *new_root, const char *put_old)
{
    return (int)syscall(SYS_pivot_root, new_root, put_old);
}
