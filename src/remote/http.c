#include "remote/http.h"

#include <curl/curl.h>
#include <string.h>

#include "remote/challenge.h"
#include "remote/error.h"
#include "remote/reference.h"
#include "remote/url.h"

#define REDIRECTS_MAX 10
#define HEADERS_MAX (256 * 1024)
#define ERROR_BODY_MAX (64 * 1024)
#define CONNECT_TIMEOUT_SECONDS 20L
#define STALL_SECONDS 30L /* a transfer slower than STALL_BYTES a second for so long has died */
#define STALL_BYTES 16L
#define SMALL_TIMEOUT_SECONDS 120L /* for a whole answer that goes to memory */

#define RETRIES_MAX 5
#define RETRY_FIRST_MS 200
#define RETRY_AFTER_MAX_SECONDS 30
#define RETRY_PERIOD_SECONDS 90

struct RemoteHttp {
    CURL *curl;
    gint *cancelled;
    char detail[CURL_ERROR_SIZE];
};

/* One request to one URL. */
typedef struct {
    RemoteHttp *http;
    const RemoteHttpRequest *request;
    RemoteHttpResponse *response;
    gsize header_bytes;
    bool cut; /* the rest of an error's or redirect's body was not wanted */
    GError *error;
} Hop;

RemoteHttp *remote_http_new(gint *cancelled)
{
    RemoteHttp *h = g_new0(RemoteHttp, 1);
    h->curl = curl_easy_init();
    h->cancelled = cancelled;
    if (!h->curl) {
        g_error("libcurl cannot be initialised");
    }
    return h;
}

void remote_http_free(RemoteHttp *h)
{
    curl_easy_cleanup(h->curl);
    g_free(h);
}

static void clear_headers(RemoteHttpResponse *r)
{
    g_clear_pointer(&r->content_type, g_free);
    g_clear_pointer(&r->content_digest, g_free);
    g_clear_pointer(&r->content_range, g_free);
    g_clear_pointer(&r->content_disposition, g_free);
    g_clear_pointer(&r->etag, g_free);
    g_clear_pointer(&r->last_modified, g_free);
    g_ptr_array_set_size(r->challenges, 0);
}

static RemoteHttpResponse *response_new(void)
{
    RemoteHttpResponse *r = g_new0(RemoteHttpResponse, 1);
    r->challenges = g_ptr_array_new_with_free_func((GDestroyNotify)remote_challenge_free);
    r->content_length = -1;
    r->body = g_byte_array_new();
    return r;
}

void remote_http_response_free(RemoteHttpResponse *r)
{
    clear_headers(r);
    g_free(r->url);
    g_ptr_array_unref(r->challenges);
    g_byte_array_unref(r->body);
    g_free(r);
}

static void take_header(RemoteHttpResponse *r, const char *name, char *value)
{
    struct {
        const char *name;
        char **field;
    } known[] = {
        {"content-type", &r->content_type},
        {"docker-content-digest", &r->content_digest},
        {"content-range", &r->content_range},
        {"content-disposition", &r->content_disposition},
        {"etag", &r->etag},
        {"last-modified", &r->last_modified},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(known); i++) {
        if (g_ascii_strcasecmp(name, known[i].name) == 0) {
            g_free(*known[i].field);
            *known[i].field = g_strdup(value);
        }
    }
    if (g_ascii_strcasecmp(name, "www-authenticate") == 0) {
        g_autoptr(GPtrArray) more = remote_challenges_parse(value);
        g_ptr_array_extend_and_steal(r->challenges, g_steal_pointer(&more));
    }
}

static size_t on_header(char *bytes, size_t one, size_t size, void *data)
{
    (void)one; /* always 1 */
    Hop *hop = data;
    hop->header_bytes += size;
    if (hop->header_bytes > HEADERS_MAX) {
        g_autofree char *shown = remote_url_shown(hop->request->url);
        g_set_error(&hop->error, REMOTE_ERROR, REMOTE_ERROR_FORMAT,
                    "the answer of %s has more than %d KiB of headers", shown, HEADERS_MAX / 1024);
        return 0;
    }
    g_autofree char *line = g_strndup(bytes, size);
    if (g_str_has_prefix(line, "HTTP/")) { /* after "100 Continue" comes the real one */
        clear_headers(hop->response);
        return size;
    }
    char *colon = strchr(line, ':');
    if (colon) {
        *colon = '\0';
        take_header(hop->response, g_strchomp(line), g_strstrip(colon + 1));
    }
    return size;
}

