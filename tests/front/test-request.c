#include "front/request.h"
#include "front/root.h"

#include <glib/gstdio.h>
#include <string.h>
#include <unistd.h>

static void test_json(void)
{
    g_autoptr(KilnRequest) r = kiln_request_new("build");
    kiln_request_set(r, "context", "/x");
    kiln_request_set(r, "target", "a");
    kiln_request_set(r, "target", NULL);
    kiln_request_set(r, "no_cache", "true");
    kiln_request_set(r, "root", "/store");
    kiln_request_set(r, "libexec", "/not/for/the/builder");
    kiln_request_add(r, "tags", "a");
    kiln_request_add(r, "tags", "b:1");
    g_unsetenv("TMPDIR");
    g_unsetenv("KILN_DEBUG");
    g_unsetenv("KILN_SNAPSHOTTER");
    json_object *json = kiln_request_to_json(r);
    g_assert_cmpstr(
        json_object_to_json_string_ext(json,
                                       JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE),
        ==,
        "{\"op\":\"build\",\"context\":\"/x\",\"no_cache\":\"true\",\"root\":\"/store\","
        "\"tags\":[\"a\",\"b:1\"],\"env\":{}}");
    json_object_put(json);
    g_assert_cmpstr(kiln_request_get(r, "context"), ==, "/x");
    g_assert_null(kiln_request_get(r, "target"));
    g_assert_null(kiln_request_get(r, "tags")); /* a list has no single value */
}

/* --build-arg NAME: the value of the environment; nothing if it has none. */
static void test_build_args(void)
{
    g_autoptr(KilnRequest) r = kiln_request_new("build");
    json_object *json, *args;
    g_setenv("KILN_TEST_SET", "from env", TRUE);
    g_unsetenv("KILN_TEST_UNSET");
    kiln_request_add(r, "build_args", "A=b=c");
    kiln_request_add(r, "build_args", "KILN_TEST_SET");
    kiln_request_add(r, "build_args", "KILN_TEST_UNSET");
    kiln_request_add(r, "build_args", "EMPTY=");
    json = kiln_request_to_json(r);
    g_assert_true(json_object_object_get_ex(json, "build_args", &args));
    g_assert_cmpstr(json_object_to_json_string_ext(args, JSON_C_TO_STRING_PLAIN), ==,
                    "[\"A=b=c\",\"KILN_TEST_SET=from env\",\"EMPTY=\"]");
    json_object_put(json);
    g_unsetenv("KILN_TEST_SET");
}

static void assert_root(const char *expected)
{
    g_autofree char *root = kiln_default_root();
    g_assert_cmpstr(root, ==, expected);
}

static void test_root(void)
{
    g_setenv("KILN_ROOT", "/some/store", TRUE);
    assert_root("/some/store");
    g_autofree char *directory = g_get_current_dir();
    g_autofree char *relative = g_build_filename(directory, "store", NULL);
    g_setenv("KILN_ROOT", "store", TRUE);
    assert_root(relative);
    g_unsetenv("KILN_ROOT");
    if (geteuid() == 0 && access("/var/lib", W_OK) == 0) {
        g_setenv("XDG_DATA_HOME", "/home/me/data", TRUE); /* kept by sudo -E: not root's */
        assert_root("/var/lib/kiln");
        return;
    }
    g_setenv("XDG_DATA_HOME", "/home/me/data", TRUE);
    assert_root("/home/me/data/kiln");
    g_unsetenv("XDG_DATA_HOME");
    g_autofree char *home = g_dir_make_tmp("kiln-home-XXXXXX", NULL);
    g_autofree char *below = g_build_filename(home, ".local/share/kiln", NULL);
    g_setenv("HOME", home, TRUE);
    assert_root(below);
    g_rmdir(home);
}

static void test_home(void)
{
    g_setenv("HOME", "/home/me", TRUE);
    g_autofree char *home = kiln_home_directory();
    g_assert_cmpstr(home, ==, "/home/me");
    /* OpenShift gives "/": never that. */
    g_setenv("HOME", "/", TRUE);
    g_autofree char *other = kiln_home_directory();
    g_assert_cmpstr(other, !=, "/");
}

static void test_programs(void)
{
    g_autofree char *directory = g_dir_make_tmp("kiln-libexec-XXXXXX", NULL);
    g_autofree char *program = g_build_filename(directory, "kiln-builder", NULL);
    g_assert_true(g_file_set_contents(program, "#!/bin/sh\n", -1, NULL));
    g_autofree char *not_executable = kiln_program_find(directory, "kiln-builder");
    g_assert_null(not_executable);
    g_assert_cmpint(g_chmod(program, 0755), ==, 0);
    g_autofree char *by_argument = kiln_program_find(directory, "kiln-builder");
    g_assert_cmpstr(by_argument, ==, program);
    g_setenv("KILN_LIBEXEC", directory, TRUE);
    g_autofree char *by_variable = kiln_program_find(NULL, "kiln-builder");
    g_assert_cmpstr(by_variable, ==, program);
    /* A directory that is named is the only one. */
    g_autofree char *elsewhere = kiln_program_find("/nonexistent", "kiln-builder");
    g_assert_null(elsewhere);
    g_unsetenv("KILN_LIBEXEC");
    g_remove(program);
    g_rmdir(directory);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/front/request/json", test_json);
    g_test_add_func("/front/request/build-args", test_build_args);
    g_test_add_func("/front/root/default", test_root);
    g_test_add_func("/front/root/home", test_home);
    g_test_add_func("/front/root/programs", test_programs);
    return g_test_run();
}
