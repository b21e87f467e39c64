/* The commands of a RUN: words of each divided by "|", commands by lines. */
#include "check/shell.h"

#include <string.h>

static const char *const cases[][2] = {
    {"apt-get update && apt-get install -y gcc", "apt-get|update\napt-get|install|-y|gcc\n"},
    {"a;b || c | d & e", "a\nb\nc\nd\ne\n"},
    {"FOO=bar X= sudo -E /usr/bin/apt-get -qq install 'a b' \"c\"d",
     "apt-get|-qq|install|a b|cd\n"},
    {"sh -c 'npm ci && npm run build'", "npm|ci\nnpm|run|build\n"},
    {"/bin/bash -exc \"pip install .\"", "pip|install|.\n"},
    {"if [ -f x ]; then yarn install; else npm i; fi", "[|-f|x|]\nyarn|install\nnpm|i\nfi\n"},
    {"(cd a && make) > out 2>&1", "cd|a\nmake\n"},
    {"echo a#b # npm ci\nnpm i", "echo|a#b\nnpm|i\n"},
    {"pip install $(cat list | tr x y) `date`", "pip|install|$(cat list | tr x y)|`date`\n"},
    {"set -e\n\tcargo build \\\n  --release\n", "set|-e\ncargo|build|--release\n"},
    {"cat <<EOF >x", "cat\n"},
    {"", ""},
    {"''", "\n"},
    {"a 'open", "a|open\n"},
    {"$(", "$(\n"},
    {"a \\", "a|\\\n"},
    {"sh -c", "sh|-c\n"},
    {"sh -c \"sh -c 'sh -c \\\"sh -c \\\\\\\"a\\\\\\\"\\\"'\"", "a\n"},
};

static void test_case(gconstpointer data)
{
    const char *const *c = data;
    g_autoptr(GPtrArray) commands = kiln_commands_parse(c[0]);
    g_autoptr(GString) got = g_string_new(NULL);
    for (guint n = 0; n < commands->len; n++) {
        const KilnCommand *command = commands->pdata[n];
        g_autofree char *words = g_strjoinv("|", command->words);
        g_string_append_printf(got, "%s\n", words);
        g_assert_true(strlen(command->text) <= strlen(c[0]));
    }
    g_assert_cmpstr(got->str, ==, c[1]);
}

static void test_form(void)
{
    static const char text[] =
        "FROM a\nRUN [\"npm\", \"ci\", \"a b\"]\nRUN <<EOF\nA=1 go build\ngo test\nEOF\n";
    g_autoptr(KilnDockerfile) d = kiln_dockerfile_parse(text, strlen(text), "Dockerfile", NULL);
    g_autoptr(GPtrArray) json = kiln_commands_of(d->instructions->pdata[1]);
    g_autoptr(GPtrArray) heredoc = kiln_commands_of(d->instructions->pdata[2]);
    g_assert_cmpuint(json->len, ==, 1);
    g_assert_cmpstr(((KilnCommand *)json->pdata[0])->words[2], ==, "a b");
    g_assert_cmpuint(heredoc->len, ==, 2);
    g_assert_cmpstr(((KilnCommand *)heredoc->pdata[0])->text, ==, "A=1 go build");
    g_assert_cmpstr(((KilnCommand *)heredoc->pdata[0])->words[0], ==, "go");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize n = 0; n < G_N_ELEMENTS(cases); n++) {
        g_autofree char *path = g_strdup_printf("/shell/%02" G_GSIZE_FORMAT, n);
        g_test_add_data_func(path, cases[n], test_case);
    }
    g_test_add_func("/shell/form", test_form);
    return g_test_run();
}
