/* The scheduler: every step is a unit of work for a pool of threads, handed out when the steps that it
 * needs are done. A step first makes its key, then either finds its record or is executed. */
#include "arena/heap.h"
#include "build/engine.h"
#include "build/etc.h"
#include "build/exports.h"
#include "build/imports.h"
#include "build/network.h"
#include "build/shell.h"
#include "build/step-limits.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

G_DEFINE_QUARK(kiln-build-error-quark, kiln_build_error)

#define DEFAULT_JOBS 8
#define HEAP_A_STEP 4096 /* bytes that a cached one leaves behind until the end, in documents too */

const KilnStepKindOps *kiln_step_ops(KilnStepKind kind)
{
    switch (kind) {
    case KILN_STEP_RUN:
        return &kiln_step_run;
    case KILN_STEP_COPY:
        return &kiln_step_copy;
    case KILN_STEP_WORKDIR:
        return &kiln_step_workdir;
    default:
        return NULL;
    }
}

/* A base is known by its content: the diffIDs of the layers that came with an image. One that was built here
 * may have none, or several (SOURCE_DATE_EPOCH), and is known by its number, which is never given again. */
static void feed_base_layer(KilnStore *store, gint64 layer, KilnHash *key)
{
    /* No tar is ever written with this clamp: what comes back is the diffID of the image's own tar. */
    g_autofree char *diff_id = kiln_layer_tar_diff_id(store, layer, G_MININT64);
    kiln_hash_string(key, diff_id);
    if (!diff_id)
        kiln_hash_update(key, &layer, sizeof layer);
}

bool kiln_step_from(KilnEngine *e, KilnStep *step, KilnState *state, GError **error)
{
    g_autoptr(KilnImage) image = kiln_image_lookup(e->options->store, step->image_id, error);
    if (!image)
        return false;
    for (guint i = 0; i < image->n_chain; i++)
        if (!kiln_layer_is_usable(e->options->store, image->chain[i])) {
            g_set_error(error, KILN_STORE_ERROR, KILN_STORE_ERROR_CORRUPT,
                        "layer %" G_GINT64_FORMAT " of the base image %s is damaged in the store (\"kiln fsck\" tells more); "
                        "pull, load or import the image again",
                        image->chain[i], image->names[0] ? image->names[0] : image->id);
            return false;
        }
    kiln_state_set_base(state, image->chain, image->n_chain);
    g_autoptr(KilnHash) key = kiln_hash_new();
    kiln_hash_string(key, KILN_KEY_FORMAT);
    kiln_hash_string(key, "FROM");
    for (guint i = 0; i < image->n_chain; i++)
        feed_base_layer(e->options->store, image->chain[i], key);
    state->key = kiln_hash_finish_text(key);
    state->id = g_strdup(state->key);
    return true;
}

static bool run_from(KilnEngine *e, KilnStep *step, KilnState *state, GError **error)
{
    KilnTask *task = kiln_task_start(e->options->emitter, step->name);
    bool ok = kiln_step_from(e, step, state, error);
    /* the store has it, whoever brought it there */
    kiln_task_end(task, ok ? KILN_VERDICT_CACHED : KILN_VERDICT_ERROR, NULL);
    return ok;
}

/* What a key came to in this build. */
typedef struct {
    bool busy;         /* a thread looks it up or executes it */
    KilnRecord record; /* without a key: not known yet */
} Outcome;

static void outcome_free(gpointer data)
{
    Outcome *outcome = data;
    kiln_record_clear(&outcome->record);
    g_free(outcome);
}

/* Waits while another thread has the key, then takes it. */
static Outcome *claim_key(KilnEngine *e, const char *key)
{
    g_mutex_lock(&e->lock);
    Outcome *outcome = g_hash_table_lookup(e->outcomes, key);
    if (!outcome) {
        outcome = g_new0(Outcome, 1);
        g_hash_table_insert(e->outcomes, g_strdup(key), outcome);
    }
    e->key_waiters++;
    while (outcome->busy)
        g_cond_wait(&e->changed, &e->lock);
    e->key_waiters--;
    outcome->busy = true;
    g_mutex_unlock(&e->lock);
    return outcome;
}

