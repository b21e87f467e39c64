/* Names of downloaded files. */
#include <curl/curl.h>
#include <glib.h>

#include "remote/file-name.h"

static void test_names(void)
{
    static const struct {
        const char *url, *disposition, *name;
    } cases[] = {
        {"http://h/a/b.txt", NULL, "b.txt"},
        {"http://h/a/b.txt?x=/y#/z", NULL, "b.txt"},
        {"http://h/a%20b%2Fc", NULL, "c"},
        {"http://h/dir/", NULL, "dir"},
        {"http://h/", NULL, NULL},
        {"http://h", NULL, NULL},
        {"http://h/%2e%2e", NULL, NULL},
        {"http://h/a%0ab", NULL, NULL},
        {"http://h/%ff", NULL, NULL},
        {"http://h/x", "attachment; filename=\"y.tar\"", "y.tar"},
        {"http://h/x", "attachment; filename=y.tar; size=1", "y.tar"},
        {"http://h/x", "attachment;size=1;filename=\"a\\\"b\"", "a\"b"},
        {"http://h/x", "attachment; filename=old; filename*=UTF-8''n%c3%a9", "n\303\251"},
        {"http://h/x", "attachment; filename*=utf-16''n", "x"},
        {"http://h/x", "attachment; filename=\"../../etc/passwd\"", "passwd"},
        {"http://h/x", "attachment; filename=\"..\"", "x"},
        {"http://h/x", "attachment; filename=\"/\"", "x"},
        {"http://h/x", "attachment; filename=\"a/\"", "x"},
        {"http://h/x", "attachment; filename=\"\"", "x"},
        {"http://h/x", "attachment; filename=\"a\tb\"", "x"},
        {"http://h/x", "attachment; filename", "x"},
        {"http://h/x", "attachment; filename=\"unclosed", "unclosed"},
        {"http://h/x", ";;;=;", "x"},
        {"http://h/x", "", "x"},
    };
    for (gsize i = 0; i < G_N_ELEMENTS(cases); i++) {
        g_autofree char *name = remote_file_name(cases[i].url, cases[i].disposition);
        g_assert_cmpstr(name, ==, cases[i].name);
    }
    g_autofree char *long_name = g_strnfill(300, 'a');
    g_autofree char *url = g_strconcat("http://h/", long_name, NULL);
    g_assert_null(remote_file_name(url, NULL));
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    curl_global_init(CURL_GLOBAL_DEFAULT);
    g_test_add_func("/file-name/names", test_names);
    return g_test_run();
}
