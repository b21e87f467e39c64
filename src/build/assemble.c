/* The result: the target's layers get their digests, the configuration its rootfs and history, and the
 * store its image. */
#include "build/engine.h"
#include "image/export.h"

#include <string.h>

void kiln_build_digest_ahead(gpointer data, gpointer user_data)
{
    KilnState *state = data;
    KilnEngine *e = user_data;
    KilnLayerBlob blob = {0};
    g_autoptr(GError) error = NULL; /* met again, and reported, when the image is assembled */
    g_free(kiln_layer_digest(e->options->store, state->layer, e->options->epoch,
                             e->options->blobs ? &blob : NULL, &error));
    kiln_layer_blob_clear(&blob);
}

static char **diff_ids_of(KilnEngine *e, const GArray *chain, GError **error)
{
    g_autoptr(GPtrArray) ids = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < chain->len; i++) {
        gint64 layer = g_array_index(chain, gint64, i);
        KilnLayerBlob blob = {0};
        if (kiln_cancel_check(e->options->cancel, error))
            return NULL;
        char *id = kiln_layer_digest(e->options->store, layer, e->options->epoch,
                                     e->options->blobs ? &blob : NULL, error);
        kiln_layer_blob_clear(&blob);
        if (!id)
            return NULL;
        g_ptr_array_add(ids, id);
    }
    g_ptr_array_add(ids, NULL);
    return (char **)g_ptr_array_free(g_steal_pointer(&ids), FALSE);
}

/* Chains of built layers are recorded too, so that an image saved and loaded again shares them. */
static bool record_chains(KilnEngine *e, const GArray *chain, char **diff_ids, GError **error)
{
    for (guint i = 0; i < chain->len; i++) {
        g_autofree char *chain_id = kiln_chain_id((const char *const *)diff_ids, i + 1);
        gint64 layer = g_array_index(chain, gint64, i);
        if (!kiln_layer_by_chain(e->options->store, chain_id) &&
            !kiln_layer_set_chain(e->options->store, layer, chain_id, error))
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
static KilnBuilt *configure(KilnEngine *e, const GArray *chain, char **diff_ids, GError **error)
{
    g_autoptr(KilnConfig) config = kiln_config_copy(e->options->plan->config);
    kiln_config_set_diff_ids(config, (const char *const *)diff_ids);
    add_history(e, config);
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
    const KilnState *target = kiln_step_state(e->options->plan->target);
    g_autoptr(GArray) empty = g_array_new(FALSE, FALSE, sizeof(gint64));
    const GArray *chain = target ? target->chain : empty;
    g_auto(GStrv) diff_ids = diff_ids_of(e, chain, error);
    if (!diff_ids || !record_chains(e, chain, diff_ids, error))
        return NULL;
    kiln_task_log(task, "exporting layers done");
    g_autoptr(KilnBuilt) b = configure(e, chain, diff_ids, error);
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
