/* The grammar of the instructions as a table. */
#pragma once

#include "dockerfile/dockerfile.h"

typedef enum {
    KILN_FORM_WORDS, /* words that blanks divide */
    KILN_FORM_LINE,  /* the rest of the line is one string */
    KILN_FORM_JSON_OR_LINE,
    KILN_FORM_JSON_OR_WORDS,
    KILN_FORM_PAIRS,        /* name=value …, or the old "name value" */
    KILN_FORM_DECLARATIONS, /* name or name=value … */
    KILN_FORM_HEALTHCHECK,
    KILN_FORM_TRIGGER,
} KilnForm;

typedef enum { KILN_FLAG_BOOL, KILN_FLAG_STRING, KILN_FLAG_STRINGS } KilnFlagType;

typedef struct {
    const char *name;
    KilnFlagType type;
} KilnFlagRule;

typedef struct {
    const char *keyword; /* upper case */
    KilnForm form;
    KilnFlagRule flags[8]; /* up to one without name */
    /* BuildKit passes over any flag of these without a look (and of HEALTHCHECK NONE). */
    bool ignores_flags;
} KilnRule;

const KilnRule *kiln_grammar_rule(KilnInstructionKind kind);

/* Looks a keyword up, in any case. On failure *suggestion is the keyword that may have been meant,
 * or NULL. */
bool kiln_grammar_find(const char *keyword, KilnInstructionKind *kind, const char **suggestion);

/* The flag's rule, or NULL; then *suggestion may be the name that was meant. */
const KilnFlagRule *kiln_grammar_flag(const KilnRule *rule, const char *name,
                                      const char **suggestion);
