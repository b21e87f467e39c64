/* The operation "build": definition, plan, steps, tags, archive. */
#include "build/build.h"
#include "builder/caches.h"
#include "builder/definition.h"
#include "builder/output.h"
#include "builder/run-settings.h"

#include <string.h>

typedef struct {
    KilnOperation *op;
    KilnDefinition *definition;
    KilnPlan *plan;
    KilnOutput output;
    KilnBuildHistory *history;
    KilnPast *past; /* what it is held against */
    char *image_id; /* of what was built */
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

static KilnBuilt *run_plan(Build *b, GError **error)
{
    json_object *request = b->op->request;
    const char *jobs = kiln_request_text(request, "jobs");
    g_autoptr(GPtrArray) cache_targets = kiln_caches_targets(b->op, error);
    g_autoptr(GPtrArray) cache_sources = cache_targets ? kiln_caches_open(b->op) : NULL;
    if (!cache_sources)
        return NULL;
    const KilnFetcher fetcher = kiln_fetch_fetcher(b->definition->fetch);
    KilnBuildOptions options = {
        .store = b->op->store,
        .run = b->op->run,
        .emitter = b->op->emitter,
        .cancel = b->op->cancel,
        .plan = b->plan,
        .context = b->definition->context,
        .contexts = kiln_contexts_trees(b->definition->contexts),
        .history = b->history,
        .past = b->past,
        .fetcher = &fetcher,
        .cache_sources = cache_sources,
        .cache_targets = cache_targets,
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
            options.epoch = b->plan->epoch;
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

/* How many builds are kept: the front has checked it. */
static guint builds_to_keep(json_object *request)
{
    const char *text = kiln_request_text(request, "keep_builds");
    return text ? (guint)MIN(g_ascii_strtoull(text, NULL, 10), G_MAXINT) : KILN_BUILDS_KEPT;
}

static KilnBuildSubject subject_of(json_object *request)
{
    return (KilnBuildSubject){.context = kiln_request_text(request, "context"),
                              .dockerfile = kiln_request_text(request, "file"),
                              .target = kiln_request_text(request, "target")};
}

/* A build is as good without its history: what goes wrong here is a warning. */
static void keep_history(const Build *b, const GError *failure)
{
    g_autoptr(GError) error = NULL;
    const KilnOperation *op = b->op;
    g_autofree const char **tags = kiln_request_list(op->request, "tags");
    g_autofree char *names = g_strjoinv(" ", (char **)tags);
    KilnBuildSubject subject = subject_of(op->request);
    subject.names = *names ? names : NULL;
    subject.image = b->image_id;
    guint keep = builds_to_keep(op->request);
    if (keep && !kiln_build_history_put(b->history, op->store, &subject, b->definition ? b->definition->dockerfile : NULL,
                                        failure, op->emitter, keep, &error)) {
        g_prefix_error_literal(&error, "kiln history will not know of this build: ");
        kiln_emit_warning(op->emitter, NULL, error->message);
    }
}

static json_object *make(Build *b, GError **error)
{
    if (!kiln_output_parse(kiln_request_text(b->op->request, "output"), &b->output, error))
        return NULL;
    b->definition = kiln_definition_read(b->op, error);
    b->plan = b->definition ? kiln_definition_plan(b->definition, error) : NULL;
    g_autoptr(KilnBuilt) built = b->plan ? run_plan(b, error) : NULL;
    b->image_id = built ? g_strdup(built->id) : NULL;
    return built ? deliver(b, built, error) : NULL;
}

json_object *kiln_operation_build(KilnOperation *op, GError **error)
{
    const KilnBuildSubject subject = subject_of(op->request);
    g_autofree char *project = kiln_build_project(&subject);
    Build b = {.op = op, .history = kiln_build_history_new(), .past = kiln_past_new(op->store, project, 0)};
    GError *failure = NULL;
    kiln_emitter_keep(op->emitter, KILN_BUILD_LOG_LIMIT);
    json_object *result = make(&b, &failure);
    keep_history(&b, failure);
    if (failure)
        g_propagate_error(error, failure);
    kiln_build_history_free(b.history);
    kiln_past_free(b.past);
    g_clear_pointer(&b.plan, kiln_plan_free);
    g_free(b.image_id);
    g_clear_pointer(&b.definition, kiln_definition_free);
    kiln_output_clear(&b.output);
    return result;
}
