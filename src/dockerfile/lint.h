/* BuildKit's lint rules that need no more than the parsed file (frontend/dockerfile/linter):
 * StageNameCasing, FromAsCasing, ConsistentInstructionCasing, DuplicateStageName,
 * ReservedStageName, JSONArgsRecommended, MaintainerDeprecated, LegacyKeyValueFormat,
 * MultipleInstructionsDisallowed. (NoEmptyContinuation comes from the line reader.) */
#pragma once

#include "dockerfile/dockerfile.h"

/* Adds a warning to d->warnings, unless "# check=skip=…" names its rule. */
void kiln_lint_warn(KilnDockerfile *d, const char *rule, const KilnPlace *place, const char *format,
                    ...) G_GNUC_PRINTF(4, 5);

/* Whether "# check=error=true" makes warnings fail the build. */
bool kiln_lint_is_strict(const KilnDockerfile *d);

/* Looks at FROM as written, before its check takes the "AS" out. */
void kiln_lint_from(KilnDockerfile *d, const KilnInstruction *from);

/* Runs the other rules over the whole file and puts all warnings in the order of their lines. */
void kiln_lint(KilnDockerfile *d);

void kiln_warning_free(KilnDockerfileWarning *warning);
