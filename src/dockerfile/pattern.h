/* Patterns of ${v#p}, ${v%p} and ${v/p/r}: "*" is any text, "?" any character (neither matches a
 * newline),
 * "\" takes the meaning from "*", "?" and "\". No brackets, as in BuildKit.
 * Errors are KILN_DOCKERFILE_ERROR_EXPANSION. Work is bounded: pattern length times value length
 * below 2^31. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The value without the shortest or longest beginning, or end, that matches. Free with g_free(). */
char *kiln_pattern_trim(const char *pattern, const char *value, bool at_end, bool longest,
                        GError **error);

/* The value with its first (or every) longest match replaced. Free with g_free(). */
char *kiln_pattern_replace(const char *pattern, const char *value, const char *replacement,
                           bool all, GError **error);
