/* Making and matching platforms; for src/image/ alone (config.h has what others need). */
#pragma once

#include "image/config.h"

/* Normalises names; variant may be NULL or "". */
KilnPlatform *kiln_platform_new(const char *os, const char *architecture, const char *variant);

/* How well an image for `have` does where `wanted` was asked for: -1 not at all, else more is
 * better. An older variant of the same architecture does (v6 on v7), as in containerd's
 * platforms.Only. */
int kiln_platform_match(const KilnPlatform *wanted, const KilnPlatform *have);
