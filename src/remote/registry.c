#include "remote/registry.h"

#include <string.h>

#include "remote/auth.h"
#include "remote/challenge.h"
#include "remote/digest.h"
#include "remote/error.h"
#include "remote/json.h"
#include "remote/token.h"

struct RemoteRegistry {
    const KilnReference *reference;
    char *name, *base, *config_file;
    bool plain;                     /* loopback: plain HTTP is allowed */
    GMutex lock;                    /* for the following */
    RemoteCredentials *credentials; /* NULL until needed */
    char *authorization;            /* the header's value; NULL until asked for */
    guint generation;               /* of `authorization` */
};

void remote_registry_free(RemoteRegistry *r)
{
    g_mutex_clear(&r->lock);
    g_clear_pointer(&r->credentials, remote_credentials_free);
    g_free(r->authorization);
    g_free(r->name);
    g_free(r->base);
    g_free(r->config_file);
    g_free(r);
}

const char *remote_registry_name(const RemoteRegistry *r)
{
    return r->name;
}

char *remote_registry_url(const RemoteRegistry *r, const char *kind, const char *which)
{
    return g_strconcat(r->base, "/v2/", r->reference->path, "/", kind, "/", which, NULL);
}

/* Whether a server answers at `scheme`://host/v2/, and in that scheme. */
static bool answers(RemoteHttp *http, const char *scheme, const char *host, GError **error)
{
    g_autofree char *url = g_strconcat(scheme, "://", host, "/v2/", NULL);
    RemoteHttpRequest request = {.method = "GET", .url = url, .body_max = 64 * 1024, .plain = true};
    g_autoptr(RemoteHttpResponse) response = NULL;
    if (!remote_http_perform(http, &request, &response, error)) {
        return false;
    }
    /* Go's and nginx's TLS servers answer plain HTTP with 400 and such a sentence. */
    if (response->status == 400 && strcmp(scheme, "http") == 0) {
        g_autofree char *body = g_strndup((const char *)response->body->data, response->body->len);
        if (strstr(body, "HTTPS server") || strstr(body, "HTTPS port")) {
            g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_SCHEME, "%s answers by https", host);
            return false;
        }
    }
    return true;
}

/* Plain HTTP or https for a loopback host: what answers. */
static const char *choose_scheme(RemoteHttp *http, const char *host, GError **error)
{
    g_autoptr(GError) plain_error = NULL;
    g_autoptr(GError) tls_error = NULL;
    if (answers(http, "http", host, &plain_error)) {
        return "http";
    }
    if (g_error_matches(plain_error, REMOTE_ERROR, REMOTE_ERROR_CANCELLED) ||
        answers(http, "https", host, &tls_error)) {
        return "https";
    }
    /* It does speak plain HTTP, only not well the first time: let the retries see to it. */
    if (g_error_matches(tls_error, REMOTE_ERROR, REMOTE_ERROR_SCHEME)) {
        return "http";
    }
    /* Where the connection came about but plain HTTP did not, it is https whose failure counts. */
    bool connected = !g_error_matches(plain_error, REMOTE_ERROR, REMOTE_ERROR_NETWORK);
    g_propagate_error(error,
                      connected ? g_steal_pointer(&tls_error) : g_steal_pointer(&plain_error));
    return NULL;
}

RemoteRegistry *remote_registry_open(const KilnReference *reference, const char *config_file,
                                     RemoteHttp *http, GError **error)
{
    const char *host = kiln_reference_api_host(reference);
    bool loopback = kiln_host_is_loopback(host);
    const char *scheme = loopback ? choose_scheme(http, host, error) : "https";
    if (!scheme) {
        g_prefix_error(error, "cannot reach the registry of %s/%s: ", reference->domain,
                       reference->path);
        return NULL;
    }
    RemoteRegistry *r = g_new0(RemoteRegistry, 1);
    g_mutex_init(&r->lock);
    r->reference = reference;
    r->name = g_strconcat(reference->domain, "/", reference->path, NULL);
    r->base = g_strconcat(scheme, "://", host, NULL);
    r->config_file = g_strdup(config_file);
    r->plain = loopback;
    return r;
}

/* The first message of a registry's {"errors":[{"code":…,"message":…}]}, for an error; "" if none.
 */
