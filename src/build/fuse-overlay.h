/* fuse-overlayfs (Debian: the package of that name): an overlay by a process, for where the kernel refuses one,
 * as on another overlay. It leaves its own marks in the upper directory: kiln_diff_marked_upper() knows them. */
#pragma once

#include "store/store.h"

typedef struct KilnFuseOverlay KilnFuseOverlay;

/* Mounts the layers (numbers, bottom first, over the stub) with "upper" and "work" of the work folder on "merged" in
 * it, in this mount namespace. The process ends with the calling thread, at the latest. */
KilnFuseOverlay *kiln_fuse_overlay_new(KilnStore *store, KilnWork *work, const GArray *lowers, GError **error);
/* An O_PATH fd of the mounted root; borrowed. */
int kiln_fuse_overlay_fd(const KilnFuseOverlay *f);
/* Unmounts, and waits until all is written. Called by the thread that mounted. NULL is allowed. */
void kiln_fuse_overlay_free(KilnFuseOverlay *f);

/* Whether it can be had here: makes one in the work folder and deletes a file of it. */
bool kiln_fuse_overlay_try(KilnWork *work, GError **error);
