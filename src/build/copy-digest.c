#include "build/copy-digest.h"

#include "image/export.h"

#include <fcntl.h>
#include <unistd.h>

struct KilnCopyDigest {
    KilnManifest *manifest;
    int fd;
    gint64 clamp;
    GThread *thread; /* NULL: not started, or waited for */
    GMutex lock;
    GCond placed;
    GHashTable *missing; /* paths of files that are not on disk, by address; guarded by the lock */
    const char *awaited; /* the one that the thread waits for, or NULL; likewise */
    bool unwanted;       /* likewise */
};

KilnCopyDigest *kiln_copy_digest_new(KilnManifest *m, int upperfd, gint64 clamp)
{
    KilnCopyDigest *d = g_new0(KilnCopyDigest, 1);
    d->manifest = kiln_manifest_ref(m);
    d->fd = fcntl(upperfd, F_DUPFD_CLOEXEC, 0); /* of -1 the tar fails, and the layer is digested later */
    d->clamp = clamp;
    d->missing = g_hash_table_new(NULL, NULL);
    g_mutex_init(&d->lock);
    g_cond_init(&d->placed);
    return d;
}

void kiln_copy_digest_free(KilnCopyDigest *d)
{
    g_mutex_lock(&d->lock);
    d->unwanted = true;
    g_cond_signal(&d->placed);
    g_mutex_unlock(&d->lock);
    g_free(kiln_copy_digest_wait(d));
    g_hash_table_unref(d->missing);
    g_mutex_clear(&d->lock);
    g_cond_clear(&d->placed);
    kiln_manifest_unref(d->manifest);
    if (d->fd >= 0)
        close(d->fd);
    g_free(d);
}

void kiln_copy_digest_expect(KilnCopyDigest *d, const char *path)
{
    g_hash_table_add(d->missing, (gpointer)path);
}

void kiln_copy_digest_placed(KilnCopyDigest *d, const char *path)
{
    g_mutex_lock(&d->lock);
    g_hash_table_remove(d->missing, path);
    if (d->awaited == path)
        g_cond_signal(&d->placed);
    g_mutex_unlock(&d->lock);
}

static bool wait_for(const KilnEntry *file, void *data)
{
    KilnCopyDigest *d = data;
    g_mutex_lock(&d->lock);
    d->awaited = file->path;
    while (!d->unwanted && g_hash_table_contains(d->missing, file->path))
        g_cond_wait(&d->placed, &d->lock);
    d->awaited = NULL;
    bool wanted = !d->unwanted;
    g_mutex_unlock(&d->lock);
    return wanted;
}

static gpointer run(gpointer data)
{
    KilnCopyDigest *d = data;
    return kiln_layer_digest_early(d->manifest, d->fd, d->clamp, wait_for, d);
}

void kiln_copy_digest_start(KilnCopyDigest *d)
{
    d->thread = g_thread_try_new("digest", run, d, NULL);
}

char *kiln_copy_digest_wait(KilnCopyDigest *d)
{
    return d->thread ? g_thread_join(g_steal_pointer(&d->thread)) : NULL;
}
