/* newuidmap and newgidmap: why they fail. Private to kiln's own programs. */
#pragma once

#include "front/host.h"
#include "front/idmap.h"

/* Why the program at `path` (NULL: not installed) cannot map a range for the caller. proc: where
 * proc is mounted. cause is NULL if nothing speaks against it. */
KilnHostProblem kiln_mapper_problem(const char *proc, const char *path, KilnIdRange range,
                                    bool groups);
