/* A cache on its way into a directory: layers become blobs there, unless it has them; at the end one manifest names
 * them all, with the document (format.h) as its config. */
#pragma once

#include "cache/directory.h"
#include "cache/import.h"

typedef struct {
    const char *tag;
    KilnCompression compression;
    int level;  /* of zstd; 0: its default */
    bool force; /* layers that are there in another compression are made again */
    bool reset; /* blobs that nothing names any more are removed at the end */
} KilnCacheExportOptions;

typedef struct KilnCacheExport KilnCacheExport;
/* directory and options are borrowed. What the tag names now is what the export adds to. */
KilnCacheExport *kiln_cache_export_new(KilnStore *s, KilnCacheDirectory *directory,
                                       const KilnCacheExportOptions *options);
void kiln_cache_export_free(KilnCacheExport *x);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnCacheExport, kiln_cache_export_free)

/* What will be written, to be filled in. */
KilnCacheConfig *kiln_cache_export_config(KilnCacheExport *x);
/* A layer of the store; its times cut at clamp (-1: not). */
bool kiln_cache_export_layer(KilnCacheExport *x, gint64 layer, gint64 clamp, KilnCacheLayer *out, GError **error);
/* A layer of a cache that was read. */
bool kiln_cache_export_copy(KilnCacheExport *x, const KilnCacheSource *from, const KilnCacheLayer *layer,
                            KilnCacheLayer *out, GError **error);
/* A blob whose tar comes from a function. */
bool kiln_cache_export_tar(KilnCacheExport *x, const KilnManifest *manifest, int dirfd, KilnCacheLayer *out,
                           guint64 *size, GError **error);
/* Any other blob, by the bytes of a file. */
bool kiln_cache_export_file(KilnCacheExport *x, int fd, const char *media_type, guint *blob, GError **error);
/* What the directory held before under this tag; NULL: nothing, or nothing of use. */
const KilnCacheSource *kiln_cache_export_previous(const KilnCacheExport *x);
guint64 kiln_cache_export_size(const KilnCacheExport *x, guint blob);

/* Writes config and manifest, and makes the manifest what the tag means. */
bool kiln_cache_export_finish(KilnCacheExport *x, GError **error);
