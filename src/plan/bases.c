/* What stages stand on: images, build contexts, scratch and other stages. */
#include <string.h>

#include "plan/plan-private.h"
#include "remote/reference.h"

#define DEFAULT_PATH "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

void kiln_resolved_free(KilnResolved *r)
{
    if (!r)
        return;
    kiln_config_free(r->config);
    g_free(r->image_id);
    g_free(r);
}

void kiln_base_free(KilnBase *b)
{
    if (!b)
        return;
    g_free(b->name);
    g_free(b->ref);
    kiln_resolved_free(b->resolved);
    g_free(b);
}

static KilnBase *resolve(KilnPlanner *p, const KilnSite *site, const char *name,
                         const char *context, const KilnPlatform *platform, GError **error)
{
    g_autofree char *ref = g_strdup(context);
    const KilnPlace *place = site->instruction->kind == KILN_INST_FROM
                                 ? kiln_site_place(site, 0)
                                 : kiln_site_flag(site, "from");
    GError *problem = NULL;
    if (!context) {
        g_autoptr(KilnReference) r = kiln_reference_parse(name, &problem);
        if (!r) {
            kiln_site_place_error(site, error, problem, place);
            return NULL;
        }
        ref = kiln_reference_canonical(r);
    }
    KilnResolved *resolved =
        p->options->resolve(context ? context : name, platform, p->options->resolve_data, &problem);
    if (!resolved) {
        if (!context)
            kiln_planner_hint(p, name, &problem);
        kiln_site_place_error(site, error, problem, place);
        return NULL;
    }
    KilnBase *base = g_new0(KilnBase, 1);
    base->name = g_strdup(context ? context : name);
    base->ref = g_steal_pointer(&ref);
    base->resolved = resolved;
    return base;
}

static void warn_platform(const KilnSite *site, const KilnBase *base, const KilnPlatform *expected)
{
    if (!base->resolved->config)
        return;
    g_autoptr(KilnPlatform) actual = kiln_config_platform(base->resolved->config);
    if (!actual || (g_strcmp0(actual->os, expected->os) == 0 &&
                    g_strcmp0(actual->architecture, expected->architecture) == 0))
        return;
    g_autofree char *actual_text = kiln_platform_text(actual);
    g_autofree char *expected_text = kiln_platform_text(expected);
    kiln_site_warn(
        site, "InvalidBaseImagePlatform",
        "Base image %s was pulled with platform \"%s\", expected \"%s\" for current build",
        base->name, actual_text, expected_text);
}

KilnBase *kiln_planner_base(KilnPlanner *p, const KilnSite *site, const char *name,
                            const char *context, const KilnPlatform *platform, GError **error)
{
    if (!platform)
        platform = p->platform;
    g_autofree char *platform_text = kiln_platform_text(platform);
    g_autofree char *key = g_strdup_printf("%s\n%s", context ? context : name, platform_text);
    KilnBase *base = g_hash_table_lookup(p->bases, key);
    if (base)
        return base;
    base = resolve(p, site, name, context, platform, error);
    if (!base)
        return NULL;
    g_hash_table_insert(p->bases, g_steal_pointer(&key), base);
    if (site->instruction->kind == KILN_INST_FROM && !context)
        warn_platform(site, base, platform);
    return base;
}

bool kiln_stage_base(KilnPlanner *p, KilnStage *s, KilnBase **base, GError **error)
{
    *base = NULL;
    if (s->base || (!s->context && strcmp(s->base_name, "scratch") == 0))
        return true;
    KilnSite site = kiln_stage_site(p, s, s->from, false);
    const char *context = s->context ? s->context : kiln_planner_context(p, s->base_name);
    *base = kiln_planner_base(p, &site, s->base_name, context, s->platform, error);
    return *base != NULL;
}

/* The step that makes the base's layers the file system; `stage` numbers it, NULL: not of a stage.
 */
static KilnStep *base_step(KilnPlanner *p, const KilnSite *site, KilnBase *base, KilnStage *stage)
{
    if (base->step)
        return base->step;
    g_autofree char *text = g_strdup_printf("FROM %s", base->ref);
    KilnStep *step = kiln_step_add(p, site, KILN_STEP_FROM, NULL);
    g_free(step->keyword);
    step->keyword = g_strdup("FROM");
    step->name = stage ? kiln_stage_step_name(stage, site, text) : g_strdup(text);
    step->created_by = g_steal_pointer(&text);
    step->ref = g_strdup(base->ref);
    step->image_id = g_strdup(base->resolved->image_id);
    base->step = step;
    return step;
}

