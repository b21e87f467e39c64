/* The directory of a cache mount as layers of a cache: docs/cache-format.md, "Cache mounts". */
#pragma once

#include "cache/export.h"

/* Adds the directory to the export: by what the export has of it already and a layer of what has changed since, or
 * anew where that has become long or large. fd: the directory, opened for reading, which nobody changes meanwhile. */
bool kiln_cache_mount_save(KilnCacheExport *x, KilnStore *s, const char *name, const char *id, int fd,
                           GError **error);
/* Adds it as it is in a cache that was read. */
bool kiln_cache_mount_keep(KilnCacheExport *x, const KilnCacheSource *from, const KilnCacheMount *mount,
                           GError **error);
/* Fills the empty directory with what the cache has of the mount. */
bool kiln_cache_mount_restore(const KilnCacheSource *from, const KilnCacheMount *mount, KilnStore *s, int dirfd,
                              GError **error);
