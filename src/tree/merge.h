/* One layer in the place of several: what overlayfs shows of consecutive layers, as a manifest that is
 * itself a layer's (whiteouts and opaque marks stay, for what lies below all of them). */
#pragma once

#include "tree/manifest.h"

/* Merges n layers, the bottom one first, each sorted. *sources (g_free()) gets for every entry of the result
 * the index of the layer that holds it. The result is for mounting, not for an image: link groups are left
 * out (hard links are kept by linking the files themselves). */
KilnManifest *kiln_manifest_merge(KilnManifest *const *layers, guint n, guint **sources);