static void release_key(KilnEngine *e, Outcome *outcome)
{
    g_mutex_lock(&e->lock);
    outcome->busy = false;
    if (e->key_waiters) /* else it would be a system call a step for nothing */
        g_cond_broadcast(&e->changed);
    g_mutex_unlock(&e->lock);
}

/* *layer: the number that it is to have, 0: the next. */
static bool fill_layer(KilnEngine *e, KilnStep *step, gpointer prepared, KilnWork *work,
                       KilnTask *task, gint64 *layer, GError **error)
{
    int upperfd = kiln_work_mkdir(work, "upper", error);
    if (upperfd < 0)
        return false;
    g_autoptr(KilnManifest) manifest =
        kiln_step_ops(step->kind)->execute(e, step, prepared, work, upperfd, task, error);
    if (manifest && *layer)
        return kiln_layer_commit_as(e->options->store, work, manifest, *layer, error);
    *layer = manifest ? kiln_layer_commit(e->options->store, work, manifest, error) : 0;
    return *layer != 0;
}

static void sweep(gpointer work, gpointer data)
{
    (void)data;
    kiln_work_free(work);
}

bool kiln_step_feed(KilnEngine *e, KilnStep *step, gpointer prepared, KilnKey *key, GError **error)
{
    kiln_key_text(key, "format", NULL, KILN_KEY_FORMAT);
    kiln_key_text(key, "instruction", NULL, step->keyword);
    return kiln_step_ops(step->kind)->feed(e, step, prepared, key, error);
}

static bool make_layer(KilnEngine *e, KilnStep *step, gpointer prepared, KilnTask *task, gint64 *layer, GError **error)
{
    if (kiln_cancel_check(e->options->cancel, error))
        return false;
    KilnWork *work = kiln_work_new(e->options->store, error);
    if (!work)
        return false;
    kiln_networks_expect(e, step);
    bool ok = fill_layer(e, step, prepared, work, task, layer, error);
    if (!kiln_shell_keeps(e, work))
        g_thread_pool_push(e->sweepers, work, NULL); /* nobody need wait for its removal */
    return ok;
}

/* Why a step is done. */
typedef struct {
    KilnEngine *engine;
    KilnStep *step;
    KilnState *state;
    gpointer prepared;
    KilnTask *task;
    GBytes *parts; /* of its key */
} Telling;

static gpointer tell(gpointer data)
{
    Telling *t = data;
    t->parts = kiln_step_parts(t->engine, t->step, t->prepared);
    kiln_step_explain(t->engine, t->step, t->state, t->parts, t->task);
    return NULL;
}

/* It is told before, unless that would take a while: then meanwhile. */
static bool tell_and_make_layer(Telling *t, gint64 *layer, GError **error)
{
    const KilnStepKindOps *ops = kiln_step_ops(t->step->kind);
    bool much = ops->feeds_much && ops->feeds_much(t->prepared);
    GThread *thread = much ? g_thread_try_new("tell", tell, t, NULL) : NULL;
    if (!thread)
        tell(t);
    bool ok = make_layer(t->engine, t->step, t->prepared, t->task, layer, error);
    if (thread)
        g_thread_join(thread);
    return ok;
}

static bool execute(KilnEngine *e, KilnStep *step, KilnState *state, gpointer prepared, KilnTask *task,
                    KilnRecord *out, GError **error)
{
    KilnStore *store = e->options->store;
    gint64 layer = 0;
    Telling telling = {e, step, state, prepared, task, NULL};
    bool ok = tell_and_make_layer(&telling, &layer, error);
    g_autoptr(GBytes) parts = telling.parts;
    if (!ok) {
        if (parts)
            (void)kiln_key_parts_put(store, state->key, parts, NULL);
        return false;
    }
    if (kiln_step_feeds_target(e, step))
        g_thread_pool_push(e->digesters, GSIZE_TO_POINTER(layer), NULL);
    *out = (KilnRecord){.key = g_strdup(state->key),
                        .operation = g_strdup(state->operation),
                        .inputs = kiln_step_inputs(step),
                        .layer = layer,
                        .created = g_get_real_time() / G_USEC_PER_SEC,
                        .duration = kiln_task_elapsed(task),
                        .name = g_strdup(step->created_by)};
    return kiln_record_put(store, out, parts, error);
}

