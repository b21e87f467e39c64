/* Bases of a build: a name in FROM or COPY --from to an image of the store, fetched if need be. */
#pragma once

#include "builder/operation.h"
#include "plan/plan.h"

/* --build-context NAME=…, parsed. */
typedef struct KilnContexts KilnContexts;
KilnContexts *kiln_contexts_new(const char *const *arguments, GError **error);
void kiln_contexts_free(KilnContexts *c);
/* Names, NULL-terminated, borrowed; and those that are directories: name → absolute path, borrowed. */
const char *const *kiln_contexts_names(const KilnContexts *c);
GHashTable *kiln_contexts_directories(const KilnContexts *c);

typedef struct {
    KilnOperation *op;
    const KilnContexts *contexts; /* NULL: none */
    const char *pull;             /* "missing" (NULL), "always", "never" */
} KilnBases;

/* Finds or fetches it. Thread-safe. The store holds the unpacked image afterwards. For an operation that only
 * reads: what the store has, else an unknown base (KilnResolved). */
KilnResolved *kiln_base_resolve(const KilnBases *b, const char *name, const KilnPlatform *platform,
                                GError **error);
/* Fetches from its registry, by policy "always" or "missing"; the image of the store afterwards. */
KilnImage *kiln_base_pull(KilnOperation *op, const char *canonical, const KilnPlatform *platform,
                          GError **error);
