/* Caches that a build reads and writes: docs/cache-format.md. */
#pragma once

#include "cache/export.h"

#include <sys/types.h>

/* One that is written. */
typedef struct {
    char *directory; /* NULL: it goes into the image's configuration */
    char *tag;
    bool max;          /* layers of all steps, not only of the result's */
    bool ignore_error; /* a warning instead of a failure */
    mode_t umask;      /* for the files */
    GPtrArray *mounts; /* ids of cache mounts, "all": those of all steps */
    KilnCacheExportOptions options;
} KilnCacheTarget;
void kiln_cache_target_free(KilnCacheTarget *t);