/* Under the lock of the key, so that no other process does the same; one that did meanwhile has left a record. */
static bool find_or_execute(KilnEngine *e, KilnStep *step, KilnState *state, gpointer prepared, KilnTask *task,
                            KilnRecord *out, GError **error)
{
    if (kiln_step_find(e, step, state, prepared, out))
        return true;
    kiln_store_looked(e->options->store);
    if (!kiln_step_ignores_cache(e, step) && kiln_imports_find(e, step, state, out))
        return true;
    if (!kiln_step_lock(e, step, state, task, error))
        return false;
    bool ok = !kiln_step_ignores_cache(e, step) && kiln_record_lookup(e->options->store, state->key, out);
    if (!ok) {
        ok = execute(e, step, state, prepared, task, out, error);
        state->executed = ok;
    }
    kiln_step_unlock(e, step, state);
    return ok;
}

/* Looks for the record or executes; the key is claimed meanwhile, so that the same step in two stages runs
 * once, with --no-cache too. */
static bool resolve_layer(KilnEngine *e, KilnStep *step, KilnState *state, gpointer prepared,
                          KilnTask *task, GError **error)
{
    Outcome *outcome = claim_key(e, state->key);
    bool ok = outcome->record.key || find_or_execute(e, step, state, prepared, task, &outcome->record, error);
    if (ok)
        kiln_state_finish(state, step, &outcome->record);
    else
        kiln_record_clear(&outcome->record);
    release_key(e, outcome);
    if (ok)
        kiln_task_end(task, state->executed ? KILN_VERDICT_DONE : KILN_VERDICT_CACHED, NULL);
    return ok;
}

KilnSource *kiln_origin_source(const KilnEngine *e, const KilnOrigin *from, GError **error)
{
    const KilnContext *context = kiln_origin_context(e, from);
    if (context)
        return kiln_context_source(context, e->index, error);
    g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "only a build fetches or unpacks %s", from->name);
    return NULL;
}

bool kiln_step_key(KilnEngine *e, KilnStep *step, KilnState *state, gpointer *prepared, GError **error)
{
    const KilnStepKindOps *ops = kiln_step_ops(step->kind);
    g_autoptr(KilnKey) key = kiln_key_new(false);
    if ((ops->prepare && !ops->prepare(e, step, prepared, error)) || !kiln_step_feed(e, step, *prepared, key, error))
        return false;
    state->operation = kiln_key_finish(key, NULL);
    guint n = kiln_step_n_inputs(step);
    g_autofree const char **ids = g_new(const char *, n);
    for (guint i = 0; i < n; i++)
        ids[i] = kiln_step_id(kiln_step_get_input(step, i));
    state->key = kiln_key_definition(state->operation, ids, n);
    return true;
}

void kiln_step_release(const KilnStep *step, gpointer prepared)
{
    const KilnStepKindOps *ops = kiln_step_ops(step->kind);
    if (prepared && ops->release)
        ops->release(prepared);
}

bool kiln_step_execute_as(KilnEngine *e, KilnStep *step, gint64 layer, gint64 *duration, GError **error)
{
    KilnTask *task = kiln_task_start(e->options->emitter, step->name);
    KilnState *state = kiln_state_new(step->parent);
    gpointer prepared = NULL;
    GError *failure = NULL;
    bool ok = kiln_step_key(e, step, state, &prepared, &failure) &&
              make_layer(e, step, prepared, task, &layer, &failure);
    *duration = kiln_task_elapsed(task);
    kiln_step_release(step, prepared);
    kiln_state_free(state);
    kiln_task_end(task, kiln_verdict_of(failure), ok ? NULL : failure->message);
    if (!ok)
        g_propagate_error(error, failure);
    return ok;
}

static bool run_layer_step(KilnEngine *e, KilnStep *step, KilnState *state, GError **error)
{
    KilnTask *task = kiln_task_start(e->options->emitter, step->name);
    gpointer prepared = NULL;
    GError *failure = NULL;
    bool ok = kiln_step_key(e, step, state, &prepared, &failure) &&
              resolve_layer(e, step, state, prepared, task, &failure);
    kiln_step_release(step, prepared);
    if (!ok) {
        kiln_task_end(task, kiln_verdict_of(failure), failure->message);
        g_propagate_error(error, failure);
        return false;
    }
    return true;
}

