/* Goes through the needed stages in order and gathers the plan. */
#include "plan/plan-private.h"

#include <string.h>

#include "dockerfile/lint.h"

G_DEFINE_QUARK(kiln - plan - error - quark, kiln_plan_error)

void kiln_plan_free(KilnPlan *p)
{
    if (!p)
        return;
    g_ptr_array_unref(p->steps);
    kiln_config_free(p->config);
    g_ptr_array_unref(p->history);
    g_ptr_array_unref(p->warnings);
    g_free(p->hostname);
    g_free(p);
}

static KilnPlan *plan_new(void)
{
    KilnPlan *p = g_new0(KilnPlan, 1);
    p->steps = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_step_free);
    p->history = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_history_free);
    p->warnings = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_warning_free);
    return p;
}

static KilnPlanner *planner_new(const KilnDockerfile *file, const KilnPlanOptions *options)
{
    KilnPlanner *p = g_new0(KilnPlanner, 1);
    p->file = file;
    p->options = options;
    p->host = kiln_platform_host();
    const KilnPlatform *target = options->platform ? options->platform : p->host;
    p->platform = g_new0(KilnPlatform, 1);
    p->platform->os = g_strdup(target->os);
    p->platform->architecture = g_strdup(target->architecture);
    p->platform->variant = g_strdup(target->variant);
    kiln_planner_read_build_args(p);
    p->bases =
        g_hash_table_new_full(g_str_hash, g_str_equal, g_free, (GDestroyNotify)kiln_base_free);
    p->plan = plan_new();
    if (options->warnings) {
        g_ptr_array_unref(p->plan->warnings);
        p->plan->warnings = g_ptr_array_ref(options->warnings);
    }
    return p;
}

static void planner_free(KilnPlanner *p)
{
    if (!p)
        return;
    kiln_platform_free(p->platform);
    kiln_platform_free(p->host);
    g_hash_table_unref(p->build_args);
    g_hash_table_unref(p->consumed);
    kiln_scope_free(p->globals);
    if (p->names)
        g_hash_table_unref(p->names);
    if (p->stages)
        g_ptr_array_unref(p->stages);
    g_hash_table_unref(p->bases);
    kiln_plan_free(p->plan);
    g_free(p);
}
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnPlanner, planner_free)

static bool dispatch(KilnPlanner *p, KilnStage *s, const KilnInstruction *i, bool trigger,
                     GError **error)
{
    KilnSite site = kiln_stage_site(p, s, i, trigger);
    kiln_site_lint(&site);
    switch (i->kind) {
    case KILN_INST_RUN:
        return kiln_stage_run(p, s, &site, error);
    case KILN_INST_COPY:
    case KILN_INST_ADD:
        return kiln_stage_copy(p, s, &site, error);
    case KILN_INST_WORKDIR:
        return kiln_stage_workdir(p, s, &site, error);
    case KILN_INST_ARG:
        return kiln_stage_arg(p, &site, error);
    default:
        return kiln_site_metadata(&site, error);
    }
}

static bool run_instructions(KilnPlanner *p, KilnStage *s, GError **error)
{
    if (!kiln_stage_start(p, s, error))
        return false;
    if (s->context) /* its instructions do not count */
        return true;
    for (guint i = 0; i < s->triggers->len; i++) {
        if (!dispatch(p, s, g_ptr_array_index(s->triggers, i), true, error))
            return false;
    }
    for (guint i = 0; i < s->instructions->len; i++) {
        if (!dispatch(p, s, g_ptr_array_index(s->instructions, i), false, error))
            return false;
    }
    return true;
}

/* --no-cache-filter: whatever the case of the name, as BuildKit's IsNoCache() (frontend/dockerui). */
static bool ignores_cache(const KilnPlanner *p, const KilnStage *s)
{
    for (const char *const *name = p->options->no_cache; name && *name; name++)
        if (s->name && g_ascii_strcasecmp(*name, s->name) == 0)
            return true;
    return false;
}

static bool run_stage(KilnPlanner *p, KilnStage *s, GError **error)
{
    guint first = p->plan->steps->len;
    if (!run_instructions(p, s, error))
        return false;
    for (guint i = first; i < p->plan->steps->len; i++) {
        KilnStep *step = g_ptr_array_index(p->plan->steps, i);
        step->stage = s->index;
        step->no_cache = ignores_cache(p, s);
    }
    return true;
}

/* The target was asked for by platform: its config says so, whatever its base is (a binary that was
 * cross-compiled, on scratch or not). */
