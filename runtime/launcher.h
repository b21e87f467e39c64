/* The launcher: a single-threaded process that makes every namespace and process of a build. */
#pragma once

#include "kilnrun.h"

/* Runs in the forked process, process 1 of a new pid namespace, until the other end of `control`
 * closes; then ends, and with it, by the kernel, all that it started. */
__attribute__((noreturn)) void launcher_run(int control, const struct kilnrun_options *options);
