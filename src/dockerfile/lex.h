/* BuildKit's shell lexer (frontend/dockerfile/shell) with its switches; expand.h is its public
 * face, and heredoc words are found with it. */
#pragma once

#include "dockerfile/expand.h"

typedef struct {
    char escape;
    bool keep_quotes;      /* quotes stay in the result */
    bool keep_escapes;     /* so do escape characters */
    bool keep_unset;       /* "$name" of an unset variable stays as it is */
    bool ignore_quotes;    /* quotes are ordinary characters */
    KilnLookupFunc lookup; /* NULL: nothing is set */
    gpointer data;
} KilnLexMode;

/* Expands text[0, length). *result gets the whole, `words` (char*) what white space outside quotes
 * divides; either may be NULL. */
bool kiln_lex(const char *text, gsize length, const KilnLexMode *mode, char **result,
              GPtrArray *words, GError **error);
