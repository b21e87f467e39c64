#include "cache/export.h"

#include "image/document.h"
#include "image/export.h"
#include "tree/digest.h"

#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#define TYPE_MANIFEST "application/vnd.oci.image.manifest.v1+json"

/* So many are looked at for layers that need not be written again. */
enum { MAX_TAGS = 100 };

struct KilnCacheExport {
    KilnStore *store;
    KilnCacheDirectory *directory;
    const KilnCacheExportOptions *options;
    KilnCacheConfig *config;
    KilnCacheSource *previous;
    GPtrArray *there;            /* KilnCacheSource*: what the directory holds under any tag */
    GHashTable *layers;          /* diffID → Held */
    GArray *blobs;               /* KilnCacheBlob */
    GHashTable *by_digest;       /* digest → index in blobs + 1 */
};

static void blob_clear(gpointer blob)
{
    kiln_cache_blob_clear(blob);
}

/* A layer that the directory has. */
typedef struct {
    const KilnCacheSource *source;
    const KilnCacheLayer *layer;
} Held;

static void list_layers(KilnCacheExport *x, const KilnCacheSource *source)
{
    const GPtrArray *nodes = kiln_cache_source_config(source)->nodes;
    for (guint i = 0; i < nodes->len; i++) {
        const KilnCacheNode *n = nodes->pdata[i];
        const Held held = {source, &n->layer};
        if (n->has_layer)
            g_hash_table_insert(x->layers, n->layer.diff_id, g_memdup2(&held, sizeof held));
    }
}

static void look_around(KilnCacheExport *x)
{
    g_autoptr(GPtrArray) digests = kiln_cache_directory_manifests(x->directory);
    const char *path = kiln_cache_directory_path(x->directory);
    for (guint i = 0; i < MIN(digests->len, MAX_TAGS); i++) {
        KilnCacheSource *source = kiln_cache_source_open(x->store, path, NULL, digests->pdata[i], NULL);
        if (source) {
            g_ptr_array_add(x->there, source);
            list_layers(x, source);
        }
    }
}

KilnCacheExport *kiln_cache_export_new(KilnStore *s, KilnCacheDirectory *directory,
                                       const KilnCacheExportOptions *options)
{
    KilnCacheExport *x = g_new0(KilnCacheExport, 1);
    x->store = s;
    x->directory = directory;
    x->options = options;
    x->config = kiln_cache_config_new();
    x->previous = kiln_cache_source_open(s, kiln_cache_directory_path(directory), options->tag, NULL, NULL);
    x->there = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_cache_source_free);
    x->layers = g_hash_table_new_full(g_str_hash, g_str_equal, NULL, g_free);
    x->blobs = g_array_new(FALSE, TRUE, sizeof(KilnCacheBlob));
    g_array_set_clear_func(x->blobs, blob_clear);
    x->by_digest = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, NULL);
    look_around(x);
    return x;
}

void kiln_cache_export_free(KilnCacheExport *x)
{
    if (!x)
        return;
    kiln_cache_config_free(x->config);
    g_hash_table_unref(x->layers);
    g_ptr_array_unref(x->there);
    kiln_cache_source_free(x->previous);
    g_array_unref(x->blobs);
    g_hash_table_unref(x->by_digest);
    g_free(x);
}

KilnCacheConfig *kiln_cache_export_config(KilnCacheExport *x)
{
    return x->config;
}

const KilnCacheSource *kiln_cache_export_previous(const KilnCacheExport *x)
{
    return x->previous;
}

guint64 kiln_cache_export_size(const KilnCacheExport *x, guint blob)
{
    return g_array_index(x->blobs, KilnCacheBlob, blob).size;
}

/* Takes the blob over. Its place on the manifest's list. */
static guint add_blob(KilnCacheExport *x, KilnCacheBlob *blob)
{
    guint there = GPOINTER_TO_UINT(g_hash_table_lookup(x->by_digest, blob->digest));
    if (there) {
        kiln_cache_blob_clear(blob);
        return there - 1;
    }
    g_hash_table_insert(x->by_digest, g_strdup(blob->digest), GUINT_TO_POINTER(x->blobs->len + 1));
    g_array_append_val(x->blobs, *blob);
    return x->blobs->len - 1;
}

static bool is_wanted(const KilnCacheExport *x, const char *media_type)
{
    return !x->options->force ||
           strcmp(media_type, kiln_compression_media_type(x->options->compression)) == 0;
}

