/* How the rootfs of a RUN is put together from layers, and its changes are found. */
#pragma once

#include "store/store.h"

typedef enum {
    KILN_SNAPSHOTTER_AUTO, /* the first of these that works where the store lies */
    KILN_SNAPSHOTTER_OVERLAY,
    KILN_SNAPSHOTTER_FUSE_OVERLAYFS,
    KILN_SNAPSHOTTER_COPY,
} KilnSnapshotter;

/* "overlay", "fuse-overlayfs", "copy" or "auto". */
const char *kiln_snapshotter_name(KilnSnapshotter s);
/* False if there is none by that name; NULL and "" are AUTO. */
bool kiln_snapshotter_parse(const char *name, KilnSnapshotter *out);

/* Tries one out in the store: whiteouts and opaque directories, not the mount alone. NULL if it works, else what is
 * missing; g_free(). May be called by any thread. */
char *kiln_snapshotter_try(KilnSnapshotter s, KilnStore *store);

/* The first that works. The store remembers it until the host is started anew, or the store lies elsewhere. */
KilnSnapshotter kiln_snapshotter_choose(KilnStore *store);
