/* Looking ahead: the keys of a plan's steps, made as a build makes them, and what the records say of them. */
#include "build/add-remote.h"
#include "build/engine.h"

static void foresight_clear(gpointer data)
{
    KilnForesight *f = data;
    g_free(f->key);
    g_free(f->problem);
}

static KilnForesight *foresight(GArray *all, const KilnStep *step)
{
    return &g_array_index(all, KilnForesight, step->index);
}

/* The step that keeps the result of `below` from being known, or NULL. */
static const KilnStep *missing_for(const KilnPlan *plan, GArray *all, const KilnStep *below)
{
    for (; below; below = below->link ? below->parent : NULL) { /* see kiln_state_finish() */
        const KilnForesight *f = foresight(all, below);
        if (f->verdict == KILN_FORESEEN_UNKNOWN)
            return plan->steps->pdata[f->depends_on];
        if (f->verdict != KILN_FORESEEN_STORED && f->verdict != KILN_FORESEEN_CACHED)
            return below;
    }
    return NULL;
}

static const KilnStep *what_is_missing(const KilnPlan *plan, GArray *all, const KilnStep *step)
{
    bool alone = step->link && !step->chown; /* its key says nothing of what it is put on */
    const KilnStep *missing = alone ? NULL : missing_for(plan, all, step->parent);
    for (guint i = 0; i < step->needs->len && !missing; i++)
        missing = missing_for(plan, all, step->needs->pdata[i]);
    return missing;
}

static void foresee_from(KilnEngine *e, KilnStep *step, KilnState *state, KilnForesight *f)
{
    bool stored = e->options->store && step->image_id && kiln_step_from(e, step, state, NULL);
    f->verdict = stored ? KILN_FORESEEN_STORED : KILN_FORESEEN_ABSENT;
}

static void foresee_layer(KilnEngine *e, KilnStep *step, KilnState *state, KilnForesight *f)
{
    const KilnBuildOptions *o = e->options;
    gpointer prepared = NULL;
    g_autoptr(GError) error = NULL;
    KilnRecord record = {0};
    f->verdict = KILN_FORESEEN_MISS;
    if (!o->store)
        return;
    if (kiln_step_must_ask(e, step))
        return; /* a server decides, and none is asked here */
    if (!kiln_step_key(e, step, state, &prepared, &error)) {
        f->verdict = KILN_FORESEEN_ERROR;
        f->problem = g_strdup(error->message);
    } else if (kiln_step_find(e, step, state, prepared, &record)) {
        f->verdict = KILN_FORESEEN_CACHED;
        kiln_state_finish(state, step, &record);
    }
    kiln_step_release(step, prepared);
    kiln_record_clear(&record);
}

static void foresee(KilnEngine *e, KilnStep *step, GArray *all)
{
    KilnForesight *f = foresight(all, step);
    const KilnStep *missing = what_is_missing(e->options->plan, all, step);
    if (missing) {
        f->verdict = KILN_FORESEEN_UNKNOWN;
        f->depends_on = missing->index;
        return;
    }
    KilnState *state = kiln_state_new(step->parent);
    step->state = state;
    if (step->kind == KILN_STEP_FROM)
        foresee_from(e, step, state, f);
    else
        foresee_layer(e, step, state, f);
    f->key = g_strdup(state->key);
}

GArray *kiln_build_foresee(const KilnBuildOptions *options)
{
    KilnEngine e = {.options = options, .dry = true};
    GPtrArray *steps = options->plan->steps;
    GArray *all = g_array_sized_new(FALSE, TRUE, sizeof(KilnForesight), steps->len);
    g_array_set_clear_func(all, foresight_clear);
    g_array_set_size(all, steps->len);
    if (options->store)
        kiln_engine_open_index(&e);
    for (guint i = 0; i < steps->len; i++)
        foresee(&e, steps->pdata[i], all);
    g_clear_pointer(&e.index, kiln_statindex_free);
    g_free(e.index_name);
    for (guint i = 0; i < steps->len; i++)
        g_clear_pointer((KilnState **)&((KilnStep *)steps->pdata[i])->state, kiln_state_free);
    return all;
}
