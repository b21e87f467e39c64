/* What a build says of the isolation that its RUNs have. */
#pragma once

#include "build/engine.h"

/* One warning a build, with its first RUN, where it is less than namespaces; and one of each
 * setting that then has no effect. */
void kiln_isolation_warn(KilnEngine *e);
/* Refuses what a step asks for and this isolation cannot give, by name and with what to do. */
bool kiln_isolation_allows(const KilnEngine *e, const KilnStep *step, GError **error);
/* As --isolation has it. Static. */
const char *kiln_run_isolation_name(enum kilnrun_isolation isolation);
/* Whether there are neither namespaces nor mounts: the rootfs is a directory that is covered (cover.h). */
bool kiln_isolation_is_bare(const KilnEngine *e);
