/* Finding what a step made before: by its definition key, or, where its inputs were made anew but came to the same
 * content, by what it does. */
#include "build/content.h"
#include "build/engine.h"

#include <string.h>

/* Records of the same operation on other inputs: so many are compared, the newest first. */
#define MOST_CANDIDATES 4
/* How often a record's lock that another process holds is tried for. */
#define RETRY_US (20 * 1000)

/* --- By content ------------------------------------------------------------------------------------------------- */

static bool same_input(KilnEngine *e, KilnStep *step, gpointer prepared, guint i, const KilnRecord *candidate)
{
    const KilnStepKindOps *ops = kiln_step_ops(step->kind);
    const KilnStep *input = kiln_step_get_input(step, i);
    g_autoptr(GArray) chain = kiln_record_chain(candidate, i);
    if (!chain)
        return false;
    if (input != step->parent && ops->same_input)
        return ops->same_input(e, step, prepared, input, chain);
    g_autoptr(GArray) own = kiln_state_chain(kiln_step_state(input));
    return kiln_content_same(e, own, chain, "/");
}

static bool same_inputs(KilnEngine *e, KilnStep *step, gpointer prepared, const KilnRecord *candidate)
{
    for (guint i = 0; i < kiln_step_n_inputs(step); i++)
        if (!same_input(e, step, prepared, i, candidate))
            return false;
    return true;
}

/* Whether the candidate's layers can take the place of those that the step stands on: the image has as many, and
 * those of its base, as its configuration and history say. Then the steps after it find their records by key, and
 * keep the times that they saw. */
static bool can_replace(const KilnStep *step, const KilnRecord *candidate)
{
    const KilnStep *base = step->parent;
    while (base && base->parent)
        base = base->parent;
    const KilnState *below = kiln_step_state(step->parent);
    const GArray *common = base && base->kind == KILN_STEP_FROM ? kiln_step_state(base)->base : NULL;
    g_autoptr(GArray) chain = kiln_record_chain(candidate, 0);
    if (step->link || !below || !chain || chain->len != below->depth)
        return false;
    return !common || common->len == 0 || memcmp(chain->data, common->data, common->len * sizeof(gint64)) == 0;
}

/* Records under the step's own key that it has been made before, and makes `candidate` what is found there. */
static bool adopt(KilnEngine *e, KilnStep *step, const KilnState *state, KilnRecord *candidate)
{
    bool stands = can_replace(step, candidate);
    g_autofree char *inputs = kiln_step_inputs(step);
    KilnRecord record = *candidate;
    record.key = state->key;
    record.inputs = inputs;
    record.same_as = stands ? candidate->key : NULL;
    if (!kiln_record_put(e->options->store, &record, NULL, NULL))
        return false;
    if (stands)
        return true;
    kiln_record_clear(candidate);
    return kiln_record_lookup(e->options->store, state->key, candidate);
}

static bool find_by_content(KilnEngine *e, KilnStep *step, const KilnState *state, gpointer prepared, KilnRecord *out)
{
    g_autoptr(GPtrArray) candidates = kiln_records_of(e->options->store, state->operation, MOST_CANDIDATES);
    for (guint i = 0; i < candidates->len; i++) {
        KilnRecord *candidate = candidates->pdata[i];
        if (!same_inputs(e, step, prepared, candidate))
            continue;
        KilnRecord found = *candidate;
        *candidate = (KilnRecord){0};
        if (adopt(e, step, state, &found)) {
            *out = found;
            return true;
        }
        kiln_record_clear(&found);
    }
    return false;
}

/* Of a record that stands for this one the chain is taken, too, which no other step may have looked up. */
static bool lease_chain(KilnEngine *e, const KilnStep *step, const KilnState *state, const KilnRecord *record)
{
    if (step->link || strcmp(record->key, state->key) == 0)
        return true;
    g_autoptr(GArray) chain = kiln_record_chain(record, 0);
    return !chain || kiln_layer_lease(e->options->store, (const gint64 *)(void *)chain->data, chain->len);
}

/* --- Lookup ----------------------------------------------------------------------------------------------------- */

bool kiln_step_ignores_cache(const KilnEngine *e, const KilnStep *step)
{
    return e->options->no_cache || step->no_cache;
}

bool kiln_step_find(KilnEngine *e, KilnStep *step, const KilnState *state, gpointer prepared, KilnRecord *out)
{
    KilnStore *store = e->options->store;
    *out = (KilnRecord){0};
    if (kiln_step_ignores_cache(e, step))
        return false;
    bool found = kiln_record_lookup(store, state->key, out) ||
                 (!e->dry && find_by_content(e, step, state, prepared, out));
    if (found && lease_chain(e, step, state, out))
        return true;
    kiln_record_clear(out);
    return false;
}

bool kiln_step_lock(KilnEngine *e, const KilnStep *step, const KilnState *state, KilnTask *task, GError **error)
{
    KilnStore *store = e->options->store;
    GError *failure = NULL;
    if (kiln_step_ignores_cache(e, step) || kiln_record_lock(store, state->key, &failure))
        return true;
    if (!failure) {
        kiln_task_log(task, "waiting for another build, which is at this step");
        bool locked = false;
        kiln_engine_lend_place(e);
        while (!locked && !failure && !kiln_cancel_wait(e->options->cancel, RETRY_US, &failure))
            locked = kiln_record_lock(store, state->key, &failure);
        kiln_engine_take_place(e);
    }
    if (failure)
        g_propagate_error(error, failure);
    return !failure;
}

void kiln_step_unlock(KilnEngine *e, const KilnStep *step, const KilnState *state)
{
    if (!kiln_step_ignores_cache(e, step))
        kiln_record_unlock(e->options->store, state->key);
}
