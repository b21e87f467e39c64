/* The table of stages: what each FROM says, and which stages the target needs. */
#include <string.h>

#include "dockerfile/expand.h"
#include "dockerfile/suggest.h"
#include "plan/plan-private.h"
#include "remote/reference.h"

void kiln_stage_free(KilnStage *s)
{
    if (!s)
        return;
    g_free(s->name);
    g_free(s->called);
    g_free(s->base_name);
    kiln_platform_free(s->platform);
    g_ptr_array_unref(s->instructions);
    g_ptr_array_unref(s->triggers);
    g_free(s->trigger_origin);
    kiln_config_free(s->config);
    kiln_scope_free(s->scope);
    g_ptr_array_unref(s->history);
    g_free(s);
}

KilnSite kiln_stage_site(KilnPlanner *p, KilnStage *s, const KilnInstruction *i, bool trigger)
{
    return (KilnSite){
        .file = p->file,
        .instruction = i,
        .place = trigger ? &s->from->place : &i->place,
        .origin = trigger ? s->trigger_origin : NULL,
        .escape = p->file->escape, /* of triggers too: they are only parsed with '\\' */
        .config = s->config,
        .scope = s->scope,
        .warnings = p->plan->warnings,
        .history = s->history,
        .has_cmd = &s->has_cmd,
        .once = s->once,
    };
}

/* ---- FROM ---- */

typedef struct {
    const KilnScope *scope;
    GPtrArray *set, *unset; /* names, borrowed from `names` */
    GStringChunk *names;
} FromLookup;

static const char *look_up(const char *name, void *data)
{
    FromLookup *lookup = data;
    const char *value = kiln_scope_get(lookup->scope, name);
    g_ptr_array_add(value ? lookup->set : lookup->unset,
                    g_string_chunk_insert(lookup->names, name));
    return value;
}

static FromLookup lookup_new(const KilnScope *scope)
{
    return (FromLookup){scope, g_ptr_array_new(), g_ptr_array_new(), g_string_chunk_new(64)};
}

static void lookup_clear(FromLookup *l)
{
    g_ptr_array_unref(l->set);
    g_ptr_array_unref(l->unset);
    g_string_chunk_free(l->names);
}

static void warn_undeclared(const KilnSite *site, const FromLookup *lookup)
{
    g_autoptr(GPtrArray) known = kiln_scope_names(lookup->scope);
    g_ptr_array_add(known, NULL);
    for (guint i = 0; i < lookup->unset->len; i++) {
        const char *name = g_ptr_array_index(lookup->unset, i);
        if (kiln_scope_declares(lookup->scope, name))
            continue;
        const char *near = kiln_suggest(name, (const char *const *)known->pdata, false);
        if (near)
            kiln_site_warn(site, "UndefinedArgInFrom",
                           "FROM argument '%s' is not declared (did you mean %s?)", name, near);
        else
            kiln_site_warn(site, "UndefinedArgInFrom", "FROM argument '%s' is not declared", name);
    }
}

/* Expands a part of FROM with the ARGs before the first one. */
static char *from_word(const KilnSite *site, const char *word, const KilnPlace *place,
                       FromLookup *lookup, GError **error)
{
    GError *problem = NULL;
    char *text = kiln_expand_word(word, site->escape, look_up, lookup, &problem);
    if (!text)
        kiln_site_place_error(site, error, problem, place);
    else
        warn_undeclared(site, lookup);
    return text;
}

static void warn_platform(const KilnSite *site, const KilnStage *s, const char *written,
                          const char *text, const FromLookup *lookup)
{
    if (lookup->set->len == 0 && lookup->unset->len == 0) {
        const char *name = s->name ? s->name : "";
        if (!strstr(name, s->platform->os) && !strstr(name, s->platform->architecture))
            kiln_site_warn(site, "FromPlatformFlagConstDisallowed",
                           "FROM --platform flag should not use constant value \"%s\"", text);
    } else if (lookup->set->len == 1 && lookup->unset->len == 0 &&
               strcmp(g_ptr_array_index(lookup->set, 0), "TARGETPLATFORM") == 0 &&
               strcmp(text, kiln_scope_get(lookup->scope, "TARGETPLATFORM")) == 0) {
        kiln_site_warn(
            site, "RedundantTargetPlatform",
            "Setting platform to predefined %s in FROM is redundant as this is the default "
            "behavior",
            written);
    }
}

