/* A cache to read from: a directory or archive that `--cache-to type=local` wrote, or an image with an inline cache,
 * as an archive or in the store. Everything in it is hostile: only its document is believed, and of that only that
 * someone says so; what is fetched is checked against its digests. */
#pragma once

#include "cache/format.h"
#include "image/layout.h"

typedef struct KilnCacheSource KilnCacheSource;

/* tag: what index.json calls it; NULL: "latest", else the only one. digest: of its manifest, or NULL. */
KilnCacheSource *kiln_cache_source_open(KilnStore *s, const char *path, const char *tag, const char *digest,
                                        GError **error);
/* Of an image in the store, by its configuration. */
KilnCacheSource *kiln_cache_source_of_image(KilnStore *s, const KilnImage *image, const KilnConfig *config,
                                            GError **error);
void kiln_cache_source_free(KilnCacheSource *s);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnCacheSource, kiln_cache_source_free)
const KilnCacheConfig *kiln_cache_source_config(const KilnCacheSource *s);

/* The layer's number if the store has it already (an image's of the store); 0: it has to be fetched. */
gint64 kiln_cache_source_layer(const KilnCacheSource *s, const KilnCacheLayer *layer);
/* What the cache calls a blob; NULL: it has none of this number, or no name for it. Borrowed. */
const char *kiln_cache_source_digest(const KilnCacheSource *s, guint blob);
/* Brings a layer into the store as layer `number`, whose tar it is with this clamp: as a blob, and unpacked if so
 * wanted. Safe in any thread. */
bool kiln_cache_source_fetch(const KilnCacheSource *s, const KilnCacheLayer *layer, gint64 number, gint64 clamp,
                             bool unpack, GError **error);
/* Unpacks a layer into a directory, whiteouts as overlayfs has them, for who puts several together: a cache mount. */
KilnManifest *kiln_cache_source_unpack(const KilnCacheSource *s, const KilnCacheLayer *layer, KilnWork **work,
                                       int *dirfd, GError **error);
/* The blob as it is, for a cache that is written: its file (-1: error), what it is. Free the strings. */
int kiln_cache_source_blob(const KilnCacheSource *s, guint blob, char **media_type, char **digest, guint64 *size,
                           GError **error);
