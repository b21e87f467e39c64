#include "remote/download.h"

#include <errno.h>
#include <string.h>
#include <unistd.h>

#include "remote/digest.h"
#include "remote/error.h"

#define PROGRESS_INTERVAL_US (100 * 1000)

typedef struct {
    const RemoteRegistry *registry;
    const RemoteLayout *layout;
    RemoteEvents *events;
    const RemoteDescriptor *blob;
    RemoteHash *hash;
    int fd;
    gint64 done;     /* bytes written and hashed */
    gint64 furthest; /* the most that `done` has been */
    bool placed;     /* the current answer has been seen to begin at `done` */
    bool pieced;     /* the content comes from more than one answer */
    bool repeated;   /* begun anew because the pieces did not fit */
    gint64 reported; /* monotonic, µs */
} Download;

static bool io_error(const Download *d, GError **error)
{
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_IO, "cannot write the blob %s into %s: %s",
                d->blob->digest, remote_layout_folder(d->layout), g_strerror(errno));
    return false;
}

static bool restart(Download *d, GError **error)
{
    d->done = 0;
    d->pieced = false;
    remote_hash_restart(d->hash);
    if (ftruncate(d->fd, 0) != 0 || lseek(d->fd, 0, SEEK_SET) != 0) {
        return io_error(d, error);
    }
    return true;
}

static bool wrong_size(const Download *d, gint64 size, GError **error)
{
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_DIGEST,
                "the blob %s of %s has %" G_GINT64_FORMAT " bytes or more, its manifest says "
                "%" G_GINT64_FORMAT ": it was damaged on the way, or tampered with",
                d->blob->digest, remote_registry_name(d->registry), size, d->blob->size);
    return false;
}

/* Where in the blob an answer's bytes belong: 206 says so, anything else is the whole. */
static bool place(Download *d, const RemoteHttpResponse *head, GError **error)
{
    d->placed = true;
    gint64 start = 0;
    if (head->status == 206) {
        const char *range = head->content_range;
        if (!range || !g_str_has_prefix(range, "bytes ") ||
            !g_ascii_isdigit(range[strlen("bytes ")])) {
            start = -1;
        } else {
            start = g_ascii_strtoll(range + strlen("bytes "), NULL, 10);
        }
    }
    if (start == d->done) {
        d->pieced = d->done > 0;
    } else if (start != 0) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT,
                    "%s answers with another part of the blob %s than was asked for",
                    remote_registry_name(d->registry), d->blob->digest);
        return false;
    } else if (!restart(d, error)) {
        return false;
    }
    if (head->content_length >= 0 && head->content_length + d->done > d->blob->size) {
        return wrong_size(d, head->content_length + d->done, error);
    }
    return true;
}

static bool take(void *data, const RemoteHttpResponse *head, const void *bytes, gsize size,
                 GError **error)
{
    Download *d = data;
    if (!d->placed && !place(d, head, error)) {
        return false;
    }
    if ((gint64)size > d->blob->size - d->done) {
        return wrong_size(d, d->done + (gint64)size, error);
    }
    remote_hash_update(d->hash, bytes, size);
    const char *p = bytes;
    d->done += (gint64)size;
    while (size > 0) {
        ssize_t n = write(d->fd, p, size);
        if (n < 0 && errno != EINTR) {
            return io_error(d, error);
        }
        if (n > 0) {
            p += n;
            size -= (gsize)n;
        }
    }
    gint64 now = g_get_monotonic_time();
    if (now - d->reported >= PROGRESS_INTERVAL_US && d->done < d->blob->size) {
        d->reported = now;
        remote_events_progress(d->events, d->blob->digest, d->done, d->blob->size);
    }
    return true;
}

/* Whether all has come and is right. If not, either `*error` is set, or the blob was put together
 * from pieces and is now begun anew: one wrong piece must not be the end of it. */
