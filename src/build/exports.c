#include "build/exports.h"

#include "build/imports.h"
#include "build/mounts-private.h"
#include "cache/mounts.h"
#include "image/export.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

/* How often a directory or a cache mount that another one uses is tried for. */
#define RETRY_US (100 * 1000)

typedef struct {
    KilnEngine *engine;
    const KilnCacheTarget *target; /* NULL: inline */
    KilnCacheExport *export;
    char *const *diff_ids; /* inline: of the image */
    KilnCacheConfig *config;
    gint *nodes;     /* by step index */
    GArray *chain;   /* the target's */
    gint *positions; /* by step index: of its layer in it; -1: it is not there */
} Writer;

void kiln_cache_target_free(KilnCacheTarget *t)
{
    g_free(t->directory);
    g_free(t->tag);
    g_ptr_array_unref(t->mounts);
    g_free(t);
}

/* --- Nodes ---------------------------------------------------------------------------------------------- */

static void writer_init(Writer *w)
{
    const KilnPlan *plan = w->engine->options->plan;
    w->chain = kiln_state_chain(kiln_step_state(plan->target));
    w->nodes = g_new0(gint, plan->steps->len + 1);
    w->positions = g_new(gint, plan->steps->len + 1);
    for (guint i = 0; i <= plan->steps->len; i++)
        w->positions[i] = -1;
    gint position = (gint)w->chain->len - 1;
    for (const KilnStep *s = plan->target; s && s->kind != KILN_STEP_FROM; s = s->parent)
        w->positions[s->index] = position--;
}

static void writer_clear(Writer *w)
{
    g_free(w->nodes);
    g_free(w->positions);
    g_clear_pointer(&w->chain, g_array_unref);
    g_clear_pointer(&w->export, kiln_cache_export_free);
}

static bool add_base(Writer *w, KilnCacheNode *n, const KilnState *state, GError **error)
{
    g_autoptr(GArray) chain = kiln_state_chain(state);
    n->diff_ids = g_new0(char *, chain->len + 1);
    for (guint i = 0; i < chain->len; i++) {
        gint64 layer = g_array_index(chain, gint64, i);
        n->diff_ids[i] = kiln_layer_digest(w->engine->options->store, layer, -1, NULL, error);
        if (!n->diff_ids[i])
            return false;
    }
    return true;
}

/* The layer of a step in a cache that was read; what it does not have either is left out. */
static bool pass_on(Writer *w, KilnCacheNode *n, const KilnCacheSource *source, const KilnCacheNode *from)
{
    n->clamp = from->clamp;
    n->has_layer = from->has_layer && kiln_cache_export_copy(w->export, source, &from->layer, &n->layer, NULL);
    return true;
}

static bool add_layer(Writer *w, KilnCacheNode *n, const KilnStep *step, GError **error)
{
    const KilnState *state = kiln_step_state(step);
    gint position = w->positions[step->index];
    gint64 layer = position >= 0 ? g_array_index(w->chain, gint64, position) : state->layer;
    gint64 epoch = w->engine->options->epoch;
    const KilnCacheSource *source;
    const KilnCacheNode *from;
    if (position < 0 && !(w->target && w->target->max))
        return true;
    if (w->target && kiln_imports_is_away(w->engine, layer, &source, &from))
        return pass_on(w, n, source, from);
    n->clamp = epoch;
    n->has_layer = true;
    if (!w->target) {
        n->layer = (KilnCacheLayer){g_strdup(w->diff_ids[position]), (guint)position};
        return true;
    }
    n->has_layer = kiln_cache_export_layer(w->export, layer, epoch, &n->layer, error);
    return n->has_layer;
}

/* How long the step took when it ran, here or elsewhere. */
static gint64 duration_of(KilnEngine *e, const KilnState *state)
{
    const KilnCacheSource *source;
    const KilnCacheNode *node;
    KilnRecord record;
    if (kiln_imports_is_away(e, state->layer, &source, &node))
        return node->duration;
    gint64 duration = kiln_record_lookup(e->options->store, state->key, &record) ? record.duration : 0;
    kiln_record_clear(&record);
    return duration;
}

