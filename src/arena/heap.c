#include "arena/heap.h"

#include <stdint.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#define MOST (8 * 1024 * 1024)

#ifndef MADV_POPULATE_WRITE
#define MADV_POPULATE_WRITE 23
#endif

void kiln_heap_expect(size_t size)
{
    size = size < MOST ? size : MOST;
    char *block = malloc(size); /* neither mapped apart nor given back when it is freed: src/builder/main.c */
    if (!block)
        return;
    uintptr_t page = (uintptr_t)sysconf(_SC_PAGESIZE), begin = ((uintptr_t)block + page - 1) & ~(page - 1);
    uintptr_t end = ((uintptr_t)block + size) & ~(page - 1);
    if (end > begin)
        madvise((void *)begin, end - begin, MADV_POPULATE_WRITE);
    free(block);
}
