/* BuildKit's lint rules that need no more than the parsed file (frontend/dockerfile/linter):
 * StageNameCasing, FromAsCasing, ConsistentInstructionCasing, DuplicateStageName,
 * ReservedStageName, MaintainerDeprecated, InvalidDefinitionDescription, and NoEmptyContinuation,
 * which comes from the line reader. Those of a stage that is built come from the plan. */
#pragma once

#include "dockerfile/dockerfile.h"

/* Adds a warning to d->warnings, unless "# check=skip=…" names its rule, at the top of the file or
 * ahead of the instruction (NULL: it concerns none). */
void kiln_lint_warn(KilnDockerfile *d, const KilnInstruction *i, const char *rule,
                    const KilnPlace *place, const char *format, ...) G_GNUC_PRINTF(5, 6);

/* Whether warnings of a rule are wanted here. */
bool kiln_lint_wants(const KilnDockerfile *d, const KilnInstruction *i, const char *rule);

/* What is wrong with the options of "# check=…" (NULL: there are none); NULL if nothing. g_free(). */
char *kiln_lint_fault(const char *check);

/* Whether "# check=error=true" makes warnings fail the build. */
bool kiln_lint_is_strict(const KilnDockerfile *d);

/* Looks at an instruction as written, before its check, which takes the "AS" out of FROM, and which
 * it may not pass. */
void kiln_lint_instruction(KilnDockerfile *d, const KilnInstruction *i);

/* Runs the other rules over the whole file and puts all warnings in the order of their lines. */
void kiln_lint(KilnDockerfile *d);

/* KilnDockerfileWarning*, by line and column; those of one place keep their order. */
void kiln_lint_sort(GPtrArray *warnings);

void kiln_warning_free(KilnDockerfileWarning *warning);
