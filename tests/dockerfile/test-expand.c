/* Word expansion: quotes, escapes, every operator, splitting. */
#include <string.h>

#include "dockerfile/dockerfile.h"
#include "dockerfile/expand.h"

static const char *const variables[][2] = {
    {"PWD", "/home"},
    {"SHELL", "bash"},
    {"NULL", ""},
    {"KOREAN", "한국어"},
    {"SPACE", "abc  def"},
    {"LEADING", "  ab c"},
    {"F", "a.tar.gz"},
    {"XXYY", "xxyy"},
    {"URL", "http://g.de"},
    {"PATHS", "/foo*/*/*.txt"},
    {"STAR", "*x"},
    {"LINES", "a1\nb1\nc"},
    {"STARS", "a***yy*"},
    {"META", "()[]{}^$.*?|\\x"},
    {"MIXED", "\xE9t\xE9é"},
    {"größe", "7"},
};

static const char *lookup(const char *name, void *data)
{
    g_assert_true(data == variables);
    for (gsize n = 0; n < G_N_ELEMENTS(variables); n++) {
        if (strcmp(variables[n][0], name) == 0)
            return variables[n][1];
    }
    return NULL;
}

#define DATA ((void *)variables)

/* NULL: an error */
static const char *const words[][2] = {
    {"", ""},
    {"hello", "hello"},
    {"he'll'o", "hello"},
    {"he'llo", NULL},
    {"he\\'llo", "he'llo"},
    {"he\\\\'llo", NULL},
    {"abc\\tdef", "abctdef"},
    {"\"abc\\tdef\"", "abc\\tdef"},
    {"\"abc\\\\tdef\"", "abc\\tdef"},
    {"'abc\\tdef'", "abc\\tdef"},
    {"hello\\", "hello"},
    {"hello\\\\", "hello\\"},
    {"\"hello", NULL},
    {"\"hello\\\"", NULL},
    {"\"hel'lo\"", "hel'lo"},
    {"'hello\\'", "hello\\"},
    {"\"a\\\"b\"", "a\"b"},
    {"a b  c", "a b  c"},
    {"1 < 2 << 3", "1 < 2 << 3"},
    /* $name */
    {"$.", "$."},
    {"a$", "a$"},
    {"he$1x", "hex"},
    {"he$PWD", "he/home"},
    {"he$PWDx", "he"},
    {"$PWD$SHELL", "/homebash"},
    {"he\\$PWD", "he$PWD"},
    {"he\\\\$PWD", "he\\/home"},
    {"\"he\\$PWD\"", "he$PWD"},
    {"\"$PWD '$SHELL'\"", "/home 'bash'"},
    {"'$PWD'", "$PWD"},
    {"안녕$KOREAN", "안녕한국어"},
    {"$größe", "7"},
    {"caf\xE9$PWD", "caf\xE9/home"},
    {"\xEF\xBB\xBF$PWD", "/home"},
    {"a\xEF\xBB\xBF", "a\xEF\xBB\xBF"},
    {"$001aaa", "aaa"},
    {"$@@@", "@@"},
    {"$$", ""},
    {"$?x$#x$!x$-x$*x", "xxxxx"},
    /* ${name} */
    {"he${PWD}xx", "he/homexx"},
    {"he${unset}xx", "hexx"},
    {"he\\${PWD}", "he${PWD}"},
    {"${}", NULL},
    {"${.}", NULL},
    {"${:}", NULL},
    {"${:-x}", NULL},
    {"${{PWD}", NULL},
    {"${PWD", NULL},
    {"${", NULL},
    {"${PWD}}", "/home}"},
    {"${1}${@}", ""},
    /* defaults and alternatives */
    {"${x:-000}y", "000y"},
    {"${x-000}", "000"},
    {"${NULL:-000}", "000"},
    {"${NULL-000}", ""},
    {"${PWD:-000}", "/home"},
    {"${x:-}", ""},
    {"${x:-$PWD}", "/home"},
    {"${x:-${y:-${z:-deep}}}", "deep"},
    {"${x:-\"a }b\"}", "a }b"},
    {"${x:-'$PWD'}", "$PWD"},
    {"${x:-a\\}b}", "a}b"},
    {"${x:-\\$PWD:}", "$PWD:"},
    {"${x:-a {b}", "a {b"},
    {"${x:-a ${y}", NULL},
    {"${PWD:+set}", "set"},
    {"${PWD+set}", "set"},
    {"${NULL:+set}", ""},
    {"${NULL+set}", "set"},
    {"${x:+set}${x+set}", ""},
    {"${PWD:+-${SHELL}}", "-bash"},
    {"${PWD:+${PWD}:}x", "/home:x"},
    {"${1:-bbb}${@:-c}", "bbbc"},
    {"${x:=1}", NULL},
    {"${x=1}", NULL},
    {"${x:YYY}", NULL},
    {"${x^^}", NULL},
    {"${#PWD}", NULL},
    {"${x:/a/b}", NULL},
    {"${x:", NULL},
    /* required */
    {"${PWD:?}", "/home"},
    {"${PWD?no}", "/home"},
    {"${NULL?no}", ""},
    {"${NULL:?no}", NULL},
    {"${x?}", NULL},
    {"${x:?no}", NULL},
    /* trimming */
    {"${F#*.}", "tar.gz"},
    {"${F##*.}", "gz"},
    {"${F%.*}", "a.tar"},
    {"${F%%.*}", "a"},
    {"${F%.zip}", "a.tar.gz"},
    {"${F#?.}", "tar.gz"},
    {"${F%.${x:-gz}}", "a.tar"},
    {"${x#a}", ""},
    {"${XXYY#*x*y}", "y"},
    {"${XXYY#*}", "xxyy"},
    {"${XXYY##*x}", "yy"},
    {"${XXYY##}${XXYY%}", "xxyyxxyy"},
    {"${XXYY#${STAR}}", "xyy"},
    {"${STARS%%\\**\\*}", "a"},
    {"${STARS%\\*}", "a***yy"},
    {"${META#()[]{\\}^$.\\*\\?|\\\\}", "x"},
    {"${KOREAN#?}${KOREAN%?}", "국어한국"},
    {"${MIXED#?}", "t\xE9é"},
    {"${MIXED%??}", "\xE9t"},
    {"${F#\"a.\"}", "tar.gz"},
    {"${F#a\\x}", NULL},
    {"${F%a\\}", NULL},
    {"${F:#a}", NULL},
    {"${F:%%a}", NULL},
    {"${F#a", NULL},
    /* replacing */
    {"${XXYY/x/-}", "-xyy"},
    {"${XXYY//x/-}", "--yy"},
    {"${XXYY//x}", NULL},
    {"${XXYY/x", NULL},
    {"${XXYY///}", "xxyy"},
    {"${XXYY//y/}", "xx"},
    {"${XXYY/z/-}", "xxyy"},
    {"${XXYY//?/ab}", "abababab"},
    {"${XXYY/x*/-}", "-"},
    {"${XXYY//*/-}", "-"},
    {"${XXYY/${NULL}/w}", "wxxyy"},
    {"${XXYY//${NULL}/w}", "wxwxwywyw"},
    {"${KOREAN//${NULL}/.}", ".한.국.어."},
    {"${NULL//*/-}", "-"},
    {"${x/a/b}", ""},
    {"${URL/http:\\/\\//https://}", "https://g.de"},
    {"${URL/'http://'/https://}", "https://g.de"},
    {"${PATHS/\\*\\//.}", "/foo.*/*.txt"},
    {"${PATHS//\\*\\//.}", "/foo..*.txt"},
    {"${PATHS//\\//\\/}", "\\/foo*\\/*\\/*.txt"},
    {"${LINES//?1/-}", "-\n-\nc"},
    {"${LINES//*1/-}", "-\n-\nc"},
    {"${LINES/1*c/-}", "a1\nb1\nc"},
};

