#include "tree/pieces.h"

enum { MIN_FILES_PER_THREAD = 8 };
static const guint64 min_bytes = 1 << 20;

struct KilnPieces {
    KilnPiecesFunc func;
    gpointer data;
    guint n, piece;
    gint next;   /* atomic: the first number that no thread has */
    gint failed; /* atomic */
    GMutex mutex;
    GError *error; /* the first one; guarded by mutex */
};

guint kiln_pieces_threads(guint n, guint64 bytes)
{
    if (n < 2 || (bytes < min_bytes && n < MIN_FILES_PER_THREAD * 2))
        return 1;
    return MIN(g_get_num_processors(), n);
}

bool kiln_pieces_take(KilnPieces *p, guint *from, guint *to)
{
    if (g_atomic_int_get(&p->failed))
        return false;
    guint next = (guint)g_atomic_int_add(&p->next, (gint)p->piece);
    if (next >= p->n)
        return false;
    *from = next;
    *to = MIN(p->n, next + p->piece);
    return true;
}

static void work(gpointer data, gpointer user_data)
{
    KilnPieces *p = user_data;
    (void)data;
    GError *error = NULL;
    if (p->func(p, p->data, &error))
        return;
    g_atomic_int_set(&p->failed, 1);
    g_mutex_lock(&p->mutex);
    if (!p->error)
        p->error = g_steal_pointer(&error);
    g_mutex_unlock(&p->mutex);
    g_clear_error(&error);
}

bool kiln_pieces_run(guint n, guint piece, guint threads, KilnPiecesFunc func, gpointer data, GError **error)
{
    KilnPieces p = {.func = func, .data = data, .n = n, .piece = piece};
    g_mutex_init(&p.mutex);
    threads = MIN(threads, (n + piece - 1) / piece);
    GThreadPool *pool = threads > 1 ? g_thread_pool_new(work, &p, (gint)threads - 1, FALSE, NULL) : NULL;
    for (guint i = 1; pool && i < threads; i++)
        g_thread_pool_push(pool, &p, NULL);
    work(NULL, &p); /* this thread is one of them */
    if (pool)
        g_thread_pool_free(pool, FALSE, TRUE);
    g_mutex_clear(&p.mutex);
    if (p.error)
        g_propagate_error(error, p.error);
    return !p.failed;
}
