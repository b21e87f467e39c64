/* A bounded queue of pieces of bytes between two threads, so that decompression and unpacking
 * overlap. For src/image/ alone. */
#pragma once

#include <glib.h>
#include <stdbool.h>
#include <sys/types.h>

typedef struct KilnQueue KilnQueue;

KilnQueue *kiln_queue_new(void);
void kiln_queue_free(KilnQueue *q);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(KilnQueue, kiln_queue_free)

/* Producer: copies the bytes in, waiting for room. False if the consumer has gone. */
bool kiln_queue_put(KilnQueue *q, const void *bytes, size_t size);
/* Producer: nothing more comes; failure (taken over, may be NULL) is what the consumer gets at the
 * end. */
void kiln_queue_end(KilnQueue *q, GError *failure);

/* Consumer, a KilnReadFunc: the bytes are valid until the next call. */
ssize_t kiln_queue_get(void *queue, const void **buffer, GError **error);
/* Consumer: will not read any more. */
void kiln_queue_leave(KilnQueue *q);