static bool from_platform(KilnPlanner *p, KilnStage *s, const KilnSite *site, GError **error)
{
    const char *written = kiln_instruction_flag(s->from, "platform");
    if (!written || !*written)
        return true;
    const KilnPlace *place = kiln_site_flag(site, "platform");
    FromLookup lookup = lookup_new(p->globals);
    g_autofree char *text = from_word(site, written, place, &lookup, error);
    if (text && !*text) {
        kiln_site_fail(
            site, error, KILN_PLAN_ERROR_ARGUMENT, place,
            "FROM --platform=%s: the platform is empty after expansion; an ARG used here "
            "must be declared, with a value, before the first FROM",
            written);
    } else if (text) {
        GError *problem = NULL;
        s->platform = kiln_platform_parse(text, &problem);
        if (!s->platform)
            kiln_site_place_error(site, error, problem, place);
        else
            warn_platform(site, s, written, text, &lookup);
    }
    lookup_clear(&lookup);
    return s->platform != NULL;
}

/* An ARG without a default makes a FROM that only works with --build-arg. */
static void warn_defaults(const KilnSite *site, const KilnScope *defaults)
{
    const char *written = g_ptr_array_index(site->instruction->args, 0);
    FromLookup lookup = lookup_new(defaults);
    g_autofree char *text = kiln_expand_word(written, site->escape, look_up, &lookup, NULL);
    if (text) {
        g_autoptr(KilnReference) r = kiln_reference_parse(text, NULL);
        if (!r)
            kiln_site_warn(site, "InvalidDefaultArgInFrom",
                           "Default value for ARG %s results in empty or invalid base image name",
                           written);
    }
    lookup_clear(&lookup);
}

/* Of all stages before any is looked at: it is told also of a file that is wrong further up. */
static void warn_all_defaults(KilnPlanner *p, const KilnScope *defaults)
{
    for (guint n = 0; n < p->file->instructions->len; n++) {
        const KilnInstruction *i = g_ptr_array_index(p->file->instructions, n);
        KilnSite site = {.file = p->file,
                         .instruction = i,
                         .place = &i->place,
                         .escape = p->file->escape,
                         .warnings = p->plan->warnings};
        if (i->kind == KILN_INST_FROM)
            warn_defaults(&site, defaults);
    }
}

static KilnStage *stage_new(KilnPlanner *p, const KilnInstruction *from)
{
    KilnStage *s = g_new0(KilnStage, 1);
    s->index = p->stages->len;
    s->from = from;
    s->instructions = g_ptr_array_new();
    s->triggers = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_instruction_free);
    s->history = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_history_free);
    if (from->args->len > 1)
        s->name = g_ascii_strdown(g_ptr_array_index(from->args, 1), -1);
    s->called = s->name ? g_strdup(s->name) : g_strdup_printf("stage-%u", s->index);
    s->label = s->called;
    g_ptr_array_add(p->stages, s);
    return s;
}

static bool stage_from(KilnPlanner *p, KilnStage *s, GError **error)
{
    KilnSite site = kiln_stage_site(p, s, s->from, false);
    const char *written = g_ptr_array_index(s->from->args, 0);
    FromLookup lookup = lookup_new(p->globals);
    s->base_name = from_word(&site, written, kiln_site_place(&site, 0), &lookup, error);
    lookup_clear(&lookup);
    if (!s->base_name)
        return false;
    if (!*s->base_name)
        return kiln_site_fail(
            &site, error, KILN_PLAN_ERROR_ARGUMENT, kiln_site_place(&site, 0),
            "FROM %s: the name of the base is empty after expansion; an ARG used here "
            "must be declared, with a value, before the first FROM",
            written);
    if (!from_platform(p, s, &site, error))
        return false;
    if (s->name)
        s->context = kiln_planner_context(p, s->name);
    /* As it is written: names are in lower case, and BuildKit takes any other for an image. */
    if (!s->context)
        s->base = g_hash_table_lookup(p->names, s->base_name);
    if (s->name)
        g_hash_table_insert(p->names, s->name, s);
    return true;
}

/* ---- the table ---- */

static bool find_target(KilnPlanner *p, GError **error)
{
    const char *wanted = p->options->target;
    p->target = g_ptr_array_index(p->stages, p->stages->len - 1);
    if (!wanted || !*wanted)
        return true;
    g_autofree char *lower = g_ascii_strdown(wanted, -1);
    p->target = g_hash_table_lookup(p->names, lower);
    guint64 index;
    if (!p->target && g_ascii_string_to_unsigned(wanted, 10, 0, p->stages->len - 1, &index, NULL))
        p->target = g_ptr_array_index(p->stages, index);
    if (p->target)
        return true;
    g_autoptr(GPtrArray) names = g_ptr_array_new();
    for (guint i = 0; i < p->stages->len; i++) {
        const KilnStage *s = g_ptr_array_index(p->stages, i);
        if (s->name)
            g_ptr_array_add(names, s->name);
    }
    g_ptr_array_add(names, NULL);
    const char *near = kiln_suggest(lower, (const char *const *)names->pdata, false);
    g_autofree char *all = g_strjoinv(", ", (char **)names->pdata);
    g_set_error(error, KILN_PLAN_ERROR, KILN_PLAN_ERROR_STAGE,
                "%s: there is no target stage \"%s\"%s%s%s (%s%s)", p->file->name, wanted,
                near ? "; did you mean " : "", near ? near : "", near ? "?" : "",
                names->len > 1 ? "stages: " : "no stage has a name", all);
    return false;
}

