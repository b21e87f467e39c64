/* "Did you mean …?": the word of a list that is nearest to a misspelt one. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* The candidate at the smallest Levenshtein distance of at most two (BuildKit's bound,
 * util/suggest), or NULL. NULL too when a candidate equals the word: then the spelling is not what
 * is wrong. */
const char *kiln_suggest(const char *word, const char *const *candidates, bool ignore_case);
