/* COPY --parents: what a source argument copies, and how much of its path is kept. */
#pragma once

#include "tree/ignore.h"

typedef struct {
    char *base;         /* copied from, may have wildcards: "/", or what is before "/./" */
    KilnIgnore *others; /* excludes all that lies below it but for what the argument names */
    bool required;      /* there is no wildcard in the argument: what it names must exist */
} KilnCopyParents;

/* False if the wildcards are malformed. */
bool kiln_copy_parents_read(const char *source, KilnCopyParents *out, GError **error);
void kiln_copy_parents_clear(KilnCopyParents *p);
G_DEFINE_AUTO_CLEANUP_CLEAR_FUNC(KilnCopyParents, kiln_copy_parents_clear)