/* BuildKit leaves the stage's name out of step names when there is but one stage, and counts an
 * image of COPY --from, or what a RUN --mount starts with, as another. */
static void label_only_stage(KilnPlanner *p)
{
    KilnStage *only = g_ptr_array_index(p->stages, 0);
    if (p->stages->len > 1)
        return;
    for (guint i = 0; i < only->instructions->len; i++) {
        g_autoptr(GPtrArray) froms = kiln_instruction_froms(only->instructions->pdata[i]);
        if (froms->len > 0)
            return;
    }
    only->label = NULL;
}

bool kiln_planner_stages(KilnPlanner *p, GError **error)
{
    p->stages = g_ptr_array_new_with_free_func((GDestroyNotify)kiln_stage_free);
    p->names = g_hash_table_new(g_str_hash, g_str_equal);
    p->globals = kiln_planner_globals(p, p->build_args, error);
    if (!p->globals)
        return false;
    /* NULL if only an argument that was given spares them an error. */
    g_autoptr(KilnScope) defaults = kiln_planner_globals(p, NULL, NULL);
    if (defaults)
        warn_all_defaults(p, defaults);
    for (guint n = 0; n < p->file->instructions->len; n++) {
        const KilnInstruction *i = g_ptr_array_index(p->file->instructions, n);
        if (i->kind == KILN_INST_FROM) {
            if (!stage_from(p, stage_new(p, i), error))
                return false;
        } else if (p->stages->len > 0) {
            KilnStage *s = g_ptr_array_index(p->stages, p->stages->len - 1);
            g_ptr_array_add(s->instructions, (gpointer)i);
        } else if (i->kind != KILN_INST_ARG) {
            KilnSite site = {.file = p->file, .instruction = i, .place = &i->place};
            return kiln_site_fail(&site, error, KILN_PLAN_ERROR_STAGE, NULL,
                                  "%s before the first FROM; only ARG may stand there",
                                  kiln_instruction_keyword(i->kind));
        }
    }
    if (p->stages->len == 0) {
        g_set_error(error, KILN_PLAN_ERROR, KILN_PLAN_ERROR_STAGE,
                    "%s: there is no stage to build; it needs a FROM", p->file->name);
        return false;
    }
    label_only_stage(p);
    return find_target(p, error) && kiln_planner_cycles(p, error);
}

/* ---- what the target needs ---- */

/* Stages that an instruction reads; `needed` says whether to mark them and to insist on their
 * order. */
static bool mark_froms(KilnPlanner *p, KilnStage *s, const KilnSite *site, GError **error)
{
    g_autoptr(GPtrArray) froms = kiln_instruction_froms(site->instruction);
    for (guint i = 0; i < froms->len; i++) {
        const char *from = g_ptr_array_index(froms, i);
        KilnFrom reference;
        if (!from)
            continue;
        if (!kiln_planner_reference(p, site, from, &reference, error))
            return false;
        if (!reference.stage || !s->needed)
            continue;
        if (reference.stage == s)
            return kiln_site_fail(site, error, KILN_PLAN_ERROR_STAGE, kiln_site_flag(site, "from"),
                                  "--from=%s: a stage cannot read from itself", from);
        if (reference.stage->index > s->index)
            return kiln_site_fail(
                site, error, KILN_PLAN_ERROR_STAGE, kiln_site_flag(site, "from"),
                "--from=%s: that stage begins further down; move it before this one", from);
        reference.stage->needed = true;
    }
    return true;
}

static bool mark_list(KilnPlanner *p, KilnStage *s, GPtrArray *list, bool trigger, GError **error)
{
    for (guint i = 0; i < list->len; i++) {
        KilnSite site = kiln_stage_site(p, s, g_ptr_array_index(list, i), trigger);
        if (!mark_froms(p, s, &site, error))
            return false;
    }
    return true;
}

bool kiln_planner_mark(KilnPlanner *p, bool triggers, GError **error)
{
    p->target->needed = true;
    /* A stage reads from earlier ones only, so one way up is enough. */
    for (guint i = p->stages->len; i-- > 0;) {
        KilnStage *s = g_ptr_array_index(p->stages, i);
        if (s->context)
            continue;
        s->needed = s->needed || p->options->all_stages;
        if (s->needed && s->base)
            s->base->needed = true;
        if (s->needed && triggers && !kiln_stage_triggers(p, s, error))
            return false;
        if (!mark_list(p, s, s->triggers, true, error) ||
            !mark_list(p, s, s->instructions, false, error))
            return false;
    }
    return true;
}
