/* Credentials out of a config.json, and out of helper programs. */
#include <glib.h>
#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

#include "remote/auth.h"
#include "remote/error.h"
#include "remote/token.h"

typedef struct {
    char *folder, *config, *helper;
} Home;

static void home_set_up(Home *home, gconstpointer config)
{
    home->folder = g_dir_make_tmp("kiln-auth-XXXXXX", NULL);
    home->config = g_build_filename(home->folder, "config.json", NULL);
    home->helper = g_build_filename(home->folder, "docker-credential-trial", NULL);
    if (config) {
        g_assert_true(g_file_set_contents(home->config, config, -1, NULL));
    }
}

static void home_tear_down(Home *home, gconstpointer config)
{
    (void)config;
    g_unlink(home->config);
    g_unlink(home->helper);
    g_rmdir(home->folder);
    g_free(home->folder);
    g_free(home->config);
    g_free(home->helper);
}

/* Puts a helper in PATH that answers with what a shell script prints. */
static void install_helper(Home *home, const char *script)
{
    g_autofree char *text = g_strconcat("#!/bin/sh\n", script, "\n", NULL);
    g_assert_true(g_file_set_contents_full(home->helper, text, -1, G_FILE_SET_CONTENTS_CONSISTENT,
                                           0755, NULL));
    g_autofree char *path = g_strconcat(home->folder, ":/usr/bin:/bin", NULL);
    g_setenv("PATH", path, TRUE);
}

static void assert_pair(const char *config, const char *domain, const char *user,
                        const char *password)
{
    g_autoptr(RemoteCredentials) c = remote_credentials_find(config, domain);
    g_assert_cmpstr(c->username, ==, user);
    g_assert_cmpstr(c->password, ==, password);
    g_assert_cmpint(remote_credentials_exist(c), ==, password != NULL);
}

/* "me:pa:ss" is bWU6cGE6c3M=, "hub:secret" is aHViOnNlY3JldA== */
#define AUTHS                                                                                      \
    "{\"auths\":{"                                                                                 \
    "\"https://index.docker.io/v1/\":{\"auth\":\"aHViOnNlY3JldA==\"},"                             \
    "\"localhost:5000\":{\"auth\":\"bWU6cGE6c3M=\"},"                                              \
    "\"https://quay.io/v2/\":{\"auth\":\"bWU6cGE6c3M=\"},"                                         \
    "\"plain.example\":{\"username\":\"u\",\"password\":\"p\"},"                                   \
    "\"half.example\":{\"username\":\"u\"},"                                                       \
    "\"broken.example\":{\"auth\":\"%%%\"},"                                                       \
    "\"azure.example\":{\"auth\":\"MDAwOg==\",\"identitytoken\":\"refresh\"},"                     \
    "\"bearer.example\":{\"registrytoken\":\"tok\"},"                                              \
    "\"empty.example\":{},\"odd.example\":7}}"

static void test_auths(Home *home, gconstpointer data)
{
    (void)data;
    assert_pair(home->config, "docker.io", "hub", "secret");
    assert_pair(home->config, "localhost:5000", "me", "pa:ss");
    assert_pair(home->config, "quay.io", "me", "pa:ss"); /* old keys are URLs */
    assert_pair(home->config, "plain.example", "u", "p");
    assert_pair(home->config, "half.example", NULL, NULL);
    assert_pair(home->config, "broken.example", NULL, NULL);
    assert_pair(home->config, "empty.example", NULL, NULL);
    assert_pair(home->config, "odd.example", NULL, NULL);
    assert_pair(home->config, "localhost:5001", NULL, NULL); /* another port, another registry */
    assert_pair(home->config, "localhost", NULL, NULL);

    g_autoptr(RemoteCredentials) azure = remote_credentials_find(home->config, "azure.example");
    g_assert_cmpstr(azure->identity_token, ==, "refresh");
    g_assert_null(azure->password);
    g_assert_true(remote_credentials_exist(azure));
    g_autoptr(RemoteCredentials) bearer = remote_credentials_find(home->config, "bearer.example");
    g_assert_cmpstr(bearer->registry_token, ==, "tok");
    g_autoptr(RemoteCredentials) broken = remote_credentials_find(home->config, "broken.example");
    g_assert_nonnull(strstr(broken->problem, "broken.example"));
}

static void test_basic_header(Home *home, gconstpointer data)
{
    (void)data;
    g_autoptr(RemoteCredentials) c = remote_credentials_find(home->config, "localhost:5000");
    g_autofree char *header = remote_credentials_basic(c);
    g_assert_cmpstr(header, ==, "Basic bWU6cGE6c3M=");
}

static void test_missing_file(Home *home, gconstpointer data)
{
    (void)data;
    g_autoptr(RemoteCredentials) c = remote_credentials_find(home->config, "docker.io");
    g_assert_false(remote_credentials_exist(c));
    g_assert_null(c->problem); /* most people have none */
}

static void test_malformed_file(Home *home, gconstpointer data)
{
    (void)data;
    g_autoptr(RemoteCredentials) c = remote_credentials_find(home->config, "docker.io");
    g_assert_false(remote_credentials_exist(c));
    g_assert_nonnull(strstr(c->problem, home->config));
    g_assert_null(strstr(c->problem, "hunter2"));
}

