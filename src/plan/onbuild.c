/* ONBUILD of a base, run right after FROM. */
#include "plan/plan-private.h"

static bool add_trigger(KilnPlanner *p, KilnStage *s, const char *text, GError **error)
{
    KilnSite site = kiln_stage_site(p, s, s->from, true);
    g_autoptr(GError) problem = NULL;
    g_autoptr(KilnInstruction) i = kiln_instruction_parse(text, s->trigger_origin, &problem);
    if (!i) {
        site.origin = NULL; /* its message begins with the origin already */
        kiln_site_place_error(&site, error, g_steal_pointer(&problem), NULL);
        return false;
    }
    if (i->kind == KILN_INST_ONBUILD || i->kind == KILN_INST_FROM ||
        i->kind == KILN_INST_MAINTAINER)
        return kiln_site_fail(&site, error, KILN_PLAN_ERROR_ARGUMENT, NULL,
                              "%s cannot be a trigger (\"%s\")", kiln_instruction_keyword(i->kind),
                              text);
    g_ptr_array_add(s->triggers, g_steal_pointer(&i));
    return true;
}

/* Of an image they stand in its configuration, of a stage in its instructions. A base's own
 * triggers have been run there and do not go further. */
bool kiln_stage_triggers(KilnPlanner *p, KilnStage *s, GError **error)
{
    g_free(s->trigger_origin);
    s->trigger_origin = g_strdup_printf("ONBUILD of %s", s->base_name);
    if (s->base && !s->base->context) {
        for (guint n = 0; n < s->base->instructions->len; n++) {
            const KilnInstruction *i = g_ptr_array_index(s->base->instructions, n);
            if (i->kind == KILN_INST_ONBUILD &&
                !add_trigger(p, s, g_ptr_array_index(i->args, 0), error))
                return false;
        }
        return true;
    }
    KilnBase *base = NULL;
    if (!kiln_stage_base(p, s->base ? s->base : s, &base, error))
        return false;
    g_auto(GStrv) list =
        base && base->resolved->config ? kiln_config_list(base->resolved->config, "OnBuild") : NULL;
    for (char **text = list; text && *text; text++) {
        if (!add_trigger(p, s, *text, error))
            return false;
    }
    return true;
}