static size_t on_body(char *bytes, size_t one, size_t size, void *data)
{
    (void)one;
    Hop *hop = data;
    RemoteHttpResponse *r = hop->response;
    curl_easy_getinfo(hop->http->curl, CURLINFO_RESPONSE_CODE, &r->status);
    bool good = r->status >= 200 && r->status < 300;
    if (good && hop->request->sink) {
        curl_off_t length = -1;
        curl_easy_getinfo(hop->http->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
        r->content_length = length;
        return hop->request->sink(hop->request->sink_data, r, bytes, size, &hop->error) ? size : 0;
    }
    gsize most = good ? hop->request->body_max : ERROR_BODY_MAX;
    if (size > most - r->body->len) {
        if (good) {
            g_autofree char *shown = remote_url_shown(hop->request->url);
            g_set_error(&hop->error, REMOTE_ERROR, REMOTE_ERROR_FORMAT,
                        "the answer of %s is larger than %zu bytes, the most that kiln accepts",
                        shown, most);
        } else {
            hop->cut = true;
        }
        return 0;
    }
    g_byte_array_append(r->body, (const guint8 *)bytes, (guint)size);
    return size;
}

static int on_progress(void *data, curl_off_t total, curl_off_t now, curl_off_t up_total,
                       curl_off_t up_now)
{
    (void)total, (void)now, (void)up_total, (void)up_now;
    const RemoteHttp *h = data;
    return g_atomic_int_get(h->cancelled) != 0;
}

static void set_trust(CURL *curl)
{
    /* libcurl itself reads none of these; curl(1) does, in this order. */
    const char *file = g_getenv("CURL_CA_BUNDLE");
    if (!file || !*file) {
        file = g_getenv("SSL_CERT_FILE");
    }
    if (file && *file) {
        curl_easy_setopt(curl, CURLOPT_CAINFO, file);
    }
    const char *folder = g_getenv("SSL_CERT_DIR");
    if (folder && *folder) {
        curl_easy_setopt(curl, CURLOPT_CAPATH, folder);
    }
}

static void set_options(Hop *hop, const char *url, struct curl_slist *headers)
{
    const RemoteHttpRequest *request = hop->request;
    CURL *curl = hop->http->curl;
    curl_easy_reset(curl); /* keeps connections */
    curl_easy_setopt(curl, CURLOPT_URL, url);
    curl_easy_setopt(curl, CURLOPT_PROTOCOLS_STR, "http,https");
    bool login = request->any && strcmp(url, request->url) == 0;
    curl_easy_setopt(curl, CURLOPT_DISALLOW_USERNAME_IN_URL, login ? 0L : 1L);
    if (request->any) {
        curl_easy_setopt(curl, CURLOPT_ACCEPT_ENCODING, "gzip"); /* and undone, as by Go's client */
    }
    curl_easy_setopt(curl, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(curl, CURLOPT_ERRORBUFFER, hop->http->detail);
    curl_easy_setopt(curl, CURLOPT_USERAGENT, "kiln/" KILN_VERSION);
    curl_easy_setopt(curl, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(curl, CURLOPT_SUPPRESS_CONNECT_HEADERS, 1L);
    curl_easy_setopt(curl, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(curl, CURLOPT_HEADERDATA, hop);
    curl_easy_setopt(curl, CURLOPT_WRITEFUNCTION, on_body);
    curl_easy_setopt(curl, CURLOPT_WRITEDATA, hop);
    curl_easy_setopt(curl, CURLOPT_BUFFERSIZE, 256L * 1024);
    curl_easy_setopt(curl, CURLOPT_NOPROGRESS, 0L);
    curl_easy_setopt(curl, CURLOPT_XFERINFOFUNCTION, on_progress);
    curl_easy_setopt(curl, CURLOPT_XFERINFODATA, hop->http);
    curl_easy_setopt(curl, CURLOPT_CONNECTTIMEOUT, CONNECT_TIMEOUT_SECONDS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_TIME, STALL_SECONDS);
    curl_easy_setopt(curl, CURLOPT_LOW_SPEED_LIMIT, STALL_BYTES);
    curl_easy_setopt(curl, CURLOPT_TCP_KEEPALIVE, 1L);
    if (!request->sink) {
        curl_easy_setopt(curl, CURLOPT_TIMEOUT, SMALL_TIMEOUT_SECONDS);
    }
    g_autofree char *host = remote_url_host(url);
    if (kiln_host_is_loopback(host)) {
        curl_easy_setopt(curl, CURLOPT_NOPROXY, "*");
    }
    set_trust(curl);
    if (strcmp(request->method, "HEAD") == 0) {
        curl_easy_setopt(curl, CURLOPT_NOBODY, 1L);
    } else if (request->form) {
        curl_easy_setopt(curl, CURLOPT_POSTFIELDS, request->form); /* not copied */
    }
}

static struct curl_slist *make_headers(const RemoteHttpRequest *request, bool with_authorization)
{
    struct curl_slist *headers = NULL;
    if (request->accept) {
        g_autofree char *line = g_strconcat("Accept: ", request->accept, NULL);
        headers = curl_slist_append(headers, line);
    }
    if (request->authorization && with_authorization) {
        g_autofree char *line = g_strconcat("Authorization: ", request->authorization, NULL);
        headers = curl_slist_append(headers, line);
    }
    if (request->if_none_match) {
        g_autofree char *line = g_strconcat("If-None-Match: ", request->if_none_match, NULL);
        headers = curl_slist_append(headers, line);
    }
    if (request->if_modified_since) {
        g_autofree char *line =
            g_strconcat("If-Modified-Since: ", request->if_modified_since, NULL);
        headers = curl_slist_append(headers, line);
    }
    if (request->range_start > 0) {
        g_autofree char *line =
            g_strdup_printf("Range: bytes=%" G_GINT64_FORMAT "-", request->range_start);
        headers = curl_slist_append(headers, line);
    }
    return headers;
}

static bool detail_has(const RemoteHttp *h, const char *const *phrases)
{
    for (gsize i = 0; phrases[i]; i++) {
        if (strstr(h->detail, phrases[i])) {
            return true;
        }
    }
    return false;
}

/* OpenSSL's words for what a plain HTTP server's answer looks like to TLS. */
static const char *const plain_answers[] = {"wrong version number", "packet length too long",
                                            "http request", "record layer failure", NULL};
static const char *const broken_connections[] = {"SSL_ERROR_SYSCALL", "Connection reset",
                                                 "unexpected eof", NULL};

static void tls_error(const RemoteHttp *h, CURLcode code, const char *host, GError **error)
{
    const char *detail = h->detail;
    if (code == CURLE_SSL_CONNECT_ERROR && detail_has(h, plain_answers)) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_SCHEME,
                    "%s does not speak TLS: it seems to serve plain HTTP, which kiln uses for "
                    "loopback addresses only. Give it a certificate, or forward it to this "
                    "machine (ssh -L) and pull from localhost",
                    host);
    } else if (code == CURLE_SSL_CONNECT_ERROR && detail_has(h, broken_connections)) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_TRANSIENT,
                    "the connection to %s broke while TLS was set up: %s", host, detail);
    } else if (code == CURLE_SSL_CACERT_BADFILE) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_NETWORK,
                    "the file of certificate authorities cannot be read (%s); check "
                    "CURL_CA_BUNDLE and SSL_CERT_FILE, and that ca-certificates is installed",
                    detail);
    } else if (code == CURLE_PEER_FAILED_VERIFICATION) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_NETWORK,
                    "the TLS certificate of %s cannot be trusted: %s. If it has a certificate "
                    "authority of its own, name that in SSL_CERT_FILE (a PEM file)",
                    host, detail);
    } else {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_NETWORK, "TLS with %s cannot be set up: %s",
                    host, detail);
    }
}

