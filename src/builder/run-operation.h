/* One operation from its request to its last event. */
#pragma once

#include <sys/types.h>

/* Serves the wire; returns the exit status of the process. user_umask: what the process was started with. */
int kiln_run_operation(int wire_fd, mode_t user_umask);