static bool add_step(Writer *w, const KilnStep *step, GError **error)
{
    const KilnState *state = kiln_step_state(step);
    KilnCacheNode *n = kiln_cache_config_add_node(w->config);
    w->nodes[step->index] = (gint)w->config->nodes->len - 1;
    if (step->kind == KILN_STEP_FROM)
        return add_base(w, n, state, error);
    n->operation = g_strdup(state->operation);
    n->n_inputs = kiln_step_n_inputs(step);
    n->inputs = g_new0(gint, n->n_inputs + 1);
    for (guint i = 0; i < n->n_inputs; i++) {
        const KilnStep *input = kiln_step_get_input(step, i);
        n->inputs[i] = input ? w->nodes[input->index] : -1;
    }
    n->created = state->created;
    n->name = g_strdup(step->created_by);
    n->duration = duration_of(w->engine, state);
    return add_layer(w, n, step, error);
}

static bool add_steps(Writer *w, GError **error)
{
    const GPtrArray *steps = w->engine->options->plan->steps;
    for (guint i = 0; i < steps->len; i++)
        if (kiln_cancel_check(w->engine->options->cancel, error) || !add_step(w, steps->pdata[i], error))
            return false;
    return true;
}

static const KilnCacheTarget *find_inline(const KilnEngine *e)
{
    const GPtrArray *targets = e->options->cache_targets;
    for (guint i = 0; targets && i < targets->len; i++)
        if (!((const KilnCacheTarget *)targets->pdata[i])->directory)
            return targets->pdata[i];
    return NULL;
}

json_object *kiln_exports_inline(KilnEngine *e, char *const *diff_ids)
{
    if (!find_inline(e))
        return NULL;
    g_autoptr(KilnCacheConfig) config = kiln_cache_config_new();
    g_autoptr(GError) error = NULL;
    Writer w = {.engine = e, .config = config, .diff_ids = diff_ids};
    writer_init(&w);
    json_object *o = add_steps(&w, &error) ? kiln_cache_config_to_json(config) : NULL;
    writer_clear(&w);
    if (error)
        kiln_emit_warning(e->options->emitter, NULL, error->message);
    return o;
}

/* --- Cache mounts --------------------------------------------------------------------------------------- */

static bool is_asked_for(const Writer *w, const char *id)
{
    for (guint i = 0; i < w->target->mounts->len; i++) {
        const char *wanted = w->target->mounts->pdata[i];
        if (strcmp(wanted, "all") == 0 || strcmp(wanted, id) == 0)
            return true;
    }
    return false;
}

/* Waits until nobody uses it. -1: error. */
static int lock_mount(KilnEngine *e, const char *name, GError **error)
{
    GError *failure = NULL;
    int fd = -1;
    while ((fd = kiln_cache_lock(e->options->store, name, true, &failure)) < 0 && !failure &&
           !kiln_cancel_wait(e->options->cancel, RETRY_US, &failure))
        ;
    if (failure)
        g_propagate_error(error, failure);
    return fd;
}

/* What this store does not have is handed on. */
static bool keep_mount(Writer *w, const char *name, GError **error)
{
    const KilnCacheSource *from = kiln_cache_export_previous(w->export);
    const KilnCacheMount *m = from ? kiln_cache_config_mount(kiln_cache_source_config(from), name) : NULL;
    if (!m)
        m = kiln_imports_mount(w->engine, name, &from);
    return !m || kiln_cache_mount_keep(w->export, from, m, error);
}

static bool save_mount(Writer *w, const char *name, const char *id, GError **error)
{
    KilnStore *store = w->engine->options->store;
    GError *failure = NULL;
    int lock = lock_mount(w->engine, name, error);
    if (lock < 0)
        return false;
    int path_fd = kiln_cache_open(store, name, &failure);
    int fd = path_fd >= 0 ? openat(path_fd, ".", O_RDONLY | O_DIRECTORY | O_CLOEXEC) : -1;
    if (path_fd >= 0 && fd < 0)
        g_set_error(&failure, KILN_CACHE_ERROR, KILN_CACHE_ERROR_IO, "opening the cache mount \"%s\": %s", id,
                    g_strerror(errno));
    bool ok = !failure && (fd >= 0 ? kiln_cache_mount_save(w->export, store, name, id, fd, &failure)
                                   : keep_mount(w, name, &failure));
    if (fd >= 0)
        close(fd);
    if (path_fd >= 0)
        close(path_fd);
    close(lock);
    if (!ok)
        g_propagate_prefixed_error(error, failure, "the cache mount \"%s\": ", id);
    return ok;
}

