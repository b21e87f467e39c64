/* Holds the directory of a committed layer against its manifest: whether everything is there as it was made, and
 * nothing else. Knows the forms of docs/store.md that differ from the manifest on purpose. Reads every file. */
#pragma once

#include "tree/place.h"

/* path: of the manifest, "" for the root. problem: what is wrong with it, as the rest of a sentence. */
typedef void (*KilnVerifyFunc)(const char *path, const char *problem, void *data);

/* layerfd (borrowed) is the directory, owners how the store keeps them. Calls func for whatever differs; what cannot
 * be read differs. The content of a file without a digest in the manifest cannot be told; *undigested (may be NULL)
 * counts those. */
void kiln_verify_layer(const KilnManifest *m, int layerfd, KilnOwners owners, KilnVerifyFunc func, void *data,
                       guint *undigested);
