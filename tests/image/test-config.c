/* Image configs and platforms. */
#include "image/config.h"

#include <string.h>

static KilnConfig *parse(const char *json)
{
    g_autoptr(GError) error = NULL;
    KilnConfig *c = kiln_config_parse(json, strlen(json), &error);
    g_assert_no_error(error);
    return c;
}

static char *dump(const KilnConfig *c)
{
    return kiln_config_dump(c, NULL);
}

/* What kiln does not know passes through; keys come out in one order whatever order they came in.
 */
static void test_round_trip(void)
{
    g_autoptr(KilnConfig) a = parse("{\"os\":\"linux\",\"config\":{\"x-new\":{\"b\":[1,2.50,null],"
                                    "\"a\":\"/\"},\"Env\":[\"P=1\"]},"
                                    "\"architecture\":\"amd64\"}");
    g_autoptr(KilnConfig) b = parse(
        " {\"architecture\" : \"amd64\", \"config\":{\"Env\":[\"P=1\"],\"x-new\":{\"a\":\"/\","
        "\"b\":[1,2.50,null]}},\n\"os\":\"linux\"}\n");
    g_autofree char *x = dump(a), *y = dump(b);
    g_assert_cmpstr(
        x, ==,
        "{\"architecture\":\"amd64\",\"config\":{\"Env\":[\"P=1\"],\"x-new\":{\"a\":\"/\","
        "\"b\":[1,2.50,null]}},\"os\":\"linux\"}");
    g_assert_cmpstr(x, ==, y);
}

static void test_new(void)
{
    g_autoptr(KilnPlatform) p = kiln_platform_parse("linux/arm/v6", NULL);
    g_autoptr(KilnConfig) c = kiln_config_new(p);
    g_autofree char *text = dump(c);
    g_assert_cmpstr(
        text, ==,
        "{\"architecture\":\"arm\",\"config\":{\"Env\":[\"PATH=/usr/local/sbin:/usr/local/bin:/usr/"
        "sbin:/usr/bin:/sbin:/bin\"],\"WorkingDir\":\"/\"},\"history\":[],\"os\":\"linux\","
        "\"rootfs\":{\"diff_ids\":[],\"type\":\"layers\"},\"variant\":\"v6\"}");
    g_assert_true(kiln_config_validate(c, NULL));
}

static void test_env(void)
{
    g_autoptr(KilnConfig) c = parse("{\"config\":{\"Env\":[\"A=1\",\"AB=2\",\"EMPTY=\"]}}");
    g_assert_cmpstr(kiln_config_env(c, "A"), ==, "1");
    g_assert_cmpstr(kiln_config_env(c, "EMPTY"), ==, "");
    g_assert_null(kiln_config_env(c, "B"));
    kiln_config_set_env(c, "A", "x=y");
    kiln_config_set_env(c, "C", "3");
    g_auto(GStrv) env = kiln_config_environ(c);
    g_autofree char *joined = g_strjoinv(" ", env);
    g_assert_cmpstr(joined, ==, "A=x=y AB=2 EMPTY= C=3");
}

/* A Dockerfile in Latin-1 still makes a config that is JSON. */
static void test_other_bytes(void)
{
    g_autoptr(KilnConfig) c = parse("{\"config\":{}}");
    kiln_config_set_label(c, "k\xe9y", "caf\xe9");
    kiln_config_set_env(c, "A", "\xff");
    kiln_config_set_list(c, "Cmd", (const char *const[]){"\xfe", NULL});
    kiln_config_add_to_set(c, "Volumes", "/\xfd");
    kiln_config_add_history(c, NULL, "RUN \xfc", NULL, true);
    gsize size;
    g_autofree char *text = kiln_config_dump(c, &size);
    g_autoptr(KilnConfig) again = kiln_config_parse(text, size, NULL);
    g_assert_nonnull(again);
    g_assert_cmpstr(kiln_config_env(again, "A"), ==, "\xef\xbf\xbd");
}

/* Docker writes null where nothing is set. */
static void test_null_fields(void)
{
    g_autoptr(KilnConfig) c =
        parse("{\"config\":{\"Env\":null,\"Cmd\":null,\"Labels\":null,\"Volumes\":null}}");
    g_auto(GStrv) env = kiln_config_environ(c);
    g_assert_cmpuint(g_strv_length(env), ==, 0);
    g_assert_null(kiln_config_list(c, "Cmd"));
    g_assert_null(kiln_config_string(c, "User"));
    kiln_config_set_label(c, "k", "v");
    kiln_config_add_to_set(c, "Volumes", "/data");
    kiln_config_set_env(c, "A", "1");
    g_autofree char *text = dump(c);
    g_assert_cmpstr(text, ==,
                    "{\"config\":{\"Cmd\":null,\"Env\":[\"A=1\"],\"Labels\":{\"k\":\"v\"},"
                    "\"Volumes\":{\"/data\":{}}}}");
}

static void test_fields(void)
{
    g_autoptr(KilnConfig) c = parse("{}");
    kiln_config_set_string(c, "User", "nobody");
    kiln_config_set_list(c, "Cmd", (const char *const[]){"sh", "-c", NULL});
    kiln_config_set_top(c, "author", "me");
    kiln_config_set_healthcheck(c, json_tokener_parse("{\"Test\":[\"NONE\"]}"));
    g_autoptr(KilnConfig) copy = kiln_config_copy(c);
    kiln_config_set_string(c, "User", NULL);
    kiln_config_set_list(c, "Cmd", NULL);
    g_autofree char *text = dump(c), *other = dump(copy);
    g_assert_cmpstr(text, ==,
                    "{\"author\":\"me\",\"config\":{\"Healthcheck\":{\"Test\":[\"NONE\"]}}}");
    g_assert_cmpstr(kiln_config_string(copy, "User"), ==, "nobody");
    g_assert_cmpstr(other, !=, text);
    g_auto(GStrv) cmd = kiln_config_list(copy, "Cmd");
    g_assert_cmpuint(g_strv_length(cmd), ==, 2);
}

