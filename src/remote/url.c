#include "remote/url.h"

#include <curl/curl.h>
#include <string.h>

#include "remote/error.h"
#include "remote/reference.h"

G_DEFINE_AUTOPTR_CLEANUP_FUNC(CURLU, curl_url_cleanup)

static CURLU *parse(const char *url)
{
    CURLU *u = curl_url();
    if (u && curl_url_set(u, CURLUPART_URL, url, 0) != CURLUE_OK) {
        curl_url_cleanup(u);
        return NULL;
    }
    return u;
}

/* A part in lower case, NULL if it is not there. */
static char *part(CURLU *u, CURLUPart which, unsigned flags)
{
    char *raw = NULL;
    if (!u || curl_url_get(u, which, &raw, flags) != CURLUE_OK) {
        return NULL;
    }
    char *copy = g_ascii_strdown(raw, -1);
    curl_free(raw);
    return copy;
}

char *remote_url_host(const char *url)
{
    g_autoptr(CURLU) u = parse(url);
    g_autofree char *host = part(u, CURLUPART_HOST, 0);
    g_autofree char *port = part(u, CURLUPART_PORT, 0);
    if (!host) {
        return g_strdup("?");
    }
    g_autofree char *joined = port ? g_strconcat(host, ":", port, NULL) : g_strdup(host);
    return remote_printable(joined, 260);
}

bool remote_url_same_origin(const char *a, const char *b)
{
    static const CURLUPart parts[] = {CURLUPART_SCHEME, CURLUPART_HOST, CURLUPART_PORT};
    g_autoptr(CURLU) ua = parse(a);
    g_autoptr(CURLU) ub = parse(b);
    for (gsize i = 0; i < G_N_ELEMENTS(parts); i++) {
        g_autofree char *pa = part(ua, parts[i], CURLU_DEFAULT_PORT);
        g_autofree char *pb = part(ub, parts[i], CURLU_DEFAULT_PORT);
        if (!pa || !pb || strcmp(pa, pb) != 0) {
            return false;
        }
    }
    return true;
}

bool remote_url_permitted(const char *url, bool plain, GError **error)
{
    g_autoptr(CURLU) u = parse(url);
    g_autofree char *scheme = part(u, CURLUPART_SCHEME, 0);
    g_autofree char *host = part(u, CURLUPART_HOST, 0);
    if (!scheme || !host) {
        g_autofree char *shown = remote_printable(url, 120);
        g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_NETWORK, "'%s' is not a URL that kiln asks",
                    shown);
        return false;
    }
    if (strcmp(scheme, "https") == 0 ||
        (strcmp(scheme, "http") == 0 && plain && kiln_host_is_loopback(host))) {
        return true;
    }
    g_autofree char *shown_host = remote_printable(host, 120);
    g_autofree char *shown_scheme = remote_printable(scheme, 20);
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_NETWORK,
                "the registry refers to %s by %s, which kiln does not follow: https is needed "
                "(plain HTTP is for registries on loopback addresses only)",
                shown_host, shown_scheme);
    return false;
}

bool remote_url_is_http(const char *url, GError **error)
{
    g_autoptr(CURLU) u = parse(url);
    g_autofree char *scheme = part(u, CURLUPART_SCHEME, 0);
    g_autofree char *host = part(u, CURLUPART_HOST, 0);
    if (host && (g_strcmp0(scheme, "https") == 0 || g_strcmp0(scheme, "http") == 0)) {
        return true;
    }
    g_autofree char *shown = remote_url_shown(url);
    g_set_error(error, REMOTE_ERROR, REMOTE_ERROR_NETWORK,
                "'%s' is not followed: only http and https URLs are", shown);
    return false;
}

char *remote_url_shown(const char *url)
{
    const char *start = strstr(url, "://");
    start = start ? start + strlen("://") : url;
    gsize authority = strcspn(start, "/?#");
    const char *at = memrchr(start, '@', authority);
    const char *colon = at ? memchr(start, ':', (gsize)(at - start)) : NULL;
    g_autofree char *hidden =
        colon ? g_strdup_printf("%.*s:xxxxx%s", (int)(colon - url), url, at) : g_strdup(url);
    return remote_printable(hidden, 300);
}

char *remote_url_without_login(const char *url)
{
    bool http = g_str_has_prefix(url, "http://") || g_str_has_prefix(url, "https://");
    const char *start = http ? strstr(url, "://") + strlen("://") : url;
    const char *at = http ? memrchr(start, '@', strcspn(start, "/?#")) : NULL;
    return at ? g_strdup_printf("%.*s%s", (int)(start - url), url, at + 1) : g_strdup(url);
}

char *remote_url_add_query(const char *url, const char *name, const char *value)
{
    g_autoptr(CURLU) u = parse(url);
    g_autofree char *pair = g_strconcat(name, "=", value, NULL);
    char *raw = NULL;
    if (!u ||
        curl_url_set(u, CURLUPART_QUERY, pair, CURLU_APPENDQUERY | CURLU_URLENCODE) != CURLUE_OK ||
        curl_url_get(u, CURLUPART_URL, &raw, 0) != CURLUE_OK) {
        return NULL;
    }
    char *copy = g_strdup(raw);
    curl_free(raw);
    return copy;
}