/* What libcurl's failure means to the user. */
static void set_curl_error(const RemoteHttp *h, CURLcode code, const char *url, GError **error)
{
    g_autofree char *host = remote_url_host(url);
    const char *detail = *h->detail ? h->detail : curl_easy_strerror(code);
    RemoteError kind = REMOTE_ERROR_NETWORK;
    const char *what = "the request to %s failed: %s";
    switch (code) {
    case CURLE_ABORTED_BY_CALLBACK:
        kind = REMOTE_ERROR_CANCELLED;
        what = "the transfer from %s was cancelled: %s";
        break;
    case CURLE_SSL_CONNECT_ERROR:
    case CURLE_SSL_CACERT_BADFILE:
    case CURLE_PEER_FAILED_VERIFICATION:
    case CURLE_SSL_CIPHER:
    case CURLE_SSL_CERTPROBLEM:
        tls_error(h, code, host, error);
        return;
    case CURLE_COULDNT_RESOLVE_HOST:
        what = "the host %s is not known: %s. Check its spelling and the network";
        break;
    case CURLE_COULDNT_RESOLVE_PROXY:
        what = "the proxy for %s, taken from the environment, is not known: %s";
        break;
    case CURLE_COULDNT_CONNECT:
        what = "cannot connect to %s: %s";
        break;
    case CURLE_UNSUPPORTED_PROTOCOL:
    case CURLE_WEIRD_SERVER_REPLY:
        kind = REMOTE_ERROR_SCHEME;
        what = "%s does not answer in HTTP: %s";
        break;
    case CURLE_OPERATION_TIMEDOUT:
        kind = REMOTE_ERROR_TRANSIENT;
        what = "%s does not answer in time: %s";
        break;
    case CURLE_RECV_ERROR:
    case CURLE_SEND_ERROR:
    case CURLE_GOT_NOTHING:
    case CURLE_PARTIAL_FILE:
    case CURLE_HTTP2:
    case CURLE_HTTP2_STREAM:
        kind = REMOTE_ERROR_TRANSIENT;
        what = "the connection to %s broke: %s";
        break;
    default:
        break;
    }
    g_autofree char *shown = remote_printable(detail, 300);
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral"
    g_set_error(error, REMOTE_ERROR, kind, what, host, shown);
#pragma GCC diagnostic pop
}

