/* Word expansion as BuildKit's shell lexer does it: $v, ${v}, ${v:-w}, ${v-w}, ${v:+w}, ${v+w},
 * ${v:?w}, ${v?w}, ${v#p}, ${v##p}, ${v%p}, ${v%%p}, ${v/p/r}, ${v//p/r}, quotes and the escape
 * character. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The value of a variable, or NULL if it is not set. */
typedef const char *(*KilnLookupFunc)(const char *name, void *data);

/* Expands a word and removes its quotes. Free with g_free(). Errors are
 * KILN_DOCKERFILE_ERROR_EXPANSION, without a place: the caller adds it. */
char *kiln_expand_word(const char *word, char escape, KilnLookupFunc lookup, void *data,
                       GError **error);

/* The same, without quote removal: heredoc bodies of COPY and ADD. As in BuildKit an escape
 * character before any character still goes; BuildKit gives '\\' here whatever the escape directive
 * says. */
char *kiln_expand_raw(const char *word, char escape, KilnLookupFunc lookup, void *data,
                      GError **error);

/* Expands and splits at unquoted white space: one argument that may become several (EXPOSE $PORTS).
 * Free with g_strfreev(). */
char **kiln_expand_words(const char *word, char escape, KilnLookupFunc lookup, void *data,
                         GError **error);