static bool verify(Download *d, GError **error)
{
    g_autofree char *digest = remote_hash_finish(d->hash);
    if (strcmp(digest, d->blob->digest) == 0) {
        return true;
    }
    if (d->pieced && !d->repeated) {
        d->repeated = true;
        restart(d, error);
        return false;
    }
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_DIGEST,
                "%s sent a blob that is %s instead of %s: it was damaged on the way, or tampered "
                "with",
                remote_registry_name(d->registry), digest, d->blob->digest);
    return false;
}

/* One request for what is missing. True if the blob is complete and verified. Else `*error` is
 * final if set, and
 * `*failure` or `*response` tell what a retry is to be decided by. */
static bool attempt(Download *d, RemoteRegistry *registry, RemoteHttp *http,
                    RemoteHttpRequest *request, RemoteHttpResponse **response, GError **failure,
                    GError **error)
{
    request->range_start = d->done;
    d->placed = false;
    if (!remote_registry_send(registry, http, request, response, failure)) {
        return false;
    }
    long status = (*response)->status;
    if (status == 416) { /* the registry thinks there is nothing behind `done` */
        restart(d, error);
        return false;
    }
    if (status != 200 && status != 206) {
        return false;
    }
    if (d->done < d->blob->size) {
        g_set_error(failure, REMOTE_ERROR, REMOTE_ERROR_TRANSIENT,
                    "%s ends the blob %s after %" G_GINT64_FORMAT " of %" G_GINT64_FORMAT " bytes",
                    remote_registry_name(registry), d->blob->digest, d->done, d->blob->size);
        return false;
    }
    return verify(d, error);
}

static bool download(Download *d, RemoteRegistry *registry, RemoteHttp *http, GError **error)
{
    g_autofree char *url = remote_registry_url(registry, "blobs", d->blob->digest);
    g_autofree char *what = g_strconcat("blob ", d->blob->digest, NULL);
    RemoteHttpRequest request = {.method = "GET", .url = url, .sink = take, .sink_data = d};
    RemoteRetry retry = {0};
    for (;;) {
        g_autoptr(RemoteHttpResponse) response = NULL;
        g_autoptr(GError) failure = NULL;
        g_autoptr(GError) final = NULL;
        if (attempt(d, registry, http, &request, &response, &failure, &final)) {
            return true;
        }
        if (final) {
            g_propagate_error(error, g_steal_pointer(&final));
            return false;
        }
        if (d->done > d->furthest) { /* it moves; what is merely repeated does not count */
            d->furthest = d->done;
            retry.tries = 0;
        }
        bool ours = !failure && (response->status < 300 || response->status == 416);
        /* A link that a redirect made expires, and is made anew by asking the registry again. */
        bool expired =
            !failure && response->elsewhere && (response->status == 401 || response->status == 403);
        if (ours || expired) {
            g_set_error(&failure, REMOTE_ERROR, REMOTE_ERROR_TRANSIENT,
                        "%s does not serve the blob %s consistently",
                        remote_registry_name(registry), d->blob->digest);
        }
        if (remote_http_retry(http, &retry, failure ? NULL : response, failure)) {
            continue;
        }
        if (failure) {
            g_propagate_error(error, g_steal_pointer(&failure));
        } else {
            remote_registry_refusal(registry, response, what, error);
        }
        return false;
    }
}

bool remote_download(RemoteRegistry *registry, RemoteHttp *http, RemoteLayout *layout,
                     RemoteEvents *events, const RemoteDescriptor *blob, GError **error)
{
    g_autoptr(RemoteHash) hash = remote_hash_new();
    Download d = {.registry = registry,
                  .layout = layout,
                  .events = events,
                  .blob = blob,
                  .hash = hash,
                  .reported = g_get_monotonic_time()};
    d.fd = remote_layout_begin(layout, blob, error);
    if (d.fd < 0) {
        return false;
    }
    bool good = download(&d, registry, http, error);
    if (close(d.fd) != 0 && good) {
        good = io_error(&d, error);
    }
    if (!good || !remote_layout_commit(layout, blob, error)) {
        remote_layout_abandon(layout, blob);
        return false;
    }
    remote_events_progress(events, blob->digest, blob->size, blob->size);
    return true;
}
