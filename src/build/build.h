/* The build engine: runs a plan's steps over the store, independent ones at once, each cached by its
 * definition key; then assembles the image. */
#pragma once

#include "build/cancel.h"
#include "build/context.h"
#include "build/fetcher.h"
#include "build/history.h"
#include "build/past.h"
#include "build/run-settings.h"
#include "build/transport.h"
#include "plan/plan.h"
#include "report/emit.h"
#include "store/store.h"

#define KILN_BUILD_ERROR (kiln_build_error_quark())
GQuark kiln_build_error_quark(void);
typedef enum {
    KILN_BUILD_ERROR_STEP,        /* a step failed: the message has its place and exit code */
    KILN_BUILD_ERROR_UNSUPPORTED, /* asked for something this version or host cannot do */
    KILN_BUILD_ERROR_OUTPUT,      /* the result could not be written */
    KILN_BUILD_ERROR_HOST,        /* this host cannot run commands; the message says why and what to try */
} KilnBuildError;

typedef struct {
    KilnStore *store;
    struct kilnrun *run;
    KilnEmitter *emitter;
    KilnCancel *cancel;
    const KilnPlan *plan;
    const KilnContext *context;
    GHashTable *contexts; /* name → KilnContext of --build-context; those that the plan names are there */
    KilnRunSettings run_settings;
    int console;      /* where the terminal of a shell is handed over that is opened when a RUN fails (kilnrun.h,
                         terminal_fd); 0 or less: none is opened */
    const char *term; /* TERM of it */
    KilnPast *past; /* earlier builds of the same, to tell why a step is done; NULL: it is not told */
    KilnBuildHistory *history; /* gets what becomes of each step; NULL: not wanted */
    const KilnFetcher *fetcher; /* for ADD; NULL: nothing can be fetched */
    const GPtrArray *cache_sources; /* KilnCacheSource* to find steps in; may be NULL */
    const GPtrArray *cache_targets; /* KilnCacheTarget* to write when all is done; may be NULL */
    guint jobs;               /* steps that run at once; 0: a default */
    bool no_cache;
    bool record;  /* the store gets the image; otherwise its layers alone, as the cache */
    bool blobs;   /* layers of the result are needed as compressed blobs (an archive is made) */
    gint64 epoch; /* SOURCE_DATE_EPOCH in seconds, or -1 */
} KilnBuildOptions;

/* What a build made. */
typedef struct {
    char *id;     /* of the image: the digest of its configuration */
    char *config; /* the bytes of that */
    gsize config_size;
    gint64 *chain; /* layers, bottom first */
    guint n_chain;
} KilnBuilt;
void kiln_built_free(KilnBuilt *b);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnBuilt, kiln_built_free)

/* What a build would make of a step. */
typedef enum {
    KILN_FORESEEN_STORED,  /* FROM: the store has the image */
    KILN_FORESEEN_ABSENT,  /* FROM: it does not */
    KILN_FORESEEN_CACHED,
    KILN_FORESEEN_MISS,    /* it would be executed */
    KILN_FORESEEN_UNKNOWN, /* that depends on what a step that would be executed comes to */
    KILN_FORESEEN_ERROR,   /* the build would fail here */
} KilnForeseen;
typedef struct {
    KilnForeseen verdict;
    char *key;        /* NULL: not known */
    guint depends_on; /* UNKNOWN: index of a step below it that is ABSENT, MISS or ERROR */
    char *problem;    /* ERROR: a message with its place */
} KilnForesight;

/* Looks ahead: a KilnForesight for each step of the plan, by index. The store may be NULL (then there are no keys),
 * or one for reading; `run`, `fetcher` and `emitter` are not used. Nothing is
 * executed, fetched or written: of ADD's URLs it is believed what the store remembers. g_array_unref(). */
GArray *kiln_build_foresee(const KilnBuildOptions *options);

/* Runs the plan; the image that is recorded has no name yet. Steps that were done before a failure stay
 * cached. */
KilnBuilt *kiln_build_run(const KilnBuildOptions *options, GError **error);
