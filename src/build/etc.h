/* The files that every command finds in /etc: made once a build, bound read-only into each sandbox. */
#pragma once

#include "build/engine.h"

/* As BuildKit names its sandbox: some installers record it. */
#define KILN_SANDBOX_HOSTNAME "buildkitsandbox"

struct KilnEtc {
    KilnWork *work; /* holds them */
    int resolv, hosts, hostname;
};

/* Thread-safe; NULL on error. Owned by the engine. */
const KilnEtc *kiln_etc_files(KilnEngine *e, GError **error);
void kiln_etc_free(KilnEtc *etc);
