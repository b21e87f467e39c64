/* Network namespaces for commands, owned by the nested user namespace (that of the builder would
 * refuse low ports and raw sockets): with a loopback device alone, or joined to the host's network
 * by pasta(1), which translates between the namespace's packets and sockets of the host. */
#pragma once

#include "kilnrun.h"

struct network_setup {
    int user_ns;       /* the nested user namespace */
    int socket;        /* to the builder: WIRE_NETWORK with the namespace, or WIRE_FAILURE */
    const char *words; /* as network_pack() wrote them, in a buffer that ends with a NUL */
    size_t size;
};

/* The spec as bytes for a message. Returns their number, or -E2BIG. */
int network_pack(const struct kilnrun_network_spec *spec, char *bytes, size_t room);

/* Runs in process 1 of a pid namespace of the network's own, so that pasta, which goes into the
 * background by itself, ends with it: when the builder closes its end of the socket, or with the
 * launcher. Without pasta it ends at once: who holds the namespace's fd keeps it. */
__attribute__((noreturn)) void network_run(const struct network_setup *setup);
