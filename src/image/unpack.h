/* Unpacks the outer tar of an image archive. For src/image/ alone. */
#pragma once

#include "tree/tar-limits.h"

/* Reads a tar (plain, gzip, zstd) from fd to its end and creates its files, directories, symlinks
 * and hard links in dirfd, which is empty. The archive is hostile: a name with ".." is refused, no
 * symlink is followed while unpacking, devices and the like are left out, owners and modes ignored. What
 * exceeds the limits is refused. */
bool kiln_unpack(int fd, int dirfd, KilnTarLimits limits, GError **error);
