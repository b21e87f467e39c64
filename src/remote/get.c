#include "remote/get.h"

#include <curl/curl.h>
#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "remote/arguments.h"
#include "remote/digest.h"
#include "remote/error.h"
#include "remote/file-name.h"
#include "remote/http.h"
#include "remote/json.h"
#include "remote/url.h"

#define USAGE                                                                                      \
    "get [--checksum ALG:HEX] [--etag E] [--last-modified SECONDS] [--max BYTES] URL DEST"
#define PROGRESS_INTERVAL_US (100 * 1000)

typedef struct {
    const char *url, *folded; /* the checksum asked for, in lower case, or NULL */
    char *shown;              /* the URL as messages have it */
    const char *etag;
    gint64 last_modified; /* seconds, -1: not known */
    gint64 max;           /* bytes */
    RemoteEvents *events;
    int fd;
    RemoteHash *sha256;
    GChecksum *other; /* the checksum's, if that is not SHA-256 */
    gint64 done;      /* bytes */
    gint64 reported;  /* monotonic, µs */
    bool same;        /* the server sends what --etag names */
} Get;

static const struct {
    const char *prefix;
    gsize digits;
    GChecksumType type;
} algorithms[] = {
    {"sha256:", 64, G_CHECKSUM_SHA256},
    {"sha384:", 96, G_CHECKSUM_SHA384},
    {"sha512:", 128, G_CHECKSUM_SHA512},
};

static bool begin_checksum(Get *g, const char *checksum, GError **error)
{
    if (!checksum) {
        return true;
    }
    for (gsize i = 0; i < G_N_ELEMENTS(algorithms); i++) {
        gsize n = strlen(algorithms[i].prefix);
        if (strncmp(checksum, algorithms[i].prefix, n) == 0 &&
            strlen(checksum + n) == algorithms[i].digits &&
            strspn(checksum + n, "0123456789abcdef") == algorithms[i].digits) {
            g->folded = checksum;
            g->other = i == 0 ? NULL : g_checksum_new(algorithms[i].type);
            return true;
        }
    }
    g_autofree char *shown = remote_printable(checksum, 150);
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_USAGE,
                "'%s' is no checksum of a file ('sha256:', 'sha384:' or 'sha512:' and lower-case "
                "hexadecimal digits)",
                shown);
    return false;
}

static bool restart(Get *g, GError **error)
{
    g->done = 0;
    remote_hash_restart(g->sha256);
    if (g->other) {
        g_checksum_reset(g->other);
    }
    if (ftruncate(g->fd, 0) == 0 && lseek(g->fd, 0, SEEK_SET) == 0) {
        return true;
    }
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_IO, "cannot write what %s sends: %s", g->shown,
                g_strerror(errno));
    return false;
}

/* Weak and strong validators of the same value are the same file to us, as to BuildKit. */
static bool same_etag(const char *a, const char *b)
{
    a += g_str_has_prefix(a, "W/") ? 2 : 0;
    b += g_str_has_prefix(b, "W/") ? 2 : 0;
    return strcmp(a, b) == 0;
}

static bool write_all(Get *g, const char *bytes, gsize size, GError **error)
{
    while (size > 0) {
        ssize_t n = write(g->fd, bytes, size);
        if (n < 0 && errno != EINTR) {
            g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_IO, "cannot write what %s sends: %s",
                        g->shown, g_strerror(errno));
            return false;
        }
        if (n > 0) {
            bytes += n;
            size -= (gsize)n;
        }
    }
    return true;
}

static bool take(void *data, const RemoteHttpResponse *head, const void *bytes, gsize size,
                 GError **error)
{
    Get *g = data;
    /* Some servers send ETags but know nothing of If-None-Match. */
    if (g->done == 0 && g->etag && head->etag && same_etag(g->etag, head->etag)) {
        g->same = true;
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_CANCELLED, "%s is unchanged", g->shown);
        return false;
    }
    if ((gint64)size > g->max - g->done || head->content_length > g->max) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT,
                    "%s sends more than %" G_GINT64_FORMAT " bytes, the most that kiln fetches",
                    g->shown, g->max);
        return false;
    }
    remote_hash_update(g->sha256, bytes, size);
    if (g->other) {
        g_checksum_update(g->other, bytes, (gssize)size);
    }
    if (!write_all(g, bytes, size, error)) {
        return false;
    }
    g->done += (gint64)size;
    gint64 now = g_get_monotonic_time();
    if (now - g->reported >= PROGRESS_INTERVAL_US) {
        g->reported = now;
        remote_events_progress(g->events, g->shown, g->done, MAX(head->content_length, g->done));
    }
    return true;
}