bool kiln_cache_export_copy(KilnCacheExport *x, const KilnCacheSource *from, const KilnCacheLayer *layer,
                            KilnCacheLayer *out, GError **error)
{
    KilnCacheBlob blob = {0};
    int fd = kiln_cache_source_blob(from, layer->blob, &blob.media_type, &blob.digest, &blob.size, error);
    bool ok = fd >= 0 && kiln_cache_directory_put_copy(x->directory, fd, &blob, error);
    if (fd >= 0)
        close(fd);
    if (!ok) {
        kiln_cache_blob_clear(&blob);
        return false;
    }
    *out = (KilnCacheLayer){g_strdup(layer->diff_id), add_blob(x, &blob)};
    return true;
}

/* Whether the directory has the layer in a form that does. */
static bool reuse(KilnCacheExport *x, const char *diff_id, KilnCacheLayer *out)
{
    const Held *held = g_hash_table_lookup(x->layers, diff_id);
    KilnCacheBlob blob = {0};
    int fd = held ? kiln_cache_source_blob(held->source, held->layer->blob, &blob.media_type, &blob.digest, &blob.size,
                                           NULL)
                  : -1;
    if (fd < 0)
        return false;
    close(fd);
    if (!kiln_cache_directory_has(x->directory, blob.digest, blob.size) || !is_wanted(x, blob.media_type)) {
        kiln_cache_blob_clear(&blob);
        return false;
    }
    *out = (KilnCacheLayer){g_strdup(diff_id), add_blob(x, &blob)};
    return true;
}

/* A blob of the store's that is as it is wanted. */
static bool copy_stored(KilnCacheExport *x, const char *diff_id, KilnCacheLayer *out)
{
    KilnLayerBlob stored = {0};
    if (!kiln_layer_blob_lookup(x->store, diff_id, &stored))
        return false;
    KilnCacheBlob blob = {g_strdup(stored.media_type), g_strdup(stored.digest), stored.size};
    bool same = strcmp(stored.media_type, kiln_compression_media_type(x->options->compression)) == 0;
    int fd = same ? kiln_blob_open(x->store, stored.digest, NULL, NULL) : -1;
    bool ok = fd >= 0 && kiln_cache_directory_put_copy(x->directory, fd, &blob, NULL);
    if (fd >= 0)
        close(fd);
    kiln_layer_blob_clear(&stored);
    if (ok)
        *out = (KilnCacheLayer){g_strdup(diff_id), add_blob(x, &blob)};
    else
        kiln_cache_blob_clear(&blob);
    return ok;
}

typedef struct {
    int fd;
    char piece[64 * 1024];
} BlobReader;

static ssize_t read_blob(void *data, const void **buffer, GError **error)
{
    BlobReader *r = data;
    ssize_t n = read(r->fd, r->piece, sizeof r->piece);
    if (n < 0)
        g_set_error_literal(error, KILN_CACHE_ERROR, KILN_CACHE_ERROR_IO, "cannot read a blob of the store");
    *buffer = r->piece;
    return n;
}

/* The tar that the stored blob holds, compressed anew: a layer that was imported has no other. */
static bool recompress(KilnCacheLayerWriter *w, int fd, GError **error)
{
    g_autofree BlobReader *reader = g_new(BlobReader, 1);
    reader->fd = fd;
    g_autoptr(KilnDecompressor) d = kiln_decompressor_new(read_blob, reader);
    const void *piece;
    ssize_t n;
    while ((n = kiln_decompressor_read(d, &piece, error)) > 0)
        if (!kiln_cache_layer_writer_write(w, piece, (size_t)n, error))
            return false;
    return n == 0;
}

static bool write_tar(KilnCacheExport *x, gint64 layer, gint64 clamp, const char *diff_id, KilnCacheLayerWriter *w,
                      GError **error)
{
    KilnLayerBlob stored = {0};
    if (kiln_layer_blob_lookup(x->store, diff_id, &stored)) {
        int fd = kiln_blob_open(x->store, stored.digest, NULL, error);
        kiln_layer_blob_clear(&stored);
        bool ok = fd >= 0 && recompress(w, fd, error);
        if (fd >= 0)
            close(fd);
        return ok;
    }
    g_autoptr(KilnManifest) m = kiln_layer_manifest(x->store, layer, error);
    int dirfd = m ? kiln_layer_fd(x->store, layer, error) : -1;
    return dirfd >= 0 && kiln_tar_write(m, dirfd, clamp, kiln_cache_layer_writer_write, w, error);
}