static char *registry_says(const RemoteHttpResponse *response)
{
    g_autoptr(json_object) root =
        remote_json_parse((const char *)response->body->data, response->body->len, "error", NULL);
    json_object *errors = remote_json_array(root, "errors");
    json_object *first = errors ? json_object_array_get_idx(errors, 0) : NULL;
    const char *code = remote_json_string(first, "code");
    const char *message = remote_json_string(first, "message");
    if (!code && !message) {
        return g_strdup("");
    }
    g_autofree char *shown = remote_printable(message ? message : code, 200);
    return g_strdup_printf(" (the registry says: %s)", shown);
}

static void set_denied(RemoteRegistry *r, const RemoteHttpResponse *response, GError **error)
{
    g_autofree char *says = registry_says(response);
    const char *domain = r->reference->domain;
    g_mutex_lock(&r->lock);
    const RemoteCredentials *c = r->credentials;
    if (c && remote_credentials_exist(c)) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_AUTH,
                    "%s denies access to %s for %s%s (credentials from %s)%s; check the name, or "
                    "log in as another user with: docker login %s",
                    domain, r->name, c->username ? "user " : "the token",
                    c->username ? c->username : "", c->source, says, domain);
    } else {
        const char *problem = c ? c->problem : NULL;
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_AUTH,
                    "%s denies access to %s%s: the repository does not exist, or it is private. "
                    "Check the name, or log in with: docker login %s%s%s",
                    domain, r->name, says, domain, problem ? ". Also, " : "",
                    problem ? problem : "");
    }
    g_mutex_unlock(&r->lock);
}

/* Answers the challenges of a 401, unless another thread has since `generation`. */
static bool authenticate(RemoteRegistry *r, RemoteHttp *http, const RemoteHttpResponse *response,
                         guint generation, GError **error)
{
    const KilnReference *reference = r->reference;
    const RemoteChallenge *challenge = remote_challenges_pick(response->challenges);
    if (!challenge) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_AUTH,
                    "%s wants credentials for %s in a way that kiln does not know (neither Bearer "
                    "nor Basic)",
                    reference->domain, r->name);
        return false;
    }
    /* Held while asking for the token: the other threads want the same one. */
    g_mutex_lock(&r->lock);
    bool good = true;
    if (r->generation == generation) {
        if (!r->credentials) {
            r->credentials = remote_credentials_find(r->config_file, reference->domain);
        }
        g_autofree char *scope = g_strconcat("repository:", reference->path, ":pull", NULL);
        char *answer = remote_token_answer(http, challenge, r->credentials, reference->domain,
                                           scope, r->plain, error);
        good = answer != NULL;
        if (good) {
            g_free(r->authorization);
            r->authorization = answer;
            r->generation++;
        }
    }
    g_mutex_unlock(&r->lock);
    return good;
}

bool remote_registry_send(RemoteRegistry *r, RemoteHttp *http, RemoteHttpRequest *request,
                          RemoteHttpResponse **response, GError **error)
{
    for (bool renewed = false;; renewed = true) {
        g_mutex_lock(&r->lock);
        g_autofree char *authorization = g_strdup(r->authorization);
        guint generation = r->generation;
        g_mutex_unlock(&r->lock);

        g_autoptr(RemoteHttpResponse) answer = NULL;
        request->authorization = authorization;
        request->plain = r->plain;
        bool performed = remote_http_perform(http, request, &answer, error);
        request->authorization = NULL;
        if (!performed) {
            return false;
        }
        /* What a storage host behind a redirect refuses is not about the registry's credentials. */
        bool denied = (answer->status == 401 || answer->status == 403) && !answer->elsewhere;
        if (!denied) {
            *response = g_steal_pointer(&answer);
            return true;
        }
        if (answer->status == 403 || renewed) {
            set_denied(r, answer, error);
            return false;
        }
        if (!authenticate(r, http, answer, generation, error)) {
            return false;
        }
    }
}

void remote_registry_refusal(const RemoteRegistry *r, const RemoteHttpResponse *response,
                             const char *what, GError **error)
{
    g_autofree char *says = registry_says(response);
    const char *domain = r->reference->domain;
    switch (response->status) {
    case 404:
        if (g_str_has_prefix(what, "blob ")) {
            g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_NOT_FOUND,
                        "%s has no %s, though the image's manifest names it%s: the image there is "
                        "incomplete; have it pushed again",
                        r->name, what, says);
        } else if (strstr(says, "repository name not known")) {
            g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_NOT_FOUND,
                        "%s has no repository %s; check its spelling", domain, r->reference->path);
        } else {
            g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_NOT_FOUND,
                        "%s has no %s%s; check its spelling%s", r->name, what, says,
                        *says ? "" : ", and that the host is a container registry");
        }
        break;
    case 429:
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_NETWORK,
                    "%s limits how often it may be asked, and refuses %s of %s%s; wait, or log in "
                    "for a higher limit with: docker login %s",
                    domain, what, r->name, says, domain);
        break;
    default:
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_NETWORK,
                    "%s answers the request for %s of %s with status %ld%s", domain, what, r->name,
                    response->status, says);
    }
}

