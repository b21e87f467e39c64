#include "tree/source-private.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "tree/digest.h"
#include "tree/pieces.h"

enum { FILES_AT_ONCE = 8 };

typedef struct {
    KilnSource *source;
    const KilnPending *files;
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

static bool digest_file(KilnSource *s, KilnOpener *opener, const KilnPending *file, GError **error)
{
    KilnEntry *e = file->entry;
    int dirfd = s->view ? s->layer_fds[file->layer] : s->fd;
    int fd = kiln_opener_open(opener, dirfd, e->path, O_RDONLY | O_NONBLOCK | O_NOCTTY);
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

static bool digest_some(KilnPieces *pieces, gpointer data, GError **error)
{
    const Job *job = data;
    KilnOpener opener = {0};
    guint from, to;
    bool ok = true;
    while (ok && kiln_pieces_take(pieces, &from, &to))
        for (guint i = from; ok && i < to; i++)
            ok = digest_file(job->source, &opener, &job->files[i], error);
    kiln_opener_clear(&opener);
    return ok;
}

bool kiln_source_digest(KilnSource *s, const KilnPending *files, guint n, GError **error)
{
    Job job = {.source = s, .files = files};
    guint64 bytes = 0;
    for (guint i = 0; i < n; i++)
        bytes += files[i].entry->size;
    return kiln_pieces_run(n, FILES_AT_ONCE, kiln_pieces_threads(n, bytes), digest_some, &job, error);
}
