/* What becomes of a build and its steps, for kiln history, why and advise: noted while it runs, and put into the
 * store at its end (docs/store.md, "Builds"). */
#pragma once

#include "plan/plan.h"
#include "report/emit.h"
#include "store/store.h"

/* So much of what a build's steps write is kept, in bytes of JSON lines. */
#define KILN_BUILD_LOG_LIMIT (4 << 20)

/* So many builds are kept unless it is said otherwise. */
#define KILN_BUILDS_KEPT 200

typedef struct KilnBuildHistory KilnBuildHistory;
KilnBuildHistory *kiln_build_history_new(void);
void kiln_build_history_free(KilnBuildHistory *h);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnBuildHistory, kiln_build_history_free)

/* For the engine; h NULL: nothing is noted. The plan must live until the history is put. */
void kiln_build_history_begin(KilnBuildHistory *h, const KilnPlan *plan);
/* A step has ended that began at this monotonic time. key (NULL: there is none yet), layer (0: none); cause: why it
 * was executed, or NULL. Steps may end in several threads. */
void kiln_build_history_step(KilnBuildHistory *h, const KilnStep *step, gint64 began, KilnVerdict verdict,
                             const char *key, gint64 layer, const char *cause);

/* What was built: as the request has it, any may be NULL. A password in a URL is left out. */
typedef struct {
    const char *context, *dockerfile, *target;
    const char *names; /* with spaces between them */
    const char *image;
} KilnBuildSubject;
/* What the stages of a file are called in the history, by the number of their FROM: char*. g_ptr_array_unref(). */
GPtrArray *kiln_build_stage_names(const KilnDockerfile *file);
/* What builds of the same thing have in common: context, Dockerfile and target, as a digest. g_free(). */
char *kiln_build_project(const KilnBuildSubject *subject);
/* Keeps the build, among the newest `keep` ones (0: none). failure: NULL if it was built. What was sent of it is kept
 * if the emitter kept it. */
bool kiln_build_history_put(KilnBuildHistory *h, KilnStore *store, const KilnBuildSubject *subject,
                            const KilnDockerfile *file, const GError *failure, KilnEmitter *emitter, guint keep,
                            GError **error);
/* The events of a kept build as JSON lines; NULL if none are kept, or they cannot be read. g_free(). */
char *kiln_build_history_log(KilnStore *store, gint64 build, gsize *size);
