#include "host/refusal.h"

#include "host/kernel.h"

#include <errno.h>
#include <stdbool.h>
#include <string.h>

static const struct {
    const char *cause, *remedy;
} texts[KILN_N_REFUSALS] = {
    [KILN_REFUSAL_USERNS_LIMIT] =
        {"as many user namespaces exist, or lie within each other, as the host allows",
         "sudo sysctl -w user.max_user_namespaces=15000"},
    [KILN_REFUSAL_MASKED_PROC] =
        {"parts of /proc are masked, as container engines do, so that the kernel lets nobody mount "
         "another one",
         "in a container: --security-opt systempaths=unconfined (Docker), --security-opt "
         "unmask=ALL (Podman), procMount: Unmasked (Kubernetes)"},
    [KILN_REFUSAL_OVERLAY_ON_OVERLAY] =
        {"the store lies on an overlay, as the root file system of a container does, and overlays "
         "do not hold the upper directory of another one",
         "put the store on a volume: docker run -v kiln:/var/lib/kiln, or --root DIR on ext4, xfs, "
         "btrfs or tmpfs"},
    [KILN_REFUSAL_NO_XATTRS] =
        {"the store's file system has no user extended attributes (NFS before Linux 5.9, some FUSE "
         "and network file systems), which overlays and recorded owners need",
         "put the store on a local file system: --root DIR or KILN_ROOT=DIR"},
    [KILN_REFUSAL_OVERLAY] =
        {"the store's file system cannot be the upper directory of an overlay",
         "put the store on ext4, xfs, btrfs or tmpfs: --root DIR or KILN_ROOT=DIR"},
    [KILN_REFUSAL_NO_BINFMT] =
        {"the program is for another processor, and this host has no handler for it (binfmt_misc)",
         "sudo apt-get install qemu-user-static (Debian, Ubuntu), or once: "
         "docker run --privileged --rm tonistiigi/binfmt --install all"},
};

const char *kiln_refusal_cause(KilnRefusal refusal)
{
    return texts[refusal].cause;
}

const char *kiln_refusal_remedy(KilnRefusal refusal)
{
    return texts[refusal].remedy;
}

static char *sentence(KilnRefusal refusal)
{
    return g_strdup_printf("Likely cause: %s. To mend it: %s", texts[refusal].cause,
                           texts[refusal].remedy);
}

char *kiln_refusal_explain(const char *stage, int error, const char *fs)
{
    static const struct {
        const char *stage;
        int error; /* 0: any */
        const char *fs;
        KilnRefusal refusal;
    } rows[] = {
        {"user", ENOSPC, NULL, KILN_REFUSAL_USERNS_LIMIT},
        {"user", EUSERS, NULL, KILN_REFUSAL_USERNS_LIMIT},
        {"proc", EPERM, NULL, KILN_REFUSAL_MASKED_PROC},
        {"overlay", 0, "overlay", KILN_REFUSAL_OVERLAY_ON_OVERLAY},
        {"overlay", EOPNOTSUPP, NULL, KILN_REFUSAL_NO_XATTRS},
        {"overlay", EINVAL, NULL, KILN_REFUSAL_OVERLAY},
        {"processor", ENOEXEC, NULL, KILN_REFUSAL_NO_BINFMT},
    };
    static const char *const of_images[] = {"cwd", "exec", "processor", "groups", NULL};
    const bool may_be_missing =
        error == ENOSYS || (error == EPERM && !g_strv_contains(of_images, stage));
    g_autofree char *missing = may_be_missing ? kiln_kernel_missing(KILN_KERNEL_MOUNTS) : NULL;
    if (missing)
        return g_steal_pointer(&missing);
    for (guint i = 0; i < G_N_ELEMENTS(rows); i++)
        if (strcmp(stage, rows[i].stage) == 0 && (rows[i].error == 0 || rows[i].error == error) &&
            (!rows[i].fs || g_strcmp0(fs, rows[i].fs) == 0))
            return sentence(rows[i].refusal);
    return NULL;
}
