#include "image/load.h"

#include "image/export.h"
#include "image/ingest.h"

#include <string.h>

/* Each holds files and memory until all have been unpacked; the kernel mounts 500 (Docker: 127). */
/* More than builds have; what each costs is bounded by the size of documents. */
enum { MAX_LAYERS = 10000 };

void kiln_loaded_free(KilnLoaded *l)
{
    if (l == NULL)
        return;
    g_free(l->name);
    g_free(l->id);
    g_free(l);
}

/* One image on its way into the store. */
typedef struct {
    KilnStore *store;
    const KilnLayout *layout;
    char **diff_ids;
    guint n;
    char **chain_ids;
    gint64 *chain;       /* layers, 0: not there yet */
    KilnIngest *ingests; /* one a layer; those not needed stay empty */
    bool *needed;

    GMutex mutex;
    GError *error; /* the first of any thread */
} Loading;

static void ingest_one(gpointer data, gpointer user)
{
    KilnIngest *i = data;
    Loading *g = user;
    g_mutex_lock(&g->mutex);
    bool failed = g->error != NULL;
    g_mutex_unlock(&g->mutex);
    GError *error = NULL;
    if (failed || kiln_ingest_run(i, &error))
        return;
    g_mutex_lock(&g->mutex);
    if (g->error == NULL)
        g->error = error;
    else
        g_error_free(error);
    g_mutex_unlock(&g->mutex);
}

/* Finds what the store has, and takes in the rest, several layers at once. */
static bool ingest_all(Loading *g, const KilnLayoutImage *image, GError **error)
{
    GThreadPool *pool = g_thread_pool_new(ingest_one, g, (int)g_get_num_processors(), FALSE, error);
    if (pool == NULL)
        return false;
    for (guint i = 0; i < g->n; i++) {
        g->chain_ids[i] = kiln_chain_id(i ? g->chain_ids[i - 1] : NULL, g->diff_ids[i]);
        g->chain[i] = kiln_layer_by_chain(g->store, g->chain_ids[i]);
        KilnLayerBlob blob;
        /* A layer of an image needs its blob: kiln could not write the same tar again. */
        bool has_blob = kiln_layer_blob_lookup(g->store, g->diff_ids[i], &blob);
        kiln_layer_blob_clear(&blob);
        g->needed[i] = g->chain[i] == 0 || !has_blob;
        if (!g->needed[i])
            continue;
        g->ingests[i] = (KilnIngest){.layout = g->layout,
                                     .layer = image->layers->pdata[i],
                                     .diff_id = g->diff_ids[i],
                                     .unpack = g->chain[i] == 0};
        g_thread_pool_push(pool, &g->ingests[i], NULL);
    }
    g_thread_pool_free(pool, FALSE, TRUE);
    if (g->error != NULL)
        g_propagate_error(error, g_steal_pointer(&g->error));
    return *error == NULL;
}

/* Directories that the layer's tar did not list get the attributes that they have below, in the
 * manifest and on disk: overlayfs shows those of the top layer that has the directory. */
static bool fix_implicit(Loading *g, guint layer, GError **error)
{
    KilnIngest *in = &g->ingests[layer];
    g_autoptr(KilnView) below = NULL;
    g_autoptr(KilnPlacer) placer = NULL;
    guint n = kiln_manifest_length(in->manifest);
    for (guint i = 0; i < n; i++) {
        KilnEntry *e = kiln_manifest_get(in->manifest, i);
        if (!e->implicit)
            continue;
        e->implicit = false;
        if (placer == NULL) {
            below = kiln_layer_view(g->store, g->chain, layer, error);
            if (below == NULL)
                return false;
            placer = kiln_placer_new(in->upper_fd, kiln_store_owners(g->store));
        }
        const KilnEntry *lower = kiln_view_lookup(below, e->path, NULL);
        if (lower == NULL || lower->type != KILN_TYPE_DIR)
            continue;
        e->mode = lower->mode;
        e->uid = lower->uid;
        e->gid = lower->gid;
        e->mtime = lower->mtime;
        e->mtime_nsec = lower->mtime_nsec;
        kiln_manifest_set_xattrs(in->manifest, e, lower->xattrs, lower->n_xattrs);
        if (!kiln_placer_put(placer, e, -1, error))
            return false;
    }
    return placer == NULL || kiln_placer_finish(placer, error);
}

/* Blob first, so that a layer that can be found by its chainID has one. */
static bool commit_layer(Loading *g, guint i, GError **error)
{
    KilnIngest *in = &g->ingests[i];
    if (!kiln_ingest_commit_blob(in, error))
        return false;
    if (g->chain[i] != 0)
        return true;
    if (!fix_implicit(g, i, error))
        return false;
    g->chain[i] = kiln_layer_commit(g->store, in->work, in->manifest, error);
    return g->chain[i] != 0 &&
           kiln_layer_set_diff_id(g->store, g->chain[i], g->diff_ids[i], error) &&
           kiln_layer_set_chain(g->store, g->chain[i], g->chain_ids[i], error);
}

