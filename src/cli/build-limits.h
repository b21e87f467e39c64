/* What a build may use: the flags that limit each RUN (limits/limits.h), and --timeout of the whole. */
#pragma once

#include "cli/flags.h"

#include <kiln/kiln.h>

#define KILN_N_LIMIT_FLAGS 12

typedef struct {
    char *values[KILN_N_LIMIT_FLAGS]; /* of those that are given once */
    GPtrArray *ulimits;
    char *timeout;
} KilnLimitFlags;

void kiln_limit_flags_init(KilnLimitFlags *f);
void kiln_limit_flags_clear(KilnLimitFlags *f);
/* Adds the flags to a table of KilnFlag. */
void kiln_limit_flags_append(KilnLimitFlags *f, GArray *to);
/* What they say as the request has it. False with KILN_ERROR_USAGE. */
bool kiln_limit_flags_add(KilnRequest *r, const KilnLimitFlags *f, GError **error);
