/* refuse ERRNO CALL[,CALL…] COMMAND [ARGUMENT…]: runs a command under a seccomp filter that answers
 * some system calls with ENOSYS, as an older kernel does, or EPERM, as the filter of an older
 * container engine does. For tests, as root: no_new_privs is not set, so that newuidmap works
 * behind it. */
#include <errno.h>
#include <seccomp.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static void die(const char *what, int rc)
{
    fprintf(stderr, "refuse: %s: %s\n", what, strerror(-rc));
    exit(125);
}

int main(int argc, char **argv)
{
    scmp_filter_ctx filter = seccomp_init(SCMP_ACT_ALLOW);
    int error, rc;

    if (argc < 4 || !filter || (strcmp(argv[1], "ENOSYS") != 0 && strcmp(argv[1], "EPERM") != 0))
        die("usage: refuse ENOSYS|EPERM CALL[,CALL…] COMMAND…", -EINVAL);
    error = strcmp(argv[1], "ENOSYS") == 0 ? ENOSYS : EPERM;
    seccomp_attr_set(filter, SCMP_FLTATR_CTL_NNP, 0);
    for (char *name = strtok(argv[2], ","); name; name = strtok(NULL, ",")) {
        int number = seccomp_syscall_resolve_name(name);
        rc = number == __NR_SCMP_ERROR
                 ? -ENOENT
                 : seccomp_rule_add(filter, SCMP_ACT_ERRNO((uint32_t)error), number, 0);
        if (rc < 0)
            die(name, rc);
    }
    rc = seccomp_load(filter);
    if (rc < 0)
        die("load the filter", rc);
    seccomp_release(filter);
    execvp(argv[3], argv + 3);
    die(argv[3], -errno);
}
