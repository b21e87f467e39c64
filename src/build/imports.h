/* Steps that are found in caches (KilnBuildOptions.cache_sources). Their layers get numbers of the store at once, and
 * come when something needs them: what is in a layer, or (the result's) its tar. A step whose layer the cache does not
 * have, or not as it should be, is executed then, as that number. */
#pragma once

#include "build/engine.h"

typedef struct KilnImports KilnImports;

/* NULL if there are no caches. From here on the store asks it for layers that are not there. */
KilnImports *kiln_imports_new(KilnEngine *e);
void kiln_imports_free(KilnImports *m);

/* The step in a cache, on the same inputs. */
bool kiln_imports_find(KilnEngine *e, KilnStep *step, const KilnState *state, KilnRecord *out);
/* Sees to it that the store has the layers of the result, be it only their tars. Before what steps need to be executed
 * is put away. */
bool kiln_imports_bring_result(KilnEngine *e, GError **error);
/* Where a layer still is that has not been brought; false: it is in the store. *layer: NULL if only its place is
 * known. Borrowed. */
bool kiln_imports_is_away(KilnEngine *e, gint64 layer, const KilnCacheSource **source, const KilnCacheNode **node);
/* Says that a blob of a cache is not what it should be. Safe in any thread. */
void kiln_imports_distrust(KilnEngine *e, const KilnCacheSource *source, guint blob);
/* The digests of all such blobs, char*, when all steps are done; NULL: no caches are read. Borrowed. */
const GPtrArray *kiln_imports_distrusted(const KilnEngine *e);
/* The cache mount of this name in one of the caches. */
const KilnCacheMount *kiln_imports_mount(KilnEngine *e, const char *name, const KilnCacheSource **source);