static void test_helper(Home *home, gconstpointer data)
{
    (void)data;
    install_helper(home, "read -r server; [ \"$1\" = get ] || exit 9\n"
                         "printf '{\"ServerURL\":\"x\",\"Username\":\"%s\",\"Secret\":\"s3\"}' "
                         "\"$server\"");
    assert_pair(home->config, "reg.example:5000", "reg.example:5000", "s3");
    assert_pair(home->config, "docker.io", "https://index.docker.io/v1/", "s3");
}

static void test_helper_identity_token(Home *home, gconstpointer data)
{
    (void)data;
    install_helper(home, "echo '{\"Username\":\"<token>\",\"Secret\":\"refresh\"}'");
    g_autoptr(RemoteCredentials) c = remote_credentials_find(home->config, "reg.example");
    g_assert_cmpstr(c->identity_token, ==, "refresh");
    g_assert_null(c->password);
    g_assert_cmpstr(c->source, ==, "docker-credential-trial");
}

static void test_helper_knows_nothing(Home *home, gconstpointer data)
{
    (void)data;
    install_helper(home, "echo 'credentials not found in native keychain'; exit 1");
    g_autoptr(RemoteCredentials) c = remote_credentials_find(home->config, "reg.example");
    g_assert_false(remote_credentials_exist(c));
    g_assert_null(c->problem);
}

static void test_helper_fails(Home *home, gconstpointer data)
{
    (void)data;
    static const char *const scripts[] = {"echo 'key ring locked'; exit 1", "echo nonsense",
                                          "kill -9 $$", "exit 0", "yes '{'"};
    for (gsize i = 0; i < G_N_ELEMENTS(scripts); i++) {
        install_helper(home, scripts[i]);
        g_autoptr(RemoteCredentials) c = remote_credentials_find(home->config, "reg.example");
        g_assert_false(remote_credentials_exist(c));
        g_assert_nonnull(strstr(c->problem, "docker-credential-trial"));
        if (i == 0) {
            g_assert_nonnull(strstr(c->problem, "key ring locked"));
        }
    }
}

static void test_helper_for_one_registry(Home *home, gconstpointer data)
{
    (void)data;
    install_helper(home, "echo '{\"Username\":\"h\",\"Secret\":\"s\"}'");
    assert_pair(home->config, "helped.example", "h", "s");
    assert_pair(home->config, "other.example", "me", "pa:ss");
}

static void test_helper_name_is_no_path(Home *home, gconstpointer data)
{
    (void)data;
    install_helper(home, "echo '{\"Username\":\"h\",\"Secret\":\"s\"}'");
    g_autoptr(RemoteCredentials) c = remote_credentials_find(home->config, "reg.example");
    g_assert_false(remote_credentials_exist(c));
    g_assert_nonnull(strstr(c->problem, "name"));
}

static void assert_token(const char *answer, const char *expected)
{
    g_autoptr(GError) error = NULL;
    g_autofree char *header =
        remote_token_parse(answer, strlen(answer), "https://auth.example/token", &error);
    g_assert_cmpstr(header, ==, expected);
    if (!expected) {
        g_assert_error(error, REMOTE_ERROR, REMOTE_ERROR_FORMAT);
        g_assert_nonnull(strstr(error->message, "auth.example"));
    }
}

static void test_token_answers(void)
{
    assert_token("{\"token\":\"abc\",\"expires_in\":300}", "Bearer abc");
    assert_token("{\"access_token\":\"abc\"}", "Bearer abc");
    assert_token("{\"token\":\"\",\"access_token\":\"abc\"}\n", "Bearer abc");
    assert_token("{}", NULL);
    assert_token("{\"token\":7}", NULL);
    assert_token("[\"token\"]", NULL);
    assert_token("<html>", NULL);
    assert_token("", NULL);
    assert_token("{\"token\":\"a\\r\\nX-Evil: 1\"}", NULL); /* would add a header */
    assert_token("{\"token\":\"a\\u0000b\"}", NULL);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, config, test) g_test_add(name, Home, config, home_set_up, test, home_tear_down)
#define STORE "{\"credsStore\":\"trial\"}"
    ADD("/auth/auths", AUTHS, test_auths);
    ADD("/auth/basic-header", AUTHS, test_basic_header);
    ADD("/auth/missing-file", NULL, test_missing_file);
    ADD("/auth/malformed-file", "{\"auths\":{\"docker.io\":\"hunter2\"", test_malformed_file);
    ADD("/auth/helper", STORE, test_helper);
    ADD("/auth/helper/identity-token", STORE, test_helper_identity_token);
    ADD("/auth/helper/knows-nothing", STORE, test_helper_knows_nothing);
    ADD("/auth/helper/fails", STORE, test_helper_fails);
    ADD("/auth/helper/for-one-registry",
        "{\"credHelpers\":{\"helped.example\":\"trial\"},"
        "\"auths\":{\"other.example\":{\"auth\":\"bWU6cGE6c3M=\"}}}",
        test_helper_for_one_registry);
    ADD("/auth/helper/name-is-no-path", "{\"credsStore\":\"../../tmp/x\"}",
        test_helper_name_is_no_path);
    g_test_add_func("/auth/token-answers", test_token_answers);
    return g_test_run();
}
