#include "remote/git-auth.h"

#include <stdbool.h>
#include <string.h>

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

void remote_git_auth_add(GPtrArray *env, const char *url)
{
    if (!g_str_has_prefix(url, HTTPS)) {
        return;
    }
    g_autofree char *authority = g_strndup(url + strlen(HTTPS), strcspn(url + strlen(HTTPS), "/"));
    const char *at = strrchr(authority, '@');
    g_autofree char *value = authorization(at ? at + 1 : authority);
    if (!value) {
        return;
    }
    const char *scope = scope_of(url);
    g_ptr_array_add(env, g_strdup("GIT_CONFIG_COUNT=2"));
    g_ptr_array_add(env, g_strdup_printf("GIT_CONFIG_KEY_0=http.%s.extraHeader", scope));
    g_ptr_array_add(env, g_strdup_printf("GIT_CONFIG_VALUE_0=Authorization: %s", value));
    g_ptr_array_add(env, g_strdup_printf("GIT_CONFIG_KEY_1=http.%s.followRedirects", scope));
    g_ptr_array_add(env, g_strdup("GIT_CONFIG_VALUE_1=false"));
}