/* One request to one URL, without looking at redirects. */
static bool perform_hop(Hop *hop, const char *url, bool with_authorization, GError **error)
{
    RemoteHttp *h = hop->http;
    struct curl_slist *headers = make_headers(hop->request, with_authorization);
    set_options(hop, url, headers);
    h->detail[0] = '\0';
    CURLcode code = curl_easy_perform(h->curl);
    curl_slist_free_all(headers);
    if (hop->error) {
        g_propagate_error(error, hop->error);
        return false;
    }
    if (code != CURLE_OK && !(code == CURLE_WRITE_ERROR && hop->cut)) {
        set_curl_error(h, code, url, error);
        return false;
    }
    RemoteHttpResponse *r = hop->response;
    curl_off_t length = -1, wait = 0;
    curl_easy_getinfo(h->curl, CURLINFO_RESPONSE_CODE, &r->status);
    curl_easy_getinfo(h->curl, CURLINFO_CONTENT_LENGTH_DOWNLOAD_T, &length);
    curl_easy_getinfo(h->curl, CURLINFO_RETRY_AFTER, &wait);
    r->content_length = length;
    r->retry_after = wait;
    r->url = g_strdup(url);
    return true;
}

static bool is_redirect(long status)
{
    return status == 301 || status == 302 || status == 303 || status == 307 || status == 308;
}

bool remote_http_perform(RemoteHttp *h, const RemoteHttpRequest *request,
                         RemoteHttpResponse **response, GError **error)
{
    g_autofree char *url = g_strdup(request->url);
    bool elsewhere = false;
    for (guint hops = 0; hops <= REDIRECTS_MAX; hops++) {
        if (!(request->any ? remote_url_is_http(url, error)
                           : remote_url_permitted(url, request->plain, error))) {
            return false;
        }
        g_autoptr(RemoteHttpResponse) r = response_new();
        Hop hop = {.http = h, .request = request, .response = r};
        if (!perform_hop(&hop, url, !elsewhere, error)) {
            return false;
        }
        char *next = NULL; /* absolute; owned by libcurl until the next request */
        curl_easy_getinfo(h->curl, CURLINFO_REDIRECT_URL, &next);
        if (request->form || !is_redirect(r->status) || !next) {
            r->elsewhere = elsewhere;
            *response = g_steal_pointer(&r);
            return true;
        }
        /* Once the origin was left, another host may have written the URL: never again. */
        elsewhere = elsewhere || !remote_url_same_origin(url, next);
        g_free(url);
        url = g_strdup(next);
    }
    g_autofree char *host = remote_url_host(request->url);
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_NETWORK, "%s redirects more than %d times", host,
                REDIRECTS_MAX);
    return false;
}

static bool may_improve(const RemoteHttpResponse *response, const GError *error)
{
    if (error) {
        return g_error_matches(error, REMOTE_ERROR, REMOTE_ERROR_TRANSIENT);
    }
    long status = response->status;
    return status == 408 || status == 429 || (status >= 500 && status != 501 && status != 505);
}

bool remote_http_retry(RemoteHttp *h, RemoteRetry *state, const RemoteHttpResponse *response,
                       const GError *error)
{
    gint64 now = g_get_monotonic_time();
    if (state->tries == 0) {
        state->started = now;
    }
    gint64 asked = response ? response->retry_after : 0;
    if (!may_improve(response, error) || state->tries == RETRIES_MAX ||
        asked > RETRY_AFTER_MAX_SECONDS ||
        now - state->started > RETRY_PERIOD_SECONDS * G_USEC_PER_SEC) {
        return false;
    }
    gint64 wait = (gint64)RETRY_FIRST_MS << state->tries++;
    wait += g_random_int_range(0, (gint32)wait / 2 + 1);
    gint64 until = now + MAX(wait * 1000, asked * G_USEC_PER_SEC);
    while (g_get_monotonic_time() < until) {
        if (g_atomic_int_get(h->cancelled)) {
            return false;
        }
        g_usleep((gulong)CLAMP(until - g_get_monotonic_time(), 1, 50 * 1000));
    }
    return true;
}
