/* The process that makes a sandbox, from the launcher's fork on: it becomes the command's init. */
#pragma once

#include "spec.h"

struct step_setup {
    const struct kilnrun_options *options;
    struct spec_fds fds;
    int spec_fd; /* memory file of the spec */
    int socket;  /* where to say what happens (wire.h) */
    int user_ns; /* the nested user namespace */
    int supervisor; /* socket to it, or -1 */
    pid_t launcher;
};

/* Runs in process 1 of the step's own pid, ipc, uts and cgroup namespaces. Reports a failure on the
 * socket and exits with it. */
__attribute__((noreturn)) void step_run(const struct step_setup *setup);
