#include "check/rules.h"

#include <string.h>

#define PAGES "https://docs.docker.com/go/dockerfile/rule/"

/* clang-format off */
static const KilnCheckRule rules[] = {
    {"StageNameCasing", "Names of stages are lower-case", "stage-name-casing", false},
    {"FromAsCasing", "FROM and AS are in the same case", "from-as-casing", false},
    {"NoEmptyContinuation", "No empty line interrupts a continued instruction", "no-empty-continuation", false},
    {"ConsistentInstructionCasing", "All instructions of a file are in the same case", "consistent-instruction-casing", false},
    {"DuplicateStageName", "Each stage has a name of its own", "duplicate-stage-name", false},
    {"ReservedStageName", "No stage is named scratch or context", "reserved-stage-name", false},
    {"JSONArgsRecommended", "CMD and ENTRYPOINT in JSON form let signals reach the program", "json-args-recommended", false},
    {"MaintainerDeprecated", "A label names the author, not MAINTAINER", "maintainer-deprecated", false},
    {"UndefinedArgInFrom", "FROM uses only ARGs that are declared before it", "undefined-arg-in-from", false},
    {"WorkdirRelativePath", "The first WORKDIR is absolute", "workdir-relative-path", false},
    {"UndefinedVar", "Variables are declared before they are used", "undefined-var", false},
    {"MultipleInstructionsDisallowed", "CMD, ENTRYPOINT and HEALTHCHECK stand once in a stage", "multiple-instructions-disallowed", false},
    {"LegacyKeyValueFormat", "ENV and LABEL are written name=value", "legacy-key-value-format", false},
    {"InvalidBaseImagePlatform", "The base is of the platform that is built for", NULL, false},
    {"RedundantTargetPlatform", "--platform=$TARGETPLATFORM is what FROM does anyway", "redundant-target-platform", false},
    {"SecretsUsedInArgOrEnv", "ARG and ENV hold no secrets: they stay in the image", "secrets-used-in-arg-or-env", false},
    {"InvalidDefaultArgInFrom", "ARG defaults give FROM a valid name", "invalid-default-arg-in-from", false},
    {"FromPlatformFlagConstDisallowed", "FROM --platform is not a constant", "from-platform-flag-const-disallowed", false},
    {"CopyIgnoredFile", "COPY and ADD name no file that .dockerignore excludes", "copy-ignored-file", false},
    {"InvalidDefinitionDescription", "A comment ahead of an ARG or a stage describes it and begins with its name", "invalid-definition-description", false},
    {"ExposeProtoCasing", "The protocol of EXPOSE is lower-case", "expose-proto-casing", false},
    {"ExposeInvalidFormat", "EXPOSE has no address and no port of the host", "expose-invalid-format", false},
    {"UnusedBuildArg", "Every --build-arg is declared by an ARG", NULL, false},
    {"InvalidOnbuildTrigger", "ONBUILD has an instruction that will work when it is run", NULL, false},
    {"CopyBeforeInstall", "Dependencies are installed before the sources are copied", NULL, false},
    {"AptListsLeftInLayer", "The lists of apt do not stay in the image", NULL, false},
    {"ApkCacheLeftInLayer", "The index of apk does not stay in the image", NULL, false},
    {"ContextWithoutIgnore", "What the image does not need is kept out of the context by .dockerignore", NULL, false},
    {"CacheMountPossible", "A cache mount keeps what an install has fetched", NULL, true},
    {"BuildToolInFinalStage", "Compilers stay behind in a stage of their own", NULL, true},
};
/* clang-format on */

const KilnCheckRule *kiln_check_rule(const char *name)
{
    for (gsize n = 0; n < G_N_ELEMENTS(rules); n++)
        if (strcmp(rules[n].name, name) == 0)
            return &rules[n];
    return NULL;
}

char *kiln_check_rule_url(const KilnCheckRule *rule)
{
    return rule->page ? g_strconcat(PAGES, rule->page, "/", NULL) : NULL;
}
