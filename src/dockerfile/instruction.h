/* From a logical line to an instruction, in two steps as in BuildKit: splitting
 * (frontend/dockerfile/parser), between which and the check its heredocs are read, and checking
 * against the grammar (frontend/dockerfile/instructions). */
#pragma once

#include "dockerfile/lines.h"

/* Filled and emptied again for each instruction: what is kept goes to the arena in its final size. */
typedef struct {
    GArray *spans;       /* KilnSpan */
    GPtrArray *pointers; /* to what is in the arena */
    GString *text;
} KilnScratch;

void kiln_scratch_init(KilnScratch *scratch);
void kiln_scratch_clear(KilnScratch *scratch);

extern const KilnList kiln_list_empty;
/* A list of so many elements, which are for the caller to set. */
KilnList *kiln_list_new(KilnArena *arena, guint count);
KilnList *kiln_list_copy(KilnArena *arena, const GPtrArray *pointers);

/* Splits the instruction of a logical line; it lives in the file's arena. Fails for an unknown
 * keyword and for arguments that have no possible reading. An unknown keyword behind ONBUILD is but
 * a doubt: *doubt is set, and the instruction has no `trigger`. */
KilnInstruction *kiln_instruction_split(const KilnDockerfile *d, const KilnLogicalLine *line,
                                        KilnScratch *scratch, GError **doubt, GError **error);

/* Does the line open heredocs? True for RUN, COPY and ADD not in JSON form, and for ONBUILD of
 * those. */
bool kiln_instruction_takes_heredocs(const KilnInstruction *i);

/* Flags, numbers of arguments and values that can be judged without expansion; FROM loses its "AS".
 * Of ONBUILD's trigger only the kind is looked at. */
bool kiln_instruction_check(const KilnDockerfile *d, KilnInstruction *i, GError **error);
