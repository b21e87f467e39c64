/* WWW-Authenticate headers as registries send them, and as nobody should. */
#include <glib.h>

#include "remote/challenge.h"

static void assert_parameter(GPtrArray *all, guint i, const char *name, const char *value)
{
    g_assert_cmpuint(i, <, all->len);
    g_assert_cmpstr(remote_challenge_get(all->pdata[i], name), ==, value);
}

static void assert_scheme(GPtrArray *all, guint i, const char *scheme)
{
    g_assert_cmpuint(i, <, all->len);
    const RemoteChallenge *c = all->pdata[i];
    g_assert_cmpstr(c->scheme, ==, scheme);
}

static void test_docker_hub(void)
{
    g_autoptr(GPtrArray) all = remote_challenges_parse(
        "Bearer realm=\"https://auth.docker.io/token\",service=\"registry.docker.io\","
        "scope=\"repository:library/alpine:pull\"");
    g_assert_cmpuint(all->len, ==, 1);
    assert_scheme(all, 0, "bearer");
    assert_parameter(all, 0, "realm", "https://auth.docker.io/token");
    assert_parameter(all, 0, "service", "registry.docker.io");
    assert_parameter(all, 0, "scope", "repository:library/alpine:pull");
    assert_parameter(all, 0, "error", NULL);
}

static void test_comma_within_quotes(void)
{
    g_autoptr(GPtrArray) all =
        remote_challenges_parse("Bearer realm=\"https://r/t\", scope=\"repository:a:pull,push\"");
    g_assert_cmpuint(all->len, ==, 1);
    assert_parameter(all, 0, "scope", "repository:a:pull,push");
}

static void test_several_in_one_header(void)
{
    g_autoptr(GPtrArray) all = remote_challenges_parse(
        "Negotiate, Negotiate YWJjZA==, Basic realm=\"a \\\"b\\\"\", BEARER Realm = \"https://r\"");
    g_assert_cmpuint(all->len, ==, 4);
    assert_scheme(all, 0, "negotiate");
    assert_scheme(all, 1, "negotiate");
    assert_scheme(all, 2, "basic");
    assert_parameter(all, 2, "realm", "a \"b\"");
    assert_scheme(all, 3, "bearer");
    assert_parameter(all, 3, "realm", "https://r");
    g_assert_true(remote_challenges_pick(all) == all->pdata[3]); /* Bearer before Basic */
}

static void test_lenient(void)
{
    g_autoptr(GPtrArray) unquoted = remote_challenges_parse("Basic realm=registry");
    assert_parameter(unquoted, 0, "realm", "registry");
    g_autoptr(GPtrArray) blanks =
        remote_challenges_parse("Bearer realm=\"https://r\" service=\"s\"");
    assert_parameter(blanks, 0, "service", "s");
    g_autoptr(GPtrArray) twice = remote_challenges_parse("Bearer realm=\"a\",realm=\"b\"");
    assert_parameter(twice, 0, "realm", "a");
}

static void test_nonsense(void)
{
    static const char *const inputs[] = {"",
                                         ",,,",
                                         "\"",
                                         "=",
                                         "Bearer =",
                                         "Bearer realm=\"open",
                                         "Bearer realm",
                                         "/////",
                                         "Bearer \\",
                                         "a/b,c=d,\x01\xff"};
    for (gsize i = 0; i < G_N_ELEMENTS(inputs); i++) {
        g_autoptr(GPtrArray) all = remote_challenges_parse(inputs[i]);
        g_assert_nonnull(all);
    }
    g_autoptr(GPtrArray) open = remote_challenges_parse("Bearer realm=\"open");
    assert_parameter(open, 0, "realm", "open");
    g_autoptr(GPtrArray) digest = remote_challenges_parse("Digest realm=\"x\", nonce=\"y\"");
    g_assert_null(remote_challenges_pick(digest));

    g_autofree char *filler = g_strnfill(100000, 'x');
    g_autofree char *huge = g_strconcat("Bearer realm=\"", filler, "\"", NULL);
    g_autoptr(GPtrArray) none = remote_challenges_parse(huge);
    g_assert_cmpuint(none->len, ==, 0);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/challenge/docker-hub", test_docker_hub);
    g_test_add_func("/challenge/comma-within-quotes", test_comma_within_quotes);
    g_test_add_func("/challenge/several-in-one-header", test_several_in_one_header);
    g_test_add_func("/challenge/lenient", test_lenient);
    g_test_add_func("/challenge/nonsense", test_nonsense);
    return g_test_run();
}
