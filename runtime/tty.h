/* A terminal for the command: a pty of the sandbox's own devpts, never the user's. Whoever gets its
 * master can only read and write bytes: what the command does to its terminal (TIOCSTI, job
 * control) stays in the sandbox. */
#pragma once

#include "failure.h"

/* Makes a pty in /dev/pts that belongs to uid; it becomes 0, 1 and 2. The master goes over `socket`
 * (kilnrun.h, terminal_fd), and is closed here. In the rootfs and in the user namespace that the
 * command will have, with the power to chown. */
int tty_open(int socket, uid_t uid, struct kilnrun_failure *failure);

/* Makes the terminal that is fd 0 the controlling one of the calling process, which leads a session
 * without one. */
int tty_control(struct kilnrun_failure *failure);
