#include "cli/settings.h"

#include <kiln/kiln.h>

#include <string.h>

static void test_keys(void)
{
    KilnSettings s;
    g_assert_true(
        kiln_settings_parse("c.json",
                            "{\"root\":\"/store\",\"libexec\":\"/l\",\"progress\":\"plain\","
                            "\"jobs\":4,\"platform\":\"linux/arm64\",\"pull\":\"never\","
                            "\"max-layer-size\":\"1.5G\",\"max-layer-entries\":7}",
                            &s, NULL));
    g_assert_cmpstr(s.root, ==, "/store");
    g_assert_cmpstr(s.libexec, ==, "/l");
    g_assert_cmpstr(s.progress, ==, "plain");
    g_assert_cmpstr(s.jobs, ==, "4");
    g_assert_cmpstr(s.platform, ==, "linux/arm64");
    g_assert_cmpstr(s.pull, ==, "never");
    g_assert_cmpstr(s.max_layer_size, ==, "1.5G");
    g_assert_cmpstr(s.max_layer_entries, ==, "7");
    kiln_settings_clear(&s);
}

static void test_wrong(void)
{
    static const struct {
        const char *json, *says;
    } cases[] = {
        {"{\"rooot\":\"/x\"}", "c.json: unknown key \"rooot\"; there are root, libexec, progress, "
                               "jobs, platform, pull, keep-builds, keep-storage, max-layer-size, max-layer-entries"},
        {"{\"root\":\"store\"}", "c.json: key \"root\": \"store\" is not an absolute path"},
        {"{\"root\":7}", "c.json: key \"root\": \"7\" is not a string"},
        {"{\"jobs\":0}", "c.json: key \"jobs\": \"0\" is not a number from 1 to 1024"},
        {"{\"jobs\":\"many\"}", "c.json: key \"jobs\": \"many\" is not a number from 1 to 1024"},
        {"{\"progress\":\"loud\"}", "c.json: key \"progress\": \"loud\" is not one of auto, tty, "
                                    "plain, quiet, rawjson"},
        {"{\"pull\":\"often\"}",
         "c.json: key \"pull\": \"often\" is not one of always, missing, never"},
        {"{\"max-layer-size\":\"much\"}", "c.json: key \"max-layer-size\": \"much\" is not a "
                                          "size, such as 500m or 64g"},
        {"{\"keep-builds\":\"all\"}", "c.json: key \"keep-builds\": \"all\" is not a number"},
        {"{\"max-layer-entries\":-1}", "c.json: key \"max-layer-entries\": \"-1\" is not a number"},
        {"[]", "c.json: not a JSON object"},
        {"{\"root\":", NULL},
        {"", NULL},
    };
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        KilnSettings s;
        g_autoptr(GError) error = NULL;
        g_assert_false(kiln_settings_parse("c.json", cases[i].json, &s, &error));
        g_assert_error(error, KILN_ERROR, KILN_ERROR_USAGE);
        g_assert_true(g_str_has_prefix(error->message, "c.json: "));
        if (cases[i].says) {
            g_assert_cmpstr(error->message, ==, cases[i].says);
        }
        g_assert_null(s.root);
    }
}

static void test_sizes(void)
{
    static const struct {
        const char *text;
        guint64 bytes;
    } good[] = {{"0", 0},          {"7", 7},          {"1k", 1024},           {"1KB", 1024},
                {"1kib", 1024},    {"1.5m", 1572864}, {"256g", 256ull << 30}, {"1T", 1ull << 40},
                {"4p", 4ull << 50}, {"10b", 10}};
    static const char *const bad[] = {"", "-1", "g", "1x", "1gg", "1e", "9999999p", "inf", "nan",
                                      " 1", "1ib", "0x"};
    guint64 bytes;
    for (guint i = 0; i < G_N_ELEMENTS(good); i++) {
        g_assert_true(kiln_setting_size(good[i].text, "--x", &bytes, NULL));
        g_assert_cmpuint(bytes, ==, good[i].bytes);
    }
    for (guint i = 0; i < G_N_ELEMENTS(bad); i++) {
        g_autoptr(GError) error = NULL;
        g_assert_false(kiln_setting_size(bad[i], "--x", &bytes, &error));
        g_assert_error(error, KILN_ERROR, KILN_ERROR_USAGE);
    }
}

static void test_no_file(void)
{
    KilnSettings s;
    g_assert_true(kiln_settings_load("/nonexistent/config.json", &s, NULL));
    g_assert_null(s.root);
    g_assert_true(kiln_settings_load(NULL, &s, NULL));
}

