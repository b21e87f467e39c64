#include "remote/git-auth.h"

#include <stdbool.h>
#include <string.h>

#include "remote/url.h"

#define HTTPS "https://"

/* The value of the Authorization header, g_free(); NULL if no login is there for the host. */
static char *authorization(const char *host)
{
    static const struct {
        const char *name;
        bool of_host, token;
    } logins[] = {
        {"KILN_GIT_AUTH_HEADER", true, false},
        {"KILN_GIT_AUTH_TOKEN", true, true},
        {"KILN_GIT_AUTH_HEADER", false, false},
        {"KILN_GIT_AUTH_TOKEN", false, true},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(logins); i++) {
        g_autofree char *name =
            logins[i].of_host ? g_strconcat(logins[i].name, ".", host, NULL) : g_strdup(logins[i].name);
        const char *value = g_getenv(name);
        if (value && !logins[i].token) {
            return g_strdup(value);
        }
        if (value) {
            g_autofree char *pair = g_strconcat("x-access-token:", value, NULL);
            g_autofree char *base64 = g_base64_encode((const guchar *)pair, strlen(pair));
            return g_strconcat("basic ", base64, NULL);
        }
    }
    return NULL;
}

/* For which URLs, as git-config(1) has it of "http.<url>.*": a repository's submodules may lie anywhere. */
static const char *scope_of(const char *url)
{
    static const char *const whole[] = {"https://github.com/", "https://www.github.com/"};
    for (gsize i = 0; i < G_N_ELEMENTS(whole); i++) {
        if (g_str_has_prefix(url, whole[i])) {
            return whole[i];
        }
    }
    return url;
}

static void set(GPtrArray *env, guint *n, const char *key, const char *value)
{
    g_ptr_array_add(env, g_strdup_printf("GIT_CONFIG_KEY_%u=%s", *n, key));
    g_ptr_array_add(env, g_strdup_printf("GIT_CONFIG_VALUE_%u=%s", *n, value));
    ++*n;
}

static void add_header(GPtrArray *env, guint *n, const char *url)
{
    if (!g_str_has_prefix(url, HTTPS)) {
        return;
    }
    g_autofree char *host = g_strndup(url + strlen(HTTPS), strcspn(url + strlen(HTTPS), "/"));
    g_autofree char *value = authorization(host);
    if (!value) {
        return;
    }
    const char *scope = scope_of(url);
    g_autofree char *header = g_strdup_printf("http.%s.extraHeader", scope);
    g_autofree char *line = g_strconcat("Authorization: ", value, NULL);
    g_autofree char *redirects = g_strdup_printf("http.%s.followRedirects", scope);
    set(env, n, header, line);
    set(env, n, redirects, "false");
}

/* "https://me:word@host/" instead of "https://host/", where a relative submodule lies too. */
static void add_login(GPtrArray *env, guint *n, const char *url, const char *public)
{
    const char *scheme = strstr(public, "://");
    const char *path = scheme ? strchr(scheme + strlen("://"), '/') : NULL;
    if (!path || strcmp(url, public) == 0) {
        return;
    }
    gsize rest = strlen(path + 1);
    g_autofree char *site = g_strndup(public, strlen(public) - rest);
    g_autofree char *key = g_strdup_printf("url.%.*s.insteadOf", (int)(strlen(url) - rest), url);
    set(env, n, key, site);
}

void remote_git_auth_add(GPtrArray *env, const char *url)
{
    g_autofree char *public = remote_url_without_login(url);
    guint n = 0;
    add_header(env, &n, public);
    add_login(env, &n, url, public);
    if (n > 0) {
        g_ptr_array_add(env, g_strdup_printf("GIT_CONFIG_COUNT=%u", n));
    }
}
