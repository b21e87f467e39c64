/* Stages that read from each other. They are refused though nothing needs them, as in BuildKit
 * (validateCircularDependency() of validations.go); so are names that can be no image's. */
#include <string.h>

#include "plan/plan-private.h"
#include "remote/reference.h"

/* What a stage reads, and where it says so. */
typedef struct {
    guint stage;
    const KilnInstruction *reader;
} Edge;

static bool check_image(const KilnSite *site, const char *name, const KilnPlace *place,
                        GError **error)
{
    GError *problem = NULL;
    g_autoptr(KilnReference) reference = kiln_reference_parse(name, &problem);
    if (!reference)
        kiln_site_place_error(site, error, problem, place);
    return reference != NULL;
}

static bool check_base(KilnPlanner *p, KilnStage *s, GError **error)
{
    if (s->base || strcmp(s->base_name, "scratch") == 0 || kiln_planner_context(p, s->base_name))
        return true;
    KilnSite site = kiln_stage_site(p, s, s->from, false);
    g_autoptr(GError) problem = NULL;
    if (check_image(&site, s->base_name, kiln_site_place(&site, 0), &problem))
        return true;
    kiln_planner_hint(p, s->base_name, &problem);
    g_propagate_error(error, g_steal_pointer(&problem));
    return false;
}

static bool add_edges(KilnPlanner *p, KilnStage *s, GArray *edges, bool *backward, GError **error)
{
    for (guint n = 0; n < s->instructions->len; n++) {
        KilnSite site = kiln_stage_site(p, s, g_ptr_array_index(s->instructions, n), false);
        g_autoptr(GPtrArray) froms = kiln_instruction_froms(site.instruction);
        for (guint i = 0; i < froms->len; i++) {
            KilnFrom reference;
            if (!froms->pdata[i])
                continue;
            if (!kiln_planner_reference(p, &site, froms->pdata[i], &reference, error))
                return false;
            if (reference.name && !reference.context &&
                !check_image(&site, reference.name, kiln_site_flag(&site, "from"), error))
                return false;
            if (!reference.stage)
                continue;
            Edge edge = {reference.stage->index, site.instruction};
            g_array_append_val(edges, edge);
            *backward = *backward || edge.stage >= s->index;
        }
    }
    return true;
}

static bool fail(KilnPlanner *p, guint from, const Edge *edge, GError **error)
{
    KilnStage *reader = g_ptr_array_index(p->stages, from);
    const KilnStage *read = g_ptr_array_index(p->stages, edge->stage);
    KilnSite site = kiln_stage_site(p, reader, edge->reader, false);
    if (edge->stage == from)
        return kiln_site_fail(&site, error, KILN_PLAN_ERROR_STAGE, kiln_site_flag(&site, "from"),
                              "circular dependency: the stage %s cannot read from itself",
                              reader->called);
    return kiln_site_fail(&site, error, KILN_PLAN_ERROR_STAGE, kiln_site_flag(&site, "from"),
                          "circular dependency: the stage %s needs what is read here from %s, "
                          "and that needs %s",
                          reader->called, read->called, reader->called);
}

/* Depth first, without recursion: a Dockerfile may have very many stages. */
static bool search(KilnPlanner *p, GPtrArray *edges, GError **error)
{
    enum { UNSEEN, OPEN, DONE };
    guint n = p->stages->len;
    g_autofree guint8 *seen = g_new0(guint8, n);
    g_autofree guint *next = g_new0(guint, n); /* edge to follow */
    g_autoptr(GArray) path = g_array_new(FALSE, FALSE, sizeof(guint));
    for (guint start = 0; start < n; start++) {
        if (seen[start] == UNSEEN)
            g_array_append_val(path, start);
        while (path->len > 0) {
            guint at = g_array_index(path, guint, path->len - 1);
            const GArray *out = g_ptr_array_index(edges, at);
            seen[at] = OPEN;
            if (next[at] == out->len) {
                seen[at] = DONE;
                g_array_set_size(path, path->len - 1);
                continue;
            }
            const Edge *edge = &g_array_index(out, Edge, next[at]++);
            if (seen[edge->stage] == OPEN) { /* told where the circle begins */
                guint first = edge->stage;
                out = g_ptr_array_index(edges, first);
                return fail(p, first, &g_array_index(out, Edge, next[first] - 1), error);
            }
            if (seen[edge->stage] == UNSEEN)
                g_array_append_val(path, edge->stage);
        }
    }
    return true;
}

bool kiln_planner_cycles(KilnPlanner *p, GError **error)
{
    g_autoptr(GPtrArray) edges = g_ptr_array_new_with_free_func((GDestroyNotify)g_array_unref);
    bool backward = false; /* without one there is no circle */
    for (guint i = 0; i < p->stages->len; i++) {
        KilnStage *s = g_ptr_array_index(p->stages, i);
        g_ptr_array_add(edges, g_array_new(FALSE, FALSE, sizeof(Edge)));
        if (!s->context && (!check_base(p, s, error) ||
                            !add_edges(p, s, g_ptr_array_index(edges, i), &backward, error)))
            return false;
    }
    return !backward || search(p, edges, error);
}
