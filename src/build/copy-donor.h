/* A committed layer that holds many of the files that a COPY is about to put, which can be hard linked from it: the
 * layer that the same COPY made of the context as it was before. */
#pragma once

#include "build/engine.h"

typedef struct {
    gint64 layer; /* 0: there is none */
    KilnManifest *manifest;
} KilnCopyDonor;

void kiln_copy_donor_clear(KilnCopyDonor *d);

/* Looks among the newest layers of steps that are written like this one for the one with the most of these files
 * (n entries as they go into the layer, not sorted). */
KilnCopyDonor kiln_copy_donor_find(KilnStore *store, const KilnStep *step, const KilnEntry *const *files, guint n);

/* Its file at the same path, if that has the same content and attributes; or NULL. */
const KilnEntry *kiln_copy_donor_lookup(const KilnCopyDonor *d, const KilnEntry *file);
