/* Starting kiln-builder in the namespaces that it needs, from a program that may have threads.
 * Private to kiln's own programs. */
#pragma once

#include "front/host.h"
#include "front/isolation.h"

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef enum {
    KILN_IDS_IDENTITY, /* real root: a mount namespace only */
    KILN_IDS_RANGE,    /* 0 ↦ self, 1… ↦ the subordinate ids */
    KILN_IDS_SINGLE,   /* 0 ↦ self only */
    KILN_IDS_NONE,     /* no namespaces: the builder is as the caller is */
    KILN_IDS_CHROOT,   /* the same, to run commands: root */
    KILN_IDS_PROOT,    /* not root */
} KilnIds;

typedef struct {
    char *const *argv;   /* of the program; NULL: {"kiln-builder"} */
    const char *program; /* NULL: enter the namespaces and end, to see whether it can be done */
    int wire;            /* becomes fd 3; stays the caller's */
    bool keep_input;     /* the caller's standard input, else /dev/null */
    bool keep_output;    /* the caller's standard output, else its standard error */
    bool plain;          /* KILN_IDS_NONE, for what builds nothing: works on every host */
    const int *streams;  /* become 0, 1 and 2, whatever is said above; NULL: none */
    int console;         /* becomes fd 4; 0: none */
    bool attached;       /* no builder, but a program of the user's: it stays in the caller's session, with
                            the caller's standard streams, and gets no wire */
    GPtrArray *warnings; /* char *: what went another way than the user may expect is added here */
    KilnIsolation isolation;  /* AUTO goes on without namespaces where there can be none */
    char **refused; /* may be NULL: gets why there are none, if it went on so; g_free() */
    KilnHostProblem *problem; /* may be NULL: gets the cause, if the host refuses */
} KilnSpawn;

/* Returns the process, which the caller waits for, or -1 with KILN_ERROR_HOST. The process is the
 * leader of a session of its own, unless it is attached: signals of the terminal do not reach it. *ids: what was chosen.
 */
pid_t kiln_spawn_builder(const KilnSpawn *spawn, KilnIds *ids, GError **error);