static void status_error(const Get *g, const RemoteHttpResponse *r, GError **error)
{
    static const struct {
        long status;
        RemoteError kind;
        const char *what;
    } known[] = {
        {401, REMOTE_ERROR_AUTH, "401 Unauthorized: it needs a login, which ADD has none for; use "
                                 "RUN --mount=type=secret with a client of your own"},
        {403, REMOTE_ERROR_AUTH, "403 Forbidden"},
        {404, REMOTE_ERROR_NOT_FOUND, "404 Not Found"},
        {410, REMOTE_ERROR_NOT_FOUND, "410 Gone"},
        {429, REMOTE_ERROR_NETWORK, "429 Too Many Requests"},
        {500, REMOTE_ERROR_NETWORK, "500 Internal Server Error"},
        {503, REMOTE_ERROR_NETWORK, "503 Service Unavailable"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(known); i++) {
        if (r->status == known[i].status) {
            g_set_error(error, REMOTE_ERROR, known[i].kind, "%s answers with status %s", g->shown,
                        known[i].what);
            return;
        }
    }
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_NETWORK, "%s answers with status %ld", g->shown,
                r->status);
}

/* The answer, 200 or unchanged; NULL with an error. */
static RemoteHttpResponse *request(Get *g, RemoteHttp *http, GError **error)
{
    g_autoptr(GDateTime) since =
        g->last_modified >= 0 ? g_date_time_new_from_unix_utc(g->last_modified) : NULL;
    char date[64] = "";
    if (since) { /* IMF-fixdate (RFC 9110, 5.6.7) */
        static const char *const days[] = {"Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"};
        static const char *const months[] = {"Jan", "Feb", "Mar", "Apr", "May", "Jun",
                                             "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"};
        g_snprintf(date, sizeof date, "%s, %02d %s %04d %02d:%02d:%02d GMT",
                   days[g_date_time_get_day_of_week(since) - 1],
                   g_date_time_get_day_of_month(since), months[g_date_time_get_month(since) - 1],
                   g_date_time_get_year(since), g_date_time_get_hour(since),
                   g_date_time_get_minute(since), g_date_time_get_second(since));
    }
    RemoteHttpRequest request = {
        .method = "GET",
        .url = g->url,
        .sink = take,
        .sink_data = g,
        .any = true,
        .if_none_match = g->etag,
        .if_modified_since = !g->etag && since ? date : NULL,
    };
    RemoteRetry retry = {0};
    for (;;) {
        g_autoptr(RemoteHttpResponse) r = NULL;
        g_autoptr(GError) failure = NULL;
        if (!restart(g, error)) {
            return NULL;
        }
        bool answered = remote_http_perform(http, &request, &r, &failure);
        if (answered && (r->status == 200 || r->status == 304)) {
            g->same = r->status == 304;
            return g_steal_pointer(&r);
        }
        if (g->same) {
            return NULL;
        }
        if (remote_http_retry(http, &retry, r, failure)) {
            continue;
        }
        if (answered) {
            status_error(g, r, error);
        } else {
            g_propagate_error(error, g_steal_pointer(&failure));
        }
        return NULL;
    }
}

static bool verify(const Get *g, const char *digest, GError **error)
{
    if (!g->folded) {
        return true;
    }
    g_autofree char *own = g->other
                               ? g_strdup_printf("%.7s%s", g->folded, g_checksum_get_string(g->other))
                               : g_strdup(digest);
    if (strcmp(own, g->folded) == 0) {
        return true;
    }
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_DIGEST,
                "%s has the checksum %s, but %s is expected: the file has changed, or was tampered "
                "with",
                g->shown, own, g->folded);
    return false;
}