/* One more needed step of `step` is done; the lock is held. The first that becomes ready is kept for this
 * thread: handing every step of a chain to another thread would cost more than a cached step. */
static void one_less(KilnEngine *e, KilnStep *step, KilnStep **next)
{
    if (--e->waiting_for[step->index] > 0)
        return;
    if (*next)
        g_thread_pool_push(e->workers, step, NULL);
    else
        *next = step;
}

static KilnStep *step_done(KilnEngine *e, KilnStep *done)
{
    KilnStep *next = NULL;
    const GPtrArray *readers = e->readers[done->index];
    for (guint i = 0; i < readers->len; i++)
        one_less(e, readers->pdata[i], &next);
    return next;
}

/* Runs one step; returns one that became ready by it, or NULL. */
static KilnStep *run_one(KilnEngine *e, KilnStep *step)
{
    GError *error = NULL;

    g_mutex_lock(&e->lock);
    bool go = !e->error;
    g_mutex_unlock(&e->lock);

    gint64 began = g_get_monotonic_time();
    KilnState *state = kiln_state_new(step->parent);
    bool ok = go && (step->kind == KILN_STEP_FROM ? run_from(e, step, state, &error)
                                                  : run_layer_step(e, step, state, &error));
    if (go)
        kiln_build_history_step(e->options->history, step, began,
                                ok && !state->executed ? KILN_VERDICT_CACHED : kiln_verdict_of(error), state->key,
                                state->layer, state->cause);

    KilnStep *next = NULL;
    g_mutex_lock(&e->lock);
    step->state = state;
    e->unfinished--;
    if (ok && !e->error)
        next = step_done(e, step);
    else if (!ok && !e->error)
        e->error = g_steal_pointer(&error);
    if (!e->unfinished || e->error)
        g_cond_signal(&e->over);
    g_mutex_unlock(&e->lock);
    g_clear_error(&error);
    return next;
}

static void add_places(KilnEngine *e, gint n)
{
    g_mutex_lock(&e->lock);
    if (e->workers) /* else one that was found in a cache runs after all others */
        g_thread_pool_set_max_threads(e->workers, g_thread_pool_get_max_threads(e->workers) + n, NULL);
    g_mutex_unlock(&e->lock);
}

void kiln_engine_lend_place(KilnEngine *e)
{
    add_places(e, 1);
}

void kiln_engine_take_place(KilnEngine *e)
{
    add_places(e, -1);
}

static void run_chain(gpointer step, gpointer engine)
{
    for (KilnStep *s = step; s;)
        s = run_one(engine, s);
}

static void add_reader(KilnEngine *e, const KilnStep *needed, KilnStep *step)
{
    g_ptr_array_add(e->readers[needed->index], step);
    e->waiting_for[step->index]++;
}

/* Who waits for whom. */
static void link_steps(KilnEngine *e)
{
    const GPtrArray *steps = e->options->plan->steps;
    e->waiting_for = g_new0(guint, steps->len + 1);
    e->readers = g_new0(GPtrArray *, steps->len + 1);
    for (guint i = 0; i < steps->len; i++)
        e->readers[i] = g_ptr_array_new();
    for (guint i = 0; i < steps->len; i++) {
        KilnStep *step = steps->pdata[i];
        g_assert(step->index == i);
        if (step->parent)
            add_reader(e, step->parent, step);
        for (guint k = 0; step->needs && k < step->needs->len; k++)
            add_reader(e, step->needs->pdata[k], step);
    }
}

static void unlink_steps(KilnEngine *e)
{
    for (guint i = 0; e->readers[i]; i++)
        g_ptr_array_unref(e->readers[i]);
    g_free(e->readers);
    g_free(e->waiting_for);
}

/* Hands out the first steps and waits until nothing is left that can run. */
static bool run_steps(KilnEngine *e, GError **error)
{
    GPtrArray *steps = e->options->plan->steps;
    g_mutex_lock(&e->lock);
    e->unfinished = steps->len;
    for (guint i = 0; i < steps->len; i++)
        if (e->waiting_for[i] == 0)
            g_thread_pool_push(e->workers, steps->pdata[i], NULL);
    while (e->unfinished && !e->error)
        g_cond_wait(&e->over, &e->lock);
    bool ok = !e->error;
    g_mutex_unlock(&e->lock);
    if (!ok) /* what still runs is of no use to anyone */
        kiln_cancel_stop(e->options->cancel);
    g_thread_pool_free(e->workers, FALSE, TRUE);
    e->workers = NULL;
    if (!ok)
        g_propagate_error(error, g_steal_pointer(&e->error));
    return ok;
}

