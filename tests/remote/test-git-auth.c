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
        "GIT_CONFIG_COUNT=2\nGIT_CONFIG_KEY_0=http.%s.extraHeader\nGIT_CONFIG_VALUE_0=Authorization: %s\n"
        "GIT_CONFIG_KEY_1=http.%s.followRedirects\nGIT_CONFIG_VALUE_1=false",
        scope, login, scope);
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
    assert_login("https://me@h.example:8443/c.git", "https://me@h.example:8443/c.git", "bearer own");
    assert_login("https://h.example/c.git", "https://h.example/c.git", "bearer any");
    assert_login("https://github.com/a/b", "https://github.com/", "bearer any");
    assert_login("https://github.com.evil.example/a.git", "https://github.com.evil.example/a.git", "bearer any");
    assert_login("https://h.example:8443@evil.example/a.git", "https://h.example:8443@evil.example/a.git",
                 "bearer any");
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
