/* Process 1 of a step: it starts the command, reaps what the command leaves to it, and ends with
 * it, upon which the kernel ends all that is left in the pid namespace.
 *
 * It is no program of its own but the process that made the sandbox. What keeps the command from
 * it: its memory was made by a program that was executed in the builder's user namespace, and is
 * not dumpable. For that memory, its root, its files and its working directory the kernel asks for
 * CAP_SYS_PTRACE in that user namespace (ptrace(2), "Ptrace access mode checking"), which no
 * capability of the nested one gives. */
#pragma once

#include <stddef.h>

struct init {
    int socket; /* to the builder; what is told there: how a signal ended the command */
    int supervisor; /* a socket of the command's process alone, or -1 */
    /* Runs in the command's process, to which everything of the caller's process is passed on; but
     * the memory is shared until execve: see vfork(2). Must not return. */
    void (*command)(void *data);
    void *data;
    void *secrets; /* memory that is no longer needed once the command was executed */
    size_t secrets_size;
};

/* Starts the command and becomes the init: does not return, but for a negative errno when no
 * process can be made. Closes 0, 1 and 2, which are the command's; beyond the sockets no file may
 * be open. The exit status is the command's, 128 + n when signal n ended it. Signals from outside
 * the pid namespace go to the command. */
int init_run(const struct init *init);
