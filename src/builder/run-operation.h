/* One operation from its request to its last event. */
#pragma once

/* Serves the wire; returns the exit status of the process. */
int kiln_run_operation(int wire_fd);
