#include "remote/pull.h"

#include "remote/download.h"
#include "remote/error.h"
#include "remote/json.h"
#include "remote/layout.h"
#include "remote/registry.h"

#define DOWNLOADS_AT_ONCE 3
#define INDEX_DEPTH_MAX 4 /* of indexes within indexes */

/* The downloads of one pull, shared by its threads. */
typedef struct {
    const RemotePull *pull;
    RemoteRegistry *registry;
    RemoteLayout *layout;
    GAsyncQueue *idle; /* RemoteHttp handles, one a thread */
    GMutex lock;
    GError *error; /* the first */
} Downloads;

static void fail(Downloads *s, GError *error)
{
    g_mutex_lock(&s->lock);
    g_atomic_int_set(s->pull->cancelled, 1);
    if (!s->error) {
        s->error = error;
    } else {
        g_error_free(error);
    }
    g_mutex_unlock(&s->lock);
}

static void fetch_blob(gpointer item, gpointer data)
{
    const RemoteDescriptor *blob = item;
    Downloads *s = data;
    if (g_atomic_int_get(s->pull->cancelled)) {
        return;
    }
    GError *error = NULL;
    bool found = false;
    if (!remote_layout_adopt(s->layout, blob, &found, &error)) {
        fail(s, error);
        return;
    }
    if (found) {
        remote_events_progress(s->pull->events, blob->digest, blob->size, blob->size);
        return;
    }
    RemoteHttp *http = g_async_queue_pop(s->idle);
    if (!remote_download(s->registry, http, s->layout, s->pull->events, blob, &error)) {
        fail(s, error);
    }
    g_async_queue_push(s->idle, http);
}

/* The blobs of an image, each once: two layers with the same content are one blob. */
static GPtrArray *blobs_of(const RemoteManifest *image)
{
    g_autoptr(GHashTable) seen = g_hash_table_new(g_str_hash, g_str_equal);
    GPtrArray *blobs = g_ptr_array_new();
    g_hash_table_add(seen, image->self->digest);
    if (g_hash_table_add(seen, image->config->digest)) {
        g_ptr_array_add(blobs, image->config);
    }
    for (guint i = 0; i < image->layers->len; i++) {
        RemoteDescriptor *layer = image->layers->pdata[i];
        if (g_hash_table_add(seen, layer->digest)) {
            g_ptr_array_add(blobs, layer);
        }
    }
    return blobs;
}

static bool fetch_blobs(const RemotePull *pull, RemoteRegistry *registry, RemoteLayout *layout,
                        const RemoteManifest *image, GError **error)
{
    g_autoptr(GPtrArray) blobs = blobs_of(image);
    for (guint i = 0; i < blobs->len; i++) { /* so that the whole amount is known */
        const RemoteDescriptor *blob = blobs->pdata[i];
        if (blob != image->config && pull->max_blob > 0 && blob->size > pull->max_blob) {
            g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT,
                        "the layer %s of %s has %" G_GINT64_FORMAT
                        " bytes; where that is meant, set --max-layer-size higher",
                        blob->digest, remote_registry_name(registry), blob->size);
            return false;
        }
        remote_events_progress(pull->events, blob->digest, 0, blob->size);
    }
    g_autoptr(GAsyncQueue) idle = g_async_queue_new_full((GDestroyNotify)remote_http_free);
    for (guint i = 0; i < DOWNLOADS_AT_ONCE; i++) {
        g_async_queue_push(idle, remote_http_new(pull->cancelled));
    }
    Downloads s = {.pull = pull, .registry = registry, .layout = layout, .idle = idle};
    g_mutex_init(&s.lock);
    GThreadPool *pool = g_thread_pool_new(fetch_blob, &s, DOWNLOADS_AT_ONCE, FALSE, NULL);
    for (guint i = 0; i < blobs->len; i++) {
        g_thread_pool_push(pool, blobs->pdata[i], NULL);
    }
    g_thread_pool_free(pool, FALSE, TRUE); /* waits for all */
    g_mutex_clear(&s.lock);
    if (s.error) {
        g_propagate_error(error, s.error);
        return false;
    }
    if (g_atomic_int_get(pull->cancelled)) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_CANCELLED, "the pull was cancelled");
        return false;
    }
    return true;
}

