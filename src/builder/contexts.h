/* --build-context NAME=PLACE: what stands in for a stage or an image of that name, or adds one. */
#pragma once

#include "build/context.h"
#include "builder/fetch.h"

typedef struct KilnContexts KilnContexts;

/* Parses them; nothing is fetched or unpacked yet. NULL with a usage error. */
KilnContexts *kiln_contexts_new(const char *const *arguments, GError **error);
void kiln_contexts_free(KilnContexts *c);
/* Names, NULL-terminated, borrowed. */
const char *const *kiln_contexts_names(const KilnContexts *c);
/* Those that are trees of files and were loaded: name → KilnContext; borrowed. */
GHashTable *kiln_contexts_trees(const KilnContexts *c);

typedef enum {
    KILN_NAMED_TREE,    /* files; loaded by kiln_contexts_load() */
    KILN_NAMED_ARCHIVE, /* an image in an OCI layout or an archive at `path`; `ref` (may be NULL) chooses it */
    KILN_NAMED_IMAGE,   /* an image reference, `ref` */
} KilnNamedKind;
typedef struct {
    KilnNamedKind kind;
    char *name;
    char *path; /* of a tree also a URL; NULL: it is empty */
    char *ref;
} KilnNamedContext;

/* The one of this name (in any case of letters), or NULL. Borrowed. */
const KilnNamedContext *kiln_contexts_find(const KilnContexts *c, const char *name);
/* Makes the tree of one, once: a directory's own .dockerignore applies to it. Called by one thread at a time. */
bool kiln_contexts_load(KilnContexts *c, KilnOperation *op, KilnFetch *fetch, const KilnNamedContext *named,
                        GError **error);
