/* From a logical line to an instruction, in two steps as in BuildKit: splitting
 * (frontend/dockerfile/parser), between which and the check its heredocs are read, and checking
 * against the grammar (frontend/dockerfile/instructions). */
#pragma once

#include "dockerfile/lines.h"

/* Splits the instruction that begins at `start` of a logical line. Fails for an unknown keyword and
 * for arguments that have no possible reading. An unknown keyword behind ONBUILD is but a doubt:
 * *doubt is set, and the instruction has no `trigger`. */
KilnInstruction *kiln_instruction_split(const KilnDockerfile *d, const KilnLogicalLine *line,
                                        gsize start, GError **doubt, GError **error);

/* Does the line open heredocs? True for RUN, COPY and ADD not in JSON form, and for ONBUILD of
 * those. */
bool kiln_instruction_takes_heredocs(const KilnInstruction *i);

/* Flags, numbers of arguments and values that can be judged without expansion; FROM loses its "AS".
 * Of ONBUILD's trigger only the kind is looked at. */
bool kiln_instruction_check(const KilnDockerfile *d, KilnInstruction *i, GError **error);
