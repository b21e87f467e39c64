/* RUN --mount: what is bound into the sandbox for one command. */
#pragma once

#include "build/engine.h"

typedef struct KilnStepMounts KilnStepMounts;

/* Adds the mounts to the step's key: their options, and what a bind reads; never a cache's content. */
bool kiln_step_mounts_feed(KilnEngine *e, const KilnStep *step, KilnKey *key, GError **error);

/* Makes them ready: locks and directories of caches (which may take long: the lock may be held by
 * another), secrets, agents, the script file in the work folder. Kept until the command has ended. */
KilnStepMounts *kiln_step_mounts_new(KilnEngine *e, const KilnStep *step, KilnWork *work, GError **error);
const struct kilnrun_bind *kiln_step_mounts_binds(const KilnStepMounts *m, size_t *n);
/* Variables of secrets, "NAME=value", NULL-terminated. */
char *const *kiln_step_mounts_env(const KilnStepMounts *m);
void kiln_step_mounts_free(KilnStepMounts *m);
