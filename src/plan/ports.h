/* Ports of EXPOSE: "80", "80-82/udp". */
#pragma once

#include "plan/plan-private.h"

/* Appends what a port or a range of ports stands for, as "80/tcp", to `ports` (char*). As BuildKit,
 * takes a host address and port before it ("127.0.0.1:8080:80"), checks them, drops them and warns.
 */
bool kiln_ports_expand(const KilnSite *site, const char *text, const KilnPlace *place,
                       GPtrArray *ports, GError **error);