static void set_platform(KilnConfig *config, const KilnPlatform *platform)
{
    g_autoptr(KilnPlatform) old = kiln_config_platform(config);
    bool same = old && g_strcmp0(old->os, platform->os) == 0 &&
                g_strcmp0(old->architecture, platform->architecture) == 0;
    kiln_config_set_top(config, "os", platform->os);
    kiln_config_set_top(config, "architecture", platform->architecture);
    if (platform->variant || !same)
        kiln_config_set_top(config, "variant", platform->variant);
}

static bool set_labels(KilnConfig *config, const char *const *labels, GError **error)
{
    for (; labels && *labels; labels++) {
        const char *equals = strchr(*labels, '=');
        g_autofree char *name =
            equals ? g_strndup(*labels, (gsize)(equals - *labels)) : g_strdup(*labels);
        if (!*name) {
            g_set_error(error, KILN_PLAN_ERROR, KILN_PLAN_ERROR_ARGUMENT,
                        "--label %s: there is no name before \"=\"", *labels);
            return false;
        }
        kiln_config_set_label(config, name, equals ? equals + 1 : "");
    }
    return true;
}

/* That of the stages below the target first. */
static void take_history(KilnPlanner *p, GPtrArray *history)
{
    g_autoptr(GPtrArray) chain = g_ptr_array_new();
    for (KilnStage *s = p->target; s; s = s->base)
        g_ptr_array_add(chain, s);
    for (guint i = chain->len; i-- > 0;) {
        KilnStage *s = g_ptr_array_index(chain, i);
        for (guint n = 0; n < s->history->len; n++)
            g_ptr_array_add(history, g_ptr_array_index(s->history, n));
        g_ptr_array_set_free_func(s->history, NULL);
    }
}

static bool finish(KilnPlanner *p, GError **error)
{
    KilnStage *target = p->target;
    KilnPlan *plan = p->plan;
    plan->target = kiln_stage_result(p, target);
    plan->config = g_steal_pointer(&target->config);
    take_history(p, plan->history);
    if (!set_labels(plan->config, p->options->labels, error))
        return false;
    if (p->options->platform)
        set_platform(plan->config, p->platform);
    kiln_planner_warn_unused(p);
    return true;
}

KilnPlan *kiln_plan_new(const KilnDockerfile *file, const KilnPlanOptions *options, GError **error)
{
    g_autoptr(KilnPlanner) p = planner_new(file, options);
    if (!kiln_planner_stages(p, error) || !kiln_planner_settings(p, error) ||
        !kiln_planner_mark(p, true, error))
        return NULL;
    for (guint i = 0; i < p->stages->len; i++) {
        KilnStage *s = g_ptr_array_index(p->stages, i);
        if (s->needed && !run_stage(p, s, error))
            return NULL;
    }
    if (options->outline)
        kiln_planner_outline(p, options->outline);
    if (!finish(p, error))
        return NULL;
    return g_steal_pointer(&p->plan);
}

static void add_reference(GPtrArray *list, const char *name)
{
    if (!g_ptr_array_find_with_equal_func(list, name, g_str_equal, NULL))
        g_ptr_array_add(list, g_strdup(name));
}

static bool stage_references(KilnPlanner *p, KilnStage *s, GPtrArray *list, GError **error)
{
    if (s->context)
        return true;
    if (!s->base && strcmp(s->base_name, "scratch") != 0 && !kiln_planner_context(p, s->base_name))
        add_reference(list, s->base_name);
    for (guint i = 0; i < s->instructions->len; i++) {
        KilnSite site = kiln_stage_site(p, s, g_ptr_array_index(s->instructions, i), false);
        g_autoptr(GPtrArray) froms = kiln_instruction_froms(site.instruction);
        for (guint n = 0; n < froms->len; n++) {
            KilnFrom reference;
            if (!froms->pdata[n])
                continue;
            if (!kiln_planner_reference(p, &site, froms->pdata[n], &reference, error))
                return false;
            if (reference.name && !reference.context)
                add_reference(list, reference.name);
        }
    }
    return true;
}

GPtrArray *kiln_plan_references(const KilnDockerfile *file, const KilnPlanOptions *options,
                                GError **error)
{
    g_autoptr(KilnPlanner) p = planner_new(file, options);
    if (!kiln_planner_stages(p, error) || !kiln_planner_mark(p, false, error))
        return NULL;
    g_autoptr(GPtrArray) list = g_ptr_array_new_with_free_func(g_free);
    for (guint i = 0; i < p->stages->len; i++) {
        KilnStage *s = g_ptr_array_index(p->stages, i);
        if (s->needed && !stage_references(p, s, list, error))
            return NULL;
    }
    return g_steal_pointer(&list);
}