static bool save_mounts_of(Writer *w, const KilnStep *step, GHashTable *found, GError **error)
{
    for (guint i = 0; step->mounts && i < step->mounts->len; i++) {
        const KilnMount *m = &g_array_index(step->mounts, KilnMount, i);
        if (m->type != KILN_MOUNT_CACHE || !is_asked_for(w, m->id))
            continue;
        g_hash_table_add(found, m->id);
        g_autofree char *name = kiln_cache_mount_name(m);
        if (!kiln_cache_config_mount(w->config, name) && !save_mount(w, name, m->id, error))
            return false;
    }
    return true;
}

static bool save_mounts(Writer *w, GError **error)
{
    const GPtrArray *steps = w->engine->options->plan->steps;
    g_autoptr(GHashTable) found = g_hash_table_new(g_str_hash, g_str_equal);
    for (guint i = 0; w->target->mounts->len && i < steps->len; i++)
        if (!save_mounts_of(w, steps->pdata[i], found, error))
            return false;
    for (guint i = 0; i < w->target->mounts->len; i++) {
        const char *wanted = w->target->mounts->pdata[i];
        if (strcmp(wanted, "all") == 0 || g_hash_table_contains(found, wanted))
            continue;
        g_autofree char *text =
            g_strdup_printf("--cache-to mounts=%s: no step of this build mounts a cache with this id", wanted);
        kiln_emit_warning(w->engine->options->emitter, NULL, text);
    }
    return true;
}

/* --- Directories ---------------------------------------------------------------------------------------- */

static KilnCacheDirectory *open_directory(KilnEngine *e, const KilnCacheTarget *t, GError **error)
{
    KilnCacheDirectory *d;
    GError *failure = NULL;
    while (!(d = kiln_cache_directory_open(t->directory, t->umask, &failure)) && !failure &&
           !kiln_cancel_wait(e->options->cancel, RETRY_US, &failure))
        ;
    if (failure)
        g_propagate_error(error, failure);
    return d;
}

static bool write_directory(KilnEngine *e, const KilnCacheTarget *t, GError **error)
{
    g_autoptr(KilnCacheDirectory) d = open_directory(e, t, error);
    if (!d)
        return false;
    const GPtrArray *distrusted = kiln_imports_distrusted(e);
    for (guint i = 0; distrusted && i < distrusted->len; i++)
        kiln_cache_directory_distrust(d, distrusted->pdata[i]);
    Writer w = {.engine = e, .target = t, .export = kiln_cache_export_new(e->options->store, d, &t->options)};
    w.config = kiln_cache_export_config(w.export);
    writer_init(&w);
    bool ok = add_steps(&w, error) && save_mounts(&w, error) && kiln_cache_export_finish(w.export, error);
    writer_clear(&w);
    return ok;
}

static bool write_target(KilnEngine *e, const KilnCacheTarget *t, GError **error)
{
    g_autofree char *name = g_strdup_printf("exporting cache to %s", t->directory);
    KilnTask *task = kiln_task_start(e->options->emitter, name);
    GError *failure = NULL;
    bool ok = write_directory(e, t, &failure);
    kiln_task_end(task, kiln_verdict_of(failure), ok ? NULL : failure->message);
    if (ok)
        return true;
    if (t->ignore_error && !kiln_cancel_check(e->options->cancel, NULL)) {
        g_autofree char *text = g_strdup_printf("the cache is not exported: %s", failure->message);
        kiln_emit_warning(e->options->emitter, NULL, text);
        g_error_free(failure);
        return true;
    }
    g_propagate_prefixed_error(error, failure, "exporting the cache to %s: ", t->directory);
    return false;
}

bool kiln_exports_write(KilnEngine *e, GError **error)
{
    const GPtrArray *targets = e->options->cache_targets;
    for (guint i = 0; targets && i < targets->len; i++) {
        const KilnCacheTarget *t = targets->pdata[i];
        if (t->directory && !write_target(e, t, error))
            return false;
    }
    return true;
}
