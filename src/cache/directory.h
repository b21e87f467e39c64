/* A cache as a directory: an OCI layout (image-spec image-layout.md) that `--cache-to type=local` writes to. It may
 * be there already and hold other things; blobs that it has are not written again, and what index.json names under
 * other tags stays. */
#pragma once

#include "image/compress.h"
#include "store/store.h"

#include <json-c/json.h>

typedef struct {
    char *media_type, *digest;
    guint64 size;
} KilnCacheBlob;
void kiln_cache_blob_clear(KilnCacheBlob *b);

typedef struct KilnCacheDirectory KilnCacheDirectory;

/* Opens it, makes it if need be. One process writes at a time: NULL without an error while another one does. */
KilnCacheDirectory *kiln_cache_directory_open(const char *path, mode_t umask, GError **error);
void kiln_cache_directory_close(KilnCacheDirectory *d);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnCacheDirectory, kiln_cache_directory_close)
const char *kiln_cache_directory_path(const KilnCacheDirectory *d);

/* Whether the blob is there, with this size. */
bool kiln_cache_directory_has(const KilnCacheDirectory *d, const char *digest, guint64 size);
/* The blob was found damaged: it is taken for one that is not there, and so written again when it is wanted. */
void kiln_cache_directory_distrust(KilnCacheDirectory *d, const char *digest);
/* Writes a blob of these bytes; out->media_type is the caller's to set. */
bool kiln_cache_directory_put_bytes(KilnCacheDirectory *d, const void *bytes, gsize size, KilnCacheBlob *out,
                                    GError **error);
/* Copies a blob that is known to be what it is called; fd is read from its start. */
bool kiln_cache_directory_put_copy(KilnCacheDirectory *d, int fd, const KilnCacheBlob *blob, GError **error);

/* A layer's tar on its way into a blob. */
typedef struct KilnCacheLayerWriter KilnCacheLayerWriter;
KilnCacheLayerWriter *kiln_cache_layer_writer_new(KilnCacheDirectory *d, KilnCompression compression, int level,
                                                  GError **error);
bool kiln_cache_layer_writer_write(void *writer, const void *bytes, size_t size, GError **error); /* KilnWriteFunc */
/* Puts the blob in place; *diff_id: the digest of the tar. */
bool kiln_cache_layer_writer_finish(KilnCacheLayerWriter *w, KilnCacheBlob *out, char **diff_id, GError **error);
void kiln_cache_layer_writer_free(KilnCacheLayerWriter *w);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnCacheLayerWriter, kiln_cache_layer_writer_free)

/* The digests of what index.json names; char*, g_ptr_array_unref(). */
GPtrArray *kiln_cache_directory_manifests(const KilnCacheDirectory *d);
/* Makes the manifest what index.json calls `tag`, in one step. */
bool kiln_cache_directory_publish(KilnCacheDirectory *d, const KilnCacheBlob *manifest, const char *tag,
                                  GError **error);
/* Removes the blobs that nothing in index.json leads to. */
bool kiln_cache_directory_prune(KilnCacheDirectory *d, GError **error);
