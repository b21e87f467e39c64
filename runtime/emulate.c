#include "emulate.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/filter.h>
#include <linux/seccomp.h>
#include <stdlib.h>
#include <sys/mount.h>

#define EMULATE_FILTERS
#include "emulate.bpf.h"
#include "sys.h"
#include "wire.h"

/* Linux 5.19; of newer headers than Debian 12's. */
#ifndef SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV
#define SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV (1UL << 5)
#endif

#define COUNT(array) (sizeof(array) / sizeof(array)[0])
#define PROGRAM(array)                                                                             \
    {                                                                                              \
        COUNT(array), (struct sock_filter *)(array)                                                \
    }

static int install(const struct sock_fprog *program)
{
    const unsigned long flags = SECCOMP_FILTER_FLAG_SPEC_ALLOW | SECCOMP_FILTER_FLAG_NEW_LISTENER;
    int fd;

    /* A caller whose call is being answered is then only woken to be killed: other signals would
     * have the call made, and answered, twice. */
    fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER,
                      flags | SECCOMP_FILTER_FLAG_WAIT_KILLABLE_RECV, program);
    if (fd < 0 && errno == EINVAL)
        fd = (int)syscall(SYS_seccomp, SECCOMP_SET_MODE_FILTER, flags, program);
    return fd < 0 ? -errno : fd;
}

int emulate_install(enum kilnrun_emulate mode, int socket)
{
    static const struct sock_fprog programs[] = {
        [KILNRUN_EMULATE_DEVICES] = PROGRAM(emulate_devices),
        [KILNRUN_EMULATE_OWNERS] = PROGRAM(emulate_owners),
        [KILNRUN_EMULATE_FULL] = PROGRAM(emulate_full),
    };
    int fds[2], rc;

    fds[1] = open("/", O_PATH | O_DIRECTORY | O_CLOEXEC);
    if (fds[1] < 0)
        return -errno;
    fds[0] = install(&programs[mode]);
    rc = fds[0] < 0 ? fds[0] : wire_send(socket, WIRE_LISTENER, 0, NULL, 0, fds, 2);
    if (fds[0] >= 0)
        close(fds[0]);
    close(fds[1]);
    return rc;
}

/* Whether /proc numbers processes as we do. */
static int own_proc(void)
{
    char pid[32];
    ssize_t n = readlink("/proc/self", pid, sizeof pid - 1);

    if (n < 0)
        return -errno;
    pid[n] = 0;
    if (atoi(pid) != getpid())
        return -EPERM;
    n = open("/proc", O_PATH | O_DIRECTORY | O_CLOEXEC);
    return n < 0 ? -errno : (int)n;
}

int emulate_proc(void)
{
    int fs = fsopen("proc", FSOPEN_CLOEXEC), mount, rc;

    if (fs < 0)
        return -errno;
    rc = fsconfig(fs, FSCONFIG_CMD_CREATE, NULL, NULL, 0) < 0 ? -errno : 0;
    mount = rc < 0 ? rc : fsmount(fs, FSMOUNT_CLOEXEC, MOUNT_ATTR_NOSUID | MOUNT_ATTR_NOEXEC);
    if (rc == 0 && mount < 0)
        mount = -errno;
    close(fs);
    return mount == -EPERM ? own_proc() : mount;
}
