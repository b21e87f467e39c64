#include "cache/import.h"

#include "image/document.h"
#include "image/ingest.h"

#include <string.h>
#include <unistd.h>

#define ANNOTATION_REF "org.opencontainers.image.ref.name"
#define DEFAULT_TAG "latest"

typedef struct {
    char *path, *media_type;
    KilnLayoutLayer layer;
} Blob;

struct KilnCacheSource {
    KilnStore *store;
    KilnLayout *layout; /* NULL: an image of the store */
    GArray *blobs;      /* Blob */
    GArray *chain;      /* gint64: layers of an image of the store, by blob */
    KilnCacheConfig *config;
};

static void blob_clear(gpointer data)
{
    Blob *b = data;
    g_free(b->layer.path);
    g_free(b->layer.digest);
    g_free(b->media_type);
}

static KilnCacheSource *source_new(KilnStore *s)
{
    KilnCacheSource *c = g_new0(KilnCacheSource, 1);
    c->store = s;
    c->blobs = g_array_new(FALSE, TRUE, sizeof(Blob));
    g_array_set_clear_func(c->blobs, blob_clear);
    c->chain = g_array_new(FALSE, FALSE, sizeof(gint64));
    return c;
}

void kiln_cache_source_free(KilnCacheSource *s)
{
    if (!s)
        return;
    kiln_cache_config_free(s->config);
    g_array_unref(s->blobs);
    g_array_unref(s->chain);
    kiln_layout_free(s->layout);
    g_free(s);
}

const KilnCacheConfig *kiln_cache_source_config(const KilnCacheSource *s)
{
    return s->config;
}

static bool not_found(GError **error, const char *text)
{
    g_set_error_literal(error, KILN_CACHE_ERROR, KILN_CACHE_ERROR_NOT_FOUND, text);
    return false;
}

/* --- Inline --------------------------------------------------------------------------------------------- */

static bool read_inline(KilnCacheSource *s, json_object *config, guint n_layers, GError **error)
{
    json_object *document = kiln_document_object(config, KILN_CACHE_INLINE_KEY);
    if (!document)
        return not_found(error, "the image has no inline cache of kiln's (--cache-to type=inline)");
    s->config = kiln_cache_config_from_json(document, n_layers, error);
    return s->config != NULL;
}

static bool read_image(KilnCacheSource *s, const KilnLayoutImage *image, GError **error)
{
    g_autoptr(KilnConfig) config = kiln_config_parse(image->config, image->config_size, error);
    if (!config)
        return false;
    for (guint i = 0; i < image->layers->len; i++) {
        const KilnLayoutLayer *l = image->layers->pdata[i];
        Blob b = {.layer = {g_strdup(l->path), g_strdup(l->digest), l->size}};
        g_array_append_val(s->blobs, b);
    }
    return read_inline(s, kiln_config_json(config), image->layers->len, error);
}

static bool read_images(KilnCacheSource *s, const char *ref, GError **error)
{
    g_autoptr(GPtrArray) images = kiln_layout_images(s->layout, ref, NULL, error);
    return images && read_image(s, images->pdata[0], error);
}

KilnCacheSource *kiln_cache_source_of_image(KilnStore *store, const KilnImage *image, const KilnConfig *config,
                                            GError **error)
{
    g_autoptr(KilnCacheSource) s = source_new(store);
    g_array_append_vals(s->chain, image->chain, image->n_chain);
    return read_inline(s, kiln_config_json(config), image->n_chain, error) ? g_steal_pointer(&s) : NULL;
}

/* --- A cache's own manifest ----------------------------------------------------------------------------- */

static json_object *read_document(const KilnCacheSource *s, json_object *descriptor, const char *what, GError **error)
{
    const char *digest = kiln_document_string(descriptor, "digest");
    gsize size;
    if (!digest) {
        g_set_error(error, KILN_CACHE_ERROR, KILN_CACHE_ERROR_FORMAT, "%s has no digest", what);
        return NULL;
    }
    g_autofree char *bytes =
        kiln_layout_read_blob(s->layout, digest, kiln_document_number(descriptor, "size"), what, &size, error);
    return bytes ? kiln_document_parse(bytes, size, false, what, error) : NULL;
}

static bool read_blobs(KilnCacheSource *s, json_object *list, GError **error)
{
    for (gsize i = 0; list && i < json_object_array_length(list); i++) {
        json_object *o = json_object_array_get_idx(list, i);
        const char *digest = kiln_document_string(o, "digest");
        Blob b = {.media_type = g_strdup(kiln_document_string(o, "mediaType")),
                  .layer = {NULL, g_strdup(digest), kiln_document_number(o, "size")}};
        g_array_append_val(s->blobs, b);
        if (!digest || !b.media_type || b.layer.size < 0) {
            g_set_error(error, KILN_CACHE_ERROR, KILN_CACHE_ERROR_FORMAT,
                        "the cache's manifest has a blob without digest, size or type");
            return false;
        }
    }
    return true;
}

static bool read_config(KilnCacheSource *s, json_object *manifest, GError **error)
{
    json_object *document =
        read_document(s, kiln_document_object(manifest, "config"), "the cache's config", error);
    if (document)
        s->config = kiln_cache_config_from_json(document, s->blobs->len, error);
    json_object_put(document);
    return s->config != NULL;
}

