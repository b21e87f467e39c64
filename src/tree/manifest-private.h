/* The inside of a manifest, for manifest.c and manifest-file.c only. */
#pragma once

#include "arena/arena.h"
#include "tree/manifest.h"

struct KilnManifest {
    gatomicrefcount refs;
    KilnArena arena;    /* entries, paths, targets, xattrs */
    GPtrArray *entries; /* of KilnEntry in the arena, in the order added, or sorted */
};

/* As kiln_manifest_add(), but the path is not copied: it must live as long as the manifest. */
KilnEntry *kiln_manifest_add_borrowed(KilnManifest *m, const char *path);