/* flag, then environment, then settings; what is empty does not count. */
static void test_precedence(void)
{
    g_setenv("KILN_TEST_CHOICE", "env", TRUE);
    g_assert_cmpstr(kiln_setting_choose("flag", "KILN_TEST_CHOICE", "set"), ==, "flag");
    g_assert_cmpstr(kiln_setting_choose(NULL, "KILN_TEST_CHOICE", "set"), ==, "env");
    g_assert_cmpstr(kiln_setting_choose(NULL, NULL, "set"), ==, "set");
    g_setenv("KILN_TEST_CHOICE", "", TRUE);
    g_assert_cmpstr(kiln_setting_choose("", "KILN_TEST_CHOICE", "set"), ==, "set");
    g_unsetenv("KILN_TEST_CHOICE");
    g_assert_null(kiln_setting_choose(NULL, "KILN_TEST_CHOICE", NULL));
}

static void test_paths(void)
{
    g_setenv("HOME", "/home/me", TRUE);
    g_unsetenv("XDG_CONFIG_HOME");
    g_unsetenv("DOCKER_CONFIG");
    g_autofree char *settings = kiln_settings_path();
    g_assert_cmpstr(settings, ==, "/home/me/.config/kiln/config.json");
    g_autofree char *docker = kiln_docker_config_path();
    g_assert_cmpstr(docker, ==, "/home/me/.docker/config.json");
    g_setenv("XDG_CONFIG_HOME", "/xdg", TRUE);
    g_setenv("DOCKER_CONFIG", "/docker", TRUE);
    g_autofree char *settings_xdg = kiln_settings_path();
    g_assert_cmpstr(settings_xdg, ==, "/xdg/kiln/config.json");
    g_autofree char *docker_set = kiln_docker_config_path();
    g_assert_cmpstr(docker_set, ==, "/docker/config.json");
}

static void test_pull(void)
{
    g_assert_cmpstr(kiln_setting_pull("true", "--pull", NULL), ==, "always");
    g_assert_cmpstr(kiln_setting_pull("false", "--pull", NULL), ==, "missing");
    g_assert_cmpstr(kiln_setting_pull("never", "--pull", NULL), ==, "never");
    g_autoptr(GError) error = NULL;
    g_assert_null(kiln_setting_pull("maybe", "--pull", &error));
    g_assert_cmpstr(error->message, ==, "--pull: \"maybe\" is not one of always, missing, never");
}

static char *proxies(const char *json)
{
    g_auto(GStrv) list = kiln_docker_proxies(json);
    return g_strjoinv(" ", list);
}

static void test_proxies(void)
{
    g_unsetenv("DOCKER_HOST");
    g_autofree char *by_default =
        proxies("{\"auths\":{},\"proxies\":{\"default\":{\"httpProxy\":\"http://p:1\","
                "\"noProxy\":\"localhost\",\"ftpProxy\":\"\",\"odd\":\"x\"}}}");
    g_assert_cmpstr(by_default, ==,
                    "HTTP_PROXY=http://p:1 http_proxy=http://p:1 "
                    "NO_PROXY=localhost no_proxy=localhost");
    static const char hosts[] = "{\"proxies\":{\"default\":{\"httpProxy\":\"d\"},"
                                "\"tcp://build:2376\":{\"allProxy\":\"b\"}}}";
    g_setenv("DOCKER_HOST", "tcp://build:2376", TRUE);
    g_autofree char *by_host = proxies(hosts);
    g_assert_cmpstr(by_host, ==, "ALL_PROXY=b all_proxy=b");
    g_setenv("DOCKER_HOST", "tcp://another:2376", TRUE);
    g_autofree char *other_host = proxies(hosts);
    g_assert_cmpstr(other_host, ==, "HTTP_PROXY=d http_proxy=d");
    g_unsetenv("DOCKER_HOST");
}

/* Docker's file is Docker's: what is odd in it is no error of a build. */
static void test_proxies_malformed(void)
{
    static const char *const texts[] = {
        "{",
        "[]",
        "{}",
        "{\"proxies\":[]}",
        "{\"proxies\":{\"default\":\"x\"}}",
        "{\"proxies\":{\"default\":{\"httpProxy\":7}}}",
    };
    for (guint i = 0; i < G_N_ELEMENTS(texts); i++) {
        g_autofree char *list = proxies(texts[i]);
        g_assert_cmpstr(list, ==, "");
    }
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/cli/settings/sizes", test_sizes);
    g_test_add_func("/cli/settings/keys", test_keys);
    g_test_add_func("/cli/settings/wrong", test_wrong);
    g_test_add_func("/cli/settings/no-file", test_no_file);
    g_test_add_func("/cli/settings/precedence", test_precedence);
    g_test_add_func("/cli/settings/paths", test_paths);
    g_test_add_func("/cli/settings/pull", test_pull);
    g_test_add_func("/cli/settings/proxies", test_proxies);
    g_test_add_func("/cli/settings/proxies-malformed", test_proxies_malformed);
    return g_test_run();
}
