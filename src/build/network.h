/* The networks of a build's RUNs: one for each that runs at the same time, used again by the next. The private
 * network is a network namespace that pasta joins to the host's; where there is no pasta, or it does not start, a
 * RUN that asks for nothing else has the host's, with one warning. */
#pragma once

#include "build/engine.h"

/* Of an engine. NULL is allowed for freeing, which takes all networks down. */
void kiln_networks_free(KilnNetworks *n);

/* Says that a step is about to be executed, with what stands on it: if that includes a RUN with a private
 * network, one begins to start, so that the RUN need not wait for all of it. Thread-safe. */
void kiln_networks_expect(KilnEngine *e, const KilnStep *step);

/* What a RUN has been given. */
typedef struct {
    struct kilnrun_network *network; /* NULL: the host's */
    bool private;                    /* reaches the host's network: resolv_private of KilnEtc is for it */
    bool once;                       /* not to be used again */
    KilnEngine *engine;
} KilnNetworkUse;

/* Thread-safe; waits until it can be used. False with KILN_BUILD_ERROR_HOST if a private network was demanded
 * and cannot be had. */
bool kiln_network_take(KilnEngine *e, const KilnStep *step, KilnNetworkUse *use, GError **error);
/* When the command has ended; also of a use that is all zero. */
void kiln_network_give(KilnNetworkUse *use);

/* Why there is no private network on this host, found out by making one; NULL if there is. *program gets the path
 * of pasta, or NULL. g_free() both. */
char *kiln_network_try(struct kilnrun *run, char **program);

/* The variable of a list of "NAME=value" that names a proxy on the host's loopback device, or NULL. */
const char *kiln_network_loopback_proxy(char *const *env);