/* A directory as a file system: as if copied whole to an empty one. */
static KilnStep *directory_step(KilnPlanner *p, const KilnSite *site, const char *context,
                                KilnStage *stage)
{
    g_autofree char *text = g_strdup_printf("FROM %s", context);
    KilnStep *step = kiln_step_add(p, site, KILN_STEP_COPY, NULL);
    g_free(step->keyword);
    step->keyword = g_strdup("FROM");
    step->name = kiln_stage_step_name(stage, site, text);
    step->from = (KilnOrigin){.kind = KILN_ORIGIN_NAMED, .name = g_strdup(context)};
    const char *const sources[] = {".", NULL};
    step->sources = g_strdupv((char **)sources);
    step->source_places = g_array_new(FALSE, FALSE, sizeof(KilnPlace));
    g_array_append_val(step->source_places, *site->place);
    step->dest = g_strdup("/");
    step->inlines = g_array_new(FALSE, FALSE, sizeof(KilnInline));
    kiln_site_history(site, step, text);
    step->created_by = g_steal_pointer(&text);
    return step;
}

KilnStep *kiln_stage_result(KilnPlanner *p, KilnStage *s)
{
    if (s->directory && !s->last) {
        KilnSite site = kiln_stage_site(p, s, s->from, false);
        s->last = directory_step(p, &site, s->context, s);
    }
    return s->last;
}

static void count_steps(KilnStage *s, bool own_base)
{
    s->total = own_base ? 1 : 0;
    if (s->context)
        return;
    GPtrArray *const lists[] = {s->triggers, s->instructions};
    for (guint l = 0; l < G_N_ELEMENTS(lists); l++) {
        for (guint n = 0; n < lists[l]->len; n++) {
            const KilnInstruction *i = g_ptr_array_index(lists[l], n);
            if (i->kind == KILN_INST_RUN || i->kind == KILN_INST_COPY || i->kind == KILN_INST_ADD ||
                i->kind == KILN_INST_WORKDIR)
                s->total++;
        }
    }
}

static void start_on_stage(KilnPlanner *p, KilnStage *s)
{
    const KilnStage *base = s->base;
    s->last = kiln_stage_result(p, s->base);
    s->config = kiln_config_copy(base->config);
    s->scope = kiln_scope_copy(base->scope);
    s->workdir_set = base->workdir_set;
}

static void start_on_base(KilnPlanner *p, KilnStage *s, KilnBase *base)
{
    s->scope = kiln_scope_new();
    s->scope->open = base && base->resolved->unknown;
    const KilnConfig *config = base ? base->resolved->config : NULL;
    if (config) {
        s->config = kiln_config_copy(config);
    } else {
        /* FROM --platform does not count for scratch. */
        s->config = kiln_config_new(p->platform);
        kiln_config_set_string(s->config, "WorkingDir", "/");
    }
    if (!base)
        return;
    KilnSite site = kiln_stage_site(p, s, s->from, false);
    if (!base->resolved->directory)
        s->last = base_step(p, &site, base, s);
    else if (s->context)
        s->directory = true; /* copied only if a stage stands on it */
    else
        s->last = directory_step(p, &site, base->name, s);
}

bool kiln_stage_start(KilnPlanner *p, KilnStage *s, GError **error)
{
    KilnBase *base;
    if (!kiln_stage_base(p, s, &base, error))
        return false;
    count_steps(s, base != NULL);
    if (s->base)
        start_on_stage(p, s);
    else
        start_on_base(p, s, base);
    kiln_config_set_list(s->config, "OnBuild", NULL); /* run, in this stage or not at all */
    const char *workdir = kiln_config_string(s->config, "WorkingDir");
    if (workdir && *workdir && *workdir != '/') {
        g_autofree char *absolute = kiln_path_clean("/", workdir);
        kiln_config_set_string(s->config, "WorkingDir", absolute);
    }
    if (!kiln_config_env(s->config, "PATH"))
        kiln_config_set_env(s->config, "PATH", DEFAULT_PATH);
    g_auto(GStrv) variables = kiln_config_environ(s->config);
    kiln_scope_set_all(s->scope, variables);
    return true;
}

bool kiln_planner_origin(KilnPlanner *p, const KilnSite *site, const char *from, KilnOrigin *origin,
                         GPtrArray *needs, GError **error)
{
    KilnFrom reference;
    if (!kiln_planner_reference(p, site, from, &reference, error))
        return false;
    *origin = (KilnOrigin){.kind = KILN_ORIGIN_STAGE, .name = g_strdup(from)};
    if (reference.stage && reference.stage->directory) {
        origin->kind = KILN_ORIGIN_NAMED;
        g_free(origin->name);
        origin->name = g_strdup(reference.stage->context);
    } else if (reference.stage) {
        origin->step = reference.stage->last;
    } else if (reference.name) {
        KilnBase *base = kiln_planner_base(p, site, reference.name, reference.context, NULL, error);
        g_clear_pointer(&origin->name, g_free);
        if (!base)
            return false;
        origin->name = g_strdup(base->ref);
        origin->kind = base->resolved->directory ? KILN_ORIGIN_NAMED : KILN_ORIGIN_IMAGE;
        if (!base->resolved->directory)
            origin->step = base_step(p, site, base, NULL);
    }
    if (origin->step && !g_ptr_array_find(needs, origin->step, NULL))
        g_ptr_array_add(needs, origin->step);
    return true;
}
