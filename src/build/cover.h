/* Mounts for where nothing can be mounted: files and directories are put in their places in a plain rootfs for one
 * command, over what is there, and taken away again, so that of neither anything comes into the layer. They are
 * moved, not copied: a cache mount costs nothing. */
#pragma once

#include "build/etc.h"
#include "build/mounts.h"
#include "build/rootfs-copy.h"

typedef struct KilnCovers KilnCovers;

/* Covers /dev, /proc and /sys by what chroot leaves of them (proot binds its own), /etc/resolv.conf and its like, and the targets of
 * the step's mounts. What is needed for that is made in `work`. */
KilnCovers *kiln_covers_new(KilnEngine *e, KilnRootfsCopy *rootfs, const KilnView *below, KilnWork *work,
                            const KilnEtc *etc, const KilnStepMounts *mounts, GError **error);
/* The files of secrets, which the sandbox empties at the end, also if this process is killed. */
const struct kilnrun_bind *kiln_covers_secrets(const KilnCovers *c, size_t *n);
/* Takes everything away again. NULL is allowed. */
void kiln_covers_free(KilnCovers *c);
