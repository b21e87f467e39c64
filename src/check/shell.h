/* The commands in the text of a RUN, for those who want to know what it runs. No shell: quotes,
 * lists, pipes, redirections, comments and "sh -c" are understood, nothing is expanded. What a
 * shell would decide (if, for, case, $(…)) is taken as if it all ran. */
#pragma once

#include "dockerfile/dockerfile.h"

typedef struct {
    char *
        *words; /* without quotes; words[0] without directory; no assignments, sudo and the like */
    char *text; /* as written, assignments and all, white space and continuations made one blank */
} KilnCommand;

/* All commands of a RUN of any form (KilnCommand*), in order; g_ptr_array_unref(). */
GPtrArray *kiln_commands_of(const KilnInstruction *run);
/* A RUN's text for the shell on one line; g_free(). */
char *kiln_commands_text(const KilnInstruction *run);
/* The same of a text for the shell. */
GPtrArray *kiln_commands_parse(const char *text);

/* The first word behind words[0] that is no flag, and the words behind it; NULL if there is none.
 * Flags that take a value apart ("-C dir") are listed in `valued`, NULL-terminated, which may be
 * NULL. */
char **kiln_command_verb(const KilnCommand *c, const char *const *valued);
/* Whether one of the words is this one. */
bool kiln_command_has(const KilnCommand *c, const char *word);
