/* Bases of a build: a name in FROM or COPY --from to an image of the store, fetched if need be. */
#pragma once

#include "builder/contexts.h"
#include "plan/plan.h"

typedef struct {
    KilnOperation *op;
    KilnContexts *contexts; /* NULL: none */
    const char *pull;       /* "missing" (NULL), "always", "never" */
    KilnFetch *fetch;       /* for contexts; NULL: none */
} KilnBases;

/* Finds or fetches it. Thread-safe. The store holds the unpacked image afterwards. For an operation that only
 * reads: what the store has, else an unknown base (KilnResolved). */
KilnResolved *kiln_base_resolve(const KilnBases *b, const char *name, const KilnPlatform *platform,
                                GError **error);
/* Fetches from its registry, by policy "always" or "missing"; the image of the store afterwards. */
KilnImage *kiln_base_pull(KilnOperation *op, const char *canonical, const KilnPlatform *platform,
                          GError **error);