/* The descriptor that is asked for; borrowed. */
static json_object *choose(json_object *index, const char *tag, const char *digest, GError **error)
{
    json_object *list = kiln_document_array(index, "manifests"), *by_tag = NULL;
    gsize n = list ? json_object_array_length(list) : 0;
    for (gsize i = 0; i < n; i++) {
        json_object *o = json_object_array_get_idx(list, i);
        const char *name = kiln_document_string(kiln_document_object(o, "annotations"), ANNOTATION_REF);
        if (digest && g_strcmp0(kiln_document_string(o, "digest"), digest) == 0)
            return o;
        if (g_strcmp0(name, tag ? tag : DEFAULT_TAG) == 0)
            by_tag = o;
    }
    if (!digest && !by_tag && !tag && n == 1)
        by_tag = json_object_array_get_idx(list, 0);
    if (!digest && by_tag)
        return by_tag;
    g_set_error(error, KILN_CACHE_ERROR, KILN_CACHE_ERROR_NOT_FOUND, "it has no cache \"%s\"",
                digest ? digest : tag ? tag : DEFAULT_TAG);
    return NULL;
}

static bool read_layout(KilnCacheSource *s, json_object *index, const char *tag, const char *digest, GError **error)
{
    json_object *chosen = choose(index, tag, digest, error);
    json_object *manifest = chosen ? read_document(s, chosen, "the cache's manifest", error) : NULL;
    if (!manifest)
        return false;
    const char *type = kiln_document_string(kiln_document_object(manifest, "config"), "mediaType");
    bool ok;
    if (g_strcmp0(type, KILN_CACHE_CONFIG_TYPE) == 0)
        ok = read_blobs(s, kiln_document_array(manifest, "layers"), error) && read_config(s, manifest, error);
    else
        ok = read_images(s, kiln_document_string(chosen, "digest"), error);
    json_object_put(manifest);
    return ok;
}

static bool read_source(KilnCacheSource *s, const char *tag, const char *digest, GError **error)
{
    gsize size;
    if (!kiln_layout_has(s->layout, "index.json")) /* a docker-archive, or nothing of the kind */
        return read_images(s, digest ? digest : tag, error);
    g_autofree char *bytes = kiln_layout_read_file(s->layout, "index.json", &size, error);
    json_object *index = bytes ? kiln_document_parse(bytes, size, false, "index.json", error) : NULL;
    bool ok = index && read_layout(s, index, tag, digest, error);
    json_object_put(index);
    return ok;
}

KilnCacheSource *kiln_cache_source_open(KilnStore *store, const char *path, const char *tag, const char *digest,
                                        GError **error)
{
    g_autoptr(KilnCacheSource) s = source_new(store);
    s->layout = kiln_layout_open(store, path, error);
    return s->layout && read_source(s, tag, digest, error) ? g_steal_pointer(&s) : NULL;
}

/* --- Layers --------------------------------------------------------------------------------------------- */

gint64 kiln_cache_source_layer(const KilnCacheSource *s, const KilnCacheLayer *layer)
{
    return layer->blob < s->chain->len ? g_array_index(s->chain, gint64, layer->blob) : 0;
}

static const Blob *blob_of(const KilnCacheSource *s, guint blob, GError **error)
{
    if (blob < s->blobs->len)
        return &g_array_index(s->blobs, Blob, blob);
    not_found(error, "the layer is not in the cache");
    return NULL;
}

const char *kiln_cache_source_digest(const KilnCacheSource *s, guint blob)
{
    return blob < s->blobs->len ? g_array_index(s->blobs, Blob, blob).layer.digest : NULL;
}

bool kiln_cache_source_fetch(const KilnCacheSource *s, const KilnCacheLayer *layer, gint64 number, gint64 clamp,
                             bool unpack, GError **error)
{
    const Blob *b = blob_of(s, layer->blob, error);
    if (!b)
        return false;
    KilnIngest i = {.layout = s->layout, .layer = &b->layer, .diff_id = layer->diff_id, .unpack = unpack};
    bool ok = kiln_ingest_run(&i, error) && kiln_ingest_commit_blob(&i, error) &&
              kiln_layer_set_tar_diff_id(s->store, number, clamp, layer->diff_id, error) &&
              (unpack ? kiln_ingest_commit_layer(&i, number, error)
                      : kiln_layer_put_packed(s->store, number, i.blob.size, error));
    kiln_ingest_clear(&i);
    return ok;
}

KilnManifest *kiln_cache_source_unpack(const KilnCacheSource *s, const KilnCacheLayer *layer, KilnWork **work,
                                       int *dirfd, GError **error)
{
    const Blob *b = blob_of(s, layer->blob, error);
    if (!b)
        return NULL;
    KilnIngest i = {.layout = s->layout, .layer = &b->layer, .diff_id = layer->diff_id, .unpack = true};
    KilnManifest *manifest = NULL;
    if (kiln_ingest_run(&i, error)) {
        manifest = g_steal_pointer(&i.manifest);
        *work = g_steal_pointer(&i.work);
        *dirfd = i.upper_fd;
    }
    kiln_ingest_clear(&i);
    return manifest;
}

int kiln_cache_source_blob(const KilnCacheSource *s, guint blob, char **media_type, char **digest, guint64 *size,
                           GError **error)
{
    const Blob *b = blob_of(s, blob, error);
    if (!b || !b->layer.digest || !b->media_type || !s->layout) {
        if (b)
            not_found(error, "the layer is not a blob of the cache");
        return -1;
    }
    int fd = kiln_layout_open_blob(s->layout, b->layer.digest, size, error);
    if (fd < 0)
        return -1;
    *media_type = g_strdup(b->media_type);
    *digest = g_strdup(b->layer.digest);
    return fd;
}