bool kiln_cache_export_layer(KilnCacheExport *x, gint64 layer, gint64 clamp, KilnCacheLayer *out, GError **error)
{
    g_autofree char *diff_id = kiln_layer_digest(x->store, layer, clamp, NULL, error);
    if (!diff_id)
        return false;
    if (reuse(x, diff_id, out) || copy_stored(x, diff_id, out))
        return true;
    g_autoptr(KilnCacheLayerWriter) w =
        kiln_cache_layer_writer_new(x->directory, x->options->compression, x->options->level, error);
    KilnCacheBlob blob;
    g_autofree char *made = NULL;
    if (!w || !write_tar(x, layer, clamp, diff_id, w, error) ||
        !kiln_cache_layer_writer_finish(w, &blob, &made, error))
        return false;
    *out = (KilnCacheLayer){g_steal_pointer(&made), add_blob(x, &blob)};
    return true;
}

bool kiln_cache_export_tar(KilnCacheExport *x, const KilnManifest *manifest, int dirfd, KilnCacheLayer *out,
                           guint64 *size, GError **error)
{
    g_autoptr(KilnCacheLayerWriter) w =
        kiln_cache_layer_writer_new(x->directory, x->options->compression, x->options->level, error);
    KilnCacheBlob blob;
    g_autofree char *diff_id = NULL;
    if (!w || !kiln_tar_write(manifest, dirfd, -1, kiln_cache_layer_writer_write, w, error) ||
        !kiln_cache_layer_writer_finish(w, &blob, &diff_id, error))
        return false;
    *size = blob.size;
    *out = (KilnCacheLayer){g_steal_pointer(&diff_id), add_blob(x, &blob)};
    return true;
}

bool kiln_cache_export_file(KilnCacheExport *x, int fd, const char *media_type, guint *blob, GError **error)
{
    uint8_t digest[KILN_SHA256_SIZE];
    KilnCacheBlob b = {.media_type = g_strdup(media_type)};
    if (kiln_digest_fd(fd, digest, &b.size) == 0)
        b.digest = kiln_digest_text(digest);
    if (!b.digest || !kiln_cache_directory_put_copy(x->directory, fd, &b, error)) {
        if (!b.digest)
            g_set_error_literal(error, KILN_CACHE_ERROR, KILN_CACHE_ERROR_IO, "cannot read what is to be exported");
        kiln_cache_blob_clear(&b);
        return false;
    }
    *blob = add_blob(x, &b);
    return true;
}

/* --- The end -------------------------------------------------------------------------------------------- */

static json_object *new_descriptor(const KilnCacheBlob *b)
{
    json_object *o = json_object_new_object();
    json_object_object_add(o, "mediaType", json_object_new_string(b->media_type));
    json_object_object_add(o, "digest", json_object_new_string(b->digest));
    json_object_object_add(o, "size", json_object_new_int64((gint64)b->size));
    return o;
}

static bool put_document(KilnCacheExport *x, json_object *o, const char *media_type, KilnCacheBlob *out,
                         GError **error)
{
    gsize size;
    g_autofree char *bytes = kiln_document_dump(o, false, &size);
    json_object_put(o);
    if (size > KILN_DOCUMENT_MAX) {
        g_set_error(error, KILN_CACHE_ERROR, KILN_CACHE_ERROR_FORMAT,
                    "the cache's document has %" G_GSIZE_FORMAT " bytes, more than the %d that are read back; use "
                    "mode=min",
                    size, KILN_DOCUMENT_MAX);
        return false;
    }
    out->media_type = g_strdup(media_type);
    return kiln_cache_directory_put_bytes(x->directory, bytes, size, out, error);
}

static json_object *make_manifest(KilnCacheExport *x, const KilnCacheBlob *config)
{
    json_object *o = json_object_new_object(), *layers = json_object_new_array();
    json_object_object_add(o, "schemaVersion", json_object_new_int(2));
    json_object_object_add(o, "mediaType", json_object_new_string(TYPE_MANIFEST));
    json_object_object_add(o, "config", new_descriptor(config));
    for (guint i = 0; i < x->blobs->len; i++)
        json_object_array_add(layers, new_descriptor(&g_array_index(x->blobs, KilnCacheBlob, i)));
    json_object_object_add(o, "layers", layers);
    return o;
}

bool kiln_cache_export_finish(KilnCacheExport *x, GError **error)
{
    KilnCacheBlob config = {0}, manifest = {0};
    bool ok = put_document(x, kiln_cache_config_to_json(x->config), KILN_CACHE_CONFIG_TYPE, &config, error) &&
              put_document(x, make_manifest(x, &config), TYPE_MANIFEST, &manifest, error) &&
              kiln_cache_directory_publish(x->directory, &manifest, x->options->tag, error) &&
              (!x->options->reset || kiln_cache_directory_prune(x->directory, error));
    kiln_cache_blob_clear(&config);
    kiln_cache_blob_clear(&manifest);
    return ok;
}
