#include "chroot.h"

#include <errno.h>
#include <limits.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define N_OPTIONS 13

int chroot_enter(int directory, struct kilnrun_failure *failure)
{
    if (fchdir(directory) < 0 || chroot(".") < 0 || chdir("/") < 0)
        return failure_set(failure, -errno, "chroot", "enter the rootfs");
    return 0;
}

/* LD_…: it is a program of the host, which shall load nothing else than it does otherwise. */
static int clean_environment(struct kilnrun_spec *spec)
{
    size_t n = 0, kept = 0;
    const char **env;

    while (spec->env[n])
        n++;
    env = calloc(n + 1, sizeof *env);
    if (!env)
        return -ENOMEM;
    for (size_t i = 0; i < n; i++)
        if (strncmp(spec->env[i], "LD_", 3) != 0 && strncmp(spec->env[i], "PROOT_", 6) != 0)
            env[kept++] = spec->env[i];
    spec->env = env;
    return 0;
}

int chroot_use_proot(const char *proot, struct kilnrun_spec *spec, struct kilnrun_failure *failure)
{
    static char root[PATH_MAX], ids[32], link[32];
    size_t n = 0, at = 0;
    const char **argv;
    ssize_t length;

    snprintf(link, sizeof link, "/proc/self/fd/%d", spec->root.upper_fd);
    length = readlink(link, root, sizeof root - 1);
    if (length < 0)
        return failure_set(failure, -errno, "proot", "find the rootfs");
    snprintf(ids, sizeof ids, "%u:%u", (unsigned)spec->uid, (unsigned)spec->gid);
    while (spec->argv[n])
        n++;
    argv = calloc(N_OPTIONS + n + 1, sizeof *argv);
    if (!argv || clean_environment(spec) < 0)
        return failure_set(failure, -ENOMEM, "proot", "allocate");
    const char *const options[N_OPTIONS] = {proot, "-i", ids,    "-r", root,   "-w", spec->cwd,
                                            "-b",  "/dev", "-b", "/proc", "-b", "/sys"};
    for (; at < N_OPTIONS; at++)
        argv[at] = options[at];
    for (size_t i = 0; i < n; i++)
        argv[at++] = spec->argv[i];
    spec->argv = argv;
    spec->cwd = "/";
    return 0;
}
