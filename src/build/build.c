/* The scheduler: every step is a unit of work for a pool of threads, handed out when the steps that it
 * needs are done. A step first makes its key, then either finds its record or is executed. */
#include "build/engine.h"
#include "build/etc.h"
#include "build/network.h"
#include "build/shell.h"
#include "build/step-limits.h"

#include <fcntl.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

G_DEFINE_QUARK(kiln-build-error-quark, kiln_build_error)

/* Part of every key: changes when the meaning of keys or the making of layers does. */
#define KEY_FORMAT "kiln-step-2"
#define DEFAULT_JOBS 8

static const KilnStepKindOps *ops_of(KilnStepKind kind)
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

void kiln_state_free(KilnState *s)
{
    if (!s)
        return;
    g_array_unref(s->chain);
    g_free(s->key);
    g_free(s);
}

KilnState *kiln_state_new(const KilnStep *parent)
{
    KilnState *s = g_new0(KilnState, 1);
    s->chain = g_array_new(FALSE, FALSE, sizeof(gint64));
    const KilnState *below = kiln_step_state(parent);
    if (below && below->chain->len)
        g_array_append_vals(s->chain, below->chain->data, below->chain->len);
    return s;
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
    g_array_append_vals(state->chain, image->chain, image->n_chain);
    g_autoptr(KilnHash) key = kiln_hash_new();
    kiln_hash_string(key, KEY_FORMAT);
    kiln_hash_string(key, "FROM");
    for (guint i = 0; i < image->n_chain; i++)
        feed_base_layer(e->options->store, image->chain[i], key);
    state->key = kiln_hash_finish_text(key);
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
    bool busy;      /* a thread looks it up or executes it */
    gint64 layer;   /* 0: not known yet */
    gint64 created;
} Outcome;

/* Waits while another thread has the key, then takes it. */
static Outcome *claim_key(KilnEngine *e, const char *key)
{
    g_mutex_lock(&e->lock);
    Outcome *outcome = g_hash_table_lookup(e->outcomes, key);
    if (!outcome) {
        outcome = g_new0(Outcome, 1);
        g_hash_table_insert(e->outcomes, g_strdup(key), outcome);
    }
    while (outcome->busy)
        g_cond_wait(&e->changed, &e->lock);
    outcome->busy = true;
    g_mutex_unlock(&e->lock);
    return outcome;
}

static void release_key(KilnEngine *e, Outcome *outcome)
{
    g_mutex_lock(&e->lock);
    outcome->busy = false;
    g_cond_broadcast(&e->changed);
    g_mutex_unlock(&e->lock);
}

static bool find_record(KilnEngine *e, const char *key, Outcome *outcome)
{
    KilnRecord record;
    if (e->options->no_cache || !kiln_record_lookup(e->options->store, key, &record))
        return false;
    outcome->layer = record.layer;
    outcome->created = record.created;
    kiln_record_clear(&record);
    return true;
}

/* The layer's number, or 0. */
static gint64 fill_layer(KilnEngine *e, KilnStep *step, gpointer prepared, KilnWork *work,
                         KilnTask *task, GError **error)
{
    int upperfd = kiln_work_mkdir(work, "upper", error);
    if (upperfd < 0)
        return 0;
    g_autoptr(KilnManifest) manifest =
        ops_of(step->kind)->execute(e, step, prepared, work, upperfd, task, error);
    return manifest ? kiln_layer_commit(e->options->store, work, manifest, error) : 0;
}

static void sweep(gpointer work, gpointer data)
{
    (void)data;
    kiln_work_free(work);
}

