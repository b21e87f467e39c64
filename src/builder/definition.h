/* What a build is made from: the request's Dockerfile, .dockerignore, contexts and bases, and the plan that
 * follows. Operations that only explain a build (check, plan, outline) stop here.
 *
 * Those are marked "reads" in the builder's table and are listed in kiln_request_only_reads(): their builder has
 * no namespaces, a store for reading or none (op->store may be NULL), and op->only_reads. Then bases that the
 * store does not have are unknown (KilnResolved), nothing is fetched, and no warning is emitted: the operation
 * reports d->dockerfile->warnings and d->warnings as it likes. */
#pragma once

#include "builder/base.h"
#include "check/order.h"
#include "dockerfile/dockerfile.h"

typedef struct {
    KilnOperation *op;
    KilnFetch *fetch;          /* one for the whole operation: what a URL or ref means is asked once */
    KilnContext *context;
    const char *directory;     /* where the context lies, if that is a directory of the host; borrowed */
    char *file;                /* path of the Dockerfile: absolute, or in the context; NULL: standard input */
    char *text;                /* of the Dockerfile */
    gsize size;
    KilnDockerfile *dockerfile;
    GPtrArray *errors;         /* GError*: what is wrong in it (kiln_definition_read_all()) */
    KilnContexts *contexts;    /* --build-context */
    KilnPlatform *platform;    /* NULL: the host's */
    KilnOutline *outline;      /* to be set before planning: see KilnPlanOptions */
    bool all_stages;           /* to be set before planning: see KilnPlanOptions */
    GPtrArray *warnings;       /* KilnDockerfileWarning*: of the plan, also of one that failed */
    /* Private: what prefetching found. */
    KilnBases bases;
    GHashTable *resolved; /* "NAME PLATFORM" → KilnResolved */
    GHashTable *failures; /* likewise → GError: what could not be had is not asked for twice */
    GMutex lock;
} KilnDefinition;

/* Reads and parses what the request names. NULL with an error that names the file. */
KilnDefinition *kiln_definition_read(KilnOperation *op, GError **error);
/* The same of a file with mistakes, as far as it can be read: they are in `errors`, and
 * kiln_definition_plan() gives them as its error. */
KilnDefinition *kiln_definition_read_all(KilnOperation *op, GError **error);
void kiln_definition_free(KilnDefinition *d);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnDefinition, kiln_definition_free)

/* Fetches the bases that the target needs and makes the plan. Unless the operation only reads, emits the
 * warnings of file and plan, and "# check=error=true" makes a warning an error. The definition must outlive the
 * plan. */
KilnPlan *kiln_definition_plan(KilnDefinition *d, GError **error);

/* The rules on the order of steps (check/order.h) for the definition's file and context. */
void kiln_definition_check_order(const KilnDefinition *d, bool infos, GPtrArray *warnings);
