/* Namespaces: a new one would give capabilities back, and with them what only its owner may. */
#include "escape.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/sched.h>
#include <sched.h>
#include <signal.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static const struct {
    const char *name;
    unsigned long flag;
} kinds[] = {{"user", CLONE_NEWUSER},     {"mnt", CLONE_NEWNS},   {"pid", CLONE_NEWPID},
             {"net", CLONE_NEWNET},       {"ipc", CLONE_NEWIPC},  {"uts", CLONE_NEWUTS},
             {"cgroup", CLONE_NEWCGROUP}, {"time", CLONE_NEWTIME}};

static unsigned long flag_of(const char *name)
{
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (strcmp(kinds[i].name, name) == 0)
            return kinds[i].flag;
    abort();
}

static struct verdict unshare_one(const char *kind)
{
    return judge(unshare((int)flag_of(kind)), "a namespace of its own");
}

/* In the child of a clone that should not have been: nothing. */
static struct verdict end_clone(long pid)
{
    if (pid == 0)
        _exit(0);
    if (pid > 0)
        waitpid((pid_t)pid, NULL, 0);
    return judge(pid, "a child in a namespace of its own");
}

static struct verdict clone_one(const char *kind)
{
    return end_clone(syscall(SYS_clone, flag_of(kind) | SIGCHLD, NULL, NULL, NULL, NULL));
}

static struct verdict clone3_one(const char *kind)
{
    struct clone_args args = {.flags = flag_of(kind), .exit_signal = SIGCHLD};

    return end_clone(syscall(SYS_clone3, &args, sizeof args));
}

/* Its own: what setns(2) asks for is capabilities, not which one. */
static struct verdict setns_one(const char *kind)
{
    char path[64];
    int fd;

    snprintf(path, sizeof path, "/proc/self/ns/%s", kind);
    fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return refused(errno);
    /* the kernel refuses the own user namespace with EINVAL, before it looks at capabilities */
    return judge_gate(setns(fd, 0));
}

static struct verdict setns_pidfd(const char *unused)
{
    int fd = (int)syscall(SYS_pidfd_open, getppid(), 0);

    (void)unused;
    return fd < 0 ? refused(errno) : judge(setns(fd, CLONE_NEWNS | CLONE_NEWUTS), "entered");
}

/* What a user namespace is wanted for: the mounts that hide something go. */
static struct verdict uncover(const char *path)
{
    if (unshare(CLONE_NEWUSER) < 0)
        return refused(errno);
    if (unshare(CLONE_NEWNS) < 0)
        return refused(errno);
    if (mount("none", path, "tmpfs", 0, NULL) < 0)
        return refused(errno);
    return escaped("something is mounted over it");
}

static struct verdict hostname(const char *unused)
{
    char name[65];

    (void)unused;
    if (gethostname(name, sizeof name) < 0)
        return refused(errno);
    return judge(sethostname(name, strlen(name)), "set");
}

#define EACH(name, function)                                                                       \
    {name, function, "user"}, {name, function, "mnt"}, {name, function, "pid"},                    \
        {name, function, "net"}, {name, function, "ipc"}, {name, function, "uts"},                 \
    {                                                                                              \
        name, function, "cgroup"                                                                   \
    }

const struct attack namespace_attacks[] = {
    EACH("unshare", unshare_one),
    EACH("clone", clone_one),
    EACH("clone3", clone3_one),
    EACH("setns", setns_one),
    {"unshare", unshare_one, "time"}, /* clone(2) has no such flag */
    {"clone3", clone3_one, "time"},
    {"setns", setns_one, "time"},
    {"setns-pidfd", setns_pidfd, NULL},
    {"uncover", uncover, "/proc/sys"},
    {"uncover", uncover, "/sys/firmware"},
    {"hostname", hostname, NULL},
    {NULL, NULL, NULL},
};
