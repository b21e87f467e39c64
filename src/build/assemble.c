/* The result: the target's layers get their digests, the configuration its rootfs and history, and the
 * store its image. */
#include "build/exports.h"
#include "image/export.h"

#include <string.h>

bool kiln_step_feeds_target(const KilnEngine *e, const KilnStep *step)
{
    for (const KilnStep *s = e->options->plan->target; s; s = s->parent)
        if (s == step)
            return true;
    return false;
}

bool kiln_build_wants_digest(const KilnEngine *e, const KilnStep *step)
{
    return kiln_step_feeds_target(e, step) && !e->options->blobs; /* a blob is made of a layer in the store */
}

void kiln_build_take_digest(KilnEngine *e, const KilnManifest *manifest, KilnCopyDigest *digest)
{
    g_mutex_lock(&e->lock);
    g_hash_table_insert(e->digests, (gpointer)manifest, digest);
    g_mutex_unlock(&e->lock);
}

/* If the layer's digest is under way: waits for it and records it. */
static bool follow_digest(KilnEngine *e, gint64 layer)
{
    g_autoptr(KilnManifest) m = kiln_layer_manifest(e->options->store, layer, NULL);
    gpointer found = NULL;
    g_mutex_lock(&e->lock);
    g_hash_table_steal_extended(e->digests, m, NULL, &found);
    g_mutex_unlock(&e->lock);
    g_autoptr(KilnCopyDigest) digest = found;
    g_autofree char *diff_id = digest ? kiln_copy_digest_wait(digest) : NULL;
    return diff_id && kiln_layer_digest_record(e->options->store, layer, m, e->options->epoch, diff_id, NULL);
}

void kiln_build_digest_ahead(gpointer data, gpointer user_data)
{
    gint64 layer = (gint64)GPOINTER_TO_SIZE(data);
    KilnEngine *e = user_data;
    KilnLayerBlob blob = {0};
    g_autoptr(GError) error = NULL; /* met again, and reported, when the image is assembled */
    if (follow_digest(e, layer))
        return;
    g_free(kiln_layer_digest(e->options->store, layer, e->options->epoch,
                             e->options->blobs ? &blob : NULL, &error));
    kiln_layer_blob_clear(&blob);
}

/* The digests of a chain's layers, made where they are not known, and what the store calls the chains. */
typedef struct {
    char **diff_ids, **chain_ids; /* of each layer; chain_ids[i]: NULL if it has none */
    guint n;
} Digests;

static void digests_clear(Digests *d)
{
    for (guint i = 0; i < d->n; i++) {
        g_free(d->diff_ids[i]);
        g_free(d->chain_ids[i]);
    }
    g_free(d->diff_ids);
    g_free(d->chain_ids);
}
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(Digests, digests_clear)

static bool find_digests(KilnEngine *e, const GArray *chain, Digests *d, GError **error)
{
    const gint64 *layers = (const gint64 *)(void *)chain->data;
    *d = (Digests){g_new0(char *, chain->len + 1), g_new0(char *, chain->len + 1), chain->len};
    kiln_layer_ids(e->options->store, layers, d->n, e->options->epoch, d->diff_ids, d->chain_ids);
    for (guint i = 0; i < d->n; i++) {
        KilnLayerBlob blob = {0};
        if (kiln_cancel_check(e->options->cancel, error))
            return false;
        if (d->diff_ids[i] && !e->options->blobs)
            continue;
        g_free(d->diff_ids[i]);
        d->diff_ids[i] = kiln_layer_digest(e->options->store, layers[i], e->options->epoch,
                                           e->options->blobs ? &blob : NULL, error);
        kiln_layer_blob_clear(&blob);
        if (!d->diff_ids[i])
            return false;
    }
    return true;
}

/* Chains of built layers are recorded too, so that an image saved and loaded again shares them. */
static bool record_chains(KilnEngine *e, const GArray *chain, const Digests *d, GError **error)
{
    g_autofree char *chain_id = NULL;
    for (guint i = 0; i < d->n; i++) {
        char *next = kiln_chain_id(chain_id, d->diff_ids[i]);
        g_free(chain_id);
        chain_id = next;
        if (g_strcmp0(chain_id, d->chain_ids[i]) != 0 && !kiln_layer_by_chain(e->options->store, chain_id) &&
            !kiln_layer_set_chain(e->options->store, g_array_index(chain, gint64, i), chain_id, error))
            return false;
    }
    return true;
}

