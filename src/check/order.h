/* Rules on the order of a Dockerfile's steps, which make the difference between a rebuild of
 * seconds and one of minutes: CopyBeforeInstall, AptListsLeftInLayer, ApkCacheLeftInLayer,
 * CacheMountPossible, BuildToolInFinalStage; and ContextWithoutIgnore. They need the parsed file,
 * and say more with its context.
 *
 * They would rather miss something than blame a good file: what a RUN does is only guessed from its
 * text. */
#pragma once

#include "dockerfile/dockerfile.h"
#include "plan/plan.h"
#include "tree/ignore.h"

typedef struct {
    int fd;                   /* its directory; -1: it is not at hand */
    const KilnIgnore *ignore; /* NULL: there is no .dockerignore */
} KilnCheckContext;

/* Adds KilnDockerfileWarning*, with lines that mend what they are about. infos: also what only
 * could be better.
 * "# check=skip=…" holds for these, too. */
void kiln_check_order(const KilnDockerfile *d, const KilnCheckContext *context, bool infos,
                      GPtrArray *warnings);

/* CopyIgnoredFile: for the COPYs and ADDs of a plan, as BuildKit (validateCopySourcePath) reports
 * it. */
void kiln_check_ignored(const KilnPlan *plan, const KilnDockerfile *d, const KilnIgnore *ignore,
                        GPtrArray *warnings);
