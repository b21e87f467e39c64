#include "tree/source-private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tree/digest.h"

/* Below that, starting threads costs more than it saves. */
enum { MIN_FILES_PER_THREAD = 8 };
static const uint64_t min_bytes = 1 << 20;

typedef struct {
    KilnSource *source;
    const KilnPending *files;
    guint n;
    gint next;   /* atomic: the file to take */
    gint failed; /* atomic */
    GMutex mutex;
    GError *error; /* the first one; guarded by mutex */
} Job;

static bool same_time(const struct timespec *a, const struct timespec *b)
{
    return a->tv_sec == b->tv_sec && a->tv_nsec == b->tv_nsec;
}

/* Whether the content that was listed is what there is now. */
static bool is_unchanged(const struct stat *before, const struct stat *now)
{
    return S_ISREG(now->st_mode) && before->st_size == now->st_size &&
           same_time(&before->st_mtim, &now->st_mtim);
}

static bool changed(KilnSource *s, const char *path, GError **error)
{
    g_autofree char *shown = g_utf8_make_valid(path, -1);
    g_set_error(error, KILN_SOURCE_ERROR, ESTALE,
                "“%s” in %s changed while it was being read; run the build again", shown, s->name);
    return false;
}

static bool digest_listed(KilnSource *s, const KilnPending *file, int fd, GError **error)
{
    KilnEntry *e = file->entry;
    struct stat st, after;
    if (fstat(fd, &st) < 0)
        return kiln_source_fail(s, error, errno, "examine", e->path);
    if (!is_unchanged(&file->st, &st))
        return changed(s, e->path, error);
    bool storable = s->index && !kiln_statindex_racy(&st);
    int result = kiln_digest_fd(fd, e->digest, NULL);
    if (result < 0)
        return kiln_source_fail(s, error, -result, "read", e->path);
    if (fstat(fd, &after) < 0 || !is_unchanged(&st, &after))
        return changed(s, e->path, error);
    e->has_digest = true;
    if (storable && same_time(&st.st_ctim, &after.st_ctim))
        kiln_statindex_store(s->index, &st, e->digest);
    return true;
}

static bool digest_file(KilnSource *s, const KilnPending *file, GError **error)
{
    KilnEntry *e = file->entry;
    int dirfd = s->view ? s->layer_fds[file->layer] : s->fd;
    int fd = kiln_open_beneath(dirfd, e->path, O_RDONLY | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return kiln_source_fail(s, error, -fd, "open", e->path);
    bool ok;
    if (s->view) {
        int result = kiln_digest_fd(fd, e->digest, NULL);
        ok = e->has_digest = result == 0;
        if (!ok)
            kiln_source_fail(s, error, -result, "read", e->path);
    } else {
        ok = digest_listed(s, file, fd, error);
    }
    close(fd);
    return ok;
}

static void work(gpointer data, gpointer user_data)
{
    Job *job = user_data;
    (void)data;
    while (!g_atomic_int_get(&job->failed)) {
        guint i = (guint)g_atomic_int_add(&job->next, 1);
        if (i >= job->n)
            return;
        GError *error = NULL;
        if (digest_file(job->source, &job->files[i], &error))
            continue;
        g_atomic_int_set(&job->failed, 1);
        g_mutex_lock(&job->mutex);
        if (!job->error)
            job->error = g_steal_pointer(&error);
        g_mutex_unlock(&job->mutex);
        g_clear_error(&error);
    }
}

static guint threads_for(const KilnPending *files, guint n)
{
    uint64_t bytes = 0;
    for (guint i = 0; i < n && bytes < min_bytes; i++)
        bytes += files[i].entry->size;
    if (n < 2 || (bytes < min_bytes && n < MIN_FILES_PER_THREAD * 2))
        return 1;
    return MIN(g_get_num_processors(), n); /* reads a file of /sys */
}

bool kiln_source_digest(KilnSource *s, const KilnPending *files, guint n, GError **error)
{
    Job job = {.source = s, .files = files, .n = n};
    g_mutex_init(&job.mutex);
    guint threads = threads_for(files, n);
    GThreadPool *pool =
        threads > 1 ? g_thread_pool_new(work, &job, (gint)threads - 1, FALSE, NULL) : NULL;
    for (guint i = 1; pool && i < threads; i++)
        g_thread_pool_push(pool, &job, NULL);
    work(NULL, &job); /* this thread is one of them */
    if (pool)
        g_thread_pool_free(pool, FALSE, TRUE);
    g_mutex_clear(&job.mutex);
    if (job.error)
        g_propagate_error(error, job.error);
    return !job.failed;
}