static const char *config_created(const KilnConfig *config)
{
    json_object *value;
    return json_object_object_get_ex(kiln_config_json(config), "created", &value)
               ? json_object_get_string(value)
               : NULL;
}

/* Times come from the step records, not from the clock: a build that is all cached gives the same bytes.
 * An instruction without a layer has the time of the layer before it. */
static void add_history(KilnEngine *e, KilnConfig *config)
{
    const KilnPlan *plan = e->options->plan;
    g_autofree char *created = e->options->epoch >= 0
                                   ? kiln_time_format(e->options->epoch, 0)
                                   : g_strdup(config_created(config));
    for (guint i = 0; i < plan->history->len; i++) {
        const KilnHistory *h = plan->history->pdata[i];
        const KilnState *state = kiln_step_state(h->step);
        if (state && state->created && e->options->epoch < 0) {
            g_free(created);
            created = kiln_time_format(state->created, 0);
        }
        if (!created)
            created = kiln_time_format(0, 0);
        kiln_config_add_history(config, created, h->created_by, h->comment, h->step == NULL);
    }
    if (created)
        kiln_config_set_top(config, "created", created);
}

void kiln_built_free(KilnBuilt *b)
{
    g_free(b->id);
    g_free(b->config);
    g_free(b->chain);
    g_free(b);
}

/* The configuration of the image and with it its ID. */
static KilnBuilt *configure(KilnEngine *e, const GArray *chain, const Digests *d, GError **error)
{
    g_autoptr(KilnConfig) config = kiln_config_copy(e->options->plan->config);
    kiln_config_set_diff_ids(config, (const char *const *)d->diff_ids);
    add_history(e, config);
    json_object *cache = kiln_exports_inline(e, d->diff_ids);
    json_object_object_del(kiln_config_json(config), KILN_CACHE_INLINE_KEY); /* a base's is not this image's */
    if (cache)
        json_object_object_add(kiln_config_json(config), KILN_CACHE_INLINE_KEY, cache);
    if (!kiln_config_validate(config, error))
        return NULL;
    KilnBuilt *b = g_new0(KilnBuilt, 1);
    b->config = kiln_config_dump(config, &b->config_size);
    b->id = kiln_digest_of_bytes(b->config, b->config_size);
    b->chain = g_memdup2(chain->data, chain->len * sizeof *b->chain);
    b->n_chain = chain->len;
    return b;
}

static bool record(KilnEngine *e, const KilnBuilt *b, KilnTask *task, GError **error)
{
    KilnStore *store = e->options->store;
    g_autofree char *digest = NULL;
    if (kiln_cancel_check(e->options->cancel, error) ||
        !kiln_blob_put_bytes(store, b->config, b->config_size, &digest, error) ||
        !kiln_image_put(store, b->id, NULL, b->chain, b->n_chain, NULL, error))
        return false;
    kiln_task_log(task, "writing image %s done", b->id);
    return true;
}

static KilnBuilt *assemble(KilnEngine *e, KilnTask *task, GError **error)
{
    g_autoptr(GArray) chain = kiln_state_chain(kiln_step_state(e->options->plan->target));
    g_auto(Digests) digests = {0};
    if (!find_digests(e, chain, &digests, error) || !record_chains(e, chain, &digests, error))
        return NULL;
    kiln_task_log(task, "exporting layers done");
    g_autoptr(KilnBuilt) b = configure(e, chain, &digests, error);
    return b && (!e->options->record || record(e, b, task, error)) ? g_steal_pointer(&b) : NULL;
}

KilnBuilt *kiln_build_assemble(KilnEngine *e, GError **error)
{
    KilnTask *task = kiln_task_start(e->options->emitter, "exporting to image");
    GError *failure = NULL;
    KilnBuilt *built = assemble(e, task, &failure);
    kiln_task_end(task, kiln_verdict_of(failure), failure ? failure->message : NULL);
    if (failure)
        g_propagate_error(error, failure);
    return built;
}
