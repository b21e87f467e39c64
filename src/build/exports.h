/* Writing caches of a build that is done (KilnBuildOptions.cache_targets). */
#pragma once

#include "build/engine.h"

/* Those that are directories. */
bool kiln_exports_write(KilnEngine *e, GError **error);
/* The inline cache, for the image's configuration: where the target's layers are in it. NULL: none is wanted. */
json_object *kiln_exports_inline(KilnEngine *e, char *const *diff_ids);
