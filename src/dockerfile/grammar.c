#include "dockerfile/grammar.h"

#include <string.h>

#include "dockerfile/suggest.h"

#define KINDS (KILN_INST_SHELL + 1)

/* moby/buildkit frontend/dockerfile/instructions/parse.go and commands_run*.go */
static const KilnRule rules[KINDS] = {
    [KILN_INST_FROM] = {"FROM", KILN_FORM_WORDS, {{"platform", KILN_FLAG_STRING}}, false},
    [KILN_INST_RUN] = {"RUN",
                       KILN_FORM_JSON_OR_LINE,
                       {{"mount", KILN_FLAG_STRINGS},
                        {"network", KILN_FLAG_STRING},
                        {"security", KILN_FLAG_STRING},
                        {"device", KILN_FLAG_STRINGS}},
                       false},
    [KILN_INST_CMD] = {"CMD", KILN_FORM_JSON_OR_LINE, {{0}}, false},
    [KILN_INST_LABEL] = {"LABEL", KILN_FORM_PAIRS, {{0}}, false},
    [KILN_INST_MAINTAINER] = {"MAINTAINER", KILN_FORM_LINE, {{0}}, false},
    [KILN_INST_EXPOSE] = {"EXPOSE", KILN_FORM_WORDS, {{0}}, false},
    [KILN_INST_ENV] = {"ENV", KILN_FORM_PAIRS, {{0}}, false},
    [KILN_INST_ADD] = {"ADD",
                       KILN_FORM_JSON_OR_WORDS,
                       {{"chown", KILN_FLAG_STRING},
                        {"chmod", KILN_FLAG_STRING},
                        {"link", KILN_FLAG_BOOL},
                        {"keep-git-dir", KILN_FLAG_BOOL},
                        {"checksum", KILN_FLAG_STRING},
                        {"unpack", KILN_FLAG_BOOL},
                        {"exclude", KILN_FLAG_STRINGS}},
                       false},
    [KILN_INST_COPY] = {"COPY",
                        KILN_FORM_JSON_OR_WORDS,
                        {{"from", KILN_FLAG_STRING},
                         {"chown", KILN_FLAG_STRING},
                         {"chmod", KILN_FLAG_STRING},
                         {"link", KILN_FLAG_BOOL},
                         {"parents", KILN_FLAG_BOOL},
                         {"exclude", KILN_FLAG_STRINGS}},
                        false},
    [KILN_INST_ENTRYPOINT] = {"ENTRYPOINT", KILN_FORM_JSON_OR_LINE, {{0}}, false},
    [KILN_INST_VOLUME] = {"VOLUME", KILN_FORM_JSON_OR_WORDS, {{0}}, false},
    [KILN_INST_USER] = {"USER", KILN_FORM_LINE, {{0}}, false},
    [KILN_INST_WORKDIR] = {"WORKDIR", KILN_FORM_LINE, {{0}}, false},
    [KILN_INST_ARG] = {"ARG", KILN_FORM_DECLARATIONS, {{0}}, true},
    [KILN_INST_ONBUILD] = {"ONBUILD", KILN_FORM_TRIGGER, {{0}}, false},
    [KILN_INST_STOPSIGNAL] = {"STOPSIGNAL", KILN_FORM_LINE, {{0}}, true},
    [KILN_INST_HEALTHCHECK] = {"HEALTHCHECK",
                               KILN_FORM_HEALTHCHECK,
                               {{"interval", KILN_FLAG_STRING},
                                {"timeout", KILN_FLAG_STRING},
                                {"start-period", KILN_FLAG_STRING},
                                {"start-interval", KILN_FLAG_STRING},
                                {"retries", KILN_FLAG_STRING}},
                               false},
    [KILN_INST_SHELL] = {"SHELL", KILN_FORM_JSON_OR_LINE, {{0}}, false},
};

const KilnRule *kiln_grammar_rule(KilnInstructionKind kind)
{
    return &rules[kind];
}

const char *kiln_instruction_keyword(KilnInstructionKind kind)
{
    return rules[kind].keyword;
}

bool kiln_grammar_find(const char *keyword, KilnInstructionKind *kind, const char **suggestion)
{
    for (guint n = 0; n < KINDS; n++) {
        if (g_ascii_strcasecmp(keyword, rules[n].keyword) == 0) {
            *kind = (KilnInstructionKind)n;
            return true;
        }
    }
    const char *keywords[KINDS + 1] = {0};
    for (guint n = 0; n < KINDS; n++)
        keywords[n] = rules[n].keyword;
    *suggestion = kiln_suggest(keyword, keywords, true);
    return false;
}

const KilnFlagRule *kiln_grammar_flag(const KilnRule *rule, const char *name,
                                      const char **suggestion)
{
    const char *names[G_N_ELEMENTS(rule->flags) + 1] = {0};
    for (guint n = 0; n < G_N_ELEMENTS(rule->flags) && rule->flags[n].name; n++) {
        if (strcmp(rule->flags[n].name, name) == 0)
            return &rule->flags[n];
        names[n] = rule->flags[n].name;
    }
    *suggestion = kiln_suggest(name, names, false);
    return NULL;
}