static void test_word(gconstpointer data)
{
    const char *const *c = data;
    g_autoptr(GError) error = NULL;
    g_autofree char *result = kiln_expand_word(c[0], '\\', lookup, DATA, &error);
    g_assert_cmpstr(result, ==, c[1]);
    if (c[1])
        g_assert_no_error(error);
    else
        g_assert_error(error, KILN_DOCKERFILE_ERROR, KILN_DOCKERFILE_ERROR_EXPANSION);
}

static void test_other_escape(void)
{
    static const char *const cases[][2] = {
        {"C:\\x\\", "C:\\x\\"}, {"`$PWD", "$PWD"}, {"\"a`\"b\\\"", "a\"b\\"}, {"``", "`"}};
    for (gsize n = 0; n < G_N_ELEMENTS(cases); n++) {
        g_autofree char *result = kiln_expand_word(cases[n][0], '`', lookup, DATA, NULL);
        g_assert_cmpstr(result, ==, cases[n][1]);
    }
}

static void test_raw(void)
{
    static const char *const cases[][2] = {
        {"\"foo\"\n'$PWD'\n", "\"foo\"\n'/home'\n"},
        {"it's ${x:-'a'}\n", "it's 'a'\n"},
        {"\\$PWD \\\\ a\\tb", "$PWD \\ atb"},
        {"cat <<X\n", "cat <<X\n"},
    };
    for (gsize n = 0; n < G_N_ELEMENTS(cases); n++) {
        g_autofree char *result = kiln_expand_raw(cases[n][0], '\\', lookup, DATA, NULL);
        g_assert_cmpstr(result, ==, cases[n][1]);
    }
}

