/* Platforms: spellings, and what runs on what. */
#include <glib.h>

#include "remote/error.h"
#include "remote/platform.h"

static void test_parse(void)
{
    static const struct {
        const char *written, *normal;
    } cases[] = {
        {"linux/amd64", "linux/amd64"},
        {"Linux/X86_64", "linux/amd64"},
        {"amd64", "linux/amd64"},
        {"linux/amd64/v1", "linux/amd64"},
        {"linux/amd64/v3", "linux/amd64/v3"},
        {"linux/aarch64", "linux/arm64"},
        {"linux/arm64/v8", "linux/arm64"},
        {"linux/arm64/v8.0", "linux/arm64"},
        {"linux/arm64/9", "linux/arm64/v9"},
        {"linux/arm", "linux/arm/v7"},
        {"linux/arm/6", "linux/arm/v6"},
        {"armel", "linux/arm/v6"},
        {"linux/i686", "linux/386"},
        {"windows/amd64", "windows/amd64"},
        {"linux/ppc64el", "linux/ppc64le"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(RemotePlatform) p = remote_platform_parse(cases[i].written, &error);
        g_assert_no_error(error);
        g_autofree char *text = remote_platform_text(p);
        g_assert_cmpstr(text, ==, cases[i].normal);
    }
}

static void test_malformed(void)
{
    static const char *const cases[] = {"",        "/",         "linux/",        "linux//v7",
                                        "a/b/c/d", "linux/a b", "linux/\x1b[0m", "../amd64/x/y"};
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(remote_platform_parse(cases[i], &error));
        g_assert_error(error, REMOTE_ERROR, REMOTE_ERROR_USAGE);
    }
}

static int rank(const char *wanted, const char *offered)
{
    g_autoptr(RemotePlatform) w = remote_platform_parse(wanted, NULL);
    g_autoptr(RemotePlatform) o = remote_platform_parse(offered, NULL);
    return remote_platform_rank(w, o);
}

static void test_rank(void)
{
    g_assert_cmpint(rank("linux/amd64", "linux/amd64"), ==, 0);
    g_assert_cmpint(rank("linux/arm64", "linux/arm64/v8"), ==, 0);
    g_assert_cmpint(rank("linux/riscv64", "linux/riscv64"), ==, 0);

    /* Lower variants serve, the nearest first; higher ones do not. */
    g_assert_cmpint(rank("linux/amd64/v3", "linux/amd64/v2"), <, rank("linux/amd64/v3", "amd64"));
    g_assert_cmpint(rank("linux/amd64/v3", "linux/amd64"), >, 0);
    g_assert_cmpint(rank("linux/amd64", "linux/amd64/v2"), ==, -1);
    g_assert_cmpint(rank("linux/arm/v7", "linux/arm/v6"), <, rank("linux/arm/v7", "linux/arm/v5"));
    g_assert_cmpint(rank("linux/arm/v6", "linux/arm/v7"), ==, -1);
    g_assert_cmpint(rank("linux/arm64", "linux/arm64/v8.1"), ==, -1);
    g_assert_cmpint(rank("linux/arm64/v9", "linux/arm64/v8.5"), >, 0);
    g_assert_cmpint(rank("linux/arm64/v9", "linux/arm64/v8.6"), ==, -1);

    /* 32-bit programs on 64-bit machines, after everything else. */
    g_assert_cmpint(rank("linux/amd64", "linux/386"), >, rank("linux/amd64/v3", "linux/amd64"));
    g_assert_cmpint(rank("linux/arm64", "linux/arm/v7"), >, 0);
    g_assert_cmpint(rank("linux/arm64", "linux/arm/v7"), <, rank("linux/arm64", "linux/arm/v6"));
    g_assert_cmpint(rank("linux/386", "linux/amd64"), ==, -1);

    g_assert_cmpint(rank("linux/amd64", "windows/amd64"), ==, -1);
    g_assert_cmpint(rank("linux/amd64", "linux/arm64"), ==, -1);
    g_assert_cmpint(rank("linux/amd64", "linux/amd64/odd"), ==, -1);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/platform/parse", test_parse);
    g_test_add_func("/platform/malformed", test_malformed);
    g_test_add_func("/platform/rank", test_rank);
    return g_test_run();
}