static bool load_layers(Loading *g, const KilnLayoutImage *image, GError **error)
{
    GError *failed = NULL;
    bool ok = ingest_all(g, image, &failed);
    if (!ok)
        g_propagate_error(error, failed);
    for (guint i = 0; ok && i < g->n; i++)
        ok = !g->needed[i] || commit_layer(g, i, error);
    for (guint i = 0; i < g->n; i++)
        kiln_ingest_clear(&g->ingests[i]);
    return ok;
}

/* Checks the config and takes the layers in; *chain gets one number a diffID. */
static bool load_chain(KilnStore *s, const KilnLayout *l, const KilnLayoutImage *image,
                       gint64 **chain, guint *n, GError **error)
{
    g_autoptr(KilnConfig) config = kiln_config_parse(image->config, image->config_size, error);
    if (config == NULL || !kiln_config_validate(config, error))
        return false;
    g_auto(GStrv) diff_ids = kiln_config_diff_ids(config);
    Loading g = {.store = s, .layout = l, .diff_ids = diff_ids, .n = g_strv_length(diff_ids)};
    if (g.n != image->layers->len) {
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT,
                    "the image's manifest lists %u layers, its config %u", image->layers->len, g.n);
        return false;
    }
    if (g.n > MAX_LAYERS) {
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT,
                    "the image has %u layers, more than the %d that kiln takes", g.n, MAX_LAYERS);
        return false;
    }
    g_mutex_init(&g.mutex);
    g.chain_ids = g_new0(char *, g.n + 1);
    g.chain = g_new0(gint64, g.n + 1);
    g.ingests = g_new0(KilnIngest, g.n + 1);
    g.needed = g_new0(bool, g.n + 1);
    bool ok = load_layers(&g, image, error);
    g_strfreev(g.chain_ids);
    g_free(g.ingests);
    g_free(g.needed);
    g_mutex_clear(&g.mutex);
    *chain = g.chain;
    *n = g.n;
    return ok;
}

static void add_loaded(GPtrArray *loaded, const char *name, const char *id)
{
    KilnLoaded *l = g_new0(KilnLoaded, 1);
    l->name = g_strdup(name);
    l->id = g_strdup(id);
    g_ptr_array_add(loaded, l);
}

static bool load_image(KilnStore *s, const KilnLayout *l, const KilnLayoutImage *image,
                       const char *name, const char *source_digest, GPtrArray *loaded,
                       GError **error)
{
    g_autofree gint64 *chain = NULL;
    g_autofree char *id = NULL;
    guint n = 0;
    const char *const *names = (const char *const *)image->names->pdata;
    guint n_names = image->names->len;
    if (name != NULL) {
        names = &name;
        n_names = 1;
    }
    if (!load_chain(s, l, image, &chain, &n, error) ||
        !kiln_blob_put_bytes(s, image->config, image->config_size, &id, error) ||
        !kiln_image_put(s, id, n_names > 0 ? names[0] : NULL, chain, n, source_digest, error))
        return false;
    add_loaded(loaded, n_names > 0 ? names[0] : NULL, id);
    for (guint i = 1; i < n_names; i++) {
        if (!kiln_image_tag(s, id, names[i], error))
            return false;
        add_loaded(loaded, names[i], id);
    }
    return true;
}

static GPtrArray *load_all(KilnStore *s, const char *path, const char *ref, const char *name,
                           const KilnPlatform *platform, const char *source_digest, GError **error)
{
    g_autoptr(KilnLayout) layout = kiln_layout_open(s, path, error);
    g_autoptr(GPtrArray) images =
        layout != NULL ? kiln_layout_images(layout, ref, platform, error) : NULL;
    if (images == NULL)
        return NULL;
    if (name != NULL && images->len > 1) {
        g_set_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT,
                    "it has %u images, which cannot all be %s; choose one by its tag", images->len,
                    name);
        return NULL;
    }
    g_autoptr(GPtrArray) loaded = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_loaded_free);
    for (guint i = 0; i < images->len; i++)
        if (!load_image(s, layout, images->pdata[i], name, source_digest, loaded, error))
            return NULL;
    return g_steal_pointer(&loaded);
}

GPtrArray *kiln_load(KilnStore *s, const char *path, const char *ref, const char *name,
                     const KilnPlatform *platform, const char *source_digest, GError **error)
{
    GPtrArray *loaded = load_all(s, path, ref, name, platform, source_digest, error);
    if (loaded == NULL)
        g_prefix_error(error, "cannot load %s: ", strcmp(path, "-") == 0 ? "standard input" : path);
    return loaded;
}
