#include "cli/flags.h"

#include <kiln/kiln.h>

#include <string.h>

typedef struct {
    char *name, *pull;
    GPtrArray *tags, *arguments;
    bool quiet, all, leading;
} Values;

static void set_up(Values *v, gconstpointer data)
{
    (void)data;
    v->tags = g_ptr_array_new_with_free_func(g_free);
    v->arguments = g_ptr_array_new();
}

static void tear_down(Values *v, gconstpointer data)
{
    (void)data;
    g_free(v->name);
    g_free(v->pull);
    g_ptr_array_unref(v->tags);
    g_ptr_array_unref(v->arguments);
}

/* Parses words separated by spaces. */
static bool parse(Values *v, const char *line, GError **error)
{
    const KilnFlag flags[] = {
        {'n', "name", KILN_FLAG_STRING, &v->name, "NAME", "A name"},
        {0, "pull", KILN_FLAG_OPTIONAL, &v->pull},
        {'t', "tag", KILN_FLAG_LIST, &v->tags},
        {'q', "quiet", KILN_FLAG_SWITCH, &v->quiet},
        {'a', "all", KILN_FLAG_SWITCH, &v->all},
        {0, "rm", KILN_FLAG_IGNORED_SWITCH},
        {0, "builder", KILN_FLAG_IGNORED},
        {0, "network", KILN_FLAG_ONLY, NULL, "default|host"},
        {'m', "memory", KILN_FLAG_UNSUPPORTED},
    };
    static char *words[32]; /* the arguments point into it */
    g_auto(GStrv) split = g_strsplit(line, " ", -1);
    guint n = g_strv_length(split);
    for (guint i = 0; i < n; i++) {
        words[i] = (char *)g_intern_string(split[i]);
    }
    if (v->leading) {
        return kiln_flags_parse_leading(flags, G_N_ELEMENTS(flags), (int)n, words, v->arguments, error);
    }
    return kiln_flags_parse(flags, G_N_ELEMENTS(flags), (int)n, words, v->arguments, error);
}

static void good(Values *v, const char *line)
{
    g_autoptr(GError) error = NULL;
    parse(v, line, &error);
    g_assert_no_error(error);
}

static void bad(Values *v, const char *line, const char *says)
{
    g_autoptr(GError) error = NULL;
    g_assert_false(parse(v, line, &error));
    g_assert_error(error, KILN_ERROR, KILN_ERROR_USAGE);
    g_assert_cmpstr(error->message, ==, says);
}

static void test_forms(Values *v, gconstpointer data)
{
    static const char *const forms[] = {"--name x", "--name=x", "-n x", "-nx",
                                        "-n=x",     "-qn x",    "-qnx", "--name y --name x"};
    (void)data;
    for (guint i = 0; i < G_N_ELEMENTS(forms); i++) {
        g_clear_pointer(&v->name, g_free);
        good(v, forms[i]);
        g_assert_cmpstr(v->name, ==, "x");
        g_assert_cmpuint(v->arguments->len, ==, 0);
    }
}

static void test_lists(Values *v, gconstpointer data)
{
    (void)data;
    good(v, "-t a --tag b:1 --tag=c -td");
    g_assert_cmpuint(v->tags->len, ==, 4);
    g_assert_cmpstr(g_ptr_array_index(v->tags, 1), ==, "b:1");
    g_assert_cmpstr(g_ptr_array_index(v->tags, 3), ==, "d");
}

static void test_switches(Values *v, gconstpointer data)
{
    (void)data;
    good(v, "-qa");
    g_assert_true(v->quiet && v->all);
    good(v, "--quiet=false -a=0");
    g_assert_false(v->quiet || v->all);
    bad(v, "--quiet=maybe", "--quiet is a switch: it takes true or false, not \"maybe\"");
}

