/* The rules of `kiln check`: BuildKit's, and those on the order of steps that are kiln's own. */
#pragma once

#include <glib.h>
#include <stdbool.h>

typedef struct {
    const char *name;
    const char *description; /* what is the matter, in general */
    const char
        *page; /* of BuildKit's documentation: the end of its URL; NULL: kiln-check(1) has it */
    bool info; /* what could be better; no reason to fail */
} KilnCheckRule;

/* NULL: no rule has this name. */
const KilnCheckRule *kiln_check_rule(const char *name);
/* The URL of its page, or NULL; g_free(). */
char *kiln_check_rule_url(const KilnCheckRule *rule);