#define ID "sha256:aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa"

static void test_history(void)
{
    g_autoptr(GError) error = NULL;
    g_autoptr(KilnConfig) c = parse("{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[]}}");
    kiln_config_set_diff_ids(c, (const char *const[]){ID, NULL});
    g_assert_true(kiln_config_validate(c, &error)); /* history is optional */
    kiln_config_add_history(c, "2026-01-01T00:00:00Z", "ENV A=1", NULL, true);
    g_assert_false(kiln_config_validate(c, &error));
    g_assert_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT);
    g_clear_error(&error);
    kiln_config_add_history(c, "2026-01-01T00:00:00Z", "RUN x", "buildkit", false);
    g_assert_true(kiln_config_validate(c, &error));
    g_autofree char *text = dump(c);
    g_assert_nonnull(strstr(text,
                            "{\"created\":\"2026-01-01T00:00:00Z\",\"created_by\":\"ENV A=1\","
                            "\"empty_layer\":true}"));
}

static void test_bad_documents(void)
{
    g_autofree char *deep = g_strnfill(100, '['), *large = g_strnfill(9 << 20, ' ');
    const char *const bad[] = {
        "", "{", "[]", "null", "{} x", "{\"a\":1,}", "\"", "{\"a\":\"\xff\"}", deep, large};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(kiln_config_parse(bad[i], strlen(bad[i]), &error));
        g_assert_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT);
    }
    const char *const wrong[] = {"{}",
                                 "{\"rootfs\":[]}",
                                 "{\"rootfs\":{\"type\":\"btrfs\"}}",
                                 "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"sha256:1\"]}}",
                                 "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[7]}}",
                                 "{\"rootfs\":{\"type\":\"layers\",\"diff_ids\":[\"" ID
                                 "\"]},\"history\":[1]}"};
    for (gsize i = 0; i < G_N_ELEMENTS(wrong); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(KilnConfig) c = parse(wrong[i]);
        g_assert_false(kiln_config_validate(c, &error));
        g_assert_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT);
    }
}

static void test_platform(void)
{
    static const struct {
        const char *text, *normal;
    } good[] = {
        {"linux/amd64", "linux/amd64"},     {"linux/x86_64", "linux/amd64"},
        {"Linux/AMD64", "linux/amd64"},     {"arm64", "linux/arm64"},
        {"linux/aarch64", "linux/arm64"},   {"linux/arm64/v8", "linux/arm64"},
        {"linux/arm", "linux/arm/v7"},      {"linux/arm/v6", "linux/arm/v6"},
        {"linux/arm/6", "linux/arm/v6"},    {"linux/armel", "linux/arm/v6"},
        {"linux/amd64/v1", "linux/amd64"},  {"linux/amd64/v3", "linux/amd64/v3"},
        {"windows/amd64", "windows/amd64"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(good); i++) {
        g_autoptr(GError) error = NULL;
        g_autoptr(KilnPlatform) p = kiln_platform_parse(good[i].text, &error);
        g_assert_no_error(error);
        g_autofree char *text = kiln_platform_text(p);
        g_assert_cmpstr(text, ==, good[i].normal);
    }
    static const char *const bad[] = {
        "", "/", "linux/", "linux//v7", "a/b/c/d", "linux/am d64", "linux/amd64;x"};
    for (gsize i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(kiln_platform_parse(bad[i], &error));
        g_assert_error(error, KILN_IMAGE_ERROR, KILN_IMAGE_ERROR_FORMAT);
    }
    g_autoptr(KilnPlatform) a = kiln_platform_parse("linux/arm64", NULL),
                            b = kiln_platform_parse("linux/aarch64/v8", NULL),
                            c = kiln_platform_parse("linux/arm", NULL), host = kiln_platform_host();
    g_assert_true(kiln_platform_equal(a, b));
    g_assert_false(kiln_platform_equal(a, c));
    g_assert_cmpstr(host->os, ==, "linux");
}

static void test_time(void)
{
    g_autofree char *epoch = kiln_time_format(0, 0), *now = kiln_time_format(1795313287, 120000000),
                    *before = kiln_time_format(-1, 0);
    g_assert_cmpstr(epoch, ==, "1970-01-01T00:00:00Z");
    g_assert_cmpstr(now, ==, "2026-11-22T02:08:07.12Z");
    g_assert_cmpstr(before, ==, "1969-12-31T23:59:59Z");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/image/config/round-trip", test_round_trip);
    g_test_add_func("/image/config/new", test_new);
    g_test_add_func("/image/config/env", test_env);
    g_test_add_func("/image/config/other-bytes", test_other_bytes);
    g_test_add_func("/image/config/null-fields", test_null_fields);
    g_test_add_func("/image/config/fields", test_fields);
    g_test_add_func("/image/config/history", test_history);
    g_test_add_func("/image/config/bad-documents", test_bad_documents);
    g_test_add_func("/image/platform", test_platform);
    g_test_add_func("/image/time", test_time);
    return g_test_run();
}
