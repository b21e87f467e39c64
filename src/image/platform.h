/* Making and matching platforms; for src/image/ alone (config.h has what others need). */
#pragma once

#include "image/config.h"

/* Normalises names; variant may be NULL or "". */
KilnPlatform *kiln_platform_new(const char *os, const char *architecture, const char *variant);
