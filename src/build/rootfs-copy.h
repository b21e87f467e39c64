/* The snapshotter "copy": the rootfs of a stage as a plain directory, kept up to date from one RUN to the next. Each
 * holds a copy of all that its chain of layers shows. */
#pragma once

#include "build/engine.h"
#include "tree/snapshot.h"

typedef struct KilnRootfsCopy KilnRootfsCopy;

/* One that shows what the step's parent left: that of an earlier RUN with the layers since on top, or a new one. The
 * caller has it for himself. */
KilnRootfsCopy *kiln_rootfs_copy_take(KilnEngine *e, const KilnStep *step, GError **error);
int kiln_rootfs_copy_fd(const KilnRootfsCopy *r);
/* What it looked like when it was taken, and what the command does not answer for is entered there. */
KilnSnapshot *kiln_rootfs_copy_snapshot(KilnRootfsCopy *r);

/* Copies what has changed since to upperfd. Paths within one of `ignored` are left out. */
bool kiln_rootfs_copy_collect(KilnRootfsCopy *r, int upperfd, const char *const *ignored, GError **error);

/* Gives it back, for a later RUN if it has been collected. NULL is allowed. */
void kiln_rootfs_copy_release(KilnRootfsCopy *r);
