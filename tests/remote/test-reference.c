/* Image references: what each spelling means, and which are refused. */
#include <glib.h>
#include <string.h>

#include "remote/reference.h"

static void test_canonical(void)
{
#define SHA "sha256:b5b2b2c507a0944348e0303114d8d93aaaa081732b86451d9bce1f432a537bc7"
    static const struct {
        const char *written, *canonical;
    } cases[] = {
        {"alpine", "docker.io/library/alpine:latest"},
        {"alpine:3.19", "docker.io/library/alpine:3.19"},
        {"me/app", "docker.io/me/app:latest"},
        {"docker.io/alpine", "docker.io/library/alpine:latest"},
        {"index.docker.io/me/app:1", "docker.io/me/app:1"},
        {"quay.io/me/app/deep/er:v1_2.3-x", "quay.io/me/app/deep/er:v1_2.3-x"},
        {"localhost/app", "localhost/app:latest"},
        {"localhost:5000/app", "localhost:5000/app:latest"},
        {"localhost:5000", "docker.io/library/localhost:5000"}, /* a tag: there is no slash */
        {"127.0.0.1:5000/a/b:c", "127.0.0.1:5000/a/b:c"},
        {"[::1]:5000/app:1", "[::1]:5000/app:1"},
        {"[2001:db8::1]/app", "[2001:db8::1]/app:latest"},
        {"Host/app", "Host/app:latest"}, /* a capital can only be a host's */
        {"a.b/c", "a.b/c:latest"},
        {"a_b/c__d/e-f/g---h/i.j", "docker.io/a_b/c__d/e-f/g---h/i.j:latest"},
        {"alpine@" SHA, "docker.io/library/alpine@" SHA},
        {"localhost:5000/app:tag@" SHA, "localhost:5000/app:tag@" SHA},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(KilnReference) r = kiln_reference_parse(cases[i].written, &error);
        g_assert_no_error(error);
        g_autofree char *canonical = kiln_reference_canonical(r);
        g_assert_cmpstr(canonical, ==, cases[i].canonical);
        g_autoptr(KilnReference) again = kiln_reference_parse(canonical, &error);
        g_assert_no_error(error);
        g_autofree char *twice = kiln_reference_canonical(again);
        g_assert_cmpstr(twice, ==, canonical);
    }
}