static char *describe(const char *which)
{
    return g_strconcat(strchr(which, ':') ? "manifest " : "tag ", which, NULL);
}

/* Sends a request for a manifest, with retries. */
static RemoteHttpResponse *ask_manifest(RemoteRegistry *r, RemoteHttp *http, const char *method,
                                        const char *which, GError **error)
{
    g_autofree char *url = remote_registry_url(r, "manifests", which);
    RemoteHttpRequest request = {.method = method,
                                 .url = url,
                                 .accept = REMOTE_MANIFEST_ACCEPT,
                                 .body_max = REMOTE_MANIFEST_MAX};
    RemoteRetry retry = {0};
    for (;;) {
        g_autoptr(RemoteHttpResponse) response = NULL;
        g_autoptr(GError) failure = NULL;
        bool answered = remote_registry_send(r, http, &request, &response, &failure);
        if (answered && response->status < 400) {
            return g_steal_pointer(&response);
        }
        if (remote_http_retry(http, &retry, response, failure)) {
            continue;
        }
        if (!answered) {
            g_propagate_error(error, g_steal_pointer(&failure));
            return NULL;
        }
        return g_steal_pointer(&response);
    }
}

RemoteManifest *remote_registry_manifest(RemoteRegistry *r, RemoteHttp *http, const char *which,
                                         GError **error)
{
    g_autofree char *what = describe(which);
    g_autoptr(RemoteHttpResponse) response = ask_manifest(r, http, "GET", which, error);
    if (!response) {
        return NULL;
    }
    if (response->status != 200) {
        remote_registry_refusal(r, response, what, error);
        return NULL;
    }
    bool is_digest = strchr(which, ':') != NULL;
    g_autofree char *name = g_strconcat(r->name, is_digest ? "@" : ":", which, NULL);
    if (remote_media_type_is_schema1(response->content_type, name, error)) {
        return NULL; /* before the digest, which schema 1 makes of a part only */
    }
    if (response->content_type && g_str_has_prefix(response->content_type, "text/html")) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT,
                    "%s answers with a web page instead of a manifest for %s; check that it is a "
                    "container registry, and that no proxy's login page is in between",
                    r->reference->domain, name);
        return NULL;
    }
    g_autofree char *digest = remote_digest_of(response->body->data, response->body->len);
    const char *promised = is_digest ? which : response->content_digest;
    /* A registry may use digests of another kind in its header; for a tag nothing depends on it. */
    if (promised && g_str_has_prefix(promised, "sha256:") && strcmp(promised, digest) != 0) {
        g_autofree char *shown = remote_printable(promised, 80);
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_DIGEST,
                    "%s sent a manifest for %s that is %s, not %s: it was damaged on the way, or "
                    "tampered with",
                    r->reference->domain, name, digest, shown);
        return NULL;
    }
    g_autoptr(GBytes) bytes = g_byte_array_free_to_bytes(g_steal_pointer(&response->body));
    response->body = g_byte_array_new();
    return remote_manifest_parse(bytes, response->content_type, name, error);
}

RemoteDescriptor *remote_registry_resolve(RemoteRegistry *r, RemoteHttp *http, const char *which,
                                          GError **error)
{
    g_autoptr(RemoteHttpResponse) head = ask_manifest(r, http, "HEAD", which, error);
    if (!head) {
        return NULL;
    }
    g_autofree char *name = g_strconcat(r->name, strchr(which, ':') ? "@" : ":", which, NULL);
    if (head->status == 200 && remote_media_type_is_schema1(head->content_type, name, error)) {
        return NULL;
    }
    if (head->status == 200 && head->content_digest && head->content_length > 0 &&
        head->content_type && g_str_has_prefix(head->content_type, "application/vnd.") &&
        remote_digest_check(head->content_digest, NULL) &&
        (!strchr(which, ':') || strcmp(which, head->content_digest) == 0)) {
        g_autofree char *type = g_strndup(head->content_type, strcspn(head->content_type, "; "));
        return remote_descriptor_new(type, head->content_digest, head->content_length);
    }
    /* Refusals too: an answer to GET says why in its body. */
    g_autoptr(RemoteManifest) m = remote_registry_manifest(r, http, which, error);
    return m ? g_steal_pointer(&m->self) : NULL;
}
