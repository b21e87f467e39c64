#include "host/kernel.h"

#include <errno.h>
#include <stdbool.h>
#include <sys/syscall.h>
#include <unistd.h>

/* The arguments are such that a kernel with the call answers with another error than ENOSYS and
 * EPERM. */
typedef struct {
    KilnKernelUse use;
    const char *name, *version;
    long number;
    long args[6];
    bool replaced; /* whoever is told ENOSYS takes an older call in its stead */
} Call;

static const Call calls[] = {
    /* glibc makes threads with it, and takes clone(2) at ENOSYS alone */
    {KILN_KERNEL_FILES, "clone3", "5.3", SYS_clone3, {0}, .replaced = true},
    {KILN_KERNEL_FILES, "openat2", "5.6", SYS_openat2, {-1, (long)"", 0, 0}},
    {KILN_KERNEL_MOUNTS, "open_tree", "5.2", SYS_open_tree, {-1, (long)"", 0}},
    {KILN_KERNEL_MOUNTS, "fsopen", "5.2", SYS_fsopen, {(long)"", 1 << 30}},
    {KILN_KERNEL_MOUNTS, "fsconfig", "5.2", SYS_fsconfig, {-1, 1 << 30}},
    {KILN_KERNEL_MOUNTS, "fsmount", "5.2", SYS_fsmount, {-1, 0, 0}},
    {KILN_KERNEL_MOUNTS, "move_mount", "5.2", SYS_move_mount, {-1, (long)"", -1, (long)"", 0}},
    {KILN_KERNEL_MOUNTS, "mount_setattr", "5.12", SYS_mount_setattr, {-1, (long)"", 0, 0, 0}},
};

char *kiln_kernel_missing(KilnKernelUse use)
{
    for (guint i = 0; i < G_N_ELEMENTS(calls); i++) {
        const Call *c = &calls[i];
        if (c->use != use)
            continue;
        errno = 0;
        syscall(c->number, c->args[0], c->args[1], c->args[2], c->args[3], c->args[4], c->args[5]);
        if (errno == ENOSYS && !c->replaced)
            return g_strdup_printf(
                "%s(2) is not in this kernel: Linux %s or newer is needed, or, in a container, "
                "a seccomp profile that knows the call",
                c->name, c->version);
        if (errno == EPERM)
            return g_strdup_printf(
                "%s(2), of Linux %s, is refused by a seccomp filter that is older than the call: "
                "update what runs this container, or start it with --security-opt "
                "seccomp=unconfined",
                c->name, c->version);
    }
    return NULL;
}
