/* What a build gives its RUNs beyond what the Dockerfile says: what the user put on the command line, or in the
 * configuration. Read from the request by builder/run-settings.c; shared by all operations that run commands. */
#pragma once

#include "limits/limits.h"
#include "build/snapshotter.h"
#include "runtime/kilnrun.h"

#include <glib.h>
#include <stdbool.h>

/* A secret of the user's; NULL without an error if there is none by that id. Called by any thread. */
typedef GBytes *(*KilnSecretFunc)(const char *id, void *data, GError **error);

/* --emulate: what commands are made to believe of owners and devices that the host cannot make. */
typedef enum {
    KILN_EMULATE_DEFAULT, /* what makes images equal */
    KILN_EMULATE_OFF,
    KILN_EMULATE_OWNERS,
    KILN_EMULATE_FULL,
} KilnEmulate;

typedef struct {
    int fd; /* O_PATH */
    char *target;
    bool readonly;
} KilnVolume;

typedef struct {
    KilnEmulate emulate;
    /* RUN --mount */
    KilnSecretFunc secret; /* for type=secret; NULL: there are none */
    void *secret_data;
    GHashTable *agents; /* for type=ssh: ids of --ssh → paths of agents' sockets; NULL: there are none */
    KilnLimits limits;
    /* --security-opt; in the keys of steps */
    GBytes *filter; /* the seccomp filter, an array of struct sock_filter; NULL: Docker's default one */
    bool unconfined, no_new_privs;
    /* network: NULL lists say nothing */
    bool private_network; /* RUNs of the default network do not get the host's in its place */
    char **extra_hosts;   /* "NAME=IP" for /etc/hosts; part of keys, as in BuildKit */
    char **dns, **dns_search, **dns_options; /* in place of what the host's resolv.conf says */

    GArray *volumes; /* KilnVolume: the user's own files; NULL: none */

    KilnSnapshotter snapshotter;
    enum kilnrun_isolation isolation; /* that of the build's launcher */
    char *isolation_reason;           /* why it is not NAMESPACES; NULL: it was asked for */
} KilnRunSettings;
