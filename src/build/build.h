/* The build engine: runs a plan's steps over the store, independent ones at once, each cached by its
 * definition key; then assembles the image. */
#pragma once

#include "build/cancel.h"
#include "plan/plan.h"
#include "report/emit.h"
#include "store/store.h"
#include "tree/ignore.h"

#define KILN_BUILD_ERROR (kiln_build_error_quark())
GQuark kiln_build_error_quark(void);
typedef enum {
    KILN_BUILD_ERROR_STEP,        /* a step failed: the message has its place and exit code */
    KILN_BUILD_ERROR_UNSUPPORTED, /* asked for something this version or host cannot do */
    KILN_BUILD_ERROR_OUTPUT,      /* the result could not be written */
} KilnBuildError;

typedef struct {
    KilnStore *store;
    struct kilnrun *run;
    KilnEmitter *emitter;
    KilnCancel *cancel;
    const KilnPlan *plan;
    const char *context;      /* directory, absolute */
    const KilnIgnore *ignore; /* of the context, or NULL */
    GHashTable *contexts;     /* name → absolute path of --build-context directories */
    guint jobs;               /* steps that run at once; 0: a default */
    bool no_cache;
    bool blobs;   /* layers of the result are needed as compressed blobs (an archive is made) */
    gint64 epoch; /* SOURCE_DATE_EPOCH in seconds, or -1 */
} KilnBuildOptions;

/* Runs the plan and records the image (without a name). Returns the image ID; g_free(). Steps that were
 * done before a failure stay cached. */
char *kiln_build_run(const KilnBuildOptions *options, GError **error);
