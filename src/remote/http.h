/* HTTP by libcurl: one request at a time a handle, redirects followed by our own rules. It knows
 * nothing of registries. */
#pragma once

#include <glib.h>
#include <stdbool.h>

/* A libcurl handle with its open connections, for one thread at a time. `cancelled` is read
 * atomically during transfers and waits; once it is non-zero they end with REMOTE_ERROR_CANCELLED.
 * It must outlive the handle. curl_global_init() has been called by the program. */
typedef struct RemoteHttp RemoteHttp;
RemoteHttp *remote_http_new(gint *cancelled);
void remote_http_free(RemoteHttp *h);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RemoteHttp, remote_http_free)

typedef struct {
    long status;
    char *url;            /* that answered, after redirects */
    bool elsewhere;       /* redirected to another origin than was asked */
    char *content_type;   /* this and the following are NULL where the header is missing */
    char *content_digest; /* Docker-Content-Digest, unchecked */
    char *content_range;
    char *content_disposition;
    char *etag;
    char *last_modified;
    GPtrArray *challenges; /* RemoteChallenge of all WWW-Authenticate headers */
    gint64 content_length; /* bytes; -1 if unknown */
    gint64 retry_after;    /* seconds; 0 if not said */
    GByteArray *body;      /* what no sink took; of an error at most 64 KiB */
} RemoteHttpResponse;

void remote_http_response_free(RemoteHttpResponse *r);
G_DEFINE_AUTOPTR_CLEANUP_FUNC(RemoteHttpResponse, remote_http_response_free)

/* Takes a piece of a 2xx answer's body. `head` has status and headers. False ends the transfer. */
typedef bool (*RemoteHttpSink)(void *data, const RemoteHttpResponse *head, const void *bytes,
                               gsize size, GError **error);

typedef struct {
    const char *method; /* "GET", "HEAD", or "POST" with `form` */
    const char *url;
    const char *accept; /* or NULL */
    const char
        *authorization;  /* header value or NULL; not sent on once a redirect leaves the origin */
    const char *form;    /* an application/x-www-form-urlencoded body */
    gint64 range_start;  /* ask for the bytes from here on; 0 asks for all */
    gsize body_max;      /* more bytes of a 2xx answer without a sink are an error */
    RemoteHttpSink sink; /* or NULL */
    void *sink_data;
    bool plain; /* plain HTTP is allowed, though only to loopback hosts, also in redirects */
    bool any;   /* a file of whatever server, not a registry: plain HTTP is allowed to every host, a
                   user's name and password in `url` (never in a redirect), and a body that the
                   server has compressed for the way is taken as what it was */
    const char *if_none_match, *if_modified_since; /* header values or NULL; a 304 has no body */
} RemoteHttpRequest;

/* Performs a request once, following up to 10 redirects of GET and HEAD. Any status is success;
 * errors are of the network (NETWORK, TRANSIENT, SCHEME), the sink's, CANCELLED, or FORMAT for too
 * large an answer. Proxies come from the environment as curl(1) takes them, but never for loopback;
 * certificate authorities from CURL_CA_BUNDLE, SSL_CERT_FILE and SSL_CERT_DIR. */
bool remote_http_perform(RemoteHttp *h, const RemoteHttpRequest *request,
                         RemoteHttpResponse **response, GError **error);

/* A state of repeated tries of one request; starts zeroed. */
typedef struct {
    guint tries;
    gint64 started; /* monotonic, µs */
} RemoteRetry;

/* Decides after a try whether there is to be another: after a TRANSIENT error, or the statuses 408,
 * 429 and 5xx but 501 and 505. If so waits (0.2 s, doubling, with jitter; longer if Retry-After
 * says so, but a server that asks for more than 30 s is not waited for) and returns true. At most 5
 * further tries, begun within 90 s. `response` and `error` are those of the try, one of them NULL.
 */
bool remote_http_retry(RemoteHttp *h, RemoteRetry *state, const RemoteHttpResponse *response,
                       const GError *error);
