/* Files with holes, written from a stream that knows where they are or spells them out. */
#pragma once

#include "tree/digest.h"

enum { KILN_HOLE_SIZE = 64 * 1024 }; /* the shortest run of zeros that is left out */

/* Feeds this many zero bytes to the hash. */
void kiln_sparse_hash(KilnHash *hash, uint64_t size);

/* Writes a block into a new file at this offset, leaving out long runs of zeros: they stay holes,
 * as in the sparse file that a tar may have been made of. The caller sets the length of the file in
 * the end. False with errno. */
bool kiln_sparse_write(int fd, const char *bytes, size_t size, uint64_t offset);
