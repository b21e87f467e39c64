/* The operation "plan": the steps that a build would run, and what the store has of them. */
#include "build/build.h"
#include "builder/definition.h"
#include "builder/run-settings.h"

typedef struct {
    const KilnDefinition *definition;
    const KilnPlan *plan;
    const GArray *foresights;
    GPtrArray *froms; /* KilnInstruction*: of each stage */
} Plan;

static void add_string(json_object *to, const char *key, const char *value)
{
    g_autofree char *valid = value ? g_utf8_make_valid(value, -1) : NULL;
    json_object_object_add(to, key, valid ? json_object_new_string(valid) : NULL);
}

static void add_number(json_object *to, const char *key, guint value)
{
    json_object_object_add(to, key, json_object_new_int64(value));
}

static void add_step_index(json_object *to, const char *key, const KilnStep *step)
{
    json_object_object_add(to, key, step ? json_object_new_int64(step->index) : NULL);
}

static const char *kind_text(KilnStepKind kind)
{
    static const char *const names[] = {[KILN_STEP_FROM] = "from",
                                        [KILN_STEP_RUN] = "run",
                                        [KILN_STEP_COPY] = "copy",
                                        [KILN_STEP_WORKDIR] = "workdir"};
    return names[kind];
}

static const char *verdict_text(KilnForeseen verdict)
{
    static const char *const names[] = {[KILN_FORESEEN_STORED] = "stored",
                                        [KILN_FORESEEN_ABSENT] = "absent",
                                        [KILN_FORESEEN_CACHED] = "cached",
                                        [KILN_FORESEEN_MISS] = "miss",
                                        [KILN_FORESEEN_UNKNOWN] = "unknown",
                                        [KILN_FORESEEN_ERROR] = "error"};
    return names[verdict];
}

static void add_verdict(json_object *to, const KilnForesight *f)
{
    add_string(to, "key", f->key);
    add_string(to, "verdict", verdict_text(f->verdict));
    if (f->verdict == KILN_FORESEEN_UNKNOWN)
        add_number(to, "depends_on", f->depends_on);
    if (f->problem)
        add_string(to, "error", f->problem);
}

/* A step of an ONBUILD trigger stands nowhere in the file: it has the place of its FROM. */
static void add_place(const Plan *p, json_object *to, const KilnStep *step)
{
    const KilnInstruction *from = p->froms->pdata[step->stage];
    const KilnPlace *place = step->file ? &step->place : &from->place;
    json_object *stage = json_object_new_object();
    add_number(stage, "index", step->stage);
    add_string(stage, "name", from->args->len > 1 ? g_ptr_array_index(from->args, 1) : NULL);
    json_object_object_add(to, "stage", stage);
    add_number(to, "line", place->line);
    add_number(to, "column", place->column);
    add_number(to, "end_line", place->end_line);
    json_object_object_add(to, "onbuild", json_object_new_boolean(!step->file));
}

static json_object *step_new(const Plan *p, const KilnStep *step)
{
    json_object *o = json_object_new_object();
    json_object *needs = json_object_new_array();
    add_number(o, "index", step->index);
    add_string(o, "name", step->name);
    add_string(o, "kind", kind_text(step->kind));
    add_place(p, o, step);
    add_step_index(o, "parent", step->parent);
    for (guint i = 0; i < step->needs->len; i++)
        json_object_array_add(needs,
                              json_object_new_int64(((KilnStep *)step->needs->pdata[i])->index));
    json_object_object_add(o, "needs", needs);
    if (step->kind == KILN_STEP_FROM)
        add_string(o, "base", step->ref);
    add_verdict(o, &g_array_index(p->foresights, KilnForesight, step->index));
    return o;
}

static json_object *document(const Plan *p)
{
    json_object *result = json_object_new_object();
    json_object *steps = json_object_new_array();
    add_string(result, "file", p->definition->dockerfile->name);
    add_step_index(result, "target", p->plan->target);
    for (guint i = 0; i < p->plan->steps->len; i++)
        json_object_array_add(steps, step_new(p, p->plan->steps->pdata[i]));
    json_object_object_add(result, "steps", steps);
    return result;
}

static GPtrArray *find_froms(const KilnDockerfile *file)
{
    GPtrArray *froms = g_ptr_array_new();
    for (guint n = 0; n < file->instructions->len; n++) {
        KilnInstruction *i = g_ptr_array_index(file->instructions, n);
        if (i->kind == KILN_INST_FROM)
            g_ptr_array_add(froms, i);
    }
    return froms;
}

json_object *kiln_operation_plan(KilnOperation *op, GError **error)
{
    g_autoptr(KilnDefinition) d = kiln_definition_read(op, error);
    g_autoptr(KilnPlan) plan = d ? kiln_definition_plan(d, error) : NULL;
    if (!plan)
        return NULL;
    KilnBuildOptions options = {
        .store = op->store,
        .cancel = op->cancel,
        .plan = plan,
        .context = d->context,
        .contexts = kiln_contexts_trees(d->contexts),
        .no_cache = kiln_request_flag(op->request, "no_cache"),
        .epoch = -1,
    };
    if (!kiln_run_settings_read(op, &options.run_settings, error)) {
        kiln_run_settings_clear(&options.run_settings);
        return NULL;
    }
    g_autoptr(GArray) foresights = kiln_build_foresee(&options);
    kiln_run_settings_clear(&options.run_settings);
    g_autoptr(GPtrArray) froms = find_froms(d->dockerfile);
    const Plan p = {d, plan, foresights, froms};
    return document(&p);
}
