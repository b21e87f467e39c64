/* A shell in the sandbox of a RUN that failed (kiln build --on-error=shell): the same mounts, environment,
 * user, secrets and caches, and the files as the command left them. */
#pragma once

#include "build/command.h"

/* Keeps what a failed command had, for kiln_shell_run(): *c and the work are the engine's then, and true is
 * returned. False if nobody wants a shell, or another step has failed before. */
bool kiln_shell_keep(KilnEngine *e, const KilnStep *step, KilnWork *work, KilnCommand *c,
                     const struct kilnrun_result *result);
/* Whether the work was kept: whoever made it must not free it then. */
bool kiln_shell_keeps(KilnEngine *e, const KilnWork *work);

/* Opens a shell on what was kept and waits for its end. When nothing else of the build runs any more. */
void kiln_shell_run(KilnEngine *e);
void kiln_shell_free(KilnShell *s); /* NULL is allowed */