static void add_text(json_object *event, const char *key, const char *value)
{
    if (value && g_utf8_validate(value, -1, NULL)) {
        json_object_object_add(event, key, json_object_new_string(value));
    }
}

/* An ETag goes back to the server as it came: only what RFC 9110 allows in one. */
static bool is_etag(const char *text)
{
    for (const guchar *p = (const guchar *)text; *p; p++) {
        if (*p < 0x21 || *p > 0x7e) {
            return false;
        }
    }
    return *text && strlen(text) <= 1024;
}

static void tell(const Get *g, const RemoteHttpResponse *r, const char *digest)
{
    json_object *event = json_object_new_object();
    add_text(event, "event", "done");
    json_object_object_add(event, "unchanged", json_object_new_boolean(g->same));
    if (digest) {
        add_text(event, "digest", digest);
        json_object_object_add(event, "size", json_object_new_int64(g->done));
    }
    g_autofree char *name = remote_file_name(g->url, r ? r->content_disposition : NULL);
    add_text(event, "name", name);
    if (r) {
        add_text(event, "contentType", r->content_type);
        add_text(event, "etag", r->etag && is_etag(r->etag) ? r->etag : NULL);
        time_t modified = r->last_modified ? curl_getdate(r->last_modified, NULL) : -1;
        if (modified >= 0) {
            json_object_object_add(event, "lastModified", json_object_new_int64(modified));
        }
    }
    remote_events_send(g->events, event);
}

static bool get(Get *g, const char *dest, gint *cancelled, GError **error)
{
    g->fd = open(dest, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
    if (g->fd < 0) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_IO, "cannot create %s: %s", dest,
                    g_strerror(errno));
        return false;
    }
    g_autoptr(RemoteHttp) http = remote_http_new(cancelled);
    g_autoptr(GError) failure = NULL;
    g_autoptr(RemoteHttpResponse) r = request(g, http, &failure);
    g_autofree char *digest = r && !g->same ? remote_hash_finish(g->sha256) : NULL;
    bool ok = g->same || (r && verify(g, digest, &failure));
    if (close(g->fd) != 0 && ok) {
        ok = false;
        g_set_error(&failure, REMOTE_ERROR, REMOTE_ERROR_IO, "cannot write %s: %s", dest,
                    g_strerror(errno));
    }
    if (!ok || g->same) {
        unlink(dest);
    }
    if (ok) {
        tell(g, r, digest);
    } else {
        g_propagate_error(error, g_steal_pointer(&failure));
    }
    return ok;
}

static bool parse_number(const char *text, const char *name, gint64 *out, GError **error)
{
    guint64 value;
    if (!text) {
        return true;
    }
    if (!g_ascii_string_to_unsigned(text, 10, 0, G_MAXINT64, &value, NULL)) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_USAGE, "%s is not a number; usage: kiln-remote %s",
                    name, USAGE);
        return false;
    }
    *out = (gint64)value;
    return true;
}

bool remote_get_run(int argc, char **argv, RemoteEvents *events, gint *cancelled, GError **error)
{
    Get g = {.last_modified = -1, .max = REMOTE_GET_MAX, .events = events};
    const char *operands[2], *checksum = NULL, *modified = NULL, *max = NULL;
    const RemoteOption options[] = {
        {"--checksum", &checksum, NULL},
        {"--etag", &g.etag, NULL},
        {"--last-modified", &modified, NULL},
        {"--max", &max, NULL},
        {NULL},
    };
    if (!remote_arguments_parse(argc, argv, options, operands, 2, USAGE, error) ||
        !parse_number(modified, "--last-modified", &g.last_modified, error) ||
        !parse_number(max, "--max", &g.max, error) || !begin_checksum(&g, checksum, error)) {
        return false;
    }
    if (g.etag && !is_etag(g.etag)) {
        g.etag = NULL;
    }
    g.url = operands[0];
    g_autofree char *shown = remote_url_shown(g.url);
    g.shown = shown;
    g_autoptr(RemoteHash) hash = remote_hash_new();
    g.sha256 = hash;
    bool ok = get(&g, operands[1], cancelled, error);
    g_clear_pointer(&g.other, g_checksum_free);
    return ok;
}