/* From what the reference names to the image for the platform, through indexes. */
static RemoteManifest *find_image(const RemotePull *pull, RemoteRegistry *registry,
                                  RemoteHttp *http, RemoteManifest *top, GError **error)
{
    g_autoptr(RemoteManifest) m = top;
    g_autofree char *name = kiln_reference_canonical(pull->reference);
    for (guint depth = 0; m->manifests; depth++) {
        const RemoteDescriptor *chosen = remote_manifest_choose(m, pull->platform, name, error);
        if (!chosen) {
            return NULL;
        }
        if (depth == INDEX_DEPTH_MAX) {
            g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT,
                        "%s is an index of indexes more than %d deep", name, INDEX_DEPTH_MAX);
            return NULL;
        }
        RemoteManifest *next = remote_registry_manifest(registry, http, chosen->digest, error);
        if (!next) {
            return NULL;
        }
        if (next->self->size != chosen->size) {
            g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_DIGEST,
                        "the manifest %s of %s is not as large as its index says", chosen->digest,
                        name);
            remote_manifest_free(next);
            return NULL;
        }
        if (chosen->platform) {
            next->self->platform = remote_platform_new(
                chosen->platform->os, chosen->platform->architecture, chosen->platform->variant);
        }
        remote_manifest_free(m);
        m = next;
    }
    return g_steal_pointer(&m);
}

/* An image without an index has its platform in its config. Docker takes it whatever that is; the
 * user is told. */
static bool warn_of_platform(const RemotePull *pull, RemoteLayout *layout,
                             const RemoteManifest *image, GError **error)
{
    g_autoptr(GBytes) bytes = remote_layout_read(layout, image->config, error);
    if (!bytes) {
        return false;
    }
    gsize size = 0;
    const char *text = g_bytes_get_data(bytes, &size);
    g_autofree char *name = kiln_reference_canonical(pull->reference);
    g_autofree char *what = g_strconcat("the config of ", name, NULL);
    g_autoptr(json_object) config = remote_json_parse(text, size, what, error);
    if (!config) {
        return false;
    }
    const char *os = remote_json_string(config, "os");
    const char *architecture = remote_json_string(config, "architecture");
    if (!os || !architecture) {
        return true;
    }
    g_autoptr(RemotePlatform) actual =
        remote_platform_new(os, architecture, remote_json_string(config, "variant"));
    if (remote_platform_rank(pull->platform, actual) >= 0) {
        return true;
    }
    g_autofree char *wanted_text = remote_platform_text(pull->platform);
    g_autofree char *actual_text = remote_platform_text(actual);
    g_autofree char *shown = remote_printable(actual_text, 60);
    g_autofree char *message =
        g_strdup_printf("%s is an image for %s, not for %s", name, shown, wanted_text);
    remote_events_warning(pull->events, message);
    return true;
}

bool remote_pull(const RemotePull *pull, GError **error)
{
    const KilnReference *reference = pull->reference;
    g_autoptr(RemoteLayout) layout = remote_layout_open(pull->folder, pull->have, error);
    if (!layout) {
        return false;
    }
    g_autoptr(RemoteHttp) http = remote_http_new(pull->cancelled);
    g_autoptr(RemoteRegistry) registry =
        remote_registry_open(reference, pull->config_file, http, error);
    if (!registry) {
        return false;
    }
    const char *which = reference->digest ? reference->digest : reference->tag;
    RemoteManifest *top = remote_registry_manifest(registry, http, which, error);
    if (!top) {
        return false;
    }
    g_autofree char *resolved = g_strdup(top->self->digest);
    g_autoptr(RemoteManifest) image = find_image(pull, registry, http, top, error);
    if (!image) {
        return false;
    }
    KilnReference pinned = *reference; /* shallow */
    pinned.digest = resolved;
    g_autofree char *source = kiln_reference_canonical(&pinned);
    if (!remote_layout_put(layout, image->self, image->bytes, error) ||
        !fetch_blobs(pull, registry, layout, image, error) ||
        (!image->self->platform && !warn_of_platform(pull, layout, image, error)) ||
        !remote_layout_finish(layout, image->self, reference->tag, source, error)) {
        return false;
    }
    remote_events_done(pull->events, resolved, image->self->digest);
    return true;
}
