#include "image/queue.h"

#include <string.h>

enum { SLOTS = 4, SLOT_SIZE = 256 * 1024 };

struct KilnQueue {
    GMutex mutex;
    GCond changed;
    char *slots[SLOTS];
    size_t sizes[SLOTS];
    guint first, filled; /* slots with bytes: filled of them from first on */
    bool reading;        /* the consumer has the first one */
    bool ended, left;
    GError *failure;
};

KilnQueue *kiln_queue_new(void)
{
    KilnQueue *q = g_new0(KilnQueue, 1);
    g_mutex_init(&q->mutex);
    g_cond_init(&q->changed);
    return q;
}

void kiln_queue_free(KilnQueue *q)
{
    if (q == NULL)
        return;
    for (guint i = 0; i < SLOTS; i++)
        g_free(q->slots[i]);
    g_clear_error(&q->failure);
    g_mutex_clear(&q->mutex);
    g_cond_clear(&q->changed);
    g_free(q);
}

static bool put_one(KilnQueue *q, const char *bytes, size_t size)
{
    g_mutex_lock(&q->mutex);
    while (q->filled == SLOTS && !q->left)
        g_cond_wait(&q->changed, &q->mutex);
    bool left = q->left;
    guint slot = (q->first + q->filled) % SLOTS;
    g_mutex_unlock(&q->mutex);
    if (left)
        return false;
    /* Nobody else touches a slot that is not filled. */
    if (q->slots[slot] == NULL)
        q->slots[slot] = g_malloc(SLOT_SIZE);
    memcpy(q->slots[slot], bytes, size);
    g_mutex_lock(&q->mutex);
    q->sizes[slot] = size;
    q->filled++;
    g_cond_broadcast(&q->changed);
    g_mutex_unlock(&q->mutex);
    return true;
}

bool kiln_queue_put(KilnQueue *q, const void *bytes, size_t size)
{
    const char *from = bytes;
    while (size > 0) {
        size_t n = MIN(size, SLOT_SIZE);
        if (!put_one(q, from, n))
            return false;
        from += n;
        size -= n;
    }
    return true;
}

void kiln_queue_end(KilnQueue *q, GError *failure)
{
    g_mutex_lock(&q->mutex);
    q->ended = true;
    q->failure = failure;
    g_cond_broadcast(&q->changed);
    g_mutex_unlock(&q->mutex);
}

ssize_t kiln_queue_get(void *queue, const void **buffer, GError **error)
{
    KilnQueue *q = queue;
    ssize_t n = 0;
    g_mutex_lock(&q->mutex);
    if (q->reading) { /* give back what the last call lent */
        q->first = (q->first + 1) % SLOTS;
        q->filled--;
        q->reading = false;
        g_cond_broadcast(&q->changed);
    }
    while (q->filled == 0 && !q->ended)
        g_cond_wait(&q->changed, &q->mutex);
    if (q->filled > 0) {
        q->reading = true;
        *buffer = q->slots[q->first];
        n = (ssize_t)q->sizes[q->first];
    } else if (q->failure != NULL) {
        n = -1;
        if (error != NULL)
            *error = g_error_copy(q->failure);
    }
    g_mutex_unlock(&q->mutex);
    return n;
}

void kiln_queue_leave(KilnQueue *q)
{
    g_mutex_lock(&q->mutex);
    q->left = true;
    g_cond_broadcast(&q->changed);
    g_mutex_unlock(&q->mutex);
}
