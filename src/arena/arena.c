#include "arena/arena.h"

#include <stdint.h>
#include <string.h>

enum { FIRST_BLOCK = 1024, LARGEST_BLOCK = 256 * 1024 };

void kiln_arena_init(KilnArena *a)
{
    *a = (KilnArena){.blocks = g_ptr_array_new_with_free_func(g_free), .block_size = FIRST_BLOCK};
}

void kiln_arena_clear(KilnArena *a)
{
    g_ptr_array_unref(a->blocks);
    *a = (KilnArena){0};
}

void kiln_arena_adopt(KilnArena *a, void *block)
{
    g_ptr_array_add(a->blocks, block);
}

void *kiln_arena_alloc(KilnArena *a, gsize size, gsize align)
{
    gsize gap = -(uintptr_t)a->next & (align - 1);
    if (a->left < gap || a->left - gap < size) {
        /* A large piece gets a block of its own, so that the rest of the shared one is not lost. */
        if (size > a->block_size / 4) {
            void *own = g_malloc(size);
            kiln_arena_adopt(a, own);
            return own;
        }
        a->next = g_malloc(a->block_size);
        a->left = a->block_size;
        kiln_arena_adopt(a, a->next);
        a->block_size = MIN(a->block_size * 2, (gsize)LARGEST_BLOCK);
        gap = 0;
    }
    void *piece = a->next + gap;
    a->next += gap + size;
    a->left -= gap + size;
    return piece;
}

char *kiln_arena_copy(KilnArena *a, const void *bytes, gsize size)
{
    char *copy = kiln_arena_alloc(a, size + 1, 1);
    if (size)
        memcpy(copy, bytes, size);
    copy[size] = '\0';
    return copy;
}
