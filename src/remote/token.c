#include "remote/token.h"

#include <string.h>

#include "remote/error.h"
#include "remote/json.h"
#include "remote/url.h"

#define CLIENT_ID "kiln"

/* A token goes into a header line: a line break in it would add headers of the server's choice. */
static bool is_header_safe(const char *token)
{
    for (const char *p = token; *p; p++) {
        if (!g_ascii_isgraph(*p)) {
            return false;
        }
    }
    return *token != '\0';
}

char *remote_token_parse(const char *json, gsize size, const char *realm, GError **error)
{
    g_autofree char *host = remote_url_host(realm);
    g_autofree char *what = g_strdup_printf("the token server %s's answer", host);
    g_autoptr(json_object) root = remote_json_parse(json, size, what, error);
    if (!root) {
        return NULL;
    }
    const char *token = remote_json_string(root, "token");
    if (!token || !*token) {
        token = remote_json_string(root, "access_token");
    }
    if (!token || !is_header_safe(token)) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT, "%s holds no usable token", what);
        return NULL;
    }
    return g_strconcat("Bearer ", token, NULL);
}

/* The scopes to ask for: ours, and the challenge's where it is another. */
static char **scopes_of(const RemoteChallenge *challenge, const char *scope)
{
    const char *theirs = remote_challenge_get(challenge, "scope");
    bool other = theirs && *theirs && strcmp(theirs, scope) != 0;
    const char *all[] = {scope, other ? theirs : NULL, NULL};
    return g_strdupv((char **)all);
}

static char *token_url(const char *realm, const char *service, char **scopes,
                       const RemoteCredentials *credentials)
{
    char *url = g_strdup(realm);
    g_autoptr(GPtrArray) pairs = g_ptr_array_new();
    if (service) {
        g_ptr_array_add(pairs, (char *)"service");
        g_ptr_array_add(pairs, (char *)service);
    }
    for (gsize i = 0; scopes[i]; i++) {
        g_ptr_array_add(pairs, (char *)"scope");
        g_ptr_array_add(pairs, scopes[i]);
    }
    if (credentials->password) {
        g_ptr_array_add(pairs, (char *)"account");
        g_ptr_array_add(pairs, credentials->username);
    }
    for (guint i = 0; url && i < pairs->len; i += 2) {
        char *longer = remote_url_add_query(url, pairs->pdata[i], pairs->pdata[i + 1]);
        g_free(url);
        url = longer;
    }
    return url;
}

static char *refresh_form(const char *service, char **scopes, const RemoteCredentials *credentials)
{
    g_autofree char *scope = g_strjoinv(" ", scopes);
    const char *pairs[][2] = {{"grant_type", "refresh_token"},
                              {"client_id", CLIENT_ID},
                              {"service", service ? service : ""},
                              {"scope", scope},
                              {"refresh_token", credentials->identity_token}};
    GString *form = g_string_new(NULL);
    for (gsize i = 0; i < G_N_ELEMENTS(pairs); i++) {
        g_autofree char *value = g_uri_escape_string(pairs[i][1], NULL, FALSE);
        g_string_append_printf(form, "%s%s=%s", i ? "&" : "", pairs[i][0], value);
    }
    return g_string_free(form, FALSE);
}

static void refused(const RemoteCredentials *credentials, const char *registry, const char *host,
                    long status, GError **error)
{
    if (status != 400 && status != 401 && status != 403) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_NETWORK,
                    "the token server %s of %s answers with status %ld", host, registry, status);
    } else if (remote_credentials_exist(credentials)) {
        g_set_error(
            error, REMOTE_ERROR, REMOTE_ERROR_AUTH,
            "%s refuses the credentials for %s%s%s (from %s); renew them with: docker login "
            "%s",
            host, registry, credentials->username ? " of user " : "",
            credentials->username ? credentials->username : "", credentials->source, registry);
    } else {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_AUTH,
                    "%s gives no anonymous access to %s; log in with: docker login %s%s%s", host,
                    registry, registry, credentials->problem ? ". Also, " : "",
                    credentials->problem ? credentials->problem : "");
    }
}

static char *fetch_bearer(RemoteHttp *http, const RemoteChallenge *challenge,
                          const RemoteCredentials *credentials, const char *registry,
                          const char *scope, bool plain, GError **error)
{
    const char *realm = remote_challenge_get(challenge, "realm");
    const char *service = remote_challenge_get(challenge, "service");
    g_auto(GStrv) scopes = scopes_of(challenge, scope);
    g_autofree char *basic = NULL;
    g_autofree char *form = NULL;
    g_autofree char *url = NULL;
    if (credentials->identity_token) {
        form = refresh_form(service, scopes, credentials);
        url = g_strdup(realm);
    } else if (realm) {
        basic = credentials->password ? remote_credentials_basic(credentials) : NULL;
        url = token_url(realm, service, scopes, credentials);
    }
    if (!url) {
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT,
                    "%s asks for a token without saying where to get one (no valid realm)",
                    registry);
        return NULL;
    }
    RemoteHttpRequest request = {
        .method = form ? "POST" : "GET",
        .url = url,
        .accept = "application/json",
        .authorization = basic,
        .form = form,
        .body_max = REMOTE_TOKEN_ANSWER_MAX,
        .plain = plain,
    };
    RemoteRetry retry = {0};
    for (;;) {
        g_autoptr(RemoteHttpResponse) r = NULL;
        g_autoptr(GError) failure = NULL;
        bool answered = remote_http_perform(http, &request, &r, &failure);
        if (answered && r->status == 200) {
            return remote_token_parse((const char *)r->body->data, r->body->len, realm, error);
        }
        if (remote_http_retry(http, &retry, r, failure)) {
            continue;
        }
        if (answered) {
            g_autofree char *host = remote_url_host(realm);
            refused(credentials, registry, host, r->status, error);
        } else {
            g_propagate_prefixed_error(error, g_steal_pointer(&failure),
                                       "no token for %s: ", registry);
        }
        return NULL;
    }
}

char *remote_token_answer(RemoteHttp *http, const RemoteChallenge *challenge,
                          const RemoteCredentials *credentials, const char *registry,
                          const char *scope, bool plain, GError **error)
{
    if (strcmp(challenge->scheme, "bearer") == 0) {
        if (credentials->registry_token && is_header_safe(credentials->registry_token)) {
            return g_strconcat("Bearer ", credentials->registry_token, NULL);
        }
        return fetch_bearer(http, challenge, credentials, registry, scope, plain, error);
    }
    if (credentials->password) {
        return remote_credentials_basic(credentials);
    }
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_AUTH,
                "%s needs a user name and a password; log in with: docker login %s%s%s", registry,
                registry, credentials->problem ? ". Also, " : "",
                credentials->problem ? credentials->problem : "");
    return NULL;
}
