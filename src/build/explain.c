/* Telling why a step is done, against the builds before: the parts of its key, and the line in the output. */
#include "build/engine.h"

/* A base has no parts of its own; that it is another one is told by these. */
static void put_base(KilnEngine *e, const KilnStep *step, const KilnState *state)
{
    g_autoptr(KilnKey) key = kiln_key_new(true);
    g_autoptr(GBytes) parts = NULL;
    kiln_key_note(key, "image", step->ref, step->image_id);
    g_free(kiln_key_finish(key, &parts));
    (void)kiln_key_parts_put(e->options->store, state->key, parts, NULL);
}

static void note_inputs(KilnEngine *e, const KilnStep *step, KilnKey *key)
{
    for (guint i = 0; i < kiln_step_n_inputs(step); i++) {
        const KilnStep *input = kiln_step_get_input(step, i);
        const KilnState *state = kiln_step_state(input);
        if (!state)
            continue;
        kiln_past_note_input(key, i, state->key, state->layer, input->name);
        if (input->kind == KILN_STEP_FROM)
            put_base(e, input, state);
    }
}

GBytes *kiln_step_parts(KilnEngine *e, KilnStep *step, gpointer prepared)
{
    GBytes *parts = NULL;
    g_autoptr(KilnKey) key = kiln_key_new(true);
    if (!kiln_step_feed(e, step, prepared, key, NULL))
        return NULL;
    note_inputs(e, step, key);
    g_free(kiln_key_finish(key, &parts));
    return parts;
}

/* Whether it is one of the steps that brought this one about. */
static bool follows(const KilnStep *step, const bool *again)
{
    if (step->parent && again[step->parent->index])
        return true;
    for (guint i = 0; i < step->needs->len; i++)
        if (again[((const KilnStep *)step->needs->pdata[i])->index])
            return true;
    return false;
}

/* What the steps from this one on took when they were last done; 0: not known. */
static gint64 last_time(KilnEngine *e, const KilnStep *from, guint *n)
{
    const GPtrArray *steps = e->options->plan->steps;
    g_autofree bool *again = g_new0(bool, steps->len);
    gint64 total = 0;
    *n = 0;
    for (guint i = from->index; i < steps->len; i++) {
        const KilnStep *step = steps->pdata[i];
        again[i] = step == from || follows(step, again);
        const KilnBuildStepRow *row = again[i] ? kiln_past_find(e->options->past, step->name, NULL) : NULL;
        KilnRecord record = {0};
        if (row && kiln_record_lookup(e->options->store, row->key, &record))
            total += record.duration;
        *n += again[i];
        kiln_record_clear(&record);
    }
    return total;
}

static bool input_was_executed(const KilnStep *step)
{
    for (guint i = 0; i < kiln_step_n_inputs(step); i++) {
        const KilnState *state = kiln_step_state(kiln_step_get_input(step, i));
        if (state && state->executed)
            return true;
    }
    return false;
}

void kiln_step_explain(KilnEngine *e, KilnStep *step, KilnState *state, GBytes *parts, KilnTask *task)
{
    if (kiln_step_ignores_cache(e, step)) {
        state->cause = g_strdup(e->options->no_cache ? "--no-cache" : "--no-cache-filter");
        return;
    }
    g_autoptr(KilnWhy) why =
        e->options->past && parts ? kiln_past_why(e->options->past, step->name, state->key, parts) : NULL;
    if (!why)
        return;
    state->cause = g_strdup(why->line);
    if (input_was_executed(step)) /* where it began it has been told */
        return;
    guint n;
    gint64 took = last_time(e, step, &n);
    if (took > 0)
        kiln_task_log(task, "not cached: %s (%s from here took %.1fs last time)", why->line,
                      n == 1 ? "the step" : "the steps", (double)took / G_USEC_PER_SEC);
    else
        kiln_task_log(task, "not cached: %s", why->line);
}