/* A switch takes no value from the next word. */
static void test_optional(Values *v, gconstpointer data)
{
    (void)data;
    good(v, "--pull .");
    g_assert_cmpstr(v->pull, ==, "true");
    g_assert_cmpstr(g_ptr_array_index(v->arguments, 0), ==, ".");
    good(v, "--pull=never");
    g_assert_cmpstr(v->pull, ==, "never");
}

static void test_arguments(Values *v, gconstpointer data)
{
    static const char *const expected[] = {"a", "-", "b", "-q", "--", "--name"};
    (void)data;
    good(v, "a -q - --name x b -- -q -- --name");
    g_assert_cmpuint(v->arguments->len, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_assert_cmpstr(g_ptr_array_index(v->arguments, i), ==, expected[i]);
    }
}

static void test_leading(Values *v, gconstpointer data)
{
    static const char *const expected[] = {"image", "-q", "--name", "--", "x"};
    (void)data;
    v->leading = true;
    good(v, "-a image -q --name -- x");
    g_assert_true(v->all);
    g_assert_false(v->quiet);
    g_assert_cmpuint(v->arguments->len, ==, G_N_ELEMENTS(expected));
    for (guint i = 0; i < G_N_ELEMENTS(expected); i++) {
        g_assert_cmpstr(g_ptr_array_index(v->arguments, i), ==, expected[i]);
    }
}

static void test_values_that_look_like_flags(Values *v, gconstpointer data)
{
    (void)data;
    good(v, "--name --quiet");
    g_assert_cmpstr(v->name, ==, "--quiet");
    g_assert_false(v->quiet);
    good(v, "--name=");
    g_assert_cmpstr(v->name, ==, "");
}

static void test_dockers(Values *v, gconstpointer data)
{
    (void)data;
    good(v, "--rm --rm=true --builder x --network host --network=default");
    g_assert_cmpuint(v->arguments->len, ==, 0);
    bad(v, "--network=none", "--network=none is not supported yet (only: default, host)");
    bad(v, "--memory 1g", "--memory is not supported yet");
    bad(v, "-m1g", "-m is not supported yet");
}

static void test_wrong(Values *v, gconstpointer data)
{
    (void)data;
    bad(v, "--tga x", "unknown flag --tga (did you mean --tag?)");
    bad(v, "--frobnicate", "unknown flag --frobnicate");
    bad(v, "--name", "--name needs a value");
    bad(v, "-qn", "-n needs a value");
    bad(v, "-qz", "unknown flag -z in \"-qz\"");
    bad(v, "--=x", "unknown flag --");
}

static void test_help(Values *v, gconstpointer data)
{
    (void)v;
    (void)data;
    const KilnFlag flags[] = {
        {'n', "name", KILN_FLAG_STRING, NULL, "NAME", "A name"},
        {0, "pull", KILN_FLAG_OPTIONAL, NULL, "WHEN", "When"},
        {0, "hidden", KILN_FLAG_IGNORED},
    };
    g_autoptr(GString) text = g_string_new(NULL);
    kiln_flags_help(flags, G_N_ELEMENTS(flags), text);
    g_assert_cmpstr(text->str, ==,
                    "  -n, --name NAME                   A name\n"
                    "      --pull[=WHEN]                 When\n");
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
#define ADD(name, function) g_test_add(name, Values, NULL, set_up, function, tear_down)
    ADD("/cli/flags/forms", test_forms);
    ADD("/cli/flags/lists", test_lists);
    ADD("/cli/flags/switches", test_switches);
    ADD("/cli/flags/optional", test_optional);
    ADD("/cli/flags/arguments", test_arguments);
    ADD("/cli/flags/leading", test_leading);
    ADD("/cli/flags/values-that-look-like-flags", test_values_that_look_like_flags);
    ADD("/cli/flags/dockers", test_dockers);
    ADD("/cli/flags/wrong", test_wrong);
    ADD("/cli/flags/help", test_help);
    return g_test_run();
}
