/* What a step may use of the host: its cgroups, resource limits and CPUs. */
#pragma once

#include "failure.h"

/* The calling process, and what it starts, moves to the cgroups of limits->cgroup_fds. To be done
 * while it may still write them. */
int limits_join_cgroups(const struct kilnrun_limits *limits, struct kilnrun_failure *failure);

/* Raises the hard limits that are to be higher than they are, which only real root can
 * (setrlimit(2): CAP_SYS_RESOURCE in the first user namespace), while it still is that. */
int limits_raise(const struct kilnrun_limits *limits, struct kilnrun_failure *failure);

/* Resource limits and CPUs of the calling process: as late as possible, since they hold at once. */
int limits_apply(const struct kilnrun_limits *limits, struct kilnrun_failure *failure);
