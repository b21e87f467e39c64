/* What two keys of a step differ in, part by part, and that in words. */
#pragma once

#include "build/key.h"

typedef struct {
    const char *what, *name;   /* of the part, as it was fed; name may be NULL */
    const char *before, *after; /* NULL: there was none, or there is none any more */
} KilnDifference;

typedef struct KilnDifferences KilnDifferences;

/* The two must live as long. Parts of one kind and name are taken together. */
KilnDifferences *kiln_differences_new(const KilnKeyParts *before, const KilnKeyParts *after);
void kiln_differences_free(KilnDifferences *d);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnDifferences, kiln_differences_free)
guint kiln_differences_length(const KilnDifferences *d);
const KilnDifference *kiln_differences_get(const KilnDifferences *d, guint index);
/* How many files the step reads now. */
guint kiln_differences_n_files(const KilnDifferences *d);

/* "1 of 312 files changed: src/app.js" or the like: one line about all of them but the inputs; NULL if there are
 * none. g_free(). */
char *kiln_differences_line(const KilnDifferences *d);
/* One difference: "variable A: "1" became "2"", "file src/app.js: sha256:12ab… became sha256:98cd…". g_free(). */
char *kiln_difference_text(const KilnDifference *d);

/* Two texts as one, word by word, as git diff --word-diff: "npm [-ci-] {+install+}". g_free(). */
char *kiln_word_diff(const char *before, const char *after);
