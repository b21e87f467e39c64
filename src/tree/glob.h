/* Wildcards as Go's path/filepath.Match understands them, which is what COPY means by them:
 * '*' and '?' stop at '/', [a-z] and [^a-z] ranges, '\' escapes. Non-UTF-8 bytes match as bytes. */
#pragma once

#include <stdbool.h>

/* Whether s holds an unescaped wildcard. */
bool kiln_glob_has_wildcard(const char *s);
/* Whether the whole of name matches. A malformed pattern sets *bad (if not NULL) and gives false. */
bool kiln_glob_match(const char *pattern, const char *name, bool *bad);
/* The pattern with its escapes taken out, for one without wildcards. Free with g_free(). */
char *kiln_glob_unescape(const char *pattern);