/* The short form means the same again: a path that looks like a host keeps its domain. */
static void test_familiar(void)
{
    static const char *const cases[][2] = {
        {"docker.io/library/alpine:1", "alpine:1"},
        {"docker.io/me/app:1", "me/app:1"},
        {"docker.io/a.b/c:1", "docker.io/a.b/c:1"},
        {"docker.io/localhost/c:1", "docker.io/localhost/c:1"},
        {"docker.io/library/a/b:1", "library/a/b:1"},
        {"docker.io/library/a.b:1", "a.b:1"},
        {"quay.io/me/app:1", "quay.io/me/app:1"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(KilnReference) r = kiln_reference_parse(cases[i][0], NULL);
        g_autofree char *familiar = kiln_reference_familiar(r);
        g_assert_cmpstr(familiar, ==, cases[i][1]);
        g_autoptr(KilnReference) again = kiln_reference_parse(familiar, NULL);
        g_autofree char *canonical = kiln_reference_canonical(again);
        g_assert_cmpstr(canonical, ==, cases[i][0]);
    }
}

static void test_parts(void)
{
    g_autoptr(KilnReference) r = kiln_reference_parse("localhost:5000/team/app:1@" SHA, NULL);
    g_assert_cmpstr(r->domain, ==, "localhost:5000");
    g_assert_cmpstr(r->path, ==, "team/app");
    g_assert_cmpstr(r->tag, ==, "1");
    g_assert_cmpstr(r->digest, ==, SHA);

    g_autoptr(KilnReference) hub = kiln_reference_parse("alpine@" SHA, NULL);
    g_assert_null(hub->tag);
    g_assert_cmpstr(kiln_reference_api_host(hub), ==, "registry-1.docker.io");
    g_assert_cmpstr(kiln_reference_api_host(r), ==, "localhost:5000");
}

static void test_invalid(void)
{
    static const struct {
        const char *written, *because;
    } cases[] = {
        {"", "empty"},
        {"https://quay.io/me/app", "scheme"},
        {"Alpine", "lower case"},
        {"me/App", "lower case"},
        {"alpine:", "tag"},
        {"alpine:-x", "tag"},
        {"alpine:a b", "tag"},
        {"alpine:a\n", "tag"},
        {"alpine\n", "made of"},
        {"a//b", "made of"},
        {"-a", "made of"},
        {"a..b", "made of"},
        {"a___b", "made of"},
        {"../../etc/passwd", "host name"},
        {"quay.io/../../etc", "made of"},
        {"a.b:0/c", "host name"},
        {"a.b:70000/c", "host name"},
        {"a.b:x/c", "host name"},
        {"a.-b/c", "host name"},
        {"[::1/c", "host name"},
        {"alpine@", "digest"},
        {"alpine@sha256:abc", "digest"},
        {"alpine@sha256:B5b2b2c507a0944348e0303114d8d93aaaa081732b86451d9bce1f432a537bc7",
         "digest"},
        {"alpine@" SHA "0", "digest"},
        {"alpine@" SHA "@" SHA, "digest"},
        {"alpine@sha512:" SHA, "SHA-256 is the only"},
        {"b5b2b2c507a0944348e0303114d8d93aaaa081732b86451d9bce1f432a537bc7", "id"},
        {"al\x1b[31mpine", "made of"},
        {"alpin\xff", "made of"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(kiln_reference_parse(cases[i].written, &error));
        g_assert_error(error, KILN_REFERENCE_ERROR, KILN_REFERENCE_ERROR_INVALID);
        if (!strstr(error->message, cases[i].because)) {
            g_error("%s lacks \"%s\"", error->message, cases[i].because);
        }
        g_assert_null(strchr(error->message, '\x1b'));
        g_assert_true(g_utf8_validate(error->message, -1, NULL));
    }
}

static void test_lengths(void)
{
    g_autofree char *tag = g_strnfill(128, 't');
    g_autofree char *good = g_strconcat("a:", tag, NULL);
    g_autoptr(KilnReference) r = kiln_reference_parse(good, NULL);
    g_assert_nonnull(r);
    g_autofree char *long_tag = g_strconcat(good, "t", NULL);
    g_assert_null(kiln_reference_parse(long_tag, NULL));

    g_autofree char *path = g_strnfill(255, 'p');
    g_autofree char *longest = g_strconcat("quay.io/", path, NULL);
    g_autoptr(KilnReference) p = kiln_reference_parse(longest, NULL);
    g_assert_nonnull(p);
    g_autofree char *longer = g_strconcat(longest, "p", NULL);
    g_assert_null(kiln_reference_parse(longer, NULL));

    /* What makes a backtracking matcher slow is cut off by length. */
    g_autofree char *dashes = g_strnfill(100000, '-');
    g_autofree char *evil = g_strconcat("a", dashes, "!", NULL);
    g_assert_null(kiln_reference_parse(evil, NULL));
}

static void test_loopback(void)
{
    static const char *const yes[] = {"localhost", "LOCALHOST:80", "127.0.0.1", "127.9.9.9:5000",
                                      "[::1]",     "[::1]:5000",   "::1"};
    static const char *const no[] = {"localhost.example.org",
                                     "128.0.0.1",
                                     "127.0.0.1.nip.io",
                                     "[::2]:5000",
                                     "[fe80::1]",
                                     "",
                                     "10.127.0.1",
                                     "notlocalhost:1",
                                     "0.0.0.0"};
    for (gsize i = 0; i < G_N_ELEMENTS(yes); i++) {
        g_assert_true(kiln_host_is_loopback(yes[i]));
    }
    for (gsize i = 0; i < G_N_ELEMENTS(no); i++) {
        g_assert_false(kiln_host_is_loopback(no[i]));
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/reference/canonical", test_canonical);
    g_test_add_func("/reference/familiar", test_familiar);
    g_test_add_func("/reference/parts", test_parts);
    g_test_add_func("/reference/invalid", test_invalid);
    g_test_add_func("/reference/lengths", test_lengths);
    g_test_add_func("/reference/loopback", test_loopback);
    return g_test_run();
}
