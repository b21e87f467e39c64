/* A chain of layers as one plain directory that commands can write to, and what they changed in it as an upper
 * directory again: for hosts where no overlay can be mounted. Every file is a copy (a reflink where the file
 * system can), never a hard link to a layer's. */
#pragma once

#include "tree/place.h"
#include "tree/snapshot.h"

/* Puts a layer on top of what is in rootfd: its entries, and what it deletes is removed. layerfd: the layer's
 * directory. */
bool kiln_rootfs_apply(int rootfd, KilnOwners owners, const KilnManifest *layer, int layerfd, GError **error);

/* Copies what has changed (kiln_snapshot_compare()) to the empty upperfd, in the form in which overlayfs would have
 * left it: for kiln_diff_upper(). Records of owners (user.kiln.stat) are carried along. */
bool kiln_rootfs_extract(int rootfd, const GArray *changes, int upperfd, GError **error);
