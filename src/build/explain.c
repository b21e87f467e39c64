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

/* What the steps from this one on took when they were last done; 0: not known. */
static gint64 last_time(KilnEngine *e, const KilnStep *from, guint *n)
{
    const GPtrArray *steps = e->options->plan->steps;
    g_autofree bool *again = g_new0(bool, steps->len);
    gint64 total = 0;
    *n = 0;
    for (guint i = from->index; i < steps->len; i++) {
        const KilnStep *step = steps->pdata[i];
        again[i] = step == from;
        for (guint k = 0; k < kiln_step_n_inputs(step) && !again[i]; k++) {
            const KilnStep *input = kiln_step_get_input(step, k);
            again[i] = input && again[input->index];
        }
        const KilnBuildStepRow *row = again[i] ? kiln_past_find(e->options->past, step->name, NULL) : NULL;
        KilnRecord record = {0};
        if (row && kiln_record_lookup(e->options->store, row->key, &record))
            total += record.duration;
        *n += again[i];
        kiln_record_clear(&record);
    }
    return total;
}

/* The first input that this build has made anew, or NULL. */
static const KilnStep *executed_input(const KilnStep *step)
{
    for (guint i = 0; i < kiln_step_n_inputs(step); i++) {
        const KilnStep *input = kiln_step_get_input(step, i);
        if (input && kiln_step_state(input)->executed)
            return input;
    }
    return NULL;
}

static void tell(KilnEngine *e, const KilnStep *step, const KilnState *state, KilnTask *task)
{
    guint n;
    gint64 took = last_time(e, step, &n);
    if (took > 0)
        kiln_task_log(task, "not cached: %s (%s from here took %.1fs last time)", state->cause,
                      n == 1 ? "the step" : "the steps", (double)took / G_USEC_PER_SEC);
    else
        kiln_task_log(task, "not cached: %s", state->cause);
}

/* Where an input was executed its cause is at hand: to look for it anew would cost each step of a long Dockerfile as
 * much as all those before it. */
void kiln_step_explain(KilnEngine *e, KilnStep *step, KilnState *state, GBytes *parts, KilnTask *task)
{
    if (kiln_step_ignores_cache(e, step)) {
        state->cause = g_strdup(e->options->no_cache ? "--no-cache" : "--no-cache-filter");
        return;
    }
    const KilnStep *input = executed_input(step);
    g_autoptr(KilnWhy) why =
        e->options->past && parts ? kiln_past_why(e->options->past, step->name, state->key, parts, !input) : NULL;
    if (!why)
        return;
    const KilnState *below = kiln_step_state(input);
    state->inherits_cause = input && why->input;
    if (!state->inherits_cause)
        state->cause = g_strdup(why->line);
    else if (below->inherits_cause || !below->cause)
        state->cause = g_strdup(below->cause);
    else
        state->cause = g_strdup_printf("%s is another: %s", input->name, below->cause);
    if (!input)
        tell(e, step, state, task);
}
