/* What goes between the builder and the launcher: SOCK_SEQPACKET messages with file descriptors.
 *
 * A step begins with WIRE_STEP on the control socket: it carries the spec's memory file and the
 * launcher's end of a socket of the step's own, and says how many more fds follow on that one in
 * WIRE_FDS messages. On the step's socket the builder then says WIRE_KILL; it hears, in this order,
 * WIRE_STUBS (if any), WIRE_STARTED, WIRE_FAILURE (alone, or instead of what should have followed),
 * WIRE_TIMEOUT, WIRE_SIGNALED and WIRE_RECORDS (if so) and always WIRE_EXIT at last. When it closes
 * its end, the command is killed.
 *
 * A network begins with WIRE_NETWORK on the control socket, with the other end of a socket of its
 * own, on which the builder hears WIRE_NETWORK with the namespace, or WIRE_FAILURE. When it closes
 * its end, the network is taken down. */
#pragma once

#include <stddef.h>
#include <stdint.h>

enum wire_type {
    WIRE_STEP = 1, /* value: how many fds follow; body: struct wire_step; with two fds */
    WIRE_FDS,      /* with up to WIRE_MAX_FDS fds */
    WIRE_KILL,     /* value: the signal */
    WIRE_STUBS,    /* body: NUL-terminated paths */
    WIRE_STARTED,
    WIRE_FAILURE, /* body: struct kilnrun_failure */
    WIRE_TIMEOUT,  /* it is killed, its time is over */
    WIRE_SIGNALED, /* value: the signal that ended the command */
    WIRE_NETWORK, /* body: of network_pack(); with one fd */
    WIRE_RECORDS,  /* with one fd, a memory file of struct kilnrun_record */
    WIRE_LISTENER, /* from the step to its supervisor: the listener of its filter and its root */
    WIRE_EXIT,    /* value: the exit code, or 256 + the signal, or -1 if no process was made */
};

/* What the launcher itself needs to know of a step. */
struct wire_step {
    uint64_t timeout; /* milliseconds; 0: none */
    uint32_t emulate; /* enum kilnrun_emulate */
    uint32_t upper;   /* position of the upper directory among the fds that follow */
};

#define WIRE_MAX_FDS 250          /* the kernel's limit is 253 (SCM_MAX_FD) */
#define WIRE_MAX_BODY (16 * 1024) /* so that all messages of a step fit in a socket unread */

struct wire_message {
    uint32_t type;
    int32_t value;
    char body[WIRE_MAX_BODY];
};

/* Both return 0 or a negative errno; receiving at the end of the stream is -EPIPE. Sending waits
 * while too many fds are in flight (ETOOMANYREFS). */
int wire_send(int socket, enum wire_type type, int value, const void *body, size_t size,
              const int *fds, size_t n_fds);
/* *body_size gets the size of the body. Received fds (close-on-exec) go to fds, *n_fds says how
 * many there is room for and gets how many came; fds NULL refuses all. */
int wire_receive(int socket, struct wire_message *m, size_t *body_size, int *fds, size_t *n_fds);