static bool execute(KilnEngine *e, KilnStep *step, const char *key, gpointer prepared, KilnTask *task,
                    Outcome *outcome, GError **error)
{
    KilnStore *store = e->options->store;
    if (kiln_cancel_check(e->options->cancel, error))
        return false;
    KilnWork *work = kiln_work_new(store, error);
    if (!work)
        return false;
    kiln_networks_expect(e, step);
    outcome->layer = fill_layer(e, step, prepared, work, task, error);
    if (!kiln_shell_keeps(e, work))
        g_thread_pool_push(e->sweepers, work, NULL); /* nobody need wait for its removal */
    if (!outcome->layer)
        return false;
    outcome->created = g_get_real_time() / G_USEC_PER_SEC;
    KilnRecord record = {.key = (char *)key,
                         .layer = outcome->layer,
                         .created = outcome->created,
                         .duration = kiln_task_elapsed(task),
                         .name = step->created_by};
    return kiln_record_put(store, &record, NULL, error);
}

/* Looks for the record or executes; the key is claimed meanwhile, so that the same step in two stages runs
 * once, with --no-cache too. */
static bool resolve_layer(KilnEngine *e, KilnStep *step, KilnState *state, gpointer prepared,
                          KilnTask *task, GError **error)
{
    Outcome *outcome = claim_key(e, state->key);
    bool cached = outcome->layer || find_record(e, state->key, outcome);
    bool ok = cached || execute(e, step, state->key, prepared, task, outcome, error);
    state->layer = outcome->layer;
    state->created = outcome->created;
    state->executed = ok && !cached;
    release_key(e, outcome);
    if (ok)
        kiln_task_end(task, cached ? KILN_VERDICT_CACHED : KILN_VERDICT_DONE, NULL);
    return ok;
}

/* The layer is part of it: a step that was executed again (by another process at the same time, or with
 * --no-cache) may have come to something else, and what was made on the one must not be put on the other. */
KilnSource *kiln_origin_source(const KilnEngine *e, const KilnOrigin *from, GError **error)
{
    const KilnContext *context = kiln_origin_context(e, from);
    if (context)
        return kiln_context_source(context, e->index, error);
    g_set_error(error, KILN_BUILD_ERROR, KILN_BUILD_ERROR_STEP, "only a build fetches or unpacks %s", from->name);
    return NULL;
}

void kiln_step_feed(const KilnStep *step, KilnHash *key)
{
    const KilnState *state = kiln_step_state(step);
    gint64 layer = state ? state->layer : 0;
    kiln_hash_string(key, state ? state->key : NULL);
    kiln_hash_update(key, &layer, sizeof layer);
    if (step && step->link)
        kiln_step_feed(step->parent, key); /* whose key says nothing of what it stands on */
}

bool kiln_step_key(KilnEngine *e, KilnStep *step, KilnState *state, gpointer *prepared, GError **error)
{
    g_autoptr(KilnHash) key = kiln_hash_new();
    kiln_hash_string(key, KEY_FORMAT);
    kiln_hash_string(key, step->keyword);
    kiln_hash_string(key, kiln_store_owners(e->options->store) == KILN_OWNERS_REAL ? "real" : "recorded");
    kiln_step_feed(step->link ? NULL : step->parent, key);
    if (!ops_of(step->kind)->prepare(e, step, key, prepared, error))
        return false;
    state->key = kiln_hash_finish_text(key);
    return true;
}

void kiln_step_release(const KilnStep *step, gpointer prepared)
{
    const KilnStepKindOps *ops = ops_of(step->kind);
    if (prepared && ops->release)
        ops->release(prepared);
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
    g_array_append_val(state->chain, state->layer);
    return true;
}

static bool feeds_target(const KilnPlan *plan, const KilnStep *step)
{
    for (const KilnStep *s = plan->target; s; s = s->parent)
        if (s == step)
            return true;
    return false;
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
    GPtrArray *steps = e->options->plan->steps;
    KilnStep *next = NULL;
    for (guint i = done->index + 1; i < steps->len; i++) {
        KilnStep *step = steps->pdata[i];
        if (step->parent == done)
            one_less(e, step, &next);
        for (guint k = 0; step->needs && k < step->needs->len; k++)
            if (step->needs->pdata[k] == done)
                one_less(e, step, &next);
    }
    return next;
}

