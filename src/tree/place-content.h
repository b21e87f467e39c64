/* Copies the bytes of one file into another by the cheapest way that the two file systems allow.
 * For place.c only. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <stdint.h>

/* All zero to begin with. Remembers what did not work, so that it is tried once a tree. */
typedef struct {
    bool no_reflink;
    bool no_copy_range;
    char *buffer;
} KilnCopier;

void kiln_copier_clear(KilnCopier *c);

/* Copies the first `size` bytes of `in`, of which neither the file offset nor anything else is
 * changed, to the new, empty file `out`. Holes stay holes. Negative errno; -ESTALE if `in` has
 * fewer bytes. */
int kiln_copier_copy(KilnCopier *c, int in, int out, uint64_t size);
