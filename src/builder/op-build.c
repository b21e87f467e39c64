/* The operation "build": definition, plan, steps, tags, archive. */
#include "build/build.h"
#include "builder/definition.h"
#include "builder/output.h"
#include "builder/run-settings.h"

#include <string.h>

typedef struct {
    KilnOperation *op;
    KilnDefinition *definition;
    KilnOutput output;
} Build;

static bool parse_epoch(json_object *request, gint64 *epoch, GError **error)
{
    const char *text = kiln_request_text(request, "source_date_epoch");
    guint64 value = 0;
    *epoch = -1;
    if (!text || !*text)
        return true;
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, &value, NULL)) {
        g_set_error(error, KILN_OPERATION_ERROR, 2, "SOURCE_DATE_EPOCH=%s is not a number of seconds", text);
        return false;
    }
    *epoch = (gint64)value;
    return true;
}

/* A layer that turns out to be damaged when it is used has been taken for not there since: its step is built again.
 * Each turn takes one at least, or is the last. */
static KilnBuilt *run_past_damage(KilnOperation *op, const KilnBuildOptions *options, GError **error)
{
    GError *failure = NULL;
    KilnBuilt *built;
    gint64 layer;
    while (!(built = kiln_build_run(options, &failure)) && (layer = kiln_layer_newly_condemned(op->store)) != 0) {
        g_autofree char *text = g_strdup_printf("layer %" G_GINT64_FORMAT " of the store is damaged and is made again: %s",
                                                layer, failure->message);
        kiln_emit_warning(op->emitter, NULL, text);
        g_clear_error(&failure);
        kiln_cancel_resume(op->cancel);
    }
    if (failure)
        g_propagate_error(error, failure);
    return built;
}

static KilnBuilt *run_plan(Build *b, const KilnPlan *plan, GError **error)
{
    json_object *request = b->op->request;
    const char *jobs = kiln_request_text(request, "jobs");
    const KilnFetcher fetcher = kiln_fetch_fetcher(b->definition->fetch);
    KilnBuildOptions options = {
        .store = b->op->store,
        .run = b->op->run,
        .emitter = b->op->emitter,
        .cancel = b->op->cancel,
        .plan = plan,
        .context = b->definition->context,
        .contexts = kiln_contexts_trees(b->definition->contexts),
        .fetcher = &fetcher,
        .console = b->op->console,
        .term = kiln_request_text(request, "term"),
        .jobs = jobs ? (guint)g_ascii_strtoull(jobs, NULL, 10) : 0,
        .no_cache = kiln_request_flag(request, "no_cache"),
        .record = !b->output.path, /* of an image in an archive only the layers are kept, as the cache */
        .blobs = b->output.path != NULL,
    };
    KilnBuilt *built = NULL;
    if (parse_epoch(request, &options.epoch, error) &&
        kiln_run_settings_read(b->op, &options.run_settings, error)) {
        if (options.epoch < 0)
            options.epoch = plan->epoch;
        built = run_past_damage(b->op, &options, error);
    }
    kiln_run_settings_clear(&options.run_settings);
    return built;
}

/* Names the image, or writes the archive; fills the result document. */
static json_object *deliver(Build *b, const KilnBuilt *built, GError **error)
{
    g_autoptr(GPtrArray) names = g_ptr_array_new_with_free_func(g_free);
    g_autofree const char **tags = kiln_request_list(b->op->request, "tags");
    json_object *list = json_object_new_array();
    json_object *result = json_object_new_object();
    json_object_object_add(result, "image_id", json_object_new_string(built->id));
    json_object_object_add(result, "names", list);
    bool ok = !kiln_cancel_check(b->op->cancel, error);
    for (const char **tag = tags; *tag && ok; tag++) {
        char *name = kiln_canonical_name(*tag, error);
        ok = name && (b->output.path || kiln_image_tag(b->op->store, built->id, name, error));
        if (name) {
            g_ptr_array_add(names, name);
            json_object_array_add(list, json_object_new_string(name));
        }
    }
    g_ptr_array_add(names, NULL);
    g_autofree char *digest = NULL;
    if (ok && b->output.path) {
        KilnExport image = {built->id,    (char **)names->pdata, built->config, built->config_size,
                            built->chain, built->n_chain};
        ok = kiln_output_write(b->op, &b->output, &image, 1, &digest, error);
        if (ok)
            json_object_object_add(result, "digest", json_object_new_string(digest));
    }
    if (!ok) {
        json_object_put(result);
        return NULL;
    }
    return result;
}

static json_object *build(Build *b, GError **error)
{
    if (!kiln_output_parse(kiln_request_text(b->op->request, "output"), &b->output, error))
        return NULL;
    b->definition = kiln_definition_read(b->op, error);
    g_autoptr(KilnPlan) plan = b->definition ? kiln_definition_plan(b->definition, error) : NULL;
    g_autoptr(KilnBuilt) built = plan ? run_plan(b, plan, error) : NULL;
    return built ? deliver(b, built, error) : NULL;
}

json_object *kiln_operation_build(KilnOperation *op, GError **error)
{
    Build b = {.op = op};
    json_object *result = build(&b, error);
    g_clear_pointer(&b.definition, kiln_definition_free);
    kiln_output_clear(&b.output);
    return result;
}
