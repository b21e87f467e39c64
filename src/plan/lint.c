/* Rules of BuildKit's that it applies when it goes through a stage (dockerfile2llb, dispatch…).
 * Others are where the plan comes upon them: UndefinedVar in site.c, those of FROM in stages.c and
 * bases.c, those of EXPOSE in ports.c, WorkdirRelativePath in steps.c. */
#include "plan/plan-private.h"

/* What is told is where the one is that does not count. */
static void used_once(const KilnSite *site)
{
    KilnPlace *before = &site->once[site->instruction->kind];
    if (before->line) {
        KilnSite there = *site;
        there.place = before;
        kiln_site_warn(&there, "MultipleInstructionsDisallowed",
                       "the %s at line %u overrides this one: only the last of a stage counts",
                       kiln_instruction_keyword(site->instruction->kind), site->place->line);
    }
    *before = *site->place;
}

void kiln_site_lint(const KilnSite *site)
{
    const KilnInstruction *i = site->instruction;
    const char *keyword = kiln_instruction_keyword(i->kind);
    switch (i->kind) {
    case KILN_INST_ENV:
    case KILN_INST_LABEL:
        if (i->legacy)
            kiln_site_warn(site, "LegacyKeyValueFormat",
                           "\"%s name=value\" should be used instead of \"%s name value\"", keyword,
                           keyword);
        break;
    case KILN_INST_CMD:
    case KILN_INST_ENTRYPOINT: {
        g_auto(GStrv) shell = kiln_config_list(site->config, "Shell");
        used_once(site);
        if (!i->json && !(shell && *shell))
            kiln_site_warn(site, "JSONArgsRecommended",
                           "%s should be in JSON form: in shell form signals reach the shell and "
                           "not the program",
                           keyword);
        break;
    }
    case KILN_INST_HEALTHCHECK:
        used_once(site);
        break;
    default:
        break;
    }
}
