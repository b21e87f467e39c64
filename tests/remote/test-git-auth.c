/* Which login git is given for which repository. */
#include <glib.h>
#include <string.h>

#include "remote/git-auth.h"

static char *configured(const char *url)
{
    g_autoptr(GPtrArray) env = g_ptr_array_new_with_free_func(g_free);
    remote_git_auth_add(env, url);
    g_ptr_array_add(env, NULL);
    return g_strjoinv("\n", (char **)env->pdata);
}

static void assert_login(const char *url, const char *scope, const char *login)
{
    g_autofree char *text = configured(url);
    g_autofree char *expected = g_strdup_printf(
        "GIT_CONFIG_KEY_0=http.%s.extraHeader\nGIT_CONFIG_VALUE_0=Authorization: %s\n"
        "GIT_CONFIG_KEY_1=http.%s.followRedirects\nGIT_CONFIG_VALUE_1=false\nGIT_CONFIG_COUNT=2",
        scope, login, scope);
    g_assert_cmpstr(text, ==, expected);
}

/* A name in the URL stays there for git, and is in no URL that git writes down. */
static void assert_login_and_name(const char *site, const char *public, const char *path, const char *login)
{
    g_autofree char *url = g_strconcat(site, path, NULL);
    g_autofree char *text = configured(url);
    g_autofree char *expected = g_strdup_printf(
        "GIT_CONFIG_KEY_0=http.%s%s.extraHeader\nGIT_CONFIG_VALUE_0=Authorization: %s\n"
        "GIT_CONFIG_KEY_1=http.%s%s.followRedirects\nGIT_CONFIG_VALUE_1=false\n"
        "GIT_CONFIG_KEY_2=url.%s.insteadOf\nGIT_CONFIG_VALUE_2=%s\nGIT_CONFIG_COUNT=3",
        public, path, login, public, path, site, public);
    g_assert_cmpstr(text, ==, expected);
}

static void assert_none(const char *url)
{
    g_autofree char *text = configured(url);
    g_assert_cmpstr(text, ==, "");
}

static void test_choice(void)
{
    const char *url = "https://h.example:8443/a/b.git";
    g_setenv("GIT_AUTH_TOKEN", "ambient", TRUE);
    assert_none(url);
    g_setenv("KILN_GIT_AUTH_TOKEN", "t", TRUE);
    assert_login(url, url, "basic eC1hY2Nlc3MtdG9rZW46dA==");
    g_setenv("KILN_GIT_AUTH_HEADER", "bearer any", TRUE);
    assert_login(url, url, "bearer any");
    g_setenv("KILN_GIT_AUTH_TOKEN.h.example:8443", "t", TRUE);
    assert_login(url, url, "basic eC1hY2Nlc3MtdG9rZW46dA==");
    g_setenv("KILN_GIT_AUTH_HEADER.h.example:8443", "bearer own", TRUE);
    assert_login(url, url, "bearer own");
    assert_login_and_name("https://me@h.example:8443/", "https://h.example:8443/", "c.git", "bearer own");
    assert_login("https://h.example/c.git", "https://h.example/c.git", "bearer any");
    assert_login("https://github.com/a/b", "https://github.com/", "bearer any");
    assert_login("https://github.com.evil.example/a.git", "https://github.com.evil.example/a.git", "bearer any");
    assert_login_and_name("https://h.example:8443@evil.example/", "https://evil.example/", "a.git", "bearer any");
    assert_none("http://h.example:8443/a/b.git");
    assert_none("ssh://git@h.example/a/b.git");
    assert_none("git@h.example:a/b.git");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/remote/git-auth/choice", test_choice);
    return g_test_run();
}