/* Runs one step; returns one that became ready by it, or NULL. */
static KilnStep *run_one(KilnEngine *e, KilnStep *step)
{
    GError *error = NULL;

    g_mutex_lock(&e->lock);
    bool go = !e->error;
    g_mutex_unlock(&e->lock);

    KilnState *state = kiln_state_new(step->parent);
    bool ok = go && (step->kind == KILN_STEP_FROM ? run_from(e, step, state, &error)
                                                  : run_layer_step(e, step, state, &error));
    if (ok && state->executed && feeds_target(e->options->plan, step))
        g_thread_pool_push(e->digesters, state, NULL);

    KilnStep *next = NULL;
    g_mutex_lock(&e->lock);
    step->state = state;
    e->unfinished--;
    if (ok && !e->error)
        next = step_done(e, step);
    else if (!ok && !e->error)
        e->error = g_steal_pointer(&error);
    g_cond_broadcast(&e->changed);
    g_mutex_unlock(&e->lock);
    g_clear_error(&error);
    return next;
}

static void add_places(KilnEngine *e, gint n)
{
    g_mutex_lock(&e->lock);
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

/* Hands out the first steps and waits until nothing is left that can run. */
static bool run_steps(KilnEngine *e, GError **error)
{
    GPtrArray *steps = e->options->plan->steps;
    g_mutex_lock(&e->lock);
    e->unfinished = steps->len;
    for (guint i = 0; i < steps->len; i++) {
        KilnStep *step = steps->pdata[i];
        g_assert(step->index == i);
        e->waiting_for[i] = (step->parent ? 1 : 0) + (step->needs ? step->needs->len : 0);
    }
    for (guint i = 0; i < steps->len; i++)
        if (e->waiting_for[i] == 0)
            g_thread_pool_push(e->workers, steps->pdata[i], NULL);
    while (e->unfinished && !e->error)
        g_cond_wait(&e->changed, &e->lock);
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
    g_mutex_init(&e.lock);
    g_cond_init(&e.changed);
    e.outcomes = g_hash_table_new_full(g_str_hash, g_str_equal, g_free, g_free);
    e.waiting_for = g_new0(guint, steps->len + 1);
    guint jobs = options->jobs ? options->jobs : DEFAULT_JOBS;
    e.workers = g_thread_pool_new(run_chain, &e, (gint)jobs, FALSE, NULL);
    e.digesters = g_thread_pool_new(kiln_build_digest_ahead, &e, (gint)g_get_num_processors(), FALSE, NULL);
    e.sweepers = g_thread_pool_new(sweep, NULL, 1, FALSE, NULL);
    kiln_engine_open_index(&e);

    KilnBuilt *built = NULL;
    bool ok = run_steps(&e, error);
    if (!ok && e.shell)
        kiln_shell_run(&e);
    g_clear_pointer(&e.shell, kiln_shell_free);
    close_index(&e);
    g_clear_pointer(&e.rootfses, g_ptr_array_unref);
    g_thread_pool_free(e.digesters, !ok, TRUE);
    g_thread_pool_free(e.sweepers, FALSE, TRUE);
    if (ok)
        built = kiln_build_assemble(&e, error);

    for (guint i = 0; i < steps->len; i++) {
        KilnStep *step = steps->pdata[i];
        g_clear_pointer((KilnState **)&step->state, kiln_state_free);
    }
    g_clear_pointer(&e.networks, kiln_networks_free);
    g_clear_pointer(&e.etc, kiln_etc_free);
    g_clear_pointer(&e.limits, kiln_build_limits_free);
    g_free(e.waiting_for);
    g_hash_table_unref(e.outcomes);
    g_clear_pointer(&e.odd_owners, g_hash_table_unref);
    g_cond_clear(&e.changed);
    g_mutex_clear(&e.lock);
    return built;
}
