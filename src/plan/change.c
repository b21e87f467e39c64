#include "plan/plan-private.h"

bool kiln_config_change(KilnConfig *config, const char *instruction, GError **error)
{
    KilnInstruction *i = kiln_instruction_parse(instruction, "--change", error);
    if (!i)
        return false;
    KilnPlace place = i->place;
    KilnSite site = {
        .instruction = i, .place = &place, .origin = "--change", .escape = '\\', .config = config};
    bool ok = false;
    if (i->kind == KILN_INST_MAINTAINER) { /* the one that Docker leaves out */
        kiln_site_fail(
            &site, error, KILN_PLAN_ERROR_UNSUPPORTED, NULL,
            "MAINTAINER cannot be used here; use LABEL org.opencontainers.image.authors=…");
    } else {
        g_autoptr(KilnScope) scope = kiln_scope_new();
        g_auto(GStrv) variables = kiln_config_environ(config);
        kiln_scope_set_all(scope, variables);
        site.scope = scope;
        ok = kiln_site_metadata(&site, error);
    }
    kiln_instruction_free(i);
    return ok;
}
