/* Memory that is only ever given back as a whole: many small pieces with the lifetime of the one
 * object that owns them, at addresses that never change. */
#pragma once

#include <glib.h>

typedef struct {
    GPtrArray *blocks;
    char *next; /* free part of the newest shared block */
    gsize left;
    gsize block_size; /* of the next shared block; grows, so that a small owner stays small */
} KilnArena;

void kiln_arena_init(KilnArena *a);
/* Frees every piece. */
void kiln_arena_clear(KilnArena *a);

/* size bytes, uninitialised. align is a power of two, at most 16. Aborts if memory runs out. */
void *kiln_arena_alloc(KilnArena *a, gsize size, gsize align);
/* A copy of size bytes with a NUL behind it. */
char *kiln_arena_copy(KilnArena *a, const void *bytes, gsize size);
/* Takes over a block from g_malloc(), to be freed with the rest. */
void kiln_arena_adopt(KilnArena *a, void *block);
