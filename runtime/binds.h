/* What the binds of a step show, as detached mounts, until the rootfs is there to attach them. */
#pragma once

#include "failure.h"

struct binds {
    const struct kilnrun_spec *spec;
    const struct kilnrun_options *options;
    struct kilnrun_failure *failure;
    int *mounts; /* one a bind; NULL before binds_take() */
};

/* First, in the builder's mount namespace: copies of its files and directories, and overlays of its
 * layers. Both return 0 or a negative errno. */
int binds_take(struct binds *b);
/* Then, in the step's own, before the rootfs is mounted: parts of the overlays, and what is in
 * memory. Changes the working directory. */
int binds_make(struct binds *b);
