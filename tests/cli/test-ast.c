/* kiln ast: what is printed of a file. tests/dockerfile says what is read. */
#include "cli/ast.h"

#include <json-c/json.h>
#include <string.h>

/* What is printed to standard output and error. */
static char *print(const char *text, gsize size, bool json, bool good, char **errors)
{
    char *out = NULL, *err = NULL;
    size_t out_size, err_size;
    FILE *out_file = open_memstream(&out, &out_size), *err_file = open_memstream(&err, &err_size);
    g_assert_cmpint(kiln_ast_print(text, size, "Dockerfile", json, out_file, err_file), ==, good);
    fclose(out_file);
    fclose(err_file);
    if (errors)
        *errors = err;
    else
        free(err);
    return out;
}

static json_object *document(const char *text, bool good)
{
    char *out = print(text, strlen(text), true, good, NULL);
    json_object *o = json_tokener_parse(out);
    g_assert_nonnull(o);
    free(out);
    return o;
}

static json_object *at(json_object *o, const char *key, guint index)
{
    json_object *list;
    g_assert_true(json_object_object_get_ex(o, key, &list));
    g_assert_cmpuint(index, <, json_object_array_length(list));
    return json_object_array_get_idx(list, index);
}

static const char *text_of(json_object *o, const char *key)
{
    json_object *value;
    g_assert_true(json_object_object_get_ex(o, key, &value));
    return json_object_get_string(value);
}

/* Every byte that JSON must not have as it is. */
static void test_strings(void)
{
    json_object *d = document("FROM a\nRUN \" \\\\ \x01\x1f\x7f\xc3\xa9 \xff/\t.\n", true);
    json_object *argument = at(at(d, "instructions", 1), "arguments", 0);
    g_assert_cmpstr(text_of(argument, "value"), ==,
                    "\" \\\\ \x01\x1f\x7f\xc3\xa9 \xef\xbf\xbd/\t.");
    json_object_put(d);
}

/* Longer than the writer's buffer, and the parts around it at every offset near its end. */
static void test_sizes(void)
{
    for (gsize size = 65400; size < 65600; size += 7) {
        g_autofree char *word = g_strnfill(size, 'x');
        /* In two lines each, as one must not have so many bytes. */
        int half = (int)size / 2;
        const char *rest = word + half;
        g_autofree char *text = g_strdup_printf("FROM a\nRUN %.*s\\\n%s\nUSER %.*s\\\n%s\n", half,
                                                word, rest, half, word, rest);
        json_object *d = document(text, true);
        g_assert_cmpstr(text_of(at(at(d, "instructions", 2), "arguments", 0), "value"), ==, word);
        json_object_put(d);
    }
}

static void test_errors(void)
{
    json_object *d = document("RUM x\nFROM a\nCOPY a\nUSER b\n", false);
    g_assert_cmpstr(text_of(at(d, "errors", 0), "line"), ==, "1");
    g_assert_cmpstr(text_of(at(d, "errors", 1), "line"), ==, "3");
    g_assert_cmpstr(text_of(at(d, "instructions", 1), "name"), ==, "USER");
    json_object_put(d);

    static const struct {
        const char *text;
        gsize size;
        const char *line, *column;
    } cases[] = {{"FROM a\nab\0c", 11, "2", "3"}, {"\xff\xfe..", 4, "1", "1"}, {"", 0, "1", "1"},
                 {"ARG a\n", 6, "1", "1"}, {"# escape=x\nFROM a", 17, "1", "10"}};
    for (guint i = 0; i < G_N_ELEMENTS(cases); i++) {
        char *out = print(cases[i].text, cases[i].size, true, false, NULL);
        d = json_tokener_parse(out);
        g_assert_cmpstr(text_of(at(d, "errors", 0), "line"), ==, cases[i].line);
        g_assert_cmpstr(text_of(at(d, "errors", 0), "column"), ==, cases[i].column);
        json_object_put(d);
        free(out);
    }
}

static void test_text(void)
{
    char *errors = NULL;
    const char *text = "FROM a\nONBUILD RUN [\"x\"]\nHEALTHCHECK CMD [\"y\"]\nRUM\n";
    char *out = print(text, strlen(text), false, false, &errors);
    g_assert_nonnull(strstr(out, "2      ONBUILD       -      -       "));
    g_assert_nonnull(strstr(out, "2        RUN         json   -       \"x\"\n"));
    g_assert_nonnull(strstr(out, "3      HEALTHCHECK   json   -       CMD \"y\"\n"));
    g_assert_true(g_str_has_prefix(errors, "ERROR: Dockerfile:4:1: unknown instruction: RUM"));
    free(out);
    free(errors);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    g_test_add_func("/ast/strings", test_strings);
    g_test_add_func("/ast/sizes", test_sizes);
    g_test_add_func("/ast/errors", test_errors);
    g_test_add_func("/ast/text", test_text);
    return g_test_run();
}
