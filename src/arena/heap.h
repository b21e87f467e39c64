/* Heap that is had at once. Each page of it that is touched for the first time costs a page fault, which on a virtual
 * machine inside of another one takes as long as thirty pages that are asked for together (docs/benchmarks.md). */
#pragma once

#include <stddef.h>

/* Makes the next allocations, up to so many bytes, without page faults. To be called where they are certain to come: the
 * memory is taken, of 8 MiB at most. Does nothing before Linux 5.14. */
void kiln_heap_expect(size_t size);
