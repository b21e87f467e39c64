/* --cache-from and --cache-to of a request. */
#pragma once

#include "build/build.h"
#include "builder/operation.h"

/* Opens the caches to read from, KilnCacheSource*. One that cannot be used is warned of and left out, as by BuildKit:
 * a build must not fail for want of a cache. g_ptr_array_unref(). */
GPtrArray *kiln_caches_open(KilnOperation *op);
/* The caches to write, KilnCacheTarget*; NULL with an error. g_ptr_array_unref(). */
GPtrArray *kiln_caches_targets(KilnOperation *op, GError **error);
