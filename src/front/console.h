/* What ties a command in a sandbox to the user: his streams, or his terminal. The command never gets one of
 * these themselves, but pipes, or a pty of its sandbox; what goes through them is passed on here.
 *
 * The builder gets one end of a socket, over which the command's process sends the master of its pty
 * (runtime/kilnrun.h, terminal_fd), and the ends of pipes as its standard streams. */
#pragma once

#include <glib.h>
#include <poll.h>
#include <stdbool.h>

typedef struct KilnConsole KilnConsole;

/* For the calling process's standard streams. terminal: the command gets a terminal; standard input, if it is
 * one and is passed on (`input`), is in raw mode meanwhile. NULL with KILN_ERROR_HOST. */
KilnConsole *kiln_console_new(bool terminal, bool input, GError **error);
/* For the terminal at hand: the controlling one, if standard error is a terminal and this process is in the
 * foreground. NULL with KILN_ERROR_HOST if there is none: the message says why. */
KilnConsole *kiln_console_new_terminal(GError **error);
void kiln_console_free(KilnConsole *c); /* NULL is allowed; the terminal is as it was then */

/* What the builder is started with (KilnSpawn); kiln_console_started() closes both here. */
int kiln_console_socket(const KilnConsole *c);
const int *kiln_console_streams(const KilnConsole *c); /* three; NULL with a terminal */
void kiln_console_started(KilnConsole *c);

/* From now on the streams are the command's. */
void kiln_console_open(KilnConsole *c);
/* For the caller's poll loop: fills fds, KILN_CONSOLE_FDS of them; then deals with what came. */
#define KILN_CONSOLE_FDS 4
void kiln_console_poll(KilnConsole *c, struct pollfd *fds);
void kiln_console_turn(KilnConsole *c, const struct pollfd *fds);
/* The command has ended: passes on what it has left in its pipes, and restores the terminal. */
void kiln_console_close(KilnConsole *c);

/* Restores the terminal. Async-signal-safe. */
void kiln_console_restore(KilnConsole *c);