static int index_directory(KilnStore *store)
{
    return kiln_open_beneath(kiln_store_fd(store), "index", O_RDONLY | O_DIRECTORY);
}

void kiln_engine_open_index(KilnEngine *e)
{
    struct stat st;
    if (!e->options->context || fstat(kiln_context_fd(e->options->context), &st) < 0)
        return;
    e->index_name = g_strdup_printf("%" G_GINT64_MODIFIER "x-%" G_GINT64_MODIFIER "x",
                                    (guint64)st.st_dev, (guint64)st.st_ino);
    int fd = index_directory(e->options->store);
    e->index = kiln_statindex_open(fd, e->index_name);
    if (fd >= 0)
        close(fd);
}

static void close_index(KilnEngine *e)
{
    if (!e->index)
        return;
    g_autoptr(GError) error = NULL;
    int fd = index_directory(e->options->store);
    if (fd >= 0 && !kiln_statindex_write(e->index, fd, e->index_name, &error))
        kiln_emit_warning(e->options->emitter, NULL, error->message);
    if (fd >= 0)
        close(fd);
    kiln_statindex_free(e->index);
    g_free(e->index_name);
}

KilnBuilt *kiln_build_run(const KilnBuildOptions *options, GError **error)
{
    KilnEngine e = {.options = options};
    GPtrArray *steps = options->plan->steps;
    kiln_heap_expect(steps->len * HEAP_A_STEP);
    g_mutex_init(&e.lock);
    g_cond_init(&e.changed);
    g_cond_init(&e.over);
    e.outcomes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, outcome_free);
    e.witnesses = g_ptr_array_new_with_free_func(g_free);
    e.digests = g_hash_table_new_full(NULL, NULL, NULL, (GDestroyNotify)kiln_copy_digest_free);
    link_steps(&e);
    guint jobs = options->jobs ? options->jobs : DEFAULT_JOBS;
    e.workers = g_thread_pool_new(run_chain, &e, (gint)jobs, FALSE, NULL);
    e.digesters = g_thread_pool_new(kiln_build_digest_ahead, &e, (gint)g_get_num_processors(), FALSE, NULL);
    e.sweepers = g_thread_pool_new(sweep, NULL, 1, FALSE, NULL);
    kiln_engine_open_index(&e);
    e.imports = kiln_imports_new(&e);

    kiln_build_history_begin(options->history, options->plan);
    KilnBuilt *built = NULL;
    kiln_store_look(options->store);
    bool ok = run_steps(&e, error);
    kiln_store_looked(options->store);
    ok = ok && kiln_imports_bring_result(&e, error);
    if (!ok && e.shell)
        kiln_shell_run(&e);
    g_clear_pointer(&e.shell, kiln_shell_free);
    close_index(&e);
    g_clear_pointer(&e.rootfses, g_ptr_array_unref);
    g_thread_pool_free(e.digesters, !ok, TRUE);
    g_thread_pool_free(e.sweepers, FALSE, TRUE);
    if (ok)
        built = kiln_build_assemble(&e, error);
    if (built && !kiln_exports_write(&e, error))
        g_clear_pointer(&built, kiln_built_free);
    g_clear_pointer(&e.imports, kiln_imports_free);

    for (guint i = 0; i < steps->len; i++) {
        KilnStep *step = steps->pdata[i];
        g_clear_pointer((KilnState **)&step->state, kiln_state_free);
    }
    g_clear_pointer(&e.networks, kiln_networks_free);
    g_clear_pointer(&e.etc, kiln_etc_free);
    g_clear_pointer(&e.limits, kiln_build_limits_free);
    unlink_steps(&e);
    g_hash_table_unref(e.outcomes);
    g_ptr_array_unref(e.witnesses);
    g_hash_table_unref(e.digests);
    g_clear_pointer(&e.odd_owners, g_hash_table_unref);
    g_cond_clear(&e.changed);
    g_cond_clear(&e.over);
    g_mutex_clear(&e.lock);
    return built;
}
