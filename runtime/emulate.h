/* Puts the parts of emulation into place: the filter in a step, the supervisor beside it. */
#pragma once

#include "kilnrun.h"

/* In a step, after the nested user namespace was entered and while CAP_SYS_ADMIN is there: installs
 * the filter of the mode and sends what it is watched through, and the root, by `socket`. */
int emulate_install(enum kilnrun_emulate mode, int socket);

/* A proc of this process's pid namespace: mounted nowhere, or /proc where that is one and the host
 * refuses another. The descriptor, or a negative errno. */
int emulate_proc(void);