/* Words are shown with "|" between them. */
static void test_split(void)
{
    static const char *const cases[][2] = {
        {"", ""},
        {"  ", ""},
        {"hello", "hello"},
        {"hello there ", "hello|there"},
        {"hello\\ there", "hello there"},
        {"hello\" there  \"", "hello there  "},
        {"a${SPACE}b", "aabc|defb"},
        {"a\"${SPACE}\"b", "aabc  defb"},
        {"a \"${SPACE}\"b", "a|abc  defb"},
        {"a${LEADING}d", "a|ab|cd"},
        {"80${x:-80}/tcp", "8080/tcp"},
        {"${x:-80 81}", "80|81"},
        {"'' a \"\"", "a"},
        {"$x", ""},
        {"안\xC2\xA0녕", "안|녕"},
    };
    for (gsize n = 0; n < G_N_ELEMENTS(cases); n++) {
        g_auto(GStrv) result = kiln_expand_words(cases[n][0], '\\', lookup, DATA, NULL);
        g_assert_nonnull(result);
        g_autofree char *joined = g_strjoinv("|", result);
        g_assert_cmpstr(joined, ==, cases[n][1]);
    }
    g_autoptr(GError) error = NULL;
    g_assert_null(kiln_expand_words("a \"b", '\\', lookup, DATA, &error));
    g_assert_error(error, KILN_DOCKERFILE_ERROR, KILN_DOCKERFILE_ERROR_EXPANSION);
}

static void test_messages(void)
{
    static const char *const cases[][2] = {
        {"${VERSION:?set it with --build-arg for $PWD}",
         "VERSION: set it with --build-arg for /home"},
        {"${VERSION?}", "VERSION: "},
        {"${NULL:?}", "NULL: "},
        {"${x,,}", "unsupported operator ,"},
        {"${x", "}"},
        {"'a", "'"},
        {"${F#a\\x}", "a\\x"},
    };
    for (gsize n = 0; n < G_N_ELEMENTS(cases); n++) {
        g_autoptr(GError) error = NULL;
        g_assert_null(kiln_expand_word(cases[n][0], '\\', lookup, DATA, &error));
        g_assert_nonnull(strstr(error->message, cases[n][1]));
    }
}

/* Hostile input costs an error or some milliseconds, never the stack or exponential time. */
static void test_hostile(void)
{
    g_autoptr(GString) deep = g_string_new(NULL);
    for (int n = 0; n < 100000; n++)
        g_string_append(deep, "${x:-");
    g_autoptr(GError) error = NULL;
    g_assert_null(kiln_expand_word(deep->str, '\\', lookup, DATA, &error));
    g_assert_error(error, KILN_DOCKERFILE_ERROR, KILN_DOCKERFILE_ERROR_EXPANSION);
    g_clear_error(&error);

    g_autoptr(GString) stars = g_string_new("${x:-");
    g_string_append(stars, "${XXYY//");
    for (int n = 0; n < 1000; n++)
        g_string_append(stars, "*x");
    g_string_append(stars, "/}}");
    g_autofree char *result = kiln_expand_word(stars->str, '\\', lookup, DATA, &error);
    g_assert_no_error(error);
    g_assert_cmpstr(result, ==, "xxyy");
}

static const char *lookup_long(const char *name, void *data)
{
    (void)name;
    return data;
}

static void test_long_values(void)
{
    g_autofree char *value = g_strnfill(200000, 'a');
    g_autofree char *same = kiln_expand_word("${v##*a*a*a*b}", '\\', lookup_long, value, NULL);
    g_assert_cmpstr(same, ==, value);
    g_autofree char *replaced = kiln_expand_word("${v//a*a*b/}", '\\', lookup_long, value, NULL);
    g_assert_cmpstr(replaced, ==, value);
    g_autofree char *last = kiln_expand_word("${v##*a}", '\\', lookup_long, value, NULL);
    g_assert_cmpstr(last, ==, "");

    /* More work than is allowed: pattern and value are both long. */
    g_autoptr(GError) error = NULL;
    g_assert_null(kiln_expand_word("${v##$v}", '\\', lookup_long, value, &error));
    g_assert_error(error, KILN_DOCKERFILE_ERROR, KILN_DOCKERFILE_ERROR_EXPANSION);
}

int main(int argc, char **argv)
{
    g_test_init(&argc, &argv, NULL);
    for (gsize n = 0; n < G_N_ELEMENTS(words); n++) {
        g_autofree char *path = g_strdup_printf("/expand/word/%03" G_GSIZE_FORMAT, n);
        g_test_add_data_func(path, words[n], test_word);
    }
    g_test_add_func("/expand/other-escape", test_other_escape);
    g_test_add_func("/expand/raw", test_raw);
    g_test_add_func("/expand/split", test_split);
    g_test_add_func("/expand/messages", test_messages);
    g_test_add_func("/expand/hostile", test_hostile);
    g_test_add_func("/expand/long-values", test_long_values);
    return g_test_run();
}
