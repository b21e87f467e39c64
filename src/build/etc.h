/* The files that every command finds in /etc: made once a build, bound read-only into each sandbox. */
#pragma once

#include "build/engine.h"

struct KilnEtc {
    KilnWork *work; /* holds them */
    int resolv, hosts, hostname;
    int resolv_private;             /* resolv.conf in a private network; -1: the same */
    char *dns_server, *dns_address; /* of KilnResolv: what pasta is told */
};

/* The name that the host has in a sandbox. Borrowed from the plan. */
const char *kiln_etc_hostname(const KilnEngine *e);
/* Thread-safe; NULL on error. Owned by the engine. */
const KilnEtc *kiln_etc_files(KilnEngine *e, GError **error);
void kiln_etc_free(KilnEtc *etc);
